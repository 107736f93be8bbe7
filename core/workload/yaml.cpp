#include "core/workload/yaml.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <sstream>
#include <yaml-cpp/eventhandler.h>

#include "core/base/text.hpp"

namespace gpubroker {
namespace {

constexpr std::size_t kMostBytes = 1U << 20U;
constexpr int kMostDepth = 32;
constexpr int kMostNodes = 20'000;  // with aliases followed: a few lines of them can mean billions

Status inspect_map(const YamlPlace& place, const YAML::Node& map, int depth, int& nodes);

/// yaml-cpp reads the escapes for U+0085 and for U+0080 to U+00FF as single bytes, which are no UTF-8.
Status check_text(const YamlPlace& place, const YAML::Node& node) {
  if (!node.IsScalar() || is_utf8(node.Scalar())) { return Ok{}; }
  return mistake(place, node, "", "an escape that gives no UTF-8: write the letter itself");
}

/// Duplicate keys, which yaml-cpp keeps without a word, and documents that are too deep or too large.
Status inspect(const YamlPlace& place, const YAML::Node& node, int depth, int& nodes) {
  if (depth > kMostDepth) {
    return mistake(place, node, "", "nested deeper than " + std::to_string(kMostDepth) + " levels");
  }
  if (++nodes > kMostNodes) {
    return mistake(place, node, "", "more than " + std::to_string(kMostNodes) + " values");
  }
  TRY([[maybe_unused]] const Ok is_text, check_text(place, node));
  if (node.IsMap()) { return inspect_map(place, node, depth, nodes); }
  if (node.IsSequence()) {
    for (const YAML::Node& item : node) {
      TRY([[maybe_unused]] const Ok below, inspect(place, item, depth + 1, nodes));
    }
  } else if (node.IsScalar() && node.Scalar().find('\0') != std::string::npos) {
    return mistake(place, node, "", "a text with a NUL in it fits into no environment and no shell");
  }
  return Ok{};
}

Status inspect_map(const YamlPlace& place, const YAML::Node& map, int depth, int& nodes) {
  std::map<std::string, int> lines;
  for (const auto& entry : map) {
    if (!entry.first.IsScalar()) { return mistake(place, entry.first, "", "a field's name must be text"); }
    TRY([[maybe_unused]] const Ok is_text, check_text(place, entry.first));
    const std::string& name = entry.first.Scalar();
    const auto [first, is_new] = lines.emplace(name, entry.first.Mark().line + 1);
    if (!is_new) {
      return mistake(place, entry.first, name, "is given twice",
                     "the first is on line " + std::to_string(first->second));
    }
    TRY([[maybe_unused]] const Ok below, inspect(place, entry.second, depth + 1, nodes));
    const bool merges = entry.second.IsMap() || entry.second.IsSequence();
    if (name == "<<" && !merges) { return mistake(place, entry.second, name, "must be an alias of a map"); }
  }
  return Ok{};
}

/// yaml-cpp takes 0x04 for the end of the file and passes on what is not UTF-8, which JSON could not keep.
Status check_characters(std::string_view text, const YamlPlace& place) {
  int line = 1;
  std::size_t line_start = 0;
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    const std::size_t length = utf8_length(text, i);
    const bool good = length > 0 && (c >= 0x20 || c == '\t' || c == '\n' || c == '\r') && c != 0x7F;
    if (!good) {
      return Error{
          .kind = ErrorKind::invalid,
          .message = length > 0 ? "a control character" : "a byte that is not UTF-8",
          .hint = "save the file as plain UTF-8 text",
          .source = place.file + ":" + std::to_string(line) + ":" + std::to_string(i - line_start + 1)};
    }
    if (c == '\n') {
      ++line;
      line_start = i + 1;
    }
    i += length;
  }
  return Ok{};
}

/// Notes where the last document begins and drops everything else.
class DocumentStarts final : public YAML::EventHandler {
 public:
  YAML::Mark last = {};
  void OnDocumentStart(const YAML::Mark& mark) override { last = mark; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& /*mark*/, YAML::anchor_t /*anchor*/) override {}
  void OnAlias(const YAML::Mark& /*mark*/, YAML::anchor_t /*anchor*/) override {}
  void OnScalar(const YAML::Mark& /*mark*/, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                const std::string& /*value*/) override {}
  void OnSequenceStart(const YAML::Mark& /*mark*/, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                       YAML::EmitterStyle::value /*style*/) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark& /*mark*/, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                  YAML::EmitterStyle::value /*style*/) override {}
  void OnMapEnd() override {}
};

/// Where a second document begins, if there is one. YAML::LoadAll would make documents without end of
/// ",name: x": the parser does not get past a comma that belongs to nothing.
std::optional<YAML::Mark> second_document(const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  DocumentStarts starts;
  if (!parser.HandleNextDocument(starts) || !parser.HandleNextDocument(starts)) { return std::nullopt; }
  return starts.last;
}

Error not_a_map(const std::string& source) {
  return {.kind = ErrorKind::invalid,
          .message = "a task file is a map of fields; this one is empty or something else",
          .hint = "`gpubroker init` writes one to start from",
          .source = source};
}

/// What follows the first document is another one, or something that no YAML parser can place.
Error more_than_one(const YamlPlace& place, const std::string& text, const YAML::Mark& second) {
  const std::size_t at = std::min(static_cast<std::size_t>(std::max(second.pos, 0)), text.size());
  const bool is_document = text.compare(at, 3, "---") == 0;
  return {
      .kind = ErrorKind::invalid,
      .message = is_document ? "several documents (`---`): pipelines of tasks are not supported"
                             : "not YAML: nothing may follow the fields here",
      .hint = is_document ? "put each task into its own file and launch them one by one"
                          : "look for a comma, bracket or brace too many",
      .source = place.file + ":" + std::to_string(second.line + 1) + ":" + std::to_string(second.column + 1)};
}

/// Adds the entries of `map` whose names are not there yet, and then those of what it merges.
// NOLINTNEXTLINE(misc-no-recursion): the depth of a loaded document is bounded.
void add_entries(const YAML::Node& map, std::set<std::string>& seen, std::vector<YamlEntry>& entries) {
  for (const auto& entry : map) {
    if (entry.first.Scalar() != "<<" && seen.insert(entry.first.Scalar()).second) {
      entries.push_back({entry.first, entry.second});
    }
  }
  for (const auto& entry : map) {
    if (entry.first.Scalar() != "<<") { continue; }
    if (entry.second.IsMap()) {
      add_entries(entry.second, seen, entries);
    } else {
      for (const YAML::Node& merged : entry.second) {
        if (merged.IsMap()) { add_entries(merged, seen, entries); }
      }
    }
  }
}

}  // namespace

std::string place_of(const YamlPlace& place, const YAML::Node& node) {
  const YAML::Mark mark = node.Mark();
  if (mark.is_null()) { return place.file; }
  return place.file + ":" + std::to_string(mark.line + 1) + ":" + std::to_string(mark.column + 1);
}

Error mistake(const YamlPlace& place, const YAML::Node& node, const std::string& field,
              const std::string& what, const std::string& hint) {
  return {.kind = ErrorKind::invalid,
          .message = (field.empty() ? "" : "`" + field + "`: ") + what,
          .hint = hint,
          .source = place_of(place, node)};
}

Result<YAML::Node> load_yaml(std::string_view text, const YamlPlace& place) {
  if (text.size() > kMostBytes) {
    return Error{
        .kind = ErrorKind::invalid, .message = "larger than 1 MiB: not a task file", .source = place.file};
  }
  TRY([[maybe_unused]] const Ok readable, check_characters(text, place));
  try {
    const std::string whole(text);
    const YAML::Node root = YAML::Load(whole);
    if (!root.IsDefined() || root.IsNull()) { return not_a_map(place.file + ":1:1"); }
    if (!root.IsMap()) { return not_a_map(place_of(place, root)); }
    if (const std::optional<YAML::Mark> second = second_document(whole)) {
      return more_than_one(place, whole, *second);
    }
    int nodes = 0;
    TRY([[maybe_unused]] const Ok fine, inspect(place, root, 0, nodes));
    return root;
  } catch (const YAML::Exception& e) {
    const std::string at =
        e.mark.is_null() ? ""
                         : ":" + std::to_string(e.mark.line + 1) + ":" + std::to_string(e.mark.column + 1);
    return Error{.kind = ErrorKind::invalid,
                 .message = "not YAML: " + e.msg,
                 .hint = "look for a missing colon, quote or space at this place or just before",
                 .source = place.file + at};
  }
}

std::vector<YamlEntry> entries_of(const YAML::Node& map) {
  std::set<std::string> seen;
  std::vector<YamlEntry> entries;
  add_entries(map, seen, entries);
  return entries;
}

Result<std::string> yaml_text(const YamlPlace& place, const YAML::Node& node, const std::string& field) {
  if (node.IsNull()) { return mistake(place, node, field, "has no value"); }
  if (!node.IsScalar()) {
    return mistake(place, node, field, node.IsMap() ? "must be text, not a map" : "must be text, not a list");
  }
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

Result<std::vector<std::string>> yaml_texts(const YamlPlace& place, const YAML::Node& node,
                                            const std::string& field) {
  if (node.IsScalar()) { return std::vector<std::string>{node.Scalar()}; }
  if (!node.IsSequence() || node.size() == 0) {
    return mistake(place, node, field, "must be text or a list of texts");
  }
  std::vector<std::string> texts;
  for (const YAML::Node& item : node) {
    TRY(std::string text, yaml_text(place, item, field));
    texts.push_back(std::move(text));
  }
  return texts;
}

Status read_map(const YamlPlace& place, const YAML::Node& node, const std::string& field,
                const YamlFields& fields) {
  if (!node.IsMap()) { return mistake(place, node, field, "must be a map of fields"); }
  for (const YamlEntry& entry : entries_of(node)) {
    const std::string& name = entry.name.Scalar();
    const auto reader = fields.find(name);
    if (reader != fields.end()) {
      Status read = reader->second(entry.value);
      if (read.ok()) { continue; }
      Error error = read.error();
      // What is not there has its place on the next line.
      if (entry.value.IsNull()) { error.source = place_of(place, entry.name); }
      return error;
    }
    std::vector<std::string> known;
    for (const auto& [other, unused] : fields) { known.push_back(other); }
    const std::string near = nearest(name, known);
    return mistake(place, entry.name, name, "unknown field" + (field.empty() ? "" : " of `" + field + "`"),
                   near.empty() ? "known: " + join(known, ", ") : "did you mean `" + near + "`?");
  }
  return Ok{};
}

}  // namespace gpubroker
