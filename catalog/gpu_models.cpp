#include "catalog/gpu_models.hpp"

#include <algorithm>
#include <optional>
#include <set>

#include "core/base/text.hpp"

namespace gpubroker {
namespace {

using Models = std::vector<const GpuModel*>;

constexpr std::array<std::string_view, 6> kBases = {"checked",     "recall",    "derived",
                                                    "third_party", "announced", "unverified"};

/// Makers and product lines that some clouds put in front of a name and others do not.
constexpr std::array<std::string_view, 8> kPrefixes = {"NVIDIA", "AMD",     "INTEL", "GOOGLE",
                                                       "AWS",    "GEFORCE", "TESLA", "INSTINCT"};

bool is_letter_or_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/// Letters and digits alone, upper case: what two spellings of one name share.
std::string bare_name(std::string_view text) {
  std::string name;
  for (const char c : text) {
    if (is_letter_or_digit(c)) { name += c; }
  }
  return upper(name);
}

std::string_view without_prefix(std::string_view name) {
  for (const std::string_view prefix : kPrefixes) {
    if (name.size() > prefix.size() && name.substr(0, prefix.size()) == prefix) {
      return name.substr(prefix.size());
    }
  }
  return name;
}

/// Whether `text`, made bare, is `name`.
bool is_spelling_of(std::string_view text, std::string_view name) {
  std::size_t at = 0;
  for (const char c : text) {
    if (!is_letter_or_digit(c)) { continue; }
    const char upper_c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    if (at == name.size() || name[at] != upper_c) { return false; }
    ++at;
  }
  return at == name.size();
}

constexpr std::string_view kMaker = "NVIDIA ";

bool has_alias(const GpuModel& model, std::string_view name) {
  std::string_view rest = model.aliases;
  while (!rest.empty()) {
    const std::size_t end = rest.find('|');
    const std::string_view alias = rest.substr(0, end);
    const bool has_maker = alias.substr(0, kMaker.size()) == kMaker;
    if (is_spelling_of(alias, name) || (has_maker && is_spelling_of(alias.substr(kMaker.size()), name))) {
      return true;
    }
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  }
  return is_spelling_of(model.name, name);
}

/// A family's models, or the one with that alias.
Models named(std::string_view name) {
  Models family;
  Models alias;
  for (const GpuModel& model : gpu_models()) {
    if (is_spelling_of(model.family, name)) { family.push_back(&model); }
    if (has_alias(model, name)) { alias.push_back(&model); }
  }
  return family.empty() ? alias : family;
}

/// As it stands, then without the maker, then without the product line.
Models named_with_prefixes(std::string_view name) {
  for (int left = 3; left > 0; --left) {
    Models found = named(name);
    const std::string_view shorter = without_prefix(name);
    if (!found.empty() || shorter == name) { return found; }
    name = shorter;
  }
  return {};
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// "80GB", "80G", "80GIB".
std::optional<int> memory_word(std::string_view word) {
  for (const std::string_view unit : {"GIB", "GB", "G"}) {
    if (word.size() > unit.size() && word.size() <= unit.size() + 4 &&
        word.substr(word.size() - unit.size()) == unit &&
        is_number(word.substr(0, word.size() - unit.size()))) {
      return static_cast<int>(parse_int(word.substr(0, word.size() - unit.size())).value_or(0));
    }
  }
  return std::nullopt;
}

/// "SXM4" is "SXM"; empty when the word is no form.
std::string form_word(std::string_view word) {
  std::string form = upper(word);
  if (form == "PCIE" || form == "NVL" || form == "OAM") { return form; }
  if (form == "SXM" || (form.size() == 4 && form.substr(0, 3) == "SXM" && is_number(form.substr(3)))) {
    return "SXM";
  }
  return {};
}

/// Words that are in many names and tell nothing that the model does not.
bool is_idle_word(std::string_view word) {
  for (const std::string_view idle :
       {"GPU", "GPUS", "TENSOR", "CORE", "HBM2", "HBM2E", "HBM3", "HBM3E", "GDDR6", "GDDR6X", "GDDR7"}) {
    if (word == idle) { return true; }
  }
  return false;
}

struct Words {
  std::string name = {};  // bare, of what is neither form nor memory
  std::string form = {};
  int memory_gib = 0;
};

/// Takes a name apart: "8x NVIDIA A100-SXM4-80GB" is A100 in the form SXM with 80 GB.
Words take_apart(std::string_view text) {
  std::string spaced(text);
  for (char& c : spaced) {
    if (!is_letter_or_digit(c)) { c = ' '; }
  }
  Words words;
  bool first = true;
  for (const std::string& part : split(upper(spaced), ' ')) {
    if (part.empty()) { continue; }
    const bool is_count = first && part.size() > 1 && part.back() == 'X' &&
                          is_number(std::string_view(part).substr(0, part.size() - 1));
    first = false;
    if (is_count || is_idle_word(part)) { continue; }
    if (std::string form = form_word(part); !form.empty() && words.form.empty()) {
      words.form = std::move(form);
    } else if (const std::optional<int> memory = memory_word(part); memory && words.memory_gib == 0) {
      words.memory_gib = *memory;
    } else {
      words.name += part;
    }
  }
  return words;
}

/// Those with this memory and form. A form that none of them comes in tells nothing: clouds call GB200 "SXM".
Models fitting(const Models& models, int memory_gib, const std::string& form) {
  Models fit;
  const bool is_known_form = std::any_of(models.begin(), models.end(),
                                         [&form](const GpuModel* m) { return upper(m->form) == form; });
  for (const GpuModel* model : models) {
    const bool has_memory = memory_gib == 0 || is_memory_of(*model, memory_gib);
    const bool has_form = form.empty() || !is_known_form || upper(model->form) == form;
    if (has_memory && has_form) { fit.push_back(model); }
  }
  return fit;
}

bool has_one_size(const Models& models) {
  return std::all_of(models.begin(), models.end(),
                     [&models](const GpuModel* m) { return m->memory_gib == models.front()->memory_gib; });
}

/// Of several the one that the bare name means, if it means one.
Models prefer(Models models) {
  if (models.size() < 2) { return models; }
  const bool one_size = has_one_size(models);
  for (const GpuModel* model : models) {
    if (model->bare == BareName::of_family || (one_size && model->bare == BareName::of_size)) {
      return {model};
    }
  }
  return models;
}

/// "40 or 80", "SXM, PCIe or NVL".
std::string alternatives(const std::vector<std::string>& words) {
  if (words.size() < 2) { return join(words, ""); }
  std::string all = join({words.begin(), words.end() - 1}, ", ");
  all += " or ";
  return all + words.back();
}

std::string sizes_of(const Models& models) {
  std::set<int> sizes;
  for (const GpuModel* model : models) { sizes.insert(model->memory_gib); }
  std::vector<std::string> words;
  for (const int size : sizes) { words.push_back(std::to_string(size)); }
  return alternatives(words) + " GB";
}

std::string forms_of(const Models& models) {
  std::vector<std::string> words;
  for (const GpuModel* model : models) {
    if (std::find(words.begin(), words.end(), model->form) == words.end()) {
      words.emplace_back(model->form);
    }
  }
  return alternatives(words);
}

Models family_of(const GpuModel& one) {
  Models family;
  for (const GpuModel& model : gpu_models()) {
    if (model.family == one.family) { family.push_back(&model); }
  }
  return family;
}

Error unknown_gpu(const std::string& name) {
  std::vector<std::string> known;
  known.reserve(gpu_models().size());
  for (const GpuModel& model : gpu_models()) { known.push_back(upper(model.family)); }
  const std::string near = nearest(bare_name(name), known);
  return {.kind = ErrorKind::invalid,
          .message = "unknown GPU '" + name + "'",
          .hint = near.empty() ? "`gpubroker gpus` lists the names" : "did you mean " + near + "?",
          .code = "unknown_gpu"};
}

Error impossible(const std::string& message, const std::string& instead) {
  return {.kind = ErrorKind::invalid,
          .message = message,
          .hint = "it comes with " + instead,
          .code = "impossible_gpu"};
}

Result<GpuChoice> resolve_choice(GpuChoice choice) {
  if (choice.model.empty()) { return choice; }
  const GpuResolution found = resolve_gpu(choice.model);
  if (found.candidates.empty()) { return unknown_gpu(choice.model); }
  const GpuModel& first = *found.candidates.front();
  Models models = family_of(first);
  if (!is_spelling_of(first.family, bare_name(choice.model)) && found.candidates.size() == 1) {
    // The name of one model: what tells it from its family becomes part of the choice.
    if (choice.form.empty() && upper(forms_of(models)) != upper(first.form)) {
      choice.form = upper(first.form);
    }
    if (choice.memory_gib == 0 && !has_one_size(models)) { choice.memory_gib = first.memory_gib; }
  }
  choice.model = upper(first.family);
  if (!choice.form.empty()) {
    const std::string forms = forms_of(models);
    models.erase(std::remove_if(models.begin(), models.end(),
                                [&choice](const GpuModel* m) { return upper(m->form) != choice.form; }),
                 models.end());
    if (models.empty()) { return impossible("there is no " + choice.model + " as " + choice.form, forms); }
  }
  if (choice.memory_gib == 0) { return choice; }
  const auto fits = [&choice](const GpuModel* m) {
    return choice.at_least ? m->memory_gib >= choice.memory_gib : is_memory_of(*m, choice.memory_gib);
  };
  const auto fit = std::find_if(models.begin(), models.end(), fits);
  if (fit == models.end()) {
    return impossible("there is no " + choice.model + " with " + std::to_string(choice.memory_gib) + " GB",
                      sizes_of(models));
  }
  if (!choice.at_least) { choice.memory_gib = (*fit)->memory_gib; }
  return choice;
}

}  // namespace

std::string_view to_string(GpuBasis basis) {
  return kBases.at(static_cast<std::size_t>(basis));
}

const GpuModel* find_gpu_model(std::string_view name) {
  for (const GpuModel& model : gpu_models()) {
    if (model.name == name) { return &model; }
  }
  return nullptr;
}

GpuResolution resolve_gpu(std::string_view text, int memory_gib, std::string_view form) {
  const std::string asked_form = form_word(form);
  // The whole text first: aliases know better than grammar ("GH200 480GB" tells the host's memory).
  const Models whole = named_with_prefixes(bare_name(text));
  if (Models fit = prefer(fitting(whole, memory_gib, asked_form)); !fit.empty()) {
    return {.candidates = std::move(fit)};
  }
  const Words words = take_apart(text);
  const int told_memory = memory_gib != 0 ? memory_gib : words.memory_gib;
  const std::string& told_form = asked_form.empty() ? words.form : asked_form;
  const Models apart = words.name.empty() ? Models{} : named_with_prefixes(words.name);
  // Both told and in the name: they must agree.
  Models fit = fitting(apart, told_memory, told_form);
  if (words.memory_gib != 0) { fit = fitting(fit, words.memory_gib, {}); }
  if (!fit.empty()) { return {.candidates = prefer(std::move(fit))}; }
  return {.candidates = whole.empty() ? apart : whole, .contradicted = !whole.empty() || !apart.empty()};
}

std::string describe_unresolved(std::string_view text, const GpuResolution& resolution) {
  if (resolution.candidates.empty()) { return "unknown accelerator '" + std::string(text) + "'"; }
  const std::string family(resolution.candidates.front()->family);
  if (resolution.contradicted) {
    std::string message = "'" + std::string(text) + "' does not have the memory that is told: ";
    message += family;
    return message + " has " + sizes_of(resolution.candidates);
  }
  const bool by_size = !has_one_size(resolution.candidates);
  return family + ": " + (by_size ? sizes_of(resolution.candidates) : forms_of(resolution.candidates)) + "?";
}

bool is_memory_of(const GpuModel& model, int memory_gib) {
  // Drivers hold some back (an L4 of 24 tells 22888 MiB), vendors round (a B200 of 180 is sold as 192).
  return (memory_gib + 1) * 10 > model.memory_gib * 9 && memory_gib * 100 <= model.memory_gib * 108;
}

int most_per_machine(const GpuModel& model) {
  constexpr int kRig = 32;  // PCIe: markets have machines with 14 consumer cards
  if (model.form == "SXM") {
    return model.architecture == "Ampere" || model.architecture == "Volta" ? 16 : 8;
  }
  if (model.form == "OAM" || model.form == "APU") { return std::max(model.link_domain, 8); }
  if (model.form == "PCIe" || model.form == "NVL") { return kRig; }
  return std::max(model.link_domain, 16);
}

int link_domain_of(const GpuModel& model, int count) {
  // Bridges of PCIe cards are bought apart, and GH200 is rented one by one: nobody promises a link there.
  if (model.form == "PCIe" || model.form == "superchip" || model.link_domain == 0) { return 1; }
  return std::max(1, std::min(count, model.link_domain));
}

Result<GpuSpec> resolve_gpu_spec(const GpuSpec& spec) {
  GpuSpec resolved{.count = spec.count};
  for (const GpuChoice& choice : spec.choices) {
    TRY(GpuChoice one, resolve_choice(choice));
    resolved.choices.push_back(std::move(one));
  }
  return resolved;
}

std::vector<const GpuModel*> models_of(const GpuSpec& spec) {
  std::vector<const GpuModel*> models;
  for (const GpuModel& model : gpu_models()) {
    if (spec.count > 0 && matches(spec, accelerator_of(model, spec.count))) { models.push_back(&model); }
  }
  return models;
}

Accelerator accelerator_of(const GpuModel& model, int count) {
  return {.model = std::string(model.family),
          .form = std::string(model.form),
          .memory_gib = model.memory_gib,
          .count = count};
}

}  // namespace gpubroker
