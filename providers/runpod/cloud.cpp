#include "providers/runpod/cloud.hpp"

#include <array>

#include "core/wire/cloud_answer.hpp"
#include "core/wire/harvest_rows.hpp"
#include "providers/runpod/codec.hpp"
#include "providers/runpod/key.hpp"

namespace gpubroker::runpod {
namespace {

constexpr const char* kNext = "make a key at console.runpod.io/user/settings and put it into $RUNPOD_API_KEY";

Result<HttpResponse> get(const FeedRequest& request, const std::string& path, const Secret& key) {
  TRY(HttpResponse answer, request.http.send(encode_get(path, key)));
  if (answer.status >= 400) { return parse_error(answer, "GET " + path, request.clock.now()); }
  return answer;
}

struct Question {
  int count = 0;
  Ownership ownership = Ownership::secure;
};
constexpr std::array kQuestions = {
    Question{1, Ownership::secure},    Question{2, Ownership::secure},    Question{4, Ownership::secure},
    Question{8, Ownership::secure},    Question{1, Ownership::community}, Question{2, Ownership::community},
    Question{4, Ownership::community}, Question{8, Ownership::community},
};

class Catalog final : public PriceFeed {
 public:
  Catalog(Files& files, Processes& processes) : files_(files), processes_(processes) {}
  [[nodiscard]] std::string name() const override { return "runpod/catalog"; }
  [[nodiscard]] std::string needs() const override { return kNeeds; }

  Result<Harvest> fetch(const FeedRequest& request) override {
    const FoundKey found = find_runpod_key(files_, processes_);
    if (found.key.empty()) { return no_credentials("runpod", kNeeds); }
    const auto ask = [&](std::size_t i) -> Result<Harvest> {
      const Question& question = kQuestions.at(i);
      TRY(const HttpResponse answer,
          get(request, catalog_path(question.count, question.ownership), found.key));
      return parse_catalog(answer.body, question.count, question.ownership, request.clock.now());
    };
    // Four at once: 60 calls a minute are allowed. The questions share their regions, so that all must be
    // answered: a region told without its machines of four would lose them.
    Harvest all;
    for (Result<Harvest>& answer : harvest_each(request.fan_out, kQuestions.size(), 4, ask)) {
      if (!answer.ok()) { return answer.error(); }
      add_harvest(all, std::move(answer).value());
    }
    return all;
  }

 private:
  Files& files_;
  Processes& processes_;
};

class GpuTypes final : public PriceFeed {
 public:
  [[nodiscard]] std::string name() const override { return "runpod/gpu-types"; }
  [[nodiscard]] std::string needs() const override { return {}; }

  Result<Harvest> fetch(const FeedRequest& request) override {
    TRY(const HttpResponse answer, request.http.send(encode_gpu_types()));
    if (answer.status >= 400) {
      return error_from_answer(answer, "runpod POST /graphql", request.clock.now());
    }
    return parse_gpu_types(answer.body, request.clock.now());
  }
};

class RunPod final : public Cloud {
 public:
  RunPod(Files& files, Processes& processes)
      : files_(files), processes_(processes), catalog_(files, processes) {}
  [[nodiscard]] std::string name() const override { return "runpod"; }
  [[nodiscard]] std::vector<PriceFeed*> feeds() override { return {&catalog_, &types_}; }

  AccessReport check(const FeedRequest& request) override {
    const FoundKey found = find_runpod_key(files_, processes_);
    // RunPod does not say who a key belongs to.
    return report_access(found, kNext, [&](AccessReport&) -> Status {
      TRY(const HttpResponse answer, get(request, "/pods", found.key));
      static_cast<void>(answer);
      return Ok{};
    });
  }

 private:
  Files& files_;
  Processes& processes_;
  Catalog catalog_;
  GpuTypes types_;
};

}  // namespace

std::unique_ptr<Cloud> make_cloud(Files& files, Processes& processes) {
  return std::make_unique<RunPod>(files, processes);
}

}  // namespace gpubroker::runpod
