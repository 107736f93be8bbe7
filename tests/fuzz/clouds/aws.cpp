// Every parser of AWS on any bytes. Seeds: tests/fixtures/aws.
#include <algorithm>

#include "providers/aws/codec.hpp"
#include "providers/aws/credentials_codec.hpp"
#include "providers/aws/facts.hpp"
#include "providers/aws/fleet.hpp"
#include "providers/aws/machines.hpp"
#include "providers/aws/network.hpp"
#include "providers/aws/notice.hpp"
#include "providers/aws/price_list.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gpubroker;  // NOLINT(google-build-using-namespace): a program of few functions.

namespace {

void check(const Harvest& harvest, bool priced) {
  for (const Listing& listing : harvest.listings) {
    fuzz::must(listing.offer.key.provider == "aws", "a listing is of its cloud");
    fuzz::must(!priced || listing.offer.price.micros_per_hour > 0, "a price is above zero");
    fuzz::must(!priced || listing.basis != PriceBasis::quote, "what has a price is no quote");
  }
}

/// What the price list says must not depend on how it is cut.
void check_price_list(std::string_view text) {
  const auto read = [&](std::size_t piece) {
    aws::PriceListReader reader("us-east-1", Instant{1'795'521'600'000});
    Harvest harvest;
    for (std::size_t at = 0; at < text.size(); at += piece) {
      if (!reader.take(text.substr(at, piece)).ok()) { return harvest; }
    }
    if (!reader.finish().ok()) { return harvest; }
    reader.harvest(harvest);
    return harvest;
  };
  const Harvest whole = read(std::max<std::size_t>(text.size(), 1));
  const Harvest cut = read(37);
  fuzz::must(whole.listings == cut.listings, "the price list says the same in pieces");
  check(whole, /*priced=*/true);
}

/// One instruction set against the other.
void check_skipper(std::string_view text) {
#if defined(__x86_64__)
  if (text.empty() || (text[0] != '{' && text[0] != '[')) { return; }
  aws::SkipState plain;
  aws::SkipState wide;
  const std::size_t end = aws::skip_portable(plain, text);
  std::size_t at = 0;
  while (at < text.size() && (at == 0 || wide.depth != 0)) {
    at += aws::skip_avx2(wide, text.substr(at, 29));
  }
  fuzz::must(at == end && plain.depth == wide.depth, "a value ends at one place");
#else
  static_cast<void>(text);
#endif
}

/// Machines, and what they lie in.
void check_machine_page(std::string_view input) {
  const Result<aws::MachinePage> page = aws::parse_machines(input, "us-east-1");
  if (page.ok()) {
    for (const aws::Machine& machine : page.value().machines) {
      const NodeView& view = machine.view;
      fuzz::must(!view.token.value.empty(), "a machine of ours has a token");
      fuzz::must(view.state != NodeState::running || !view.address.host.empty(), "who runs can be reached");
      const bool in_order = !view.ended_at || !view.billed_from || *view.billed_from <= *view.ended_at;
      fuzz::must(in_order, "a bill does not end before it begins");
    }
  }
}

void check_machines(fuzz::Turn& turn, std::string_view input) {
  if (turn.next()) { check_machine_page(input); }
  if (turn.next()) { static_cast<void>(aws::parse_launched(input, "us-east-1")); }
  if (turn.next()) {
    std::vector<PricePoint> points;
    static_cast<void>(aws::parse_price_history(
        input, {"aws", "us-east-1", "us-east-1a", "p5.48xlarge", Market::spot}, points));
  }
  if (turn.next()) { static_cast<void>(aws::parse_vpc(input)); }
  if (turn.next()) { static_cast<void>(aws::parse_groups(input)); }
  if (turn.next()) { static_cast<void>(aws::parse_created_group(input)); }
  if (turn.next()) { static_cast<void>(aws::parse_subnets(input)); }
  if (turn.next()) { static_cast<void>(aws::parse_placements(input)); }
  if (turn.next()) { static_cast<void>(aws::parse_addresses(input)); }
  if (turn.next()) { static_cast<void>(aws::parse_allocated(input, {"t"})); }
  if (turn.next()) { static_cast<void>(aws::parse_capacity_blocks(input)); }
  if (turn.next()) { static_cast<void>(aws::parse_instance_action(input)); }
  if (turn.next()) { static_cast<void>(aws::parse_templates(input)); }
  if (turn.next()) {
    const Result<aws::FleetAnswer> fleet = aws::parse_fleet(input, "us-east-1");
    if (fleet.ok()) { static_cast<void>(aws::gravest(fleet.value().refusals, "us-east-1")); }
  }
  if (turn.next()) { static_cast<void>(aws::place_of({std::string(input)})); }
}

/// Prices and what else the feeds ask.
void check_feeds(fuzz::Turn& turn, std::string_view input) {
  const Instant now{1'795'521'600'000};
  Harvest told;
  if (turn.next()) { check_price_list(input); }
  if (turn.next()) { check_skipper(input); }
  if (turn.next()) {
    if (const Result<Harvest> spot = aws::parse_spot_feed(input, now); spot.ok()) {
      check(spot.value(), /*priced=*/true);
    }
  }
  if (turn.next()) {
    aws::SpotPrices prices;
    static_cast<void>(aws::parse_spot_history(input, "us-east-1", now, prices, told));
    for (const auto& [key, price] : prices) {
      fuzz::must(price.listing.offer.price.micros_per_hour > 0, "a spot price is above zero");
    }
  }
  if (turn.next()) {
    static_cast<void>(aws::parse_instance_types(input, "us-east-1", now, told));
    check(told, /*priced=*/false);
  }
  if (turn.next()) {
    static_cast<void>(aws::parse_blocks(input, "us-east-1", now, told));
    check(told, /*priced=*/true);
  }
  if (turn.next()) { static_cast<void>(aws::parse_region_index(input)); }
  if (turn.next()) { static_cast<void>(aws::parse_spot_advisor(input)); }
  if (turn.next()) { static_cast<void>(aws::parse_offerings(input, "us-east-1", told)); }
  if (turn.next()) { static_cast<void>(aws::parse_scores(input, {"p5.48xlarge"}, told)); }
  if (turn.next()) { static_cast<void>(aws::parse_regions(input)); }
  if (turn.next()) {
    static_cast<void>(aws::parse_error({.status = 400, .body = std::string(input)}, "x", now));
  }
}

void check_credentials(fuzz::Turn& turn, std::string_view input) {
  if (turn.next()) { static_cast<void>(aws::parse_caller_identity(input)); }
  if (turn.next()) { static_cast<void>(aws::parse_sts_credentials(input)); }
  if (turn.next()) { static_cast<void>(aws::parse_sso_credentials(input)); }
  if (turn.next()) { static_cast<void>(aws::parse_process_credentials(input)); }
  if (turn.next()) { static_cast<void>(aws::parse_metadata_credentials(input, "x")); }
  if (turn.next()) { static_cast<void>(aws::parse_github_token(input)); }
  if (turn.next()) {
    if (const Result<aws::SsoToken> token = aws::parse_sso_token(input); token.ok()) {
      const Result<aws::SsoToken> again = aws::parse_sso_token(aws::format_sso_token(token.value()));
      fuzz::must(again.ok() && again.value().access.reveal() == token.value().access.reveal(),
                 "a token is kept whole");
    }
  }
  if (turn.next()) { static_cast<void>(aws::split_command(input)); }
  if (turn.next()) { static_cast<void>(aws::is_region_name(input)); }
}

}  // namespace

GPUBROKER_FUZZ_TARGET(input) {
  fuzz::Turn turn(input, 36);
  check_machines(turn, input);
  check_feeds(turn, input);
  check_credentials(turn, input);
}
