#include "cmd/offers_text.hpp"

#include <doctest/doctest.h>

#include "cmd/offers_data.hpp"
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

/// What goes out, in one piece.
template <class Writer>
std::string written(const std::vector<OfferRow>& rows, int nodes) {
  std::string text;
  Writer writer(nodes, [&text](std::string_view piece) { text += piece; });
  for (const OfferRow& row : rows) { writer.add(row); }
  writer.finish();
  return text;
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
  const auto json = nlohmann::json::parse(written<OfferJson>({quote}, 1));
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
  const auto offer = nlohmann::json::parse(written<OfferJson>({row()}, 4))["offers"][0];
  CHECK(offer["usd_per_machine_hour"] == "88.49");
  CHECK(offer["usd_per_gpu_hour"] == "11.06125");
  CHECK(offer["usd_per_hour_of_nodes"] == "353.96");
  CHECK(offer["reclaimed_percent_most"].is_null());
  CHECK(offer["from"].is_null());
  CHECK(offer["available_now"] == false);
  CHECK(offer["learnt_at"] == "2026-11-24T10:00:00Z");
  CHECK(offer["price_parts"].size() == 2);
}

TEST_CASE("offers: JSON of every kind of field, byte for byte") {
  OfferRow spot = row();
  spot.listing.offer.key = {"aws", "us-east-1", "us-east-1a", "p5.48xlarge", Market::block};
  spot.listing.gpu_text = "\"H100\" \\ é";
  spot.listing.parts.pop_back();
  spot.listing.availability = {.kind = AvailabilityKind::count, .value = 2, .basis = "a"};
  spot.signals = {{.kind = AvailabilityKind::score, .value = 7, .basis = "b"}};
  spot.zones = {{"z", {.basis = "c"}}};
  spot.reclaimed_percent_most = 5;
  spot.chance_percent = 50;
  spot.listing.window = Window{kNow, kNow + std::chrono::hours{24}};
  spot.price_since = {};
  CHECK(
      written<OfferJson>({spot}, 2) ==
      R"({"schema":1,"offers":[{"cloud":"aws","region":"us-east-1","zone":"us-east-1a",)"
      R"("instance_type":"p5.48xlarge","market":"block","gpu":{"model":"H100","form":"SXM","memory_gib":80,)"
      R"("count":8,"in_the_clouds_words":"\"H100\" \\ é"},"nodes":2,"usd_per_machine_hour":"88.49",)"
      R"("usd_per_gpu_hour":"11.06125","usd_per_hour_of_nodes":"176.98","price_basis":"computed",)"
      R"("price_since":null,"price_parts":[{"source":"sku AAAA","usd_per_hour":"78.3724","what":"8 x GPU"}],)"
      R"("availability":{"basis":"a","kind":"count","value":2},)"
      R"("signals":[{"basis":"b","kind":"score","value":7}],"zones":[{"zone":"z","availability":{"basis":"c","kind":"unknown","value":0}}],"available_now":true,)"
      R"("reclaimed_percent_most":5,"chance_percent":50,"vcpus":208,"memory_mib":1916928,"disk_gib":0,)"
      R"("arch":"","fabric":"unknown","fabric_gbps":0,"nvlink_domain":0,"seller":"","variant":"",)"
      R"("from":"2026-11-24T12:00:00Z","until":"2026-11-25T12:00:00Z",)"
      R"("learnt_at":"2026-11-24T10:00:00Z","source":"gcp/skus"}]})"
      "\n");
}

TEST_CASE("offers: a zone in which it is sold is told, and is no machine") {
  OfferRow zoned = row();
  zoned.zones = {{"us-central1-a", {.basis = "GCP sells it in this zone"}}};
  CHECK(availability_text(zoned) == "unknown");
  CHECK(explain_offer(zoned, 1, kNow)
            .find("us-central1-a: nobody says whether there is one now (GCP sells it "
                  "in this zone)") != std::string::npos);
  zoned.zones.push_back({"us-central1-b", {.kind = AvailabilityKind::count, .value = 0, .basis = "x"}});
  zoned.zones.push_back({"us-central1-c", {.kind = AvailabilityKind::count, .value = 3, .basis = "x"}});
  CHECK(availability_text(zoned) == "3 now");
}

TEST_CASE("offers: what goes out in pieces is one text") {
  std::size_t pieces = 0;
  std::string text;
  OfferJson writer(1, [&](std::string_view piece) {
    ++pieces;
    text += piece;
  });
  for (int i = 0; i < 2'000; ++i) { writer.add(row()); }
  writer.finish();
  CHECK(pieces > 3);
  CHECK(nlohmann::json::parse(text)["offers"].size() == 2'000);
  CHECK(nlohmann::json::parse(written<OfferJson>({}, 1))["offers"].empty());
}

TEST_CASE("offers: CSV quotes what must be quoted") {
  OfferRow odd = row();
  odd.listing.offer.key.region = "Utah, USA";
  const std::string csv = written<OfferCsv>({odd}, 1);
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
