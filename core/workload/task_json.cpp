// The task as the journal keeps it.
#include "core/wire/agent_json.hpp"
#include "core/workload/task.hpp"

namespace gpubroker {
namespace {

constexpr int kVersion = 1;

void put(FlatWriter& json, const std::optional<SizeNeed>& size) {
  if (size) {
    json.open().field("amount", size->amount).field("exact", size->exact).close();
  } else {
    json.null();
  }
}

std::optional<SizeNeed> read_size(const FlatValue& from) {
  if (from.is_null()) { return std::nullopt; }
  return SizeNeed{.amount = from.at("amount").whole<std::int64_t>(), .exact = from.at("exact").boolean()};
}

void put(FlatWriter& json, const std::optional<Rate>& rate) {
  if (rate) {
    json.number(rate->micros_per_hour);
  } else {
    json.null();
  }
}

std::optional<Rate> read_rate(const FlatValue& from) {
  return from.is_null() ? std::nullopt : std::optional(Rate{from.whole<std::int64_t>()});
}

std::optional<Millis> read_millis(const FlatValue& from) {
  return from.is_null() ? std::nullopt : std::optional(from.millis());
}

void put(FlatWriter& json, const ResourceNeed& need) {
  put(json.open().name("cpus"), need.cpus);
  json.field("gpu_count", need.gpu.count).name("gpus").open_list();
  for (const GpuChoice& choice : need.gpu.choices) {
    json.open()
        .field("at_least", choice.at_least)
        .field("form", choice.form)
        .field("gib", choice.memory_gib)
        .field("model", choice.model)
        .close();
  }
  json.close_list().name("markets").open_list();
  for (const Market market : need.markets) { json.text(to_string(market)); }
  put(json.close_list().name("max_price"), need.max_price);
  put(json.name("max_price_per_gpu"), need.max_price_per_gpu);
  put(json.name("memory_mib"), need.memory_mib);
  json.field("provider", need.provider)
      .field("regions", need.regions)
      .field("type", need.instance_type)
      .field("zone", need.zone)
      .close();
}

Result<ResourceNeed> read_need(const FlatValue& from) {
  ResourceNeed need;
  need.cpus = read_size(from.at("cpus"));
  need.gpu.count = from.at("gpu_count").whole<int>();
  for (const FlatValue& choice : from.at("gpus").list()) {
    need.gpu.choices.push_back({.model = choice.at("model").text(),
                                .form = choice.at("form").text(),
                                .memory_gib = choice.at("gib").whole<int>(),
                                .at_least = choice.at("at_least").boolean()});
  }
  need.markets.clear();
  for (const std::string& name : from.at("markets").texts()) {
    const std::optional<Market> market = market_from(name);
    // Never guessed: it decides what is paid.
    if (!market) { return Error{.kind = ErrorKind::internal, .message = "no market is called " + name}; }
    need.markets.push_back(*market);
  }
  need.max_price = read_rate(from.at("max_price"));
  need.max_price_per_gpu = read_rate(from.at("max_price_per_gpu"));
  need.memory_mib = read_size(from.at("memory_mib"));
  need.provider = from.at("provider").text();
  need.regions = from.at("regions").texts();
  need.instance_type = from.at("type").text();
  need.zone = from.at("zone").text();
  return need;
}

}  // namespace

std::string encode_task(const Task& task) {
  std::optional<std::int64_t> budget;
  if (task.budget) { budget = task.budget->micros; }
  FlatWriter json;
  json.open().field("budget_micros", budget);
  write_checkpoint_spec(json.name("checkpoint"), task.checkpoint);
  json.field("deadline_ms", task.deadline).field("envs", task.envs).name("file_mounts").open_list();
  for (const FileMount& mount : task.file_mounts) {
    json.open().field("source", mount.source).field("target", mount.target).close();
  }
  json.close_list()
      .field("labels", task.labels)
      .field("max_restarts", task.max_restarts)
      .field("name", task.name)
      .name("needs")
      .open_list();
  for (const ResourceNeed& need : task.needs) { put(json, need); }
  json.close_list()
      .field("num_nodes", task.num_nodes)
      .field("ordered", task.ordered)
      .field("run", task.run)
      .name("secrets")
      .open_list();
  for (const SecretNeed& secret : task.secrets) {
    json.open().field("file", secret.file).field("name", secret.name).close();
  }
  json.close_list()
      .field("setup", task.setup)
      .field("stall_ms", task.stall)
      .field("ttl_ms", task.ttl)
      .field("version", kVersion)
      .field("workdir", task.workdir)
      .close();
  return std::move(json).take();
}

Result<Task> read_task(const FlatValue& from) {
  if (from.at("version").whole<int>() != kVersion) {
    return Error{
        .kind = ErrorKind::invalid, .message = "a task of another version", .hint = "upgrade this gpubroker"};
  }
  Task task;
  const FlatValue budget = from.at("budget_micros");
  if (!budget.is_null()) { task.budget = Money{budget.whole<std::int64_t>()}; }
  task.checkpoint = read_checkpoint_spec(from.at("checkpoint"));
  task.deadline = read_millis(from.at("deadline_ms"));
  task.envs = from.at("envs").text_map();
  for (const FlatValue& mount : from.at("file_mounts").list()) {
    task.file_mounts.push_back({.target = mount.at("target").text(), .source = mount.at("source").text()});
  }
  task.labels = from.at("labels").text_map();
  task.max_restarts = from.at("max_restarts").whole<int>();
  task.name = from.at("name").text();
  task.needs.clear();
  for (const FlatValue& item : from.at("needs").list()) {
    TRY(ResourceNeed need, read_need(item));
    task.needs.push_back(std::move(need));
  }
  task.num_nodes = from.at("num_nodes").whole<int>();
  task.ordered = from.at("ordered").boolean();
  task.run = from.at("run").text();
  for (const FlatValue& secret : from.at("secrets").list()) {
    task.secrets.push_back({.name = secret.at("name").text(), .file = secret.at("file").text()});
  }
  task.setup = from.at("setup").text();
  task.stall = read_millis(from.at("stall_ms"));
  task.ttl = read_millis(from.at("ttl_ms"));
  task.workdir = from.at("workdir").text();
  return task;
}

Result<Task> decode_task(std::string_view json) {
  return read_flat(json, "task", read_task);
}

}  // namespace gpubroker
