#pragma once
// Compute Engine's long-running operations. Every change is one, a failure is one that is DONE with an error,
// and of a machine that was deleted its operations are all that is left. Sources: compute.proto and
// operations lists of others, read 2026-11.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/time.hpp"

namespace gpubroker::gcp {

struct Operation {
  std::string name = {};
  std::string type = {};    // "insert", "delete", "bulkInsert", "compute.instances.preempted"
  std::string path = {};    // below the project: "zones/us-central1-a/operations/operation-1"
  std::string zone = {};    // of the target, if it is an instance
  std::string target = {};  // its last name
  std::string group = {};   // of a bulkInsert and the inserts it makes
  bool is_done = false;
  Instant began = {};
  std::optional<Instant> ended = {};  // set when it is done
  std::optional<Error> failure = {};  // kind, scope and code of the first error
  int created = 0;                    // bulkInsert: machines there are at its end
  std::string made_in = {};           // and their zone
};

Result<Operation> parse_operation(std::string_view body);
/// One page of a list, or of an aggregated list; gives the next page's token. `network` when a zone did not
/// answer.
Result<std::string> parse_operations(std::string_view body, std::vector<Operation>& operations);

/// How a machine ended, by the type of the operation that ended it: "preempted", "expired", "host failure",
/// "powered off", "terminated". Nothing: it did not.
std::optional<std::string> end_reason_of(std::string_view operation_type);

/// The most exact of why a bulkInsert failed: its inserts say more than that the least number was not
/// reached.
Error bulk_failure(const Operation& bulk, const std::vector<Operation>& inserts);

}  // namespace gpubroker::gcp
