#include "cmd/table.hpp"

#include <doctest/doctest.h>

namespace gpubroker {
namespace {

TEST_CASE("a table is aligned for people and tab-separated for programs") {
  Table table({"NAME", "PHASE", "WHY"});
  table.add({"a", "running", ""});
  table.add({"größer", "queued", "no\troom\nleft\033[31m"});
  CHECK(table.aligned() ==
        "NAME    PHASE    WHY\n"
        "a       running\n"
        "größer  queued   no room left [31m\n");
  CHECK(table.aligned("  ").substr(0, 6) == "  NAME");
  CHECK(table.tabbed() == "a\trunning\t\ngrößer\tqueued\tno room left [31m\n");
}

TEST_CASE("colour goes around the padded cell, and never into the header") {
  Table table({"PHASE", "N"});
  table.add({"failed", "1"});
  const auto paint = [](std::size_t column, const std::string& cell, std::string padded) {
    return column == 0 ? paint_state(cell, std::move(padded)) : padded;
  };
  CHECK(table.aligned("", paint) == "PHASE   N\n\033[31mfailed  \033[0m1\n");
  CHECK(paint_state("stopped", "stopped") == "stopped");
}

TEST_CASE("relative times have one unit") {
  constexpr Instant kNow{1'000'000'000};
  CHECK(relative_time(kNow, kNow) == "now");
  CHECK(relative_time(kNow - Millis{999}, kNow) == "now");
  CHECK(relative_time(kNow - Millis{5'000}, kNow) == "5s ago");
  CHECK(relative_time(kNow - Millis{7'199'000}, kNow) == "1h ago");
  CHECK(relative_time(kNow - Millis{3 * 86'400'000}, kNow) == "3d ago");
  CHECK(relative_time(kNow + Millis{90'000}, kNow) == "in 1m");
}

}  // namespace
}  // namespace gpubroker
