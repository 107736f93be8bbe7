#include "providers/azure/cloud.hpp"

#include <algorithm>
#include <array>
#include <iterator>

#include "providers/azure/feeds.hpp"
#include "providers/azure/session.hpp"

namespace gpubroker::azure {
namespace {

struct Needed {
  std::string_view action;
  std::string_view what_for;
};
constexpr std::array kNeeded = {
    Needed{"Microsoft.Resources/subscriptions/locations/read", "the regions of the subscription"},
    Needed{"Microsoft.Compute/skus/read", "sizes and their restrictions"},
    Needed{"Microsoft.Compute/locations/usages/read", "quotas"},
    Needed{"Microsoft.Compute/locations/placementScores/generate/action", "spot scores"},
    Needed{"Microsoft.Resources/subscriptions/resourceGroups/write", "launching"},
    Needed{"Microsoft.Resources/subscriptions/resourceGroups/delete", "cleaning up"},
    Needed{"Microsoft.Resources/tags/write", "launching"},
    Needed{"Microsoft.Network/networkSecurityGroups/write", "launching"},
    Needed{"Microsoft.Network/virtualNetworks/write", "launching"},
    Needed{"Microsoft.Network/networkInterfaces/write", "launching"},
    Needed{"Microsoft.Network/publicIPAddresses/write", "launching"},
    Needed{"Microsoft.Compute/availabilitySets/write", "launching"},
    Needed{"Microsoft.Compute/virtualMachines/write", "launching"},
    Needed{"Microsoft.Compute/virtualMachines/delete", "cleaning up"},
};

std::string name_of(const TokenFacts& facts) {
  if (!facts.user.empty()) { return facts.user; }
  if (!facts.app.empty()) { return "app " + facts.app; }
  return facts.object.empty() ? std::string() : "object " + facts.object;
}

void describe(const Error& error, AccessReport& report) {
  report.state = AccessReport::State::unreachable;
  if (error.kind == ErrorKind::auth) { report.state = AccessReport::State::refused; }
  report.problem = error.message;
  report.next = error.hint;
  if (error.code == "no_credentials") {
    report.state = AccessReport::State::missing;
    report.found_in.clear();
    report.problem.clear();
    report.next =
        "az login, or put an app's $AZURE_TENANT_ID, $AZURE_CLIENT_ID and $AZURE_CLIENT_SECRET there";
  }
}

/// Which role would give what is missing.
std::string advise(const std::vector<Permission>& permissions) {
  const auto lacks = [&](std::string_view what_for) {
    return std::any_of(permissions.begin(), permissions.end(), [&](const Permission& one) {
      return one.state == Permission::State::missing && one.what_for == what_for;
    });
  };
  if (lacks("quotas") || lacks("sizes and their restrictions")) {
    return "ask for the role Reader on the subscription";
  }
  if (lacks("spot scores")) { return "for spot scores, ask for the role Compute Recommendations Role"; }
  if (lacks("launching") || lacks("cleaning up")) { return "to launch, ask for the role Contributor"; }
  return {};
}

/// What the roles on the subscription allow. Cannot be told: all unknown.
void check_permissions(Session& session, AccessReport& report) {
  std::vector<Grant> grants;
  const Status listed = session.pages(
      permissions_url(session.subscription()), [&](const std::string& body) -> Result<std::string> {
        TRY(Page<Grant> page, parse_permissions(body));
        std::move(page.rows.begin(), page.rows.end(), std::back_inserter(grants));
        return page.next;
      });
  for (const Needed& needed : kNeeded) {
    Permission::State state = Permission::State::unknown;
    if (listed.ok()) {
      state = allows(grants, needed.action) ? Permission::State::granted : Permission::State::missing;
    }
    report.permissions.push_back(
        {.name = std::string(needed.action), .state = state, .what_for = std::string(needed.what_for)});
  }
  if (!listed.ok()) { report.warnings.push_back("permissions are not told: " + listed.error().message); }
  report.next = advise(report.permissions);
}

class Azure final : public Cloud {
 public:
  Azure(Files& files, Processes& processes)
      : files_(files), processes_(processes), feeds_(make_feeds(files, processes)) {}
  [[nodiscard]] std::string name() const override { return "azure"; }

  [[nodiscard]] std::vector<PriceFeed*> feeds() override {
    std::vector<PriceFeed*> feeds;
    for (const auto& feed : feeds_) { feeds.push_back(feed.get()); }
    return feeds;
  }

  AccessReport check(const FeedRequest& request) override {
    AccessReport report;
    Session session(request, files_, processes_);
    report.found_in = session.access().found_in;
    report.warnings = session.access().warnings;
    const Status in = session.log_in();
    if (!in.ok()) {
      describe(in.error(), report);
      return report;
    }
    report.state = AccessReport::State::valid;
    report.identity = name_of(session.who());
    check_subscription(session, report);
    return report;
  }

 private:
  static void check_subscription(Session& session, AccessReport& report) {
    const Result<Subscription> found = find_subscription(session);
    if (!found.ok()) {
      // No subscription, or several, leaves the login as good as it is.
      const ErrorKind kind = found.error().kind;
      const bool is_good = kind == ErrorKind::invalid || kind == ErrorKind::not_found;
      describe(found.error(), report);
      if (is_good) { report.state = AccessReport::State::valid; }
      return;
    }
    const Subscription& told = found.value();
    report.identity += report.identity.empty() ? "subscription " : ", subscription ";
    report.identity += told.name + " (" + told.id + ")";
    if (told.state != "Enabled") { report.warnings.push_back("the subscription is " + told.state); }
    check_permissions(session, report);
  }

  static Result<Subscription> find_subscription(Session& session) {
    TRY([[maybe_unused]] const Ok chosen, session.choose_subscription());
    TRY(const HttpResponse answer, session.call(encode_get(subscription_url(session.subscription()))));
    return parse_subscription(answer.body);
  }

  Files& files_;
  Processes& processes_;
  std::vector<std::unique_ptr<PriceFeed>> feeds_;
};

}  // namespace

std::unique_ptr<Cloud> make_cloud(Files& files, Processes& processes) {
  return std::make_unique<Azure>(files, processes);
}

}  // namespace gpubroker::azure
