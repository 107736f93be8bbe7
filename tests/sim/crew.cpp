#include "tests/sim/crew.hpp"

#include <algorithm>

namespace gpubroker::sim {

void Crew::ripen(Sight& sight) {
  for (auto& [name, looks] : ripe_) {
    std::vector<Instant>& known = sight.looks[name];
    known.insert(known.end(), looks.begin(), looks.end());
    std::sort(known.begin(), known.end());
    looks.clear();
  }
  std::swap(ripe_, fresh_);
  for (const std::unique_ptr<CloudProvider>& cloud : clouds) {
    fresh_[cloud->name()] = std::exchange(cloud->looks, {});
  }
}

void CloudScene::brew(Instant calm_at) {
  std::vector<const CloudRules*> there;
  while (there.size() < 2) {
    there.clear();
    for (const CloudRules& rules : cloud_rules()) {
      if (world_.dice.chance(350)) { there.push_back(&rules); }
    }
  }
  for (const CloudRules* const rules : there) {
    clouds_.push_back(std::make_unique<SimCloud>(world_, *rules));
    clouds_.back()->calm_at = calm_at;
  }
}

Result<std::vector<Offer>> CloudScene::offers() {
  if (std::optional<Error> error = bad_answer(world_.draw())) { return *error; }
  std::vector<Offer> all;
  for (const std::unique_ptr<SimCloud>& cloud : clouds_) {
    for (Offer& offer : cloud->offers()) { all.push_back(std::move(offer)); }
  }
  return all;
}

Crew& CloudScene::make_crew(Plant plant) {
  Crew& crew = *crews_.emplace_back(std::make_unique<Crew>());
  for (const std::unique_ptr<SimCloud>& cloud : clouds_) {
    crew.clouds.push_back(std::make_unique<CloudProvider>(world_, *cloud));
    crew.buggy.push_back(std::make_unique<BuggyProvider>(*crew.clouds.back(), plant));
    crew.providers[cloud->rules.name] = crew.buggy.back().get();
  }
  return crew;
}

std::string CloudScene::untold() const {
  for (const std::unique_ptr<SimCloud>& cloud : clouds_) {
    for (const Leftover& one : cloud->leftovers()) {
      return cloud->rules.name + " has a " + one.kind + " of " + one.token.value + " that nobody tells";
    }
  }
  return {};
}

}  // namespace gpubroker::sim
