#include "cmd/wanted.hpp"

#include "core/base/text.hpp"
#include "core/workload/task_fields.hpp"

namespace gpubroker {

std::vector<std::string> split_all(const std::vector<std::string>& texts) {
  std::vector<std::string> all;
  for (const std::string& text : texts) {
    for (const std::string& one : split(text, ',')) {
      if (!trim(one).empty()) { all.emplace_back(trim(one)); }
    }
  }
  return all;
}

Result<OfferQuery> read_wanted(const WantedCli& options) {
  OfferQuery query;
  if (!options.gpus.empty()) {
    TRY(const GpuSpec spec, parse_gpu_spec(options.gpus));
    TRY(query.gpu, resolve_gpu_spec(spec));
  }
  query.providers = split_all(options.clouds);
  query.regions = split_all(options.regions);
  for (const std::string& market : split_all(options.markets)) {
    TRY(const Market parsed, parse_market(market));
    query.markets.push_back(parsed);
  }
  if (options.spot) { query.markets.push_back(Market::spot); }
  return query;
}

}  // namespace gpubroker
