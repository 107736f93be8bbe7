#include "core/base/log.hpp"

#include <fstream>
#include <regex>
#include <thread>
#include <unistd.h>

#include <doctest/doctest.h>

#include "core/base/secret.hpp"
#include "tests/temporary_folder.hpp"

namespace gpubroker {
namespace {

/// A log in a folder of its own; closed at the end, so that no other test writes into it.
class LogFile {
 public:
  explicit LogFile(LogLevel level) { open_log(path(), level); }
  ~LogFile() { open_log("", LogLevel::off); }
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  [[nodiscard]] std::string path() const { return folder_ / "log"; }
  /// Its lines, each without the time in front, which is checked.
  [[nodiscard]] std::vector<std::string> lines() const {
    const std::regex time(R"(^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z )");
    std::vector<std::string> all;
    std::ifstream file(path());
    for (std::string line; std::getline(file, line);) {
      CHECK(std::regex_search(line, time));
      all.push_back(std::regex_replace(line, time, ""));
    }
    return all;
  }

 private:
  testing::TemporaryFolder folder_;
};

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("an event is one line with its fields") {
  const LogFile log(LogLevel::debug);
  log_event(LogLevel::info, "launch.attempt", {{"workload", "llama-7k2q"}, {"ms", "412"}});
  log_event(LogLevel::debug, "broker.idle", {});
  log_event(LogLevel::warn, "a.b", {});
  log_event(LogLevel::error, "a.c", {});
  CHECK(log.lines() == Lines{"info launch.attempt workload=llama-7k2q ms=412", "debug broker.idle",
                             "warning a.b", "error a.c"});
}

TEST_CASE("no value can break its line or pass for another field") {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"plain", "plain"},
      {"", R"("")"},
      {"two words", R"("two words")"},
      {"a=b", R"("a=b")"},
      {"say \"no\"", R"("say \"no\"")"},
      {"back\\slash", R"("back\\slash")"},
      {"one\ntwo", R"("one\ntwo")"},
      {"x\r\n2026-11-24T12:00:00.000Z error forged a=b",
       R"("x \n2026-11-24T12:00:00.000Z error forged a=b")"},
      {"tab\tescape\x1b[31m", R"("tab escape [31m")"},
      {std::string("zero\0byte", 9), R"("zero byte")"},
      {"rub\x7fout", R"("rub out")"},
      {"ünïcode", "ünïcode"},
      {"{}%s%n", "{}%s%n"},  // no format of the library below
      {to_string(Secret("hunter2")), "[secret]"},
  };
  const LogFile log(LogLevel::info);
  Lines expected;
  for (const auto& [value, shown] : rows) {
    log_event(LogLevel::info, "e", {{"value", value}, {"end", "1"}});
    expected.push_back("info e value=" + shown + " end=1");
  }
  CHECK(log.lines() == expected);
}

TEST_CASE("events below the level are not written; off writes none") {
  const LogFile log(LogLevel::warn);
  log_event(LogLevel::debug, "no", {});
  log_event(LogLevel::info, "no", {});
  log_event(LogLevel::warn, "yes", {});
  open_log(log.path(), LogLevel::off);
  log_event(LogLevel::error, "no", {});
  CHECK(log.lines() == Lines{"warning yes"});
}

TEST_CASE("a log that is opened again goes on where it was") {
  const LogFile log(LogLevel::info);
  log_event(LogLevel::info, "first", {});
  open_log(log.path(), LogLevel::info);
  log_event(LogLevel::info, "second", {});
  CHECK(log.lines() == Lines{"info first", "info second"});
}

TEST_CASE("a log that cannot be opened is dropped, and the work goes on") {
  const testing::TemporaryFolder folder;
  std::ofstream(folder / "file") << "x";
  open_log(folder / "file" + "/log", LogLevel::info);
  CHECK_NOTHROW(log_event(LogLevel::error, "nowhere", {}));
  open_log("", LogLevel::off);
}

TEST_CASE("with no path the log goes to standard error") {
  const testing::TemporaryFolder folder;
  const int kept = dup(STDERR_FILENO);
  REQUIRE(kept >= 0);
  REQUIRE(std::freopen((folder / "err").c_str(), "w", stderr) != nullptr);
  open_log("", LogLevel::info);
  log_event(LogLevel::info, "to.stderr", {{"n", "1"}});
  open_log("", LogLevel::off);
  (void)std::fflush(stderr);
  (void)dup2(kept, STDERR_FILENO);
  (void)close(kept);
  std::ifstream file(folder / "err");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  CHECK(text.find("info to.stderr n=1\n") != std::string::npos);
}

TEST_CASE("lines of many threads do not mix") {
  const LogFile log(LogLevel::info);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([t] {
        for (int i = 0; i < 50; ++i) {
          log_event(LogLevel::info, "t", {{"who", std::string(100, static_cast<char>('a' + t))}});
        }
      });
    }
  }
  const Lines lines = log.lines();
  CHECK(lines.size() == 200);
  for (const std::string& line : lines) {
    REQUIRE(line.size() == std::string_view("info t who=").size() + 100);
    CHECK(line.find_last_not_of(line.back()) == line.find('='));
  }
}

}  // namespace gpubroker
