#include <algorithm>

#include "core/base/text.hpp"
#include "core/ports/machine_tags.hpp"
#include "core/wire/answer_json.hpp"
#include "providers/azure/facts.hpp"
#include "providers/azure/machines.hpp"

namespace gpubroker::azure {
namespace {

constexpr std::string_view kSource = "azure";
constexpr std::string_view kPrefix = "gpubroker:";

bool begins(std::string_view text, std::string_view with) {
  return text.substr(0, with.size()) == with;
}

/// Our tags without the prefix. Names of tags come back in any case.
std::map<std::string, std::string> tags_of(const AnswerValue& row) {
  std::map<std::string, std::string> tags;
  const std::optional<AnswerValue> list = row.find("tags");
  if (!list) { return tags; }
  for (const auto& [name, value] : list->members()) {
    const std::string small = lower(name);
    if (begins(small, kPrefix)) { tags[small.substr(kPrefix.size())] = value.text(); }
  }
  return tags;
}

std::string tag(const std::map<std::string, std::string>& tags, const std::string& name) {
  const auto found = tags.find(name);
  return found == tags.end() ? std::string() : found->second;
}

/// As our table spells it: names of sizes come back in any case.
std::string size_name(const std::string& told) {
  const SizeFacts* const size = find_size(told);
  return size == nullptr ? told : std::string(size->size);
}

/// "2026-11-27T10:00:00.1234567+00:00". Nothing for what is none.
std::optional<Instant> moment(const std::string& text) {
  const Result<Instant> at = parse_utc(text);
  return at.ok() ? std::optional(at.value()) : std::nullopt;
}

std::string group_of(const std::string& id) {
  const std::vector<std::string> parts = split(id, '/');  // "", "subscriptions", S, "resourceGroups", G, …
  return parts.size() > 4 ? parts[4] : std::string();
}

Result<std::string> next_link(const AnswerValue& root) {
  const std::string next = root.text_or("nextLink");
  return next.empty() ? Result<std::string>(next) : parse_link(next, kArm);
}

/// One page of a list; `read` gives a row, or nothing for what is not ours.
template <class Row, class Read>
Result<Page<Row>> read_page(std::string_view body, Read read) {
  return read_answer(body, kSource, [&](const AnswerValue& root) -> Result<Page<Row>> {
    Page<Row> page;
    for (const AnswerValue& row : root.at("value").list()) {
      if (std::optional<Row> one = read(row)) { page.rows.push_back(*std::move(one)); }
    }
    TRY(page.next, next_link(root));
    return page;
  });
}

std::string state_of(const AnswerValue& row) {
  const std::optional<AnswerValue> properties = row.find("properties");
  return properties ? properties->text_or("provisioningState") : std::string();
}

std::optional<GangGroup> read_group(const AnswerValue& row) {
  GangGroup group;
  const std::map<std::string, std::string> tags = tags_of(row);
  if (!read_machine_tags(tags, group.view)) { return std::nullopt; }
  group.name = row.at("name").text();
  if (!parse_node_id(node_id(group.name, "x"))) {
    AnswerValue::refuse("\"" + group.name + "\" is no name of a group");
  }
  group.view.offer.provider = "azure";
  group.view.offer.region = lower(row.at("location").text());
  group.view.offer.zone = tag(tags, "zone");
  group.view.offer.instance_type = size_name(tag(tags, "size"));
  group.nodes = static_cast<int>(parse_int(tag(tags, "nodes")).value_or(0) % 100'000);
  group.booked = moment(tag(tags, "booked"));
  group.is_deleting = state_of(row) == "Deleting";
  for (const auto& [name, value] : tags) {
    if (!begins(name, "ended-")) { continue; }
    for (const std::string& rank : split(value, ',')) {
      if (const auto number = parse_int(rank); number && *number >= 0 && *number < group.nodes) {
        group.ended.insert(static_cast<int>(*number));
      }
    }
  }
  return group;
}

std::optional<Machine> read_machine(const AnswerValue& row) {
  Machine machine;
  NodeView& view = machine.view;
  if (!read_machine_tags(tags_of(row), view)) { return std::nullopt; }
  const std::string id = row.at("id").text();
  if (group_of(id).empty()) { AnswerValue::refuse("\"" + id + "\" is no id of a machine"); }
  const AnswerValue properties = row.at("properties");
  const std::string name = lower(row.at("name").text());
  view.id = node_id(lower(group_of(id)), name);
  if (!parse_node_id(view.id)) { AnswerValue::refuse("\"" + name + "\" is no name of a machine"); }
  view.offer.provider = "azure";
  view.offer.region = lower(row.at("location").text());
  view.offer.instance_type = size_name(properties.at("hardwareProfile").at("vmSize").text());
  if (const auto zones = row.find("zones")) {
    for (const AnswerValue& zone : zones->list()) { view.offer.zone = zone.text(); }
  }
  view.created_at = moment(properties.text_or("timeCreated")).value_or(Instant{});
  machine.id = lower(id);
  machine.group = lower(group_of(id));
  machine.state = properties.text_or("provisioningState");
  return machine;
}

/// "ProvisioningState/failed/AllocationFailed", "PowerState/running".
MachineStatus read_status(const AnswerValue& view) {
  MachineStatus status;
  const std::optional<AnswerValue> list = view.find("statuses");
  if (!list) { return status; }
  for (const AnswerValue& one : list->list()) {
    const std::string code = one.text_or("code");
    const std::vector<std::string> parts = split(code, '/');
    if (parts.size() > 1 && parts[0] == "PowerState") { status.power = lower(parts[1]); }
    if (parts[0] != "ProvisioningState") { continue; }
    status.since = moment(one.text_or("time"));
    if (parts.size() > 2) { status.failure = parts[2]; }
  }
  return status;
}

std::optional<AnswerValue> instance_view(const AnswerValue& row) {
  const std::optional<AnswerValue> properties = row.find("properties");
  return properties ? properties->find("instanceView") : std::nullopt;
}

}  // namespace

Result<Resource> parse_resource(std::string_view body) {
  return read_answer(body, kSource, [](const AnswerValue& root) -> Result<Resource> {
    const AnswerValue properties = root.at("properties");
    Resource resource{.state = properties.text_or("provisioningState", "Succeeded"),
                      .ip = properties.text_or("ipAddress"),
                      .power = {},
                      .created = moment(properties.text_or("timeCreated")).value_or(Instant{})};
    if (const auto view = instance_view(root)) { resource.power = read_status(*view).power; }
    return resource;
  });
}

Result<std::string> operation_url(const HttpResponse& answer) {
  std::string link = find_header(answer.headers, "azure-asyncoperation");
  if (link.empty() && answer.status == 202) { link = find_header(answer.headers, "location"); }
  return link.empty() ? Result<std::string>(link) : parse_link(link, kArm);
}

Result<Operation> parse_operation(const HttpResponse& answer, std::string_view what, Instant now) {
  if (answer.status == 202) { return Operation{.is_running = true}; }
  if (answer.body.empty()) { return Operation{}; }  // Location's way: 200 or 204 is the end
  return read_answer(answer.body, kSource, [&](const AnswerValue& root) -> Result<Operation> {
    const std::string status = root.text_or("status", "Succeeded");
    if (status == "Succeeded") { return Operation{}; }
    if (status != "Failed" && status != "Canceled") { return Operation{.is_running = true}; }
    // As if it had been refused at once.
    Error error = parse_error({.status = 409, .headers = {}, .body = answer.body}, what, now);
    if (error.kind == ErrorKind::conflict) {
      // Whatever the cloud calls it: here it could make none.
      error.kind = ErrorKind::capacity;
      error.scope = ErrorScope::offer;
    }
    return Operation{.is_running = false, .error = std::move(error)};
  });
}

Result<std::optional<GangGroup>> parse_group(std::string_view body) {
  return read_answer(body, kSource, [](const AnswerValue& root) -> Result<std::optional<GangGroup>> {
    return read_group(root);
  });
}

Result<Page<GangGroup>> parse_groups(std::string_view body) {
  return read_page<GangGroup>(body, read_group);
}

Result<Page<Machine>> parse_machines(std::string_view body) {
  return read_page<Machine>(body, read_machine);
}

Result<Page<std::string>> parse_living(std::string_view body) {
  return read_page<std::string>(body, [](const AnswerValue& row) -> std::optional<std::string> {
    // One that failed never ran, or its gang is over: its disk and address cost until the group goes.
    if (state_of(row) == "Deleting" || state_of(row) == "Failed") { return std::nullopt; }
    return row.at("name").text();
  });
}

Result<std::optional<SeenMachine>> parse_machine(std::string_view body) {
  return read_answer(body, kSource, [](const AnswerValue& row) -> Result<std::optional<SeenMachine>> {
    std::optional<Machine> machine = read_machine(row);
    if (!machine) { return std::optional<SeenMachine>(); }
    const std::optional<AnswerValue> view = instance_view(row);
    return std::optional(
        SeenMachine{.machine = *std::move(machine), .status = view ? read_status(*view) : MachineStatus{}});
  });
}

Result<Page<StatusRow>> parse_statuses(std::string_view body) {
  return read_page<StatusRow>(body, [](const AnswerValue& row) -> std::optional<StatusRow> {
    const std::optional<AnswerValue> view = instance_view(row);
    if (!view) { return std::nullopt; }
    return StatusRow{lower(row.at("id").text()), read_status(*view)};
  });
}

Result<Page<AddressRow>> parse_addresses(std::string_view body) {
  return read_page<AddressRow>(body, [](const AnswerValue& row) -> std::optional<AddressRow> {
    const std::optional<AnswerValue> properties = row.find("properties");
    const std::string ip = properties ? properties->text_or("ipAddress") : std::string();
    if (ip.empty()) { return std::nullopt; }
    return AddressRow{lower(row.at("id").text()), ip};
  });
}

Result<Page<std::string>> parse_reservation_groups(std::string_view body, std::string_view region) {
  return read_page<std::string>(body, [&](const AnswerValue& row) -> std::optional<std::string> {
    if (lower(row.at("location").text()) != region) { return std::nullopt; }
    return row.at("id").text();
  });
}

Result<Page<int>> parse_reservations(std::string_view body, std::string_view size) {
  return read_page<int>(body, [&](const AnswerValue& row) -> std::optional<int> {
    const AnswerValue sku = row.at("sku");
    if (size_name(sku.at("name").text()) != size) { return std::nullopt; }
    const std::optional<AnswerValue> properties = row.find("properties");
    const std::optional<AnswerValue> used =
        properties ? properties->find("virtualMachinesAssociated") : std::nullopt;
    const std::int64_t taken = used ? static_cast<std::int64_t>(used->list().size()) : 0;
    return static_cast<int>(std::max<std::int64_t>(sku.at("capacity").whole<std::int32_t>() - taken, 0));
  });
}

}  // namespace gpubroker::azure
