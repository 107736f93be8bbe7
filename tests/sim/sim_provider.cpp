#include "tests/sim/sim_provider.hpp"

#include <algorithm>

namespace gpubroker::sim {
namespace {

using std::chrono::seconds;

Error lost(bool maybe_applied) {
  return {.kind = ErrorKind::network,
          .message = "response lost",
          .source = "sim",
          .maybe_applied = maybe_applied};
}

}  // namespace

std::optional<Error> bad_answer(World::Luck luck) {
  switch (luck) {
    case World::Luck::fine:
      return std::nullopt;
    case World::Luck::throttled:
      return Error{.kind = ErrorKind::throttled, .message = "slow down", .retry_after = seconds{3}};
    case World::Luck::lost_before:
    case World::Luck::lost_after:
    case World::Luck::late:
      return lost(/*maybe_applied=*/true);
  }
  return std::nullopt;
}

Result<std::vector<Offer>> SimProvider::offers() {
  if (std::optional<Error> error = bad_answer(world_.draw())) { return *error; }
  return world_.offers();
}

Result<std::vector<PricePoint>> SimProvider::price_history(const OfferKey& key, Instant /*from*/,
                                                           Instant to) {
  if (std::optional<Error> error = bad_answer(world_.draw())) { return *error; }
  std::vector<PricePoint> points = world_.prices(key);
  points.erase(std::remove_if(points.begin(), points.end(), [&](const PricePoint& p) { return p.at > to; }),
               points.end());
  return points;
}

Result<std::vector<NodeView>> SimProvider::ensure_gang(const GangRequest& request) {
  const World::Luck luck = world_.draw();
  if (luck == World::Luck::late) {
    world_.late_bookings.emplace(world_.now + seconds{1 + world_.dice.below(44)},
                                 [&world = world_, request] { (void)world.book(request); });
  }
  if (luck == World::Luck::lost_after) { (void)world_.book(request); }
  if (std::optional<Error> error = bad_answer(luck)) { return *error; }
  return world_.book(request);
}

Result<std::vector<NodeView>> SimProvider::list() {
  if (std::optional<Error> error = bad_answer(world_.draw())) { return *error; }
  return world_.list();
}

Status SimProvider::terminate(const std::vector<NodeId>& nodes) {
  const World::Luck luck = world_.draw();
  if (luck == World::Luck::lost_after) { (void)world_.end(nodes, "terminated"); }
  if (std::optional<Error> error = bad_answer(luck)) { return *error; }
  return world_.end(nodes, "terminated");
}

Status SimChannel::put(const NodeAddress& node, const std::string& path, std::string_view bytes,
                       int /*mode*/) {
  const World::Luck luck = world_.draw();
  Machine* const machine = world_.find(node.id);
  if (machine == nullptr || machine->view.state != NodeState::running) { return lost(false); }
  if (luck == World::Luck::fine || luck == World::Luck::lost_after) {
    machine->files[path] = std::string(bytes);
    const std::size_t at = path.find("/requests/");
    if (at != std::string::npos) { world_.ask_agent(*machine, path.substr(at), std::string(bytes)); }
  }
  if (luck != World::Luck::fine) { return lost(true); }
  return Ok{};
}

Status SimChannel::put_file(const NodeAddress& node, const std::string& path,
                            const std::string& /*local_path*/) {
  return put(node, path, "archive", 0600);
}

Result<std::string> SimChannel::get(const NodeAddress& node, const std::string& path, std::int64_t /*offset*/,
                                    std::int64_t /*max*/) {
  Machine* const machine = world_.find(node.id);
  if (machine == nullptr || machine->view.state != NodeState::running || world_.draw() != World::Luck::fine) {
    return lost(false);
  }
  if (!machine->agent || path.find("/report.json") == std::string::npos) {
    return Error{.kind = ErrorKind::not_found, .message = "no such file"};
  }
  return world_.report_of(*machine);
}

Result<CommandResult> SimChannel::run(const NodeAddress& /*node*/, const Command& /*command*/,
                                      Millis /*timeout*/) {
  return CommandResult{.exit = {.code = 0}};
}

Status SimChannel::start(const NodeAddress& node, const Command& command,
                         const std::string& /*output_path*/) {
  const World::Luck luck = world_.draw();
  Machine* const machine = world_.find(node.id);
  if (machine == nullptr || machine->view.state != NodeState::running) { return lost(false); }
  if (luck == World::Luck::fine || luck == World::Luck::lost_after) {
    const std::string spec = "attempts/" + command.argv.back() + "/spec.json";
    TRY([[maybe_unused]] const Ok started, world_.start_agent(*machine, machine->files[spec]));
  }
  if (luck != World::Luck::fine) { return lost(true); }
  return Ok{};
}

}  // namespace gpubroker::sim
