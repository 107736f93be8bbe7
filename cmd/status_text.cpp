#include "cmd/status_text.hpp"

#include <algorithm>

#include "cmd/terminal.hpp"
#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

std::string moment(Instant at, Instant now, Look look) {
  return look.relative ? relative_time(at, now) : format_utc(at);
}

/// A field of the JSON view: "-" for what is not known.
std::string field(const Json& object, const char* name) {
  const Json& value = object.at(name);
  if (value.is_null()) { return "-"; }
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string duration_field(const Json& object, const char* name) {
  const Json& value = object.at(name);
  return value.is_null() ? "-" : format_duration(Millis{value.get<std::int64_t>()});
}

void line(std::string& out, const std::string& name, const std::string& text) {
  if (text.empty()) { return; }
  const std::string label = name + ":";
  out += "  " + label + std::string(label.size() < 12 ? 12 - label.size() : 1, ' ') + plain(text) + "\n";
}

/// "3 in 2 interruptions, down for 4s in all".
std::string loss_text(const Json& view) {
  std::int64_t steps = 0;
  std::int64_t down_ms = 0;
  int interruptions = 0;
  for (const Json& attempt : view.at("attempts")) {
    if (attempt.at("lost_steps").is_null()) { continue; }
    steps += attempt.at("lost_steps").get<std::int64_t>();
    down_ms += attempt.at("downtime_ms").get<std::int64_t>();
    ++interruptions;
  }
  if (interruptions == 0) { return ""; }
  return std::to_string(steps) + " in " + std::to_string(interruptions) +
         (interruptions == 1 ? " interruption" : " interruptions") + ", down for " +
         format_duration(Millis{down_ms}) + " in all";
}

std::string place_text(const WorkloadState& state) {
  const Attempt* const attempt = state.current();
  if (attempt == nullptr) { return state.is_live() ? "no gang now" : ""; }
  return format_offer_key(attempt->offer.key) + ", " + std::to_string(state.task.num_nodes) +
         (state.task.num_nodes == 1 ? " node, " : " nodes, ") +
         format_money(hourly_cost(attempt->offer, state.task.num_nodes)) + " USD/h";
}

/// "step 40 seen; step 38 is saved as 000000000038-a002".
std::string progress_text(const WorkloadState& state) {
  std::int64_t step = -1;
  std::int64_t saved = -1;
  std::string id;
  for (const Attempt& attempt : state.attempts) {
    step = std::max(step, attempt.last_step);
    for (const auto& [rank, node] : attempt.nodes) {
      if (node.agent.committed.empty() || node.agent.committed_step < saved) { continue; }
      saved = node.agent.committed_step;
      id = node.agent.committed;
    }
  }
  std::string text = step < 0 ? "" : "step " + std::to_string(step) + " seen";
  if (!id.empty()) {
    text += (text.empty() ? "" : "; ") + ("step " + std::to_string(saved) + " is saved as " + id);
  }
  return text;
}

std::string limits_text(const WorkloadState& state, Instant now, Look look) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (state.task.budget) { add("budget " + format_money(*state.task.budget) + " USD"); }
  if (state.task.deadline) { add("deadline " + moment(state.created_at + *state.task.deadline, now, look)); }
  if (state.task.ttl) { add("machines end " + moment(state.created_at + *state.task.ttl, now, look)); }
  return text;
}

std::string who_text(const WorkloadState& state, Instant now, Look look) {
  std::string text = moment(state.created_at, now, look);
  if (!state.options.owner.empty()) { text += " for " + state.options.owner; }
  if (!state.options.key.empty()) { text += ", key " + state.options.key; }
  return text;
}

Table attempt_table(const Json& view, Instant now, Look look) {
  Table table({"ATTEMPT", "PLACE", "BEGAN", "END", "STEPS", "LOST", "DOWN", "USD", "REASON"});
  for (const Json& attempt : view.at("attempts")) {
    const Result<Instant> opened = parse_utc(attempt.at("opened_at").get<std::string>());
    const std::string from = field(attempt, "resumed_step");
    const std::string to = field(attempt, "last_step");
    table.add({field(attempt, "number") + (attempt.at("migration").get<bool>() ? " (move)" : ""),
               field(attempt, "place"), opened.ok() ? moment(opened.value(), now, look) : "-",
               attempt.at("end").is_null() ? "live" : field(attempt, "end"),
               to == "-" ? "-" : (from == "-" ? "0" : from) + ".." + to, field(attempt, "lost_steps"),
               duration_field(attempt, "downtime_ms"), field(attempt, "cost_usd"), field(attempt, "reason")});
  }
  return table;
}

Table node_table(const Json& view) {
  Table table({"ATTEMPT", "NODE", "MACHINE", "STATE", "AGENT", "EXIT", "WHY"});
  for (const Json& attempt : view.at("attempts")) {
    // A booking that arrived twice: what it cost is in the attempt's sum, so it is shown.
    for (const Json& node : attempt.at("surplus")) {
      table.add({field(attempt, "number"), field(node, "rank") + " (surplus)", field(node, "id"),
                 field(node, "state"), "-", "-", "the cloud made it a second time"});
    }
    for (const Json& node : attempt.at("nodes")) {
      std::string exit = field(node, "exit_code");
      if (!node.at("exit_signal").is_null()) { exit = "signal " + field(node, "exit_signal"); }
      std::string why = field(node, "end_reason");
      for (const char* const more : {"agent_reason", "checkpoint_error"}) {
        if (!node.at(more).is_null()) { why += (why == "-" ? "" : "; ") + field(node, more); }
      }
      if (why.size() > 1 && why.front() == '-') { why.erase(0, 1); }
      table.add({field(attempt, "number"), field(node, "rank"), field(node, "id"), field(node, "state"),
                 field(node, "agent"), exit, why});
    }
  }
  return table;
}

/// Calls that failed, in the cloud's own words.
Table try_table(const WorkloadState& state) {
  Table table({"ATTEMPT", "CALL", "FAILURES", "KIND", "WHAT WAS SAID"});
  for (const Attempt& attempt : state.attempts) {
    for (const auto& [name, pending] : attempt.actions) {
      if (pending.message.empty()) { continue; }
      table.add({std::to_string(attempt.number), name, std::to_string(pending.tries),
                 std::string(to_string(pending.kind)), pending.message});
    }
  }
  return table;
}

Table refusal_table(const WorkloadState& state, Instant now, Look look) {
  Table table({"RULED OUT", "SCOPE", "KIND", "CODE", "WHEN", "UNTIL", "WHAT WAS SAID"});
  for (const Refusal& refusal : state.refusals) {
    table.add({format_offer_key(refusal.key), std::string(to_string(refusal.scope)),
               std::string(to_string(refusal.kind)), refusal.code.empty() ? "-" : refusal.code,
               moment(refusal.at, now, look), moment(refusal.until, now, look), refusal.message});
  }
  return table;
}

void add_table(std::string& out, const Table& table, Look look, std::size_t state_column = 99) {
  if (table.empty()) { return; }
  const Table::Paint paint = [&](std::size_t column, const std::string& cell, std::string padded) {
    return look.color && column == state_column ? paint_state(cell, std::move(padded)) : padded;
  };
  out += "\n" + table.aligned("  ", paint);
}

}  // namespace

Table workload_table(const std::vector<WorkloadRow>& rows, Instant now, Look look) {
  Table table({"WORKLOAD", "PHASE", "ATTEMPTS", "NODES", "STEP", "COST", "LAUNCHED", "PLACE"});
  for (const WorkloadRow& row : rows) {
    table.add({row.id.value, row.phase, std::to_string(row.attempts), std::to_string(row.nodes),
               row.step < 0 ? "-" : std::to_string(row.step), format_money(row.settled),
               moment(row.created_at, now, look), row.place.empty() ? "-" : row.place});
  }
  return table;
}

std::string workload_text(const WorkloadState& state, Instant now, bool every_try, Look look) {
  const Json view = parse_json(state_json(state, now));
  const std::string phase(to_string(state.phase));
  std::string out = state.id.value + "  " + (look.color ? paint_state(phase, phase) : phase) +
                    (look.relative ? " (" + relative_time(state.phase_at, now) + ")"
                                   : " since " + format_utc(state.phase_at)) +
                    "\n";
  line(out, "why", state.reason);
  line(out, "waiting for", state.wait_reason);
  if (is_final(state.phase)) { line(out, "exit code", std::to_string(state.exit)); }
  line(out, "place", place_text(state));
  line(out, "progress", progress_text(state));
  line(out, "lost steps", loss_text(view));
  line(out, "cost",
       field(view, "accrued_usd") + " USD" +
           (state.is_live() ? " so far, " + field(view, "settled_usd") + " of it settled" : ""));
  line(out, "limits", limits_text(state, now, look));
  line(out, "launched", who_text(state, now, look));
  constexpr std::size_t kEndColumn = 3;
  add_table(out, attempt_table(view, now, look), look, kEndColumn);
  add_table(out, node_table(view), look);
  if (every_try) {
    add_table(out, try_table(state), look);
    add_table(out, refusal_table(state, now, look), look);
  }
  return out;
}

Table machine_table(const std::vector<FoundNode>& found, Instant now, Look look) {
  Table table({"MACHINE", "PLACE", "STATE", "WORKLOAD", "ATTEMPT", "OWNER", "EXPIRES", "WANTED"});
  for (const FoundNode& node : found) {
    const Tags& tags = node.view.tags;
    const std::string wanted = node.wanted ? "yes" : node.known ? "no" : "not in this journal";
    table.add({node.view.id.value, format_offer_key(node.view.offer), std::string(to_string(node.view.state)),
               tags.workload.value, std::to_string(tags.attempt), tags.owner.empty() ? "-" : tags.owner,
               moment(tags.expires, now, look), wanted});
  }
  return table;
}

Table leftover_table(const std::vector<FoundLeftover>& found) {
  Table table({"LEFTOVER", "ID", "PROVIDER", "REGION", "GANG", "COSTS", "WANTED"});
  for (const FoundLeftover& one : found) {
    const Leftover& left = one.leftover;
    table.add({left.kind, left.id, one.provider, left.region.empty() ? "-" : left.region,
               left.token.value.empty() ? "shared" : left.token.value, left.costs ? "yes" : "no",
               one.wanted ? "yes" : "no"});
  }
  return table;
}

std::string machines_json(const std::vector<FoundNode>& found, const std::vector<FoundLeftover>& leftovers) {
  Json machines = Json::array();
  for (const FoundNode& node : found) {
    const Tags& tags = node.view.tags;
    machines.push_back({{"id", node.view.id.value},
                        {"provider", node.provider},
                        {"place", format_offer_key(node.view.offer)},
                        {"state", to_string(node.view.state)},
                        {"workload", tags.workload.value},
                        {"attempt", tags.attempt},
                        {"key", tags.key.empty() ? Json(nullptr) : Json(tags.key)},
                        {"owner", tags.owner.empty() ? Json(nullptr) : Json(tags.owner)},
                        {"expires", format_utc(tags.expires)},
                        {"known", node.known},
                        {"wanted", node.wanted}});
  }
  Json others = Json::array();
  for (const FoundLeftover& one : leftovers) {
    const Leftover& left = one.leftover;
    others.push_back({{"kind", left.kind},
                      {"id", left.id},
                      {"provider", one.provider},
                      {"region", left.region.empty() ? Json(nullptr) : Json(left.region)},
                      {"gang", left.token.value.empty() ? Json(nullptr) : Json(left.token.value)},
                      {"costs", left.costs},
                      {"wanted", one.wanted}});
  }
  return dump_json({{"schema", 1}, {"machines", std::move(machines)}, {"leftovers", std::move(others)}});
}

}  // namespace gpubroker
