#include "providers/sfcompute/cloud.hpp"

#include <array>
#include <set>

#include "core/wire/api_key.hpp"
#include "core/wire/harvest_rows.hpp"
#include "providers/sfcompute/codec.hpp"

namespace gpubroker::sfcompute {
namespace {

constexpr const char* kNeeds = "a token in $SF_BEARER_TOKEN or $SF_API_KEY, or the login of `sf login`";
constexpr const char* kNext = "sf login, or `sf tokens create` and put the token into $SF_API_KEY";
constexpr std::size_t kQuotesAtOnce = 4;
// What a node costs depends on for how long it is bought.
constexpr std::array kLengths = {Millis{std::chrono::hours{1}}, Millis{std::chrono::hours{24}},
                                 Millis{std::chrono::hours{168}}};

FoundKey find_token(Files& files, Processes& processes) {
  return find_key(files, processes,
                  {.variables = {"SF_BEARER_TOKEN", "SF_API_KEY", "SFC_NODES_BEARER_TOKEN"},
                   .files = {{".sfcompute/config", parse_key_file}}});
}

Result<HttpResponse> get(const FeedRequest& request, const std::string& path, const Secret& token) {
  TRY(HttpResponse answer, request.http.send(bearer_get(std::string(kBase) + path, token)));
  if (answer.status >= 400) { return parse_error(answer, path, request.clock.now()); }
  return answer;
}

Result<std::vector<Zone>> get_zones(const FeedRequest& request, const Secret& token, Harvest& harvest) {
  TRY(const HttpResponse answer, get(request, "/v0/zones", token));
  return parse_zones(answer.body, request.clock.now(), harvest);
}

class Zones final : public PriceFeed {
 public:
  Zones(Files& files, Processes& processes) : files_(files), processes_(processes) {}
  [[nodiscard]] std::string name() const override { return "sfcompute/zones"; }
  [[nodiscard]] std::string needs() const override { return kNeeds; }

  Result<Harvest> fetch(const FeedRequest& request) override {
    const FoundKey found = find_token(files_, processes_);
    if (found.key.empty()) { return no_credentials("sfcompute", kNeeds); }
    Harvest harvest;
    TRY(const std::vector<Zone> zones, get_zones(request, found.key, harvest));
    harvest.signals = zone_signals(zones);
    return harvest;
  }

 private:
  Files& files_;
  Processes& processes_;
};

class Quotes final : public PriceFeed {
 public:
  Quotes(Files& files, Processes& processes) : files_(files), processes_(processes) {}
  [[nodiscard]] std::string name() const override { return "sfcompute/quotes"; }
  [[nodiscard]] std::string needs() const override { return kNeeds; }

  Result<Harvest> fetch(const FeedRequest& request) override {
    const FoundKey found = find_token(files_, processes_);
    if (found.key.empty()) { return no_credentials("sfcompute", kNeeds); }
    Harvest harvest;
    TRY(const std::vector<Zone> zones, get_zones(request, found.key, harvest));
    std::set<std::string> types;
    for (const Zone& zone : zones) { types.insert(zone.instance_type); }
    std::vector<Question> questions;
    for (const std::string& type : types) {
      for (const Millis length : kLengths) { questions.push_back({.instance_type = type, .length = length}); }
    }
    const auto ask = [&](std::size_t i) -> Result<Harvest> {
      const Instant now = request.clock.now();
      TRY(const HttpResponse answer, get(request, quote_path(questions[i], now), found.key));
      TRY(const std::optional<Listing> listing, parse_quote(answer.body, questions[i], now));
      Harvest part;
      if (listing) { part.listings.push_back(*listing); }
      return part;
    };
    // A quote may be of any zone: one that is missing would be taken for no longer sold, so all must be
    // there.
    for (Result<Harvest>& part : harvest_each(request.fan_out, questions.size(), kQuotesAtOnce, ask)) {
      if (!part.ok()) { return part.error(); }
      add_harvest(harvest, std::move(part).value());
    }
    return harvest;
  }

 private:
  Files& files_;
  Processes& processes_;
};

class PriceTable final : public PriceFeed {
 public:
  [[nodiscard]] std::string name() const override { return "sfcompute/price-table"; }
  [[nodiscard]] std::string needs() const override { return {}; }
  Result<Harvest> fetch(const FeedRequest& /*request*/) override { return price_table(); }
};

class SfCompute final : public Cloud {
 public:
  SfCompute(Files& files, Processes& processes)
      : files_(files), processes_(processes), zones_(files, processes), quotes_(files, processes) {}
  [[nodiscard]] std::string name() const override { return "sfcompute"; }
  [[nodiscard]] std::vector<PriceFeed*> feeds() override { return {&zones_, &quotes_, &table_}; }

  AccessReport check(const FeedRequest& request) override {
    const FoundKey found = find_token(files_, processes_);
    // Nobody says who a token belongs to; our own nodes are shown to its owner alone.
    return report_access(found, kNext, [&](AccessReport&) -> Status {
      TRY(const HttpResponse answer, get(request, "/v1/nodes", found.key));
      static_cast<void>(answer);
      return Ok{};
    });
  }

 private:
  Files& files_;
  Processes& processes_;
  Zones zones_;
  Quotes quotes_;
  PriceTable table_ = {};
};

}  // namespace

std::unique_ptr<Cloud> make_cloud(Files& files, Processes& processes) {
  return std::make_unique<SfCompute>(files, processes);
}

}  // namespace gpubroker::sfcompute
