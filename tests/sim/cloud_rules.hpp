#pragma once
// What the clouds do differently, as data: one row per cloud. The simulation reads them; nothing here is code
// of a cloud.
#include <optional>
#include <string>
#include <vector>

#include "core/base/offer.hpp"
#include "core/base/time.hpp"

namespace gpubroker::sim {

/// How a machine of a cloud learns that it will be taken.
enum class NoticeBy : std::uint8_t { nobody, list, node };

/// What follows when a machine's death date comes.
enum class DeathDate : std::uint8_t {
  kept_by_cloud,    // the cloud ends it
  power_off_ends,   // the node powers itself off, and the bill ends
  power_off_stays,  // the node powers itself off, and is billed until it is terminated
};

struct CloudRules {
  std::string name = {};
  // --- booking ---
  bool knows_token = true;       // a booking that arrives again makes nothing new
  bool singles = false;          // one machine per call (gang_of_singles); else one call for the gang
  bool waits_for_stock = false;  // accepts a gang that it has no machines for, and lets it wait
  bool has_zones = false;        // a gang of one call stands in one of two zones
  int quota = 0;                 // machines of one region; 0: no quota
  // --- sight ---
  Millis sight{0};               // a new machine may be missing in the list for so long
  bool tells_times = true;       // when billing began and ended
  bool tells_when_taken = true;  // also when it took the machine itself
  Millis ended_listed{0};        // how long an ended machine stays listed; zero: gone at once
  Millis deletion{0};            // how long it takes until what was made for it can be removed
  bool taken_stays = false;      // a machine that was taken lies there, stopped, until it is removed
  // --- life ---
  Millis boot_least{0};
  Millis boot_most{0};
  bool has_spot = true;
  Millis notice{0};
  NoticeBy notice_by = NoticeBy::nobody;
  DeathDate death_date = DeathDate::kept_by_cloud;
  std::string leaves = {};  // what a gang needs besides machines and leaves behind; empty: nothing
  // --- bill ---
  BillingRule billing = {};
  bool bills_boot = false;  // from creation; else from running
  bool spot_moves = false;  // the spot price moves under a running machine, and the cloud tells how
};

/// aws, azure, coreweave, gcp, lambda, nebius, runpod, vast; by name.
const std::vector<CloudRules>& cloud_rules();

}  // namespace gpubroker::sim
