#include "core/wire/agent_wire.hpp"

#include <limits>
#include <set>

#include <doctest/doctest.h>

#include "core/wire/json.hpp"
#include "tests/mutation.hpp"

namespace gpubroker {
namespace {

AgentSpec full_spec() {
  return {.workload = {"llama-7k2q"},
          .name = "llama",
          .attempt = 3,
          .node = {"local/n-12"},
          .rank = 1,
          .node_ips = {"127.0.0.2", "127.0.0.3"},
          .gpus_per_node = 8,
          .master_port = 29511,
          .env = {{"LR", "3e-4"}, {"TEXT", "two\nlines, \"quotes\" and ünïcode"}},
          .secret_names = {"HF_TOKEN"},
          .mounts = {{.target = "~/data/", .name = "set.bin"}, {.target = "/etc/x", .name = "x"}},
          .shares_machine = true,
          .setup = "pip install -r requirements.txt",
          .run = "torchrun train.py\n",
          .checkpoint = {.path = "ckpt",
                         .store = "file:///srv/store",
                         .every = Millis{90'000},
                         .keep = 5,
                         .signal = "SIGUSR1",
                         .grace = Millis{20'000}},
          .resume = CheckpointId{"00000042-a3"},
          .notice_path = "notice.json",
          .provider = "aws",
          .expires = {1'795'521'600'123},
          .output_bytes_max = std::int64_t{5} << 32};
}

AgentReport full_report() {
  return {.version = "0.1.0",
          .attempt = 3,
          .rank = 1,
          .pid = std::int64_t{1} << 40,
          .phase = AgentPhase::draining,
          .heartbeat_at = {1'795'521'600'000},
          .started_at = {1'795'521'500'000},
          .run_started_at = Instant{1'795'521'510'000},
          .ended_at = Instant{1'795'521'600'000},
          .exit_code = 137,
          .exit_signal = 9,
          .reason = "killed: out of memory",
          .setup_failed = true,
          .out_of_memory = true,
          .expired = true,
          .step = std::int64_t{1} << 50,
          .step_at = Instant{1'795'521'599'000},
          .first_step = 7,
          .first_step_at = Instant{1'795'521'520'000},
          .steps_seen = 17,
          .longest_gap = Millis{61'000},
          .since_progress = Millis{250},
          .committed = "00000042-a3",
          .committed_step = 42,
          .committed_at = Instant{1'795'521'598'000},
          .commit_took = Millis{1'234},
          .checkpoint_error = "no space left",
          .notice_at = Instant{1'795'521'590'000},
          .notice_until = Instant{1'795'521'620'000},
          .done_requests = {"r1", "r2"},
          .output = {.start = 1, .base = std::int64_t{1} << 40, .end = (std::int64_t{1} << 40) + 7}};
}

TEST_CASE("specs, reports and requests come back as they were") {
  for (const AgentSpec& spec : {AgentSpec{}, full_spec()}) {
    const Result<AgentSpec> back = parse_agent_spec(encode_agent_spec(spec));
    REQUIRE(back.ok());
    CHECK(back.value() == spec);
  }
  for (const AgentReport& report : {AgentReport{}, full_report()}) {
    const Result<AgentReport> back = parse_agent_report(encode_agent_report(report));
    REQUIRE(back.ok());
    CHECK(back.value() == report);
  }
  for (const AgentVerb verb : {AgentVerb::checkpoint, AgentVerb::drain, AgentVerb::kill}) {
    const AgentRequest request{.verb = verb, .grace = Millis{1'500}};
    const Result<AgentRequest> back = parse_agent_request(encode_agent_request(request));
    REQUIRE(back.ok());
    CHECK(back.value() == request);
  }
}

TEST_CASE("every phase and verb has its own name and is read back") {
  std::set<std::string_view> names;
  for (const AgentPhase phase : {AgentPhase::setup, AgentPhase::restoring, AgentPhase::running,
                                 AgentPhase::draining, AgentPhase::exited}) {
    names.insert(to_string(phase));
    AgentReport report;
    report.phase = phase;
    const Result<AgentReport> back = parse_agent_report(encode_agent_report(report));
    REQUIRE(back.ok());
    CHECK(back.value().phase == phase);
  }
  CHECK(names == std::set<std::string_view>{"setup", "restoring", "running", "draining", "exited"});
  CHECK(to_string(AgentVerb::checkpoint) == "checkpoint");
  CHECK(to_string(AgentVerb::drain) == "drain");
  CHECK(to_string(AgentVerb::kill) == "kill");
}

TEST_CASE("absent values are null on the wire, not missing") {
  const Json report = Json::parse(encode_agent_report({}));
  for (const char* name : {"run_started_at", "ended_at", "exit_code", "exit_signal", "step_at",
                           "first_step_at", "committed_at", "notice_at", "notice_until"}) {
    CAPTURE(name);
    REQUIRE(report.contains(name));
    CHECK(report.at(name).is_null());
  }
  CHECK(Json::parse(encode_agent_spec({})).at("resume").is_null());
}

TEST_CASE("fields of a newer version of the same wire are ignored") {
  Json spec = Json::parse(encode_agent_spec(full_spec()));
  spec["colour"] = {{"deep", {1, 2}}};
  spec["checkpoint"]["colour"] = "red";
  const Result<AgentSpec> back = parse_agent_spec(spec.dump());
  REQUIRE(back.ok());
  CHECK(back.value() == full_spec());
}

TEST_CASE("another wire version is refused with a hint, even when nothing else is known of it") {
  const Result<AgentSpec> spec = parse_agent_spec(R"({"wire": 2})");
  REQUIRE_FALSE(spec.ok());
  CHECK(spec.error().kind == ErrorKind::invalid);
  CHECK(spec.error().message == "the agent speaks version 2 of our wire, this program version 1");
  CHECK(spec.error().hint == "install the same gpubroker on the node as here");
  const Result<AgentReport> report = parse_agent_report(R"({"wire": 0, "phase": "dancing"})");
  REQUIRE_FALSE(report.ok());
  CHECK(report.error().kind == ErrorKind::invalid);
}

TEST_CASE("what is not ours is internal") {
  for (const char* text : {"", "null", "[]", "{", "{}", "\xff", R"({"wire": 1})", R"({"wire": "1"})", "7"}) {
    CAPTURE(text);
    const Result<AgentSpec> spec = parse_agent_spec(text);
    REQUIRE_FALSE(spec.ok());
    CHECK(spec.error().kind == ErrorKind::internal);
    const Result<AgentReport> report = parse_agent_report(text);
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().kind == ErrorKind::internal);
    CHECK_FALSE(parse_agent_request(text).ok());
    CHECK_FALSE(parse_notice(text).ok());
  }
  CHECK_FALSE(parse_agent_request(R"({"verb": "dance", "grace_ms": 1})").ok());
}

TEST_CASE("mutants of every message are refused") {
  const std::set<std::string> optional = {
      "/run_started_at", "/ended_at",     "/exit_code", "/exit_signal",  "/step_at",
      "/first_step_at",  "/committed_at", "/notice_at", "/notice_until", "/resume"};
  // Only an explicit null is good there: a missing field is refused, as the wire always writes it.
  const auto null_is_fine = [&](const std::string& at, const Json& value) {
    return value.is_null() && optional.contains(at);
  };
  const auto never = [](const std::string&, const Json&) { return false; };
  testing::check_refuses_mutants(
      Json::parse(encode_agent_spec(full_spec())), parse_agent_spec, [&](const auto& at, const auto& value) {
        return null_is_fine(at, value) || (at.rfind("/env/", 0) == 0 && value.is_discarded());
      });
  testing::check_refuses_mutants(Json::parse(encode_agent_report(full_report())), parse_agent_report,
                                 null_is_fine);
  testing::check_refuses_mutants(Json::parse(encode_agent_request({})), parse_agent_request, never);
  testing::check_refuses_mutants(Json::parse(encode_notice({1'795'521'600'000})), parse_notice, never);
}

TEST_CASE("numbers that do not fit are refused, not cut") {
  Json spec = Json::parse(encode_agent_spec(full_spec()));
  spec["rank"] = std::int64_t{1} << 40;
  CHECK_FALSE(parse_agent_spec(spec.dump()).ok());
  spec["rank"] = 1;
  spec["output_bytes_max"] = std::numeric_limits<std::uint64_t>::max();
  CHECK_FALSE(parse_agent_spec(spec.dump()).ok());
}

TEST_CASE("a job's output that is not UTF-8 does not stop a report") {
  AgentReport report;
  report.reason = "run said \xff\xfe";
  const Result<AgentReport> back = parse_agent_report(encode_agent_report(report));
  REQUIRE(back.ok());
  CHECK(back.value().reason == "run said \xef\xbf\xbd\xef\xbf\xbd");
}

TEST_CASE("notices") {
  CHECK(encode_notice({1'795'521'600'123}) == R"({"until":"2026-11-24T12:00:00.123Z"})");
  const Result<Instant> until = parse_notice(R"({"until": "2026-11-24T13:00:00+01:00", "by": "spot"})");
  REQUIRE(until.ok());
  CHECK(until.value() == Instant{1'795'521'600'000});
  const Result<Instant> bad = parse_notice(R"({"until": "soon"})");
  REQUIRE_FALSE(bad.ok());
  CHECK(bad.error().kind == ErrorKind::internal);
}

}  // namespace
}  // namespace gpubroker
