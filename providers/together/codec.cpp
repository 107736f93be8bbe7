#include "providers/together/codec.hpp"

#include <set>
#include <utility>

#include "core/wire/answer_json.hpp"
#include "core/wire/cloud_answer.hpp"
#include "providers/together/facts.hpp"

namespace gpubroker::together {
namespace {

constexpr std::string_view kSource = "together";

/// "H100_SXM_INF" is for inference endpoints: no cluster is made of it.
bool is_for_inference(const std::string& type) {
  constexpr std::string_view kEnd = "_INF";
  return type.size() > kEnd.size() && type.compare(type.size() - kEnd.size(), kEnd.size(), kEnd) == 0;
}

}  // namespace

Result<Harvest> parse_regions(std::string_view body) {
  return read_answer(body, kSource, [](const AnswerValue& root) -> Result<Harvest> {
    Harvest harvest;
    std::set<std::pair<std::string, std::string>> told;  // twice is one
    for_each_row(root.at("regions"), "regions", harvest, [&](const AnswerValue& row) {
      const std::string region = row.at("name").text();
      for_each_row(row.at("supported_instance_types"), region, harvest, [&](const AnswerValue& type) {
        const std::string name = type.text();
        if (is_for_inference(name) || !told.insert({region, name}).second) { return; }
        harvest.listings.push_back(make_node(name, region));
        harvest.listings.back().offer.source = "together/regions";
      });
    });
    return harvest;
  });
}

Error parse_error(const HttpResponse& answer, std::string_view path, Instant now) {
  std::string code;
  std::string message;
  static_cast<void>(visit_answer(answer.body, kSource, [&](const AnswerValue& root) {
    const AnswerValue error = root.at("error");
    code = error.text_or("code", error.text_or("type"));
    message = error.text_or("message");
  }));
  return error_from_answer(answer, "together GET " + std::string(path), code, message, now);
}

}  // namespace gpubroker::together
