#include "core/wire/flat_json.hpp"

#include <algorithm>
#include <array>

#include "core/wire/json.hpp"

namespace gpubroker {

namespace {

using Kind = FlatDocument::Kind;

constexpr int kDeepest = 64;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (std::size_t c = 0x20; c < 0x80; ++c) { plain.at(c) = c != '"' && c != '\\'; }
  return plain;
}();

/// Printable ASCII that stands for itself between quotes.
bool is_plain(char c) {
  return kPlain[static_cast<unsigned char>(c)];
}

}  // namespace

/// Recursive descent, one node for each value, names included.
class FlatParser {
 public:
  explicit FlatParser(FlatDocument& document) : document_(document), text_(document.text_) {}

  bool run() {
    if (!value(0)) { return false; }
    skip_space();
    return at_ == text_.size();
  }
  [[nodiscard]] std::size_t where() const { return at_; }

 private:
  void skip_space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) {
      ++at_;
    }
  }
  bool take(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) { return false; }
    ++at_;
    return true;
  }
  std::uint32_t add(Kind kind) {
    document_.nodes_.push_back({.kind = kind, .begin = static_cast<std::uint32_t>(at_)});
    return static_cast<std::uint32_t>(document_.nodes_.size() - 1);
  }
  bool done(std::uint32_t node, std::size_t end) {
    document_.nodes_[node].end = static_cast<std::uint32_t>(end);
    document_.nodes_[node].next = static_cast<std::uint32_t>(document_.nodes_.size());
    return true;
  }

  bool value(int depth) {
    skip_space();
    if (at_ >= text_.size() || depth > kDeepest) { return false; }
    switch (text_[at_]) {
      case '{':
        return object(depth);
      case '[':
        return list(depth);
      case '"':
        return string();
      case 't':
        return word("true", Kind::boolean);
      case 'f':
        return word("false", Kind::boolean);
      case 'n':
        return word("null", Kind::null);
      default:
        return number();
    }
  }

  bool word(std::string_view word, Kind kind) {
    if (text_.substr(at_, word.size()) != word) { return false; }
    const std::uint32_t node = add(kind);
    at_ += word.size();
    return done(node, at_);
  }

  bool digits() {
    const std::size_t from = at_;
    while (at_ < text_.size() && is_digit(text_[at_])) { ++at_; }
    return at_ > from;
  }

  bool number() {
    const std::uint32_t node = add(Kind::integer);
    if (text_[at_] == '-') { ++at_; }
    const std::size_t first = at_;
    if (!digits() || (text_[first] == '0' && at_ > first + 1)) { return false; }
    if (at_ < text_.size() && text_[at_] == '.') {
      document_.nodes_[node].kind = Kind::other_number;
      ++at_;
      if (!digits()) { return false; }
    }
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      document_.nodes_[node].kind = Kind::other_number;
      ++at_;
      if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) { ++at_; }
      if (!digits()) { return false; }
    }
    return done(node, at_);
  }

  bool string() {
    ++at_;
    const std::uint32_t node = add(Kind::text);
    while (true) {
      while (at_ < text_.size() && is_plain(text_[at_])) { ++at_; }
      if (at_ >= text_.size() || text_[at_] == '"') { break; }
      if (static_cast<unsigned char>(text_[at_]) < 0x20) { return false; }
      document_.nodes_[node].is_plain = false;
      at_ += text_[at_] == '\\' ? 2U : 1U;
    }
    if (at_ >= text_.size()) { return false; }
    ++at_;
    return done(node, at_ - 1);
  }

  bool list(int depth) {
    const std::uint32_t node = add(Kind::list);
    ++at_;
    if (take(']')) { return done(node, at_); }
    while (true) {
      if (!value(depth + 1)) { return false; }
      if (take(']')) { return done(node, at_); }
      if (!take(',')) { return false; }
    }
  }

  bool object(int depth) {
    const std::uint32_t node = add(Kind::object);
    ++at_;
    if (take('}')) { return done(node, at_); }
    while (true) {
      skip_space();
      if (at_ >= text_.size() || text_[at_] != '"') { return false; }
      if (!string() || !take(':') || !value(depth + 1)) { return false; }
      if (take('}')) { return done(node, at_); }
      if (!take(',')) { return false; }
    }
  }

  FlatDocument& document_;
  std::string_view text_;
  std::size_t at_ = 0;
};

Result<FlatDocument> FlatDocument::parse(std::string_view text) {
  constexpr std::size_t kMost = std::numeric_limits<std::uint32_t>::max();
  FlatDocument document;
  document.text_ = text;
  document.nodes_.reserve(std::min<std::size_t>(text.size() / 8 + 4, 128));
  FlatParser parser(document);
  if (text.size() >= kMost || !parser.run()) {
    return Error{.kind = ErrorKind::internal, .message = "no JSON at byte " + std::to_string(parser.where())};
  }
  return document;
}

void FlatValue::require(Kind kind, const char* what) const {
  if (node().kind != kind) { throw FlatMismatch{std::string(raw().substr(0, 40)) + " is not " + what}; }
}

std::uint32_t FlatValue::find(std::string_view name) const {
  require(Kind::object, "an object");
  const std::uint32_t first = at_ + 1;
  const std::uint32_t end = node().next;
  const auto search = [&](std::uint32_t from, std::uint32_t to) -> std::uint32_t {
    for (std::uint32_t at = from; at < to; at = document_->node(at + 1).next) {
      const FlatDocument::Node& key = document_->node(at);
      if (document_->text().substr(key.begin, key.end - key.begin) == name) { return at + 1; }
    }
    return 0;
  };
  const std::uint32_t from = behind_ == 0 ? first : document_->node(behind_).next;
  std::uint32_t found = search(from, end);
  if (found == 0) { found = search(first, from); }
  if (found != 0) { behind_ = found; }
  return found;
}

FlatValue FlatValue::at(std::string_view name) const {
  const std::uint32_t found = find(name);
  if (found == 0) { throw FlatMismatch{"the field " + std::string(name) + " is missing"}; }
  return {*document_, found};
}

bool FlatValue::contains(std::string_view name) const {
  return find(name) != 0;
}

std::vector<FlatValue> FlatValue::list() const {
  require(Kind::list, "a list");
  std::vector<FlatValue> values;
  for (std::uint32_t at = at_ + 1; at < node().next; at = document_->node(at).next) {
    values.emplace_back(*document_, at);
  }
  return values;
}

std::vector<std::pair<std::string, FlatValue>> FlatValue::members() const {
  require(Kind::object, "an object");
  std::vector<std::pair<std::string, FlatValue>> all;
  for (std::uint32_t at = at_ + 1; at < node().next; at = document_->node(at + 1).next) {
    all.emplace_back(FlatValue(*document_, at).text(), FlatValue(*document_, at + 1));
  }
  return all;
}

std::string FlatValue::text() const {
  require(Kind::text, "a text");
  const std::string_view inside = document_->text().substr(node().begin, node().end - node().begin);
  if (node().is_plain) { return std::string(inside); }
  try {  // escapes and UTF-8: rare, and not done twice in this house
    return Json::parse("\"" + std::string(inside) + "\"").get<std::string>();
  } catch (const Json::exception& e) { throw FlatMismatch{e.what()}; }
}

bool FlatValue::boolean() const {
  require(Kind::boolean, "true or false");
  return document_->text()[node().begin] == 't';
}

std::string_view FlatValue::raw() const {
  const std::uint32_t quote = node().kind == Kind::text ? 1 : 0;
  return document_->text().substr(node().begin - quote, node().end - node().begin + 2 * quote);
}

std::int64_t FlatValue::integer() const {
  require(Kind::integer, "a whole number");
  std::int64_t number = 0;
  const std::string_view digits = raw();
  const auto [stop, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (failed != std::errc{}) { throw FlatMismatch{"the number " + std::string(digits) + " is out of range"}; }
  return number;
}

FlatWriter& FlatWriter::begin(char c) {
  separate();
  out_ += c;
  first_ = true;
  return *this;
}

FlatWriter& FlatWriter::finish(char c) {
  out_ += c;
  first_ = false;
  return *this;
}

void FlatWriter::separate() {
  if (!first_) { out_ += ','; }
  first_ = false;
}

FlatWriter& FlatWriter::name(std::string_view name) {
  if (std::all_of(name.begin(), name.end(), is_plain)) {  // few calls: names are half of all that is written
    out_.append(first_ ? "\"" : ",\"");
    out_.append(name);
    out_.append("\":");
  } else {
    text(name);
    out_ += ':';
  }
  first_ = true;  // no comma before the value
  return *this;
}

FlatWriter& FlatWriter::text(std::string_view value) {
  separate();
  if (!std::all_of(value.begin(), value.end(), is_plain)) {
    out_ += dump_json(Json(value));
    return *this;
  }
  out_ += '"';
  out_ += value;
  out_ += '"';
  return *this;
}

FlatWriter& FlatWriter::number(std::int64_t value) {
  separate();
  char digits[24];  // NOLINT(cppcoreguidelines-avoid-c-arrays,modernize-avoid-c-arrays): for to_chars
  const auto [end, failed] = std::to_chars(std::begin(digits), std::end(digits), value);
  out_.append(std::begin(digits), end);
  return *this;
}

FlatWriter& FlatWriter::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

}  // namespace gpubroker
