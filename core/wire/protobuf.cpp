#include "core/wire/protobuf.hpp"

#include <optional>

namespace gpubroker {
namespace {

constexpr unsigned kVarint = 0;
constexpr unsigned kFixed64 = 1;
constexpr unsigned kPiece = 2;
constexpr unsigned kFixed32 = 5;

/// Takes bytes off the front; nothing when there are too few.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  [[nodiscard]] bool at_end() const { return bytes_.empty(); }

  std::optional<std::uint64_t> varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 70 && !bytes_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(bytes_.front());
      bytes_.remove_prefix(1);
      if (shift < 64) { value |= std::uint64_t{byte & 0x7FU} << shift; }
      if ((byte & 0x80U) == 0) { return value; }
    }
    return std::nullopt;
  }

  std::optional<std::string_view> take(std::uint64_t size) {
    if (size > bytes_.size()) { return std::nullopt; }
    const std::string_view piece = bytes_.substr(0, static_cast<std::size_t>(size));
    bytes_.remove_prefix(piece.size());
    return piece;
  }

  std::optional<std::uint64_t> fixed(std::uint64_t size) {
    const std::optional<std::string_view> piece = take(size);
    if (!piece) { return std::nullopt; }
    std::uint64_t value = 0;
    for (std::size_t i = piece->size(); i > 0; --i) {
      value = value << 8U | static_cast<unsigned char>((*piece)[i - 1]);
    }
    return value;
  }

 private:
  std::string_view bytes_;
};

Error refuse(const std::string& why) {
  return {.kind = ErrorKind::internal, .message = "cannot read the answer: no protobuf message, " + why};
}

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto first = static_cast<unsigned char>(text[i]);
    std::size_t tail = 0;
    if (first >= 0x80) { tail = first < 0xC2 || first > 0xF4 ? 4 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3; }
    if (tail == 4 || tail >= text.size() - i) { return false; }
    std::uint32_t point = first & (0x3FU >> tail);
    for (; tail > 0; --tail) {
      const auto next = static_cast<unsigned char>(text[++i]);
      if ((next & 0xC0U) != 0x80U) { return false; }
      point = point << 6U | (next & 0x3FU);
      if (tail == 1 && first >= 0xE0) {
        const bool overlong = point < (first >= 0xF0 ? 0x10000U : 0x800U);
        if (overlong || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) { return false; }
      }
    }
  }
  return true;
}

}  // namespace

void ProtoWriter::varint(std::uint64_t value) {
  for (; value >= 0x80; value >>= 7U) { bytes_ += static_cast<char>((value & 0x7FU) | 0x80U); }
  bytes_ += static_cast<char>(value);
}

void ProtoWriter::piece(int field, std::string_view bytes) {
  varint(static_cast<std::uint64_t>(field) << 3U | kPiece);
  varint(bytes.size());
  bytes_ += bytes;
}

ProtoWriter& ProtoWriter::number(int field, std::uint64_t value) {
  if (value == 0) { return *this; }
  varint(static_cast<std::uint64_t>(field) << 3U | kVarint);
  varint(value);
  return *this;
}

ProtoWriter& ProtoWriter::text(int field, std::string_view value) {
  if (!value.empty()) { piece(field, value); }
  return *this;
}

ProtoWriter& ProtoWriter::message(int field, const ProtoWriter& value) {
  piece(field, value.bytes_);
  return *this;
}

Result<ProtoMessage> ProtoMessage::parse(std::string_view bytes) {
  constexpr std::uint64_t kMostField = (1U << 29U) - 1;
  ProtoMessage message;
  Reader reader(bytes);
  while (!reader.at_end()) {
    const std::optional<std::uint64_t> tag = reader.varint();
    if (!tag) { return refuse("it is cut"); }
    const std::uint64_t number = *tag >> 3U;
    if (number == 0 || number > kMostField) { return refuse("a field has no number"); }
    Field field{.number = static_cast<int>(number)};
    std::optional<std::uint64_t> value = 0;
    switch (*tag & 7U) {
      case kVarint:
        value = reader.varint();
        break;
      case kFixed64:
        value = reader.fixed(8);
        break;
      case kFixed32:
        value = reader.fixed(4);
        break;
      case kPiece: {
        field.kind = Kind::piece;
        const std::optional<std::uint64_t> size = reader.varint();
        const std::optional<std::string_view> piece = size ? reader.take(*size) : std::nullopt;
        if (!piece) { return refuse("it is cut"); }
        field.piece = *piece;
        break;
      }
      default:
        return refuse("field " + std::to_string(number) + " is of an unknown wire type");
    }
    if (!value) { return refuse("it is cut"); }
    field.value = *value;
    message.fields_.push_back(field);
  }
  return message;
}

const ProtoMessage::Field* ProtoMessage::last(int field, Kind kind) const {
  const Field* found = nullptr;
  for (const Field& each : fields_) {
    if (each.number == field && each.kind == kind) { found = &each; }
  }
  return found;
}

bool ProtoMessage::has(int field) const {
  return last(field, Kind::number) != nullptr || last(field, Kind::piece) != nullptr;
}

std::uint64_t ProtoMessage::number(int field) const {
  const Field* const found = last(field, Kind::number);
  return found == nullptr ? 0 : found->value;
}

std::string ProtoMessage::bytes(int field) const {
  const Field* const found = last(field, Kind::piece);
  return found == nullptr ? std::string() : std::string(found->piece);
}

std::string ProtoMessage::text(int field) const {
  std::string text = bytes(field);
  return is_utf8(text) ? text : std::string();
}

Result<ProtoMessage> ProtoMessage::message(int field) const {
  const Field* const found = last(field, Kind::piece);
  return found == nullptr ? ProtoMessage() : parse(found->piece);
}

Result<std::vector<ProtoMessage>> ProtoMessage::messages(int field) const {
  std::vector<ProtoMessage> messages;
  for (const Field& each : fields_) {
    if (each.number != field || each.kind != Kind::piece) { continue; }
    TRY(ProtoMessage message, parse(each.piece));
    messages.push_back(std::move(message));
  }
  return messages;
}

}  // namespace gpubroker
