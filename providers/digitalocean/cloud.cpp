#include "providers/digitalocean/cloud.hpp"

#include "core/wire/api_key.hpp"
#include "core/wire/harvest_rows.hpp"
#include "providers/digitalocean/codec.hpp"

namespace gpubroker::digitalocean {
namespace {

constexpr const char* kNeeds =
    "a token in $DIGITALOCEAN_ACCESS_TOKEN, $DIGITALOCEAN_TOKEN or doctl's ~/.config/doctl/config.yaml";
constexpr const char* kNext =
    "make a token at cloud.digitalocean.com/account/api/tokens and put it into $DIGITALOCEAN_ACCESS_TOKEN";

FoundKey find_token(Files& files, Processes& processes) {
  return find_key(files, processes,
                  {.variables = {"DIGITALOCEAN_ACCESS_TOKEN", "DIGITALOCEAN_TOKEN"},
                   .files = {{".config/doctl/config.yaml", parse_doctl}}});
}

Result<HttpResponse> get(const FeedRequest& request, const std::string& url, const Secret& token) {
  TRY(HttpResponse answer, request.http.send(encode_get(url, token)));
  if (answer.status >= 400) { return parse_error(answer, url.substr(kBase.size()), request.clock.now()); }
  return answer;
}

Result<Harvest> fetch_sizes(const FeedRequest& request, const Secret& token) {
  Harvest all;
  PageTurner pages;
  std::string url(kBase);
  url += "/sizes?per_page=200";
  while (!url.empty()) {
    TRY(const Ok turned, pages.turn(url, "digitalocean GET /sizes"));
    static_cast<void>(turned);
    TRY(const HttpResponse answer, get(request, url, token));
    TRY(SizesPage page, parse_sizes(answer.body, request.clock.now()));
    add_harvest(all, std::move(page.harvest));
    url = std::move(page.next);
  }
  drop_repeated(all);
  return all;
}

class Sizes final : public PriceFeed {
 public:
  Sizes(Files& files, Processes& processes) : files_(files), processes_(processes) {}
  [[nodiscard]] std::string name() const override { return "digitalocean/sizes"; }
  [[nodiscard]] std::string needs() const override { return kNeeds; }

  Result<Harvest> fetch(const FeedRequest& request) override {
    const FoundKey found = find_token(files_, processes_);
    if (found.key.empty()) { return no_credentials("digitalocean", kNeeds); }
    return fetch_sizes(request, found.key);
  }

 private:
  Files& files_;
  Processes& processes_;
};

class DigitalOcean final : public Cloud {
 public:
  DigitalOcean(Files& files, Processes& processes)
      : files_(files), processes_(processes), sizes_(files, processes) {}
  [[nodiscard]] std::string name() const override { return "digitalocean"; }
  [[nodiscard]] std::vector<PriceFeed*> feeds() override { return {&sizes_}; }

  AccessReport check(const FeedRequest& request) override {
    const FoundKey found = find_token(files_, processes_);
    return report_access(found, kNext, [&](AccessReport& report) -> Status {
      TRY(const HttpResponse answer, get(request, std::string(kBase) += "/account", found.key));
      TRY(report.identity, parse_account(answer.body));
      Permission gpus{.name = "GPU Droplets", .what_for = "any offer: new accounts have none"};
      const Result<Harvest> sizes = fetch_sizes(request, found.key);
      if (sizes.ok()) {
        gpus.state = sizes.value().listings.empty() ? Permission::State::missing : Permission::State::granted;
      }
      if (gpus.state == Permission::State::missing) {
        report.next = "ask cloudsupport.digitalocean.com for access to GPU Droplets";
      }
      report.permissions.push_back(gpus);
      return Ok{};
    });
  }

 private:
  Files& files_;
  Processes& processes_;
  Sizes sizes_;
};

}  // namespace

std::unique_ptr<Cloud> make_cloud(Files& files, Processes& processes) {
  return std::make_unique<DigitalOcean>(files, processes);
}

}  // namespace gpubroker::digitalocean
