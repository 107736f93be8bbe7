#include "core/broker/deeds.hpp"

#include "core/base/log.hpp"
#include "core/base/text.hpp"
#include "core/plan/charging.hpp"

namespace gpubroker {
namespace {

std::string attempt_folder(int attempt) {
  return "attempts/" + std::to_string(attempt) + "/";
}

Result<Provider*> find_provider(const SupervisorParts& parts, const std::string& name) {
  const auto at = parts.providers.find(name);
  if (at != parts.providers.end()) { return at->second; }
  return Error{.kind = ErrorKind::not_found,
               .message = "this gpubroker has no provider called " + name,
               .hint = "`gpubroker version` lists those it has"};
}

Result<DeedResult> create_gang(const Action& action, Provider& provider) {
  TRY(std::vector<NodeView> nodes, provider.provisioner().ensure_gang(action.request));
  return DeedResult{.nodes = std::move(nodes)};
}

Result<DeedResult> find_checkpoint(const DeedContext& context, const SupervisorParts& parts) {
  if (context.store.empty()) { return DeedResult{}; }
  TRY(const auto found, parts.find_checkpoint(context.workload, context.store));
  if (!found) { return DeedResult{}; }
  return DeedResult{.checkpoint = found->id, .step = found->step};
}

Result<DeedResult> start_agent(const Action& action, const DeedContext& context, Provider& provider) {
  const NodeAddress& node = action.node.address;
  NodeChannel& channel = provider.channel();
  const std::string folder = attempt_folder(action.attempt);
  AgentSpec spec = action.spec;
  spec.shares_machine = provider.shares_machine();
  if (!context.archive.empty()) {
    TRY([[maybe_unused]] const Ok archive, channel.put_file(node, folder + "files.tar", context.archive));
  }
  std::vector<NodeFile> files = {{.path = folder + "spec.json", .bytes = encode_agent_spec(spec)}};
  if (!context.secrets.empty()) {
    files.push_back({.path = folder + "secrets.json", .bytes = context.secrets});
  }
  const Command command{
      .argv = {node.binary, "agent", "--root", node.root, "--attempt", std::to_string(action.attempt)}};
  TRY([[maybe_unused]] const Ok started, channel.put_and_start(node, files, command, folder + "agent.log"));
  return DeedResult{};
}

Result<DeedResult> ask_agent(const Action& action, Provider& provider) {
  std::string name = action.name;
  for (char& c : name) {
    if (c == '/') { c = '-'; }
  }
  TRY([[maybe_unused]] const Ok put,
      provider.channel().put(action.node.address, attempt_folder(action.attempt) + "requests/" + name,
                             encode_agent_request(action.ask), 0600));
  return DeedResult{};
}

/// What the machine has cost in the end; nothing when it was never billed.
Result<DeedResult> charge(const Action& action, const DeedContext& context, Provider& provider) {
  const NodeView& node = action.node;
  if (!node.billed_from) { return DeedResult{}; }
  const Instant from = *node.billed_from;
  const Instant end = node.ended_at.value_or(from);
  const Instant billed_end = from + billed_length(action.billing, end - from);
  std::vector<PricePoint> prices = {{from, node.price.value_or(action.booked_price)}};
  if (PriceSource* const source = provider.prices(); source != nullptr && !node.price) {
    TRY(std::vector<PricePoint> moved, source->price_history(node.offer, from, billed_end));
    if (!moved.empty()) { prices = std::move(moved); }
  }
  TRY(const std::vector<ChargePeriod> periods, charge_life(from, end, action.billing, prices));
  DeedResult result;
  for (const ChargePeriod& period : periods) {
    result.charges.push_back({.workload = context.workload,
                              .attempt = action.attempt,
                              .node = node.id,
                              .provider = node.offer.provider,
                              .region = node.offer.region,
                              .instance_type = node.offer.instance_type,
                              .market = std::string(to_string(node.offer.market)),
                              .owner = context.owner,
                              .from = period.from,
                              .to = period.to,
                              .rate = period.rate,
                              .amount = period.amount});
  }
  return result;
}

Result<DeedResult> settle(const Action& action, const DeedContext& context, Provider& provider) {
  const NodeView& node = action.node;
  TRY(DeedResult result, charge(action, context, provider));
  provider.channel().forget(node.address);
  if (Attachments* const attachments = provider.attachments(); attachments != nullptr && action.sweeps) {
    // What goes wrong here is gc's affair: the charges are known and must not wait for it.
    if (const Status swept = attachments->sweep(node.token, node.offer); !swept.ok()) {
      log_event(LogLevel::warn, "broker.sweep_failed",
                {{"workload", context.workload.value}, {"message", swept.error().message}});
    }
  }
  return result;
}

/// Fetches what the node has written since the last look, in pieces of whole lines. What the node has thrown
/// away before we came is told in a line of its own.
void keep_new_output(const NodeAddress& node, const DeedContext& context, int rank, const OutputSpan& there,
                     NodeChannel& channel, const SupervisorParts& parts) {
  if (!parts.kept_output || !parts.keep_output) { return; }
  constexpr std::int64_t kPiece = 1 << 20;
  constexpr int kMostPieces =
      96;  // a look ends, however fast the job writes; more than a node keeps by default
  std::int64_t at = parts.kept_output(context.workload, context.attempt, rank);
  for (int i = 0; i < kMostPieces && at < there.end; ++i) {
    if (at < there.start) {
      parts.keep_output(context.workload, context.attempt, rank, {.lost = there.start - at});
      at = there.start;
    }
    const std::int64_t file = at < there.base ? there.start : there.base;
    const Result<std::string> piece =
        channel.get(node, attempt_folder(context.attempt) + output_name(file), at - file, kPiece);
    if (!piece.ok()) { return; }  // turned over since the report; the next one says where it is now
    const std::size_t whole_lines = piece.value().rfind('\n') + 1;
    if (whole_lines == 0) { return; }
    parts.keep_output(context.workload, context.attempt, rank,
                      {.bytes = std::string_view(piece.value()).substr(0, whole_lines)});
    at += static_cast<std::int64_t>(whole_lines);
  }
}

/// What a node without a report has to say: the agent's own log, which is where a loader or a shell
/// complains.
Error explain_absence(const NodeAddress& node, const DeedContext& context, NodeChannel& channel,
                      const Error& missing) {
  constexpr std::int64_t kMostSaid = 2'000;
  const Result<std::string> log =
      channel.get(node, attempt_folder(context.attempt) + "agent.log", 0, kMostSaid);
  Error error = missing;
  error.message = log.ok() && !log.value().empty() ? std::string(trim(log.value())) : "it left no word";
  return error;
}

}  // namespace

Result<DeedResult> perform(const Action& action, const DeedContext& context, const SupervisorParts& parts) {
  if (action.kind == Action::Kind::find_checkpoint) { return find_checkpoint(context, parts); }
  TRY(Provider* const provider, find_provider(parts, action.provider));
  switch (action.kind) {
    case Action::Kind::create_gang:
      return create_gang(action, *provider);
    case Action::Kind::find_checkpoint:
      break;
    case Action::Kind::start_agent:
      return start_agent(action, context, *provider);
    case Action::Kind::ask_agent:
      return ask_agent(action, *provider);
    case Action::Kind::end_nodes: {
      TRY([[maybe_unused]] const Ok ended, provider->provisioner().terminate(action.nodes));
      return DeedResult{};
    }
    case Action::Kind::settle:
      return settle(action, context, *provider);
  }
  return DeedResult{};
}

Result<AgentReport> look_at_agent(const NodeAddress& node, const DeedContext& context, int rank,
                                  NodeChannel& channel, const SupervisorParts& parts) {
  constexpr std::int64_t kMostReport = 1 << 20;
  const Result<std::string> text =
      channel.get(node, attempt_folder(context.attempt) + "report.json", 0, kMostReport);
  if (!text.ok()) {
    if (text.error().kind != ErrorKind::not_found) { return text.error(); }
    return explain_absence(node, context, channel, text.error());
  }
  TRY(AgentReport report, parse_agent_report(text.value()));
  keep_new_output(node, context, rank, report.output, channel, parts);
  return report;
}

}  // namespace gpubroker
