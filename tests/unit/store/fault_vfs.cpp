#include "tests/unit/store/fault_vfs.hpp"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <new>

namespace gpubroker::store_test {
namespace {

/// Ours in front, the real file right behind it in the memory that SQLite gives.
struct File {
  sqlite3_file base;
  FaultVfs* owner;
  FaultVfs::Disk* disk;  // null: a file that need not survive
  sqlite3_file* real;
};

File* ours(sqlite3_file* file) {
  return reinterpret_cast<File*>(file);
}
sqlite3_file* real_of(sqlite3_file* file) {
  return ours(file)->real;
}
FaultVfs* owner_of(sqlite3_vfs* vfs) {
  return static_cast<FaultVfs*>(vfs->pAppData);
}
void remember(sqlite3_file* file, FaultVfs::Change change) {
  if (FaultVfs::Disk* const disk = ours(file)->disk) { disk->since.push_back(std::move(change)); }
}

void lay_down(std::string& bytes, const FaultVfs::Change& change) {
  const auto at = static_cast<std::size_t>(change.at);
  if (change.is_truncation) {
    bytes.resize(at);
    return;
  }
  if (bytes.size() < at + change.bytes.size()) { bytes.resize(at + change.bytes.size()); }
  bytes.replace(at, change.bytes.size(), change.bytes);
}

int close(sqlite3_file* file) {
  return real_of(file)->pMethods->xClose(real_of(file));
}
int read(sqlite3_file* file, void* to, int size, sqlite3_int64 at) {
  return real_of(file)->pMethods->xRead(real_of(file), to, size, at);
}
int write(sqlite3_file* file, const void* from, int size, sqlite3_int64 at) {
  const int code = ours(file)->owner->next_change(SQLITE_IOERR_WRITE);
  const int done = code == SQLITE_OK ? size : ours(file)->owner->tears() ? size / 2 : 0;
  if (done > 0) {
    const int real = real_of(file)->pMethods->xWrite(real_of(file), from, done, at);
    if (real != SQLITE_OK) { return real; }
    remember(file, {.at = at,
                    .bytes = std::string(static_cast<const char*>(from), static_cast<std::size_t>(done))});
  }
  return code;
}
int truncate(sqlite3_file* file, sqlite3_int64 size) {
  const int code = ours(file)->owner->next_change(SQLITE_IOERR_TRUNCATE);
  if (code != SQLITE_OK) { return code; }
  remember(file, {.at = size, .is_truncation = true});
  return real_of(file)->pMethods->xTruncate(real_of(file), size);
}
int sync(sqlite3_file* file, int /*flags*/) {
  const int code = ours(file)->owner->next_change(SQLITE_IOERR_FSYNC);
  FaultVfs::Disk* const disk = ours(file)->disk;
  if (code != SQLITE_OK || disk == nullptr) { return code; }
  for (const FaultVfs::Change& change : disk->since) { lay_down(disk->synced, change); }
  disk->since.clear();
  return SQLITE_OK;
}
int file_size(sqlite3_file* file, sqlite3_int64* size) {
  return real_of(file)->pMethods->xFileSize(real_of(file), size);
}
int lock(sqlite3_file* file, int level) {
  return real_of(file)->pMethods->xLock(real_of(file), level);
}
int unlock(sqlite3_file* file, int level) {
  return real_of(file)->pMethods->xUnlock(real_of(file), level);
}
int check_lock(sqlite3_file* file, int* held) {
  return real_of(file)->pMethods->xCheckReservedLock(real_of(file), held);
}
int control(sqlite3_file* file, int what, void* with) {
  return real_of(file)->pMethods->xFileControl(real_of(file), what, with);
}
int sector_size(sqlite3_file* file) {
  return real_of(file)->pMethods->xSectorSize(real_of(file));
}
int characteristics(sqlite3_file* /*file*/) {
  return 0;  // promises nothing: no write is atomic, none stays in order
}
int map_shared(sqlite3_file* file, int page, int size, int extend, void volatile** memory) {
  const int code = extend != 0 ? ours(file)->owner->next_change(SQLITE_IOERR_SHMSIZE) : SQLITE_OK;
  if (code != SQLITE_OK) {
    *memory = nullptr;
    return code;
  }
  return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, memory);
}
int lock_shared(sqlite3_file* file, int offset, int count, int flags) {
  return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
}
void barrier(sqlite3_file* file) {
  real_of(file)->pMethods->xShmBarrier(real_of(file));
}
int unmap_shared(sqlite3_file* file, int remove) {
  return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

constexpr sqlite3_io_methods kMethods = {2,
                                         close,
                                         read,
                                         write,
                                         truncate,
                                         sync,
                                         file_size,
                                         lock,
                                         unlock,
                                         check_lock,
                                         control,
                                         sector_size,
                                         characteristics,
                                         map_shared,
                                         lock_shared,
                                         barrier,
                                         unmap_shared,
                                         nullptr,
                                         nullptr};

int open_file(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* got) {
  FaultVfs* const owner = owner_of(vfs);
  File* const opened = new (file) File{};
  const bool is_new = name != nullptr && (flags & SQLITE_OPEN_CREATE) != 0 && !std::filesystem::exists(name);
  const int code = is_new ? owner->next_change(SQLITE_CANTOPEN) : SQLITE_OK;
  if (code != SQLITE_OK) { return code == SQLITE_CANTOPEN ? code : SQLITE_CANTOPEN; }
  opened->owner = owner;
  opened->real = reinterpret_cast<sqlite3_file*>(opened + 1);
  opened->disk = name != nullptr ? &owner->disks[name] : nullptr;
  const int real = owner->real->xOpen(owner->real, name, opened->real, flags, got);
  // Without methods SQLite takes the file as never opened and does not close it.
  if (real == SQLITE_OK) { opened->base.pMethods = &kMethods; }
  return real;
}

int delete_file(sqlite3_vfs* vfs, const char* name, int /*sync_folder*/) {
  FaultVfs* const owner = owner_of(vfs);
  const int code = owner->next_change(SQLITE_IOERR_DELETE);
  if (code != SQLITE_OK) { return code; }
  owner->disks.erase(name);
  return owner->real->xDelete(owner->real, name, /*syncDir=*/0);
}

}  // namespace

FaultVfs::FaultVfs() : real(sqlite3_vfs_find(nullptr)), vfs_(*real) {
  vfs_.zName = "faults";
  vfs_.pAppData = this;
  vfs_.szOsFile = static_cast<int>(sizeof(File)) + real->szOsFile;
  vfs_.xOpen = open_file;
  vfs_.xDelete = delete_file;
  sqlite3_vfs_register(&vfs_, /*makeDflt=*/1);
}

FaultVfs::~FaultVfs() {
  sqlite3_vfs_unregister(&vfs_);
  sqlite3_vfs_register(real, /*makeDflt=*/1);
}

void FaultVfs::fail_after(int changes, Fault fault, bool for_good) {
  left_ = changes;
  fault_ = fault;
  for_good_ = for_good;
  failed_ = false;
}

void FaultVfs::heal() {
  left_ = -1;
}

int FaultVfs::next_change(int code) {
  if (left_ < 0 || left_-- > 0) { return SQLITE_OK; }
  failed_ = true;
  left_ = for_good_ ? 0 : -1;
  errno = fault_ == Fault::full ? ENOSPC : EIO;
  return fault_ == Fault::full && code == SQLITE_IOERR_WRITE ? SQLITE_FULL : code;
}

void FaultVfs::lose_power(const std::string& from, const std::string& to, std::mt19937_64& random) const {
  for (const auto& [path, disk] : disks) {
    const std::filesystem::path file(path);
    if (file.parent_path() != from) { continue; }
    std::string bytes = disk.synced;
    for (Change change : disk.since) {
      const auto luck = random() % 4;
      if (luck == 0) { continue; }                                      // never got there
      if (luck == 1) { change.bytes.resize(change.bytes.size() / 2); }  // half of it
      lay_down(bytes, change);
    }
    std::ofstream(std::filesystem::path(to) / file.filename(), std::ios::binary) << bytes;
  }
}

}  // namespace gpubroker::store_test
