#include "catalog/refresh.hpp"

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
      take_in(i, harvest.value());
    } else {
      fail(i, harvest.error(), /*of_catalog=*/false);
    }
    outcomes_[i].took = world_.clock.monotonic() - begun;
    tell();
  }

  Result<std::vector<FeedOutcome>> finish() {
    if (catalog_error_) { return *catalog_error_; }
    TRY([[maybe_unused]] const Ok tidied, tidy(world_.db, world_.clock.now() - options_.keep_history));
    return std::move(outcomes_);
  }

 private:
  void take_in(std::size_t i, const Harvest& harvest) {
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
