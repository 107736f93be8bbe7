#include "providers/lambda/codec.hpp"

#include <array>

#include "core/base/text.hpp"
#include "core/wire/answer_json.hpp"
#include "core/wire/cloud_answer.hpp"
#include "core/wire/ini.hpp"

namespace gpubroker::lambda {
namespace {

constexpr std::string_view kSource = "lambda";

constexpr std::array kCodes = {
    CodeRow{"instance-operations/launch/insufficient-capacity", ErrorKind::capacity, ErrorScope::region},
    CodeRow{"global/quota-exceeded", ErrorKind::quota, ErrorScope::account},
    CodeRow{"global/invalid-parameters", ErrorKind::invalid, ErrorScope::request},
    CodeRow{"global/object-does-not-exist", ErrorKind::not_found, ErrorScope::request},
    CodeRow{"global/not-found", ErrorKind::not_found, ErrorScope::request},
    CodeRow{"global/duplicate", ErrorKind::conflict, ErrorScope::request},
    CodeRow{"global/conflict", ErrorKind::conflict, ErrorScope::request},
    CodeRow{"global/invalid-api-key", ErrorKind::auth, ErrorScope::account},
    CodeRow{"global/account-inactive", ErrorKind::auth, ErrorScope::account},
    CodeRow{"global/invalid-address", ErrorKind::auth, ErrorScope::account},
    CodeRow{"global/forbidden", ErrorKind::auth, ErrorScope::account},
    CodeRow{"global/internal-error", ErrorKind::network, ErrorScope::request},
    CodeRow{"provider/internal-unavailable", ErrorKind::network, ErrorScope::request},
};

/// "H100 (80 GB SXM5)" tells form and memory.
void read_words(const std::string& words, Accelerator& gpu) {
  if (words.find("SXM") != std::string::npos) { gpu.form = "SXM"; }
  if (words.find("PCIe") != std::string::npos) { gpu.form = "PCIe"; }
  const std::size_t open = words.find('(');
  const std::size_t unit = words.find(" GB", open == std::string::npos ? 0 : open);
  if (open == std::string::npos || unit == std::string::npos) { return; }
  gpu.memory_gib = static_cast<int>(parse_int(words.substr(open + 1, unit - open - 1)).value_or(0));
}

Listing read_type(const AnswerValue& row, Instant now) {
  const AnswerValue type = row.at("instance_type");
  const AnswerValue specs = type.at("specs");
  Listing listing;
  Offer& offer = listing.offer;
  offer.key = {.provider = "lambda", .instance_type = type.at("name").text()};
  listing.gpu_text = type.at("gpu_description").text();
  read_words(listing.gpu_text, offer.gpu);
  offer.gpu.count = specs.at("gpus").whole<int>();
  if (offer.gpu.count < 0) { AnswerValue::refuse("gpus: less than none"); }
  offer.vcpus = specs.at("vcpus").whole<int>();
  offer.memory_mib = specs.at("memory_gib").whole<std::int32_t>() * std::int64_t{1024};
  listing.disk_gib = specs.at("storage_gib").whole<std::int32_t>();
  offer.price = {type.at("price_cents_per_hour").whole<std::int32_t>() * std::int64_t{10'000}};
  offer.billing = {.unit = Millis{60'000}};  // by the minute, from active to terminated
  offer.learnt_at = now;
  offer.source = "lambda/instance-types";
  // Grace hosts are Arm; all others are x86-64.
  listing.arch = listing.gpu_text.rfind("GH200", 0) == 0 ? "arm64" : "x86_64";
  listing.fabric = Fabric::ethernet;  // InfiniBand only in 1-Click clusters, which are sold apart
  return listing;
}

}  // namespace

HttpRequest encode_get(std::string_view path, const Secret& key) {
  HttpRequest request;
  request.url = std::string(kBase);
  request.url += path;
  request.headers = {{"Authorization", "Bearer " + key.reveal()}, {"Accept", "application/json"}};
  return request;
}

Result<Harvest> parse_instance_types(std::string_view body, Instant now) {
  return read_answer(body, kSource, [&](const AnswerValue& root) -> Result<Harvest> {
    Harvest harvest;
    for (const auto& [name, row] : root.at("data").members()) {
      read_row(name, harvest, [&, row = row] {
        Listing listing = read_type(row, now);
        if (listing.offer.gpu.count == 0) { return; }  // CPU machines
        const std::vector<AnswerValue> regions = row.at("regions_with_capacity_available").list();
        listing.availability = {.kind = AvailabilityKind::level,
                                .value = regions.empty() ? 0 : 1,
                                .basis = "lambda regions_with_capacity_available"};
        listing.offer.key.region = "any";
        if (regions.empty()) { harvest.listings.push_back(listing); }
        for (const AnswerValue& region : regions) {
          listing.offer.key.region = region.at("name").text();
          harvest.listings.push_back(listing);
        }
      });
    }
    return harvest;
  });
}

Error parse_error(const HttpResponse& answer, std::string_view call, Instant now) {
  std::string code;
  std::string message;
  std::string hint;
  // A body that is not theirs (a proxy's page) leaves the status to speak for itself.
  static_cast<void>(visit_answer(answer.body, kSource, [&](const AnswerValue& root) {
    const AnswerValue error = root.at("error");
    code = error.at("code").text();
    message = error.text_or("message");
    hint = error.text_or("suggestion");
  }));
  Error error = error_from_answer(answer, "lambda " + std::string(call), code, message, now);
  error.hint = hint;
  judge_by_code(error, code, kCodes);
  return error;
}

Secret parse_key_file(std::string_view text) {
  return Secret(ini_value(parse_ini(text), "", "api_key"));
}

}  // namespace gpubroker::lambda
