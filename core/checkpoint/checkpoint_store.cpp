// What is in the store, and back to a folder.
#include <algorithm>

#include "core/checkpoint/internals.hpp"
#include "core/wire/sha256.hpp"

namespace gpubroker {
namespace {

using namespace checkpoint;  // NOLINT(google-build-using-namespace): this room's own names.

std::int64_t piece_length(const Manifest& manifest, const ManifestFile& file, std::size_t index) {
  const std::int64_t offset = static_cast<std::int64_t>(index) * manifest.piece_size;
  return std::min(manifest.piece_size, file.size - offset);
}

}  // namespace

CheckpointStore::CheckpointStore(ObjectStore& objects, Files& files, Clock& clock, WorkloadId workload)
    : objects_(objects), files_(files), clock_(clock), workload_(std::move(workload)) {}

Result<std::vector<Manifest>> CheckpointStore::list(std::vector<std::string>* damaged) {
  TRY(const std::vector<ObjectInfo> keys, objects_.list(workload_.value + "/manifests/"));
  std::vector<Manifest> manifests;
  for (const ObjectInfo& object : keys) {
    const std::string id = object.key.substr(object.key.rfind('/') + 1);
    Result<Manifest> manifest = read({id});
    if (manifest.ok()) {
      manifests.push_back(std::move(manifest).value());
    } else if (is_damage(manifest.error())) {
      if (damaged != nullptr) { damaged->push_back(id); }
    } else if (manifest.error().kind != ErrorKind::not_found) {
      return manifest.error();  // the store did not answer: an incomplete list is no list
    }
  }
  std::sort(manifests.begin(), manifests.end(), [](const Manifest& a, const Manifest& b) {
    return a.step != b.step ? a.step > b.step : a.attempt > b.attempt;
  });
  return manifests;
}

Result<Manifest> CheckpointStore::read(const CheckpointId& id) {
  TRY(const std::string text, objects_.get(manifest_key(workload_, id)));
  TRY(Manifest manifest, parse_manifest(text));
  if (manifest.id != id || manifest.workload != workload_) {
    return fail(ErrorKind::internal, "corrupt", "the manifest of " + id.value + " is of another checkpoint",
                id.value);
  }
  return manifest;
}

Status CheckpointStore::verify(const Manifest& manifest, bool deep) {
  for (const ManifestFile& file : manifest.files) {
    Sha256 whole;
    for (std::size_t i = 0; i < file.pieces.size(); ++i) {
      const std::string key = piece_key(workload_, file.pieces[i]);
      const Result<ObjectInfo> there = objects_.head(key);
      if (!there.ok() && there.error().kind == ErrorKind::not_found) {
        return fail(ErrorKind::internal, "missing", file.path + ": a piece is missing", key);
      }
      if (!there.ok()) { return there.error(); }
      if (there.value().size != piece_length(manifest, file, i)) {
        return fail(ErrorKind::internal, "corrupt", file.path + ": a piece has the wrong size", key);
      }
      if (!deep) { continue; }
      TRY(const std::string bytes, objects_.get(key));
      if (sha256_hex(bytes) != file.pieces[i]) {
        return fail(ErrorKind::internal, "corrupt", file.path + ": a piece does not have its hash", key);
      }
      whole.add(bytes);
    }
    if (deep && whole.hex() != file.sha256) {
      return fail(ErrorKind::internal, "corrupt", file.path + " does not have its hash", file.path);
    }
  }
  return Ok{};
}

Result<std::optional<Manifest>> CheckpointStore::newest_whole() {
  TRY(std::vector<Manifest> all, list());
  for (Manifest& manifest : all) {
    const Status verdict = verify(manifest, /*deep=*/false);
    if (verdict.ok()) { return std::optional(std::move(manifest)); }
    // A store that does not answer is no reason to lose steps to an older one.
    if (!is_damage(verdict.error())) { return verdict.error(); }
  }
  return std::optional<Manifest>{};
}

Status CheckpointStore::restore(const Manifest& manifest, const std::string& folder) {
  const std::string fresh = folder + ".restoring";
  TRY([[maybe_unused]] const Ok cleared, files_.remove_all(fresh));
  TRY([[maybe_unused]] const Ok made, files_.make_dirs(fresh, 0755));
  for (const ManifestFile& file : manifest.files) {
    if (Status restored = restore_file(file, fresh + "/" + file.path); !restored.ok()) {
      (void)files_.remove_all(fresh);
      return restored;
    }
  }
  Status swapped = swap_in(fresh, folder);
  if (!swapped.ok()) { (void)files_.remove_all(fresh); }
  return swapped;
}

Status CheckpointStore::restore_file(const ManifestFile& file, const std::string& path) {
  Sha256 all;
  if (file.pieces.size() <= 1) {
    std::string bytes;
    if (!file.pieces.empty()) { TRY(bytes, get_piece(file, file.pieces.front())); }
    all.add(bytes);
    TRY([[maybe_unused]] const Ok written, files_.write_atomic(path, bytes, file.mode, /*durable=*/false));
  } else {
    // Appended to piece by piece, so its owner must be able to write it.
    TRY([[maybe_unused]] const Ok begun, files_.write_atomic(path, "", file.mode | 0600, /*durable=*/false));
    for (const std::string& hash : file.pieces) {
      TRY(const std::string bytes, get_piece(file, hash));
      all.add(bytes);
      TRY([[maybe_unused]] const Ok written, files_.append(path, bytes));
    }
  }
  if (all.hex() == file.sha256) { return Ok{}; }
  return fail(ErrorKind::internal, "corrupt", file.path + " does not have its hash", path);
}

Result<std::string> CheckpointStore::get_piece(const ManifestFile& file, const std::string& hash) {
  const std::string key = piece_key(workload_, hash);
  for (int look = 0; look < 2; ++look) {  // twice: the way here may be at fault, not the store
    Result<std::string> bytes = objects_.get(key);
    if (!bytes.ok() && bytes.error().kind == ErrorKind::not_found) {
      return fail(ErrorKind::internal, "missing", file.path + ": a piece is missing", key);
    }
    if (!bytes.ok() || sha256_hex(bytes.value()) == hash) { return bytes; }
  }
  // Removed, so that this checkpoint is not offered again and the next commit writes the piece anew.
  TRY([[maybe_unused]] const Ok removed, objects_.remove(key));
  return fail(ErrorKind::internal, "corrupt", file.path + ": a piece does not have its hash", key);
}

Status CheckpointStore::swap_in(const std::string& fresh, const std::string& folder) {
  const std::string old = folder + ".replaced";
  TRY([[maybe_unused]] const Ok cleared, files_.remove_all(old));
  Status moved = files_.rename(folder, old);
  if (!moved.ok() && moved.error().kind != ErrorKind::not_found) { return moved; }
  // Between these two there is no folder at all: a job that starts then finds nothing rather than a mixture.
  if (Status placed = files_.rename(fresh, folder); !placed.ok()) {
    if (moved.ok()) { TRY([[maybe_unused]] const Ok back, files_.rename(old, folder)); }
    return placed;
  }
  (void)files_.remove_all(old);  // what cannot go now goes with the next restore
  return Ok{};
}

Status CheckpointStore::remove(const CheckpointId& id) {
  return objects_.remove(manifest_key(workload_, id));
}

}  // namespace gpubroker
