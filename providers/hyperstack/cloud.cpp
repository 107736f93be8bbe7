#include "providers/hyperstack/cloud.hpp"

#include <array>

#include "core/wire/api_key.hpp"
#include "providers/hyperstack/codec.hpp"

namespace gpubroker::hyperstack {
namespace {

constexpr const char* kNeeds = "an API key in $HYPERSTACK_API_KEY";
constexpr const char* kNext =
    "make a key at console.hyperstack.cloud/api-keys and put it into $HYPERSTACK_API_KEY";

FoundKey find_hyperstack_key(Files& files, Processes& processes) {
  return find_key(files, processes, {.variables = {"HYPERSTACK_API_KEY"}});
}

Result<HttpResponse> get(const FeedRequest& request, const std::string& path, const Secret& key) {
  TRY(HttpResponse answer, request.http.send(encode_get(path, key)));
  if (answer.status >= 400) { return parse_error(answer, path, request.clock.now()); }
  return answer;
}

class Flavors final : public PriceFeed {
 public:
  Flavors(Files& files, Processes& processes) : files_(files), processes_(processes) {}
  [[nodiscard]] std::string name() const override { return "hyperstack/flavors"; }
  [[nodiscard]] std::string needs() const override { return kNeeds; }

  Result<Harvest> fetch(const FeedRequest& request) override {
    const FoundKey found = find_hyperstack_key(files_, processes_);
    if (found.key.empty()) { return no_credentials("hyperstack", kNeeds); }
    const std::array<std::string, 3> paths = {"/core/flavors", "/pricebook", "/core/stocks"};
    std::vector<Result<HttpResponse>> answers(paths.size(), HttpResponse{});
    request.fan_out.run(paths.size(), paths.size(),
                        [&](std::size_t i) { answers[i] = get(request, paths.at(i), found.key); });
    const Instant now = request.clock.now();
    TRY(const HttpResponse flavors, answers[0]);
    TRY(const HttpResponse prices, answers[1]);
    TRY(const PriceBook book, parse_pricebook(prices.body, now));
    // Stocks are worth less than the prices: without them the flavors' own yes or no remains.
    Result<Stocks> stocks = answers[2].ok() ? parse_stocks(answers[2].value().body) : answers[2].error();
    TRY(Harvest harvest, parse_flavors(flavors.body, book, stocks.ok() ? stocks.value() : Stocks{}, now));
    if (!stocks.ok()) { add_remark(harvest, "no stocks", stocks.error().message); }
    return harvest;
  }

 private:
  Files& files_;
  Processes& processes_;
};

class Hyperstack final : public Cloud {
 public:
  Hyperstack(Files& files, Processes& processes)
      : files_(files), processes_(processes), flavors_(files, processes) {}
  [[nodiscard]] std::string name() const override { return "hyperstack"; }
  [[nodiscard]] std::vector<PriceFeed*> feeds() override { return {&flavors_}; }

  AccessReport check(const FeedRequest& request) override {
    const FoundKey found = find_hyperstack_key(files_, processes_);
    return report_access(found, kNext, [&](AccessReport&) -> Status {
      TRY(const HttpResponse answer, get(request, "/core/environments", found.key));
      static_cast<void>(answer);
      return Ok{};
    });
  }

 private:
  Files& files_;
  Processes& processes_;
  Flavors flavors_;
};

}  // namespace

std::unique_ptr<Cloud> make_cloud(Files& files, Processes& processes) {
  return std::make_unique<Hyperstack>(files, processes);
}

}  // namespace gpubroker::hyperstack
