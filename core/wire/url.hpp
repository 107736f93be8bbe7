#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.hpp"

namespace gpubroker {

/// RFC 3986: everything but A-Z a-z 0-9 - . _ ~ becomes %XX, upper case; '/' too unless `keep_slash`.
std::string url_encode(std::string_view text, bool keep_slash = false);

/// %XX to bytes; '+' stays '+' (a query's form encoding is the caller's affair). Broken escapes are kept as
/// they are.
std::string url_decode(std::string_view text);

using QueryPairs = std::vector<std::pair<std::string, std::string>>;
/// "a=1&b=x%20y", in the order given.
std::string encode_query(const QueryPairs& pairs);

/// The parts of an absolute http(s) URL, undecoded.
struct UrlParts {
  std::string scheme = {};
  std::string host = {};   // with ":port" when the URL has one
  std::string path = {};   // "/" when the URL has none
  std::string query = {};  // without '?'
};
/// Fails with `invalid`.
Result<UrlParts> split_url(std::string_view url);

}  // namespace gpubroker
