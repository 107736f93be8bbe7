// The vocabulary: every name of every row means that row, and what cannot be told is asked.
#include "catalog/gpu_models.hpp"

#include <map>
#include <set>

#include <doctest/doctest.h>

#include "core/base/text.hpp"

namespace gpubroker {
namespace {

std::string model_of(std::string_view text, int memory = 0, std::string_view form = {}) {
  const GpuResolution found = resolve_gpu(text, memory, form);
  return found.model() != nullptr ? std::string(found.model()->name) : describe_unresolved(text, found);
}

GpuSpec resolved(std::string_view text) {
  const Result<GpuSpec> spec = parse_gpu_spec(text);
  REQUIRE(spec.ok());
  const Result<GpuSpec> all = resolve_gpu_spec(spec.value());
  const std::string why = all.ok() ? "" : all.error().message;
  CAPTURE(why);
  REQUIRE(all.ok());
  return all.value();
}

Error refused(std::string_view text) {
  const Result<GpuSpec> spec = parse_gpu_spec(text);
  REQUIRE(spec.ok());
  const Result<GpuSpec> all = resolve_gpu_spec(spec.value());
  REQUIRE_FALSE(all.ok());
  return all.error();
}

std::vector<std::string> names_of(std::string_view spec) {
  std::vector<std::string> names;
  for (const GpuModel* model : models_of(resolved(spec))) { names.emplace_back(model->name); }
  return names;
}

}  // namespace

TEST_CASE("every alias of every model means that model, in any spelling") {
  CHECK(gpu_models().size() >= 87);
  int aliases = 0;
  for (const GpuModel& model : gpu_models()) {
    for (const std::string& alias : split(model.aliases, '|')) {
      ++aliases;
      std::string underscored = alias;
      for (char& c : underscored) { c = c == ' ' || c == '-' ? '_' : c; }
      for (const std::string& text : {alias, lower(alias), upper(alias), underscored, "NVIDIA " + alias}) {
        CAPTURE(text);
        CHECK(model_of(text) == model.name);
      }
      CHECK(model_of(alias, model.memory_gib) == model.name);
    }
    CHECK(model_of(model.name) == model.name);
  }
  CHECK(aliases > 400);
}

TEST_CASE("the table is sound: names are unique, no alias belongs to two models, figures make sense") {
  std::map<std::string, std::string> owner;
  std::set<std::string_view> names;
  for (const GpuModel& model : gpu_models()) {
    CAPTURE(model.name);
    CHECK(names.insert(model.name).second);
    CHECK(find_gpu_model(model.name) == &model);
    CHECK(model.memory_gib > 0);
    CHECK_FALSE(model.form.empty());
    CHECK((model.fp8_gflops == 0 || model.fp8_gflops >= model.bf16_gflops));
    CHECK(most_per_machine(model) >= 4);
    for (const std::string& alias : split(model.aliases, '|')) {
      const std::string key = join(split(join(split(join(split(upper(alias), ' '), ""), '-'), ""), '_'), "");
      const auto [at, fresh] = owner.emplace(key, model.name);
      CAPTURE(alias);
      CHECK(at->second == model.name);
    }
  }
  CHECK(find_gpu_model("H100") == nullptr);
}

TEST_CASE("memory and form decide between models of one name, and are asked for where they are missing") {
  struct Row {
    const char* text;
    int memory;
    const char* form;
    const char* model;
  };
  for (const Row& row : {
           Row{"A100", 0, "", "A100: 40 or 80 GB?"},
           Row{"A100 SXM4", 0, "", "A100: 40 or 80 GB?"},  // Vast sells both under this name
           Row{"A100 SXM4", 80, "", "A100-80-SXM"},
           Row{"A100 SXM4", 79, "", "A100-80-SXM"},  // 81559 MB / 1024
           Row{"A100 SXM4", 39, "", "A100-40-SXM"},
           Row{"A100 PCIE", 80, "", "A100-80-PCIe"},
           Row{"A100_PCIE", 40, "", "A100-40-PCIe"},
           Row{"A100", 80, "", "A100-80-SXM"},
           Row{"A100", 80, "PCIe", "A100-80-PCIe"},
           Row{"A100", 40, "SXM4", "A100-40-SXM"},
           Row{"nvidia-tesla-a100", 40, "", "A100-40-SXM"},
           Row{"8x NVIDIA A100-SXM4-80GB", 0, "", "A100-80-SXM"},
           Row{"NVIDIA A100 80GB PCIe", 79, "", "A100-80-PCIe"},
           Row{"H100", 0, "", "H100-80-SXM"},
           Row{"H100", 94, "", "H100-94-NVL"},
           Row{"H100", 80, "PCIe", "H100-80-PCIe"},
           Row{"H100", 79, "", "H100-80-SXM"},
           Row{"H100 PCIe", 0, "", "H100-80-PCIe"},
           Row{"H100-PCIE-80GB", 0, "", "H100-80-PCIe"},
           Row{"1x H100 SXM5 80GB", 0, "", "H100-80-SXM"},  // Verda
           Row{"NVIDIA H100 NVL", 93, "", "H100-94-NVL"},
           Row{"NVIDIA H100 Tensor Core GPU", 80, "", "H100-80-SXM"},
           Row{"H200", 141, "", "H200-141-SXM"},  // 144384 MiB
           Row{"H200", 140, "NVL", "H200-141-NVL"},
           Row{"L4", 22, "", "L4-24"},        // EC2: 22888 MiB
           Row{"A10G", 22, "", "A10G-24"},    // likewise
           Row{"L40S", 44, "", "L40S-48"},    // 45776 MiB
           Row{"B200", 179, "", "B200-180"},  // 183359 MiB
           Row{"B200", 192, "", "B200-180"},
           Row{"B300", 262, "", "B300-270"},
           Row{"B300", 288, "", "B300-270"},
           Row{"GB200", 0, "", "GB200-186"},  // never B200
           Row{"GB200", 192, "SXM", "GB200-186"},
           Row{"GH200", 0, "", "H100-96-GH200"},
           Row{"GH200", 144, "", "GH200-144"},
           Row{"GH200 480GB", 96, "", "H100-96-GH200"},
           Row{"V100", 0, "", "V100: 16 or 32 GB?"},
           Row{"Tesla V100", 32, "", "V100-32-SXM"},
           Row{"V100", 16, "PCIe", "V100-16-PCIe"},
           Row{"T4", 15, "", "T4-16"},
           Row{"Tesla P4", 7, "", "P4-8"},
           Row{"RTX 6000 Ada Generation", 48, "", "RTX6000Ada-48"},
           Row{"RTX 6000", 24, "", "QRTX6000-24"},
           Row{"Quadro RTX 6000", 0, "", "QRTX6000-24"},
           Row{"RTX PRO 6000 WS", 96, "", "RTXPRO6000-WS-96"},
           Row{"geforce rtx 4090", 24, "", "RTX4090-24"},
       }) {
    CAPTURE(row.text);
    CAPTURE(row.memory);
    CHECK(model_of(row.text, row.memory, row.form) == row.model);
  }
}

TEST_CASE("what is unknown stays unknown, and memory that no model has contradicts") {
  for (const char* text : {"", "H100X", "XH100", "GB2000", "B20", "H10", "A1000", "RTX", "RTX 4091", "GPU",
                           "80GB", "H100 H200", "nvidia", "MI300Y", "A100 B200"}) {
    CAPTURE(text);
    CHECK(resolve_gpu(text).candidates.empty());
  }
  CHECK(model_of("gpu_8x_foo") == "unknown accelerator 'gpu_8x_foo'");
  struct Row {
    const char* text;
    int memory;
  };
  // trn2 tells 524288 MiB for each chip of 96 GB; Azure sells fractions of an A10; RTX 6000 (Turing) has 24.
  for (const Row& row : {Row{"trn2", 512}, Row{"A10", 4}, Row{"RTX 6000", 48}, Row{"H100", 40},
                         Row{"H100-80GB", 94}, Row{"nvidia-h100-80gb", 640}}) {
    CAPTURE(row.text);
    const GpuResolution found = resolve_gpu(row.text, row.memory);
    CHECK(found.contradicted);
    CHECK(found.model() == nullptr);
    CHECK(describe_unresolved(row.text, found).find("does not have the memory") != std::string::npos);
  }
}

TEST_CASE("a user's spec in the vocabulary's words") {
  struct Row {
    const char* asked;
    const char* canonical;
  };
  for (const Row& row :
       {Row{"H100:8", "H100:8"}, Row{"H100-SXM5-80GB", "H100-80GB-SXM:1"},
        Row{"h100pcie:2", "H100-80GB-PCIe:2"}, Row{"H100NVL", "H100-94GB-NVL:1"},
        Row{"RTX-4090", "RTX4090:1"}, Row{"rtx_4090:4", "RTX4090:4"}, Row{"RTX 4090:2", "RTX4090:2"},
        Row{"A100-80GB:8", "A100-80GB:8"}, Row{"A100-SXM4-80GB:8", "A100-80GB-SXM:8"},
        Row{"B200-192GB:8", "B200-180GB:8"}, Row{"RTXA6000", "A6000:1"},
        Row{"{A100-80, H100}:4", "{A100-80GB, H100}:4"}, Row{"any:80GB+:8", "any:80GB+:8"},
        Row{"A100-40", "A100-40GB:1"}, Row{"GB200-NVL72:4", "GB200:4"}, Row{"H100-MEGA:8", "H100-80GB-SXM:8"},
        Row{"MI300X:8", "MI300X:8"}}) {
    CAPTURE(row.asked);
    CHECK(format_gpu_spec(resolved(row.asked)) == row.canonical);
    CHECK(resolved(format_gpu_spec(resolved(row.asked))) == resolved(row.asked));  // a fixed point
  }
  CHECK(names_of("H100:8") == std::vector<std::string>{"H100-80-SXM", "H100-80-PCIe", "H100-94-NVL"});
  CHECK(names_of("A100:1").size() == 4);
  CHECK(names_of("A100-80GB:1") == std::vector<std::string>{"A100-80-SXM", "A100-80-PCIe"});
  CHECK(names_of("B200:8") == std::vector<std::string>{"B200-180"});
  CHECK(names_of("any:200GB+:8").size() > 5);
  CHECK(models_of(GpuSpec{}).empty());
}

TEST_CASE("a spec that nothing can serve is refused with what there is") {
  CHECK(refused("H10O:8").hint == "did you mean H100?");
  CHECK(refused("H10O:8").message == "unknown GPU 'H10O'");
  CHECK(refused("RTX4O90").hint == "did you mean RTX4090?");
  CHECK(refused("FLUXCAPACITOR").hint == "`gpubroker gpus` lists the names");
  CHECK(refused("H100-40GB").message == "there is no H100 with 40 GB");
  CHECK(refused("H100-40GB").hint == "it comes with 80 or 94 GB");
  CHECK(refused("L4-SXM").message == "there is no L4 as SXM");
  CHECK(refused("H100:200GB+:8").kind == ErrorKind::invalid);
}

TEST_CASE("links and the most in one machine") {
  const auto model = [](std::string_view name) -> const GpuModel& { return *find_gpu_model(name); };
  CHECK(link_domain_of(model("H100-80-SXM"), 8) == 8);
  CHECK(link_domain_of(model("H100-80-SXM"), 2) == 2);
  CHECK(link_domain_of(model("H100-80-PCIe"), 8) == 1);
  CHECK(link_domain_of(model("H100-94-NVL"), 8) == 2);
  CHECK(link_domain_of(model("L4-24"), 4) == 1);
  CHECK(link_domain_of(model("H100-96-GH200"), 1) == 1);
  CHECK(link_domain_of(model("GB200-186"), 4) == 4);
  CHECK(most_per_machine(model("H100-80-SXM")) == 8);
  CHECK(most_per_machine(model("A100-40-SXM")) == 16);  // a2-megagpu-16g
  CHECK(most_per_machine(model("Trainium2-96")) >= 16);
  CHECK(most_per_machine(model("RTX3090-24")) >= 14);
}

}  // namespace gpubroker
