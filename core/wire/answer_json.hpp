#pragma once
// JSON as clouds answer it. Numbers keep their digits, so that no double ever holds an amount, and a number
// and a text that holds one are the same: clouds send int64 as texts. RapidJSON does the work and stays in
// the .cpp.
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/money.hpp"
#include "core/base/result.hpp"
#include "core/ports/price_feed.hpp"

namespace gpubroker {

/// One value of a parsed answer, alive inside read_answer only. Asked for what it is not, it leaves
/// read_answer (or the row of for_each_row) with an error that names the field.
class AnswerValue {
 public:
  explicit AnswerValue(const void* value) : value_(value) {}

  [[nodiscard]] bool is_null() const;
  [[nodiscard]] bool is_object() const;
  [[nodiscard]] bool is_list() const;
  [[nodiscard]] AnswerValue at(std::string_view name) const;
  /// Absent and null are the same: nothing.
  [[nodiscard]] std::optional<AnswerValue> find(std::string_view name) const;
  [[nodiscard]] std::vector<AnswerValue> list() const;
  [[nodiscard]] std::vector<std::pair<std::string, AnswerValue>> members() const;
  /// A text, or a number's digits.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool boolean() const;
  /// US dollars, rounded to the micro-dollar; any number of decimals, also "1.5e-05".
  [[nodiscard]] Money money() const;
  /// "191.9" is 192: for vCPUs and GiB that come as fractions.
  [[nodiscard]] std::int64_t rounded() const;
  /// A whole number that fits into T.
  template <class T>
  [[nodiscard]] T whole() const {
    return static_cast<T>(integer(std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
  }
  /// Of a member that may be missing or null.
  [[nodiscard]] std::string text_or(std::string_view name, std::string_view otherwise = "") const;
  template <class T>
  [[nodiscard]] T whole_or(std::string_view name, T otherwise) const {
    const std::optional<AnswerValue> found = find(name);
    return found ? found->whole<T>() : otherwise;
  }
  [[nodiscard]] bool boolean_or(std::string_view name, bool otherwise) const;
  /// Leaves as a mismatch would, saying what is wrong with this value.
  [[noreturn]] static void refuse(const std::string& why);

 private:
  [[nodiscard]] std::int64_t integer(std::int64_t least, std::int64_t most) const;
  const void* value_;  // a rapidjson::Value
};

/// Parses and calls `visit` with the root. Fails with `internal` (an answer nobody taught us) when the text
/// is not one JSON value in UTF-8 (saying so when it is HTML), or when `visit` asked a value for what it is
/// not.
std::optional<Error> visit_answer(std::string_view text, std::string_view source,
                                  const std::function<void(const AnswerValue&)>& visit);

/// The border: what `read` makes of the root, or why the answer cannot be read.
template <class Read>
auto read_answer(std::string_view text, std::string_view source, Read read)
    -> decltype(read(std::declval<const AnswerValue&>())) {
  std::optional<decltype(read(std::declval<const AnswerValue&>()))> answer;
  std::optional<Error> error =
      visit_answer(text, source, [&](const AnswerValue& root) { answer.emplace(read(root)); });
  if (error) { return *std::move(error); }
  return *std::move(answer);
}

/// Calls `read` inside read_answer; what cannot be read becomes the remark "row refused" with `place`, and
/// the caller goes on.
void read_row(const std::string& place, Harvest& harvest, const std::function<void()>& read);

/// Reads each item of a list by itself, inside read_answer: one that cannot be read becomes the remark "row
/// refused" with its place, and the others go on.
void for_each_row(const AnswerValue& list, std::string_view name, Harvest& harvest,
                  const std::function<void(const AnswerValue&)>& row);

}  // namespace gpubroker
