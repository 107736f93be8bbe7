// Compiled for this machine's own instructions (CMakeLists.txt): the On-Demand parser is inline.
#include "tests/bench/simdjson_walk.hpp"

#include <simdjson.h>

#include "tests/bench/processor_time.hpp"

namespace gpubroker::bench {
namespace {

using simdjson::ondemand::json_type;

std::int64_t walk(simdjson::ondemand::value value) {
  std::int64_t values = 1;
  switch (value.type()) {
    case json_type::object:
      for (auto field : value.get_object()) { values += walk(field.value()); }
      return values;
    case json_type::array:
      for (auto item : value.get_array()) { values += walk(item.value()); }
      return values;
    case json_type::string:
      return values + static_cast<std::int64_t>(std::string_view(value.get_string()).size() > 0);
    case json_type::number:
    case json_type::boolean:
    case json_type::null:
      return values;
  }
  return values;
}

/// `parse` tells how many values there were.
template <class Parse>
double best_of(int rounds, Parse parse) {
  double best = -1;
  for (int round = 0; round <= rounds; ++round) {  // the first one fetches the parser's memory
    const double begun = processor_seconds();
    if (parse() <= 0) { return -1; }
    const double taken = processor_seconds() - begun;
    if (round > 0 && (best < 0 || taken < best)) { best = taken; }
  }
  return best;
}

}  // namespace

double simdjson_dom(const std::string& path, int rounds) {
  simdjson::padded_string text;
  if (simdjson::padded_string::load(path).get(text) != simdjson::SUCCESS) { return -1; }
  simdjson::dom::parser parser;
  return best_of(rounds, [&]() -> std::int64_t {
    simdjson::dom::element root;
    if (parser.parse(text).get(root) != simdjson::SUCCESS) { return -1; }
    return static_cast<std::int64_t>(simdjson::dom::object(root).size());
  });
}

double simdjson_on_demand(const std::string& path, int rounds) {
  simdjson::padded_string text;
  if (simdjson::padded_string::load(path).get(text) != simdjson::SUCCESS) { return -1; }
  simdjson::ondemand::parser parser;
  return best_of(rounds, [&] {
    simdjson::ondemand::document document = parser.iterate(text);
    std::int64_t values = 0;
    for (auto field : document.get_object()) { values += walk(field.value()); }
    return values;
  });
}

}  // namespace gpubroker::bench
