// A node's output on its way to the supervisor's machine, over every change of files in between.
#include "core/broker/deeds.hpp"

#include <cstdlib>

#include <doctest/doctest.h>

#include "cmd/kept_log.hpp"
#include "core/base/text.hpp"
#include "core/system/clock.hpp"
#include "core/system/files.hpp"
#include "tests/sim/memory_journal.hpp"

namespace gpubroker {
namespace {

/// A node whose files are in memory.
class MemoryNode final : public NodeChannel {
 public:
  std::map<std::string, std::string> files = {};
  std::function<void(const std::string&)> before_get = {};

  Status put(const NodeAddress&, const std::string& path, std::string_view bytes, int) override {
    files[path] = bytes;
    return Ok{};
  }
  Status put_file(const NodeAddress&, const std::string&, const std::string&) override { return Ok{}; }
  Result<std::string> get(const NodeAddress&, const std::string& path, std::int64_t offset,
                          std::int64_t max) override {
    if (before_get) { before_get(path); }
    const auto at = files.find(path);
    if (at == files.end()) { return Error{.kind = ErrorKind::not_found, .message = path}; }
    const auto from = static_cast<std::size_t>(offset);
    return from >= at->second.size() ? std::string{} : at->second.substr(from, static_cast<std::size_t>(max));
  }
  Result<CommandResult> run(const NodeAddress&, const Command&, Millis) override { return CommandResult{}; }
  Status start(const NodeAddress&, const Command&, const std::string&) override { return Ok{}; }
};

class NoOffers final : public OfferSource {
 public:
  Result<std::vector<Offer>> offers() override { return std::vector<Offer>{}; }
};

/// The job writes, the node turns its files over, the supervisor's side looks.
struct Way {
  PosixFiles files = {};
  SystemClock clock = {};
  MemoryNode node = {};
  std::string folder = {};
  std::int64_t kept_most = 128 << 20;
  AgentReport report = {};
  std::string written = {};

  Way() {
    std::string name = "/tmp/gpubroker-way-XXXXXX";
    REQUIRE(mkdtemp(name.data()) != nullptr);
    folder = name;
    report.version = "1";
    report.attempt = 1;
  }
  ~Way() { (void)files.remove_all(folder); }
  Way(const Way&) = delete;
  Way& operator=(const Way&) = delete;

  [[nodiscard]] std::string name(std::int64_t base) const { return "attempts/1/" + output_name(base); }

  void write(const std::string& lines) {
    node.files[name(report.output.base)] += lines;
    report.output.end += static_cast<std::int64_t>(lines.size());
    written += lines;
    node.files["attempts/1/report.json"] = encode_agent_report(report);
  }

  void turn_over() {
    if (report.output.start != report.output.base) { node.files.erase(name(report.output.start)); }
    report.output.start = report.output.base;
    report.output.base = report.output.end;
    node.files["attempts/1/report.json"] = encode_agent_report(report);
  }

  KeptLog log() { return {files, clock, folder + "/1-0.log", kept_most}; }

  void look(const SupervisorParts& parts) {
    const DeedContext context{.workload = {"w"}, .attempt = 1};
    REQUIRE(look_at_agent({}, context, 0, node, parts).ok());
  }

  std::string kept() {
    std::string all;
    for (const char* part : {".1", ""}) {
      const Result<std::string> text = files.read(folder + "/1-0.log" + part);
      all += text.ok() ? text.value() : "";
    }
    return all;
  }
};

/// A supervisor's parts as far as looking at an agent needs them.
struct Desk {
  sim::MemoryJournal journal = {};
  NoOffers offers = {};
  SupervisorParts parts;

  explicit Desk(Way& way) : parts{.journal = journal, .clock = way.clock, .offers = offers} {
    parts.keep_output = [&way](const WorkloadId&, int, int, const SupervisorParts::OutputPiece& piece) {
      way.log().keep(piece);
    };
    parts.kept_output = [&way](const WorkloadId&, int, int) { return way.log().position(); };
  }
};

std::string lines(int from, int to) {
  std::string text;
  for (int i = from; i < to; ++i) { text += "line " + std::to_string(i) + "\n"; }
  return text;
}

TEST_CASE("output: nothing is lost or told twice while the files turn over") {
  Way way;
  Desk desk(way);
  for (int i = 0; i < 20; ++i) {
    way.write(lines(i * 10, i * 10 + 10));
    if (i % 3 == 2) { way.turn_over(); }
    if (i % 2 == 1) { way.look(desk.parts); }
  }
  way.look(desk.parts);
  way.look(desk.parts);
  CHECK(way.kept() == way.written);
}

TEST_CASE("output: more than a piece, and files that turn over between the report and the fetch") {
  Way way;
  Desk desk(way);
  way.write(lines(0, 300'000));
  bool turned = false;
  way.node.before_get = [&](const std::string& path) {
    if (turned || path.find("output-") == std::string::npos) { return; }
    turned = true;
    way.write(lines(300'000, 300'010));
    way.turn_over();
  };
  way.look(desk.parts);
  REQUIRE(turned);
  way.write(lines(300'010, 300'020));
  way.look(desk.parts);
  CHECK(way.kept() == way.written);
}

TEST_CASE("output: what is gone before we came is told, and the rest is there") {
  Way way;
  Desk desk(way);
  way.write("first\n");
  way.look(desk.parts);
  way.write(lines(0, 100));
  way.turn_over();
  way.write("older\n");
  way.turn_over();
  way.write("newer\n");
  way.look(desk.parts);
  const std::string lost = std::to_string(lines(0, 100).size());
  const std::string kept = way.kept();
  const std::vector<std::string> all = split(kept, '\n');
  REQUIRE(all.size() == 5);
  CHECK(all[0] == "first");
  CHECK(all[1].find(" gpubroker " + lost + " bytes of output were lost") != std::string::npos);
  CHECK(all[2] == "older");
  CHECK(all[3] == "newer");
  way.write("next\n");
  way.look(desk.parts);
  CHECK(way.kept() == kept + "next\n");
}

TEST_CASE("output: a line that is not whole yet waits") {
  Way way;
  Desk desk(way);
  way.write("whole\nhal");
  way.look(desk.parts);
  CHECK(way.kept() == "whole\n");
  way.write("f\n");
  way.look(desk.parts);
  CHECK(way.kept() == "whole\nhalf\n");
}

TEST_CASE("output: the kept log is bounded and holds the newest lines") {
  Way way;
  way.kept_most = 64 << 10;
  Desk desk(way);
  for (int i = 0; i < 200; ++i) {
    way.write(lines(i * 100, i * 100 + 100));
    way.look(desk.parts);
    REQUIRE(way.kept().size() <= static_cast<std::size_t>(way.kept_most));
  }
  const std::string kept = way.kept();
  CHECK(kept.size() > 16'000);
  CHECK(way.written.substr(way.written.size() - kept.size()) == kept);  // without a gap, to the last line
}

TEST_CASE("output: a supervisor that died between two writes fetches twice rather than never") {
  Way way;
  way.kept_most = 2'000;
  Desk desk(way);
  way.write(lines(0, 100));
  way.look(desk.parts);
  REQUIRE(way.files.rename(way.folder + "/1-0.log", way.folder + "/1-0.log.1")
              .ok());  // and died before the offset
  way.write("last\n");
  way.look(desk.parts);
  CHECK(way.kept() == lines(0, 100) + lines(0, 100) + "last\n");
}

TEST_CASE("an agent without a report: its log says why") {
  Way way;
  Desk desk(way);
  way.node.files["attempts/1/agent.log"] = "gpubroker: libfoo.so: cannot open\n";
  const Result<AgentReport> report =
      look_at_agent({}, {.workload = {"w"}, .attempt = 1}, 0, way.node, desk.parts);
  REQUIRE_FALSE(report.ok());
  CHECK(report.error().kind == ErrorKind::not_found);
  CHECK(report.error().message == "gpubroker: libfoo.so: cannot open");
}

}  // namespace
}  // namespace gpubroker
