#include "providers/verda/codec.hpp"

#include <array>

#include "core/base/text.hpp"
#include "core/wire/answer_json.hpp"
#include "core/wire/api_key.hpp"
#include "core/wire/cloud_answer.hpp"
#include "core/wire/gpu_words.hpp"
#include "core/wire/harvest_rows.hpp"
#include "core/wire/json.hpp"

namespace gpubroker::verda {
namespace {

struct CodeRow {
  std::string_view code;
  ErrorKind kind;
};
// "invalid_request" is not among them: it is also said of missing capacity, and the words decide.
constexpr std::array kCodes = {
    CodeRow{"unauthorized_request", ErrorKind::auth}, CodeRow{"forbidden_action", ErrorKind::auth},
    CodeRow{"insufficient_funds", ErrorKind::quota},  CodeRow{"not_found", ErrorKind::not_found},
    CodeRow{"server_error", ErrorKind::network},      CodeRow{"service_unavailable", ErrorKind::network},
};

/// "8x H100 SXM5 80GB" without the count.
std::string without_count(const std::string& words) {
  const std::size_t cross = words.find("x ");
  if (cross == std::string::npos || !parse_int(words.substr(0, cross))) { return words; }
  return words.substr(cross + 2);
}

Listing read_type(const AnswerValue& row, Instant now) {
  Listing listing;
  Offer& offer = listing.offer;
  offer.key = {.provider = "verda", .region = "any", .instance_type = row.at("instance_type").text()};
  const AnswerValue gpu = row.at("gpu");
  offer.gpu.count = gpu.at("number_of_gpus").whole<int>();
  listing.gpu_text = without_count(gpu.text_or("description", row.text_or("model")));
  offer.gpu.form = form_in(listing.gpu_text);
  offer.gpu.memory_gib = memory_gib_in(listing.gpu_text);
  const std::optional<AnswerValue> memory = row.find("gpu_memory");
  // gpu_memory is of all GPUs together: of one it is certain.
  if (offer.gpu.memory_gib == 0 && offer.gpu.count == 1 && memory) {
    offer.gpu.memory_gib = memory->whole_or("size_in_gigabytes", 0);
  }
  offer.vcpus = row.at("cpu").at("number_of_cores").whole<int>();
  offer.memory_mib = row.at("memory").at("size_in_gigabytes").whole<std::int32_t>() * std::int64_t{1024};
  offer.learnt_at = now;
  offer.source = "verda/instance-types";
  fill_host(listing);
  return listing;
}

/// One listing for each site that has it, or one that says that none has.
void add_market(const Listing& type, Market market, Money price, const Stock& stock, Harvest& harvest) {
  if (price.micros < 0) { AnswerValue::refuse("the price cannot be"); }
  if (price.micros == 0) { return; }  // not sold so
  Listing listing = type;
  listing.offer.key.market = market;
  listing.offer.price = {price.micros};
  listing.basis = market == Market::spot ? PriceBasis::market : PriceBasis::list;
  listing.availability = {
      .kind = AvailabilityKind::level, .value = 1, .basis = "verda instance-availability"};
  bool is_somewhere = false;
  for (const auto& [site, types] : stock) {
    if (types.count(type.offer.key.instance_type) == 0) { continue; }
    is_somewhere = true;
    listing.offer.key.region = site;
    harvest.listings.push_back(listing);
  }
  if (is_somewhere) { return; }
  listing.availability.value = 0;
  harvest.listings.push_back(listing);
}

}  // namespace

HttpRequest encode_token(const ClientId& client) {
  HttpRequest request;
  request.method = "POST";
  request.url = kBase;
  request.url += "/oauth2/token";
  request.headers = {{"Content-Type", "application/json"}, {"Accept", "application/json"}};
  request.body = dump_json({{"grant_type", "client_credentials"},
                            {"client_id", client.id},
                            {"client_secret", client.secret.reveal()}});
  request.repeatable = true;  // a token more does no harm
  return request;
}

Result<Secret> parse_token(std::string_view body) {
  return read_answer(body, "verda POST /oauth2/token", [](const AnswerValue& root) -> Result<Secret> {
    Secret token(root.at("access_token").text());
    if (token.empty()) { AnswerValue::refuse("the access token is empty"); }
    return token;
  });
}

HttpRequest encode_get(const std::string& path, const Secret& token) {
  return bearer_get(std::string(kBase) + path, token);
}

Result<Stock> parse_availability(std::string_view body) {
  return read_answer(body, "verda GET /instance-availability", [](const AnswerValue& root) -> Result<Stock> {
    Stock stock;
    for (const AnswerValue& site : root.list()) {
      std::set<std::string>& types = stock[site.at("location_code").text()];
      for (const AnswerValue& type : site.at("availabilities").list()) { types.insert(type.text()); }
    }
    return stock;
  });
}

Result<Harvest> parse_types(std::string_view body, const Stock& on_demand, const Stock& spot, Instant now) {
  return read_answer(body, "verda GET /instance-types", [&](const AnswerValue& root) -> Result<Harvest> {
    Harvest harvest;
    for_each_row(root, "types", harvest, [&](const AnswerValue& row) {
      const std::string currency = row.text_or("currency", "usd");
      if (currency != "usd") { return add_remark(harvest, "unknown currency", currency); }
      const Listing type = read_type(row, now);
      if (type.offer.gpu.count <= 0) { return; }  // CPU machines
      if (const std::optional<AnswerValue> price = row.find("price_per_hour")) {
        add_market(type, Market::on_demand, price->money(), on_demand, harvest);
      }
      if (const std::optional<AnswerValue> price = row.find("spot_price")) {
        add_market(type, Market::spot, price->money(), spot, harvest);
      }
    });
    drop_repeated(harvest);
    return harvest;
  });
}

Error parse_error(const HttpResponse& answer, const std::string& path, Instant now) {
  std::string code;
  std::string message;
  static_cast<void>(visit_answer(answer.body, "verda", [&](const AnswerValue& root) {
    code = root.text_or("code");
    message = root.text_or("message");
  }));
  Error error = error_from_answer(answer, "verda " + path, code, message, now);
  for (const CodeRow& row : kCodes) {
    if (row.code == code) { error.kind = row.kind; }
  }
  if (error.kind == ErrorKind::auth) { error.scope = ErrorScope::account; }
  return error;
}

ClientId parse_config(std::string_view text) {
  ClientId client;
  static_cast<void>(visit_answer(text, "~/.verda/config.json", [&](const AnswerValue& root) {
    client.secret = Secret(root.at("client_secret").text());
    client.id = root.at("client_id").text();
  }));
  return client;
}

}  // namespace gpubroker::verda
