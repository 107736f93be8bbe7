#include "providers/crusoe/facts.hpp"

#include <array>
#include <chrono>

#include "providers/crusoe/codec.hpp"

namespace gpubroker::crusoe {
namespace {

constexpr Instant kAsOf{
    Millis{std::chrono::sys_days{std::chrono::year{2026} / 9 / 20}.time_since_epoch()}.count()};

struct Family {
  std::string_view name;        // of the type, before ".8x"
  std::string_view gpu_type;    // in Crusoe's words
  std::int64_t per_gpu_micros;  // 0: contact sales
  int vcpus_per_gpu;            // 0: not published
  int ram_gib_per_gpu;
};
// Source: crusoe.ai's pricing as transcribed on 2026-09-20, per GPU-hour on demand. Spot is arranged with
// sales and has no field in the call that creates a machine, so there are no spot rows.
constexpr std::array kFamilies = {
    Family{"h200-141gb-sxm-ib", "H200-SXM-141GB", 4'290'000, 0, 0},
    Family{"h100-80gb-sxm-ib", "H100-SXM-80GB", 3'900'000, 0, 0},
    Family{"a100-80gb-sxm-ib", "A100-SXM-80GB", 2'300'000, 12, 120},
    Family{"a100-80gb", "A100-PCIe-80GB", 2'000'000, 12, 120},
    Family{"b200-180gb-sxm-ib", "B200-SXM-180GB", 0, 0, 0},
    Family{"gb200-186gb-nvl", "GB200-NVL-186GB", 0, 0, 0},
};

struct Size {
  std::string_view family;
  int gpus;
};
constexpr std::array kSizes = {
    Size{"h200-141gb-sxm-ib", 8}, Size{"h100-80gb-sxm-ib", 8},  Size{"a100-80gb-sxm-ib", 8},
    Size{"a100-80gb", 1},         Size{"a100-80gb", 2},         Size{"a100-80gb", 4},
    Size{"a100-80gb", 8},         Size{"b200-180gb-sxm-ib", 8}, Size{"gb200-186gb-nvl", 4},
};

const Family* find_family(std::string_view type) {
  for (const Family& family : kFamilies) {
    if (family.name == type.substr(0, type.find('.'))) { return &family; }
  }
  return nullptr;
}

}  // namespace

void price_listing(Listing& listing) {
  const Family* const family = find_family(listing.offer.key.instance_type);
  listing.basis = PriceBasis::quote;
  if (family == nullptr || family->per_gpu_micros == 0) { return; }
  listing.offer.price = {family->per_gpu_micros * listing.offer.gpu.count};
  listing.basis = PriceBasis::table;
}

Harvest price_table() {
  Harvest harvest;
  for (const Size& size : kSizes) {
    const Family* const family = find_family(size.family);
    Listing listing;
    listing.offer.key = {.provider = "crusoe",
                         .region = "any",
                         .instance_type = std::string(size.family) + "." + std::to_string(size.gpus) + "x"};
    listing.gpu_text = family->gpu_type;
    listing.offer.gpu.count = size.gpus;
    listing.offer.vcpus = family->vcpus_per_gpu * size.gpus;
    listing.offer.memory_mib = family->ram_gib_per_gpu * std::int64_t{size.gpus} * 1024;
    listing.offer.learnt_at = kAsOf;
    listing.offer.source = "crusoe/price-table";
    read_words(listing);
    price_listing(listing);
    harvest.listings.push_back(std::move(listing));
  }
  return harvest;
}

}  // namespace gpubroker::crusoe
