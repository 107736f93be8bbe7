#include "providers/ssh/machine_list.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "core/base/text.hpp"
#include "core/wire/flat_yaml.hpp"

namespace gpubroker::ssh {
namespace {

struct Document {
  std::string file = {};
  FlatYaml values = {};
  YamlLines lines = {};
};

Error mistake(const Document& document, const std::string& path, const std::string& what) {
  const auto line = document.lines.find(path);
  return {.kind = ErrorKind::invalid,
          .message = (path.empty() ? "" : path + ": ") + what,
          .source = document.file + ":" + std::to_string(line == document.lines.end() ? 1 : line->second)};
}

/// One value and what it is for.
struct Field {
  const Document& document;
  std::string path;
  std::string text;
  [[nodiscard]] Error wrong(const std::string& what) const { return mistake(document, path, what); }
};

Status read_word(const Field& field, std::string_view allowed, std::string& out) {
  const auto fits = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           allowed.find(c) != std::string_view::npos;
  };
  // What begins with a hyphen is an option to ssh.
  const bool good = !field.text.empty() && field.text.front() != '-' && field.text.size() <= 200 &&
                    std::all_of(field.text.begin(), field.text.end(), fits);
  if (!good) {
    return field.wrong("'" + field.text + "' is none: letters, digits and " + std::string(allowed));
  }
  out = field.text;
  return Ok{};
}

Status read_count(const Field& field, std::int64_t most, int& out) {
  const std::optional<std::int64_t> number = parse_int(field.text);
  if (!number || *number < 1 || *number > most) {
    return field.wrong("'" + field.text + "' is no number from 1 to " + std::to_string(most));
  }
  out = static_cast<int>(*number);
  return Ok{};
}

Status read_gpus(const Field& field, Accelerator& out) {
  const Result<GpuSpec> spec = parse_gpu_spec(field.text);
  if (!spec.ok()) { return field.wrong(spec.error().message); }
  const std::vector<GpuChoice>& choices = spec.value().choices;
  if (choices.size() != 1 || choices[0].model.empty() || choices[0].at_least) {
    return field.wrong("'" + field.text + "' is not one kind of GPU: write it like H100-SXM:8");
  }
  out = {.model = choices[0].model,
         .form = choices[0].form == "PCIE" ? "PCIe" : choices[0].form,
         .memory_gib = choices[0].memory_gib,
         .count = spec.value().count};
  return Ok{};
}

Status read_memory(const Field& field, std::int64_t& out) {
  constexpr std::int64_t kMostMib = 1LL << 30U;
  const std::vector<std::pair<std::string, std::int64_t>> units = {
      {"TiB", 1'048'576}, {"GiB", 1'024}, {"MiB", 1}, {"", 1'024}};
  for (const auto& [unit, mib] : units) {
    if (!field.text.ends_with(unit)) { continue; }
    const std::string_view number =
        trim(std::string_view(field.text).substr(0, field.text.size() - unit.size()));
    const std::optional<std::int64_t> amount = parse_int(number);
    if (!amount || *amount < 1 || *amount > kMostMib / mib) { break; }
    out = *amount * mib;
    return Ok{};
  }
  return field.wrong("'" + field.text + "' is no memory size: write it like 512GiB");
}

Status read_price(const Field& field, Rate& out) {
  const Result<Money> price = parse_money(field.text);
  if (!price.ok()) { return field.wrong(price.error().message); }
  if (price.value().micros < 0) { return field.wrong("a price is not below zero"); }
  out = {price.value().micros};
  return Ok{};
}

Status read_path(const Field& field, const std::string& home, std::string& out) {
  out = field.text.starts_with("~/") && !home.empty() ? home + field.text.substr(1) : field.text;
  if (out.empty() || out.front() != '/') { return field.wrong("must be an absolute path"); }
  return Ok{};
}

Status read_host_key(const Field& field, std::string& out) {
  const std::vector<std::string> words = split(trim(field.text), ' ');
  if (words.size() < 2 || words[1].empty() || field.text.find('\n') != std::string::npos) {
    return field.wrong("write it as in the machine's /etc/ssh/ssh_host_ed25519_key.pub: ssh-ed25519 AAAA…");
  }
  out = words[0] + " " + words[1];
  return Ok{};
}

Status read_flag(const Field& field, bool& out) {
  if (field.text != "true" && field.text != "false") { return field.wrong("is true or false"); }
  out = field.text == "true";
  return Ok{};
}

using Readers = std::map<std::string, std::function<Status(const Field&)>>;

Readers readers_of(Machine& machine, const std::string& home) {
  return {
      {"name", [&](const Field& f) { return read_word(f, "._-", machine.name); }},
      {"host", [&](const Field& f) { return read_word(f, "._-:", machine.host); }},
      {"user", [&](const Field& f) { return read_word(f, "._-", machine.user); }},
      {"port", [&](const Field& f) { return read_count(f, 65'535, machine.port); }},
      {"identity", [&, home](const Field& f) { return read_path(f, home, machine.identity); }},
      {"host_key", [&](const Field& f) { return read_host_key(f, machine.host_key); }},
      {"address", [&](const Field& f) { return read_word(f, ".-:", machine.address); }},
      {"folder", [&](const Field& f) { return read_path(f, "", machine.folder); }},
      {"gpus", [&](const Field& f) { return read_gpus(f, machine.gpu); }},
      {"cpus", [&](const Field& f) { return read_count(f, 100'000, machine.cpus); }},
      {"memory", [&](const Field& f) { return read_memory(f, machine.memory_mib); }},
      {"price", [&](const Field& f) { return read_price(f, machine.price); }},
      {"pool", [&](const Field& f) { return read_word(f, "._-", machine.pool); }},
      {"offline", [&](const Field& f) { return read_flag(f, machine.offline); }},
  };
}

Error unknown_field(const Document& document, const std::string& path, const std::string& name,
                    const Readers& readers) {
  std::vector<std::string> known;
  for (const auto& [field, reader] : readers) { known.push_back(field); }
  Error error = mistake(document, path, "there is no such field");
  const std::string near = nearest(name, known);
  error.hint = near.empty() ? "a machine has " + join(known, ", ") : "did you mean `" + near + "`?";
  return error;
}

Result<Machine> read_machine(const Document& document, const std::string& path, const std::string& home) {
  Machine machine;
  const Readers readers = readers_of(machine, home);
  const std::string prefix = path + ".";
  for (auto at = document.lines.lower_bound(prefix);
       at != document.lines.end() && at->first.starts_with(prefix); ++at) {
    const std::string name = at->first.substr(prefix.size());
    const auto reader = readers.find(name);
    if (reader == readers.end()) { return unknown_field(document, at->first, name, readers); }
    const auto value = document.values.find(at->first);
    if (value == document.values.end()) { return mistake(document, at->first, "must be a text"); }
    TRY([[maybe_unused]] const Ok read, reader->second({document, at->first, value->second}));
  }
  if (machine.name.empty()) { return mistake(document, path, "`name` is missing"); }
  if (machine.host.empty()) { machine.host = machine.name; }
  return machine;
}

}  // namespace

Result<std::vector<Machine>> parse_machines(std::string_view yaml, const std::string& file,
                                            const std::string& home) {
  Document document{.file = file};
  Result<FlatYaml> values = read_flat_yaml(yaml, document.lines);
  if (!values.ok()) {
    Error error = values.error();
    error.source = file;
    return error;
  }
  document.values = std::move(values).value();
  constexpr std::string_view kList = "machines";
  for (const auto& [path, line] : document.lines) {
    if (path.empty() || path.find('.') != std::string::npos || path == kList) { continue; }
    return mistake(document, path, "there is no such field: the file has a list `machines`");
  }
  std::vector<Machine> machines;
  std::set<std::string> names;
  for (std::size_t i = 0;; ++i) {
    const std::string path = std::string(kList) + "." + std::to_string(i);
    if (document.lines.count(path) == 0) { break; }
    TRY(Machine machine, read_machine(document, path, home));
    if (!names.insert(machine.name).second) {
      return mistake(document, path + ".name", "two machines are called " + machine.name);
    }
    machines.push_back(std::move(machine));
  }
  if (machines.empty()) { return mistake(document, "", "`machines` is a list of at least one machine"); }
  return machines;
}

std::string instance_type_of(const Machine& machine) {
  std::vector<std::string> parts;
  const Accelerator& gpu = machine.gpu;
  if (gpu.count > 0) {
    parts.push_back(std::to_string(gpu.count) + "x" + lower(gpu.model));
    if (gpu.memory_gib > 0) { parts.push_back(std::to_string(gpu.memory_gib) + "gb"); }
    if (!gpu.form.empty()) { parts.push_back(lower(gpu.form)); }
  }
  if (machine.cpus > 0) { parts.push_back(std::to_string(machine.cpus) + "cpu"); }
  return parts.empty() ? "machine" : join(parts, "-");
}

NodeAddress contact_of(const Machine& machine) {
  return {.id = {"ssh/" + machine.name},
          .host = machine.host,
          .peer_host = machine.address,
          .root = ".",
          .user = machine.user,
          .port = machine.port,
          .identity = machine.identity,
          .host_key = machine.host_key};
}

}  // namespace gpubroker::ssh
