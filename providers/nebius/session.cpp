#include "providers/nebius/session.hpp"

namespace gpubroker::nebius {

Result<Session> Session::open(const Access& access, const FeedRequest& request) {
  if (!access.is_usable()) {
    Error error = no_credentials("nebius", std::string(kNeeds));
    if (!access.problem.empty()) { error.message += ": " + access.problem; }
    if (!access.next.empty()) { error.hint = access.next; }
    return error;
  }
  TRY(Secret token, get_token(access, request.http, request.clock.now()));
  return Session(request.http, request.clock, access, std::move(token));
}

Result<std::string> Session::call(const Method& method, std::string_view message) const {
  TRY(const HttpResponse answer, http_->send(encode_call(domain_, method, message, token_)));
  return parse_call(answer, method, clock_->now());
}

Result<std::string> Session::change(const Method& method, std::string_view message,
                                    const std::string& idempotency_key) const {
  TRY(const HttpResponse answer,
      http_->send(encode_change(domain_, method, message, token_, idempotency_key)));
  Result<std::string> read = parse_call(answer, method, clock_->now());
  if (read.ok() || read.error().kind != ErrorKind::network) { return read; }
  // A server that failed half-way may have done it.
  Error error = read.error();
  error.maybe_applied = true;
  return error;
}

Result<std::vector<std::string>> Session::tenants() const {
  if (!tenant_.empty()) { return std::vector<std::string>{tenant_}; }
  return list<std::string>(kListTenants, encode_list_tenants, parse_tenants);
}

Result<std::vector<Project>> Session::projects() const {
  TRY(const std::vector<std::string> all, tenants());
  std::vector<Project> projects;
  for (const std::string& tenant : all) {
    TRY(const std::vector<Project> found,
        list<Project>(
            kListProjects, [&](const std::string& page) { return encode_list_projects(tenant, page); },
            parse_projects));
    projects.insert(projects.end(), found.begin(), found.end());
  }
  return projects;
}

Result<std::map<std::string, std::string>> Session::projects_by_region() const {
  TRY(const std::vector<Project> all, projects());
  std::map<std::string, std::string> chosen;
  for (const Project& project : all) {
    if (project.id == project_) { chosen[project.region] = project.id; }
    chosen.try_emplace(project.region, project.id);
  }
  return chosen;
}

Result<std::vector<Preset>> Session::presets(const std::string& project, Harvest& harvest) const {
  return list<Preset>(
      kListPlatforms, [&](const std::string& page) { return encode_list_platforms(project, page); },
      [&](const std::string& message) { return parse_platforms(message, harvest); });
}

}  // namespace gpubroker::nebius
