#include "providers/local/scenario.hpp"

#include <algorithm>

namespace gpubroker::local {

std::int64_t value_at(const Steps& steps, Millis since) {
  std::int64_t value = steps.empty() ? 0 : steps.front().value;
  for (const Step& step : steps) {
    if (step.at > since) { break; }
    value = step.value;
  }
  return value;
}

const RegionPlan* find_region(const Scenario& scenario, std::string_view region) {
  for (const RegionPlan& plan : scenario.regions) {
    if (plan.name == region) { return &plan; }
  }
  return nullptr;
}

const InstancePlan* find_type(const Scenario& scenario, std::string_view region, std::string_view type) {
  const RegionPlan* place = find_region(scenario, region);
  if (place == nullptr) { return nullptr; }
  for (const InstancePlan& plan : place->types) {
    if (plan.name == type) { return &plan; }
  }
  return nullptr;
}

Scenario make_rehearsal(const RehearsalPlan& plan) {
  const auto region = [&plan](std::string name, std::int64_t percent) {
    InstancePlan type{.name = "rehearsal",
                      .vcpus = plan.vcpus,
                      .memory_mib = plan.memory_mib,
                      .gpu = plan.gpu,
                      .slots = {{Millis{0}, 2LL * plan.nodes}}};
    type.markets[Market::on_demand].price = {{Millis{0}, 10'000 * percent}};
    type.markets[Market::spot].price = {{Millis{0}, 4'000 * percent}};
    return RegionPlan{.name = std::move(name), .types = {std::move(type)}};
  };
  Scenario scenario{.name = "rehearsal",
                    .boot = plan.boot,
                    .regions = {region("rehearsal-east", 100), region("rehearsal-west", 110)}};
  if (plan.preempt_every) {
    scenario.preemptions = {
        {.after = *plan.preempt_every, .notice = std::min(plan.notice, *plan.preempt_every)}};
  }
  return scenario;
}

}  // namespace gpubroker::local
