#include "providers/coreweave/codec.hpp"

#include <array>
#include <set>

#include "core/wire/answer_json.hpp"
#include "core/wire/cloud_answer.hpp"
#include "providers/coreweave/facts.hpp"

namespace gpubroker::coreweave {
namespace {

constexpr std::string_view kSource = "coreweave";

// resource_exhausted is a quota when the details say so, see below.
constexpr std::array kCodes = {
    CodeRow{"already_exists", ErrorKind::conflict, ErrorScope::request},
    CodeRow{"failed_precondition", ErrorKind::conflict, ErrorScope::request},
    CodeRow{"invalid_argument", ErrorKind::invalid, ErrorScope::request},
    CodeRow{"not_found", ErrorKind::not_found, ErrorScope::request},
    CodeRow{"permission_denied", ErrorKind::auth, ErrorScope::account},
    CodeRow{"resource_exhausted", ErrorKind::throttled, ErrorScope::request},
    CodeRow{"unauthenticated", ErrorKind::auth, ErrorScope::account},
    CodeRow{"unavailable", ErrorKind::network, ErrorScope::request},
};

/// CPU machines: "cd-gp-i64-erapids", "cd-hp-…".
bool is_cpu_type(const std::string& type) {
  return type.rfind("cd-", 0) == 0;
}

void read_zone(const std::string& zone, const AnswerValue& types, Harvest& harvest) {
  std::set<std::string> told;  // a type told twice is one
  for_each_row(types, zone, harvest, [&](const AnswerValue& row) {
    const std::string type = row.text();
    if (is_cpu_type(type) || !told.insert(type).second) { return; }
    const std::vector<Listing> listings = listings_in(type, zone);
    if (listings.empty()) { AnswerValue::refuse("the instance type " + type + " is unknown"); }
    harvest.listings.insert(harvest.listings.end(), listings.begin(), listings.end());
  });
}

}  // namespace

Result<Harvest> parse_zones(std::string_view body) {
  return read_answer(body, kSource, [](const AnswerValue& root) -> Result<Harvest> {
    Harvest harvest;
    for (const auto& [zone, types] : root.at("zoneInstanceTypes").members()) {
      read_row(zone, harvest, [&, zone = zone, types = types] { read_zone(zone, types, harvest); });
    }
    return harvest;
  });
}

std::string control_plane(Processes& processes) {
  std::string url = processes.env("COREWEAVE_API_ENDPOINT").value_or("");
  while (!url.empty() && url.back() == '/') { url.pop_back(); }
  return url.empty() ? std::string(kEndpoint) : url;
}

Result<std::vector<CksCluster>> parse_clusters(std::string_view body) {
  return read_answer(body, kSource, [](const AnswerValue& root) -> Result<std::vector<CksCluster>> {
    std::vector<CksCluster> clusters;
    const auto items = root.find("items");
    if (!items) { return clusters; }  // proto's JSON leaves an empty list out
    for (const AnswerValue& row : items->list()) {
      clusters.push_back({.name = row.at("name").text(),
                          .zone = row.at("zone").text(),
                          .endpoint = row.text_or("apiServerEndpoint"),
                          .status = row.text_or("status")});
    }
    return clusters;
  });
}

Error parse_error(const HttpResponse& answer, std::string_view path, Instant now) {
  std::string code;
  std::string message;
  bool is_quota = false;
  static_cast<void>(visit_answer(answer.body, kSource, [&](const AnswerValue& root) {
    code = root.text_or("code");
    message = root.text_or("message");
    if (const auto details = root.find("details")) {
      for (const AnswerValue& detail : details->list()) {
        is_quota = is_quota || detail.text_or("type") == "google.rpc.QuotaFailure";
      }
    }
  }));
  Error error = error_from_answer(answer, "coreweave GET " + std::string(path), code, message, now);
  judge_by_code(error, code, kCodes);
  if (is_quota) {
    error.kind = ErrorKind::quota;
    error.scope = ErrorScope::account;
  }
  return error;
}

}  // namespace gpubroker::coreweave
