// What each action's name stands for, and what is made of its failure.
#include <algorithm>

#include "core/base/text.hpp"
#include "core/broker/decide.hpp"

namespace gpubroker {
namespace {

/// What a NodeChannel says of a machine that does not answer: the command was not begun.
constexpr std::string_view kUnreachable = "unreachable";
constexpr Millis kKnock{250};

struct ActionName {
  std::string verb;
  int rank = -1;
};

ActionName parse_name(const std::string& name) {
  const std::size_t slash = name.find('/');
  if (slash == std::string::npos) { return {.verb = name}; }
  const std::optional<std::int64_t> rank = parse_int(std::string_view(name).substr(slash + 1));
  return {.verb = name.substr(0, slash), .rank = static_cast<int>(rank.value_or(-1))};
}

GangRequest make_request(const WorkloadState& state, const Attempt& attempt) {
  return {.token = attempt.token,
          .offer = attempt.offer,
          .nodes = state.task.num_nodes,
          .tags = {.workload = state.id,
                   .attempt = attempt.number,
                   .key = state.options.key,
                   .owner = state.options.owner,
                   .expires = attempt.expires}};
}

AgentSpec make_spec(const WorkloadState& state, const Attempt& attempt, const NodeRecord& node) {
  AgentSpec spec;
  spec.workload = state.id;
  spec.name = state.task.name;
  spec.attempt = attempt.number;
  spec.node = node.view.id;
  spec.rank = node.view.index;
  for (const auto& [rank, peer] : attempt.nodes) {
    const NodeAddress& address = peer.view.address;
    spec.node_ips.push_back(address.peer_host.empty() ? address.host : address.peer_host);
  }
  spec.gpus_per_node = attempt.offer.gpu.count;
  spec.master_port = attempt.nodes.begin()->second.view.master_port;
  spec.env = node.view.env;
  for (const auto& [name, value] : state.task.envs) {
    spec.env[name] = value;
  }  // the user's word is the last
  for (const SecretNeed& secret : state.task.secrets) { spec.secret_names.push_back(secret.name); }
  for (const FileMount& mount : state.task.file_mounts) {
    const std::string& source = mount.source;
    spec.mounts.push_back({.target = mount.target, .name = source.substr(source.rfind('/') + 1)});
  }
  spec.setup = state.task.setup;
  spec.run = state.task.run;
  spec.checkpoint = state.task.checkpoint;
  spec.resume = attempt.resume;
  spec.notice_path = "notice.json";
  spec.provider = attempt.offer.key.provider;
  spec.expires = attempt.expires;
  return spec;
}

/// How long a drain may take: the task's grace, and less when the machine goes earlier.
Millis drain_grace(const WorkloadState& state, const Attempt& attempt) {
  Millis grace = state.task.checkpoint.grace;
  for (const auto& [rank, node] : attempt.nodes) {
    if (node.view.notice_until && attempt.drain_at) {
      const Millis left = *node.view.notice_until - *attempt.drain_at - std::chrono::seconds{1};
      grace = std::clamp(left, Millis{0}, grace);
    }
  }
  return grace;
}

Action settle_action(const Attempt& attempt, const NodeRecord& node, Action action) {
  action.kind = Action::Kind::settle;
  action.node = node.view;
  action.billing = attempt.offer.billing;
  action.booked_price = attempt.offer.price;
  action.sweeps = attempt.is_over();
  return action;
}

std::optional<Action> build_node_action(const WorkloadState& state, const Attempt& attempt,
                                        const ActionName& name, Action action) {
  const auto at = attempt.nodes.find(name.verb == "save" ? 0 : name.rank);
  if (at == attempt.nodes.end()) { return std::nullopt; }
  const NodeRecord& node = at->second;
  action.node = node.view;
  if (name.verb == "start") {
    action.kind = Action::Kind::start_agent;
    action.spec = make_spec(state, attempt, node);
  } else if (name.verb == "drain") {
    action.kind = Action::Kind::ask_agent;
    action.ask = {.verb = AgentVerb::drain, .grace = drain_grace(state, attempt)};
  } else if (name.verb == "save") {
    action.kind = Action::Kind::ask_agent;
    action.ask = {.verb = AgentVerb::checkpoint, .grace = state.task.checkpoint.grace};
  } else if (name.verb == "settle") {
    return settle_action(attempt, node, std::move(action));
  } else {
    return std::nullopt;
  }
  return action;
}

}  // namespace

std::optional<Action> build_action(const WorkloadState& state, const Attempt& attempt,
                                   const std::string& name) {
  const ActionName parsed = parse_name(name);
  Action action;
  action.attempt = attempt.number;
  action.name = name;
  action.provider = attempt.offer.key.provider;
  if (parsed.verb == "create") {
    action.kind = Action::Kind::create_gang;
    action.request = make_request(state, attempt);
    return action;
  }
  if (parsed.verb == "find") {
    action.kind = Action::Kind::find_checkpoint;
    return action;
  }
  if (parsed.verb == "end") {
    action.kind = Action::Kind::end_nodes;
    for (const auto& [rank, node] : attempt.nodes) {
      if (node.view.state != NodeState::ended) { action.nodes.push_back(node.view.id); }
    }
    return action;
  }
  if (parsed.verb == "end_surplus") {
    action.kind = Action::Kind::end_nodes;
    for (const NodeRecord& node : attempt.surplus) {
      if (node.view.state != NodeState::ended) { action.nodes.push_back(node.view.id); }
    }
    return action;
  }
  if (parsed.verb == "settle_surplus") {
    const auto number = static_cast<std::size_t>(parsed.rank);
    if (parsed.rank < 0 || number >= attempt.surplus.size()) { return std::nullopt; }
    return settle_action(attempt, attempt.surplus[number], std::move(action));
  }
  return build_node_action(state, attempt, parsed, std::move(action));
}

OutcomeRecord judge_failure(const WorkloadState& state, const Attempt& attempt, const std::string& name,
                            const Error& error, const Limits& limits, Instant now) {
  const ActionName parsed = parse_name(name);
  const bool rules_out = error.kind == ErrorKind::capacity || error.kind == ErrorKind::quota;
  const int before =
      rules_out ? count_refusals(state.refusals, attempt.offer.key) : progress_of(attempt, name).tries;
  const int tries = before + 1;
  OutcomeRecord outcome{.attempt = attempt.number, .action = name, .error = error};
  Patience patience = react(error, tries);
  if (parsed.verb == "create") {
    const bool refused = patience.reaction != Reaction::repeat;
    outcome.is_final = refused;
    outcome.retry_in = refused ? Millis{0} : patience.delay;
    const auto lag = limits.list_lag.find(attempt.offer.key.provider);
    if (!refused && error.maybe_applied && lag != limits.list_lag.end()) {
      outcome.retry_in = std::max(outcome.retry_in, lag->second);
    }
    if (refused) {
      // What gives up rules the offer out as well, so that a search among others does not come back to it.
      const Millis delay = std::max(patience.delay, Millis{std::chrono::seconds{30}});
      outcome.refusal = Refusal{.key = attempt.offer.key,
                                .scope = error.scope,
                                .kind = error.kind,
                                .code = error.code,
                                .message = error.message,
                                .at = now,
                                .until = now + delay};
    }
    return outcome;
  }
  if (parsed.verb == "start" && error.code == kUnreachable) {
    // Its sshd is not up yet: asked again soon, as long as decide() has patience with it.
    outcome.is_final = false;
    outcome.retry_in = kKnock;
    return outcome;
  }
  // What gives machines back or makes charges final is never given up, whatever the answer.
  const bool never_ends = parsed.verb == "end" || parsed.verb == "settle" || parsed.verb == "end_surplus" ||
                          parsed.verb == "settle_surplus";
  const bool retry = never_ends || patience.reaction == Reaction::repeat;
  outcome.is_final = !retry;
  const Millis delay =
      patience.reaction == Reaction::repeat ? patience.delay : Millis{std::chrono::seconds{5}};
  outcome.retry_in = retry ? delay : Millis{0};
  return outcome;
}

}  // namespace gpubroker
