#include "core/agent/checkpointer.hpp"

#include "core/checkpoint/sha256.hpp"
#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

constexpr Millis kQuiet = std::chrono::seconds{2};
constexpr const char* kLatest = "LATEST.json";

Error lie(const std::string& what) {
  return {.kind = ErrorKind::invalid,
          .message = std::string(kLatest) + " does not tell the truth: " + what,
          .code = "lie"};
}

/// A file must be as LATEST.json says, where it says anything.
Status check_claim(Files& files, const std::string& path, const Json& latest) {
  TRY(const FileInfo info, files.stat(path));
  if (latest.contains("bytes") && latest.at("bytes").get<std::int64_t>() != info.size) {
    return lie("the size of " + info.name);
  }
  if (latest.contains("sha256")) {
    Sha256 hash;
    TRY([[maybe_unused]] const Ok read, files.read_pieces(path, [&](std::string_view piece) -> Status {
      hash.add(piece);
      return Ok{};
    }));
    if (hash.hex() != latest.at("sha256").get<std::string>()) { return lie("the hash of " + info.name); }
  }
  return Ok{};
}

}  // namespace

Checkpointer::Checkpointer(AgentParts parts, AgentSpec spec, std::string folder)
    : parts_(parts), spec_(std::move(spec)), folder_(std::move(folder)) {
  if (spec_.resume) {  // what was restored is not news
    const Result<std::string> latest = parts_.files.read(folder_ + "/" + kLatest);
    if (latest.ok()) { tried_ = latest.value(); }
  }
}

Checkpointer::~Checkpointer() {
  if (thread_.joinable()) { thread_.join(); }
}

Result<Checkpointer::Candidate> Checkpointer::find_marked(const std::string& latest) {
  return read_json(latest, kLatest, [&](const Json& json) -> Result<Candidate> {
    Candidate candidate{.mark = latest, .paths = {kLatest}, .step = json.at("step")};
    candidate.world_size = json.value("world", static_cast<int>(spec_.node_ips.size()));
    if (json.contains("file")) { candidate.paths.push_back(json.at("file")); }
    if (json.contains("files")) {
      for (const Json& path : json.at("files")) { candidate.paths.push_back(path); }
    }
    return candidate;
  });
}

Result<Checkpointer::Candidate> Checkpointer::find_quiet(std::int64_t step) {
  TRY(const std::vector<FileInfo> files, parts_.files.list(folder_, /*recursive=*/true));
  Candidate candidate{.step = std::max<std::int64_t>(step, 0),
                      .world_size = static_cast<int>(spec_.node_ips.size())};
  for (const FileInfo& file : files) {
    const bool in_the_making =
        file.name.find(".part") != std::string::npos || file.name.find(".tmp") != std::string::npos;
    if (in_the_making) { return Candidate{}; }
    candidate.mark +=
        file.name + ":" + std::to_string(file.size) + ":" + std::to_string(file.modified_ns) + "\n";
    candidate.paths.push_back(file.name);
  }
  const Millis now = parts_.clock.monotonic();
  if (candidate.mark != quiet_mark_) {
    quiet_mark_ = candidate.mark;
    quiet_since_ = now;
  }
  if (now - quiet_since_ < kQuiet) { return Candidate{}; }
  return candidate;
}

Result<Checkpointer::Candidate> Checkpointer::find(std::int64_t step) {
  const Result<std::string> latest = parts_.files.read(folder_ + "/" + kLatest);
  if (latest.ok()) {
    return latest.value() == tried_ ? Result<Candidate>(Candidate{}) : find_marked(latest.value());
  }
  return find_quiet(step);
}

void Checkpointer::commit(const Candidate& candidate) {
  const Millis began = parts_.clock.monotonic();
  const auto work = [&]() -> Result<CommitResult> {
    const Result<std::string> latest = parts_.files.read(folder_ + "/" + kLatest);
    if (latest.ok() && candidate.paths.size() == 2) {
      const std::string& path = candidate.paths[0] == kLatest ? candidate.paths[1] : candidate.paths[0];
      TRY([[maybe_unused]] const Ok true_claim, read_json(latest.value(), kLatest, [&](const Json& json) {
            return check_claim(parts_.files, folder_ + "/" + path, json);
          }));
    }
    TRY(const std::unique_ptr<ObjectStore> objects, open_object_store(spec_.checkpoint.store, parts_.files));
    CheckpointStore store(*objects, parts_.files, parts_.clock, spec_.workload);
    const Manifest header{.id = make_checkpoint_id(candidate.step, spec_.attempt),
                          .attempt = spec_.attempt,
                          .step = candidate.step,
                          .world_size = candidate.world_size};
    TRY(CommitResult result, store.commit_files(folder_, candidate.paths, header));
    // Another node of this gang may still have to restore what the attempt goes on from.
    TRY([[maybe_unused]] const Ok kept,
        store.retain(spec_.checkpoint.keep, /*sweep_all=*/false, spec_.resume));
    return result;
  };
  const Result<CommitResult> result = work();
  const std::lock_guard<std::mutex> hold(mutex_);
  if (!result.ok()) {
    told_.checkpoint_error = result.error().message;
    return;
  }
  told_.checkpoint_error.clear();
  told_.committed = result.value().manifest.id.value;
  told_.committed_step = candidate.step;
  told_.committed_at = parts_.clock.now();
  told_.commit_took = parts_.clock.monotonic() - began;
}

void Checkpointer::look(std::int64_t step) {
  if (busy_) { return; }
  const Result<Candidate> candidate = find(step);
  if (!candidate.ok() || candidate.value().paths.empty() || candidate.value().mark == tried_) { return; }
  tried_ = candidate.value().mark;
  if (thread_.joinable()) { thread_.join(); }
  busy_ = true;
  thread_ = std::thread([this, candidate = candidate.value()] {
    commit(candidate);
    busy_ = false;
  });
}

void Checkpointer::finish(std::int64_t step, bool killed) {
  if (thread_.joinable()) { thread_.join(); }
  busy_ = false;
  // Without the job's word for it, what a killed job leaves may be half of a save.
  if (killed && !parts_.files.stat(folder_ + "/" + kLatest).ok()) { return; }
  (void)find_quiet(step);                            // what is there now …
  quiet_since_ = parts_.clock.monotonic() - kQuiet;  // … is not written to any more
  const Result<std::vector<FileInfo>> there = parts_.files.list(folder_, /*recursive=*/true);
  if (!there.ok() || there.value().empty()) { return; }
  look(step);
  if (thread_.joinable()) { thread_.join(); }
  busy_ = false;
}

void Checkpointer::tell(AgentReport& report) {
  const std::lock_guard<std::mutex> hold(mutex_);
  report.committed = told_.committed;
  report.committed_step = told_.committed_step;
  report.committed_at = told_.committed_at;
  report.commit_took = told_.commit_took;
  report.checkpoint_error = told_.checkpoint_error;
}

Status Checkpointer::restore() {
  if (!spec_.resume) { return Ok{}; }
  TRY(const std::unique_ptr<ObjectStore> objects, open_object_store(spec_.checkpoint.store, parts_.files));
  CheckpointStore store(*objects, parts_.files, parts_.clock, spec_.workload);
  TRY(const Manifest manifest, store.read(*spec_.resume));
  TRY([[maybe_unused]] const Ok restored, store.restore(manifest, folder_));
  const Result<std::string> latest = parts_.files.read(folder_ + "/" + kLatest);
  if (latest.ok()) { tried_ = latest.value(); }
  return Ok{};
}

}  // namespace gpubroker
