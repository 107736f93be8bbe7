// A checkpoint's manifest, as it is and sealed with the hash of whatever the fuzzer wrote.
#include "core/base/text.hpp"
#include "core/checkpoint/checkpoint.hpp"
#include "core/wire/sha256.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gpubroker;  // NOLINT(google-build-using-namespace): a program of few functions.

static void check(std::string_view text) {
  const Result<Manifest> parsed = parse_manifest(text);
  if (!parsed.ok()) {
    fuzz::must(parsed.error().kind == ErrorKind::internal, "a damaged manifest is no mistake of the user");
    fuzz::must(parsed.error().code == "torn" || parsed.error().code == "corrupt", "damage has its code");
    return;
  }
  fuzz::must(total_size(parsed.value()) >= 0, "sizes do not overflow");
  for (const ManifestFile& file : parsed.value().files) {
    for (const std::string& part : split(file.path, '/')) {
      fuzz::must(!part.empty() && part != "." && part != "..", "a path stays below its folder");
    }
  }
  const Result<Manifest> back = parse_manifest(encode_manifest(parsed.value()));
  fuzz::must(back.ok() && back.value() == parsed.value(), "a manifest reads back");
}

GPUBROKER_FUZZ_TARGET(input) {
  check(input);
  const std::string body(input.substr(0, input.find("\nsha256:")));
  check(body + "\nsha256:" + sha256_hex(body) + "\n");
}
