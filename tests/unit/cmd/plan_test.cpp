#include <doctest/doctest.h>

#include "cmd/launch_plan.hpp"
#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

Offer offer(const std::string& region, std::int64_t micros, Market market = Market::spot, int gpus = 0) {
  Offer made;
  made.key = {.provider = "local", .region = region, .instance_type = "h8", .market = market};
  made.vcpus = 2;
  made.price = {micros};
  if (gpus > 0) { made.gpu = {.model = "H100", .count = gpus}; }
  return made;
}

TEST_CASE("the plan as a table: the first candidate is marked, the rest say why not") {
  const std::vector<Judged> judged = {
      {.offer = offer("us", 800'000)},
      {.offer = offer("eu", 950'000, Market::on_demand, 8)},
      {.offer = offer("asia", 100), .why = "3 of 4 free", .kind = "capacity"}};
  CHECK(plan_table(judged, 4, 10).aligned() ==
        "   PLACE       MACHINE  MARKET     HARDWARE  NODES  USD/H   WHY NOT\n"
        "*  local/us    h8       spot       2 vCPU    4      3.20\n"
        "-  local/eu    h8       on_demand  8 x H100  4      3.80\n"
        "-  local/asia  h8       spot       2 vCPU    4      0.0004  3 of 4 free\n");
  CHECK(plan_table(judged, 4, 1).tabbed() == "*\tlocal/us\th8\tspot\t2 vCPU\t4\t3.20\t\n");
  CHECK(price_tag(judged[0].offer, 2) == "2 x local/us/h8/spot for 1.60 USD/h");
  const Json json = Json::parse(plan_json(Task{.name = "t", .num_nodes = 2}, judged));
  CHECK(json.at("offers").at(0).at("price_usd_per_gang_hour") == "1.60");
  CHECK(json.at("offers").at(0).at("reason").is_null());
  CHECK(json.at("offers").at(2).at("kind") == "capacity");
}

TEST_CASE("when nothing fits the message says what was wanted, and the hint what would do") {
  Task task{.name = "t", .num_nodes = 1};
  task.needs[0].gpu = parse_gpu_spec("H100:8").value();
  task.needs[0].max_price_per_gpu = Rate{2'800'000};
  const std::vector<Judged> dear = {
      {.offer = offer("us", 23'920'000, Market::spot, 8), .why = "price 2.99 …", .kind = "price"},
      {.offer = offer("eu", 28'000'000, Market::spot, 8), .why = "price 3.50 …", .kind = "price"},
      {.offer = offer("eu", 1, Market::spot), .why = "other GPU", .kind = "gpu"}};
  const Error error = no_capacity(task, dear, "wait");
  CHECK(error.kind == ErrorKind::capacity);
  CHECK(error.message ==
        "no H100:8 at or under 2.80 USD per GPU-hour for 1 node (2 regions of 1 cloud asked)");
  CHECK(error.hint == "the least is 2.99/gpu-hour: raise --max-price, or wait");
  CHECK(worth_naming(dear).size() == 2);

  std::vector<Judged> full = dear;
  full[1].kind = "capacity";
  CHECK(no_capacity(task, full, "wait").hint == "wait");
  CHECK(worth_naming({dear[2]}).size() == 1);
  CHECK(no_capacity(task, {}, "wait").hint == "wait");
}

}  // namespace
}  // namespace gpubroker
