#include "tests/example_cloud/example/codec.hpp"

#include <array>

#include "core/ports/machine_tags.hpp"
#include "core/wire/answer_json.hpp"
#include "core/wire/api_key.hpp"
#include "core/wire/cloud_answer.hpp"
#include "core/wire/json.hpp"

namespace gpubroker::example {
namespace {

constexpr std::string_view kSource = "example";
const std::string kBase = "https://api.example-cloud.test/v1";

constexpr std::array kCodes = {
    CodeRow{"sold_out", ErrorKind::capacity, ErrorScope::region},
    CodeRow{"over_quota", ErrorKind::quota, ErrorScope::account},
};

Instant time_of(const AnswerValue& row, std::string_view name) {
  return {row.at(name).whole<std::int64_t>()};
}

std::optional<NodeView> read_machine(const AnswerValue& row) {
  std::map<std::string, std::string> tags;
  for (const auto& [name, value] : row.at("tags").members()) { tags[name] = value.text(); }
  NodeView view;
  view.offer = {
      .provider = "example", .region = row.at("region").text(), .instance_type = row.at("type").text()};
  if (!read_machine_tags(tags, view)) { return std::nullopt; }
  view.id = {"example/" + row.at("name").text()};
  view.created_at = time_of(row, "created_ms");
  if (row.find("billed_from_ms")) { view.billed_from = time_of(row, "billed_from_ms"); }
  const std::string state = row.at("state").text();
  view.state = state == "starting"  ? NodeState::starting
               : state == "running" ? NodeState::running
                                    : NodeState::ended;
  view.address.host = row.text_or("host");
  if (view.state != NodeState::ended) { return view; }
  view.ended_at = time_of(row, "ended_ms");
  view.end_reason = row.at("end_reason").text();
  return view;
}

HttpRequest change(const std::string& method, const std::string& url, std::string body, const Secret& key) {
  HttpRequest request = bearer_get(url, key);
  request.method = method;
  request.body = std::move(body);
  return request;
}

}  // namespace

HttpRequest encode_create(const GangRequest& request, int rank, const std::string& public_key,
                          const std::string& user_data, const Secret& key) {
  const std::string body = dump_json({{"type", request.offer.key.instance_type},
                                      {"region", request.offer.key.region},
                                      {"tags", machine_tags(request, rank)},
                                      {"public_key", public_key},
                                      {"user_data", user_data},
                                      {"expires_ms", request.tags.expires.ms}});
  return change("PUT", kBase + "/machines/" + machine_name(request.token, rank), body, key);
}

HttpRequest encode_list(const Secret& key) {
  return bearer_get(kBase + "/machines", key);
}

HttpRequest encode_delete(const NodeId& id, const Secret& key) {
  HttpRequest request =
      change("DELETE", kBase + "/machines/" + id.value.substr(id.value.find('/') + 1), "", key);
  request.repeatable = true;
  return request;
}

HttpRequest encode_offers(const Secret& key) {
  return bearer_get(kBase + "/types", key);
}

Result<NodeView> parse_machine(std::string_view body) {
  return read_answer(body, kSource, [](const AnswerValue& root) -> Result<NodeView> {
    std::optional<NodeView> view = read_machine(root);
    if (!view) { AnswerValue::refuse("a machine without our tags"); }
    return *std::move(view);
  });
}

Result<std::vector<NodeView>> parse_machines(std::string_view body) {
  return read_answer(body, kSource, [](const AnswerValue& root) -> Result<std::vector<NodeView>> {
    std::vector<NodeView> views;
    for (const AnswerValue& row : root.list()) {
      if (std::optional<NodeView> view = read_machine(row)) { views.push_back(*std::move(view)); }
    }
    return views;
  });
}

Result<std::vector<Offer>> parse_offers(std::string_view body, Instant now) {
  return read_answer(body, kSource, [&](const AnswerValue& root) -> Result<std::vector<Offer>> {
    std::vector<Offer> offers;
    for (const AnswerValue& row : root.list()) {
      offers.push_back({.key = {.provider = "example",
                                .region = row.at("region").text(),
                                .instance_type = row.at("type").text()},
                        .gpu = {.model = row.at("gpu").text(), .count = row.at("gpus").whole<int>()},
                        .price = {row.at("price").money().micros},
                        .billing = {.unit = Millis{1'000}},
                        .learnt_at = now,
                        .source = "example types"});
    }
    return offers;
  });
}

Error parse_error(const HttpResponse& answer, const std::string& call, Instant now) {
  std::string code;
  std::string message;
  // A body that is not theirs (a proxy's page) leaves the status to speak for itself.
  static_cast<void>(visit_answer(answer.body, kSource, [&](const AnswerValue& root) {
    code = root.text_or("code");
    message = root.text_or("message");
  }));
  Error error = error_from_answer(answer, "example " + call, code, message, now);
  judge_by_code(error, code, kCodes);
  return error;
}

}  // namespace gpubroker::example
