#pragma once
// What the targets share. A target aborts when a property does not hold; the sanitizers do the rest.
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

namespace gpubroker::fuzz {

/// Aborts, telling which property does not hold, so that the fuzzer keeps the input.
inline void must(bool holds, std::string_view property) {
  if (holds) { return; }
  std::cerr << "violated: " << property << '\n';
  std::abort();
}

inline std::string_view text_of(const std::uint8_t* bytes, std::size_t size) {
  return {static_cast<const char*>(static_cast<const void*>(bytes)), size};
}

/// Of a target with many checks each run makes one: its input's first byte says which, and is taken off. So a
/// run costs what one parser costs, and a change to the input does not change whom it is for. `checks` is how
/// often next() is asked; scripts/fuzz reads it here to write each seed once for each check.
class Turn {
 public:
  Turn(std::string_view& input, int checks) : checks_(checks) {
    if (input.empty()) { return; }
    mine_ = static_cast<unsigned char>(input.front()) % checks;
    input.remove_prefix(1);
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() { must(asked_ == checks_, "each check has its turn"); }
  bool next() { return asked_++ == mine_; }

 private:
  int checks_;
  int mine_ = 0;
  int asked_ = 0;
};

}  // namespace gpubroker::fuzz

/// The body of a target: `input` is the text.
#define GPUBROKER_FUZZ_TARGET(input)                                                   \
  static void fuzz_one(std::string_view input);                                        \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);  \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) { \
    fuzz_one(gpubroker::fuzz::text_of(bytes, size));                                   \
    return 0;                                                                          \
  }                                                                                    \
  static void fuzz_one(std::string_view input)
