// Every parser of Azure's codec on any bytes. Seeds: tests/fixtures/azure.
#include "providers/azure/codec.hpp"
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

void read_logins(std::string_view input) {
  const Instant now{0};
  const HttpResponse refused{
      .status = 401, .headers = {{"www-authenticate", std::string(input)}}, .body = std::string(input)};
  static_cast<void>(azure::parse_token(input, now));
  static_cast<void>(azure::parse_az_token(input, now));
  static_cast<void>(azure::parse_github_token(input));
  static_cast<void>(azure::parse_profile(input));
  static_cast<void>(azure::parse_login_error(refused, now));
  static_cast<void>(azure::parse_error(refused, "GET /x", now));
  static_cast<void>(azure::claims_challenge(refused));
  static_cast<void>(azure::read_token(Secret(std::string(input))));
}

}  // namespace

GPUBROKER_FUZZ_TARGET(input) {
  read_prices(input);
  read_quotas(input);
  read_scores(input);
  read_logins(input);
  static_cast<void>(azure::parse_link(input, azure::kArm));
  static_cast<void>(azure::parse_locations(input));
  static_cast<void>(azure::parse_subscription(input));
  static_cast<void>(azure::parse_subscriptions(input));
  const auto grants = azure::parse_permissions(input);
  if (grants.ok()) { static_cast<void>(azure::allows(grants.value().rows, "Microsoft.Compute/skus/read")); }
}
