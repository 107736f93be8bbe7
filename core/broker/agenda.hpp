#pragma once
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "core/base/time.hpp"

namespace gpubroker {

/// When each of many things is due next. What is due is found without asking all of them: with 10,000 live
/// workloads a step of the supervisor looks at the few that it is time for.
template <class Key>
class Agenda {
 public:
  void set(const Key& key, Instant at) {
    erase(key);
    of_key_.emplace(key, at);
    in_order_.emplace(at, key);
  }
  void erase(const Key& key) {
    const auto known = of_key_.find(key);
    if (known == of_key_.end()) { return; }
    in_order_.erase({known->second, key});
    of_key_.erase(known);
  }
  [[nodiscard]] bool contains(const Key& key) const { return of_key_.count(key) != 0; }

  /// Everything due at `now`, the longest due first.
  [[nodiscard]] std::vector<Key> due(Instant now) const {
    std::vector<Key> keys;
    for (auto entry = in_order_.begin(); entry != in_order_.end() && entry->first <= now; ++entry) {
      keys.push_back(entry->second);
    }
    return keys;
  }
  [[nodiscard]] std::optional<Instant> first() const {
    return in_order_.empty() ? std::nullopt : std::optional(in_order_.begin()->first);
  }

 private:
  std::map<Key, Instant> of_key_ = {};
  std::set<std::pair<Instant, Key>> in_order_ = {};
};

}  // namespace gpubroker
