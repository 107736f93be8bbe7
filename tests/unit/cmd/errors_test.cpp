#include "cmd/errors.hpp"

#include <doctest/doctest.h>

#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

Judged refused(const std::string& region, const std::string& kind, const std::string& why) {
  Judged judged{.why = why, .kind = kind};
  judged.offer.key = {.provider = "aws", .region = region, .instance_type = "p5", .market = Market::spot};
  return judged;
}

const Error kError{.kind = ErrorKind::capacity,
                   .message = "no H100:8",
                   .hint = "raise max_price",
                   .source = "launch",
                   .code = "InsufficientInstanceCapacity"};

TEST_CASE("an error in prose: message, what refused, hint") {
  CHECK(error_prose(kError,
                    {refused("us-east-2", "quota", "96 of 192 vCPU"), refused("eu", "price", "2.99")}) ==
        "error: launch: no H100:8 [InsufficientInstanceCapacity]\n"
        "  aws       us-east-2  p5       spot    quota  96 of 192 vCPU\n"
        "  aws       eu         p5       spot    price  2.99\n"
        "hint: raise max_price\n");
  CHECK(error_prose({.kind = ErrorKind::invalid, .message = "there is no option --x", .code = "usage"}, {}) ==
        "error: there is no option --x\n");
  CHECK(error_prose({.message = "said \033[2J this\nand that"}, {}) == "error: said  [2J this and that\n");
}

TEST_CASE("what refused is shown up to a bound, and counted") {
  const std::string text = error_prose(kError, std::vector<Judged>(30, refused("r", "price", "9")));
  CHECK(text.find("  … and 6 more\n") != std::string::npos);
}

TEST_CASE("an error as JSON has every field, null when there is nothing to say") {
  const Json all = Json::parse(error_json(kError, {refused("us-east-2", "quota", "96 of 192 vCPU")}));
  CHECK(all.at("schema") == 1);
  const Json& error = all.at("error");
  CHECK(error.at("kind") == "capacity");
  CHECK(error.at("exit") == 5);
  CHECK(error.at("code") == "InsufficientInstanceCapacity");
  CHECK(error.at("refused").at(0).at("region") == "us-east-2");
  CHECK(error.at("refused").at(0).at("zone").is_null());
  const Json bare = Json::parse(error_json({.kind = ErrorKind::auth, .message = "m"}, {})).at("error");
  CHECK(bare.at("exit") == 3);
  CHECK(bare.at("hint").is_null());
  CHECK(bare.at("source").is_null());
  CHECK(bare.count("refused") == 0);
}

}  // namespace
}  // namespace gpubroker
