#include "providers/gcp/feeds.hpp"

#include <algorithm>
#include <set>

#include "providers/gcp/codec.hpp"
#include "providers/gcp/facts.hpp"
#include "providers/gcp/session.hpp"

namespace gpubroker::gcp {
namespace {

constexpr std::size_t kAtOnce = 8;
constexpr const char* kPriceNeeds =
    "an API key in $GPUBROKER_GCP_API_KEY or $GOOGLE_API_KEY, or Google credentials";

class Feed : public PriceFeed {
 public:
  Feed(std::string name, std::string needs, Files& files, Processes& processes)
      : name_(std::move(name)), needs_(std::move(needs)), files_(files), processes_(processes) {}
  [[nodiscard]] std::string name() const override { return name_; }
  [[nodiscard]] std::string needs() const override { return needs_; }

 protected:
  [[nodiscard]] Files& files() const { return files_; }
  [[nodiscard]] Processes& processes() const { return processes_; }

 private:
  std::string name_;
  std::string needs_;
  Files& files_;
  Processes& processes_;
};

class QuotesFeed final : public Feed {
 public:
  QuotesFeed(Files& files, Processes& processes) : Feed("gcp/quotes", "", files, processes) {}
  Result<Harvest> fetch(const FeedRequest& request) override {
    Harvest harvest;
    harvest.listings = quoted_machines(request.clock.now());
    return harvest;
  }
};

class SkusFeed final : public Feed {
 public:
  SkusFeed(Files& files, Processes& processes) : Feed("gcp/skus", kPriceNeeds, files, processes) {}

  Result<Harvest> fetch(const FeedRequest& request) override {
    Session session(request, files(), processes());
    if (session.settings().api_key.empty()) {
      const Status in = session.log_in();
      if (!in.ok()) { return missing_or(in.error()); }
      return read_skus(session, request.clock.now());
    }
    session.use_api_key();
    Result<Harvest> by_key = read_skus(session, request.clock.now());
    // $GOOGLE_API_KEY is often a key for another of Google's services.
    if (by_key.ok() || by_key.error().kind != ErrorKind::auth || !session.log_in().ok()) { return by_key; }
    return read_skus(session, request.clock.now());
  }

 private:
  static Error missing_or(const Error& error) {
    return error.code == "no_credentials" ? no_credentials("gcp", kPriceNeeds) : error;
  }

  static Result<Harvest> read_skus(Session& session, Instant now) {
    Harvest harvest;
    PartPrices prices;
    std::size_t count = 0;
    std::string url(kBillingUrl);
    url += "/services/";
    url += kComputeService;
    TRY([[maybe_unused]] const Ok read,
        session.get_pages(url + "/skus", {{"pageSize", "5000"}, {"currencyCode", "USD"}}, "skus",
                          [&](const std::string& body) { return parse_skus(body, prices, count, harvest); }));
    if (count == 0) {
      // What it says to a wrong service, too.
      return Error{
          .kind = ErrorKind::internal, .message = "the price list is empty", .source = "gcp GET skus"};
    }
    prices.add_machines(now, harvest);
    return harvest;
  }
};

Result<Zones> read_zones(Session& session) {
  Zones zones;
  TRY([[maybe_unused]] const Ok read,
      session.get_pages(session.compute_url("/zones"), {{"maxResults", "500"}}, "zones",
                        [&](const std::string& body) { return parse_zones(body, zones); }));
  return zones;
}

/// One sick zone would fail the whole list without returnPartialSuccess.
QueryPairs aggregated(const std::string& filter = "") {
  QueryPairs query = {{"maxResults", "500"}, {"returnPartialSuccess", "true"}};
  if (!filter.empty()) { query.emplace_back("filter", filter); }
  return query;
}

class MachineTypesFeed final : public Feed {
 public:
  MachineTypesFeed(Files& files, Processes& processes)
      : Feed("gcp/machine-types", kNeeds, files, processes) {}

  Result<Harvest> fetch(const FeedRequest& request) override {
    Session session(request, files(), processes());
    TRY([[maybe_unused]] const Ok in, session.log_in_with_project());
    TRY(const Zones zones, read_zones(session));
    Harvest harvest;
    SoldIn types;
    // Families with accelerators of their own; N1 is everywhere.
    TRY([[maybe_unused]] const Ok machines,
        session.get_pages(
            session.compute_url("/aggregated/machineTypes"),
            aggregated("name eq (a2|a3|a4|a4x|g2|g4|ct5lp|ct5p|ct6e|tpu7x)-.*"), "aggregated/machineTypes",
            [&](const std::string& body) { return parse_machine_types(body, types, harvest); }));
    SoldIn accelerators;
    TRY([[maybe_unused]] const Ok attached,
        session.get_pages(
            session.compute_url("/aggregated/acceleratorTypes"), aggregated(), "aggregated/acceleratorTypes",
            [&](const std::string& body) { return parse_accelerator_types(body, accelerators); }));
    add_sold_signals(zones, types, accelerators, harvest);
    return harvest;
  }
};

class QuotasFeed final : public Feed {
 public:
  QuotasFeed(Files& files, Processes& processes) : Feed("gcp/quotas", kNeeds, files, processes) {}

  Result<Harvest> fetch(const FeedRequest& request) override {
    Session session(request, files(), processes());
    TRY([[maybe_unused]] const Ok in, session.log_in_with_project());
    Quotas quotas;
    TRY([[maybe_unused]] const Ok regions,
        session.get_pages(session.compute_url("/regions"), {{"maxResults", "500"}}, "regions",
                          [&](const std::string& body) { return parse_region_quotas(body, quotas); }));
    TRY(const HttpResponse project, session.get(session.compute_url(""), "project"));
    TRY(const std::optional<Quota> all_regions, parse_project_quota(project.body));
    Harvest harvest;
    const Status infos = read_infos(session, quotas);
    // Another API, which may be off: the older quotas are told without it.
    if (!infos.ok()) {
      if (infos.error().kind != ErrorKind::auth) { return infos.error(); }
      add_remark(harvest, "no on-demand quotas of H100 and later",
                 infos.error().code + ": " + infos.error().message);
    }
    add_quota_signals(quotas, all_regions, harvest);
    return harvest;
  }

 private:
  static Status read_infos(Session& session, Quotas& quotas) {
    std::string url(kQuotasUrl);
    url += "/projects/" + url_encode(session.project());
    url += "/locations/global/services/compute.googleapis.com/quotaInfos";
    return session.get_pages(url, {{"pageSize", "1000"}}, "quotaInfos",
                             [&](const std::string& body) { return parse_quota_infos(body, quotas); });
  }
};

class CalendarFeed final : public Feed {
 public:
  CalendarFeed(Files& files, Processes& processes) : Feed("gcp/calendar", kNeeds, files, processes) {}

  Result<Harvest> fetch(const FeedRequest& request) override {
    Session session(request, files(), processes());
    TRY([[maybe_unused]] const Ok in, session.log_in_with_project());
    TRY(const std::vector<Place> places, find_places(session));
    const Instant now = request.clock.now();
    std::vector<Result<Harvest>> parts(places.size(), Harvest{});
    request.fan_out.run(places.size(), kAtOnce,
                        [&](std::size_t i) { parts[i] = ask(session, places[i], now); });
    return merge(places, std::move(parts));
  }

 private:
  struct Place {
    std::string region = {};
    std::string type = {};
    auto operator<=>(const Place&) const = default;
  };

  static Result<std::vector<Place>> find_places(Session& session) {
    TRY(const Zones zones, read_zones(session));
    Harvest unused;
    SoldIn sold;
    TRY([[maybe_unused]] const Ok machines,
        session.get_pages(session.compute_url("/aggregated/machineTypes"), aggregated("name eq (a3|a4)-.*"),
                          "aggregated/machineTypes",
                          [&](const std::string& body) { return parse_machine_types(body, sold, unused); }));
    std::set<Place> places;
    const std::vector<std::string>& wanted = calendar_types();
    for (const auto& [zone, types] : sold) {
      const auto region = zones.find(zone);
      if (region == zones.end()) { continue; }
      for (const std::string& type : types) {
        if (std::find(wanted.begin(), wanted.end(), type) == wanted.end()) { continue; }
        places.insert({region->second, type});
      }
    }
    return std::vector<Place>(places.begin(), places.end());
  }

  static Result<Harvest> ask(Session& session, const Place& place, Instant now) {
    Harvest harvest;
    const Result<HttpResponse> answer =
        session.post(session.compute_url("/regions/" + place.region + "/advice/calendarMode"),
                     calendar_question(place.type, now), "advice/calendarMode");
    if (!answer.ok()) {
      const ErrorKind kind = answer.error().kind;
      // Sold here, but not as calendar blocks.
      if (kind == ErrorKind::invalid || kind == ErrorKind::not_found) { return harvest; }
      return answer.error();
    }
    TRY([[maybe_unused]] const Ok read,
        parse_calendar_advice(answer.value().body, place.type, place.region, now, harvest));
    return harvest;
  }

  /// A region of which one type could not be asked keeps what it had; so nothing of it is told.
  static Result<Harvest> merge(const std::vector<Place>& places, std::vector<Result<Harvest>> parts) {
    Harvest harvest;
    std::set<std::string> failed;
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (parts[i].ok() || !failed.insert(places[i].region).second) { continue; }
      harvest.failed.emplace_back(places[i].region, parts[i].error());
    }
    std::set<std::string> told;
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (failed.count(places[i].region) != 0) { continue; }
      told.insert(places[i].region);
      Harvest& part = parts[i].value();
      std::move(part.listings.begin(), part.listings.end(), std::back_inserter(harvest.listings));
      std::move(part.signals.begin(), part.signals.end(), std::back_inserter(harvest.signals));
      for (const Remark& remark : part.remarks) { add_remark(harvest, remark.what, remark.detail); }
    }
    // Every region says the same no: then it is the account's, and nothing has been learnt.
    if (!failed.empty() && told.empty()) { return harvest.failed.front().second; }
    return harvest;
  }
};

}  // namespace

std::vector<std::unique_ptr<PriceFeed>> make_feeds(Files& files, Processes& processes) {
  std::vector<std::unique_ptr<PriceFeed>> feeds;
  feeds.push_back(std::make_unique<QuotesFeed>(files, processes));
  feeds.push_back(std::make_unique<SkusFeed>(files, processes));
  feeds.push_back(std::make_unique<MachineTypesFeed>(files, processes));
  feeds.push_back(std::make_unique<QuotasFeed>(files, processes));
  feeds.push_back(std::make_unique<CalendarFeed>(files, processes));
  return feeds;
}

}  // namespace gpubroker::gcp
