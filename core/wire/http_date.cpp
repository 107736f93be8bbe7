#include "core/wire/http_date.hpp"

#include <algorithm>
#include <array>
#include <chrono>

#include "core/base/text.hpp"

namespace gpubroker {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

}  // namespace

std::optional<Instant> parse_http_date(std::string_view text) {
  const std::vector<std::string> words = split(text, ' ');
  if (words.size() != 6 || words[5] != "GMT") { return std::nullopt; }
  const auto* const month = std::find(kMonths.begin(), kMonths.end(), words[2]);
  if (month == kMonths.end()) { return std::nullopt; }
  const std::string number = std::to_string(month - kMonths.begin() + 1);
  const Result<Instant> at = parse_utc(words[3] + "-" + (number.size() < 2 ? "0" : "") + number + "-" +
                                       words[1] + "T" + words[4] + "Z");
  if (!at.ok()) { return std::nullopt; }
  return at.value();
}

std::string format_http_date(Instant at) {
  const std::string utc = format_utc({at.ms - at.ms % 1'000});  // 2026-11-24T16:00:00Z
  const auto days = std::chrono::floor<std::chrono::days>(std::chrono::sys_time<Millis>(Millis{at.ms}));
  const unsigned month = static_cast<unsigned>(std::chrono::year_month_day(days).month());
  std::string text(kDays.at(std::chrono::weekday(days).c_encoding()));
  text += ", ";
  text += utc.substr(8, 2);
  text += ' ';
  text += kMonths.at(month - 1);
  text += ' ';
  text += utc.substr(0, 4);
  text += ' ';
  text += utc.substr(11, 8);
  return text + " GMT";
}

std::optional<Millis> retry_after(const Headers& headers, Instant now) {
  const std::string text = find_header(headers, "retry-after");
  if (const std::optional<std::int64_t> seconds = parse_int(text);
      seconds && *seconds >= 0 && *seconds < 1'000'000) {
    return std::chrono::seconds{*seconds};
  }
  const std::optional<Instant> at = parse_http_date(text);
  if (!at) { return std::nullopt; }
  return std::max(*at - now, Millis{0});
}

}  // namespace gpubroker
