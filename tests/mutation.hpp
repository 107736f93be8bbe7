#pragma once
// Every node of a good document replaced by every wrong type, and removed: a parser may refuse, never throw.
#include <array>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "core/base/result.hpp"
#include "core/wire/json.hpp"

namespace gpubroker::testing {

using MutableJson = nlohmann::json;

/// Calls `parse` (text -> Result) with each mutant of `good`. Each must be refused, unless `may_pass(node,
/// value)` says that this value is good there too. `node` is a JSON pointer, "" the root; a discarded `value`
/// stands for the removed field.
template <class Parse, class MayPass>
void check_refuses_mutants(const MutableJson& good, Parse parse, MayPass may_pass) {
  const std::array<MutableJson, 7> wrong = {
      nullptr, true, -1, 1.5, "text", MutableJson::array(), MutableJson::object()};
  std::vector<MutableJson::json_pointer> nodes{MutableJson::json_pointer("")};
  const MutableJson flat = good.flatten();
  for (const auto& item : flat.items()) {
    for (MutableJson::json_pointer at(item.key()); !at.empty(); at.pop_back()) { nodes.push_back(at); }
  }
  const auto check = [&](const std::string& text, bool passes) {
    CAPTURE(text);
    bool refused = false;
    CHECK_NOTHROW(refused = !parse(text).ok());
    CHECK((refused || passes));
  };
  for (const MutableJson::json_pointer& at : nodes) {
    for (const MutableJson& value : wrong) {
      MutableJson bad = good;
      bad[at] = value;
      const bool same_kind =
          good[at].type_name() == std::string(value.type_name()) && !value.is_number_float();
      check(bad.dump(), same_kind || may_pass(at.to_string(), value));
    }
    if (!at.empty() && good[at.parent_pointer()].is_object()) {
      MutableJson bad = good;
      bad[at.parent_pointer()].erase(at.back());
      check(bad.dump(), may_pass(at.to_string(), MutableJson(MutableJson::value_t::discarded)));
    }
  }
}

/// Calls `use` with the text of each mutant of `good`: it may refuse, never throw or crash.
template <class Use>
void for_each_mutant(const MutableJson& good, Use use) {
  check_refuses_mutants(
      good,
      [&](const std::string& text) {
        use(text);
        return Status(Ok{});
      },
      [](const std::string&, const MutableJson&) { return true; });
}

}  // namespace gpubroker::testing
