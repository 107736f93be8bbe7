#include <iostream>
#include <set>

#include "cmd/commands.hpp"
#include "cmd/status_text.hpp"
#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

constexpr int kExitDeclined = 130;
constexpr Millis kPause{500};
constexpr Millis kMostWait = std::chrono::minutes{10};

/// What nobody wants.
struct Unwanted {
  std::vector<FoundNode> machines = {};
  std::vector<FoundLeftover> leftovers = {};
  std::size_t machines_seen = 0;
  std::size_t leftovers_seen = 0;
};

Result<Unwanted> find_unwanted(Journal& journal, const std::map<std::string, Provider*>& providers) {
  TRY(std::vector<FoundNode> machines, discover(journal, providers));
  // Of what belongs to machines: those that stay.
  std::vector<FoundNode> staying = machines;
  std::erase_if(staying, [](const FoundNode& node) { return !node.wanted; });
  TRY(std::vector<FoundLeftover> leftovers, discover_leftovers(journal, providers, staying));
  Unwanted unwanted{.machines_seen = machines.size(), .leftovers_seen = leftovers.size()};
  std::erase_if(machines, [](const FoundNode& node) { return node.wanted; });
  std::erase_if(leftovers, [](const FoundLeftover& one) { return one.wanted; });
  unwanted.machines = std::move(machines);
  unwanted.leftovers = std::move(leftovers);
  return unwanted;
}

void show(const Unwanted& unwanted, const GcOptions& options, Context& context) {
  if (options.json) {
    std::cout << machines_json(unwanted.machines, unwanted.leftovers) << '\n';
    return;
  }
  const bool table = context.terminal.table;
  const auto print = [&](const Table& rows) {
    if (!rows.empty()) { std::cout << (table ? rows.aligned() : rows.tabbed()) << std::flush; }
  };
  print(machine_table(unwanted.machines, context.clock.now(), {.relative = table, .color = false}));
  print(leftover_table(unwanted.leftovers));
}

std::string count_text(const Unwanted& unwanted) {
  const auto count = [](std::size_t n, const std::string& what) {
    return std::to_string(n) + " " + what + (n == 1 ? "" : "s");
  };
  std::string text = count(unwanted.machines.size(), "machine");
  if (!unwanted.leftovers.empty()) { text += " and remove " + count(unwanted.leftovers.size(), "leftover"); }
  return text;
}

/// Until the cloud no longer shows them as alive: what they hold can be removed only then.
Status wait_until_gone(Provider& provider, const std::vector<NodeId>& nodes, Context& context) {
  const std::set<NodeId> ours(nodes.begin(), nodes.end());
  const Millis deadline = context.clock.monotonic() + kMostWait;
  while (true) {
    TRY(const std::vector<NodeView> listed, provider.provisioner().list());
    const bool alive = std::any_of(listed.begin(), listed.end(), [&](const NodeView& view) {
      return view.state != NodeState::ended && ours.count(view.id) != 0;
    });
    if (!alive) { return Ok{}; }
    if (was_interrupted() || context.clock.monotonic() >= deadline) {
      return Error{.kind = ErrorKind::network,
                   .message = provider.name() + " was asked to end its machines and still shows some",
                   .hint = "run `gpubroker gc` again in a while"};
    }
    context.clock.sleep_until(context.clock.now() + kPause);
  }
}

Status collect(const Unwanted& unwanted, const std::map<std::string, Provider*>& providers,
               Context& context) {
  std::map<std::string, std::vector<NodeId>> machines;
  for (const FoundNode& node : unwanted.machines) { machines[node.provider].push_back(node.view.id); }
  for (const auto& [name, nodes] : machines) {
    TRY([[maybe_unused]] const Ok ended, providers.at(name)->provisioner().terminate(nodes));
  }
  for (const auto& [name, nodes] : machines) {
    TRY([[maybe_unused]] const Ok gone, wait_until_gone(*providers.at(name), nodes, context));
  }
  std::map<std::string, std::vector<Leftover>> leftovers;
  for (const FoundLeftover& one : unwanted.leftovers) { leftovers[one.provider].push_back(one.leftover); }
  for (const auto& [name, all] : leftovers) {
    TRY([[maybe_unused]] const Ok removed, providers.at(name)->attachments()->remove(all));
  }
  return Ok{};
}

}  // namespace

Result<int> run_gc(const GcOptions& options, Context& context) {
  TRY(Journal* const journal, context.journal_or_empty());
  TRY(const auto providers, context.providers());
  TRY(const Unwanted unwanted, find_unwanted(*journal, providers));
  show(unwanted, options, context);
  if (unwanted.machines.empty() && unwanted.leftovers.empty()) {
    std::cerr << "nothing to collect: " << unwanted.machines_seen << " machines and "
              << unwanted.leftovers_seen << " leftovers, all wanted\n";
    return 0;
  }
  if (options.dry_run) {
    std::cerr << "would end " << count_text(unwanted) << '\n';
    return 0;
  }
  TRY(const bool agreed,
      agree(context.terminal, options.yes, "this ends machines", "End " + count_text(unwanted) + "?"));
  if (!agreed) { return kExitDeclined; }
  watch_interrupts(SecondSignal::leaves_at_once);
  TRY([[maybe_unused]] const Ok collected, collect(unwanted, providers, context));
  std::cerr << "ended " << count_text(unwanted) << ": the clouds say that they are gone\n";
  return 0;
}

}  // namespace gpubroker
