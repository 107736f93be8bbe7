// What is shown of a workload: the projection's row and the JSON of `status`.
#include <algorithm>

#include "core/broker/broker.hpp"
#include "core/broker/continuity.hpp"
#include "core/wire/flat_json.hpp"
#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

Json text_or_null(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}
Json time_or_null(const std::optional<Instant>& at) {
  return at ? Json(format_utc(*at)) : Json(nullptr);
}
Json step_or_null(std::int64_t step) {
  return step < 0 ? Json(nullptr) : Json(step);
}

int count_live(const Attempt& attempt) {
  const auto lives = [](const NodeRecord& node) { return node.view.state != NodeState::ended; };
  return static_cast<int>(std::count_if(attempt.nodes.begin(), attempt.nodes.end(),
                                        [&](const auto& entry) { return lives(entry.second); }) +
                          std::count_if(attempt.surplus.begin(), attempt.surplus.end(), lives));
}

Money settled_of(const WorkloadState& state, int attempt) {
  Money sum;
  for (const ChargeRow& charge : state.charges) {
    if (charge.attempt == attempt) { sum.micros += charge.amount.micros; }
  }
  return sum;
}

Json node_json(const NodeRecord& node) {
  const NodeView& view = node.view;
  const AgentReport& agent = node.agent;
  return {{"id", view.id.value},
          {"rank", view.index},
          {"state", to_string(view.state)},
          {"host", text_or_null(view.address.host)},
          {"billed_from", time_or_null(view.billed_from)},
          {"ended_at", time_or_null(view.ended_at)},
          {"end_reason", text_or_null(view.end_reason)},
          {"agent", agent.version.empty() ? Json(nullptr) : Json(to_string(agent.phase))},
          {"exit_code", agent.exit_code ? Json(*agent.exit_code) : Json(nullptr)},
          {"exit_signal", agent.exit_signal ? Json(*agent.exit_signal) : Json(nullptr)},
          {"agent_reason", text_or_null(agent.reason)},
          {"checkpoint_error", text_or_null(agent.checkpoint_error)}};
}

Json attempt_json(const WorkloadState& state, const Attempt& attempt) {
  Json json = {{"number", attempt.number},
               {"place", format_offer_key(attempt.offer.key)},
               {"price_usd_per_machine_hour", format_money({attempt.offer.price.micros_per_hour})},
               {"migration", attempt.migration},
               {"opened_at", format_utc(attempt.opened_at)},
               {"ready_at", time_or_null(attempt.ready_at)},
               {"running_at", time_or_null(attempt.running_at)},
               {"drain_at", time_or_null(attempt.drain_at)},
               {"over_at", time_or_null(attempt.over_at)},
               {"end", attempt.is_over() ? Json(to_string(attempt.end)) : Json(nullptr)},
               {"reason", text_or_null(attempt.reason)},
               {"resumed_from", attempt.resume ? Json(attempt.resume->value) : Json(nullptr)},
               {"resumed_step", step_or_null(attempt.resume_step)},
               {"last_step", step_or_null(attempt.last_step)},
               {"committed_step", step_or_null(attempt.committed_step)},
               {"lost_steps", nullptr},
               {"downtime_ms", nullptr},
               {"cost_usd", format_money(settled_of(state, attempt.number))},
               {"nodes", Json::array()},
               {"surplus", Json::array()}};
  for (const Continuity& one : continuities(state)) {
    if (one.after->number != attempt.number) { continue; }
    json["lost_steps"] = one.lost_steps;
    json["downtime_ms"] = one.downtime.count();
  }
  for (const auto& [rank, node] : attempt.nodes) { json["nodes"].push_back(node_json(node)); }
  for (const NodeRecord& node : attempt.surplus) { json["surplus"].push_back(node_json(node)); }
  return json;
}

/// Whether it went on past its deadline, or goes on; null when it has none.
Json deadline_missed(const WorkloadState& state, Instant now) {
  if (!state.task.deadline) { return nullptr; }
  const Instant until = is_final(state.phase) ? state.phase_at : now;
  return until > state.created_at + *state.task.deadline;
}

}  // namespace

WorkloadRow project(const WorkloadState& state) {
  WorkloadRow row;
  row.id = state.id;
  row.name = state.task.name;
  row.key = state.options.key;
  row.owner = state.options.owner;
  row.phase = std::string(to_string(state.phase));
  row.live = state.is_live();
  row.created_at = state.created_at;
  row.changed_at = state.phase_at;
  row.attempts = static_cast<int>(state.attempts.size());
  for (const Attempt& attempt : state.attempts) {
    row.nodes += count_live(attempt);
    row.place = format_offer_key(attempt.offer.key);
    row.step = std::max(row.step, attempt.last_step);
  }
  row.settled = state.settled();
  FlatWriter detail;  // written with every step of a job
  detail.open()
      .field("exit", state.exit)
      .field("num_nodes", state.task.num_nodes)
      .field("reason", state.wait_reason.empty() ? state.reason : state.wait_reason)
      .close();
  row.detail = std::move(detail).take();
  return row;
}

std::string state_json(const WorkloadState& state, Instant now) {
  Json json = {{"schema", 1},
               {"id", state.id.value},
               {"name", state.task.name},
               {"key", text_or_null(state.options.key)},
               {"owner", text_or_null(state.options.owner)},
               {"phase", to_string(state.phase)},
               {"reason", text_or_null(state.reason)},
               {"waiting_for", text_or_null(state.wait_reason)},
               {"final", is_final(state.phase)},
               {"released", !state.is_live()},
               {"exit", is_final(state.phase) ? Json(state.exit) : Json(nullptr)},
               {"created_at", format_utc(state.created_at)},
               {"phase_at", format_utc(state.phase_at)},
               {"num_nodes", state.task.num_nodes},
               {"deadline", state.task.deadline ? Json(format_utc(state.created_at + *state.task.deadline))
                                                : Json(nullptr)},
               {"deadline_missed", deadline_missed(state, now)},
               {"budget_usd", state.task.budget ? Json(format_money(*state.task.budget)) : Json(nullptr)},
               {"settled_usd", format_money(state.settled())},
               {"accrued_usd", format_money(state.accrued(now))},
               {"attempts", Json::array()},
               {"refusals", Json::array()}};
  for (const Attempt& attempt : state.attempts) { json["attempts"].push_back(attempt_json(state, attempt)); }
  for (const Refusal& refusal : state.refusals) {
    json["refusals"].push_back({{"place", format_offer_key(refusal.key)},
                                {"kind", to_string(refusal.kind)},
                                {"scope", to_string(refusal.scope)},
                                {"code", text_or_null(refusal.code)},
                                {"message", refusal.message},
                                {"at", format_utc(refusal.at)},
                                {"until", format_utc(refusal.until)}});
  }
  return dump_json(json);
}

}  // namespace gpubroker
