#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/ids.hpp"
#include "core/base/offer.hpp"
#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "core/ports/node_channel.hpp"

namespace gpubroker {

/// Tags that let every machine of ours be found with no journal at all. The clouds spell them
/// "gpubroker:workload" …
struct Tags {
  WorkloadId workload = {};
  int attempt = 0;
  std::string key = {};    // the user's idempotency key, or empty
  std::string owner = {};  // who pays
  Instant expires = {};    // the machine's death date
  bool operator==(const Tags&) const = default;
};

/// One gang: `nodes` machines of one offer, all or none.
struct GangRequest {
  Token token = {};  // the same token never books twice
  Offer offer = {};
  int nodes = 1;
  Tags tags = {};
};

enum class NodeState { starting, running, stopped, ended };

std::string_view to_string(NodeState state);

/// A machine as its cloud tells it. Clouds that tell no times leave them empty: the broker then dates by what
/// it sees.
struct NodeView {
  NodeId id = {};
  Token token = {};  // of the request that made it
  int index = 0;     // place in its gang, 0 … nodes-1; the node rank
  OfferKey offer = {};
  Tags tags = {};
  NodeState state = NodeState::starting;
  NodeAddress address = {};                     // set from `running` on
  std::map<std::string, std::string> env = {};  // what this cloud's fabric needs (NCCL_*, GLOO_SOCKET_IFNAME)
  int master_port = 29500;                      // a port free on this node for the job's rendezvous
  Instant created_at = {};
  std::optional<Instant> billed_from = {};   // when billing began, as the cloud bills; absent: not billed yet
  std::optional<Instant> ended_at = {};      // when billing ended; set when state is `ended`
  std::optional<Instant> notice_until = {};  // the cloud announced that it takes the machine at this moment
  std::string end_reason = {};               // "preempted", "terminated", "expired", "host failure"
  std::optional<Rate> price = {};            // what the cloud says that this very machine costs
  bool operator==(const NodeView&) const = default;
};

/// What a cloud sells and for how much, and how its prices moved. A cloud whose offers come from the catalog
/// and whose machines keep the price they were booked at has none.
class PriceSource {
 public:
  virtual ~PriceSource() = default;
  /// Everything on sale in every region that the catalog's feeds do not tell.
  virtual Result<std::vector<Offer>> offers() = 0;
  /// The prices of one offer that were in force between `from` and `to`: the first point is at or before
  /// `from`. None: it does not move under a running machine, and the price that it was booked at holds.
  virtual Result<std::vector<PricePoint>> price_history(const OfferKey& key, Instant from, Instant to) = 0;
};

/// Machines: create, find again, end. Nothing waits for a machine to boot or to go.
class Provisioner {
 public:
  virtual ~Provisioner() = default;
  /// Books the gang; returns its nodes, starting or running. With a token that was already used: the same
  /// nodes, whatever their state, nothing new. Errors: capacity, quota, auth, throttled, invalid, network
  /// (maybe_applied). On an error without maybe_applied nothing is left running.
  virtual Result<std::vector<NodeView>> ensure_gang(const GangRequest& request) = 0;
  /// Every machine that carries our tags, in all regions; ended ones too, for at least an hour. Fails whole:
  /// an incomplete list is an error, never a short list.
  virtual Result<std::vector<NodeView>> list() = 0;
  /// Ends machines. The gone succeeds. When it returns, billing has ended or will with no further call.
  virtual Status terminate(const std::vector<NodeId>& nodes) = 0;
};

/// Something of ours at a cloud that is no machine: a key, a disk, an address, a group.
struct Leftover {
  std::string kind = {};  // "ssh key", "disk", "address", "security group", "placement group", …
  std::string id = {};
  std::string region = {};  // and zone or resource group, in the provider's own spelling
  Token token = {};         // of the gang it was made for; empty: shared by all
  bool costs = false;       // billed while it lies there
  bool operator==(const Leftover&) const = default;
};

/// Clouds where a gang needs more than machines, or leaves something behind.
class Attachments {
 public:
  virtual ~Attachments() = default;
  /// Everything of ours besides machines, found by tag or name, whoever made it and whenever.
  virtual Result<std::vector<Leftover>> leftovers() = 0;
  /// Removes them. The gone succeeds; what is still in use is `conflict`.
  virtual Status remove(const std::vector<Leftover>& leftovers) = 0;
  /// Removes what was made for one gang whose machines have ended. Nothing there succeeds.
  virtual Status sweep(const Token& token, const OfferKey& offer) = 0;
};

/// Machines that can be stopped without being given back.
class Startable {
 public:
  virtual ~Startable() = default;
  virtual Status stop(const NodeId& node) = 0;
  virtual Status start(const NodeId& node) = 0;
};

/// Clouds that take a machine back on request as they do on their own (AWS FIS, Azure simulateEviction,
/// local): for rehearsals.
class Preemptible {
 public:
  virtual ~Preemptible() = default;
  /// Takes the machines away `notice` from now and announces it; zero: at once, without a word. The ended are
  /// left alone; a machine that is to go earlier goes earlier. Errors: `not_found` for a machine that never
  /// was.
  virtual Status preempt(const std::vector<NodeId>& nodes, Millis notice) = 0;
};

/// A cloud. Abilities that not all clouds have are asked for and may be null.
class Provider {
 public:
  virtual ~Provider() = default;
  [[nodiscard]] virtual std::string name() const = 0;
  /// Whether a credential for it lies here. Nobody is asked: it may be refused.
  [[nodiscard]] virtual bool has_account() { return true; }
  virtual PriceSource* prices() { return nullptr; }
  virtual Provisioner& provisioner() = 0;
  virtual NodeChannel& channel() = 0;
  virtual Startable* startable() { return nullptr; }
  virtual Preemptible* preemptible() { return nullptr; }
  virtual Attachments* attachments() { return nullptr; }
  /// What `launch` should say about this offer's death date: empty when the cloud itself ends the machine
  /// then, else what happens instead: "powered off, and billed on until it is terminated".
  [[nodiscard]] virtual std::string death_date_gap(const OfferKey& /*offer*/) const { return {}; }
  /// Whether its nodes are folders of a machine that is not theirs: nothing may be written outside of their
  /// roots.
  [[nodiscard]] virtual bool shares_machine() const { return false; }
  /// From booking to all nodes up at most; a gang that takes longer is given up. Zero: as usual
  /// (Limits::boot).
  [[nodiscard]] virtual Millis boot_limit() const { return Millis{0}; }
  /// How long its list may miss a new machine, where a booking carries no token: one that was interrupted is
  /// asked for again no sooner, or it would be booked twice. Zero: asking again is safe at once.
  [[nodiscard]] virtual Millis list_lag() const { return Millis{0}; }
  /// How often its machines are worth looking at.
  [[nodiscard]] virtual Millis poll_interval() const = 0;
};

}  // namespace gpubroker
