// Bad task files and what is said about them: tests/fixtures/task_mistakes.txt has each file and the whole
// message.
#include <set>

#include <doctest/doctest.h>

#include "core/base/text.hpp"
#include "core/workload/task.hpp"
#include "tests/unit/workload/golden.hpp"

namespace gpubroker {
namespace {

Result<TaskFile> parse(const std::string& yaml) {
  return parse_task(yaml, "train.yaml", "/work", {.home = "/home/me"});
}

/// A section: "=== title\n<file>\n--- \n<message>".
struct Section {
  std::string title;
  std::string yaml;
};

std::vector<Section> sections_of(const std::string& text) {
  std::vector<Section> sections;
  std::string* into = nullptr;
  std::string ignored;
  for (const std::string& line : split(text, '\n')) {
    if (line.rfind("=== ", 0) == 0) {
      sections.push_back({.title = line.substr(4), .yaml = {}});
      into = &sections.back().yaml;
    } else if (line == ">>>") {
      into = &ignored;
    } else if (into != nullptr) {
      *into += line + "\n";
    }
  }
  return sections;
}

TEST_CASE("every mistake is told with file, line, column, field and what would be right") {
  const std::vector<Section> sections = sections_of(testing::fixture("task_mistakes.txt"));
  REQUIRE(sections.size() > 60);
  std::string all;
  for (const Section& section : sections) {
    CAPTURE(section.title);
    const Result<TaskFile> parsed = parse(section.yaml);
    REQUIRE_FALSE(parsed.ok());
    CHECK(parsed.error().kind == ErrorKind::invalid);
    CHECK(parsed.error().source.rfind("train.yaml:", 0) == 0);
    all += "=== " + section.title + "\n" + section.yaml + ">>>\n" + testing::printed(parsed.error());
  }
  testing::check_golden("task_mistakes.txt", all);
}

TEST_CASE("no field takes a value of the wrong type without a word") {
  // Each field with what it may be: s text, l list, m map, n nothing.
  const std::vector<std::pair<std::string, std::string>> fields = {
      {"name", "s"},
      {"num_nodes", ""},
      {"workdir", "s"},
      {"setup", "sn"},
      {"run", "s"},
      {"deadline", ""},
      {"ttl", ""},
      {"stall", ""},
      {"budget", ""},
      {"max_restarts", ""},
      {"envs", "mn"},
      {"labels", "mn"},
      {"secrets", "mln"},
      {"file_mounts", "mn"},
      {"resources", "n"},  // a map, but not of this field
      {"checkpoint", ""},
      {"resources.accelerators", "sl"},
      {"resources.use_spot", ""},
      {"resources.market", ""},
      {"resources.infra", "s"},
      {"resources.cloud", "s"},
      {"resources.region", "sl"},
      {"resources.zone", "s"},
      {"resources.cpus", ""},
      {"resources.memory", ""},
      {"resources.instance_type", "s"},
      {"resources.max_price", ""},
      {"resources.any_of", ""},
      {"resources.ordered", ""},
      {"resources.labels", "mn"},
      {"checkpoint.path", "s"},
      {"checkpoint.store", "s"},
      {"checkpoint.every", ""},
      {"checkpoint.keep", ""},
      {"checkpoint.signal", ""},
      {"checkpoint.grace", ""},
  };
  const std::vector<std::pair<char, std::string>> values = {{'s', "wrong"},      {'l', "[WRONG]"},
                                                            {'m', "{WRONG: x}"}, {'n', ""},
                                                            {'l', "[[WRONG]]"},  {'m', "{WRONG: {a: b}}"}};
  for (const auto& [field, allowed] : fields) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t dot = field.find('.');
      std::string yaml = dot == std::string::npos ? field + ": " + values[i].second + "\n"
                                                  : field.substr(0, dot) + ":\n  " + field.substr(dot + 1) +
                                                        ": " + values[i].second + "\n";
      if (field != "run") { yaml += "run: x\n"; }
      if (field != "name") { yaml += "name: x\n"; }
      CAPTURE(yaml);
      // Nested values are never right; a secret in a map has no value.
      const bool is_right = i < 4 && allowed.find(values[i].first) != std::string::npos &&
                            !(field == "secrets" && values[i].first == 'm');
      const Result<TaskFile> parsed = parse(yaml);
      CHECK(parsed.ok() == (is_right || (field == "file_mounts" && values[i].first == 'm')));
      if (!parsed.ok()) { CHECK(parsed.error().source.rfind("train.yaml:", 0) == 0); }
    }
  }
}

TEST_CASE("documents that would grow without end are stopped early") {
  struct Case {
    std::string yaml;
    std::string message;
  };
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int n = 0; n < 8; ++n) { bomb += ", " + before; }
    bomb += "]\n";
  }
  std::vector<Case> cases;  // one by one: g++ 12 sees an overflow in the list of all
  cases.push_back({bomb + "run: x\n", "more than 20000 values"});
  cases.push_back({"envs: &e {A: *e}\nrun: x\n", ""});
  cases.push_back({"run: &r [*r]\n", "nested deeper than 32 levels"});
  cases.push_back(
      {"run: " + std::string(100, '[') + std::string(100, ']') + "\n", "nested deeper than 32 levels"});
  cases.push_back({"run: " + std::string(100'000, '[') + "\n", "not YAML"});
  cases.push_back({"run: " + std::string(100'000, '{') + "\n", "not YAML"});
  cases.push_back({std::string(50'000, '-') + " x\n", "a task file is a map of fields"});
  cases.push_back({"run: " + std::string(std::size_t{1} << 20U, 'x') + "\n", "larger than 1 MiB"});
  for (const Case& one : cases) {
    CAPTURE(one.yaml.substr(0, 60));
    const Result<TaskFile> parsed = parse(one.yaml);
    REQUIRE_FALSE(parsed.ok());
    CHECK(parsed.error().kind == ErrorKind::invalid);
    CHECK(parsed.error().message.find(one.message) != std::string::npos);
    CHECK(parsed.error().message.size() < 300);
  }
}

TEST_CASE("bytes that are no text are told with their place") {
  struct Case {
    std::string yaml;
    std::string said;
  };
  const std::vector<Case> cases = {
      {"name: x\nrun: a\x01z\n", "error: train.yaml:2:7: a control character\n"},
      {"name: x\nrun: a\xffz\n", "error: train.yaml:2:7: a byte that is not UTF-8\n"},
      {"name: x\nrun: \xe2\x82\n", "error: train.yaml:2:6: a byte that is not UTF-8\n"},
      {"name: x\nrun: \xf0\x8d\x9a\x8c\n", "error: train.yaml:2:6: a byte that is not UTF-8\n"},  // overlong
      {"name: x\nrun: \xed\xa0\x80\n", "error: train.yaml:2:6: a byte that is not UTF-8\n"},  // a surrogate
      {std::string("name: x\nrun: \0\n", 15), "error: train.yaml:2:6: a control character\n"},
  };
  for (const Case& one : cases) {
    const Result<TaskFile> parsed = parse(one.yaml);
    REQUIRE_FALSE(parsed.ok());
    CHECK(testing::printed(parsed.error()) == one.said + "hint: save the file as plain UTF-8 text\n");
  }
  CHECK(parse("name: x\nrun: \"a\\0b\"\n").error().message ==
        "a text with a NUL in it fits into no environment and no shell");
  CHECK(parse("name: x\nrun: echo grüße €\n").ok());
}

TEST_CASE("an escape that yaml-cpp reads as a single byte is the user's to write otherwise") {
  const Result<TaskFile> parsed =
      parse_task("name: x\nrun: \"a\\Nb\"\n", "train.yaml", "/base", {.home = "/home/me"});
  REQUIRE_FALSE(parsed.ok());
  CHECK(parsed.error().source == "train.yaml:2:6");
  CHECK(parsed.error().message.find("no UTF-8") != std::string::npos);
}

}  // namespace
}  // namespace gpubroker
