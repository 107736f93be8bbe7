#include "providers/nebius/credentials.hpp"

#include <algorithm>

#include "core/base/text.hpp"
#include "core/wire/answer_json.hpp"
#include "core/wire/cloud_answer.hpp"
#include "core/wire/digest.hpp"
#include "core/wire/flat_yaml.hpp"
#include "core/wire/url.hpp"
#include "providers/nebius/codec.hpp"

namespace gpubroker::nebius {
namespace {

constexpr std::string_view kExchange = "https://auth.eu.nebius.com/oauth2/token/exchange";
constexpr const char* kGetToken =
    "run `nebius iam get-access-token` and put what it prints into $NEBIUS_IAM_TOKEN";

Error auth_error(const std::string& message) {
  return {.kind = ErrorKind::auth, .message = message, .source = "nebius", .scope = ErrorScope::account};
}

/// Ids are put into JSON as they are.
bool is_id(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

class Finder {
 public:
  Finder(Files& files, Processes& processes)
      : files_(files), home_(processes.env("HOME").value_or("")), processes_(processes) {}

  Access find() {
    access_.domain = kDomain;
    if (const auto token = processes_.env("NEBIUS_IAM_TOKEN"); token && !token->empty()) {
      access_.token = Secret(std::string(trim(*token)));
      access_.found_in = "$NEBIUS_IAM_TOKEN";
      return access_;
    }
    const Result<std::string> text = files_.read(home_ + "/.nebius/config.yaml");
    if (!text.ok()) { return access_; }
    const Result<FlatYaml> yaml = read_flat_yaml(text.value());
    if (!yaml.ok()) {
      access_.problem = "~/.nebius/config.yaml: " + yaml.error().message;
      access_.next = "nebius profile create";
      return access_;
    }
    read_profile(yaml.value());
    return access_;
  }

 private:
  void read_profile(const FlatYaml& yaml) {
    const std::string name = flat_value(yaml, "default");
    const std::string path = "profiles." + name + ".";
    const auto value = [&](const char* field) { return flat_value(yaml, path + field); };
    access_.found_in = "~/.nebius/config.yaml [" + name + "]";
    if (const std::string domain = value("endpoint"); !domain.empty()) { access_.domain = domain; }
    access_.tenant = value("tenant-id");
    access_.project = value("parent-id");
    if (const std::string file = value("token-file"); !file.empty()) {
      read_secret_file(file,
                       [&](const std::string& text) { access_.token = Secret(std::string(trim(text))); });
    } else if (const std::string json = value("service-account-credentials-file-path"); !json.empty()) {
      read_secret_file(json, [&](const std::string& text) {
        const Result<ServiceAccount> account = parse_credentials_file(text);
        if (account.ok()) { access_.account = account.value(); }
        if (!account.ok()) { access_.problem = json + ": " + account.error().message; }
      });
    } else if (!value("service-account-id").empty()) {
      access_.account = {.id = value("service-account-id"),
                         .public_key = value("public-key-id"),
                         .private_key = Secret(value("private-key"))};
      if (const std::string pem = value("private-key-file-path"); !pem.empty()) {
        read_secret_file(pem, [&](const std::string& text) { access_.account.private_key = Secret(text); });
      }
    } else if (!name.empty()) {
      access_.problem = "the profile " + name + " logs in through a browser";
    }
    if (!access_.is_usable()) {
      if (access_.problem.empty()) { access_.problem = "no key in the profile " + name; }
      access_.next = kGetToken;
    }
  }

  template <class Use>
  void read_secret_file(std::string path, Use use) {
    if (path.rfind("~/", 0) == 0) { path = home_ + path.substr(1); }
    const Result<std::string> text = files_.read(path);
    if (!text.ok()) {
      access_.problem = text.error().message;
      return;
    }
    constexpr int kOthers = 077;
    const Result<FileInfo> info = files_.stat(path);
    if (info.ok() && info.value().type == FileType::file && (info.value().mode & kOthers) != 0) {
      access_.warnings.push_back(path + " can be read by others: chmod 600 " + path);
    }
    use(text.value());
  }

  Files& files_;
  std::string home_;
  Processes& processes_;
  Access access_ = {};
};

}  // namespace

Access find_access(Files& files, Processes& processes) {
  return Finder(files, processes).find();
}

Result<ServiceAccount> parse_credentials_file(std::string_view text) {
  Result<ServiceAccount> account =
      read_answer(text, "nebius credentials", [](const AnswerValue& root) -> Result<ServiceAccount> {
        const AnswerValue subject = root.at("subject-credentials");
        return ServiceAccount{.id = subject.at("iss").text(),
                              .public_key = subject.at("kid").text(),
                              .private_key = Secret(subject.at("private-key").text())};
      });
  if (!account.ok()) { return auth_error("no credentials of a service account in it"); }
  return account;
}

Result<Secret> make_assertion(const ServiceAccount& account, Instant now) {
  if (!is_id(account.id) || !is_id(account.public_key)) {
    return auth_error("the ids of the service account and its public key are missing, or none");
  }
  const std::int64_t seconds = now.ms / 1'000;
  const std::string header = R"({"alg":"RS256","typ":"JWT","kid":")" + account.public_key + R"("})";
  const std::string claims = R"({"iss":")" + account.id + R"(","sub":")" + account.id +
                             R"(","aud":"token-service.iam.new.nebiuscloud.net","iat":)" +
                             std::to_string(seconds) + R"(,"exp":)" + std::to_string(seconds + 60) + "}";
  std::string token = to_base64url(header);
  token += ".";
  token += to_base64url(claims);
  TRY(const std::string signature, sign_rs256(account.private_key, token));
  token += ".";
  token += to_base64url(signature);
  return Secret(token);
}

HttpRequest encode_exchange(const Secret& assertion) {
  HttpRequest request;
  request.method = "POST";
  request.url = std::string(kExchange);
  request.headers = {{"Content-Type", "application/x-www-form-urlencoded"}, {"Accept", "application/json"}};
  request.body = encode_query({{"grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"},
                               {"requested_token_type", "urn:ietf:params:oauth:token-type:access_token"},
                               {"subject_token", assertion.reveal()},
                               {"subject_token_type", "urn:ietf:params:oauth:token-type:jwt"}});
  request.repeatable = true;
  return request;
}

Result<Secret> parse_exchange(const HttpResponse& answer, Instant now) {
  if (answer.status >= 400) {
    std::string code;
    std::string message;
    static_cast<void>(visit_answer(answer.body, "nebius", [&](const AnswerValue& root) {
      code = root.text_or("error");
      message = root.text_or("error_description");
    }));
    Error error = error_from_answer(answer, "nebius token exchange", code, message, now);
    // OAuth refuses a bad assertion with 400 as well (RFC 6749, 5.2).
    if (answer.status == 400 || code == "invalid_grant") {
      error.kind = ErrorKind::auth;
      error.scope = ErrorScope::account;
    }
    return error;
  }
  TRY(Secret token,
      read_answer(answer.body, "nebius token exchange", [](const AnswerValue& root) -> Result<Secret> {
        return Secret(root.at("access_token").text());
      }));
  if (token.empty()) { return auth_error("the exchange gave no token"); }
  return token;
}

Result<Secret> get_token(const Access& access, Http& http, Instant now) {
  if (!access.token.empty()) { return access.token; }
  TRY(const Secret assertion, make_assertion(access.account, now));
  TRY(const HttpResponse answer, http.send(encode_exchange(assertion)));
  return parse_exchange(answer, now);
}

}  // namespace gpubroker::nebius
