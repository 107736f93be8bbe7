#include "providers/azure/facts.hpp"

#include <algorithm>
#include <array>

#include "core/base/text.hpp"

namespace gpubroker::azure {
namespace {

constexpr std::string_view kX86 = "x86_64";
constexpr std::string_view kArm = "arm64";
constexpr Fabric kIb = Fabric::infiniband;
constexpr Fabric kEth = Fabric::ethernet;

/// H100, H200, GB200, GB300 and NDm A100: shared API notes, section 8 (Microsoft's size pages of 2025 to
/// August 2026 and dated price rows), read 2026-11. The older ones: Microsoft's size pages as remembered on
/// 2026-11-24, not read again. No row for sizes whose GPUs nobody has told us (ND96is_H100_v5,
/// ND96isrf_H200_v5, ND100isr_H100_v5 …): they become remarks.
constexpr std::array kSizes = {
    SizeFacts{"Standard_NC40ads_H100_v5", "H100 NVL", "NVL", 94, 1, 40, 320, 3584, kEth, 40, 1, kX86, false,
              true},
    SizeFacts{"Standard_NC80adis_H100_v5", "H100 NVL", "NVL", 94, 2, 80, 640, 7168, kEth, 80, 2, kX86, false,
              true},
    // Confidential: the same card.
    SizeFacts{"Standard_NCC40ads_H100_v5", "H100 NVL", "NVL", 94, 1, 40, 320, 0, kEth, 40, 1, kX86, false,
              true},
    SizeFacts{"Standard_ND96isr_H100_v5", "H100", "SXM", 80, 8, 96, 1900, 29696, kIb, 3200, 8, kX86, false,
              true},
    SizeFacts{"Standard_ND96isr_H200_v5", "H200", "SXM", 141, 8, 96, 1850, 29696, kIb, 3200, 8, kX86, false,
              true},
    SizeFacts{"Standard_ND128isr_NDR_GB200_v6", "GB200", "", 192, 4, 128, 900, 14901, kIb, 1600, 72, kArm,
              false, true},
    SizeFacts{"Standard_ND128isr_GB300_v6", "GB300", "", 288, 4, 128, 864, 14901, kIb, 3200, 72, kArm, true,
              true},
    SizeFacts{"Standard_ND128isrG5_GB300_v6", "GB300", "", 288, 4, 128, 864, 14901, kIb, 3200, 72, kArm, true,
              true},
    SizeFacts{"Standard_ND96isr_MI300X_v5", "MI300X", "OAM", 192, 8, 96, 1850, 28672, kIb, 3200, 8, kX86,
              false, true},
    SizeFacts{"Standard_ND96amsr_A100_v4", "A100", "SXM", 80, 8, 96, 1800, 7152, kIb, 1600, 8, kX86, false,
              true},
    SizeFacts{"Standard_ND96asr_v4", "A100", "SXM", 40, 8, 96, 900, 6000, kIb, 1600, 8, kX86, false, true},
    SizeFacts{"Standard_NC24ads_A100_v4", "A100", "PCIe", 80, 1, 24, 220, 958, kEth, 20, 1, kX86, false,
              true},
    SizeFacts{"Standard_NC48ads_A100_v4", "A100", "PCIe", 80, 2, 48, 440, 1916, kEth, 40, 2, kX86, false,
              true},
    SizeFacts{"Standard_NC96ads_A100_v4", "A100", "PCIe", 80, 4, 96, 880, 3832, kEth, 80, 2, kX86, false,
              true},
    SizeFacts{"Standard_ND40rs_v2", "V100", "SXM", 32, 8, 40, 672, 2948, kIb, 100, 8, kX86, false, false},
    SizeFacts{"Standard_NC6s_v3", "V100", "PCIe", 16, 1, 6, 112, 736, kEth, 0, 1, kX86, false, false},
    SizeFacts{"Standard_NC12s_v3", "V100", "PCIe", 16, 2, 12, 224, 1474, kEth, 0, 1, kX86, false, false},
    SizeFacts{"Standard_NC24s_v3", "V100", "PCIe", 16, 4, 24, 448, 2948, kEth, 0, 1, kX86, false, false},
    SizeFacts{"Standard_NC24rs_v3", "V100", "PCIe", 16, 4, 24, 448, 2948, kIb, 56, 1, kX86, false, false},
    SizeFacts{"Standard_NC4as_T4_v3", "T4", "PCIe", 16, 1, 4, 28, 180, kEth, 8, 1, kX86, false, true},
    SizeFacts{"Standard_NC8as_T4_v3", "T4", "PCIe", 16, 1, 8, 56, 360, kEth, 8, 1, kX86, false, true},
    SizeFacts{"Standard_NC16as_T4_v3", "T4", "PCIe", 16, 1, 16, 110, 360, kEth, 8, 1, kX86, false, true},
    SizeFacts{"Standard_NC64as_T4_v3", "T4", "PCIe", 16, 4, 64, 440, 2880, kEth, 32, 1, kX86, false, true},
    SizeFacts{"Standard_NV36ads_A10_v5", "A10", "PCIe", 24, 1, 36, 440, 1440, kEth, 80, 1, kX86, false, true},
    SizeFacts{"Standard_NV36adms_A10_v5", "A10", "PCIe", 24, 1, 36, 880, 1440, kEth, 80, 1, kX86, false,
              true},
    SizeFacts{"Standard_NV72ads_A10_v5", "A10", "PCIe", 24, 2, 72, 880, 2880, kEth, 80, 1, kX86, false, true},
    SizeFacts{"Standard_NG32ads_V620_v1", "V620", "PCIe", 32, 1, 32, 64, 1024, kEth, 0, 1, kX86, false,
              false},
    SizeFacts{"Standard_NG32adms_V620_v1", "V620", "PCIe", 32, 1, 32, 176, 1024, kEth, 0, 1, kX86, false,
              false},
    SizeFacts{"Standard_NV12s_v3", "M60", "PCIe", 8, 1, 12, 112, 320, kEth, 0, 1, kX86, false, false},
    SizeFacts{"Standard_NV24s_v3", "M60", "PCIe", 8, 2, 24, 224, 640, kEth, 0, 1, kX86, false, false},
    SizeFacts{"Standard_NV48s_v3", "M60", "PCIe", 8, 4, 48, 448, 1280, kEth, 0, 1, kX86, false, false},
};

constexpr std::array<std::string_view, 8> kParts = {"Standard_NV6ads_A10_v5",   "Standard_NV12ads_A10_v5",
                                                    "Standard_NV18ads_A10_v5",  "Standard_NG8ads_V620_v1",
                                                    "Standard_NG16ads_V620_v1", "Standard_NV4as_v4",
                                                    "Standard_NV8as_v4",        "Standard_NV16as_v4"};

/// GPU families. NP is FPGAs, NM is video cards.
constexpr std::array<std::string_view, 4> kFamilies = {"standard_nc", "standard_nd", "standard_ng",
                                                       "standard_nv"};

/// Azure's public regions as of 2026-11-24, from memory and the price rows that others have shown. Canaries
/// (eastus2euap) and the stages of the government's clouds have no public prices. One without GPUs costs one
/// small request.
constexpr std::array<std::string_view, 57> kRegions = {"australiacentral",
                                                       "australiacentral2",
                                                       "australiaeast",
                                                       "australiasoutheast",
                                                       "austriaeast",
                                                       "belgiumcentral",
                                                       "brazilsouth",
                                                       "brazilsoutheast",
                                                       "canadacentral",
                                                       "canadaeast",
                                                       "centralindia",
                                                       "centralus",
                                                       "chilecentral",
                                                       "denmarkeast",
                                                       "eastasia",
                                                       "eastus",
                                                       "eastus2",
                                                       "francecentral",
                                                       "francesouth",
                                                       "germanynorth",
                                                       "germanywestcentral",
                                                       "indonesiacentral",
                                                       "israelcentral",
                                                       "italynorth",
                                                       "japaneast",
                                                       "japanwest",
                                                       "jioindiacentral",
                                                       "jioindiawest",
                                                       "koreacentral",
                                                       "koreasouth",
                                                       "malaysiawest",
                                                       "mexicocentral",
                                                       "newzealandnorth",
                                                       "northcentralus",
                                                       "northeurope",
                                                       "norwayeast",
                                                       "norwaywest",
                                                       "polandcentral",
                                                       "qatarcentral",
                                                       "southafricanorth",
                                                       "southafricawest",
                                                       "southcentralus",
                                                       "southeastasia",
                                                       "southindia",
                                                       "spaincentral",
                                                       "swedencentral",
                                                       "switzerlandnorth",
                                                       "switzerlandwest",
                                                       "uaecentral",
                                                       "uaenorth",
                                                       "uksouth",
                                                       "ukwest",
                                                       "westcentralus",
                                                       "westeurope",
                                                       "westus",
                                                       "westus2",
                                                       "westus3"};

/// Names of ARM are the same in any case. No copies: this is asked of each row of the price list.
bool is_same(std::string_view a, std::string_view b) {
  const auto small = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return small(x) == small(y); });
}

}  // namespace

std::span<const SizeFacts> known_sizes() {
  return kSizes;
}

const SizeFacts* find_size(std::string_view name) {
  const auto* const found = std::find_if(kSizes.begin(), kSizes.end(),
                                         [&](const SizeFacts& facts) { return is_same(facts.size, name); });
  return found == kSizes.end() ? nullptr : found;
}

SizeKind kind_of_size(std::string_view name) {
  if (find_size(name) != nullptr) { return SizeKind::known; }
  const std::string small = lower(name);
  const auto is_it = [&](std::string_view part) { return is_same(part, name); };
  if (std::any_of(kParts.begin(), kParts.end(), is_it)) { return SizeKind::part; }
  const auto begins = [&](std::string_view family) { return small.rfind(family, 0) == 0; };
  return std::any_of(kFamilies.begin(), kFamilies.end(), begins) ? SizeKind::unknown : SizeKind::other;
}

Listing listing_of(const SizeFacts& facts, std::string_view region, Market market) {
  Listing listing;
  Offer& offer = listing.offer;
  offer.key = {.provider = "azure",
               .region = std::string(region),
               .instance_type = std::string(facts.size),
               .market = market};
  listing.gpu_text = facts.gpu;
  offer.gpu = {.form = std::string(facts.form), .memory_gib = facts.gpu_gib, .count = facts.count};
  offer.vcpus = facts.vcpus;
  offer.memory_mib = facts.memory_gib * std::int64_t{1024};
  // Billed per second of allocation: the default of BillingRule.
  listing.disk_gib = facts.disk_gib;
  listing.fabric = facts.fabric;
  listing.fabric_gbps = facts.gbps;
  listing.nvlink_domain = facts.nvlink;
  listing.arch = facts.arch;
  return listing;
}

std::span<const std::string_view> public_regions() {
  return kRegions;
}

}  // namespace gpubroker::azure
