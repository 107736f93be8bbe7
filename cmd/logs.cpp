#include <deque>
#include <iostream>

#include "cmd/commands.hpp"
#include "cmd/events.hpp"
#include "cmd/output.hpp"
#include "core/broker/broker.hpp"

namespace gpubroker {
namespace {

constexpr Millis kPause{50};
constexpr Millis kLook{1'000};  // how often the state is read when nothing is new

class LogPrinter {
 public:
  LogPrinter(const LogOptions& options, Context& context) : options_(options), context_(context) {}

  /// Takes in attempts and nodes that are new in this state.
  void learn(const WorkloadState& state) {
    id_ = state.id;
    with_rank_ = options_.node < 0 && state.task.num_nodes > 1;
    for (const Attempt& attempt : state.attempts) {
      if (options_.attempt > 0 && attempt.number != options_.attempt) { continue; }
      AttemptOutput& output = outputs_.try_emplace(attempt.number, attempt.number).first->second;
      for (const auto& [rank, node] : attempt.nodes) {
        if (output.has(rank) || (options_.node >= 0 && rank != options_.node)) { continue; }
        OutputReader reader(context_.files, kept_log_path(context_.home, state.id, attempt.number, rank));
        if (first_ && options_.tail >= 0) { reader.seek_tail(options_.tail); }
        output.add(rank, std::move(reader));
      }
    }
    if (first_ && options_.tail >= 0) { print_tail(); }
    first_ = false;
  }

  void print_new() {
    for (auto& [number, output] : outputs_) {
      while (const std::optional<OutputLine> line = output.next()) { print(*line); }
    }
    std::cout.flush();
  }

 private:
  void print(const OutputLine& line) const {
    if (options_.json) {
      std::cout << output_event(id_, line, context_.clock.now()) << '\n';
      return;
    }
    std::cout << format_output_line(line, with_rank_, options_.timestamps);
  }

  /// Each node's last lines have been sought; of all of them the last ones count.
  void print_tail() {
    std::deque<OutputLine> last;
    for (auto& [number, output] : outputs_) {
      while (std::optional<OutputLine> line = output.next()) {
        last.push_back(std::move(*line));
        if (last.size() > static_cast<std::size_t>(options_.tail)) { last.pop_front(); }
      }
    }
    for (const OutputLine& line : last) { print(line); }
  }

  const LogOptions& options_;
  Context& context_;
  WorkloadId id_ = {};
  std::map<int, AttemptOutput> outputs_ = {};
  bool with_rank_ = false;
  bool first_ = true;
};

Error no_such(const WorkloadState& state, const std::string& what) {
  return {.kind = ErrorKind::not_found,
          .message = state.id.value + " has no " + what,
          .hint = "`gpubroker status " + state.id.value + "` lists attempts and nodes"};
}

/// A number that was typed must exist. An attempt yet to come may be followed, though.
Status check(const LogOptions& options, const WorkloadState& state) {
  if (options.node >= state.task.num_nodes) { return no_such(state, "node " + std::to_string(options.node)); }
  const bool is_later = options.attempt > static_cast<int>(state.attempts.size());
  if (is_later && !options.follow) { return no_such(state, "attempt " + std::to_string(options.attempt)); }
  return Ok{};
}

bool is_over(const WorkloadState& state, int attempt) {
  if (!state.is_live()) { return true; }
  for (const Attempt& one : state.attempts) {
    if (one.number == attempt) { return one.is_over() && !needs_release(one); }
  }
  return false;
}

}  // namespace

std::string kept_log_path(const std::string& home, const WorkloadId& id, int attempt, int rank) {
  return home + "/logs/" + id.value + "/" + std::to_string(attempt) + "-" + std::to_string(rank) + ".log";
}

Result<int> run_logs(const LogOptions& options, Context& context) {
  TRY(Journal* const journal, context.journal_to_read());
  TRY(WorkloadState state, load_state(*journal, options.name));
  TRY([[maybe_unused]] const Ok exists, check(options, state));
  LogPrinter printer(options, context);
  std::int64_t seen = -1;
  Instant looked = {};
  while (true) {
    TRY(const std::int64_t seq, journal->last_seq());
    const Instant now = context.clock.now();
    bool over = false;
    if (seq != seen || now - looked >= kLook) {
      seen = seq;
      looked = now;
      TRY(state, load_state(*journal, state.id.value));
      printer.learn(state);
      over = is_over(state, options.attempt);
    }
    printer.print_new();
    if (over || !options.follow) { return 0; }
    context.clock.sleep_until(now + kPause);
  }
}

}  // namespace gpubroker
