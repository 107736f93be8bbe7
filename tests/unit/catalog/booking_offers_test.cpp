#include "catalog/booking_offers.hpp"

#include <doctest/doctest.h>

#include "tests/manual_clock.hpp"

namespace gpubroker {
namespace {

TEST_CASE("booking offers: clouds are asked again side by side, those that are ours, once a minute") {
  testing::ManualClock clock;
  std::vector<std::vector<std::string>> asked;
  BookingOffers offers({},
                       {.clouds = {"aws", "gcp"},
                        .open = []() -> Result<CatalogDb*> {
                          return Error{.kind = ErrorKind::not_found, .message = "nothing was ever refreshed"};
                        },
                        .refresh = [&](const std::vector<std::string>& clouds) -> Status {
                          asked.push_back(clouds);
                          return Ok{};
                        }},
                       clock);
  REQUIRE(offers.ask_again({"aws", "mars", "gcp"}).ok());
  REQUIRE(asked.size() == 1);
  CHECK(asked[0] == std::vector<std::string>{"aws", "gcp"});
  REQUIRE(offers.ask_again({"aws"}).ok());
  CHECK(asked.size() == 1);
  clock.time = clock.time + BookingOffers::kAskedNow;
  REQUIRE(offers.ask_again({"aws"}).ok());
  CHECK(asked.size() == 2);
  clock.time = clock.time - std::chrono::hours{1};  // a clock set back silences nobody
  REQUIRE(offers.ask_again({"aws"}).ok());
  CHECK(asked.size() == 3);
}

}  // namespace
}  // namespace gpubroker
