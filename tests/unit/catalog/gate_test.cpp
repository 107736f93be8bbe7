// Each rule of the gate by the case that really happened, and what comes near it and is right.
#include "catalog/gate.hpp"

#include "tests/unit/catalog/support.hpp"

namespace gpubroker::catalog_test {
namespace {

/// The rule that keeps it back, or "".
std::string rule_of(const Listing& listing, const GateFacts& facts = {}) {
  const GpuResolution gpu =
      resolve_gpu(listing.gpu_text, listing.offer.gpu.memory_gib, listing.offer.gpu.form);
  const std::optional<Verdict> verdict = judge_listing(listing, gpu, facts, kNow);
  if (!verdict) { return ""; }
  CHECK_FALSE(verdict->reason.empty());
  return std::string(to_string(verdict->rule));
}

std::string reason_of(const Listing& listing, const GateFacts& facts = {}) {
  const GpuResolution gpu =
      resolve_gpu(listing.gpu_text, listing.offer.gpu.memory_gib, listing.offer.gpu.form);
  const std::optional<Verdict> verdict = judge_listing(listing, gpu, facts, kNow);
  REQUIRE(verdict.has_value());
  return verdict->reason;
}

Listing p5(const std::string& price, const std::string& market = "on_demand") {
  return listing("aws/us-east-1/p5.48xlarge/" + market, "H100", 8, price);
}

}  // namespace

TEST_CASE("a price of nothing: AWS's row of the Capacity Block says $0.00, GCP's Reserved SKUs 0.00") {
  CHECK(rule_of(p5("0.00")) == "zero_price");
  CHECK(rule_of(p5("0.00", "block")) == "zero_price");
  CHECK(rule_of(listing("gcp/us-central1/a3-highgpu-8g/contract", "nvidia-h100-80gb", 8, "0")) ==
        "zero_price");
  CHECK(rule_of(p5("-1")) == "negative_price");
  CHECK(rule_of(p5("55.04")).empty());
}

TEST_CASE("a quote has no price and is no mistake: GCP sells A4X without any SKU") {
  Listing a4x = listing("gcp/us-central1/a4x-highgpu-4g/on_demand", "nvidia-gb200", 4, "0");
  CHECK(rule_of(a4x) == "zero_price");
  a4x.basis = PriceBasis::quote;
  CHECK(rule_of(a4x).empty());
  a4x.gpu_text = "nvidia-gb900";
  CHECK(rule_of(a4x) == "unknown_gpu");  // a quote for what nobody knows is no help either
}

TEST_CASE("names that nobody knows, names of two models, memory that no model has") {
  CHECK(rule_of(listing("lambda/us-west-1/gpu_8x_foo/on_demand", "gpu_8x_foo", 8, "20")) == "unknown_gpu");
  CHECK(reason_of(listing("lambda/us-west-1/gpu_8x_foo/on_demand", "gpu_8x_foo", 8, "20")) ==
        "unknown accelerator 'gpu_8x_foo'");
  // Vast's "A100 SXM4" is 40 or 80 GB.
  Listing vast = listing("vast/Utah, US/8x A100 SXM4/on_demand", "A100 SXM4", 8, "9");
  CHECK(rule_of(vast) == "ambiguous_gpu");
  vast.offer.gpu.memory_gib = 79;
  CHECK(rule_of(vast).empty());
  // EC2 tells 524288 MiB for each chip of trn2.48xlarge.
  Listing trn2 = listing("aws/us-east-2/trn2.48xlarge/on_demand", "Trainium2", 16, "35.76");
  trn2.offer.gpu.memory_gib = 512;
  CHECK(rule_of(trn2) == "gpu_memory");
  trn2.offer.gpu.memory_gib = 96;
  CHECK(rule_of(trn2).empty());
  // Azure's NVadsA10 v5 and EC2's g6f sell fractions; the count is 0, or the memory a part.
  Listing fraction = listing("aws/us-east-1/g6f.large/on_demand", "L4", 0, "0.2");
  CHECK(rule_of(fraction) == "gpu_count");
  CHECK(rule_of(listing("aws/us-east-1/m5.large/on_demand", "", 0, "0.1")).empty());  // no GPU at all
}

TEST_CASE("more GPUs than there can be: ND96isr_H100_v5 was told with 12") {
  CHECK(rule_of(listing("azure/eastus/Standard_ND96isr_H100_v5/on_demand", "H100", 12, "98.32")) ==
        "known_shape");
  CHECK(rule_of(listing("azure/eastus/ND96isr_H100_v5/on_demand", "H100", 12, "98.32")) == "known_shape");
  CHECK(rule_of(listing("azure/eastus/ND96isr_H100_v5/on_demand", "H100", 8, "98.32")).empty());
  CHECK(rule_of(listing("azure/eastus/ND96isr_H100_v5/on_demand", "H200", 8, "98.32")) == "known_shape");
  CHECK(rule_of(listing("elsewhere/eu/x12/on_demand", "H100", 12, "30")) == "gpu_count");
  CHECK(
      rule_of(listing("gcp/us-central1/a2-megagpu-16g/on_demand", "nvidia-tesla-a100", 16, "55.7")).empty());
  CHECK(rule_of(listing("vast/Utah, US/14x RTX 3090/on_demand", "RTX 3090", 14, "2.8")).empty());
  CHECK(rule_of(listing("gcp/us-central2/v4-128/on_demand", "TPUv4", 64, "206")).empty());
}

TEST_CASE("a month's price as an hour's: GCP's local SSD costs per month, 730 times too much") {
  GateFacts facts{.neighbours = usd("88.49")};
  CHECK(rule_of(listing("gcp/us-east4/a3-highgpu-8g/on_demand", "nvidia-h100-80gb", 8, "64597.70"), facts) ==
        "month_as_hour");
  // Without neighbours the model's own price per GPU is the measure.
  facts = {.model_per_gpu = usd("0.40")};
  CHECK(rule_of(listing("x/y/4090/on_demand", "RTX 4090", 1, "292"), facts) == "month_as_hour");
  facts = {.good_price = usd("3.99"), .good_at = kNow - kHour};
  CHECK(rule_of(listing("x/y/h100/on_demand", "H100", 1, "2872.80"), facts) == "month_as_hour");
}

TEST_CASE(
    "a term's price as an hour's: Azure's reservation of a year costs 551 221.0, in the unit '1 Hour'") {
  const Listing reserved = listing("azure/eastus/ND96isr_H100_v5/on_demand", "H100", 8, "551221.0");
  CHECK(rule_of(reserved, {.neighbours = usd("98.32")}) == "term_as_hour");
  CHECK(reason_of(reserved, {.neighbours = usd("98.32")}) ==
        "551221.00 is 5606 times 98.32: the price of a year or three");
  CHECK(rule_of(reserved) == "absurd_price");  // nothing to compare with: still nobody pays that
}

TEST_CASE("outside of everything ever seen per GPU") {
  CHECK(rule_of(p5("0.15")) == "absurd_price");  // 0.01875 per GPU
  CHECK(rule_of(p5("0.16")).empty());
  CHECK(rule_of(p5("1600.01")) == "absurd_price");
  CHECK(rule_of(listing("x/y/z/on_demand", "GB200", 4, "42")).empty());
  CHECK(rule_of(listing("x/y/cpu/spot", "", 0, "9000000000000"), {.on_demand = usd("9200000000000")}) ==
        "absurd_price");
}

TEST_CASE("spot above on demand cannot be; equal can: polandcentral, ND H200, 130.592 both") {
  const Listing poland = listing("azure/polandcentral/ND96isr_H200_v5/spot", "H200", 8, "130.592");
  CHECK(rule_of(poland, {.on_demand = usd("130.592")}).empty());
  CHECK(rule_of(poland, {.on_demand = usd("130.591")}) == "spot_above_on_demand");
  CHECK(reason_of(poland, {.on_demand = usd("98.32")}) == "130.592, on demand costs 98.32");
  // And 18 % is real, too: eastus, ND H100; GCP's 10.21 of 88.49; Nebius' 0.79 of 4.50.
  CHECK(
      rule_of(listing("azure/eastus/ND96isr_H100_v5/spot", "H100", 8, "18.1695"), {.on_demand = usd("98.32")})
          .empty());
  CHECK(rule_of(listing("gcp/europe-north1/a3-highgpu-8g/spot", "H100", 8, "10.21"),
                {.on_demand = usd("88.49")})
            .empty());
  CHECK(rule_of(p5("1.80", "spot"), {.on_demand = usd("55.04")}) == "spot_far_below");
}

TEST_CASE("a least bid is nobody's price: Nebius' preemptible H100 \"from 0.79\", Mithril's floor of 1.00") {
  Listing bid = listing("nebius/eu-north1/gpu-h100-sxm_8gpu-128vcpu-1600gb/spot", "gpu-h100-sxm", 8, "6.32");
  bid.basis = PriceBasis::bid_floor;
  CHECK(rule_of(bid, {.on_demand = usd("36.00")}) == "bid_floor");
  CHECK(rule_of(bid, {}) == "bid_floor");
  bid.basis = PriceBasis::market;
  CHECK(rule_of(bid, {.on_demand = usd("36.00")}).empty());
}

TEST_CASE("three times off the same type elsewhere, on demand") {
  const auto a3 = [](const std::string& price, const std::string& market) {
    return listing("gcp/europe-west4/a3-highgpu-8g/" + market, "nvidia-h100-80gb", 8, price);
  };
  const GateFacts facts{.neighbours = usd("88.49")};
  CHECK(rule_of(a3("112.5405", "on_demand"), facts).empty());  // real
  CHECK(rule_of(a3("265.48", "on_demand"), facts) == "far_from_neighbours");
  CHECK(rule_of(a3("29.49", "on_demand"), facts) == "far_from_neighbours");
  CHECK(rule_of(a3("29.50", "on_demand"), facts).empty());
  // Spot spreads fivefold within one type: 10.21 in europe-north1, 50.61 in us-central1.
  CHECK(rule_of(a3("10.21", "spot"), {.neighbours = usd("50.61")}).empty());
}

TEST_CASE("three times off its own last price, until it is told twice") {
  GateFacts facts{.good_price = usd("55.04"), .good_at = kNow - kHour};
  CHECK(rule_of(p5("165.13"), facts) == "far_from_history");
  CHECK(rule_of(p5("18.34"), facts) == "far_from_history");
  CHECK(rule_of(p5("98.32"), facts).empty());
  CHECK(rule_of(p5("165.13", "spot"), facts) == "far_from_history");
  CHECK(rule_of(p5("165.13", "block"), facts).empty());  // another date is another offer
  facts.doubted_price = usd("170");
  CHECK(rule_of(p5("165.13"), facts).empty());
  facts.doubted_price = usd("300");
  CHECK(rule_of(p5("165.13"), facts) == "far_from_history");
  facts = {.good_price = usd("55.04"), .good_at = kNow - std::chrono::days{15}};
  CHECK(rule_of(p5("165.13"), facts).empty());  // too long ago to say anything
}

TEST_CASE("the rules' names are those in the catalog") {
  CHECK(to_string(GateRule::unknown_gpu) == "unknown_gpu");
  CHECK(to_string(GateRule::far_from_history) == "far_from_history");
  CHECK(to_string(GateRule::bid_floor) == "bid_floor");
}

}  // namespace gpubroker::catalog_test
