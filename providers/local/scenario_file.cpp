// The scenario as a YAML file: read with the place of each mistake, written so that it reads back the same.
#include <algorithm>
#include <array>
#include <functional>
#include <set>
#include <yaml-cpp/yaml.h>

#include "core/base/text.hpp"
#include "providers/local/scenario.hpp"

namespace gpubroker::local {
namespace {

template <class T>
struct Named {
  std::string_view name;
  T value;
};
constexpr std::array<Named<CloudCall>, 4> kCalls = {{{"create", CloudCall::create},
                                                     {"list", CloudCall::list},
                                                     {"offers", CloudCall::offers},
                                                     {"terminate", CloudCall::terminate}}};
constexpr std::array<Named<FaultDeed>, 6> kDeeds = {{{"lost_answer", FaultDeed::lost_answer},
                                                     {"network", FaultDeed::network},
                                                     {"refuse_capacity", FaultDeed::refuse_capacity},
                                                     {"refuse_quota", FaultDeed::refuse_quota},
                                                     {"slow", FaultDeed::slow},
                                                     {"throttle", FaultDeed::throttle}}};
constexpr std::array<Named<Market>, 5> kMarkets = {{{"block", Market::block},
                                                    {"contract", Market::contract},
                                                    {"flex", Market::flex},
                                                    {"on_demand", Market::on_demand},
                                                    {"spot", Market::spot}}};

template <class Table, class T>
std::string name_of(const Table& table, T value) {
  for (const auto& row : table) {
    if (row.value == value) { return std::string(row.name); }
  }
  return "?";
}

Error mistake(const std::string& file, const YAML::Mark& mark, std::string message, std::string hint = "") {
  // An empty file has no place: its mark is -1.
  return Error{.kind = ErrorKind::invalid,
               .message = std::move(message),
               .hint = std::move(hint),
               .source = file + ":" + std::to_string(std::max(mark.line, 0) + 1) + ":" +
                         std::to_string(std::max(mark.column, 0) + 1)};
}

Error unknown_name(const std::string& file, const YAML::Mark& mark, const std::string& message,
                   const std::string& word, const std::vector<std::string>& names) {
  const std::string near = nearest(word, names);
  return mistake(file, mark, message,
                 near.empty() ? "one of: " + join(names, ", ") : "did you mean `" + near + "`?");
}

/// A value in the file, and what it is called in messages.
struct Spot {
  const std::string& file;
  std::string field;
  YAML::Node node;

  [[nodiscard]] Error wrong(const std::string& what) const {
    return mistake(file, node.Mark(), "`" + field + "` " + what);
  }
};

struct Field {
  std::string name;
  std::function<Status(const Spot&)> read;
  bool required = false;
};

Status read_map(const Spot& spot, const std::vector<Field>& fields) {
  if (!spot.node.IsMap()) { return spot.wrong("must be a map"); }
  std::vector<std::string> names;
  names.reserve(fields.size());
  for (const Field& field : fields) { names.push_back(field.name); }
  std::set<std::string> seen;
  for (const auto& entry : spot.node) {
    const auto key = entry.first.as<std::string>();
    const auto found = std::find(names.begin(), names.end(), key);
    if (found == names.end()) {
      return unknown_name(spot.file, entry.first.Mark(), "`" + spot.field + "` has no field `" + key + "`",
                          key, names);
    }
    if (!seen.insert(key).second) {
      return mistake(spot.file, entry.first.Mark(), "`" + key + "` is given twice");
    }
    const Field& field = fields[static_cast<std::size_t>(found - names.begin())];
    if (Status s = field.read(Spot{spot.file, key, entry.second}); !s.ok()) { return s; }
  }
  for (const Field& field : fields) {
    if (field.required && !seen.contains(field.name)) { return spot.wrong("lacks `" + field.name + "`"); }
  }
  return Ok{};
}

template <class T, class Read>
Status read_list(const Spot& spot, const std::string& item_name, std::vector<T>& out, Read read) {
  if (!spot.node.IsSequence()) { return spot.wrong("must be a list"); }
  for (const YAML::Node& node : spot.node) {
    T item;
    if (Status s = read(Spot{spot.file, item_name, node}, item); !s.ok()) { return s; }
    out.push_back(std::move(item));
  }
  return Ok{};
}

Result<std::string> scalar(const Spot& spot) {
  if (!spot.node.IsScalar()) { return spot.wrong("must be a single value"); }
  return spot.node.as<std::string>();
}

Status read_name(const Spot& spot, std::string& out) {
  TRY(out, scalar(spot));
  const auto odd = [](char c) {
    return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
             c == '_' || c == '.');
  };
  // These names become parts of keys such as "local/us-east/cpu4/spot".
  if (out.empty() || std::any_of(out.begin(), out.end(), odd)) {
    return spot.wrong("must be a name of letters, digits, '-', '_' and '.'");
  }
  return Ok{};
}

Result<std::int64_t> whole_number(const Spot& spot, std::string_view text, std::int64_t min,
                                  std::int64_t max) {
  const std::optional<std::int64_t> number = parse_int(trim(text));
  if (!number || *number < min || *number > max) {
    return spot.wrong("must be a whole number from " + std::to_string(min) + " to " + std::to_string(max) +
                      ", not \"" + std::string(text) + "\"");
  }
  return *number;
}

Status read_count(const Spot& spot, int min, int& out) {
  TRY(const std::string text, scalar(spot));
  TRY(const std::int64_t number, whole_number(spot, text, min, 1'000'000));
  out = static_cast<int>(number);
  return Ok{};
}

Result<Millis> duration(const Spot& spot, std::string_view text) {
  Result<Millis> length = parse_duration(trim(text));
  if (!length.ok()) { return spot.wrong("is not a duration: " + length.error().message); }
  return length;
}

Status read_duration(const Spot& spot, Millis& out) {
  TRY(const std::string text, scalar(spot));
  TRY(out, duration(spot, text));
  return Ok{};
}

Status read_optional_duration(const Spot& spot, std::optional<Millis>& out) {
  Millis length{0};
  if (Status s = read_duration(spot, length); !s.ok()) { return s; }
  out = length;
  return Ok{};
}

template <class Table, class T>
Status read_enum(const Spot& spot, const Table& table, T& out) {
  TRY(const std::string word, scalar(spot));
  std::vector<std::string> names;
  for (const auto& row : table) {
    if (row.name == word) {
      out = row.value;
      return Ok{};
    }
    names.emplace_back(row.name);
  }
  return unknown_name(spot.file, spot.node.Mark(), "`" + spot.field + "` cannot be \"" + word + "\"", word,
                      names);
}

Status read_flag(const Spot& spot, bool& out) {
  TRY(const std::string word, scalar(spot));
  if (word != "true" && word != "false") { return spot.wrong("must be true or false"); }
  out = word == "true";
  return Ok{};
}

Status read_memory(const Spot& spot, std::int64_t& out) {
  TRY(const std::string text, scalar(spot));
  std::string_view digits = text;
  std::int64_t factor = 1024;  // a bare number is GiB, as in task files
  if (digits.ends_with("MiB")) { factor = 1; }
  if (digits.ends_with("MiB") || digits.ends_with("GiB")) { digits.remove_suffix(3); }
  TRY(const std::int64_t number, whole_number(spot, digits, 1, 1LL << 30));
  out = number * factor;
  return Ok{};
}

Status read_accelerators(const Spot& spot, Accelerator& out) {
  TRY(const std::string text, scalar(spot));
  const Result<GpuSpec> spec = parse_gpu_spec(text);
  if (!spec.ok()) { return spot.wrong("is not a GPU: " + spec.error().message); }
  const std::vector<GpuChoice>& choices = spec.value().choices;
  if (choices.size() != 1 || choices.front().model.empty() || choices.front().at_least) {
    return spot.wrong("must name one kind of GPU, such as H100:8");
  }
  out = {choices.front().model, choices.front().form, choices.front().memory_gib, spec.value().count};
  return Ok{};
}

using ReadValue = std::function<Result<std::int64_t>(const Spot&, std::string_view)>;

Result<std::int64_t> price_value(const Spot& spot, std::string_view text) {
  const Result<Money> price = parse_money(trim(text));
  if (!price.ok() || price.value().micros < 0) {
    return spot.wrong("is not a price in US dollars per hour: \"" + std::string(text) + "\"");
  }
  return price.value().micros;
}

Result<std::int64_t> slots_value(const Spot& spot, std::string_view text) {
  return whole_number(spot, text, 0, 1'000'000);
}

Status append_step(const Spot& spot, Steps& steps, Millis at, std::int64_t value) {
  if (steps.empty() && at != Millis{0}) { return spot.wrong("must say what holds at 0s"); }
  if (!steps.empty() && at <= steps.back().at) {
    return spot.wrong("must have its times in ascending order");
  }
  steps.push_back({at, value});
  return Ok{};
}

using TextPairs = std::vector<std::pair<std::string, std::string>>;

/// `2.10`, `"0s: 2.10, 40s: 2.55"` or `{0s: 2.10, 40s: 2.55}`.
Result<TextPairs> step_texts(const Spot& spot) {
  TextPairs pairs;
  if (spot.node.IsMap()) {
    for (const auto& entry : spot.node) {
      TRY(std::string value, scalar(Spot{spot.file, spot.field, entry.second}));
      pairs.emplace_back(entry.first.as<std::string>(), std::move(value));
    }
    return pairs;
  }
  TRY(const std::string text, scalar(spot));
  if (text.find(':') == std::string::npos) { return TextPairs{{"0s", text}}; }
  for (const std::string& part : split(text, ',')) {
    const std::size_t colon = part.find(':');
    if (colon == std::string::npos) { return spot.wrong("must read like \"0s: 4, 30s: 0\""); }
    pairs.emplace_back(part.substr(0, colon), part.substr(colon + 1));
  }
  return pairs;
}

Status read_steps(const Spot& spot, const ReadValue& read, Steps& out) {
  TRY(const TextPairs pairs, step_texts(spot));
  Steps steps;
  for (const auto& [at_text, value_text] : pairs) {
    TRY(const Millis at, duration(spot, at_text));
    TRY(const std::int64_t value, read(spot, value_text));
    if (Status s = append_step(spot, steps, at, value); !s.ok()) { return s; }
  }
  if (steps.empty()) { return spot.wrong("must not be empty"); }
  const auto same = [](const Step& a, const Step& b) { return a.value == b.value; };
  steps.erase(std::unique(steps.begin(), steps.end(), same), steps.end());
  out = std::move(steps);
  return Ok{};
}

Status read_by_market(const Spot& spot, const ReadValue& read, std::map<Market, MarketPlan>& markets,
                      Steps MarketPlan::*member) {
  std::vector<Field> fields;
  fields.reserve(kMarkets.size());
  for (const Named<Market>& row : kMarkets) {
    fields.push_back({std::string(row.name), [&read, &markets, member, market = row.value](const Spot& at) {
                        return read_steps(at, read, markets[market].*member);
                      }});
  }
  return read_map(spot, fields);
}

Status read_type(const Spot& spot, InstancePlan& out) {
  Status status = read_map(
      spot,
      {{"name", [&out](const Spot& at) { return read_name(at, out.name); }, true},
       {"vcpus", [&out](const Spot& at) { return read_count(at, 1, out.vcpus); }},
       {"memory", [&out](const Spot& at) { return read_memory(at, out.memory_mib); }},
       {"accelerators", [&out](const Spot& at) { return read_accelerators(at, out.gpu); }},
       {"slots", [&out](const Spot& at) { return read_steps(at, slots_value, out.slots); }},
       {"boot", [&out](const Spot& at) { return read_optional_duration(at, out.boot); }},
       {"prices",
        [&out](const Spot& at) { return read_by_market(at, price_value, out.markets, &MarketPlan::price); },
        true},
       {"market_slots", [&out](const Spot& at) {
          return read_by_market(at, slots_value, out.markets, &MarketPlan::slots);
        }}});
  if (!status.ok()) { return status; }
  for (const auto& [market, plan] : out.markets) {
    if (plan.price.empty()) {
      return spot.wrong("has slots but no price on market " + name_of(kMarkets, market));
    }
  }
  if (out.markets.empty()) { return spot.wrong("needs a price on at least one market"); }
  return Ok{};
}

template <class T>
Status check_distinct(const Spot& spot, const std::vector<T>& items) {
  std::set<std::string> seen;
  for (const T& item : items) {
    if (!seen.insert(item.name).second) { return spot.wrong("has `" + item.name + "` twice"); }
  }
  return items.empty() ? Status(spot.wrong("must not be empty")) : Status(Ok{});
}

Status read_region(const Spot& spot, RegionPlan& out) {
  const auto quota = [&out](const Spot& at) { return read_count(at, 0, out.quota_vcpus.emplace()); };
  const auto types = [&out](const Spot& at) {
    Status status = read_list(at, "instance type", out.types, read_type);
    return status.ok() ? check_distinct(at, out.types) : status;
  };
  return read_map(spot, {{"name", [&out](const Spot& at) { return read_name(at, out.name); }, true},
                         {"quota", quota},
                         {"boot", [&out](const Spot& at) { return read_optional_duration(at, out.boot); }},
                         {"instance_types", types, true}});
}

/// `do: lost_answer`, `do: {slow: 2s}` or `do: {throttle: 500ms}`.
Status read_deed(const Spot& spot, Fault& out) {
  if (!spot.node.IsMap()) {
    if (Status s = read_enum(spot, kDeeds, out.deed); !s.ok()) { return s; }
    if (out.deed == FaultDeed::slow) { return spot.wrong("slow needs a time, as in {slow: 2s}"); }
    return Ok{};
  }
  const auto timed = [&out](FaultDeed deed) {
    return [&out, deed](const Spot& at) {
      out.deed = deed;
      return read_duration(at, out.time);
    };
  };
  if (spot.node.size() != 1) { return spot.wrong("must be one deed"); }
  return read_map(spot, {{"slow", timed(FaultDeed::slow)}, {"throttle", timed(FaultDeed::throttle)}});
}

Status read_fault(const Spot& spot, Fault& out) {
  const auto nth = [&out](const Spot& at) -> Status {
    TRY(const std::string text, scalar(at));
    if (text == "every") {
      out.nth = 0;
      return Ok{};
    }
    return read_count(at, 1, out.nth);
  };
  return read_map(spot, {{"call", [&out](const Spot& at) { return read_enum(at, kCalls, out.call); }, true},
                         {"region", [&out](const Spot& at) { return read_name(at, out.region); }},
                         {"nth", nth},
                         {"do", [&out](const Spot& at) { return read_deed(at, out); }, true}});
}

Status read_preemption(const Spot& spot, Preemption& out) {
  std::optional<Millis> every;
  std::optional<Millis> after;
  const auto nodes = [&out](const Spot& at) -> Status {
    TRY(const std::string text, scalar(at));
    if (text == "all") { return Ok{}; }
    return read_count(at, 1, out.nodes);
  };
  Status status =
      read_map(spot, {{"market", [&out](const Spot& at) { return read_enum(at, kMarkets, out.market); }},
                      {"region", [&out](const Spot& at) { return read_name(at, out.region); }},
                      {"gang", [&out](const Spot& at) { return read_count(at, 1, out.gang); }},
                      {"every", [&every](const Spot& at) { return read_optional_duration(at, every); }},
                      {"after", [&after](const Spot& at) { return read_optional_duration(at, after); }},
                      {"notice", [&out](const Spot& at) { return read_duration(at, out.notice); }},
                      {"nodes", nodes}});
  if (!status.ok()) { return status; }
  if (every.has_value() == after.has_value()) { return spot.wrong("needs either `after` or `every`"); }
  if (every && out.gang != 0) { return spot.wrong("with `every` is for all gangs: leave out `gang`"); }
  out.after = every ? *every : *after;
  if (out.notice > out.after) {
    return spot.wrong("gives its notice before the machine runs: `notice` exceeds it");
  }
  return Ok{};
}

Status read_billing(const Spot& spot, BillingRule& out) {
  const auto unit = [&out](const Spot& at) -> Status {
    if (Status s = read_duration(at, out.unit); !s.ok()) { return s; }
    return out.unit > Millis{0} ? Status(Ok{}) : Status(at.wrong("must be longer than 0s"));
  };
  return read_map(
      spot, {{"unit", unit}, {"minimum", [&out](const Spot& at) { return read_duration(at, out.minimum); }}});
}

Status read_scenario(const Spot& spot, Scenario& out) {
  const auto text = [&out](const Spot& at) -> Status {
    TRY(out.name, scalar(at));
    return Ok{};
  };
  const auto regions = [&out](const Spot& at) {
    Status status = read_list(at, "region", out.regions, read_region);
    return status.ok() ? check_distinct(at, out.regions) : status;
  };
  const auto poll = [&out](const Spot& at) -> Status {
    if (Status s = read_duration(at, out.poll_interval); !s.ok()) { return s; }
    return out.poll_interval >= Millis{10} ? Status(Ok{}) : Status(at.wrong("must be 10ms or longer"));
  };
  return read_map(
      spot, {{"name", text, true},
             {"billing", [&out](const Spot& at) { return read_billing(at, out.billing); }},
             {"boot", [&out](const Spot& at) { return read_duration(at, out.boot); }},
             {"poll_interval", poll},
             {"shows_stock", [&out](const Spot& at) { return read_flag(at, out.shows_stock); }},
             {"regions", regions, true},
             {"faults", [&out](const Spot& at) { return read_list(at, "fault", out.faults, read_fault); }},
             {"preemptions", [&out](const Spot& at) {
                return read_list(at, "preemption", out.preemptions, read_preemption);
              }}});
}

/// A region that is named by a fault or a preemption but does not exist would silently never strike.
Status check_region(const Spot& root, const char* list, std::size_t index, const std::string& region,
                    const Scenario& scenario) {
  if (region.empty() || find_region(scenario, region) != nullptr) { return Ok{}; }
  std::vector<std::string> names;
  for (const RegionPlan& plan : scenario.regions) { names.push_back(plan.name); }
  const YAML::Node node = root.node[list][index]["region"];
  return unknown_name(root.file, node.Mark(), "there is no region `" + region + "`", region, names);
}

Status check_regions(const Spot& root, const Scenario& scenario) {
  for (std::size_t i = 0; i < scenario.faults.size(); ++i) {
    if (Status s = check_region(root, "faults", i, scenario.faults[i].region, scenario); !s.ok()) {
      return s;
    }
  }
  for (std::size_t i = 0; i < scenario.preemptions.size(); ++i) {
    if (Status s = check_region(root, "preemptions", i, scenario.preemptions[i].region, scenario); !s.ok()) {
      return s;
    }
  }
  return Ok{};
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') { out += '\\'; }
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    out += c;
  }
  return out + "\"";
}

std::string ms(Millis length) {
  return std::to_string(length.count()) + "ms";
}

std::string steps_text(const Steps& steps, bool are_prices) {
  std::vector<std::string> parts;
  for (const Step& step : steps) {
    parts.push_back(ms(step.at) + ": " +
                    (are_prices ? format_money(Money{step.value}) : std::to_string(step.value)));
  }
  return "{" + join(parts, ", ") + "}";
}

std::string market_text(const InstancePlan& type, const std::string& field, Steps MarketPlan::*member) {
  std::string out;
  for (const auto& [market, plan] : type.markets) {
    if (!(plan.*member).empty()) {
      out += "          " + name_of(kMarkets, market) + ": " +
             steps_text(plan.*member, member == &MarketPlan::price) + "\n";
    }
  }
  return out.empty() ? out : "        " + field + ":\n" + out;
}

std::string type_text(const InstancePlan& type) {
  std::string out =
      "      - name: " + quoted(type.name) + "\n        vcpus: " + std::to_string(type.vcpus) + "\n";
  if (type.memory_mib > 0) { out += "        memory: " + std::to_string(type.memory_mib) + "MiB\n"; }
  if (type.gpu.count > 0) {
    const GpuSpec spec{{{type.gpu.model, type.gpu.form, type.gpu.memory_gib, false}}, type.gpu.count};
    out += "        accelerators: " + quoted(format_gpu_spec(spec)) + "\n";
  }
  if (!type.slots.empty()) { out += "        slots: " + steps_text(type.slots, /*are_prices=*/false) + "\n"; }
  if (type.boot) { out += "        boot: " + ms(*type.boot) + "\n"; }
  return out + market_text(type, "prices", &MarketPlan::price) +
         market_text(type, "market_slots", &MarketPlan::slots);
}

std::string fault_text(const Fault& fault) {
  std::string out = "  - {call: " + name_of(kCalls, fault.call);
  if (!fault.region.empty()) { out += ", region: " + quoted(fault.region); }
  out += ", nth: " + (fault.nth == 0 ? "every" : std::to_string(fault.nth));
  const std::string deed = name_of(kDeeds, fault.deed);
  const bool is_timed = fault.deed == FaultDeed::slow || fault.deed == FaultDeed::throttle;
  return out + ", do: " + (is_timed ? "{" + deed + ": " + ms(fault.time) + "}" : deed) + "}\n";
}

std::string preemption_text(const Preemption& preemption) {
  std::string out = "  - {market: " + name_of(kMarkets, preemption.market);
  if (!preemption.region.empty()) { out += ", region: " + quoted(preemption.region); }
  if (preemption.gang > 0) { out += ", gang: " + std::to_string(preemption.gang); }
  out += std::string(preemption.gang > 0 ? ", after: " : ", every: ") + ms(preemption.after);
  out += ", notice: " + ms(preemption.notice);
  return out + ", nodes: " + (preemption.nodes == 0 ? "all" : std::to_string(preemption.nodes)) + "}\n";
}

}  // namespace

Result<Scenario> parse_scenario(std::string_view yaml, const std::string& file_name) {
  // yaml-cpp speaks in exceptions; none of them leaves this function.
  try {
    const Spot root{file_name, "scenario", YAML::Load(std::string(yaml))};
    Scenario scenario;
    if (Status s = read_scenario(root, scenario); !s.ok()) { return s.error(); }
    if (Status s = check_regions(root, scenario); !s.ok()) { return s.error(); }
    return scenario;
  } catch (const YAML::Exception& e) { return mistake(file_name, e.mark, "not YAML: " + e.msg); }
}

std::string format_scenario(const Scenario& scenario) {
  std::string out = "name: " + quoted(scenario.name) + "\nbilling: {unit: " + ms(scenario.billing.unit) +
                    ", minimum: " + ms(scenario.billing.minimum) + "}\nboot: " + ms(scenario.boot) +
                    "\npoll_interval: " + ms(scenario.poll_interval) +
                    "\nshows_stock: " + (scenario.shows_stock ? "true" : "false") + "\nregions:\n";
  for (const RegionPlan& region : scenario.regions) {
    out += "  - name: " + quoted(region.name) + "\n";
    if (region.quota_vcpus) { out += "    quota: " + std::to_string(*region.quota_vcpus) + "\n"; }
    if (region.boot) { out += "    boot: " + ms(*region.boot) + "\n"; }
    out += "    instance_types:\n";
    for (const InstancePlan& type : region.types) { out += type_text(type); }
  }
  if (!scenario.faults.empty()) { out += "faults:\n"; }
  for (const Fault& fault : scenario.faults) { out += fault_text(fault); }
  if (!scenario.preemptions.empty()) { out += "preemptions:\n"; }
  for (const Preemption& preemption : scenario.preemptions) { out += preemption_text(preemption); }
  return out;
}

}  // namespace gpubroker::local
