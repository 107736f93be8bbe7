#pragma once
// A YAML document whose mistakes are told with file, line, column and field. Only for .cpp files of this
// room.
#include <functional>
#include <map>
#include <string>
#include <vector>
#include <yaml-cpp/yaml.h>

#include "core/base/result.hpp"
#include "core/workload/task.hpp"

namespace gpubroker {

/// Where a mistake is told from.
struct YamlPlace {
  std::string file = {};
};

/// "train.yaml:3:5" of a node.
std::string place_of(const YamlPlace& place, const YAML::Node& node);

/// An `invalid` at a node: "field: what".
Error mistake(const YamlPlace& place, const YAML::Node& node, const std::string& field,
              const std::string& what, const std::string& hint = "");

/// Loads one document, a map: at most 1 MiB of UTF-8, depth at most 32, at most 20,000 nodes with aliases
/// followed. Syntax errors and duplicate keys come out with their place.
Result<YAML::Node> load_yaml(std::string_view text, const YamlPlace& place);

struct YamlEntry {
  YAML::Node name;
  YAML::Node value;
};

/// The entries of a map of a loaded document: its own, then what `<<` merges in and the map does not say
/// itself.
std::vector<YamlEntry> entries_of(const YAML::Node& map);

Result<std::string> yaml_text(const YamlPlace& place, const YAML::Node& node, const std::string& field);
Result<std::int64_t> yaml_int(const YamlPlace& place, const YAML::Node& node, const std::string& field,
                              std::int64_t least, std::int64_t most);
Result<bool> yaml_bool(const YamlPlace& place, const YAML::Node& node, const std::string& field);
/// A list of texts, or one text for a list of one. Never empty.
Result<std::vector<std::string>> yaml_texts(const YamlPlace& place, const YAML::Node& node,
                                            const std::string& field);

/// What reads each field of a map. An unknown field is a mistake that names the nearest known one.
using YamlFields = std::map<std::string, std::function<Status(const YAML::Node&)>>;
Status read_map(const YamlPlace& place, const YAML::Node& node, const std::string& field,
                const YamlFields& fields);

}  // namespace gpubroker
