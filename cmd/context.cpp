#include "cmd/context.hpp"

#include <iostream>

#include "core/store/sqlite_journal.hpp"
#include "providers/registry.hpp"

namespace gpubroker {
namespace {

std::string find_home(Processes& processes) {
  if (const auto home = processes.env("GPUBROKER_HOME"); home && !home->empty()) { return *home; }
  if (const auto state = processes.env("XDG_STATE_HOME"); state && !state->empty()) {
    return *state + "/gpubroker";
  }
  return processes.env("HOME").value_or("/tmp") + "/.local/state/gpubroker";
}

}  // namespace

Context::Context() : home(find_home(processes)), scenario(processes.env("GPUBROKER_SCENARIO").value_or("")) {}

Result<Journal*> Context::journal() {
  if (!journal_) { TRY(journal_, open_journal(home + "/journal.db", OpenMode::read_write)); }
  return journal_.get();
}

Result<Journal*> Context::journal_to_read() {
  if (!journal_) { TRY(journal_, open_journal(home + "/journal.db", OpenMode::read_only)); }
  return journal_.get();
}

Result<std::map<std::string, Provider*>> Context::providers() {
  if (providers_.empty()) {
    TRY(const std::string binary, processes.self_path());
    for (const ProviderEntry& entry : all_providers()) {
      TRY(std::unique_ptr<Provider> made, entry.make({.clock = clock,
                                                      .random = random,
                                                      .files = files,
                                                      .processes = processes,
                                                      .home = home,
                                                      .binary = binary,
                                                      .local_scenario = scenario}));
      providers_.push_back(std::move(made));
    }
  }
  std::map<std::string, Provider*> all;
  for (const std::unique_ptr<Provider>& provider : providers_) { all[provider->name()] = provider.get(); }
  return all;
}

Result<OfferSource*> Context::offers() {
  if (!offers_) {
    TRY(const auto all, providers());
    std::vector<Provider*> list;
    for (const auto& [name, provider] : all) { list.push_back(provider); }
    offers_ = std::make_unique<LiveOffers>(list);
  }
  return offers_.get();
}

int show_error(const Error& error) {
  std::cerr << "error: " << (error.source.empty() ? "" : error.source + ": ") << error.message;
  if (!error.code.empty()) { std::cerr << " [" << error.code << "]"; }
  std::cerr << '\n';
  if (!error.hint.empty()) { std::cerr << "hint: " << error.hint << '\n'; }
  return exit_code(error.kind);
}

}  // namespace gpubroker
