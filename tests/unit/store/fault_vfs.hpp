#pragma once
// SQLite's file system with faults: the Nth change fails, and power can be lost. Nothing is really synced,
// so that thousands of rounds take seconds.
#include <map>
#include <random>
#include <string>
#include <vector>

#include <sqlite3.h>

namespace gpubroker::store_test {

enum class Fault {
  refused,  // the change fails and nothing of it is done
  torn,     // half of a write is done, then it fails
  full,     // no space left: a write says SQLITE_FULL, everything else an I/O error with ENOSPC
};

/// SQLite's default file system as long as this lives. Changes are: write, truncate, sync, delete, making a
/// file, extending the shared memory.
class FaultVfs {
 public:
  FaultVfs();
  ~FaultVfs();
  FaultVfs(const FaultVfs&) = delete;
  FaultVfs& operator=(const FaultVfs&) = delete;

  /// Lets the change after `changes` more fail; with `for_good` all that follow, too.
  void fail_after(int changes, Fault fault, bool for_good);
  void heal();
  [[nodiscard]] bool has_failed() const { return failed_; }

  /// Writes the files of folder `from` as they may be after power was lost now into `to`: what was synced is
  /// there, of what was not a random part.
  void lose_power(const std::string& from, const std::string& to, std::mt19937_64& random) const;

  // For the callbacks.
  struct Change {
    sqlite3_int64 at = 0;
    std::string bytes = {};
    bool is_truncation = false;
  };
  struct Disk {
    std::string synced = {};
    std::vector<Change> since = {};
  };
  /// SQLITE_OK, or the code of this change's failure: `code` or that of the fault.
  int next_change(int code);
  [[nodiscard]] bool tears() const { return fault_ == Fault::torn; }
  sqlite3_vfs* real;
  std::map<std::string, Disk> disks = {};  // by path; the shared memory is none

 private:
  sqlite3_vfs vfs_ = {};
  int left_ = -1;  // changes until the fault; negative: none is planned
  Fault fault_ = Fault::refused;
  bool for_good_ = false;
  bool failed_ = false;
};

}  // namespace gpubroker::store_test
