#include "core/plan/patience.hpp"

#include <algorithm>
#include <array>

#include <doctest/doctest.h>

namespace gpubroker {
namespace {

constexpr std::array kKinds = {ErrorKind::capacity,  ErrorKind::quota,   ErrorKind::auth,
                               ErrorKind::throttled, ErrorKind::invalid, ErrorKind::not_found,
                               ErrorKind::conflict,  ErrorKind::network, ErrorKind::internal};

/// The delays after the first, second, … failure, in milliseconds.
std::vector<std::int64_t> delays(ErrorKind kind, int failures) {
  std::vector<std::int64_t> all;
  for (int tries = 1; tries <= failures; ++tries) {
    all.push_back(react({.kind = kind}, tries).delay.count());
  }
  return all;
}

const OfferKey kOffer{"aws", "us-east-2", "us-east-2a", "p5.48xlarge", Market::spot};

Refusal refusal(ErrorKind kind, ErrorScope scope, std::int64_t until = 1'000) {
  return {.key = kOffer, .scope = scope, .kind = kind, .at = {0}, .until = {until}};
}

}  // namespace

TEST_CASE("what is done about an error follows from its kind") {
  const std::vector<std::pair<ErrorKind, Reaction>> rows = {
      {ErrorKind::capacity, Reaction::elsewhere}, {ErrorKind::quota, Reaction::elsewhere},
      {ErrorKind::auth, Reaction::give_up},       {ErrorKind::throttled, Reaction::repeat},
      {ErrorKind::invalid, Reaction::give_up},    {ErrorKind::not_found, Reaction::elsewhere},
      {ErrorKind::conflict, Reaction::repeat},    {ErrorKind::network, Reaction::repeat},
      {ErrorKind::internal, Reaction::give_up},
  };
  REQUIRE(rows.size() == kKinds.size());
  for (const auto& row : rows) {
    const auto& [kind, reaction] = row;
    CAPTURE(to_string(row.first));
    CHECK(react({.kind = kind}, 1).reaction == reaction);
    // Nothing but the kind decides: not words, codes, scopes, nor whether the deed may have been done.
    const Error decorated{.kind = kind,
                          .message = "InsufficientInstanceCapacity",
                          .code = "AuthFailure",
                          .scope = ErrorScope::account,
                          .maybe_applied = true};
    CHECK(react(decorated, 1).reaction == reaction);
    CHECK(react(decorated, 1).delay == react({.kind = kind}, 1).delay);
  }
}

TEST_CASE("what gives up gives up at once, however often it was tried") {
  for (const ErrorKind kind : {ErrorKind::auth, ErrorKind::invalid, ErrorKind::internal}) {
    for (const int tries : {1, 2, 11, 12, 13, 1'000}) {
      CHECK(react({.kind = kind}, tries).reaction == Reaction::give_up);
      CHECK(react({.kind = kind}, tries).delay == Millis{0});
    }
  }
}

TEST_CASE("delays of repeats double from half a second to a minute") {
  for (const ErrorKind kind : {ErrorKind::throttled, ErrorKind::network, ErrorKind::conflict}) {
    CAPTURE(to_string(kind));
    CHECK(delays(kind, 9) ==
          std::vector<std::int64_t>{500, 1'000, 2'000, 4'000, 8'000, 16'000, 32'000, 60'000, 60'000});
  }
}

TEST_CASE("want of capacity is remembered for half a minute, doubling to ten; quota and the unsold for ten") {
  CHECK(delays(ErrorKind::capacity, 7) ==
        std::vector<std::int64_t>{30'000, 60'000, 120'000, 240'000, 480'000, 600'000, 600'000});
  CHECK(delays(ErrorKind::quota, 3) == std::vector<std::int64_t>{600'000, 600'000, 600'000});
  CHECK(delays(ErrorKind::not_found, 2) == std::vector<std::int64_t>{600'000, 600'000});
}

TEST_CASE("repeats end with the twelfth failure and go elsewhere, with the longest delay") {
  for (const ErrorKind kind : {ErrorKind::throttled, ErrorKind::network, ErrorKind::conflict}) {
    for (int tries = 1; tries < 12; ++tries) {
      CHECK(react({.kind = kind}, tries).reaction == Reaction::repeat);
    }
    for (const int tries : {12, 13, 1'000'000}) {
      CHECK(react({.kind = kind}, tries).reaction == Reaction::elsewhere);
      CHECK(react({.kind = kind}, tries).delay == Millis{60'000});
    }
  }
}

TEST_CASE("a cloud that says when to come back is believed, one that is only throttled") {
  for (const ErrorKind kind : kKinds) {
    CAPTURE(to_string(kind));
    const Error error{.kind = kind, .retry_after = Millis{7'777}};
    CHECK((react(error, 3).delay == Millis{7'777}) == (kind == ErrorKind::throttled));
  }
  const Error at_once{.kind = ErrorKind::throttled, .retry_after = Millis{0}};
  CHECK(react(at_once, 5).delay == Millis{0});
}

TEST_CASE("counts that make no sense are taken as the first failure") {
  for (const int tries : {0, -1}) {
    CHECK(react({.kind = ErrorKind::network}, tries).delay == Millis{500});
    CHECK(react({.kind = ErrorKind::capacity}, tries).delay == Millis{30'000});
  }
}

TEST_CASE("each scope rules out what it says, for each kind of refusal") {
  struct Other {
    const char* what;
    OfferKey key;
    // Ruled out by a refusal of kOffer with this scope: request, offer, zone, region, account.
    std::array<bool, 5> by;
    bool by_region_quota;
  };
  const std::vector<Other> others = {
      {"itself", kOffer, {true, true, true, true, true}, true},
      {"another zone",
       {"aws", "us-east-2", "us-east-2b", "p5.48xlarge", Market::spot},
       {false, false, false, true, true},
       true},
      {"no zone",
       {"aws", "us-east-2", "", "p5.48xlarge", Market::spot},
       {false, false, false, true, true},
       true},
      {"another type",
       {"aws", "us-east-2", "us-east-2a", "p4d.24xlarge", Market::spot},
       {false, false, false, false, true},
       true},
      {"another market",
       {"aws", "us-east-2", "us-east-2a", "p5.48xlarge", Market::on_demand},
       {false, false, false, false, true},
       true},
      {"another region",
       {"aws", "us-west-2", "us-east-2a", "p5.48xlarge", Market::spot},
       {false, false, false, false, true},
       false},
      {"another cloud",
       {"gcp", "us-east-2", "us-east-2a", "p5.48xlarge", Market::spot},
       {false, false, false, false, false},
       false},
  };
  for (const Other& other : others) {
    CAPTURE(other.what);
    for (std::size_t i = 0; i < other.by.size(); ++i) {
      const auto scope = static_cast<ErrorScope>(i);
      CAPTURE(to_string(scope));
      for (const ErrorKind kind : kKinds) {
        CAPTURE(to_string(kind));
        const bool wide = kind == ErrorKind::quota && scope == ErrorScope::region;
        const std::vector<Refusal> refusals = {refusal(kind, scope)};
        const Refusal* const found = find_refusal(refusals, other.key, {500});
        CHECK((found != nullptr) == (wide ? other.by_region_quota : other.by.at(i)));
      }
    }
  }
}

TEST_CASE("a refusal ends at its moment; of several the one that lasts longest is told") {
  std::vector<Refusal> refusals = {refusal(ErrorKind::capacity, ErrorScope::offer, 1'000),
                                   refusal(ErrorKind::quota, ErrorScope::region, 3'000),
                                   refusal(ErrorKind::capacity, ErrorScope::region, 2'000)};
  const auto kind_at = [&](std::int64_t now) -> std::optional<ErrorKind> {
    const Refusal* const found = find_refusal(refusals, kOffer, {now});
    return found == nullptr ? std::nullopt : std::optional(found->kind);
  };
  CHECK(kind_at(0) == ErrorKind::quota);
  CHECK(kind_at(2'999) == ErrorKind::quota);
  CHECK(kind_at(3'000) == std::nullopt);
  std::reverse(refusals.begin(), refusals.end());
  CHECK(kind_at(0) == ErrorKind::quota);
  CHECK(find_refusal({}, kOffer, {0}) == nullptr);
}

TEST_CASE("only want of capacity of the very offer counts towards its next delay") {
  OfferKey other = kOffer;
  other.zone = "us-east-2b";
  std::vector<Refusal> refusals;
  CHECK(count_refusals(refusals, kOffer) == 0);
  for (const ErrorKind kind : kKinds) { refusals.push_back(refusal(kind, ErrorScope::offer)); }
  CHECK(count_refusals(refusals, kOffer) == 1);
  CHECK(count_refusals(refusals, other) == 0);
  refusals.push_back(refusal(ErrorKind::capacity, ErrorScope::account, -5));  // over long ago: still one
  CHECK(count_refusals(refusals, kOffer) == 2);
  CHECK(count_refusals(refusals, other) == 0);
}

}  // namespace gpubroker
