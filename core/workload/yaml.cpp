#include "core/workload/yaml.hpp"

#include <set>

#include "core/base/text.hpp"

namespace gpubroker {
namespace {

constexpr std::size_t kMostBytes = 1U << 20U;
constexpr int kMostDepth = 32;
constexpr int kMostNodes = 20'000;  // with aliases followed: a few lines of them can mean billions

/// Duplicate keys, which yaml-cpp keeps without a word, and documents that are too deep or too large.
Status inspect(const YamlPlace& place, const YAML::Node& node, int depth, int& nodes) {
  if (depth > kMostDepth) { return mistake(place, node, "", "nested deeper than " + std::to_string(kMostDepth)); }
  if (++nodes > kMostNodes) { return mistake(place, node, "", "more than " + std::to_string(kMostNodes) + " values"); }
  if (node.IsMap()) {
    std::set<std::string> seen;
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) { return mistake(place, entry.first, "", "a field's name must be text"); }
      if (!seen.insert(entry.first.Scalar()).second) {
        return mistake(place, entry.first, entry.first.Scalar(), "is given twice");
      }
      TRY([[maybe_unused]] const Ok below, inspect(place, entry.second, depth + 1, nodes));
    }
  } else if (node.IsSequence()) {
    for (const YAML::Node& item : node) { TRY([[maybe_unused]] const Ok below, inspect(place, item, depth + 1, nodes)); }
  }
  return Ok{};
}

}  // namespace

std::string place_of(const YamlPlace& place, const YAML::Node& node) {
  const YAML::Mark mark = node.Mark();
  if (mark.is_null()) { return place.file; }
  return place.file + ":" + std::to_string(mark.line + 1) + ":" + std::to_string(mark.column + 1);
}

Error mistake(const YamlPlace& place, const YAML::Node& node, const std::string& field, const std::string& what,
              const std::string& hint) {
  return {.kind = ErrorKind::invalid,
          .message = (field.empty() ? "" : "`" + field + "`: ") + what,
          .hint = hint,
          .source = place_of(place, node)};
}

Result<YAML::Node> load_yaml(std::string_view text, const YamlPlace& place) {
  if (text.size() > kMostBytes) {
    return Error{.kind = ErrorKind::invalid, .message = "larger than 1 MiB: not a task file", .source = place.file};
  }
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(std::string(text));
    if (documents.empty() || !documents.front().IsMap()) {
      return Error{.kind = ErrorKind::invalid,
                   .message = "a task file is a map of fields; this one is empty or something else",
                   .hint = "`gpubroker init` writes one to start from",
                   .source = place.file + ":1:1"};
    }
    if (documents.size() > 1) {
      return mistake(place, documents[1], "", "several documents (`---`): pipelines of tasks are not supported yet",
                     "launch each task by itself");
    }
    int nodes = 0;
    TRY([[maybe_unused]] const Ok fine, inspect(place, documents.front(), 0, nodes));
    return documents.front();
  } catch (const YAML::Exception& e) {
    const std::string at =
        e.mark.is_null() ? "" : ":" + std::to_string(e.mark.line + 1) + ":" + std::to_string(e.mark.column + 1);
    return Error{.kind = ErrorKind::invalid,
                 .message = "not YAML: " + e.msg,
                 .hint = "look for a missing colon, quote or space at this place",
                 .source = place.file + at};
  }
}

Result<std::string> yaml_text(const YamlPlace& place, const YAML::Node& node, const std::string& field) {
  if (!node.IsScalar()) { return mistake(place, node, field, "must be text"); }
  return node.Scalar();
}

Result<std::int64_t> yaml_int(const YamlPlace& place, const YAML::Node& node, const std::string& field,
                              std::int64_t least, std::int64_t most) {
  const std::optional<std::int64_t> value = node.IsScalar() ? parse_int(node.Scalar()) : std::nullopt;
  if (!value || *value < least || *value > most) {
    return mistake(place, node, field,
                   "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return *value;
}

Result<bool> yaml_bool(const YamlPlace& place, const YAML::Node& node, const std::string& field) {
  const std::string word = node.IsScalar() ? lower(node.Scalar()) : "";
  if (word == "true" || word == "yes" || word == "on") { return true; }
  if (word == "false" || word == "no" || word == "off") { return false; }
  return mistake(place, node, field, "must be true or false");
}

Result<std::vector<std::string>> yaml_texts(const YamlPlace& place, const YAML::Node& node, const std::string& field) {
  if (node.IsScalar()) { return std::vector<std::string>{node.Scalar()}; }
  if (!node.IsSequence()) { return mistake(place, node, field, "must be text or a list of texts"); }
  std::vector<std::string> texts;
  for (const YAML::Node& item : node) {
    TRY(std::string text, yaml_text(place, item, field));
    texts.push_back(std::move(text));
  }
  return texts;
}

Status read_map(const YamlPlace& place, const YAML::Node& node, const std::string& field, const YamlFields& fields) {
  if (!node.IsMap()) { return mistake(place, node, field, "must be a map of fields"); }
  for (const auto& entry : node) {
    const std::string& name = entry.first.Scalar();
    const auto reader = fields.find(name);
    if (reader != fields.end()) {
      TRY([[maybe_unused]] const Ok read, reader->second(entry.second));
      continue;
    }
    std::vector<std::string> known;
    for (const auto& [other, unused] : fields) { known.push_back(other); }
    const std::string near = nearest(name, known);
    return mistake(place, entry.first, name, "unknown field" + (field.empty() ? "" : " of `" + field + "`"),
                   near.empty() ? "known: " + join(known, ", ") : "did you mean `" + near + "`?");
  }
  return Ok{};
}

}  // namespace gpubroker
