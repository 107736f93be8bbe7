#pragma once
#include <map>
#include <string>
#include <string_view>

namespace gpubroker {

/// A file of "[section]" lines and "key = value" lines, as AWS, OCI and the neoclouds keep their credentials;
/// small TOML files too: quotes around a value are taken off. Sections by name, "" for what stands before the
/// first; keys in lower case. Comments begin with # or ;, in the middle of a line only after a blank.
/// Indented lines under a key that has no value are "key.nested". Lines that are none of these are left out.
/// Never fails.
using Ini = std::map<std::string, std::map<std::string, std::string>>;
Ini parse_ini(std::string_view text);

/// The value, or empty.
std::string ini_value(const Ini& ini, const std::string& section, const std::string& key);

}  // namespace gpubroker
