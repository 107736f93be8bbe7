#include "core/wire/tar.hpp"

#include <cassert>
#include <cstdint>

namespace gpubroker {
namespace {

constexpr std::size_t kBlock = 512;

// Where the fields of a header lie (POSIX.1-2017, pax, "ustar Interchange Format").
struct Field {
  std::size_t at;
  std::size_t size;
};
constexpr Field kName{0, 100};
constexpr Field kMode{100, 8};
constexpr Field kOwner{108, 8};
constexpr Field kGroup{116, 8};
constexpr Field kSize{124, 12};
constexpr Field kTime{136, 12};
constexpr Field kSum{148, 8};
constexpr Field kType{156, 1};
constexpr Field kMagic{257, 8};

void put_text(std::string& header, Field field, std::string_view text) {
  assert(text.size() <= field.size);
  header.replace(field.at, text.size(), text);
}

/// Octal, closed by a NUL.
void put_number(std::string& header, Field field, std::uint64_t number) {
  std::string text(field.size - 1, '0');
  for (std::size_t i = text.size(); number != 0 && i > 0; number >>= 3U) {
    text[--i] = static_cast<char>('0' + static_cast<int>(number & 7U));
  }
  put_text(header, field, text);
}

}  // namespace

void append_tar_file(std::string& tar, std::string_view name, int mode, std::string_view bytes) {
  std::string header(kBlock, '\0');
  put_text(header, kName, name);
  put_number(header, kMode, static_cast<std::uint64_t>(mode));
  put_number(header, kOwner, 0);
  put_number(header, kGroup, 0);
  put_number(header, kSize, bytes.size());
  put_number(header, kTime, 0);
  put_text(header, kType, "0");
  put_text(header, kMagic, std::string_view("ustar\00000", 8));
  put_text(header, kSum, "        ");  // it is counted as blanks
  std::uint64_t sum = 0;
  for (const char c : header) { sum += static_cast<unsigned char>(c); }
  put_number(header, kSum, sum);
  tar += header;
  tar += bytes;
  tar.append((kBlock - bytes.size() % kBlock) % kBlock, '\0');
}

void append_tar_end(std::string& tar) {
  tar.append(2 * kBlock, '\0');
}

}  // namespace gpubroker
