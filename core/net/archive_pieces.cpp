#include "core/net/archive_pieces.hpp"

#include <array>

#include "core/wire/sha256.hpp"

namespace gpubroker {
namespace {

constexpr std::int64_t kLeast = 64 << 10;
constexpr std::int64_t kMost = 1 << 20;
/// A cut where these bits are zero: one byte in 2^18. High ones: those depend on the last 64 bytes.
constexpr std::uint64_t kCutMask = ((1ULL << 18U) - 1U) << 46U;

/// A random number for each byte; fixed, or machines would know no piece of before (splitmix64 from 0).
constexpr std::array<std::uint64_t, 256> make_gear() {
  std::array<std::uint64_t, 256> gear{};
  std::uint64_t state = 0;
  for (std::uint64_t& number : gear) {
    state += 0x9e3779b97f4a7c15ULL;
    std::uint64_t mixed = (state ^ (state >> 30U)) * 0xbf58476d1ce4e5b9ULL;
    mixed = (mixed ^ (mixed >> 27U)) * 0x94d049bb133111ebULL;
    number = mixed ^ (mixed >> 31U);
  }
  return gear;
}
constexpr std::array<std::uint64_t, 256> kGear = make_gear();

class Cutter {
 public:
  void take(std::string_view bytes) {
    whole_.add(bytes);
    std::size_t from = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      hash_ = (hash_ << 1U) + kGear[static_cast<unsigned char>(bytes[i])];
      ++size_;
      if ((size_ >= kLeast && (hash_ & kCutMask) == 0) || size_ == kMost) {
        piece_.append(bytes, from, i + 1 - from);
        from = i + 1;
        close();
      }
    }
    piece_.append(bytes, from);
  }
  CutArchive finish() {
    if (size_ > 0) { close(); }
    out_.sha256 = whole_.hex();
    return std::move(out_);
  }

 private:
  void close() {
    out_.pieces.push_back({.offset = offset_, .size = size_, .sha256 = sha256_hex(piece_)});
    offset_ += size_;
    size_ = 0;
    hash_ = 0;
    piece_.clear();
  }

  CutArchive out_ = {};
  Sha256 whole_ = {};
  std::string piece_ = {};
  std::int64_t offset_ = 0;
  std::int64_t size_ = 0;
  std::uint64_t hash_ = 0;
};

}  // namespace

Result<CutArchive> cut_archive(Files& files, const std::string& path) {
  Cutter cutter;
  const Status read = files.read_pieces(path, [&](std::string_view bytes) -> Status {
    cutter.take(bytes);
    return Ok{};
  });
  if (!read.ok()) { return read.error(); }
  return cutter.finish();
}

}  // namespace gpubroker
