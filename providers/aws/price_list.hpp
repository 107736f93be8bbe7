#pragma once
// The bulk price list of EC2: one JSON file of some hundreds of megabytes per region, read as it comes, in a
// few megabytes of memory. Source: AWS's "Reading the service price list file", read 2026-11, and files
// recorded 2026-09-10.
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "core/ports/price_feed.hpp"
#include "providers/aws/json_skipper.hpp"

namespace gpubroker::aws {

inline constexpr std::string_view kPricingBase = "https://pricing.us-east-1.amazonaws.com";
inline constexpr std::string_view kRegionIndexPath = "/offers/v1.0/aws/AmazonEC2/current/region_index.json";

/// The price file of each region by its code; the path names the version. Local and wavelength zones, which
/// have files of their own, are left out: they are no regions of the API.
Result<std::map<std::string, std::string>> parse_region_index(std::string_view body);

/// Reads one region's file. Linux, shared tenancy, on demand, accelerators only; all conditions of the sheet,
/// among them `marketoption`: a Capacity Block's row is otherwise a machine for $0.
class PriceListReader {
 public:
  /// `region` is the file's; rows of another are left out.
  PriceListReader(std::string region, Instant now);

  /// The next piece, of any length. Fails with `internal` when it cannot be the file.
  Status take(std::string_view piece);

  /// After the last piece. Fails with `internal` when the file ends in the middle.
  Status finish() const;

  /// The prices stood before the products, so nobody knew which to keep: the file must be read once more, all
  /// of it, after begin_second_pass().
  [[nodiscard]] bool needs_second_pass() const { return prices_passed_by_ && !wanted_.empty(); }
  void begin_second_pass();

  /// Nothing that comes after can change the harvest.
  [[nodiscard]] bool knows_all() const;

  /// Adds what was found.
  void harvest(Harvest& harvest) const;

 private:
  enum class Level : std::uint8_t { root, products, terms, on_demand };
  enum class Await : std::uint8_t { root, key, in_key, colon, value, nested, in_text, primitive, nothing };
  enum class Use : std::uint8_t { none, product, prices };

  struct Product {
    Listing listing = {};
    bool priced = false;
    Instant price_from = {};
  };

  std::size_t step(std::string_view piece, std::size_t at);
  std::size_t step_key(std::string_view piece, std::size_t at);
  std::size_t step_value(std::string_view piece, std::size_t at);
  std::size_t step_nested(std::string_view piece, std::size_t at);
  std::size_t step_text(std::string_view piece, std::size_t at);
  void leave();
  void use(std::string_view value);
  void read_product(std::string_view text);
  void read_prices(std::string_view text);
  bool may_be_wanted(std::string_view text);
  bool is_accelerator(std::string_view type, std::string_view product);
  void refuse(const std::string& why);

  std::string region_;
  Instant now_;
  JsonSkipper skipper_ = {};
  Await await_ = Await::root;
  Level level_ = Level::root;
  Use use_ = Use::none;
  std::string key_ = {};
  bool escaped_ = false;       // in a key or a text
  std::string captured_ = {};  // of a value that began in an earlier piece
  bool second_pass_ = false;
  bool products_seen_ = false;
  bool on_demand_seen_ = false;
  bool prices_passed_by_ = false;
  std::int64_t taken_ = 0;  // bytes before this piece
  std::string problem_ = {};
  std::map<std::string, bool, std::less<>> accelerators_ = {};  // by type, as far as met
  std::map<std::string, Product, std::less<>> wanted_ = {};     // by SKU
  Harvest told_ = {};                                           // remarks
};

}  // namespace gpubroker::aws
