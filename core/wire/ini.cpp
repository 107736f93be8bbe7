#include "core/wire/ini.hpp"

#include "core/base/text.hpp"

namespace gpubroker {
namespace {

std::string_view without_comment(std::string_view value) {
  for (std::size_t i = 0; i < value.size(); ++i) {
    const bool opens = value[i] == '#' || value[i] == ';';
    if (opens && (i == 0 || value[i - 1] == ' ' || value[i - 1] == '\t')) { return trim(value.substr(0, i)); }
  }
  return trim(value);
}

std::string unquoted(std::string_view value) {
  const std::string_view text = trim(value);
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'')) {
    const std::size_t end = text.find(text.front(), 1);
    if (end != std::string_view::npos) { return std::string(text.substr(1, end - 1)); }
  }
  return std::string(without_comment(text));
}

}  // namespace

Ini parse_ini(std::string_view text) {
  Ini ini;
  std::string section;
  std::string parent;  // the key that indented lines belong to
  for (const std::string& line : split(text, '\n')) {
    const std::string_view content = trim(line);
    if (content.empty() || content.front() == '#' || content.front() == ';') { continue; }
    if (content.front() == '[') {
      const std::size_t close = content.find(']');
      if (close == std::string_view::npos) { continue; }
      section = unquoted(content.substr(1, close - 1));
      ini[section];
      parent.clear();
      continue;
    }
    const std::size_t equals = content.find('=');
    if (equals == std::string_view::npos) { continue; }
    const bool indented = line.front() == ' ' || line.front() == '\t';
    std::string key = lower(trim(content.substr(0, equals)));
    const std::string value = unquoted(content.substr(equals + 1));
    if (indented && !parent.empty()) {
      key.insert(0, parent + ".");
    } else {
      parent = value.empty() ? key : "";
    }
    ini[section][key] = value;
  }
  return ini;
}

std::string ini_value(const Ini& ini, const std::string& section, const std::string& key) {
  const auto found = ini.find(section);
  if (found == ini.end()) { return {}; }
  const auto value = found->second.find(key);
  return value == found->second.end() ? std::string() : value->second;
}

}  // namespace gpubroker
