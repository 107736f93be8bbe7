#include "core/wire/surrogates.hpp"

namespace gpubroker {

bool has_stray_surrogate(std::string_view json) {
  constexpr std::size_t kEscape = 6;  // \\uXXXX
  for (std::size_t at = json.find('\\'); at < json.size(); at = json.find('\\', at)) {
    const std::string_view escape = json.substr(at, kEscape);
    if (escape.size() < kEscape || escape[1] != 'u') {
      at += 2;
      continue;
    }
    const bool is_half = escape[2] == 'd' || escape[2] == 'D';
    if (is_half && std::string_view("cdefCDEF").find(escape[3]) != std::string_view::npos) { return true; }
    const bool is_first = is_half && std::string_view("89abAB").find(escape[3]) != std::string_view::npos;
    at += is_first ? 2 * kEscape : kEscape;
  }
  return false;
}

}  // namespace gpubroker
