#include "providers/coreweave/kubeconfig.hpp"

#include "core/wire/answer_json.hpp"
#include "core/wire/digest.hpp"
#include "core/wire/flat_yaml.hpp"
#include "core/wire/json.hpp"

namespace gpubroker::coreweave {
namespace {

/// The first item of that name in any of the files: its file and its path, "users.1".
struct Place {
  const FlatYaml* yaml = nullptr;
  std::string path = {};
  [[nodiscard]] std::string value(const std::string& name) const {
    return yaml == nullptr ? std::string() : flat_value(*yaml, path + "." + name);
  }
};

Place find_named(const std::vector<FlatYaml>& files, const std::string& list, const std::string& name) {
  for (const FlatYaml& yaml : files) {
    for (int i = 0;; ++i) {
      const std::string path = list + "." + std::to_string(i);
      const auto found = yaml.find(path + ".name");
      if (found == yaml.end()) { break; }
      if (found->second == name) { return {.yaml = &yaml, .path = path}; }
    }
  }
  return {};
}

std::optional<TokenProgram> find_program(const Place& user) {
  const std::string command = user.value("user.exec.command");
  if (command.empty()) { return std::nullopt; }
  TokenProgram program{.argv = {command}, .api_version = user.value("user.exec.apiVersion")};
  for (int i = 0;; ++i) {
    const auto found = user.yaml->find(user.path + ".user.exec.args." + std::to_string(i));
    if (found == user.yaml->end()) { break; }
    program.argv.push_back(found->second);
  }
  for (int i = 0;; ++i) {
    const std::string item = "user.exec.env." + std::to_string(i);
    const std::string name = user.value(item + ".name");
    if (name.empty()) { break; }
    program.env[name] = user.value(item + ".value");
  }
  return program;
}

}  // namespace

Result<std::optional<KubeContext>> parse_kubeconfig(const std::vector<std::string>& texts) {
  std::vector<FlatYaml> files;
  KubeContext context;
  for (const std::string& text : texts) {
    TRY(FlatYaml yaml, read_flat_yaml(text));
    if (context.name.empty()) { context.name = flat_value(yaml, "current-context"); }
    files.push_back(std::move(yaml));
  }
  const Place named = find_named(files, "contexts", context.name);
  const Place cluster = find_named(files, "clusters", named.value("context.cluster"));
  context.server = cluster.value("cluster.server");
  while (!context.server.empty() && context.server.back() == '/') { context.server.pop_back(); }
  if (context.name.empty() || context.server.empty()) { return std::optional<KubeContext>{}; }
  if (const std::string data = cluster.value("cluster.certificate-authority-data"); !data.empty()) {
    TRY(context.ca_pem, from_base64(data));
  }
  context.ca_file = cluster.value("cluster.certificate-authority");
  context.name_space = named.value("context.namespace");
  const Place user = find_named(files, "users", named.value("context.user"));
  context.token = Secret(user.value("user.token"));
  context.token_file = user.value("user.tokenFile");
  if (user.yaml != nullptr) { context.program = find_program(user); }
  return std::optional(std::move(context));
}

std::string encode_program_request(const TokenProgram& program) {
  return dump_json(
      {{"apiVersion", program.api_version}, {"kind", "ExecCredential"}, {"spec", {{"interactive", false}}}});
}

Result<Secret> parse_program_answer(std::string_view text) {
  return read_answer(text, "kubeconfig exec", [](const AnswerValue& root) -> Result<Secret> {
    const std::optional<AnswerValue> status = root.find("status");
    Secret token(status ? status->text_or("token") : "");
    if (token.empty()) {
      return Error{.kind = ErrorKind::auth,
                   .message = "the program of the kubeconfig's user gives no token",
                   .source = "kubeconfig exec",
                   .code = "NoToken",
                   .scope = ErrorScope::account};
    }
    return token;
  });
}

}  // namespace gpubroker::coreweave
