#include "providers/nebius/labels.hpp"

#include <cstdint>
#include <string_view>

#include "core/base/text.hpp"
#include "core/wire/digest.hpp"

namespace gpubroker::nebius {
namespace {

constexpr std::string_view kPrefix = "gpubroker-";
constexpr std::size_t kLongest = 63;

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') { return c - '0'; }
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::string escape(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (is_plain(c)) {
      out += c;
    } else {
      out += "_" + to_hex(std::string(1, c));
    }
  }
  return out;
}

std::string unescape(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_escape = text[i] == '_' && i + 2 < text.size();
    const int high = is_escape ? hex_digit(text[i + 1]) : -1;
    const int low = is_escape ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) {
      out += text[i];
      continue;
    }
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

}  // namespace

std::map<std::string, std::string> to_labels(const std::map<std::string, std::string>& tags) {
  std::map<std::string, std::string> labels;
  for (const auto& [name, value] : tags) {
    const std::string text = escape(value);
    std::string label = std::string(kPrefix) + name;
    for (std::size_t at = 0, part = 2; at < text.size(); at += kLongest, ++part) {
      labels[label] = text.substr(at, kLongest);
      label = std::string(kPrefix) + name + "-" + std::to_string(part);
    }
  }
  return labels;
}

std::map<std::string, std::string> from_labels(const std::map<std::string, std::string>& labels) {
  std::map<std::string, std::string> tags;
  for (const auto& [label, value] : labels) {
    if (label.rfind(kPrefix, 0) != 0) { continue; }
    const std::string name = label.substr(kPrefix.size());
    const std::size_t hyphen = name.rfind('-');
    if (hyphen != std::string::npos && parse_int(name.substr(hyphen + 1))) { continue; }  // a later part
    std::string text = value;
    for (std::size_t part = 2;; ++part) {
      const auto more = labels.find(label + "-" + std::to_string(part));
      if (more == labels.end()) { break; }
      text += more->second;
    }
    tags[name] = unescape(text);
  }
  return tags;
}

}  // namespace gpubroker::nebius
