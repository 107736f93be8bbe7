#pragma once
#include <cstdint>

namespace gpubroker {

enum class OpenMode : std::uint8_t {
  read_write,  // made if missing, mode 0600, its folder 0700
  read_only,   // for commands that only look: changes nothing; `not_found` when there is no file yet
};

}  // namespace gpubroker
