#pragma once
#include <string>

#include "core/ports/price_feed.hpp"

namespace gpubroker::together {

/// A node of eight GPUs: clusters are made of whole ones. A type without a published price is a quote.
Listing make_node(const std::string& type, const std::string& region);

/// The price page as of May 2026 (learnt_at), in the region "any".
Harvest price_table();

}  // namespace gpubroker::together
