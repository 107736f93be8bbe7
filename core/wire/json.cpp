#include "core/wire/json.hpp"

template class nlohmann::basic_json<>;
template class std::vector<nlohmann::json>;
template class std::map<std::string, nlohmann::json, std::less<>>;
namespace nlohmann::detail {
template class lexer<json, iterator_input_adapter<std::string::const_iterator>>;
template class parser<json, iterator_input_adapter<std::string::const_iterator>>;
template class serializer<json>;
}  // namespace nlohmann::detail

namespace gpubroker {

Json parse_json(std::string_view text) {
  return Json::parse(text);
}

}  // namespace gpubroker
