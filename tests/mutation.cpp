#include "tests/mutation.hpp"

#include <array>
#include <vector>

#include <doctest/doctest.h>

namespace gpubroker::testing {

void check_mutants(const MutableJson& good, const Refuses& refuses, const MayPass& may_pass) {
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
    CHECK_NOTHROW(refused = refuses(text));
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

void for_each_mutant(const MutableJson& good, const std::function<void(const std::string& text)>& use) {
  check_mutants(
      good,
      [&](const std::string& text) {
        use(text);
        return true;
      },
      [](const std::string&, const MutableJson&) { return true; });
}

}  // namespace gpubroker::testing
