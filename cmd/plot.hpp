#pragma once
// Prices over time as a picture: in a terminal, and as a web page that needs nothing else. Pure.
#include <string>
#include <vector>

#include "catalog/query.hpp"

namespace gpubroker {

/// A price in force from each point on; a point without a price ends the line (no longer sold).
struct PlotLine {
  std::string name = {};
  std::vector<PriceChange> points = {};  // ascending
};

struct PlotFrame {
  Instant from = {};
  Instant to = {};
  std::string unit = "USD per GPU-hour";
};

/// A step chart of `width` x `height` characters with axes and a legend; at most as many lines as there are
/// marks (9), the rest is told. Empty without a price in the frame.
std::string plot_text(const std::vector<PlotLine>& lines, const PlotFrame& frame, std::size_t width,
                      std::size_t height);

/// A whole HTML page with an SVG chart and a table of the last prices.
std::string plot_html(const std::string& title, const std::vector<PlotLine>& lines, const PlotFrame& frame);

}  // namespace gpubroker
