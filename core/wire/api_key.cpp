#include "core/wire/api_key.hpp"

#include "core/base/text.hpp"

namespace gpubroker {

std::string read_home_file(Files& files, Processes& processes, const std::string& path,
                           std::vector<std::string>& warnings) {
  const std::string full = processes.env("HOME").value_or("") + "/" + path;
  const Result<std::string> text = files.read(full);
  if (!text.ok()) {
    if (text.error().kind != ErrorKind::not_found) {
      std::string warning = "~/" + path;
      warning += " cannot be read: " + text.error().message;
      warnings.push_back(warning);
    }
    return {};
  }
  constexpr int kOthersRead = 044;
  const Result<FileInfo> info = files.stat(full);
  // A link's own mode says nothing.
  if (info.ok() && info.value().type == FileType::file && (info.value().mode & kOthersRead) != 0) {
    std::string warning = "~/" + path;
    warning += " can be read by others: chmod 600 ~/" + path;
    warnings.push_back(warning);
  }
  return text.value();
}

FoundKey find_key(Files& files, Processes& processes, const KeyPlaces& places) {
  FoundKey found;
  for (const std::string& variable : places.variables) {
    const std::string value(trim(processes.env(variable).value_or("")));
    if (value.empty()) { continue; }
    found.key = Secret(value);
    found.found_in = "$" + variable;
    return found;
  }
  for (const KeyFile& file : places.files) {
    const std::string text = read_home_file(files, processes, file.path, found.warnings);
    found.key = file.read(text);
    if (found.key.empty()) { continue; }
    found.found_in = "~/" + file.path;
    return found;
  }
  return found;
}

Secret whole_file_key(std::string_view text) {
  return Secret(std::string(trim(text)));
}

HttpRequest bearer_get(std::string url, const Secret& key) {
  HttpRequest request;
  request.url = std::move(url);
  request.headers = {{"Authorization", "Bearer " + key.reveal()}, {"Accept", "application/json"}};
  return request;
}

AccessReport report_access(const FoundKey& found, const std::string& next,
                           const std::function<Status(AccessReport&)>& ask) {
  AccessReport report;
  report.found_in = found.found_in;
  report.warnings = found.warnings;
  if (found.key.empty()) {
    report.next = next;
    return report;
  }
  const Status answer = ask(report);
  if (answer.ok()) {
    report.state = AccessReport::State::valid;
    return report;
  }
  report.state = answer.error().kind == ErrorKind::auth ? AccessReport::State::refused
                                                        : AccessReport::State::unreachable;
  report.problem = answer.error().message;
  report.next = answer.error().hint.empty() ? next : answer.error().hint;
  return report;
}

}  // namespace gpubroker
