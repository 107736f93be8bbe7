#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/ids.hpp"
#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "core/ports/clock.hpp"
#include "core/ports/files.hpp"
#include "core/ports/http.hpp"
#include "core/ports/object_store.hpp"

namespace gpubroker {

/// A file in a checkpoint: pieces of fixed size in the store, named by the SHA-256 of their content.
struct ManifestFile {
  std::string path = {};  // relative to the checkpoint folder; no "..", no leading slash
  std::int64_t size = 0;
  std::string sha256 = {};               // of the whole file, lower-case hex
  std::vector<std::string> pieces = {};  // sha256 of each piece, in order
  int mode = 0644;
  bool operator==(const ManifestFile&) const = default;
};

/// A checkpoint exists when its manifest is committed, and not before.
struct Manifest {
  CheckpointId id = {};
  WorkloadId workload = {};
  int attempt = 0;
  std::int64_t step = 0;
  int world_size = 1;
  Instant created_at = {};
  std::int64_t piece_size = 0;
  std::vector<ManifestFile> files = {};  // by path
  bool operator==(const Manifest&) const = default;
};

std::int64_t total_size(const Manifest& manifest);

/// JSON text ending in a line with its own SHA-256, so that a torn manifest is seen. Parsing fails with
/// `internal`, code "torn" or "corrupt".
std::string encode_manifest(const Manifest& manifest);
Result<Manifest> parse_manifest(std::string_view text);

/// What commit did.
struct CommitResult {
  Manifest manifest = {};
  std::int64_t bytes_copied = 0;  // the rest was there already
};

/// Sees what was read before it is committed; its error fails the commit. Only the caller knows which files
/// belong to one moment.
using CommitCheck = std::function<Status(const Manifest&)>;

/// The checkpoints of one workload in one store: keys "<workload>/manifests/<id>" and
/// "<workload>/pieces/<sha256>". Several may work on one store at the same time, also on different nodes
/// (clocks apart by less than five minutes): neither robs the other of a piece.
class CheckpointStore {
 public:
  /// Everything is borrowed and must outlive this.
  CheckpointStore(ObjectStore& objects, Files& files, Clock& clock, WorkloadId workload);

  /// Copies the folder into the store and commits its manifest. All files are looked at before the first is
  /// read and after the last: when one changed meanwhile the commit fails with `conflict`, code "changed"
  /// (nothing is offered). Pieces already there are not copied again. An id that exists with other content
  /// fails with `conflict`, code "taken"; a link, an unsafe path or no file at all with `invalid`.
  Result<CommitResult> commit(const std::string& folder, const Manifest& header);

  /// The same for chosen files of the folder (paths relative to it).
  Result<CommitResult> commit_files(const std::string& folder, const std::vector<std::string>& paths,
                                    const Manifest& header, const CommitCheck& check = {});

  /// Committed manifests, newest step first (then newest attempt). Torn or corrupt ones are left out and
  /// named in `damaged`, when given. A store that does not answer is an error, never a short list.
  Result<std::vector<Manifest>> list(std::vector<std::string>* damaged = nullptr);

  Result<Manifest> read(const CheckpointId& id);

  /// Checks every piece's presence and size, and with `deep` its SHA-256 and each file's. Fails with
  /// `internal`, code "corrupt" or "missing", naming the file; with the store's error when it does not
  /// answer.
  Status verify(const Manifest& manifest, bool deep);

  /// The newest one that verifies (shallow), or nothing.
  Result<std::optional<Manifest>> newest_whole();

  /// Makes `folder` exactly the checkpoint, verifying every SHA-256 on the way: written beside it and swapped
  /// in at the end. On failure the folder is as it was, or missing after a crash in the swap, never a
  /// mixture. A piece that does not have its hash is removed from the store, so that this checkpoint is not
  /// offered again. Files of several pieces come back writable by their owner, whatever their mode was.
  Status restore(const Manifest& manifest, const std::string& folder);

  Status remove(const CheckpointId& id);

  /// Keeps the newest `keep` whole checkpoints, removes other manifests and then the pieces no manifest
  /// names: those unreferenced at two sweeps an hour apart, or all of them with `sweep_all`, and none while
  /// anybody's commit is in the making. Never removes the last whole checkpoint, nor `needed`, whatever its
  /// age.
  Status retain(int keep, bool sweep_all, const std::optional<CheckpointId>& needed = {});

 private:
  Result<CommitResult> commit_marked(const std::string& folder, const std::vector<std::string>& paths,
                                     const Manifest& header, const CommitCheck& check);
  Status restore_file(const ManifestFile& file, const std::string& path);
  Result<std::string> get_piece(const ManifestFile& file, const std::string& hash);
  Status swap_in(const std::string& fresh, const std::string& folder);
  Status sweep(bool sweep_all);
  Status remove_pieces(const std::vector<std::string>& hashes);
  Status remove_pieces_marked(const std::vector<std::string>& hashes, Instant began);

  ObjectStore& objects_;
  Files& files_;
  Clock& clock_;
  WorkloadId workload_;
};

/// The id of a checkpoint: sorts by step, then attempt. make_checkpoint_id(42, 3) is "000000000042-a003".
CheckpointId make_checkpoint_id(std::int64_t step, int attempt);

/// What a store in the network is reached with; borrowed. What passes is repeated by the Http itself.
struct StoreNetwork {
  Http& http;
  Clock& clock;
  Random& random;
};

/// A place where settings are looked for by name, as the process's environment is.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

/// How stores that are more than a folder are reached.
struct StoreAccess {
  std::function<Result<StoreNetwork>()> network = {};  // asked only when one is needed; empty: there is none
  std::vector<Environment> places = {};                // the first that has a setting wins
  bool reads_user_files = false;                       // ~/.aws too, for what no place has
};

/// A store by URL: "file:///abs/dir" (objects are files below it), "s3://bucket/prefix" (s3_store.hpp).
/// `invalid` for a scheme nobody knows, naming those known; `auth` when no credential is found. Asks nobody
/// yet: a bucket that does not exist is met by the first call.
Result<std::unique_ptr<ObjectStore>> open_object_store(const std::string& url, Files& files,
                                                       const StoreAccess& access = {});

}  // namespace gpubroker
