#pragma once
// Finds where a JSON object or list ends, at memory speed and across the borders of pieces: 64 bytes at a
// time become bit masks of quotes, backslashes and braces, as simdjson's first stage does it ("Parsing
// Gigabytes of JSON per Second", Langdale and Lemire 2019). What lies between is not looked at.
#include <cstdint>
#include <string_view>

namespace gpubroker::aws {

struct SkipState {
  std::int64_t depth = 0;
  std::uint64_t in_string = 0;  // all ones inside of a string
  bool escape_carry = false;    // the piece before ended with a backslash that counts
  bool saw_backslash = false;
};

class JsonSkipper {
 public:
  JsonSkipper();
  /// Before the { or [ of the next value.
  void begin() { state_ = {}; }
  /// Takes bytes of the value, the { or [ first. How many belong to it: all, unless it ends among them.
  std::size_t take(std::string_view bytes) {
    const std::size_t taken = skip_(state_, bytes);
    return taken;
  }
  /// After take: whether the value has ended.
  [[nodiscard]] bool ended() const { return state_.depth == 0; }
  /// Whether a backslash was in it: only then can a string in it be spelled otherwise than it reads. A block
  /// may hold bytes after the end, so this may be true without need.
  [[nodiscard]] bool saw_backslash() const { return state_.saw_backslash; }

 private:
  std::size_t (*skip_)(SkipState& state, std::string_view bytes);
  SkipState state_ = {};
};

/// The widest that this machine has; the portable one is for tests on any machine.
std::size_t skip_portable(SkipState& state, std::string_view bytes);
#if defined(__x86_64__)
std::size_t skip_avx2(SkipState& state, std::string_view bytes);
#endif

}  // namespace gpubroker::aws
