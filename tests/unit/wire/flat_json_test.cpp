#include "core/wire/flat_json.hpp"

#include <doctest/doctest.h>

#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

bool is_read(std::string_view text) {
  return read_flat(text, "test", [](const FlatValue&) -> Result<Ok> { return Ok{}; }).ok();
}

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
                                 "\"\\u00\"x",
                                 "\"\\ud83d\\ude00\"",
                                 "\"\\ud83d\"",
                                 "\"\\ud83dx\"",
                                 "\"\\ud83d\\u0041\"",
                                 "\"\\ude00\"",
                                 "{\"\\ude00\":1}",
                                 "\"\\u0000\"",
                                 "\"\xff\"",
                                 "{\"\xc3\":1}",
                                 "\"\xc0\x80\"",
                                 "\"\xed\xa0\x80\"",
                                 "1e308",
                                 "1e309",
                                 "1e99999999999",
                                 "123456789012345678901234567890",
                                 "[1,2]/**/",
                                 "-Infinity"}) {
    CAPTURE(text);
    CHECK(is_read(text) == Json::accept(text));
  }
  CHECK_FALSE(is_read("1e-99999999999"));
  CHECK_FALSE(is_read(std::string_view("{}\0", 3)));
  CHECK_FALSE(is_read(std::string_view("{}\0x", 4)));
  CHECK_FALSE(is_read("\xef\xbb\xbf{}"));  // a mark of the byte order
}

TEST_CASE("depth has an end") {
  const std::string deep(100'000, '[');
  CHECK_FALSE(is_read(deep));
  CHECK_FALSE(is_read(deep + std::string(100'000, ']')));
  std::string objects;
  for (int i = 0; i < 100'000; ++i) { objects += "{\"a\":"; }
  CHECK_FALSE(is_read(objects));
  CHECK(is_read(std::string(64, '[') + std::string(64, ']')));
  CHECK_FALSE(is_read(std::string(65, '[') + std::string(65, ']')));
  std::string wide = "[";
  for (int i = 0; i < 1000; ++i) { wide += "[{}],"; }
  CHECK(is_read(wide + "0]"));
}

TEST_CASE("values are found in any order, and only what they are") {
  const std::string text =
      R"({"a":1,"b":"x\ty","c":[true,false],"d":{"e":-5},"f":null,"g":1.5,"h":1099511627776,"i":18446744073709551615,"j":1e2})";
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
          CHECK(root.at("h").whole<std::int64_t>() == 1'099'511'627'776);
          CHECK(root.at("d").members().size() == 1);
          CHECK(root.at("d").members()[0].first == "e");
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
  CHECK_FALSE(read([](const FlatValue& root) { (void)root.at("i").whole<std::int64_t>(); }).ok());
  CHECK_FALSE(read([](const FlatValue& root) { (void)root.at("j").whole<int>(); }).ok());
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}) {
    CAPTURE(name);  // each kind is asked for what it is not, and nothing ends the program
    const bool is_list = std::string_view(name) == "c";
    const bool is_object = std::string_view(name) == "d";
    CHECK(read([&](const FlatValue& root) { (void)root.at(name).list(); }).ok() == is_list);
    CHECK(read([&](const FlatValue& root) { (void)root.at(name).members(); }).ok() == is_object);
    CHECK(read([&](const FlatValue& root) { (void)root.at(name).contains("z"); }).ok() == is_object);
    CHECK_FALSE(read([&](const FlatValue& root) { (void)root.at(name).at("z"); }).ok());
  }
  CHECK_FALSE(read([](const FlatValue& root) { (void)root.at("c").list()[0].whole<int>(); }).ok());
}

TEST_CASE("each byte at each place of a text is read and written as the tree's library does") {
  for (int byte = 0; byte < 256; ++byte) {
    for (std::size_t at = 0; at < 18; ++at) {  // before, in and behind two pieces of eight
      std::string text(18, 'x');
      text[at] = static_cast<char>(byte);
      CAPTURE(byte);
      CAPTURE(at);
      const std::string raw = "\"" + text + "\"";
      CHECK(is_read(raw) == Json::accept(raw));
      FlatWriter writer;
      writer.text(text);
      const std::string json = std::move(writer).take();
      CHECK(json == dump_json(Json(text)));
      const Result<std::string> back =
          read_flat(json, "test", [](const FlatValue& root) -> Result<std::string> { return root.text(); });
      REQUIRE(back.ok());
      CHECK(back.value() == Json::parse(json).get<std::string>());
    }
  }
}

TEST_CASE("a text may end anywhere") {
  const std::string whole =
      R"({"name" : [ 1 , -2.5e1 , "a\u00e4\"b" , true , false , null , { } ] , "ä" : "" })";
  REQUIRE(is_read(whole));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    // On the heap and of just that length: what reads on is seen by the sanitizer.
    const std::vector<char> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
    CHECK_FALSE(is_read({part.data(), part.size()}));
  }
}

TEST_CASE("names are found whatever they are written like, and no item of a list is taken for one") {
  const std::string text =
      R"({"a\u0062":1,"":2,"list":["x",3],"texts":["p","q\n"],"map":{"k":"1","l":"2","k":"3"}})";
  const Result<Ok> read = read_flat(text, "test", [](const FlatValue& root) -> Result<Ok> {
    CHECK(root.at("ab").whole<int>() == 1);
    CHECK(root.at("").whole<int>() == 2);
    CHECK(root.at("texts").texts() == std::vector<std::string>{"p", "q\n"});
    // As the tree does: the last of two members of one name.
    CHECK(root.at("map").text_map() == std::map<std::string, std::string>{{"k", "3"}, {"l", "2"}});
    return Ok{};
  });
  CHECK(read.ok());
  CHECK_FALSE(read_flat(text, "test", [](const FlatValue& root) -> Result<Ok> {
                (void)root.at("list").at("x").whole<int>();
                return Ok{};
              }).ok());
}

TEST_CASE("long texts with escapes, which the library gives out in pieces, are put together again") {
  std::string text;
  for (int i = 0; i < 5000; ++i) { text += i % 7 == 0 ? "\n" : i % 11 == 0 ? "ä" : "x"; }
  FlatWriter writer;
  writer.open().field(text, text).field("next", std::string("plain")).close();
  const Result<Ok> read = read_flat(writer.written(), "test", [&](const FlatValue& root) -> Result<Ok> {
    CHECK(root.at(text).text() == text);
    CHECK(root.at("next").text() == "plain");
    return Ok{};
  });
  CHECK(read.ok());
}

TEST_CASE("text that is not plain is written as the other writer does") {
  for (const std::string text :
       {"plain", "", "quo\"te", "back\\slash", "tab\t", "nul\x01", "\x1f\x7f", "ä€😀", "bad\xff", "\xc3"}) {
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
