#include "providers/gcp/compute.hpp"

#include <algorithm>

#include "providers/gcp/session.hpp"

namespace gpubroker::gcp {
namespace {

constexpr Millis kPause{250};
constexpr Millis kMostPause{5'000};  // as gcloud pauses between its looks

}  // namespace

struct Compute::Visit {
  explicit Visit(const CloudParts& parts)
      : request{.http = parts.http, .fan_out = parts.fan_out, .clock = parts.clock, .validators = none},
        session(request, parts.files, parts.processes) {}
  Validators none = {};
  FeedRequest request;
  Session session;
};

Compute::Compute(const CloudParts& parts) : parts_(parts) {}
Compute::~Compute() = default;

Result<std::shared_ptr<Compute::Visit>> Compute::open() {
  const std::lock_guard<std::mutex> hold(mutex_);
  if (visit_) { return visit_; }
  auto visit = std::make_shared<Visit>(parts_);
  TRY([[maybe_unused]] const Ok in, visit->session.log_in_with_project());
  visit_ = visit;
  return visit;
}

void Compute::close_if_refused(const Error& error) {
  if (error.kind != ErrorKind::auth) { return; }
  const std::lock_guard<std::mutex> hold(mutex_);
  visit_.reset();
}

Status Compute::read_pages(const std::string& path, const QueryPairs& query, const ReadPage& read) {
  TRY(const std::shared_ptr<Visit> visit, open());
  Session& session = visit->session;
  const Status done = session.get_pages(session.compute_url(path), query, path.substr(1), read);
  if (!done.ok()) { close_if_refused(done.error()); }
  return done;
}

Result<Operation> Compute::change(HttpRequest request, const std::string& path, const std::string& what) {
  TRY(const std::shared_ptr<Visit> visit, open());
  request.url = visit->session.compute_url(path);
  if (!request.body.empty()) { request.headers.emplace_back("Content-Type", "application/json"); }
  const Result<HttpResponse> answer = visit->session.send(std::move(request), what);
  if (!answer.ok()) {
    close_if_refused(answer.error());
    return answer.error();
  }
  Result<Operation> operation = parse_operation(answer.value().body);
  if (operation.ok()) { return operation; }
  // It was taken, and a proxy has spoilt what Google said to it: the same call gives the same operation.
  Error error = operation.error();
  error.kind = ErrorKind::network;
  error.maybe_applied = true;
  return error;
}

Result<Operation> Compute::post(const std::string& path, const std::string& body, const std::string& what) {
  return change({.method = "POST", .body = body}, path, "POST " + what);
}

Result<Operation> Compute::post_again(const std::string& path, const std::string& body,
                                      const std::string& what) {
  return change({.method = "POST", .body = body, .repeatable = true}, path, "POST " + what);
}

Result<Operation> Compute::remove(const std::string& path, const std::string& what) {
  return change({.method = "DELETE", .repeatable = true}, path, "DELETE " + what);
}

Result<Operation> Compute::wait(Operation operation, Millis patience) {
  const Instant deadline = parts_.clock.now() + patience;
  for (Millis pause = kPause; !operation.is_done; pause = std::min(pause * 2, kMostPause)) {
    if (parts_.clock.now() >= deadline) { return operation; }
    parts_.clock.sleep_until(std::min(parts_.clock.now() + pause, deadline));
    TRY(const std::shared_ptr<Visit> visit, open());
    Session& session = visit->session;
    TRY(const HttpResponse answer,
        session.get(session.compute_url("/" + operation.path), "operation of " + operation.type));
    TRY(operation, parse_operation(answer.body));
  }
  return operation;
}

Status Compute::finish(const Operation& operation, Millis patience) {
  TRY(const Operation done, wait(operation, patience));
  if (done.failure) { return *done.failure; }
  if (done.is_done) { return Ok{}; }
  return Error{.kind = ErrorKind::network,
               .message = "the operation " + done.name + " is not done yet",
               .source = "gcp " + done.type,
               .maybe_applied = true};
}

}  // namespace gpubroker::gcp
