#pragma once
// Every node of a good document replaced by every wrong type, and removed: a parser may refuse, never throw.
#include <functional>
#include <string>

#include "core/base/result.hpp"
#include "core/wire/json.hpp"

namespace gpubroker::testing {

using MutableJson = nlohmann::json;

/// Whether the code under test refuses this text.
using Refuses = std::function<bool(const std::string& text)>;
/// Whether this value is good at this node, too. `node` is a JSON pointer, "" the root; a discarded `value`
/// stands for the removed field.
using MayPass = std::function<bool(const std::string& node, const MutableJson& value)>;

/// Each mutant of `good` must be refused, unless it may pass.
void check_mutants(const MutableJson& good, const Refuses& refuses, const MayPass& may_pass);

/// The same for `parse` (text -> Result).
template <class Parse>
void check_refuses_mutants(const MutableJson& good, Parse parse, const MayPass& may_pass) {
  check_mutants(
      good, [&](const std::string& text) { return !parse(text).ok(); }, may_pass);
}

/// Calls `use` with the text of each mutant of `good`: it may refuse, never throw or crash.
void for_each_mutant(const MutableJson& good, const std::function<void(const std::string& text)>& use);

}  // namespace gpubroker::testing
