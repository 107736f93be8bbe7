#pragma once
// Oracle Cloud Infrastructure as far as prices go: bytes to values. Source: oracle/oci-cli, the cost
// estimator's public files and shared API notes, read 2026-11.
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/ports/price_feed.hpp"
#include "core/wire/url.hpp"

namespace gpubroker::oci {

/// The cost estimator's files: public, and the same for all commercial regions.
inline constexpr std::string_view kShapesUrl =
    "https://www.oracle.com/a/ocom/docs/cloudestimator2/data/shapes.json";
inline constexpr std::string_view kProductsUrl =
    "https://www.oracle.com/a/ocom/docs/cloudestimator2/data/products.json";

/// US dollars per unit and hour, pay as you go, by part number. Left out: products by the month and the like,
/// and those whose price comes in steps; a shape that needs one tells it.
using Products = std::map<std::string, Money>;
Result<Products> parse_products(std::string_view body, Harvest& harvest);

/// The GPU shapes with their prices (per GPU and hour, times the GPUs), in the region "any": the files do not
/// say where a shape is. VM shapes that may be preemptible come a second time, as spot, at half the price.
Result<std::vector<Listing>> parse_shapes(std::string_view body, const Products& products, Instant now,
                                          Harvest& harvest);

std::string identity_url(const std::string& region, const std::string& path);
std::string compute_url(const std::string& region, const std::string& path);

/// Regions the tenancy has subscribed to and that are ready.
Result<std::vector<std::string>> parse_regions(std::string_view body);
/// Names of availability domains: "xxxx:US-ASHBURN-AD-1".
Result<std::vector<std::string>> parse_domains(std::string_view body);
/// A user's name.
Result<std::string> parse_user(std::string_view body);

inline constexpr std::size_t kMostShapesPerReport = 10;
/// The body of POST /computeCapacityReports.
std::string encode_report(const std::string& tenancy, const std::string& domain,
                          const std::vector<std::string>& shapes);
/// By shape; one that the domain has no hardware for is missing.
using Report = std::map<std::string, Availability>;
Result<Report> parse_report(std::string_view body, Harvest& harvest);

/// {"code", "message"}.
Error parse_error(const HttpResponse& answer, std::string_view what, Instant now);

}  // namespace gpubroker::oci
