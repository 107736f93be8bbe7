#include "providers/gcp/sku_names.hpp"

#include <array>
#include <string>
#include <utility>

#include "core/base/text.hpp"

namespace gpubroker::gcp {
namespace {

struct Alias {
  std::string_view name;  // in lower case, without market, place and "nvidia "
  Component component;
  std::string_view of;
};

// Whole names: "tesla a100 gpu" is the beginning of no other.
constexpr std::array kAliases = {
    Alias{"tesla a100 gpu", Component::gpu, "nvidia-tesla-a100"},
    Alias{"tesla a100 80gb gpu", Component::gpu, "nvidia-a100-80gb"},
    Alias{"h100 80gb gpu", Component::gpu, "nvidia-h100-80gb"},
    Alias{"h100 80gb mega gpu", Component::gpu, "nvidia-h100-mega-80gb"},
    Alias{"h100 80gb plus gpu", Component::gpu, "nvidia-h100-mega-80gb"},
    Alias{"h100 mega 80gb gpu", Component::gpu, "nvidia-h100-mega-80gb"},
    Alias{"h200 141gb gpu", Component::gpu, "nvidia-h200-141gb"},
    Alias{"a4 nvidia b200 (1 gpu slice)", Component::gpu, "nvidia-b200"},
    Alias{"l4 gpu", Component::gpu, "nvidia-l4"},
    Alias{"rtx 6000 96gb", Component::gpu, "nvidia-rtx-pro-6000"},
    Alias{"rtx 6000 96gb gpu", Component::gpu, "nvidia-rtx-pro-6000"},
    Alias{"tesla t4 gpu", Component::gpu, "nvidia-tesla-t4"},
    Alias{"tesla v100 gpu", Component::gpu, "nvidia-tesla-v100"},
    Alias{"tesla p100 gpu", Component::gpu, "nvidia-tesla-p100"},
    Alias{"tesla p4 gpu", Component::gpu, "nvidia-tesla-p4"},
    // "TpuV6e running in …", "DWS Defined Duration V6e running in …", "Reserved V5e TPU in … in Calendar
    // Mode".
    Alias{"tpuv5e", Component::gpu, "tpu-v5-lite-podslice"},
    Alias{"v5e", Component::gpu, "tpu-v5-lite-podslice"},
    Alias{"v5e tpu", Component::gpu, "tpu-v5-lite-podslice"},
    Alias{"tpuv5p", Component::gpu, "tpu-v5p-slice"},
    Alias{"v5p", Component::gpu, "tpu-v5p-slice"},
    Alias{"v5p tpu", Component::gpu, "tpu-v5p-slice"},
    Alias{"tpuv6e", Component::gpu, "tpu-v6e-slice"},
    Alias{"v6e", Component::gpu, "tpu-v6e-slice"},
    Alias{"v6e tpu", Component::gpu, "tpu-v6e-slice"},
    Alias{"tpu7x", Component::gpu, "tpu7x"},
    Alias{"ssd backed local storage", Component::local_ssd, ""},
};

using Family = std::pair<std::string_view, std::string_view>;
constexpr std::array kFamilies = {
    Family{"a2", "a2"},
    Family{"a3", "a3"},
    Family{"a3 high", "a3"},
    Family{"a3plus", "a3plus"},
    Family{"a3 mega", "a3plus"},
    Family{"a3ultra", "a3ultra"},
    Family{"a3 ultra", "a3ultra"},
    Family{"g2", "g2"},
    Family{"g4", "g4"},
    Family{"n1 predefined", "n1"},
};

constexpr std::array<std::string_view, 6> kAddedWords = {
    "sole tenancy", "premium", "custom", "suspended", "capacity optimized", "commitment"};

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) { return false; }
  text.remove_prefix(prefix.size());
  return true;
}

bool take_suffix(std::string_view& text, std::string_view suffix) {
  if (text.size() < suffix.size() || text.substr(text.size() - suffix.size()) != suffix) { return false; }
  text.remove_suffix(suffix.size());
  return true;
}

/// The market, whose words are taken off. `left_out` when it is of none.
void take_market(std::string_view& text, SkuName& name) {
  if (take_prefix(text, "dws calendar mode ")) { name.market = Market::block; }
  if (take_suffix(text, " in calendar mode")) {
    name.market = Market::block;
    take_prefix(text, "reserved ");
  }
  if (take_prefix(text, "spot preemptible ")) { name.market = Market::spot; }
  if (take_prefix(text, "dws defined duration ")) { name.market = Market::flex; }
  if (take_prefix(text, "reserved ")) { name.left_out = "reserved"; }
  if (take_prefix(text, "commitment v1: ")) { name.left_out = "commitment"; }
}

/// "… running in Americas for 1 year", "… in Seoul": the place is told by serviceRegions.
void cut_place(std::string_view& text) {
  for (const std::string_view word : {" running in ", " in "}) {
    const std::size_t at = text.find(word);
    if (at != std::string_view::npos) { text = text.substr(0, at); }
  }
}

void take_attachment(std::string_view& text, SkuName& name) {
  const std::size_t at = text.find(" attached to ");
  if (at == std::string_view::npos) { return; }
  const std::string_view what = text.substr(at);
  text = text.substr(0, at);
  if (what == " attached to spot preemptible vms") {
    name.market = Market::spot;
  } else if (what == " attached to dws defined duration vms") {
    name.market = Market::flex;
  } else {
    name.left_out =
        what.find("sole tenancy") != std::string_view::npos ? "sole tenancy" : "attached otherwise";
  }
}

bool find_component(std::string_view text, SkuName& name) {
  for (const Alias& alias : kAliases) {
    if (alias.name != text) { continue; }
    name.component = alias.component;
    name.of = alias.of;
    return true;
  }
  if (take_suffix(text, " core")) {
    name.component = Component::core;
  } else if (take_suffix(text, " ram")) {
    name.component = Component::ram;
  } else {
    return false;
  }
  take_suffix(text, " instance");
  for (const auto& [words, family] : kFamilies) {
    if (words != text) { continue; }
    name.of = family;
    return true;
  }
  return false;
}

std::string with_single_blanks(std::string_view text) {
  std::string words;
  for (const std::string& word : split(lower(text), ' ')) {
    if (word.empty()) { continue; }
    if (!words.empty()) { words += ' '; }
    words += word;
  }
  return words;
}

/// "Capacity Optimized TpuV6e", "Sole Tenancy Premium for A3 Instance Core": such words make it an extra.
void take_added(std::string& words, SkuName& name) {
  for (const std::string_view added : kAddedWords) {
    const std::size_t at = words.find(added);
    if (at == std::string::npos) { continue; }
    if (name.left_out.empty()) { name.left_out = added; }
    words.erase(at, added.size());
  }
  words = with_single_blanks(words);
}

}  // namespace

std::optional<SkuName> read_sku_name(std::string_view description) {
  std::string words = with_single_blanks(description);
  SkuName name;
  std::string_view text = words;
  take_market(text, name);
  cut_place(text);
  take_attachment(text, name);
  std::string rest(text);
  take_added(rest, name);
  text = rest;
  take_prefix(text, "for ");
  take_prefix(text, "nvidia ");
  if (!find_component(text, name)) { return std::nullopt; }
  return name;
}

}  // namespace gpubroker::gcp
