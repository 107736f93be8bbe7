#pragma once
// The border to XML answers. pugixml does the work; only codecs include this.
#include <functional>
#include <optional>
#include <pugixml.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/result.hpp"

namespace gpubroker {

/// Parses and calls `visit` with the root element. Fails with `internal` when the text is not XML or brings a
/// document type: no answer has one, and entities of its own are an old way in.
std::optional<Error> visit_xml(std::string_view text, std::string_view source,
                               const std::function<void(const pugi::xml_node&)>& visit);

/// What `read` makes of the root, or why the answer cannot be read.
template <class Read>
auto read_xml(std::string_view text, std::string_view source, Read read)
    -> decltype(read(std::declval<const pugi::xml_node&>())) {
  std::optional<decltype(read(std::declval<const pugi::xml_node&>()))> answer;
  std::optional<Error> error =
      visit_xml(text, source, [&](const pugi::xml_node& root) { answer.emplace(read(root)); });
  if (error) { return *std::move(error); }
  return *std::move(answer);
}

/// The text of a child; empty when it is not there.
std::string text_or_empty(const pugi::xml_node& node, const char* name);

}  // namespace gpubroker
