#include "providers/oci/cloud.hpp"

#include <algorithm>

#include "core/wire/cloud_answer.hpp"
#include "core/wire/harvest_rows.hpp"
#include "providers/oci/codec.hpp"
#include "providers/oci/credentials.hpp"

namespace gpubroker::oci {
namespace {

constexpr std::size_t kRegionsAtOnce = 8;

/// One of the estimator's files; nothing when it is as it was at the last visit.
Result<std::optional<std::string>> get_file(const FeedRequest& request, std::string_view url,
                                            bool with_conditions, Validators& validators) {
  HttpRequest get{.url = std::string(url), .headers = {{"Accept", "application/json"}}};
  if (with_conditions) { add_conditions(get, request.validators, get.url); }
  TRY(HttpResponse answer, request.http.send(get));
  if (answer.status == 304 && with_conditions) { return std::optional<std::string>(); }
  if (answer.status != 200) { return parse_error(answer, "cost estimator", request.clock.now()); }
  keep_validators(answer, get.url, validators);
  return std::optional(std::move(answer.body));
}

/// The price list. All unchanged only when both files are: a price is in the one, the shape in the other.
Result<Harvest> get_prices(const FeedRequest& request, bool with_conditions) {
  Harvest harvest;
  TRY(auto shapes, get_file(request, kShapesUrl, with_conditions, harvest.validators));
  TRY(auto products, get_file(request, kProductsUrl, with_conditions, harvest.validators));
  if (!shapes && !products) {
    harvest.all_unchanged = true;
    harvest.validators = request.validators;
    return harvest;
  }
  if (!shapes) { TRY(shapes, get_file(request, kShapesUrl, false, harvest.validators)); }
  if (!products) { TRY(products, get_file(request, kProductsUrl, false, harvest.validators)); }
  TRY(const Products prices, parse_products(products.value_or(""), harvest));
  TRY(harvest.listings, parse_shapes(shapes.value_or(""), prices, request.clock.now(), harvest));
  return harvest;
}

class PriceList final : public PriceFeed {
 public:
  [[nodiscard]] std::string name() const override { return "oci/price-list"; }
  [[nodiscard]] std::string needs() const override { return ""; }
  Result<Harvest> fetch(const FeedRequest& request) override {
    return get_prices(request, /*with_conditions=*/true);
  }
};

/// Signs and sends; what they call the request in an error.
class Session {
 public:
  Session(const FeedRequest& request, const Access& access) : request_(request), access_(access) {}
  [[nodiscard]] const Access& access() const { return access_; }

  [[nodiscard]] Result<HttpResponse> send(const HttpRequest& unsigned_request,
                                          const std::string& what) const {
    const Instant now = request_.clock.now();
    TRY(const HttpRequest signed_request, sign_request(unsigned_request, access_, now));
    TRY(HttpResponse answer, request_.http.send(signed_request));
    if (answer.status >= 400) { return parse_error(answer, what, now); }
    return answer;
  }

  /// Follows the header opc-next-page.
  template <class Parse>
  [[nodiscard]] Result<std::vector<std::string>> list(const std::string& url, const std::string& what,
                                                      Parse parse) const {
    std::vector<std::string> items;
    PageTurner pages;
    std::string page;
    do {
      const std::string glue = url.find('?') == std::string::npos ? "?" : "&";
      HttpRequest get{.url = url};
      if (!page.empty()) { get.url += glue + encode_query({{"page", page}}); }
      TRY(const HttpResponse answer, send(get, what));
      TRY(const std::vector<std::string> found, parse(answer.body));
      items.insert(items.end(), found.begin(), found.end());
      page = find_header(answer.headers, "opc-next-page");
      if (!page.empty()) { TRY([[maybe_unused]] const Ok turned, pages.turn(page, "oci " + what)); }
    } while (!page.empty());
    return items;
  }

  [[nodiscard]] Result<std::vector<std::string>> regions() const {
    const std::string path = "/tenancies/" + url_encode(access_.tenancy) + "/regionSubscriptions";
    return list(identity_url(access_.region, path), "ListRegionSubscriptions", parse_regions);
  }
  [[nodiscard]] Result<std::vector<std::string>> domains(const std::string& region) const {
    const std::string query = encode_query({{"compartmentId", access_.tenancy}});
    return list(identity_url(region, "/availabilityDomains?" + query), "ListAvailabilityDomains",
                parse_domains);
  }
  [[nodiscard]] Result<HttpResponse> report(const std::string& region, const std::string& domain,
                                            const std::vector<std::string>& shapes) const {
    HttpRequest post{.method = "POST",
                     .url = compute_url(region, "/computeCapacityReports"),
                     .body = encode_report(access_.tenancy, domain, shapes),
                     .repeatable = true};  // it only looks
    return send(post, "CreateComputeCapacityReport");
  }

 private:
  const FeedRequest& request_;
  const Access& access_;
};

/// How many machines there are in each availability domain of the tenancy's regions, priced by the list.
class CapacityReport final : public PriceFeed {
 public:
  CapacityReport(Files& files, Processes& processes) : files_(files), processes_(processes) {}
  [[nodiscard]] std::string name() const override { return "oci/capacity-report"; }
  [[nodiscard]] std::string needs() const override { return std::string(kNeeds); }

  Result<Harvest> fetch(const FeedRequest& request) override {
    const Access access = find_access(files_, processes_);
    if (!access.is_usable()) { return no_access(access); }
    const Session session(request, access);
    TRY(const std::vector<std::string> regions, session.regions());
    TRY(Harvest prices, get_prices(request, /*with_conditions=*/false));
    std::vector<Result<Harvest>> parts =
        harvest_each(request.fan_out, regions.size(), kRegionsAtOnce,
                     [&](std::size_t i) { return ask_region(session, regions[i], prices.listings); });
    Harvest harvest{.remarks = prices.remarks};
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (parts[i].ok()) {
        add_harvest(harvest, std::move(parts[i]).value());
      } else {
        harvest.failed.emplace_back(regions[i], parts[i].error());
      }
    }
    return harvest;
  }

 private:
  static Error no_access(const Access& access) {
    Error error = no_credentials("oci", std::string(kNeeds));
    if (!access.problem.empty()) { error.message += ": " + access.found_in + ": " + access.problem; }
    return error;
  }

  static Result<Harvest> ask_region(const Session& session, const std::string& region,
                                    const std::vector<Listing>& shapes) {
    Harvest harvest;
    TRY(const std::vector<std::string> domains, session.domains(region));
    for (const std::string& domain : domains) {
      TRY(const Report report, ask_domain(session, region, domain, shapes, harvest));
      for (Listing listing : shapes) {
        const auto told = report.find(listing.offer.key.instance_type);
        if (told == report.end()) { continue; }
        listing.offer.key.region = region;
        listing.offer.key.zone = domain;
        listing.offer.source = "oci/capacity-report";
        // The report is about plain hosts; what preemptible machines may use of them is not told.
        if (listing.offer.key.market == Market::on_demand) { listing.availability = told->second; }
        harvest.listings.push_back(std::move(listing));
      }
    }
    return harvest;
  }

  static Result<Report> ask_domain(const Session& session, const std::string& region,
                                   const std::string& domain, const std::vector<Listing>& shapes,
                                   Harvest& harvest) {
    std::vector<std::string> names;
    for (const Listing& shape : shapes) {
      if (shape.offer.key.market == Market::on_demand) { names.push_back(shape.offer.key.instance_type); }
    }
    Report report;
    for (std::size_t at = 0; at < names.size(); at += kMostShapesPerReport) {
      const std::size_t end = std::min(names.size(), at + kMostShapesPerReport);
      const std::vector<std::string> some(names.begin() + static_cast<std::ptrdiff_t>(at),
                                          names.begin() + static_cast<std::ptrdiff_t>(end));
      TRY(const HttpResponse answer, session.report(region, domain, some));
      TRY(const Report part, parse_report(answer.body, harvest));
      report.insert(part.begin(), part.end());
    }
    return report;
  }

  Files& files_;
  Processes& processes_;
};

class Oci final : public Cloud {
 public:
  Oci(Files& files, Processes& processes) : files_(files), processes_(processes), report_(files, processes) {}
  [[nodiscard]] std::string name() const override { return "oci"; }
  [[nodiscard]] std::vector<PriceFeed*> feeds() override { return {&list_, &report_}; }

  AccessReport check(const FeedRequest& request) override {
    const Access access = find_access(files_, processes_);
    AccessReport report{.found_in = access.found_in, .warnings = access.warnings, .problem = access.problem};
    if (!access.is_usable()) {
      report.next = "prices are public; for availability: oci setup config";
      return report;
    }
    const Session session(request, access);
    const Result<HttpResponse> answer =
        session.send({.url = identity_url(access.region, "/users/" + url_encode(access.user))}, "GetUser");
    report.state = access_state(answer);
    if (!answer.ok()) {
      report.problem = answer.error().message;
      report.next = report.state == AccessReport::State::refused
                        ? "upload the public key to the user, and see that this machine's clock is right"
                        : "try again later";
      return report;
    }
    const Result<std::string> user = parse_user(answer.value().body);
    report.identity = user.ok() ? user.value() : access.user;
    ask_permissions(session, report);
    return report;
  }

 private:
  template <class T>
  static Permission::State state_of(const Result<T>& answer) {
    if (answer.ok()) { return Permission::State::granted; }
    return answer.error().kind == ErrorKind::auth ? Permission::State::missing : Permission::State::unknown;
  }

  static void ask_permissions(const Session& session, AccessReport& report) {
    const auto regions = session.regions();
    report.permissions.push_back({"TENANCY_INSPECT", state_of(regions), "the regions"});
    const auto domains = session.domains(session.access().region);
    report.permissions.push_back({"COMPARTMENT_INSPECT", state_of(domains), "the availability domains"});
    if (!domains.ok() || domains.value().empty()) { return; }
    const auto capacity = session.report(session.access().region, domains.value().front(), {"BM.GPU.H100.8"});
    report.permissions.push_back({"COMPUTE_CAPACITY_REPORT_CREATE", state_of(capacity), "availability"});
  }

  Files& files_;
  Processes& processes_;
  PriceList list_ = {};
  CapacityReport report_;
};

}  // namespace

std::unique_ptr<Cloud> make_cloud(Files& files, Processes& processes) {
  return std::make_unique<Oci>(files, processes);
}

}  // namespace gpubroker::oci
