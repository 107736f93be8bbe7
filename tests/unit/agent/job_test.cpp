// What a job is given, and what it tells.
#include <doctest/doctest.h>

#include "core/base/text.hpp"
#include "core/wire/json.hpp"
#include "tests/unit/agent/harness.hpp"

namespace gpubroker {
namespace {

using testing::Node;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("agent: the environment of the job") {
  Node node;
  AgentSpec spec = node.spec("env -0 > env; pwd > pwd");
  spec.rank = 0;
  spec.node_ips = {"127.0.0.2", "127.0.0.3"};
  spec.gpus_per_node = 8;
  spec.master_port = 29'511;
  spec.env = {{"LR", "3e-4"}, {"TEXT", "two\nlines"}, {"MASTER_PORT", "4242"}};
  spec.checkpoint.path = "./ckpt";
  spec.checkpoint.store = node.store_url();
  REQUIRE(node.run(spec).exit_code == 0);
  std::map<std::string, std::string> env;
  for (const std::string& entry : split(node.text("workdir/env"), '\0')) {
    const std::size_t equals = entry.find('=');
    if (equals != std::string::npos) { env[entry.substr(0, equals)] = entry.substr(equals + 1); }
  }
  const std::map<std::string, std::string> wanted = {
      {"GPUBROKER_WORKLOAD", spec.workload.value},
      {"GPUBROKER_ATTEMPT", "1"},
      {"GPUBROKER_NODE_ID", "local/n1"},
      {"GPUBROKER_NODE_RANK", "0"},
      {"GPUBROKER_NUM_NODES", "2"},
      {"GPUBROKER_NODE_IPS", "127.0.0.2\n127.0.0.3"},
      {"GPUBROKER_NUM_GPUS_PER_NODE", "8"},
      {"GPUBROKER_CHECKPOINT_DIR", node.root() + "/workdir/ckpt"},
      {"GPUBROKER_CHECKPOINT_REQUEST", node.folder() + "/checkpoint.request"},
      {"GPUBROKER_PROGRESS", node.folder() + "/progress"},
      {"SKYPILOT_NODE_RANK", "0"},
      {"SKYPILOT_NUM_NODES", "2"},
      {"SKYPILOT_NODE_IPS", "127.0.0.2\n127.0.0.3"},
      {"SKYPILOT_NUM_GPUS_PER_NODE", "8"},
      {"SKYPILOT_TASK_ID", spec.workload.value},
      {"MASTER_ADDR", "127.0.0.2"},
      {"MASTER_PORT", "4242"},  // the user's word is the last
      {"LR", "3e-4"},
      {"TEXT", "two\nlines"}};
  // Not taken apart: the lambda of CAPTURE cannot hold the parts in clang 14.
  for (const auto& variable : wanted) {
    CAPTURE(variable.first);
    CHECK(env[variable.first] == variable.second);
  }
  CHECK(node.text("workdir/pwd") == node.root() + "/workdir\n");
}

TEST_CASE("agent: a secret is in the job's environment and nowhere else") {
  const std::string value = "s3cr3t-7f2a-value";
  Node node;
  AgentSpec spec = node.spec("test \"$TOKEN\" = \"$(cat ../expected)\" && touch seen; sleep 1000");
  spec.secret_names = {"TOKEN"};
  node.write("attempts/1/secrets.json", R"({"TOKEN": "s3cr3t-7f2a-value"})");
  node.write("expected", value);
  node.start(spec);
  node.wait_for("the job to see it", [&] { return node.files.stat(node.root() + "/workdir/seen").ok(); });
  REQUIRE(node.files.remove_all(node.root() + "/expected").ok());
  for (const std::int64_t pid : node.job_processes()) {
    CHECK_FALSE(contains(node.files.read("/proc/" + std::to_string(pid) + "/cmdline").value(), value));
  }
  node.ask("k", {.verb = AgentVerb::kill});
  CHECK(node.wait_for_agent() == 0);
  // Also not in secrets.json: it goes with the attempt.
  const Result<CommandResult> found =
      node.processes.run({.argv = {"grep", "-rl", value, node.root()}}, std::chrono::seconds{10});
  REQUIRE(found.ok());
  CHECK(found.value().out.empty());
  CHECK(found.value().exit.code == 1);
}

TEST_CASE("agent: without its secrets a job does not start, and the report says so") {
  Node node;
  AgentSpec spec = node.spec("touch started");
  spec.secret_names = {"TOKEN"};
  const AgentReport report = node.run(spec);
  CHECK(report.setup_failed);
  CHECK(contains(report.reason, "could not start run"));
  CHECK(contains(report.reason, "secrets.json"));
  CHECK_FALSE(node.files.stat(node.root() + "/workdir/started").ok());
}

TEST_CASE("agent: steps come from lines or from the progress file, garbage from neither") {
  SUBCASE("lines") {
    Node node;
    const AgentReport report =
        node.run(node.spec("echo '{\"step\": 3}'; echo '{\"step\": \"x\"}'; echo '{\"step\": 1e99}'; echo "
                           "'{\"step\"'; echo 'step 9'; "
                           "printf '{\"step\": 4}'"));
    CHECK(report.step == 4);
    CHECK(report.steps_seen == 2);
    CHECK(report.step_at.has_value());
  }
  SUBCASE("file") {
    Node node;
    node.start(
        node.spec("put() { printf '%s' \"$1\" > p && mv p \"$GPUBROKER_PROGRESS\"; }\n"
                  "put 5; while [ ! -e go1 ]; do sleep 0.01; done\n"
                  "head -c 200000 /dev/urandom > p; mv p \"$GPUBROKER_PROGRESS\"\n"
                  "touch at2; while [ ! -e go2 ]; do sleep 0.01; done\n"
                  "put '{\"step\": 7, \"loss\": 0.1}'; echo '{\"step\": 99}'\n"));
    node.wait_for("step 5", [&] { return node.report().step == 5; });
    node.write("workdir/go1", "");
    node.wait_for("garbage", [&] { return node.files.stat(node.root() + "/workdir/at2").ok(); });
    const Instant then = node.report().heartbeat_at;
    node.wait_for("another report", [&] { return node.report().heartbeat_at > then; });
    CHECK(node.report().step == 5);
    CHECK(node.agent_lives());
    node.write("workdir/go2", "");
    CHECK(node.wait_for_agent() == 0);
    CHECK(node.report().step == 7);  // and not 99: the file is the job's word
  }
}

TEST_CASE("agent: the pace of the steps is measured") {
  Node node;
  AgentSpec spec = node.spec(
      "echo '{\"step\": 1}'; sleep 0.1; echo '{\"step\": 2}'; sleep 0.6; "
      "echo '{\"step\": 3}'; sleep 1000");
  node.start(spec);
  node.wait_for("three steps", [&] { return node.report().steps_seen == 3; });
  const AgentReport third = node.report();
  CHECK(third.longest_gap >= Millis{500});
  // The first gap begins with the first step: what came before it is no step.
  CHECK(third.longest_gap < *third.step_at - *third.run_started_at + Millis{200});
  node.wait_for("the age of the last step", [&] { return node.report().since_progress >= Millis{2'000}; });
  CHECK(node.report().longest_gap == third.longest_gap);
  node.ask("k", {.verb = AgentVerb::kill});
  CHECK(node.wait_for_agent() == 0);
}

/// Packs a folder as `launch` does and gives it to the node.
void give_files(Node& node, const std::string& script) {
  const Result<CommandResult> made = node.processes.run(
      {.argv = {"bash", "-ec",
                "mkdir -p \"$0\"/pack/{workdir,mounts} \"$0\"/attempts/1; cd \"$0\"/pack; " + script +
                    "; tar -cf ../attempts/1/files.tar workdir mounts; cd ..; rm -r pack",
                node.root()}},
      std::chrono::seconds{20});
  REQUIRE(made.ok());
  REQUIRE_MESSAGE(made.value().exit.code == 0, made.value().err);
}

TEST_CASE("agent: mounts are put at their targets before the setup") {
  Node node;
  give_files(node,
             "echo code > workdir/train.py; mkdir -p workdir/data mounts/0 mounts/3/sub; echo mine > "
             "workdir/data/old; "
             "echo a > mounts/0/a; echo conf > mounts/1; echo bin > mounts/2; echo home > mounts/3/sub/h");
  AgentSpec spec =
      node.spec("cat train.py data/old data/a etc/app.conf in/model.bin ~/cache/sub/h; echo $HOME");
  spec.shares_machine = true;
  spec.mounts = {{.target = "data", .name = "x"},
                 {.target = "etc/app.conf", .name = "c"},
                 {.target = "in/", .name = "model.bin"},
                 {.target = "~/cache", .name = "y"}};
  spec.setup = "test -f data/a";
  const AgentReport report = node.run(spec);
  CHECK(report.exit_code == 0);
  for (const char* word : {"code", "mine", "a", "conf", "bin", "home"}) {
    CHECK(contains(node.output(), std::string(" out ") + word + "\n"));
  }
  CHECK(contains(node.output(), " out " + node.root() + "/home\n"));
  CHECK_FALSE(node.files.stat(node.root() + "/mounts").ok());
  CHECK_FALSE(node.files.stat(node.folder() + "/files.tar").ok());
}

TEST_CASE("agent: nothing is mounted outside of a node that shares its machine") {
  for (const char* target : {"/tmp/x-mount", "../../x", "link/x", "~/../../x", "link"}) {
    CAPTURE(target);
    Node node;
    const std::string victim = node.root() + "-victim";
    REQUIRE(node.files.make_dirs(victim, 0755).ok());
    give_files(node, "ln -s " + victim + " workdir/link; echo evil > mounts/0");
    AgentSpec spec = node.spec("true");
    spec.shares_machine = true;
    spec.mounts = {{.target = target, .name = "x"}};
    const AgentReport report = node.run(spec);
    CHECK(report.setup_failed);
    CHECK(contains(report.reason, "file_mounts."));
    CHECK(node.files.list(victim, /*recursive=*/true).value().empty());
    CHECK_FALSE(node.files.stat("/tmp/x-mount").ok());
    (void)node.files.remove_all(victim);
  }
}

}  // namespace
}  // namespace gpubroker
