// What is thrown away: manifests beyond `keep`, then pieces that nobody has named for long enough.
//
// Agents of two attempts may commit and sweep at the same time, in a store without locks. Both leave a mark
// before they look for the other's: a sweep that sees a commit removes nothing; a commit that sees a sweep
// waits before it relies on a piece that may be going.
#include <algorithm>
#include <set>

#include "core/base/text.hpp"
#include "core/checkpoint/internals.hpp"
#include "core/wire/json.hpp"

namespace gpubroker {
namespace checkpoint {

Result<bool> is_mark_fresh(ObjectStore& objects, const std::string& key, Instant now, Millis lasts) {
  const Result<std::string> text = objects.get(key);
  if (!text.ok() && text.error().kind == ErrorKind::not_found) { return false; }
  if (!text.ok()) { return text.error(); }
  const std::optional<std::int64_t> made = parse_int(text.value());
  return made && now - Instant{*made} < lasts;
}

Result<Sweep> read_sweep(ObjectStore& objects, const WorkloadId& workload) {
  const Result<std::string> text = objects.get(workload.value + "/sweep");
  if (!text.ok() && text.error().kind == ErrorKind::not_found) { return Sweep{}; }
  if (!text.ok()) { return text.error(); }
  return read_json(text.value(), "sweep", [](const Json& json) -> Result<Sweep> {
    Sweep sweep;
    for (const auto& [hash, since] : json.items()) { sweep[hash] = whole<std::int64_t>(since); }
    return sweep;
  });
}

}  // namespace checkpoint

namespace {

using namespace checkpoint;  // NOLINT(google-build-using-namespace): this room's own names.

// A piece without a manifest may belong to a commit that left no mark, or lost it.
constexpr Millis kUnusedFor = std::chrono::hours{1};

std::set<std::string> pieces_of(const std::vector<Manifest>& manifests) {
  std::set<std::string> used;
  for (const Manifest& manifest : manifests) {
    for (const ManifestFile& file : manifest.files) { used.insert(file.pieces.begin(), file.pieces.end()); }
  }
  return used;
}

}  // namespace

Status CheckpointStore::retain(int keep, bool sweep_all, const std::optional<CheckpointId>& needed) {
  std::vector<std::string> damaged;
  TRY(const std::vector<Manifest> all, list(&damaged));
  int kept = 0;
  for (const Manifest& manifest : all) {
    bool is_whole = false;
    if (kept < std::max(keep, 1)) {
      Status verdict = verify(manifest, /*deep=*/false);
      if (!verdict.ok() && !is_damage(verdict.error())) { return verdict; }
      is_whole = verdict.ok();
    }
    kept += is_whole ? 1 : 0;
    // Without a whole one nothing is thrown away: what is left is all there is to look at.
    if (!is_whole && kept > 0 && manifest.id != needed) {
      TRY([[maybe_unused]] const Ok removed, remove(manifest.id));
    }
  }
  if (kept == 0) { return Ok{}; }
  for (const std::string& id : damaged) { TRY([[maybe_unused]] const Ok removed, remove({id})); }
  return sweep(sweep_all);
}

Status CheckpointStore::sweep(bool sweep_all) {
  TRY(const std::vector<ObjectInfo> pieces, objects_.list(workload_.value + "/pieces/"));
  TRY(const std::vector<Manifest> manifests, list());
  const std::set<std::string> used = pieces_of(manifests);
  TRY(const Sweep before, read_sweep(objects_, workload_));
  const Instant now = clock_.now();
  Sweep unused;
  std::vector<std::string> removable;
  for (const ObjectInfo& piece : pieces) {
    const std::string hash = piece.key.substr(piece.key.rfind('/') + 1);
    if (used.contains(hash)) { continue; }
    const auto since = before.find(hash);
    unused[hash] = since == before.end() ? now.ms : since->second;
    if (sweep_all || now - Instant{unused[hash]} >= kUnusedFor) { removable.push_back(hash); }
  }
  // First said, then done: a commit that begins from here on does not rely on these.
  if (unused != before) {
    TRY([[maybe_unused]] const Ok said, objects_.put(workload_.value + "/sweep", dump_json(Json(unused))));
  }
  return removable.empty() ? Status(Ok{}) : remove_pieces(removable);
}

Status CheckpointStore::remove_pieces(const std::vector<std::string>& hashes) {
  const std::string mark = sweeping_key(workload_);
  const Instant began = clock_.now();
  const std::string text = std::to_string(began.ms);
  TRY(const bool ours, objects_.put_new(mark, text));
  if (!ours) {
    TRY(const bool another, is_mark_fresh(objects_, mark, began, kSweepLasts));
    if (another) { return Ok{}; }
    TRY([[maybe_unused]] const Ok taken, objects_.put(mark, text));  // its maker died
  }
  const Status done = remove_pieces_marked(hashes, began);
  const Status unmarked = objects_.remove(mark);
  return done.ok() ? unmarked : done;
}

Status CheckpointStore::remove_pieces_marked(const std::vector<std::string>& hashes, Instant began) {
  TRY(const std::vector<ObjectInfo> commits, objects_.list(workload_.value + "/commits/"));
  for (const ObjectInfo& commit : commits) {
    TRY(const bool in_the_making, is_mark_fresh(objects_, commit.key, began, kCommitLasts));
    if (in_the_making) { return Ok{}; }
    TRY([[maybe_unused]] const Ok forgotten, objects_.remove(commit.key));
  }
  TRY(const std::vector<Manifest> manifests, list());  // again: a commit may have ended just before our mark
  const std::set<std::string> used = pieces_of(manifests);
  TRY(Sweep sweep, read_sweep(objects_, workload_));
  for (const std::string& hash : hashes) {
    if (used.contains(hash)) { continue; }
    if (clock_.now() - began >= kSweepLasts / 2) { break; }  // the rest next time
    TRY([[maybe_unused]] const Ok removed, objects_.remove(piece_key(workload_, hash)));
    sweep.erase(hash);
  }
  return objects_.put(workload_.value + "/sweep", dump_json(Json(sweep)));
}

}  // namespace gpubroker
