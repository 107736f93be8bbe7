#include "core/wire/agent_wire.hpp"

#include <algorithm>
#include <array>

#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

constexpr std::array<std::string_view, 5> kPhases = {"setup", "restoring", "running", "draining", "exited"};
constexpr std::array<std::string_view, 3> kVerbs = {"checkpoint", "drain", "kill"};

Json or_null(const std::optional<Instant>& at) {
  return at ? Json(at->ms) : Json(nullptr);
}
Json or_null(const std::optional<int>& value) {
  return value ? Json(*value) : Json(nullptr);
}

std::optional<Instant> optional_instant(const Json& from, const char* name) {
  const Json& value = from.at(name);
  return value.is_null() ? std::nullopt : std::optional(Instant{whole<std::int64_t>(value)});
}

std::optional<int> optional_int(const Json& from, const char* name) {
  const Json& value = from.at(name);
  return value.is_null() ? std::nullopt : std::optional(whole<int>(value));
}

Millis millis(const Json& from, const char* name) {
  return Millis{whole<std::int64_t>(from.at(name))};
}

/// Another version's message is not guessed at.
std::optional<Error> wrong_wire(const Json& from) {
  const int wire = whole<int>(from.at("wire"));
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

Json encode(const CheckpointSpec& spec) {
  return {{"path", spec.path}, {"store", spec.store},   {"every_ms", spec.every.count()},
          {"keep", spec.keep}, {"signal", spec.signal}, {"grace_ms", spec.grace.count()}};
}

CheckpointSpec decode_checkpoint(const Json& from) {
  return {.path = from.at("path"),
          .store = from.at("store"),
          .every = millis(from, "every_ms"),
          .keep = whole<int>(from.at("keep")),
          .signal = from.at("signal"),
          .grace = millis(from, "grace_ms")};
}

Json encode(const std::vector<MountSpec>& mounts) {
  Json list = Json::array();
  for (const MountSpec& mount : mounts) { list.push_back({{"target", mount.target}, {"name", mount.name}}); }
  return list;
}

std::vector<MountSpec> decode_mounts(const Json& from) {
  std::vector<MountSpec> mounts;
  for (const Json& one : from.get<std::vector<Json>>()) {
    mounts.push_back({.target = one.at("target"), .name = one.at("name")});
  }
  return mounts;
}

Result<AgentSpec> decode_spec(const Json& from) {
  if (std::optional<Error> wrong = wrong_wire(from)) { return *wrong; }
  AgentSpec spec;
  spec.workload = {from.at("workload")};
  spec.name = from.at("name");
  spec.attempt = whole<int>(from.at("attempt"));
  spec.node = {from.at("node")};
  spec.rank = whole<int>(from.at("rank"));
  spec.node_ips = from.at("node_ips").get<std::vector<std::string>>();
  spec.gpus_per_node = whole<int>(from.at("gpus_per_node"));
  spec.master_port = whole<int>(from.at("master_port"));
  spec.env = from.at("env").get<std::map<std::string, std::string>>();
  spec.secret_names = from.at("secret_names").get<std::vector<std::string>>();
  spec.mounts = decode_mounts(from.at("mounts"));
  spec.shares_machine = from.at("shares_machine");
  spec.setup = from.at("setup");
  spec.run = from.at("run");
  spec.checkpoint = decode_checkpoint(from.at("checkpoint"));
  if (!from.at("resume").is_null()) { spec.resume = CheckpointId{from.at("resume")}; }
  spec.notice_path = from.at("notice_path");
  spec.expires = {whole<std::int64_t>(from.at("expires"))};
  spec.output_bytes_max = whole<std::int64_t>(from.at("output_bytes_max"));
  return spec;
}

Result<AgentReport> decode_report(const Json& from) {
  if (std::optional<Error> wrong = wrong_wire(from)) { return *wrong; }
  AgentReport report;
  TRY(const std::size_t phase, index_of(kPhases, from.at("phase")));
  report.phase = static_cast<AgentPhase>(phase);
  report.version = from.at("version");
  report.attempt = whole<int>(from.at("attempt"));
  report.rank = whole<int>(from.at("rank"));
  report.pid = whole<std::int64_t>(from.at("pid"));
  report.heartbeat_at = {whole<std::int64_t>(from.at("heartbeat_at"))};
  report.started_at = {whole<std::int64_t>(from.at("started_at"))};
  report.run_started_at = optional_instant(from, "run_started_at");
  report.ended_at = optional_instant(from, "ended_at");
  report.exit_code = optional_int(from, "exit_code");
  report.exit_signal = optional_int(from, "exit_signal");
  report.reason = from.at("reason");
  report.setup_failed = from.at("setup_failed");
  report.out_of_memory = from.at("out_of_memory");
  report.expired = from.at("expired");
  report.step = whole<std::int64_t>(from.at("step"));
  report.step_at = optional_instant(from, "step_at");
  report.steps_seen = whole<std::int64_t>(from.at("steps_seen"));
  report.longest_gap = millis(from, "longest_gap_ms");
  report.since_progress = millis(from, "since_progress_ms");
  report.committed = from.at("committed");
  report.committed_step = whole<std::int64_t>(from.at("committed_step"));
  report.committed_at = optional_instant(from, "committed_at");
  report.commit_took = millis(from, "commit_took_ms");
  report.checkpoint_error = from.at("checkpoint_error");
  report.notice_at = optional_instant(from, "notice_at");
  report.notice_until = optional_instant(from, "notice_until");
  report.done_requests = from.at("done_requests").get<std::vector<std::string>>();
  report.output = {.start = whole<std::int64_t>(from.at("output_start")),
                   .base = whole<std::int64_t>(from.at("output_base")),
                   .end = whole<std::int64_t>(from.at("output_end"))};
  return report;
}

}  // namespace

std::string_view to_string(AgentPhase phase) {
  return kPhases.at(static_cast<std::size_t>(phase));
}
std::string_view to_string(AgentVerb verb) {
  return kVerbs.at(static_cast<std::size_t>(verb));
}

std::string encode_agent_spec(const AgentSpec& spec) {
  return dump_json({{"wire", spec.wire},
                    {"workload", spec.workload.value},
                    {"name", spec.name},
                    {"attempt", spec.attempt},
                    {"node", spec.node.value},
                    {"rank", spec.rank},
                    {"node_ips", spec.node_ips},
                    {"gpus_per_node", spec.gpus_per_node},
                    {"master_port", spec.master_port},
                    {"env", spec.env},
                    {"secret_names", spec.secret_names},
                    {"mounts", encode(spec.mounts)},
                    {"shares_machine", spec.shares_machine},
                    {"setup", spec.setup},
                    {"run", spec.run},
                    {"checkpoint", encode(spec.checkpoint)},
                    {"resume", spec.resume ? Json(spec.resume->value) : Json(nullptr)},
                    {"notice_path", spec.notice_path},
                    {"expires", spec.expires.ms},
                    {"output_bytes_max", spec.output_bytes_max}});
}

Result<AgentSpec> parse_agent_spec(std::string_view text) {
  return read_json(text, "agent spec", decode_spec);
}

std::string encode_agent_report(const AgentReport& report) {
  return dump_json({{"wire", report.wire},
                    {"version", report.version},
                    {"attempt", report.attempt},
                    {"rank", report.rank},
                    {"pid", report.pid},
                    {"phase", to_string(report.phase)},
                    {"heartbeat_at", report.heartbeat_at.ms},
                    {"started_at", report.started_at.ms},
                    {"run_started_at", or_null(report.run_started_at)},
                    {"ended_at", or_null(report.ended_at)},
                    {"exit_code", or_null(report.exit_code)},
                    {"exit_signal", or_null(report.exit_signal)},
                    {"reason", report.reason},
                    {"setup_failed", report.setup_failed},
                    {"out_of_memory", report.out_of_memory},
                    {"expired", report.expired},
                    {"step", report.step},
                    {"step_at", or_null(report.step_at)},
                    {"steps_seen", report.steps_seen},
                    {"longest_gap_ms", report.longest_gap.count()},
                    {"since_progress_ms", report.since_progress.count()},
                    {"committed", report.committed},
                    {"committed_step", report.committed_step},
                    {"committed_at", or_null(report.committed_at)},
                    {"commit_took_ms", report.commit_took.count()},
                    {"checkpoint_error", report.checkpoint_error},
                    {"notice_at", or_null(report.notice_at)},
                    {"notice_until", or_null(report.notice_until)},
                    {"done_requests", report.done_requests},
                    {"output_start", report.output.start},
                    {"output_base", report.output.base},
                    {"output_end", report.output.end}});
}

Result<AgentReport> parse_agent_report(std::string_view text) {
  return read_json(text, "agent report", decode_report);
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
