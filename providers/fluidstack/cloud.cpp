#include "providers/fluidstack/cloud.hpp"

#include "core/wire/api_key.hpp"
#include "providers/fluidstack/codec.hpp"

namespace gpubroker::fluidstack {
namespace {

constexpr const char* kNeeds =
    "the login of fluidctl (~/.fluidstack/token), or a client in $FLUIDSTACK_CLIENT_ID and "
    "$FLUIDSTACK_CLIENT_SECRET";
constexpr const char* kNext = "fluidctl login; accounts come with a contract";

/// A token as it is, or the client that gets one.
struct Access {
  FoundKey found = {};
  std::string client_id = {};  // empty: found.key is the token, else the client's secret
  std::string project = {};    // empty: the first
};

Access find_access(Files& files, Processes& processes) {
  Access access{.project = processes.env("ATLAS_PROJECT_ID").value_or("")};
  const std::string client = processes.env("FLUIDSTACK_CLIENT_ID").value_or("");
  if (!client.empty()) {
    access.found = find_key(files, processes, {.variables = {"FLUIDSTACK_CLIENT_SECRET"}});
    if (!access.found.key.empty()) {
      access.client_id = client;
      return access;
    }
  }
  access.found = find_key(files, processes, {.files = {{".fluidstack/token", whole_file_key}}});
  return access;
}

Result<Secret> get_token(const FeedRequest& request, const Access& access) {
  if (access.client_id.empty()) { return access.found.key; }
  TRY(const HttpResponse answer, request.http.send(encode_token_request(access.client_id, access.found.key)));
  return parse_token(answer, request.clock.now());
}

Result<std::string> get(const FeedRequest& request, const Secret& token, const std::string& path,
                        const std::string& project) {
  TRY(HttpResponse answer, request.http.send(encode_get(path, token, project)));
  if (answer.status >= 400) { return parse_error(answer, path, request.clock.now()); }
  return std::move(answer.body);
}

/// The project of the settings, or the first there is.
Result<std::string> find_project(const FeedRequest& request, const Access& access, const Secret& token) {
  if (!access.project.empty()) { return access.project; }
  TRY(const std::string body, get(request, token, "/projects", ""));
  TRY(const std::vector<Project> projects, parse_projects(body));
  if (!projects.empty()) { return projects.front().id; }
  return Error{.kind = ErrorKind::not_found,
               .message = "the account has no project",
               .hint = "set $ATLAS_PROJECT_ID",
               .source = "fluidstack"};
}

class CapacityFeed final : public PriceFeed {
 public:
  CapacityFeed(Files& files, Processes& processes) : files_(files), processes_(processes) {}
  [[nodiscard]] std::string name() const override { return "fluidstack/capacity"; }
  [[nodiscard]] std::string needs() const override { return kNeeds; }

  Result<Harvest> fetch(const FeedRequest& request) override {
    const Access access = find_access(files_, processes_);
    if (access.found.key.empty()) { return no_credentials("fluidstack", kNeeds); }
    TRY(const Secret token, get_token(request, access));
    TRY(const std::string project, find_project(request, access, token));
    TRY(const std::string told, get(request, token, "/capacity", project));
    TRY(const std::string types, get(request, token, "/instance-types", project));
    Harvest remarks;
    TRY(const Capacity capacity, parse_capacity(told, remarks));
    TRY(Harvest harvest, parse_types(types, capacity, request.clock.now()));
    for (const Remark& remark : remarks.remarks) { harvest.remarks.push_back(remark); }
    return harvest;
  }

 private:
  Files& files_;
  Processes& processes_;
};

class Fluidstack final : public Cloud {
 public:
  Fluidstack(Files& files, Processes& processes)
      : files_(files), processes_(processes), capacity_(files, processes) {}
  [[nodiscard]] std::string name() const override { return "fluidstack"; }
  [[nodiscard]] std::vector<PriceFeed*> feeds() override { return {&capacity_}; }

  AccessReport check(const FeedRequest& request) override {
    const Access access = find_access(files_, processes_);
    return report_access(access.found, kNext, [&](AccessReport& report) -> Status {
      TRY(const Secret token, get_token(request, access));
      TRY(const std::string body, get(request, token, "/projects", ""));
      TRY(const std::vector<Project> projects, parse_projects(body));
      for (const Project& project : projects) {
        if (access.project.empty() || project.id == access.project) {
          report.identity = "project " + (project.name.empty() ? project.id : project.name);
          return Ok{};
        }
      }
      return Error{.kind = ErrorKind::auth,
                   .message = "the account has no such project",
                   .hint = "set $ATLAS_PROJECT_ID to one of its projects"};
    });
  }

 private:
  Files& files_;
  Processes& processes_;
  CapacityFeed capacity_;
};

}  // namespace

std::unique_ptr<Cloud> make_cloud(Files& files, Processes& processes) {
  return std::make_unique<Fluidstack>(files, processes);
}

}  // namespace gpubroker::fluidstack
