#include "cmd/output.hpp"

#include <cstdlib>
#include <filesystem>

#include <doctest/doctest.h>

#include "core/system/files.hpp"

namespace gpubroker {
namespace {

/// A folder of this test alone.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gpubroker-output-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

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
