#include <set>

#include "core/wire/json.hpp"
#include "core/workload/task.hpp"
#include "tests/mutation.hpp"

namespace gpubroker {
namespace {

Task full_task() {
  ResourceNeed need{
      .gpu = {.choices = {{.model = "H100", .form = "SXM", .memory_gib = 80, .at_least = true}, {}},
              .count = 8},
      .cpus = SizeNeed{.amount = 16, .exact = false},
      .memory_mib = SizeNeed{.amount = 65'536, .exact = true},
      .provider = "aws",
      .regions = {"us-east-1", "us-east-2"},
      .zone = "us-east-1a",
      .instance_type = "p5",
      .markets = {Market::spot, Market::on_demand},
      .max_price = Rate{12'000'000},
      .max_price_per_gpu = Rate{2'800'000}};
  return {.name = "llama",
          .needs = {need, ResourceNeed{}},
          .ordered = true,
          .num_nodes = 4,
          .workdir = "/work",
          .envs = {{"LR", "3e-4"}, {"TEXT", "two\nlines, \"quotes\" and ünïcode"}},
          .secrets = {{.name = "HF_TOKEN"}, {.name = "KEY", .file = "/etc/key"}},
          .file_mounts = {{.target = "/data", .source = "/here"}},
          .labels = {{"team", "a"}},
          .setup = "pip install x",
          .run = "train\n",
          .checkpoint = {.path = "ckpt",
                         .store = "file:///srv",
                         .every = Millis{90'000},
                         .keep = 5,
                         .signal = "SIGUSR1",
                         .grace = Millis{1}},
          .stall = Millis{600'000},
          .deadline = Millis{std::int64_t{1} << 50},
          .budget = Money{4'000'000'001},
          .ttl = Millis{7'200'000},
          .max_restarts = 7};
}

TEST_CASE("a task comes back from the journal as it was") {
  for (const Task& task : {Task{}, full_task()}) {
    const Result<Task> back = decode_task(encode_task(task));
    REQUIRE(back.ok());
    CHECK(back.value() == task);
  }
}

TEST_CASE("another version is refused with a hint") {
  Json json = Json::parse(encode_task(full_task()));
  json["version"] = 2;
  const Result<Task> task = decode_task(json.dump());
  REQUIRE_FALSE(task.ok());
  CHECK(task.error().kind == ErrorKind::invalid);
  CHECK(task.error().hint == "upgrade this gpubroker");
}

TEST_CASE("a market nobody knows is refused, not guessed") {
  Json json = Json::parse(encode_task(full_task()));
  json["needs"][0]["markets"][0] = "barter";
  CHECK(decode_task(json.dump()).error().kind == ErrorKind::internal);
}

TEST_CASE("mutants of a task are refused") {
  const std::set<std::string> optional = {"/stall_ms", "/deadline_ms", "/ttl_ms", "/budget_micros"};
  const std::set<std::string> optional_of_need = {"cpus", "memory_mib", "max_price", "max_price_per_gpu"};
  testing::check_refuses_mutants(
      Json::parse(encode_task(full_task())), decode_task, [&](const std::string& at, const Json& value) {
        const bool free_form = at.rfind("/envs/", 0) == 0 || at.rfind("/labels/", 0) == 0;
        if (value.is_discarded()) { return free_form; }
        const std::string last = at.substr(at.rfind('/') + 1);
        const bool of_need = at.rfind("/needs/", 0) == 0 && optional_of_need.contains(last);
        // The bare need of the second place has null where a size or a rate may be.
        const bool a_rate = at.rfind("/needs/1/max_price", 0) == 0 && value.is_number_integer();
        const bool a_limit = optional.contains(at) && value.is_number_integer();
        return (value.is_null() && (optional.contains(at) || of_need)) || a_rate || a_limit;
      });
}

TEST_CASE("numbers that do not fit are refused, not cut") {
  Json json = Json::parse(encode_task(full_task()));
  json["num_nodes"] = std::int64_t{1} << 33;
  CHECK_FALSE(decode_task(json.dump()).ok());
}

}  // namespace
}  // namespace gpubroker
