#include "core/wire/answer_json.hpp"

#include <doctest/doctest.h>

namespace gpubroker {
namespace {

// Found by fuzz_runpod: the validation of UTF-8 in place read behind the text (seen by the address
// sanitizer).
TEST_CASE("answer json: a text that ends within a letter is refused") {
  for (const char* const end : {"\xEE", "\xF0", "\xF0\x9F", "\xC3", "\xEE\x80"}) {
    std::string text = R"({"a":"NVIDIA H100 80GB HBM3","b":"8)";
    text += end;
    text.shrink_to_fit();
    const std::optional<Error> error = visit_answer(text, "moon", [](const AnswerValue&) {});
    REQUIRE(error.has_value());
    CHECK(error->kind == ErrorKind::internal);
  }
}

TEST_CASE("half a surrogate pair is no letter") {
  const auto reads = [](std::string_view text) {
    return !visit_answer(text, "x", [](const AnswerValue&) {});
  };
  CHECK(reads(R"({"a":"\ud83d\ude00"})"));
  CHECK(reads(R"({"a":"\\uDC00"})"));  // a backslash, then letters
  CHECK_FALSE(reads(R"({"a":"\uDC00"})"));
  CHECK_FALSE(reads(R"({"a":"\ud83d\ude00\udfff"})"));
  CHECK_FALSE(reads(R"({"a":"\ud83dx"})"));
}

}  // namespace
}  // namespace gpubroker
