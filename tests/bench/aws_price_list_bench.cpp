// How fast an EC2 price list is read, beside how fast simdjson alone walks the same file, and in how much
// memory.
//     aws_price_list_bench [MEGABYTES]     (default 420)
// Each figure is the best of five in a process of its own, in processor time: others on the machine do not
// count. Ours reads the file piece by piece, from the page cache; simdjson has it in memory already, and its
// parser too has all the memory that it wants.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <optional>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "core/system/files.hpp"
#include "providers/aws/price_list.hpp"
#include "tests/bench/price_list_file.hpp"
#include "tests/bench/processor_time.hpp"
#ifdef GPUBROKER_SIMDJSON
#include "tests/bench/simdjson_walk.hpp"
#endif

namespace gpubroker::bench {
namespace {

constexpr int kRounds = 5;

struct Figure {
  double seconds = 0;
  std::int64_t found = 0;
  long peak_kib = 0;
};

/// What `work` measured in a child, with the child's peak memory.
Figure measure(const std::function<Figure()>& work) {
  int ends[2] = {0, 0};
  if (pipe(ends) != 0) { return {}; }
  const pid_t child = fork();
  if (child == 0) {
    Figure figure = work();
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    figure.peak_kib = usage.ru_maxrss;
    const ssize_t written = write(ends[1], &figure, sizeof(figure));
    _exit(written == sizeof(figure) ? 0 : 1);
  }
  Figure figure;
  close(ends[1]);
  const ssize_t got = read(ends[0], &figure, sizeof(figure));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return got == sizeof(figure) && status == 0 ? figure : Figure{};
}

std::int64_t read_ours(const std::string& path, std::int64_t piece) {
  PosixFiles files;
  aws::PriceListReader reader("us-east-1", Instant{1'795'521'600'000});
  std::int64_t at = 0;
  while (true) {
    const Result<std::string> bytes = files.read_at(path, at, piece);
    if (!bytes.ok() || bytes.value().empty()) { break; }
    at += static_cast<std::int64_t>(bytes.value().size());
    if (!reader.take(bytes.value()).ok()) { return -1; }
  }
  if (!reader.finish().ok()) { return -1; }
  Harvest harvest;
  reader.harvest(harvest);
  return static_cast<std::int64_t>(harvest.listings.size());
}

Figure time_ours(const std::string& path, std::int64_t piece) {
  Figure figure{.seconds = 1e9};
  for (int round = 0; round < kRounds; ++round) {
    const double begun = processor_seconds();
    figure.found = read_ours(path, piece);
    figure.seconds = std::min(figure.seconds, processor_seconds() - begun);
  }
  return figure;
}

std::string line(const char* what, const Figure& figure, std::int64_t bytes) {
  char text[160];
  std::snprintf(text, sizeof(text), "  %-34s %7.0f ms  %6.2f GB/s  %7.1f MiB peak", what,
                figure.seconds * 1e3, static_cast<double>(bytes) / figure.seconds / 1e9,
                static_cast<double>(figure.peak_kib) / 1024);
  return text;
}

/// Lines for a person on standard error; the figures as one JSON object, or nothing when it went wrong.
std::optional<std::string> compare(const std::string& path, const PriceListShape& shape) {
  PriceListTruth truth;
  {
    std::ofstream file(path, std::ios::binary);
    truth = write_price_list(shape, [&](std::string_view text) {
      file.write(text.data(), static_cast<std::streamsize>(text.size()));
    });
  }
  const std::string name = shape.indented ? "indented" : "compact";
  std::cerr << name << ": " << truth.bytes / 1'000'000 << " MB, " << truth.products << " products, "
            << truth.wanted << " of them looked for\n";
  const Figure ours = measure([&] { return time_ours(path, 1 << 20); });
  const Figure small = measure([&] { return time_ours(path, 16 << 10); });
  std::cerr << line("ours, pieces of 1 MiB", ours, truth.bytes) << ", " << ours.found << " listings\n"
            << line("ours, pieces of 16 KiB (the wire's)", small, truth.bytes) << '\n';
  const auto speed = [&](double seconds) { return static_cast<double>(truth.bytes) / seconds / 1e9; };
  std::string simdjson = "null";
#ifdef GPUBROKER_SIMDJSON
  const Figure dom = measure([&] { return Figure{.seconds = simdjson_dom(path, kRounds)}; });
  const Figure walk = measure([&] { return Figure{.seconds = simdjson_on_demand(path, kRounds)}; });
  std::cerr << line("simdjson, DOM", dom, truth.bytes) << '\n'
            << line("simdjson, On-Demand walk", walk, truth.bytes) << '\n';
  simdjson = std::to_string(speed(std::min(dom.seconds, walk.seconds)));
#else
  std::cerr << "  simdjson is not on this machine: no comparison\n";
#endif
  std::remove(path.c_str());
  if (ours.found <= 0) { return std::nullopt; }
  std::string json = "{\"name\":\"" + name + "\",\"mb\":" + std::to_string(truth.bytes / 1'000'000);
  json += ",\"ours_gb_s\":" + std::to_string(speed(ours.seconds));
  json += ",\"ours_small_pieces_gb_s\":" + std::to_string(speed(small.seconds));
  json += ",\"simdjson_gb_s\":" + simdjson;
  json += ",\"peak_mib\":" + std::to_string(ours.peak_kib / 1024);
  json += ",\"listings\":" + std::to_string(ours.found) + "}";
  return json;
}

int run(int count, char** words) {
  const std::int64_t megabytes = count > 1 ? std::atoll(words[1]) : 420;
  std::string path = "/tmp/gpubroker-price-list-XXXXXX";
  const int opened = mkstemp(path.data());
  if (opened < 0) { return 1; }
  close(opened);
  const std::optional<std::string> indented =
      compare(path, {.bytes = megabytes * 1'000'000, .indented = true});
  const std::optional<std::string> compact =
      compare(path, {.bytes = megabytes * 1'000'000, .indented = false});
  if (!indented || !compact) { return 1; }
  std::cout << "{\"files\":[" << *indented << "," << *compact << "]}\n";
  return 0;
}

}  // namespace
}  // namespace gpubroker::bench

int main(int count, char** words) {
  return gpubroker::bench::run(count, words);
}
