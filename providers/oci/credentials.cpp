#include "providers/oci/credentials.hpp"

#include "core/base/text.hpp"
#include "core/wire/digest.hpp"
#include "core/wire/http_date.hpp"
#include "core/wire/ini.hpp"
#include "core/wire/url.hpp"

namespace gpubroker::oci {
namespace {

std::string from_home(const std::string& path, const std::string& home) {
  return path.rfind("~/", 0) == 0 ? home + path.substr(1) : path;
}

void warn_of_readers(Files& files, const std::string& path, std::vector<std::string>& warnings) {
  constexpr int kOthers = 077;
  const Result<FileInfo> info = files.stat(path);
  if (info.ok() && info.value().type == FileType::file && (info.value().mode & kOthers) != 0) {
    warnings.push_back(path + " can be read by others: chmod 600 " + path);
  }
}

}  // namespace

Access find_access(Files& files, Processes& processes) {
  const auto env = [&](const std::string& name) { return processes.env(name).value_or(""); };
  const std::string home = env("HOME");
  std::string path = env("OCI_CLI_CONFIG_FILE");
  if (path.empty()) { path = "~/.oci/config"; }
  const Result<std::string> text = files.read(from_home(path, home));
  const Ini ini = text.ok() ? parse_ini(text.value()) : Ini{};
  std::string profile = env("OCI_CLI_PROFILE");
  if (profile.empty()) { profile = "DEFAULT"; }
  const auto value = [&](const char* variable, const char* key) {
    std::string found = env(std::string("OCI_CLI_") + variable);
    if (found.empty()) { found = ini_value(ini, profile, key); }
    return found.empty() ? ini_value(ini, "DEFAULT", key) : found;
  };
  Access access{.user = value("USER", "user"),
                .tenancy = value("TENANCY", "tenancy"),
                .fingerprint = value("FINGERPRINT", "fingerprint"),
                .region = value("REGION", "region"),
                .passphrase = Secret(value("PASSPHRASE", "pass_phrase"))};
  const std::string key_file = value("KEY_FILE", "key_file");
  if (access.user.empty() && access.tenancy.empty() && key_file.empty()) { return access; }
  access.found_in = text.ok() ? path + " [" + profile + "]" : "$OCI_CLI_USER";
  for (const auto& [name, found] : {std::pair("user", access.user), std::pair("tenancy", access.tenancy),
                                    std::pair("fingerprint", access.fingerprint),
                                    std::pair("region", access.region), std::pair("key_file", key_file)}) {
    if (!found.empty()) { continue; }
    access.problem = std::string(name) + " is missing";
    return access;
  }
  const std::string key_path = from_home(key_file, home);
  const Result<std::string> key = files.read(key_path);
  if (!key.ok()) {
    access.problem = key.error().message;
    return access;
  }
  access.private_key = Secret(key.value());
  warn_of_readers(files, key_path, access.warnings);
  return access;
}

std::string signing_text(const HttpRequest& request, std::string_view host, std::string_view target) {
  std::string text = "date: " + find_header(request.headers, "date");
  text += "\n(request-target): " + lower(request.method) + " ";
  text += target;
  text += "\nhost: ";
  text += host;
  if (request.method == "GET") { return text; }
  text += "\ncontent-length: " + std::to_string(request.body.size());
  text += "\ncontent-type: " + find_header(request.headers, "content-type");
  text += "\nx-content-sha256: " + find_header(request.headers, "x-content-sha256");
  return text;
}

Result<HttpRequest> sign_request(HttpRequest request, const Access& access, Instant now) {
  TRY(const UrlParts parts, split_url(request.url));
  request.headers = {{"date", format_http_date(now)}, {"accept", "application/json"}};
  std::string names = "date (request-target) host";
  if (request.method != "GET") {
    request.headers.emplace_back("content-type", "application/json");
    request.headers.emplace_back("x-content-sha256", to_base64(sha256(request.body)));
    names += " content-length content-type x-content-sha256";
  }
  const std::string target = parts.query.empty() ? parts.path : parts.path + "?" + parts.query;
  TRY(const std::string signature,
      sign_rs256(access.private_key, signing_text(request, parts.host, target), access.passphrase));
  std::string header = R"(Signature version="1",keyId=")";
  header += access.tenancy + "/" + access.user + "/" + access.fingerprint;
  header += R"(",algorithm="rsa-sha256",headers=")" + names;
  header += R"(",signature=")" + to_base64(signature) + "\"";
  request.headers.emplace_back("authorization", header);
  return request;
}

}  // namespace gpubroker::oci
