#include <algorithm>
#include <iostream>

#include "cmd/commands.hpp"
#include "cmd/templates.hpp"
#include "core/base/text.hpp"
#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

std::string below(const std::string& folder, std::string_view path) {
  return (folder == "." ? "" : folder + (folder.back() == '/' ? "" : "/")) + std::string(path);
}

}  // namespace

std::vector<std::string> template_names() {
  std::vector<std::string> names;
  for (const TemplateFile& file : template_files()) { names.emplace_back(file.kind); }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

Result<int> run_init(const InitOptions& options, Context& context) {
  std::vector<const TemplateFile*> files;
  std::vector<std::string> taken;
  std::string task = "train.yaml";
  for (const TemplateFile& file : template_files()) {
    if (file.kind != options.kind) { continue; }
    files.push_back(&file);
    if (file.path.size() > 5 && file.path.substr(file.path.size() - 5) == ".yaml") { task = file.path; }
    const std::string path = below(options.folder, file.path);
    if (context.files.stat(path).ok()) { taken.push_back(path); }
  }
  if (!taken.empty() && !options.force) {
    return Error{
        .kind = ErrorKind::invalid,
        .message = join(taken, ", ") + (taken.size() == 1 ? " exists" : " exist") + "; nothing was written",
        .hint = "another folder, or --force to overwrite"};
  }
  Json written = Json::array();
  for (const TemplateFile* const file : files) {
    const std::string path = below(options.folder, file->path);
    const bool is_script = file->text.substr(0, 2) == "#!";
    TRY([[maybe_unused]] const Ok done,
        context.files.write_atomic(path, file->text, is_script ? 0755 : 0644, /*durable=*/false));
    std::cerr << "wrote " << path << '\n';
    written.push_back(path);
  }
  const std::string next = "gpubroker launch " + below(options.folder, task);
  std::cerr << "next: " << next << '\n';
  if (options.json) { std::cout << dump_json({{"schema", 1}, {"files", written}, {"next", next}}) << '\n'; }
  return 0;
}

}  // namespace gpubroker
