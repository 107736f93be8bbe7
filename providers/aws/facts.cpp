#include "providers/aws/facts.hpp"

#include <algorithm>
#include <array>

#include "core/base/text.hpp"

namespace gpubroker::aws {
namespace {

// Source: answers of ec2:DescribeInstanceTypes recorded 2026-08-02, read 2026-11; p6e-gb200 (UltraServers
// only) from AWS's announcement. Memory per card as sold; Trainium2's 96 GB per chip is the vendor's figure,
// EC2 reports 524288 MiB, which is no chip's.
// clang-format off
constexpr std::array kTypes = {
//            type                gpu        form GiB  n vcpu memory_mib disk gbps efa nvlink arch
    TypeFacts{"g4dn.12xlarge", "T4", "PCIe", 16, 4, 48, 196608, 900, 50, 1, 1, "x86_64"},
    TypeFacts{"g4dn.16xlarge", "T4", "PCIe", 16, 1, 64, 262144, 900, 50, 1, 1, "x86_64"},
    TypeFacts{"g4dn.2xlarge", "T4", "PCIe", 16, 1, 8, 32768, 225, 25, 0, 1, "x86_64"},
    TypeFacts{"g4dn.4xlarge", "T4", "PCIe", 16, 1, 16, 65536, 225, 25, 0, 1, "x86_64"},
    TypeFacts{"g4dn.8xlarge", "T4", "PCIe", 16, 1, 32, 131072, 900, 50, 1, 1, "x86_64"},
    TypeFacts{"g4dn.metal", "T4", "PCIe", 16, 8, 96, 393216, 1800, 100, 1, 1, "x86_64"},
    TypeFacts{"g4dn.xlarge", "T4", "PCIe", 16, 1, 4, 16384, 125, 25, 0, 1, "x86_64"},
    TypeFacts{"g5.12xlarge", "A10G", "PCIe", 24, 4, 48, 196608, 3800, 40, 1, 1, "x86_64"},
    TypeFacts{"g5.16xlarge", "A10G", "PCIe", 24, 1, 64, 262144, 1900, 25, 1, 1, "x86_64"},
    TypeFacts{"g5.24xlarge", "A10G", "PCIe", 24, 4, 96, 393216, 3800, 50, 1, 1, "x86_64"},
    TypeFacts{"g5.2xlarge", "A10G", "PCIe", 24, 1, 8, 32768, 450, 10, 0, 1, "x86_64"},
    TypeFacts{"g5.48xlarge", "A10G", "PCIe", 24, 8, 192, 786432, 7600, 100, 1, 1, "x86_64"},
    TypeFacts{"g5.4xlarge", "A10G", "PCIe", 24, 1, 16, 65536, 600, 25, 0, 1, "x86_64"},
    TypeFacts{"g5.8xlarge", "A10G", "PCIe", 24, 1, 32, 131072, 900, 25, 1, 1, "x86_64"},
    TypeFacts{"g5.xlarge", "A10G", "PCIe", 24, 1, 4, 16384, 250, 10, 0, 1, "x86_64"},
    TypeFacts{"g6.12xlarge", "L4", "PCIe", 24, 4, 48, 196608, 3760, 40, 1, 1, "x86_64"},
    TypeFacts{"g6.16xlarge", "L4", "PCIe", 24, 1, 64, 262144, 1880, 25, 1, 1, "x86_64"},
    TypeFacts{"g6.24xlarge", "L4", "PCIe", 24, 4, 96, 393216, 3760, 50, 1, 1, "x86_64"},
    TypeFacts{"g6.2xlarge", "L4", "PCIe", 24, 1, 8, 32768, 450, 10, 0, 1, "x86_64"},
    TypeFacts{"g6.48xlarge", "L4", "PCIe", 24, 8, 192, 786432, 7520, 100, 1, 1, "x86_64"},
    TypeFacts{"g6.4xlarge", "L4", "PCIe", 24, 1, 16, 65536, 600, 25, 0, 1, "x86_64"},
    TypeFacts{"g6.8xlarge", "L4", "PCIe", 24, 1, 32, 131072, 900, 25, 1, 1, "x86_64"},
    TypeFacts{"g6.xlarge", "L4", "PCIe", 24, 1, 4, 16384, 250, 10, 0, 1, "x86_64"},
    TypeFacts{"g6e.12xlarge", "L40S", "PCIe", 48, 4, 48, 393216, 3800, 100, 1, 1, "x86_64"},
    TypeFacts{"g6e.16xlarge", "L40S", "PCIe", 48, 1, 64, 524288, 1900, 35, 1, 1, "x86_64"},
    TypeFacts{"g6e.24xlarge", "L40S", "PCIe", 48, 4, 96, 786432, 3800, 200, 2, 1, "x86_64"},
    TypeFacts{"g6e.2xlarge", "L40S", "PCIe", 48, 1, 8, 65536, 450, 20, 0, 1, "x86_64"},
    TypeFacts{"g6e.48xlarge", "L40S", "PCIe", 48, 8, 192, 1572864, 7600, 400, 4, 1, "x86_64"},
    TypeFacts{"g6e.4xlarge", "L40S", "PCIe", 48, 1, 16, 131072, 600, 20, 0, 1, "x86_64"},
    TypeFacts{"g6e.8xlarge", "L40S", "PCIe", 48, 1, 32, 262144, 900, 25, 1, 1, "x86_64"},
    TypeFacts{"g6e.xlarge", "L40S", "PCIe", 48, 1, 4, 32768, 250, 20, 0, 1, "x86_64"},
    TypeFacts{"g7.12xlarge", "RTX PRO 4500", "PCIe", 32, 2, 48, 196608, 1900, 175, 1, 1, "x86_64"},
    TypeFacts{"g7.24xlarge", "RTX PRO 4500", "PCIe", 32, 4, 96, 393216, 3800, 350, 1, 1, "x86_64"},
    TypeFacts{"g7.2xlarge", "RTX PRO 4500", "PCIe", 32, 1, 8, 32768, 440, 60, 0, 1, "x86_64"},
    TypeFacts{"g7.48xlarge", "RTX PRO 4500", "PCIe", 32, 8, 192, 786432, 7600, 700, 2, 1, "x86_64"},
    TypeFacts{"g7.4xlarge", "RTX PRO 4500", "PCIe", 32, 1, 16, 65536, 875, 100, 0, 1, "x86_64"},
    TypeFacts{"g7.8xlarge", "RTX PRO 4500", "PCIe", 32, 1, 32, 131072, 930, 100, 1, 1, "x86_64"},
    TypeFacts{"g7e.12xlarge", "RTX PRO Server 6000", "PCIe", 96, 2, 48, 524288, 3800, 400, 1, 1, "x86_64"},
    TypeFacts{"g7e.24xlarge", "RTX PRO Server 6000", "PCIe", 96, 4, 96, 1048576, 7600, 800, 2, 1, "x86_64"},
    TypeFacts{"g7e.2xlarge", "RTX PRO Server 6000", "PCIe", 96, 1, 8, 65536, 1900, 50, 0, 1, "x86_64"},
    TypeFacts{"g7e.48xlarge", "RTX PRO Server 6000", "PCIe", 96, 8, 192, 2097152, 15200, 1600, 4, 1, "x86_64"},
    TypeFacts{"g7e.4xlarge", "RTX PRO Server 6000", "PCIe", 96, 1, 16, 131072, 1900, 50, 0, 1, "x86_64"},
    TypeFacts{"g7e.8xlarge", "RTX PRO Server 6000", "PCIe", 96, 1, 32, 262144, 1900, 100, 1, 1, "x86_64"},
    TypeFacts{"gr6.4xlarge", "L4", "PCIe", 24, 1, 16, 131072, 600, 25, 0, 1, "x86_64"},
    TypeFacts{"gr6.8xlarge", "L4", "PCIe", 24, 1, 32, 262144, 900, 25, 1, 1, "x86_64"},
    TypeFacts{"inf2.24xlarge", "Inferentia2", "", 32, 6, 96, 393216, 0, 50, 0, 1, "x86_64"},
    TypeFacts{"inf2.48xlarge", "Inferentia2", "", 32, 12, 192, 786432, 0, 100, 0, 1, "x86_64"},
    TypeFacts{"inf2.8xlarge", "Inferentia2", "", 32, 1, 32, 131072, 0, 25, 0, 1, "x86_64"},
    TypeFacts{"inf2.xlarge", "Inferentia2", "", 32, 1, 4, 16384, 0, 15, 0, 1, "x86_64"},
    TypeFacts{"p3dn.24xlarge", "V100", "SXM", 32, 8, 96, 786432, 1800, 100, 1, 8, "x86_64"},
    TypeFacts{"p4d.24xlarge", "A100", "SXM", 40, 8, 96, 1179648, 8000, 400, 4, 8, "x86_64"},
    TypeFacts{"p4de.24xlarge", "A100", "SXM", 80, 8, 96, 1179648, 8000, 400, 4, 8, "x86_64"},
    TypeFacts{"p5.48xlarge", "H100", "SXM", 80, 8, 192, 2097152, 30400, 3200, 32, 8, "x86_64"},
    TypeFacts{"p5.4xlarge", "H100", "SXM", 80, 1, 16, 262144, 3800, 100, 1, 1, "x86_64"},
    TypeFacts{"p5e.48xlarge", "H200", "SXM", 141, 8, 192, 2097152, 30400, 3200, 32, 8, "x86_64"},
    TypeFacts{"p5en.48xlarge", "H200", "SXM", 141, 8, 192, 2097152, 30400, 3200, 16, 8, "x86_64"},
    TypeFacts{"p6-b200.48xlarge", "B200", "SXM", 180, 8, 192, 2097152, 30400, 3200, 8, 8, "x86_64"},
    TypeFacts{"p6-b300.48xlarge", "B300", "SXM", 270, 8, 192, 4194304, 30400, 6400, 16, 8, "x86_64"},
    TypeFacts{"p6e-gb200.36xlarge", "GB200", "", 186, 4, 144, 983040, 22500, 1600, 4, 72, "arm64"},
    TypeFacts{"trn1.2xlarge", "Trainium", "", 32, 1, 8, 32768, 474, 12, 0, 1, "x86_64"},
    TypeFacts{"trn1.32xlarge", "Trainium", "", 32, 16, 128, 524288, 7600, 800, 8, 1, "x86_64"},
    TypeFacts{"trn1n.32xlarge", "Trainium", "", 32, 16, 128, 524288, 7600, 1600, 16, 1, "x86_64"},
    TypeFacts{"trn2.3xlarge", "Trainium2", "", 96, 1, 12, 131072, 470, 200, 1, 1, "x86_64"},
    TypeFacts{"trn2.48xlarge", "Trainium2", "", 96, 16, 192, 2097152, 7600, 3200, 16, 1, "x86_64"}
};
// clang-format on

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::span<const TypeFacts> known_types() {
  return kTypes;
}

const TypeFacts* find_type(std::string_view type) {
  const auto* const found =
      std::lower_bound(kTypes.begin(), kTypes.end(), type,
                       [](const TypeFacts& row, std::string_view name) { return row.type < name; });
  return found != kTypes.end() && found->type == type ? found : nullptr;
}

Listing listing_of(std::string_view region, std::string_view zone, std::string_view type, Market market) {
  Listing listing;
  Offer& offer = listing.offer;
  offer.key = {.provider = "aws",
               .region = std::string(region),
               .zone = std::string(zone),
               .instance_type = std::string(type),
               .market = market};
  offer.billing = {.unit = Millis{1'000}, .minimum = Millis{60'000}};
  listing.gpu_text = std::string(type);
  const TypeFacts* const facts = find_type(type);
  if (facts == nullptr) { return listing; }
  listing.gpu_text = std::string(facts->gpu);
  offer.gpu = {.form = std::string(facts->form), .memory_gib = facts->gpu_gib, .count = facts->count};
  offer.vcpus = facts->vcpus;
  offer.memory_mib = facts->memory_mib;
  listing.arch = std::string(facts->arch);
  listing.disk_gib = std::int64_t{facts->disk_gb} * 1'000'000'000 / (std::int64_t{1} << 30);
  listing.fabric = facts->efa > 0 ? Fabric::efa : Fabric::ethernet;
  listing.fabric_gbps = facts->gbps;
  listing.nvlink_domain = facts->nvlink;
  return listing;
}

bool is_region_name(std::string_view name) {
  const std::vector<std::string> parts = split(name, '-');
  if (parts.size() < 3 || !is_number(parts.back())) { return false; }
  return std::none_of(parts.begin(), parts.end() - 1, [](const std::string& part) {
    return part.empty() || part.find_first_of("0123456789") != std::string::npos;
  });
}

}  // namespace gpubroker::aws
