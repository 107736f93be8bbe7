#include "providers/nebius/facts.hpp"

#include <array>
#include <chrono>

#include "providers/nebius/codec.hpp"

namespace gpubroker::nebius {
namespace {

struct Row {
  std::string_view platform;
  std::string_view preset;
  std::string_view region;
  int gpus;
  int memory_gb;  // of one GPU
  int vcpus;
  int ram_gib;
  std::int64_t per_gpu_micros;   // on demand; 0: on request
  std::int64_t spot_gpu_micros;  // a "from" price: it is dynamic; 0: none
};
// Source: nebius.com/prices as of 2026-10-07 (the rates from 2026-10-01 on); regions by shared API notes,
// read 2026-11.
constexpr Instant kAsOf{
    Millis{std::chrono::sys_days{std::chrono::year{2026} / 10 / 7}.time_since_epoch()}.count()};
constexpr std::array kRows = {
    Row{"gpu-h100-sxm", "1gpu-16vcpu-200gb", "eu-north1", 1, 80, 16, 200, 4'500'000, 790'000},
    Row{"gpu-h100-sxm", "8gpu-128vcpu-1600gb", "eu-north1", 8, 80, 128, 1600, 4'500'000, 790'000},
    Row{"gpu-h200-sxm", "1gpu-16vcpu-200gb", "eu-north1", 1, 141, 16, 200, 5'400'000, 790'000},
    Row{"gpu-h200-sxm", "1gpu-16vcpu-200gb", "eu-west1", 1, 141, 16, 200, 5'400'000, 790'000},
    Row{"gpu-h200-sxm", "1gpu-16vcpu-200gb", "us-central1", 1, 141, 16, 200, 5'400'000, 790'000},
    Row{"gpu-h200-sxm", "8gpu-128vcpu-1600gb", "eu-north1", 8, 141, 128, 1600, 5'400'000, 790'000},
    Row{"gpu-h200-sxm", "8gpu-128vcpu-1600gb", "eu-north2", 8, 141, 128, 1600, 5'400'000, 790'000},
    Row{"gpu-h200-sxm", "8gpu-128vcpu-1600gb", "eu-west1", 8, 141, 128, 1600, 5'400'000, 790'000},
    Row{"gpu-h200-sxm", "8gpu-128vcpu-1600gb", "us-central1", 8, 141, 128, 1600, 5'400'000, 790'000},
    Row{"gpu-b200-sxm", "8gpu-160vcpu-1792gb", "us-central1", 8, 180, 160, 1792, 8'500'000, 990'000},
    Row{"gpu-b200-sxm-a", "8gpu-160vcpu-1792gb", "me-west1", 8, 180, 160, 1792, 8'500'000, 990'000},
    Row{"gpu-b300-sxm", "8gpu-192vcpu-2768gb", "uk-south1", 8, 270, 192, 2768, 9'500'000, 990'000},
    Row{"gpu-gb300", "4gpu-112vcpu-800gb", "any", 4, 279, 112, 800, 0, 0},
};

Listing read_row(const Row& row, Market market, std::int64_t per_gpu) {
  const Preset preset{.platform = std::string(row.platform),
                      .name = std::string(row.preset),
                      .vcpus = row.vcpus,
                      .memory_gib = row.ram_gib,
                      .gpus = row.gpus,
                      .gpu_memory_gb = row.memory_gb,
                      .joins_fabric = row.gpus > 1};
  Listing listing = make_listing(preset, std::string(row.region), market, Rate{per_gpu * row.gpus}, kAsOf);
  listing.offer.source = "nebius/price-table";
  if (per_gpu > 0) { listing.basis = market == Market::spot ? PriceBasis::bid_floor : PriceBasis::table; }
  return listing;
}

}  // namespace

Harvest price_table() {
  Harvest harvest;
  for (const Row& row : kRows) {
    harvest.listings.push_back(read_row(row, Market::on_demand, row.per_gpu_micros));
    if (row.spot_gpu_micros > 0) {
      harvest.listings.push_back(read_row(row, Market::spot, row.spot_gpu_micros));
    }
  }
  return harvest;
}

}  // namespace gpubroker::nebius
