#include "core/wire/flat_json.hpp"

#include <algorithm>
#include <array>
#include <rapidjson/document.h>
#include <rapidjson/reader.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

constexpr int kDeepest = 64;
constexpr std::size_t kUsual = 8192;  // bytes of the tree and of its making: most rows fit

/// Raised by FlatValue, caught by visit_flat and nowhere else.
struct FlatMismatch {
  std::string message;
};

/// The library's reader recurses: values that lie too deep are refused while they are read.
class ShallowDocument : public rapidjson::GenericDocument<rapidjson::UTF8<>, rapidjson::MemoryPoolAllocator<>,
                                                          rapidjson::MemoryPoolAllocator<>> {
 public:
  explicit ShallowDocument(AllocatorType& memory) : GenericDocument(&memory, kUsual / 2, &memory) {}

  bool StartObject() { return ++depth_ <= kDeepest && GenericDocument::StartObject(); }
  bool EndObject(rapidjson::SizeType count) { return depth_-- > 0 && GenericDocument::EndObject(count); }
  bool StartArray() { return ++depth_ <= kDeepest && GenericDocument::StartArray(); }
  bool EndArray(rapidjson::SizeType count) { return depth_-- > 0 && GenericDocument::EndArray(count); }

 private:
  int depth_ = 0;
};

const rapidjson::Value& tree(const void* value) {
  return *static_cast<const rapidjson::Value*>(value);
}

std::string_view text_of(const rapidjson::Value& value) {
  return {value.GetString(), value.GetStringLength()};
}

std::string write(const rapidjson::Value& value) {
  rapidjson::StringBuffer out;
  rapidjson::Writer<rapidjson::StringBuffer> writer(out);
  value.Accept(writer);
  return {out.GetString(), out.GetSize()};
}

bool is_ascii(std::string_view text) {
  std::uint64_t bits = 0;
  std::uint64_t eight = 0;
  for (; text.size() >= sizeof(eight); text.remove_prefix(sizeof(eight))) {
    std::memcpy(&eight, text.data(), sizeof(eight));
    bits |= eight;
  }
  for (const char c : text) { bits |= static_cast<unsigned char>(c); }
  return (bits & 0x8080808080808080ULL) == 0;
}

/// The library asserts what it is asked for: each access stands behind this.
void require(bool is_so, const rapidjson::Value& value, const char* what) {
  if (!is_so) { throw FlatMismatch{write(value).substr(0, 40) + " is not " + what}; }
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

std::optional<Error> visit_flat(std::string_view text, std::string_view source,
                                const std::function<void(const FlatValue&)>& visit) {
  const auto refuse = [&](const std::string& message) {
    return Error{.kind = ErrorKind::internal,
                 .message = "cannot read the answer: " + message,
                 .source = std::string(source)};
  };
  // The parser takes a NUL for the end; no JSON has one.
  if (text.find('\0') != std::string_view::npos) { return refuse("a NUL byte in it"); }
  if (text.size() >= std::numeric_limits<std::uint32_t>::max()) { return refuse("it is too long"); }
  std::string copy(text);  // the values' texts stay in it
  alignas(std::max_align_t) std::array<char, kUsual> first;
  rapidjson::Document::AllocatorType memory(first.data(), first.size());
  ShallowDocument document(memory);
  rapidjson::InsituStringStream stream(copy.data());
  rapidjson::Reader reader;
  const auto parse = [&](const auto& /*document*/) {
    constexpr unsigned kAscii = rapidjson::kParseInsituFlag;  // most rows: nothing to validate
    constexpr unsigned kAny = kAscii | rapidjson::kParseValidateEncodingFlag;
    return !(is_ascii(text) ? reader.Parse<kAscii>(stream, document) : reader.Parse<kAny>(stream, document))
                .IsError();
  };
  document.Populate(parse);
  if (reader.HasParseError()) { return refuse("no JSON at byte " + std::to_string(reader.GetErrorOffset())); }
  try {
    visit(FlatValue(static_cast<const rapidjson::Value*>(&document)));
  } catch (const FlatMismatch& mismatch) { return refuse(mismatch.message); }
  return std::nullopt;
}

bool FlatValue::is_null() const {
  return tree(value_).IsNull();
}

const void* FlatValue::find(std::string_view name) const {
  const rapidjson::Value& object = tree(value_);
  require(object.IsObject(), object, "an object");
  const auto members = object.MemberBegin();
  const std::uint32_t count = object.MemberCount();
  for (std::uint32_t tried = 0; tried < count; ++tried) {
    if (next_ >= count) { next_ = 0; }
    const auto& member = members[next_++];
    if (text_of(member.name) == name) { return &member.value; }
  }
  return nullptr;
}

FlatValue FlatValue::at(std::string_view name) const {
  const void* found = find(name);
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
  const rapidjson::Value& list = tree(value_);
  require(list.IsArray(), list, "a list");
  std::vector<FlatValue> values;
  values.reserve(list.Size());
  for (const rapidjson::Value& value : list.GetArray()) { values.emplace_back(&value); }
  return values;
}

std::vector<std::pair<std::string, FlatValue>> FlatValue::members() const {
  const rapidjson::Value& object = tree(value_);
  require(object.IsObject(), object, "an object");
  std::vector<std::pair<std::string, FlatValue>> all;
  all.reserve(object.MemberCount());
  for (const auto& member : object.GetObject()) {
    all.emplace_back(text_of(member.name), FlatValue(&member.value));
  }
  return all;
}

std::string FlatValue::text() const {
  const rapidjson::Value& value = tree(value_);
  require(value.IsString(), value, "a text");
  return std::string(text_of(value));
}

bool FlatValue::boolean() const {
  const rapidjson::Value& value = tree(value_);
  require(value.IsBool(), value, "true or false");
  return value.GetBool();
}

std::string FlatValue::raw() const {
  return write(tree(value_));
}

std::int64_t FlatValue::integer(std::int64_t least, std::int64_t most) const {
  const rapidjson::Value& value = tree(value_);
  require(value.IsInt64(), value, "a whole number within 64 bits");
  const std::int64_t number = value.GetInt64();
  if (number < least || number > most) {
    throw FlatMismatch{"the number " + std::to_string(number) + " is out of range"};
  }
  return number;
}

struct FlatWriter::Out {
  rapidjson::StringBuffer buffer{nullptr, 1024};
  rapidjson::Writer<rapidjson::StringBuffer> writer{buffer, nullptr, 8};
};

FlatWriter::FlatWriter() : out_(std::make_unique<Out>()) {}
FlatWriter::~FlatWriter() = default;

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

FlatWriter& FlatWriter::text(std::string_view value) {
  if (std::all_of(value.begin(), value.end(), is_plain)) {
    out_->writer.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
  } else {  // the two libraries spell control characters differently, and only one replaces what is no UTF-8
    const std::string json = dump_json(Json(value));
    out_->writer.RawValue(json.data(), json.size(), rapidjson::kStringType);
  }
  return *this;
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

std::string FlatWriter::take() && {
  return {out_->buffer.GetString(), out_->buffer.GetSize()};
}

}  // namespace gpubroker
