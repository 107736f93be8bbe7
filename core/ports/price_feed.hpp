#pragma once
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/base/listing.hpp"
#include "core/base/result.hpp"
#include "core/ports/clock.hpp"
#include "core/ports/fan_out.hpp"
#include "core/ports/http.hpp"

namespace gpubroker {

/// What a server gave to ask "has it changed?" with: ETag, Last-Modified or a version, by URL or name.
using Validators = std::map<std::string, std::string>;

/// Something a feed left out, so that it is told and not lost: "unknown accelerator gpu_8x_foo", 3 times.
struct Remark {
  std::string what = {};  // the kind, counted together: "row refused", "unknown currency"
  std::string detail =
      {};  // the first example, with the field: "instance_types[3]: price_cents_per_hour is missing"
  std::int64_t count = 1;
  bool operator==(const Remark&) const = default;
};

/// What one visit brought. The rows of a region (offer.key.region, signal.region) replace all that this feed
/// told of that region before; a region that is neither here nor in `unchanged` nor `failed` is no longer
/// sold.
struct Harvest {
  std::vector<Listing> listings = {};
  std::vector<Signal> signals = {};
  bool all_unchanged = false;               // 304: everything as it was
  std::vector<std::string> unchanged = {};  // regions
  std::vector<std::pair<std::string, Error>> failed =
      {};  // regions that could not be asked: kept as they were, and told
  std::vector<Remark> remarks = {};
  Validators validators = {};  // for the next visit; replaces all
};

/// Adds one to the remark of that kind, keeping its first example.
void add_remark(Harvest& harvest, const std::string& what, const std::string& detail);

struct FeedRequest {
  Http& http;  // retries, limits the time and counts by itself; every request of the visit goes through it
  FanOut& fan_out;
  Clock& clock;
  const Validators& validators;  // of the last visit
};

/// One place where a cloud tells prices or availability, fetched on its own: a slow one holds back no other.
class PriceFeed {
 public:
  virtual ~PriceFeed() = default;
  /// "aws/price-list": the cloud, and what it is; unique.
  [[nodiscard]] virtual std::string name() const = 0;
  /// Which credential it needs, for a person: "an API key: $LAMBDA_API_KEY or ~/.lambda_cloud/lambda_keys".
  /// Empty: none.
  [[nodiscard]] virtual std::string needs() const = 0;
  /// Asks. The whole answer or an error; pieces that failed alone are in Harvest::failed. `auth` when the
  /// credential is missing (code "no_credentials") or refused.
  virtual Result<Harvest> fetch(const FeedRequest& request) = 0;
};

/// The error of a feed whose credential is nowhere.
Error no_credentials(const std::string& cloud, const std::string& needs);

}  // namespace gpubroker
