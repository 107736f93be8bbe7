#include "cmd/plot.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "core/base/text.hpp"

namespace gpubroker {
namespace {

constexpr std::string_view kMarks = "*o+x#@%&=";
constexpr std::array<std::string_view, 9> kColors = {"#1b6ca8", "#c8553d", "#3a7d44", "#7b4b94", "#b58900",
                                                     "#2aa198", "#d33682", "#586e75", "#6b4226"};

struct Range {
  std::int64_t least = 0;
  std::int64_t most = 0;
};

/// The prices that are in force within the frame; nothing when there are none.
std::optional<Range> price_range(const std::vector<PlotLine>& lines, const PlotFrame& frame) {
  std::optional<Range> range;
  for (const PlotLine& line : lines) {
    for (std::size_t i = 0; i < line.points.size(); ++i) {
      const PriceChange& point = line.points[i];
      const bool over = i + 1 < line.points.size() && line.points[i + 1].at <= frame.from;
      if (!point.price || over || point.at > frame.to) { continue; }
      const std::int64_t micros = point.price->micros_per_hour;
      if (!range) { range = Range{micros, micros}; }
      range->least = std::min(range->least, micros);
      range->most = std::max(range->most, micros);
    }
  }
  if (!range) { return range; }
  // Air above and below, and a frame for a price that never moved.
  const std::int64_t air = std::max<std::int64_t>((range->most - range->least) / 20, range->most / 50 + 1);
  return Range{std::max<std::int64_t>(range->least - air, 0), range->most + air};
}

std::optional<Rate> price_at(const PlotLine& line, Instant at) {
  std::optional<Rate> price;
  for (const PriceChange& point : line.points) {
    if (point.at > at) { break; }
    price = point.price;
  }
  return price;
}

/// Where `part` of `whole` lies on `size` characters or pixels: a place on a picture, not an amount.
std::int64_t place(std::int64_t part, std::int64_t whole, std::int64_t size) {
  return static_cast<std::int64_t>(static_cast<double>(part) /
                                       static_cast<double>(std::max<std::int64_t>(whole, 1)) *
                                       static_cast<double>(size) +
                                   0.5);
}

std::string cents(std::int64_t micros) {
  constexpr std::int64_t kCent = 10'000;
  return format_money({(micros + kCent / 2) / kCent * kCent});
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

/// The pixels of the page's chart.
constexpr std::int64_t kWide = 960;
constexpr std::int64_t kHigh = 420;
constexpr std::int64_t kLeft = 70;
constexpr std::int64_t kBottom = 40;

struct Scale {
  PlotFrame frame;
  Range range;
  [[nodiscard]] std::int64_t x(Instant at) const {
    const std::int64_t span = std::max<std::int64_t>(frame.to.ms - frame.from.ms, 1);
    const std::int64_t from = std::clamp<std::int64_t>(at.ms - frame.from.ms, 0, span);
    return kLeft + place(from, span, kWide - kLeft - 10);
  }
  [[nodiscard]] std::int64_t y(std::int64_t micros) const {
    const std::int64_t up = place(micros - range.least, range.most - range.least, kHigh - kBottom - 10);
    return kHigh - kBottom - up;
  }
};

/// The steps of one line as an SVG path; a gap where it was not sold.
std::string svg_path(const PlotLine& line, const Scale& scale) {
  std::string path;
  std::optional<std::int64_t> y;
  for (const PriceChange& point : line.points) {
    if (point.at > scale.frame.to) { break; }
    const std::string x = std::to_string(scale.x(point.at));
    if (y) { path += " H" + x; }
    if (!point.price) {
      y.reset();
      continue;
    }
    const std::int64_t next = scale.y(point.price->micros_per_hour);
    path += y ? " V" + std::to_string(next) : " M" + x + " " + std::to_string(next);
    y = next;
  }
  if (y) { path += " H" + std::to_string(scale.x(scale.frame.to)); }
  return path;
}

std::string svg_axes(const Scale& scale) {
  constexpr int kTicks = 5;
  std::string out;
  for (int i = 0; i <= kTicks; ++i) {
    const std::int64_t micros = scale.range.least + (scale.range.most - scale.range.least) * i / kTicks;
    const std::string y = std::to_string(scale.y(micros));
    out += "<line class=\"grid\" x1=\"" + std::to_string(kLeft) + "\" x2=\"" + std::to_string(kWide - 10) +
           "\" y1=\"" + y + "\" y2=\"" + y + "\"/><text x=\"" + std::to_string(kLeft - 8) + "\" y=\"" + y +
           "\" text-anchor=\"end\">" + cents(micros) + "</text>\n";
    const Instant at{scale.frame.from.ms + (scale.frame.to.ms - scale.frame.from.ms) / kTicks * i};
    out += "<text x=\"" + std::to_string(scale.x(at)) + "\" y=\"" + std::to_string(kHigh - 12) +
           "\" text-anchor=\"middle\">" + format_utc(at).substr(0, 10) + "</text>\n";
  }
  return out;
}

}  // namespace

std::string plot_text(const std::vector<PlotLine>& lines, const PlotFrame& frame, std::size_t width,
                      std::size_t height) {
  const std::optional<Range> range = price_range(lines, frame);
  constexpr std::size_t kMargin = 10;  // the scale at the left
  if (!range || width < kMargin + 10 || height < 3) { return {}; }
  const std::size_t columns = width - kMargin;
  std::vector<std::string> rows(height, std::string(columns, ' '));
  const std::size_t shown = std::min(lines.size(), kMarks.size());
  // The first line is drawn last: it lies on top.
  for (std::size_t i = shown; i-- > 0;) {
    for (std::size_t column = 0; column < columns; ++column) {
      const std::int64_t offset = place(static_cast<std::int64_t>(column),
                                        static_cast<std::int64_t>(columns - 1), frame.to.ms - frame.from.ms);
      const std::optional<Rate> price = price_at(lines[i], {frame.from.ms + offset});
      if (!price) { continue; }
      const auto row =
          static_cast<std::size_t>(place(range->most - price->micros_per_hour, range->most - range->least,
                                         static_cast<std::int64_t>(height - 1)));
      rows.at(row).at(column) = kMarks.at(i);
    }
  }
  std::string out = frame.unit + "\n";
  for (std::size_t row = 0; row < height; ++row) {
    const std::int64_t micros = range->most - (range->most - range->least) * static_cast<std::int64_t>(row) /
                                                  static_cast<std::int64_t>(height - 1);
    std::string label = row % 4 == 0 || row + 1 == height ? cents(micros) : "";
    label.insert(0, kMargin - 2 - std::min(label.size(), kMargin - 2), ' ');
    out += label + " |" + std::string(rows[row].substr(0, rows[row].find_last_not_of(' ') + 1)) + "\n";
  }
  const std::string from = format_utc(frame.from).substr(0, 10);
  const std::string to = format_utc(frame.to).substr(0, 10);
  out += std::string(kMargin - 1, ' ') + "+" + std::string(columns, '-') + "\n" + std::string(kMargin, ' ') +
         from + std::string(columns > 20 ? columns - 20 : 1, ' ') + to + "\n";
  for (std::size_t i = 0; i < shown; ++i) {
    const std::optional<Rate> last = price_at(lines[i], frame.to);
    out += std::string("  ") + kMarks[i] + " " + lines[i].name + "  " +
           (last ? cents(last->micros_per_hour) : "no longer sold") + "\n";
  }
  if (lines.size() > shown) { out += "  and " + std::to_string(lines.size() - shown) + " more, not drawn\n"; }
  return out;
}

std::string plot_html(const std::string& title, const std::vector<PlotLine>& lines, const PlotFrame& frame) {
  std::string out =
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>" + escaped(title) +
      "</title>\n<style>body{font:14px sans-serif;margin:24px;color:#222;background:#fff}svg{max-width:100%}"
      "text{font:11px sans-serif;fill:#555}.grid{stroke:#ddd}path{fill:none;stroke-width:1.8}"
      "td,th{padding:2px 14px 2px 0;text-align:left}.r{text-align:right}</style></head><body>\n<h1>" +
      escaped(title) + "</h1>\n<p>" + escaped(frame.unit) + ", " + format_utc(frame.from) + " to " +
      format_utc(frame.to) + "</p>\n";
  const std::optional<Range> range = price_range(lines, frame);
  if (!range) { return out + "<p>No price is known in this time.</p></body></html>\n"; }
  const Scale scale{.frame = frame, .range = *range};
  out += "<svg viewBox=\"0 0 " + std::to_string(kWide) + " " + std::to_string(kHigh) + "\" role=\"img\">\n" +
         svg_axes(scale);
  for (std::size_t i = lines.size(); i-- > 0;) {
    out += "<path stroke=\"" + std::string(kColors.at(i % kColors.size())) + "\" d=\"" +
           svg_path(lines[i], scale) + "\"><title>" + escaped(lines[i].name) + "</title></path>\n";
  }
  out += "</svg>\n<table><tr><th></th><th>offer</th><th class=\"r\">last price</th><th>changes</th></tr>\n";
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::optional<Rate> last = price_at(lines[i], frame.to);
    out += "<tr><td style=\"color:" + std::string(kColors.at(i % kColors.size())) + "\">&#9632;</td><td>" +
           escaped(lines[i].name) + "</td><td class=\"r\">" +
           (last ? format_money({last->micros_per_hour}) : std::string("no longer sold")) + "</td><td>" +
           std::to_string(lines[i].points.size()) + "</td></tr>\n";
  }
  return out + "</table></body></html>\n";
}

}  // namespace gpubroker
