#include "cmd/context.hpp"

#include <algorithm>
#include <filesystem>

#include "cmd/agent_program.hpp"
#include "core/base/text.hpp"
#include "core/store/sqlite_journal.hpp"
#include "core/wire/digest.hpp"
#include "providers/registry.hpp"

namespace gpubroker {
namespace {

/// A path from the command line or the environment, made independent of where the supervisor will run.
std::string absolute(const std::string& path) {
  std::error_code failed;
  return std::filesystem::absolute(path, failed).lexically_normal().string();
}

/// The same for a scenario, whose names of no file stay as they are: "none" is this machine as it is.
std::string scenario_path(const std::string& name) {
  return name == "none" ? name : absolute(name);
}

Setting find_home(Processes& processes, const std::string& flag) {
  if (!flag.empty()) { return {.value = absolute(flag), .from = "--home"}; }
  if (const auto home = processes.env("GPUBROKER_HOME"); home && !home->empty()) {
    return {.value = absolute(*home), .from = "$GPUBROKER_HOME"};
  }
  if (const auto state = processes.env("XDG_STATE_HOME"); state && !state->empty()) {
    return {.value = *state + "/gpubroker", .from = "$XDG_STATE_HOME"};
  }
  return {.value = processes.env("HOME").value_or("/tmp") + "/.local/state/gpubroker", .from = "default"};
}

Setting find_scenario(Processes& processes, const std::string& flag) {
  if (!flag.empty()) { return {.value = scenario_path(flag), .from = "--scenario"}; }
  const std::string named = processes.env("GPUBROKER_SCENARIO").value_or("");
  if (!named.empty()) { return {.value = scenario_path(named), .from = "$GPUBROKER_SCENARIO"}; }
  return {.value = "", .from = "default: none"};
}

}  // namespace

Context::Context(const GlobalOptions& global)
    : home_setting(find_home(processes, global.home)),
      scenario_setting(find_scenario(processes, global.scenario)),
      home(home_setting.value),
      scenario(scenario_setting.value),
      terminal(look_at_terminal(processes, global.no_color)) {}

Result<Journal*> Context::journal() {
  if (!journal_) { TRY(journal_, open_journal(home + "/journal.db", OpenMode::read_write)); }
  return journal_.get();
}

Result<Journal*> Context::journal_to_read() {
  if (journal_) { return journal_.get(); }
  if (!journal_to_read_) { TRY(journal_to_read_, open_journal(home + "/journal.db", OpenMode::read_only)); }
  return journal_to_read_.get();
}

Result<Journal*> Context::journal_or_empty() {
  Result<Journal*> there = journal_to_read();
  if (there.ok() || there.error().kind != ErrorKind::not_found) { return there; }
  TRY(journal_to_read_, open_journal(":memory:", OpenMode::read_write));
  return journal_to_read_.get();
}

Result<std::map<std::string, Provider*>> Context::providers() {
  if (providers_.empty()) {
    TRY(const std::string binary, processes.self_path());
    TRY(Http* const http, network.patient_http());
    const CloudParts cloud{.clock = clock,
                           .random = random,
                           .files = files,
                           .processes = processes,
                           .http = *http,
                           .fan_out = fan_out,
                           .keys = keys(),
                           .channel = ssh()};
    for (const ProviderEntry& entry : all_providers()) {
      TRY(std::unique_ptr<Provider> made, entry.make({.clock = clock,
                                                      .random = random,
                                                      .files = files,
                                                      .processes = processes,
                                                      .cloud = &cloud,
                                                      .home = home,
                                                      .binary = binary,
                                                      .local_scenario = scenario}));
      if (made->has_account()) { providers_.push_back(std::move(made)); }
    }
  }
  std::map<std::string, Provider*> all;
  for (const std::unique_ptr<Provider>& provider : providers_) { all[provider->name()] = provider.get(); }
  return all;
}

KeyRing& Context::keys() {
  if (!keys_) { keys_ = std::make_unique<FileKeyRing>(files, processes, random, home + "/keys"); }
  return *keys_;
}

SshChannel& Context::ssh() {
  if (!ssh_) {
    // The folder holds sockets, whose paths may have 104 characters: a long home gets a short one.
    std::string folder = home + "/ssh";
    constexpr std::size_t kMostFolder = 60;
    if (folder.size() > kMostFolder) {
      folder = processes.env("XDG_RUNTIME_DIR").value_or("/tmp") + "/gpubroker-" +
               to_hex(sha256(home)).substr(0, 12);
    }
    ssh_ = std::make_unique<SshChannel>(processes, files,
                                        SshOptions{.folder = folder, .programs = agent_programs()});
  }
  return *ssh_;
}

const std::vector<std::unique_ptr<Cloud>>& Context::clouds() {
  if (clouds_.empty()) {
    for (const CloudEntry& entry : all_clouds()) { clouds_.push_back(entry.make(files, processes)); }
  }
  return clouds_;
}

Result<CatalogDb*> Context::catalog() {
  if (!catalog_) { TRY(catalog_, CatalogDb::open(home + "/catalog.db", OpenMode::read_write)); }
  return catalog_.get();
}

Result<CatalogDb*> Context::catalog_to_read() {
  if (!catalog_to_read_) {
    TRY(catalog_to_read_, CatalogDb::open(home + "/catalog.db", OpenMode::read_only));
  }
  return catalog_to_read_.get();
}

Result<OfferSource*> Context::offers() {
  if (!offers_) {
    TRY(const auto all, providers());
    std::vector<Provider*> live;
    BookingCatalog known{.cpus = agent_cpus(),
                         .open = [this] { return catalog_to_read(); },
                         .refresh = [this](const std::vector<std::string>& names) -> Status {
                           const auto ask = [this, names]() -> Status {
                             // The catalog is written by one at a time.
                             const std::lock_guard<std::mutex> hold(refresh_lock_);
                             return refresh_clouds(names, *this);
                           };
                           if (!refresh_later_) { return ask(); }
                           refresh_later_([ask] { static_cast<void>(ask()); });
                           return Ok{};
                         }};
    for (const auto& [name, provider] : all) {
      live.push_back(provider);
      const bool has_feeds =
          std::any_of(clouds().begin(), clouds().end(),
                      [&, known = name](const auto& cloud) { return cloud->name() == known; });
      if (has_feeds) { known.clouds.push_back(name); }
    }
    offers_ = std::make_unique<BookingOffers>(live, std::move(known), clock);
  }
  return offers_.get();
}

}  // namespace gpubroker
