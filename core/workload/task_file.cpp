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

class TaskReader {
 public:
  TaskReader(YamlPlace place, std::string base_dir)
      : place_(std::move(place)), base_dir_(std::move(base_dir)) {}

  Result<TaskFile> read(const Node& root) {
    if (const Node envs = root["envs"]) {
      TRY([[maybe_unused]] const Ok first, read_envs(envs));
    }  // paths may use them
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

  YamlFields root_fields() {
    YamlFields fields = {
        {"name", text_by("name",
                         [this](const std::string& text) -> Status {
                           TRY([[maybe_unused]] const Ok fine, check_name(text));
                           task().name = text;
                           return Ok{};
                         })},
        {"resources", [this](const Node& node) { return read_resources(node); }},
        {"num_nodes",
         [this](const Node& node) -> Status {
           TRY(const std::int64_t nodes, yaml_int(place_, node, "num_nodes", 1, 10'000));
           task().num_nodes = static_cast<int>(nodes);
           return Ok{};
         }},
        {"workdir", text_by("workdir",
                            [this](const std::string& text) -> Status {
                              task().workdir = resolve(text);
                              return Ok{};
                            })},
        {"envs", [](const Node&) -> Status { return Ok{}; }},  // read first
        {"secrets", [this](const Node& node) { return read_secrets(node); }},
        {"file_mounts", [this](const Node& node) { return read_mounts(node); }},
        {"setup", text_by("setup",
                          [this](const std::string& text) -> Status {
                            task().setup = text;
                            return Ok{};
                          })},
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

  // --- resources ---

  YamlFields need_fields(ResourceNeed& need) {
    YamlFields fields = {
        {"accelerators", [this, &need](const Node& node) { return read_accelerators(node, need); }},
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
        {"region",
         [this, &need](const Node& node) -> Status {
           TRY(need.regions, yaml_texts(place_, node, "region"));
           return Ok{};
         }},
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
        {"labels", [this](const Node& node) { return read_labels(node); }},
    };
    fields["max_hourly_cost"] = fields["max_price"];
    fields["regions"] = fields["region"];
    for (const std::string later :
         {"accelerator_args", "autostop", "disk_size", "disk_tier", "network_tier", "image_id", "ports",
          "fabric", "job_recovery", "spot_recovery", "_cluster_config_overrides", "priority", "local_disk"}) {
      fields[later] = not_yet("resources." + later);
    }
    return fields;
  }

  Status read_resources(const Node& node) {
    ResourceNeed common;
    std::vector<Node> alternatives;
    YamlFields fields = need_fields(common);
    const auto read_list = [&](bool ordered) {
      return [&, ordered](const Node& list) -> Status {
        if (!list.IsSequence() || list.size() == 0) {
          return mistake(place_, list, ordered ? "ordered" : "any_of", "must be a list of resources");
        }
        task().ordered = ordered;
        for (const Node& item : list) { alternatives.push_back(item); }
        return Ok{};
      };
    };
    fields["any_of"] = read_list(/*ordered=*/false);
    fields["ordered"] = read_list(/*ordered=*/true);
    TRY([[maybe_unused]] const Ok read, read_map(place_, node, "resources", fields));
    task().needs.clear();
    if (alternatives.empty()) { alternatives.emplace_back(YAML::NodeType::Map); }
    for (const Node& item : alternatives) {
      ResourceNeed need = common;
      TRY([[maybe_unused]] const Ok one, read_map(place_, item, "resources", need_fields(need)));
      task().needs.push_back(std::move(need));
    }
    return Ok{};
  }

  /// "H100:8", {H100: 8}, [A100:8, H100:8] and {A100: 8, H100: 8}: alternatives of one count.
  Status read_accelerators(const Node& node, ResourceNeed& need) {
    std::vector<std::string> texts;
    if (node.IsMap()) {
      for (const auto& entry : node) {
        const std::string count = entry.second.IsScalar() ? entry.second.Scalar() : "?";
        texts.push_back(entry.first.Scalar() + ":" + count);
      }
    } else {
      TRY(texts, yaml_texts(place_, node, "accelerators"));
    }
    GpuSpec spec;
    for (const std::string& text : texts) {
      Result<GpuSpec> one = parse_gpu_spec(text);
      if (!one.ok()) { return at_node(place_, node, "accelerators", one.error()); }
      if (spec.count != 0 && spec.count != one.value().count) {
        return mistake(place_, node, "accelerators", "alternatives with different counts",
                       "write them as separate entries of `any_of`");
      }
      spec.count = one.value().count;
      spec.choices.insert(spec.choices.end(), one.value().choices.begin(), one.value().choices.end());
    }
    need.gpu = std::move(spec);
    return Ok{};
  }

  // --- maps ---

  Status read_envs(const Node& node) {
    if (!node.IsMap()) { return mistake(place_, node, "envs", "must be a map of NAME: value"); }
    for (const auto& entry : node) {
      const std::string& name = entry.first.Scalar();
      if (entry.second.IsNull()) {
        return mistake(place_, entry.second, "envs." + name, "has no value",
                       "give it here, or with --env " + name + "=…");
      }
      TRY(task().envs[name], yaml_text(place_, entry.second, "envs." + name));
    }
    return Ok{};
  }

  Status read_labels(const Node& node) {
    if (!node.IsMap()) { return mistake(place_, node, "labels", "must be a map of name: value"); }
    for (const auto& entry : node) {
      TRY(task().labels[entry.first.Scalar()], yaml_text(place_, entry.second, "labels"));
    }
    return Ok{};
  }

  /// SkyPilot: {NAME: null}. Ours: [NAME, {name: NAME, file: path}]. A value in the file itself would end in
  /// the journal.
  Status read_secrets(const Node& node) {
    if (node.IsMap()) {
      for (const auto& entry : node) {
        if (!entry.second.IsNull()) {
          return mistake(place_, entry.second, "secrets." + entry.first.Scalar(),
                         "a secret's value does not belong in a task file",
                         "leave it empty and export " + entry.first.Scalar() + ", or name a file");
        }
        task().secrets.push_back({.name = entry.first.Scalar(), .file = {}});
      }
      return Ok{};
    }
    if (!node.IsSequence()) { return mistake(place_, node, "secrets", "must be a list of names"); }
    for (const Node& item : node) {
      SecretNeed secret;
      if (item.IsScalar()) {
        secret.name = item.Scalar();
      } else {
        TRY([[maybe_unused]] const Ok read,
            read_map(place_, item, "secrets",
                     {{"name", text_by("secrets.name",
                                       [&](const std::string& text) -> Status {
                                         secret.name = text;
                                         return Ok{};
                                       })},
                      {"file", text_by("secrets.file", [&](const std::string& text) -> Status {
                         secret.file = resolve(text);
                         return Ok{};
                       })}}));
      }
      if (secret.name.empty()) { return mistake(place_, item, "secrets", "a secret needs a name"); }
      task().secrets.push_back(std::move(secret));
    }
    return Ok{};
  }

  Status read_mounts(const Node& node) {
    if (!node.IsMap()) {
      return mistake(place_, node, "file_mounts", "must be a map of path on the node: path here");
    }
    for (const auto& entry : node) {
      const std::string field = "file_mounts." + entry.first.Scalar();
      const bool bucket = entry.second.IsMap() ||
                          (entry.second.IsScalar() && entry.second.Scalar().find("://") != std::string::npos);
      if (bucket) {
        warn(entry.second, field, "`" + field + "`: buckets are not mounted yet");
        continue;
      }
      TRY(const std::string source, yaml_text(place_, entry.second, field));
      task().file_mounts.push_back({.target = entry.first.Scalar(), .source = resolve(source)});
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

  /// $NAME and ${NAME} from `envs`, as SkyPilot does in paths; then made absolute.
  std::string resolve(const std::string& path) {
    std::string text;
    for (std::size_t i = 0; i < path.size(); ++i) {
      if (path[i] != '$') {
        text += path[i];
        continue;
      }
      const bool braces = i + 1 < path.size() && path[i + 1] == '{';
      std::size_t end = i + (braces ? 2 : 1);
      const std::size_t begin = end;
      while (end < path.size() &&
             (std::isalnum(static_cast<unsigned char>(path[end])) != 0 || path[end] == '_')) {
        ++end;
      }
      const auto value = task().envs.find(path.substr(begin, end - begin));
      text += value == task().envs.end() ? path.substr(i, end - i) : value->second;
      i = end - (braces && end < path.size() ? 0 : 1);
    }
    if (text.empty() || text.front() == '/' || text.front() == '~') { return text; }
    if (text == ".") { return base_dir_; }
    return base_dir_ + "/" + (text.rfind("./", 0) == 0 ? text.substr(2) : text);
  }

  Status settle_name(const Node& root) {
    if (!task().name.empty()) { return Ok{}; }
    std::string stem = place_.file.substr(place_.file.rfind('/') + 1);
    stem = stem.substr(0, stem.find('.'));
    std::replace(stem.begin(), stem.end(), '_', '-');
    stem = lower(stem);
    if (Status fine = check_name(stem); !fine.ok()) {
      return mistake(place_, root, "name", "is missing, and the file's name does not make one",
                     fine.error().hint);
    }
    task().name = stem;
    return Ok{};
  }

  YamlPlace place_;
  std::string base_dir_;
  TaskFile file_;
};

}  // namespace

Result<TaskFile> parse_task(std::string_view yaml, const std::string& file_name,
                            const std::string& base_dir) {
  const YamlPlace place{.file = file_name};
  TRY(const Node root, load_yaml(yaml, place));
  return TaskReader(place, base_dir).read(root);
}

}  // namespace gpubroker
