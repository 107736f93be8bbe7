#include "providers/aws/json_skipper.hpp"

#include "providers/aws/json_skip_kernel.hpp"

namespace gpubroker::aws {

std::size_t skip_portable(SkipState& state, std::string_view bytes) {
  return skip(state, bytes);
}

JsonSkipper::JsonSkipper() : skip_(skip_portable) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("pclmul") &&
      __builtin_cpu_supports("popcnt")) {
    skip_ = skip_avx2;
  }
#endif
}

}  // namespace gpubroker::aws
