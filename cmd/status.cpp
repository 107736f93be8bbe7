#include <iomanip>
#include <iostream>

#include "cmd/commands.hpp"
#include "core/broker/broker.hpp"
#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

void show_table(const std::vector<WorkloadRow>& rows, Instant now) {
  std::cout << std::left << std::setw(28) << "WORKLOAD" << std::setw(14) << "PHASE" << std::setw(9)
            << "ATTEMPTS" << std::setw(7) << "NODES" << std::setw(8) << "STEP" << std::setw(12) << "COST"
            << std::setw(8) << "AGE"
            << "PLACE\n";
  for (const WorkloadRow& row : rows) {
    std::cout << std::setw(28) << row.id.value << std::setw(14) << row.phase << std::setw(9) << row.attempts
              << std::setw(7) << row.nodes << std::setw(8) << (row.step < 0 ? "-" : std::to_string(row.step))
              << std::setw(12) << format_money(row.settled) << std::setw(8)
              << format_duration(now - row.created_at) << row.place << '\n';
  }
}

}  // namespace

Result<int> run_status(const StatusOptions& options, Context& context) {
  Result<Journal*> journal = context.journal_to_read();
  if (!journal.ok() && journal.error().kind == ErrorKind::not_found && options.name.empty()) {
    if (options.json) { std::cout << R"({"schema":1,"workloads":[]})" << '\n'; }
    std::cerr << "no workloads yet\n";
    return 0;
  }
  if (!journal.ok()) { return journal.error(); }
  const Instant now = context.clock.now();
  if (!options.name.empty()) {
    TRY(const WorkloadState state, load_state(*journal.value(), options.name));
    std::cout << Json::parse(state_json(state, now)).dump(options.json ? -1 : 2) << '\n';
    return 0;
  }
  TRY(const std::vector<WorkloadRow> rows, journal.value()->workloads(/*only_live=*/false));
  if (!options.json) {
    show_table(rows, now);
    return 0;
  }
  Json json = {{"schema", 1}, {"workloads", Json::array()}};
  for (const WorkloadRow& row : rows) {
    json["workloads"].push_back({{"id", row.id.value},
                                 {"name", row.name},
                                 {"phase", row.phase},
                                 {"live", row.live},
                                 {"attempts", row.attempts},
                                 {"nodes", row.nodes},
                                 {"place", row.place},
                                 {"step", row.step < 0 ? Json(nullptr) : Json(row.step)},
                                 {"settled_usd", format_money(row.settled)},
                                 {"created_at", format_utc(row.created_at)}});
  }
  std::cout << json.dump() << '\n';
  return 0;
}

}  // namespace gpubroker
