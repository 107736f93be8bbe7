#include "core/system/random.hpp"

#include <cstdlib>
#include <unistd.h>

namespace gpubroker {

std::uint64_t SystemRandom::next() {
  std::uint64_t value = 0;
  // getentropy gives up to 256 bytes whole or fails; without randomness no id would be safe.
  if (getentropy(&value, sizeof value) != 0) { std::abort(); }
  return value;
}

}  // namespace gpubroker
