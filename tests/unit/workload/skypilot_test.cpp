// SkyPilot's task files: tests/fixtures/skypilot has each file and, beside it, what it became.
#include <filesystem>

#include <doctest/doctest.h>

#include "core/wire/json.hpp"
#include "core/workload/task.hpp"
#include "tests/unit/workload/golden.hpp"

namespace gpubroker {
namespace {

TaskFile parse(const std::string& name, const std::map<std::string, std::string>& envs = {}) {
  const Result<TaskFile> parsed = parse_task(testing::fixture("skypilot/" + name + ".yaml"), name + ".yaml",
                                             "/work/job", {.home = "/home/me", .envs = envs});
  if (!parsed.ok()) { FAIL(testing::printed(parsed.error())); }
  return parsed.value();
}

std::string described(const TaskFile& file, const std::string& name) {
  std::string text = dump_json(Json::parse(encode_task(file.task)), 1) + "\n";
  for (const TaskWarning& warning : file.warnings) {
    text += "warning: " + name + ".yaml:" + std::to_string(warning.line) + ":" +
            std::to_string(warning.column) + ": " + warning.message + "\n";
  }
  return text;
}

TEST_CASE("each of SkyPilot's files becomes what it means, and what is not honoured is named") {
  int count = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(GPUBROKER_FIXTURES) + "/skypilot")) {
    if (entry.path().extension() != ".yaml") { continue; }
    const std::string name = entry.path().stem();
    testing::check_golden("skypilot/" + name + ".expected", described(parse(name, {{"MODEL", "m"}}), name));
    ++count;
  }
  CHECK(count >= 10);
}

TEST_CASE("places and sizes") {
  const Task task = parse("train_ddp").task;
  REQUIRE(task.needs.size() == 1);
  const ResourceNeed& need = task.needs[0];
  CHECK(need.gpu == GpuSpec{.choices = {{.model = "A100"}}, .count = 8});
  CHECK(need.provider == "aws");
  CHECK(need.regions == std::vector<std::string>{"us-east-1"});
  CHECK(need.zone == "us-east-1a");
  CHECK(need.cpus == SizeNeed{.amount = 96, .exact = true});
  CHECK(need.memory_mib == SizeNeed{.amount = 600 * 1024, .exact = false});
  CHECK(need.markets == std::vector<Market>{Market::spot});
  CHECK(task.num_nodes == 2);
  CHECK(task.workdir == "/home/me/code/finetune");
  CHECK(task.file_mounts == std::vector<FileMount>{{"/ckpt/7b", "/home/me/data/v2"},
                                                   {"/mnt/config.json", "/work/job/config.json"}});
  CHECK(task.secrets == std::vector<SecretNeed>{{.name = "HF_TOKEN"}});
  CHECK(task.labels == std::map<std::string, std::string>{{"stage", "2"}, {"team", "research"}});
}

TEST_CASE("a list of accelerators is an order of preference, a set is none") {
  const Task list = parse("ordered_list").task;
  CHECK(list.ordered);
  REQUIRE(list.needs.size() == 3);
  CHECK(list.needs[0].gpu == GpuSpec{.choices = {{.model = "H100"}}, .count = 4});
  CHECK(list.needs[1].gpu == GpuSpec{.choices = {{.model = "A100", .memory_gib = 80}}, .count = 8});
  CHECK(list.needs[2].cpus == SizeNeed{.amount = 16, .exact = false});
  const Task set = parse("set_of_gpus").task;
  CHECK_FALSE(set.ordered);
  REQUIRE(set.needs.size() == 3);
  CHECK(set.needs[1].gpu == GpuSpec{.choices = {{.model = "T4"}}, .count = 2});
  for (const ResourceNeed& need : set.needs) { CHECK(need.max_price == Rate{1'250'000}); }
}

TEST_CASE("any_of and ordered inherit what stands outside and may say otherwise") {
  const Task any = parse("any_of").task;
  CHECK_FALSE(any.ordered);
  REQUIRE(any.needs.size() == 3);
  CHECK(any.needs[0].gpu.count == 8);
  CHECK(any.needs[0].markets == std::vector<Market>{Market::on_demand});
  CHECK(any.needs[1].provider == "gcp");
  CHECK(any.needs[1].markets == std::vector<Market>{Market::spot});
  CHECK(any.needs[2].provider == "lambda");
  CHECK(any.needs[2].gpu.choices == std::vector<GpuChoice>{{.model = "A100", .memory_gib = 80}});
  CHECK(any.needs[2].cpus == SizeNeed{.amount = 32, .exact = false});
  CHECK(parse("ordered").task.ordered);
}

TEST_CASE("an environment variable without a value needs --env, which also beats the file") {
  CHECK(parse("serve", {{"MODEL", "big"}}).task.envs.at("MODEL") == "big");
  const Result<TaskFile> without =
      parse_task(testing::fixture("skypilot/serve.yaml"), "serve.yaml", "/work", {.home = "/home/me"});
  REQUIRE_FALSE(without.ok());
  CHECK(testing::printed(without.error()) ==
        "error: serve.yaml:10:3: `envs.MODEL`: has no value\nhint: give it here, or with --env MODEL=…\n");
  const Task other = parse("train_ddp", {{"MODEL_SIZE", "70b"}, {"NEW", "1"}}).task;
  CHECK(other.envs.at("MODEL_SIZE") == "70b");
  CHECK(other.envs.at("NEW") == "1");
  CHECK(other.file_mounts[0].target == "/ckpt/70b");
}

TEST_CASE("paths: ~, $NAME and ${NAME}, relative and absolute") {
  const auto workdir = [](const std::string& path) {
    const Result<TaskFile> parsed =
        parse_task("name: x\nrun: x\nenvs: {A: one, B: /two, C: ~/three}\nworkdir: " + path + "\n", "t.yaml",
                   "/base", {.home = "/home/me"});
    return parsed.ok() ? parsed.value().task.workdir : parsed.error().message;
  };
  CHECK(workdir(".") == "/base");
  CHECK(workdir("./a/b") == "/base/a/b");
  CHECK(workdir("../a") == "/base/../a");
  CHECK(workdir("/abs") == "/abs");
  CHECK(workdir("\"~\"") == "/home/me");
  CHECK(workdir("~/a") == "/home/me/a");
  CHECK(workdir("~you/a") == "`workdir`: whose home folder ~you/a means is not known");
  CHECK(workdir("$A/${A}s") == "/base/one/ones");
  CHECK(workdir("$B") == "/two");
  CHECK(workdir("$C") == "/home/me/three");
  CHECK(workdir("$NONE/x$") == "/base/$NONE/x$");
  CHECK(workdir("x${A") == "/base/x${A");
  CHECK(workdir("x${Aü}/${NONE}") == "/base/x${Aü}/${NONE}");  // found by the fuzzer: lost half of the ü
  CHECK(workdir("x$A$A${A}") == "/base/xoneoneone");
}

}  // namespace
}  // namespace gpubroker
