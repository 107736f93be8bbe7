// The task as the journal keeps it.
#include "core/wire/json.hpp"
#include "core/workload/task.hpp"

namespace gpubroker {
namespace {

constexpr int kVersion = 1;

template <class T, class Encode>
Json or_null(const std::optional<T>& value, Encode encode) {
  return value ? Json(encode(*value)) : Json(nullptr);
}

Json ms_or_null(const std::optional<Millis>& length) {
  return or_null(length, [](Millis ms) { return ms.count(); });
}

std::optional<Millis> optional_ms(const Json& from) {
  return from.is_null() ? std::nullopt : std::optional(Millis{whole<std::int64_t>(from)});
}

Json encode(const SizeNeed& need) {
  return {{"amount", need.amount}, {"exact", need.exact}};
}

std::optional<SizeNeed> decode_size(const Json& from) {
  if (from.is_null()) { return std::nullopt; }
  return SizeNeed{.amount = whole<std::int64_t>(from.at("amount")), .exact = from.at("exact")};
}

std::optional<Rate> decode_rate(const Json& from) {
  return from.is_null() ? std::nullopt : std::optional(Rate{whole<std::int64_t>(from)});
}

Json encode(const ResourceNeed& need) {
  Json markets = Json::array();
  for (const Market market : need.markets) { markets.push_back(to_string(market)); }
  const auto rate = [](const Rate& r) { return r.micros_per_hour; };
  const auto size = [](const SizeNeed& s) { return encode(s); };
  Json choices = Json::array();
  for (const GpuChoice& choice : need.gpu.choices) {
    choices.push_back({{"model", choice.model},
                       {"form", choice.form},
                       {"gib", choice.memory_gib},
                       {"at_least", choice.at_least}});
  }
  return {{"gpus", choices},
          {"gpu_count", need.gpu.count},
          {"cpus", or_null(need.cpus, size)},
          {"memory_mib", or_null(need.memory_mib, size)},
          {"provider", need.provider},
          {"regions", need.regions},
          {"zone", need.zone},
          {"type", need.instance_type},
          {"markets", markets},
          {"max_price", or_null(need.max_price, rate)},
          {"max_price_per_gpu", or_null(need.max_price_per_gpu, rate)}};
}

Result<ResourceNeed> decode_need(const Json& from) {
  ResourceNeed need;
  for (const Json& choice : items_of(from.at("gpus"))) {
    need.gpu.choices.push_back({.model = choice.at("model"),
                                .form = choice.at("form"),
                                .memory_gib = whole<int>(choice.at("gib")),
                                .at_least = choice.at("at_least")});
  }
  need.gpu.count = whole<int>(from.at("gpu_count"));
  need.cpus = decode_size(from.at("cpus"));
  need.memory_mib = decode_size(from.at("memory_mib"));
  need.provider = from.at("provider");
  need.regions = from.at("regions").get<std::vector<std::string>>();
  need.zone = from.at("zone");
  need.instance_type = from.at("type");
  need.markets.clear();
  for (const Json& name : items_of(from.at("markets"))) {
    const std::optional<Market> market = market_from(name.get<std::string>());
    // Never guessed: it decides what is paid.
    if (!market) {
      return Error{.kind = ErrorKind::internal, .message = "no market is called " + name.dump()};
    }
    need.markets.push_back(*market);
  }
  need.max_price = decode_rate(from.at("max_price"));
  need.max_price_per_gpu = decode_rate(from.at("max_price_per_gpu"));
  return need;
}

Json encode(const CheckpointSpec& spec) {
  return {{"path", spec.path}, {"store", spec.store},   {"every_ms", spec.every.count()},
          {"keep", spec.keep}, {"signal", spec.signal}, {"grace_ms", spec.grace.count()}};
}

CheckpointSpec decode_checkpoint(const Json& from) {
  return {.path = from.at("path"),
          .store = from.at("store"),
          .every = Millis{whole<std::int64_t>(from.at("every_ms"))},
          .keep = whole<int>(from.at("keep")),
          .signal = from.at("signal"),
          .grace = Millis{whole<std::int64_t>(from.at("grace_ms"))}};
}

Result<Task> decode(const Json& from) {
  if (whole<int>(from.at("version")) != kVersion) {
    return Error{
        .kind = ErrorKind::invalid, .message = "a task of another version", .hint = "upgrade this gpubroker"};
  }
  Task task;
  task.name = from.at("name");
  task.needs.clear();
  for (const Json& item : items_of(from.at("needs"))) {
    TRY(ResourceNeed need, decode_need(item));
    task.needs.push_back(std::move(need));
  }
  task.ordered = from.at("ordered");
  task.num_nodes = whole<int>(from.at("num_nodes"));
  task.workdir = from.at("workdir");
  task.envs = from.at("envs").get<std::map<std::string, std::string>>();
  for (const Json& secret : items_of(from.at("secrets"))) {
    task.secrets.push_back({.name = secret.at("name"), .file = secret.at("file")});
  }
  for (const Json& mount : items_of(from.at("file_mounts"))) {
    task.file_mounts.push_back({.target = mount.at("target"), .source = mount.at("source")});
  }
  task.labels = from.at("labels").get<std::map<std::string, std::string>>();
  task.setup = from.at("setup");
  task.run = from.at("run");
  task.checkpoint = decode_checkpoint(from.at("checkpoint"));
  task.stall = optional_ms(from.at("stall_ms"));
  task.deadline = optional_ms(from.at("deadline_ms"));
  task.ttl = optional_ms(from.at("ttl_ms"));
  if (!from.at("budget_micros").is_null()) {
    task.budget = Money{whole<std::int64_t>(from.at("budget_micros"))};
  }
  task.max_restarts = whole<int>(from.at("max_restarts"));
  return task;
}

}  // namespace

std::string encode_task(const Task& task) {
  Json json = {{"version", kVersion},
               {"name", task.name},
               {"needs", Json::array()},
               {"ordered", task.ordered},
               {"num_nodes", task.num_nodes},
               {"workdir", task.workdir},
               {"envs", task.envs},
               {"secrets", Json::array()},
               {"file_mounts", Json::array()},
               {"labels", task.labels},
               {"setup", task.setup},
               {"run", task.run},
               {"checkpoint", encode(task.checkpoint)},
               {"stall_ms", ms_or_null(task.stall)},
               {"deadline_ms", ms_or_null(task.deadline)},
               {"ttl_ms", ms_or_null(task.ttl)},
               {"budget_micros", or_null(task.budget, [](const Money& m) { return m.micros; })},
               {"max_restarts", task.max_restarts}};
  for (const ResourceNeed& need : task.needs) { json["needs"].push_back(encode(need)); }
  for (const SecretNeed& secret : task.secrets) {
    json["secrets"].push_back({{"name", secret.name}, {"file", secret.file}});
  }
  for (const FileMount& mount : task.file_mounts) {
    json["file_mounts"].push_back({{"target", mount.target}, {"source", mount.source}});
  }
  return dump_json(json);
}

Result<Task> decode_task(std::string_view json) {
  return read_json(json, "task", decode);
}

}  // namespace gpubroker
