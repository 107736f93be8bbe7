// AWS's feeds over a fake network: versions, pages, regions that fail, refusals.
#include "providers/aws/feeds.hpp"

#include <algorithm>

#include <doctest/doctest.h>

#include "core/wire/http_date.hpp"
#include "providers/aws/codec.hpp"
#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"

namespace gpubroker::aws {
namespace {

using testing::FakeHome;
using testing::FakeVisit;
using testing::fixture;
using testing::sent;

const std::string kPricing = "GET https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AmazonEC2/";

std::string file_of(const std::string& region) {
  return kPricing + "20260910195514/" + region + "/index.json";
}

std::string file_for(const std::string& region) {
  std::string text = fixture("aws/price_list.json");
  for (std::size_t at = text.find("us-east-1"); at != std::string::npos;
       at = text.find("us-east-1", at + 1)) {
    text.replace(at, 9, region);
  }
  return text;
}

struct PublicVisit : FakeVisit {
  std::vector<std::unique_ptr<PriceFeed>> feeds = make_public_feeds();
  Result<Harvest> fetch(std::size_t feed) { return feeds.at(feed)->fetch(request()); }
};

TEST_CASE("aws feeds: the public ones need nothing") {
  for (const auto& feed : make_public_feeds()) { CHECK(feed->needs().empty()); }
}

TEST_CASE("aws/price-list: a region whose version is known is not fetched again") {
  PublicVisit visit;
  visit.http.answer(
      kPricing + "current/region_index.json",
      {.status = 200, .headers = {{"etag", "\"1\""}}, .body = fixture("aws/region_index.json")});
  for (const char* const region : {"us-east-1", "eu-west-1", "us-gov-west-1"}) {
    visit.http.answer(file_of(region), file_for(region));
  }
  const Result<Harvest> first = visit.fetch(0);
  REQUIRE(first.ok());
  CHECK(first.value().listings.size() == 12);
  CHECK(first.value().failed.empty());
  CHECK(first.value().validators.at("us-east-1") ==
        "/offers/v1.0/aws/AmazonEC2/20260910195514/us-east-1/index.json");
  CHECK(first.value().validators.at("index etag") == "\"1\"");

  visit.validators = first.value().validators;
  visit.validators["eu-west-1"] = "/offers/v1.0/aws/AmazonEC2/20260801000000/eu-west-1/index.json";
  visit.http.requests.clear();
  const Result<Harvest> second = visit.fetch(0);
  REQUIRE(second.ok());
  CHECK(second.value().unchanged == std::vector<std::string>{"us-east-1", "us-gov-west-1"});
  CHECK(second.value().listings.size() == 4);
  CHECK(second.value().validators == first.value().validators);
  REQUIRE(visit.http.requests.size() == 2);
  CHECK(sent(visit.http.requests[0], "If-None-Match") == "\"1\"");
}

TEST_CASE("aws/price-list: an index that has not changed means nothing has") {
  PublicVisit visit;
  visit.validators = {{"index etag", "\"1\""}, {"us-east-1", "v"}};
  visit.http.answer(kPricing + "current/region_index.json", {.status = 304});
  const Result<Harvest> harvest = visit.fetch(0);
  REQUIRE(harvest.ok());
  CHECK(harvest.value().all_unchanged);
  CHECK(harvest.value().validators == visit.validators);
}

TEST_CASE("aws/price-list: a region that fails is owed, and the index asked for again") {
  PublicVisit visit;
  visit.http.answer(
      kPricing + "current/region_index.json",
      {.status = 200, .headers = {{"etag", "\"1\""}}, .body = fixture("aws/region_index.json")});
  visit.http.answer(file_of("us-east-1"), file_for("us-east-1"));
  visit.http.answer(file_of("eu-west-1"), file_for("eu-west-1").substr(0, 3'000));
  visit.http.answer(file_of("us-gov-west-1"), {.status = 403, .body = "AccessDenied"});
  const Result<Harvest> harvest = visit.fetch(0);
  REQUIRE(harvest.ok());
  CHECK(harvest.value().listings.size() == 4);
  REQUIRE(harvest.value().failed.size() == 2);
  CHECK(harvest.value().failed[0].first == "eu-west-1");
  CHECK(harvest.value().failed[0].second.message.find("ends in the middle") != std::string::npos);
  CHECK(harvest.value().failed[1].first == "us-gov-west-1");
  CHECK(harvest.value().validators.count("index etag") == 0);
  CHECK(harvest.value().validators.count("eu-west-1") == 0);
  CHECK(harvest.value().validators.count("us-east-1") == 1);
}

TEST_CASE("aws/price-list: what comes after the wanted prices is not waited for") {
  PublicVisit visit;
  visit.http.answer(kPricing + "current/region_index.json", fixture("aws/region_index.json"));
  const std::string good = file_for("us-east-1");
  // Cut within the Reserved terms: had they been asked for, the file would be broken.
  visit.http.answer(file_of("us-east-1"), good.substr(0, good.find("\"Reserved\"") + 200));
  visit.http.answer(file_of("eu-west-1"), file_for("eu-west-1"));
  visit.http.answer(file_of("us-gov-west-1"), file_for("us-gov-west-1"));
  const Result<Harvest> harvest = visit.fetch(0);
  REQUIRE(harvest.ok());
  CHECK(harvest.value().failed.empty());
  CHECK(harvest.value().listings.size() == 12);
}

TEST_CASE("aws/spot-feed and aws/spot-advisor ask whether anything is new") {
  PublicVisit visit;
  for (const std::size_t feed : {std::size_t{1}, std::size_t{2}}) {
    const std::string line = "GET " + std::string(feed == 1 ? kSpotFeedUrl : kSpotAdvisorUrl);
    visit.validators.clear();
    visit.http.answer(line, {.status = 200,
                             .headers = {{"etag", "\"e\""}},
                             .body = fixture(feed == 1 ? "aws/spot.json" : "aws/spot_advisor.json")});
    visit.http.answer(line, {.status = 304});
    visit.http.answer(line, {.status = 503});
    const Result<Harvest> first = visit.fetch(feed);
    REQUIRE(first.ok());
    CHECK(first.value().listings.size() + first.value().signals.size() >= 2);
    visit.validators = first.value().validators;
    const Result<Harvest> second = visit.fetch(feed);
    REQUIRE(second.ok());
    CHECK(second.value().all_unchanged);
    CHECK(second.value().validators == visit.validators);
    CHECK(sent(visit.http.requests.back(), "If-None-Match") == "\"e\"");
    CHECK(visit.fetch(feed).error().kind == ErrorKind::network);
  }
}

/// Two regions, keys in the environment; answers are chosen by what the form asks for.
class AccountVisit final : public Http {
 public:
  AccountVisit() {
    home.processes.variables["AWS_ACCESS_KEY_ID"] = "AKIATEST";
    home.processes.variables["AWS_SECRET_ACCESS_KEY"] = "very-secret";
    answer("", "DescribeRegions", fixture("aws/regions.xml"));
  }

  FakeHome home = {};
  FakeVisit visit = {};
  std::vector<HttpRequest> requests = {};
  std::vector<std::unique_ptr<PriceFeed>> feeds = make_account_feeds(home.files, home.processes);

  /// The answers to `action` (or a part of the form) in `region` (empty: any), in their order, the last for
  /// ever.
  void answer(const std::string& region, const std::string& action, HttpResponse response) {
    routes_.push_back({region, action, std::move(response)});
  }
  void answer(const std::string& region, const std::string& action, const std::string& body) {
    answer(region, action, HttpResponse{.status = 200, .body = body});
  }

  Result<HttpResponse> send(const HttpRequest& request) override {
    requests.push_back(request);
    for (std::size_t i = 0; i < routes_.size(); ++i) {
      if (!fits(routes_[i], request)) { continue; }
      const HttpResponse response = routes_[i].response;
      const bool another = std::any_of(
          routes_.begin() + static_cast<std::ptrdiff_t>(i) + 1, routes_.end(), [&](const Route& route) {
            return route.region == routes_[i].region && route.action == routes_[i].action;
          });
      if (another) { routes_.erase(routes_.begin() + static_cast<std::ptrdiff_t>(i)); }
      return response;
    }
    return HttpResponse{.status = 400, .body = error_body("InvalidAction")};
  }

  Result<Harvest> fetch(std::size_t feed) {
    return feeds.at(feed)->fetch(
        {.http = *this, .fan_out = visit.fan_out, .clock = visit.clock, .validators = visit.validators});
  }

  static std::string error_body(const std::string& code) {
    return "<Response><Errors><Error><Code>" + code +
           "</Code><Message>no</Message></Error></Errors></Response>";
  }

 private:
  struct Route {
    std::string region;
    std::string action;
    HttpResponse response;
  };
  static bool fits(const Route& route, const HttpRequest& request) {
    return (route.region.empty() || request.url.find("." + route.region + ".") != std::string::npos) &&
           request.body.find(route.action) != std::string::npos;
  }
  std::vector<Route> routes_ = {};
};

constexpr std::size_t kSpot = 0;
constexpr std::size_t kOfferings = 1;
constexpr std::size_t kScores = 2;
constexpr std::size_t kBlocks = 3;

TEST_CASE("aws/ec2-spot: all pages of all regions, signed for each") {
  AccountVisit visit;
  for (const int page : {1, 2, 3}) {
    visit.answer("us-east-1", "DescribeSpotPriceHistory",
                 fixture("aws/spot_history_" + std::to_string(page) + ".xml"));
  }
  visit.answer("ap-southeast-3", "DescribeSpotPriceHistory",
               {.status = 401, .body = AccountVisit::error_body("AuthFailure")});
  const Result<Harvest> harvest = visit.fetch(kSpot);
  REQUIRE(harvest.ok());
  CHECK(harvest.value().listings.size() == 3);
  REQUIRE(harvest.value().failed.size() == 1);
  CHECK(harvest.value().failed[0].first == "ap-southeast-3");
  REQUIRE(visit.requests.size() == 5);
  CHECK(visit.requests[2].body.find("&NextToken=token-2") != std::string::npos);
  CHECK(visit.requests[3].body.find("&NextToken=token-3") != std::string::npos);
  CHECK(sent(visit.requests[1], "authorization").find("/us-east-1/ec2/aws4_request") != std::string::npos);
  CHECK(sent(visit.requests[4], "authorization").find("/ap-southeast-3/ec2/aws4_request") !=
        std::string::npos);
}

TEST_CASE("aws/ec2-spot: a token that comes again ends the pages") {
  AccountVisit visit;
  visit.answer("", "DescribeSpotPriceHistory", fixture("aws/spot_history_1.xml"));
  const Result<Harvest> harvest = visit.fetch(kSpot);
  REQUIRE_FALSE(harvest.ok());  // so it is in every region
  CHECK(harvest.error().kind == ErrorKind::internal);
  CHECK(harvest.error().message == "the pages run in a circle");
  CHECK(visit.requests.size() == 5);
}

TEST_CASE("aws feeds: no keys, and refused ones, which are never shown") {
  AccountVisit visit;
  SUBCASE("nowhere") {
    visit.home.processes.variables.erase("AWS_ACCESS_KEY_ID");
    visit.home.processes.variables["AWS_EC2_METADATA_DISABLED"] = "true";
    for (std::size_t feed = 0; feed < visit.feeds.size(); ++feed) {
      CHECK_FALSE(visit.feeds[feed]->needs().empty());
      CHECK(visit.fetch(feed).error().code == "no_credentials");
    }
    CHECK(visit.requests.empty());
  }
  SUBCASE("refused") {
    AccountVisit other;
    other.answer("", "DescribeSpotPriceHistory",
                 {.status = 401, .body = AccountVisit::error_body("AuthFailure")});
    const Result<Harvest> harvest = other.fetch(kSpot);
    REQUIRE_FALSE(harvest.ok());  // all regions say so
    CHECK(harvest.error().kind == ErrorKind::auth);
    for (const std::string& text : {harvest.error().message, harvest.error().hint, harvest.error().source}) {
      CHECK(text.find("very-secret") == std::string::npos);
    }
  }
}

TEST_CASE("aws feeds: a clock that is wrong is put right by the answer's date, once") {
  AccountVisit visit;
  const Instant theirs = visit.visit.clock.time + Millis{3'600'000};
  const HttpResponse expired{.status = 400,
                             .headers = {{"date", format_http_date(theirs)}},
                             .body = AccountVisit::error_body("RequestExpired")};
  SUBCASE("an hour behind") {
    visit.answer("", "GetSpotPlacementScores", expired);
    visit.answer("", "GetSpotPlacementScores", fixture("aws/scores.xml"));
    REQUIRE(visit.fetch(kScores).ok());
    CHECK(sent(visit.requests[0], "x-amz-date") == "20261124T120000Z");
    CHECK(sent(visit.requests[1], "x-amz-date") == "20261124T130000Z");
    CHECK(sent(visit.requests[2], "x-amz-date") == "20261124T130000Z");  // and stays
  }
  SUBCASE("and refused all the same") {
    visit.answer("", "GetSpotPlacementScores", expired);
    CHECK(visit.fetch(kScores).error().code == "RequestExpired");
    CHECK(visit.requests.size() == 3);  // the clock, then the keys, then no more
  }
  SUBCASE("a refusal at the right time is one") {
    visit.answer("", "GetSpotPlacementScores",
                 {.status = 401,
                  .headers = {{"date", format_http_date(visit.visit.clock.time)}},
                  .body = AccountVisit::error_body("AuthFailure")});
    CHECK(visit.fetch(kScores).error().code == "AuthFailure");
    CHECK(visit.requests.size() == 1);
  }
}

TEST_CASE("aws feeds: keys that have run out are found anew") {
  AccountVisit visit;
  visit.answer("", "GetSpotPlacementScores",
               {.status = 400, .body = AccountVisit::error_body("ExpiredToken")});
  visit.answer("", "GetSpotPlacementScores", fixture("aws/scores.xml"));
  CHECK(visit.fetch(kScores).ok());
}

TEST_CASE("aws/ec2-offerings: shapes and zones") {
  AccountVisit visit;
  visit.answer("", "DescribeInstanceTypeOfferings", fixture("aws/offerings.xml"));
  visit.answer("", "Action=DescribeInstanceTypes&", fixture("aws/instance_types.xml"));
  const Result<Harvest> harvest = visit.fetch(kOfferings);
  REQUIRE(harvest.ok());
  CHECK(harvest.value().listings.size() == 6);  // three in each region
  CHECK(harvest.value().signals.size() == 4);
}

TEST_CASE("aws/ec2-scores: an account that may not have them lacks nothing else") {
  AccountVisit visit;
  visit.answer("", "GetSpotPlacementScores",
               {.status = 403, .body = AccountVisit::error_body("UnauthorizedOperation")});
  const Result<Harvest> harvest = visit.fetch(kScores);
  REQUIRE(harvest.ok());
  CHECK(harvest.value().signals.empty());
  REQUIRE(harvest.value().remarks.size() == 1);
  CHECK(harvest.value().remarks[0].what == "no spot placement scores");
  CHECK(visit.requests.size() == 1);
}

TEST_CASE("aws/capacity-blocks: types that are sold here, and UltraServers where they are") {
  AccountVisit visit;
  const std::string none = "<r><capacityBlockOfferingSet/></r>";
  visit.answer("", "DescribeInstanceTypeOfferings", fixture("aws/offerings.xml"));
  visit.answer("us-east-1", "InstanceType=p5.48xlarge", fixture("aws/blocks.xml"));
  visit.answer("ap-southeast-3", "InstanceType=p5.48xlarge",
               {.status = 400, .body = AccountVisit::error_body("InvalidParameterValue")});
  visit.answer("", "UltraserverType", none);
  const Result<Harvest> harvest = visit.fetch(kBlocks);
  REQUIRE(harvest.ok());
  CHECK(harvest.value().failed.empty());
  CHECK(harvest.value().listings.size() == 2);  // a day and a week tell the same offering ids here
  const auto asked = [&](const std::string& part) {
    return std::count_if(visit.requests.begin(), visit.requests.end(), [&](const HttpRequest& request) {
      return request.body.find(part) != std::string::npos;
    });
  };
  CHECK(asked("UltraserverType") == 4);  // two types, a day and a week, in us-east-1 alone
  CHECK(asked("CapacityDurationHours=24") == 4);
  CHECK(asked("CapacityDurationHours=168") == 4);
  CHECK(asked("p4d.24xlarge") == 2);  // in the filters only: not sold here
}

}  // namespace
}  // namespace gpubroker::aws
