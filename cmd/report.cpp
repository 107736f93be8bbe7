#include "core/report/report.hpp"

#include <iomanip>
#include <iostream>
#include <limits>

#include "cmd/commands.hpp"

namespace gpubroker {

Result<int> run_report(const ReportOptions& options, Context& context) {
  GroupBy by = GroupBy::workload;
  if (options.by == "owner") { by = GroupBy::owner; }
  if (options.by == "provider") { by = GroupBy::provider; }
  if (options.by == "day") { by = GroupBy::day; }
  Instant from = {};
  Instant to = context.clock.now() + std::chrono::hours{24};
  if (!options.from.empty()) { TRY(from, parse_utc(options.from)); }
  if (!options.to.empty()) { TRY(to, parse_utc(options.to)); }
  TRY(Journal* const journal, context.journal_to_read());
  TRY(const std::vector<ChargeRow> charges, journal->charges());
  TRY(const Report report, make_report(charges, by, from, to));
  if (options.format == "csv") {
    std::cout << report_csv(report);
  } else if (options.format == "json") {
    std::cout << report_json(report) << '\n';
  } else if (options.format == "ledger-csv") {
    std::cout << ledger_csv(charges);
  } else {
    for (const ReportRow& row : report.rows) {
      std::cout << std::left << std::setw(32) << row.group << std::setw(10)
                << format_duration(row.machine_time) << format_money(row.amount) << " USD\n";
    }
    std::cout << std::left << std::setw(42) << "total" << format_money(report.total) << " USD\n";
  }
  return 0;
}

}  // namespace gpubroker
