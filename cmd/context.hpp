#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "catalog/live_offers.hpp"
#include "core/base/result.hpp"
#include "core/ports/journal.hpp"
#include "core/ports/provider.hpp"
#include "core/system/clock.hpp"
#include "core/system/files.hpp"
#include "core/system/process.hpp"
#include "core/system/random.hpp"

namespace gpubroker {

/// The world of one command, made once in main. What a command does not ask for is not opened.
class Context {
 public:
  Context();

  SystemClock clock;
  SystemRandom random;
  PosixFiles files;
  PosixProcesses processes;
  std::string home;      // $GPUBROKER_HOME, else $XDG_STATE_HOME/gpubroker, else ~/.local/state/gpubroker
  std::string scenario;  // of the local provider: --scenario or $GPUBROKER_SCENARIO

  /// Opened at the first call.
  Result<Journal*> journal();
  Result<Journal*> journal_to_read();
  Result<std::map<std::string, Provider*>> providers();
  Result<OfferSource*> offers();

 private:
  std::unique_ptr<Journal> journal_;
  std::vector<std::unique_ptr<Provider>> providers_;
  std::unique_ptr<LiveOffers> offers_;
};

/// Prints an error on standard error as every command does; returns its exit code.
int show_error(const Error& error);

}  // namespace gpubroker
