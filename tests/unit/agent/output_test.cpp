// The job's output on the node.
#include "core/agent/output.hpp"

#include <algorithm>

#include <doctest/doctest.h>

#include "core/base/text.hpp"
#include "tests/unit/agent/harness.hpp"

namespace gpubroker {
namespace {

using testing::Node;

TEST_CASE(
    "output: lines are whole, stamped and tagged; a reader that counts bytes loses none that is there") {
  Node node;
  OutputLog log(node.files, node.clock, node.root(), 1 << 20);
  std::vector<std::string> seen;
  const auto on_line = [&](std::string_view line) { seen.emplace_back(line); };
  REQUIRE(log.take("out", "one\ntw", on_line).ok());
  REQUIRE(log.take("out", "o\n\nlast", on_line).ok());
  REQUIRE(log.finish("out", on_line).ok());
  CHECK(seen == std::vector<std::string>{"one", "two", "", "last"});
  const std::string text = node.text(output_name(0));
  CHECK(text.size() == static_cast<std::size_t>(log.span().end));
  const std::vector<std::string> lines = split(text, '\n');
  REQUIRE(lines.size() == 5);
  for (std::size_t i = 0; i < 4; ++i) {
    const std::size_t space = lines[i].find(' ');
    CHECK(parse_utc(lines[i].substr(0, space)).ok());
    CHECK(lines[i].substr(space) == " out " + seen[i]);
  }
}

TEST_CASE("output: the disk holds at most what was said, and the files' names tell where they begin") {
  Node node;
  const std::int64_t most = 1 << 20;
  OutputLog log(node.files, node.clock, node.root(), most);
  std::string everything;
  std::int64_t written = 0;
  for (int i = 0; i < 400; ++i) {
    std::string chunk;
    for (int k = 0; k < 200; ++k) { chunk += "line " + std::to_string(i * 200 + k) + "\n"; }
    REQUIRE(log.take("out", chunk, [](std::string_view) {}).ok());
    std::int64_t on_disk = 0;
    const auto found = node.files.list(node.root(), /*recursive=*/true);
    REQUIRE(found.ok());
    for (const FileInfo& file : found.value()) { on_disk += file.size; }
    REQUIRE(on_disk <= most);
    const OutputSpan span = log.span();
    REQUIRE(span.end > written);
    written = span.end;
    // The newest byte is where the span says.
    const std::string tail = node.files.read_at(node.root() + "/" + output_name(span.base), 0, most).value();
    REQUIRE(span.base + static_cast<std::int64_t>(tail.size()) == span.end);
    REQUIRE(tail.substr(tail.size() - chunk.size() % 7 - 1).back() == '\n');
  }
  const OutputSpan span = log.span();
  CHECK(span.start > 0);
  CHECK(span.base > span.start);
  CHECK(node.files.list(node.root(), /*recursive=*/true).value().size() == 2);
  const std::string older = node.text(output_name(span.start));
  CHECK(span.start + static_cast<std::int64_t>(older.size()) == span.base);
  CHECK(older.back() == '\n');
  CHECK(split(node.text(output_name(span.base)), '\n').rbegin()[1].find("line 79999") != std::string::npos);
}

TEST_CASE("output: a line without end is cut, not gathered for ever") {
  Node node;
  OutputLog log(node.files, node.clock, node.root(), 4 << 20);
  std::size_t longest = 0;
  for (int i = 0; i < 10; ++i) {
    REQUIRE(log.take("out", std::string(50'000, 'x'),
                     [&](std::string_view line) { longest = std::max(longest, line.size()); })
                .ok());
  }
  CHECK(longest == 64 * 1024);
}

}  // namespace
}  // namespace gpubroker
