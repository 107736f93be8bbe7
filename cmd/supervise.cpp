#include <algorithm>
#include <condition_variable>
#include <deque>
#include <iostream>
#include <mutex>
#include <thread>

#include "cmd/commands.hpp"
#include "cmd/kept_log.hpp"
#include "cmd/pack.hpp"
#include "core/base/log.hpp"
#include "core/base/text.hpp"
#include "core/broker/broker.hpp"
#include "core/checkpoint/checkpoint.hpp"

namespace gpubroker {
namespace {

/// A bounded number of threads for blocking calls.
class ThreadPool {
 public:
  explicit ThreadPool(int threads) {
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([this] { work(); });
    }
  }
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool() {
    {
      const std::lock_guard<std::mutex> hold(mutex_);
      closing_ = true;
      tasks_.clear();
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) { thread.join(); }
  }

  void add(std::function<void()> task) {
    {
      const std::lock_guard<std::mutex> hold(mutex_);
      tasks_.push_back(std::move(task));
    }
    wake_.notify_one();
  }

 private:
  void work() {
    while (true) {
      std::function<void()> task;
      {
        std::unique_lock<std::mutex> hold(mutex_);
        wake_.wait(hold, [this] { return closing_ || !tasks_.empty(); });
        if (closing_) { return; }
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      task();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

std::string log_path(const Context& context, const WorkloadId& id, int attempt, int rank) {
  return context.home + "/logs/" + id.value + "/" + std::to_string(attempt) + "-" + std::to_string(rank) +
         ".log";
}

SupervisorParts make_parts(Context& context, Journal& journal, OfferSource& offers, ThreadPool& pool) {
  SupervisorParts parts{.journal = journal, .clock = context.clock, .offers = offers};
  parts.run_later = [&pool](std::function<void()> task) { pool.add(std::move(task)); };
  parts.find_checkpoint = [&context](
                              const WorkloadId& id,
                              const std::string& url) -> Result<std::optional<SupervisorParts::Found>> {
    TRY(const std::unique_ptr<ObjectStore> objects, open_object_store(url, context.files));
    CheckpointStore store(*objects, context.files, context.clock, id);
    TRY(const std::optional<Manifest> newest, store.newest_whole());
    if (!newest) { return std::optional<SupervisorParts::Found>{}; }
    return std::optional(SupervisorParts::Found{.id = newest->id, .step = newest->step});
  };
  parts.secrets = [&context](const WorkloadState& state) {
    return context.files.read(context.home + "/secrets/" + state.id.value + ".json");
  };
  parts.keep_output = [&context](const WorkloadId& id, int attempt, int rank,
                                 const SupervisorParts::OutputPiece& piece) {
    KeptLog(context.files, context.clock, log_path(context, id, attempt, rank)).keep(piece);
  };
  parts.kept_output = [&context](const WorkloadId& id, int attempt, int rank) -> std::int64_t {
    return KeptLog(context.files, context.clock, log_path(context, id, attempt, rank)).position();
  };
  return parts;
}

/// Waits for what comes first: the next look, news of a task, a row of another process, a signal.
void wait_for_news(Context& context, Supervisor& supervisor, Journal& journal, Instant next) {
  constexpr Millis kPause{10};
  const Result<std::int64_t> before = journal.last_seq();
  for (int i = 0; context.clock.now() < next && !supervisor.has_news() && !was_interrupted(); ++i) {
    context.clock.sleep_until(context.clock.now() + kPause);
    if (i % 5 == 4) {
      const Result<std::int64_t> seq = journal.last_seq();
      if (!seq.ok() || !before.ok() || seq.value() != before.value()) { return; }
    }
  }
}

constexpr const char* kHolderPrefix = "pid-";

/// Whether the holder of a lease may still be at work. One of another machine or form may.
bool may_live(const std::string& holder, Context& context) {
  const std::string prefix = kHolderPrefix;
  if (holder.rfind(prefix, 0) != 0) { return true; }
  const std::optional<std::int64_t> pid = parse_int(split(holder.substr(prefix.size()), '-').front());
  return !pid || context.processes.is_alive(*pid);
}

/// Takes the lease. One that a dead supervisor has left behind is waited for: it ends by itself.
Status start(Supervisor& supervisor, Journal& journal, Context& context) {
  while (true) {
    Status started = supervisor.start();
    if (started.ok() || started.error().kind != ErrorKind::conflict || was_interrupted()) { return started; }
    TRY(const std::optional<Lease> lease, journal.current_lease());
    if (!lease || may_live(lease->holder, context)) { return started; }
    context.clock.sleep_until(std::min(lease->until, context.clock.now() + Millis{100}));
  }
}

/// What is kept for workloads that were live a moment ago and will not run again goes away.
class Housekeeper {
 public:
  explicit Housekeeper(Context& context) : context_(context) {}

  void look(Journal& journal, const std::map<WorkloadId, WorkloadState>& live) {
    for (auto known = archives_.begin(); known != archives_.end();) {
      if (live.count(known->first) != 0) {
        ++known;
        continue;
      }
      const Result<WorkloadState> state = load_state(journal, known->first.value);
      if (state.ok() && is_final(state.value().phase)) {
        forget_files(known->second, known->first.value, context_);
      }
      known = archives_.erase(known);
    }
    for (const auto& [id, state] : live) { archives_.try_emplace(id, state.options.archive); }
  }

 private:
  Context& context_;
  std::map<WorkloadId, std::string> archives_ = {};
};

/// The loop, until a signal or, when that is wanted, until nothing has been to do for a while.
Status work(Supervisor& supervisor, const SuperviseOptions& options, Journal& journal, Context& context) {
  constexpr Millis kIdle{1'000};
  Housekeeper housekeeper(context);
  housekeeper.look(journal, supervisor.workloads());
  Instant busy_at = context.clock.now();
  while (!was_interrupted()) {
    TRY(const Supervisor::Step step, supervisor.step());
    if (step.changed) { housekeeper.look(journal, supervisor.workloads()); }
    const Instant now = context.clock.now();
    if (!step.idle) { busy_at = now; }
    if (options.until_idle && now - busy_at >= kIdle) { break; }
    wait_for_news(context, supervisor, journal, step.idle ? now + Millis{100} : step.next);
  }
  return Ok{};
}

}  // namespace

Status ensure_supervisor(Context& context) {
  TRY(Journal* const journal, context.journal());
  TRY(const std::optional<Lease> lease, journal->current_lease());
  if (lease && lease->until > context.clock.now() && may_live(lease->holder, context)) { return Ok{}; }
  TRY(const std::string self, context.processes.self_path());
  std::map<std::string, std::string> env = {{"GPUBROKER_HOME", context.home}};
  if (!context.scenario.empty()) { env["GPUBROKER_SCENARIO"] = context.scenario; }
  TRY([[maybe_unused]] const std::int64_t pid,
      context.processes.start_detached({.argv = {self, "supervise", "--until-idle"}, .env = env, .cwd = "/"},
                                       context.home + "/supervisor.log"));
  return Ok{};
}

Result<int> run_supervise(const SuperviseOptions& options, Context& context) {
  watch_interrupts(SecondSignal::is_ignored);
  open_log("", LogLevel::info);
  TRY(Journal* const journal, context.journal());
  TRY(const auto providers, context.providers());
  TRY(OfferSource* const offers, context.offers());
  ThreadPool pool(16);
  TRY([[maybe_unused]] const Ok swept, sweep_files(context));
  const std::string holder = kHolderPrefix + std::to_string(context.processes.self_pid()) + "-" +
                             std::to_string(context.random.next() % 1'000'000);
  while (true) {
    SupervisorParts parts = make_parts(context, *journal, *offers, pool);
    parts.providers = providers;
    Supervisor supervisor(std::move(parts), holder);
    TRY([[maybe_unused]] const Ok started, start(supervisor, *journal, context));
    TRY([[maybe_unused]] const Ok worked, work(supervisor, options, *journal, context));
    supervisor.stop();
    if (was_interrupted()) { return 0; }
    // Who asks for something writes it down and then looks for a lease. So who leaves gives the lease back
    // and then looks once more: one of the two sees the other.
    TRY(const std::vector<WorkloadRow> live, journal->workloads(/*only_live=*/true));
    if (live.empty()) { return 0; }
  }
}

}  // namespace gpubroker
