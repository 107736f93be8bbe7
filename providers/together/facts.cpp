#include "providers/together/facts.hpp"

#include <array>
#include <chrono>

namespace gpubroker::together {
namespace {

constexpr int kGpusPerNode = 8;
constexpr std::chrono::sys_days kAsOf = std::chrono::year{2026} / 5 / 1;

struct Row {
  std::string_view type;
  std::string_view form;
  int memory_gib;
  int ram_gib;                  // of the node; 0: not published
  std::int64_t per_gpu_micros;  // on demand; 0: not published
  int nvlink;
};
// Source: together.ai's price page of May 2026, which gives the ends of the range: 3.49 for H100, 7.49 for
// B200.
constexpr std::array kRows = {
    Row{"H100_SXM", "SXM", 80, 1760, 3'490'000, 8}, Row{"H200_SXM", "SXM", 141, 0, 0, 8},
    Row{"B200_SXM", "SXM", 180, 0, 7'490'000, 8},   Row{"RTX_6000_PCI", "PCIe", 0, 0, 0, 0},
    Row{"L40_PCIE", "PCIe", 48, 0, 0, 0},
};

}  // namespace

Listing make_node(const std::string& type, const std::string& region) {
  Listing listing;
  listing.offer.key = {.provider = "together", .region = region, .instance_type = type};
  listing.offer.gpu.count = kGpusPerNode;
  listing.offer.learnt_at = {Millis{kAsOf.time_since_epoch()}.count()};
  listing.offer.source = "together/price-table";
  listing.gpu_text = type;
  listing.arch = "x86_64";
  listing.fabric = Fabric::infiniband;
  listing.basis = PriceBasis::quote;
  for (const Row& row : kRows) {
    if (row.type != type) { continue; }
    listing.offer.gpu.form = row.form;
    listing.offer.gpu.memory_gib = row.memory_gib;
    listing.offer.memory_mib = row.ram_gib * std::int64_t{1024};
    listing.offer.price = {row.per_gpu_micros * kGpusPerNode};
    listing.nvlink_domain = row.nvlink;
    if (row.per_gpu_micros > 0) { listing.basis = PriceBasis::table; }
  }
  return listing;
}

Harvest price_table() {
  Harvest harvest;
  for (const Row& row : kRows) { harvest.listings.push_back(make_node(std::string(row.type), "any")); }
  return harvest;
}

}  // namespace gpubroker::together
