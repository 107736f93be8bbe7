#pragma once
#include <memory>
#include <string>

#include "core/ports/journal.hpp"

namespace gpubroker {

enum class OpenMode {
  read_write,  // made if missing, mode 0600, its folder 0700
  read_only,   // for commands that only look: changes nothing; `not_found` when there is no journal yet
};

/// Opens the journal in WAL mode. Cheap: no check of the whole file. Errors as in core/ports/journal.hpp.
/// Safe with several processes on one file, and from several threads of one. A call that finds the file
/// locked by another process for longer than `patience` fails with `conflict`, code "locked".
Result<std::unique_ptr<Journal>> open_journal(const std::string& path, OpenMode mode,
                                              Millis patience = std::chrono::seconds{5});

}  // namespace gpubroker
