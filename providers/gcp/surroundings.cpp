// What stands around machines: firewall rules, reservations, placement policies.
#include <algorithm>

#include "core/base/text.hpp"
#include "core/wire/answer_json.hpp"
#include "providers/gcp/machines.hpp"
#include "providers/gcp/scopes.hpp"

namespace gpubroker::gcp {
namespace {

/// "22" or "20-25".
bool holds_ssh(const std::string& range) {
  const std::vector<std::string> ends = split(range, '-');
  const auto first = parse_int(ends.front());
  const auto last = parse_int(ends.back());
  return first && last && *first <= 22 && 22 <= *last;
}

bool lets_in(const AnswerValue& allowed) {
  const std::string protocol = lower(allowed.at("IPProtocol").text());
  if (protocol == "all") { return true; }
  if (protocol != "tcp" && protocol != "6") { return false; }
  const auto ports = allowed.find("ports");
  if (!ports) { return true; }
  const std::vector<AnswerValue> list = ports->list();
  return std::any_of(list.begin(), list.end(),
                     [](const AnswerValue& range) { return holds_ssh(range.text()); });
}

bool holds(const std::optional<AnswerValue>& texts, std::string_view wanted) {
  if (!texts) { return false; }
  const std::vector<AnswerValue> list = texts->list();
  return std::any_of(list.begin(), list.end(),
                     [&](const AnswerValue& text) { return text.text() == wanted; });
}

bool opens_ssh(const AnswerValue& rule) {
  const bool applies = name_in(rule.text_or("network")) == "default" &&
                       rule.text_or("direction", "INGRESS") == "INGRESS" &&
                       !rule.boolean_or("disabled", false) && !rule.find("targetServiceAccounts");
  const auto targets = rule.find("targetTags");
  const bool to_ours = !targets || targets->list().empty() || holds(targets, kNetworkTag);
  const auto allowed = rule.find("allowed");
  if (!applies || !to_ours || !allowed || !holds(rule.find("sourceRanges"), "0.0.0.0/0")) { return false; }
  const std::vector<AnswerValue> list = allowed->list();
  return std::any_of(list.begin(), list.end(), lets_in);
}

}  // namespace

Result<std::string> parse_firewalls(std::string_view body, bool& lets_ssh_in) {
  return read_answer(body, "gcp", [&](const AnswerValue& root) -> Result<std::string> {
    for_each_item(root, "firewalls",
                  [&](const AnswerValue& rule) { lets_ssh_in = lets_ssh_in || opens_ssh(rule); });
    return root.text_or("nextPageToken");
  });
}

Result<std::string> parse_own_firewalls(std::string_view body, std::vector<Leftover>& leftovers) {
  return read_answer(body, "gcp", [&](const AnswerValue& root) -> Result<std::string> {
    for_each_item(root, "firewalls", [&](const AnswerValue& rule) {
      const std::string name = rule.at("name").text();
      if (name == kFirewallRule) { leftovers.push_back({.kind = "firewall rule", .id = name}); }
    });
    return root.text_or("nextPageToken");
  });
}

Result<std::string> parse_reservations(std::string_view body, std::vector<Reservation>& reservations) {
  return read_answer(body, "gcp", [&](const AnswerValue& root) -> Result<std::string> {
    if (std::optional<Error> silent = find_silent_zone(root)) { return *std::move(silent); }
    for_each_item(root, "reservations", [&](const AnswerValue& item) {
      const auto specific = item.find("specificReservation");
      if (!specific || item.text_or("status") != "READY") { return; }
      const auto properties = specific->find("instanceProperties");
      reservations.push_back(
          {.name = item.at("name").text(),
           .zone = name_in(item.at("zone").text()),
           .type = properties ? name_in(properties->text_or("machineType")) : std::string{},
           .free =
               std::max(0, specific->whole_or<int>("count", 0) - specific->whole_or<int>("inUseCount", 0)),
           .is_dense = item.text_or("deploymentType") == "DENSE"});
    });
    return root.text_or("nextPageToken");
  });
}

Result<std::string> parse_policies(std::string_view body, std::vector<Leftover>& leftovers) {
  return read_answer(body, "gcp", [&](const AnswerValue& root) -> Result<std::string> {
    if (std::optional<Error> silent = find_silent_zone(root)) { return *std::move(silent); }
    for_each_item(root, "resourcePolicies", [&](const AnswerValue& item) {
      const std::string name = item.at("name").text();
      if (!name.starts_with("gb-")) { return; }
      leftovers.push_back({.kind = "placement policy",
                           .id = name,
                           .region = name_in(item.at("region").text()),
                           .token = {item.text_or("description")}});
    });
    return root.text_or("nextPageToken");
  });
}

}  // namespace gpubroker::gcp
