#include "core/checkpoint/checkpoint.hpp"
#include "core/wire/json.hpp"
#include "core/wire/sha256.hpp"
#include "tests/mutation.hpp"

namespace gpubroker {
namespace {

const std::string kHash(64, 'a');

Manifest sample() {
  return {.id = {"000000000042-a003"},
          .workload = {"llama-7k2q"},
          .attempt = 3,
          .step = 42,
          .world_size = 4,
          .created_at = {1'795'521'600'123},
          .piece_size = 100,
          .files = {{.path = "a/model.pt", .size = 250, .sha256 = kHash, .pieces = {kHash, kHash, kHash}},
                    {.path = "empty", .size = 0, .sha256 = kHash, .pieces = {}, .mode = 0400}}};
}

/// A manifest's text with another body, sealed as an honest one.
std::string sealed(const std::string& body) {
  return body + "\nsha256:" + sha256_hex(body) + "\n";
}

Json body_of(const Manifest& manifest) {
  const std::string text = encode_manifest(manifest);
  return Json::parse(text.substr(0, text.find("\nsha256:")));
}

TEST_CASE("manifests come back as they were") {
  for (const Manifest& manifest : {Manifest{.piece_size = 1}, sample()}) {
    const Result<Manifest> back = parse_manifest(encode_manifest(manifest));
    REQUIRE(back.ok());
    CHECK(back.value() == manifest);
  }
  CHECK(total_size(sample()) == 250);
}

TEST_CASE("a manifest cut at any byte is torn or corrupt, never another manifest") {
  const std::string text = encode_manifest(sample());
  for (std::size_t length = 0; length < text.size(); ++length) {
    const Result<Manifest> cut = parse_manifest(std::string_view(text).substr(0, length));
    CAPTURE(length);
    REQUIRE_FALSE(cut.ok());
    CHECK(cut.error().kind == ErrorKind::internal);
    CHECK(cut.error().code == "torn");
  }
}

TEST_CASE("a manifest with any byte changed is refused") {
  const std::string text = encode_manifest(sample());
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string bad = text;
    bad[i] = static_cast<char>(bad[i] ^ 0x01);
    const Result<Manifest> flipped = parse_manifest(bad);
    CAPTURE(i);
    REQUIRE_FALSE(flipped.ok());
    CHECK((flipped.error().code == "torn" || flipped.error().code == "corrupt"));
  }
}

TEST_CASE("an honestly sealed manifest that cannot be is corrupt") {
  const auto refused = [](const std::string& pointer, const Json& value) {
    Json body = body_of(sample());
    body[Json::json_pointer(pointer)] = value;
    const Result<Manifest> parsed = parse_manifest(sealed(body.dump()));
    return !parsed.ok() && parsed.error().code == "corrupt";
  };
  for (const char* path : {"", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a/"}) {
    CAPTURE(path);
    CHECK(refused("/files/0/path", path));
  }
  CHECK(refused("/files/0/path", std::string("a\0b", 3)));
  CHECK(refused("/files/0/path", "empty"));  // twice
  CHECK(refused("/files/0/size", 350));      // four pieces
  CHECK(refused("/files/0/size", 200));      // two
  CHECK(refused("/files/0/size", -1));
  CHECK(refused("/files/0/size", std::numeric_limits<std::int64_t>::max()));
  CHECK(refused("/files/0/sha256", std::string(64, 'A')));
  CHECK(refused("/files/0/pieces/1", "../../secret"));
  CHECK(refused("/files/0/mode", 04755));
  CHECK(refused("/files/0/mode", -1));
  CHECK(refused("/piece_size", 0));
  CHECK(refused("/piece_size", std::numeric_limits<std::int64_t>::max()));
  CHECK_FALSE(refused("/step", 43));  // the helper itself can tell
}

TEST_CASE("mutants of a manifest are refused") {
  testing::check_refuses_mutants(
      body_of(sample()), [](const std::string& body) { return parse_manifest(sealed(body)); },
      [](const std::string&, const Json&) { return false; });
}

TEST_CASE("ids sort by step, then attempt") {
  CHECK(make_checkpoint_id(42, 3).value == "000000000042-a003");
  CHECK(make_checkpoint_id(9, 2) < make_checkpoint_id(10, 1));
  CHECK(make_checkpoint_id(10, 1) < make_checkpoint_id(10, 2));
}

TEST_CASE("SHA-256 is SHA-256") {  // FIPS 180-4's own examples
  CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace gpubroker
