#include "providers/local/records.hpp"

#include "core/base/text.hpp"
#include "core/wire/json.hpp"

namespace gpubroker::local {
namespace {

Json optional_instant(const std::optional<Instant>& at) {
  return at ? Json(at->ms) : Json(nullptr);
}

std::optional<Instant> optional_instant(const Json& json) {
  if (json.is_null()) { return std::nullopt; }
  return Instant{json.get<std::int64_t>()};
}

Json key_json(const OfferKey& key) {
  return {{"provider", key.provider},
          {"region", key.region},
          {"zone", key.zone},
          {"instance_type", key.instance_type},
          {"market", std::string(to_string(key.market))}};
}

OfferKey key_from(const Json& json) {
  return {json.at("provider").get<std::string>(), json.at("region").get<std::string>(),
          json.at("zone").get<std::string>(), json.at("instance_type").get<std::string>(),
          market_from(json.at("market").get<std::string>()).value_or(Market::on_demand)};
}

Json node_json(const NodeRecord& node) {
  return {{"id", node.id.value},
          {"name", node.name},
          {"token", node.token.value},
          {"index", node.index},
          {"offer", key_json(node.offer)},
          {"workload", node.tags.workload.value},
          {"attempt", node.tags.attempt},
          {"key", node.tags.key},
          {"owner", node.tags.owner},
          {"expires_ms", node.tags.expires.ms},
          {"ip", node.ip},
          {"master_port", node.master_port},
          {"vcpus", node.vcpus},
          {"gpus", node.gpus},
          {"billing_unit_ms", node.billing.unit.count()},
          {"billing_minimum_ms", node.billing.minimum.count()},
          {"created_at_ms", node.created_at.ms},
          {"ready_at_ms", node.ready_at.ms},
          {"preempt_at_ms", optional_instant(node.preempt_at)},
          {"notice_ms", node.notice.count()},
          {"ended_at_ms", optional_instant(node.ended_at)},
          {"end_reason", node.end_reason}};
}

Instant instant_at(const Json& json, const char* field) {
  return {json.at(field).get<std::int64_t>()};
}

Millis millis_at(const Json& json, const char* field) {
  return Millis{json.at(field).get<std::int64_t>()};
}

NodeRecord node_from(const Json& json) {
  return {.id = {json.at("id").get<std::string>()},
          .name = json.at("name").get<std::string>(),
          .token = {json.at("token").get<std::string>()},
          .index = json.at("index").get<int>(),
          .offer = key_from(json.at("offer")),
          .tags = {.workload = {json.at("workload").get<std::string>()},
                   .attempt = json.at("attempt").get<int>(),
                   .key = json.at("key").get<std::string>(),
                   .owner = json.at("owner").get<std::string>(),
                   .expires = instant_at(json, "expires_ms")},
          .ip = json.at("ip").get<std::string>(),
          .master_port = json.at("master_port").get<int>(),
          .vcpus = json.at("vcpus").get<int>(),
          .gpus = json.at("gpus").get<std::vector<std::string>>(),
          .billing = {millis_at(json, "billing_unit_ms"), millis_at(json, "billing_minimum_ms")},
          .created_at = instant_at(json, "created_at_ms"),
          .ready_at = instant_at(json, "ready_at_ms"),
          .preempt_at = optional_instant(json.at("preempt_at_ms")),
          .notice = millis_at(json, "notice_ms"),
          .ended_at = optional_instant(json.at("ended_at_ms")),
          .end_reason = json.at("end_reason").get<std::string>()};
}

Json prices_json(const std::map<std::string, std::vector<PricePoint>>& prices) {
  Json out = Json::object();
  for (const auto& [key, points] : prices) {
    Json& list = out[key] = Json::array();
    for (const PricePoint& point : points) {
      list.push_back({{"at_ms", point.at.ms}, {"micros_per_hour", point.price.micros_per_hour}});
    }
  }
  return out;
}

std::map<std::string, std::vector<PricePoint>> prices_from(const Json& json) {
  std::map<std::string, std::vector<PricePoint>> out;
  for (const auto& [key, list] : json.items()) {
    for (const Json& point : list) {
      out[key].push_back({instant_at(point, "at_ms"), {point.at("micros_per_hour").get<std::int64_t>()}});
    }
  }
  return out;
}

}  // namespace

std::string encode_cloud(const CloudRecord& record) {
  Json nodes = Json::array();
  for (const NodeRecord& node : record.nodes) { nodes.push_back(node_json(node)); }
  return dump_json({{"version", 1},
                    {"id", record.id},
                    {"started_at_ms", record.started_at.ms},
                    {"scenario", record.scenario},
                    {"prices", prices_json(record.prices)},
                    {"made_nodes", record.made_nodes},
                    {"made_gangs", record.made_gangs},
                    {"fault_calls", record.fault_calls},
                    {"preemption_gangs", record.preemption_gangs},
                    {"nodes", std::move(nodes)}});
}

Result<CloudRecord> parse_cloud(std::string_view text, const std::string& source) {
  return read_json(text, source, [&source](const Json& json) -> Result<CloudRecord> {
    if (json.at("version").get<int>() != 1) {
      return Error{.kind = ErrorKind::invalid,
                   .message = "the local cloud's records were written by another version of gpubroker",
                   .hint = "use that version until its machines are gone",
                   .source = source};
    }
    CloudRecord record{.id = json.at("id").get<std::string>(),
                       .started_at = instant_at(json, "started_at_ms"),
                       .scenario = json.at("scenario").get<std::string>(),
                       .prices = prices_from(json.at("prices")),
                       .made_nodes = json.at("made_nodes").get<std::int64_t>(),
                       .made_gangs = json.at("made_gangs").get<std::int64_t>(),
                       .fault_calls = json.at("fault_calls").get<std::vector<int>>(),
                       .preemption_gangs = json.at("preemption_gangs").get<std::vector<int>>()};
    for (const Json& node : json.at("nodes")) { record.nodes.push_back(node_from(node)); }
    return record;
  });
}

ProcessMark mark_process(Files& files, std::int64_t pid) {
  ProcessMark mark{.pid = pid};
  const Result<std::string> stat = files.read("/proc/" + std::to_string(pid) + "/stat");
  if (!stat.ok()) { return mark; }
  // The second field is the program's name in brackets, which may hold spaces and brackets itself.
  const std::size_t name_end = stat.value().rfind(')');
  if (name_end == std::string::npos) { return mark; }
  const std::vector<std::string> fields = split(trim(stat.value().substr(name_end + 1)), ' ');
  constexpr std::size_t kStart = 19;  // field 22 of the whole line
  if (fields.size() > kStart) { mark.start = fields[kStart]; }
  return mark;
}

bool is_alive(Files& files, Processes& processes, const ProcessMark& mark) {
  if (mark.pid <= 0 || !processes.is_alive(mark.pid)) { return false; }
  return mark.start.empty() || mark_process(files, mark.pid).start == mark.start;
}

std::string encode_machine(const ProcessMark& mark) {
  return dump_json({{"pid", mark.pid}, {"start", mark.start}});
}

Result<ProcessMark> parse_machine(std::string_view text) {
  return read_json(text, kMachineFile, [](const Json& json) -> Result<ProcessMark> {
    return ProcessMark{json.at("pid").get<std::int64_t>(), json.at("start").get<std::string>()};
  });
}

std::string encode_ended(const EndedNote& note) {
  return dump_json({{"at_ms", note.at.ms}, {"reason", note.reason}});
}

Result<EndedNote> parse_ended(std::string_view text) {
  return read_json(text, kEndedFile, [](const Json& json) -> Result<EndedNote> {
    return EndedNote{instant_at(json, "at_ms"), json.at("reason").get<std::string>()};
  });
}

}  // namespace gpubroker::local
