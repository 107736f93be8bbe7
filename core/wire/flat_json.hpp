#pragma once
// JSON for what is read and written thousands of times a second: journal rows and reports. RapidJSON does the
// work and stays in flat_json.cpp. The forms are those of core/wire/json.hpp: text written here is what
// dump_json writes, byte for byte, when the names of each object are given in the order of the alphabet.
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/time.hpp"

namespace gpubroker {

/// One value of a parsed text, alive inside read_flat only. Asked for what it is not, it leaves read_flat.
class FlatValue {
 public:
  explicit FlatValue(const void* value) : value_(value) {}

  [[nodiscard]] bool is_null() const;
  [[nodiscard]] FlatValue at(std::string_view name) const;
  [[nodiscard]] bool contains(std::string_view name) const;
  [[nodiscard]] std::vector<FlatValue> list() const;
  [[nodiscard]] std::vector<std::pair<std::string, FlatValue>> members() const;
  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool boolean() const;
  [[nodiscard]] Instant instant() const { return {whole<std::int64_t>()}; }
  [[nodiscard]] std::optional<Instant> optional_instant() const {
    return is_null() ? std::nullopt : std::optional(instant());
  }
  /// The JSON text of this value, for another reader.
  [[nodiscard]] std::string raw() const;

  /// A whole number that fits into T.
  template <class T>
  [[nodiscard]] T whole() const {
    return static_cast<T>(integer(std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
  }

 private:
  [[nodiscard]] const void* find(std::string_view name) const;  // nullptr: absent
  [[nodiscard]] std::int64_t integer(std::int64_t least, std::int64_t most) const;

  const void* value_;               // a rapidjson::Value
  mutable std::uint32_t next_ = 0;  // the member behind the one last found: it is often asked for next
};

/// Parses and calls `visit` with the root. Fails with `internal` when the text is not one JSON value, or when
/// `visit` asked a value for what it is not.
std::optional<Error> visit_flat(std::string_view text, std::string_view source,
                                const std::function<void(const FlatValue&)>& visit);

/// The border: what `read` makes of the root, or why the text cannot be read.
template <class Read>
auto read_flat(std::string_view text, std::string_view source, Read read)
    -> decltype(read(std::declval<const FlatValue&>())) {
  std::optional<decltype(read(std::declval<const FlatValue&>()))> answer;
  std::optional<Error> error =
      visit_flat(text, source, [&](const FlatValue& root) { answer.emplace(read(root)); });
  if (error) { return *std::move(error); }
  return *std::move(answer);
}

/// Writes one JSON text from left to right. Bytes that are not UTF-8 are replaced, as dump_json does.
class FlatWriter {
 public:
  FlatWriter();
  ~FlatWriter();
  FlatWriter(const FlatWriter&) = delete;
  FlatWriter& operator=(const FlatWriter&) = delete;

  FlatWriter& open();
  FlatWriter& close();
  FlatWriter& open_list();
  FlatWriter& close_list();
  FlatWriter& name(std::string_view name) { return text(name); }
  FlatWriter& text(std::string_view value);
  FlatWriter& number(std::int64_t value);
  FlatWriter& boolean(bool value);
  FlatWriter& null();
  /// A whole JSON value, already written.
  FlatWriter& raw(std::string_view json);

  /// A member of an object, by the kind of its value; an absent optional is null.
  template <class T>
  FlatWriter& field(std::string_view key, const T& value) {
    name(key);
    if constexpr (std::is_same_v<T, bool>) {
      return boolean(value);
    } else if constexpr (std::is_integral_v<T>) {
      return number(value);
    } else if constexpr (std::is_same_v<T, Instant>) {
      return number(value.ms);
    } else {
      return text(value);
    }
  }
  template <class T>
  FlatWriter& field(std::string_view key, const std::optional<T>& value) {
    return value ? field(key, *value) : name(key).null();
  }

  std::string take() &&;

 private:
  struct Out;
  std::unique_ptr<Out> out_;
};

}  // namespace gpubroker
