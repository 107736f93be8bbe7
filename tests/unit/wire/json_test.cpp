#include "core/wire/json.hpp"

#include <limits>

#include <doctest/doctest.h>

#include "core/wire/agent_wire.hpp"

namespace gpubroker {
namespace {

Result<int> number_of(const std::string& text) {
  return read_json(text, "test", [](const Json& json) -> Result<int> { return whole<int>(json.at("n")); });
}

TEST_CASE("a whole number is whole, and fits") {
  CHECK(number_of(R"({"n": 2147483647})").value() == std::numeric_limits<int>::max());
  CHECK(number_of(R"({"n": -2147483648})").value() == std::numeric_limits<int>::min());
  for (const char* bad : {"2147483648", "-2147483649", "18446744073709551615", "1e3", "1.0", "1e400", "true",
                          "null", "\"1\"", "[1]", "{}", "99999999999999999999", "-0.5", "NaN", "Infinity"}) {
    CAPTURE(bad);
    const Result<int> refused = number_of(std::string("{\"n\": ") + bad + "}");
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().kind == ErrorKind::internal);
    CHECK(refused.error().source == "test");
  }
}

TEST_CASE("only an array has items") {
  const auto count = [](const std::string& text) {
    return read_json(text, "test",
                     [](const Json& json) -> Result<std::size_t> { return items_of(json).size(); });
  };
  CHECK(count("[1, 2]").value() == 2);
  for (const char* bad : {"{}", "{\"a\": 1}", "1", "null", "\"ab\""}) {
    CAPTURE(bad);
    CHECK_FALSE(count(bad).ok());
  }
}

TEST_CASE("documents as deep as a message may be large neither crash nor pass") {
  for (const std::size_t depth : {std::size_t{1'000}, std::size_t{200'000}}) {
    CAPTURE(depth);
    CHECK_FALSE(number_of(std::string(depth, '[')).ok());
    CHECK_FALSE(number_of(std::string(depth, '[') + std::string(depth, ']')).ok());
    std::string deep;
    for (std::size_t i = 0; i < depth; ++i) { deep += "{\"a\":"; }
    CHECK_FALSE(number_of(deep).ok());
    // A field that nobody reads may be deep: it is dropped again without recursion.
    CHECK(number_of("{\"n\": 1, \"x\": " + std::string(depth, '[') + std::string(depth, ']') + "}").value() ==
          1);
    CHECK_FALSE(
        parse_agent_spec("{\"wire\": " + std::string(depth, '[') + std::string(depth, ']') + "}").ok());
  }
}

TEST_CASE("text that is no JSON is an error with its source") {
  for (const char* bad : {"", " ", "{\"n\": 1", "{\"n\": 1}}", "{'n': 1}", "{\"n\": 1,}", "// 1",
                          "\xef\xbb\xbf", "{\"n\": 1} x", "{\"\xff\": 1}"}) {
    CAPTURE(bad);
    CHECK_FALSE(number_of(bad).ok());
  }
  CHECK_FALSE(number_of(std::string("{\"n\": 1}\0", 9)).ok());
  CHECK_FALSE(number_of(std::string("{\"n\": 1}\0 anything", 18)).ok());
}

TEST_CASE("whatever bytes a text has, it becomes JSON that is read back") {
  for (const std::string& text :
       {std::string("plain"), std::string("a\0b", 3), std::string("\x7f\x1f\n\t\"\\"),
        std::string("\xff\xfe\xc3"), std::string("\xed\xa0\x80")}) {
    const std::string dumped = dump_json(Json{{"t", text}});
    const auto back = read_json(dumped, "test", [](const Json& json) -> Result<std::string> {
      return json.at("t").get<std::string>();
    });
    REQUIRE(back.ok());
    CHECK(dump_json(Json{{"t", back.value()}}) == dumped);
  }
}

}  // namespace
}  // namespace gpubroker
