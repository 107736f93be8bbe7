#include "providers/runpod/codec.hpp"

#include <array>

#include "core/base/text.hpp"
#include "core/wire/answer_json.hpp"
#include "core/wire/api_key.hpp"
#include "core/wire/cloud_answer.hpp"
#include "core/wire/gpu_words.hpp"
#include "core/wire/harvest_rows.hpp"
#include "core/wire/ini.hpp"

namespace gpubroker::runpod {
namespace {

constexpr std::array kCounts = {1, 2, 4, 8};

std::string name_of(Ownership ownership) {
  return ownership == Ownership::secure ? "secure" : "community";
}

/// "8x NVIDIA H100 80GB HBM3 secure": what a launch needs to know, in one name.
std::string type_name(int count, const std::string& id, std::string_view product) {
  std::string name = std::to_string(count);
  name += "x " + id;
  name += ' ';
  name += product;
  return name;
}

/// Of `count` GPUs; refuses the row when the price cannot be.
Listing make_listing(const std::string& id, const std::string& words, int memory_gib, int count,
                     std::string_view product, Money per_gpu, Instant now) {
  Listing listing;
  Offer& offer = listing.offer;
  offer.key = {.provider = "runpod", .region = "any", .instance_type = type_name(count, id, product)};
  const std::optional<Rate> price = times(Rate{per_gpu.micros}, count);
  if (!price || price->micros_per_hour < 0) { AnswerValue::refuse("the price cannot be"); }
  offer.price = *price;
  std::string all_words = id;
  all_words += ' ' + words;
  offer.gpu = {.model = "", .form = form_in(all_words), .memory_gib = memory_gib, .count = count};
  offer.learnt_at = now;
  // "Your credits are charged every minute the pod is running" (docs.runpod.io, billing-information).
  offer.billing = {.unit = Millis{60'000}};
  listing.gpu_text = id;
  fill_host(listing);
  return listing;
}

/// "HIGH", "High"; null in GraphQL is none.
Availability read_level(const std::string& word, const std::string& basis, Harvest& harvest) {
  constexpr std::array<std::string_view, 4> kLevels = {"none", "low", "medium", "high"};
  for (std::size_t level = 0; level < kLevels.size(); ++level) {
    if (lower(word) != kLevels.at(level)) { continue; }
    return {.kind = AvailabilityKind::level, .value = static_cast<int>(level), .basis = basis};
  }
  add_remark(harvest, "unknown availability", word);
  return {};
}

void read_catalog_row(const AnswerValue& row, int count, Ownership ownership, Instant now, Harvest& harvest) {
  const std::string cloud = name_of(ownership);
  const std::optional<AnswerValue> price = row.at("price").find(cloud);
  const bool is_sold = row.boolean_or(cloud, true) && price && row.at("maxCount").whole_or(cloud, 0) >= count;
  if (!is_sold) { return; }
  Listing listing = make_listing(row.at("id").text(), row.text_or("name"), row.at("memory").whole<int>(),
                                 count, cloud, price->money(), now);
  listing.offer.source = "runpod/catalog";
  const auto keep = [&](const std::string& region, const AnswerValue& told) {
    listing.offer.key.region = region;
    listing.availability =
        read_level(told.text_or("availability", "NONE"), "runpod catalog availability", harvest);
    harvest.listings.push_back(listing);
  };
  const std::optional<AnswerValue> centers = row.find("dataCenters");
  if (!centers || centers->list().empty()) { return keep("any", row); }
  for (const AnswerValue& center : centers->list()) { keep(center.at("id").text(), center); }
}

std::string price_alias(int count, Ownership ownership) {
  return name_of(ownership) + std::to_string(count);
}

/// What GraphQL tells of machines of one count and ownership: on-demand and spot.
void read_lowest(const AnswerValue& row, int count, Ownership ownership, Instant now, Harvest& harvest) {
  const std::optional<AnswerValue> lowest = row.find(price_alias(count, ownership));
  if (!lowest) { return; }
  const std::string id = row.at("id").text();
  const int memory_gib = row.at("memoryInGb").whole<int>();
  const auto keep = [&](Market market, PriceBasis basis, const AnswerValue& per_gpu) {
    const Money amount = per_gpu.money();
    if (amount.micros == 0) { return; }  // not sold so
    Listing listing =
        make_listing(id, row.text_or("displayName"), memory_gib, count, name_of(ownership), amount, now);
    listing.offer.key.market = market;
    listing.offer.source = "runpod/gpu-types";
    listing.basis = basis;
    // The least that a machine of that size has.
    listing.offer.vcpus = lowest->whole_or("minVcpu", 0);
    listing.offer.memory_mib = lowest->whole_or("minMemory", std::int32_t{0}) * std::int64_t{1024};
    if (market == Market::on_demand) {
      listing.availability =
          read_level(lowest->text_or("stockStatus", "None"), "runpod gpuTypes stockStatus", harvest);
    }
    harvest.listings.push_back(listing);
  };
  const bool is_secure = ownership == Ownership::secure;
  // Sold out leaves uninterruptablePrice null; the list price stays.
  std::optional<AnswerValue> price = lowest->find("uninterruptablePrice");
  if (!price) { price = row.find(is_secure ? "securePrice" : "communityPrice"); }
  if (price) { keep(Market::on_demand, PriceBasis::list, *price); }
  if (const std::optional<AnswerValue> bid = lowest->find("minimumBidPrice")) {
    keep(Market::spot, PriceBasis::market, *bid);  // what RunPod's own console names the spot price
  }
}

/// Clusters: whole machines of eight, with their own network (3200 Gb/s; A100 1600), at a price of their own.
void read_cluster(const AnswerValue& row, Instant now, Harvest& harvest) {
  constexpr int kGpus = 8;
  const std::optional<AnswerValue> price = row.find("clusterPrice");
  if (!price || price->money().micros == 0 || row.whole_or("maxGpuCount", 0) < kGpus) { return; }
  const std::string id = row.at("id").text();
  Listing listing = make_listing(id, row.text_or("displayName"), row.at("memoryInGb").whole<int>(), kGpus,
                                 "cluster", price->money(), now);
  listing.offer.source = "runpod/gpu-types";
  listing.fabric_gbps = id.find("A100") == std::string::npos ? 3'200 : 1'600;
  harvest.listings.push_back(listing);
}

/// RunPod's GraphQL has few codes of its own: its sentences tell. The last two are (?).
struct Sentence {
  std::string_view words;
  ErrorKind kind;
  ErrorScope scope;
};
constexpr std::array kSentences = {
    Sentence{"no longer any instances", ErrorKind::capacity, ErrorScope::region},
    Sentence{"spend limit", ErrorKind::quota, ErrorScope::account},
    Sentence{"balance", ErrorKind::quota, ErrorScope::account},
    Sentence{"something went wrong", ErrorKind::network, ErrorScope::request},
};
constexpr std::array kCodes = {
    CodeRow{"UNAUTHENTICATED", ErrorKind::auth, ErrorScope::account},
    CodeRow{"FORBIDDEN", ErrorKind::auth, ErrorScope::account},
    CodeRow{"BAD_USER_INPUT", ErrorKind::invalid, ErrorScope::request},
    CodeRow{"INTERNAL_SERVER_ERROR", ErrorKind::network, ErrorScope::request},
};

}  // namespace

HttpRequest encode_get(const std::string& path, const Secret& key) {
  return bearer_get(std::string(kRest) + path, key);
}

std::string catalog_path(int count, Ownership ownership) {
  std::string path = "/catalog/gpus?include=AVAILABILITY&product=POD&count=" + std::to_string(count);
  path += "&cloud=" + upper(name_of(ownership));
  return path;
}

Result<Harvest> parse_catalog(std::string_view body, int count, Ownership ownership, Instant now) {
  return read_answer(body, "runpod GET /catalog/gpus", [&](const AnswerValue& root) -> Result<Harvest> {
    Harvest harvest;
    for_each_row(root.at("gpus"), "gpus", harvest,
                 [&](const AnswerValue& row) { read_catalog_row(row, count, ownership, now, harvest); });
    drop_repeated(harvest);
    return harvest;
  });
}

HttpRequest encode_gpu_types() {
  std::string query =
      "{gpuTypes{id displayName memoryInGb securePrice communityPrice clusterPrice maxGpuCount";
  for (const int count : kCounts) {
    for (const Ownership ownership : {Ownership::secure, Ownership::community}) {
      query += ' ' + price_alias(count, ownership);
      query += ":lowestPrice(input:{gpuCount:" + std::to_string(count);
      query += ",secureCloud:";
      query += ownership == Ownership::secure ? "true" : "false";
      query += "}){stockStatus uninterruptablePrice minimumBidPrice minVcpu minMemory}";
    }
  }
  query += "}}";
  HttpRequest request;
  request.method = "POST";
  request.url = std::string(kGraphql);
  request.headers = {{"Content-Type", "application/json"}, {"Accept", "application/json"}};
  request.body = R"({"query":")" + query;  // nothing in it needs escaping
  request.body += "\"}";
  request.repeatable = true;  // it only asks
  return request;
}

Result<Harvest> parse_gpu_types(std::string_view body, Instant now) {
  return read_answer(body, "runpod POST /graphql", [&](const AnswerValue& root) -> Result<Harvest> {
    if (const auto errors = root.find("errors"); errors && !errors->list().empty()) {
      return graphql_error(errors->list().front());
    }
    Harvest harvest;
    for_each_row(root.at("data").at("gpuTypes"), "gpuTypes", harvest, [&](const AnswerValue& row) {
      if (row.at("id").text() == "unknown") { return; }  // their placeholder
      for (const int count : kCounts) {
        if (count > row.whole_or("maxGpuCount", 0)) { continue; }
        read_lowest(row, count, Ownership::secure, now, harvest);
        read_lowest(row, count, Ownership::community, now, harvest);
      }
      read_cluster(row, now, harvest);
    });
    drop_repeated(harvest);
    return harvest;
  });
}

Error graphql_error(const AnswerValue& first) {
  const std::optional<AnswerValue> more = first.find("extensions");
  Error error{.kind = ErrorKind::internal,
              .message = first.text_or("message", "an error without a message"),
              .source = "runpod POST /graphql",
              .code = more ? more->text_or("code") : ""};
  judge_by_code(error, error.code, kCodes);
  const std::string words = lower(error.message);
  for (const Sentence& known : kSentences) {
    if (words.find(known.words) == std::string::npos) { continue; }
    error.kind = known.kind;
    error.scope = known.scope;
    break;
  }
  if (error.kind == ErrorKind::quota) {
    error.hint = "add funds or ask for a higher spend limit at console.runpod.io/user/billing";
  }
  error.maybe_applied = error.kind == ErrorKind::network;
  return error;
}

Error parse_error(const HttpResponse& answer, const std::string& action, Instant now) {
  std::string title;
  std::string detail;
  // A body that is not theirs leaves the status to speak for itself.
  static_cast<void>(visit_answer(answer.body, "runpod", [&](const AnswerValue& root) {
    title = root.text_or("title");
    detail = root.text_or("detail", title);
  }));
  return error_from_answer(answer, "runpod " + action, title, detail, now);
}

Secret parse_key_file(std::string_view text) {
  return Secret(ini_value(parse_ini(text), "", "apikey"));
}

}  // namespace gpubroker::runpod
