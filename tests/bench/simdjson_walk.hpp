#pragma once
#include <string>

namespace gpubroker::bench {

/// The best seconds of some rounds over the file, which lies in memory, with a parser that has its memory:
/// into simdjson's tape. Negative: it cannot.
double simdjson_dom(const std::string& path, int rounds);
/// The same with the On-Demand parser, visiting every value.
double simdjson_on_demand(const std::string& path, int rounds);

}  // namespace gpubroker::bench
