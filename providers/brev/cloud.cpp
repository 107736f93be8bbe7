#include "providers/brev/cloud.hpp"

#include "core/wire/cloud_answer.hpp"
#include "providers/brev/codec.hpp"

namespace gpubroker::brev {
namespace {

class InstanceTypes final : public PriceFeed {
 public:
  [[nodiscard]] std::string name() const override { return "brev/instance-types"; }
  [[nodiscard]] std::string needs() const override { return {}; }

  Result<Harvest> fetch(const FeedRequest& request) override {
    HttpRequest question = encode_types();
    add_conditions(question, request.validators, "types");
    TRY(const HttpResponse answer, request.http.send(question));
    if (answer.status == 304) { return Harvest{.all_unchanged = true, .validators = request.validators}; }
    if (answer.status >= 400) {
      return error_from_answer(answer, "brev GET /v1/instance/types", request.clock.now());
    }
    TRY(Harvest harvest, parse_types(answer.body, request.clock.now()));
    keep_validators(answer, "types", harvest.validators);
    return harvest;
  }
};

class Brev final : public Cloud {
 public:
  [[nodiscard]] std::string name() const override { return "brev"; }
  [[nodiscard]] std::vector<PriceFeed*> feeds() override { return {&types_}; }
  AccessReport check(const FeedRequest& /*request*/) override {
    return {.state = AccessReport::State::not_needed};
  }

 private:
  InstanceTypes types_;
};

}  // namespace

std::unique_ptr<Cloud> make_cloud(Files& /*files*/, Processes& /*processes*/) {
  return std::make_unique<Brev>();
}

}  // namespace gpubroker::brev
