#include "providers/together/cloud.hpp"

#include "core/wire/api_key.hpp"
#include "providers/together/codec.hpp"
#include "providers/together/facts.hpp"

namespace gpubroker::together {
namespace {

constexpr const char* kNeeds = "an API key in $TOGETHER_API_KEY";
constexpr const char* kNext =
    "make a key at api.together.ai/settings/api-keys and put it into $TOGETHER_API_KEY";

FoundKey find_together_key(Files& files, Processes& processes) {
  return find_key(files, processes, {.variables = {"TOGETHER_API_KEY"}});
}

Result<HttpResponse> get(const FeedRequest& request, const std::string& path, const Secret& key) {
  TRY(HttpResponse answer, request.http.send(bearer_get(std::string(kBase) + path, key)));
  if (answer.status >= 400) { return parse_error(answer, path, request.clock.now()); }
  return answer;
}

class Regions final : public PriceFeed {
 public:
  Regions(Files& files, Processes& processes) : files_(files), processes_(processes) {}
  [[nodiscard]] std::string name() const override { return "together/regions"; }
  [[nodiscard]] std::string needs() const override { return kNeeds; }

  Result<Harvest> fetch(const FeedRequest& request) override {
    const FoundKey found = find_together_key(files_, processes_);
    if (found.key.empty()) { return no_credentials("together", kNeeds); }
    TRY(const HttpResponse answer, get(request, "/compute/regions", found.key));
    return parse_regions(answer.body);
  }

 private:
  Files& files_;
  Processes& processes_;
};

class PriceTable final : public PriceFeed {
 public:
  [[nodiscard]] std::string name() const override { return "together/price-table"; }
  [[nodiscard]] std::string needs() const override { return {}; }
  Result<Harvest> fetch(const FeedRequest& /*request*/) override { return price_table(); }
};

class Together final : public Cloud {
 public:
  Together(Files& files, Processes& processes)
      : files_(files), processes_(processes), regions_(files, processes) {}
  [[nodiscard]] std::string name() const override { return "together"; }
  [[nodiscard]] std::vector<PriceFeed*> feeds() override { return {&regions_, &table_}; }

  AccessReport check(const FeedRequest& request) override {
    const FoundKey found = find_together_key(files_, processes_);
    // Together does not say who a key belongs to.
    return report_access(found, kNext, [&](AccessReport&) -> Status {
      TRY(const HttpResponse answer, get(request, "/compute/clusters", found.key));
      static_cast<void>(answer);
      return Ok{};
    });
  }

 private:
  Files& files_;
  Processes& processes_;
  Regions regions_;
  PriceTable table_ = {};
};

}  // namespace

std::unique_ptr<Cloud> make_cloud(Files& files, Processes& processes) {
  return std::make_unique<Together>(files, processes);
}

}  // namespace gpubroker::together
