// Where a value ends: every instruction set against a reader of one byte at a time, and every border of
// pieces.
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include "providers/aws/json_skipper.hpp"

namespace gpubroker::aws {
namespace {

using Skip = std::size_t (*)(SkipState& state, std::string_view bytes);

std::vector<Skip> implementations() {
  std::vector<Skip> all = {skip_portable};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("pclmul")) { all.push_back(skip_avx2); }
#endif
  return all;
}

/// The plain way.
std::size_t end_of_value(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') { ++i; }
      if (c == '"') { in_string = false; }
      continue;
    }
    if (c == '"') { in_string = true; }
    if (c == '{' || c == '[') { ++depth; }
    if (c == '}' || c == ']') { --depth; }
    if (depth == 0) { return i + 1; }
  }
  return text.size();
}

/// Feeds `text` in pieces of `piece` bytes: where the value ended.
std::size_t skip_in_pieces(Skip skip, std::string_view text, std::size_t piece) {
  SkipState state;
  std::size_t at = 0;
  while (at < text.size()) {
    at += skip(state, text.substr(at, piece));
    if (state.depth == 0) { return at; }
  }
  return at;
}

/// Random values made of what is hard: quotes, braces and backslashes in strings.
std::string random_value(std::mt19937& random, int depth) {
  constexpr std::string_view kHard = R"({}[]",: ab\\\)";
  std::string text = random() % 2 == 0 ? "{" : "[";
  const char close = text == "{" ? '}' : ']';
  for (unsigned i = 0; i < random() % 6; ++i) {
    if (depth > 0 && random() % 2 == 0) { text += random_value(random, depth - 1); }
    text += '"';
    for (unsigned c = 0; c < random() % 70; ++c) {
      const char byte = kHard[random() % kHard.size()];
      if (byte == '"' || byte == '\\') { text += '\\'; }
      text += byte;
    }
    text += "\",";
  }
  return text + close;
}

TEST_CASE("aws: a value ends where it ends, whatever is in its strings and wherever it is cut") {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    const std::string value = random_value(random, 3);
    const std::string text = value + R"(,"next":{"}":"]"}})";
    CAPTURE(text);
    REQUIRE(end_of_value(text) == value.size());
    for (const Skip skip : implementations()) {
      for (const std::size_t piece : {1UL, 2UL, 7UL, 63UL, 64UL, 65UL, 100'000UL}) {
        CAPTURE(piece);
        REQUIRE(skip_in_pieces(skip, text, piece) == value.size());
      }
    }
  }
}

TEST_CASE("aws: a backslash at the border of blocks and pieces takes the next byte's meaning") {
  for (const std::size_t before : {60UL, 61UL, 62UL, 63UL, 64UL, 125UL, 126UL, 127UL, 128UL}) {
    for (std::size_t count = 1; count < 5; ++count) {
      // An even number of backslashes leaves the quote one.
      const std::string rest = count % 2 == 0 ? "\"}" : "\"}\"}";
      const std::string value = "{\"" + std::string(before, 'a') + std::string(count, '\\') + rest;
      const std::string text = value + "}}}}";
      CAPTURE(text);
      for (const Skip skip : implementations()) {
        for (std::size_t piece = 1; piece < 140; ++piece) {
          REQUIRE(skip_in_pieces(skip, text, piece) == value.size());
        }
      }
    }
  }
}

TEST_CASE("aws: whether a backslash was in a value is known") {
  JsonSkipper skipper;
  skipper.begin();
  skipper.take(R"({"a":"b"})");
  CHECK(skipper.ended());
  CHECK_FALSE(skipper.saw_backslash());
  skipper.begin();
  skipper.take(R"({"a":"\u0062"})");
  CHECK(skipper.ended());
  CHECK(skipper.saw_backslash());
  skipper.begin();
  skipper.take(R"({"a":[)");
  CHECK_FALSE(skipper.ended());
}

}  // namespace
}  // namespace gpubroker::aws
