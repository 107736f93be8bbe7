#include "providers/shadeform/codec.hpp"

#include "core/wire/answer_json.hpp"
#include "core/wire/cloud_answer.hpp"
#include "core/wire/gpu_words.hpp"
#include "core/wire/harvest_rows.hpp"

namespace gpubroker::shadeform {
namespace {

/// "H100" alone is the PCIe card there, as "H100_sxm5" is a name of its own; of other bare names nobody says.
std::string read_form(const std::string& gpu, const std::string& interconnect, const std::string& type) {
  const std::string told = form_in(interconnect);
  if (!told.empty()) { return told; }
  const std::string named = form_in(type);
  if (!named.empty()) { return named; }
  return gpu == "H100" ? "PCIe" : "";
}

Listing read_type(const AnswerValue& row, Instant now) {
  const AnswerValue shape = row.at("configuration");
  Listing listing;
  Offer& offer = listing.offer;
  listing.seller = row.at("cloud").text();
  const std::string type = row.at("shade_instance_type").text();
  offer.key = {.provider = "shadeform", .region = "any", .instance_type = listing.seller + "_" + type};
  listing.gpu_text = shape.at("gpu_type").text();
  offer.gpu = {.model = "",
               .form = read_form(listing.gpu_text, shape.text_or("interconnect"), type),
               .memory_gib = shape.whole_or("vram_per_gpu_in_gb", 0),
               .count = shape.at("num_gpus").whole<int>()};
  offer.vcpus = shape.at("vcpus").whole<int>();
  offer.memory_mib = shape.at("memory_in_gb").whole<std::int32_t>() * std::int64_t{1024};
  listing.disk_gib = shape.whole_or("storage_in_gb", std::int32_t{0});
  constexpr std::int64_t kCents = 100;
  offer.price = {row.at("hourly_price").money().micros / kCents};
  if (offer.price.micros_per_hour < 0) { AnswerValue::refuse("the price cannot be"); }
  offer.learnt_at = now;
  offer.source = "shadeform/instance-types";
  const std::string deployment = row.text_or("deployment_type", "vm");
  if (deployment != "vm") { listing.variant = deployment; }
  fill_host(listing);
  return listing;
}

}  // namespace

HttpRequest encode_get(const std::string& path, const Secret& key) {
  HttpRequest request;
  request.url = std::string(kBase) + path;
  request.headers = {{"X-API-KEY", key.reveal()}, {"Accept", "application/json"}};
  return request;
}

Result<Harvest> parse_types(std::string_view body, Instant now) {
  return read_answer(body, "shadeform GET /instances/types", [&](const AnswerValue& root) -> Result<Harvest> {
    Harvest harvest;
    for_each_row(root.at("instance_types"), "instance_types", harvest, [&](const AnswerValue& row) {
      if (row.at("configuration").at("num_gpus").whole<int>() == 0) { return; }  // CPU machines
      Listing listing = read_type(row, now);
      const std::vector<AnswerValue> places = row.at("availability").list();
      listing.availability = {.kind = AvailabilityKind::level, .value = 0, .basis = "shadeform availability"};
      if (places.empty()) { harvest.listings.push_back(listing); }
      for (const AnswerValue& place : places) {
        listing.offer.key.region = place.at("region").text();
        listing.availability.value = place.at("available").boolean() ? 1 : 0;
        harvest.listings.push_back(listing);
      }
    });
    drop_repeated(harvest);
    return harvest;
  });
}

Error parse_error(const HttpResponse& answer, const std::string& path, Instant now) {
  std::string code;
  std::string message;
  static_cast<void>(visit_answer(answer.body, "shadeform", [&](const AnswerValue& root) {
    code = root.text_or("error_code");
    message = root.text_or("error");
  }));
  Error error = error_from_answer(answer, "shadeform GET " + path, code, message, now);
  if (code == "OUT_OF_STOCK") {
    error.kind = ErrorKind::capacity;
    error.scope = ErrorScope::region;
  }
  return error;
}

}  // namespace gpubroker::shadeform
