#include <doctest/doctest.h>

#include "core/workload/task.hpp"
#include "core/workload/task_fields.hpp"
#include "tests/unit/workload/golden.hpp"

namespace gpubroker {
namespace {

/// The task after one override; the test fails when it is refused.
Task with(const std::string& field, const std::string& value) {
  Task task;
  task.needs = {ResourceNeed{}, ResourceNeed{.provider = "gcp"}};
  const Status set = set_field(task, field, value);
  if (!set.ok()) { FAIL(testing::printed(set.error())); }
  return task;
}

std::string refused(const std::string& field, const std::string& value) {
  Task task;
  const Task before = task;
  const Status set = set_field(task, field, value);
  if (set.ok()) { return "taken"; }
  CHECK(set.error().kind == ErrorKind::invalid);
  CHECK(task == before);
  return testing::printed(set.error());
}

TEST_CASE("overrides of the command line set what they say, for every kind of machine") {
  CHECK(with("name", "new").name == "new");
  CHECK(with("num_nodes", "16").num_nodes == 16);
  CHECK(with("deadline", "36h").deadline == Millis{36 * 3'600'000});
  CHECK(with("ttl", "90m").ttl == Millis{5'400'000});
  CHECK(with("budget", "40 USD").budget == Money{40'000'000});
  CHECK(with("workdir", "/code").workdir == "/code");
  CHECK(with("env", "A=b=c").envs == std::map<std::string, std::string>{{"A", "b=c"}});
  CHECK(with("env", "A=").envs == std::map<std::string, std::string>{{"A", ""}});
  for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) {
    CAPTURE(i);
    const auto need = [&](const std::string& field, const std::string& value) {
      return with(field, value).needs[i];
    };
    CHECK(need("gpus", "H100:8").gpu == GpuSpec{.choices = {{.model = "H100"}}, .count = 8});
    CHECK(need("infra", "AWS/us-east-1/us-east-1a").provider == "aws");
    CHECK(need("infra", "aws/us-east-1/us-east-1a").zone == "us-east-1a");
    CHECK(need("infra", "*").provider.empty());
    CHECK(need("cpus", "8+").cpus == SizeNeed{.amount = 8, .exact = false});
    CHECK(need("memory", "64").memory_mib == SizeNeed{.amount = 65'536, .exact = true});
    CHECK(need("instance_type", "p5.48xlarge").instance_type == "p5.48xlarge");
    CHECK(need("use_spot", "true").markets == std::vector<Market>{Market::spot});
    CHECK(need("use_spot", "false").markets == std::vector<Market>{Market::on_demand});
    CHECK(need("region", "a, b").regions == std::vector<std::string>{"a", "b"});
    CHECK(need("max_price", "2.80/gpu-hour").max_price_per_gpu == Rate{2'800'000});
    CHECK(need("max_price", "$20/hour").max_price == Rate{20'000'000});
  }
}

TEST_CASE("overrides that cannot be are refused with the flag's name, and change nothing") {
  CHECK(refused("name", "Big Job") ==
        "error: --name: a name has lower-case letters, digits and dashes, at most 40, not `Big Job`\n"
        "hint: for example: big-job\n");
  CHECK(refused("num_nodes", "0") == "error: --num-nodes: must be a whole number from 1 to 10000\n");
  CHECK(refused("num_nodes", "two") == "error: --num-nodes: must be a whole number from 1 to 10000\n");
  CHECK(refused("budget", "-4") == "error: --budget: a budget must be above zero, not -4\n");
  CHECK(refused("budget", "0") == "error: --budget: a budget must be above zero, not 0\n");
  CHECK(refused("deadline", "soon").rfind("error: --deadline: 'soon' is not a length of time", 0) == 0);
  CHECK(refused("ttl", "5").rfind("error: --ttl: '5' is not a length of time", 0) == 0);
  CHECK(refused("env", "=b") == "error: --env: must be NAME=value\n");
  CHECK(refused("env", "A") == "error: --env: must be NAME=value\n");
  CHECK(refused("env", "A B=c") ==
        "error: --env: `A B` cannot name an environment variable\n"
        "hint: letters, digits and _, not beginning with a digit\n");
  CHECK(refused("gpus", "H100:0").rfind("error: --gpus: GPU spec 'H100:0': count must be 1 to 1024", 0) == 0);
  CHECK(refused("infra", "a/b/c/d") ==
        "error: --infra: must be provider, provider/region or provider/region/zone\n");
  CHECK(refused("cpus", "many") == "error: --cpus: must be a number like 8 or 8+, not many\n");
  CHECK(refused("memory", "-1") == "error: --memory: must be a number like 64, 64+ or 64GB+, not -1\n");
  CHECK(refused("use_spot", "perhaps") == "error: --use-spot: must be true or false\n");
  CHECK(refused("region", "a,,b") == "error: --region: must be regions separated by commas, not a,,b\n");
  CHECK(refused("region", "") == "error: --region: must be regions separated by commas, not \n");
  CHECK(refused("max_price", "2/week") ==
        "error: --max-price: a price is per `hour` (of a machine) or per `gpu-hour`, not per `week`\n");
  CHECK(refused("max_price", "0") == "error: --max-price: must be above zero\n");
  CHECK(refused("max_price", "1/2/3") != "taken");
  CHECK(refused("workdir", "here") == "error: --workdir: must be an absolute path, not here\n");
  Task task;
  CHECK(set_field(task, "colour", "red").error().kind == ErrorKind::internal);
}

TEST_CASE("sizes") {
  CHECK(parse_size("8", false).value() == SizeNeed{.amount = 8, .exact = true});
  CHECK(parse_size(" 8+ ", false).value() == SizeNeed{.amount = 8, .exact = false});
  for (const char* text : {"64", "64GB", "64gib", "64 g"}) {
    CAPTURE(text);
    CHECK(parse_size(text, true).value() == SizeNeed{.amount = 65'536, .exact = true});
  }
  for (const char* text : {"", "+", "0", "-3", "8GB", "1.5", "9999999999", "8++", "x"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_size(text, false).ok());
  }
}

TEST_CASE("names and the nearest good one") {
  for (const char* name : {"a", "7", "train-2", "a23456789-b23456789-c23456789-d234567890"}) {
    CAPTURE(name);
    CHECK(check_name(name).ok() == (std::string_view(name).size() <= 40));
    CHECK(nearest_name(name).size() <= 40);
  }
  CHECK_FALSE(check_name("").ok());
  CHECK_FALSE(check_name("-a").ok());
  CHECK_FALSE(check_name("a-").ok());
  CHECK_FALSE(check_name("A").ok());
  CHECK(nearest_name("--My Job__").substr(0, 6) == "my-job");
  CHECK(nearest_name("***").empty());
  for (const char* name : {"My Job", "_x_", "ünï", "a.b"}) {
    CAPTURE(name);
    CHECK(check_name(nearest_name(name)).ok());
  }
}

}  // namespace
}  // namespace gpubroker
