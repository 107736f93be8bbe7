#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/ports/files.hpp"

namespace gpubroker {

/// A part of a file, named by what it holds.
struct ArchivePiece {
  std::int64_t offset = 0;
  std::int64_t size = 0;    // bytes; at most 1 MiB
  std::string sha256 = {};  // lower-case hex
};

/// A file as the row of its pieces.
struct CutArchive {
  std::string sha256 = {};  // of the whole
  std::vector<ArchivePiece> pieces = {};
};

/// Cuts a file where its content says so (gear hash, as FastCDC has it: Xia et al., USENIX ATC 2016), at
/// about every 320 KiB. What is inserted, removed or changed somewhere leaves the pieces elsewhere as they
/// were: of an archive of a folder with one changed file all pieces but one or two are known from the last
/// time. Fails as Files does.
Result<CutArchive> cut_archive(Files& files, const std::string& path);

}  // namespace gpubroker
