#pragma once
// What EC2's and STS's XML has beyond core/wire/xml.hpp. Only codecs include this.
#include <functional>
#include <string>

#include "core/ports/price_feed.hpp"
#include "core/wire/xml.hpp"

namespace gpubroker::aws {

// Inside for_each_item only: what is not there or cannot be read refuses the row.
std::string text_at(const pugi::xml_node& node, const char* name);
std::int64_t whole_at(const pugi::xml_node& node, const char* name, std::int64_t most);
Money money_at(const pugi::xml_node& node, const char* name);
Instant time_at(const pugi::xml_node& node, const char* name);

/// Reads each <item> of a set by itself: one that cannot be read becomes the remark "row refused".
void for_each_item(const pugi::xml_node& set, Harvest& harvest,
                   const std::function<void(const pugi::xml_node&)>& row);

}  // namespace gpubroker::aws
