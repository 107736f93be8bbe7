#pragma once
#include <memory>
#include <string>

#include "core/ports/journal.hpp"
#include "core/store/open_mode.hpp"

namespace gpubroker {

/// Opens the journal in WAL mode. Cheap: no check of the whole file. Errors as in core/ports/journal.hpp.
/// Safe with several processes on one file, and from several threads of one. A call that finds the file
/// locked by another process for longer than `patience` fails with `conflict`, code "locked".
Result<std::unique_ptr<Journal>> open_journal(const std::string& path, OpenMode mode,
                                              Millis patience = std::chrono::seconds{5});

}  // namespace gpubroker
