#include "core/agent/checkpointer.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/base/text.hpp"
#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

/// LATEST.json must stand for so long before it is believed: times of files move in ticks of a few
/// milliseconds, and a job that saves again within one could leave files of two moments that look like one.
constexpr Millis kSettle{20};
constexpr Millis kQuiet = std::chrono::seconds{2};
constexpr Millis kStorePause = std::chrono::seconds{5};  // after a store that refused
/// Tries in a row that a job overtook by saving again, until that is told: sooner or later one is quick
/// enough, or the job saves more often than it can be kept.
constexpr int kOvertakenTold = 5;
constexpr const char* kLatest = "LATEST.json";

Error lie(const std::string& what) {
  return {.kind = ErrorKind::invalid,
          .message = std::string(kLatest) + " does not tell the truth: " + what,
          .code = "lie"};
}

Error changed(const std::string& what) {
  return {
      .kind = ErrorKind::conflict, .message = what + " changed while it was being saved", .code = "changed"};
}

bool is_below(const std::string& path) {
  const std::vector<std::string> steps = split(path, '/');
  return std::none_of(steps.begin(), steps.end(),
                      [](const std::string& s) { return s.empty() || s == "." || s == ".."; });
}

/// What was copied must be as LATEST.json says, where it says anything.
Status check_claims(const Json& latest, const Manifest& manifest) {
  if (!latest.contains("file")) { return Ok{}; }
  for (const ManifestFile& file : manifest.files) {
    if (file.path != latest.at("file").get<std::string>()) { continue; }
    if (latest.contains("bytes") && latest.at("bytes").get<std::int64_t>() != file.size) {
      return lie("the size of " + file.path);
    }
    if (latest.contains("sha256") && latest.at("sha256").get<std::string>() != file.sha256) {
      return lie("the hash of " + file.path);
    }
  }
  return Ok{};
}

/// What makes a file another one than it was.
std::string mark_of(const FileInfo& file, const std::string& path) {
  return path + ":" + std::to_string(file.size) + ":" + std::to_string(file.modified_ns) + ":" +
         std::to_string(file.inode) + "\n";
}

/// A report holds one sentence: of a store in the network it says what was asked of which.
std::string in_words(const Error& error) {
  if (error.source.find("://") == std::string::npos) { return error.message; }
  return error.source + ": " + error.message + (error.code.empty() ? "" : " [" + error.code + "]");
}

}  // namespace

Checkpointer::Checkpointer(AgentParts parts, AgentSpec spec, std::string folder,
                           std::map<std::string, std::string> env)
    : parts_(std::move(parts)), spec_(std::move(spec)), folder_(std::move(folder)), env_(std::move(env)) {}

Checkpointer::~Checkpointer() {
  if (thread_.joinable()) { thread_.join(); }
}

Result<Checkpointer::Candidate> Checkpointer::find_marked(const std::string& latest) {
  TRY(Candidate candidate, read_json(latest, kLatest, [&](const Json& json) -> Result<Candidate> {
        Candidate named{.mark = latest, .paths = {kLatest}, .step = whole<std::int64_t>(json.at("step"))};
        named.is_marked = true;
        named.world_size = json.value("world", static_cast<int>(spec_.node_ips.size()));
        if (json.contains("file")) { named.paths.push_back(json.at("file")); }
        if (json.contains("files")) {
          for (const Json& path : json.at("files")) { named.paths.push_back(path); }
        }
        return named;
      }));
  for (const std::string& path : candidate.paths) {
    if (!is_below(path)) { return lie(path + " is not below the checkpoint folder"); }
  }
  TRY(candidate.stamp, stamp_of(candidate.paths));
  return candidate;
}

Result<std::string> Checkpointer::stamp_of(const std::vector<std::string>& paths) {
  std::string stamp;
  std::int64_t marked_ns = std::numeric_limits<std::int64_t>::max();
  for (const std::string& path : paths) {
    TRY(const FileInfo info, parts_.files.stat(folder_ + "/" + path));
    stamp += mark_of(info, path);
    // LATEST.json is written last: a younger file belongs to the next checkpoint.
    if (path == kLatest) { marked_ns = info.modified_ns; }
    if (info.modified_ns > marked_ns) { return changed(path); }
  }
  return stamp;
}

Result<Checkpointer::Candidate> Checkpointer::read_folder() {
  TRY(const std::vector<FileInfo> files, parts_.files.list(folder_, /*recursive=*/true));
  Candidate candidate{.world_size = static_cast<int>(spec_.node_ips.size())};
  for (const FileInfo& file : files) {
    const bool in_the_making =
        file.name.find(".part") != std::string::npos || file.name.find(".tmp") != std::string::npos;
    if (in_the_making) { return Candidate{}; }
    candidate.mark += mark_of(file, file.name);
    candidate.paths.push_back(file.name);
  }
  return candidate;
}

Result<Checkpointer::Candidate> Checkpointer::find_quiet(std::int64_t step) {
  TRY(Candidate candidate, read_folder());
  candidate.step = std::max<std::int64_t>(step, 0);
  const Millis now = parts_.clock.monotonic();
  if (candidate.mark != quiet_mark_) {
    quiet_mark_ = candidate.mark;
    quiet_since_ = now;
  }
  if (now - quiet_since_ < kQuiet && !is_over_) { return Candidate{}; }
  return candidate;
}

Result<Checkpointer::Candidate> Checkpointer::find(std::int64_t step) {
  const Result<std::string> latest = parts_.files.read(folder_ + "/" + kLatest);
  if (!latest.ok()) { return find_quiet(step); }
  if (latest.value() == tried_) { return Candidate{}; }
  const Millis now = parts_.clock.monotonic();
  if (latest.value() != fresh_mark_) {
    fresh_mark_ = latest.value();
    fresh_since_ = now;
  }
  if (now - fresh_since_ < kSettle && !is_over_) { return Candidate{}; }
  return find_marked(latest.value());
}

/// Whether what was read is one moment's content: nothing may have changed since it was found.
Status Checkpointer::check_one_moment(const Candidate& candidate, const Manifest& manifest) {
  if (!candidate.is_marked) {
    TRY(const Candidate now, read_folder());
    return now.mark == candidate.mark ? Status(Ok{}) : changed("the folder");
  }
  TRY(const std::string stamp, stamp_of(candidate.paths));
  TRY(const std::string latest, parts_.files.read(folder_ + "/" + kLatest));
  if (stamp != candidate.stamp || latest != candidate.mark) { return changed("the checkpoint"); }
  return read_json(latest, kLatest, [&](const Json& json) { return check_claims(json, manifest); });
}

Result<std::unique_ptr<ObjectStore>> Checkpointer::open_objects() {
  const auto given = [this](const std::string& name) -> std::optional<std::string> {
    const auto at = env_.find(name);
    return at == env_.end() ? std::nullopt : std::optional(at->second);
  };
  return open_object_store(spec_.checkpoint.store, parts_.files,
                           {.network = parts_.network, .places = {given}});
}

Result<CommitResult> Checkpointer::copy(const Candidate& candidate) {
  TRY(const std::unique_ptr<ObjectStore> objects, open_objects());
  CheckpointStore store(*objects, parts_.files, parts_.clock, spec_.workload);
  const Manifest header{.id = make_checkpoint_id(candidate.step, spec_.attempt),
                        .attempt = spec_.attempt,
                        .step = candidate.step,
                        .world_size = candidate.world_size};
  TRY(CommitResult result, store.commit_files(folder_, candidate.paths, header, [&](const Manifest& read) {
    return check_one_moment(candidate, read);
  }));
  // Another node of this gang may still have to restore what the attempt goes on from.
  TRY([[maybe_unused]] const Ok kept, store.retain(spec_.checkpoint.keep, /*sweep_all=*/false, spec_.resume));
  return result;
}

void Checkpointer::commit(const Candidate& candidate, bool is_last) {
  const Millis began = parts_.clock.monotonic();
  const Result<CommitResult> result = copy(candidate);
  const std::lock_guard<std::mutex> hold(mutex_);
  if (!result.ok()) {
    const bool is_overtaken = result.error().code == "changed";
    overtaken_ = is_overtaken ? overtaken_ + 1 : 0;
    const bool is_told = !is_overtaken || is_last || overtaken_ >= kOvertakenTold;
    if (is_told) { told_.checkpoint_error = in_words(result.error()); }
    // A lie stays one. What changed is looked for again at once, what the store refused after a while.
    again_ = result.error().kind != ErrorKind::invalid;
    again_at_ = parts_.clock.monotonic() + (is_overtaken ? Millis{0} : kStorePause);
    return;
  }
  overtaken_ = 0;
  told_.checkpoint_error.clear();
  told_.committed = result.value().manifest.id.value;
  told_.committed_step = candidate.step;
  told_.committed_at = parts_.clock.now();
  told_.commit_took = parts_.clock.monotonic() - began;
}

void Checkpointer::look(std::int64_t step) {
  if (busy_) { return; }
  if (thread_.joinable()) { thread_.join(); }
  if (again_ && (is_over_ || parts_.clock.monotonic() >= again_at_)) {
    again_ = false;
    tried_.clear();
  }
  const Result<Candidate> candidate = find(step);
  if (!candidate.ok()) {
    const std::lock_guard<std::mutex> hold(mutex_);
    const ErrorKind kind = candidate.error().kind;  // not found, changed: another look may find more
    if (kind == ErrorKind::invalid || kind == ErrorKind::internal) {
      const std::string& words = candidate.error().message;
      told_.checkpoint_error = words.rfind(kLatest, 0) == 0 ? words : std::string(kLatest) + ": " + words;
    }
    return;
  }
  if (candidate.value().paths.empty() || candidate.value().mark == tried_) { return; }
  tried_ = candidate.value().mark;
  busy_ = true;
  thread_ = std::thread([this, candidate = candidate.value(), is_last = is_over_] {
    commit(candidate, is_last);
    busy_ = false;
  });
}

void Checkpointer::finish(std::int64_t step, bool killed) {
  constexpr int kTries = 3;  // a store that refuses once more is not waited for: the machine may be going
  is_over_ = true;           // nobody writes any more
  for (int i = 0; i < kTries && (i == 0 || again_); ++i) {
    if (thread_.joinable()) { thread_.join(); }
    // Without the job's word for it, what a killed job leaves may be half of a save.
    if (killed && !parts_.files.stat(folder_ + "/" + kLatest).ok()) { return; }
    const Result<std::vector<FileInfo>> there = parts_.files.list(folder_, /*recursive=*/true);
    if (!there.ok() || there.value().empty()) { return; }
    look(step);
    if (thread_.joinable()) { thread_.join(); }
  }
}

void Checkpointer::go_on_from(const AgentReport& report) {
  const std::lock_guard<std::mutex> hold(mutex_);
  told_ = report;
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
  Status restored = restore_from_store();
  if (restored.ok()) { return restored; }
  Error error = std::move(restored).error();
  error.message = in_words(error);
  return error;
}

Status Checkpointer::restore_from_store() {
  TRY(const std::unique_ptr<ObjectStore> objects, open_objects());
  CheckpointStore store(*objects, parts_.files, parts_.clock, spec_.workload);
  TRY(const Manifest manifest, store.read(*spec_.resume));
  TRY([[maybe_unused]] const Ok restored, store.restore(manifest, folder_));
  const Result<std::string> latest = parts_.files.read(folder_ + "/" + kLatest);
  if (latest.ok()) { tried_ = latest.value(); }
  return Ok{};
}

}  // namespace gpubroker
