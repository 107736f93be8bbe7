#include "cmd/plot.hpp"

#include <doctest/doctest.h>

#include "core/base/text.hpp"

namespace gpubroker {
namespace {

constexpr Instant at(int day) {
  return {1'795'521'600'000 + day * std::int64_t{86'400'000}};
}
const PlotFrame kFrame{.from = at(0), .to = at(10)};

PlotLine line(const std::string& name, std::vector<PriceChange> points) {
  return {.name = name, .points = std::move(points)};
}

TEST_CASE("plot: a price that falls is drawn as steps that go down, with scale, dates and legend") {
  const std::string plot = plot_text(
      {line("aws/us-east-1/p5.48xlarge/spot", {{at(0), Rate{4'000'000}}, {at(5), Rate{2'000'000}}})}, kFrame,
      60, 9);
  const std::vector<std::string> rows = split(plot, '\n');
  REQUIRE(rows.size() >= 13);
  CHECK(rows[0] == "USD per GPU-hour");
  const auto first_row_with_mark = [&](std::size_t column) {
    for (std::size_t row = 1; row <= 9; ++row) {
      if (column < rows[row].size() && rows[row][column] == '*') { return row; }
    }
    return std::size_t{0};
  };
  CHECK(first_row_with_mark(12) == 1);  // 4.00 at the top
  CHECK(first_row_with_mark(55) == 9);  // 2.00 at the bottom
  CHECK(plot.find("2026-11-24") != std::string::npos);
  CHECK(plot.find("* aws/us-east-1/p5.48xlarge/spot  2.00") != std::string::npos);
}

TEST_CASE("plot: what is no longer sold ends, and says so") {
  const std::string plot =
      plot_text({line("gone", {{at(0), Rate{1'000'000}}, {at(3), std::nullopt}})}, kFrame, 60, 5);
  CHECK(plot.find("gone  no longer sold") != std::string::npos);
  for (const std::string& row : split(plot, '\n')) {
    const std::size_t bar = row.find('|');
    if (bar != std::string::npos) { CHECK(row.size() < bar + 20); }
  }
}

TEST_CASE("plot: nothing to draw is nothing, and a price before the frame is in force in it") {
  CHECK(plot_text({}, kFrame, 60, 9).empty());
  CHECK(
      plot_text({line("ended", {{at(-9), Rate{1'000'000}}, {at(-8), std::nullopt}})}, kFrame, 60, 9).empty());
  CHECK_FALSE(plot_text({line("old", {{at(-9), Rate{1'000'000}}})}, kFrame, 60, 9).empty());
}

TEST_CASE("plot: the web page stands alone and escapes names") {
  const std::string page = plot_html(
      "Prices of <H100>", {line("a&b", {{at(0), Rate{4'000'000}}, {at(5), Rate{2'000'000}}})}, kFrame);
  CHECK(page.find("<title>Prices of &lt;H100&gt;</title>") != std::string::npos);
  CHECK(page.find("a&amp;b") != std::string::npos);
  CHECK(page.find("<path stroke=") != std::string::npos);
  CHECK(page.find("http") == std::string::npos);
  CHECK(page.find("src=") == std::string::npos);
  CHECK(page.find("2.00") != std::string::npos);
}

}  // namespace
}  // namespace gpubroker
