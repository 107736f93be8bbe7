// Compiled for AVX2 (CMakeLists.txt); called only where the processor says that it has it.
#include "providers/aws/json_skip_kernel.hpp"

namespace gpubroker::aws {

std::size_t skip_avx2(SkipState& state, std::string_view bytes) {
  return skip(state, bytes);
}

}  // namespace gpubroker::aws
