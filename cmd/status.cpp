#include <iostream>

#include "cmd/commands.hpp"
#include "cmd/status_text.hpp"
#include "core/broker/broker.hpp"
#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

Look look_of(const Context& context) {
  return {.relative = context.terminal.table, .color = context.terminal.color};
}

void show(const Table& table, const Context& context, std::size_t state_column) {
  const Table::Paint paint = [&](std::size_t column, const std::string& cell, std::string padded) {
    return context.terminal.color && column == state_column ? paint_state(cell, std::move(padded)) : padded;
  };
  std::cout << (context.terminal.table ? table.aligned("", paint) : table.tabbed());
}

std::string rows_json(const std::vector<WorkloadRow>& rows) {
  Json json = {{"schema", 1}, {"workloads", Json::array()}};
  for (const WorkloadRow& row : rows) {
    json["workloads"].push_back({{"id", row.id.value},
                                 {"name", row.name},
                                 {"phase", row.phase},
                                 {"live", row.live},
                                 {"attempts", row.attempts},
                                 {"nodes", row.nodes},
                                 {"place", row.place.empty() ? Json(nullptr) : Json(row.place)},
                                 {"step", row.step < 0 ? Json(nullptr) : Json(row.step)},
                                 {"settled_usd", format_money(row.settled)},
                                 {"created_at", format_utc(row.created_at)}});
  }
  return dump_json(json);
}

Result<int> show_machines(const StatusOptions& options, Context& context) {
  TRY(Journal* const journal, context.journal_or_empty());
  TRY(const auto providers, context.providers());
  TRY(std::vector<FoundNode> found, discover(*journal, providers));
  TRY(const std::vector<FoundLeftover> leftovers, discover_leftovers(*journal, providers, found));
  if (options.json) {
    std::cout << machines_json(found, leftovers) << '\n';
    return 0;
  }
  if (found.empty()) { std::cerr << "no machines of ours at " << providers.size() << " provider(s)\n"; }
  constexpr std::size_t kStateColumn = 2;
  if (!found.empty()) {
    show(machine_table(found, context.clock.now(), look_of(context)), context, kStateColumn);
  }
  if (!leftovers.empty()) { show(leftover_table(leftovers), context, kStateColumn); }
  return 0;
}

Result<int> show_one(const StatusOptions& options, Journal& journal, Context& context) {
  const Instant now = context.clock.now();
  TRY(const WorkloadState state, load_state(journal, options.name));
  std::cout << (options.json ? state_json(state, now) + "\n"
                             : workload_text(state, now, options.attempts, look_of(context)));
  return 0;
}

Result<int> show_all(const StatusOptions& options, Journal& journal, Context& context) {
  TRY(const std::vector<WorkloadRow> rows, journal.workloads(/*only_live=*/false));
  if (options.json) {
    std::cout << rows_json(rows) << '\n';
    return 0;
  }
  if (rows.empty()) {
    std::cerr << "no workloads yet\n";
    return 0;
  }
  constexpr std::size_t kPhaseColumn = 1;
  show(workload_table(rows, context.clock.now(), look_of(context)), context, kPhaseColumn);
  return 0;
}

}  // namespace

Result<int> run_status(const StatusOptions& options, Context& context) {
  if (options.discover) { return show_machines(options, context); }
  if (options.attempts && options.name.empty()) {
    return Error{.kind = ErrorKind::invalid,
                 .message = "--attempts needs a workload",
                 .hint = "`gpubroker status` lists them",
                 .code = "usage"};
  }
  Result<Journal*> journal = context.journal_to_read();
  if (!journal.ok() && journal.error().kind == ErrorKind::not_found) {  // nothing was ever launched
    if (!options.name.empty()) {
      return Error{.kind = ErrorKind::not_found,
                   .message = "no workload is called " + options.name,
                   .hint = journal.error().message};
    }
    if (options.json) { std::cout << rows_json({}) << '\n'; }
    std::cerr << "no workloads yet\n";
    return 0;
  }
  if (!journal.ok()) { return journal.error(); }
  return options.name.empty() ? show_all(options, *journal.value(), context)
                              : show_one(options, *journal.value(), context);
}

}  // namespace gpubroker
