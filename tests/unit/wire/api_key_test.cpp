// Where plain API keys are looked for, and what is said of them.
#include "core/wire/api_key.hpp"

#include <doctest/doctest.h>

#include "core/wire/ini.hpp"
#include "tests/fake_home.hpp"

namespace gpubroker {
namespace {

using testing::FakeHome;

Secret toml_key(std::string_view text) {
  return Secret(ini_value(parse_ini(text), "", "apikey"));
}
const KeyPlaces kPlaces{.variables = {"MOON_KEY", "MOON_TOKEN"},
                        .files = {{".moon/config.toml", toml_key}, {".moon_key", whole_file_key}}};

TEST_CASE("api key: variables before files, the first that has it") {
  FakeHome home;
  CHECK(find_key(home.files, home.processes, kPlaces).key.empty());
  home.write(".moon_key", "  plain\n");
  CHECK(find_key(home.files, home.processes, kPlaces).key.reveal() == "plain");
  home.write(".moon/config.toml", "apikey = \"toml\"\n");
  CHECK(find_key(home.files, home.processes, kPlaces).found_in == "~/.moon/config.toml");
  home.processes.variables["MOON_TOKEN"] = "token";
  home.processes.variables["MOON_KEY"] = "";  // set and empty is not set
  const FoundKey found = find_key(home.files, home.processes, kPlaces);
  CHECK(found.key.reveal() == "token");
  CHECK(found.found_in == "$MOON_TOKEN");
}

TEST_CASE("api key: a file that others can read is told") {
  FakeHome home;
  const std::string path = home.write(".moon_key", "plain");
  CHECK(find_key(home.files, home.processes, kPlaces).warnings.empty());
  std::filesystem::permissions(path, std::filesystem::perms::group_read, std::filesystem::perm_options::add);
  const FoundKey found = find_key(home.files, home.processes, kPlaces);
  REQUIRE(found.warnings.size() == 1);
  CHECK(found.warnings[0] == "~/.moon_key can be read by others: chmod 600 ~/.moon_key");
}

TEST_CASE("api key: a file that cannot be read is told, not taken for missing") {
  FakeHome home;
  std::filesystem::create_directories(home.folder / ".moon_key");
  const FoundKey found = find_key(home.files, home.processes, kPlaces);
  CHECK(found.key.empty());
  REQUIRE(found.warnings.size() == 1);
  CHECK(found.warnings[0].rfind("~/.moon_key cannot be read: ", 0) == 0);
}

TEST_CASE("api key: what the first question says of it") {
  const FoundKey found{.key = Secret("s3cret"), .found_in = "$MOON_KEY", .warnings = {"w"}};
  const auto state = [&](const Status& answer) {
    const AccessReport report = report_access(found, "make one", [&](AccessReport&) { return answer; });
    CHECK(report.found_in == "$MOON_KEY");
    CHECK(report.warnings == std::vector<std::string>{"w"});
    CHECK(report.next == (answer.ok() ? "" : "make one"));
    return report.state;
  };
  CHECK(state(Ok{}) == AccessReport::State::valid);
  CHECK(state(Error{.kind = ErrorKind::auth, .message = "no"}) == AccessReport::State::refused);
  CHECK(state(Error{.kind = ErrorKind::network, .message = "down"}) == AccessReport::State::unreachable);
  const AccessReport none = report_access({}, "make one", [](AccessReport&) -> Status { return Ok{}; });
  CHECK(none.state == AccessReport::State::missing);
  CHECK(none.next == "make one");
}

}  // namespace
}  // namespace gpubroker
