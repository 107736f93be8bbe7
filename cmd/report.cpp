#include "core/report/report.hpp"

#include <iostream>

#include "cmd/commands.hpp"
#include "cmd/table.hpp"

namespace gpubroker {
namespace {

GroupBy group_by(const std::string& name) {
  if (name == "owner") { return GroupBy::owner; }
  if (name == "provider") { return GroupBy::provider; }
  return name == "day" ? GroupBy::day : GroupBy::workload;
}

Result<Instant> read_moment(const std::string& flag, const std::string& text, Instant otherwise) {
  if (text.empty()) { return otherwise; }
  Result<Instant> at = parse_utc(text);
  if (at.ok()) { return at; }
  Error error = at.error();
  error.source = flag;
  return error;
}

Table report_table(const Report& report, const std::string& by) {
  Table table({by == "workload" ? "WORKLOAD"
               : by == "owner"  ? "OWNER"
               : by == "day"    ? "DAY"
                                : "PROVIDER",
               "MACHINE TIME", "MACHINES", "ATTEMPTS", "USD"});
  for (const ReportRow& row : report.rows) {
    table.add({row.group.empty() ? "-" : row.group, format_duration(row.machine_time),
               std::to_string(row.machines), std::to_string(row.attempts), format_money(row.amount)});
  }
  return table;
}

}  // namespace

Result<int> run_report(const ReportOptions& options, Context& context) {
  TRY(const Instant from, read_moment("--from", options.from, {}));
  TRY(const Instant to, read_moment("--to", options.to, context.clock.now() + std::chrono::hours{24}));
  std::vector<ChargeRow> charges;
  const Result<Journal*> journal = context.journal_to_read();
  if (journal.ok()) {
    TRY(charges, journal.value()->charges());
  } else if (journal.error().kind != ErrorKind::not_found) {  // nothing launched is nothing spent
    return journal.error();
  }
  TRY(const Report report, make_report(charges, group_by(options.by), from, to));
  if (options.json || options.format == "json") {
    std::cout << report_json(report) << '\n';
  } else if (options.format == "csv") {
    std::cout << report_csv(report);
  } else if (options.format == "ledger-csv") {
    std::cout << ledger_csv(charges);
  } else if (!context.terminal.table) {
    std::cout << report_table(report, options.by).tabbed();
  } else {
    std::cout << report_table(report, options.by).aligned() << "total: " << format_money(report.total)
              << " USD\n";
  }
  return 0;
}

}  // namespace gpubroker
