// EC2's and STS's answers, and the two feeds of AWS's own pages.
#include "providers/aws/codec.hpp"

#include <algorithm>

#include <doctest/doctest.h>

#include "core/wire/sigv4.hpp"
#include "tests/fake_home.hpp"
#include "tests/mutation.hpp"

namespace gpubroker::aws {
namespace {

using testing::fixture;

const Instant kNow{1'795'521'600'000};

/// Every element of an answer emptied, renamed and filled with nonsense: refused or told, never thrown over.
template <class Parse>
void for_each_xml_mutant(const std::string& good, Parse parse) {
  for (std::size_t at = good.find('<'); at != std::string::npos; at = good.find('<', at + 1)) {
    const std::size_t end = good.find('>', at);
    parse(good.substr(0, at));
    parse(good.substr(0, at) + "<x>" + good.substr(end + 1));
    const std::size_t next = good.find('<', end);
    if (next == std::string::npos) { continue; }
    for (const char* const wrong : {"", "-1", "1e99", "text", "99999999999999999999", "&#0;", "&amp;"}) {
      parse(good.substr(0, end + 1) + wrong + good.substr(next));
    }
  }
}

TEST_CASE("aws: the spot feed gives regional prices, N/A is none, old names are known") {
  const Result<Harvest> harvest = parse_spot_feed(fixture("aws/spot.json"), kNow);
  REQUIRE(harvest.ok());
  REQUIRE(harvest.value().listings.size() == 3);
  const Listing& p5 = harvest.value().listings[0];
  CHECK(p5.offer.key == OfferKey{.provider = "aws",
                                 .region = "us-east-1",
                                 .instance_type = "p5.48xlarge",
                                 .market = Market::spot});
  CHECK(p5.offer.price == Rate{21'481'300});
  CHECK(p5.basis == PriceBasis::market);
  CHECK(p5.availability.kind == AvailabilityKind::unknown);
  CHECK(harvest.value().listings[1].offer.price == Rate{467'850});
  CHECK(harvest.value().listings[2].offer.key.region == "eu-west-1");
  REQUIRE(harvest.value().remarks.size() == 2);
  CHECK(harvest.value().remarks[0].detail == "us-west-2-lax-1");
  CHECK(harvest.value().remarks[1].detail == "eu-west-1.sizes[1]: the price is not above zero");
}

TEST_CASE("aws: a spot feed of another unit is not read as hours") {
  testing::MutableJson feed = testing::MutableJson::parse(fixture("aws/spot.json"));
  feed["config"]["rate"] = "permonth";
  CHECK_FALSE(parse_spot_feed(feed.dump(), kNow).ok());
}

TEST_CASE("aws: the advisor tells how many of a hundred spot machines were taken back at most") {
  const Result<Harvest> harvest = parse_spot_advisor(fixture("aws/spot_advisor.json"));
  REQUIRE(harvest.ok());
  REQUIRE(harvest.value().signals.size() == 2);  // Linux accelerators only
  CHECK(harvest.value().signals[0] == Signal{.provider = "aws",
                                             .region = "us-east-1",
                                             .instance_type = "p5.48xlarge",
                                             .market = Market::spot,
                                             .reclaimed_percent_most = 16});
  CHECK(harvest.value().signals[1].reclaimed_percent_most == 100);
}

TEST_CASE("aws: mutants of the public feeds are refused or told") {
  testing::for_each_mutant(testing::MutableJson::parse(fixture("aws/spot.json")),
                           [](const std::string& text) { static_cast<void>(parse_spot_feed(text, kNow)); });
  testing::for_each_mutant(testing::MutableJson::parse(fixture("aws/spot_advisor.json")),
                           [](const std::string& text) { static_cast<void>(parse_spot_advisor(text)); });
}

TEST_CASE("aws: spot prices by zone, the younger one, Linux, accelerators") {
  SpotPrices prices;
  Harvest told;
  const auto read = [&](const char* file) {
    return parse_spot_history(fixture(file), "us-east-1", kNow, prices, told).value();
  };
  CHECK(read("aws/spot_history_1.xml") == "token-2");
  CHECK(read("aws/spot_history_2.xml") == "token-3");  // empty, and yet not the last
  CHECK(read("aws/spot_history_3.xml").empty());       // an empty element ends it
  REQUIRE(prices.size() == 3);
  const Listing& p5 = prices.at({"p5.48xlarge", "us-east-1b"}).listing;
  CHECK(p5.offer.price == Rate{21'481'300});
  CHECK(p5.offer.key.zone == "us-east-1b");
  CHECK(p5.offer.key.market == Market::spot);
  CHECK(p5.availability == Availability{.basis = "zone use1-az2"});
  CHECK(p5.offer.source == "aws/ec2-spot");
  CHECK(prices.at({"g5.xlarge", "us-east-1a"}).listing.offer.price == Rate{467'850});
  REQUIRE(told.remarks.size() == 1);
  CHECK(told.remarks[0].detail == "spotPriceHistorySet[5]: the field spotPrice is no amount");
}

TEST_CASE("aws: spot prices of China are in yuan, which no field says: none are read") {
  SpotPrices prices;
  Harvest told;
  REQUIRE(parse_spot_history(fixture("aws/spot_history_1.xml"), "cn-north-1", kNow, prices, told).ok());
  CHECK(prices.empty());
  REQUIRE(told.remarks.size() == 1);
  CHECK(told.remarks[0] == Remark{.what = "unknown currency", .detail = "spot prices of cn-north-1"});
}

TEST_CASE("aws: the spot history is asked for what holds now") {
  const QueryPairs form = spot_history_call(kNow + Millis{123});
  CHECK(std::find(form.begin(), form.end(),
                  std::pair<std::string, std::string>("StartTime", "2026-11-24T12:00:00Z")) != form.end());
  const HttpRequest request = encode_form("https://ec2.us-east-1.amazonaws.com", form);
  CHECK(request.method == "POST");
  CHECK(request.repeatable);
  CHECK(request.body.rfind(
            "Action=DescribeSpotPriceHistory&Version=2016-11-15&StartTime=2026-11-24T12%3A00%3A00Z&"
            "ProductDescription.1=Linux%2FUNIX&InstanceType.1=",
            0) == 0);
}

TEST_CASE("aws: types sold as Capacity Blocks are known without a price") {
  Harvest harvest;
  REQUIRE(
      parse_instance_types(fixture("aws/instance_types.xml"), "us-east-1", kNow, harvest).value().empty());
  REQUIRE(harvest.listings.size() == 3);  // not g6f (a fraction), g5 (no block), p2.none (no accelerator)
  const Listing& p5e = harvest.listings[0];
  CHECK(p5e.offer.key.instance_type == "p5e.48xlarge");
  CHECK(p5e.offer.key.market == Market::block);
  CHECK(p5e.basis == PriceBasis::quote);
  CHECK(p5e.offer.price == Rate{0});
  CHECK(p5e.gpu_text == "H200");
  CHECK(p5e.fabric_gbps == 3'200);
  const Listing& trn2 = harvest.listings[1];
  CHECK(trn2.gpu_text == "Trainium2");
  CHECK(trn2.offer.gpu.count == 16);
  CHECK(trn2.offer.gpu.memory_gib == 96);  // not the 524288 MiB that EC2 tells of a chip
  CHECK(trn2.fabric_gbps == 3'200);        // "16x 200 Gigabit"
  const Listing& p9 = harvest.listings[2];
  CHECK(p9.gpu_text == "R200");
  CHECK(p9.offer.gpu.memory_gib == 288);
  CHECK(p9.arch == "arm64");
  CHECK(p9.fabric == Fabric::efa);
  REQUIRE(harvest.remarks.size() == 2);
  CHECK(harvest.remarks[0] ==
        Remark{.what = "accelerator type not in our table", .detail = "p9.96xlarge: 8 x R200"});
  CHECK(harvest.remarks[1] == Remark{.what = "our table of types is wrong", .detail = "g5.xlarge"});
}

TEST_CASE("aws: offered in a zone is sold there, not free there") {
  Harvest harvest;
  REQUIRE(parse_offerings(fixture("aws/offerings.xml"), "us-east-1", harvest).ok());
  REQUIRE(harvest.signals.size() == 2);
  CHECK(harvest.signals[0] == Signal{.provider = "aws",
                                     .region = "us-east-1",
                                     .zone = "us-east-1a",
                                     .instance_type = "p5.48xlarge",
                                     .availability = {.basis = "EC2 sells it in this zone"}});
  CHECK_FALSE(says_available(harvest.signals[0].availability));
}

TEST_CASE("aws: a placement score is told of each type of its group") {
  Harvest harvest;
  REQUIRE(parse_scores(fixture("aws/scores.xml"), {"p5.48xlarge", "p5e.48xlarge", "p5en.48xlarge"}, harvest)
              .ok());
  REQUIRE(harvest.signals.size() == 6);
  CHECK(harvest.signals[4].region == "eu-north-1");
  CHECK(harvest.signals[4].instance_type == "p5e.48xlarge");
  CHECK(harvest.signals[4].market == Market::spot);
  CHECK(harvest.signals[4].availability.kind == AvailabilityKind::score);
  CHECK(harvest.signals[4].availability.value == 9);
  CHECK(harvest.remarks.at(0).detail == "spotPlacementScoreSet[2]: a score is 1 to 10");
  for (const auto& group : score_groups()) { CHECK(group.size() >= 3); }  // fewer score low, whatever is free
}

TEST_CASE("aws: a Capacity Block's fee is per machine and hour of its window") {
  Harvest harvest;
  REQUIRE(parse_blocks(fixture("aws/blocks.xml"), "us-east-1", kNow, harvest).ok());
  REQUIRE(harvest.listings.size() == 2);
  const Listing& p5 = harvest.listings[0];
  CHECK(p5.offer.key.market == Market::block);
  CHECK(p5.offer.price == Rate{31'463'958});  // 6041.08 / (4 x 48), rounded
  CHECK(p5.variant == "cb-0f0f0f0f0f0f0f0f0");
  REQUIRE(p5.window.has_value());
  CHECK(format_utc(p5.window->from) == "2026-01-20T11:30:00Z");
  CHECK(format_utc(p5.window->until) == "2026-01-22T11:30:00Z");
  CHECK(p5.offer.available == 4);
  CHECK(says_available(p5.availability, 4));
  CHECK_FALSE(says_available(p5.availability, 5));
  CHECK(p5.basis == PriceBasis::list);
  const Listing& ultra = harvest.listings[1];
  CHECK(ultra.offer.price == Rate{756'501'182});  // 320000 / (18 x 23.5)
  CHECK(ultra.offer.key.region == "us-east-1");
  CHECK(ultra.offer.key.zone == "us-east-1-dfw-2a");
  CHECK(ultra.gpu_text == "GB200");
  CHECK(ultra.nvlink_domain == 72);
  CHECK(ultra.arch == "arm64");
  CHECK(ultra.availability.basis.find("u-p6e-gb200x72") != std::string::npos);
  REQUIRE(harvest.remarks.size() == 2);
  CHECK(harvest.remarks[0] == Remark{.what = "unknown currency", .detail = "CNY"});
  CHECK(harvest.remarks[1].detail == "capacityBlockOfferingSet[3]: a block of nothing, or for nothing");
}

TEST_CASE("aws: regions not opted into are not the account's") {
  const auto regions = parse_regions(fixture("aws/regions.xml"));
  REQUIRE(regions.ok());
  CHECK(regions.value() == std::vector<std::string>{"us-east-1", "ap-southeast-3"});
}

TEST_CASE("aws: mutants of EC2's and STS's answers are refused or told") {
  for_each_xml_mutant(fixture("aws/spot_history_1.xml"), [](const std::string& text) {
    SpotPrices prices;
    Harvest told;
    static_cast<void>(parse_spot_history(text, "us-east-1", kNow, prices, told));
    for (const auto& [key, price] : prices) { CHECK(price.listing.offer.price.micros_per_hour > 0); }
  });
  const auto check_all = [](const std::string& text) {
    Harvest harvest;
    static_cast<void>(parse_instance_types(text, "us-east-1", kNow, harvest));
    static_cast<void>(parse_offerings(text, "us-east-1", harvest));
    static_cast<void>(parse_scores(text, {"p5.48xlarge"}, harvest));
    static_cast<void>(parse_blocks(text, "us-east-1", kNow, harvest));
    static_cast<void>(parse_regions(text));
    static_cast<void>(parse_caller_identity(text));
  };
  for (const char* const file : {"aws/instance_types.xml", "aws/offerings.xml", "aws/scores.xml",
                                 "aws/blocks.xml", "aws/regions.xml", "aws/caller_identity.xml"}) {
    for_each_xml_mutant(fixture(file), check_all);
  }
}

TEST_CASE("aws: XML with a document type, a web page and nothing are no answers") {
  CHECK(parse_regions("<!DOCTYPE html><html></html>").error().message ==
        "cannot read the answer: it is a web page, not XML");
  CHECK(parse_regions("").error().message == "cannot read the answer: it is empty");
  CHECK_FALSE(
      parse_regions("<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"us-east-1\">]><r><regionInfo><item>"
                    "<regionName>&a;</regionName></item></regionInfo></r>")
          .ok());
}

TEST_CASE("aws: the code decides what an error is, not the status or the text") {
  const auto ec2 = [](int status, const std::string& code, const std::string& message = "m") {
    const std::string body = "<Response><Errors><Error><Code>" + code + "</Code><Message>" + message +
                             "</Message></Error></Errors><RequestID>r</RequestID></Response>";
    return parse_error({.status = status, .body = body}, "us-east-1 DescribeRegions", kNow);
  };
  CHECK(ec2(503, "RequestLimitExceeded").kind == ErrorKind::throttled);
  CHECK(ec2(401, "AuthFailure").kind == ErrorKind::auth);
  CHECK(ec2(403, "UnauthorizedOperation", "limit of patience").kind == ErrorKind::auth);  // not a quota
  CHECK(ec2(400, "RequestExpired").kind == ErrorKind::auth);
  CHECK(ec2(412, "DryRunOperation").code == "DryRunOperation");
  CHECK(ec2(400, "InvalidParameterValue").kind == ErrorKind::invalid);
  CHECK(ec2(400, "MaxConfigLimitExceeded").kind == ErrorKind::quota);
  CHECK(ec2(500, "InternalError").kind == ErrorKind::network);
  CHECK(ec2(401, "AuthFailure").source == "aws us-east-1 DescribeRegions");
  const Error sts =
      parse_error({.status = 403,
                   .body = "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code>"
                           "<Message>The security token is invalid.</Message></Error></ErrorResponse>"},
                  "us-east-1 GetCallerIdentity", kNow);
  CHECK(sts.kind == ErrorKind::auth);
  CHECK(sts.message == "HTTP 403: The security token is invalid.");
  CHECK(parse_error({.status = 502, .body = "<html>"}, "x", kNow).kind == ErrorKind::network);
  CHECK(may_be_clock_skew(ec2(400, "RequestExpired")));
  CHECK_FALSE(may_be_clock_skew(ec2(403, "UnauthorizedOperation")));
  CHECK(is_expired_token(ec2(400, "ExpiredToken")));
}

TEST_CASE("aws: a signed form is what AWS's own signer makes of it") {
  // Worked vector, checked against botocore 1.43.
  const AwsKeys keys{.id = "AKIDEXAMPLE", .secret = Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")};
  const HttpRequest form =
      encode_form("https://ec2.us-east-1.amazonaws.com", {{"Action", "RunInstances"},
                                                          {"Version", "2016-11-15"},
                                                          {"ClientToken", "job-7/rank0"},
                                                          {"ImageId", "ami-0abcdef1234567890"},
                                                          {"InstanceType", "p5.48xlarge"},
                                                          {"MaxCount", "2"},
                                                          {"MinCount", "2"},
                                                          {"TagSpecification.1.ResourceType", "instance"},
                                                          {"TagSpecification.1.Tag.1.Key", "gpubroker:job"},
                                                          {"TagSpecification.1.Tag.1.Value", "train A+B~1"},
                                                          {"UserData", "IyEvYmluL3NoCg=="}});
  CHECK(form.body.size() == 304);
  const auto ready = sign_sigv4(form, keys, {.region = "us-east-1", .service = "ec2"},
                                parse_utc("2026-01-15T12:36:00Z").value());
  REQUIRE(ready.ok());
  CHECK(find_header(ready.value().headers, "authorization") ==
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260115/us-east-1/ec2/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, "
        "Signature=1e7df08820a7b227d8736029f1e0f47cd502ef77edb142eab11c026774d72c3c");
}

}  // namespace
}  // namespace gpubroker::aws
