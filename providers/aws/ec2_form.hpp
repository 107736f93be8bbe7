#pragma once
// How calls of EC2 are written: "Filter.1.Name", "TagSpecification.1.Tag.1.Key"; lists count from one.
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/wire/url.hpp"

namespace gpubroker::aws {

QueryPairs ec2_call(const std::string& action);
void add_filter(QueryPairs& form, int number, const std::string& name, const std::string& value);
/// The same tags for each kind of thing that the call makes.
void add_tags(QueryPairs& form, const std::vector<std::string>& kinds,
              const std::map<std::string, std::string>& tags);

}  // namespace gpubroker::aws
