#include "core/base/gpu.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "core/base/text.hpp"

namespace gpubroker {
namespace {

constexpr int kMaxCount = 1024;

Error refuse(std::string_view text, const std::string& why) {
  return {.kind = ErrorKind::invalid,
          .message = "GPU spec '" + std::string(text) + "': " + why,
          .hint = "write it like H100:8, H100-SXM:8, A100-80GB, {A100-80, H100}:4 or any:80GB+:8"};
}

/// "SXM", "SXM4", "SXM5" are one form to a buyer: the generation follows from the model.
std::optional<std::string> form_from(const std::string& word) {
  if (word == "PCIE" || word == "NVL") { return word; }
  if (word.substr(0, 3) == "SXM" &&
      (word.size() == 3 || (word.size() == 4 && word[3] >= '2' && word[3] <= '9'))) {
    return "SXM";
  }
  return std::nullopt;
}

struct Memory {
  int gib = 0;
  bool at_least = false;
};

/// "80GB", "80GB+", and where `unit_optional` also "80" and "80+" (two or three digits: "RTX-4090" is a
/// name).
std::optional<Memory> memory_from(std::string_view word, bool unit_optional) {
  Memory memory;
  if (!word.empty() && word.back() == '+') {
    memory.at_least = true;
    word.remove_suffix(1);
  }
  const bool unit = word.size() > 2 && word.substr(word.size() - 2) == "GB";
  if (unit) { word.remove_suffix(2); }
  const std::size_t digits = word.size();
  const bool fits = unit ? digits >= 1 && digits <= 4 : unit_optional && (digits == 2 || digits == 3);
  if (!fits || word.find_first_not_of("0123456789") != std::string_view::npos) { return std::nullopt; }
  memory.gib = static_cast<int>(parse_int(word).value_or(0));
  return memory.gib > 0 ? std::optional(memory) : std::nullopt;
}

bool is_model(std::string_view name) {
  return !name.empty() && name.front() >= 'A' && name.front() <= 'Z' &&
         name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == std::string_view::npos &&
         name.back() != '-';
}

/// Takes form and memory off the end of "A100-80GB-SXM", in any order; what is left is the model.
void take_suffixes(std::string& name, GpuChoice& choice) {
  for (std::size_t dash = name.rfind('-'); dash != std::string::npos; dash = name.rfind('-')) {
    const std::string word = name.substr(dash + 1);
    const std::optional<std::string> form = form_from(word);
    const std::optional<Memory> memory = memory_from(word, /*unit_optional=*/true);
    if (form && choice.form.empty()) {
      choice.form = *form;
    } else if (memory && choice.memory_gib == 0) {
      choice.memory_gib = memory->gib;
      choice.at_least = memory->at_least;
    } else {
      return;
    }
    name.resize(dash);
  }
}

/// `parts` is a name and, perhaps, a memory: {"ANY", "80GB+"}, {"A100-80"}.
Result<GpuChoice> read_choice(std::string_view text, const std::vector<std::string>& parts) {
  GpuChoice choice;
  std::string name = parts.front();
  std::replace(name.begin(), name.end(), ' ', '-');  // "RTX 4090", "H100 SXM"
  take_suffixes(name, choice);
  if (parts.size() > 1) {
    const std::optional<Memory> memory = memory_from(parts[1], /*unit_optional=*/false);
    if (!memory || choice.memory_gib != 0) {
      return refuse(text, "'" + parts[1] + "' is no memory size (like 80GB+)");
    }
    choice.memory_gib = memory->gib;
    choice.at_least = memory->at_least;
  }
  if (name.substr(0, 3) == "TPU") { return refuse(text, "TPUs are not supported, only GPUs"); }
  if (!is_model(name)) { return refuse(text, "'" + parts.front() + "' is no GPU model"); }
  if (name != "ANY") { choice.model = name; }
  return choice;
}

/// Splits at `separator` and trims each part.
std::vector<std::string> parts_of(std::string_view text, char separator) {
  std::vector<std::string> parts = split(text, separator);
  for (std::string& part : parts) { part = std::string(trim(part)); }
  return parts;
}

/// Takes a trailing count off `parts`; absent means 1, and 0 is returned for one that cannot be.
int take_count(std::vector<std::string>& parts) {
  if (parts.size() < 2 || memory_from(parts.back(), /*unit_optional=*/false)) { return 1; }
  const std::int64_t count = parse_int(parts.back()).value_or(0);
  parts.pop_back();
  return count >= 1 && count <= kMaxCount ? static_cast<int>(count) : 0;
}

std::string format_choice(const GpuChoice& choice) {
  const std::string form = choice.form.empty() ? "" : "-" + (choice.form == "PCIE" ? "PCIe" : choice.form);
  const std::string memory =
      choice.memory_gib == 0 ? "" : std::to_string(choice.memory_gib) + "GB" + (choice.at_least ? "+" : "");
  if (choice.model.empty()) { return "any" + form + (memory.empty() ? "" : ":" + memory); }
  return choice.model + (memory.empty() ? "" : "-" + memory) + form;
}

bool matches_choice(const GpuChoice& choice, const Accelerator& have) {
  if (!choice.model.empty() && choice.model != upper(have.model)) { return false; }
  if (!choice.form.empty() && choice.form != upper(have.form)) { return false; }
  if (choice.memory_gib == 0) { return true; }
  return choice.at_least ? have.memory_gib >= choice.memory_gib : have.memory_gib == choice.memory_gib;
}

}  // namespace

Result<GpuSpec> parse_gpu_spec(std::string_view text) {
  const std::string all = upper(trim(text));
  if (all == "NONE") { return GpuSpec{}; }

  GpuSpec spec;
  std::vector<std::vector<std::string>> choices;
  if (!all.empty() && all.front() == '{') {
    const std::size_t close = all.find('}');
    if (close == std::string::npos) { return refuse(text, "the closing brace is missing"); }
    std::vector<std::string> tail = parts_of(std::string_view(all).substr(close + 1), ':');
    spec.count = take_count(tail);
    if (tail.size() != 1 || !tail.front().empty()) {
      return refuse(text, "after the braces only a count may follow");
    }
    for (const std::string& choice : parts_of(std::string_view(all).substr(1, close - 1), ',')) {
      choices.push_back(parts_of(choice, ':'));
    }
  } else {
    choices.push_back(parts_of(all, ':'));
    spec.count = take_count(choices.front());
  }
  if (spec.count == 0) { return refuse(text, "count must be 1 to 1024"); }
  for (const std::vector<std::string>& parts : choices) {
    if (parts.size() > 2) { return refuse(text, "too many colons"); }
    TRY(GpuChoice choice, read_choice(text, parts));
    spec.choices.push_back(std::move(choice));
  }
  return spec;
}

std::string format_gpu_spec(const GpuSpec& spec) {
  if (spec.count == 0) { return "none"; }
  std::vector<std::string> choices;
  for (const GpuChoice& choice : spec.choices) { choices.push_back(format_choice(choice)); }
  const std::string all = join(choices, ", ");
  return (choices.size() == 1 ? all : "{" + all + "}") + ":" + std::to_string(spec.count);
}

bool matches(const GpuSpec& spec, const Accelerator& have) {
  if (spec.count == 0) { return true; }
  if (have.count < spec.count) { return false; }
  return std::any_of(spec.choices.begin(), spec.choices.end(),
                     [&have](const GpuChoice& choice) { return matches_choice(choice, have); });
}

}  // namespace gpubroker
