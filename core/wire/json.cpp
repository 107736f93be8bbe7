#include "core/wire/json.hpp"

template class nlohmann::basic_json<>;
template class std::vector<nlohmann::json>;
template class std::map<std::string, nlohmann::json, std::less<>>;
namespace nlohmann::detail {
template class lexer<json, iterator_input_adapter<std::string::const_iterator>>;
template class parser<json, iterator_input_adapter<std::string::const_iterator>>;
template class serializer<json>;

using PointerParser = parser<json, iterator_input_adapter<const char*>>;

PointerParser::parser(iterator_input_adapter<const char*>&& input, parser_callback_t<json> callback,
                      bool throws, bool comments)
    : callback_(std::move(callback)), throws_(throws), comments_(comments) {
  for (int c = input.get_character(); c != std::char_traits<char>::eof(); c = input.get_character()) {
    text_.push_back(std::char_traits<char>::to_char_type(c));
  }
}

void PointerParser::parse(bool /*strict*/, json& result) {
  result = json::parse(text_, callback_, throws_, comments_);
}

bool PointerParser::accept(bool /*strict*/) {
  return json::accept(text_, comments_);
}
}  // namespace nlohmann::detail

namespace gpubroker {

Json parse_json(std::string_view text) {
  return Json::parse(text);
}

}  // namespace gpubroker
