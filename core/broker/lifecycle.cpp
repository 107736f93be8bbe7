#include "core/broker/lifecycle.hpp"

#include <array>
#include <initializer_list>

namespace gpubroker {
namespace {

/// A bit for each phase.
using PhaseSet = std::uint32_t;

constexpr PhaseSet set_of(std::initializer_list<Phase> phases) {
  PhaseSet set = 0;
  for (const Phase phase : phases) { set |= PhaseSet{1} << static_cast<unsigned>(phase); }
  return set;
}

struct PhaseRow {
  Phase phase = Phase::queued;
  std::string_view name = {};
  PhaseSet next = 0;
};

constexpr std::array kTable = [] {
  using enum Phase;
  return std::array{
      PhaseRow{queued, "queued", set_of({provisioning, stopping, failed, cancelled, expired})},
      PhaseRow{provisioning, "provisioning",
               set_of({queued, starting, recovering, stopping, failed, cancelled, expired})},
      PhaseRow{starting, "starting",
               set_of({running, recovering, stopping, succeeded, failed, cancelled, expired})},
      PhaseRow{running, "running",
               set_of({migrating, recovering, stopping, succeeded, failed, cancelled, expired})},
      PhaseRow{migrating, "migrating",
               set_of({starting, running, recovering, stopping, succeeded, failed, cancelled, expired})},
      PhaseRow{recovering, "recovering",
               set_of({queued, provisioning, stopping, failed, cancelled, expired})},
      PhaseRow{stopping, "stopping", set_of({stopped, succeeded, failed, cancelled, expired})},
      PhaseRow{stopped, "stopped", set_of({queued, cancelled, expired})},
      PhaseRow{succeeded, "succeeded", set_of({})},
      PhaseRow{failed, "failed", set_of({})},
      PhaseRow{cancelled, "cancelled", set_of({})},
      PhaseRow{expired, "expired", set_of({})},
  };
}();

const PhaseRow& row_of(Phase phase) {
  return kTable.at(static_cast<std::size_t>(phase));
}

}  // namespace

std::string_view to_string(Phase phase) {
  return row_of(phase).name;
}

std::optional<Phase> phase_from(std::string_view name) {
  for (const PhaseRow& row : kTable) {
    if (row.name == name) { return row.phase; }
  }
  return std::nullopt;
}

bool may_step(Phase from, Phase to) {
  return (row_of(from).next & set_of({to})) != 0;
}

bool is_final(Phase phase) {
  return row_of(phase).next == 0;
}

}  // namespace gpubroker
