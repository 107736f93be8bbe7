#include "providers/gcp/credentials.hpp"

#include "core/ports/price_feed.hpp"
#include "providers/gcp/credential_sources.hpp"

namespace gpubroker::gcp {
namespace {

std::string env(const CredentialsRequest& request, const char* name) {
  return request.processes.env(name).value_or("");
}

Result<Access> access_by(const CredentialsRequest& request, const Adc& adc, const std::string& found_in) {
  TRY(AccessToken token, fetch_token(request, adc));
  return Access{.token = std::move(token),
                .found_in = found_in,
                .identity = adc.identity,
                .project = adc.project,
                .quota_project = adc.quota_project};
}

Result<Access> access_by_file(const CredentialsRequest& request, const std::string& path,
                              const std::string& text) {
  const std::string shown = shown_path(request.settings, path);
  TRY(const Adc adc, parse_adc(text, shown));
  return access_by(request, adc, shown);
}

Result<Access> named_file_access(const CredentialsRequest& request) {
  const std::string& path = request.settings.named_file;
  const Result<std::string> text = request.files.read(path);
  if (!text.ok()) {
    return Error{.kind = ErrorKind::auth,
                 .message = "$GOOGLE_APPLICATION_CREDENTIALS: " + text.error().message,
                 .hint = "name a file that is there, or unset it",
                 .source = "gcp",
                 .scope = ErrorScope::account};
  }
  return access_by_file(request, path, text.value());
}

/// Nothing: no run of GitHub Actions, or its workflow names no provider.
std::optional<Adc> github(const CredentialsRequest& request) {
  const std::string provider = env(request, "GPUBROKER_GCP_WORKLOAD_IDENTITY_PROVIDER");
  const std::string url = env(request, "ACTIONS_ID_TOKEN_REQUEST_URL");
  if (provider.empty() || url.empty()) { return std::nullopt; }
  return github_account(provider, env(request, "GPUBROKER_GCP_SERVICE_ACCOUNT"), url,
                        Secret(env(request, "ACTIONS_ID_TOKEN_REQUEST_TOKEN")));
}

}  // namespace

bool has_credentials(const Settings& settings, Files& files, Processes& processes) {
  if (!settings.named_file.empty()) { return true; }
  const auto is_set = [&](const char* name) { return !processes.env(name).value_or("").empty(); };
  if (is_set("GPUBROKER_GCP_WORKLOAD_IDENTITY_PROVIDER") && is_set("ACTIONS_ID_TOKEN_REQUEST_URL")) {
    return true;
  }
  return files.stat(settings.default_file).ok() ||
         files.stat(settings.config_folder + "/credentials.db").ok();  // gcloud's own login
}

Result<Access> find_access(const CredentialsRequest& request) {
  if (!request.settings.named_file.empty()) { return named_file_access(request); }
  if (const auto account = github(request)) { return access_by(request, *account, "GitHub Actions"); }
  const std::string& path = request.settings.default_file;
  if (const Result<std::string> text = request.files.read(path); text.ok()) {
    return access_by_file(request, path, text.value());
  }
  TRY(std::optional<Access> of_machine, metadata_access(request));
  if (of_machine) { return *std::move(of_machine); }
  TRY(std::optional<Access> of_gcloud, gcloud_access(request));
  if (of_gcloud) { return *std::move(of_gcloud); }
  return no_credentials("gcp", kNeeds);
}

}  // namespace gpubroker::gcp
