#include "core/wire/gpu_words.hpp"

#include <array>

#include "core/base/text.hpp"

namespace gpubroker {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool mentions(const std::string& text, std::string_view word) {
  return text.find(word) != std::string::npos;
}

}  // namespace

std::string form_in(std::string_view words) {
  const std::string text = upper(words);
  if (mentions(text, "SXM")) { return "SXM"; }
  if (mentions(text, "PCIE")) { return "PCIe"; }
  for (std::size_t at = text.find("NVL"); at != std::string::npos; at = text.find("NVL", at + 1)) {
    const char after = at + 3 < text.size() ? text[at + 3] : ' ';
    // Not NVLINK, and not NVL72 either, which is a rack.
    if (after != 'I' && !is_digit(after)) { return "NVL"; }
  }
  return {};
}

int memory_gib_in(std::string_view words) {
  const std::string text = upper(words);
  for (std::size_t at = 0; at < text.size();) {
    if (!is_digit(text[at])) {
      ++at;
      continue;
    }
    std::size_t end = at;
    while (end < text.size() && is_digit(text[end])) { ++end; }
    std::size_t unit = end;
    while (unit < text.size() && text[unit] == ' ') { ++unit; }
    const std::string_view rest = std::string_view(text).substr(unit);
    const bool is_size = !rest.empty() && rest.front() == 'G' && rest.rfind("GBP", 0) != 0 &&  // "10 Gbps"
                         (rest.size() == 1 || rest[1] == 'B' || rest[1] == 'I' || rest[1] == '-');
    const std::int64_t size = parse_int(std::string_view(text).substr(at, end - at)).value_or(0);
    constexpr std::int64_t kLargest = 4'096;
    if (is_size && size > 0 && size <= kLargest) { return static_cast<int>(size); }
    at = end;
  }
  return 0;
}

void fill_host(Listing& listing) {
  const std::string words = upper(listing.gpu_text);
  const bool is_rack = mentions(words, "GB200") || mentions(words, "GB300");
  listing.arch = is_rack || mentions(words, "GH200") ? "arm64" : "x86_64";
  constexpr int kRack = 72;
  if (is_rack) { listing.nvlink_domain = kRack; }
}

}  // namespace gpubroker
