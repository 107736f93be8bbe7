#include "core/ports/http.hpp"

namespace gpubroker {

std::string find_header(const Headers& headers, std::string_view name) {
  for (const auto& [found, value] : headers) {
    if (found == name) { return value; }
  }
  return {};
}

}  // namespace gpubroker
