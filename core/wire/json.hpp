#pragma once
// The JSON border: include only in .cpp files (nlohmann costs 2 s each).
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/base/result.hpp"

// Compiled once, in json.cpp, instead of in each file: a quarter of the whole build's time.
extern template class nlohmann::basic_json<>;
extern template class std::vector<nlohmann::json>;
extern template class std::map<std::string, nlohmann::json, std::less<>>;
namespace nlohmann::detail {
extern template class lexer<json, iterator_input_adapter<std::string::const_iterator>>;
extern template class parser<json, iterator_input_adapter<std::string::const_iterator>>;
extern template class serializer<json>;
/// Texts by pointer are read as strings. The header's own operator""_json would compile a parser of their own
/// in each file (0.2 s).
template <>
class parser<json, iterator_input_adapter<const char*>> {
 public:
  parser(iterator_input_adapter<const char*>&& input, parser_callback_t<json> callback, bool throws,
         bool comments);
  void parse(bool strict, json& result);
  bool accept(bool strict);

 private:
  std::string text_;
  parser_callback_t<json> callback_;
  bool throws_;
  bool comments_;
};
}  // namespace nlohmann::detail

namespace gpubroker {

using Json = nlohmann::json;

/// What a text says. Throws Json::exception: for use inside a `read` that catches it.
Json parse_json(std::string_view text);

/// The one place where a JSON exception becomes an Error: `read` may use at(), get(), value() freely.
template <class Read>
auto read_json(std::string_view text, std::string_view source, Read read)
    -> decltype(read(std::declval<const Json&>())) {
  // The parser takes a NUL for the end and whatever follows for nothing; no JSON has one.
  if (text.find('\0') != std::string_view::npos) {
    return Error{.kind = ErrorKind::internal,
                 .message = "cannot read the answer: a NUL byte in it",
                 .source = std::string(source)};
  }
  try {
    return read(parse_json(text));
  } catch (const Json::exception& e) {
    return Error{.kind = ErrorKind::internal,
                 .message = std::string("cannot read the answer: ") + e.what(),
                 .source = std::string(source)};
  }
}

/// An integer that fits into T, for use inside `read`: get<int>() takes true, 1.5 and 2^40 without a word.
template <class T>
T whole(const Json& value) {
  const auto number = value.get_ref<const Json::number_integer_t&>();
  const bool wraps = value.is_number_unsigned() && number < 0;  // above the largest int64
  if (wraps || number < std::numeric_limits<T>::min() || number > std::numeric_limits<T>::max()) {
    throw Json::out_of_range::create(406, "the number " + value.dump() + " is out of range", &value);
  }
  return static_cast<T>(number);
}

/// The items of an array, for use inside `read`: a loop over a number or an object would also run.
inline const Json::array_t& items_of(const Json& value) {
  return value.get_ref<const Json::array_t&>();
}

/// Text for JSON that may hold bytes that are not UTF-8 (a job's output): replaced, never thrown over.
inline std::string dump_json(const Json& value, int indent = -1) {
  return value.dump(indent, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

}  // namespace gpubroker
