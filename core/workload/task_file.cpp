// Reads a task file: ours, or SkyPilot's.
#include <algorithm>
#include <csignal>

#include "core/base/text.hpp"
#include "core/workload/task_fields.hpp"
#include "core/workload/yaml.hpp"

namespace gpubroker {
namespace {

using Node = YAML::Node;

/// Puts the place of a node into the error of a value's parser.
Error at_node(const YamlPlace& place, const Node& node, const std::string& field, Error error) {
  error.message = "`" + field + "`: " + error.message;
  error.source = place_of(place, node);
  return error;
}

/// One acceptable kind of machine while it is read. SkyPilot's alternatives of accelerators may differ in
/// their counts, so each becomes a ResourceNeed of its own.
struct NeedDraft {
  ResourceNeed need = {};
  std::vector<GpuSpec> gpus = {};
  bool gpus_ordered = false;  // a list is an order of preference, a set is none

  [[nodiscard]] std::vector<ResourceNeed> needs() const {
    std::vector<ResourceNeed> all(std::max<std::size_t>(gpus.size(), 1), need);
    for (std::size_t i = 0; i < gpus.size(); ++i) { all[i].gpu = gpus[i]; }
    return all;
  }
};

class TaskReader {
 public:
  TaskReader(YamlPlace place, std::string base_dir, const TaskSurroundings& surroundings)
      : place_(std::move(place)), base_dir_(std::move(base_dir)), surroundings_(surroundings) {}

  Result<TaskFile> read(const Node& root) {
    task().envs = surroundings_.envs;
    for (const YamlEntry& entry : entries_of(root)) {
      if (entry.name.Scalar() != "envs") { continue; }
      TRY([[maybe_unused]] const Ok first, read_envs(entry.value));  // paths may use them
    }
    TRY([[maybe_unused]] const Ok all, read_map(place_, root, "", root_fields()));
    if (trim(file_.task.run).empty()) {
      return mistake(place_, root, "run", "is missing: what should the nodes run?", "run: python train.py");
    }
    TRY([[maybe_unused]] const Ok named, settle_name(root));
    return std::move(file_);
  }

 private:
  Task& task() { return file_.task; }

  void warn(const Node& node, const std::string& field, const std::string& message) {
    const YAML::Mark mark = node.Mark();
    file_.warnings.push_back(
        {.line = mark.line + 1, .column = mark.column + 1, .field = field, .message = message});
  }

  std::function<Status(const Node&)> not_yet(const std::string& field) {
    return [this, field](const Node& node) -> Status {
      warn(node, field, "`" + field + "` is not honoured yet");
      return Ok{};
    };
  }

  /// A reader of one text value through `set`.
  std::function<Status(const Node&)> text_by(const std::string& field,
                                             std::function<Status(const std::string&)> set) {
    return [this, field, set = std::move(set)](const Node& node) -> Status {
      TRY(const std::string text, yaml_text(place_, node, field));
      if (Status done = set(text); !done.ok()) { return at_node(place_, node, field, done.error()); }
      return Ok{};
    };
  }

  std::function<Status(const Node&)> duration_into(const std::string& field, std::optional<Millis>& target) {
    return text_by(field, [&target](const std::string& text) -> Status {
      TRY(target, parse_duration(text));
      return Ok{};
    });
  }

  std::function<Status(const Node&)> texts_into(const std::string& field, std::vector<std::string>& target) {
    return [this, field, &target](const Node& node) -> Status {
      TRY(target, yaml_texts(place_, node, field));
      return Ok{};
    };
  }

  YamlFields root_fields() {
    YamlFields fields = {
        {"name", [this](const Node& node) { return read_name(node); }},
        {"resources", [this](const Node& node) { return read_resources(node); }},
        {"num_nodes",
         [this](const Node& node) -> Status {
           TRY(const std::int64_t nodes, yaml_int(place_, node, "num_nodes", 1, 10'000));
           task().num_nodes = static_cast<int>(nodes);
           return Ok{};
         }},
        {"workdir", text_by("workdir",
                            [this](const std::string& text) -> Status {
                              TRY(task().workdir, resolve(text));
                              return Ok{};
                            })},
        {"envs", [](const Node&) -> Status { return Ok{}; }},  // read first
        {"secrets", [this](const Node& node) { return read_secrets(node); }},
        {"file_mounts", [this](const Node& node) { return read_mounts(node); }},
        {"setup",
         [this](const Node& node) -> Status {
           if (!node.IsNull()) { TRY(task().setup, yaml_text(place_, node, "setup")); }
           return Ok{};
         }},
        {"run", text_by("run",
                        [this](const std::string& text) -> Status {
                          task().run = text;
                          return Ok{};
                        })},
        {"checkpoint", [this](const Node& node) { return read_checkpoint(node); }},
        {"deadline", duration_into("deadline", task().deadline)},
        {"ttl", duration_into("ttl", task().ttl)},
        {"stall", text_by("stall",
                          [this](const std::string& text) -> Status {
                            const bool off = text == "off" || text == "0";
                            TRY(task().stall, off ? Result<Millis>(Millis{0}) : parse_duration(text));
                            return Ok{};
                          })},
        {"budget", text_by("budget",
                           [this](const std::string& text) -> Status {
                             TRY(task().budget, parse_budget(text));
                             return Ok{};
                           })},
        {"max_restarts",
         [this](const Node& node) -> Status {
           TRY(const std::int64_t restarts, yaml_int(place_, node, "max_restarts", 0, 1'000));
           task().max_restarts = static_cast<int>(restarts);
           return Ok{};
         }},
        {"labels", [this](const Node& node) { return read_labels(node); }},
    };
    for (const std::string later :
         {"service", "preflight", "idle", "config", "experimental", "inputs", "outputs", "volumes", "pool",
          "event_callback", "estimated", "_metadata"}) {
      fields[later] = not_yet(later);
    }
    return fields;
  }

  /// SkyPilot allows more in a name than clouds do in a tag.
  Status read_name(const Node& node) {
    TRY(const std::string text, yaml_text(place_, node, "name"));
    const Status fine = check_name(text);
    const bool is_skypilots = std::all_of(text.begin(), text.end(), [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
    });
    const std::string nearest = nearest_name(text);
    if (!fine.ok() && (!is_skypilots || nearest.size() != text.size())) {
      return at_node(place_, node, "name", fine.error());
    }
    if (nearest != text) { warn(node, "name", "`name`: becomes `" + nearest + "`"); }
    task().name = nearest;
    return Ok{};
  }

  // --- resources ---

  YamlFields need_fields(NeedDraft& draft) {
    ResourceNeed& need = draft.need;
    YamlFields fields = {
        {"accelerators", [this, &draft](const Node& node) { return read_accelerators(node, draft); }},
        {"use_spot",
         [this, &need](const Node& node) -> Status {
           TRY(const bool spot, yaml_bool(place_, node, "use_spot"));
           need.markets = {spot ? Market::spot : Market::on_demand};
           return Ok{};
         }},
        {"market",
         [this, &need](const Node& node) -> Status {
           TRY(const std::vector<std::string> names, yaml_texts(place_, node, "market"));
           need.markets.clear();
           for (const std::string& name : names) {
             Result<Market> market = parse_market(name);
             if (!market.ok()) { return at_node(place_, node, "market", market.error()); }
             need.markets.push_back(market.value());
           }
           return Ok{};
         }},
        {"infra", text_by("infra", [&need](const std::string& text) { return set_infra(need, text); })},
        {"cloud", text_by("cloud",
                          [&need](const std::string& text) -> Status {
                            need.provider = lower(text);
                            return Ok{};
                          })},
        {"region", texts_into("region", need.regions)},
        {"regions", texts_into("regions", need.regions)},
        {"zone", text_by("zone",
                         [&need](const std::string& text) -> Status {
                           need.zone = text;
                           return Ok{};
                         })},
        {"cpus", text_by("cpus",
                         [&need](const std::string& text) -> Status {
                           TRY(need.cpus, parse_size(text, /*is_memory=*/false));
                           return Ok{};
                         })},
        {"memory", text_by("memory",
                           [&need](const std::string& text) -> Status {
                             TRY(need.memory_mib, parse_size(text, /*is_memory=*/true));
                             return Ok{};
                           })},
        {"instance_type", text_by("instance_type",
                                  [&need](const std::string& text) -> Status {
                                    need.instance_type = text;
                                    return Ok{};
                                  })},
        {"max_price",
         text_by("max_price", [&need](const std::string& text) { return set_max_price(need, text); })},
        // SkyPilot compares it with the price of one instance, not of the cluster (its pull request 9132).
        {"max_hourly_cost",
         text_by("max_hourly_cost", [&need](const std::string& text) { return set_max_price(need, text); })},
        {"labels", [this](const Node& node) { return read_labels(node); }},
    };
    fields["autostop"] = [this](const Node& node) -> Status {
      warn(node, "resources.autostop",
           "`resources.autostop` is not needed: machines are given back when the job ends");
      return Ok{};
    };
    for (const std::string later :
         {"accelerator_args", "disk_size", "disk_tier", "network_tier", "image_id", "ports", "fabric",
          "job_recovery", "spot_recovery", "_cluster_config_overrides", "priority", "local_disk"}) {
      fields[later] = not_yet("resources." + later);
    }
    return fields;
  }

  Status read_resources(const Node& node) {
    if (node.IsNull()) { return Ok{}; }
    NeedDraft common;
    std::vector<Node> alternatives;
    YamlFields fields = need_fields(common);
    const auto read_list = [&](bool ordered) {
      return [&, ordered](const Node& list) -> Status {
        const std::string field = ordered ? "ordered" : "any_of";
        if (!list.IsSequence() || list.size() == 0) {
          return mistake(place_, list, field, "must be a list of resources");
        }
        if (!alternatives.empty()) { return mistake(place_, list, field, "`any_of` or `ordered`, not both"); }
        task().ordered = ordered;
        for (const Node& item : list) { alternatives.push_back(item); }
        return Ok{};
      };
    };
    fields["any_of"] = read_list(/*ordered=*/false);
    fields["ordered"] = read_list(/*ordered=*/true);
    TRY([[maybe_unused]] const Ok read, read_map(place_, node, "resources", fields));
    if (alternatives.empty()) {
      task().needs = common.needs();
      task().ordered = common.gpus_ordered;
      return Ok{};
    }
    task().needs.clear();
    for (const Node& item : alternatives) {
      NeedDraft draft = common;
      TRY([[maybe_unused]] const Ok one, read_map(place_, item, "resources", need_fields(draft)));
      if (draft.gpus_ordered && !task().ordered) {
        warn(item, "resources.any_of",
             "`accelerators`: within `any_of` the price decides, not the list's order");
      }
      for (ResourceNeed& need : draft.needs()) { task().needs.push_back(std::move(need)); }
    }
    return Ok{};
  }

  /// One: "H100:8" or {H100: 8}. Alternatives: a list, which is an order of preference, or a set, which is
  /// none: [A100:8, H100:4], {A100:8, H100:4}, {A100: 8, H100: 4}.
  Status read_accelerators(const Node& node, NeedDraft& draft) {
    std::vector<std::string> texts;
    if (node.IsMap()) {
      for (const YamlEntry& entry : entries_of(node)) {
        const std::string name = entry.name.Scalar();
        if (entry.value.IsNull()) {
          texts.push_back(name);
        } else {
          TRY(const std::string count, yaml_text(place_, entry.value, "accelerators." + name));
          std::string& text = texts.emplace_back(name);
          text += ':';
          text += count;
        }
      }
      if (texts.empty()) { return mistake(place_, node, "accelerators", "names none"); }
    } else {
      TRY(texts, yaml_texts(place_, node, "accelerators"));
    }
    draft.gpus.clear();
    for (const std::string& text : texts) {
      Result<GpuSpec> one = parse_gpu_spec(text);
      if (!one.ok()) { return at_node(place_, node, "accelerators", one.error()); }
      draft.gpus.push_back(std::move(one).value());
    }
    draft.gpus_ordered = node.IsSequence() && draft.gpus.size() > 1;
    return Ok{};
  }

  // --- maps ---

  Status read_envs(const Node& node) {
    if (node.IsNull()) { return Ok{}; }
    if (!node.IsMap()) { return mistake(place_, node, "envs", "must be a map of NAME: value"); }
    for (const YamlEntry& entry : entries_of(node)) {
      const std::string& name = entry.name.Scalar();
      if (Status fine = check_env_name(name); !fine.ok()) {
        return at_node(place_, entry.name, "envs", fine.error());
      }
      if (surroundings_.envs.contains(name)) { continue; }
      if (entry.value.IsNull()) {
        return mistake(place_, entry.name, "envs." + name, "has no value",
                       "give it here, or with --env " + name + "=…");
      }
      TRY(task().envs[name], yaml_text(place_, entry.value, "envs." + name));
    }
    return Ok{};
  }

  Status read_labels(const Node& node) {
    if (node.IsNull()) { return Ok{}; }
    if (!node.IsMap()) { return mistake(place_, node, "labels", "must be a map of name: value"); }
    for (const YamlEntry& entry : entries_of(node)) {
      const std::string& name = entry.name.Scalar();
      TRY(task().labels[name], yaml_text(place_, entry.value, "labels." + name));
    }
    return Ok{};
  }

  /// SkyPilot: {NAME: null}. Ours: [NAME, {name: NAME, file: path}]. A value in the file itself would end in
  /// the journal.
  Status read_secrets(const Node& node) {
    if (node.IsNull()) { return Ok{}; }
    if (node.IsMap()) { return read_secret_names(node); }
    if (!node.IsSequence()) { return mistake(place_, node, "secrets", "must be a list of names"); }
    for (const Node& item : node) {
      TRY(SecretNeed secret, read_secret(item));
      if (secret.name.empty()) { return mistake(place_, item, "secrets", "a secret needs a name"); }
      TRY([[maybe_unused]] const Ok added, add_secret(item, std::move(secret)));
    }
    return Ok{};
  }

  Status read_secret_names(const Node& map) {
    for (const YamlEntry& entry : entries_of(map)) {
      const std::string& name = entry.name.Scalar();
      if (!entry.value.IsNull()) {
        return mistake(place_, entry.value, "secrets." + name,
                       "a secret's value does not belong in a task file",
                       "leave it empty and export " + name + ", or name a file");
      }
      TRY([[maybe_unused]] const Ok added, add_secret(entry.name, {.name = name}));
    }
    return Ok{};
  }

  Result<SecretNeed> read_secret(const Node& item) {
    SecretNeed secret;
    if (item.IsScalar()) {
      secret.name = item.Scalar();
      return secret;
    }
    TRY([[maybe_unused]] const Ok read,
        read_map(place_, item, "secrets",
                 {{"name", text_by("secrets.name",
                                   [&](const std::string& text) -> Status {
                                     secret.name = text;
                                     return Ok{};
                                   })},
                  {"file", text_by("secrets.file", [&](const std::string& text) -> Status {
                     TRY(secret.file, resolve(text));
                     return Ok{};
                   })}}));
    return secret;
  }

  Status add_secret(const Node& node, SecretNeed secret) {
    // The name's own text is not shown: NAME=value is a likely slip, and this would print the value.
    if (!check_env_name(secret.name).ok()) {
      return mistake(place_, node, "secrets", "a secret's name cannot name an environment variable",
                     "only names belong here, in letters, digits and _");
    }
    task().secrets.push_back(std::move(secret));
    return Ok{};
  }

  Status read_mounts(const Node& node) {
    if (node.IsNull()) { return Ok{}; }
    if (!node.IsMap()) {
      return mistake(place_, node, "file_mounts", "must be a map of path on the node: path here");
    }
    for (const YamlEntry& entry : entries_of(node)) {
      const std::string field = "file_mounts." + entry.name.Scalar();
      const bool bucket = entry.value.IsMap() ||
                          (entry.value.IsScalar() && entry.value.Scalar().find("://") != std::string::npos);
      if (bucket) {
        warn(entry.value, field, "`" + field + "`: buckets are not mounted yet");
        continue;
      }
      if (entry.value.IsNull()) { return mistake(place_, entry.name, field, "has no source"); }
      TRY(const std::string text, yaml_text(place_, entry.value, field));
      const Result<std::string> source = resolve(text);
      if (!source.ok()) { return at_node(place_, entry.value, field, source.error()); }
      task().file_mounts.push_back({.target = expand(entry.name.Scalar()), .source = source.value()});
    }
    return Ok{};
  }

  Status read_checkpoint(const Node& node) {
    CheckpointSpec& spec = task().checkpoint;
    return read_map(
        place_, node, "checkpoint",
        {{"path", text_by("checkpoint.path",
                          [&spec](const std::string& text) -> Status {
                            spec.path = text;
                            return Ok{};
                          })},
         {"store", text_by("checkpoint.store",
                           [&spec](const std::string& text) -> Status {
                             spec.store = text;
                             return Ok{};
                           })},
         {"every", text_by("checkpoint.every",
                           [&spec](const std::string& text) -> Status {
                             if (text == "auto") { return Ok{}; }
                             TRY(spec.every, parse_duration(text));
                             return Ok{};
                           })},
         {"keep",
          [this, &spec](const Node& value) -> Status {
            TRY(const std::int64_t keep, yaml_int(place_, value, "checkpoint.keep", 1, 1'000));
            spec.keep = static_cast<int>(keep);
            return Ok{};
          }},
         {"signal",
          text_by(
              "checkpoint.signal",
              [&spec](const std::string& text) -> Status {
                const std::vector<std::string> known = {"SIGUSR1", "SIGUSR2", "SIGTERM", "SIGINT", "SIGHUP"};
                if (std::find(known.begin(), known.end(), text) == known.end()) {
                  return Error{.kind = ErrorKind::invalid,
                               .message = "no signal for this is called " + text,
                               .hint = "known: " + join(known, ", ")};
                }
                spec.signal = text;
                return Ok{};
              })},
         {"grace", text_by("checkpoint.grace", [&spec](const std::string& text) -> Status {
            TRY(spec.grace, parse_duration(text));
            return Ok{};
          })}});
  }

  // --- words ---

  /// $NAME and ${NAME} from `envs`, as SkyPilot does in paths.
  std::string expand(const std::string& path) {
    std::string text;
    for (std::size_t i = 0; i < path.size(); ++i) {
      if (path[i] != '$') {
        text += path[i];
        continue;
      }
      const bool braces = i + 1 < path.size() && path[i + 1] == '{';
      const std::size_t begin = i + (braces ? 2 : 1);
      std::size_t end = begin;
      while (end < path.size() &&
             (std::isalnum(static_cast<unsigned char>(path[end])) != 0 || path[end] == '_')) {
        ++end;
      }
      const bool closed = !braces || (end < path.size() && path[end] == '}');
      const auto value = task().envs.find(path.substr(begin, end - begin));
      if (!closed || value == task().envs.end()) {
        text += '$';  // and the rest as it stands
        continue;
      }
      text += value->second;
      i = end - (braces ? 0 : 1);
    }
    return text;
  }

  /// A path on this machine, made absolute.
  Result<std::string> resolve(const std::string& path) {
    const std::string text = expand(path);
    if (text.empty() || text.front() == '/') { return text; }
    if (text.front() == '~') {
      if (surroundings_.home.empty() || (text.size() > 1 && text[1] != '/')) {
        return Error{.kind = ErrorKind::invalid,
                     .message = "whose home folder " + text + " means is not known",
                     .hint = "write the whole path"};
      }
      return surroundings_.home + text.substr(1);
    }
    if (text == ".") { return base_dir_; }
    return base_dir_ + "/" + (text.rfind("./", 0) == 0 ? text.substr(2) : text);
  }

  Status settle_name(const Node& root) {
    if (!task().name.empty()) { return Ok{}; }
    std::string stem = place_.file.substr(place_.file.rfind('/') + 1);
    stem = nearest_name(stem.substr(0, stem.find('.')));
    if (stem.empty()) {
      return mistake(place_, root, "name", "is missing, and the file's name does not make one",
                     "name: train");
    }
    task().name = stem;
    return Ok{};
  }

  YamlPlace place_;
  std::string base_dir_;
  const TaskSurroundings& surroundings_;
  TaskFile file_;
};

}  // namespace

Result<TaskFile> parse_task(std::string_view yaml, const std::string& file_name, const std::string& base_dir,
                            const TaskSurroundings& surroundings) {
  const YamlPlace place{.file = file_name};
  TRY(const Node root, load_yaml(yaml, place));
  return TaskReader(place, base_dir, surroundings).read(root);
}

}  // namespace gpubroker
