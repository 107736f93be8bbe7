#pragma once
// The JSON border: include only in .cpp files (nlohmann costs 2 s each).
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "core/base/result.hpp"

namespace gpubroker {

using Json = nlohmann::json;

/// The one place where a JSON exception becomes an Error: `read` may use at(), get(), value() freely.
template <class Read>
auto read_json(std::string_view text, std::string_view source, Read read)
    -> decltype(read(std::declval<const Json&>())) {
  try {
    return read(Json::parse(text));
  } catch (const Json::exception& e) {
    return Error{.kind = ErrorKind::internal,
                 .message = std::string("cannot read the answer: ") + e.what(),
                 .source = std::string(source)};
  }
}

/// Text for JSON that may hold bytes that are not UTF-8 (a job's output): replaced, never thrown over.
inline std::string dump_json(const Json& value, int indent = -1) {
  return value.dump(indent, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

}  // namespace gpubroker
