#include "core/wire/flat_json.hpp"

#include <doctest/doctest.h>

#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

TEST_CASE("what is JSON for the tree is JSON here, and nothing else is") {
  for (const std::string text : {"{}",
                                 "[]",
                                 "null",
                                 " true ",
                                 "0",
                                 "-0",
                                 "-12.5e+3",
                                 "1E9",
                                 "\"a\\u00e4\\n\"",
                                 "[1,[2,{\"a\":[]}],\"x\"]",
                                 "{\"a\":1,\"b\":{\"c\":null}}",
                                 "\t[ 1 , 2 ]\r\n",
                                 "\"ä\"",
                                 "9223372036854775807",
                                 "18446744073709551615",
                                 "",
                                 " ",
                                 "{",
                                 "}",
                                 "[1,]",
                                 "{\"a\"}",
                                 "{\"a\":}",
                                 "{\"a\":1,}",
                                 "{a:1}",
                                 "01",
                                 "-",
                                 "1.",
                                 ".5",
                                 "1e",
                                 "+1",
                                 "tru",
                                 "nulll",
                                 "\"a",
                                 "\"\\",
                                 "'a'",
                                 "[1 2]",
                                 "1 2",
                                 "[1}",
                                 "{\"a\":1]",
                                 "\"a\nb\"",
                                 "[,1]",
                                 "NaN",
                                 "\x01",
                                 "{\"a\":1}{}",
                                 "\"\\u00\"x"}) {
    CAPTURE(text);
    CHECK(FlatDocument::parse(text).ok() == Json::accept(text));
  }
}

TEST_CASE("depth has an end") {
  const std::string deep(100'000, '[');
  CHECK_FALSE(FlatDocument::parse(deep).ok());
  CHECK_FALSE(FlatDocument::parse(deep + std::string(100'000, ']')).ok());
}

TEST_CASE("values are found in any order, and only what they are") {
  const std::string text =
      R"({"a":1,"b":"x\ty","c":[true,false],"d":{"e":-5},"f":null,"g":1.5,"h":99999999999})";
  const auto read = [&](const auto& take) {
    return read_flat(text, "test", [&](const FlatValue& root) -> Result<Ok> {
      take(root);
      return Ok{};
    });
  };
  CHECK(read([](const FlatValue& root) {
          CHECK(root.at("d").at("e").whole<int>() == -5);
          CHECK(root.at("a").whole<int>() == 1);  // before the one found last
          CHECK(root.at("b").text() == "x\ty");
          CHECK(root.at("c").list().size() == 2);
          CHECK(root.at("c").list()[0].boolean());
          CHECK_FALSE(root.at("c").list()[1].boolean());
          CHECK(root.at("f").is_null());
          CHECK(root.at("h").whole<std::int64_t>() == 99'999'999'999);
          CHECK(root.at("d").raw() == R"({"e":-5})");
          CHECK_FALSE(root.contains("z"));
        }).ok());
  CHECK_FALSE(read([](const FlatValue& root) { (void)root.at("z"); }).ok());
  CHECK_FALSE(
      read([](const FlatValue& root) { (void)root.at("e"); }).ok());  // a member of a member is none of ours
  CHECK_FALSE(read([](const FlatValue& root) { (void)root.at("h").whole<int>(); }).ok());
  CHECK_FALSE(read([](const FlatValue& root) { (void)root.at("g").whole<int>(); }).ok());
  CHECK_FALSE(read([](const FlatValue& root) { (void)root.at("a").text(); }).ok());
  CHECK_FALSE(read([](const FlatValue& root) { (void)root.at("a").at("b"); }).ok());
  CHECK_FALSE(read([](const FlatValue& root) { (void)root.at("f").boolean(); }).ok());
}

TEST_CASE("text that is not plain is written as the other writer does") {
  for (const std::string text :
       {"plain", "", "quo\"te", "back\\slash", "tab\t", "nul\x01", "ä€😀", "bad\xff", "\xc3"}) {
    FlatWriter writer;
    writer.open().field(text, text).field("n", std::int64_t{-7}).name("l").open_list();
    writer.text(text).null().boolean(true).close_list().close();
    CHECK(std::move(writer).take() == "{" + dump_json(Json(text)) + ":" + dump_json(Json(text)) +
                                          ",\"n\":-7,\"l\":[" + dump_json(Json(text)) + ",null,true]}");
  }
}

TEST_CASE("bytes that are not UTF-8 are refused where they are read") {
  const Result<Ok> read = read_flat("[\"\xff\"]", "test", [](const FlatValue& root) -> Result<Ok> {
    (void)root.list()[0].text();
    return Ok{};
  });
  CHECK_FALSE(read.ok());
}

}  // namespace
}  // namespace gpubroker
