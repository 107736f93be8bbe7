#include "catalog/gate.hpp"

#include <array>

#include "core/base/text.hpp"

namespace gpubroker {
namespace {

constexpr std::array<std::string_view, 15> kRules = {
    "unknown_gpu",          "ambiguous_gpu",  "gpu_memory",    "gpu_count",           "known_shape",
    "negative_price",       "zero_price",     "month_as_hour", "term_as_hour",        "absurd_price",
    "spot_above_on_demand", "spot_far_below", "bid_floor",     "far_from_neighbours", "far_from_history"};

// Per GPU and hour. The cheapest cards of the markets cost 0.03, the dearest chips on demand below 20.
constexpr Rate kLeastPerGpu{20'000};
constexpr Rate kMostPerGpu{200'000'000};
constexpr Rate kMostWithoutGpu{1'000'000'000};  // EC2's dearest, of 24 TiB, costs 218

constexpr std::int64_t kFar = 3;
constexpr std::int64_t kSpotFar = 30;  // the deepest real discounts are about 90 %
constexpr Millis kHistoryCounts = std::chrono::days{14};

/// Instance types that every price list names alike; taken over on 2026-11-24 from the clouds' own
/// documentation and answers (EC2 DescribeInstanceTypes of 2026-08-02, GCP and Azure size pages).
struct Shape {
  std::string_view type;
  std::string_view family;
  int count;
};
constexpr std::array kShapes = {
    Shape{"p3.16xlarge", "V100", 8},
    Shape{"p3dn.24xlarge", "V100", 8},
    Shape{"p4d.24xlarge", "A100", 8},
    Shape{"p4de.24xlarge", "A100", 8},
    Shape{"p5.4xlarge", "H100", 1},
    Shape{"p5.48xlarge", "H100", 8},
    Shape{"p5e.48xlarge", "H200", 8},
    Shape{"p5en.48xlarge", "H200", 8},
    Shape{"p6-b200.48xlarge", "B200", 8},
    Shape{"p6-b300.48xlarge", "B300", 8},
    Shape{"g5.48xlarge", "A10G", 8},
    Shape{"g6.48xlarge", "L4", 8},
    Shape{"g6e.48xlarge", "L40S", 8},
    Shape{"trn1.32xlarge", "Trainium", 16},
    Shape{"trn2.48xlarge", "Trainium2", 16},
    Shape{"inf2.48xlarge", "Inferentia2", 12},
    Shape{"dl1.24xlarge", "Gaudi", 8},
    Shape{"a2-highgpu-8g", "A100", 8},
    Shape{"a2-megagpu-16g", "A100", 16},
    Shape{"a2-ultragpu-8g", "A100", 8},
    Shape{"a3-highgpu-8g", "H100", 8},
    Shape{"a3-megagpu-8g", "H100", 8},
    Shape{"a3-ultragpu-8g", "H200", 8},
    Shape{"a4-highgpu-8g", "B200", 8},
    Shape{"a4x-highgpu-4g", "GB200", 4},
    Shape{"ND96asr_v4", "A100", 8},
    Shape{"ND96amsr_A100_v4", "A100", 8},
    Shape{"ND96isr_H100_v5", "H100", 8},
    Shape{"ND96isr_H200_v5", "H200", 8},
    Shape{"ND96isr_MI300X_v5", "MI300X", 8},
    Shape{"ND128isr_NDR_GB200_v6", "GB200", 4},
    Shape{"NC24ads_A100_v4", "A100", 1},
    Shape{"NC40ads_H100_v5", "H100", 1},
    Shape{"NC80adis_H100_v5", "H100", 2},
    Shape{"BM.GPU4.8", "A100", 8},
    Shape{"BM.GPU.A100-v2.8", "A100", 8},
    Shape{"BM.GPU.H100.8", "H100", 8},
    Shape{"BM.GPU.H200.8", "H200", 8},
    Shape{"BM.GPU.MI300X.8", "MI300X", 8},
};

constexpr std::string_view kAzurePrefix = "Standard_";

std::string money(Rate rate) {
  return format_money({rate.micros_per_hour});
}

/// Neither is more than `times` the other.
bool is_near(Rate a, Rate b, std::int64_t times) {
  return a.micros_per_hour / times <= b.micros_per_hour && b.micros_per_hour / times <= a.micros_per_hour;
}

std::optional<Verdict> judge_gpu(const Listing& listing, const GpuResolution& gpu) {
  const int count = listing.offer.gpu.count;
  if (listing.gpu_text.empty() && count == 0) { return std::nullopt; }
  const GpuModel* const model = gpu.model();
  if (model == nullptr) {
    const GateRule rule = gpu.candidates.empty() ? GateRule::unknown_gpu
                          : gpu.contradicted     ? GateRule::gpu_memory
                                                 : GateRule::ambiguous_gpu;
    return Verdict{rule, describe_unresolved(listing.gpu_text, gpu)};
  }
  if (count < 1) { return Verdict{GateRule::gpu_count, "a fraction of a GPU, or none"}; }
  std::string_view type = listing.offer.key.instance_type;
  if (type.substr(0, kAzurePrefix.size()) == kAzurePrefix) { type.remove_prefix(kAzurePrefix.size()); }
  for (const Shape& shape : kShapes) {
    if (shape.type == type && (shape.family != model->family || shape.count != count)) {
      return Verdict{GateRule::known_shape, std::to_string(count) + " x " + std::string(model->family) +
                                                ", but " + std::string(shape.type) + " has " +
                                                std::to_string(shape.count) + " x " +
                                                std::string(shape.family)};
    }
  }
  if (count > most_per_machine(*model)) {
    return Verdict{GateRule::gpu_count, std::to_string(count) + " GPUs: no machine holds more than " +
                                            std::to_string(most_per_machine(*model)) + " " +
                                            std::string(model->name)};
  }
  return std::nullopt;
}

/// What the price should be about, from the nearest to the farthest knowledge.
std::optional<Rate> reference_of(const Listing& listing, const GateFacts& facts) {
  if (facts.neighbours) { return facts.neighbours; }
  if (facts.good_price) { return facts.good_price; }
  if (facts.on_demand) { return facts.on_demand; }
  if (facts.model_per_gpu) { return Rate{facts.model_per_gpu->micros_per_hour * listing.offer.gpu.count}; }
  return std::nullopt;
}

/// The price of a longer time than an hour. A month has 720 to 744 hours and may be discounted by a third; a
/// year's commitment costs down to a third of on demand (Azure ND96isr H100 v5, one year: 551 221
/// against 98.32 an hour).
std::optional<Verdict> judge_unit(const Listing& listing, const GateFacts& facts) {
  const std::optional<Rate> reference = reference_of(listing, facts);
  if (!reference || reference->micros_per_hour <= 0) { return std::nullopt; }
  const std::int64_t ratio = listing.offer.price.micros_per_hour / reference->micros_per_hour;
  const bool is_month = ratio >= 450 && ratio <= 800;
  const bool is_term = ratio >= 2'600 && ratio <= 27'600;
  if (!is_month && !is_term) { return std::nullopt; }
  std::string words = money(listing.offer.price);
  words += " is " + std::to_string(ratio) + " times " + money(*reference);
  if (is_month) { return Verdict{GateRule::month_as_hour, words + ": a month's price"}; }
  return Verdict{GateRule::term_as_hour, words + ": the price of a year or three"};
}

std::optional<Verdict> judge_amount(const Listing& listing) {
  const std::int64_t count = listing.offer.gpu.count;
  if (count < 1) {
    if (listing.offer.price <= kMostWithoutGpu) { return std::nullopt; }
    return Verdict{GateRule::absurd_price, money(listing.offer.price) + " an hour for a machine without GPU"};
  }
  const Rate per_gpu{listing.offer.price.micros_per_hour / count};
  if (per_gpu > kMostPerGpu || per_gpu < kLeastPerGpu) {
    return Verdict{GateRule::absurd_price, money(per_gpu) + " per GPU and hour"};
  }
  return std::nullopt;
}

std::optional<Verdict> judge_spot(const Listing& listing, const GateFacts& facts) {
  if (listing.offer.key.market != Market::spot || !facts.on_demand) { return std::nullopt; }
  const Rate spot = listing.offer.price;
  const Rate full = *facts.on_demand;
  const auto told = [&](GateRule rule) {
    return Verdict{rule, money(spot) + ", on demand costs " + money(full)};
  };
  // Equal is real: Azure ND96isr H200 v5 in polandcentral, 130.592 both.
  if (spot > full) { return told(GateRule::spot_above_on_demand); }
  if (spot.micros_per_hour < full.micros_per_hour / kSpotFar) { return told(GateRule::spot_far_below); }
  return std::nullopt;
}

std::optional<Verdict> judge_neighbours(const Listing& listing, const GateFacts& facts) {
  if (listing.offer.key.market != Market::on_demand || !facts.neighbours) { return std::nullopt; }
  if (is_near(listing.offer.price, *facts.neighbours, kFar)) { return std::nullopt; }
  return Verdict{GateRule::far_from_neighbours, money(listing.offer.price) +
                                                    ", in the middle of this cloud's regions it costs " +
                                                    money(*facts.neighbours)};
}

std::optional<Verdict> judge_history(const Listing& listing, const GateFacts& facts, Instant now) {
  if (listing.offer.key.market == Market::block || !facts.good_price ||
      now - facts.good_at > kHistoryCounts) {
    return std::nullopt;
  }
  if (is_near(listing.offer.price, *facts.good_price, kFar)) { return std::nullopt; }
  // Told twice it is no slip: within a tenth of what was doubted, since spot prices move on.
  if (facts.doubted_price) {
    const std::int64_t doubted = facts.doubted_price->micros_per_hour;
    const std::int64_t off = listing.offer.price.micros_per_hour - doubted;
    if (off <= doubted / 10 && -off <= doubted / 10) { return std::nullopt; }
  }
  return Verdict{GateRule::far_from_history, money(listing.offer.price) + ", the last price was " +
                                                 money(*facts.good_price) +
                                                 "; believed when it is told again"};
}

}  // namespace

std::string_view to_string(GateRule rule) {
  return kRules.at(static_cast<std::size_t>(rule));
}

std::optional<Verdict> judge_listing(const Listing& listing, const GpuResolution& gpu, const GateFacts& facts,
                                     Instant now) {
  if (std::optional<Verdict> found = judge_gpu(listing, gpu)) { return found; }
  const Rate price = listing.offer.price;
  if (price.micros_per_hour < 0) { return Verdict{GateRule::negative_price, money(price)}; }
  if (price.micros_per_hour == 0) {
    if (listing.basis == PriceBasis::quote) { return std::nullopt; }
    return Verdict{GateRule::zero_price, "told as free of charge"};
  }
  if (listing.basis == PriceBasis::bid_floor) {
    return Verdict{GateRule::bid_floor,
                   money(price) + " is the least that may be bid, or a price that begins there"};
  }
  if (std::optional<Verdict> found = judge_unit(listing, facts)) { return found; }
  if (std::optional<Verdict> found = judge_amount(listing)) { return found; }
  if (std::optional<Verdict> found = judge_spot(listing, facts)) { return found; }
  if (std::optional<Verdict> found = judge_neighbours(listing, facts)) { return found; }
  return judge_history(listing, facts, now);
}

}  // namespace gpubroker
