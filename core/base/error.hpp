#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gpubroker {

/// What went wrong, as far as anyone has to act on it. What is retried, how long and where else is decided
/// from this alone (core/plan/patience.hpp).
enum class ErrorKind : std::uint8_t {
  capacity,   // no machine there now: try elsewhere
  quota,      // the account may not have it: another region or account; the user can raise it
  auth,       // a credential is missing or refused: stop
  throttled,  // too many calls: the same call after retry_after
  invalid,    // our or the user's mistake: stop, say which field
  not_found,  // the thing named does not exist
  conflict,   // somebody else changed it: read again, decide again
  network,    // no answer: the same call with the same token
  internal,   // a bug here, or an answer nobody taught us
};

/// What an error rules out, from narrow to wide.
enum class ErrorScope : std::uint8_t { request, offer, zone, region, account };

struct Error {
  ErrorKind kind = ErrorKind::internal;
  std::string message;                     // one sentence for a person, no full stop
  std::string hint = {};                   // what to type next, or empty
  std::string source = {};                 // "lambda POST /instance-operations/launch", "train.yaml:3:5"
  std::string code = {};                   // the cloud's own code, verbatim
  ErrorScope scope = ErrorScope::request;  // what this rules out
  bool maybe_applied = false;              // the cloud may have done it: look before repeating
  std::optional<std::chrono::milliseconds> retry_after = {};
};

/// The names used in JSON and in the journal. Never fail.
std::string_view to_string(ErrorKind kind);
std::string_view to_string(ErrorScope scope);

/// Inverse of to_string; nothing when the name is unknown.
std::optional<ErrorKind> error_kind_from(std::string_view name);
std::optional<ErrorScope> error_scope_from(std::string_view name);

/// The documented exit code of a command that ends with this error (DESIGN: 2 usage, 3 auth, 4 quota,
/// 5 capacity, 7 cloud or network, 8 internal).
int exit_code(ErrorKind kind);

}  // namespace gpubroker
