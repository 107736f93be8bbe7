#include "providers/lambda/machines.hpp"

#include "core/ports/machine_tags.hpp"
#include "core/wire/answer_json.hpp"
#include "core/wire/json.hpp"
#include "providers/lambda/codec.hpp"

namespace gpubroker::lambda {
namespace {

constexpr std::string_view kSource = "lambda";
constexpr std::string_view kPrefix = "gpubroker:";

/// Sources: status of Instance, OpenAPI 1.10.0.
NodeState state_of(const std::string& status) {
  if (status == "booting") { return NodeState::starting; }
  if (status == "active" || status == "unhealthy") { return NodeState::running; }
  return NodeState::ended;  // terminating is not billed any more
}

std::optional<NodeView> read_instance(const AnswerValue& row) {
  std::map<std::string, std::string> tags;
  if (const auto list = row.find("tags")) {
    for (const AnswerValue& tag : list->list()) {
      const std::string name = tag.at("key").text();
      if (name.rfind(kPrefix, 0) == 0) { tags[name.substr(kPrefix.size())] = tag.at("value").text(); }
    }
  }
  NodeView view;
  view.offer = {.provider = "lambda",
                .region = row.at("region").at("name").text(),
                .instance_type = row.at("instance_type").at("name").text()};
  if (!read_machine_tags(tags, view)) { return std::nullopt; }
  view.id = {"lambda/" + row.at("id").text()};
  const std::string status = row.at("status").text();
  view.state = state_of(status);
  if (view.state == NodeState::ended) {
    view.end_reason = status == "preempted" ? "preempted" : "terminated";
  }
  view.address.host = row.text_or("ip");
  view.address.peer_host = row.text_or("private_ip");
  if (view.state == NodeState::running && view.address.host.empty()) { view.state = NodeState::starting; }
  view.price =
      Rate{row.at("instance_type").at("price_cents_per_hour").whole<std::int32_t>() * std::int64_t{10'000}};
  return view;
}

}  // namespace

HttpRequest encode_post(std::string_view path, std::string body, const Secret& key) {
  HttpRequest request = encode_get(path, key);
  request.method = "POST";
  request.headers.emplace_back("Content-Type", "application/json");
  request.body = std::move(body);
  return request;
}

HttpRequest encode_delete(const std::string& path, const Secret& key) {
  HttpRequest request = encode_get(path, key);
  request.method = "DELETE";
  request.repeatable = true;
  return request;
}

std::string encode_ssh_key(const std::string& name, const std::string& public_key) {
  return dump_json({{"name", name}, {"public_key", public_key}});
}

std::string encode_launch(const GangRequest& request, int rank, const std::string& user_data) {
  Json tags = Json::array();
  for (const auto& [name, value] : machine_tags(request, rank)) {
    tags.push_back({{"key", std::string(kPrefix) + name}, {"value", value}});
  }
  const std::string name = machine_name(request.token, rank);
  return dump_json({{"region_name", request.offer.key.region},
                    {"instance_type_name", request.offer.key.instance_type},
                    {"ssh_key_names", {gang_name(request.token)}},
                    {"name", name},
                    {"hostname", name},
                    {"tags", std::move(tags)},
                    {"user_data", user_data}});
}

std::string encode_terminate(const std::vector<std::string>& ids) {
  return dump_json({{"instance_ids", ids}});
}

Result<std::string> parse_launched(std::string_view body) {
  return read_answer(body, kSource, [](const AnswerValue& root) -> Result<std::string> {
    const std::vector<AnswerValue> ids = root.at("data").at("instance_ids").list();
    if (ids.size() != 1) {
      AnswerValue::refuse("one instance was asked for, " + std::to_string(ids.size()) + " came");
    }
    return ids.front().text();
  });
}

Result<std::vector<NodeView>> parse_instances(std::string_view body) {
  return read_answer(body, kSource, [](const AnswerValue& root) -> Result<std::vector<NodeView>> {
    std::vector<NodeView> views;
    for (const AnswerValue& row : root.at("data").list()) {
      if (std::optional<NodeView> view = read_instance(row)) { views.push_back(*std::move(view)); }
    }
    return views;
  });
}

Result<std::vector<SshKey>> parse_ssh_keys(std::string_view body) {
  return read_answer(body, kSource, [](const AnswerValue& root) -> Result<std::vector<SshKey>> {
    std::vector<SshKey> keys;
    for (const AnswerValue& row : root.at("data").list()) {
      const std::string name = row.at("name").text();
      if (name.rfind("gb-", 0) == 0) { keys.push_back({.id = row.at("id").text(), .name = name}); }
    }
    return keys;
  });
}

}  // namespace gpubroker::lambda
