#include "core/broker/lifecycle.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <vector>

namespace gpubroker {
namespace {

struct PhaseRow {
  Phase phase;
  std::string_view name;
  std::vector<Phase> next;
};

const std::vector<PhaseRow>& table() {
  using enum Phase;
  static const std::vector<PhaseRow> kTable = {
      {queued, "queued", {provisioning, stopping, failed, cancelled, expired}},
      {provisioning, "provisioning", {queued, starting, recovering, stopping, failed, cancelled, expired}},
      {starting, "starting", {running, recovering, stopping, succeeded, failed, cancelled, expired}},
      {running, "running", {migrating, recovering, stopping, succeeded, failed, cancelled, expired}},
      {migrating,
       "migrating",
       {starting, running, recovering, stopping, succeeded, failed, cancelled, expired}},
      {recovering, "recovering", {queued, provisioning, stopping, failed, cancelled, expired}},
      {stopping, "stopping", {stopped, succeeded, failed, cancelled, expired}},
      {stopped, "stopped", {queued, cancelled, expired}},
      {succeeded, "succeeded", {}},
      {failed, "failed", {}},
      {cancelled, "cancelled", {}},
      {expired, "expired", {}},
  };
  return kTable;
}

}  // namespace

std::string_view to_string(Phase phase) {
  return table()[static_cast<std::size_t>(phase)].name;
}

std::optional<Phase> phase_from(std::string_view name) {
  for (const PhaseRow& row : table()) {
    if (row.name == name) { return row.phase; }
  }
  return std::nullopt;
}

bool may_step(Phase from, Phase to) {
  const std::vector<Phase>& next = table()[static_cast<std::size_t>(from)].next;
  return std::find(next.begin(), next.end(), to) != next.end();
}

bool is_final(Phase phase) {
  return table()[static_cast<std::size_t>(phase)].next.empty();
}

}  // namespace gpubroker
