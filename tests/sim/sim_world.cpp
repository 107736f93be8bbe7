#include "tests/sim/sim_world.hpp"

#include <algorithm>

namespace gpubroker::sim {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::int64_t kSaveEvery = 20;  // steps; a step takes a second
constexpr Millis kSetup = seconds{2};
constexpr Millis kDrain = seconds{2};  // from asking to all ranks stopped
constexpr Millis kNotice = seconds{30};

/// The ranks that work: those with an agent that has not stopped.
template <class Visit>
int visit_ranks(Gang& gang, Instant now, Visit visit) {
  int count = 0;
  for (Machine& machine : gang.machines) {
    if (!is_alive(machine) || !machine.agent || machine.agent->exited || now <= machine.agent->run_at) {
      continue;
    }
    ++count;
    visit(machine);
  }
  return count;
}

bool works_together(const Gang& gang) {
  return std::count_if(gang.machines.begin(), gang.machines.end(), [](const Machine& machine) {
           return is_alive(machine) && machine.agent && !machine.agent->exited;
         }) == gang.nodes;
}

}  // namespace

bool is_alive(const Machine& machine) {
  return machine.view.state != NodeState::ended;
}

std::uint64_t Dice::next() {
  state_ += 0x9E3779B97F4A7C15ULL;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31U);
}

std::int64_t Dice::below(std::int64_t limit) {
  return static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(limit));
}

bool Dice::chance(int per_mille) {
  return per_mille > 0 && below(1000) < per_mille;
}

void World::say(const std::string& line) {
  trace.push_back(format_duration(now - began) + "  " + line);
}

// --- what is sold ---

std::vector<PricePoint> World::prices(const OfferKey& key) const {
  const std::int64_t base = key.market == Market::spot ? 700'000 : 2'000'003;
  const std::int64_t region = key.region == "east" ? 0 : 99'991;
  std::vector<PricePoint> points{{began, {base + region}}};
  if (key.market == Market::spot) {  // drifts, so that a life has several rates
    for (int i = 1; i < 20; ++i) {
      points.push_back({began + i * minutes{7}, {base + region + 13'337 * (i % 5)}});
    }
  }
  return points;
}

std::vector<Offer> World::offers() const {
  std::vector<Offer> all;
  for (const std::string region : {"east", "west"}) {
    for (const Market market : {Market::spot, Market::on_demand}) {
      Offer offer;
      offer.key = {.provider = "sim", .region = region, .zone = "", .instance_type = "g8", .market = market};
      offer.gpu = {.model = "H100", .form = "SXM", .memory_gib = 80, .count = 8};
      offer.vcpus = 96;
      offer.memory_mib = 1 << 20;
      for (const PricePoint& point : prices(offer.key)) {
        if (point.at <= now) { offer.price = point.price; }
      }
      offer.billing =
          market == Market::spot ? BillingRule{seconds{1}, minutes{1}} : BillingRule{seconds{60}, {}};
      offer.learnt_at = now;
      offer.source = "sim";
      all.push_back(offer);
    }
  }
  return all;
}

int World::free_slots(const OfferKey& key) const {
  const auto at = slots.find(key.region);
  int capacity = 0;
  if (at != slots.end()) {
    for (const auto& [since, count] : at->second) {
      if (now >= began + since) { capacity = count; }
    }
  }
  for (const Machine* const machine : alive()) {
    if (machine->view.offer.region == key.region) { --capacity; }
  }
  return capacity;
}

// --- machines ---

std::vector<const Machine*> World::alive() const {
  std::vector<const Machine*> all;
  for (const auto& [token, gang] : gangs) {
    for (const Machine& machine : gang.machines) {
      if (is_alive(machine)) { all.push_back(&machine); }
    }
  }
  return all;
}

Result<std::vector<NodeView>> World::book(const GangRequest& request) {
  const auto known = gangs.find(request.token);
  if (known == gangs.end()) {
    if (free_slots(request.offer.key) < request.nodes) {
      say("book " + request.token.value + ": no capacity in " + request.offer.key.region);
      return Error{.kind = ErrorKind::capacity,
                   .message = "no " + request.offer.key.instance_type + " in " + request.offer.key.region,
                   .source = "sim",
                   .code = "InsufficientCapacity",
                   .scope = ErrorScope::region};
    }
    Gang gang{.token = request.token, .nodes = request.nodes};
    const bool taken = request.offer.key.market == Market::spot && dice.chance(600);
    const bool with_notice = dice.chance(500);
    const Millis life = seconds{20 + dice.below(400)};
    const std::int64_t only =
        dice.chance(500) ? dice.below(request.nodes) : -1;  // one machine, or all of them
    for (int i = 0; i < request.nodes; ++i) {
      Machine machine;
      machine.view.id = {"sim/m" + std::to_string(next_machine++)};
      machine.view.token = request.token;
      machine.view.index = i;
      machine.view.offer = request.offer.key;
      machine.view.tags = request.tags;
      machine.view.created_at = now;
      machine.view.billed_from = now;
      machine.ready_at = now + seconds{3 + dice.below(30)};
      if (taken && (only < 0 || only == i)) {
        machine.dies_at = now + seconds{10} + life;
        machine.dies_why = "preempted";
        if (with_notice) { machine.notice_at = *machine.dies_at - kNotice; }
      } else if (dice.chance(20)) {
        machine.dies_at = now + seconds{10} + life;
        machine.dies_why = "host failure";
      }
      gang.machines.push_back(std::move(machine));
    }
    say("book " + request.token.value + ": " + std::to_string(request.nodes) + " machines in " +
        request.offer.key.region);
    gangs[request.token] = std::move(gang);
  }
  std::vector<NodeView> views;
  for (const Machine& machine : gangs[request.token].machines) { views.push_back(machine.view); }
  return views;
}

void World::end_machine(Machine& machine, Instant at, const std::string& why) {
  if (!is_alive(machine)) { return; }
  machine.view.state = NodeState::ended;
  machine.view.ended_at = std::max(at, machine.view.billed_from.value_or(at));
  machine.view.end_reason = why;
  machine.agent.reset();
  machine.files.clear();
  say(machine.view.id.value + " of " + machine.view.token.value + " ends: " + why);
}

Status World::end(const std::vector<NodeId>& ids, const std::string& why) {
  for (const NodeId& id : ids) {
    if (Machine* const machine = find(id)) { end_machine(*machine, now, why); }
  }
  return Ok{};
}

Machine* World::find(const NodeId& id) {
  for (auto& [token, gang] : gangs) {
    for (Machine& machine : gang.machines) {
      if (machine.view.id == id) { return &machine; }
    }
  }
  return nullptr;
}

std::vector<NodeView> World::list() const {
  std::vector<NodeView> views;
  views.reserve(static_cast<std::size_t>(next_machine));
  for (const auto& [token, gang] : gangs) {
    for (const Machine& machine : gang.machines) { views.push_back(machine.view); }
  }
  return views;
}

std::vector<BillLine> World::bill() const {
  __extension__ using Wide = __int128;
  constexpr std::int64_t kHour = 3'600'000;
  std::vector<BillLine> lines;
  for (const auto& [token, gang] : gangs) {
    for (const Machine& machine : gang.machines) {
      if (is_alive(machine) || !machine.view.billed_from) { continue; }
      const NodeView& view = machine.view;
      const bool spot = view.offer.market == Market::spot;
      const BillingRule local = spot ? BillingRule{seconds{1}, minutes{1}} : BillingRule{seconds{60}, {}};
      const BillingRule rule = machine.rules != nullptr ? machine.rules->billing : local;
      const std::int64_t unit = rule.unit.count();
      const std::int64_t least = rule.minimum.count();
      const std::int64_t life = view.ended_at->ms - view.billed_from->ms;
      const std::int64_t billed = (std::max(life, least) + unit - 1) / unit * unit;
      const std::int64_t from = view.billed_from->ms;
      const std::int64_t to = from + billed;
      const std::vector<PricePoint> points = machine.prices.empty() ? prices(view.offer) : machine.prices;
      Money sum;
      std::int64_t begin = from;
      for (std::size_t i = 0; i < points.size(); ++i) {
        // Equal neighbours are one piece: a piece is rounded once.
        std::int64_t stop = i + 1 < points.size() ? points[i + 1].at.ms : to;
        if (i + 1 < points.size() && points[i + 1].price == points[i].price) { continue; }
        stop = std::min(stop, to);
        if (stop <= begin) { continue; }
        const Wide exact = static_cast<Wide>(points[i].price.micros_per_hour) * (stop - begin);
        sum.micros += static_cast<std::int64_t>((exact + kHour / 2) / kHour);
        begin = stop;
      }
      lines.push_back({view.id, sum, &machine});
    }
  }
  return lines;
}

// --- time ---

void World::commit(const Gang& gang, Machine& leader, std::int64_t step) {
  SimAgent& agent = *leader.agent;
  if (agent.committed >= step || step <= 0) { return; }
  // Now and then an upload is torn: pieces are there, the manifest is not whole. It must never be offered.
  if (dice.chance(weather.lost_before > 0 ? 250 : 0)) {
    checkpoints[agent.spec.workload].push_back(
        {.step = step + 7, .attempt = agent.spec.attempt, .whole = false});
  }
  checkpoints[agent.spec.workload].push_back({.step = step, .attempt = agent.spec.attempt});
  agent.committed = step;
  say(gang.token.value + " commits step " + std::to_string(step));
}

/// All ranks have stopped after the same step: the first saves it, all leave.
void World::stop_job(Gang& gang, Instant at) {
  for (Machine& machine : gang.machines) {
    if (!is_alive(machine) || !machine.agent || machine.agent->exited) { continue; }
    SimAgent& agent = *machine.agent;
    if (machine.view.index == 0) { commit(gang, machine, gang.step); }
    agent.exited = true;
    agent.exit_code = gang.done ? 0 : 75;
    agent.ended_at = at;
    agent.reason = "run exited with code " + std::to_string(agent.exit_code);
  }
}

/// The node keeps its death date by itself.
void World::power_off(Machine& machine) {
  if (machine.rules->death_date == DeathDate::power_off_ends) {
    end_machine(machine, now, "expired");
    return;
  }
  machine.view.state = NodeState::stopped;
  machine.agent.reset();
  machine.dies_at.reset();
  machine.notice_at.reset();
}

void World::advance_machine(Machine& machine) {
  if (machine.view.state == NodeState::starting && now >= machine.ready_at) {
    machine.view.state = NodeState::running;
    machine.view.address = {.id = machine.view.id, .host = "10.0.0.1", .root = "/", .binary = "gpubroker"};
    if (!machine.view.billed_from) { machine.view.billed_from = machine.ready_at; }
  }
  if (machine.notice_at && now >= *machine.notice_at && machine.dies_at) {
    const bool on_node = machine.rules != nullptr && machine.rules->notice_by == NoticeBy::node;
    if (!on_node) { machine.view.notice_until = machine.dies_at; }
    if (on_node && machine.agent) { machine.agent->notice_until = machine.dies_at; }
    if (machine.agent && !machine.agent->drain_at) { machine.agent->drain_at = now + kDrain; }
  }
  if (machine.dies_at && now >= *machine.dies_at) {
    end_machine(machine, *machine.dies_at, machine.dies_why);
    machine.lies_there =
        machine.rules != nullptr && machine.rules->taken_stays && machine.dies_why == "preempted";
  }
  if (!is_alive(machine) || now < machine.view.tags.expires) { return; }
  if (machine.rules == nullptr || machine.rules->death_date == DeathDate::kept_by_cloud) {
    end_machine(machine, now, "expired");
  } else if (machine.view.state == NodeState::running) {
    power_off(machine);
  }
}

void World::advance_gang(Gang& gang) {
  for (Machine& machine : gang.machines) {
    if (is_alive(machine)) { advance_machine(machine); }
  }
  std::optional<Instant> drain;
  Instant began_at = {};
  Machine* first = nullptr;
  const int ranks = visit_ranks(gang, now, [&](Machine& machine) {
    began_at = std::max(began_at, machine.agent->run_at);
    if (machine.view.index == 0) { first = &machine; }
    if (machine.agent->drain_at) {
      drain = drain ? std::min(*drain, *machine.agent->drain_at) : *machine.agent->drain_at;
    }
  });
  // Ranks wait for each other, or hang for one that is gone.
  if (ranks != gang.nodes || first == nullptr) { return; }
  const SimAgent& leader = *first->agent;
  const Instant until = drain ? std::min(now, *drain) : now;
  const std::int64_t wanted = steps_wanted[leader.spec.workload];
  std::int64_t resumed = 0;
  if (leader.spec.resume) { resumed = std::stoll(leader.spec.resume->value); }
  const std::int64_t step =
      std::min(wanted, resumed + std::max<std::int64_t>((until - began_at).count(), 0) / 1'000);
  gang.step = std::max(gang.step, step);
  gang.done = gang.step >= wanted;
  commit(gang, *first, gang.done ? gang.step : gang.step / kSaveEvery * kSaveEvery);
  if (gang.done || (drain && now >= *drain)) { stop_job(gang, now); }
}

void World::advance(Instant to) {
  // A second at a time near events would be exact; in pieces of at most two seconds nothing can overtake a
  // drain.
  while (now < to) {
    now = std::min(now + seconds{2}, to);
    for (auto& [token, gang] : gangs) {
      const bool any = std::any_of(gang.machines.begin(), gang.machines.end(), is_alive);
      if (any) { advance_gang(gang); }
    }
    while (!late_bookings.empty() && late_bookings.begin()->first <= now) {
      say("a late booking arrives");
      const std::function<void()> book_it = std::move(late_bookings.begin()->second);
      late_bookings.erase(late_bookings.begin());
      book_it();
    }
  }
}

World::Luck World::draw() {
  if (dice.chance(weather.lost_before)) { return Luck::lost_before; }
  if (dice.chance(weather.lost_after)) { return Luck::lost_after; }
  if (dice.chance(weather.late)) { return Luck::late; }
  if (dice.chance(weather.throttled)) { return Luck::throttled; }
  return Luck::fine;
}

// --- agents ---

Status World::start_agent(Machine& machine, const std::string& spec_text) {
  TRY(AgentSpec spec, parse_agent_spec(spec_text));
  if (machine.agent) { return Ok{}; }  // a second agent leaves at once
  const Gang& gang = gangs[machine.view.token];
  if (static_cast<int>(spec.node_ips.size()) != gang.nodes) {
    broken = "an agent was started in a gang that is not whole";
  }
  std::int64_t best = -1;
  for (const StoredCheckpoint& stored : checkpoints[spec.workload]) {
    if (stored.whole) { best = std::max(best, stored.step); }
  }
  const std::int64_t resumed = spec.resume ? std::stoll(spec.resume->value) : -1;
  const auto is_it = [&](const StoredCheckpoint& stored) { return stored.whole && stored.step == resumed; };
  const std::vector<StoredCheckpoint>& all = checkpoints[spec.workload];
  if (resumed >= 0 && std::none_of(all.begin(), all.end(), is_it)) {
    broken = spec.workload.value + " resumes from step " + std::to_string(resumed) +
             ", which is no whole checkpoint";
  } else if (resumed < best && machine.view.index == 0 && gang.step < 0) {
    broken = spec.workload.value + " goes back to step " + std::to_string(resumed) +
             " behind the committed " + std::to_string(best);
  }
  for (const auto& [token, other] : gangs) {
    for (const Machine& mate : other.machines) {
      const bool works = is_alive(mate) && mate.agent && !mate.agent->exited && token != machine.view.token;
      if (works && mate.agent->spec.workload == spec.workload && other.step < steps_wanted[spec.workload] &&
          works_together(other)) {
        broken = spec.workload.value + " runs on two gangs at once";
      }
    }
  }
  SimAgent agent;
  agent.spec = std::move(spec);
  agent.run_at = now + kSetup;
  machine.agent = std::move(agent);
  return Ok{};
}

void World::ask_agent(Machine& machine, const std::string& name, const std::string& text) {
  const Result<AgentRequest> request = parse_agent_request(text);
  if (!machine.agent || !request.ok()) { return; }
  SimAgent& agent = *machine.agent;
  if (std::find(agent.requests.begin(), agent.requests.end(), name) != agent.requests.end()) { return; }
  agent.requests.push_back(name);
  if (request.value().verb == AgentVerb::drain && !agent.drain_at) { agent.drain_at = now + kDrain; }
}

std::string World::report_of(const Machine& machine) const {
  const SimAgent& agent = *machine.agent;
  AgentReport report;
  report.version = "sim";
  report.attempt = agent.spec.attempt;
  report.rank = agent.spec.rank;
  report.heartbeat_at = now;
  report.phase = agent.exited         ? AgentPhase::exited
                 : agent.drain_at     ? AgentPhase::draining
                 : now > agent.run_at ? AgentPhase::running
                                      : AgentPhase::setup;
  if (now > agent.run_at) { report.run_started_at = agent.run_at; }
  if (agent.exited) {
    report.exit_code = agent.exit_code;
    report.ended_at = agent.ended_at;
    report.reason = agent.reason;
  }
  report.notice_until = agent.notice_until;
  report.step = gangs.at(machine.view.token).step;
  report.committed_step = agent.committed;
  if (agent.committed >= 0) { report.committed = std::to_string(agent.committed); }
  report.done_requests = agent.requests;
  return encode_agent_report(report);
}

}  // namespace gpubroker::sim
