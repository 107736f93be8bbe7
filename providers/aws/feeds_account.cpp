#include <algorithm>
#include <set>

#include "providers/aws/codec.hpp"
#include "providers/aws/facts.hpp"
#include "providers/aws/feeds.hpp"
#include "providers/aws/harvests.hpp"
#include "providers/aws/session.hpp"

namespace gpubroker::aws {
namespace {

constexpr std::size_t kRegionsAtOnce = 8;
constexpr int kBlockHours[] = {24, 168};  // a day, and a week

/// A feed that asks every region of the account the same.
class RegionalFeed : public PriceFeed {
 public:
  RegionalFeed(std::string name, Files& files, Processes& processes)
      : name_(std::move(name)), files_(files), processes_(processes) {}
  [[nodiscard]] std::string name() const override { return name_; }
  [[nodiscard]] std::string needs() const override { return kNeeds; }

  Result<Harvest> fetch(const FeedRequest& request) override {
    Session session(request, files_, processes_);
    TRY([[maybe_unused]] const Ok in, session.log_in());
    TRY(const std::vector<std::string> regions, session.regions());
    std::vector<Result<Harvest>> parts(regions.size(), Harvest{});
    request.fan_out.run(regions.size(), kRegionsAtOnce,
                        [&](std::size_t i) { parts[i] = ask(session, regions[i], request.clock.now()); });
    Harvest harvest;
    for (std::size_t i = 0; i < regions.size(); ++i) {
      if (parts[i].ok()) {
        add_harvest(std::move(parts[i]).value(), harvest);
      } else {
        harvest.failed.emplace_back(regions[i], parts[i].error());
      }
    }
    // Every region says the same no: then it is the account's, and nothing has been learnt.
    if (!regions.empty() && harvest.failed.size() == regions.size()) { return harvest.failed.front().second; }
    return harvest;
  }

 private:
  [[nodiscard]] virtual Result<Harvest> ask(Session& session, const std::string& region,
                                            Instant now) const = 0;

  std::string name_;
  Files& files_;
  Processes& processes_;
};

class SpotPricesFeed final : public RegionalFeed {
 public:
  SpotPricesFeed(Files& files, Processes& processes) : RegionalFeed("aws/ec2-spot", files, processes) {}

 private:
  [[nodiscard]] Result<Harvest> ask(Session& session, const std::string& region, Instant now) const override {
    Harvest harvest;
    SpotPrices prices;
    TRY([[maybe_unused]] const Ok done,
        session.call_pages(region, spot_history_call(now), [&](const std::string& body) {
          return parse_spot_history(body, region, now, prices, harvest);
        }));
    for (auto& [key, price] : prices) { harvest.listings.push_back(std::move(price.listing)); }
    return harvest;
  }
};

class OfferingsFeed final : public RegionalFeed {
 public:
  OfferingsFeed(Files& files, Processes& processes) : RegionalFeed("aws/ec2-offerings", files, processes) {}

 private:
  [[nodiscard]] Result<Harvest> ask(Session& session, const std::string& region, Instant now) const override {
    Harvest harvest;
    TRY([[maybe_unused]] const Ok types,
        session.call_pages(region, instance_types_call(), [&](const std::string& body) {
          return parse_instance_types(body, region, now, harvest);
        }));
    const QueryPairs form = offerings_call({"p*", "g*", "trn*", "inf*", "dl*"});
    TRY([[maybe_unused]] const Ok offerings, session.call_pages(region, form, [&](const std::string& body) {
      return parse_offerings(body, region, harvest);
    }));
    return harvest;
  }
};

class BlocksFeed final : public RegionalFeed {
 public:
  BlocksFeed(Files& files, Processes& processes) : RegionalFeed("aws/capacity-blocks", files, processes) {}

 private:
  [[nodiscard]] Result<Harvest> ask(Session& session, const std::string& region, Instant now) const override {
    TRY(const std::vector<std::string> types, types_sold_in(session, region));
    Harvest harvest;
    for (const int hours : kBlockHours) {
      for (const std::string& type : types) {
        TRY([[maybe_unused]] const Ok asked,
            read_blocks(session, region, blocks_call(type, hours), now, harvest));
      }
      if (region != kUltraserverRegion) { continue; }
      for (const std::string& type : ultraserver_types()) {
        TRY([[maybe_unused]] const Ok asked,
            read_blocks(session, region, ultraservers_call(type, hours), now, harvest));
      }
    }
    keep_first_of_each(harvest.listings);
    return harvest;
  }

  /// An offering is the same one, whichever question it answers.
  static void keep_first_of_each(std::vector<Listing>& listings) {
    std::set<std::string> seen;
    std::erase_if(listings, [&](const Listing& listing) { return !seen.insert(listing.variant).second; });
  }

  /// Asking for a type where it is not sold is an error there: such are left out.
  static Result<std::vector<std::string>> types_sold_in(Session& session, const std::string& region) {
    Harvest sold;
    TRY([[maybe_unused]] const Ok done,
        session.call_pages(region, offerings_call(block_types()),
                           [&](const std::string& body) { return parse_offerings(body, region, sold); }));
    std::vector<std::string> types;
    for (const std::string& type : block_types()) {
      const bool is_sold = std::any_of(sold.signals.begin(), sold.signals.end(),
                                       [&](const Signal& signal) { return signal.instance_type == type; });
      if (is_sold) { types.push_back(type); }
    }
    return types;
  }

  static Status read_blocks(Session& session, const std::string& region, const QueryPairs& form, Instant now,
                            Harvest& harvest) {
    Status read = session.call_pages(
        region, form, [&](const std::string& body) { return parse_blocks(body, region, now, harvest); });
    // Sold here, but not as blocks (or not as UltraServers for this account): nothing to tell.
    const bool none_here =
        !read.ok() && (read.error().kind == ErrorKind::invalid || read.error().kind == ErrorKind::capacity);
    return none_here ? Status(Ok{}) : read;
  }
};

class ScoresFeed final : public PriceFeed {
 public:
  ScoresFeed(Files& files, Processes& processes) : files_(files), processes_(processes) {}
  [[nodiscard]] std::string name() const override { return "aws/ec2-scores"; }
  [[nodiscard]] std::string needs() const override { return kNeeds; }

  Result<Harvest> fetch(const FeedRequest& request) override {
    Session session(request, files_, processes_);
    TRY([[maybe_unused]] const Ok in, session.log_in());
    Harvest harvest;
    for (const std::vector<std::string>& types : score_groups()) {
      const Status read =
          session.call_pages(session.home_region(), scores_call(types),
                             [&](const std::string& body) { return parse_scores(body, types, harvest); });
      if (read.ok()) { continue; }
      const Error& error = read.error();
      // Scores are an extra: an account that may not have them, or has had its share today, lacks nothing
      // else.
      if (error.code != "UnauthorizedOperation" && error.kind != ErrorKind::quota) { return error; }
      add_remark(harvest, "no spot placement scores", error.code + ": " + error.message);
      break;
    }
    return harvest;
  }

 private:
  Files& files_;
  Processes& processes_;
};

}  // namespace

std::vector<std::unique_ptr<PriceFeed>> make_account_feeds(Files& files, Processes& processes) {
  std::vector<std::unique_ptr<PriceFeed>> feeds;
  feeds.push_back(std::make_unique<SpotPricesFeed>(files, processes));
  feeds.push_back(std::make_unique<OfferingsFeed>(files, processes));
  feeds.push_back(std::make_unique<ScoresFeed>(files, processes));
  feeds.push_back(std::make_unique<BlocksFeed>(files, processes));
  return feeds;
}

}  // namespace gpubroker::aws
