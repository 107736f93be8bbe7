#include "providers/azure/feeds.hpp"

#include <algorithm>
#include <iterator>
#include <set>

#include "providers/azure/facts.hpp"
#include "providers/azure/session.hpp"

namespace gpubroker::azure {
namespace {

constexpr std::size_t kPricesAtOnce = 8;
constexpr std::size_t kRegionsAtOnce = 4;  // their list of sizes is a megabyte or two each
constexpr std::size_t kScoresAtOnce = 4;

void add_remarks(Harvest& harvest, const Harvest& part) {
  for (const Remark& remark : part.remarks) {
    add_remark(harvest, remark.what, remark.detail);
    for (Remark& kept : harvest.remarks) {
      if (kept.what == remark.what) { kept.count += remark.count - 1; }
    }
  }
}

void add_part(Harvest& harvest, Harvest part) {
  add_remarks(harvest, part);
  std::move(part.listings.begin(), part.listings.end(), std::back_inserter(harvest.listings));
  std::move(part.signals.begin(), part.signals.end(), std::back_inserter(harvest.signals));
}

/// Calls `ask` for each region side by side and puts the parts together. When none could be asked, that is
/// the feed's error.
template <class Region, class Ask>
Result<Harvest> ask_regions(const FeedRequest& request, const std::vector<Region>& regions,
                            std::size_t at_once, Ask ask) {
  std::vector<Result<Harvest>> parts(regions.size(), Result<Harvest>(Harvest{}));
  request.fan_out.run(regions.size(), at_once,
                      [&](std::size_t i) { parts[i] = ask(std::string(regions[i])); });
  Harvest harvest;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].ok()) {
      add_part(harvest, std::move(parts[i]).value());
    } else {
      harvest.failed.emplace_back(regions[i], parts[i].error());
    }
  }
  if (!regions.empty() && harvest.failed.size() == regions.size()) { return harvest.failed.front().second; }
  return harvest;
}

Result<Harvest> fetch_prices(const FeedRequest& request, const std::string& region) {
  RegionPrices prices(region, request.clock.now());
  HttpRequest question = encode_prices(region);
  const Status walked = walk_pages(question.url, [&](const std::string& url) -> Result<std::string> {
    question.url = url;
    TRY(const HttpResponse answer, request.http.send(question));
    if (answer.status >= 400) { return parse_error(answer, "prices of " + region, request.clock.now()); }
    return prices.take_page(answer.body);
  });
  if (!walked.ok()) { return walked.error(); }
  return std::move(prices).finish();
}

/// Sizes that are sold by arrangement as long as no price of them is told anywhere.
void add_quotes(Harvest& harvest, Instant now) {
  constexpr std::string_view kAnywhere = "any";
  std::set<std::string> priced;
  for (const Listing& listing : harvest.listings) { priced.insert(listing.offer.key.instance_type); }
  for (const SizeFacts& facts : known_sizes()) {
    if (!facts.is_quoted || priced.count(std::string(facts.size)) > 0) { continue; }
    Listing listing = listing_of(facts, kAnywhere, Market::on_demand);
    listing.basis = PriceBasis::quote;
    listing.offer.learnt_at = now;
    listing.offer.source = "azure/retail-prices";
    harvest.listings.push_back(std::move(listing));
  }
}

class RetailPrices final : public PriceFeed {
 public:
  [[nodiscard]] std::string name() const override { return "azure/retail-prices"; }
  [[nodiscard]] std::string needs() const override { return ""; }

  Result<Harvest> fetch(const FeedRequest& request) override {
    const auto all = public_regions();
    const std::vector<std::string_view> regions(all.begin(), all.end());
    TRY(Harvest harvest, ask_regions(request, regions, kPricesAtOnce, [&](const std::string& region) {
          return fetch_prices(request, region);
        }));
    add_quotes(harvest, request.clock.now());
    return harvest;
  }
};

/// What needs a subscription.
class AccountFeed : public PriceFeed {
 public:
  AccountFeed(Files& files, Processes& processes) : files_(files), processes_(processes) {}
  [[nodiscard]] std::string needs() const override { return kNeeds; }

  Result<Harvest> fetch(const FeedRequest& request) override {
    Session session(request, files_, processes_);
    TRY([[maybe_unused]] const Ok in, session.log_in());
    TRY([[maybe_unused]] const Ok chosen, session.choose_subscription());
    TRY(const std::vector<std::string> regions, session.regions());
    return fetch_with(session, regions, request);
  }

 protected:
  virtual Result<Harvest> fetch_with(Session& session, const std::vector<std::string>& regions,
                                     const FeedRequest& request) = 0;

 private:
  Files& files_;
  Processes& processes_;
};

/// Sizes and quotas are one feed: a quota is of a family, and only the sizes tell theirs.
class Skus final : public AccountFeed {
 public:
  using AccountFeed::AccountFeed;
  [[nodiscard]] std::string name() const override { return "azure/skus"; }

 protected:
  Result<Harvest> fetch_with(Session& session, const std::vector<std::string>& regions,
                             const FeedRequest& request) override {
    return ask_regions(request, regions, kRegionsAtOnce, [&](const std::string& region) -> Result<Harvest> {
      Harvest part;
      std::vector<Sku> skus;
      const Status listed = session.pages(
          skus_url(session.subscription(), region), [&](const std::string& body) -> Result<std::string> {
            TRY(Page<Sku> page, parse_skus(body, region, part));
            std::move(page.rows.begin(), page.rows.end(), std::back_inserter(skus));
            return page.next;
          });
      if (!listed.ok()) { return listed.error(); }
      if (skus.empty()) { return part; }
      std::vector<Usage> usages;
      const Status counted = session.pages(
          usages_url(session.subscription(), region), [&](const std::string& body) -> Result<std::string> {
            TRY(Page<Usage> page, parse_usages(body, part));
            std::move(page.rows.begin(), page.rows.end(), std::back_inserter(usages));
            return page.next;
          });
      if (!counted.ok()) { return counted.error(); }
      part.signals = quota_signals(region, skus, usages, part);
      return part;
    });
  }
};

/// `all` in groups of at most `size`.
std::vector<std::vector<std::string>> groups_of(const std::vector<std::string>& all, std::size_t size) {
  std::vector<std::vector<std::string>> groups;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i % size == 0) { groups.emplace_back(); }
    groups.back().push_back(all[i]);
  }
  return groups;
}

class SpotScores final : public AccountFeed {
 public:
  using AccountFeed::AccountFeed;
  [[nodiscard]] std::string name() const override { return "azure/spot-scores"; }
  [[nodiscard]] std::string needs() const override {
    std::string needs(kNeeds);
    needs += "; the role Compute Recommendations Role";
    return needs;
  }

 protected:
  Result<Harvest> fetch_with(Session& session, const std::vector<std::string>& regions,
                             const FeedRequest& request) override {
    std::vector<std::string> sizes;
    for (const SizeFacts& facts : known_sizes()) {
      if (facts.is_scored) { sizes.emplace_back(facts.size); }
    }
    const auto groups = groups_of(regions, kMostScoredRegions);
    std::vector<Result<Harvest>> parts(groups.size(), Result<Harvest>(Harvest{}));
    request.fan_out.run(groups.size(), kScoresAtOnce,
                        [&](std::size_t i) { parts[i] = ask_group(session, groups[i], sizes); });
    Harvest harvest;
    for (std::size_t i = 0; i < groups.size(); ++i) {
      if (parts[i].ok()) {
        add_part(harvest, std::move(parts[i]).value());
        continue;
      }
      for (const std::string& region : groups[i]) { harvest.failed.emplace_back(region, parts[i].error()); }
    }
    if (!regions.empty() && harvest.failed.size() == regions.size()) { return harvest.failed.front().second; }
    return harvest;
  }

 private:
  /// One refused question leaves all of its regions as they were: half of a region is none.
  static Result<Harvest> ask_group(Session& session, const std::vector<std::string>& regions,
                                   const std::vector<std::string>& sizes) {
    Harvest part;
    for (const std::vector<std::string>& some : groups_of(sizes, kMostScoredSizes)) {
      TRY(const HttpResponse answer, session.call(encode_scores(session.subscription(), regions, some)));
      TRY(std::vector<Signal> signals, parse_scores(answer.body, part));
      std::move(signals.begin(), signals.end(), std::back_inserter(part.signals));
    }
    return part;
  }
};

}  // namespace

std::vector<std::unique_ptr<PriceFeed>> make_feeds(Files& files, Processes& processes) {
  std::vector<std::unique_ptr<PriceFeed>> feeds;
  feeds.push_back(std::make_unique<RetailPrices>());
  feeds.push_back(std::make_unique<Skus>(files, processes));
  feeds.push_back(std::make_unique<SpotScores>(files, processes));
  return feeds;
}

}  // namespace gpubroker::azure
