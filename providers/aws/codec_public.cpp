#include <array>
#include <map>

#include "core/base/text.hpp"
#include "core/wire/answer_json.hpp"
#include "providers/aws/codec.hpp"
#include "providers/aws/facts.hpp"

namespace gpubroker::aws {
namespace {

struct OldName {
  std::string_view before;
  std::string_view now;
};
/// Names of before 2012 that may still turn up in the feed of the price page.
constexpr std::array kOldNames = {
    OldName{"us-east", "us-east-1"},       OldName{"us-west", "us-west-1"},
    OldName{"eu-ireland", "eu-west-1"},    OldName{"apac-sin", "ap-southeast-1"},
    OldName{"apac-syd", "ap-southeast-2"}, OldName{"apac-tokyo", "ap-northeast-1"}};

std::string region_of_feed(const std::string& name) {
  for (const OldName& old : kOldNames) {
    if (old.before == name) { return std::string(old.now); }
  }
  return name;
}

std::optional<Money> linux_price(const AnswerValue& size) {
  for (const AnswerValue& column : size.at("valueColumns").list()) {
    if (column.at("name").text() != "linux") { continue; }
    const AnswerValue price = column.at("prices").at("USD");
    if (price.text().rfind("N/A", 0) == 0) { return std::nullopt; }
    const Money amount = price.money();
    if (amount.micros <= 0) { AnswerValue::refuse("the price is not above zero"); }
    return amount;
  }
  return std::nullopt;
}

void read_spot_region(const AnswerValue& row, Instant now, Harvest& harvest) {
  const std::string region = region_of_feed(row.at("region").text());
  if (!is_region_name(region)) {
    add_remark(harvest, "unknown region", region);
    return;
  }
  for (const AnswerValue& family : row.at("instanceTypes").list()) {
    for_each_row(family.at("sizes"), region + ".sizes", harvest, [&](const AnswerValue& size) {
      const std::string type = size.at("size").text();
      if (find_type(type) == nullptr) { return; }
      const std::optional<Money> price = linux_price(size);
      if (!price) { return; }
      Listing listing = listing_of(region, "", type, Market::spot);
      listing.offer.price = {price->micros};
      listing.offer.learnt_at = now;
      listing.offer.source = "aws/spot-feed";
      listing.basis = PriceBasis::market;
      harvest.listings.push_back(std::move(listing));
    });
  }
}

/// An old name and the new one of one region, both in the feed, would be two prices of one thing.
void keep_first_of_each(std::vector<Listing>& listings) {
  std::map<OfferKey, bool> seen;
  std::erase_if(listings,
                [&](const Listing& listing) { return !seen.emplace(listing.offer.key, true).second; });
}

}  // namespace

Result<Harvest> parse_spot_feed(std::string_view body, Instant now) {
  return read_answer(body, "aws spot feed", [&](const AnswerValue& root) -> Result<Harvest> {
    Harvest harvest;
    const AnswerValue config = root.at("config");
    if (config.text_or("rate", "perhr") != "perhr") {
      return Error{.kind = ErrorKind::internal,
                   .message = "the spot feed's rate is not per hour but " + config.at("rate").text(),
                   .source = "aws spot feed"};
    }
    for_each_row(config.at("regions"), "regions", harvest,
                 [&](const AnswerValue& row) { read_spot_region(row, now, harvest); });
    keep_first_of_each(harvest.listings);
    return harvest;
  });
}

Result<Harvest> parse_spot_advisor(std::string_view body) {
  return read_answer(body, "aws spot advisor", [](const AnswerValue& root) -> Result<Harvest> {
    Harvest harvest;
    std::map<std::int64_t, int> most;  // by the index of the range
    for (const AnswerValue& range : root.at("ranges").list()) {
      most[range.at("index").whole<std::int32_t>()] = range.at("max").whole<int>();
    }
    for (const auto& [region, systems] : root.at("spot_advisor").members()) {
      read_row(region, harvest, [&, region = region, systems = systems] {
        const std::optional<AnswerValue> types = systems.find("Linux");
        if (!types) { return; }
        for (const auto& [type, told] : types->members()) {
          if (find_type(type) == nullptr) { continue; }
          std::string place = region;
          place += "." + type;
          read_row(place, harvest, [&, type = type, told = told] {
            const auto range = most.find(told.at("r").whole<std::int32_t>());
            if (range == most.end()) { AnswerValue::refuse("no such range"); }
            Signal signal{.provider = "aws", .region = region, .instance_type = type, .market = Market::spot};
            signal.reclaimed_percent_most = range->second;
            harvest.signals.push_back(std::move(signal));
          });
        }
      });
    }
    return harvest;
  });
}

}  // namespace gpubroker::aws
