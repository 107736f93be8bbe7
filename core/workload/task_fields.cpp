#include "core/workload/task_fields.hpp"

#include <algorithm>

#include "core/base/text.hpp"
#include "core/workload/task.hpp"

namespace gpubroker {
namespace {

constexpr std::size_t kLongestName = 40;

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

Error invalid(const std::string& message, const std::string& hint = "") {
  return {.kind = ErrorKind::invalid, .message = message, .hint = hint};
}

Status set_text_field(Task& task, const std::string& field, const std::string& value) {
  if (field == "name") {
    TRY([[maybe_unused]] const Ok fine, check_name(value));
    task.name = value;
  } else if (field == "workdir") {
    if (value.empty() || value.front() != '/') { return invalid("must be an absolute path, not " + value); }
    task.workdir = value;
  } else if (field == "env") {
    const std::size_t equals = value.find('=');
    if (equals == std::string::npos || equals == 0) { return invalid("must be NAME=value"); }
    TRY([[maybe_unused]] const Ok fine, check_env_name(value.substr(0, equals)));
    task.envs[value.substr(0, equals)] = value.substr(equals + 1);
  } else {
    return Error{.kind = ErrorKind::internal, .message = "no field is called " + field};
  }
  return Ok{};
}

Result<std::vector<std::string>> parse_regions(const std::string& value) {
  std::vector<std::string> regions;
  for (const std::string& part : split(value, ',')) { regions.emplace_back(trim(part)); }
  if (std::count(regions.begin(), regions.end(), "") != 0) {
    return invalid("must be regions separated by commas, not " + value);
  }
  return regions;
}

Result<std::vector<Market>> parse_use_spot(const std::string& value) {
  if (value != "true" && value != "false") { return invalid("must be true or false"); }
  return std::vector<Market>{value == "true" ? Market::spot : Market::on_demand};
}

/// Fields of each acceptable kind of machine.
Result<bool> set_need_field(ResourceNeed& need, const std::string& field, const std::string& value) {
  if (field == "gpus") {
    TRY(need.gpu, parse_gpu_spec(value));
  } else if (field == "infra") {
    TRY([[maybe_unused]] const Ok set, set_infra(need, value));
  } else if (field == "cpus") {
    TRY(need.cpus, parse_size(value, /*is_memory=*/false));
  } else if (field == "memory") {
    TRY(need.memory_mib, parse_size(value, /*is_memory=*/true));
  } else if (field == "instance_type") {
    need.instance_type = value;
  } else if (field == "use_spot") {
    TRY(need.markets, parse_use_spot(value));
  } else if (field == "region") {
    TRY(need.regions, parse_regions(value));
  } else if (field == "max_price") {
    TRY([[maybe_unused]] const Ok set, set_max_price(need, value));
  } else {
    return false;
  }
  return true;
}

Result<bool> set_limit_field(Task& task, const std::string& field, const std::string& value) {
  if (field == "deadline") {
    TRY(task.deadline, parse_duration(value));
  } else if (field == "ttl") {
    TRY(task.ttl, parse_duration(value));
  } else if (field == "budget") {
    TRY(task.budget, parse_budget(value));
  } else if (field == "num_nodes") {
    const std::optional<std::int64_t> nodes = parse_int(value);
    if (!nodes || *nodes < 1 || *nodes > 10'000) { return invalid("must be a whole number from 1 to 10000"); }
    task.num_nodes = static_cast<int>(*nodes);
  } else {
    return false;
  }
  return true;
}

Status set_any_field(Task& task, const std::string& field, const std::string& value) {
  TRY(const bool limit, set_limit_field(task, field, value));
  if (limit) { return Ok{}; }
  bool known = false;
  for (ResourceNeed& need : task.needs) { TRY(known, set_need_field(need, field, value)); }
  return known ? Status(Ok{}) : set_text_field(task, field, value);
}

}  // namespace

Result<SizeNeed> parse_size(const std::string& text, bool is_memory) {
  std::string rest = lower(trim(text));
  SizeNeed need{.amount = 0, .exact = true};
  if (!rest.empty() && rest.back() == '+') {
    need.exact = false;
    rest.pop_back();
  }
  for (const std::string unit : {"gib", "gb", "g"}) {
    if (is_memory && rest.size() > unit.size() &&
        rest.compare(rest.size() - unit.size(), unit.size(), unit) == 0) {
      rest.resize(rest.size() - unit.size());
      break;
    }
  }
  const std::optional<std::int64_t> number = parse_int(trim(rest));
  if (!number || *number < 1 || *number > 1'000'000) {
    return invalid("must be a number like " + std::string(is_memory ? "64, 64+ or 64GB+" : "8 or 8+") +
                   ", not " + text);
  }
  need.amount = is_memory ? *number * 1024 : *number;
  return need;
}

Status set_max_price(ResourceNeed& need, const std::string& text) {
  const std::vector<std::string> parts = split(text, '/');
  const std::string per = parts.size() > 1 ? lower(trim(parts[1])) : "hour";
  TRY(const Money amount, parse_money(trim(parts[0])));
  if (amount.micros <= 0) { return invalid("must be above zero"); }
  if (per == "hour" || per == "h") {
    need.max_price = Rate{amount.micros};
  } else if (per == "gpu-hour" || per == "gpu-h") {
    need.max_price_per_gpu = Rate{amount.micros};
  } else {
    return invalid("a price is per `hour` (of a machine) or per `gpu-hour`, not per `" + per + "`");
  }
  return Ok{};
}

Status set_infra(ResourceNeed& need, const std::string& text) {
  const std::vector<std::string> parts = split(text, '/');
  if (parts.size() > 3) { return invalid("must be provider, provider/region or provider/region/zone"); }
  const auto part = [&](std::size_t at) {
    return at < parts.size() && parts[at] != "*" ? std::string(trim(parts[at])) : std::string{};
  };
  need.provider = lower(part(0));
  need.regions.clear();
  if (!part(1).empty()) { need.regions = {part(1)}; }
  need.zone = part(2);
  return Ok{};
}

Result<Market> parse_market(const std::string& text) {
  if (const std::optional<Market> market = market_from(lower(trim(text)))) { return *market; }
  return invalid("no market is called " + text, "known: on_demand, spot, flex, block, contract");
}

Result<Money> parse_budget(const std::string& text) {
  TRY(const Money amount, parse_money(text));
  if (amount.micros <= 0) { return invalid("a budget must be above zero, not " + text); }
  return amount;
}

Status check_name(const std::string& name) {
  if (!name.empty() && name.size() <= kLongestName && name.front() != '-' && name.back() != '-' &&
      std::all_of(name.begin(), name.end(), is_name_character)) {
    return Ok{};
  }
  const std::string better = nearest_name(name);
  return invalid("a name has lower-case letters, digits and dashes, at most 40, not `" + name + "`",
                 "for example: " + (better.empty() ? "train" : better));
}

std::string nearest_name(const std::string& name) {
  std::string better;
  for (const char c : lower(name)) { better += is_name_character(c) ? c : '-'; }
  better.erase(0, std::min(better.find_first_not_of('-'), better.size()));
  better.resize(std::min(better.size(), kLongestName));
  while (!better.empty() && better.back() == '-') { better.pop_back(); }
  return better;
}

Status check_env_name(const std::string& name) {
  const auto fine = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  const bool starts_well = !name.empty() && (name.front() < '0' || name.front() > '9');
  if (starts_well && std::all_of(name.begin(), name.end(), fine)) { return Ok{}; }
  return invalid("`" + name + "` cannot name an environment variable",
                 "letters, digits and _, not beginning with a digit");
}

Status set_field(Task& task, const std::string& field, const std::string& value) {
  Status set = set_any_field(task, field, value);
  if (set.ok()) { return set; }
  Error error = set.error();
  std::string flag = "--" + field;
  std::replace(flag.begin(), flag.end(), '_', '-');
  error.source = flag;
  return error;
}

}  // namespace gpubroker
