#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "catalog/ingest.hpp"
#include "core/ports/clock.hpp"
#include "core/ports/price_feed.hpp"

namespace gpubroker {

/// The network of one visit to a feed: held to its time, and counted.
class Visit {
 public:
  virtual ~Visit() = default;
  virtual Http& http() = 0;
  [[nodiscard]] virtual std::int64_t requests() const = 0;
  [[nodiscard]] virtual std::int64_t bytes() const = 0;
};

enum class FeedState : std::uint8_t {
  waiting,
  running,
  refreshed,
  unchanged,       // the server says that it is all as it was
  partial,         // some regions could not be asked
  no_credentials,  // nothing was asked
  failed,
};
std::string_view to_string(FeedState state);

/// How it stands with one feed.
struct FeedOutcome {
  std::string feed = {};
  FeedState state = FeedState::waiting;
  IngestReport report = {};
  std::optional<Error> error = {};
  Millis took{0};
  std::int64_t requests = 0;
  std::int64_t bytes = 0;
};

struct RefreshOptions {
  Millis per_feed = std::chrono::minutes{10};  // the public price list of one cloud has gigabytes
  Millis total = std::chrono::minutes{15};
  Millis keep_history = std::chrono::hours{24 * 400};
  IngestOptions ingest = {};
};

/// What refresh() needs of the world.
struct RefreshWorld {
  CatalogDb& db;
  Clock& clock;
  FanOut& fan_out;
  /// Makes the network of one visit; `deadline` is of clock.monotonic().
  std::function<std::unique_ptr<Visit>(Millis deadline)> visit;
  /// Told of each step, with all feeds, from any thread, one at a time; may be empty.
  std::function<void(const std::vector<FeedOutcome>&)> progress = {};
};

/// Asks all feeds at once and takes in what each brings as soon as it has it, in a transaction of its own: a
/// slow or failing one holds back and empties no other. The outcomes are in the order of the feeds. Fails
/// only when the catalog itself cannot be written.
Result<std::vector<FeedOutcome>> refresh(const RefreshWorld& world, const std::vector<PriceFeed*>& feeds,
                                         const RefreshOptions& options);

}  // namespace gpubroker
