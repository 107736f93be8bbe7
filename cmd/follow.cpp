#include <iostream>
#include <set>

#include "cmd/commands.hpp"
#include "core/broker/broker.hpp"

namespace gpubroker {
namespace {

/// Prints what is new since the last look.
class Viewer {
 public:
  explicit Viewer(Context& context) : context_(context) {}

  void show(const WorkloadState& state) {
    if (state.phase_at != phase_at_ || state.phase != phase_) {
      phase_at_ = state.phase_at;
      phase_ = state.phase;
      say(std::string(to_string(state.phase)) + (state.reason.empty() ? "" : ": " + state.reason));
    }
    if (state.wait_reason != wait_reason_) {
      wait_reason_ = state.wait_reason;
      if (!wait_reason_.empty()) { say("waiting: " + wait_reason_); }
    }
    for (const Attempt& attempt : state.attempts) {
      if (attempt.is_over() && over_.insert(attempt.number).second) {
        say("attempt " + std::to_string(attempt.number) + " on " + format_offer_key(attempt.offer.key) +
            " is over (" + std::string(to_string(attempt.end)) + "): " + attempt.reason);
      }
      show_output(state, attempt);
    }
  }

 private:
  void say(const std::string& line) const {
    std::cerr << format_utc(context_.clock.now()).substr(11, 8) << "  " << line << '\n';
  }

  void show_output(const WorkloadState& state, const Attempt& attempt) {
    for (const auto& [rank, node] : attempt.nodes) {
      const std::string path = context_.home + "/logs/" + state.id.value + "/" +
                               std::to_string(attempt.number) + "-" + std::to_string(rank) + ".log";
      std::int64_t& shown = shown_[path];
      const Result<FileInfo> info = context_.files.stat(path);
      if (info.ok() && info.value().size < shown) { shown = 0; }  // turned over: KeptLog
      const Result<std::string> bytes = context_.files.read_at(path, shown, 1 << 20);
      if (!bytes.ok() || bytes.value().empty()) { continue; }
      const std::size_t end = bytes.value().rfind('\n');
      if (end == std::string::npos) { continue; }
      shown += static_cast<std::int64_t>(end) + 1;
      std::cout << bytes.value().substr(0, end + 1) << std::flush;
    }
  }

  Context& context_;
  Phase phase_ = Phase::queued;
  Instant phase_at_ = {};
  std::string wait_reason_ = {};
  std::set<int> over_ = {};
  std::map<std::string, std::int64_t> shown_ = {};
};

}  // namespace

Result<int> follow(Context& context, const std::string& workload, bool json) {
  watch_interrupts();
  TRY(Journal* const journal, context.journal());
  Viewer viewer(context);
  std::int64_t seen = -1;
  Instant looked = {};
  while (true) {
    TRY(const std::int64_t seq, journal->last_seq());
    const Instant now = context.clock.now();
    if (seq != seen || now - looked >= std::chrono::seconds{1}) {
      seen = seq;
      looked = now;
      TRY(const WorkloadState state, load_state(*journal, workload));
      if (!json) { viewer.show(state); }
      const bool over = (is_final(state.phase) || state.phase == Phase::stopped) && !state.is_live();
      if (over) {
        if (json) { std::cout << state_json(state, now) << '\n'; }
        std::cerr << state.id.value << " " << to_string(state.phase) << ": " << state.reason << "; cost "
                  << format_money(state.settled()) << " USD\n";
        return state.exit;
      }
    }
    if (was_interrupted()) {
      std::cerr << "\n"
                << workload << " goes on. Come back with: gpubroker attach " << workload
                << "\nEnd it with: gpubroker down " << workload << '\n';
      return 130;
    }
    context.clock.sleep_until(context.clock.now() + Millis{50});
  }
}

}  // namespace gpubroker
