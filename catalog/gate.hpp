#pragma once
// What cannot be true is kept back, with the reason. Pure rules over one listing and what is known around it.
#include <optional>
#include <string>
#include <string_view>

#include "catalog/gpu_models.hpp"
#include "core/base/listing.hpp"

namespace gpubroker {

enum class GateRule : std::uint8_t {
  unknown_gpu,    // nobody knows the name
  ambiguous_gpu,  // the name alone means several models
  gpu_memory,     // no model of the name has that memory
  gpu_count,      // fractions, and more than a machine holds
  known_shape,    // we know that instance type, and it is another one
  negative_price,
  zero_price,     // nothing is free, only a quote has no price
  month_as_hour,  // a month's price told as an hour's
  term_as_hour,   // the price of one or three years told as an hour's
  absurd_price,   // per GPU outside of everything ever seen
  spot_above_on_demand,
  spot_far_below,       // under a thirtieth of on-demand
  bid_floor,            // a least bid, or a "from" price: nobody is promised a machine for it
  far_from_neighbours,  // three times off the same type in the cloud's other regions
  far_from_history,     // three times off its own last price, told once
};
std::string_view to_string(GateRule rule);

/// What is known around a listing. Absent: nothing is.
struct GateFacts {
  std::optional<Rate> on_demand = {};  // the same place, type and GPU on demand, the cheapest good one
  std::optional<Rate> neighbours =
      {};  // the median of the same type and GPU on demand over at least four regions
  std::optional<Rate> model_per_gpu =
      {};  // the median on-demand price per GPU of that model, of at least three offers
  std::optional<Rate> good_price = {};  // the last one of this very offer that was believed
  Instant good_at = {};
  std::optional<Rate> doubted_price = {};  // that was kept back by far_from_history at the last visit
};

struct Verdict {
  GateRule rule = GateRule::unknown_gpu;
  std::string reason = {};  // for a person, with the figures
};

/// Nothing when the listing can be believed.
///
/// Which rule applies to which market was chosen from what is really seen: spot prices of one type differ
/// fivefold between regions (GCP a3-highgpu-8g: 10.21 and 50.61), so neighbours judge on_demand only; spot is
/// held against on-demand of its own place and against its own past. Blocks are dated, so their past is
/// another offer's.
std::optional<Verdict> judge_listing(const Listing& listing, const GpuResolution& gpu, const GateFacts& facts,
                                     Instant now);

}  // namespace gpubroker
