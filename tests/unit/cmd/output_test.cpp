#include "cmd/output.hpp"

#include <doctest/doctest.h>

#include "cmd/kept_log.hpp"
#include "core/system/clock.hpp"
#include "core/system/files.hpp"
#include "tests/temporary_folder.hpp"

namespace gpubroker {
namespace {

using Folder = testing::TemporaryFolder;

TEST_CASE("a kept line is taken apart; what is not of that form stays whole") {
  const OutputLine line = parse_output_line("2026-11-24T12:00:00.123Z err a b  c");
  CHECK(line.at == "2026-11-24T12:00:00.123Z");
  CHECK(line.stream == "err");
  CHECK(line.text == "a b  c");
  CHECK(parse_output_line("2026-11-24T12:00:00Z out ").text.empty());
  for (const std::string odd : {"", "x", "hello big world", "2026 out x", "Z Z Z"}) {
    CHECK(parse_output_line(odd).text == odd);
  }
  CHECK(format_output_line(line, /*with_rank=*/true, /*with_time=*/true) ==
        "2026-11-24T12:00:00.123Z [0] a b  c\n");
}

TEST_CASE("a reader gives whole lines only, and more when there is more") {
  const Folder folder;
  PosixFiles files;
  const std::string path = folder / "log";
  OutputReader reader(files, path);
  CHECK_FALSE(reader.next());
  REQUIRE(files.append(path, "one\ntw").ok());
  CHECK(reader.next() == "one");
  CHECK_FALSE(reader.next());
  REQUIRE(files.append(path, "o\n\n").ok());
  CHECK(reader.next() == "two");
  CHECK(reader.next() == "");
  CHECK_FALSE(reader.next());
}

TEST_CASE("lines longer than a block, and tails that begin in an earlier block") {
  const Folder folder;
  PosixFiles files;
  const std::string path = folder / "log";
  const std::string longest(700'000, 'x');
  REQUIRE(files.append(path, "first\n" + longest + "\nlast\n").ok());
  OutputReader reader(files, path);
  CHECK(reader.next() == "first");
  CHECK(reader.next() == longest);
  CHECK(reader.next() == "last");
  for (const auto& [lines, begin] :
       std::vector<std::pair<int, std::string>>{{1, "last"}, {2, longest}, {3, "first"}, {99, "first"}}) {
    OutputReader tail(files, path);
    tail.seek_tail(lines);
    CHECK(tail.next() == begin);
  }
  OutputReader none(files, path);
  none.seek_tail(0);
  CHECK_FALSE(none.next());
}

TEST_CASE("a log that is turned over while it is read loses no line and repeats none") {
  const Folder folder;
  PosixFiles files;
  SystemClock clock;
  const std::string path = folder / "log";
  KeptLog kept(files, clock, path, /*most=*/200);
  OutputReader reader(files, path);
  std::vector<std::string> read;
  for (int i = 0; i < 60; ++i) {
    const std::string told = "line " + std::to_string(i) + "\n";
    kept.keep({.bytes = told});
    if (i % 3 != 0) { continue; }  // two lines behind now and then, also when the log is turned over
    while (std::optional<std::string> line = reader.next()) { read.push_back(*line); }
  }
  while (std::optional<std::string> line = reader.next()) { read.push_back(*line); }
  REQUIRE(read.size() == 60);
  for (int i = 0; i < 60; ++i) { CHECK(read[static_cast<std::size_t>(i)] == "line " + std::to_string(i)); }

  OutputReader late(files, path);  // from what is kept, oldest first
  const std::optional<std::string> oldest = late.next();
  REQUIRE(oldest);
  CHECK(*oldest != "line 0");
  OutputReader tail(files, path);
  tail.seek_tail(12);  // more than the newer file holds
  CHECK(tail.next() == "line 48");
}

TEST_CASE("nodes are merged by time") {
  const Folder folder;
  PosixFiles files;
  REQUIRE(files.append(folder / "0", "2026-11-24T12:00:00.1Z out a\n2026-11-24T12:00:00.4Z out d\n").ok());
  REQUIRE(files.append(folder / "1", "2026-11-24T12:00:00.2Z out b\n2026-11-24T12:00:00.3Z out c\n").ok());
  AttemptOutput output(3);
  output.add(0, OutputReader(files, folder / "0"));
  output.add(1, OutputReader(files, folder / "1"));
  std::string text;
  while (const std::optional<OutputLine> line = output.next()) {
    CHECK(line->attempt == 3);
    text += format_output_line(*line, /*with_rank=*/true, /*with_time=*/false);
  }
  CHECK(text == "[0] a\n[1] b\n[1] c\n[0] d\n");
}

}  // namespace
}  // namespace gpubroker
