#include "providers/lambda/cloud.hpp"

#include "core/wire/cloud_answer.hpp"
#include "providers/lambda/codec.hpp"

namespace gpubroker::lambda {
namespace {

constexpr const char* kKeyFile = "~/.lambda_cloud/lambda_keys";
constexpr const char* kNeeds = "an API key in $LAMBDA_API_KEY or ~/.lambda_cloud/lambda_keys";

struct FoundKey {
  Secret key = {};
  std::string found_in = {};
};

FoundKey find_key(Files& files, Processes& processes) {
  if (const auto key = processes.env("LAMBDA_API_KEY"); key && !key->empty()) {
    return {.key = Secret(*key), .found_in = "$LAMBDA_API_KEY"};
  }
  const Result<std::string> text =
      files.read(processes.env("HOME").value_or("") + "/.lambda_cloud/lambda_keys");
  if (!text.ok()) { return {}; }
  Secret key = parse_key_file(text.value());
  if (key.empty()) { return {}; }
  return {.key = std::move(key), .found_in = kKeyFile};
}

Result<HttpResponse> get(const FeedRequest& request, std::string_view path, const Secret& key) {
  TRY(HttpResponse answer, request.http.send(encode_get(path, key)));
  if (answer.status >= 400) { return parse_error(answer, path, request.clock.now()); }
  return answer;
}

class InstanceTypes final : public PriceFeed {
 public:
  InstanceTypes(Files& files, Processes& processes) : files_(files), processes_(processes) {}
  [[nodiscard]] std::string name() const override { return "lambda/instance-types"; }
  [[nodiscard]] std::string needs() const override { return kNeeds; }

  Result<Harvest> fetch(const FeedRequest& request) override {
    const FoundKey found = find_key(files_, processes_);
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
    AccessReport report;
    const FoundKey found = find_key(files_, processes_);
    report.found_in = found.found_in;
    if (found.key.empty()) {
      report.next = "make a key at cloud.lambda.ai/api-keys and put it into $LAMBDA_API_KEY";
      return report;
    }
    // The cheapest call that needs a good key; Lambda does not say who a key belongs to.
    const Result<HttpResponse> answer = get(request, "/ssh-keys", found.key);
    report.state = access_state(answer);
    if (answer.ok()) { return report; }
    report.problem = answer.error().message;
    report.next =
        answer.error().hint.empty() ? "make a new key at cloud.lambda.ai/api-keys" : answer.error().hint;
    return report;
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
