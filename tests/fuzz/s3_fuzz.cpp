// What S3 answers, on any bytes.
#include "core/checkpoint/s3_codec.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gpubroker;  // NOLINT(google-build-using-namespace): a program of few functions.

GPUBROKER_FUZZ_TARGET(input) {
  if (const Result<S3Page> page = parse_s3_page(input, "x"); page.ok()) {
    for (const ObjectInfo& object : page.value().objects) {
      fuzz::must(!object.key.empty() && object.size >= 0, "an object has a key and a size");
    }
  }
  if (const Result<std::string> upload = parse_s3_upload(input, "x"); upload.ok()) {
    fuzz::must(!upload.value().empty(), "an upload has an id");
  }
  const HttpResponse answer{.status = 200,
                            .headers = {{"content-length", std::string(input.substr(0, 30))},
                                        {"date", std::string(input.substr(0, 30))},
                                        {"x-amz-bucket-region", std::string(input.substr(0, 30))}},
                            .body = std::string(input)};
  if (const Result<S3Head> head = parse_s3_head(answer, "x"); head.ok()) {
    fuzz::must(head.value().size >= 0, "a size can be");
  }
  static_cast<void>(parse_s3_complete(answer, "x", Instant{0}));
  for (const int status : {301, 400, 403, 404, 409, 412, 500, 501, 503, 507}) {
    HttpResponse refusal = answer;
    refusal.status = status;
    fuzz::must(!parse_s3_error(refusal, "x", Instant{0}).message.empty(), "an error says something");
  }
}
