#include "providers/voltagepark/codec.hpp"

#include <algorithm>
#include <array>

#include "core/wire/answer_json.hpp"
#include "core/wire/gpu_words.hpp"
#include "core/wire/harvest_rows.hpp"

namespace gpubroker::voltagepark {
namespace {

struct Network {
  std::string_view name;
  Fabric fabric;
};
constexpr std::array kNetworks = {Network{"ethernet", Fabric::ethernet},
                                  Network{"infiniband", Fabric::infiniband}};

std::string field(std::string_view what, std::string_view network) {
  std::string name(what);
  name += network;
  return name;
}

Listing read_location(const AnswerValue& row, Instant now) {
  const AnswerValue specs = row.at("specs_per_node");
  Listing listing;
  Offer& offer = listing.offer;
  offer.key = {.provider = "voltagepark", .region = row.at("id").text()};
  listing.gpu_text = specs.at("gpu_model").text();
  offer.gpu = {.model = "",
               .form = form_in(listing.gpu_text),
               .memory_gib = memory_gib_in(listing.gpu_text),
               .count = specs.at("gpu_count").whole<int>()};
  if (offer.gpu.count <= 0) { AnswerValue::refuse("a machine without a GPU"); }
  offer.vcpus = specs.whole_or("cpu_count", 0);
  offer.memory_mib = specs.whole_or("ram_gb", std::int32_t{0}) * std::int64_t{1024};
  listing.disk_gib = specs.whole_or("storage_gb", std::int32_t{0});
  offer.learnt_at = now;
  offer.source = "voltagepark/locations";
  fill_host(listing);
  return listing;
}

void add_network(const AnswerValue& row, Listing listing, const Network& network, Harvest& harvest) {
  const std::optional<AnswerValue> price = row.find(field("gpu_price_", network.name));
  if (!price || price->money().micros == 0) { return; }  // not built there
  const int gpus = listing.offer.gpu.count;
  const std::optional<Rate> whole = times(Rate{price->money().micros}, gpus);
  if (!whole || whole->micros_per_hour < 0) { AnswerValue::refuse("the price cannot be"); }
  listing.offer.price = *whole;
  listing.offer.key.instance_type = std::to_string(gpus) + "x " + listing.gpu_text;
  listing.offer.key.instance_type += field(" ", network.name);
  listing.fabric = network.fabric;
  listing.availability = {.kind = AvailabilityKind::count,
                          .value = std::max(row.whole_or(field("gpu_count_", network.name), 0), 0) / gpus,
                          .basis = field("voltagepark gpu_count_", network.name)};
  harvest.listings.push_back(std::move(listing));
}

}  // namespace

HttpRequest encode_locations() {
  HttpRequest request;
  request.url = "https://cloud-api.voltagepark.com/api/v1/bare-metal/locations";
  request.headers = {{"Accept", "application/json"}};
  return request;
}

Result<Harvest> parse_locations(std::string_view body, Instant now) {
  return read_answer(
      body, "voltagepark GET /bare-metal/locations", [&](const AnswerValue& root) -> Result<Harvest> {
        Harvest harvest;
        const std::optional<AnswerValue> items = root.find("items");
        for_each_row(items ? *items : root.at("results"), "results", harvest, [&](const AnswerValue& row) {
          const Listing listing = read_location(row, now);
          for (const Network& network : kNetworks) { add_network(row, listing, network, harvest); }
        });
        // How the next page is asked for is not public.
        if (root.boolean_or("has_next", false)) {
          add_remark(harvest, "more pages than were read", "has_next");
        }
        drop_repeated(harvest);
        return harvest;
      });
}

}  // namespace gpubroker::voltagepark
