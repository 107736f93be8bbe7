#include "providers/aws/codec_xml.hpp"

#include "core/base/text.hpp"
#include "core/wire/answer_json.hpp"

namespace gpubroker::aws {

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
