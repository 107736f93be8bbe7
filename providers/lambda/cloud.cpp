#include "providers/lambda/cloud.hpp"

#include "core/wire/api_key.hpp"
#include "providers/lambda/codec.hpp"
#include "providers/lambda/key.hpp"

namespace gpubroker::lambda {
namespace {

constexpr const char* kNext = "make a key at cloud.lambda.ai/api-keys and put it into $LAMBDA_API_KEY";

Result<HttpResponse> get(const FeedRequest& request, std::string_view path, const Secret& key) {
  TRY(HttpResponse answer, request.http.send(encode_get(path, key)));
  if (answer.status >= 400) { return parse_error(answer, "GET " + std::string(path), request.clock.now()); }
  return answer;
}

class InstanceTypes final : public PriceFeed {
 public:
  InstanceTypes(Files& files, Processes& processes) : files_(files), processes_(processes) {}
  [[nodiscard]] std::string name() const override { return "lambda/instance-types"; }
  [[nodiscard]] std::string needs() const override { return kNeeds; }

  Result<Harvest> fetch(const FeedRequest& request) override {
    const FoundKey found = find_lambda_key(files_, processes_);
    if (found.key.empty()) { return no_credentials("lambda", kNeeds); }
    TRY(const HttpResponse answer, get(request, "/instance-types", found.key));
    return parse_instance_types(answer.body, request.clock.now());
  }

 private:
  Files& files_;
  Processes& processes_;
};

class Lambda final : public Cloud {
 public:
  Lambda(Files& files, Processes& processes)
      : files_(files), processes_(processes), types_(files, processes) {}
  [[nodiscard]] std::string name() const override { return "lambda"; }
  [[nodiscard]] std::vector<PriceFeed*> feeds() override { return {&types_}; }

  AccessReport check(const FeedRequest& request) override {
    const FoundKey found = find_lambda_key(files_, processes_);
    // The cheapest call that needs a good key; Lambda does not say who a key belongs to.
    return report_access(found, kNext, [&](AccessReport&) -> Status {
      TRY([[maybe_unused]] const HttpResponse answer, get(request, "/ssh-keys", found.key));
      return Ok{};
    });
  }

 private:
  Files& files_;
  Processes& processes_;
  InstanceTypes types_;
};

}  // namespace

std::unique_ptr<Cloud> make_cloud(Files& files, Processes& processes) {
  return std::make_unique<Lambda>(files, processes);
}

}  // namespace gpubroker::lambda
