#include <iostream>

#include "cmd/commands.hpp"
#include "cmd/status_text.hpp"

namespace gpubroker {
namespace {

constexpr int kExitDeclined = 130;

void show(const std::vector<FoundNode>& unwanted, const GcOptions& options, Context& context) {
  if (options.json) {
    std::cout << machines_json(unwanted) << '\n';
    return;
  }
  const bool table = context.terminal.table;
  const Table rows = machine_table(unwanted, context.clock.now(), {.relative = table, .color = false});
  if (!unwanted.empty()) { std::cout << (table ? rows.aligned() : rows.tabbed()) << std::flush; }
}

}  // namespace

Result<int> run_gc(const GcOptions& options, Context& context) {
  TRY(Journal* const journal, context.journal_or_empty());
  TRY(const auto providers, context.providers());
  TRY(const std::vector<FoundNode> found, discover(*journal, providers));
  std::vector<FoundNode> unwanted;
  std::map<std::string, std::vector<NodeId>> ids;
  for (const FoundNode& node : found) {
    if (node.wanted) { continue; }
    unwanted.push_back(node);
    ids[node.provider].push_back(node.view.id);
  }
  show(unwanted, options, context);
  if (unwanted.empty()) {
    std::cerr << "nothing to collect: " << found.size() << " machines, all wanted\n";
    return 0;
  }
  const std::string count =
      std::to_string(unwanted.size()) + (unwanted.size() == 1 ? " machine" : " machines");
  if (options.dry_run) {
    std::cerr << "would end " << count << '\n';
    return 0;
  }
  TRY(const bool agreed, agree(context.terminal, options.yes, "this ends machines", "End " + count + "?"));
  if (!agreed) { return kExitDeclined; }
  for (const auto& [provider, nodes] : ids) {
    TRY([[maybe_unused]] const Ok ended, providers.at(provider)->provisioner().terminate(nodes));
  }
  std::cerr << "ended " << count << '\n';
  return 0;
}

}  // namespace gpubroker
