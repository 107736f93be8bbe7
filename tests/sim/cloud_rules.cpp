#include "tests/sim/cloud_rules.hpp"

namespace gpubroker::sim {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

std::vector<CloudRules> make_rules() {
  // Sources: the clouds' API documents as told in providers/<cloud>/README.md, read 2026-11. Boot times are
  // what is usual for machines of 8 GPUs; quotas are small so that they are met.
  return {
      // ClientToken; terminated machines stay listed for about an hour; power-off is termination.
      {.name = "aws",
       .has_zones = true,
       .quota = 9,
       .sight = seconds{20},
       .ended_listed = hours{1},
       .boot_least = seconds{20},
       .boot_most = seconds{120},
       .notice = minutes{2},
       .notice_by = NoticeBy::node,
       .death_date = DeathDate::power_off_ends,
       .leaves = "placement group",
       .billing = {.unit = seconds{1}, .minimum = minutes{1}},
       .spot_moves = true},
      // A PUT by name; deleted asynchronously, then nobody knows it any more; a guest that is off is billed
      // on.
      {.name = "azure",
       .singles = true,
       .quota = 10,
       .sight = seconds{5},
       .deletion = seconds{60},
       .boot_least = seconds{30},
       .boot_most = seconds{180},
       .notice = seconds{30},
       .notice_by = NoticeBy::node,
       .death_date = DeathDate::power_off_stays,
       .leaves = "resource group",
       .billing = {.unit = seconds{1}},
       .bills_boot = true},
      // A node pool by name, that waits for capacity; 20 to 30 minutes of bare-metal boot; no times (?).
      {.name = "coreweave",
       .waits_for_stock = true,
       .quota = 8,
       .tells_times = false,
       .boot_least = minutes{20},
       .boot_most = minutes{30},
       .notice = minutes{2},
       .notice_by = NoticeBy::node,
       .death_date = DeathDate::power_off_stays,
       .billing = {.unit = minutes{1}}},
      // bulkInsert with requestId, all or none; what was deleted is told by operations.
      {.name = "gcp",
       .has_zones = true,
       .quota = 9,
       .sight = seconds{10},
       .ended_listed = hours{2},
       .boot_least = seconds{20},
       .boot_most = seconds{90},
       .notice = seconds{30},
       .notice_by = NoticeBy::node,
       .billing = {.unit = seconds{1}, .minimum = minutes{1}}},
      // No token, no times, no spot; a key per gang.
      {.name = "lambda",
       .knows_token = false,
       .singles = true,
       .quota = 8,
       .sight = seconds{5},
       .tells_times = false,
       .ended_listed = minutes{1},
       .boot_least = minutes{2},
       .boot_most = minutes{20},
       .has_spot = false,
       .death_date = DeathDate::power_off_stays,
       .leaves = "ssh key",
       .billing = {.unit = minutes{1}}},
      // A key per machine's booking; a preempted one is stopped, and when is not told.
      {.name = "nebius",
       .singles = true,
       .quota = 9,
       .tells_when_taken = false,
       .ended_listed = hours{2},
       .taken_stays = true,
       .boot_least = seconds{30},
       .boot_most = seconds{120},
       .notice = seconds{60},
       .notice_by = NoticeBy::list,
       .death_date = DeathDate::power_off_ends,
       .leaves = "gpu cluster",
       .billing = {.unit = seconds{1}}},
      // No token, no times, no notice; deleted is forgotten at once; the pod has a death date.
      {.name = "runpod",
       .knows_token = false,
       .singles = true,
       .sight = seconds{3},
       .tells_times = false,
       .taken_stays = true,
       .boot_least = seconds{20},
       .boot_most = seconds{180},
       .billing = {.unit = minutes{1}}},
      // As there; a key per gang, and the container ends itself.
      {.name = "vast",
       .knows_token = false,
       .singles = true,
       .tells_times = false,
       .taken_stays = true,
       .boot_least = seconds{20},
       .boot_most = seconds{240},
       .death_date = DeathDate::power_off_ends,
       .leaves = "ssh key",
       .billing = {.unit = seconds{1}}},
  };
}

}  // namespace

const std::vector<CloudRules>& cloud_rules() {
  static const std::vector<CloudRules> rules = make_rules();
  return rules;
}

}  // namespace gpubroker::sim
