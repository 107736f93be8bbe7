#pragma once
// What clouds' words tell of an accelerator besides its model, which the catalog finds.
#include <string>
#include <string_view>

#include "core/base/listing.hpp"

namespace gpubroker {

/// "SXM", "PCIe" or "NVL", as far as the words say: "H100 SXM5 80GB", "A100-SXM4-80GB", "H100 PCIE",
/// "H200 NVL". "NVLink" is no form: cards of the PCIe form are bridged by it too. Empty: not told.
std::string form_in(std::string_view words);

/// The first memory size: 80 of "H100 (80 GB SXM5)", "H100-80G-SXM5", "A100-80GB", "80GiB". 0: not told.
int memory_gib_in(std::string_view words);

/// Writes arch and NVLink domain of a listing by its gpu_text: GH200, GB200 and GB300 have Arm hosts, and
/// NVLink joins 72 of the latter two, across machines (their racks are NVL72). All others are x86-64.
void fill_host(Listing& listing);

}  // namespace gpubroker
