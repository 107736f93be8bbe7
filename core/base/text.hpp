#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gpubroker {

std::string_view trim(std::string_view text);
std::vector<std::string> split(std::string_view text,
                               char separator);  // "a,,b" gives three parts, "" gives one
std::string join(const std::vector<std::string>& parts, std::string_view separator);
/// In single quotes, as one word for a POSIX shell, whatever is in it.
std::string shell_quoted(std::string_view text);
std::string lower(std::string_view text);
std::string upper(std::string_view text);

/// A whole decimal number, nothing before or after it. Nothing on overflow.
std::optional<std::int64_t> parse_int(std::string_view text);

/// The candidate with the smallest edit distance to `word`, if that is at most a third of its length (and 1
/// at least). Ties go to the first. Empty when nothing is near.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

/// How many bytes of UTF-8 the character at `at` has (RFC 3629: no overlong form, no surrogate, at most
/// U+10FFFF); 0: none begins there.
std::size_t utf8_length(std::string_view text, std::size_t at);
bool is_utf8(std::string_view text);

}  // namespace gpubroker
