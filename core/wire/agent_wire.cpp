#include "core/wire/agent_wire.hpp"

#include <algorithm>
#include <array>

#include "core/wire/agent_json.hpp"
#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

constexpr std::array<std::string_view, 5> kPhases = {"setup", "restoring", "running", "draining", "exited"};
constexpr std::array<std::string_view, 3> kVerbs = {"checkpoint", "drain", "kill"};

std::optional<int> optional_int(const FlatValue& value) {
  return value.is_null() ? std::nullopt : std::optional(value.whole<int>());
}

Millis millis(const Json& from, const char* name) {
  return Millis{whole<std::int64_t>(from.at(name))};
}

/// Another version's message is not guessed at.
std::optional<Error> wrong_wire(int wire) {
  if (wire == kAgentWireVersion) { return std::nullopt; }
  return Error{.kind = ErrorKind::invalid,
               .message = "the agent speaks version " + std::to_string(wire) +
                          " of our wire, this program version " + std::to_string(kAgentWireVersion),
               .hint = "install the same gpubroker on the node as here"};
}

template <std::size_t N>
Result<std::size_t> index_of(const std::array<std::string_view, N>& names, const std::string& name) {
  const auto* const at = std::find(names.begin(), names.end(), name);
  if (at == names.end()) { return Error{.kind = ErrorKind::internal, .message = "unknown word: " + name}; }
  return static_cast<std::size_t>(at - names.begin());
}

Result<AgentSpec> read_spec(const FlatValue& from) {
  if (std::optional<Error> wrong = wrong_wire(from.at("wire").whole<int>())) { return *wrong; }
  AgentSpec spec;
  spec.attempt = from.at("attempt").whole<int>();
  spec.checkpoint = read_checkpoint_spec(from.at("checkpoint"));
  spec.env = from.at("env").text_map();
  spec.expires = from.at("expires").instant();
  spec.gpus_per_node = from.at("gpus_per_node").whole<int>();
  spec.master_port = from.at("master_port").whole<int>();
  for (const FlatValue& mount : from.at("mounts").list()) {
    spec.mounts.push_back({.target = mount.at("target").text(), .name = mount.at("name").text()});
  }
  spec.name = from.at("name").text();
  spec.node = {from.at("node").text()};
  spec.node_ips = from.at("node_ips").texts();
  spec.notice_path = from.at("notice_path").text();
  spec.output_bytes_max = from.at("output_bytes_max").whole<std::int64_t>();
  spec.provider = from.at("provider").text();
  spec.rank = from.at("rank").whole<int>();
  const FlatValue resume = from.at("resume");
  if (!resume.is_null()) { spec.resume = CheckpointId{resume.text()}; }
  spec.run = from.at("run").text();
  spec.secret_names = from.at("secret_names").texts();
  spec.setup = from.at("setup").text();
  spec.shares_machine = from.at("shares_machine").boolean();
  spec.workload = {from.at("workload").text()};
  return spec;
}

}  // namespace

std::string_view to_string(AgentPhase phase) {
  return kPhases.at(static_cast<std::size_t>(phase));
}
std::string_view to_string(AgentVerb verb) {
  return kVerbs.at(static_cast<std::size_t>(verb));
}

CheckpointSpec read_checkpoint_spec(const FlatValue& from) {
  CheckpointSpec spec;
  spec.every = from.at("every_ms").millis();
  spec.grace = from.at("grace_ms").millis();
  spec.keep = from.at("keep").whole<int>();
  spec.path = from.at("path").text();
  spec.signal = from.at("signal").text();
  spec.store = from.at("store").text();
  return spec;
}

void write_checkpoint_spec(FlatWriter& json, const CheckpointSpec& spec) {
  json.open()
      .field("every_ms", spec.every)
      .field("grace_ms", spec.grace)
      .field("keep", spec.keep)
      .field("path", spec.path)
      .field("signal", spec.signal)
      .field("store", spec.store)
      .close();
}

std::string encode_agent_spec(const AgentSpec& spec) {
  FlatWriter json;
  json.open().field("attempt", spec.attempt);
  write_checkpoint_spec(json.name("checkpoint"), spec.checkpoint);
  json.field("env", spec.env)
      .field("expires", spec.expires)
      .field("gpus_per_node", spec.gpus_per_node)
      .field("master_port", spec.master_port);
  json.name("mounts").open_list();
  for (const MountSpec& mount : spec.mounts) {
    json.open().field("name", mount.name).field("target", mount.target).close();
  }
  json.close_list()
      .field("name", spec.name)
      .field("node", spec.node.value)
      .field("node_ips", spec.node_ips)
      .field("notice_path", spec.notice_path)
      .field("output_bytes_max", spec.output_bytes_max)
      .field("provider", spec.provider)
      .field("rank", spec.rank);
  json.name("resume");
  if (spec.resume) {
    json.text(spec.resume->value);
  } else {
    json.null();
  }
  json.field("run", spec.run)
      .field("secret_names", spec.secret_names)
      .field("setup", spec.setup)
      .field("shares_machine", spec.shares_machine)
      .field("wire", spec.wire)
      .field("workload", spec.workload.value)
      .close();
  return std::move(json).take();
}

Result<AgentSpec> parse_agent_spec(std::string_view text) {
  return read_flat(text, "agent spec", read_spec);
}

void write_agent_report(FlatWriter& json, const AgentReport& report) {
  json.open()  // by the alphabet: see flat_json.hpp
      .field("attempt", report.attempt)
      .field("checkpoint_error", report.checkpoint_error)
      .field("commit_took_ms", report.commit_took)
      .field("committed", report.committed)
      .field("committed_at", report.committed_at)
      .field("committed_step", report.committed_step);
  json.field("done_requests", report.done_requests)
      .field("ended_at", report.ended_at)
      .field("exit_code", report.exit_code)
      .field("exit_signal", report.exit_signal)
      .field("expired", report.expired)
      .field("first_step", report.first_step)
      .field("first_step_at", report.first_step_at)
      .field("heartbeat_at", report.heartbeat_at)
      .field("longest_gap_ms", report.longest_gap)
      .field("notice_at", report.notice_at)
      .field("notice_until", report.notice_until)
      .field("out_of_memory", report.out_of_memory)
      .field("output_base", report.output.base)
      .field("output_end", report.output.end)
      .field("output_start", report.output.start)
      .field("phase", to_string(report.phase))
      .field("pid", report.pid)
      .field("rank", report.rank)
      .field("reason", report.reason)
      .field("run_started_at", report.run_started_at)
      .field("setup_failed", report.setup_failed)
      .field("since_progress_ms", report.since_progress)
      .field("started_at", report.started_at)
      .field("step", report.step)
      .field("step_at", report.step_at)
      .field("steps_seen", report.steps_seen)
      .field("version", report.version)
      .field("wire", report.wire)
      .close();
}

std::string encode_agent_report(const AgentReport& report) {
  FlatWriter json;
  write_agent_report(json, report);
  return std::move(json).take();
}

Result<AgentReport> read_agent_report(const FlatValue& from) {
  if (std::optional<Error> wrong = wrong_wire(from.at("wire").whole<int>())) { return *wrong; }
  AgentReport report;  // by the alphabet, as the text is: each field is found where the last one ended
  report.attempt = from.at("attempt").whole<int>();
  report.checkpoint_error = from.at("checkpoint_error").text();
  report.commit_took = from.at("commit_took_ms").millis();
  report.committed = from.at("committed").text();
  report.committed_at = from.at("committed_at").optional_instant();
  report.committed_step = from.at("committed_step").whole<std::int64_t>();
  report.done_requests = from.at("done_requests").texts();
  report.ended_at = from.at("ended_at").optional_instant();
  report.exit_code = optional_int(from.at("exit_code"));
  report.exit_signal = optional_int(from.at("exit_signal"));
  report.expired = from.at("expired").boolean();
  report.first_step = from.at("first_step").whole<std::int64_t>();
  report.first_step_at = from.at("first_step_at").optional_instant();
  report.heartbeat_at = from.at("heartbeat_at").instant();
  report.longest_gap = from.at("longest_gap_ms").millis();
  report.notice_at = from.at("notice_at").optional_instant();
  report.notice_until = from.at("notice_until").optional_instant();
  report.out_of_memory = from.at("out_of_memory").boolean();
  report.output.base = from.at("output_base").whole<std::int64_t>();
  report.output.end = from.at("output_end").whole<std::int64_t>();
  report.output.start = from.at("output_start").whole<std::int64_t>();
  TRY(const std::size_t phase, index_of(kPhases, from.at("phase").text()));
  report.phase = static_cast<AgentPhase>(phase);
  report.pid = from.at("pid").whole<std::int64_t>();
  report.rank = from.at("rank").whole<int>();
  report.reason = from.at("reason").text();
  report.run_started_at = from.at("run_started_at").optional_instant();
  report.setup_failed = from.at("setup_failed").boolean();
  report.since_progress = from.at("since_progress_ms").millis();
  report.started_at = from.at("started_at").instant();
  report.step = from.at("step").whole<std::int64_t>();
  report.step_at = from.at("step_at").optional_instant();
  report.steps_seen = from.at("steps_seen").whole<std::int64_t>();
  report.version = from.at("version").text();
  return report;
}

Result<AgentReport> parse_agent_report(std::string_view text) {
  return read_flat(text, "agent report", read_agent_report);
}

std::string encode_agent_request(const AgentRequest& request) {
  return dump_json({{"verb", to_string(request.verb)}, {"grace_ms", request.grace.count()}});
}

Result<AgentRequest> parse_agent_request(std::string_view text) {
  return read_json(text, "agent request", [](const Json& from) -> Result<AgentRequest> {
    TRY(const std::size_t verb, index_of(kVerbs, from.at("verb")));
    return AgentRequest{.verb = static_cast<AgentVerb>(verb), .grace = millis(from, "grace_ms")};
  });
}

std::string output_name(std::int64_t base) {
  return "output-" + std::to_string(base) + ".log";
}

std::string encode_notice(Instant until) {
  return dump_json({{"until", format_utc(until)}});
}

Result<Instant> parse_notice(std::string_view text) {
  return read_json(text, "preemption notice", [](const Json& from) -> Result<Instant> {
    Result<Instant> until = parse_utc(from.at("until").get<std::string>());
    if (!until.ok()) { return Error{.kind = ErrorKind::internal, .message = until.error().message}; }
    return until;
  });
}

}  // namespace gpubroker
