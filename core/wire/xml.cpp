#include "core/wire/xml.hpp"

#include "core/base/text.hpp"

namespace gpubroker {

std::optional<Error> visit_xml(std::string_view text, std::string_view source,
                               const std::function<void(const pugi::xml_node&)>& visit) {
  const auto refuse = [&](const std::string& why) {
    return Error{.kind = ErrorKind::internal,
                 .message = "cannot read the answer: " + why,
                 .source = std::string(source)};
  };
  if (text.empty()) { return refuse("it is empty"); }
  const std::string start = lower(trim(text.substr(0, 256)));
  if (start.rfind("<!doctype html", 0) == 0 || start.rfind("<html", 0) == 0) {
    return refuse("it is a web page, not XML");
  }
  if (text.find("<!DOCTYPE") != std::string_view::npos || text.find('\0') != std::string_view::npos) {
    return refuse("it has what no answer has");
  }
  pugi::xml_document document;
  const pugi::xml_parse_result parsed = document.load_buffer(text.data(), text.size(), pugi::parse_default);
  const pugi::xml_node root = document.document_element();
  if (!parsed || !root) { return refuse("no XML at byte " + std::to_string(parsed.offset)); }
  visit(root);
  return std::nullopt;
}

std::string text_or_empty(const pugi::xml_node& node, const char* name) {
  return node.child_value(name);
}

}  // namespace gpubroker
