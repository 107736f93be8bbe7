#include "core/base/offer.hpp"

#include <doctest/doctest.h>

namespace gpubroker {

TEST_CASE("each market has its name and is read back from it") {
  const std::vector<std::pair<Market, std::string_view>> all = {{Market::on_demand, "on_demand"},
                                                                {Market::spot, "spot"},
                                                                {Market::flex, "flex"},
                                                                {Market::block, "block"},
                                                                {Market::contract, "contract"}};
  for (const auto& [market, name] : all) {
    CHECK(to_string(market) == name);
    CHECK(market_from(name) == market);
  }
  CHECK(market_from("on-demand") == Market::on_demand);
  CHECK(market_from("ondemand") == Market::on_demand);
  for (const char* name : {"", "Spot", "spot ", "on demand", "reserved"}) {
    CAPTURE(name);
    CHECK_FALSE(market_from(name));
  }
}

TEST_CASE("an offer's name leaves out a zone that is not there") {
  OfferKey key{"local", "us-east", "", "cpu4", Market::spot};
  CHECK(format_offer_key(key) == "local/us-east/cpu4/spot");
  key.zone = "us-east-1a";
  CHECK(format_offer_key(key) == "local/us-east/us-east-1a/cpu4/spot");
}

TEST_CASE("offers are ordered by name: provider, region, zone, type, market") {
  const std::vector<OfferKey> ascending = {
      {"a", "r", "", "t", Market::on_demand}, {"a", "r", "", "t", Market::spot},
      {"a", "r", "", "u", Market::on_demand}, {"a", "r", "z", "a", Market::on_demand},
      {"a", "s", "", "a", Market::on_demand}, {"b", "a", "", "a", Market::on_demand}};
  for (std::size_t i = 1; i < ascending.size(); ++i) {
    CAPTURE(i);
    CHECK(ascending[i - 1] < ascending[i]);
  }
}

}  // namespace gpubroker
