#pragma once
// JSON without a tree, for what is read and written thousands of times a second: journal rows and reports.
// The forms are those of core/wire/json.hpp: text written here is what dump_json writes, byte for byte, when
// the names of each object are given in the order of the alphabet.
#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/time.hpp"

namespace gpubroker {

/// Raised by FlatValue, caught by read_flat and nowhere else.
struct FlatMismatch {
  std::string message;
};

/// A parsed text: where each value begins and ends in it. Both must outlive the values.
class FlatDocument {
 public:
  enum class Kind : std::uint8_t { null, boolean, integer, other_number, text, list, object };
  struct Node {
    Kind kind = Kind::null;
    bool is_plain = true;     // a text of ASCII without escapes
    std::uint32_t begin = 0;  // in the text; of a text: behind the quote
    std::uint32_t end = 0;    // of a text: at the quote
    std::uint32_t next = 0;  // the node behind this value and all in it; a member is its name, then its value
  };

  /// Fails with `internal` when the text is not one JSON value.
  static Result<FlatDocument> parse(std::string_view text);

  [[nodiscard]] const Node& node(std::uint32_t at) const { return nodes_[at]; }
  [[nodiscard]] std::string_view text() const { return text_; }

 private:
  friend class FlatParser;
  std::string_view text_ = {};
  std::vector<Node> nodes_ = {};
};

/// One value of a document. Whatever is asked of the wrong kind of value raises FlatMismatch.
class FlatValue {
 public:
  FlatValue(const FlatDocument& document, std::uint32_t at) : document_(&document), at_(at) {}

  [[nodiscard]] bool is_null() const { return node().kind == FlatDocument::Kind::null; }
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
  /// The JSON text of this value, as it stands.
  [[nodiscard]] std::string_view raw() const;

  /// A whole number that fits into T.
  template <class T>
  [[nodiscard]] T whole() const {
    const std::int64_t number = integer();
    if (number < std::numeric_limits<T>::min() || number > std::numeric_limits<T>::max()) {
      throw FlatMismatch{"the number " + std::to_string(number) + " is out of range"};
    }
    return static_cast<T>(number);
  }

 private:
  [[nodiscard]] const FlatDocument::Node& node() const { return document_->node(at_); }
  [[nodiscard]] std::uint32_t find(std::string_view name) const;  // 0: absent
  [[nodiscard]] std::int64_t integer() const;
  void require(FlatDocument::Kind kind, const char* what) const;

  const FlatDocument* document_;
  std::uint32_t at_;
  mutable std::uint32_t behind_ = 0;  // the member last found: the next one asked for often follows it
};

/// The border: parses, calls `read` with the root, and turns a mismatch into an Error of kind `internal`.
template <class Read>
auto read_flat(std::string_view text, std::string_view source, Read read)
    -> decltype(read(std::declval<const FlatValue&>())) {
  const auto refuse = [&](const std::string& message) {
    return Error{.kind = ErrorKind::internal,
                 .message = "cannot read the answer: " + message,
                 .source = std::string(source)};
  };
  const Result<FlatDocument> document = FlatDocument::parse(text);
  if (!document.ok()) { return refuse(document.error().message); }
  try {
    return read(FlatValue(document.value(), 0));
  } catch (const FlatMismatch& mismatch) { return refuse(mismatch.message); }
}

/// Writes one JSON text from left to right. Bytes that are not UTF-8 are replaced, as dump_json does.
class FlatWriter {
 public:
  FlatWriter() { out_.reserve(kUsual); }
  FlatWriter& open() { return begin('{'); }
  FlatWriter& close() { return finish('}'); }
  FlatWriter& open_list() { return begin('['); }
  FlatWriter& close_list() { return finish(']'); }
  FlatWriter& name(std::string_view name);
  FlatWriter& text(std::string_view value);
  FlatWriter& number(std::int64_t value);
  FlatWriter& boolean(bool value) { return raw(value ? "true" : "false"); }
  FlatWriter& null() { return raw("null"); }
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

  std::string take() && { return std::move(out_); }

 private:
  static constexpr std::size_t kUsual = 320;  // most rows fit
  FlatWriter& begin(char c);
  FlatWriter& finish(char c);
  void separate();

  std::string out_ = {};
  bool first_ = true;  // nothing stands before in this list or object
};

}  // namespace gpubroker
