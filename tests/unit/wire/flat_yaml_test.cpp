#include "core/wire/flat_yaml.hpp"

#include <doctest/doctest.h>

namespace gpubroker {
namespace {

TEST_CASE("flat yaml: texts by their path, lists by index, the rest left out") {
  const Result<FlatYaml> yaml = read_flat_yaml(
      "default: work\nprofiles:\n  work:\n    endpoint: api.example\n    n: 3\n    none:\nlist: [a, {b: "
      "c}]\n");
  REQUIRE(yaml.ok());
  CHECK(flat_value(yaml.value(), "default") == "work");
  CHECK(flat_value(yaml.value(), "profiles.work.endpoint") == "api.example");
  CHECK(flat_value(yaml.value(), "profiles.work.n") == "3");
  CHECK(flat_value(yaml.value(), "list.0") == "a");
  CHECK(flat_value(yaml.value(), "list.1.b") == "c");
  CHECK(flat_value(yaml.value(), "profiles.work.none").empty());
  CHECK(yaml.value().size() == 5);
}

TEST_CASE("flat yaml: the line of each value, also of what is no text") {
  YamlLines lines;
  REQUIRE(read_flat_yaml("list:\n- a\n- b: c\n  none:\n", lines).ok());
  CHECK(lines ==
        YamlLines{{"", 1}, {"list", 1}, {"list.0", 2}, {"list.1", 3}, {"list.1.b", 3}, {"list.1.none", 4}});
}

TEST_CASE("flat yaml: no YAML, too deep, and aliases without end are refused") {
  CHECK_FALSE(read_flat_yaml("a: [").ok());
  CHECK_FALSE(read_flat_yaml(std::string(40, '[') + std::string(40, ']')).ok());
  CHECK_FALSE(read_flat_yaml(std::string((1U << 20U) + 1, ' ')).ok());
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 8; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int n = 0; n < 7; ++n) { bomb += before + ", "; }
    bomb += before + "]\n";
  }
  CHECK_FALSE(read_flat_yaml(bomb).ok());
}

}  // namespace
}  // namespace gpubroker
