#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/ids.hpp"
#include "core/base/offer.hpp"
#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "core/ports/files.hpp"
#include "core/ports/process.hpp"
#include "core/ports/provider.hpp"

namespace gpubroker::local {

/// A machine as this cloud has it in its books. What will become of it is settled when it is made.
struct NodeRecord {
  NodeId id = {};         // "local/k3x9q2-12": unique over all homes, because processes are found by it
  std::string name = {};  // "k3x9q2-12": its folder
  Token token = {};
  int index = 0;
  OfferKey offer = {};
  Tags tags = {};
  std::string ip = {};
  int master_port = 0;
  int vcpus = 0;
  std::vector<std::string> gpus = {};  // UUIDs of this machine's own GPUs, when it was given some
  BillingRule billing = {};
  Instant created_at = {};
  Instant ready_at = {};  // running and billed from here on
  std::optional<Instant> preempt_at = {};
  Millis notice{0};
  std::optional<Instant> ended_at = {};
  std::string end_reason = {};
  bool operator==(const NodeRecord&) const = default;
};

/// The cloud's own books: `cloud.json`, written under `cloud.lock` and replaced whole.
struct CloudRecord {
  std::string id = {};        // random, part of every node's name
  Instant started_at = {};    // moments in the scenario count from here
  std::string scenario = {};  // the text it lives by; empty: this machine as it is
  std::map<std::string, std::vector<PricePoint>> prices = {};  // by format_offer_key; never forgets a price
  std::int64_t made_nodes = 0;
  std::int64_t made_gangs = 0;
  std::vector<int> fault_calls = {};       // calls counted so far, per fault of the scenario
  std::vector<int> preemption_gangs = {};  // gangs counted so far, per preemption
  std::vector<NodeRecord> nodes = {};      // in the order they were made; none is ever removed
  bool operator==(const CloudRecord&) const = default;
};

std::string encode_cloud(const CloudRecord& record);
/// Fails with `internal`, naming `source`.
Result<CloudRecord> parse_cloud(std::string_view text, const std::string& source);

/// A process that cannot be mistaken for a later one with the same number. `start` is empty where /proc is
/// not.
struct ProcessMark {
  std::int64_t pid = 0;
  std::string start = {};  // ticks from boot to the process's start, field 22 of /proc/<pid>/stat
};

ProcessMark mark_process(Files& files, std::int64_t pid);
bool is_alive(Files& files, Processes& processes, const ProcessMark& mark);

/// <root>/machine.json: the process that is this machine. Written by the cloud once it has started it.
inline constexpr std::string_view kMachineFile = "machine.json";
std::string encode_machine(const ProcessMark& mark);
Result<ProcessMark> parse_machine(std::string_view text);

/// <root>/ended.json: written by the machine itself as its last deed.
inline constexpr std::string_view kEndedFile = "ended.json";
struct EndedNote {
  Instant at = {};
  std::string reason = {};  // "preempted", "expired"
};
std::string encode_ended(const EndedNote& note);
Result<EndedNote> parse_ended(std::string_view text);

/// What every process of a node has in its environment.
inline constexpr const char* kNodeCookie = "GPUBROKER_LOCAL_NODE";

}  // namespace gpubroker::local
