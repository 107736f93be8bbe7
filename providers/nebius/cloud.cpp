#include "providers/nebius/cloud.hpp"

#include "core/wire/harvest_rows.hpp"
#include "providers/nebius/facts.hpp"
#include "providers/nebius/session.hpp"

namespace gpubroker::nebius {
namespace {

constexpr std::size_t kRegionsAtOnce = 8;

/// One region's part of a harvest, or why it could not be had.
using Part = Result<Harvest>;

/// Calls `ask(region, project)` for each region side by side and puts the parts together.
template <class Ask>
Harvest for_each_region(const FeedRequest& request, const std::map<std::string, std::string>& projects,
                        Ask ask) {
  const std::vector<std::pair<std::string, std::string>> regions(projects.begin(), projects.end());
  std::vector<Part> parts = harvest_each(request.fan_out, regions.size(), kRegionsAtOnce, [&](std::size_t i) {
    return ask(regions[i].first, regions[i].second);
  });
  Harvest harvest;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].ok()) {
      add_harvest(harvest, std::move(parts[i]).value());
    } else {
      harvest.failed.emplace_back(regions[i].first, parts[i].error());
    }
  }
  return harvest;
}

class Feed : public PriceFeed {
 public:
  Feed(Files& files, Processes& processes) : files_(files), processes_(processes) {}
  [[nodiscard]] std::string needs() const override { return std::string(kNeeds); }

 protected:
  [[nodiscard]] Result<Session> open(const FeedRequest& request) const {
    return Session::open(find_access(files_, processes_), request);
  }

 private:
  Files& files_;
  Processes& processes_;
};

/// What each preset costs now, by the calculator.
class Calculator final : public Feed {
 public:
  using Feed::Feed;
  [[nodiscard]] std::string name() const override { return "nebius/calculator"; }

  Result<Harvest> fetch(const FeedRequest& request) override {
    TRY(const Session session, open(request));
    TRY(const auto projects, session.projects_by_region());
    const Instant now = request.clock.now();
    return for_each_region(
        request, projects, [&](const std::string& region, const std::string& project) -> Part {
          Harvest part;
          TRY(const std::vector<Preset> presets, session.presets(project, part));
          for (const Preset& preset : presets) {
            TRY(const Rate on_demand, estimate(session, project, preset, Market::on_demand));
            part.listings.push_back(make_listing(preset, region, Market::on_demand, on_demand, now));
            if (!preset.preemptible) { continue; }
            TRY(const Rate spot, estimate(session, project, preset, Market::spot));
            if (spot > Rate{}) {
              part.listings.push_back(make_listing(preset, region, Market::spot, spot, now));
            }
          }
          return part;
        });
  }

 private:
  /// Zero where the calculator has no price: the machine is sold on request.
  static Result<Rate> estimate(const Session& session, const std::string& project, const Preset& preset,
                               Market market) {
    const Result<std::string> message = session.call(kEstimate, encode_estimate(project, preset, market));
    if (message.ok()) { return parse_estimate(message.value()); }
    const ErrorKind kind = message.error().kind;
    if (kind == ErrorKind::not_found || kind == ErrorKind::invalid) { return Rate{}; }
    return message.error();
  }
};

/// How many machines there are now.
class Advisor final : public Feed {
 public:
  using Feed::Feed;
  [[nodiscard]] std::string name() const override { return "nebius/capacity-advisor"; }

  Result<Harvest> fetch(const FeedRequest& request) override {
    TRY(const Session session, open(request));
    TRY(const std::vector<std::string> tenants, session.tenants());
    Harvest harvest;
    std::vector<Advice> advice;
    for (const std::string& tenant : tenants) {
      TRY(const std::vector<Advice> rows,
          session.list<Advice>(
              kListAdvice, [&](const std::string& page) { return encode_list_advice(tenant, page); },
              [&](const std::string& message) { return parse_advice(message, harvest); }));
      advice.insert(advice.end(), rows.begin(), rows.end());
    }
    harvest.signals = best_fabrics(advice);
    return harvest;
  }
};

/// How many machines the account may have.
class Quotas final : public Feed {
 public:
  using Feed::Feed;
  [[nodiscard]] std::string name() const override { return "nebius/quotas"; }

  Result<Harvest> fetch(const FeedRequest& request) override {
    TRY(const Session session, open(request));
    TRY(const std::vector<std::string> tenants, session.tenants());
    TRY(const auto projects, session.projects_by_region());
    Harvest told;
    std::vector<Quota> quotas;
    for (const std::string& tenant : tenants) {
      TRY(const std::vector<Quota> rows,
          session.list<Quota>(
              kListQuotas, [&](const std::string& page) { return encode_list_quotas(tenant, page); },
              [&](const std::string& message) { return parse_quotas(message, told); }));
      quotas.insert(quotas.end(), rows.begin(), rows.end());
    }
    Harvest harvest = for_each_region(
        request, projects, [&](const std::string& region, const std::string& project) -> Part {
          Harvest part;
          TRY(const std::vector<Preset> presets, session.presets(project, part));
          part.signals = quota_signals(presets, region, quotas);
          return part;
        });
    add_harvest(harvest, std::move(told));
    return harvest;
  }
};

class PriceTable final : public PriceFeed {
 public:
  [[nodiscard]] std::string name() const override { return "nebius/price-table"; }
  [[nodiscard]] std::string needs() const override { return ""; }
  Result<Harvest> fetch(const FeedRequest& /*request*/) override { return price_table(); }
};

class Nebius final : public Cloud {
 public:
  Nebius(Files& files, Processes& processes)
      : files_(files),
        processes_(processes),
        calculator_(files, processes),
        advisor_(files, processes),
        quotas_(files, processes) {}
  [[nodiscard]] std::string name() const override { return "nebius"; }
  [[nodiscard]] std::vector<PriceFeed*> feeds() override {
    return {&calculator_, &advisor_, &quotas_, &table_};
  }

  AccessReport check(const FeedRequest& request) override {
    const Access access = find_access(files_, processes_);
    AccessReport report{.found_in = access.found_in,
                        .warnings = access.warnings,
                        .problem = access.problem,
                        .next = access.next};
    if (!access.is_usable()) {
      if (report.next.empty()) {
        report.next = "nebius profile create, or put a token into $NEBIUS_IAM_TOKEN";
      }
      return report;
    }
    const Result<Session> session = Session::open(access, request);
    const Result<std::string> profile =
        session.ok() ? session.value().call(kGetProfile, "") : Result<std::string>(session.error());
    if (!profile.ok()) { return refuse(std::move(report), profile.error()); }
    const Result<std::string> identity = parse_profile(profile.value());
    if (!identity.ok()) { return refuse(std::move(report), identity.error()); }
    report.identity = identity.value();
    if (report.identity.empty()) {
      report.state = AccessReport::State::refused;
      report.problem = "the token is nobody's";
      return report;
    }
    report.state = AccessReport::State::valid;
    ask_permissions(session.value(), report);
    return report;
  }

 private:
  static AccessReport refuse(AccessReport report, const Error& error) {
    const bool is_refused = error.kind == ErrorKind::auth;
    report.state = is_refused ? AccessReport::State::refused : AccessReport::State::unreachable;
    report.problem = error.message;
    report.next = is_refused ? "make a new token or key: nebius iam get-access-token" : "try again later";
    return report;
  }

  static Permission permission(const Method& method, const char* what_for,
                               const Result<std::string>& answer) {
    Permission permission{.name = std::string(method.name), .what_for = what_for};
    if (answer.ok()) { permission.state = Permission::State::granted; }
    if (!answer.ok() && answer.error().kind == ErrorKind::auth) {
      permission.state = Permission::State::missing;
    }
    return permission;
  }

  static void ask_permissions(const Session& session, AccessReport& report) {
    const Result<std::vector<std::string>> tenants = session.tenants();
    const Result<std::string> listed =
        tenants.ok() ? Result<std::string>(std::string()) : Result<std::string>(tenants.error());
    report.permissions.push_back(permission(kListTenants, "regions and all else", listed));
    if (!tenants.ok() || tenants.value().empty()) {
      report.next = "give the account the role viewer in the tenant, or write tenant-id into the profile";
      return;
    }
    const std::string& tenant = tenants.value().front();
    const auto ask = [&](const Method& method, const char* what_for, const std::string& message) {
      report.permissions.push_back(permission(method, what_for, session.call(method, message)));
    };
    ask(kListProjects, "regions and prices", encode_list_projects(tenant, ""));
    ask(kListAdvice, "availability", encode_list_advice(tenant, ""));
    ask(kListQuotas, "quotas", encode_list_quotas(tenant, ""));
  }

  Files& files_;
  Processes& processes_;
  Calculator calculator_;
  Advisor advisor_;
  Quotas quotas_;
  PriceTable table_ = {};
};

}  // namespace

std::unique_ptr<Cloud> make_cloud(Files& files, Processes& processes) {
  return std::make_unique<Nebius>(files, processes);
}

}  // namespace gpubroker::nebius
