// gpubroker-bench: what the library costs, measured without the command line. Prints one line of JSON.
//
//   gpubroker-bench crowd <workloads> <measured seconds> <journal file, or :memory:>
//   gpubroker-bench syncs <folder>
//   gpubroker-bench plan <offers>                          a ranking for H100:8 x 4 nodes
//   gpubroker-bench gang <nodes> <ms of each call> <threads>   a gang whose channel takes as long as ssh
//   gpubroker-bench start <times> <program> [words …]      from fork to exit, and peak memory, of each run
#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <fcntl.h>
#include <iostream>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/text.hpp"
#include "core/plan/ranking.hpp"
#include "core/store/sqlite_journal.hpp"
#include "tests/bench/crowd.hpp"
#include "tests/bench/stand_in.hpp"

namespace gpubroker::bench {
namespace {

constexpr double kSeconds = 0.5;
constexpr int kRounds = 5;

double seconds_now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// Calls `once` until the time is up; how often per second.
template <class Once>
Result<double> rate(Once once) {
  const double began = seconds_now();
  int done = 0;
  while (seconds_now() - began < kSeconds) {
    TRY([[maybe_unused]] const Ok ok, once());
    ++done;
  }
  return done / (seconds_now() - began);
}

/// What the disk can do at best: one block written over again and synced.
Result<double> raw_sync_rate(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) { return Error{.kind = ErrorKind::invalid, .message = "cannot write " + path}; }
  const std::string block(4096, 'x');
  Result<double> found = rate([&]() -> Status {
    if (::pwrite(file, block.data(), block.size(), 0) < 0 || ::fdatasync(file) != 0) {
      return Error{.kind = ErrorKind::internal, .message = "cannot sync " + path};
    }
    return Ok{};
  });
  ::close(file);
  return found;
}

Result<double> intent_rate(Journal& journal, int at_once) {
  JournalBatch batch;
  for (int i = 0; i < at_once; ++i) {
    batch.rows.push_back(
        encode_record({.at = {},
                       .workload = {"bench"},
                       .body = IntentRecord{.attempt = 1, .action = "start/0", .offer = {}}}));
  }
  TRY(const double batches, rate([&]() -> Status {
        TRY([[maybe_unused]] const std::int64_t seq, journal.append(batch, std::nullopt));
        return Ok{};
      }));
  return batches * at_once;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// In turns, so that what else uses the disk disturbs all alike.
Result<Ok> show_syncs(const std::string& folder) {
  TRY(const std::unique_ptr<Journal> journal, open_journal(folder + "/journal.db", OpenMode::read_write));
  std::vector<double> raw;
  std::vector<double> single;
  std::vector<double> many;
  for (int round = 0; round < kRounds; ++round) {
    TRY(const double disk, raw_sync_rate(folder + "/raw"));
    TRY(const double one, intent_rate(*journal, 1));
    TRY(const double sixteen, intent_rate(*journal, 16));
    raw.push_back(disk);
    single.push_back(one);
    many.push_back(sixteen);
  }
  std::cout << "{\"raw_syncs_per_s\":" << median(raw) << ",\"intents_per_s\":" << median(single)
            << ",\"intents_per_s_16_at_once\":" << median(many) << "}\n";
  return Ok{};
}

Result<Ok> show_crowd(int workloads, int seconds, const std::string& journal) {
  TRY(const CrowdFigures f,
      run_crowd(
          {.workloads = workloads, .measured = std::chrono::seconds{seconds}, .journal_path = journal}));
  std::cout << "{\"running\":" << f.running << ",\"cpu_share\":" << f.cpu_share
            << ",\"peak_mib\":" << f.peak_mib << ",\"observations\":" << f.observations
            << ",\"rows\":" << f.rows << ",\"steps\":" << f.steps << ",\"restart_s\":" << f.restart_s
            << ",\"accept_ms\":" << f.accept_ms << ",\"find_unknown_ms\":" << f.find_unknown_ms << "}\n";
  return Ok{};
}

Result<Ok> show_gang(int nodes, int call_ms, int threads) {
  TRY(const StandInFigures f, run_stand_in({.nodes = nodes, .call = Millis{call_ms}, .threads = threads}));
  std::cout << "{\"nodes\":" << nodes << ",\"up_to_running_s\":" << f.up_to_running_s
            << ",\"up_to_started_s\":" << f.up_to_started_s << ",\"calls\":" << f.calls
            << ",\"most_at_once\":" << f.most_at_once << "}\n";
  return Ok{};
}

struct StartFigures {
  double ms = 0;
  double cpu_ms = 0;  // what a busy machine does not change much
  double peak_mib = 0;
};

double milliseconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) * 1e-3;
}

/// A small process starts it, so that the peak is the program's own and not that of a shell or an
/// interpreter.
Result<StartFigures> start_once(std::vector<std::string> words) {
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) { argv.push_back(word.data()); }
  argv.push_back(nullptr);
  const double began = seconds_now();
  const pid_t child = ::fork();
  if (child == 0) {
    const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (const int file : {0, 1, 2}) { ::dup2(nowhere, file); }
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  int status = 0;
  rusage usage{};
  if (child < 0 || ::wait4(child, &status, 0, &usage) != child || status != 0) {
    return Error{.kind = ErrorKind::internal, .message = words[0] + " did not exit with 0"};
  }
  return StartFigures{.ms = (seconds_now() - began) * 1000,
                      .cpu_ms = milliseconds(usage.ru_utime) + milliseconds(usage.ru_stime),
                      .peak_mib = static_cast<double>(usage.ru_maxrss) / 1024};
}

Result<Ok> show_starts(int times, const std::vector<std::string>& words) {
  std::string wall;
  std::string cpu;
  double peak = 0;
  for (int i = 0; i < times; ++i) {
    TRY(const StartFigures figures, start_once(words));
    wall += (i == 0 ? "" : ",") + std::to_string(figures.ms);
    cpu += (i == 0 ? "" : ",") + std::to_string(figures.cpu_ms);
    peak = std::max(peak, figures.peak_mib);
  }
  std::cout << "{\"ms\":[" << wall << "],\"cpu_ms\":[" << cpu << "],\"peak_mib\":" << peak << "}\n";
  return Ok{};
}

/// So many offers of all kinds in many places; one in eight is of the GPU that is looked for.
std::vector<Offer> make_offers(int count) {
  const std::vector<std::pair<std::string, int>> gpus = {{"H100", 8}, {"H100", 1}, {"A100", 8}, {"B200", 8},
                                                         {"L4", 1},   {"L40S", 4}, {"H200", 8}, {"T4", 1}};
  std::vector<Offer> offers;
  for (int i = 0; i < count; ++i) {
    const auto& [model, gpu_count] = gpus[static_cast<std::size_t>(i) % gpus.size()];
    Offer offer;
    offer.key = {.provider = "cloud-" + std::to_string(i % 20),
                 .region = "region-" + std::to_string(i / 20 % 35),
                 .zone = "region-" + std::to_string(i / 20 % 35) + "-" + std::to_string(i % 3),
                 .instance_type = "accelerated." + model + "." + std::to_string(i / 8 % 900),
                 .market = i % 3 == 0 ? Market::spot : Market::on_demand};
    offer.gpu = {.model = model, .form = "SXM", .memory_gib = 80, .count = gpu_count};
    offer.vcpus = 8 * gpu_count;
    offer.memory_mib = 64'000L * gpu_count;
    offer.price = {1'000'000L * gpu_count + i * 7'919L % 3'000'000};
    offer.source = "cloud/price-list";
    offers.push_back(std::move(offer));
  }
  return offers;
}

/// The median time of a whole ranking for H100:8 x 4 with all its fall-backs, some of them refused before.
Result<Ok> show_plans(int count) {
  const std::vector<Offer> offers = make_offers(count);
  GangNeed need{.any_of = {ResourceNeed{}}, .nodes = 4};
  TRY(need.any_of[0].gpu, parse_gpu_spec("H100:8"));
  need.any_of[0].markets = {Market::spot, Market::on_demand};
  std::vector<Refusal> refusals;
  for (std::size_t i = 0; i < 64 && i * 8 < offers.size(); ++i) {
    refusals.push_back({.key = offers[i * 8].key, .at = Instant{0}, .until = Instant{1'000'000}});
  }
  std::vector<double> ms;
  std::size_t candidates = 0;
  for (int i = 0; i < 9; ++i) {
    const double began = seconds_now();
    candidates = find_candidates(offers, need, refusals, Instant{1'000}, offers.size()).count;
    ms.push_back((seconds_now() - began) * 1'000);
  }
  std::sort(ms.begin(), ms.end());
  std::cout << "{\"offers\":" << offers.size() << ",\"candidates\":" << candidates << ",\"ms\":" << ms[4]
            << "}\n";
  return Ok{};
}

int run(const std::vector<std::string>& words) {
  Result<Ok> done = Error{.kind = ErrorKind::invalid,
                          .message =
                              "gpubroker-bench crowd N SECONDS JOURNAL | gang NODES MS THREADS | syncs "
                              "FOLDER | plan OFFERS | start TIMES PROGRAM …"};
  if (words.size() == 2 && words[0] == "plan") {
    done = show_plans(static_cast<int>(parse_int(words[1]).value_or(0)));
  }
  if (words.size() == 2 && words[0] == "syncs") { done = show_syncs(words[1]); }
  if (words.size() == 4 && words[0] == "gang") {
    done = show_gang(static_cast<int>(parse_int(words[1]).value_or(1)),
                     static_cast<int>(parse_int(words[2]).value_or(150)),
                     static_cast<int>(parse_int(words[3]).value_or(16)));
  }
  if (words.size() == 4 && words[0] == "crowd") {
    done = show_crowd(static_cast<int>(parse_int(words[1]).value_or(0)),
                      static_cast<int>(parse_int(words[2]).value_or(0)), words[3]);
  }
  if (words.size() >= 3 && words[0] == "start") {
    done = show_starts(static_cast<int>(parse_int(words[1]).value_or(1)), {words.begin() + 2, words.end()});
  }
  if (done.ok()) { return 0; }
  std::cerr << "error: " << done.error().message << '\n';
  return 1;
}

}  // namespace
}  // namespace gpubroker::bench

int main(int argc, char** argv) {
  return gpubroker::bench::run({argv + 1, argv + argc});
}
