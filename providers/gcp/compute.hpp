#pragma once
// Calls to Compute Engine: logged in at the first one, operations followed to their end.
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "core/ports/cloud_machine.hpp"
#include "core/wire/url.hpp"
#include "providers/gcp/operations.hpp"

namespace gpubroker::gcp {

/// May be used from many threads. Paths are below the project: "/zones/us-central1-a/instances".
class Compute {
 public:
  explicit Compute(const CloudParts& parts);
  ~Compute();
  Compute(const Compute&) = delete;
  Compute& operator=(const Compute&) = delete;

  using ReadPage = std::function<Result<std::string>(const std::string& body)>;
  /// All pages of a list.
  Status read_pages(const std::string& path, const QueryPairs& query, const ReadPage& read);
  /// A change. `network` with maybe_applied when it may have been begun.
  Result<Operation> post(const std::string& path, const std::string& body, const std::string& what);
  /// The same where doing it twice does no more than once: tried again by itself.
  Result<Operation> post_again(const std::string& path, const std::string& body, const std::string& what);
  /// `not_found` for what is gone.
  Result<Operation> remove(const std::string& path, const std::string& what);
  /// The operation once it is done; as it stands when `patience` is over.
  Result<Operation> wait(Operation operation, Millis patience);
  /// Waits, and its failure is the error. `network` with maybe_applied when it takes more than `patience`.
  Status finish(const Operation& operation, Millis patience);

 private:
  struct Visit;
  Result<std::shared_ptr<Visit>> open();
  /// A refused login is looked for anew at the next call.
  void close_if_refused(const Error& error);
  Result<Operation> change(HttpRequest request, const std::string& path, const std::string& what);

  CloudParts parts_;
  std::mutex mutex_ = {};
  std::shared_ptr<Visit> visit_ = {};
};

}  // namespace gpubroker::gcp
