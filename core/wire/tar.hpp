#pragma once
#include <string>
#include <string_view>

namespace gpubroker {

/// Appends a regular file to an archive in the ustar format of POSIX, which every `tar` reads. `name` has at
/// most 100 bytes (an assertion: names here are our own). No owner and no time: 0.
void append_tar_file(std::string& tar, std::string_view name, int mode, std::string_view bytes);

/// The two empty blocks that an archive ends with.
void append_tar_end(std::string& tar);

}  // namespace gpubroker
