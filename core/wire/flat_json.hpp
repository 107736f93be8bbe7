#pragma once
// JSON for what is read and written thousands of times a second: journal rows and reports. The forms are
// those of core/wire/json.hpp: text written here is what dump_json writes, byte for byte, when the names of
// each object are given in the order of the alphabet. Boost.JSON reads, RapidJSON writes; both stay in
// flat_json.cpp.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/time.hpp"

namespace gpubroker {

/// What was read, in the order of the text. A list or object is followed by what is in it (members as name,
/// value), so that a whole text is one row of tokens.
struct FlatToken {
  enum class Kind : std::uint8_t { null, boolean, whole, number, text, list, object };

  explicit FlatToken(Kind what, std::int64_t is = 0) : value(is), kind(what) {}
  explicit FlatToken(std::string_view is) : text(is), kind(Kind::text) {}

  union {
    std::string_view text;  // of a text or name: as it is meant
    std::int64_t value;     // of a boolean or a whole number within 64 bits
  };
  std::uint32_t span = 1;  // tokens, with all that is in it
  Kind kind;
};

/// One value of a parsed text, alive inside read_flat only. Asked for what it is not, it leaves read_flat.
class FlatValue {
 public:
  explicit FlatValue(const FlatToken* token) : token_(token) {}

  [[nodiscard]] bool is_null() const { return token_->kind == FlatToken::Kind::null; }
  /// Of an object: the member of this name. Quick for the member behind the one last asked for.
  template <std::size_t N>
  [[nodiscard]] FlatValue at(const char (&name)[N]) const {
    if (token_->kind == FlatToken::Kind::object && next_ < token_->span) {
      const FlatToken* const likely = token_ + next_;
      if (likely->text.size() == N - 1 && std::memcmp(likely->text.data(), name, N - 1) == 0) {
        next_ += 1 + likely[1].span;
        return FlatValue(likely + 1);
      }
    }
    return at(std::string_view(name, N - 1));
  }
  [[nodiscard]] FlatValue at(std::string_view name) const;
  [[nodiscard]] bool contains(std::string_view name) const;
  [[nodiscard]] std::vector<FlatValue> list() const;
  [[nodiscard]] std::vector<std::pair<std::string, FlatValue>> members() const;
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::vector<std::string> texts() const;
  [[nodiscard]] std::map<std::string, std::string> text_map() const;
  [[nodiscard]] bool boolean() const;
  [[nodiscard]] Instant instant() const { return {whole<std::int64_t>()}; }
  [[nodiscard]] std::optional<Instant> optional_instant() const {
    return is_null() ? std::nullopt : std::optional(instant());
  }
  [[nodiscard]] Millis millis() const { return Millis{whole<std::int64_t>()}; }

  /// A whole number that fits into T.
  template <class T>
  [[nodiscard]] T whole() const {
    return static_cast<T>(integer(std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
  }

 private:
  [[nodiscard]] const FlatToken* find(std::string_view name) const;  // nullptr: absent
  [[nodiscard]] std::int64_t integer(std::int64_t least, std::int64_t most) const;

  const FlatToken* token_;
  mutable std::uint32_t next_ = 1;  // the member behind the one last found: it is often asked for next
};

/// Parses and calls `visit` with the root. Fails with `internal` when the text is not one JSON value or lies
/// more than 64 deep, when a number's exponent is beyond 32 bits, or when `visit` asked a value for what it
/// is not.
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

/// Writes one JSON text from left to right. Bytes that are not UTF-8 are replaced, as dump_json does. Names
/// that stand in the code as literals are taken as they are: nothing in them may need to be escaped.
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
  template <std::size_t N>
  FlatWriter& name(const char (&literal)[N]) {
    return plain({literal, N - 1});
  }
  FlatWriter& name(std::string_view name) { return text(name); }
  FlatWriter& text(std::string_view value);
  FlatWriter& texts(const std::vector<std::string>& values);
  FlatWriter& text_map(const std::map<std::string, std::string>& members);
  FlatWriter& number(std::int64_t value);
  FlatWriter& boolean(bool value);
  FlatWriter& null();
  /// A whole JSON value, already written.
  FlatWriter& raw(std::string_view json);

  /// A member of an object, by the kind of its value; an absent optional is null. `key` is a literal or text.
  template <class Key, class T>
  FlatWriter& field(const Key& key, const T& value) {
    name(key);
    if constexpr (std::is_same_v<T, bool>) {
      return boolean(value);
    } else if constexpr (std::is_integral_v<T>) {
      return number(value);
    } else if constexpr (std::is_same_v<T, Instant>) {
      return number(value.ms);
    } else if constexpr (std::is_same_v<T, Millis>) {
      return number(value.count());
    } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
      return texts(value);
    } else if constexpr (std::is_same_v<T, std::map<std::string, std::string>>) {
      return text_map(value);
    } else {
      return text(value);
    }
  }
  template <class Key, class T>
  FlatWriter& field(const Key& key, const std::optional<T>& value) {
    return value ? field(key, *value) : name(key).null();
  }

  /// What is written so far, or since the last forget(): for a text that goes out piece by piece. Valid until
  /// more is written.
  [[nodiscard]] std::string_view written() const;
  void forget();
  std::string take() && { return std::string(written()); }

 private:
  /// A text of which nothing needs to be escaped.
  FlatWriter& plain(std::string_view text);

  // RapidJSON's writer and the memory that most texts need, in place: nothing is asked of the heap.
  static constexpr std::size_t kRoom = 3400;
  struct Out;
  struct alignas(std::max_align_t) Room {
    Room() {}  // NOLINT(modernize-use-equals-default): not set to zero
    std::byte bytes[kRoom];
  };
  Room room_;
  Out* out_;
};

}  // namespace gpubroker
