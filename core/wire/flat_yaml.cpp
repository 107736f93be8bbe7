#include "core/wire/flat_yaml.hpp"

#include <yaml-cpp/yaml.h>

namespace gpubroker {
namespace {

constexpr std::size_t kMostBytes = 1U << 20U;
constexpr int kMostDepth = 32;
constexpr int kMostNodes = 20'000;  // with aliases followed: a few lines of them can mean billions

Error refuse(const std::string& why) {
  return {.kind = ErrorKind::invalid, .message = why};
}

std::string below(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "." + name;
}

struct Reading {
  FlatYaml flat = {};
  YamlLines lines = {};
  int nodes = 0;
};

Status flatten(const YAML::Node& node, const std::string& path, int depth, Reading& reading) {
  if (depth > kMostDepth) { return refuse("nested deeper than " + std::to_string(kMostDepth) + " levels"); }
  if (++reading.nodes > kMostNodes) { return refuse("more than " + std::to_string(kMostNodes) + " values"); }
  reading.lines[path] = node.Mark().line + 1;
  if (node.IsScalar()) {
    reading.flat[path] = node.Scalar();
  } else if (node.IsMap()) {
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) { continue; }
      const std::string name = below(path, entry.first.Scalar());
      TRY([[maybe_unused]] const Ok done, flatten(entry.second, name, depth + 1, reading));
      reading.lines[name] = entry.first.Mark().line + 1;  // an empty value has the mark of what follows it
    }
  } else if (node.IsSequence()) {
    int index = 0;
    for (const YAML::Node& item : node) {
      TRY([[maybe_unused]] const Ok done,
          flatten(item, below(path, std::to_string(index)), depth + 1, reading));
      ++index;
    }
  }
  return Ok{};
}

}  // namespace

Result<FlatYaml> read_flat_yaml(std::string_view text) {
  YamlLines lines;
  return read_flat_yaml(text, lines);
}

Result<FlatYaml> read_flat_yaml(std::string_view text, YamlLines& lines) {
  if (text.size() > kMostBytes) { return refuse("larger than 1 MiB"); }
  try {
    Reading reading;
    TRY([[maybe_unused]] const Ok done, flatten(YAML::Load(std::string(text)), "", 0, reading));
    lines = std::move(reading.lines);
    return std::move(reading.flat);
  } catch (const YAML::Exception& error) { return refuse("no YAML: " + std::string(error.what())); }
}

std::string flat_value(const FlatYaml& yaml, const std::string& path) {
  const auto found = yaml.find(path);
  return found == yaml.end() ? std::string() : found->second;
}

}  // namespace gpubroker
