#include "cmd/offers_text.hpp"

#include <doctest/doctest.h>

#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

const Instant kNow{1'795'521'600'000};

OfferRow row() {
  OfferRow row;
  row.feed = "gcp/skus";
  row.price_since = kNow - std::chrono::hours{72};
  Listing& listing = row.listing;
  listing.gpu_text = "Nvidia H100 80GB";
  listing.offer = {.key = {.provider = "gcp", .region = "us-central1", .instance_type = "a3-highgpu-8g"},
                   .gpu = {.model = "H100", .form = "SXM", .memory_gib = 80, .count = 8},
                   .vcpus = 208,
                   .memory_mib = 1872 * 1024,
                   .price = {88'490'000},
                   .learnt_at = kNow - std::chrono::hours{2}};
  listing.basis = PriceBasis::computed;
  listing.parts = {{.what = "8 x GPU", .rate = {78'372'400}, .source = "sku AAAA"},
                   {.what = "208 vCPU and 1872 GiB", .rate = {9'460'060}, .source = "sku BBBB"}};
  return row;
}

TEST_CASE("offers: a price list never says that there is a machine") {
  CHECK(availability_text(row()) == "unknown");
  OfferRow scored = row();
  scored.signals.push_back(
      {.kind = AvailabilityKind::score, .value = 7, .basis = "aws GetSpotPlacementScores"});
  CHECK(availability_text(scored) == "score 7/10");
  scored.signals.push_back({.kind = AvailabilityKind::count, .value = 0, .basis = "x"});
  CHECK(availability_text(scored) == "sold out");
  scored.listing.availability = {.kind = AvailabilityKind::level, .value = 3, .basis = "y"};
  CHECK(availability_text(scored) == "sold out");  // a count says more than a level
}

TEST_CASE("offers: the table shows price per GPU, of the gang, and the age") {
  const std::string table = offer_table({row()}, {.nodes = 4}, kNow).aligned();
  CHECK(table.find("$/H OF 4") != std::string::npos);
  CHECK(table.find("8 x H100 SXM 80GB") != std::string::npos);
  CHECK(table.find("11.0613") != std::string::npos);  // 88.49 / 8 = 11.06125
  CHECK(table.find("353.96") != std::string::npos);
  CHECK(table.find("2h ago") != std::string::npos);
  CHECK(table.find("computed") != std::string::npos);
}

TEST_CASE("offers: what has no price is a quote, never zero") {
  OfferRow quote = row();
  quote.listing.basis = PriceBasis::quote;
  quote.listing.offer.price = {};
  const std::string table = offer_table({quote}, {}, kNow).tabbed();
  CHECK(table.find("quote") != std::string::npos);
  CHECK(table.find("0.00") == std::string::npos);
  const auto json = nlohmann::json::parse(offer_json({quote}, 1));
  CHECK(json["offers"][0]["usd_per_machine_hour"].is_null());
  CHECK(json["offers"][0]["price_basis"] == "quote");
  CHECK(explain_offer(quote, 1, kNow).find("on request only") != std::string::npos);
}

TEST_CASE("offers: an explanation names every part of the price and its source") {
  const std::string text = explain_offer(row(), 2, kNow);
  CHECK(text.find("gcp/us-central1/a3-highgpu-8g/on_demand: 88.49 USD per machine-hour, 11.06125 per "
                  "GPU-hour, 176.98 for 2") != std::string::npos);
  CHECK(text.find("78.3724  8 x GPU  [sku AAAA]") != std::string::npos);
  CHECK(text.find("9.46006  208 vCPU and 1872 GiB  [sku BBBB]") != std::string::npos);
  CHECK(text.find("computed, from gcp/skus, told 2h ago (2026-11-24T10:00:00Z), the same since 3d ago") !=
        std::string::npos);
  CHECK(text.find("nobody says whether there is one now") != std::string::npos);
}

TEST_CASE("offers: JSON has every field, amounts as texts, what is absent as null") {
  const auto offer = nlohmann::json::parse(offer_json({row()}, 4))["offers"][0];
  CHECK(offer["usd_per_machine_hour"] == "88.49");
  CHECK(offer["usd_per_gpu_hour"] == "11.06125");
  CHECK(offer["usd_per_hour_of_nodes"] == "353.96");
  CHECK(offer["reclaimed_percent_most"].is_null());
  CHECK(offer["from"].is_null());
  CHECK(offer["available_now"] == false);
  CHECK(offer["learnt_at"] == "2026-11-24T10:00:00Z");
  CHECK(offer["price_parts"].size() == 2);
}

TEST_CASE("offers: CSV quotes what must be quoted") {
  OfferRow odd = row();
  odd.listing.offer.key.region = "Utah, USA";
  const std::string csv = offer_csv({odd}, 1);
  CHECK(csv.find("gcp,\"Utah, USA\",") != std::string::npos);
  CHECK(csv.find("\r\n") != std::string::npos);
}

TEST_CASE("offers: nothing found says what stood in the way and what is nearest") {
  NearMiss miss;
  miss.of_that_gpu = 12;
  miss.quarantined = 1;
  miss.constraints = {{.what = "max price", .asked = "2.00/gpu-hour", .left_without = 5, .best = "2.99"},
                      {.what = "region", .asked = "eu", .left_without = 0}};
  miss.alternatives = {row()};
  const Error error = nothing_found(miss, kNow);
  CHECK(error.kind == ErrorKind::capacity);
  CHECK(error.message ==
        "no offer fits\n  without max price 2.00/gpu-hour: 5 offers (2.99)\n  1 more are doubted: `gpubroker "
        "offers --quarantined`");
  CHECK(error.hint ==
        "the nearest is gcp/us-central1/a3-highgpu-8g/on_demand with 8 x H100 SXM 80GB for "
        "11.06125/gpu-hour, told 2h ago");
}

}  // namespace
}  // namespace gpubroker
