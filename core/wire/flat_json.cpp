#include "core/wire/flat_json.hpp"

#include <algorithm>
#include <array>
#include <memory>
// The library inlines its inner loops only where assertions are off; here they stay.
#define RAPIDJSON_FORCEINLINE __attribute__((always_inline))
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <simdjson.h>

#include "core/wire/json.hpp"
#include "core/wire/surrogates.hpp"

namespace gpubroker {
namespace {

constexpr std::size_t kDeepest = 64;
constexpr std::size_t kUsualText = 2048;         // of a row
constexpr std::size_t kLongestKept = 1U << 18U;  // bytes: a reader that has met a longer text is not kept

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

/// The library's parser and the row of tokens made of what it has found. Both keep their memory.
class Reader {
 public:
  /// Why it cannot be read; nullptr: the tokens are there, until the next text.
  const char* read(std::string_view text) {
    if (text.size() > parser_.capacity()) {
      const std::size_t room = std::max(text.size(), kUsualText);
      const simdjson::error_code error = parser_.allocate(room, kDeepest);
      if (error != simdjson::SUCCESS) { return simdjson::error_message(error); }
      copy_.resize(room + simdjson::SIMDJSON_PADDING);
    }
    std::copy(text.begin(), text.end(), copy_.begin());
    simdjson::dom::element root;
    const simdjson::error_code error = parser_.parse(copy_.data(), text.size(), false).get(root);
    if (error != simdjson::SUCCESS) { return simdjson::error_message(error); }
    tokens_.clear();
    take(root);
    return nullptr;
  }
  [[nodiscard]] const FlatToken* tokens() const { return tokens_.data(); }
  [[nodiscard]] std::size_t capacity() const { return parser_.capacity(); }

 private:
  void take(const simdjson::dom::element& element) {
    using simdjson::dom::element_type;
    switch (element.type()) {
      case element_type::NULL_VALUE:
        tokens_.emplace_back(Kind::null);
        break;
      case element_type::BOOL:
        tokens_.emplace_back(Kind::boolean, element.get_bool().value_unsafe() ? 1 : 0);
        break;
      case element_type::INT64:
        tokens_.emplace_back(Kind::whole, element.get_int64().value_unsafe());
        break;
      case element_type::UINT64:  // more than an int64 holds
      case element_type::DOUBLE:
        tokens_.emplace_back(Kind::number);
        break;
      case element_type::STRING:
        tokens_.emplace_back(element.get_string().value_unsafe());
        break;
      case element_type::ARRAY: {
        const std::size_t self = tokens_.size();
        tokens_.emplace_back(Kind::list);
        const simdjson::dom::array items = element.get_array().value_unsafe();
        for (const simdjson::dom::element item : items) { take(item); }
        close(self);
        break;
      }
      case element_type::OBJECT: {
        const std::size_t self = tokens_.size();
        tokens_.emplace_back(Kind::object);
        const simdjson::dom::object members = element.get_object().value_unsafe();
        for (const simdjson::dom::key_value_pair member : members) {
          tokens_.emplace_back(member.key);
          take(member.value);
        }
        close(self);
        break;
      }
    }
  }
  void close(std::size_t self) { tokens_[self].span = static_cast<std::uint32_t>(tokens_.size() - self); }

  simdjson::dom::parser parser_;
  std::vector<char> copy_;  // the library reads past the end
  std::vector<FlatToken> tokens_;
};

/// A reader of this thread's, for one text: what is read in it may itself be a text.
class ReaderLoan {
 public:
  ReaderLoan() {
    if (idle().empty()) {
      reader_ = std::make_unique<Reader>();
    } else {
      reader_ = std::move(idle().back());
      idle().pop_back();
    }
  }
  ~ReaderLoan() {
    if (reader_->capacity() <= kLongestKept) { idle().push_back(std::move(reader_)); }
  }
  ReaderLoan(const ReaderLoan&) = delete;
  ReaderLoan& operator=(const ReaderLoan&) = delete;
  Reader* operator->() { return reader_.get(); }

 private:
  static std::vector<std::unique_ptr<Reader>>& idle() {
    thread_local std::vector<std::unique_ptr<Reader>> readers;
    return readers;
  }
  std::unique_ptr<Reader> reader_;
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
  if (has_stray_surrogate(text)) { return refuse("half a surrogate pair in it"); }
  if (text.size() >= std::numeric_limits<std::uint32_t>::max()) { return refuse("it is too long"); }
  ReaderLoan reader;
  if (const char* const why = reader->read(text)) { return refuse(why); }
  try {
    visit(FlatValue(reader->tokens()));
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
