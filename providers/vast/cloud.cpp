#include "providers/vast/cloud.hpp"

#include "providers/vast/codec.hpp"
#include "providers/vast/key.hpp"

namespace gpubroker::vast {
namespace {

constexpr const char* kNext =
    "prices need no key; to book, make one at cloud.vast.ai/manage-keys and put it into $VAST_API_KEY";

class Offers final : public PriceFeed {
 public:
  explicit Offers(Market market) : market_(market) {}
  [[nodiscard]] std::string name() const override {
    return market_ == Market::spot ? "vast/bids" : "vast/offers";
  }
  [[nodiscard]] std::string needs() const override { return {}; }

  Result<Harvest> fetch(const FeedRequest& request) override {
    TRY(const HttpResponse answer, request.http.send(encode_search(market_)));
    if (answer.status >= 400) { return parse_error(answer, "POST /v0/bundles/", request.clock.now()); }
    return parse_offers(answer.body, market_, request.clock.now());
  }

 private:
  Market market_;
};

class Vast final : public Cloud {
 public:
  Vast(Files& files, Processes& processes) : files_(files), processes_(processes) {}
  [[nodiscard]] std::string name() const override { return "vast"; }
  [[nodiscard]] std::vector<PriceFeed*> feeds() override { return {&offers_, &bids_}; }

  AccessReport check(const FeedRequest& request) override {
    const FoundKey found = find_vast_key(files_, processes_);
    return report_access(found, kNext, [&](AccessReport&) -> Status {
      TRY(const HttpResponse answer, request.http.send(encode_get("/v0/ssh/", found.key)));
      if (answer.status >= 400) { return parse_error(answer, "GET /v0/ssh/", request.clock.now()); }
      return Ok{};
    });
  }

 private:
  Files& files_;
  Processes& processes_;
  Offers offers_{Market::on_demand};
  Offers bids_{Market::spot};
};

}  // namespace

std::unique_ptr<Cloud> make_cloud(Files& files, Processes& processes) {
  return std::make_unique<Vast>(files, processes);
}

}  // namespace gpubroker::vast
