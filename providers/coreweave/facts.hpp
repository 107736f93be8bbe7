#pragma once
#include <string_view>
#include <vector>

#include "core/ports/price_feed.hpp"

namespace gpubroker::coreweave {

/// A type in a zone, on demand and, where it is sold so, as spot; empty: the type is unknown. The prices are
/// those of North America: in other zones both are quotes.
std::vector<Listing> listings_in(std::string_view type, std::string_view zone);

/// The price page of North America: on demand as of 2026-10-04, spot as of 2026-09-20 (learnt_at).
Harvest price_table();

}  // namespace gpubroker::coreweave
