#include "providers/aws/codec_xml.hpp"

#include "core/base/text.hpp"
#include "core/wire/answer_json.hpp"

namespace gpubroker::aws {

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

std::string text_at(const pugi::xml_node& node, const char* name) {
  std::string text = node.child_value(name);
  if (text.empty()) { AnswerValue::refuse("the field " + std::string(name) + " is missing"); }
  return text;
}

std::int64_t whole_at(const pugi::xml_node& node, const char* name, std::int64_t most) {
  const std::optional<std::int64_t> number = parse_int(text_at(node, name));
  if (!number || *number < 0 || *number > most) {
    AnswerValue::refuse("the field " + std::string(name) + " is no number that can be");
  }
  return *number;
}

Money money_at(const pugi::xml_node& node, const char* name) {
  const std::optional<Money> amount = round_money(text_at(node, name));
  if (!amount) { AnswerValue::refuse("the field " + std::string(name) + " is no amount"); }
  return *amount;
}

Instant time_at(const pugi::xml_node& node, const char* name) {
  const Result<Instant> at = parse_utc(text_at(node, name));
  if (!at.ok()) { AnswerValue::refuse("the field " + std::string(name) + " is no time"); }
  return at.value();
}

void for_each_item(const pugi::xml_node& set, Harvest& harvest,
                   const std::function<void(const pugi::xml_node&)>& row) {
  std::size_t index = 0;
  for (const pugi::xml_node& item : set.children("item")) {
    read_row(std::string(set.name()) + "[" + std::to_string(index) + "]", harvest, [&] { row(item); });
    ++index;
  }
}

}  // namespace gpubroker::aws
