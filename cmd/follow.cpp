#include <iostream>
#include <set>

#include "cmd/commands.hpp"
#include "cmd/events.hpp"
#include "cmd/output.hpp"
#include "cmd/table.hpp"
#include "core/broker/broker.hpp"

namespace gpubroker {
namespace {

constexpr int kExitInterrupted = 130;
constexpr Millis kPause{50};
constexpr Millis kLook{1'000};       // how often the state is read when nothing is new
constexpr Millis kSupervise{5'000};  // how often a supervisor that died is noticed
constexpr Millis kSilence{10'000};   // after so long something is said
constexpr std::int64_t kTail = 10;   // lines of output shown to somebody who comes back

/// "sending to nodes 37/64"; empty when there is nothing to be sent.
std::string sending_line(const WorkloadState& state) {
  const Attempt* const attempt = state.phase == Phase::starting ? state.current() : nullptr;
  if (attempt == nullptr || attempt->nodes.empty()) { return {}; }
  return "sending to nodes " + std::to_string(count_started(*attempt)) + "/" +
         std::to_string(attempt->nodes.size());
}

/// "running for 3m, step 40, 0.12 USD so far".
std::string progress_line(const WorkloadState& state, Instant now) {
  std::string line = std::string(to_string(state.phase)) + " for " + short_duration(now - state.phase_at);
  if (const Attempt* const attempt = state.current()) {
    line += ", attempt " + std::to_string(attempt->number) + " on " + format_offer_key(attempt->offer.key);
  }
  if (const std::string sending = sending_line(state); !sending.empty()) { line += ", " + sending; }
  if (const std::int64_t step = last_step(state); step >= 0) { line += ", step " + std::to_string(step); }
  line += ", " + format_money(state.accrued(now)) + " USD so far";
  const std::string why = state.wait_reason.empty() ? state.reason : state.wait_reason;
  const bool waits = state.phase != Phase::running;
  return waits && !why.empty() ? line + "; waiting: " + why : line;
}

/// What is said while a workload is watched: lines on standard error, the last of which is rewritten on a
/// terminal; output of the job, and with --json events, on standard output.
class Voice {
 public:
  Voice(const Context& context, bool json) : live_(context.terminal.live && !json), json_(json) {}
  Voice(const Voice&) = delete;
  Voice& operator=(const Voice&) = delete;
  ~Voice() { clear(); }

  void say(const std::string& line, Instant now) {
    spoke_at_ = now;
    if (json_) { return; }
    clear();
    std::cerr << format_utc(now).substr(11, 8) << "  " << plain(line) << '\n';
  }
  void event(const std::string& object, Instant now) {
    spoke_at_ = now;
    if (json_) { std::cout << object << std::endl; }
  }
  void output(const std::string& line, Instant now) {
    spoke_at_ = now;
    clear();
    std::cout << line << std::flush;
  }
  void status(const std::string& line) {
    if (!live_) { return; }
    std::string text = plain(line);
    if (text.size() >= terminal_width()) { text.resize(terminal_width() - 1); }
    if (text == shown_) { return; }
    std::cerr << "\r\033[2K" << text << std::flush;
    shown_ = text;
  }
  void clear() {
    if (!shown_.empty()) { std::cerr << "\r\033[2K" << std::flush; }
    shown_.clear();
  }
  [[nodiscard]] bool is_silent(Instant now) const { return !live_ && now - spoke_at_ >= kSilence; }
  [[nodiscard]] bool is_json() const { return json_; }

 private:
  bool live_;
  bool json_;
  std::string shown_ = {};
  Instant spoke_at_ = {};
};

/// Tells what is new since the last look.
class Viewer {
 public:
  Viewer(Context& context, const FollowOptions& options)
      : context_(context), voice_(context, options.json), from_end_(options.from_end) {}

  void show(const WorkloadState& state, Instant now) {
    for (const Attempt& attempt : state.attempts) {
      if (attempt.is_over() && over_.insert(attempt.number).second && !is_old()) {
        tell_over(state, attempt, now);
      }
      learn_output(state, attempt);
    }
    if (!known_ || state.phase_at != phase_at_ || state.phase != phase_) {
      phase_at_ = state.phase_at;
      phase_ = state.phase;
      voice_.say(std::string(to_string(state.phase)) + (state.reason.empty() ? "" : ": " + state.reason),
                 now);
      voice_.event(phase_event(state, now), now);
    }
    if (state.wait_reason != wait_reason_) {
      wait_reason_ = state.wait_reason;
      if (!wait_reason_.empty()) {
        voice_.say("waiting: " + wait_reason_, now);
        voice_.event(waiting_event(state, now), now);
      }
    }
    show_sending(state, now);
    known_ = true;
  }

  void show_output(const WorkloadState& state, Instant now) {
    for (auto& [number, output] : outputs_) {
      while (const std::optional<OutputLine> line = output.next()) {
        if (voice_.is_json()) {
          voice_.event(output_event(state.id, *line, now), now);
        } else {
          voice_.output(format_output_line(*line, state.task.num_nodes > 1, /*with_time=*/false), now);
        }
      }
    }
  }

  void show_progress(const WorkloadState& state, Instant now) {
    voice_.status(progress_line(state, now));
    if (!voice_.is_silent(now)) { return; }
    if (voice_.is_json()) {
      voice_.event(progress_event(state, now), now);
    } else {
      voice_.say(progress_line(state, now), now);
    }
  }

  void show_end(const WorkloadState& state, Instant now) {
    voice_.event(over_event(state, now), now);
    voice_.clear();
    std::cerr << state.id.value << " " << to_string(state.phase) << ": " << plain(state.reason) << "; cost "
              << format_money(state.settled()) << " USD\n";
  }

  void say_goodbye(const WorkloadState& state, Instant now) {
    voice_.event(detached_event(state.id, now), now);
    voice_.clear();
    std::cerr << "\n"
              << state.id.value << " goes on. Come back with: gpubroker attach " << state.id.value
              << "\nEnd it with: gpubroker down " << state.id.value << '\n';
  }

 private:
  /// What lies behind at the first look of one who comes back.
  [[nodiscard]] bool is_old() const { return from_end_ && !known_; }

  void tell_over(const WorkloadState& state, const Attempt& attempt, Instant now) {
    voice_.say("attempt " + std::to_string(attempt.number) + " on " + format_offer_key(attempt.offer.key) +
                   " is over (" + std::string(to_string(attempt.end)) + "): " + attempt.reason,
               now);
    voice_.event(attempt_over_event(state, attempt, now), now);
  }

  /// For programs; a person reads it in the line that is always there.
  void show_sending(const WorkloadState& state, Instant now) {
    const std::string line = sending_line(state);
    if (line.empty() || line == sending_) { return; }
    sending_ = line;
    voice_.event(starting_event(state, *state.current(), now), now);
  }

  void learn_output(const WorkloadState& state, const Attempt& attempt) {
    if (is_old() && attempt.is_over() && &attempt != &state.attempts.back()) { return; }
    AttemptOutput& output = outputs_.try_emplace(attempt.number, attempt.number).first->second;
    for (const auto& [rank, node] : attempt.nodes) {
      if (output.has(rank)) { continue; }
      OutputReader reader(context_.files, kept_log_path(context_.home, state.id, attempt.number, rank));
      if (is_old()) { reader.seek_tail(kTail); }
      output.add(rank, std::move(reader));
    }
  }

  Context& context_;
  Voice voice_;
  bool from_end_;
  bool known_ = false;
  Phase phase_ = Phase::queued;
  Instant phase_at_ = {};
  std::string wait_reason_ = {};
  std::string sending_ = {};
  std::set<int> over_ = {};
  std::map<int, AttemptOutput> outputs_ = {};
};

}  // namespace

Result<int> run_follow(const FollowOptions& options, Context& context) {
  watch_interrupts(SecondSignal::leaves_at_once);
  TRY(Journal* const journal, context.journal());
  TRY(WorkloadState state, load_state(*journal, options.name));
  Viewer viewer(context, options);
  std::int64_t seen = -1;
  Instant looked = {};
  Instant supervised = {};
  while (true) {
    const Instant now = context.clock.now();
    TRY(const std::int64_t seq, journal->last_seq());
    if (seq != seen || now - looked >= kLook) {
      seen = seq;
      looked = now;
      TRY(state, load_state(*journal, state.id.value));
      viewer.show(state, now);
      viewer.show_output(state, now);
      if (!state.is_live()) {
        viewer.show_end(state, now);
        return state.exit;
      }
    }
    viewer.show_output(state, now);
    viewer.show_progress(state, now);
    if (was_interrupted()) {
      viewer.say_goodbye(state, now);
      return kExitInterrupted;
    }
    if (options.supervise && now - supervised >= kSupervise) {
      supervised = now;
      TRY([[maybe_unused]] const Ok there, ensure_supervisor(context));
    }
    context.clock.sleep_until(now + kPause);
  }
}

}  // namespace gpubroker
