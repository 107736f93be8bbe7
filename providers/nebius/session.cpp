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
  return Session(request.http, request.clock, access.domain, access.tenant, std::move(token));
}

Result<std::string> Session::call(const Method& method, std::string_view message) const {
  TRY(const HttpResponse answer, http_->send(encode_call(domain_, method, message, token_)));
  return parse_call(answer, method, clock_->now());
}

Result<std::vector<std::string>> Session::tenants() const {
  if (!tenant_.empty()) { return std::vector<std::string>{tenant_}; }
  return list<std::string>(kListTenants, encode_list_tenants, parse_tenants);
}

Result<std::map<std::string, std::string>> Session::projects_by_region() const {
  TRY(const std::vector<std::string> all, tenants());
  std::map<std::string, std::string> projects;
  for (const std::string& tenant : all) {
    TRY(const std::vector<Project> found,
        list<Project>(
            kListProjects, [&](const std::string& page) { return encode_list_projects(tenant, page); },
            parse_projects));
    for (const Project& project : found) { projects.try_emplace(project.region, project.id); }
  }
  return projects;
}

Result<std::vector<Preset>> Session::presets(const std::string& project, Harvest& harvest) const {
  return list<Preset>(
      kListPlatforms, [&](const std::string& page) { return encode_list_platforms(project, page); },
      [&](const std::string& message) { return parse_platforms(message, harvest); });
}

}  // namespace gpubroker::nebius
