#pragma once
// What most clouds' answers have in common, whatever is in them.
#include <span>
#include <string>
#include <string_view>

#include "core/ports/cloud.hpp"

namespace gpubroker {

/// What an answer of 400 and above means when the cloud says nothing more exact. `code` and `message` are the
/// cloud's, as far as the codec found them. Source: the common habits of two dozen APIs, read 2026-11: 401
/// auth; 402 quota (the account must be paid); 403 quota when it talks of a limit, else auth; 404 not_found;
/// 409 conflict; 429 throttled with Retry-After; 400 and 422 invalid; texts about capacity or stock:
/// capacity; 5xx network.
Error error_from_answer(const HttpResponse& answer, const std::string& source, const std::string& code,
                        const std::string& message, Instant now);

/// The same where the answer's body is not looked into.
Error error_from_answer(const HttpResponse& answer, const std::string& source, Instant now);

/// What a cloud's own code means; each codec has its table of them.
struct CodeRow {
  std::string_view code;
  ErrorKind kind;
  ErrorScope scope;
};
/// Gives the error the kind and scope of its row; a code that is in none leaves it as the status judged it.
void judge_by_code(Error& error, std::string_view code, std::span<const CodeRow> rows);

/// What the answer to a question that only needs a good credential says of it.
AccessReport::State access_state(const Result<HttpResponse>& answer);

/// Adds If-None-Match and If-Modified-Since from what the server gave at the last visit for `key`.
void add_conditions(HttpRequest& request, const Validators& validators, const std::string& key);
/// Keeps what the server gives for the next time.
void keep_validators(const HttpResponse& answer, const std::string& key, Validators& validators);

}  // namespace gpubroker
