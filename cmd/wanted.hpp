#pragma once
// What `offers`, `history` look for: texts of the command line to a query of the catalog. Pure.
#include "catalog/query.hpp"
#include "cmd/commands.hpp"

namespace gpubroker {

/// GPUs, clouds, regions and markets. Lists may be given as "us,eu". Fails with `invalid`, naming the option.
Result<OfferQuery> read_wanted(const WantedCli& options);

/// Splits each at commas.
std::vector<std::string> split_all(const std::vector<std::string>& texts);

}  // namespace gpubroker
