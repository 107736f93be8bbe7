#include "catalog/booking_offers.hpp"

#include "tests/manual_clock.hpp"
#include "tests/unit/catalog/support.hpp"

namespace gpubroker::catalog_test {
namespace {

/// Two clouds whose sources are asked through a second connection, as another process would.
struct BookingCase {
  World world{};
  std::unique_ptr<CatalogDb> reader = {};
  testing::ManualClock clock = {};
  std::vector<std::vector<std::string>> asked = {};
  std::string price = "31.92";
  bool fails = false;
  BookingOffers offers;

  BookingCase() : offers({}, catalog(), clock) {}

  BookingCatalog catalog() {
    return {.clouds = {"aws", "lambda"},
            .open = [this]() -> Result<CatalogDb*> {
              if (!reader) {
                if (world.number("SELECT count(*) FROM source") == 0) {
                  return Error{.kind = ErrorKind::not_found, .message = "there is no catalog yet"};
                }
                reader = world.open(OpenMode::read_only);
              }
              return reader.get();
            },
            .refresh = [this](const std::vector<std::string>& clouds) { return refresh(clouds); }};
  }

  Status refresh(const std::vector<std::string>& clouds) {
    asked.push_back(clouds);
    world.now = clock.time;
    for (const std::string& cloud : clouds) {
      if (fails) {
        TRY([[maybe_unused]] const Ok noted,
            record_failure(world.db(), cloud + "/prices",
                           {.kind = ErrorKind::network, .message = "no answer"}, clock.time));
        continue;
      }
      world.take(cloud + "/prices", {listing(cloud + "/us-1/8x/on_demand", "H100", 8, price)});
    }
    if (fails) { return Error{.kind = ErrorKind::network, .message = "no answer"}; }
    return Ok{};
  }

  std::string told() {
    Result<std::vector<Offer>> found = offers.offers();
    REQUIRE(found.ok());
    std::string text;
    for (const Offer& offer : found.value()) {
      text += offer.key.provider + " " + format_money({offer.price.micros_per_hour}) + " ";
    }
    return text;
  }
};

using Clouds = std::vector<std::string>;

TEST_CASE("booking: what was never asked is asked first, what is fresh is not asked again") {
  BookingCase test;
  CHECK(test.told() == "aws 31.92 lambda 31.92 ");
  CHECK(test.asked == std::vector<Clouds>{{"aws", "lambda"}});
  test.clock.time = kNow + BookingOffers::kStale - Millis{1};
  CHECK(test.told() == "aws 31.92 lambda 31.92 ");
  CHECK(test.asked.size() == 1);
}

TEST_CASE("booking: only the clouds whose last try is stale are asked") {
  BookingCase test;
  test.world.take("aws/prices", {listing("aws/us-1/8x/on_demand", "H100", 8, "55.04")});
  test.world.now = kNow - BookingOffers::kStale;
  test.world.take("lambda/prices", {listing("lambda/us-1/8x/on_demand", "H100", 8, "30")});
  CHECK(test.told() == "aws 55.04 lambda 31.92 ");
  CHECK(test.asked == std::vector<Clouds>{{"lambda"}});
  test.clock.time = kNow + BookingOffers::kStale;
  test.price = "33";
  CHECK(test.told() == "aws 33.00 lambda 33.00 ");
  CHECK(test.asked.back() == Clouds{"aws", "lambda"});
}

TEST_CASE("booking: a refresh that fails leaves what is known for a day, and is not tried at every look") {
  BookingCase test;
  test.told();
  test.fails = true;
  test.clock.time = kNow + BookingOffers::kStale;
  CHECK(test.told() == "aws 31.92 lambda 31.92 ");
  CHECK(test.told() == "aws 31.92 lambda 31.92 ");
  CHECK(test.asked.size() == 2);
  test.clock.time = kNow + BookingOffers::kUsable + kMinute;
  CHECK(test.told().empty());
}

TEST_CASE("booking: what another process takes in while this one has the file open is seen at once") {
  BookingCase test;
  test.told();
  test.world.now = kNow + kMinute / 2;
  test.world.take("lambda/prices", {listing("lambda/us-1/8x/on_demand", "H100", 8, "29")});
  test.clock.time = kNow + kMinute / 2;
  CHECK(test.told() == "aws 31.92 lambda 29.00 ");
  CHECK(test.asked.size() == 1);
}

TEST_CASE("booking: without clouds nobody is asked, and a catalog that cannot be opened is an error") {
  testing::ManualClock clock;
  BookingOffers none({}, {}, clock);
  CHECK(none.offers().value().empty());
  BookingOffers broken({},
                       {.clouds = {"aws"},
                        .open = []() -> Result<CatalogDb*> {
                          return Error{.kind = ErrorKind::internal, .message = "damaged"};
                        },
                        .refresh = [](const Clouds&) -> Status { return Ok{}; }},
                       clock);
  REQUIRE_FALSE(broken.offers().ok());
  CHECK(broken.offers().error().message == "damaged");
}

}  // namespace
}  // namespace gpubroker::catalog_test
