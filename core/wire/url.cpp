#include "core/wire/url.hpp"

#include <cctype>
#include <charconv>

namespace gpubroker {

std::string url_encode(std::string_view text, bool keep_slash) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain =
        (byte < 0x80 && std::isalnum(byte) != 0) || c == '-' || c == '.' || c == '_' || c == '~';
    if (plain || (keep_slash && c == '/')) {
      encoded += c;
    } else {
      encoded += '%';
      encoded += kDigits[byte >> 4U];
      encoded += kDigits[byte & 15U];
    }
  }
  return encoded;
}

std::string url_decode(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned int byte = 0;
    const char* const from = text.data() + i + 1;
    if (text[i] == '%' && i + 2 < text.size() + 0U &&
        std::from_chars(from, from + 2, byte, 16).ptr == from + 2) {
      decoded += static_cast<char>(byte);
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

std::string encode_query(const QueryPairs& pairs) {
  std::string text;
  for (const auto& [name, value] : pairs) {
    text += (text.empty() ? "" : "&") + url_encode(name) + "=" + url_encode(value);
  }
  return text;
}

Result<UrlParts> split_url(std::string_view url) {
  const std::size_t colon = url.find("://");
  if (colon == std::string_view::npos ||
      (url.substr(0, colon) != "http" && url.substr(0, colon) != "https")) {
    return Error{.kind = ErrorKind::invalid,
                 .message = "not an http or https URL: " + std::string(url.substr(0, 80))};
  }
  UrlParts parts{.scheme = std::string(url.substr(0, colon))};
  std::string_view rest = url.substr(colon + 3);
  rest = rest.substr(0, rest.find('#'));
  const std::size_t question = rest.find('?');
  if (question != std::string_view::npos) {
    parts.query = rest.substr(question + 1);
    rest = rest.substr(0, question);
  }
  const std::size_t slash = rest.find('/');
  parts.host = rest.substr(0, slash);
  parts.path = slash == std::string_view::npos ? "/" : std::string(rest.substr(slash));
  if (parts.host.empty()) {
    return Error{.kind = ErrorKind::invalid,
                 .message = "a URL without a host: " + std::string(url.substr(0, 80))};
  }
  return parts;
}

}  // namespace gpubroker
