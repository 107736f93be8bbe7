#include "providers/shadeform/cloud.hpp"

#include "core/wire/api_key.hpp"
#include "providers/shadeform/codec.hpp"

namespace gpubroker::shadeform {
namespace {

constexpr const char* kNeeds = "an API key in $SHADEFORM_API_KEY or ~/.shadeform/api_key";
constexpr const char* kNext =
    "make a key at platform.shadeform.ai/settings/api and put it into ~/.shadeform/api_key";

FoundKey find_shadeform_key(Files& files, Processes& processes) {
  return find_key(files, processes,
                  {.variables = {"SHADEFORM_API_KEY"}, .files = {{".shadeform/api_key", whole_file_key}}});
}

Result<HttpResponse> get(const FeedRequest& request, const std::string& path, const Secret& key) {
  TRY(HttpResponse answer, request.http.send(encode_get(path, key)));
  if (answer.status >= 400) { return parse_error(answer, path, request.clock.now()); }
  return answer;
}

class InstanceTypes final : public PriceFeed {
 public:
  InstanceTypes(Files& files, Processes& processes) : files_(files), processes_(processes) {}
  [[nodiscard]] std::string name() const override { return "shadeform/instance-types"; }
  [[nodiscard]] std::string needs() const override { return kNeeds; }

  Result<Harvest> fetch(const FeedRequest& request) override {
    const FoundKey found = find_shadeform_key(files_, processes_);
    if (found.key.empty()) { return no_credentials("shadeform", kNeeds); }
    TRY(const HttpResponse answer, get(request, "/instances/types", found.key));
    return parse_types(answer.body, request.clock.now());
  }

 private:
  Files& files_;
  Processes& processes_;
};

class Shadeform final : public Cloud {
 public:
  Shadeform(Files& files, Processes& processes)
      : files_(files), processes_(processes), types_(files, processes) {}
  [[nodiscard]] std::string name() const override { return "shadeform"; }
  [[nodiscard]] std::vector<PriceFeed*> feeds() override { return {&types_}; }

  AccessReport check(const FeedRequest& request) override {
    const FoundKey found = find_shadeform_key(files_, processes_);
    return report_access(found, kNext, [&](AccessReport&) -> Status {
      TRY(const HttpResponse answer, get(request, "/sshkeys", found.key));
      static_cast<void>(answer);
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
  return std::make_unique<Shadeform>(files, processes);
}

}  // namespace gpubroker::shadeform
