#include <map>
#include <set>

#include "core/checkpoint/checkpoint.hpp"
#include "core/checkpoint/sha256.hpp"
#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

constexpr std::int64_t kPieceSize = 8 << 20;
constexpr Millis kUnusedFor =
    std::chrono::hours{1};  // a piece without a manifest may belong to a commit in the making

Error fail(ErrorKind kind, const std::string& code, const std::string& message, const std::string& source) {
  return {.kind = kind, .message = message, .source = source, .code = code};
}

std::string manifest_key(const WorkloadId& workload, const CheckpointId& id) {
  return workload.value + "/manifests/" + id.value;
}

std::string piece_key(const WorkloadId& workload, const std::string& hash) {
  return workload.value + "/pieces/" + hash;
}

std::int64_t piece_length(const Manifest& manifest, const ManifestFile& file, std::size_t index) {
  const std::int64_t offset = static_cast<std::int64_t>(index) * manifest.piece_size;
  return std::min(manifest.piece_size, file.size - offset);
}

/// Copies one file's pieces into the store and says what it was made of.
struct FileCopy {
  ObjectStore& objects;
  Files& files;
  const WorkloadId& workload;
  const std::set<std::string>&
      doubtful;  // pieces that a sweep is about to remove: written again, never relied on
  std::int64_t copied = 0;

  Status put_piece(const std::string& hash, const std::string& bytes) {
    const std::string key = piece_key(workload, hash);
    if (doubtful.count(hash) == 0) {
      const Result<ObjectInfo> there = objects.head(key);
      if (there.ok() && there.value().size == static_cast<std::int64_t>(bytes.size())) { return Ok{}; }
    }
    copied += static_cast<std::int64_t>(bytes.size());
    return objects.put(key, bytes);
  }

  Result<ManifestFile> copy(const std::string& folder, const std::string& path) {
    const std::string full = folder + "/" + path;
    TRY(const FileInfo before, files.stat(full));
    if (before.type != FileType::file) {
      return fail(ErrorKind::invalid, "type",
                  path + " is a link or something else that cannot be kept in a checkpoint", full);
    }
    ManifestFile file{.path = path, .size = before.size, .mode = before.mode & 0777};
    Sha256 whole;
    for (std::int64_t offset = 0; offset < before.size; offset += kPieceSize) {
      const std::int64_t length = std::min(kPieceSize, before.size - offset);
      TRY(const std::string bytes, files.read_at(full, offset, length));
      if (static_cast<std::int64_t>(bytes.size()) != length) { return changed(path, full); }
      whole.add(bytes);
      file.pieces.push_back(sha256_hex(bytes));
      TRY([[maybe_unused]] const Ok put, put_piece(file.pieces.back(), bytes));
    }
    file.sha256 = whole.hex();
    const Result<FileInfo> after = files.stat(full);
    if (!after.ok() || after.value().size != before.size || after.value().modified_ns != before.modified_ns) {
      return changed(path, full);
    }
    return file;
  }

  static Error changed(const std::string& path, const std::string& full) {
    return fail(ErrorKind::conflict, "changed", path + " changed while it was being saved", full);
  }
};

Result<std::map<std::string, std::int64_t>> read_sweep(ObjectStore& objects, const WorkloadId& workload) {
  const Result<std::string> text = objects.get(workload.value + "/sweep");
  if (!text.ok()) {
    if (text.error().kind == ErrorKind::not_found) { return std::map<std::string, std::int64_t>{}; }
    return text.error();
  }
  return read_json(text.value(), "sweep",
                   [](const Json& json) -> Result<std::map<std::string, std::int64_t>> {
                     return json.get<std::map<std::string, std::int64_t>>();
                   });
}

}  // namespace

CheckpointStore::CheckpointStore(ObjectStore& objects, Files& files, Clock& clock, WorkloadId workload)
    : objects_(objects), files_(files), clock_(clock), workload_(std::move(workload)) {}

Result<CommitResult> CheckpointStore::commit(const std::string& folder, const Manifest& header) {
  TRY(const std::vector<FileInfo> found, files_.list(folder, /*recursive=*/true));
  std::vector<std::string> paths;
  for (const FileInfo& file : found) { paths.push_back(file.name); }
  return commit_files(folder, paths, header);
}

Result<CommitResult> CheckpointStore::commit_files(const std::string& folder,
                                                   const std::vector<std::string>& paths,
                                                   const Manifest& header) {
  TRY(const auto sweep, read_sweep(objects_, workload_));
  std::set<std::string> doubtful;
  for (const auto& [hash, since] : sweep) { doubtful.insert(hash); }
  FileCopy copy{.objects = objects_, .files = files_, .workload = workload_, .doubtful = doubtful};
  CommitResult result{.manifest = header};
  Manifest& manifest = result.manifest;
  manifest.workload = workload_;
  manifest.piece_size = kPieceSize;
  manifest.created_at = clock_.now();
  manifest.files.clear();
  for (const std::string& path : paths) {
    TRY(ManifestFile file, copy.copy(folder, path));
    manifest.files.push_back(std::move(file));
  }
  std::sort(manifest.files.begin(), manifest.files.end(),
            [](const ManifestFile& a, const ManifestFile& b) { return a.path < b.path; });
  TRY([[maybe_unused]] const Ok whole, verify(manifest, /*deep=*/false));
  result.bytes_copied = copy.copied;
  TRY(const bool committed,
      objects_.put_new(manifest_key(workload_, manifest.id), encode_manifest(manifest)));
  if (!committed) {
    const Result<Manifest> there = read(manifest.id);
    if (there.ok() && there.value().files == manifest.files) { return result; }
    return fail(ErrorKind::conflict, "taken",
                "checkpoint " + manifest.id.value + " exists with other content", manifest.id.value);
  }
  return result;
}

Result<std::vector<Manifest>> CheckpointStore::list(std::vector<std::string>* damaged) {
  TRY(const std::vector<ObjectInfo> keys, objects_.list(workload_.value + "/manifests/"));
  std::vector<Manifest> manifests;
  for (const ObjectInfo& object : keys) {
    const std::string id = object.key.substr(object.key.rfind('/') + 1);
    Result<Manifest> manifest = read({id});
    if (manifest.ok()) {
      manifests.push_back(std::move(manifest).value());
    } else if (manifest.error().kind == ErrorKind::internal && damaged != nullptr) {
      damaged->push_back(id);
    } else if (manifest.error().kind != ErrorKind::internal &&
               manifest.error().kind != ErrorKind::not_found) {
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
      if (!there.ok()) {
        return fail(ErrorKind::internal, "missing", file.path + ": a piece is missing", key);
      }
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
    if (verify(manifest, /*deep=*/false).ok()) { return std::optional(std::move(manifest)); }
  }
  return std::optional<Manifest>{};
}

Status CheckpointStore::restore(const Manifest& manifest, const std::string& folder) {
  const std::string fresh = folder + ".restoring";
  TRY([[maybe_unused]] const Ok cleared, files_.remove_all(fresh));
  TRY([[maybe_unused]] const Ok made, files_.make_dirs(fresh, 0755));
  for (const ManifestFile& file : manifest.files) {
    const std::string path = fresh + "/" + file.path;
    TRY([[maybe_unused]] const Ok begun, files_.write_atomic(path, "", file.mode | 0600, /*durable=*/false));
    Sha256 whole;
    for (const std::string& hash : file.pieces) {
      TRY(const std::string bytes, objects_.get(piece_key(workload_, hash)));
      whole.add(bytes);
      TRY([[maybe_unused]] const Ok written, files_.append(path, bytes));
    }
    if (whole.hex() != file.sha256) {
      (void)files_.remove_all(fresh);
      return fail(ErrorKind::internal, "corrupt",
                  file.path + " of " + manifest.id.value + " does not have its hash", path);
    }
  }
  // Between these two there is no folder at all: a job that starts then finds nothing rather than a mixture.
  TRY([[maybe_unused]] const Ok removed, files_.remove_all(folder));
  return files_.rename(fresh, folder);
}

Status CheckpointStore::remove(const CheckpointId& id) {
  return objects_.remove(manifest_key(workload_, id));
}

Status CheckpointStore::retain(int keep, bool sweep_all, const std::optional<CheckpointId>& needed) {
  std::vector<std::string> damaged;
  TRY(const std::vector<Manifest> all, list(&damaged));
  int whole = 0;
  for (const Manifest& manifest : all) {
    const bool kept = whole < std::max(keep, 1) && verify(manifest, /*deep=*/false).ok();
    whole += kept ? 1 : 0;
    // Without a whole one nothing is thrown away: what is left is all there is to look at.
    if (!kept && whole > 0 && manifest.id != needed) {
      TRY([[maybe_unused]] const Ok removed, remove(manifest.id));
    }
  }
  if (whole == 0) { return Ok{}; }
  for (const std::string& id : damaged) { TRY([[maybe_unused]] const Ok removed, remove({id})); }

  TRY(const std::vector<ObjectInfo> pieces, objects_.list(workload_.value + "/pieces/"));
  TRY(const std::vector<Manifest> left, list());  // again: a commit may have come in between
  std::set<std::string> used;
  for (const Manifest& manifest : left) {
    for (const ManifestFile& file : manifest.files) { used.insert(file.pieces.begin(), file.pieces.end()); }
  }
  TRY(const auto before, read_sweep(objects_, workload_));
  std::map<std::string, std::int64_t> unused;
  const Instant now = clock_.now();
  for (const ObjectInfo& piece : pieces) {
    const std::string hash = piece.key.substr(piece.key.rfind('/') + 1);
    if (used.count(hash) != 0) { continue; }
    const auto since = before.find(hash);
    const bool long_unused = since != before.end() && now - Instant{since->second} >= kUnusedFor;
    if (long_unused || sweep_all) {
      TRY([[maybe_unused]] const Ok removed, objects_.remove(piece.key));
    } else {
      unused[hash] = since == before.end() ? now.ms : since->second;
    }
  }
  if (unused == before) { return Ok{}; }
  return objects_.put(workload_.value + "/sweep", dump_json(Json(unused)));
}

}  // namespace gpubroker
