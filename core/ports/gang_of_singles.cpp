#include "core/ports/gang_of_singles.hpp"

#include <algorithm>

namespace gpubroker {
namespace {

/// The machines of a gang by rank, as far as they are there.
using Places = std::vector<std::optional<NodeView>>;

/// The error that says most: a refusal before a lost answer.
const Error* choose(const std::vector<std::optional<Error>>& errors) {
  const Error* chosen = nullptr;
  for (const std::optional<Error>& error : errors) {
    if (error && (chosen == nullptr || (chosen->maybe_applied && !error->maybe_applied))) {
      chosen = &*error;
    }
  }
  return chosen;
}

std::vector<NodeId> living(const Places& places) {
  std::vector<NodeId> ids;
  for (const std::optional<NodeView>& place : places) {
    if (place && place->state != NodeState::ended) { ids.push_back(place->id); }
  }
  return ids;
}

/// Gives back what is there of a gang that will not be whole.
Error give_up(SingleMachines& cloud, const Places& places, Error error) {
  const std::vector<NodeId> ids = living(places);
  // Also when it works: what they cost until now is to be found and paid for.
  error.maybe_applied = error.maybe_applied || !ids.empty();
  if (!ids.empty()) {
    if (const Status ended = cloud.terminate_machines(ids); !ended.ok()) {
      error.message += "; and those that were made could not be ended: " + ended.error().message;
    }
  }
  return error;
}

}  // namespace

bool may_go_on(const Error& error) {
  return error.kind == ErrorKind::network || error.kind == ErrorKind::throttled;
}

Result<std::vector<NodeView>> ensure_singles(SingleMachines& cloud, FanOut& fan_out,
                                             const GangRequest& request, std::size_t at_once) {
  Places places(static_cast<std::size_t>(request.nodes));
  TRY(std::vector<NodeView> all, cloud.list_machines());
  bool some_ended = false;
  for (NodeView& view : all) {
    const bool is_ours = view.token == request.token && view.index >= 0 && view.index < request.nodes;
    if (!is_ours) { continue; }
    if (view.offer.instance_type != request.offer.key.instance_type ||
        view.offer.region != request.offer.key.region) {
      return Error{.kind = ErrorKind::invalid,
                   .message = "token " + request.token.value +
                              " was used for another request: " + format_offer_key(view.offer),
                   .source = request.offer.key.provider,
                   .code = "TokenMismatch"};
    }
    some_ended = some_ended || view.state == NodeState::ended;
    std::optional<NodeView>& place = places[static_cast<std::size_t>(view.index)];
    if (!place || place->state == NodeState::ended) { place = std::move(view); }
  }
  std::vector<std::size_t> missing;
  for (std::size_t rank = 0; rank < places.size(); ++rank) {
    if (!places[rank]) { missing.push_back(rank); }
  }
  if (some_ended && !missing.empty()) {
    return give_up(
        cloud, places,
        Error{.kind = ErrorKind::capacity,
              .message = "the gang " + request.token.value + " could not be completed and was given back",
              .source = request.offer.key.provider,
              .scope = ErrorScope::offer,
              .maybe_applied = true});
  }
  std::vector<std::optional<Error>> errors(missing.size());
  fan_out.run(missing.size(), at_once, [&](std::size_t i) {
    Result<NodeView> made = cloud.create_machine(request, static_cast<int>(missing[i]));
    if (made.ok()) {
      places[missing[i]] = std::move(made).value();
    } else {
      errors[i] = made.error();
      if (errors[i]->kind ==
          ErrorKind::internal) {  // an answer that cannot be read is none: it may have been made
        errors[i]->kind = ErrorKind::network;
        errors[i]->maybe_applied = true;
      }
    }
  });
  if (const Error* const error = choose(errors)) {
    if (!may_go_on(*error)) { return give_up(cloud, places, *error); }
    // The same call with the same token completes it.
    Error again = *error;
    again.maybe_applied = again.maybe_applied || !living(places).empty();
    return again;
  }
  std::vector<NodeView> gang;
  for (std::optional<NodeView>& place : places) { gang.push_back(*std::move(place)); }
  return gang;
}

}  // namespace gpubroker
