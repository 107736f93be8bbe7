#include "cmd/events.hpp"

#include <algorithm>

#include "cmd/output.hpp"
#include "core/broker/broker.hpp"
#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

std::string event(const std::string& name, const WorkloadId& id, Instant at, Json fields) {
  fields["schema"] = 1;
  fields["event"] = name;
  fields["workload"] = id.value;
  fields["at"] = format_utc(at);
  return dump_json(fields);
}

Json text_or_null(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

}  // namespace

std::int64_t last_step(const WorkloadState& state) {
  std::int64_t step = -1;
  for (const Attempt& attempt : state.attempts) { step = std::max(step, attempt.last_step); }
  return step;
}

std::size_t count_started(const Attempt& attempt) {
  return static_cast<std::size_t>(
      std::count_if(attempt.nodes.begin(), attempt.nodes.end(),
                    [](const auto& entry) { return entry.second.agent_started; }));
}

std::string launched_event(const WorkloadId& id, bool already, Instant at) {
  return event("launched", id, at, {{"already", already}});
}

std::string phase_event(const WorkloadState& state, Instant at) {
  return event("phase", state.id, at,
               {{"phase", to_string(state.phase)}, {"reason", text_or_null(state.reason)}});
}

std::string waiting_event(const WorkloadState& state, Instant at) {
  return event("waiting", state.id, at, {{"reason", text_or_null(state.wait_reason)}});
}

std::string attempt_over_event(const WorkloadState& state, const Attempt& attempt, Instant at) {
  return event("attempt_over", state.id, at,
               {{"attempt", attempt.number},
                {"place", format_offer_key(attempt.offer.key)},
                {"end", to_string(attempt.end)},
                {"reason", text_or_null(attempt.reason)}});
}

std::string progress_event(const WorkloadState& state, Instant at) {
  const std::int64_t step = last_step(state);
  return event("progress", state.id, at,
               {{"phase", to_string(state.phase)},
                {"step", step < 0 ? Json(nullptr) : Json(step)},
                {"cost_usd", format_money(state.accrued(at))}});
}

std::string starting_event(const WorkloadState& state, const Attempt& attempt, Instant at) {
  return event(
      "starting", state.id, at,
      {{"attempt", attempt.number}, {"sent", count_started(attempt)}, {"nodes", attempt.nodes.size()}});
}

std::string output_event(const WorkloadId& id, const OutputLine& line, Instant at) {
  return event("output", id, at,
               {{"attempt", line.attempt},
                {"rank", line.rank},
                {"stream", line.stream},
                {"written_at", text_or_null(line.at)},
                {"text", line.text}});
}

std::string detached_event(const WorkloadId& id, Instant at) {
  return event("detached", id, at, {{"come_back", "gpubroker attach " + id.value}});
}

std::string over_event(const WorkloadState& state, Instant at) {
  return event("over", state.id, at, parse_json(state_json(state, at)));
}

}  // namespace gpubroker
