#pragma once
#include <map>
#include <string>

namespace gpubroker::nebius {

/// Our tags (core/ports/machine_tags.hpp) as labels. What a label may hold is nowhere written (?), so they
/// keep to what every cloud takes: "gpubroker-expires" = "2026-11-27_5410_3a00_3a00_5a", a-z, 0-9 and hyphens
/// as they are, other bytes as an underscore and two hex digits; what is longer than 63 goes on in
/// "gpubroker-expires-2" and so on.
std::map<std::string, std::string> to_labels(const std::map<std::string, std::string>& tags);
/// Back again; labels of others are left out.
std::map<std::string, std::string> from_labels(const std::map<std::string, std::string>& labels);

}  // namespace gpubroker::nebius
