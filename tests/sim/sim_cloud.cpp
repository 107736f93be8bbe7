#include "tests/sim/sim_cloud.hpp"

#include <algorithm>

namespace gpubroker::sim {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr int kCalmStock = 6;  // per zone: any gang finds room somewhere

bool is_marked(const std::vector<NodeId>& ids, const Machine& machine) {
  return std::find(ids.begin(), ids.end(), machine.view.id) != ids.end();
}

}  // namespace

SimCloud::SimCloud(World& world, const CloudRules& its_rules) : rules(its_rules), world_(world) {
  Dice& dice = world_.dice;
  for (const std::string region : {"east", "west"}) {
    for (const Market market : {Market::spot, Market::on_demand}) {
      if (market == Market::spot && !rules.has_spot) { continue; }
      const std::int64_t base = market == Market::spot ? 500'000 : 1'500'000;
      const OfferKey key{.provider = rules.name, .region = region, .instance_type = "g8", .market = market};
      prices_[key] = {base + dice.below(1'500'000)};
    }
    for (const std::string& zone : zones()) {
      std::vector<std::pair<Millis, int>>& line = stock_[region + "/" + zone];
      line.emplace_back(Millis{0}, dice.below(7));
      for (int i = 0; i < 2; ++i) { line.emplace_back(seconds{dice.below(700)}, dice.below(7)); }
      std::sort(line.begin(), line.end());
    }
  }
}

// --- what is sold ---

std::vector<std::string> SimCloud::zones() const {
  return rules.has_zones ? std::vector<std::string>{"a", "b"} : std::vector<std::string>{""};
}

std::vector<PricePoint> SimCloud::prices(const OfferKey& key) const {
  const Rate base = prices_.at(key);
  std::vector<PricePoint> points{{world_.began, base}};
  if (key.market != Market::spot || !rules.spot_moves) { return points; }
  for (int i = 1; i < 20; ++i) {
    points.push_back({world_.began + i * minutes{7}, {base.micros_per_hour + 13'337 * (i % 5)}});
  }
  return points;
}

std::vector<Offer> SimCloud::offers() const {
  std::vector<Offer> all;
  for (const auto& [key, base] : prices_) {
    Offer offer;
    offer.key = key;
    offer.gpu = {.model = "H100", .form = "SXM", .memory_gib = 80, .count = 8};
    offer.vcpus = 96;
    offer.memory_mib = 1 << 20;
    for (const PricePoint& point : prices(key)) {
      if (point.at <= world_.now) { offer.price = point.price; }
    }
    offer.billing = rules.billing;
    offer.learnt_at = world_.now;
    offer.source = "sim";
    all.push_back(offer);
  }
  return all;
}

int SimCloud::count_alive(const std::string& region, const std::string& zone) const {
  int count = 0;
  for (const Machine* const machine : world_.alive()) {
    const bool here = machine->rules == &rules && machine->view.offer.region == region;
    count += here && (zone.empty() || machine->zone == zone) ? 1 : 0;
  }
  return count;
}

int SimCloud::stock(const std::string& region, const std::string& zone) const {
  int count = 0;
  for (const auto& [since, machines] : stock_.at(region + "/" + zone)) {
    if (world_.now >= world_.began + since) { count = machines; }
  }
  return world_.now >= calm_at ? std::max(count, kCalmStock) : count;
}

Status SimCloud::check_quota(const GangRequest& request, int count) const {
  const int taken = count_alive(request.offer.key.region, "");
  if (rules.quota == 0 || taken + count <= rules.quota) { return Ok{}; }
  return Error{.kind = ErrorKind::quota,
               .message = std::to_string(count) + " more in " + request.offer.key.region +
                          " are over the quota of " + std::to_string(rules.quota),
               .source = rules.name,
               .code = "QuotaExceeded",
               .scope = ErrorScope::region};
}

std::optional<std::string> SimCloud::find_zone(const GangRequest& request, int count) const {
  const std::string& region = request.offer.key.region;
  for (const std::string& zone : zones()) {
    if (stock(region, zone) - count_alive(region, zone) >= count) { return zone; }
  }
  return std::nullopt;
}

// --- booking ---

std::vector<Machine*> SimCloud::made_for(const Token& token) const {
  std::vector<Machine*> made;
  const auto gang = world_.gangs.find(token);
  if (gang == world_.gangs.end()) { return made; }
  for (Machine& machine : gang->second.machines) {
    if (machine.rules == &rules) { made.push_back(&machine); }
  }
  return made;
}

Error SimCloud::sold_out(const GangRequest& request) const {
  return {.kind = ErrorKind::capacity,
          .message = "no " + request.offer.key.instance_type + " in " + request.offer.key.region,
          .source = rules.name,
          .code = "InsufficientCapacity",
          .scope = ErrorScope::region};
}

/// What will become of it, from the dice.
void SimCloud::draw_fate(Machine& machine) {
  Dice& dice = world_.dice;
  const std::int64_t spread = (rules.boot_most - rules.boot_least).count();
  machine.ready_at = world_.now + rules.boot_least + Millis{dice.below(spread)};
  machine.visible_at = world_.now + Millis{dice.below(rules.sight.count() + 1)};
  if (dice.chance(15)) {
    machine.dies_at = world_.now + Millis{1 + dice.below(rules.boot_least.count())};
    machine.dies_why = "boot failure";
  } else if (dice.chance(10)) {
    machine.ready_at = kNever;
  } else if (machine.view.offer.market == Market::spot && dice.chance(300)) {
    machine.dies_at = machine.ready_at + seconds{30 + dice.below(600)};
    machine.dies_why = "preempted";
    if (rules.notice_by != NoticeBy::nobody) { machine.notice_at = *machine.dies_at - rules.notice; }
  } else if (dice.chance(15)) {
    machine.dies_at = machine.ready_at + seconds{dice.below(600)};
    machine.dies_why = "host failure";
  }
}

/// No zone: accepted, and it waits for ever.
Machine& SimCloud::make(const GangRequest& request, int rank, const std::optional<std::string>& zone) {
  Gang& gang = world_.gangs[request.token];
  gang.token = request.token;
  gang.nodes = request.nodes;
  Machine& machine = gang.machines.emplace_back();
  machine.rules = &rules;
  machine.zone = zone.value_or("");
  machine.view.id = {rules.name + "/m" + std::to_string(world_.next_machine++)};
  machine.view.token = request.token;
  machine.view.index = rank;
  machine.view.offer = request.offer.key;
  machine.view.tags = request.tags;
  machine.view.created_at = world_.now;
  if (rules.bills_boot) { machine.view.billed_from = world_.now; }
  machine.prices = rules.spot_moves ? prices(request.offer.key)
                                    : std::vector<PricePoint>{{world_.began, request.offer.price}};
  draw_fate(machine);
  if (!zone) { machine.ready_at = kNever; }
  if (!rules.leaves.empty()) { left_.insert(request.token); }
  world_.say(rules.name + " makes " + machine.view.id.value + " of " + request.token.value);
  return machine;
}

Result<std::vector<NodeView>> SimCloud::book_gang(const GangRequest& request) {
  std::vector<NodeView> views;
  for (const Machine* const machine : made_for(request.token)) { views.push_back(shown(*machine)); }
  if (!views.empty()) { return views; }
  TRY([[maybe_unused]] const Ok allowed, check_quota(request, request.nodes));
  const std::optional<std::string> zone = find_zone(request, request.nodes);
  if (!zone && !rules.waits_for_stock) { return sold_out(request); }
  for (int rank = 0; rank < request.nodes; ++rank) { views.push_back(shown(make(request, rank, zone))); }
  return views;
}

Result<NodeView> SimCloud::book_one(const GangRequest& request, int rank) {
  if (rules.knows_token) {
    for (const Machine* const machine : made_for(request.token)) {
      if (machine->view.index == rank && is_alive(*machine)) { return shown(*machine); }
    }
  }
  // What a gang needs is made first, and lies there when its machine is refused.
  if (!rules.leaves.empty()) { left_.insert(request.token); }
  TRY([[maybe_unused]] const Ok allowed, check_quota(request, 1));
  const std::optional<std::string> zone = find_zone(request, 1);
  if (!zone) { return sold_out(request); }
  return shown(make(request, rank, zone));
}

void SimCloud::terminate(const std::vector<NodeId>& nodes) {
  for (const NodeId& id : nodes) {
    Machine* const machine = world_.find(id);
    if (machine != nullptr && machine->rules == &rules) {
      world_.end_machine(*machine, world_.now, "terminated");
      machine->lies_there = false;
      const std::vector<Machine*> gang = made_for(machine->view.token);
      const bool all_ended =
          std::none_of(gang.begin(), gang.end(), [](const Machine* m) { return is_alive(*m); });
      // Where a gang is deleted whole, what was made for it goes with it.
      if (rules.deletion > Millis{0} && all_ended) { left_.erase(machine->view.token); }
    }
  }
}

// --- sight ---

bool SimCloud::is_listed(const Machine& machine) const {
  if (world_.now < machine.visible_at) { return false; }
  if (is_alive(machine) || machine.lies_there) { return true; }
  const Millis length = std::max(rules.ended_listed, rules.deletion);
  return world_.now < *machine.view.ended_at + length;
}

NodeView SimCloud::shown(const Machine& machine) const {
  NodeView view = machine.view;
  if (!rules.tells_times) {
    view.created_at = {};
    view.billed_from.reset();
    view.ended_at.reset();
    view.price = machine.prices.front().price;
  }
  if (view.end_reason == "preempted" && !rules.tells_when_taken) { view.ended_at.reset(); }
  return view;
}

std::vector<NodeView> SimCloud::list() const {
  std::vector<NodeView> views;
  for (const auto& [token, gang] : world_.gangs) {
    for (const Machine& machine : gang.machines) {
      if (machine.rules == &rules && is_listed(machine)) { views.push_back(shown(machine)); }
    }
  }
  return views;
}

// --- what lies about ---

std::vector<Leftover> SimCloud::leftovers() const {
  std::vector<Leftover> found;
  for (const Token& token : left_) {
    found.push_back({.kind = rules.leaves, .id = token.value, .token = token});
  }
  for (const auto& [token, gang] : world_.gangs) {
    for (const Machine& machine : gang.machines) {
      if (machine.rules != &rules || !machine.lies_there) { continue; }
      found.push_back(
          {.kind = "stopped machine", .id = machine.view.id.value, .token = token, .costs = true});
    }
  }
  return found;
}

Status SimCloud::remove(const std::vector<Leftover>& leftovers) {
  std::vector<NodeId> stopped;
  for (const Leftover& one : leftovers) { stopped.push_back({one.id}); }
  bool in_use = false;
  for (const Leftover& one : leftovers) {
    for (Machine* const machine : made_for(one.token)) {
      if (is_marked(stopped, *machine)) { machine->lies_there = false; }
      const bool there = is_alive(*machine) || world_.now < *machine->view.ended_at + rules.deletion;
      in_use = in_use || (there && left_.count(one.token) != 0);
    }
    if (!in_use) { left_.erase(one.token); }
  }
  if (!in_use) { return Ok{}; }
  return Error{.kind = ErrorKind::conflict, .message = "still in use", .source = rules.name};
}

// --- the way to it ---

template <class Answer, class Book>
Result<Answer> CloudProvider::send_booking(Book book) {
  const World::Luck luck = world_.draw();
  const bool twice = world_.dice.chance(world_.weather.duplicated);
  if (luck == World::Luck::late) {
    world_.late_bookings.emplace(world_.now + seconds{1 + world_.dice.below(44)}, [book] { (void)book(); });
  }
  if (luck == World::Luck::lost_after) { (void)book(); }
  if (std::optional<Error> error = bad_answer(luck)) { return *error; }
  if (twice) { (void)book(); }
  return book();
}

Result<std::vector<PricePoint>> CloudProvider::price_history(const OfferKey& key, Instant /*from*/,
                                                             Instant to) {
  if (std::optional<Error> error = bad_answer(world_.draw())) { return *error; }
  std::vector<PricePoint> points = cloud_.prices(key);
  std::erase_if(points, [&](const PricePoint& point) { return point.at > to; });
  return points;
}

Result<std::vector<NodeView>> CloudProvider::ensure_gang(const GangRequest& request) {
  if (cloud_.rules.singles) {
    Result<std::vector<NodeView>> gang = ensure_singles(*this, in_turn_, request, /*at_once=*/4);
    if (!gang.ok() && !may_go_on(gang.error())) { (void)sweep(request.token, request.offer.key); }
    return gang;
  }
  return send_booking<std::vector<NodeView>>([&cloud = cloud_, request] { return cloud.book_gang(request); });
}

Result<NodeView> CloudProvider::create_machine(const GangRequest& request, int rank) {
  return send_booking<NodeView>([&cloud = cloud_, request, rank] { return cloud.book_one(request, rank); });
}

Result<std::vector<NodeView>> CloudProvider::list() {
  if (std::optional<Error> error = bad_answer(world_.draw())) { return *error; }
  std::vector<NodeView> views = cloud_.list();
  if (forgets_) { departed_.add_to(views, world_.now - world_.began); }
  looks.push_back(world_.now);
  return views;
}

Status CloudProvider::terminate(const std::vector<NodeId>& nodes) {
  const World::Luck luck = world_.draw();
  std::vector<NodeView> there = cloud_.list();
  std::erase_if(there, [&](const NodeView& view) {
    return std::find(nodes.begin(), nodes.end(), view.id) == nodes.end();
  });
  if (luck == World::Luck::lost_after) { cloud_.terminate(nodes); }
  if (std::optional<Error> error = bad_answer(luck)) { return *error; }
  cloud_.terminate(nodes);
  if (!forgets_) { return Ok{}; }
  for (const NodeView& view : there) { departed_.remember(view, world_.now - world_.began); }
  return Ok{};
}

Result<std::vector<Leftover>> CloudProvider::leftovers() {
  if (std::optional<Error> error = bad_answer(world_.draw())) { return *error; }
  return cloud_.leftovers();
}

Status CloudProvider::remove(const std::vector<Leftover>& leftovers) {
  if (std::optional<Error> error = bad_answer(world_.draw())) { return *error; }
  return cloud_.remove(leftovers);
}

Status CloudProvider::sweep(const Token& token, const OfferKey& /*offer*/) {
  TRY(std::vector<Leftover> mine, leftovers());
  std::erase_if(mine, [&](const Leftover& one) { return one.token != token; });
  return mine.empty() ? Status(Ok{}) : remove(mine);
}

}  // namespace gpubroker::sim
