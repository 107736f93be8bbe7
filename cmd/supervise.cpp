#include <algorithm>
#include <iostream>
#include <mutex>

#include "catalog/observations.hpp"
#include "cmd/commands.hpp"
#include "cmd/kept_log.hpp"
#include "cmd/object_stores.hpp"
#include "cmd/pack.hpp"
#include "cmd/ssh_config.hpp"
#include "core/base/log.hpp"
#include "core/base/text.hpp"
#include "core/broker/broker.hpp"
#include "core/checkpoint/checkpoint.hpp"
#include "core/store/sqlite_journal.hpp"
#include "core/system/thread_pool.hpp"

namespace gpubroker {
namespace {

std::string log_path(const Context& context, const WorkloadId& id, int attempt, int rank) {
  return context.home + "/logs/" + id.value + "/" + std::to_string(attempt) + "-" + std::to_string(rank) +
         ".log";
}

/// Called on threads of the pool: the supervisor's own connection to the journal is not theirs.
Result<std::unique_ptr<ObjectStore>> open_store_for(const WorkloadId& id, const std::string& url,
                                                    Context& context) {
  if (!is_remote_store(url)) { return open_object_store(url, context.files); }
  TRY(const std::unique_ptr<Journal> journal,
      open_journal(context.home + "/journal.db", OpenMode::read_only));
  TRY(const WorkloadState state, load_state(*journal, id.value));
  return open_workload_store(state, context);
}

SupervisorParts make_parts(Context& context, Journal& journal, OfferSource& offers, ThreadPool& pool) {
  SupervisorParts parts{.journal = journal, .clock = context.clock, .offers = offers};
  parts.run_later = [&pool](std::function<void()> task) { pool.add(std::move(task)); };
  parts.find_checkpoint = [&context](
                              const WorkloadId& id,
                              const std::string& url) -> Result<std::optional<SupervisorParts::Found>> {
    TRY(const std::unique_ptr<ObjectStore> objects, open_store_for(id, url, context));
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
  // The catalog is one connection, and threads of the pool tell of outcomes side by side.
  const auto catalog_lock = std::make_shared<std::mutex>();
  parts.remember = [&context, catalog_lock](const SupervisorParts::Met& met) {
    using enum ObservationKind;
    ObservationKind kind = met.preempted ? preempted : launched;
    if (met.refused && *met.refused != ErrorKind::capacity && *met.refused != ErrorKind::quota) { return; }
    if (met.refused) { kind = *met.refused == ErrorKind::quota ? quota : capacity; }
    const std::lock_guard<std::mutex> hold(*catalog_lock);
    // Not the connection that offers are read with: that is another thread's.
    const Result<std::unique_ptr<CatalogDb>> db =
        CatalogDb::open(context.home + "/catalog.db", OpenMode::read_write);
    const Status kept = db.ok() ? observe(*db.value(), {.kind = kind, .key = met.key, .at = met.at}, met.at)
                                : Status(db.error());
    if (!kept.ok()) {
      log_event(LogLevel::warn, "catalog.observe_failed", {{"message", kept.error().message}});
    }
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

/// Every supervisor of a home holds this lock for its life, and the kernel gives it back however that ends. A
/// lease outlives kill -9 by its whole length; who gets the lock knows that the lease's holder is dead.
Result<std::unique_ptr<FileLock>> lock_supervisor(Context& context, Millis wait) {
  return context.files.lock(context.home + "/supervisor.lock", wait);
}

/// Frees the lease of a dead supervisor. If its holder lives all the same (it had not got the lock when it
/// started), the fence keeps it from writing beside the next one.
Status free_lease(Journal& journal, Instant now) {
  TRY(const std::optional<Lease> lease, journal.current_lease());
  if (!lease || lease->until <= now) { return Ok{}; }
  log_event(LogLevel::warn, "supervise.lease_of_a_dead_supervisor", {{"holder", lease->holder}});
  return journal.release_lease(*lease);
}

/// What is kept for workloads that were live a moment ago and will not run again goes away.
class Housekeeper {
 public:
  explicit Housekeeper(Context& context) : context_(context) {}

  void look(Journal& journal, const std::map<WorkloadId, WorkloadState>& live) {
    if (const Status written = write_ssh_config(live, context_); !written.ok()) {
      log_event(LogLevel::warn, "supervise.ssh_config", {{"message", written.error().message}});
    }
    for (auto known = archives_.begin(); known != archives_.end();) {
      if (live.count(known->first) != 0) {
        ++known;
        continue;
      }
      const Result<WorkloadState> state = load_state(journal, known->first.value);
      if (state.ok() && is_final(state.value().phase)) {
        forget_files(known->second, known->first.value, context_);
        static_cast<void>(context_.keys().forget(known->first));  // its machines are gone
      }
      known = archives_.erase(known);
    }
    for (const auto& [id, state] : live) { archives_.try_emplace(id, state.options.archive); }
  }

 private:
  Context& context_;
  std::map<WorkloadId, std::string> archives_ = {};
};

/// One supervisor's life: until it is told to leave or, when that is wanted, has had nothing to do for a
/// while. False: another one works, and that is all that was wanted. `alone` is the supervisor's lock, once
/// it is got.
Result<bool> work(const SuperviseOptions& options, Context& context, Journal& journal, SupervisorParts parts,
                  std::unique_ptr<FileLock>& alone) {
  constexpr Millis kIdle{1'000};
  const std::string holder = "pid-" + std::to_string(context.processes.self_pid()) + "-" +
                             std::to_string(context.random.next() % 1'000'000);
  const auto seize = [&](Millis wait) {
    Result<std::unique_ptr<FileLock>> lock = lock_supervisor(context, wait);
    if (lock.ok()) { alone = std::move(lock).value(); }
  };
  if (!alone) { seize(Millis{200}); }  // ensure_supervisor holds it for a moment only
  if (alone) { TRY([[maybe_unused]] const Ok freed, free_lease(journal, context.clock.now())); }
  Supervisor supervisor(std::move(parts), holder);
  if (Status started = supervisor.start(); !started.ok()) {
    if (!options.until_idle || started.error().code != "lease") { return started.error(); }
    std::cerr << started.error().message << '\n';  // it does what we were started for
    return false;
  }
  TRY([[maybe_unused]] const Ok swept, sweep_files(supervisor.workloads(), journal, context));
  Housekeeper housekeeper(context);
  housekeeper.look(journal, supervisor.workloads());
  Instant busy_at = context.clock.now();
  while (!was_interrupted()) {
    if (!alone) { seize(Millis{0}); }  // a former one was still leaving
    TRY(const Supervisor::Step step, supervisor.step());
    if (step.changed) { housekeeper.look(journal, supervisor.workloads()); }
    const Instant now = context.clock.now();
    if (!step.idle) { busy_at = now; }
    if (options.until_idle && now - busy_at >= kIdle) { break; }
    wait_for_news(context, supervisor, journal, step.idle ? now + Millis{100} : step.next);
  }
  supervisor.stop();
  return true;
}

}  // namespace

Status ensure_supervisor(Context& context) {
  TRY(Journal* const journal, context.journal());
  TRY(const std::optional<Lease> lease, journal->current_lease());
  // A supervisor with a lease looks into the journal once more after it has given the lease back: what was
  // written before we looked at the lease is taken care of.
  if (lease && lease->until > context.clock.now() && !lock_supervisor(context, Millis{20}).ok()) {
    return Ok{};
  }
  TRY(const std::string self, context.processes.self_path());
  std::map<std::string, std::string> env = {{"GPUBROKER_HOME", context.home}};
  if (!context.scenario.empty()) { env["GPUBROKER_SCENARIO"] = context.scenario; }
  TRY([[maybe_unused]] const std::int64_t pid,
      context.processes.start_detached({.argv = {self, "supervise", "--until-idle"}, .env = env, .cwd = "/"},
                                       context.home + "/supervisor.log"));
  return Ok{};
}

Status wait_for_supervisor(Context& context, Millis patience) {
  const Result<std::unique_ptr<FileLock>> left = lock_supervisor(context, patience);
  return left.ok() ? Status(Ok{}) : Status(left.error());
}

Result<int> run_supervise(const SuperviseOptions& options, Context& context) {
  watch_interrupts(SecondSignal::is_ignored);
  open_log("", LogLevel::info);
  TRY(Journal* const journal, context.journal());
  std::unique_ptr<FileLock> alone;  // given back when the last thread has left this home
  // They wait: for clouds, and for nodes that may be far away. 256 nodes, each a second away, are four
  // seconds.
  constexpr std::size_t kMostErrands = 64;
  ThreadPool pool(kMostErrands);
  TRY(const auto providers, context.providers());
  context.refresh_aside([&pool](std::function<void()> task) { pool.add(std::move(task)); });
  TRY(OfferSource* const offers, context.offers());
  while (true) {
    SupervisorParts parts = make_parts(context, *journal, *offers, pool);
    parts.providers = providers;
    TRY(const bool worked, work(options, context, *journal, std::move(parts), alone));
    if (!worked || was_interrupted()) { return 0; }
    // Who asks for something writes it down and then looks for a lease. So who leaves gives the lease back
    // and then looks once more: one of the two sees the other.
    TRY(const std::vector<WorkloadRow> live, journal->workloads(/*only_live=*/true));
    if (live.empty()) { return 0; }
  }
}

}  // namespace gpubroker
