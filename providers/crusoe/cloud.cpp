#include "providers/crusoe/cloud.hpp"

#include "core/wire/cloud_answer.hpp"
#include "core/wire/harvest_rows.hpp"
#include "providers/crusoe/credentials.hpp"
#include "providers/crusoe/facts.hpp"

namespace gpubroker::crusoe {
namespace {

Result<HttpResponse> get(const FeedRequest& request, const Access& access, const std::string& path,
                         const QueryPairs& query = {}) {
  TRY(const HttpRequest signed_request,
      encode_get(access.endpoint, path, query, access.keys, request.clock.now()));
  TRY(HttpResponse answer, request.http.send(signed_request));
  if (answer.status >= 400) { return parse_error(answer, path, request.clock.now()); }
  return answer;
}

/// Follows a list; `parse` reads a page and gives the next one's token.
template <class Parse>
Status get_all(const FeedRequest& request, const Access& access, const std::string& path, Parse parse) {
  PageTurner pages;
  std::string token;
  do {
    QueryPairs query;
    if (!token.empty()) { query.emplace_back("next_token", token); }
    TRY(const HttpResponse answer, get(request, access, path, query));
    TRY(token, parse(answer.body));
    if (!token.empty()) { TRY([[maybe_unused]] const Ok turned, pages.turn(token, "crusoe GET " + path)); }
  } while (!token.empty());
  return Ok{};
}

/// The project of the settings, by id or name, or the first there is.
Result<Project> find_project(const FeedRequest& request, const Access& access) {
  std::vector<Project> projects;
  TRY([[maybe_unused]] const Ok done,
      get_all(request, access, "/organizations/projects",
              [&](const std::string& body) { return parse_projects(body, projects); }));
  for (const Project& project : projects) {
    if (access.project.empty() || project.id == access.project || project.name == access.project) {
      return project;
    }
  }
  return Error{.kind = ErrorKind::not_found,
               .message = access.project.empty() ? "the account has no project"
                                                 : "the account has no project " + access.project,
               .hint = "set default_project in ~/.crusoe/config",
               .source = "crusoe"};
}

class CapacityFeed final : public PriceFeed {
 public:
  CapacityFeed(Files& files, Processes& processes) : files_(files), processes_(processes) {}
  [[nodiscard]] std::string name() const override { return "crusoe/capacities"; }
  [[nodiscard]] std::string needs() const override { return std::string(kNeeds); }

  Result<Harvest> fetch(const FeedRequest& request) override {
    const Access access = find_access(files_, processes_);
    if (!access.is_usable()) { return no_credentials("crusoe", std::string(kNeeds)); }
    TRY(const Project project, find_project(request, access));
    Harvest harvest;
    std::vector<Listing> types;
    Capacities capacities;
    const Instant now = request.clock.now();
    TRY([[maybe_unused]] const Ok typed,
        get_all(request, access, "/projects/" + url_encode(project.id) + "/compute/vms/types",
                [&](const std::string& body) { return parse_types(body, now, types, harvest); }));
    TRY([[maybe_unused]] const Ok counted,
        get_all(request, access, "/capacities",
                [&](const std::string& body) { return parse_capacities(body, capacities, harvest); }));
    place_types(types, capacities, harvest);
    return harvest;
  }

 private:
  Files& files_;
  Processes& processes_;
};

class PriceTable final : public PriceFeed {
 public:
  [[nodiscard]] std::string name() const override { return "crusoe/price-table"; }
  [[nodiscard]] std::string needs() const override { return ""; }
  Result<Harvest> fetch(const FeedRequest& /*request*/) override { return price_table(); }
};

class Crusoe final : public Cloud {
 public:
  Crusoe(Files& files, Processes& processes)
      : files_(files), processes_(processes), capacities_(files, processes) {}
  [[nodiscard]] std::string name() const override { return "crusoe"; }
  [[nodiscard]] std::vector<PriceFeed*> feeds() override { return {&capacities_, &table_}; }

  AccessReport check(const FeedRequest& request) override {
    const Access access = find_access(files_, processes_);
    AccessReport report{.found_in = access.found_in, .warnings = access.warnings};
    if (!access.is_usable()) {
      report.next =
          "make a key pair at console.crusoecloud.com/security/tokens and put it into ~/.crusoe/config";
      return report;
    }
    const Result<HttpResponse> answer = get(request, access, "/organizations/projects");
    report.state = access_state(answer);
    if (!answer.ok()) {
      report.problem = answer.error().message;
      report.next = report.state == AccessReport::State::refused
                        ? "make a new key pair, and see that this machine's clock is right"
                        : "try again later";
      return report;
    }
    const Result<Project> project = find_project(request, access);
    if (!project.ok()) {
      report.problem = project.error().message;
      report.next = project.error().hint;
      return report;
    }
    report.identity = "key " + access.keys.id + ", project " + project.value().name;
    return report;
  }

 private:
  Files& files_;
  Processes& processes_;
  CapacityFeed capacities_;
  PriceTable table_ = {};
};

}  // namespace

std::unique_ptr<Cloud> make_cloud(Files& files, Processes& processes) {
  return std::make_unique<Crusoe>(files, processes);
}

}  // namespace gpubroker::crusoe
