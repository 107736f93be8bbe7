#pragma once
#include <map>
#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace gpubroker {

/// The texts of a YAML file by their path: "profiles.default.endpoint", "clusters.0.name". For the settings
/// of the clouds' own clients, of which a few values are wanted and the rest is not ours to judge. Names that
/// are not texts are left out. Fails with `invalid` when it is no YAML, over 1 MiB, or deeper than 32 levels.
using FlatYaml = std::map<std::string, std::string>;
Result<FlatYaml> read_flat_yaml(std::string_view text);

/// The lines, from 1, of values by path: where its name stands, or where an item of a list begins. Of maps
/// and lists too.
using YamlLines = std::map<std::string, int>;
/// The same for files that are ours to judge: what a path's mistake is told with.
Result<FlatYaml> read_flat_yaml(std::string_view text, YamlLines& lines);

/// The value, or empty.
std::string flat_value(const FlatYaml& yaml, const std::string& path);

}  // namespace gpubroker
