#include "core/base/gpu.hpp"

#include <random>

#include <doctest/doctest.h>

namespace gpubroker {
namespace {

GpuSpec spec(std::vector<GpuChoice> choices, int count) {
  return {.choices = std::move(choices), .count = count};
}

}  // namespace

TEST_CASE("GPU specs are read in every form that is documented, and shown in one") {
  struct Row {
    std::string_view text;
    GpuSpec spec;
    std::string_view shown;
  };
  const std::vector<Row> rows = {
      {"H100:8", spec({{.model = "H100"}}, 8), "H100:8"},
      {"h100:8", spec({{.model = "H100"}}, 8), "H100:8"},
      {" H100 : 8 ", spec({{.model = "H100"}}, 8), "H100:8"},
      {"H100", spec({{.model = "H100"}}, 1), "H100:1"},
      {"H100:1024", spec({{.model = "H100"}}, 1024), "H100:1024"},
      {"H100-SXM:8", spec({{.model = "H100", .form = "SXM"}}, 8), "H100-SXM:8"},
      {"H100-SXM5:8", spec({{.model = "H100", .form = "SXM"}}, 8), "H100-SXM:8"},
      {"H100-PCIe:2", spec({{.model = "H100", .form = "PCIE"}}, 2), "H100-PCIe:2"},
      {"H100-NVL", spec({{.model = "H100", .form = "NVL"}}, 1), "H100-NVL:1"},
      {"A100-80GB", spec({{.model = "A100", .memory_gib = 80}}, 1), "A100-80GB:1"},
      {"A100-80", spec({{.model = "A100", .memory_gib = 80}}, 1), "A100-80GB:1"},
      {"A100:80GB:4", spec({{.model = "A100", .memory_gib = 80}}, 4), "A100-80GB:4"},
      {"A100-80GB-SXM4:8", spec({{.model = "A100", .form = "SXM", .memory_gib = 80}}, 8), "A100-80GB-SXM:8"},
      {"A100-SXM4-80GB:8", spec({{.model = "A100", .form = "SXM", .memory_gib = 80}}, 8), "A100-80GB-SXM:8"},
      {"A100-40GB+:2", spec({{.model = "A100", .memory_gib = 40, .at_least = true}}, 2), "A100-40GB+:2"},
      {"any:80GB+:8", spec({{.memory_gib = 80, .at_least = true}}, 8), "any:80GB+:8"},
      {"any:80GB:8", spec({{.memory_gib = 80}}, 8), "any:80GB:8"},
      {"any:8", spec({{}}, 8), "any:8"},
      {"any-SXM:80GB+:8", spec({{.form = "SXM", .memory_gib = 80, .at_least = true}}, 8), "any-SXM:80GB+:8"},
      {"{A100-80, H100}:4", spec({{.model = "A100", .memory_gib = 80}, {.model = "H100"}}, 4),
       "{A100-80GB, H100}:4"},
      {"{a100,h100}", spec({{.model = "A100"}, {.model = "H100"}}, 1), "{A100, H100}:1"},
      {"{H100}:2", spec({{.model = "H100"}}, 2), "H100:2"},
      {"{any:80GB+, L40S}:4", spec({{.memory_gib = 80, .at_least = true}, {.model = "L40S"}}, 4),
       "{any:80GB+, L40S}:4"},
      {"RTX-4090:2", spec({{.model = "RTX-4090"}}, 2), "RTX-4090:2"},  // a name, not 4090 GB
      {"RTX 4090:2", spec({{.model = "RTX-4090"}}, 2), "RTX-4090:2"},
      {"A100 SXM4 80GB", spec({{.model = "A100", .form = "SXM", .memory_gib = 80}}, 1), "A100-80GB-SXM:1"},
      {"RTX6000-Ada", spec({{.model = "RTX6000-ADA"}}, 1), "RTX6000-ADA:1"},
      {"MI300X:8", spec({{.model = "MI300X"}}, 8), "MI300X:8"},
      {"none", {}, "none"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const Result<GpuSpec> read = parse_gpu_spec(row.text);
    REQUIRE(read.ok());
    CHECK(read.value() == row.spec);
    CHECK(format_gpu_spec(read.value()) == row.shown);
  }
}

TEST_CASE("a bad GPU spec is invalid, and the message names the part that is wrong") {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"", "'' is no GPU model"},
      {"8", "'8' is no GPU model"},
      {":8", "'' is no GPU model"},
      {"H100:0", "count must be 1 to 1024"},
      {"H100:-1", "count must be 1 to 1024"},
      {"H100:1025", "count must be 1 to 1024"},
      {"H100:", "count must be 1 to 1024"},
      {"H100:eight", "count must be 1 to 1024"},
      {"H100:8.5", "count must be 1 to 1024"},
      {"H100:99999999999999999999", "count must be 1 to 1024"},
      {"{H100}:0", "count must be 1 to 1024"},
      {"H100:8:9", "'8' is no memory size (like 80GB+)"},
      {"H100:80TB:8", "'80TB' is no memory size (like 80GB+)"},
      {"any:0GB:8", "'0GB' is no memory size (like 80GB+)"},
      {"A100-80GB:80GB:8", "'80GB' is no memory size (like 80GB+)"},  // told twice
      {"any:80GB+:8:1", "too many colons"},
      {"{H100, A100:4", "the closing brace is missing"},
      {"{H100}:4x", "count must be 1 to 1024"},
      {"{H100} A100", "after the braces only a count may follow"},
      {"{H100}x:4", "after the braces only a count may follow"},
      {"{}:4", "'' is no GPU model"},
      {"{H100,}:4", "'' is no GPU model"},
      {"{H100:2, A100}:4", "'2' is no memory size (like 80GB+)"},
      {"H100;rm:8", "'H100;RM' is no GPU model"},
      {"-SXM:8", "'-SXM' is no GPU model"},
      {"H100-:8", "'H100-' is no GPU model"},
      {"tpu-v5e:8", "TPUs are not supported, only GPUs"},
  };
  for (const auto& row : rows) {
    const auto& [text, why] = row;
    CAPTURE(row.first);
    const Result<GpuSpec> read = parse_gpu_spec(text);
    REQUIRE_FALSE(read.ok());
    CHECK(read.error().kind == ErrorKind::invalid);
    CHECK(read.error().message == "GPU spec '" + text + "': " + why);
    CHECK_FALSE(read.error().hint.empty());
  }
}

TEST_CASE("every spec is read back as it was shown") {
  std::mt19937_64 random(5);
  const std::vector<std::string> models = {"", "H100", "A100", "RTX-4090", "L40S", "GB200", "RTX-PRO-6000"};
  const std::vector<std::string> forms = {"", "SXM", "PCIE", "NVL"};
  for (int i = 0; i < 5'000; ++i) {
    GpuSpec made;
    made.count = 1 + static_cast<int>(random() % 1024);
    for (std::size_t n = 1 + random() % 4; n > 0; --n) {
      GpuChoice choice{.model = models[random() % models.size()], .form = forms[random() % forms.size()]};
      if (random() % 2 == 0) {
        choice.memory_gib = 1 + static_cast<int>(random() % 300);
        choice.at_least = random() % 2 == 0;
      }
      made.choices.push_back(choice);
    }
    const std::string shown = format_gpu_spec(made);
    CAPTURE(shown);
    const Result<GpuSpec> back = parse_gpu_spec(shown);
    REQUIRE(back.ok());
    CHECK(back.value() == made);
  }
}

TEST_CASE("no text whatever makes the reader throw, and what it reads it shows the same") {
  std::mt19937_64 random(6);
  constexpr std::string_view kAlphabet = "{}:,-+ AH10GBSXMany8\xff";
  int read = 0;
  for (int i = 0; i < 30'000; ++i) {
    std::string text;
    for (std::size_t n = random() % 12; n > 0; --n) { text += kAlphabet[random() % kAlphabet.size()]; }
    CAPTURE(text);
    const Result<GpuSpec> made = parse_gpu_spec(text);
    if (!made.ok()) { continue; }
    ++read;
    const Result<GpuSpec> again = parse_gpu_spec(format_gpu_spec(made.value()));
    REQUIRE(again.ok());
    CHECK(again.value() == made.value());
  }
  CHECK(read > 100);
}

TEST_CASE("a machine serves a spec when its GPUs are of a wanted kind and enough") {
  const Accelerator h100{.model = "H100", .form = "SXM", .memory_gib = 80, .count = 8};
  const Accelerator a100{.model = "A100", .form = "PCIe", .memory_gib = 40, .count = 4};
  const Accelerator unknown{.model = "L4", .form = "", .memory_gib = 0, .count = 2};
  const Accelerator none{};
  struct Row {
    const char* text;
    const Accelerator& have;
    bool fits;
  };
  const std::vector<Row> rows = {
      {"H100:8", h100, true},
      {"H100:4", h100, true},
      {"H100:9", h100, false},
      {"A100:4", h100, false},
      {"H100-SXM:8", h100, true},
      {"H100-PCIe:8", h100, false},
      {"H100-80GB:8", h100, true},
      {"H100-94GB:8", h100, false},
      {"H100-40GB:8", h100, false},
      {"H100-40GB+:8", h100, true},
      {"any:80GB+:8", h100, true},
      {"any:81GB+:8", h100, false},
      {"any:8", h100, true},
      {"any:80GB+:4", a100, false},
      {"A100-PCIe:4", a100, true},
      {"{H100, A100}:4", a100, true},
      {"{H100, L40S}:4", a100, false},
      {"L4:2", unknown, true},
      {"L4-24GB:2", unknown, false},
      {"L4-PCIe:2", unknown, false},
      {"any:24GB+:2", unknown, false},
      {"none", none, true},
      {"none", h100, true},
      {"any:1", none, false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const Result<GpuSpec> wanted = parse_gpu_spec(row.text);
    REQUIRE(wanted.ok());
    CHECK(matches(wanted.value(), row.have) == row.fits);
  }
}

}  // namespace gpubroker
