#pragma once
#include <set>
#include <string>

#include "core/base/result.hpp"

namespace gpubroker {

/// Watches over a list that comes in pages, so that it ends whatever the server says.
class PageGuard {
 public:
  static constexpr std::size_t kMostPages = 1'000;
  explicit PageGuard(std::string source) : source_(std::move(source)) {}
  /// Called with the token of each next page. Fails with `internal` when that page has been read already, or
  /// when there are too many.
  Status turn_to(const std::string& token) {
    if (!seen_.insert(token).second) { return refuse("the pages run in a circle"); }
    if (seen_.size() >= kMostPages) { return refuse("more than 1000 pages"); }
    return Ok{};
  }

 private:
  [[nodiscard]] Error refuse(const std::string& why) const {
    return {.kind = ErrorKind::internal, .message = why, .source = source_};
  }
  std::string source_;
  std::set<std::string> seen_ = {};
};

}  // namespace gpubroker
