#pragma once
// What a billing SKU is, told by its description: the one field that tells it (usageType calls flex-start,
// reserved and some spot SKUs "OnDemand"). Descriptions as read in other people's dated answers of 2026-06 to
// 2026-09.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/offer.hpp"

namespace gpubroker::gcp {

/// What machines are billed by.
enum class Component : std::uint8_t {
  core,       // per vCPU, of a family ("a3", "a3plus", "n1" …)
  ram,        // per GiB, of a family
  gpu,        // per GPU, of an accelerator ("nvidia-h100-80gb", "tpu-v6e-slice")
  local_ssd,  // per GiB and month
};

struct SkuName {
  Component component = Component::core;
  std::string_view of = {};  // the family or accelerator; empty for local_ssd
  Market market = Market::on_demand;
  /// Why it is the price of no machine that can be rented, in a word: "reserved", "commitment". Empty: it is
  /// one.
  std::string_view left_out = {};
};

/// Nothing: it is no part of a GPU machine.
std::optional<SkuName> read_sku_name(std::string_view description);

}  // namespace gpubroker::gcp
