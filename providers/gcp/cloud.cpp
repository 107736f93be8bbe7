#include "providers/gcp/cloud.hpp"

#include <algorithm>
#include <array>

#include "core/wire/cloud_answer.hpp"
#include "providers/gcp/codec.hpp"
#include "providers/gcp/feeds.hpp"
#include "providers/gcp/session.hpp"

namespace gpubroker::gcp {
namespace {

constexpr const char* kLaunching = "launching";
constexpr const char* kFabric = "gangs with a fabric";
constexpr const char* kCleaning = "cleaning up";

struct Needed {
  const char* permission;
  const char* what_for;
};
constexpr std::array kNeeded = {
    Needed{"compute.zones.list", "the zones and their regions"},
    Needed{"compute.machineTypes.list", "what is sold in which zone"},
    Needed{"compute.acceleratorTypes.list", "which GPUs can be attached in which zone"},
    Needed{"compute.regions.list", "quotas by region, calendar blocks"},
    Needed{"compute.projects.get", "the quota of all regions together"},
    Needed{"cloudquotas.quotas.get", "on-demand quotas of H100 and later"},
    // What launching asks for beside these (?): the methods' pages name them, put together from memory.
    Needed{"compute.instances.create", kLaunching},
    Needed{"compute.instances.list", kLaunching},
    Needed{"compute.instances.setMetadata", kLaunching},
    Needed{"compute.instances.setLabels", kLaunching},
    Needed{"compute.instances.setTags", kLaunching},
    Needed{"compute.disks.create", kLaunching},
    Needed{"compute.subnetworks.use", kLaunching},
    Needed{"compute.subnetworks.useExternalIp", kLaunching},
    Needed{"compute.firewalls.list", kLaunching},
    Needed{"compute.firewalls.create", kLaunching},
    Needed{"compute.networks.updatePolicy", kLaunching},
    Needed{"compute.zoneOperations.list", kLaunching},
    Needed{"compute.regionOperations.get", kLaunching},
    Needed{"compute.networks.list", kFabric},
    Needed{"compute.networks.create", kFabric},
    Needed{"compute.subnetworks.list", kFabric},
    Needed{"compute.subnetworks.create", kFabric},
    Needed{"compute.resourcePolicies.create", kFabric},
    Needed{"compute.resourcePolicies.use", kFabric},
    Needed{"compute.resourcePolicies.delete", kCleaning},
    Needed{"compute.instances.delete", kCleaning},
};

class Gcp final : public Cloud {
 public:
  Gcp(Files& files, Processes& processes)
      : files_(files), processes_(processes), feeds_(make_feeds(files, processes)) {}
  [[nodiscard]] std::string name() const override { return "gcp"; }

  [[nodiscard]] std::vector<PriceFeed*> feeds() override {
    std::vector<PriceFeed*> feeds;
    for (const auto& feed : feeds_) { feeds.push_back(feed.get()); }
    return feeds;
  }

  AccessReport check(const FeedRequest& request) override {
    AccessReport report;
    Session session(request, files_, processes_);
    report.warnings = session.settings().warnings;
    const Status in = session.log_in();
    if (!in.ok() && in.error().code == "no_credentials" && !session.settings().api_key.empty()) {
      check_key(session, report);
    } else if (!in.ok()) {
      describe_failure(in.error(), report);
    } else {
      check_token(session, report);
    }
    return report;
  }

 private:
  static void describe_failure(const Error& error, AccessReport& report) {
    const bool is_missing = error.code == "no_credentials";
    report.state = AccessReport::State::unreachable;
    if (error.kind == ErrorKind::auth) { report.state = AccessReport::State::refused; }
    if (is_missing) { report.state = AccessReport::State::missing; }
    report.problem = is_missing ? "" : error.message;
    report.next = error.hint;
    if (is_missing) {
      report.next =
          "`gcloud auth application-default login`; for prices alone, an API key in $GPUBROKER_GCP_API_KEY";
    }
    if (report.next.empty() && error.kind == ErrorKind::auth) {
      report.next = "log in again, or make a new key";
    }
  }

  static void check_key(Session& session, AccessReport& report) {
    session.use_api_key();
    report.found_in = session.settings().api_key_in;
    std::string url(kBillingUrl);
    url += "/services/";
    url += kComputeService;
    const Result<HttpResponse> answer = session.get(url + "/skus?pageSize=1", "skus");
    report.state = access_state(answer);
    if (!answer.ok()) {
      describe_failure(answer.error(), report);
      return;
    }
    report.identity = "an API key";
    report.next = "the key is good for prices; for quotas and zones, `gcloud auth application-default login`";
  }

  void check_token(Session& session, AccessReport& report) const {
    report.found_in = session.access().found_in;
    report.identity = session.access().identity;
    const Result<HttpResponse> who =
        session.send(encode_token_info(session.access().token.value), "tokeninfo");
    report.state = access_state(who);
    if (!who.ok()) {
      describe_failure(who.error(), report);
      return;
    }
    if (const std::string email = parse_token_info(who.value().body); !email.empty()) {
      report.identity = email;
    }
    if (session.project().empty()) {
      report.next = "set $GOOGLE_CLOUD_PROJECT, or `gcloud config set project PROJECT`";
      return;
    }
    if (!report.identity.empty()) { report.identity += ", "; }
    report.identity += "project " + session.project();
    check_permissions(session, report);
  }

  static void check_permissions(Session& session, AccessReport& report) {
    std::vector<std::string> wanted;
    for (const Needed& needed : kNeeded) { wanted.emplace_back(needed.permission); }
    std::string url(kResourceManagerUrl);
    url += "/projects/" + url_encode(session.project()) + ":testIamPermissions";
    const Result<HttpResponse> answer =
        session.post(url, permissions_question(wanted), "projects:testIamPermissions");
    const Result<std::vector<std::string>> granted =
        answer.ok() ? parse_permissions(answer.value().body) : answer.error();
    if (!granted.ok()) { report.problem = "permissions are not known: " + granted.error().message; }
    std::string missing;
    for (const Needed& needed : kNeeded) {
      Permission::State state = Permission::State::unknown;
      if (granted.ok()) {
        const auto& list = granted.value();
        const bool has = std::find(list.begin(), list.end(), needed.permission) != list.end();
        state = has ? Permission::State::granted : Permission::State::missing;
      }
      report.permissions.push_back({.name = needed.permission, .state = state, .what_for = needed.what_for});
      if (state != Permission::State::missing) { continue; }
      missing += missing.empty() ? "grant " : ", ";
      missing += needed.permission;
    }
    if (missing.empty()) { return; }
    const bool sees_all =
        std::none_of(report.permissions.begin(), report.permissions.end(), [](const Permission& one) {
          const bool launches =
              one.what_for == kLaunching || one.what_for == kFabric || one.what_for == kCleaning;
          return one.state == Permission::State::missing && !launches;
        });
    report.next = missing + (sees_all ? " (to launch: roles/compute.admin)"
                                      : " (roles/compute.viewer, roles/cloudquotas.viewer)");
  }

  Files& files_;
  Processes& processes_;
  std::vector<std::unique_ptr<PriceFeed>> feeds_;
};

}  // namespace

std::unique_ptr<Cloud> make_cloud(Files& files, Processes& processes) {
  return std::make_unique<Gcp>(files, processes);
}

}  // namespace gpubroker::gcp
