#include "providers/coreweave/cloud.hpp"

#include "core/base/text.hpp"
#include "providers/coreweave/codec.hpp"
#include "providers/coreweave/facts.hpp"
#include "providers/coreweave/key.hpp"

namespace gpubroker::coreweave {
namespace {

constexpr const char* kNext =
    "make a token at console.coreweave.com/tokens and put it into $COREWEAVE_API_TOKEN";

Result<HttpResponse> get(const FeedRequest& request, Processes& processes, std::string_view path,
                         const Secret& token) {
  const std::string url = control_plane(processes) + std::string(path);
  TRY(HttpResponse answer, request.http.send(bearer_get(url, token)));
  if (answer.status >= 400) { return parse_error(answer, path, request.clock.now()); }
  return answer;
}

class Zones final : public PriceFeed {
 public:
  Zones(Files& files, Processes& processes) : files_(files), processes_(processes) {}
  [[nodiscard]] std::string name() const override { return "coreweave/zones"; }
  [[nodiscard]] std::string needs() const override { return kNeeds; }

  Result<Harvest> fetch(const FeedRequest& request) override {
    const FoundKey found = find_token(files_, processes_);
    if (found.key.empty()) { return no_credentials("coreweave", kNeeds); }
    TRY(const HttpResponse answer, get(request, processes_, kZonesPath, found.key));
    return parse_zones(answer.body);
  }

 private:
  Files& files_;
  Processes& processes_;
};

class PriceTable final : public PriceFeed {
 public:
  [[nodiscard]] std::string name() const override { return "coreweave/price-table"; }
  [[nodiscard]] std::string needs() const override { return {}; }
  Result<Harvest> fetch(const FeedRequest& /*request*/) override { return price_table(); }
};

class CoreWeave final : public Cloud {
 public:
  CoreWeave(Files& files, Processes& processes)
      : files_(files), processes_(processes), zones_(files, processes) {}
  [[nodiscard]] std::string name() const override { return "coreweave"; }
  [[nodiscard]] std::vector<PriceFeed*> feeds() override { return {&zones_, &table_}; }

  AccessReport check(const FeedRequest& request) override {
    const FoundKey found = find_token(files_, processes_);
    // CoreWeave does not say who a token belongs to: its clusters are all that can be told.
    return report_access(found, kNext, [&](AccessReport& report) -> Status {
      TRY(const HttpResponse answer, get(request, processes_, kClustersPath, found.key));
      TRY(const std::vector<CksCluster> clusters, parse_clusters(answer.body));
      report.identity = std::to_string(clusters.size()) + (clusters.size() == 1 ? " cluster" : " clusters");
      std::vector<std::string> places;
      for (const CksCluster& cluster : clusters) { places.push_back(cluster.zone); }
      if (!places.empty()) { report.identity += ": " + join(places, ", "); }
      const Result<HttpResponse> zones = get(request, processes_, kZonesPath, found.key);
      Permission permission{.name = "inference capacity claims", .what_for = "the types of each zone"};
      if (zones.ok()) { permission.state = Permission::State::granted; }
      if (!zones.ok() && zones.error().kind == ErrorKind::auth) {
        permission.state = Permission::State::missing;
      }
      report.permissions.push_back(permission);
      return Ok{};
    });
  }

 private:
  Files& files_;
  Processes& processes_;
  Zones zones_;
  PriceTable table_ = {};
};

}  // namespace

std::unique_ptr<Cloud> make_cloud(Files& files, Processes& processes) {
  return std::make_unique<CoreWeave>(files, processes);
}

}  // namespace gpubroker::coreweave
