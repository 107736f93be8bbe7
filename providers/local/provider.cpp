#include "providers/local/provider.hpp"

#include <algorithm>
#include <thread>

#include "providers/local/machine.hpp"

namespace gpubroker::local {
namespace {

constexpr Millis kLockWait{20'000};
constexpr Millis kRemembered{24 * 3'600'000};  // how long list() shows a machine that has ended
constexpr const char* kPlain = "none";

Error lost_answer(const std::string& call) {
  return Error{.kind = ErrorKind::network,
               .message = "response lost",
               .source = "local " + call,
               .code = "LostAnswer",
               .maybe_applied = true};
}

std::string random_id(Random& random) {
  constexpr std::string_view kLetters = "abcdefghijkmnpqrstuvwxyz23456789";
  std::string out;
  std::uint64_t bits = random.next();
  for (int i = 0; i < 8; ++i, bits >>= 5U) { out += kLetters[bits % kLetters.size()]; }
  return out;
}

bool has_live_nodes(const CloudRecord& record) {
  return std::any_of(record.nodes.begin(), record.nodes.end(),
                     [](const NodeRecord& node) { return !node.ended_at; });
}

std::vector<NodeRecord> nodes_of(const CloudRecord& record, const Token& token) {
  std::vector<NodeRecord> out;
  for (const NodeRecord& node : record.nodes) {
    if (node.token == token) { out.push_back(node); }
  }
  return out;
}

bool contains(const std::vector<NodeId>& ids, const NodeId& id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

}  // namespace

Result<std::unique_ptr<Provider>> LocalProvider::make(LocalParts parts, LocalConfig config) {
  // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): the constructor is private.
  std::unique_ptr<LocalProvider> provider(new LocalProvider(parts, std::move(config)));
  const std::string& path = provider->config_.scenario_path;
  if (path == kPlain) {
    provider->wanted_ = "";
  } else if (!path.empty()) {
    TRY(const std::string text, parts.files.read(path));
    TRY(const Scenario scenario, parse_scenario(text, path));
    provider->wanted_ = format_scenario(scenario);
    provider->poll_interval_ = scenario.poll_interval;
  }
  return std::unique_ptr<Provider>(std::move(provider));
}

Result<std::vector<Offer>> LocalProvider::offers() {
  Trouble trouble;
  TRY(Session session, begin(CloudCall::offers, {}, {}, trouble));
  if (trouble.answer_lost) { return lost_answer("offers"); }
  TRY(const std::shared_ptr<const Scenario> scenario, scenario_of(session.record));
  return offers_at(*scenario, session.record, session.now);
}

Result<std::vector<PricePoint>> LocalProvider::price_history(const OfferKey& key, Instant from, Instant to) {
  TRY(Session session, open());
  TRY(const std::shared_ptr<const Scenario> scenario, scenario_of(session.record));
  if (Status s = sell(session, *scenario); !s.ok()) { return s.error(); }
  if (Status s = close(session); !s.ok()) { return s.error(); }
  return prices_between(session.record, key, from, to);
}

Result<std::vector<NodeView>> LocalProvider::ensure_gang(const GangRequest& request) {
  Trouble trouble;
  TRY(Session session, begin(CloudCall::create, {}, {request.offer.key.region}, trouble));
  std::vector<NodeRecord> nodes = nodes_of(session.record, request.token);
  if (nodes.empty()) {
    TRY(nodes, create(session, request));
  } else if (nodes.front().offer != request.offer.key || static_cast<int>(nodes.size()) != request.nodes) {
    return Error{.kind = ErrorKind::invalid,
                 .message = "token " + request.token.value + " was used for another request: " +
                            std::to_string(nodes.size()) + " x " + format_offer_key(nodes.front().offer),
                 .source = "local create",
                 .code = "TokenMismatch"};
  }
  session.lock.reset();
  if (trouble.answer_lost) { return lost_answer("create"); }
  return views(nodes);
}

Result<std::vector<NodeView>> LocalProvider::list() {
  Trouble trouble;
  TRY(Session session, begin(CloudCall::list, {}, {}, trouble));
  if (trouble.answer_lost) { return lost_answer("list"); }
  std::erase_if(session.record.nodes, [&session](const NodeRecord& node) {
    return node.ended_at && *node.ended_at + kRemembered < session.now;
  });
  return views(session.record.nodes);
}

Status LocalProvider::terminate(const std::vector<NodeId>& nodes) {
  Trouble trouble;
  TRY(Session session, begin(CloudCall::terminate, nodes, {}, trouble));
  for (NodeRecord& node : session.record.nodes) {
    if (node.ended_at || !contains(nodes, node.id)) { continue; }
    if (Status s = end_machine(session, node, {session.now, "terminated"}); !s.ok()) { return s; }
  }
  if (Status s = close(session); !s.ok()) { return s; }
  if (trouble.answer_lost) { return lost_answer("terminate"); }
  return Ok{};
}

/// The order comes before the books: after a crash in between the machine goes all the same and says why.
Status LocalProvider::preempt(const std::vector<NodeId>& nodes, Millis notice) {
  TRY(Session session, open());
  for (const NodeId& id : nodes) {
    const auto node = std::find_if(session.record.nodes.begin(), session.record.nodes.end(),
                                   [&id](const NodeRecord& one) { return one.id == id; });
    if (node == session.record.nodes.end()) {
      return Error{.kind = ErrorKind::not_found,
                   .message = "no machine is called " + id.value,
                   .source = "local preempt"};
    }
    const Instant at = session.now + notice;
    if (node->ended_at || (node->preempt_at && *node->preempt_at <= at)) { continue; }
    if (Status s = parts_.files.write_atomic(root_of(*node) + "/" + std::string(kPreemptFile),
                                             encode_preempt({.at = at, .notice = notice}), 0644,
                                             /*durable=*/false);
        !s.ok()) {
      return s;
    }
    node->preempt_at = at;
    node->notice = notice;
    session.is_changed = true;
  }
  return close(session);
}

/// Lock, read, notice what has ended, live by the scenario that was asked for.
Result<LocalProvider::Session> LocalProvider::open() {
  Session session;
  if (Status s = parts_.files.make_dirs(config_.folder, 0700); !s.ok()) { return s.error(); }
  TRY(session.lock, parts_.files.lock(config_.folder + "/cloud.lock", kLockWait));
  const std::string path = config_.folder + "/cloud.json";
  const Result<std::string> text = parts_.files.read(path);
  session.now = parts_.clock.now();
  if (text.ok()) {
    TRY(session.record, parse_cloud(text.value(), path));
  } else if (text.error().kind == ErrorKind::not_found) {
    session.record.id = random_id(parts_.random);
    session.record.started_at = session.now;
    session.is_changed = true;
  } else {
    return text.error();
  }
  if (Status s = notice_ends(session); !s.ok()) { return s.error(); }
  notice_dead_disks(session);
  if (Status s = adopt_scenario(session); !s.ok()) { return s.error(); }
  if (Status s = close(session); !s.ok()) { return s.error(); }
  return session;
}

/// open(), and what the scenario's faults do to this call: its delay is over and its refusal returned; only a
/// lost answer is left for the caller to act out.
Result<LocalProvider::Session> LocalProvider::begin(CloudCall call, const std::vector<NodeId>& nodes,
                                                    std::set<std::string> regions, Trouble& trouble) {
  TRY(Session session, open());
  if (session.record.scenario.empty()) { return session; }
  TRY(const std::shared_ptr<const Scenario> scenario, scenario_of(session.record));
  if (scenario->faults.empty()) { return session; }
  for (const NodeRecord& node : session.record.nodes) {
    if (contains(nodes, node.id)) { regions.insert(node.offer.region); }
  }
  trouble = meet_faults(*scenario, call, regions, session.record);
  session.is_changed = true;
  if (Status s = close(session); !s.ok()) { return s.error(); }
  if (trouble.delay > Millis{0}) {
    session.lock.reset();  // a slow call holds up nobody else
    parts_.clock.sleep_until(parts_.clock.now() + trouble.delay);
  }
  if (trouble.refusal) { return *trouble.refusal; }
  if (!session.lock) { return open(); }
  return session;
}

/// Writes the books when they have changed, and then clears the disks of the dead.
Status LocalProvider::close(Session& session) {
  if (session.is_changed) {
    if (Status s =
            parts_.files.write_atomic(config_.folder + "/cloud.json", encode_cloud(session.record), 0600,
                                      /*durable=*/true);
        !s.ok()) {
      return s;
    }
    session.is_changed = false;
  }
  for (const std::string& disk : session.dead_disks) {
    if (Status s = parts_.files.remove_all(disk); !s.ok()) { return s; }
  }
  session.dead_disks.clear();
  return Ok{};
}

Status LocalProvider::adopt_scenario(Session& session) {
  CloudRecord& record = session.record;
  if (!wanted_ || record.scenario == *wanted_) { return Ok{}; }
  if (has_live_nodes(record)) {
    return Error{.kind = ErrorKind::conflict,
                 .message = "the cloud in " + config_.folder + " has machines that live by another scenario",
                 .hint = "end them first (gpubroker down), or use another home",
                 .source = "local",
                 .scope = ErrorScope::account};
  }
  record.scenario = *wanted_;
  record.started_at = session.now;
  record.fault_calls.clear();
  record.preemption_gangs.clear();
  session.is_changed = true;
  TRY(const std::shared_ptr<const Scenario> scenario, scenario_of(record));
  publish_prices(*scenario, session.now, record);
  return Ok{};
}

/// Publishes this machine's prices when they are not what the books say; a scenario's were when it was
/// adopted.
Status LocalProvider::sell(Session& session, const Scenario& scenario) {
  if (!session.record.scenario.empty()) { return Ok{}; }
  CloudRecord updated = session.record;
  publish_prices(scenario, session.now, updated);
  if (updated.prices == session.record.prices) { return Ok{}; }
  session.record = std::move(updated);
  session.is_changed = true;
  return Ok{};
}

/// What became of the machines since the books were last open.
Status LocalProvider::notice_ends(Session& session) {
  for (NodeRecord& node : session.record.nodes) {
    if (node.ended_at) { continue; }
    TRY(const std::optional<EndedNote> note, look_at(node));
    if (!note) { continue; }
    if (Status s = end_machine(session, node, *note); !s.ok()) { return s; }
  }
  return Ok{};
}

/// Disks without a live machine: their caller died before it removed them, or someone wrote to a machine at
/// the moment of its end. Under the lock none is in the making.
void LocalProvider::notice_dead_disks(Session& session) {
  const Result<std::vector<FileInfo>> disks = parts_.files.list(nodes_folder(), /*recursive=*/false);
  if (!disks.ok()) { return; }  // no machine was ever made
  std::set<std::string> live;
  for (const NodeRecord& node : session.record.nodes) {
    if (!node.ended_at) { live.insert(node.name); }
  }
  for (const FileInfo& disk : disks.value()) {
    if (!live.contains(disk.name)) { session.dead_disks.push_back(nodes_folder() + "/" + disk.name); }
  }
}

/// How a machine that the books call live has ended; nothing when it lives.
Result<std::optional<EndedNote>> LocalProvider::look_at(const NodeRecord& node) {
  const std::string root = root_of(node);
  const Result<std::string> machine = parts_.files.read(root + "/" + std::string(kMachineFile));
  bool is_up = false;
  if (machine.ok()) {
    TRY(const ProcessMark mark, parse_machine(machine.value()));
    is_up = is_alive(parts_.files, parts_.processes, mark);
  }
  // Only now: a machine writes its note before it leaves.
  const Result<std::string> note = parts_.files.read(root + "/" + std::string(kEndedFile));
  if (note.ok()) {
    TRY(EndedNote ended, parse_ended(note.value()));
    return std::optional<EndedNote>(std::move(ended));
  }
  if (is_up) { return std::optional<EndedNote>{}; }
  if (!machine.ok() && parts_.files.stat(root).ok()) {
    // Booked, and the process that booked it died before it had started the machine. The cloud keeps its
    // word.
    if (Status s = end_processes(parts_.clock, parts_.processes, node.id); !s.ok()) { return s.error(); }
    if (Status s = start_machine(node); !s.ok()) { return s.error(); }
    return std::optional<EndedNote>{};
  }
  return std::optional<EndedNote>(EndedNote{parts_.clock.now(), "host failure"});
}

/// Ends what runs on it and enters the end in the books. In this order: a crash in between is noticed again
/// later.
Status LocalProvider::end_machine(Session& session, NodeRecord& node, const EndedNote& note) {
  if (Status s = end_processes(parts_.clock, parts_.processes, node.id); !s.ok()) { return s; }
  node.ended_at = std::max(note.at, node.created_at);  // the clock may have been set back
  node.end_reason = note.reason;
  session.is_changed = true;
  session.dead_disks.push_back(root_of(node));
  return Ok{};
}

Result<std::shared_ptr<const Scenario>> LocalProvider::scenario_of(const CloudRecord& record) {
  const std::lock_guard guard(mutex_);
  if (record.scenario.empty()) {
    if (!here_) {
      const Result<std::string> meminfo = parts_.files.read("/proc/meminfo");
      const MachineFacts facts{.cpus = static_cast<int>(std::thread::hardware_concurrency()),
                               .memory_mib = meminfo.ok() ? parse_memory_mib(meminfo.value()) : 0,
                               .gpus = list_gpus(config_.nvml_library)};
      here_ = std::make_shared<const Scenario>(here_scenario(facts, config_.prices));
    }
    return here_;
  }
  if (!read_ || read_text_ != record.scenario) {
    TRY(Scenario scenario, parse_scenario(record.scenario, config_.folder + "/cloud.json scenario"));
    read_ = std::make_shared<const Scenario>(std::move(scenario));
    read_text_ = record.scenario;
  }
  return read_;
}

/// Books and starts a gang. The books come first, so that no machine runs which they do not know.
Result<std::vector<NodeRecord>> LocalProvider::create(Session& session, const GangRequest& request) {
  TRY(const std::shared_ptr<const Scenario> scenario, scenario_of(session.record));
  if (Status s = sell(session, *scenario); !s.ok()) { return s.error(); }
  TRY(std::vector<NodeRecord> nodes,
      book_gang(*scenario, request, session.now, used_ports(), session.record));
  session.is_changed = true;
  Status status = Ok{};
  for (const NodeRecord& node : nodes) {
    if (status.ok()) { status = parts_.files.make_dirs(root_of(node), 0755); }
  }
  if (status.ok()) { status = close(session); }
  for (const NodeRecord& node : nodes) {
    if (status.ok()) { status = start_machine(node); }
  }
  if (status.ok()) { return nodes; }
  Error error = status.error();
  // Not undone: the books may still hold the gang, and whoever looks next starts it.
  if (!undo(session, nodes).ok()) { error.maybe_applied = true; }
  return error;
}

/// A gang that could not be started whole was never there. If that cannot be written (the disk is full), the
/// whole gang counts as booked and not started: never a part of it.
Status LocalProvider::undo(Session& session, const std::vector<NodeRecord>& nodes) {
  for (const NodeRecord& node : nodes) {
    if (Status s = end_processes(parts_.clock, parts_.processes, node.id); !s.ok()) { return s; }
    if (Status s = parts_.files.remove_all(root_of(node) + "/" + std::string(kMachineFile)); !s.ok()) {
      return s;
    }
    session.dead_disks.push_back(root_of(node));
  }
  std::erase_if(session.record.nodes,
                [&nodes](const NodeRecord& node) { return node.token == nodes.front().token; });
  session.is_changed = true;
  return close(session);
}

Status LocalProvider::start_machine(const NodeRecord& node) {
  const std::string root = root_of(node);
  MachineOptions options{.node = node.id, .root = root, .preempt_at = node.preempt_at, .notice = node.notice};
  if (node.tags.expires.ms > 0) { options.expires = node.tags.expires; }
  Command command{.argv = {config_.binary, "local-machine"},
                  .env = login_environment(parts_.processes, node.id),
                  .inherit_env = false,
                  .cwd = root};
  const std::vector<std::string> arguments = machine_arguments(options);
  command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
  TRY(const std::int64_t pid, parts_.processes.start_detached(command, root + "/machine.log"));
  return parts_.files.write_atomic(root + "/" + std::string(kMachineFile),
                                   encode_machine(mark_process(parts_.files, pid)), 0644, /*durable=*/false);
}

std::set<int> LocalProvider::used_ports() {
  std::set<int> out;
  for (const char* path : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    const Result<std::string> text = parts_.files.read(path);
    if (text.ok()) { out.merge(parse_used_ports(text.value())); }
  }
  return out;
}

std::vector<NodeView> LocalProvider::views(const std::vector<NodeRecord>& nodes) {
  const Instant now = parts_.clock.now();
  std::vector<NodeView> out;
  out.reserve(nodes.size());
  for (const NodeRecord& node : nodes) {
    out.push_back(view_node(node, now, nodes_folder(), config_.binary));
  }
  return out;
}

}  // namespace gpubroker::local
