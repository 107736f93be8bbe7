#include "providers/gcp/scopes.hpp"

namespace gpubroker::gcp {
namespace {

Error silent(const std::string& scope) {
  return {.kind = ErrorKind::network,
          .message = scope + " does not answer: the list is not complete",
          .source = "gcp",
          .code = "UNREACHABLE"};
}

}  // namespace

std::string name_in(const std::string& link) {
  const std::size_t slash = link.rfind('/');
  return slash == std::string::npos ? link : link.substr(slash + 1);
}

std::string path_in_project(const std::string& link) {
  constexpr std::string_view kProjects = "/projects/";
  const std::size_t at = link.find(kProjects);
  if (at == std::string::npos) { return link; }
  const std::size_t slash = link.find('/', at + kProjects.size());
  return slash == std::string::npos ? std::string{} : link.substr(slash + 1);
}

std::string part_after(const std::string& path, const std::string& part) {
  const std::string wanted = part + "/";
  const std::size_t at = path.find(wanted);
  if (at == std::string::npos || (at > 0 && path[at - 1] != '/')) { return {}; }
  const std::size_t from = at + wanted.size();
  return path.substr(from, path.find('/', from) - from);
}

std::optional<Instant> read_time(const AnswerValue& from, std::string_view name) {
  const std::string text = from.text_or(name);
  if (text.empty()) { return std::nullopt; }
  const Result<Instant> at = parse_utc(text);
  if (!at.ok()) { AnswerValue::refuse(std::string(name) + ": " + at.error().message); }
  return at.value();
}

void for_each_item(const AnswerValue& root, std::string_view name,
                   const std::function<void(const AnswerValue& item)>& read) {
  const auto items = root.find("items");
  if (!items) { return; }
  if (items->is_list()) {
    for (const AnswerValue& item : items->list()) { read(item); }
    return;
  }
  for (const auto& [scope, content] : items->members()) {
    const auto list = content.find(name);
    if (!list) { continue; }
    for (const AnswerValue& item : list->list()) { read(item); }
  }
}

std::optional<Error> find_silent_zone(const AnswerValue& root) {
  if (const auto unreachables = root.find("unreachables"); unreachables && !unreachables->list().empty()) {
    return silent(unreachables->list().front().text());
  }
  const auto items = root.find("items");
  if (!items || !items->is_object()) { return std::nullopt; }
  for (const auto& [scope, content] : items->members()) {
    const auto warning = content.find("warning");
    // What an empty scope says.
    if (!warning || warning->text_or("code") == "NO_RESULTS_ON_PAGE") { continue; }
    return silent(scope);
  }
  return std::nullopt;
}

}  // namespace gpubroker::gcp
