#include "providers/gcp/operations.hpp"

#include <array>
#include <utility>

#include "core/wire/answer_json.hpp"
#include "core/wire/cloud_answer.hpp"
#include "providers/gcp/scopes.hpp"

namespace gpubroker::gcp {
namespace {

constexpr std::string_view kTooFew = "VM_MIN_COUNT_NOT_REACHED";

// Sources: the error codes of the Compute Engine API reference, read 2026-11. A booking that failed is over:
// its request id gives the same failed operation again, so nothing here asks for the same call once more.
constexpr std::array kCodes = {
    CodeRow{"ZONE_RESOURCE_POOL_EXHAUSTED", ErrorKind::capacity, ErrorScope::zone},
    CodeRow{"ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS", ErrorKind::capacity, ErrorScope::zone},
    CodeRow{"REGION_RESOURCE_POOL_EXHAUSTED", ErrorKind::capacity, ErrorScope::region},
    CodeRow{"GPU_STOCKOUT", ErrorKind::capacity, ErrorScope::zone},
    CodeRow{"INSUFFICIENT_RESERVATION_CAPACITY", ErrorKind::capacity, ErrorScope::offer},
    CodeRow{kTooFew, ErrorKind::capacity, ErrorScope::zone},
    // What a spot machine says that is taken while it is made.
    CodeRow{"UNSUPPORTED_OPERATION", ErrorKind::capacity, ErrorScope::zone},
    CodeRow{"INTERNAL_ERROR", ErrorKind::capacity, ErrorScope::offer},
    CodeRow{"RESOURCE_OPERATION_RATE_EXCEEDED", ErrorKind::capacity, ErrorScope::offer},
    CodeRow{"RATE_LIMIT_EXCEEDED", ErrorKind::capacity, ErrorScope::offer},
    CodeRow{"QUOTA_EXCEEDED", ErrorKind::quota, ErrorScope::region},
    CodeRow{"RESOURCE_NOT_FOUND", ErrorKind::not_found, ErrorScope::request},
    CodeRow{"RESOURCE_ALREADY_EXISTS", ErrorKind::conflict, ErrorScope::request},
    CodeRow{"RESOURCE_NOT_READY", ErrorKind::conflict, ErrorScope::request},
    CodeRow{"RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", ErrorKind::conflict, ErrorScope::request},
    CodeRow{"CONDITION_NOT_MET", ErrorKind::invalid, ErrorScope::request},
    CodeRow{"INVALID_USAGE", ErrorKind::invalid, ErrorScope::request},
    CodeRow{"INVALID_FIELD_VALUE", ErrorKind::invalid, ErrorScope::request},
    CodeRow{"PERMISSIONS_ERROR", ErrorKind::auth, ErrorScope::account},
};

using Ending = std::pair<std::string_view, std::string_view>;
// deferredStop and deferredDelete are what comes when maxRunDuration or terminationTime is over.
constexpr std::array kEndings = {
    Ending{"delete", "terminated"},
    Ending{"stop", "terminated"},
    Ending{"compute.instances.preempted", "preempted"},
    Ending{"compute.instances.deferredDelete", "expired"},
    Ending{"compute.instances.deferredStop", "expired"},
    Ending{"compute.instances.hostError", "host failure"},
    Ending{"compute.instances.terminateOnHostMaintenance", "host failure"},
    Ending{"compute.instances.guestTerminate", "powered off"},
};

/// " [NVIDIA_H100 in us-central1: 8]": what the sentence of a quota error may leave out.
std::string quota_figures(const AnswerValue& quota) {
  std::string text = quota.text_or("limitName", quota.text_or("metricName"));
  if (const auto dimensions = quota.find("dimensions")) {
    for (const auto& [name, value] : dimensions->members()) {
      text += ", ";
      text += name;
      text += " " + value.text();
    }
  }
  if (const auto limit = quota.find("limit")) { text += ": " + std::to_string(limit->rounded()); }
  return " [" + text + "]";
}

void add_details(const AnswerValue& error, Error& out) {
  const auto details = error.find("errorDetails");
  if (!details) { return; }
  for (const AnswerValue& detail : details->list()) {
    if (const auto quota = detail.find("quotaInfo")) { out.message += quota_figures(*quota); }
  }
}

Error read_failure(const AnswerValue& error, const std::string& source) {
  Error out{.message = error.text_or("message", "the operation failed"),
            .source = source,
            .code = error.text_or("code")};
  add_details(error, out);
  judge_by_code(out, out.code, kCodes);
  if (out.kind == ErrorKind::quota) {
    // One quota counts the GPUs of all regions together.
    if (out.message.find("GPUS_ALL_REGIONS") != std::string::npos) { out.scope = ErrorScope::account; }
    out.hint = kQuotaHint;
  }
  return out;
}

void read_counts(const AnswerValue& metadata, Operation& operation) {
  const auto places = metadata.find("perLocationStatus");
  if (!places) { return; }
  for (const auto& [place, status] : places->members()) {
    const int created = status.whole_or<int>("createdVmCount", 0);
    operation.created += created;
    if (created > 0) { operation.made_in = name_in(place); }
  }
}

Operation read_operation(const AnswerValue& root) {
  Operation operation{.name = root.at("name").text(), .type = root.text_or("operationType")};
  operation.path = path_in_project(root.text_or("selfLink"));
  const std::string target = path_in_project(root.text_or("targetLink"));
  operation.target = name_in(target);
  operation.zone = part_after(target, "zones");
  operation.group = root.text_or("operationGroupId");
  operation.is_done = root.text_or("status") == "DONE";
  operation.began = read_time(root, "insertTime").value_or(Instant{});
  if (operation.is_done) { operation.ended = read_time(root, "endTime"); }
  if (const auto error = root.find("error")) {
    const std::vector<AnswerValue> errors = error->at("errors").list();
    const std::string source = "gcp " + operation.type;
    operation.failure = errors.empty() ? Error{.message = "the operation failed", .source = source}
                                       : read_failure(errors.front(), source);
  }
  if (const auto bulk = root.find("instancesBulkInsertOperationMetadata")) { read_counts(*bulk, operation); }
  return operation;
}

}  // namespace

Result<Operation> parse_operation(std::string_view body) {
  return read_answer(body, "gcp",
                     [](const AnswerValue& root) -> Result<Operation> { return read_operation(root); });
}

Result<std::string> parse_operations(std::string_view body, std::vector<Operation>& operations) {
  return read_answer(body, "gcp", [&](const AnswerValue& root) -> Result<std::string> {
    if (std::optional<Error> silent = find_silent_zone(root)) { return *std::move(silent); }
    for_each_item(root, "operations",
                  [&](const AnswerValue& item) { operations.push_back(read_operation(item)); });
    return root.text_or("nextPageToken");
  });
}

std::optional<std::string> end_reason_of(std::string_view operation_type) {
  for (const auto& [type, reason] : kEndings) {
    if (type == operation_type) { return std::string(reason); }
  }
  return std::nullopt;
}

Error bulk_failure(const Operation& bulk, const std::vector<Operation>& inserts) {
  const bool is_exact = bulk.failure && bulk.failure->code != kTooFew;
  if (is_exact) { return *bulk.failure; }
  for (const Operation& insert : inserts) {
    if (insert.failure && insert.failure->code != kTooFew) { return *insert.failure; }
  }
  if (bulk.failure) { return *bulk.failure; }
  return Error{.kind = ErrorKind::capacity,
               .message = "the machines were not made, and nobody says why",
               .source = "gcp bulkInsert",
               .code = std::string(kTooFew),
               .scope = ErrorScope::zone};
}

}  // namespace gpubroker::gcp
