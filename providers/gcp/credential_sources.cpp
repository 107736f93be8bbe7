#include "providers/gcp/credential_sources.hpp"

#include "core/base/text.hpp"
#include "providers/gcp/codec.hpp"

namespace gpubroker::gcp {
namespace {

constexpr Millis kMetadataPatience{3'000};
constexpr Millis kGcloudPatience{30'000};
constexpr Millis kGcloudToken{5 * 60'000};  // how long its tokens are good is not told: at least this

std::string env(const CredentialsRequest& request, const char* name) {
  return request.processes.env(name).value_or("");
}

Error unusable(const std::string& message, const std::string& hint = "") {
  return {.kind = ErrorKind::auth,
          .message = message,
          .hint = hint,
          .source = "gcp",
          .scope = ErrorScope::account};
}

Result<HttpResponse> ask(const CredentialsRequest& request, const HttpRequest& question,
                         const std::string& what) {
  TRY(HttpResponse answer, request.http.send(question));
  if (answer.status >= 400) { return parse_error(answer, what, request.clock.now()); }
  return answer;
}

Result<Secret> run_executable(const CredentialsRequest& request, const Adc& external) {
  const SubjectSource& source = external.subject;
  if (env(request, "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES") != "1") {
    return unusable("the credential file names a program to run, and nobody has allowed it",
                    "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1 does");
  }
  Command command;
  for (const std::string& word : split(source.executable, ' ')) {
    if (!word.empty()) { command.argv.push_back(word); }
  }
  if (command.argv.empty()) { return unusable("the credential file names no program"); }
  command.env = {
      {"GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE", external.audience},
      {"GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE", external.subject_token_type},
      {"GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE", "0"},
      {"GOOGLE_EXTERNAL_ACCOUNT_IMPERSONATED_EMAIL", impersonated_email(external.impersonation_url)}};
  TRY(const CommandResult result, request.processes.run(command, source.timeout));
  if (result.exit.code != 0) { return unusable("the credential executable failed: " + command.argv.front()); }
  return read_executable_answer(result.out, request.clock.now());
}

Result<Secret> subject_token(const CredentialsRequest& request, const Adc& external) {
  const SubjectSource& source = external.subject;
  if (!source.executable.empty()) { return run_executable(request, external); }
  if (!source.file.empty()) {
    // Its owner renews it: it is read each time.
    const Result<std::string> text = request.files.read(source.file);
    if (!text.ok()) { return unusable("the subject token: " + text.error().message); }
    return read_subject_token(text.value(), source);
  }
  TRY(const HttpResponse answer,
      ask(request, {.url = source.url, .headers = source.headers}, "subject token"));
  return read_subject_token(answer.body, source);
}

Result<AccessToken> impersonate(const CredentialsRequest& request, const Adc& target,
                                const AccessToken& source) {
  TRY(const HttpResponse answer,
      ask(request, encode_impersonation(target, source.value), "generateAccessToken"));
  return parse_generated_token(answer.body);
}

Result<AccessToken> service_account_token(const CredentialsRequest& request, const Adc& account) {
  TRY(const HttpRequest grant, encode_jwt_grant(account, request.clock.now()));
  TRY(const HttpResponse answer, ask(request, grant, "token of " + account.identity));
  return parse_token(answer.body, request.clock.now());
}

Result<AccessToken> user_token(const CredentialsRequest& request, const Adc& user) {
  TRY(const HttpResponse answer, ask(request, encode_refresh(user), "token of a user"));
  return parse_token(answer.body, request.clock.now());
}

Result<AccessToken> external_token(const CredentialsRequest& request, const Adc& external) {
  TRY(const Secret subject, subject_token(request, external));
  TRY(const HttpResponse answer, ask(request, encode_exchange(external, subject), "token exchange"));
  TRY(AccessToken token, parse_token(answer.body, request.clock.now()));
  if (external.impersonation_url.empty()) { return token; }
  return impersonate(request, external, token);
}

/// Empty: we are on no machine of Google's. Nobody is asked to find out: elsewhere that address swallows
/// packets.
std::string metadata_base(const CredentialsRequest& request) {
  if (env(request, "NO_GCE_CHECK") == "true") { return {}; }
  for (const char* name : {"GCE_METADATA_HOST", "GCE_METADATA_IP"}) {
    if (const std::string host = env(request, name); !host.empty()) { return "http://" + host; }
  }
  // Cloud Run and its relatives show no hardware.
  const bool serverless = !env(request, "K_SERVICE").empty() || !env(request, "CLOUD_RUN_JOB").empty();
  const Result<std::string> product = request.files.read("/sys/class/dmi/id/product_name");
  const bool hardware = product.ok() && product.value().rfind("Google", 0) == 0;
  return serverless || hardware ? "http://metadata.google.internal" : std::string();
}

Result<HttpResponse> ask_metadata(const CredentialsRequest& request, const std::string& url) {
  TRY(HttpResponse answer,
      request.http.send(
          {.url = url, .headers = {{"Metadata-Flavor", "Google"}}, .timeout = kMetadataPatience}));
  // Anybody may answer at that address in a strange network.
  if (find_header(answer.headers, "metadata-flavor") != "Google") {
    return unusable("what answers at the metadata server's address is not Google's");
  }
  return answer;
}

std::string metadata_text(const CredentialsRequest& request, const std::string& url) {
  const Result<HttpResponse> answer = ask_metadata(request, url);
  return answer.ok() && answer.value().status == 200 ? std::string(trim(answer.value().body)) : std::string();
}

/// Empty: not on PATH.
std::string gcloud_path(const CredentialsRequest& request) {
  for (const std::string& folder : split(env(request, "PATH"), ':')) {
    const std::string path = folder + "/gcloud";
    if (!folder.empty() && request.files.stat(path).ok()) { return path; }
  }
  return {};
}

/// gcloud takes a second to say that nobody is logged in: it is asked where somebody may be.
bool may_be_logged_in(const CredentialsRequest& request) {
  return !env(request, "CLOUDSDK_AUTH_ACCESS_TOKEN").empty() ||
         !env(request, "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE").empty() ||
         request.files.stat(request.settings.config_folder + "/credentials.db").ok();
}

}  // namespace

Result<AccessToken> fetch_token(const CredentialsRequest& request, const Adc& adc) {
  switch (adc.kind) {
    case CredentialKind::service_account:
      return service_account_token(request, adc);
    case CredentialKind::authorized_user:
      return user_token(request, adc);
    case CredentialKind::external_account:
      return external_token(request, adc);
    case CredentialKind::impersonated:
      break;
  }
  TRY(const AccessToken source, fetch_token(request, adc.source.front()));
  return impersonate(request, adc, source);
}

Result<std::optional<Access>> metadata_access(const CredentialsRequest& request) {
  const std::string base = metadata_base(request);
  if (base.empty()) { return std::optional<Access>(); }
  const std::string root = base + "/computeMetadata/v1";
  const std::string account = root + "/instance/service-accounts/default";
  TRY(const HttpResponse answer, ask_metadata(request, account + "/token?scopes=" + url_encode(kScope)));
  if (answer.status == 404) { return std::optional<Access>(); }  // a machine without a service account
  if (answer.status >= 400) { return parse_error(answer, "metadata server", request.clock.now()); }
  TRY(AccessToken token, parse_token(answer.body, request.clock.now()));
  return std::optional(Access{.token = std::move(token),
                              .found_in = "the machine's service account",
                              .identity = metadata_text(request, account + "/email"),
                              .project = metadata_text(request, root + "/project/project-id")});
}

Result<std::optional<Access>> gcloud_access(const CredentialsRequest& request) {
  const std::string gcloud = gcloud_path(request);
  if (gcloud.empty() || !may_be_logged_in(request)) { return std::optional<Access>(); }
  const Command command{.argv = {gcloud, "auth", "print-access-token", "--quiet"}};
  TRY(const CommandResult result, request.processes.run(command, kGcloudPatience));
  const std::string token(trim(result.out));
  if (result.exit.code != 0 || token.empty()) {
    return unusable("gcloud gives no token", "`gcloud auth login`");
  }
  return std::optional(
      Access{.token = {.value = Secret(token), .expires = request.clock.now() + kGcloudToken},
             .found_in = "gcloud auth print-access-token"});
}

}  // namespace gpubroker::gcp
