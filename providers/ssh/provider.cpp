#include "providers/ssh/provider.hpp"

#include <algorithm>
#include <map>

#include "core/base/log.hpp"
#include "core/base/text.hpp"
#include "core/ports/machine_tags.hpp"
#include "providers/ssh/channel.hpp"
#include "providers/ssh/claims.hpp"
#include "providers/ssh/machine_list.hpp"
#include "providers/ssh/memory.hpp"

namespace gpubroker::ssh {
namespace {

constexpr std::size_t kAtOnce = 32;
constexpr Millis kPatience = std::chrono::seconds{50};  // above the scripts' own: the lock's and the kill's

/// A machine of the list and what it says.
struct Seen {
  Machine machine = {};
  Result<Look> look = Error{.kind = ErrorKind::network, .message = "not asked"};
};

Error with_name(const Machine& machine, Error error) {
  error.message = machine.name + ": " + error.message;
  if (error.source.empty()) { error.source = "ssh " + machine.host; }
  return error;
}

bool is_on(const Machine& machine, const NodeId& node) {
  return node.value.starts_with("ssh/" + machine.name + "/");
}

/// What a command's exit code says (claims.hpp). Nothing was changed, or what was stands as it did.
Error refusal_of(const CommandResult& result) {
  const std::string words(trim(result.err));
  if (result.exit.code == 75) {
    return {.kind = ErrorKind::conflict, .message = "another gpubroker holds its lock", .code = "Locked"};
  }
  if (result.exit.code == 76) {
    return {
        .kind = ErrorKind::conflict, .message = "its claim does not end: " + words, .code = "StillRunning"};
  }
  return {.kind = ErrorKind::internal, .message = "its claim cannot be read or changed: " + words};
}

class SshProvider final : public Provider, Provisioner, PriceSource {
 public:
  SshProvider(const CloudParts& parts, const std::string& home)
      : parts_(parts),
        list_path_(home + "/machines.yaml"),
        memory_(parts.files, home + "/ssh-claims"),
        channel_(parts.channel) {}
  [[nodiscard]] std::string name() const override { return "ssh"; }
  [[nodiscard]] bool has_account() override { return parts_.files.stat(list_path_).ok(); }
  PriceSource* prices() override { return this; }
  Provisioner& provisioner() override { return *this; }
  NodeChannel& channel() override { return channel_; }
  [[nodiscard]] Millis poll_interval() const override { return std::chrono::seconds{3}; }

  Result<std::vector<Offer>> offers() override {
    TRY(const std::vector<Seen> all, look_at_all());
    std::map<OfferKey, Offer> offers;
    for (const Seen& seen : all) {
      const Machine& machine = seen.machine;
      const OfferKey key{
          .provider = "ssh", .region = machine.pool, .instance_type = instance_type_of(machine)};
      const auto [at, is_first] = offers.try_emplace(key);
      Offer& offer = at->second;
      if (is_first) {
        offer = {.key = key,
                 .gpu = machine.gpu,
                 .vcpus = machine.cpus,
                 .memory_mib = machine.memory_mib,
                 .price = machine.price,
                 .available = 0,
                 .learnt_at = parts_.clock.now(),
                 .source = "ssh " + list_path_};
      }
      // What each of them has; at no more than it costs.
      offer.memory_mib = std::min(offer.memory_mib, machine.memory_mib);
      offer.price = std::max(offer.price, machine.price);
      if (seen.look.ok() && seen.look.value().is_free()) { offer.available = *offer.available + 1; }
    }
    std::vector<Offer> out;
    for (auto& [key, offer] : offers) { out.push_back(std::move(offer)); }
    return out;
  }

  /// A machine's price does not move, and each node tells its own.
  Result<std::vector<PricePoint>> price_history(const OfferKey& key, Instant from, Instant /*to*/) override {
    TRY(const std::vector<Machine> machines, read_list());
    std::optional<Rate> price;
    for (const Machine& machine : machines) {
      if (machine.pool != key.region || instance_type_of(machine) != key.instance_type) { continue; }
      price = std::max(price.value_or(machine.price), machine.price);
    }
    std::vector<PricePoint> points;
    if (price) { points.push_back({from, *price}); }
    return points;
  }

  Result<std::vector<NodeView>> list() override {
    TRY(const std::vector<Seen> all, look_at_all());
    std::vector<NodeView> views;
    for (const Seen& seen : all) {
      if (seen.machine.offline) { continue; }
      if (!seen.look.ok()) {
        TRY([[maybe_unused]] const Ok harmless, judge_silence(seen));
        continue;
      }
      const Look& look = seen.look.value();
      const std::string host_key = first_host_key(seen.machine);
      if (look.claim) { views.push_back(view_of(seen.machine, look, *look.claim, host_key)); }
      for (const Claim& claim : look.ended) { views.push_back(view_of(seen.machine, look, claim, host_key)); }
    }
    return views;
  }

  Result<std::vector<NodeView>> ensure_gang(const GangRequest& request) override {
    TRY(std::vector<Seen> all, look_at_all());
    const auto by_name = [](const Seen& a, const Seen& b) { return a.machine.name < b.machine.name; };
    std::sort(all.begin(), all.end(), by_name);
    std::map<int, Seen*> ranks;
    std::vector<Seen*> free;
    for (Seen& seen : all) {
      TRY(const bool is_usable, sort_in(request, seen, ranks));
      if (is_usable) { free.push_back(&seen); }
    }
    std::vector<std::string> refusals;
    // One after the other in the order of the names: of two laptops that want the same machines one gets all.
    std::size_t next = 0;
    for (int rank = 0; rank < request.nodes; ++rank) {
      if (ranks.count(rank) != 0) { continue; }
      while (ranks.count(rank) == 0) {
        const auto missing = static_cast<std::size_t>(request.nodes) - ranks.size();
        if (free.size() - next < missing) { return give_up(request, ranks, all, refusals); }
        TRY(const bool is_ours, claim(request, rank, *free[next], refusals));
        if (is_ours) { ranks[rank] = free[next]; }
        ++next;
      }
    }
    std::vector<NodeView> views;
    for (const auto& [rank, seen] : ranks) {
      const Look& look = seen->look.value();
      views.push_back(view_of(seen->machine, look, *look.claim, first_host_key(seen->machine)));
    }
    return views;
  }

  Status terminate(const std::vector<NodeId>& nodes) override {
    TRY(std::vector<Machine> machines, read_list());
    std::erase_if(machines, [&](const Machine& machine) {
      return std::none_of(nodes.begin(), nodes.end(),
                          [&](const NodeId& node) { return is_on(machine, node); });
    });
    const std::vector<Seen> all = look_at(machines);
    return run_all(parts_.fan_out, all.size(), kAtOnce, [&](std::size_t i) {
      return all[i].machine.offline ? Status(Ok{}) : end_on(all[i], nodes);
    });
  }

 private:
  Result<std::vector<Machine>> read_list() {
    Result<std::string> text = parts_.files.read(list_path_);
    if (!text.ok()) { return text.error(); }
    return parse_machines(text.value(), list_path_, parts_.processes.env("HOME").value_or(""));
  }

  std::string first_host_key(const Machine& machine) {
    return parts_.channel.first_host_key(contact_of(machine));
  }

  /// Runs one of the claims' commands; what the machine then is.
  Result<Look> ask(const Machine& machine, const Command& command) {
    const Result<CommandResult> answer = parts_.channel.run(contact_of(machine), command, kPatience);
    if (!answer.ok()) { return with_name(machine, answer.error()); }
    const CommandResult& result = answer.value();
    if (result.exit.code != 0) { return with_name(machine, refusal_of(result)); }
    Result<Look> look = parse_look(result.out);
    Status kept = look.ok() ? memory_.remember(machine.name, look.value().claim) : Status(look.error());
    if (!kept.ok()) {
      Error error = with_name(machine, kept.error());
      error.maybe_applied = true;
      return error;
    }
    return look;
  }

  Result<std::vector<Seen>> look_at_all() {
    TRY(const std::vector<Machine> machines, read_list());
    return look_at(machines);
  }

  std::vector<Seen> look_at(const std::vector<Machine>& machines) {
    std::vector<Seen> all(machines.size());
    parts_.fan_out.run(all.size(), kAtOnce, [&](std::size_t i) {
      all[i].machine = machines[i];
      if (machines[i].offline) {
        all[i].look = Error{.kind = ErrorKind::network, .message = machines[i].name + ": marked offline"};
      } else {
        all[i].look = ask(machines[i], command_look(machines[i]));
      }
    });
    return all;
  }

  /// A machine that does not answer: harmless, unless a claim of ours that has not expired is on it.
  Status judge_silence(const Seen& seen) {
    const std::optional<Claim> claim = memory_.recall(seen.machine.name);
    if (claim && claim->tags.expires > parts_.clock.now()) {
      Error error = seen.look.error();
      error.message += " (it was claimed for " + claim->tags.workload.value + ")";
      error.hint = "when it is down for good, write `offline: true` in " + list_path_;
      return error;
    }
    if (memory_.is_news(seen.machine.name)) {
      log_event(LogLevel::warn, "ssh.no_answer",
                {{"machine", seen.machine.name}, {"message", seen.look.error().message}});
    }
    return Ok{};
  }

  /// Puts a machine that the token has claimed into its place; otherwise whether it can be claimed.
  Result<bool> sort_in(const GangRequest& request, Seen& seen, std::map<int, Seen*>& ranks) {
    const OfferKey& key = request.offer.key;
    const bool fits = seen.machine.pool == key.region && instance_type_of(seen.machine) == key.instance_type;
    if (!seen.look.ok()) {
      const std::optional<Claim> known =
          seen.machine.offline ? std::nullopt : memory_.recall(seen.machine.name);
      if (known && known->token == request.token) {  // the gang may be whole: who knows
        Error error = seen.look.error();
        error.maybe_applied = true;
        return error;
      }
      return false;
    }
    const Look& look = seen.look.value();
    const auto is_of_token = [&](const Claim& claim) { return claim.token == request.token; };
    const bool was_ended = std::any_of(look.ended.begin(), look.ended.end(), is_of_token) ||
                           (look.is_expired() && is_of_token(*look.claim));
    if (was_ended) {
      return Error{.kind = ErrorKind::capacity,
                   .message = "the gang " + request.token.value + " has ended and is not made again",
                   .source = "ssh " + seen.machine.name,
                   .scope = ErrorScope::offer,
                   .maybe_applied = true};
    }
    if (look.claim && is_of_token(*look.claim)) {
      if (!fits || look.claim->rank >= request.nodes) {
        return Error{.kind = ErrorKind::invalid,
                     .message = "token " + request.token.value + " was used for another request",
                     .source = "ssh " + seen.machine.name,
                     .code = "TokenMismatch"};
      }
      ranks[look.claim->rank] = &seen;
      return false;
    }
    return fits && look.is_free();
  }

  /// Whether the machine is ours for this rank now. Fails when nobody can know.
  Result<bool> claim(const GangRequest& request, int rank, Seen& seen, std::vector<std::string>& refusals) {
    const Machine& machine = seen.machine;
    if (const std::optional<Claim> expired = seen.look.value().claim) {
      seen.look = ask(machine, command_end(machine, expired->token, "expired"));
    }
    if (seen.look.ok()) { seen.look = ask(machine, command_claim(machine, request, rank)); }
    if (!seen.look.ok()) {
      if (seen.look.error().maybe_applied) { return seen.look.error(); }
      refusals.push_back(seen.look.error().message);
      return false;
    }
    const std::optional<Claim>& now = seen.look.value().claim;
    return now && now->token == request.token && now->rank == rank;
  }

  /// Gives back what is there of a gang that will not be whole, and says who has the others.
  Error give_up(const GangRequest& request, const std::map<int, Seen*>& ranks, const std::vector<Seen>& all,
                const std::vector<std::string>& refusals) {
    const OfferKey& key = request.offer.key;
    Error error{.kind = ErrorKind::capacity,
                .source = "ssh " + key.region,
                .code = "NoFreeMachine",
                .scope = ErrorScope::offer};
    std::vector<std::string> reasons = refusals;
    for (const Seen& seen : all) {
      if (seen.machine.pool != key.region || instance_type_of(seen.machine) != key.instance_type) {
        continue;
      }
      if (!seen.look.ok()) {
        if (std::find(reasons.begin(), reasons.end(), seen.look.error().message) == reasons.end()) {
          reasons.push_back(seen.look.error().message);
        }
      } else if (const auto& claim = seen.look.value().claim; claim && claim->token != request.token) {
        reasons.push_back(seen.machine.name + ": has " + claim->tags.workload.value + " until " +
                          format_utc(claim->tags.expires));
      }
    }
    error.message = "no " + std::to_string(request.nodes) + " of " + format_offer_key(key) + " are free (" +
                    join(reasons, "; ") + ")";
    for (const auto& [rank, seen] : ranks) {
      const Result<Look> gone = ask(seen->machine, command_release(seen->machine, request.token));
      if (gone.ok()) { continue; }
      error.maybe_applied = true;
      error.message += "; and it could not be given back: " + gone.error().message;
    }
    return error;
  }

  /// Ends the claims of these nodes on one machine.
  Status end_on(const Seen& seen, const std::vector<NodeId>& nodes) {
    const Machine& machine = seen.machine;
    for (const NodeId& node : nodes) {
      if (!is_on(machine, node)) { continue; }
      if (!seen.look.ok()) { return seen.look.error(); }
      const std::optional<Claim>& claim = seen.look.value().claim;
      if (!claim || node_id(machine, claim->token) != node) { continue; }  // gone
      const Result<Look> ended = ask(machine, command_end(machine, claim->token, "terminated"));
      if (!ended.ok()) { return ended.error(); }
    }
    return Ok{};
  }

  CloudParts parts_;
  std::string list_path_;
  Memory memory_;
  ClaimChannel channel_;
};

}  // namespace

std::unique_ptr<Provider> make_provider(const CloudParts& parts, const std::string& home) {
  return std::make_unique<SshProvider>(parts, home);
}

}  // namespace gpubroker::ssh
