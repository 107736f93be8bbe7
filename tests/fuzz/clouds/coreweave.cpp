// Every parser of CoreWeave's codecs on any bytes. Seeds: tests/fixtures/coreweave.
#include "core/ports/machine_tags.hpp"
#include "providers/coreweave/codec.hpp"
#include "providers/coreweave/kubeconfig.hpp"
#include "providers/coreweave/machines.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gpubroker;  // NOLINT(google-build-using-namespace): a program of few functions.

namespace {

void check_zones(std::string_view input) {
  const Result<Harvest> harvest = coreweave::parse_zones(input);
  if (!harvest.ok()) { return; }
  for (const Listing& listing : harvest.value().listings) {
    fuzz::must(listing.offer.gpu.count > 0, "a listing has a GPU");
    fuzz::must((listing.basis == PriceBasis::quote) == (listing.offer.price == Rate{}),
               "no price is a quote");
  }
}

/// All lists from one text: what fits one of them is seen with what fits none.
void check_machines(std::string_view input) {
  coreweave::ClusterSight sight;
  if (auto page = coreweave::parse_pools(input); page.ok()) { sight.pools = page.value().items; }
  if (auto page = coreweave::parse_nodes(input); page.ok()) { sight.nodes = page.value().items; }
  if (auto page = coreweave::parse_pods(input); page.ok()) { sight.pods = page.value().items; }
  if (auto page = coreweave::parse_services(input); page.ok()) { sight.addresses = page.value().items; }
  for (const NodeView& view : coreweave::view_machines("Z", sight, Instant{0})) {
    fuzz::must(!view.token.value.empty(), "a machine has a token");
    const auto place = coreweave::parse_machine_id(view.id);
    fuzz::must(place && place->pool == gang_name(view.token) && place->rank == view.index,
               "a machine's id is read back");
    fuzz::must(view.state != NodeState::ended || !view.end_reason.empty(), "an end has a reason");
  }
  for (const coreweave::Pool& pool : sight.pools) { static_cast<void>(coreweave::judge_pool(pool, "Z")); }
}

}  // namespace

GPUBROKER_FUZZ_TARGET(input) {
  fuzz::Turn turn(input, 11);
  const HttpResponse refusal{.status = 400, .body = std::string(input)};
  if (turn.next()) { check_zones(input); }
  if (turn.next()) { check_machines(input); }
  if (turn.next()) { static_cast<void>(coreweave::parse_clusters(input)); }
  if (turn.next()) { static_cast<void>(coreweave::parse_error(refusal, "/x", Instant{0})); }
  if (turn.next()) { static_cast<void>(coreweave::parse_status(refusal, "x", Instant{0})); }
  if (turn.next()) { static_cast<void>(coreweave::parse_kubeconfig({std::string(input)})); }
  if (turn.next()) { static_cast<void>(coreweave::parse_program_answer(input)); }
  if (turn.next()) { static_cast<void>(coreweave::parse_pool(input)); }
  if (turn.next()) { static_cast<void>(coreweave::judge_events(input, "Z")); }
  if (turn.next()) { static_cast<void>(coreweave::parse_machine_id({std::string(input)})); }
  if (turn.next()) {
    static_cast<void>(coreweave::parse_ranks(input));
    static_cast<void>(coreweave::zone_of_server(input));
  }
}
