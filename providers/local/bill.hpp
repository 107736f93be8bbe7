#pragma once
#include <string>
#include <vector>

#include "core/base/ids.hpp"
#include "core/base/money.hpp"
#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "core/ports/files.hpp"
#include "providers/local/records.hpp"

namespace gpubroker::local {

/// One piece of one machine's life, at one price.
struct BillLine {
  NodeId node = {};
  WorkloadId workload = {};
  Instant from = {};
  Instant to = {};
  Rate rate = {};
  Money amount = {};
  bool operator==(const BillLine&) const = default;
};

/// The cloud's own bill for all machines that have ended, by the cloud's own arithmetic: nothing of core/base
/// computes here, so that a ledger equal to it was computed right twice. The rule:
///   - a machine is billed when it was ever running: for the life [ready_at, ended_at);
///   - the life's length is rounded up to the billing unit, and up to the minimum if that is longer: the
///   billed end may
///     lie after ended_at;
///   - it is cut at each change of price that lies inside;
///   - each piece costs rate x milliseconds / 3,600,000, rounded to the nearest micro-dollar, halves up.
std::vector<BillLine> make_bill(const CloudRecord& record);

/// make_bill from the records in `folder` (<home>/local). Takes no lock: the file is always whole. An empty
/// bill when there is no cloud yet. A machine counts from the moment the cloud has noticed its end: after a
/// list() at the latest.
Result<std::vector<BillLine>> local_bill(Files& files, const std::string& folder);

}  // namespace gpubroker::local
