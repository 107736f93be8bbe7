#include "providers/sfcompute/codec.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <map>

#include "core/base/text.hpp"
#include "core/wire/answer_json.hpp"
#include "core/wire/cloud_answer.hpp"
#include "core/wire/url.hpp"

namespace gpubroker::sfcompute {
namespace {

constexpr std::string_view kSource = "sfcompute";
constexpr std::int64_t kHourMs = 3'600'000;
constexpr int kMostNodes = 100'000;

constexpr std::array kCodes = {
    CodeRow{"api_error", ErrorKind::network, ErrorScope::request},
    CodeRow{"authentication_error", ErrorKind::auth, ErrorScope::account},
    CodeRow{"conflict", ErrorKind::conflict, ErrorScope::request},
    CodeRow{"forbidden", ErrorKind::auth, ErrorScope::account},
    CodeRow{"not_found", ErrorKind::not_found, ErrorScope::request},
};

struct GpuRow {
  std::string_view prefix;  // of the type
  std::string_view words;
  int memory_gib;
  int vcpus;  // of the node; 0: not published
  int ram_gib;
  int disk_gib;
};
constexpr std::array kGpus = {
    GpuRow{"h100", "H100", 80, 112, 960, 1500},
    GpuRow{"h200", "H200", 141, 0, 0, 0},
    GpuRow{"b200", "B200", 180, 0, 0, 0},
};

/// What is free at `now`; windows that overlap add up.
int free_now(const AnswerValue& zone, Instant now) {
  std::int64_t nodes = 0;
  const auto windows = zone.find("available_capacity");
  if (!windows) { return 0; }
  for (const AnswerValue& window : windows->list()) {
    const std::int64_t from = window.at("start_timestamp").whole<std::int64_t>();
    const std::int64_t until = window.at("end_timestamp").whole<std::int64_t>();
    const int quantity = window.at("quantity").whole<int>();
    const std::int64_t seconds = now.ms / 1'000;
    if (from <= seconds && seconds < until) { nodes += std::max(quantity, 0); }
  }
  return static_cast<int>(std::min<std::int64_t>(nodes, kMostNodes));
}

Instant next_hour(Instant now) {
  return {(now.ms / kHourMs + 1) * kHourMs};
}

/// "NOW" means the beginning of the next minute.
Instant read_time(const AnswerValue& value, Instant now) {
  constexpr std::int64_t kMinuteMs = 60'000;
  const std::string text = value.text();
  if (text == "NOW") { return {(now.ms / kMinuteMs + 1) * kMinuteMs}; }
  const Result<Instant> at = parse_utc(text);
  if (!at.ok()) { AnswerValue::refuse("'" + text.substr(0, 40) + "' is no time"); }
  return at.value();
}

/// Micro-dollars of a node's hour, from the cents of `nodes` for `length`, rounded to the nearest.
Rate node_hour(const AnswerValue& cents, std::int64_t nodes, Millis length) {
  constexpr std::int64_t kMostCents = 100'000'000;
  constexpr std::int64_t kPart =
      36'000;  // a millionth of a cent to micro-dollars, of milliseconds to an hour
  const std::int64_t millionths = cents.money().micros;
  if (millionths <= 0 || millionths > kMostCents * 1'000'000) {
    AnswerValue::refuse("the price is out of range");
  }
  const std::int64_t share = nodes * length.count();
  return {(millionths * kPart + share / 2) / share};
}

}  // namespace

Result<std::vector<Zone>> parse_zones(std::string_view body, Instant now, Harvest& harvest) {
  return read_answer(body, kSource, [&](const AnswerValue& root) -> Result<std::vector<Zone>> {
    std::vector<Zone> zones;
    for_each_row(root.at("data"), "zones", harvest, [&](const AnswerValue& row) {
      Zone zone{.name = row.at("name").text(), .instance_type = lower(row.at("hardware_type").text())};
      zone.instance_type += lower(row.text_or("interconnect_type", "None")) == "infiniband" ? "i" : "v";
      zone.nodes_now = free_now(row, now);
      zones.push_back(std::move(zone));
    });
    return zones;
  });
}

std::vector<Signal> zone_signals(const std::vector<Zone>& zones) {
  std::map<std::pair<std::string, std::string>, int> nodes;  // a zone told twice is one
  for (const Zone& zone : zones) {
    int& known = nodes[{zone.name, zone.instance_type}];
    known = std::max(known, zone.nodes_now);
  }
  std::vector<Signal> signals;
  for (const auto& [place, count] : nodes) {
    signals.push_back(
        {.provider = "sfcompute",
         .region = place.first,
         .instance_type = place.second,
         .market = Market::block,
         .availability = {
             .kind = AvailabilityKind::count, .value = count, .basis = "sfcompute available_capacity"}});
  }
  return signals;
}

std::string quote_path(const Question& question, Instant now) {
  const Instant from = next_hour(now);
  const std::string seconds = std::to_string(question.length.count() / 1'000);
  return "/v0/quote?" + encode_query({{"side", "buy"},
                                      {"instance_type", question.instance_type},
                                      {"quantity", "1"},
                                      {"min_start_date", format_utc(from)},
                                      {"max_start_date", format_utc(from + std::chrono::hours{24})},
                                      {"min_duration", seconds},
                                      {"max_duration", seconds}});
}

Result<std::optional<Listing>> parse_quote(std::string_view body, const Question& question, Instant now) {
  return read_answer(body, kSource, [&](const AnswerValue& root) -> Result<std::optional<Listing>> {
    const auto quote = root.find("quote");
    if (!quote) { return std::optional<Listing>(); }
    const Window window{.from = read_time(quote->at("start_at"), now),
                        .until = read_time(quote->at("end_at"), now)};
    const int nodes = quote->at("quantity").whole<int>();
    constexpr Millis kLongest = std::chrono::hours{24 * 366};
    const Millis length = window.until - window.from;
    if (nodes < 1 || nodes > kMostNodes || length <= Millis{0} || length > kLongest) {
      AnswerValue::refuse("the quote's nodes or times are out of range");
    }
    Listing listing = make_node(question.instance_type);
    listing.offer.key.region = quote->text_or("zone", "any");
    listing.offer.price = node_hour(quote->at("price"), nodes, length);
    listing.offer.learnt_at = now;
    listing.offer.source = "sfcompute/quotes";
    listing.variant = format_duration(question.length);
    listing.basis = PriceBasis::market;
    listing.availability = {.kind = AvailabilityKind::count, .value = nodes, .basis = "sfcompute quote"};
    listing.window = window;
    return std::optional(std::move(listing));
  });
}

Listing make_node(const std::string& instance_type) {
  Listing listing;
  listing.offer.key = {.provider = "sfcompute", .instance_type = instance_type, .market = Market::block};
  listing.offer.gpu = {.form = "SXM", .count = kGpusPerNode};
  listing.gpu_text = upper(instance_type.substr(0, instance_type.size() - 1));
  for (const GpuRow& row : kGpus) {
    if (instance_type.rfind(row.prefix, 0) != 0) { continue; }
    listing.gpu_text = row.words;
    listing.offer.gpu.memory_gib = row.memory_gib;
    listing.offer.vcpus = row.vcpus;
    listing.offer.memory_mib = row.ram_gib * std::int64_t{1024};
    listing.disk_gib = row.disk_gib;
  }
  listing.arch = "x86_64";
  listing.fabric = instance_type.back() == 'i' ? Fabric::infiniband : Fabric::ethernet;
  listing.nvlink_domain = kGpusPerNode;
  return listing;
}

Error parse_error(const HttpResponse& answer, std::string_view path, Instant now) {
  std::string code;
  std::string message;
  static_cast<void>(visit_answer(answer.body, kSource, [&](const AnswerValue& root) {
    const AnswerValue error = root.at("error");
    code = error.text_or("type");
    message = error.text_or("message");
  }));
  const std::string_view call = path.substr(0, path.find('?'));
  Error error = error_from_answer(answer, "sfcompute GET " + std::string(call), code, message, now);
  // The words about stock and money say more than their codes.
  if (error.kind != ErrorKind::capacity && error.kind != ErrorKind::quota) {
    judge_by_code(error, code, kCodes);
  }
  if (lower(message).find("price too low") != std::string::npos) { error.kind = ErrorKind::capacity; }
  return error;
}

Secret parse_key_file(std::string_view text) {
  std::string token;
  static_cast<void>(
      visit_answer(text, kSource, [&](const AnswerValue& root) { token = root.text_or("auth_token"); }));
  return Secret(token);
}

Harvest price_table() {
  constexpr std::chrono::sys_days kAsOf = std::chrono::year{2026} / 9 / 20;
  constexpr std::int64_t kPerGpuMicros = 2'110'000;  // sfcompute.com's market average as of then
  Harvest harvest;
  Listing listing = make_node("h100i");
  listing.offer.key.region = "any";
  listing.offer.price = {kPerGpuMicros * kGpusPerNode};
  listing.offer.learnt_at = {Millis{kAsOf.time_since_epoch()}.count()};
  listing.offer.source = "sfcompute/price-table";
  listing.basis = PriceBasis::table;
  harvest.listings.push_back(std::move(listing));
  return harvest;
}

}  // namespace gpubroker::sfcompute
