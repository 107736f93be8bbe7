#include "providers/azure/arm.hpp"

#include <algorithm>

#include "core/wire/http_date.hpp"

namespace gpubroker::azure {
namespace {

/// A network takes some seconds, an allocation up to a minute.
constexpr Millis kPatience = std::chrono::seconds{90};
/// Between two looks where the cloud says nothing; and never less than this, whatever it says.
constexpr Millis kPause = std::chrono::seconds{3};
constexpr Millis kLeastPause{50};

Millis pause_after(const HttpResponse& answer, Instant now) {
  return std::max(retry_after(answer.headers, now).value_or(kPause), kLeastPause);
}

Error too_slow(const std::string& what) {
  return {.kind = ErrorKind::network,
          .message = what + " is still under way after " + format_duration(kPatience),
          .source = "azure",
          .maybe_applied = true};
}

/// Somebody else is at the thing, or what it refers to is not ready.
bool is_passing(const Error& error) {
  return error.kind == ErrorKind::conflict &&
         (error.code == "ReferencedResourceNotProvisioned" || error.code == "AnotherOperationInProgress" ||
          error.code.rfind("RetryableError", 0) == 0);
}

}  // namespace

Arm::Arm(const CloudParts& parts)
    : clock_(parts.clock),
      visit_{.http = parts.http, .fan_out = parts.fan_out, .clock = parts.clock, .validators = none_},
      session_(visit_, parts.files, parts.processes) {}

Status Arm::open() {
  TRY([[maybe_unused]] const Ok in, session_.log_in());
  return session_.choose_subscription();
}

Result<std::string> Arm::get(const std::string& url) {
  TRY(HttpResponse answer, session_.call(encode_get(url)));
  return std::move(answer.body);
}

Result<HttpResponse> Arm::change(const HttpRequest& request) {
  const Instant deadline = clock_.now() + kPatience;
  while (true) {
    Result<HttpResponse> answer = session_.call(request);
    if (answer.ok()) { return answer; }
    if (!is_passing(answer.error()) || clock_.now() >= deadline) {
      Error error = answer.error();
      // Also a server's own failure: it may have been half-way.
      error.maybe_applied = error.maybe_applied || error.kind == ErrorKind::network;
      return error;
    }
    clock_.sleep_until(clock_.now() + answer.error().retry_after.value_or(kPause));
  }
}

Result<Operation> Arm::look(const std::string& url, Millis& pause) {
  TRY(const HttpResponse answer, session_.call(encode_get(url)));
  pause = pause_after(answer, clock_.now());
  return parse_operation(answer, "operation", clock_.now());
}

Result<Resource> Arm::put_and_wait(const std::string& url, std::string body) {
  const Instant deadline = clock_.now() + kPatience;
  TRY(const HttpResponse accepted, change(encode_put(url, std::move(body))));
  TRY(Resource resource, parse_resource(accepted.body));
  TRY(const std::string operation, operation_url(accepted));
  Millis pause = pause_after(accepted, clock_.now());
  while (resource.state != "Succeeded") {
    if (resource.state == "Failed" || clock_.now() >= deadline) { return too_slow("PUT " + url); }
    clock_.sleep_until(clock_.now() + pause);
    if (!operation.empty()) {
      TRY(const Operation state, look(operation, pause));
      if (state.error) { return *state.error; }
      if (state.is_running) { continue; }
    }
    TRY(const std::string now, get(url));
    TRY(resource, parse_resource(now));
  }
  return resource;
}

Status Arm::remove(const std::string& url) {
  const Result<HttpResponse> answer = change(encode_delete(url));
  if (answer.ok() || answer.error().kind == ErrorKind::not_found ||
      answer.error().code == "ResourceGroupBeingDeleted") {
    return Ok{};
  }
  return answer.error();
}

Result<bool> Arm::await_allocation(const std::string& machine_id, const HttpResponse& accepted) {
  TRY(const std::string operation, operation_url(accepted));
  const Instant deadline = clock_.now() + kPatience;
  Millis pause = kLeastPause;
  const auto maybe = [](Error error) {
    error.maybe_applied = true;  // it was accepted
    return error;
  };
  // Without an operation there is nothing that could still fail: the PUT of a machine that is there.
  while (!operation.empty() && clock_.now() < deadline) {
    const Result<Operation> state = look(operation, pause);
    if (!state.ok()) { return maybe(state.error()); }
    if (state.value().error) { return *state.value().error; }
    if (!state.value().is_running) { return true; }
    const Result<std::string> body = get(machine_state_url(machine_id));
    if (!body.ok()) { return maybe(body.error()); }
    const Result<Resource> machine = parse_resource(body.value());
    if (!machine.ok()) { return maybe(machine.error()); }
    if (!machine.value().power.empty()) { return true; }
    clock_.sleep_until(clock_.now() + pause);
  }
  return operation.empty();  // else the list will tell
}

}  // namespace gpubroker::azure
