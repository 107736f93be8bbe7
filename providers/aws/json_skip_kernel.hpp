#pragma once
// The inside of json_skipper.hpp, compiled once per instruction set: everything here is local to the file
// that includes it, so that no function made for AVX2 is ever called on a machine without it.
#include <cstdint>
#include <cstring>
#include <string_view>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "providers/aws/json_skipper.hpp"

namespace gpubroker::aws {
namespace {

inline constexpr std::size_t kBlock = 64;

/// One bit per byte of a block.
struct Masks {
  std::uint64_t quotes = 0;
  std::uint64_t backslashes = 0;
  std::uint64_t opens = 0;   // { and [
  std::uint64_t closes = 0;  // } and ]
};

// '[' and ']' become '{' and '}' with this bit set, and nothing else does.
inline constexpr char kBraceBit = 0x20;

#if defined(__AVX2__)
inline Masks read_block(const char* bytes) {
  Masks masks;
  for (std::size_t half = 0; half < 2; ++half) {
    __m256i word;
    std::memcpy(&word, bytes + half * 32, sizeof(word));
    const __m256i folded = _mm256_or_si256(word, _mm256_set1_epi8(kBraceBit));
    const auto bits = [&](__m256i from, char c) {
      const int found = _mm256_movemask_epi8(_mm256_cmpeq_epi8(from, _mm256_set1_epi8(c)));
      return std::uint64_t{static_cast<std::uint32_t>(found)} << (half * 32);
    };
    masks.quotes |= bits(word, '"');
    masks.backslashes |= bits(word, '\\');
    masks.opens |= bits(folded, '{');
    masks.closes |= bits(folded, '}');
  }
  return masks;
}
#elif defined(__SSE2__)
inline Masks read_block(const char* bytes) {
  Masks masks;
  for (std::size_t quarter = 0; quarter < 4; ++quarter) {
    __m128i word;
    std::memcpy(&word, bytes + quarter * 16, sizeof(word));
    const __m128i folded = _mm_or_si128(word, _mm_set1_epi8(kBraceBit));
    const auto bits = [&](__m128i from, char c) {
      const int found = _mm_movemask_epi8(_mm_cmpeq_epi8(from, _mm_set1_epi8(c)));
      return std::uint64_t{static_cast<std::uint32_t>(found)} << (quarter * 16);
    };
    masks.quotes |= bits(word, '"');
    masks.backslashes |= bits(word, '\\');
    masks.opens |= bits(folded, '{');
    masks.closes |= bits(folded, '}');
  }
  return masks;
}
#else
inline Masks read_block(const char* bytes) {
  Masks masks;
  for (std::size_t i = 0; i < kBlock; ++i) {
    const char c = bytes[i];
    const std::uint64_t bit = std::uint64_t{1} << i;
    masks.quotes |= c == '"' ? bit : 0;
    masks.backslashes |= c == '\\' ? bit : 0;
    masks.opens |= c == '{' || c == '[' ? bit : 0;
    masks.closes |= c == '}' || c == ']' ? bit : 0;
  }
  return masks;
}
#endif

/// Bit i is the parity of the bits 0 … i: from the quotes, what lies inside of strings (the opening one too).
inline std::uint64_t parity_so_far(std::uint64_t bits) {
#if defined(__PCLMUL__)
  const __m128i product = _mm_clmulepi64_si128(_mm_set_epi64x(0, static_cast<long long>(bits)),
                                               _mm_set1_epi8(static_cast<char>(0xFF)), 0);
  return static_cast<std::uint64_t>(_mm_cvtsi128_si64(product));
#else
  for (int shift = 1; shift < 64; shift *= 2) { bits ^= bits << shift; }
  return bits;
#endif
}

/// The bytes that a backslash before them takes the meaning from. `carry`: the first byte is one.
inline std::uint64_t escaped_bytes(std::uint64_t backslashes, bool carry) {
  std::uint64_t escaped = carry ? 1 : 0;
  std::uint64_t left = backslashes & ~escaped;
  while (left != 0) {
    const int at = __builtin_ctzll(left);
    if (at == 63) { break; }
    escaped |= std::uint64_t{2} << at;
    left &= ~(std::uint64_t{3} << at);
  }
  return escaped;
}

/// One block of which `length` bytes count (the rest is blanks). The place after the close that ends the
/// value, or 0 when it does not end here.
inline std::size_t skip_block(SkipState& state, const char* bytes, std::size_t length) {
  const Masks masks = read_block(bytes);
  std::uint64_t quotes = masks.quotes;
  if ((masks.backslashes | (state.escape_carry ? 1 : 0)) != 0) {
    const std::uint64_t escaped = escaped_bytes(masks.backslashes, state.escape_carry);
    quotes &= ~escaped;
    // A backslash that is the last byte and not escaped itself makes the next block's first byte escaped.
    const std::uint64_t last = std::uint64_t{1} << (length - 1);
    state.escape_carry = (masks.backslashes & ~escaped & last) != 0;
    state.saw_backslash = true;
  }
  const std::uint64_t inside = parity_so_far(quotes) ^ state.in_string;
  state.in_string = static_cast<std::uint64_t>(static_cast<std::int64_t>(inside) >> 63);
  const std::uint64_t opens = masks.opens & ~inside;
  std::uint64_t closes = masks.closes & ~inside;
  const int closing = __builtin_popcountll(closes);
  if (closing < state.depth) {
    state.depth += __builtin_popcountll(opens) - closing;
    return 0;
  }
  std::int64_t closed = 0;
  for (; closes != 0; closes &= closes - 1) {
    const int at = __builtin_ctzll(closes);
    const std::uint64_t before = (std::uint64_t{1} << at) - 1;
    ++closed;
    if (state.depth + __builtin_popcountll(opens & before) == closed) {
      state.depth = 0;
      return static_cast<std::size_t>(at) + 1;
    }
  }
  state.depth += __builtin_popcountll(opens) - closing;
  return 0;
}

inline std::size_t skip(SkipState& state, std::string_view bytes) {
  std::size_t at = 0;
  for (; at + kBlock <= bytes.size(); at += kBlock) {
    const std::size_t end = skip_block(state, bytes.data() + at, kBlock);
    if (end != 0) { return at + end; }
  }
  const std::size_t rest = bytes.size() - at;
  if (rest == 0) { return at; }
  char last[kBlock];
  std::memset(last, ' ', kBlock);
  std::memcpy(last, bytes.data() + at, rest);
  const std::size_t end = skip_block(state, last, rest);
  return at + (end != 0 ? end : rest);
}

}  // namespace
}  // namespace gpubroker::aws
