#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/gpu.hpp"
#include "core/base/money.hpp"
#include "core/base/offer.hpp"
#include "core/base/result.hpp"
#include "core/base/time.hpp"

namespace gpubroker::local {

/// A value that changes at moments counted from the cloud's start.
struct Step {
  Millis at{0};
  std::int64_t value = 0;
  bool operator==(const Step&) const = default;
};

/// Ascending, the first at 0, no two neighbours of equal value: each step is a change.
using Steps = std::vector<Step>;

/// The value in force `since` after the start; the first one before that, 0 when there are no steps.
std::int64_t value_at(const Steps& steps, Millis since);

/// How one market sells an instance type.
struct MarketPlan {
  Steps price = {};  // micro-dollars per hour of one machine
  Steps slots = {};  // machines of this market; empty: only the type's slots count
  bool operator==(const MarketPlan&) const = default;
};

struct InstancePlan {
  std::string name = {};
  int vcpus = 1;
  std::int64_t memory_mib = 0;
  Accelerator gpu = {};
  Steps slots = {};  // machines of this type that exist, whatever their market; empty: no limit
  std::optional<Millis> boot = {};  // from creation to running; absent: the region's
  std::map<Market, MarketPlan> markets = {};
  bool operator==(const InstancePlan&) const = default;
};

struct RegionPlan {
  std::string name = {};
  std::optional<int> quota_vcpus = {};  // of all live machines together; more is a quota error
  std::optional<Millis> boot = {};
  std::vector<InstancePlan> types = {};
  // Only for this machine as it is: what its instance types share.
  std::optional<int> shared_vcpus = {};       // more is a capacity error
  std::vector<std::string> shared_gpus = {};  // UUIDs; each is given to one live machine at a time
  bool operator==(const RegionPlan&) const = default;
};

enum class CloudCall { create, list, offers, terminate };

enum class FaultDeed {
  lost_answer,      // the deed is done, then the caller gets a network error (maybe_applied)
  network,          // a network error, and nothing was done
  refuse_capacity,  // a capacity error
  refuse_quota,     // a quota error
  slow,             // the call takes `time` longer
  throttle,         // a throttled error with retry_after = `time`
};

/// What goes wrong with a call. Calls are counted for each fault by itself, over all processes, from 1.
struct Fault {
  CloudCall call = CloudCall::create;
  std::string region = {};  // create and terminate only; empty: any
  int nth = 1;              // 0: every one
  FaultDeed deed = FaultDeed::network;
  Millis time{0};
  bool operator==(const Fault&) const = default;
};

/// The cloud takes machines back when they have run for `after`.
struct Preemption {
  Market market = Market::spot;
  std::string region = {};  // empty: any
  int gang = 0;             // the n-th gang that matches market and region, from 1; 0: every one
  Millis after{0};
  Millis notice{0};  // announced so long before; zero: not at all
  int nodes = 0;     // so many of the gang, the last ones first; 0: all
  bool operator==(const Preemption&) const = default;
};

/// A rehearsal cloud: what it sells where, for how much, and what goes wrong. README.md is the reference of
/// the file.
struct Scenario {
  std::string name = {};
  BillingRule billing = {};
  Millis boot{0};
  Millis poll_interval{100};
  bool shows_stock = false;  // offers tell how many machines are left; most clouds do not
  std::vector<RegionPlan> regions = {};
  std::vector<Fault> faults = {};
  std::vector<Preemption> preemptions = {};
  bool operator==(const Scenario&) const = default;
};

/// Reads a scenario file. Fails with `invalid`, source "rehearsal.yaml:3:5", the field and the nearest valid
/// name.
Result<Scenario> parse_scenario(std::string_view yaml, const std::string& file_name);

/// YAML that parse_scenario reads back to an equal value (of what a file can say: no shared_* fields).
std::string format_scenario(const Scenario& scenario);

/// Null when there is no such region or type.
const RegionPlan* find_region(const Scenario& scenario, std::string_view region);
const InstancePlan* find_type(const Scenario& scenario, std::string_view region, std::string_view type);

/// What `gpubroker rehearse` asks for.
struct RehearsalPlan {
  int nodes = 2;
  int vcpus = 1;  // of one machine, as the task asks; only a label here
  std::int64_t memory_mib = 4096;
  Accelerator gpu = {};
  std::optional<Millis> preempt_every = {};  // every spot gang is taken when it has run so long
  Millis notice{0};                          // zero: without notice; at most preempt_every
  Millis boot{0};
};

/// Two regions, "rehearsal-east" and the dearer "rehearsal-west", each with one type "rehearsal" on both
/// markets and room for two gangs at once (a migration makes before it breaks). Prices are pretended: 1.00 on
/// demand, 0.40 spot in the east.
Scenario make_rehearsal(const RehearsalPlan& plan);

}  // namespace gpubroker::local
