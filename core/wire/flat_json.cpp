#include "core/wire/flat_json.hpp"

#include <algorithm>
#include <array>
#include <boost/json/basic_parser_impl.hpp>
#include <cmath>
#include <memory_resource>
// The library inlines its inner loops only where assertions are off; here they stay.
#define RAPIDJSON_FORCEINLINE __attribute__((always_inline))
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

constexpr std::size_t kDeepest = 64;
constexpr std::size_t kUsual = 512;       // tokens: most rows have fewer
constexpr std::size_t kUsualText = 2048;  // of a row

using Kind = FlatToken::Kind;

/// Raised by FlatValue, caught by visit_flat and nowhere else.
struct FlatMismatch {
  std::string message;
};

/// All of it ASCII, and no control characters.
bool is_printable(std::string_view text) {
  constexpr std::uint64_t kOnes = 0x0101010101010101ULL;
  std::uint64_t odd = 0;  // its high bits
  std::uint64_t eight = 0;
  for (; text.size() >= sizeof(eight); text.remove_prefix(sizeof(eight))) {
    std::memcpy(&eight, text.data(), sizeof(eight));
    odd |= eight | (eight - kOnes * 0x20);
  }
  for (const char c : text) { odd |= c < 0x20 ? 0x80U : 0U; }
  return (odd & (kOnes * 0x80)) == 0;
}

/// Of what is printable: whether any of it is written with a backslash.
bool has_escapes(std::string_view text) {
  constexpr std::uint64_t kOnes = 0x0101010101010101ULL;
  constexpr std::uint64_t kHigh = kOnes * 0x80;
  // In ASCII a byte is the one looked for when it is zero after XOR, and then alone borrows.
  const auto marks = [](std::uint64_t eight, char wanted) {
    return (eight ^ (kOnes * static_cast<unsigned char>(wanted))) - kOnes;
  };
  std::uint64_t found = 0;
  std::uint64_t eight = 0;
  for (; text.size() >= sizeof(eight); text.remove_prefix(sizeof(eight))) {
    std::memcpy(&eight, text.data(), sizeof(eight));
    found |= marks(eight, '"') | marks(eight, '\\');
  }
  for (const char c : text) { found |= c == '"' || c == '\\' ? kHigh : 0; }
  return (found & kHigh) != 0;
}

/// Takes down what the library's parser finds in `text`.
class Tape {
 public:
  using Problem = boost::json::error_code;
  using Piece = boost::json::string_view;

  Tape(std::string_view text, std::pmr::memory_resource& memory)
      : text_(text), memory_(memory), tokens_(&memory) {
    tokens_.reserve(kUsual);
  }
  [[nodiscard]] const FlatToken* tokens() const { return tokens_.data(); }

  // What the library asks for: no limits but its own, and whether to go on.
  // NOLINTBEGIN(readability-identifier-naming): its names.
  static constexpr std::size_t max_object_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_array_size = max_object_size;
  static constexpr std::size_t max_key_size = max_object_size;
  static constexpr std::size_t max_string_size = max_object_size;
  // NOLINTEND(readability-identifier-naming)
  bool on_document_begin(Problem& /*problem*/) { return true; }
  bool on_document_end(Problem& /*problem*/) { return true; }
  bool on_object_begin(Problem& /*problem*/) { return open(Kind::object); }
  bool on_object_end(std::size_t /*members*/, Problem& /*problem*/) { return close(); }
  bool on_array_begin(Problem& /*problem*/) { return open(Kind::list); }
  bool on_array_end(std::size_t /*items*/, Problem& /*problem*/) { return close(); }
  bool on_key_part(Piece piece, std::size_t /*so_far*/, Problem& /*problem*/) { return take(piece); }
  bool on_key(Piece piece, std::size_t /*size*/, Problem& /*problem*/) { return take_last(piece); }
  bool on_string_part(Piece piece, std::size_t /*so_far*/, Problem& /*problem*/) { return take(piece); }
  bool on_string(Piece piece, std::size_t /*size*/, Problem& /*problem*/) { return take_last(piece); }
  bool on_number_part(Piece /*digits*/, Problem& /*problem*/) { return true; }
  bool on_int64(std::int64_t value, Piece /*digits*/, Problem& /*problem*/) {
    return add(Kind::whole, value);
  }
  bool on_uint64(std::uint64_t value, Piece digits, Problem& problem) {
    return std::in_range<std::int64_t>(value) ? on_int64(static_cast<std::int64_t>(value), digits, problem)
                                              : add(Kind::number);
  }
  bool on_double(double value, Piece /*digits*/, Problem& problem) {
    if (!std::isfinite(value)) { problem = boost::json::error::exponent_overflow; }
    return !problem && add(Kind::number);
  }
  bool on_bool(bool value, Problem& /*problem*/) { return add(Kind::boolean, value ? 1 : 0); }
  bool on_null(Problem& /*problem*/) { return add(Kind::null); }
  bool on_comment_part(Piece /*piece*/, Problem& /*problem*/) { return true; }
  bool on_comment(Piece /*piece*/, Problem& /*problem*/) { return true; }

 private:
  template <class... Parts>
  bool add(const Parts&... parts) {
    tokens_.emplace_back(parts...);
    return true;
  }
  bool open(Kind kind) {
    open_.at(depth_++) = static_cast<std::uint32_t>(tokens_.size());
    return add(kind);
  }
  bool close() {
    const std::uint32_t self = open_.at(--depth_);
    tokens_[self].span = static_cast<std::uint32_t>(tokens_.size() - self);
    return true;
  }
  bool take(Piece piece) {
    parts_.append(piece.data(), piece.size());
    return true;
  }
  /// What has no escapes is a piece of the text; the rest was put together elsewhere.
  bool take_last(Piece piece) {
    const bool is_of_text = piece.data() >= text_.data() && piece.data() < text_.data() + text_.size();
    if (is_of_text && parts_.empty()) { return add(std::string_view(piece.data(), piece.size())); }
    take(piece);
    auto* const kept = static_cast<char*>(memory_.allocate(parts_.size(), 1));
    std::copy(parts_.begin(), parts_.end(), kept);
    add(std::string_view(kept, parts_.size()));
    parts_.clear();
    return true;
  }

  std::string_view text_;
  std::pmr::memory_resource& memory_;  // of what has escapes
  std::pmr::vector<FlatToken> tokens_;
  std::string parts_;  // of the text that is being read
  std::array<std::uint32_t, kDeepest> open_;
  std::size_t depth_ = 0;
};

std::string describe(const FlatToken& token) {
  switch (token.kind) {
    case Kind::null:
      return "null";
    case Kind::boolean:
      return token.value != 0 ? "true" : "false";
    case Kind::whole:
      return std::to_string(token.value);
    case Kind::number:
      return "a number";
    case Kind::text:
      return dump_json(Json(token.text.substr(0, 40)));
    case Kind::list:
      return "a list";
    case Kind::object:
      return "an object";
  }
  return {};
}

void require(bool is_so, const FlatToken& token, const char* what) {
  if (!is_so) { throw FlatMismatch{describe(token) + " is not " + what}; }
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
  alignas(FlatToken) std::array<std::byte, kUsual * sizeof(FlatToken) + kUsualText> first;
  std::pmr::monotonic_buffer_resource memory(first.data(), first.size());
  boost::json::parse_options options;
  options.max_depth = kDeepest;
  boost::json::basic_parser<Tape> parser(options, text, memory);
  Tape::Problem problem;
  const std::size_t read = parser.write_some(/*more=*/false, text.data(), text.size(), problem);
  if (problem) { return refuse(problem.message() + " at byte " + std::to_string(read)); }
  if (read < text.size()) { return refuse("no JSON at byte " + std::to_string(read)); }
  try {
    visit(FlatValue(parser.handler().tokens()));
  } catch (const FlatMismatch& mismatch) { return refuse(mismatch.message); }
  return std::nullopt;
}

const FlatToken* FlatValue::find(std::string_view name) const {
  require(token_->kind == Kind::object, *token_, "an object");
  const FlatToken* const end = token_ + token_->span;
  const FlatToken* const from = token_ + next_;
  const auto look = [&](const FlatToken* at, const FlatToken* until) {
    while (at != until && at->text != name) { at += 1 + at[1].span; }
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
  require(token_->kind == Kind::list, *token_, "a list");
  std::vector<FlatValue> values;
  const FlatToken* const end = token_ + token_->span;
  for (const FlatToken* at = token_ + 1; at != end; at += at->span) { values.emplace_back(at); }
  return values;
}

std::vector<std::pair<std::string, FlatValue>> FlatValue::members() const {
  require(token_->kind == Kind::object, *token_, "an object");
  std::vector<std::pair<std::string, FlatValue>> all;
  const FlatToken* const end = token_ + token_->span;
  for (const FlatToken* at = token_ + 1; at != end; at += 1 + at[1].span) {
    all.emplace_back(at->text, FlatValue(at + 1));
  }
  return all;
}

std::string FlatValue::text() const {
  require(token_->kind == Kind::text, *token_, "a text");
  return std::string(token_->text);
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
  require(token_->kind == Kind::boolean, *token_, "true or false");
  return token_->value != 0;
}

std::int64_t FlatValue::integer(std::int64_t least, std::int64_t most) const {
  require(token_->kind == Kind::whole, *token_, "a whole number within 64 bits");
  const std::int64_t number = token_->value;
  if (number < least || number > most) {
    throw FlatMismatch{"the number " + std::to_string(number) + " is out of range"};
  }
  return number;
}

// --- writing ---

struct FlatWriter::Out {
  using Memory = rapidjson::MemoryPoolAllocator<>;
  using Buffer = rapidjson::GenericStringBuffer<rapidjson::UTF8<>, Memory>;

  // Most texts fit: one piece of memory, asked for once.
  alignas(std::max_align_t) std::array<char, kUsualText + 1024> first;
  Memory memory{first.data(), first.size()};
  Buffer buffer{&memory, kUsualText};
  /// The library's writer, which also takes what needs no look at each letter.
  struct Writer : rapidjson::Writer<Buffer, rapidjson::UTF8<>, rapidjson::UTF8<>, Memory> {
    using rapidjson::Writer<Buffer, rapidjson::UTF8<>, rapidjson::UTF8<>, Memory>::Writer;
    void plain(std::string_view text) {
      Prefix(rapidjson::kStringType);
      char* at = os_->Push(text.size() + 2);
      *at++ = '"';
      at = std::copy(text.begin(), text.end(), at);
      *at = '"';
    }
  };
  Writer writer{buffer, &memory, 8};
};

FlatWriter::FlatWriter() : out_(new (static_cast<void*>(&room_)) Out) {
  static_assert(sizeof(Out) <= kRoom && alignof(Out) <= alignof(std::max_align_t));
}

FlatWriter::~FlatWriter() {
  out_->~Out();
}

FlatWriter& FlatWriter::open() {
  out_->writer.StartObject();
  return *this;
}

FlatWriter& FlatWriter::close() {
  out_->writer.EndObject();
  return *this;
}

FlatWriter& FlatWriter::open_list() {
  out_->writer.StartArray();
  return *this;
}

FlatWriter& FlatWriter::close_list() {
  out_->writer.EndArray();
  return *this;
}

FlatWriter& FlatWriter::plain(std::string_view text) {
  out_->writer.plain(text);
  return *this;
}

FlatWriter& FlatWriter::text(std::string_view value) {
  if (is_printable(value)) {
    if (!has_escapes(value)) { return plain(value); }
    out_->writer.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
  } else {  // the two libraries spell control characters differently, and only one replaces what is no UTF-8
    const std::string json = dump_json(Json(value));
    out_->writer.RawValue(json.data(), json.size(), rapidjson::kStringType);
  }
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
  out_->writer.Int64(value);
  return *this;
}

FlatWriter& FlatWriter::boolean(bool value) {
  out_->writer.Bool(value);
  return *this;
}

FlatWriter& FlatWriter::null() {
  out_->writer.Null();
  return *this;
}

FlatWriter& FlatWriter::raw(std::string_view json) {
  out_->writer.RawValue(json.data(), json.size(), rapidjson::kObjectType);
  return *this;
}

std::string_view FlatWriter::written() const {
  return {out_->buffer.GetString(), out_->buffer.GetSize()};
}

void FlatWriter::forget() {
  out_->buffer.Clear();
}

}  // namespace gpubroker
