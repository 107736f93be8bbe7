#pragma once
// Protocol Buffers' binary form, as much of it as hand-written messages need. Source: "Encoding",
// protobuf.dev, read 2026-11.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

namespace gpubroker {

/// Builds one message, field by field, in the order of the calls. As proto3 wants it, numbers that are zero
/// and texts that are empty are left out; messages are written even when empty, for their presence may mean
/// something.
class ProtoWriter {
 public:
  ProtoWriter& number(int field, std::uint64_t value);
  ProtoWriter& text(int field, std::string_view value);
  ProtoWriter& message(int field, const ProtoWriter& value);
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  void varint(std::uint64_t value);
  void piece(int field, std::string_view bytes);
  std::string bytes_ = {};
};

/// One message read: its fields by number. It looks into the bytes that it was parsed from, which must
/// outlive it. A field that is absent, or of another wire type than it is asked as, is the zero of its type,
/// as protobuf has it; of a field given twice the last counts.
class ProtoMessage {
 public:
  ProtoMessage() = default;  // no fields
  /// Fails with `internal` when the bytes are no message: cut, a field number out of range, a group.
  static Result<ProtoMessage> parse(std::string_view bytes);

  [[nodiscard]] bool has(int field) const;
  [[nodiscard]] std::uint64_t number(int field) const;
  /// An int32 or int64, negative ones too.
  [[nodiscard]] std::int64_t integer(int field) const { return static_cast<std::int64_t>(number(field)); }
  /// A text that is not UTF-8 counts as absent.
  [[nodiscard]] std::string text(int field) const;
  [[nodiscard]] std::string bytes(int field) const;
  [[nodiscard]] Result<ProtoMessage> message(int field) const;
  [[nodiscard]] Result<std::vector<ProtoMessage>> messages(int field) const;

 private:
  enum class Kind : std::uint8_t { number, piece };
  struct Field {
    int number = 0;
    Kind kind = Kind::number;
    std::uint64_t value = 0;
    std::string_view piece = {};
  };
  [[nodiscard]] const Field* last(int field, Kind kind) const;
  std::vector<Field> fields_ = {};
};

}  // namespace gpubroker
