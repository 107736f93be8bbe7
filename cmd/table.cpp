#include "cmd/table.hpp"

#include <algorithm>
#include <array>

#include "cmd/terminal.hpp"
#include "core/base/text.hpp"

namespace gpubroker {
namespace {

constexpr std::string_view kGap = "  ";

struct StateColor {
  std::string_view state;
  std::string_view code;
};
constexpr std::array kColors = {
    StateColor{"running", "32"},   StateColor{"succeeded", "32"},  StateColor{"finished", "32"},
    StateColor{"failed", "31"},    StateColor{"expired", "31"},    StateColor{"job_failed", "31"},
    StateColor{"lost", "31"},      StateColor{"queued", "33"},     StateColor{"provisioning", "33"},
    StateColor{"starting", "33"},  StateColor{"recovering", "33"}, StateColor{"migrating", "33"},
    StateColor{"preempted", "33"}, StateColor{"refused", "33"},    StateColor{"stopping", "33"},
};

}  // namespace

void Table::add(std::vector<std::string> cells) {
  for (std::string& cell : cells) { cell = plain(cell); }
  cells.resize(header_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::aligned(const std::string& indent, const Paint& paint) const {
  std::vector<std::size_t> widths;
  for (std::size_t column = 0; column < header_.size(); ++column) {
    std::size_t width = text_width(header_[column]);
    for (const auto& row : rows_) { width = std::max(width, text_width(row[column])); }
    widths.push_back(width);
  }
  std::string out;
  const auto write = [&](const std::vector<std::string>& row, bool painted) {
    std::string line = indent;
    std::size_t last = row.size();
    while (last > 0 && row[last - 1].empty()) { --last; }
    for (std::size_t column = 0; column < last; ++column) {
      std::string cell = row[column];
      if (column + 1 < last) {
        cell.append(widths[column] - text_width(cell), ' ');
        cell += kGap;
      }
      line += painted && paint ? paint(column, row[column], std::move(cell)) : cell;
    }
    out += line + "\n";
  };
  write(header_, /*painted=*/false);
  for (const auto& row : rows_) { write(row, /*painted=*/true); }
  return out;
}

std::string Table::tabbed() const {
  std::string out;
  for (const auto& row : rows_) { out += join(row, "\t") + "\n"; }
  return out;
}

std::size_t text_width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::string short_duration(Millis length) {
  constexpr std::array<std::pair<std::int64_t, std::string_view>, 4> kUnits = {
      {{86'400'000, "d"}, {3'600'000, "h"}, {60'000, "m"}, {1'000, "s"}}};
  for (const auto& [ms, name] : kUnits) {
    if (length.count() >= ms) { return std::to_string(length.count() / ms) + std::string(name); }
  }
  return "0s";
}

std::string relative_time(Instant at, Instant now) {
  constexpr Millis kSecond{1'000};
  if (now - at >= kSecond) { return short_duration(now - at) + " ago"; }
  return at - now >= kSecond ? "in " + short_duration(at - now) : "now";
}

std::string paint_state(const std::string& state, std::string text) {
  for (const StateColor& row : kColors) {
    if (row.state == state) { return "\033[" + std::string(row.code) + "m" + text + "\033[0m"; }
  }
  return text;
}

}  // namespace gpubroker
