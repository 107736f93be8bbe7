// A booking that the network delivers twice: the supervisor, with the real provider over its emulator, ends
// up with one gang, and pays for what was too many.
#include <algorithm>
#include <cmath>

#include <doctest/doctest.h>

#include "core/broker/broker.hpp"
#include "tests/contract/cloud_checks.hpp"
#include "tests/sim/memory_journal.hpp"

namespace gpubroker::contract {
namespace {

using nlohmann::json;

/// What is on sale at one cloud: one offer.
class OneOffer final : public OfferSource {
 public:
  explicit OneOffer(Offer offer) : offer_(std::move(offer)) {}
  Result<std::vector<Offer>> offers() override { return std::vector<Offer>{offer_}; }

 private:
  Offer offer_;
};

json arrives_twice(const CloudCase& c) {
  json fault = {{"host", c.host}, {"path", c.path}, {"times", 1}, {"duplicate", true}};
  if (!c.body.empty()) { fault["request"] = c.body; }
  return {{"faults", json::array({fault})}};
}

std::vector<EmulatedMachine> living() {
  std::vector<EmulatedMachine> all = EmulatedClouds::instance().machines();
  std::erase_if(all, [](const EmulatedMachine& machine) { return machine.state == "ended"; });
  return all;
}

/// One workload of two nodes at one cloud. Nobody answers on its machines: its agents are never started.
class Broker {
 public:
  explicit Broker(const CloudCase& c)
      : cloud_(c),
        offers_({.key = c.on_demand,
                 .gpu = {.model = "H100", .count = 8},
                 .price = c.price,
                 .billing = c.billing}) {
    EmulatedClouds::instance().arrange(arrives_twice(c));
    provider_ = open_provider(c, laptop_, laptop_.parts());
    Task task;
    task.name = "twice";
    task.num_nodes = 2;
    task.needs[0].gpu = {.choices = {{.model = "H100"}}, .count = 8};
    task.run = "train";
    const auto accepted = accept(journal_, laptop_.clock, laptop_.random, task, {.owner = "ann"});
    REQUIRE(accepted.ok());
    id_ = accepted.value().id;
    supervisor_ = std::make_unique<Supervisor>(
        SupervisorParts{
            .journal = journal_,
            .clock = laptop_.clock,
            .offers = offers_,
            .providers = {{c.name, provider_.get()}},
            .run_later = [this](std::function<void()> work) { tasks_.push_back(std::move(work)); },
            .find_checkpoint = [](const WorkloadId&,
                                  const std::string&) -> Result<std::optional<SupervisorParts::Found>> {
              return std::optional<SupervisorParts::Found>{};
            },
            .secrets = [](const WorkloadState&) -> Result<std::string> { return std::string{}; }},
        "test");
    REQUIRE(supervisor_->start().ok());
  }

  template <class Done>
  void live_until(const std::string& what, Done done) {
    constexpr Millis kSoon{90'000};
    const Millis deadline = laptop_.clock.monotonic() + kSoon;
    while (!done()) {
      REQUIRE_MESSAGE(laptop_.clock.monotonic() < deadline, cloud_.name << ": in vain for " << what);
      REQUIRE(supervisor_->step().ok());
      for (const std::function<void()>& task : std::exchange(tasks_, {})) { task(); }
      laptop_.clock.sleep_until(laptop_.clock.now() + Millis{20});
    }
  }
  void down() { REQUIRE(ask(journal_, laptop_.clock, id_.value, {.verb = UserVerb::down}).ok()); }
  [[nodiscard]] WorkloadState state() { return load_state(journal_, id_.value).value(); }

 private:
  const CloudCase& cloud_;
  Laptop laptop_;
  OneOffer offers_;
  sim::MemoryJournal journal_;
  std::unique_ptr<Provider> provider_;
  std::vector<std::function<void()>> tasks_;
  std::unique_ptr<Supervisor> supervisor_;
  WorkloadId id_;
};

void check_surplus(const CloudCase& c) {
  Broker broker(c);
  broker.live_until("one gang", [&] {
    const WorkloadState state = broker.state();
    const bool whole = !state.attempts.empty() && state.attempts[0].nodes.size() == 2;
    const bool settled =
        whole && std::all_of(state.attempts[0].surplus.begin(), state.attempts[0].surplus.end(),
                             [](const NodeRecord& node) { return node.settled; });
    return settled && living().size() == 2;
  });
  const std::size_t made = EmulatedClouds::instance().machines().size();
  Attempt attempt = broker.state().attempts.at(0);
  CHECK_FALSE(attempt.is_over());  // the gang goes on
  CHECK(attempt.surplus.size() == made - 2);
  for (const EmulatedMachine& machine : living()) {
    CHECK(std::any_of(attempt.nodes.begin(), attempt.nodes.end(),
                      [&](const auto& e) { return e.second.view.id.value.ends_with("/" + machine.id); }));
  }
  broker.down();
  broker.live_until("the end", [&] { return !broker.state().is_live(); });
  CHECK(living().empty());
  const WorkloadState state = broker.state();
  std::int64_t bill = 0;
  for (const EmulatedMachine& machine : EmulatedClouds::instance().machines()) {
    bill += machine.bill_micros;
  }
  const std::int64_t unit = cost(c.price, c.billing.unit + Millis{4'000}).value().micros;  // and a look
  const std::int64_t slack = c.tells_times ? 0 : unit * static_cast<std::int64_t>(made);
  CHECK_MESSAGE(std::abs(state.settled().micros - bill) <= slack,
                state.settled().micros << " is not " << bill);
}

}  // namespace

TEST_CASE("surplus: where no token is known, a machine that was made twice is ended and paid for") {
  static const std::vector<CloudCase> cases = cloud_cases();
  int tried = 0;
  for (const CloudCase& c : cases) {
    if (c.name != "lambda" && c.name != "runpod" && c.name != "vast") { continue; }
    ++tried;
    SUBCASE(c.name.c_str()) {
      check_surplus(c);
      CHECK(EmulatedClouds::instance().machines().size() == 3);
    }
  }
  CHECK(tried == 3);
}

}  // namespace gpubroker::contract
