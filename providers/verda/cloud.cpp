#include "providers/verda/cloud.hpp"

#include <array>

#include "core/wire/api_key.hpp"
#include "providers/verda/codec.hpp"

namespace gpubroker::verda {
namespace {

constexpr const char* kNeeds =
    "API credentials in $VERDA_CLIENT_ID and $VERDA_CLIENT_SECRET or ~/.verda/config.json";
constexpr const char* kNext =
    "make credentials at console.verda.com (Keys, Cloud API) and put them into $VERDA_CLIENT_ID and "
    "$VERDA_CLIENT_SECRET";

struct FoundClient {
  ClientId client = {};
  std::string found_in = {};
  std::vector<std::string> warnings = {};
  [[nodiscard]] bool is_whole() const { return !client.id.empty() && !client.secret.empty(); }
};

FoundClient find_client(Files& files, Processes& processes) {
  FoundClient found;
  found.client = {.id = processes.env("VERDA_CLIENT_ID").value_or(""),
                  .secret = Secret(processes.env("VERDA_CLIENT_SECRET").value_or(""))};
  found.found_in = "$VERDA_CLIENT_ID";
  if (found.is_whole()) { return found; }
  found.client = parse_config(read_home_file(files, processes, ".verda/config.json", found.warnings));
  found.found_in = found.is_whole() ? "~/.verda/config.json" : "";
  return found;
}

Result<Secret> get_token(const FeedRequest& request, const ClientId& client) {
  TRY(const HttpResponse answer, request.http.send(encode_token(client)));
  if (answer.status >= 400) {
    Error error = parse_error(answer, "POST /oauth2/token", request.clock.now());
    // A client id that is wrong is answered with 400, as OAuth 2 has it.
    if (answer.status == 400) { error.kind = ErrorKind::auth; }
    return error;
  }
  return parse_token(answer.body);
}

Result<HttpResponse> get(const FeedRequest& request, const std::string& path, const Secret& token) {
  TRY(HttpResponse answer, request.http.send(encode_get(path, token)));
  if (answer.status >= 400) { return parse_error(answer, "GET " + path, request.clock.now()); }
  return answer;
}

class InstanceTypes final : public PriceFeed {
 public:
  InstanceTypes(Files& files, Processes& processes) : files_(files), processes_(processes) {}
  [[nodiscard]] std::string name() const override { return "verda/instance-types"; }
  [[nodiscard]] std::string needs() const override { return kNeeds; }

  Result<Harvest> fetch(const FeedRequest& request) override {
    const FoundClient found = find_client(files_, processes_);
    if (!found.is_whole()) { return no_credentials("verda", kNeeds); }
    TRY(const Secret token, get_token(request, found.client));
    const std::array<std::string, 3> paths = {"/instance-types?currency=usd",
                                              "/instance-availability?isSpot=false",
                                              "/instance-availability?isSpot=true"};
    std::vector<Result<HttpResponse>> answers(paths.size(), HttpResponse{});
    request.fan_out.run(paths.size(), paths.size(),
                        [&](std::size_t i) { answers[i] = get(request, paths.at(i), token); });
    for (const Result<HttpResponse>& answer : answers) {
      if (!answer.ok()) { return answer.error(); }
    }
    TRY(const Stock on_demand, parse_availability(answers[1].value().body));
    TRY(const Stock spot, parse_availability(answers[2].value().body));
    return parse_types(answers[0].value().body, on_demand, spot, request.clock.now());
  }

 private:
  Files& files_;
  Processes& processes_;
};

class Verda final : public Cloud {
 public:
  Verda(Files& files, Processes& processes)
      : files_(files), processes_(processes), types_(files, processes) {}
  [[nodiscard]] std::string name() const override { return "verda"; }
  [[nodiscard]] std::vector<PriceFeed*> feeds() override { return {&types_}; }

  AccessReport check(const FeedRequest& request) override {
    const FoundClient found = find_client(files_, processes_);
    const FoundKey key{.key = found.is_whole() ? found.client.secret : Secret(),
                       .found_in = found.found_in,
                       .warnings = found.warnings};
    return report_access(key, kNext, [&](AccessReport& report) -> Status {
      TRY(const Secret token, get_token(request, found.client));
      report.identity = "client " + found.client.id;
      TRY(const HttpResponse answer, get(request, "/locations", token));
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
  return std::make_unique<Verda>(files, processes);
}

}  // namespace gpubroker::verda
