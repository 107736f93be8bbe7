#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "catalog/booking_offers.hpp"
#include "catalog/catalog_db.hpp"
#include "cmd/agent/network.hpp"
#include "cmd/terminal.hpp"
#include "core/base/result.hpp"
#include "core/net/fan_out.hpp"
#include "core/net/key_ring.hpp"
#include "core/net/ssh_channel.hpp"
#include "core/ports/cloud.hpp"
#include "core/ports/journal.hpp"
#include "core/ports/provider.hpp"
#include "core/system/clock.hpp"
#include "core/system/files.hpp"
#include "core/system/process.hpp"
#include "core/system/random.hpp"

namespace gpubroker {

/// Options that every command takes.
struct GlobalOptions {
  std::string home = {};
  std::string scenario = {};
  bool no_color = false;
  bool verbose = false;
};

/// A setting and which of flag, environment and default won.
struct Setting {
  std::string value = {};
  std::string from = {};  // "--home", "$GPUBROKER_HOME", "default"
};

/// The world of one command, made once in main. What a command does not ask for is not opened.
class Context;
/// Asks the price sources of these clouds and takes in what they tell (cmd/refresh.cpp).
Status refresh_clouds(const std::vector<std::string>& clouds, Context& context);

class Context {
 public:
  explicit Context(const GlobalOptions& global);

  SystemClock clock;
  SystemRandom random;
  PosixFiles files;
  PosixProcesses processes;
  ThreadFanOut fan_out;
  Network network{clock, random, processes};
  Setting home_setting;      // --home, $GPUBROKER_HOME, $XDG_STATE_HOME/gpubroker, ~/.local/state/gpubroker
  Setting scenario_setting;  // of the local provider: --scenario or $GPUBROKER_SCENARIO
  std::string home;
  std::string scenario;
  Terminal terminal;

  /// Opened at the first call.
  Result<Journal*> journal();
  Result<Journal*> journal_to_read();
  /// For looking at clouds from an empty laptop: the journal, or an empty one in memory when there is none.
  Result<Journal*> journal_or_empty();
  /// Where machines can be booked: this machine, and the clouds that a credential lies here for.
  Result<std::map<std::string, Provider*>> providers();
  /// What can be booked there. Prices that are too old are asked for first, or, after refresh_aside, beside.
  Result<OfferSource*> offers();
  /// From now on stale prices are used while new ones are fetched by `later`.
  void refresh_aside(std::function<void(std::function<void()>)> later) { refresh_later_ = std::move(later); }
  SshChannel& ssh();
  KeyRing& keys();
  /// All clouds whose prices are asked.
  const std::vector<std::unique_ptr<Cloud>>& clouds();
  Result<CatalogDb*> catalog();
  /// `not_found` while nothing was ever refreshed.
  Result<CatalogDb*> catalog_to_read();

 private:
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<Journal> journal_to_read_;
  std::unique_ptr<FileKeyRing> keys_;
  std::unique_ptr<SshChannel> ssh_;
  std::vector<std::unique_ptr<Provider>> providers_;
  std::unique_ptr<BookingOffers> offers_;
  std::function<void(std::function<void()>)> refresh_later_;
  std::vector<std::unique_ptr<Cloud>> clouds_;
  std::mutex refresh_lock_;  // of writing the catalog
  std::unique_ptr<CatalogDb> catalog_;
  std::unique_ptr<CatalogDb> catalog_to_read_;
};

}  // namespace gpubroker
