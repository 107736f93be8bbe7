#include "providers/azure/credentials.hpp"

#include <algorithm>

#include "core/base/text.hpp"
#include "core/wire/cloud_answer.hpp"

namespace gpubroker::azure {
namespace {

constexpr Millis kAzTimeout{60'000};  // it is Python, and may have to renew its login
constexpr int kOthers = 077;

std::string env(Processes& processes, const std::string& name) {
  return processes.env(name).value_or("");
}

std::string az_folder(Processes& processes) {
  const std::string own = env(processes, "AZURE_CONFIG_DIR");
  return own.empty() ? env(processes, "HOME") + "/.azure" : own;
}

/// "https://login.microsoftonline.com" from what people write: without scheme, with a slash at the end.
std::string authority_of(std::string text) {
  while (!text.empty() && text.back() == '/') { text.pop_back(); }
  if (text.empty()) { return "https://login.microsoftonline.com"; }
  return text.find("://") == std::string::npos ? "https://" + text : text;
}

Error refused(const std::string& message, const std::string& hint) {
  return {.kind = ErrorKind::auth,
          .message = message,
          .hint = hint,
          .source = "azure login",
          .scope = ErrorScope::account};
}

/// The environment's login, if it is whole. What is there in part is told: it is passed over in silence by
/// Azure's own tools, and nobody finds out why.
bool find_in_environment(Processes& processes, Access& access) {
  ClientLogin& login = access.login;
  login.tenant = env(processes, "AZURE_TENANT_ID");
  login.client = env(processes, "AZURE_CLIENT_ID");
  login.secret = Secret(env(processes, "AZURE_CLIENT_SECRET"));
  access.token_file = env(processes, "AZURE_FEDERATED_TOKEN_FILE");
  const bool has_github = !env(processes, "ACTIONS_ID_TOKEN_REQUEST_URL").empty() &&
                          !env(processes, "ACTIONS_ID_TOKEN_REQUEST_TOKEN").empty();
  if (login.tenant.empty() || login.client.empty()) {
    if (!login.secret.empty() || !access.token_file.empty()) {
      access.warnings.emplace_back(
          "$AZURE_CLIENT_SECRET or $AZURE_FEDERATED_TOKEN_FILE is set, but $AZURE_TENANT_ID or "
          "$AZURE_CLIENT_ID is not: not used");
    }
    return false;
  }
  if (!login.secret.empty()) {
    access.source = LoginSource::secret;
    access.found_in = "$AZURE_CLIENT_SECRET";
  } else if (!access.token_file.empty()) {
    access.source = LoginSource::federated_file;
    access.found_in = "$AZURE_FEDERATED_TOKEN_FILE";
  } else if (has_github) {
    access.source = LoginSource::github;
    access.found_in = "GitHub Actions, as $AZURE_CLIENT_ID";
  } else {
    return false;
  }
  return true;
}

bool find_in_az(Files& files, Processes& processes, Access& access) {
  const std::string folder = az_folder(processes);
  const Result<std::string> text = files.read(folder + "/azureProfile.json");
  if (!text.ok()) { return false; }
  const Result<std::vector<Subscription>> profile = parse_profile(text.value());
  if (!profile.ok()) {
    access.warnings.push_back(folder + "/azureProfile.json: " + profile.error().message);
    return false;
  }
  if (profile.value().empty()) { return false; }  // after `az logout`
  access.source = LoginSource::az;
  access.found_in = "az login (" + folder + ")";
  for (const Subscription& one : profile.value()) {
    if (one.is_default && access.subscription.empty()) { access.subscription = one.id; }
  }
  const std::string cache = folder + "/msal_token_cache.json";
  const Result<FileInfo> info = files.stat(cache);
  if (info.ok() && (info.value().mode & kOthers) != 0) {
    access.warnings.push_back(cache + " can be read by others: chmod 600 " + cache);
  }
  return true;
}

Result<Token> log_in(const ClientLogin& login, const FeedRequest& request) {
  // Secrets go nowhere in the clear, whatever $AZURE_AUTHORITY_HOST says.
  if (login.authority.rfind("https://", 0) != 0) {
    return refused("$AZURE_AUTHORITY_HOST is not https", "unset AZURE_AUTHORITY_HOST");
  }
  TRY(const HttpResponse answer, request.http.send(encode_login(login)));
  if (answer.status >= 400) { return parse_login_error(answer, request.clock.now()); }
  return parse_token(answer.body, request.clock.now());
}

Result<Secret> read_assertion(const Access& access, const FeedRequest& request, Files& files,
                              Processes& processes) {
  if (access.source == LoginSource::federated_file) {
    const Result<std::string> text = files.read(access.token_file);
    if (!text.ok()) { return refused("$AZURE_FEDERATED_TOKEN_FILE: " + text.error().message, ""); }
    return Secret(std::string(trim(text.value())));
  }
  const Secret bearer(env(processes, "ACTIONS_ID_TOKEN_REQUEST_TOKEN"));
  TRY(const HttpResponse answer,
      request.http.send(encode_github_token(env(processes, "ACTIONS_ID_TOKEN_REQUEST_URL"), bearer)));
  if (answer.status >= 400) { return error_from_answer(answer, "GitHub's OIDC", request.clock.now()); }
  return parse_github_token(answer.body);
}

Result<Token> federated_token(ClientLogin login, const Access& access, const FeedRequest& request,
                              Files& files, Processes& processes) {
  TRY(login.assertion, read_assertion(access, request, files, processes));
  if (login.assertion.empty()) { return refused("the federated token is empty", ""); }
  Result<Token> token = log_in(login, request);
  if (token.ok()) { return token; }
  Error error = token.error();
  if (error.code == "AADSTS700213" || error.code == "AADSTS70021") {
    const TokenFacts facts = read_token(login.assertion);
    error.hint = "the app needs a federated credential with issuer " + facts.issuer + " and subject " +
                 facts.subject + ", to the letter";
  }
  return error;
}

Result<Token> az_token(const Access& access, const FeedRequest& request, Processes& processes) {
  Command command{.argv = {"az", "account", "get-access-token", "--resource", "https://management.azure.com/",
                           "-o", "json"}};
  if (!access.subscription.empty()) {
    command.argv.insert(command.argv.end(), {"--subscription", access.subscription});
  }
  for (const std::string name : {"PATH", "HOME", "AZURE_CONFIG_DIR"}) {
    if (const std::optional<std::string> value = processes.env(name)) { command.env[name] = *value; }
  }
  const Result<CommandResult> ran = processes.run(command, kAzTimeout);
  if (!ran.ok()) {
    if (ran.error().kind != ErrorKind::not_found) { return ran.error(); }
    return refused("there is a login of az, but no program az", "install azure-cli");
  }
  if (ran.value().exit.code != 0) {
    const std::string said(trim(ran.value().err));
    return refused("az account get-access-token: " + said.substr(0, said.find('\n')).substr(0, 400),
                   "az login");
  }
  return parse_az_token(ran.value().out, request.clock.now());
}

Result<Token> machine_token(const Access& access, const FeedRequest& request) {
  const Result<HttpResponse> answer = request.http.send(encode_managed_identity(access.login.client));
  // Not found: another cloud's metadata service. 400: a machine of Azure's without an identity.
  if (!answer.ok() || answer.value().status >= 400) { return no_credentials("azure", kNeeds); }
  Result<Token> token = parse_token(answer.value().body, request.clock.now());
  return token.ok() ? std::move(token) : no_credentials("azure", kNeeds);
}

}  // namespace

Access find_access(Files& files, Processes& processes) {
  Access access;
  access.login.authority = authority_of(env(processes, "AZURE_AUTHORITY_HOST"));
  access.subscription = env(processes, "AZURE_SUBSCRIPTION_ID");
  if (find_in_environment(processes, access) || find_in_az(files, processes, access)) { return access; }
  access.source = LoginSource::managed_identity;
  access.found_in = "the identity of this machine";
  return access;
}

Result<Token> acquire_token(const Access& access, const std::string& claims, const FeedRequest& request,
                            Files& files, Processes& processes) {
  ClientLogin login = access.login;
  login.claims = claims;
  switch (access.source) {
    case LoginSource::secret:
      return log_in(login, request);
    case LoginSource::federated_file:
    case LoginSource::github:
      return federated_token(std::move(login), access, request, files, processes);
    case LoginSource::az:
      if (!claims.empty()) { return refused("Azure wants a new login of az", "az login"); }
      return az_token(access, request, processes);
    case LoginSource::managed_identity:
      return machine_token(access, request);
  }
  return no_credentials("azure", kNeeds);
}

}  // namespace gpubroker::azure
