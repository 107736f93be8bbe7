#include "core/wire/flat_json.hpp"

#include <algorithm>
#include <bit>
#include <charconv>

#include "core/wire/json.hpp"

namespace gpubroker {

namespace {

constexpr int kDeepest = 64;
constexpr std::size_t kUsual = 512;  // tokens: most rows have fewer

/// Raised by FlatValue, caught by visit_flat and nowhere else.
struct FlatMismatch {
  std::string message;
};

constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (std::size_t c = 0x20; c < 0x80; ++c) { plain.at(c) = c != '"' && c != '\\'; }
  return plain;
}();

/// A bit in the lowest byte of `word` that is zero; none when there is no such byte.
constexpr std::uint64_t find_zero(std::uint64_t word) {
  return (word - 0x0101010101010101ULL) & ~word & 0x8080808080808080ULL;
}

/// The end of the printable ASCII that stands for itself between quotes: eight bytes at a time, as all of a
/// text goes through here.
inline const char* skip_plain(const char* at, const char* end) {
  constexpr std::uint64_t kOnes = 0x0101010101010101ULL;
  std::uint64_t eight = 0;
  for (; end - at >= 8; at += 8) {
    std::memcpy(&eight, at, sizeof(eight));
    const std::uint64_t control = (eight - kOnes * 0x20) & ~eight;
    const std::uint64_t odd = find_zero(eight ^ (kOnes * '"')) | find_zero(eight ^ (kOnes * '\\')) |
                              ((eight | control) & (kOnes * 0x80));
    if (odd == 0) { continue; }
    if constexpr (std::endian::native == std::endian::little) { return at + std::countr_zero(odd) / 8; }
    break;
  }
  while (at != end && kPlain[static_cast<unsigned char>(*at)]) { ++at; }
  return at;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Finds the values of a text. What is rare (escapes, bytes beyond ASCII, numbers that are no small integers)
/// is judged by the other reader, so that both take the same for JSON.
class Scanner {
 public:
  Scanner(std::string_view text, std::pmr::vector<FlatToken>& tokens)
      : at_(text.data()), end_(text.data() + text.size()), tokens_(tokens) {}

  bool scan_all() {
    if (!scan_value(0)) { return false; }
    skip_space();
    return at_ == end_;
  }
  [[nodiscard]] const char* stopped_at() const { return at_; }

 private:
  void skip_space() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) { ++at_; }
  }

  bool take(char c) {
    skip_space();
    if (at_ == end_ || *at_ != c) { return false; }
    ++at_;
    return true;
  }

  void add(const char* begin, bool is_plain) {
    tokens_.push_back({.text = begin, .size = static_cast<std::uint32_t>(at_ - begin), .is_plain = is_plain});
  }

  bool scan_value(int depth) {
    skip_space();
    if (at_ == end_) { return false; }
    switch (*at_) {
      case '{':
      case '[':
        return depth < kDeepest && scan_group(depth);
      case '"':
        return scan_text();
      case 't':
        return scan_word("true");
      case 'f':
        return scan_word("false");
      case 'n':
        return scan_word("null");
      default:
        return scan_number();
    }
  }

  bool scan_group(int depth) {
    const std::size_t self = tokens_.size();
    const char* const begin = at_;
    const bool has_names = *at_++ == '{';
    const char closing = has_names ? '}' : ']';
    add(begin, true);
    if (!take(closing)) {
      do {
        if (has_names && !scan_name()) { return false; }
        if (!scan_value(depth + 1)) { return false; }
      } while (take(','));
      if (!take(closing)) { return false; }
    }
    tokens_[self].size = static_cast<std::uint32_t>(at_ - begin);
    tokens_[self].span = static_cast<std::uint32_t>(tokens_.size() - self);
    return true;
  }

  bool scan_name() {
    skip_space();
    return at_ != end_ && *at_ == '"' && scan_text() && take(':');
  }

  bool scan_text() {
    const char* const begin = at_;
    at_ = skip_plain(at_ + 1, end_);
    if (at_ != end_ && *at_ == '"') {
      ++at_;
      add(begin, true);
      return true;
    }
    while (at_ != end_ && *at_ != '"') {
      if (*at_ == '\\' && end_ - at_ > 1) { ++at_; }
      ++at_;
    }
    if (at_ == end_) { return false; }
    ++at_;
    add(begin, false);
    return Json::accept(begin, at_);
  }

  bool scan_word(std::string_view word) {
    const std::string_view left(at_, static_cast<std::size_t>(end_ - at_));
    if (left.substr(0, word.size()) != word) { return false; }
    const char* const begin = at_;
    at_ += word.size();
    add(begin, true);
    return true;
  }

  bool scan_number() {
    constexpr std::ptrdiff_t kSurelyFits = 18;  // digits, in 64 bits
    constexpr std::string_view kMore = "0123456789+-.eE";
    const char* const begin = at_;
    if (*at_ == '-') { ++at_; }
    const char* const digits = at_;
    while (at_ != end_ && is_digit(*at_)) { ++at_; }
    const std::ptrdiff_t count = at_ - digits;
    const bool is_small = count > 0 && count <= kSurelyFits && (count == 1 || *digits != '0');
    if (is_small && (at_ == end_ || kMore.find(*at_) == std::string_view::npos)) {
      add(begin, true);
      return true;
    }
    while (at_ != end_ && kMore.find(*at_) != std::string_view::npos) { ++at_; }
    add(begin, true);
    return Json::accept(begin, at_);
  }

  const char* at_;
  const char* end_;
  std::pmr::vector<FlatToken>& tokens_;
};

std::string decode_text(const FlatToken& token) {
  if (token.is_plain) { return std::string(token.inner()); }
  return Json::parse(token.text, token.text + token.size).get<std::string>();  // accepted while it was read
}

inline bool is_called(const FlatToken& token, std::string_view name) {
  if (!token.is_plain) { return decode_text(token) == name; }
  return token.size == name.size() + 2 && std::memcmp(token.text + 1, name.data(), name.size()) == 0;
}

void require(bool is_so, const FlatToken& token, const char* what) {
  if (!is_so) { throw FlatMismatch{std::string(token.text, std::min(token.size, 40U)) + " is not " + what}; }
}

}  // namespace

std::optional<Error> visit_flat(std::string_view text, std::string_view source,
                                const std::function<void(const FlatValue&)>& visit) {
  const auto refuse = [&](const std::string& message) {
    return Error{.kind = ErrorKind::internal,
                 .message = "cannot read the answer: " + message,
                 .source = std::string(source)};
  };
  if (text.size() >= std::numeric_limits<std::uint32_t>::max()) { return refuse("it is too long"); }
  alignas(FlatToken) std::array<std::byte, kUsual * sizeof(FlatToken)> first;
  std::pmr::monotonic_buffer_resource memory(first.data(), first.size());
  std::pmr::vector<FlatToken> tokens(&memory);
  tokens.reserve(kUsual);
  Scanner scanner(text, tokens);
  if (!scanner.scan_all()) {
    return refuse("no JSON at byte " + std::to_string(scanner.stopped_at() - text.data()));
  }
  try {
    visit(FlatValue(tokens.data()));
  } catch (const FlatMismatch& mismatch) { return refuse(mismatch.message); }
  return std::nullopt;
}

const FlatToken* FlatValue::find(std::string_view name) const {
  require(*token_->text == '{', *token_, "an object");
  const FlatToken* const end = token_ + token_->span;
  const FlatToken* const from = token_ + next_;
  const auto look = [&](const FlatToken* at, const FlatToken* until) {
    while (at != until && !is_called(*at, name)) { at += 1 + at[1].span; }
    return at;
  };
  const FlatToken* at = look(from, end);
  if (at == end) {
    at = look(token_ + 1, from);
    if (at == from) { return nullptr; }
  }
  next_ = static_cast<std::uint32_t>(at + 1 + at[1].span - token_);
  return at + 1;
}

FlatValue FlatValue::at(std::string_view name) const {
  const FlatToken* const found = find(name);
  if (found == nullptr) { throw FlatMismatch{"the field " + std::string(name) + " is missing"}; }
  return FlatValue(found);
}

bool FlatValue::contains(std::string_view name) const {
  const std::uint32_t next = next_;
  const bool found = find(name) != nullptr;
  next_ = next;
  return found;
}

std::vector<FlatValue> FlatValue::list() const {
  require(*token_->text == '[', *token_, "a list");
  std::vector<FlatValue> values;
  const FlatToken* const end = token_ + token_->span;
  for (const FlatToken* at = token_ + 1; at != end; at += at->span) { values.emplace_back(at); }
  return values;
}

std::vector<std::pair<std::string, FlatValue>> FlatValue::members() const {
  require(*token_->text == '{', *token_, "an object");
  std::vector<std::pair<std::string, FlatValue>> all;
  const FlatToken* const end = token_ + token_->span;
  for (const FlatToken* at = token_ + 1; at != end; at += 1 + at[1].span) {
    all.emplace_back(decode_text(*at), FlatValue(at + 1));
  }
  return all;
}

std::string FlatValue::text() const {
  require(*token_->text == '"', *token_, "a text");
  return decode_text(*token_);
}

std::vector<std::string> FlatValue::texts() const {
  std::vector<std::string> all;
  for (const FlatValue& value : list()) { all.push_back(value.text()); }
  return all;
}

std::map<std::string, std::string> FlatValue::text_map() const {
  std::map<std::string, std::string> all;
  for (const auto& [name, value] : members()) { all.insert_or_assign(name, value.text()); }
  return all;
}

bool FlatValue::boolean() const {
  require(*token_->text == 't' || *token_->text == 'f', *token_, "true or false");
  return *token_->text == 't';
}

std::string_view FlatValue::raw() const {
  return {token_->text, token_->size};
}

std::int64_t FlatValue::integer(std::int64_t least, std::int64_t most) const {
  const char* const end = token_->text + token_->size;
  std::int64_t number = 0;
  const auto [stop, error] = std::from_chars(token_->text, end, number);
  require(error == std::errc{} && stop == end, *token_, "a whole number within 64 bits");
  if (number < least || number > most) {
    throw FlatMismatch{"the number " + std::to_string(number) + " is out of range"};
  }
  return number;
}

// --- writing ---

FlatWriter::FlatWriter() : memory_(first_.data(), first_.size()), out_(&memory_) {
  out_.reserve(first_.size() - 1);
}

void FlatWriter::separate() {
  if (!is_first_) { out_.push_back(','); }
  is_first_ = false;
}

void FlatWriter::quote(std::string_view value) {
  const char* const end = value.data() + value.size();
  if (skip_plain(value.data(), end) == end) {
    out_.push_back('"');
    out_.append(value);
    out_.push_back('"');
  } else {
    out_.append(dump_json(Json(value)));
  }
}

FlatWriter& FlatWriter::begin(char bracket) {
  separate();
  out_.push_back(bracket);
  is_first_ = true;
  return *this;
}

FlatWriter& FlatWriter::end(char bracket) {
  out_.push_back(bracket);
  is_first_ = false;
  return *this;
}

FlatWriter& FlatWriter::name(std::string_view name) {
  separate();
  quote(name);
  out_.push_back(':');
  is_first_ = true;
  return *this;
}

FlatWriter& FlatWriter::text(std::string_view value) {
  separate();
  quote(value);
  return *this;
}

FlatWriter& FlatWriter::texts(const std::vector<std::string>& values) {
  open_list();
  for (const std::string& value : values) { text(value); }
  return close_list();
}

FlatWriter& FlatWriter::text_map(const std::map<std::string, std::string>& members) {
  open();
  for (const auto& [key, value] : members) { name(key).text(value); }
  return close();
}

FlatWriter& FlatWriter::number(std::int64_t value) {
  separate();
  std::array<char, 20> digits{};  // as many as the least number needs
  const auto written = std::to_chars(digits.begin(), digits.end(), value);
  out_.append(digits.begin(), written.ptr);
  return *this;
}

FlatWriter& FlatWriter::raw(std::string_view json) {
  separate();
  out_.append(json);
  return *this;
}

std::string FlatWriter::take() && {
  return std::string(out_);
}

}  // namespace gpubroker
