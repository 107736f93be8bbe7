#include "providers/vast/codec.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "core/base/text.hpp"
#include "core/wire/answer_json.hpp"
#include "core/wire/api_key.hpp"
#include "core/wire/cloud_answer.hpp"
#include "core/wire/gpu_words.hpp"
#include "core/wire/harvest_rows.hpp"

namespace gpubroker::vast {
namespace {

constexpr std::int64_t kLimit = 5'000;  // offers; the market has some thousands

constexpr std::array kCodes = {
    CodeRow{"no_such_ask", ErrorKind::capacity, ErrorScope::offer},  // somebody else was quicker
    CodeRow{"auth_error", ErrorKind::auth, ErrorScope::account},
    CodeRow{"invalid_args", ErrorKind::invalid, ErrorScope::request},
    CodeRow{"invalid_price", ErrorKind::invalid, ErrorScope::request},
    CodeRow{"no_ssh_key_for_vm", ErrorKind::invalid, ErrorScope::request},
};

std::string_view feed_of(Market market) {
  return market == Market::spot ? "vast/bids" : "vast/offers";
}

/// The machine, the disk of the price, and what traffic costs besides.
void read_price(const AnswerValue& row, Market market, Listing& listing) {
  const std::int64_t base = row.at("dph_base").money().micros;
  const std::int64_t total = row.at("dph_total").money().micros;
  // Both are bounded by what an amount can be, but not their sum with a bid.
  constexpr std::int64_t kMost = 1'000'000'000'000;  // a million dollars an hour
  const std::int64_t machine = market == Market::spot ? row.at("min_bid").money().micros : base;
  if (std::max({base, total, machine}) > kMost || std::min({base, total, machine}) < 0) {
    AnswerValue::refuse("the price cannot be");
  }
  const std::int64_t disk = std::max<std::int64_t>(total - base, 0);
  const std::string source(feed_of(market));
  listing.offer.price = {machine + disk};
  const auto add_part = [&](std::string what, std::int64_t micros) {
    listing.parts.push_back({.what = std::move(what), .rate = {micros}, .source = source});
  };
  add_part(market == Market::spot ? "bid" : "machine", machine);
  add_part(std::to_string(kDiskGb) + " GB of disk", disk);
  if (const std::optional<AnswerValue> up = row.find("inet_up_cost")) {
    std::string note = "egress, not in the price: " + format_money(up->money());
    note += " USD per GB";
    add_part(std::move(note), 0);
  }
}

/// GPUs that NVLink joins, as far as the measured rate tells.
int read_domain(const AnswerValue& row, const Accelerator& gpu) {
  const std::optional<AnswerValue> rate = row.find("bw_nvlink");
  if (!rate) { return 0; }
  if (rate->rounded() == 0) { return 1; }
  // Bridges join pairs of cards; only SXM boards join all.
  return gpu.form == "SXM" || gpu.count <= 2 ? gpu.count : 0;
}

Listing read_offer(const AnswerValue& row, Market market, Instant now) {
  Listing listing;
  Offer& offer = listing.offer;
  listing.gpu_text = row.at("gpu_name").text();
  const std::int64_t memory_mib = row.at("gpu_ram").rounded();
  constexpr std::int64_t kGib = 1'024;
  if (memory_mib < 0 || memory_mib > kGib * kGib) { AnswerValue::refuse("gpu_ram cannot be"); }
  offer.gpu = {.model = "",
               .form = form_in(listing.gpu_text),
               .memory_gib = static_cast<int>((memory_mib + kGib / 2) / kGib),
               .count = row.at("num_gpus").whole<int>()};
  const std::string place = row.text_or("geolocation");
  offer.key = {.provider = "vast",
               .region = place.empty() ? "unknown" : place,
               .instance_type = std::to_string(offer.gpu.count) + "x " + listing.gpu_text,
               .market = market};
  const std::int64_t cores = row.at("cpu_cores_effective").rounded();
  if (cores < 0 || cores > kGib * kGib) { AnswerValue::refuse("cpu_cores_effective cannot be"); }
  offer.vcpus = static_cast<int>(cores);
  offer.memory_mib = row.at("cpu_ram").rounded();
  offer.learnt_at = now;
  offer.billing = {.unit = Millis{1'000}};  // "per-second billing" (vast.ai/pricing, 2026-10-07)
  offer.source = feed_of(market);
  listing.disk_gib = row.at("disk_space").rounded();
  listing.seller = "host " + row.at("host_id").text();
  listing.variant = row.at("id").text();
  listing.basis = market == Market::spot ? PriceBasis::market : PriceBasis::list;
  fill_host(listing);
  listing.nvlink_domain = read_domain(row, offer.gpu);
  listing.availability = {.kind = AvailabilityKind::count, .value = 1, .basis = "vast rentable offer"};
  read_price(row, market, listing);
  return listing;
}

/// "… endpoint threshold=4.5": the seconds, rounded up, three at least.
Millis wait_of(std::string_view text) {
  constexpr std::string_view kMark = "threshold=";
  constexpr Millis kLeast{3'000};
  const std::size_t at = text.find(kMark);
  if (at == std::string_view::npos) { return kLeast; }
  std::string_view number = text.substr(at + kMark.size());
  number = number.substr(0, number.find_first_not_of("0123456789."));
  while (!number.empty() && number.back() == '.') { number.remove_suffix(1); }
  const std::optional<Money> seconds = round_money(number);
  constexpr std::int64_t kMost = 3'600'000'000;
  if (!seconds || seconds->micros > kMost) { return kLeast; }
  return std::max(kLeast, Millis{(seconds->micros + 999) / 1'000});
}

}  // namespace

HttpRequest encode_search(Market market, std::string_view which) {
  HttpRequest request;
  request.method = "POST";
  request.url = kBase;
  request.url += "/v0/bundles/";
  request.headers = {{"Content-Type", "application/json"}, {"Accept", "application/json"}};
  request.body = R"({"type":")";
  request.body += market == Market::spot ? "bid" : "on-demand";
  request.body += R"(","limit":)" + std::to_string(kLimit);
  request.body += R"(,"verified":{"eq":true},"rentable":{"eq":true},"rented":{"eq":false},)";
  request.body += which;
  request.body += R"(,"order":[["dph_total","asc"]],"allocated_storage":)";
  request.body += std::to_string(kDiskGb) + "}";
  request.repeatable = true;  // it only asks
  return request;
}

Result<Harvest> parse_offers(std::string_view body, Market market, Instant now) {
  return read_answer(body, "vast POST /v0/bundles/", [&](const AnswerValue& root) -> Result<Harvest> {
    Harvest harvest;
    const AnswerValue offers = root.at("offers");
    if (static_cast<std::int64_t>(offers.list().size()) >= kLimit) {
      add_remark(harvest, "more offers than asked for", "the dearest are left out");
    }
    for_each_row(offers, "offers", harvest, [&](const AnswerValue& row) {
      if (row.text_or("verification", "verified") != "verified") {
        return add_remark(harvest, "host not verified", row.at("id").text());
      }
      Listing listing = read_offer(row, market, now);
      if (listing.offer.gpu.count > 0) { harvest.listings.push_back(std::move(listing)); }
    });
    drop_repeated(harvest);
    return harvest;
  });
}

HttpRequest encode_get(const std::string& path, const Secret& key) {
  return bearer_get(std::string(kBase) + path, key);
}

Error parse_error(const HttpResponse& answer, const std::string& path, Instant now) {
  std::string code;
  std::string message;
  static_cast<void>(visit_answer(answer.body, "vast", [&](const AnswerValue& root) {
    code = root.text_or("error");
    message = root.text_or("msg");
  }));
  Error error = error_from_answer(answer, "vast " + path, code, message, now);
  judge_by_code(error, code, kCodes);
  if (lower(message).find("insufficient credit") != std::string::npos) {
    error.kind = ErrorKind::quota;
    error.scope = ErrorScope::account;
    error.hint = "add credit at cloud.vast.ai/billing";
  }
  if (answer.status == 429 && !error.retry_after) { error.retry_after = wait_of(answer.body); }
  return error;
}

}  // namespace gpubroker::vast
