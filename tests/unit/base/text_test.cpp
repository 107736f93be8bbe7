#include "core/base/text.hpp"

#include <limits>

#include <doctest/doctest.h>

namespace gpubroker {

using Words = std::vector<std::string>;

TEST_CASE("trim takes white space off both ends and nothing from between") {
  CHECK(trim("  a b\t\r\n") == "a b");
  CHECK(trim("a") == "a");
  CHECK(trim(" \n\t ").empty());
  CHECK(trim("").empty());
}

TEST_CASE("split keeps empty parts; join is its inverse") {
  CHECK(split("a,,b", ',') == Words{"a", "", "b"});
  CHECK(split("", ',') == Words{""});
  CHECK(split(",", ',') == Words{"", ""});
  CHECK(split("abc", ',') == Words{"abc"});
  for (const char* text : {"", ",", "a", "a,b", ",a,,b,"}) {
    CAPTURE(text);
    CHECK(join(split(text, ','), ",") == text);
  }
  CHECK(join({}, ", ").empty());
  CHECK(join({"a", "b", "c"}, ", ") == "a, b, c");
}

TEST_CASE("case is changed for ASCII letters alone") {
  CHECK(lower("H100-SXM ÄZ[`{@") == "h100-sxm Äz[`{@");
  CHECK(upper("h100-sxm äz[`{@") == "H100-SXM äZ[`{@");
}

TEST_CASE("whole numbers are read when they are all there is") {
  struct Row {
    std::string_view text;
    std::optional<std::int64_t> value;
  };
  const std::vector<Row> rows = {{"0", 0},
                                 {"007", 7},
                                 {"-42", -42},
                                 {"9223372036854775807", std::numeric_limits<std::int64_t>::max()},
                                 {"-9223372036854775808", std::numeric_limits<std::int64_t>::min()},
                                 {"9223372036854775808", {}},
                                 {"", {}},
                                 {"-", {}},
                                 {"+1", {}},
                                 {" 1", {}},
                                 {"1 ", {}},
                                 {"1.0", {}},
                                 {"1e3", {}},
                                 {"0x10", {}}};
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(parse_int(row.text) == row.value);
  }
}

TEST_CASE("nearest finds slips of the keyboard and nothing far-fetched") {
  const Words fields = {"name", "resources", "num_nodes", "workdir", "setup", "run"};
  struct Row {
    std::string_view word, near;
  };
  const std::vector<Row> rows = {
      {"resorces", "resources"},
      {"resource", "resources"},
      {"num_node", "num_nodes"},
      {"numnodes", "num_nodes"},
      {"workdri", "workdir"},  // two letters swapped are two edits, of seven letters
      {"nmae", ""},            // of four letters only one may differ
      {"rum", "run"},
      {"run", "run"},
      {"ran2", ""},
      {"budget", ""}};
  for (const Row& row : rows) {
    CAPTURE(row.word);
    CHECK(nearest(row.word, fields) == row.near);
  }
  CHECK(nearest("cat", {"bat", "cap"}) == "bat");  // as near as the other: the first
  CHECK(nearest("cat", {"cart", "cat"}) == "cat");
  CHECK(nearest("cat", {}).empty());
}

TEST_CASE("UTF-8 as RFC 3629 has it") {
  for (const std::string_view good :
       {"", "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf"}) {
    CHECK_MESSAGE(is_utf8(good), good);
  }
  for (const std::string_view bad : {"\x85", "\xc0\xaf", "\xe0\x96\xa9", "\xed\xa0\x80", "\xf0\x8d\x9a\x8c",
                                     "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "a\xff"}) {
    CHECK_FALSE_MESSAGE(is_utf8(bad), bad);
  }
}

}  // namespace gpubroker
