#pragma once
// One workload told step by step: what the world shows, what the broker decides, with no journal and no
// thread.
#include <string>
#include <vector>

#include "core/broker/decide.hpp"
#include "core/broker/record.hpp"

namespace gpubroker::testing {

/// "up" of two nodes in one line, and every step of the phases checked against the one table.
class Story {
 public:
  explicit Story(int nodes = 2);
  explicit Story(Task task);

  // --- what happens ---
  void settle();               // perceive and decide until nothing comes
  void pass(Millis length);    // time goes by, and the broker looks
  void tell(RecordBody body);  // a record by somebody else, then settle
  void see();                  // a list that shows the machines as they are now
  void answer(const std::string& action,
              OutcomeRecord outcome = {});  // of the newest attempt that waits for it
  void fail(const std::string& action, const Error& error);
  void report(int attempt, int rank, const AgentReport& report);

  // --- longer ways ---
  void book();              // queued -> a gang is booked and its machines run
  void start();             // -> running: the checkpoint is looked for, agents start and run
  void give_back();         // the end of every attempt that is over is answered, seen and paid
  void exit_all(int code);  // every agent of the newest attempt has exited
  void end_machine(int rank, const std::string& why);  // of the newest attempt

  // --- what is so ---
  [[nodiscard]] const Attempt& last() const { return state.attempts.back(); }
  [[nodiscard]] bool waits_for(const std::string& action) const;  // of any attempt: intent without outcome
  [[nodiscard]] AgentReport running_report(int attempt, int rank) const;

  WorkloadState state;
  World world;
  Limits limits;
  std::vector<Offer> offers;
  Instant now{1'800'000'000'000};
  std::vector<NodeView> machines;
  std::vector<std::string> deeds;  // "1 create", "1 start/0": attempt and action, in order
  std::vector<Phase> phases;

 private:
  void record(RecordBody body);
  std::int64_t seq_ = 0;
};

/// A task that H100 machines can serve.
Task make_task(int nodes);
Offer make_offer(const std::string& region, std::int64_t micros_per_hour, Market market = Market::on_demand);

}  // namespace gpubroker::testing
