// Checkpoints as the agent finds and commits them.
#include "core/checkpoint/checkpoint.hpp"

#include <atomic>
#include <set>
#include <thread>

#include <doctest/doctest.h>

#include "core/agent/checkpointer.hpp"
#include "core/base/text.hpp"
#include "tests/unit/agent/harness.hpp"
#include "tests/unit/checkpoint/fake_s3.hpp"

namespace gpubroker {
namespace {

using testing::Node;

AgentSpec saving_spec(const Node& node, const std::string& run) {
  AgentSpec spec = node.spec(run);
  spec.checkpoint = {.path = "ckpt", .store = node.store_url(), .keep = 3};
  return spec;
}

std::vector<Manifest> committed(Node& node) {
  const auto objects = open_object_store(node.store_url(), node.files);
  REQUIRE(objects.ok());
  CheckpointStore store(*objects.value(), node.files, node.clock, node.spec("").workload);
  const Result<std::vector<Manifest>> all = store.list();
  REQUIRE(all.ok());
  for (const Manifest& manifest : all.value()) { CHECK(store.verify(manifest, /*deep=*/true).ok()); }
  return all.value();
}

TEST_CASE("agent: `every` asks the job to save, and what was heard is taken back") {
  Node node;
  AgentSpec spec = saving_spec(
      node,
      "mkdir -p ckpt; n=0; while [ $n -lt 3 ]; do sleep 0.02\n"
      "  if [ \"$(cat \"$GPUBROKER_CHECKPOINT_REQUEST\" 2>/dev/null)\" = save ]; then\n"
      "    n=$((n + 1)); echo $n > ckpt/s; echo \"{\\\"step\\\": $n, \\\"file\\\": \\\"s\\\"}\" > ckpt/.L\n"
      "    mv ckpt/.L ckpt/LATEST.json; while [ -e \"$GPUBROKER_CHECKPOINT_REQUEST\" ]; do sleep 0.02; done\n"
      "  fi; done");
  spec.checkpoint.every = Millis{200};
  const AgentReport report = node.run(spec);
  CHECK(report.exit_code == 0);
  CHECK(report.committed_step == 3);
  CHECK(committed(node).size() == 3);
}

TEST_CASE("agent: without `every` nobody asks; `checkpoint now` asks once") {
  Node node;
  node.start(saving_spec(node,
                         "touch up; while [ ! -e \"$GPUBROKER_CHECKPOINT_REQUEST\" ] && [ ! -e end ]; do "
                         "sleep 0.02; done; cp \"$GPUBROKER_CHECKPOINT_REQUEST\" got; exit 0"));
  node.wait_for("the job", [&] { return node.report().phase == AgentPhase::running; });
  node.ask("save-1", {.verb = AgentVerb::checkpoint});
  CHECK(node.wait_for_agent() == 0);
  CHECK(node.text("workdir/got") == "save\n");
}

TEST_CASE("agent: a LATEST.json that lies is never committed") {
  const std::string right =
      "a591a6d40bf420404a011733cfb7b190d62c65bf0bcda32b57b277d9ad9f146e";  // of "Hello World"
  struct Case {
    const char* latest;
    const char* words;
  };
  for (const Case& c : {Case{R"({"step": 5, "file": "s", "bytes": 12})", "the size of s"},
                        Case{R"({"step": 5, "file": "s", "sha256": "00"})", "the hash of s"},
                        Case{R"({"step": 5, "file": "../../attempts/1/spec.json"})", "not below"},
                        Case{R"({"step": "five"})", "LATEST"}, Case{R"({"step": 5, "fi)", "LATEST"}}) {
    CAPTURE(c.latest);
    Node node;
    node.write("latest", c.latest);
    const AgentReport report = node.run(
        saving_spec(node, "mkdir ckpt; printf 'Hello World' > ckpt/s; cp ../latest ckpt/LATEST.json"));
    CHECK(report.committed.empty());
    CHECK(report.committed_step == -1);
    CHECK(report.exit_code == 0);
    const std::string error = report.checkpoint_error;
    CHECK_MESSAGE(error.find(c.words) != std::string::npos, error);
    CHECK(committed(node).empty());
  }
  Node node;
  node.write("latest", R"({"step": 5, "file": "s", "bytes": 11, "sha256": ")" + right + "\"}");
  const AgentReport report =
      node.run(saving_spec(node, "mkdir ckpt; printf 'Hello World' > ckpt/s; cp ../latest ckpt/LATEST.json"));
  CHECK(report.committed_step == 5);
  CHECK(report.checkpoint_error.empty());
}

/// What a checkpoint's two files say: each holds its number once per line.
std::vector<std::string> numbers_in(Node& node, const Manifest& manifest) {
  const auto objects = open_object_store(node.store_url(), node.files);
  CheckpointStore store(*objects.value(), node.files, node.clock, manifest.workload);
  const std::string folder = node.root() + "/look";
  REQUIRE(store.restore(manifest, folder).ok());
  std::set<std::string> numbers;
  for (const char* name : {"a", "b"}) {
    const std::string text = node.files.read(folder + "/" + name).value();
    for (const std::string& line : split(trim(text), '\n')) { numbers.insert(line); }
  }
  return {numbers.begin(), numbers.end()};
}

/// The disk, and a job that so many times saves again between the reading of its first and its second file.
class OvertakenFiles final : public PosixFiles {
 public:
  explicit OvertakenFiles(std::function<void()> save_again, int times = 1)
      : save_again_(std::move(save_again)), left_(times) {}
  Result<std::string> read_at(const std::string& path, std::int64_t offset, std::int64_t max) override {
    is_read_ = is_read_ || path.ends_with("/a");
    return PosixFiles::read_at(path, offset, max);
  }
  Result<FileInfo> stat(const std::string& path) override {
    if (left_ > 0 && path.ends_with("/b") && is_read_.exchange(false)) {
      save_again_();
      --left_;
    }
    return PosixFiles::stat(path);
  }
  [[nodiscard]] bool is_done() const { return left_ == 0; }

 private:
  std::function<void()> save_again_;
  std::atomic<int> left_;
  std::atomic<bool> is_read_{false};
};

TEST_CASE("agent: files of two moments are never one checkpoint") {
  bool marked = false;
  SUBCASE("marked by LATEST.json") {
    marked = true;
  }
  SUBCASE("taken when it is quiet") {}
  Node node;
  const std::string folder = node.root() + "/workdir/ckpt";
  const auto save = [&](int n) {
    const std::string number = std::to_string(n);
    for (const char* name : {"a", "b"}) { node.write(std::string("workdir/ckpt/") + name, number); }
    if (marked) {
      node.write("workdir/ckpt/LATEST.json", "{\"step\": " + number + ", \"files\": [\"a\", \"b\"]}");
    }
  };
  save(1);
  OvertakenFiles files([&] { save(2); });
  Checkpointer checkpointer({node.clock, files, node.processes}, saving_spec(node, ""), folder);
  checkpointer.finish(1, /*killed=*/false);
  CHECK(files.is_done());
  AgentReport report;
  checkpointer.tell(report);
  CHECK(report.checkpoint_error.empty());
  const std::vector<Manifest> all = committed(node);
  REQUIRE(all.size() == 1);
  CHECK(numbers_in(node, all.front()) == std::vector<std::string>{"2"});
}

TEST_CASE("agent: a job that saves again while it is read is told of it only when that goes on") {
  for (const bool goes_on : {false, true}) {
    CAPTURE(goes_on);
    Node node;
    int number = 0;
    const auto save = [&] {
      const std::string text = std::to_string(++number);
      for (const char* name : {"a", "b"}) { node.write(std::string("workdir/ckpt/") + name, text); }
      node.write("workdir/ckpt/LATEST.json", "{\"step\": " + text + ", \"files\": [\"a\", \"b\"]}");
    };
    save();
    OvertakenFiles files(save, goes_on ? 5 : 1);
    Checkpointer checkpointer({node.clock, files, node.processes}, saving_spec(node, ""),
                              node.root() + "/workdir/ckpt");
    bool was_told = false;
    AgentReport report;
    const Millis until = node.clock.monotonic() + Millis{20'000};
    while (report.committed.empty() && node.clock.monotonic() < until) {
      checkpointer.look(1);
      checkpointer.tell(report);
      was_told = was_told || !report.checkpoint_error.empty();
      node.clock.sleep_until(node.clock.now() + Millis{1});
    }
    CHECK(files.is_done());
    CHECK(was_told == goes_on);
    CHECK(report.committed_step == (goes_on ? 6 : 2));
    CHECK(report.checkpoint_error.empty());  // the one that was committed made it good
  }
}

TEST_CASE("agent: a folder that changes while it is read gives no mixture") {
  Node node;
  AgentSpec spec = saving_spec(node, "");
  const std::string folder = node.root() + "/workdir/ckpt";
  REQUIRE(node.files.make_dirs(folder, 0755).ok());
  bool marked = false;
  SUBCASE("marked by LATEST.json") {
    marked = true;
  }
  SUBCASE("taken when it is quiet") {}
  Checkpointer checkpointer({node.clock, node.files, node.processes}, spec, folder);
  std::atomic<bool> over{false};
  // Saves number after number, in place, as fast as it can; large enough to be overtaken while it is read.
  std::thread writer([&] {
    PosixFiles files;
    for (int n = 1; !over; ++n) {
      std::string text;
      for (int i = 0; i < 60'000; ++i) { text += std::to_string(n) + "\n"; }
      for (const char* name : {"a", "b"}) {
        (void)files.write_atomic(folder + "/" + name, text, 0644, /*durable=*/false);
      }
      if (marked) {
        (void)files.write_atomic(folder + "/LATEST.json",
                                 "{\"step\": " + std::to_string(n) + ", \"files\": [\"a\", \"b\"]}", 0644,
                                 false);
      }
    }
  });
  const Millis until = node.clock.monotonic() + Millis{1'500};
  while (node.clock.monotonic() < until) {
    checkpointer.look(1);
    node.clock.sleep_until(node.clock.now() + Millis{1});
  }
  over = true;
  writer.join();
  checkpointer.finish(1, /*killed=*/false);
  AgentReport report;
  checkpointer.tell(report);
  CHECK(report.checkpoint_error.empty());
  CHECK_FALSE(report.committed.empty());  // the last one is whole: nobody writes any more
  for (const Manifest& manifest : committed(node)) {
    CAPTURE(manifest.id.value);
    const std::vector<std::string> numbers = numbers_in(node, manifest);
    CHECK(numbers.size() == 1);
    if (marked) { CHECK(numbers.front() == std::to_string(manifest.step)); }
  }
}

TEST_CASE("agent: a store in S3 is opened with what the job is given") {
  Node node;
  testing::FakeS3 wire;
  testing::CountingRandom random;
  const AgentParts parts{.clock = node.clock,
                         .files = node.files,
                         .processes = node.processes,
                         .network = [&]() -> Result<StoreNetwork> {
                           return StoreNetwork{wire, node.clock, random};
                         }};
  AgentSpec spec = node.spec("");
  spec.checkpoint = {.path = "ckpt", .store = "s3://ckpt/team", .keep = 3};
  const std::string folder = node.root() + "/ckpt";
  node.write("ckpt/a", "weights");
  node.write("ckpt/LATEST.json", R"({"step": 7, "file": "a"})");
  AgentReport told;
  Checkpointer without(parts, spec, folder);
  without.finish(7, /*killed=*/false);
  without.tell(told);
  CHECK(told.checkpoint_error == "AWS_ACCESS_KEY_ID is not set");
  CHECK(wire.log.empty());

  const std::map<std::string, std::string> env = {{"AWS_ACCESS_KEY_ID", "AKIATEST"},
                                                  {"AWS_SECRET_ACCESS_KEY", "s"},
                                                  {"AWS_ENDPOINT_URL", "http://s3.test:9000"}};
  Checkpointer with(parts, spec, folder, env);
  with.finish(7, /*killed=*/false);
  with.tell(told);
  CHECK(told.checkpoint_error.empty());
  CHECK(told.committed_step == 7);

  REQUIRE(node.files.remove_all(folder).ok());
  spec.resume = CheckpointId{told.committed};
  Checkpointer elsewhere(parts, spec, folder, env);
  REQUIRE(elsewhere.restore().ok());
  CHECK(node.text("ckpt/a") == "weights");
  wire.before = [](const HttpRequest&) { return testing::FakeS3::refuse(403, "AccessDenied"); };
  const Status refused = elsewhere.restore();
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message.rfind("GET s3://ckpt/team/", 0) == 0);
  CHECK(refused.error().message.find("[AccessDenied]") != std::string::npos);
  CHECK(node.text("ckpt/a") == "weights");
}

}  // namespace
}  // namespace gpubroker
