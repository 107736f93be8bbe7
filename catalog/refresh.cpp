#include "catalog/refresh.hpp"

#include <algorithm>
#include <map>
#include <mutex>

namespace gpubroker {
namespace {

/// Everything that the visits share: the catalog has one writer, so they take turns at it.
class Round {
 public:
  Round(const RefreshWorld& world, const std::vector<PriceFeed*>& feeds, const RefreshOptions& options)
      : world_(world),
        feeds_(feeds),
        options_(options),
        outcomes_(feeds.size()),
        began_(world.clock.monotonic()) {
    for (std::size_t i = 0; i < feeds.size(); ++i) { outcomes_[i].feed = feeds[i]->name(); }
  }

  void visit(std::size_t i) {
    Validators validators;
    {
      const std::lock_guard<std::mutex> hold(mutex_);
      outcomes_[i].state = FeedState::running;
      Result<Validators> kept = read_validators(world_.db, outcomes_[i].feed);
      if (!kept.ok()) { return fail(i, kept.error(), /*of_catalog=*/true); }
      validators = std::move(kept).value();
      tell();
    }
    const Millis begun = world_.clock.monotonic();
    const Millis deadline = std::min(begun + options_.per_feed, began_ + options_.total);
    const std::unique_ptr<Visit> visit = world_.visit(deadline);
    Result<Harvest> harvest = feeds_[i]->fetch(
        {.http = visit->http(), .fan_out = world_.fan_out, .clock = world_.clock, .validators = validators});
    const std::lock_guard<std::mutex> hold(mutex_);
    outcomes_[i].requests = visit->requests();
    outcomes_[i].bytes = visit->bytes();
    if (harvest.ok()) {
      take_in(i, std::move(harvest).value());
    } else {
      fail(i, harvest.error(), /*of_catalog=*/false);
    }
    outcomes_[i].took = world_.clock.monotonic() - begun;
    tell();
  }

  Result<std::vector<FeedOutcome>> finish() {
    if (catalog_error_) { return *catalog_error_; }
    TRY([[maybe_unused]] const Ok judged, judge_spot_again());
    TRY([[maybe_unused]] const Ok tidied, tidy(world_.db, world_.clock.now() - options_.keep_history));
    return std::move(outcomes_);
  }

 private:
  /// Spot prices that were taken in, and how many harvests came before.
  struct Spot {
    std::size_t feed = 0;
    std::size_t turn = 0;
    Harvest harvest = {};
  };

  void take_in(std::size_t i, Harvest harvest) {
    FeedOutcome& outcome = outcomes_[i];
    Result<IngestReport> report =
        ingest(world_.db, outcome.feed, harvest, world_.clock.now(), options_.ingest);
    if (!report.ok()) {
      outcome.state = FeedState::failed;
      outcome.error = report.error();
      if (report.error().code != "lost_rows" && !catalog_error_) { catalog_error_ = report.error(); }
      return;
    }
    outcome.report = std::move(report).value();
    outcome.state = !harvest.failed.empty() ? FeedState::partial
                    : harvest.all_unchanged ? FeedState::unchanged
                                            : FeedState::refreshed;
    if (!harvest.failed.empty()) { outcome.error = harvest.failed.front().second; }
    ++turn_;
    if (tells(harvest, Market::on_demand)) { listed_at_[cloud_of(outcome.feed)] = turn_; }
    if (tells(harvest, Market::spot)) { spots_.push_back({i, turn_, std::move(harvest)}); }
  }

  static bool tells(const Harvest& harvest, Market market) {
    return std::any_of(harvest.listings.begin(), harvest.listings.end(),
                       [market](const Listing& listing) { return listing.offer.key.market == market; });
  }

  /// Spot that came before the cloud's price list had nothing to be held against when it was taken in.
  Status judge_spot_again() {
    for (const Spot& spot : spots_) {
      FeedOutcome& outcome = outcomes_[spot.feed];
      const auto listed = listed_at_.find(cloud_of(outcome.feed));
      if (listed == listed_at_.end() || listed->second <= spot.turn) { continue; }
      IngestReport& first = outcome.report;
      IngestOptions options = options_.ingest;
      // All that it told was new: then whatever the gate now keeps back is no loss.
      options.accept_loss = options.accept_loss || first.same + first.changed + first.gone == 0;
      Result<IngestReport> again = ingest(world_.db, outcome.feed, spot.harvest, world_.clock.now(), options);
      if (!again.ok()) {
        if (again.error().code != "lost_rows") { return again.error(); }
        outcome.state = FeedState::failed;
        outcome.error = again.error();
        continue;
      }
      // What is gone again was among the new ones.
      first.fresh = std::max<std::int64_t>(first.fresh - again.value().gone, 0);
      first.quarantined = again.value().quarantined;
      first.quarantined_by_rule = std::move(again.value().quarantined_by_rule);
      first.remarks = std::move(again.value().remarks);
    }
    return Ok{};
  }

  void fail(std::size_t i, const Error& error, bool of_catalog) {
    FeedOutcome& outcome = outcomes_[i];
    outcome.state = error.code == "no_credentials" ? FeedState::no_credentials : FeedState::failed;
    outcome.error = error;
    if (of_catalog && !catalog_error_) { catalog_error_ = error; }
    const Status noted = record_failure(world_.db, outcome.feed, error, world_.clock.now());
    if (!noted.ok() && !catalog_error_) { catalog_error_ = noted.error(); }
  }

  void tell() {
    if (world_.progress) { world_.progress(outcomes_); }
  }

  const RefreshWorld& world_;
  const std::vector<PriceFeed*>& feeds_;
  const RefreshOptions& options_;
  std::mutex mutex_ = {};  // the catalog and what follows
  std::vector<FeedOutcome> outcomes_;
  std::optional<Error> catalog_error_ = {};
  std::size_t turn_ = 0;                               // harvests taken in
  std::map<std::string, std::size_t> listed_at_ = {};  // by cloud: the turn of its last on-demand prices
  std::vector<Spot> spots_ = {};
  Millis began_;
};

}  // namespace

std::string_view to_string(FeedState state) {
  switch (state) {
    case FeedState::waiting:
      return "waiting";
    case FeedState::running:
      return "running";
    case FeedState::refreshed:
      return "refreshed";
    case FeedState::unchanged:
      return "unchanged";
    case FeedState::partial:
      return "partial";
    case FeedState::no_credentials:
      return "no_credentials";
    case FeedState::failed:
      return "failed";
  }
  return "";
}

Result<std::vector<FeedOutcome>> refresh(const RefreshWorld& world, const std::vector<PriceFeed*>& feeds,
                                         const RefreshOptions& options) {
  Round round(world, feeds, options);
  world.fan_out.run(feeds.size(), feeds.size(), [&](std::size_t i) { round.visit(i); });
  return round.finish();
}

}  // namespace gpubroker
