// Pieces first, the manifest last: what a crash leaves are pieces that nobody names.
#include <algorithm>
#include <set>

#include "core/checkpoint/internals.hpp"
#include "core/wire/sha256.hpp"

namespace gpubroker {
namespace {

using namespace checkpoint;  // NOLINT(google-build-using-namespace): this room's own names.

constexpr std::int64_t kPieceSize = 8 << 20;
constexpr Millis kSweepPatience = std::chrono::seconds{30};

Error changed(const std::string& path, const std::string& full) {
  return fail(ErrorKind::conflict, "changed", path + " changed while it was being saved", full);
}

bool is_same(const FileInfo& a, const FileInfo& b) {
  return a.type == b.type && a.size == b.size && a.modified_ns == b.modified_ns && a.inode == b.inode;
}

/// Copies files' pieces into the store and says what each file was made of.
class FileCopier {
 public:
  FileCopier(ObjectStore& objects, Files& files, Clock& clock, const WorkloadId& workload, Sweep doubtful)
      : objects_(objects),
        files_(files),
        clock_(clock),
        workload_(workload),
        doubtful_(std::move(doubtful)) {}

  Result<ManifestFile> copy(const std::string& full, const std::string& path, const FileInfo& before) {
    ManifestFile file{.path = path, .size = before.size, .mode = before.mode & 0777};
    Sha256 whole;
    for (std::int64_t offset = 0; offset < before.size; offset += kPieceSize) {
      const std::int64_t length = std::min(kPieceSize, before.size - offset);
      TRY(const std::string bytes, files_.read_at(full, offset, length));
      if (static_cast<std::int64_t>(bytes.size()) != length) { return changed(path, full); }
      whole.add(bytes);
      file.pieces.push_back(sha256_hex(bytes));
      TRY([[maybe_unused]] const Ok put, put_piece(file.pieces.back(), bytes));
    }
    file.sha256 = whole.hex();
    return file;
  }

  [[nodiscard]] std::int64_t copied() const { return copied_; }

 private:
  /// A piece that is there is not copied again, unless a sweep may be about to remove it.
  Status put_piece(const std::string& hash, const std::string& bytes) {
    const std::string key = piece_key(workload_, hash);
    if (doubtful_.contains(hash)) {
      TRY([[maybe_unused]] const Ok quiet, wait_for_sweep());
    } else {
      const Result<ObjectInfo> there = objects_.head(key);
      if (there.ok() && there.value().size == static_cast<std::int64_t>(bytes.size())) { return Ok{}; }
    }
    copied_ += static_cast<std::int64_t>(bytes.size());
    return objects_.put(key, bytes);
  }

  /// A sweep that began before our mark was made may still remove what we write now.
  Status wait_for_sweep() {
    const Instant until = clock_.now() + kSweepPatience;
    for (Millis pause{50};; pause *= 2) {
      TRY(const bool sweeping, is_mark_fresh(objects_, sweeping_key(workload_), clock_.now(), kSweepLasts));
      if (!sweeping) { return Ok{}; }
      if (clock_.now() >= until) {
        return fail(ErrorKind::conflict, "busy", "old checkpoints are being removed: try again",
                    sweeping_key(workload_));
      }
      clock_.sleep_until(clock_.now() + pause);
    }
  }

  ObjectStore& objects_;
  Files& files_;
  Clock& clock_;
  const WorkloadId& workload_;
  Sweep doubtful_;
  std::int64_t copied_ = 0;
};

/// All files as they are before the first is read: the set must be of one moment, not only each file.
Result<std::vector<FileInfo>> look_at(Files& files, const std::string& folder,
                                      const std::vector<std::string>& paths) {
  std::vector<FileInfo> found;
  for (const std::string& path : paths) {
    std::string full = folder + "/";
    full += path;
    TRY(FileInfo info, files.stat(full));
    if (info.type != FileType::file) {
      return fail(ErrorKind::invalid, "type",
                  path + " is a link or something else that cannot be kept in a checkpoint", full);
    }
    found.push_back(std::move(info));
  }
  return found;
}

/// A manifest that would not be read back as it is (a path with "..", twice, or not UTF-8) is not written.
Result<std::string> encode_checked(const Manifest& manifest) {
  std::string text = encode_manifest(manifest);
  const Result<Manifest> back = parse_manifest(text);
  if (back.ok() && back.value() == manifest) { return text; }
  return fail(ErrorKind::invalid, "unsafe",
              back.ok() ? "a path that is not UTF-8 cannot be kept in a checkpoint" : back.error().message,
              manifest.id.value);
}

}  // namespace

Result<CommitResult> CheckpointStore::commit(const std::string& folder, const Manifest& header) {
  TRY(const std::vector<FileInfo> found, files_.list(folder, /*recursive=*/true));
  std::vector<std::string> paths;
  paths.reserve(found.size());
  for (const FileInfo& file : found) { paths.push_back(file.name); }
  return commit_files(folder, paths, header);
}

Result<CommitResult> CheckpointStore::commit_files(const std::string& folder,
                                                   const std::vector<std::string>& paths,
                                                   const Manifest& header, const CommitCheck& check) {
  if (paths.empty()) { return fail(ErrorKind::invalid, "empty", "there is nothing to save", folder); }
  const std::string mark = commit_key(workload_, header.id);
  TRY([[maybe_unused]] const Ok marked, objects_.put(mark, std::to_string(clock_.now().ms)));
  Result<CommitResult> result = commit_marked(folder, paths, header, check);
  (void)objects_.remove(mark);  // one left behind delays sweeps for a day, no more
  return result;
}

Result<CommitResult> CheckpointStore::commit_marked(const std::string& folder,
                                                    const std::vector<std::string>& paths,
                                                    const Manifest& header, const CommitCheck& check) {
  TRY(Sweep doubtful, read_sweep(objects_, workload_));
  FileCopier copier(objects_, files_, clock_, workload_, std::move(doubtful));
  TRY(const std::vector<FileInfo> before, look_at(files_, folder, paths));
  CommitResult result{.manifest = header};
  Manifest& manifest = result.manifest;
  manifest.workload = workload_;
  manifest.piece_size = kPieceSize;
  manifest.created_at = clock_.now();
  manifest.files.clear();
  for (std::size_t i = 0; i < paths.size(); ++i) {
    TRY(ManifestFile file, copier.copy(folder + "/" + paths[i], paths[i], before[i]));
    manifest.files.push_back(std::move(file));
  }
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const Result<FileInfo> after = files_.stat(folder + "/" + paths[i]);
    if (!after.ok() || !is_same(before[i], after.value())) {
      return changed(paths[i], folder + "/" + paths[i]);
    }
  }
  std::sort(manifest.files.begin(), manifest.files.end(),
            [](const ManifestFile& a, const ManifestFile& b) { return a.path < b.path; });
  if (check) { TRY([[maybe_unused]] const Ok one_moment, check(manifest)); }
  TRY(const std::string text, encode_checked(manifest));
  TRY([[maybe_unused]] const Ok whole, verify(manifest, /*deep=*/false));
  result.bytes_copied = copier.copied();
  TRY(const bool committed, objects_.put_new(manifest_key(workload_, manifest.id), text));
  if (!committed) {
    const Result<Manifest> there = read(manifest.id);
    if (there.ok() && there.value().files == manifest.files) { return result; }
    return fail(ErrorKind::conflict, "taken",
                "checkpoint " + manifest.id.value + " exists with other content", manifest.id.value);
  }
  return result;
}

}  // namespace gpubroker
