#include "providers/oci/codec.hpp"

#include <algorithm>
#include <array>

#include "core/base/text.hpp"
#include "core/wire/answer_json.hpp"
#include "core/wire/cloud_answer.hpp"
#include "core/wire/flat_json.hpp"
#include "providers/oci/facts.hpp"

namespace gpubroker::oci {
namespace {

constexpr std::string_view kSource = "oci";
constexpr std::string_view kVersion = "/20160918";
constexpr int kMostMachines = 1'000'000;

constexpr std::array kCodes = {
    CodeRow{"CannotParseRequest", ErrorKind::invalid, ErrorScope::request},
    CodeRow{"IncorrectState", ErrorKind::conflict, ErrorScope::request},
    CodeRow{"InvalidParameter", ErrorKind::invalid, ErrorScope::request},
    CodeRow{"InvalidatedRetryToken", ErrorKind::conflict, ErrorScope::request},
    CodeRow{"LimitExceeded", ErrorKind::quota, ErrorScope::region},
    CodeRow{"NotAuthenticated", ErrorKind::auth, ErrorScope::account},
    // OCI does not say which of the two: a thing that may not be seen is not there.
    CodeRow{"NotAuthorizedOrNotFound", ErrorKind::auth, ErrorScope::request},
    CodeRow{"QuotaExceeded", ErrorKind::quota, ErrorScope::region},
    CodeRow{"TooManyRequests", ErrorKind::throttled, ErrorScope::request},
};

/// "BM.GPU.GB200.4 (NVL72)" is BM.GPU.GB200.4 to the API.
std::string shape_name(const std::string& shown) {
  return std::string(trim(shown.substr(0, shown.find('('))));
}

/// The product that a shape is billed by: type "ocpu", though it counts GPUs.
AnswerValue billed_product(const AnswerValue& shape) {
  for (const AnswerValue& product : shape.at("products").list()) {
    if (product.at("type").text_or("value") == "ocpu") { return product; }
  }
  AnswerValue::refuse("no product of type ocpu");
}

Listing read_shape(const AnswerValue& shape, const Products& products, Instant now) {
  const AnswerValue product = billed_product(shape);
  Listing listing;
  Offer& offer = listing.offer;
  offer.key = {.provider = "oci", .region = "any", .instance_type = shape_name(shape.at("name").text())};
  offer.gpu.count = shape.at("gpuQty").whole<int>();
  if (offer.gpu.count < 1 || offer.gpu.count > 1024) { AnswerValue::refuse("gpuQty is out of range"); }
  // An OCPU is a core of two threads. Both are missing for the newest shapes.
  if (const auto ocpus = product.find("qty")) {
    offer.vcpus = static_cast<int>(std::clamp<std::int64_t>(ocpus->rounded(), 0, kMostMachines)) * 2;
  }
  if (const auto memory = shape.find("bundleMemoryQty")) {
    offer.memory_mib = std::clamp<std::int64_t>(memory->rounded(), 0, kMostMachines) * 1024;
  }
  offer.learnt_at = now;
  offer.source = "oci/price-list";
  const auto price = products.find(product.at("partNumber").text());
  if (price == products.end()) {
    AnswerValue::refuse("no price for part " + product.at("partNumber").text());
  }
  const std::optional<Rate> rate = times(Rate{price->second.micros}, offer.gpu.count);
  if (!rate || rate->micros_per_hour <= 0) { AnswerValue::refuse("the price is out of range"); }
  offer.price = *rate;
  correct_shape(listing);
  return listing;
}

bool is_sold_gpu_shape(const AnswerValue& shape) {
  const auto kind = shape.find("subType");
  return kind && kind->text_or("value") == "gpu" && shape.text_or("status") == "ACTIVE" &&
         !shape.boolean_or("hidden", false);
}

/// Of a product by the hour: its one price in dollars. Nothing when it has none, or one that comes in steps,
/// as storage and traffic have.
std::optional<Money> dollar_price(const AnswerValue& product) {
  std::vector<Money> prices;
  for (const AnswerValue& localized : product.at("currencyCodeLocalizations").list()) {
    if (localized.text_or("currencyCode") != "USD") { continue; }
    for (const AnswerValue& each : localized.at("prices").list()) {
      if (each.text_or("model") == "PAY_AS_YOU_GO") { prices.push_back(each.at("value").money()); }
    }
  }
  return prices.size() == 1 ? std::optional(prices.front()) : std::nullopt;
}

}  // namespace

Result<Products> parse_products(std::string_view body, Harvest& harvest) {
  return read_answer(body, kSource, [&](const AnswerValue& root) -> Result<Products> {
    Products products;
    for_each_row(root.at("items"), "products", harvest, [&](const AnswerValue& product) {
      if (product.text_or("pricetype") != "HOUR") { return; }
      if (const auto price = dollar_price(product)) {
        products.emplace(product.at("partNumber").text(), *price);
      }
    });
    return products;
  });
}

Result<std::vector<Listing>> parse_shapes(std::string_view body, const Products& products, Instant now,
                                          Harvest& harvest) {
  return read_answer(body, kSource, [&](const AnswerValue& root) -> Result<std::vector<Listing>> {
    std::map<std::string, Listing> shapes;  // by name: a shape told twice is one
    std::vector<Listing> spot;
    for_each_row(root.at("items"), "shapes", harvest, [&](const AnswerValue& row) {
      if (!is_sold_gpu_shape(row)) { return; }
      Listing listing = read_shape(row, products, now);
      const std::string name = listing.offer.key.instance_type;
      const bool is_new = shapes.emplace(name, listing).second;
      // Bare metal cannot be preemptible.
      if (!is_new || !row.boolean_or("allowPreemptible", false) || name.rfind("VM.", 0) != 0) { return; }
      listing.offer.key.market = Market::spot;
      listing.offer.price = {(listing.offer.price.micros_per_hour + 1) / 2};
      listing.basis = PriceBasis::computed;
      spot.push_back(std::move(listing));
    });
    std::vector<Listing> listings;
    for (const auto& [name, listing] : shapes) { listings.push_back(listing); }
    listings.insert(listings.end(), spot.begin(), spot.end());
    return listings;
  });
}

std::string identity_url(const std::string& region, const std::string& path) {
  std::string url = "https://identity." + region + ".oraclecloud.com";
  url += kVersion;
  return url + path;
}

std::string compute_url(const std::string& region, const std::string& path) {
  std::string url = "https://iaas." + region + ".oraclecloud.com";
  url += kVersion;
  return url + path;
}

Result<std::vector<std::string>> parse_regions(std::string_view body) {
  return read_answer(body, kSource, [](const AnswerValue& root) -> Result<std::vector<std::string>> {
    std::vector<std::string> regions;
    for (const AnswerValue& row : root.list()) {
      if (row.text_or("status", "READY") == "READY") { regions.push_back(row.at("regionName").text()); }
    }
    std::sort(regions.begin(), regions.end());
    regions.erase(std::unique(regions.begin(), regions.end()), regions.end());
    return regions;
  });
}

Result<std::vector<std::string>> parse_domains(std::string_view body) {
  return read_answer(body, kSource, [](const AnswerValue& root) -> Result<std::vector<std::string>> {
    std::vector<std::string> domains;
    for (const AnswerValue& row : root.list()) { domains.push_back(row.at("name").text()); }
    return domains;
  });
}

Result<std::string> parse_user(std::string_view body) {
  return read_answer(body, kSource,
                     [](const AnswerValue& root) -> Result<std::string> { return root.at("name").text(); });
}

std::string encode_report(const std::string& tenancy, const std::string& domain,
                          const std::vector<std::string>& shapes) {
  FlatWriter body;
  body.open().field("compartmentId", tenancy).field("availabilityDomain", domain);
  body.name("shapeAvailabilities").open_list();
  for (const std::string& shape : shapes) { body.open().field("instanceShape", shape).close(); }
  body.close_list().close();
  return std::move(body).take();
}

Result<Report> parse_report(std::string_view body, Harvest& harvest) {
  return read_answer(body, kSource, [&](const AnswerValue& root) -> Result<Report> {
    Report report;
    for_each_row(root.at("shapeAvailabilities"), "shapeAvailabilities", harvest, [&](const AnswerValue& row) {
      const std::string status = row.at("availabilityStatus").text();
      if (status == "HARDWARE_NOT_SUPPORTED") { return; }
      if (status != "AVAILABLE" && status != "OUT_OF_HOST_CAPACITY") {
        AnswerValue::refuse("the availability status " + status + " is unknown");
      }
      Availability told{.kind = AvailabilityKind::count, .basis = "oci capacity report"};
      if (status == "AVAILABLE") {
        const auto count = row.find("availableCount");
        // A shape that is there, but nobody says how often.
        if (!count) { told.kind = AvailabilityKind::level; }
        told.value = count ? std::clamp(count->whole<int>(), 0, kMostMachines) : 1;
      }
      // Told by fault domain, the rows are parts of the whole.
      const auto [known, is_new] = report.emplace(row.at("instanceShape").text(), told);
      if (!is_new && known->second.kind == AvailabilityKind::count && told.kind == AvailabilityKind::count) {
        known->second.value = std::min(known->second.value + told.value, kMostMachines);
      }
    });
    return report;
  });
}

Error parse_error(const HttpResponse& answer, std::string_view what, Instant now) {
  std::string code;
  std::string message;
  static_cast<void>(visit_answer(answer.body, kSource, [&](const AnswerValue& root) {
    code = root.text_or("code");
    message = root.text_or("message");
  }));
  Error error = error_from_answer(answer, "oci " + std::string(what), code, message, now);
  judge_by_code(error, code, kCodes);
  // A 500 with the code InternalError, like a fault of theirs.
  if (lower(message).find("out of host capacity") != std::string::npos) {
    error.kind = ErrorKind::capacity;
    error.scope = ErrorScope::zone;
  }
  return error;
}

}  // namespace gpubroker::oci
