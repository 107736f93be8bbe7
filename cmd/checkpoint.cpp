#include "core/checkpoint/checkpoint.hpp"

#include <iostream>
#include <set>

#include "cmd/commands.hpp"
#include "cmd/object_stores.hpp"
#include "cmd/table.hpp"
#include "core/broker/broker.hpp"
#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

constexpr int kExitDamaged = 1;
constexpr int kExitInterrupted = 130;
constexpr Millis kPause{50};
constexpr Millis kSupervise{5'000};

/// The store of one workload, with what it stands on.
struct OpenStore {
  std::unique_ptr<ObjectStore> objects;
  std::unique_ptr<CheckpointStore> store;
};

Result<OpenStore> open_store(const WorkloadState& state, Context& context) {
  if (state.task.checkpoint.path.empty()) {
    return Error{.kind = ErrorKind::invalid,
                 .message = state.id.value + " has no checkpoints: its task file has no `checkpoint:`",
                 .hint = "`gpubroker init ddp` writes a job that has"};
  }
  OpenStore open;
  TRY(open.objects, open_workload_store(state, context));
  open.store = std::make_unique<CheckpointStore>(*open.objects, context.files, context.clock, state.id);
  return open;
}

Json manifest_json(const Manifest& manifest, bool with_files) {
  Json json = {{"id", manifest.id.value},       {"step", manifest.step},
               {"attempt", manifest.attempt},   {"world_size", manifest.world_size},
               {"bytes", total_size(manifest)}, {"created_at", format_utc(manifest.created_at)}};
  if (!with_files) { return json; }
  json["files"] = Json::array();
  for (const ManifestFile& file : manifest.files) {
    json["files"].push_back({{"path", file.path}, {"bytes", file.size}, {"sha256", file.sha256}});
  }
  return json;
}

/// ls, show and verify: each checkpoint, with what is asked about it.
class Lister {
 public:
  Lister(const CheckpointOptions& options, Context& context)
      : options_(options),
        context_(context),
        table_(options.verb == "show"
                   ? Table({"CHECKPOINT", "FILE", "BYTES", "SHA256"})
                   : Table({"CHECKPOINT", "STEP", "BYTES", "ATTEMPT", "CREATED", "VERDICT"})) {}

  void add_damaged(const std::string& id) {
    ++bad_;
    json_.push_back({{"id", id}, {"whole", false}, {"problem", "damaged manifest"}});
    if (options_.verb != "show") { table_.add({id, "-", "-", "-", "-", "damaged manifest"}); }
  }

  void add(const Manifest& manifest, CheckpointStore& store) {
    Json json = manifest_json(manifest, options_.verb == "show");
    std::string verdict;
    if (options_.verb == "verify") {
      const Status whole = store.verify(manifest, /*deep=*/true);
      bad_ += whole.ok() ? 0 : 1;
      verdict = whole.ok() ? "whole" : whole.error().message;
      json["whole"] = whole.ok();
      json["problem"] = whole.ok() ? Json(nullptr) : Json(verdict);
    }
    json_.push_back(std::move(json));
    if (options_.verb == "show") {
      for (const ManifestFile& file : manifest.files) {
        table_.add({manifest.id.value, file.path, std::to_string(file.size), file.sha256});
      }
      return;
    }
    const bool relative = context_.terminal.table;
    table_.add({manifest.id.value, std::to_string(manifest.step), std::to_string(total_size(manifest)),
                std::to_string(manifest.attempt),
                relative ? relative_time(manifest.created_at, context_.clock.now())
                         : format_utc(manifest.created_at),
                verdict});
  }

  int finish(const WorkloadId& workload) {
    if (options_.json) {
      std::cout << dump_json({{"schema", 1}, {"workload", workload.value}, {"checkpoints", json_}}) << '\n';
    } else if (json_.empty()) {
      std::cerr << workload.value << " has no checkpoint yet\n";
    } else {
      std::cout << (context_.terminal.table ? table_.aligned() : table_.tabbed());
    }
    return bad_ == 0 ? 0 : kExitDamaged;
  }

 private:
  const CheckpointOptions& options_;
  Context& context_;
  Table table_;
  Json json_ = Json::array();
  int bad_ = 0;
};

Error no_such_checkpoint(const CheckpointOptions& options) {
  return {.kind = ErrorKind::not_found,
          .message = options.workload + " has no checkpoint " + options.id,
          .hint = "`gpubroker checkpoint ls " + options.workload + "` lists them"};
}

Result<int> list_checkpoints(const CheckpointOptions& options, const WorkloadState& state, Context& context) {
  TRY(const OpenStore open, open_store(state, context));
  std::vector<std::string> damaged;
  TRY(const std::vector<Manifest> all, open.store->list(&damaged));
  Lister listing(options, context);
  bool found = options.id.empty();
  for (const std::string& id : damaged) {
    if (!options.id.empty() && id != options.id) { continue; }
    listing.add_damaged(id);
    found = true;
  }
  for (const Manifest& manifest : all) {
    if (!options.id.empty() && manifest.id.value != options.id) { continue; }
    listing.add(manifest, *open.store);
    found = true;
  }
  if (!found) { return no_such_checkpoint(options); }
  return listing.finish(state.id);
}

Result<int> remove_checkpoint(const CheckpointOptions& options, const WorkloadState& state,
                              Context& context) {
  TRY(const OpenStore open, open_store(state, context));
  const Result<Manifest> manifest = open.store->read({options.id});
  if (!manifest.ok() && manifest.error().kind == ErrorKind::not_found) { return no_such_checkpoint(options); }
  if (!manifest.ok() && manifest.error().kind != ErrorKind::internal) { return manifest.error(); }
  const std::string what = options.id + " of " + state.id.value +
                           (manifest.ok() ? ", step " + std::to_string(manifest.value().step) + ", " +
                                                std::to_string(total_size(manifest.value())) + " bytes"
                                          : ", damaged");
  if (options.dry_run) {
    std::cerr << "would remove " << what << '\n';
  } else {
    TRY(const bool agreed,
        agree(context.terminal, options.yes, "this removes a checkpoint", "Remove " + what + "?"));
    if (!agreed) { return kExitInterrupted; }
    TRY([[maybe_unused]] const Ok removed, open.store->remove({options.id}));
    std::cerr << "removed " << what << '\n';
  }
  if (options.json) {
    std::cout << dump_json({{"schema", 1},
                            {"workload", state.id.value},
                            {"removed", options.dry_run ? Json::array() : Json::array({options.id})},
                            {"dry_run", options.dry_run}})
              << '\n';
  }
  return 0;
}

/// The newest commit that an agent has told of.
struct Commit {
  std::string id = {};
  std::int64_t step = -1;
  Instant at = {};
  std::string error = {};
};

Commit newest_commit(const WorkloadState& state) {
  Commit newest;
  for (const Attempt& attempt : state.attempts) {
    for (const auto& [rank, node] : attempt.nodes) {
      const AgentReport& agent = node.agent;
      if (!agent.checkpoint_error.empty() && !attempt.is_over()) { newest.error = agent.checkpoint_error; }
      if (!agent.committed_at || *agent.committed_at < newest.at) { continue; }
      newest.id = agent.committed;
      newest.step = agent.committed_step;
      newest.at = *agent.committed_at;
    }
  }
  return newest;
}

Error not_saved(const CheckpointOptions& options, const WorkloadState& state, const std::string& why) {
  return {.kind = ErrorKind::conflict,
          .message = "no new checkpoint of " + state.id.value + ": " + why,
          .hint = "`gpubroker status " + state.id.value + "` shows its state; `gpubroker checkpoint ls " +
                  options.workload + "` what is saved"};
}

void show_saved(const CheckpointOptions& options, const WorkloadState& state, const Commit& saved) {
  std::cerr << "saved step " << saved.step << '\n';
  if (options.json) {
    std::cout << dump_json({{"schema", 1},
                            {"workload", state.id.value},
                            {"checkpoint", saved.id},
                            {"step", saved.step},
                            {"committed_at", format_utc(saved.at)}})
              << '\n';
  } else {
    std::cout << saved.id << '\n';
  }
}

Result<int> save_now(const CheckpointOptions& options, WorkloadState state, Context& context) {
  TRY(const Millis timeout, parse_duration(options.timeout));
  TRY(Journal* const journal, context.journal());
  watch_interrupts(SecondSignal::leaves_at_once);
  const Commit before = newest_commit(state);
  TRY([[maybe_unused]] const Ok asked,
      ask(*journal, context.clock, state.id.value, {.verb = UserVerb::checkpoint}));
  std::cerr << "asked " << state.id.value << " to save; waiting until it is committed\n";
  const Instant begun = context.clock.now();
  Instant supervised = {};
  while (true) {
    const Instant now = context.clock.now();
    TRY(state, load_state(*journal, state.id.value));
    const Commit newest = newest_commit(state);
    if (newest.at > before.at && newest.at >= begun) {
      show_saved(options, state, newest);
      return 0;
    }
    if (!newest.error.empty() && newest.error != before.error) {
      return not_saved(options, state, newest.error);
    }
    if (!state.is_live()) {
      return not_saved(options, state, "it is " + std::string(to_string(state.phase)));
    }
    if (now - begun >= timeout) {
      return not_saved(options, state, "not within " + format_duration(timeout));
    }
    if (was_interrupted()) { return kExitInterrupted; }
    if (!options.no_supervise && now - supervised >= kSupervise) {
      supervised = now;
      TRY([[maybe_unused]] const Ok there, ensure_supervisor(context));
    }
    context.clock.sleep_until(now + kPause);
  }
}

}  // namespace

Result<int> run_checkpoint(const CheckpointOptions& options, Context& context) {
  TRY(Journal* const journal, context.journal_to_read());
  TRY(const WorkloadState state, load_state(*journal, options.workload));
  if (options.verb == "now") { return save_now(options, state, context); }
  if (options.verb == "rm") { return remove_checkpoint(options, state, context); }
  return list_checkpoints(options, state, context);
}

}  // namespace gpubroker
