#include "providers/voltagepark/cloud.hpp"

#include "core/wire/cloud_answer.hpp"
#include "providers/voltagepark/codec.hpp"

namespace gpubroker::voltagepark {
namespace {

class Locations final : public PriceFeed {
 public:
  [[nodiscard]] std::string name() const override { return "voltagepark/locations"; }
  [[nodiscard]] std::string needs() const override { return {}; }

  Result<Harvest> fetch(const FeedRequest& request) override {
    TRY(const HttpResponse answer, request.http.send(encode_locations()));
    if (answer.status >= 400) {
      return error_from_answer(answer, "voltagepark GET /bare-metal/locations", request.clock.now());
    }
    return parse_locations(answer.body, request.clock.now());
  }
};

class VoltagePark final : public Cloud {
 public:
  [[nodiscard]] std::string name() const override { return "voltagepark"; }
  [[nodiscard]] std::vector<PriceFeed*> feeds() override { return {&locations_}; }
  AccessReport check(const FeedRequest& /*request*/) override {
    return {.state = AccessReport::State::not_needed};
  }

 private:
  Locations locations_;
};

}  // namespace

std::unique_ptr<Cloud> make_cloud(Files& /*files*/, Processes& /*processes*/) {
  return std::make_unique<VoltagePark>();
}

}  // namespace gpubroker::voltagepark
