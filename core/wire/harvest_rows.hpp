#pragma once
// What every feed does with its rows and pages.
#include <cstddef>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "core/ports/price_feed.hpp"

namespace gpubroker {

/// Keeps the first listing of each key, seller and variant; others become the remark "row told twice".
void drop_repeated(Harvest& harvest);

/// Adds what another answer of the same visit brought: listings, signals, failures and remarks.
void add_harvest(Harvest& all, Harvest one);

/// Calls `ask` for 0 … count - 1, at most `most` at once; the results in that order.
std::vector<Result<Harvest>> harvest_each(FanOut& fan_out, std::size_t count, std::size_t most,
                                          const std::function<Result<Harvest>(std::size_t)>& ask);

/// Watches a way through pages: an answer must not send us where we have been.
class PageTurner {
 public:
  /// `internal` when this token was there before ("the pages run in a circle"), or after 1,000 pages.
  Status turn(const std::string& token, const std::string& source);

 private:
  std::set<std::string> seen_ = {};
};

}  // namespace gpubroker
