#pragma once
// Who we are to Nebius: a token as it is, or a service account's key that is exchanged for one.
#include <string>
#include <string_view>
#include <vector>

#include "core/base/secret.hpp"
#include "core/ports/files.hpp"
#include "core/ports/http.hpp"
#include "core/ports/process.hpp"

namespace gpubroker::nebius {

inline constexpr std::string_view kNeeds =
    "a token in $NEBIUS_IAM_TOKEN, or a profile with a service account in ~/.nebius/config.yaml";

struct ServiceAccount {
  std::string id = {};          // "serviceaccount-e00…"
  std::string public_key = {};  // "publickey-e00…": the id of the key
  Secret private_key = {};      // RSA, PEM
};

/// What was found, and where. Nothing usable: neither a token nor an account; `problem` says why if there was
/// something.
struct Access {
  Secret token = {};
  ServiceAccount account = {};
  std::string domain = {};   // "api.nebius.cloud"
  std::string tenant = {};   // of the profile; empty: ask for the list
  std::string project = {};  // of the profile (parent-id): where machines of its region are made
  std::string found_in = {};
  std::string problem = {};
  std::string next = {};
  std::vector<std::string> warnings = {};
  [[nodiscard]] bool is_usable() const { return !token.empty() || !account.private_key.empty(); }
};
Access find_access(Files& files, Processes& processes);

/// {"subject-credentials": {"kid", "iss", "private-key"}}. Fails with `auth`.
Result<ServiceAccount> parse_credentials_file(std::string_view text);

/// The assertion that is exchanged: RS256, good for a minute. Fails with `auth` when the key or the ids are
/// none.
Result<Secret> make_assertion(const ServiceAccount& account, Instant now);
HttpRequest encode_exchange(const Secret& assertion);
Result<Secret> parse_exchange(const HttpResponse& answer, Instant now);

/// The token itself, or one that is asked for. It lives for hours, a visit for minutes.
Result<Secret> get_token(const Access& access, Http& http, Instant now);

}  // namespace gpubroker::nebius
