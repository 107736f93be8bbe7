// Every parser of Azure's codec on any bytes. Seeds: tests/fixtures/azure.
#include "providers/azure/codec.hpp"
#include "providers/azure/machines.hpp"
#include "providers/azure/notice.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gpubroker;  // NOLINT(google-build-using-namespace): a program of few functions.

namespace {

void read_prices(std::string_view input) {
  azure::RegionPrices prices("eastus", Instant{1'795'521'600'000});
  const Result<std::string> next = prices.take_page(input);
  if (next.ok() && !next.value().empty()) {
    fuzz::must(next.value().rfind("https://prices.azure.com/", 0) == 0, "a link leads to the price list");
  }
  const Harvest harvest = std::move(prices).finish();
  for (const Listing& listing : harvest.listings) {
    fuzz::must(listing.offer.gpu.count > 0, "a listing has a GPU");
    fuzz::must(listing.offer.price > Rate{}, "a listing has a price");
    fuzz::must(listing.offer.key.region == "eastus", "a listing is of the region asked");
  }
}

void read_quotas(std::string_view input) {
  Harvest told;
  const auto skus = azure::parse_skus(input, "eastus", told);
  const auto usages = azure::parse_usages(input, told);
  if (!skus.ok()) { return; }
  const std::vector<azure::Usage> none;
  for (const Signal& signal :
       azure::quota_signals("eastus", skus.value().rows, usages.ok() ? usages.value().rows : none, told)) {
    fuzz::must(signal.availability.value >= 0, "no machine is less than none");
  }
}

void read_scores(std::string_view input) {
  Harvest told;
  const auto signals = azure::parse_scores(input, told);
  if (!signals.ok()) { return; }
  for (const Signal& signal : signals.value()) {
    fuzz::must(signal.availability.value >= 1 && signal.availability.value <= 3, "a level is 1 to 3");
  }
}

void read_logins(fuzz::Turn& turn, std::string_view input) {
  const Instant now{0};
  const HttpResponse refused{
      .status = 401, .headers = {{"www-authenticate", std::string(input)}}, .body = std::string(input)};
  if (turn.next()) { static_cast<void>(azure::parse_token(input, now)); }
  if (turn.next()) { static_cast<void>(azure::parse_az_token(input, now)); }
  if (turn.next()) { static_cast<void>(azure::parse_github_token(input)); }
  if (turn.next()) { static_cast<void>(azure::parse_profile(input)); }
  if (turn.next()) { static_cast<void>(azure::parse_login_error(refused, now)); }
  if (turn.next()) { static_cast<void>(azure::parse_error(refused, "GET /x", now)); }
  if (turn.next()) { static_cast<void>(azure::claims_challenge(refused)); }
  if (turn.next()) { static_cast<void>(azure::read_token(Secret(std::string(input)))); }
}

/// Every list, alone and together with itself as if all had come so.
void read_machines(std::string_view input) {
  const Instant now{1'795'521'600'000};
  azure::Sight sight;
  if (auto groups = azure::parse_groups(input); groups.ok()) { sight.groups = groups.value().rows; }
  if (auto machines = azure::parse_machines(input); machines.ok()) { sight.machines = machines.value().rows; }
  if (auto one = azure::parse_machine(input); one.ok() && one.value()) {
    sight.machines.push_back(one.value()->machine);
    sight.statuses[one.value()->machine.id] = one.value()->status;
  }
  if (auto statuses = azure::parse_statuses(input); statuses.ok()) {
    sight.statuses.insert(statuses.value().rows.begin(), statuses.value().rows.end());
  }
  if (auto addresses = azure::parse_addresses(input); addresses.ok()) {
    sight.addresses.insert(addresses.value().rows.begin(), addresses.value().rows.end());
  }
  for (const NodeView& view : azure::assemble(sight, now)) {
    fuzz::must(azure::parse_node_id(view.id).has_value(), "a machine's id leads back to it");
    fuzz::must(!view.token.value.empty(), "a machine of ours has a token");
    fuzz::must(view.state != NodeState::running || !view.address.host.empty(), "what runs has an address");
    fuzz::must(view.state != NodeState::ended || !view.end_reason.empty(), "what ended has a reason");
  }
}

void read_operation(std::string_view input) {
  const Instant now{1'795'521'600'000};
  const HttpResponse answer{
      .status = 200, .headers = {{"azure-asyncoperation", std::string(input)}}, .body = std::string(input)};
  const auto url = azure::operation_url(answer);
  if (url.ok() && !url.value().empty()) {
    fuzz::must(url.value().rfind("https://management.azure.com/", 0) == 0, "an operation is asked at ARM");
  }
  static_cast<void>(azure::parse_operation(answer, "operation", now));
}

void read_answers(fuzz::Turn& turn, std::string_view input) {
  if (turn.next()) { static_cast<void>(azure::parse_resource(input)); }
  if (turn.next()) { static_cast<void>(azure::parse_group(input)); }
  if (turn.next()) { static_cast<void>(azure::parse_living(input)); }
  if (turn.next()) { static_cast<void>(azure::parse_reservation_groups(input, "eastus")); }
  if (turn.next()) { static_cast<void>(azure::parse_reservations(input, "Standard_ND96isr_H100_v5")); }
  if (turn.next()) { static_cast<void>(azure::parse_own_name(input)); }
  if (turn.next()) { static_cast<void>(azure::parse_events(input, "m", Instant{1'795'521'600'000})); }
}

}  // namespace

GPUBROKER_FUZZ_TARGET(input) {
  fuzz::Turn turn(input, 25);
  if (turn.next()) { read_prices(input); }
  if (turn.next()) { read_quotas(input); }
  if (turn.next()) { read_scores(input); }
  if (turn.next()) { read_machines(input); }
  if (turn.next()) { read_operation(input); }
  read_logins(turn, input);
  read_answers(turn, input);
  if (turn.next()) { static_cast<void>(azure::parse_link(input, azure::kArm)); }
  if (turn.next()) { static_cast<void>(azure::parse_locations(input)); }
  if (turn.next()) { static_cast<void>(azure::parse_subscription(input)); }
  if (turn.next()) { static_cast<void>(azure::parse_subscriptions(input)); }
  if (turn.next()) {
    const auto grants = azure::parse_permissions(input);
    if (grants.ok()) { static_cast<void>(azure::allows(grants.value().rows, "Microsoft.Compute/skus/read")); }
  }
}
