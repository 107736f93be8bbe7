#pragma once
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "core/ports/journal.hpp"

namespace gpubroker {

enum class GroupBy { workload, owner, provider, day };

struct ReportRow {
  std::string group = {};
  Millis machine_time{0};  // billed
  Money amount = {};
  int attempts = 0;  // distinct (workload, attempt)
  int machines = 0;  // distinct
};

struct Report {
  Instant from = {};
  Instant to = {};
  std::vector<ReportRow> rows = {};  // by group
  Money total = {};                  // of the rows; equals the sum of the charges that begin in [from, to)
};

/// Groups charges whose beginning lies in [from, to). Days are UTC days of the charge's beginning: a charge
/// is never split, so that every grouping has the same total. Fails with `internal` on overflow.
Result<Report> make_report(const std::vector<ChargeRow>& charges, GroupBy by, Instant from, Instant to);

/// RFC 4180, with a header line: group,machine_seconds,machines,attempts,amount_usd.
std::string report_csv(const Report& report);
/// {"schema":1,"from":…,"to":…,"rows":[…],"total_usd":"…"}
std::string report_json(const Report& report);
/// All charges, one a line: the ledger itself.
std::string ledger_csv(const std::vector<ChargeRow>& charges);

}  // namespace gpubroker
