#include "providers/vultr/cloud.hpp"

#include "core/wire/api_key.hpp"
#include "core/wire/harvest_rows.hpp"
#include "providers/vultr/codec.hpp"

namespace gpubroker::vultr {
namespace {

constexpr const char* kNext =
    "prices need no key; to book, make one at my.vultr.com/settings/#settingsapi and put it into "
    "$VULTR_API_KEY";

class PlansFeed final : public PriceFeed {
 public:
  explicit PlansFeed(Plans plans) : plans_(plans) {}
  [[nodiscard]] std::string name() const override {
    return plans_ == Plans::metal ? "vultr/plans-metal" : "vultr/plans";
  }
  [[nodiscard]] std::string needs() const override { return {}; }

  Result<Harvest> fetch(const FeedRequest& request) override {
    Harvest all;
    PageTurner pages;
    std::string cursor;
    do {
      TRY(const Ok turned, pages.turn(cursor, name()));
      static_cast<void>(turned);
      TRY(const HttpResponse answer, request.http.send(encode_plans(plans_, cursor)));
      if (answer.status >= 400) { return parse_error(answer, "/plans", request.clock.now()); }
      TRY(PlansPage page, parse_plans(answer.body, plans_, request.clock.now()));
      add_harvest(all, std::move(page.harvest));
      cursor = std::move(page.next);
    } while (!cursor.empty());
    drop_repeated(all);
    return all;
  }

 private:
  Plans plans_;
};

class Vultr final : public Cloud {
 public:
  Vultr(Files& files, Processes& processes) : files_(files), processes_(processes) {}
  [[nodiscard]] std::string name() const override { return "vultr"; }
  [[nodiscard]] std::vector<PriceFeed*> feeds() override { return {&plans_, &metal_}; }

  AccessReport check(const FeedRequest& request) override {
    const FoundKey found = find_key(files_, processes_, {.variables = {"VULTR_API_KEY"}});
    return report_access(found, kNext, [&](AccessReport& report) -> Status {
      TRY(const HttpResponse answer, request.http.send(encode_account(found.key)));
      if (answer.status >= 400) { return parse_error(answer, "/account", request.clock.now()); }
      return parse_account(answer.body, report);
    });
  }

 private:
  Files& files_;
  Processes& processes_;
  PlansFeed plans_{Plans::cloud};
  PlansFeed metal_{Plans::metal};
};

}  // namespace

std::unique_ptr<Cloud> make_cloud(Files& files, Processes& processes) {
  return std::make_unique<Vultr>(files, processes);
}

}  // namespace gpubroker::vultr
