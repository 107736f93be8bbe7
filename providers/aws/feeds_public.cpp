#include <algorithm>

#include "core/wire/cloud_answer.hpp"
#include "providers/aws/codec.hpp"
#include "providers/aws/feeds.hpp"
#include "providers/aws/harvests.hpp"
#include "providers/aws/price_list.hpp"

namespace gpubroker::aws {
namespace {

constexpr std::size_t kFilesAtOnce = 4;  // each is a long download; more of them would only share the line
constexpr std::size_t kMostFile = std::size_t{8} << 30U;
constexpr Millis kFileTimeout{15 * 60'000};

/// What is wanted of a price file has come: the rest (Reserved terms, half of it) need not be fetched.
constexpr const char* kEnough = "enough";

struct RegionFile {
  std::string region = {};
  std::string path = {};  // names the version
  std::optional<Error> error = {};
  Harvest harvest = {};
};

Status read_file(const FeedRequest& request, const std::string& path, PriceListReader& reader) {
  HttpRequest question{
      .url = std::string(kPricingBase) + path, .timeout = kFileTimeout, .max_body = kMostFile};
  question.sink = [&](std::string_view piece) -> Status {
    TRY([[maybe_unused]] const Ok taken, reader.take(piece));
    if (!reader.knows_all()) { return taken; }
    return Error{.kind = ErrorKind::conflict, .message = "no more is needed", .code = kEnough};
  };
  const Result<HttpResponse> answer = request.http.send(question);
  if (!answer.ok() && answer.error().code == kEnough) { return Ok{}; }
  if (!answer.ok()) { return answer.error(); }
  if (answer.value().status != 200) {
    return error_from_answer(answer.value(), "aws GET " + path, request.clock.now());
  }
  return reader.finish();
}

Result<Harvest> read_region(const FeedRequest& request, const RegionFile& file) {
  PriceListReader reader(file.region, request.clock.now());
  TRY([[maybe_unused]] const Ok first, read_file(request, file.path, reader));
  if (reader.needs_second_pass()) {
    reader.begin_second_pass();
    TRY([[maybe_unused]] const Ok second, read_file(request, file.path, reader));
  }
  Harvest harvest;
  reader.harvest(harvest);
  return harvest;
}

class PriceList final : public PriceFeed {
 public:
  [[nodiscard]] std::string name() const override { return "aws/price-list"; }
  [[nodiscard]] std::string needs() const override { return ""; }

  Result<Harvest> fetch(const FeedRequest& request) override {
    HttpRequest question{.url = std::string(kPricingBase) + std::string(kRegionIndexPath)};
    add_conditions(question, request.validators, "index");
    TRY(const HttpResponse answer, request.http.send(question));
    if (answer.status == 304) { return Harvest{.all_unchanged = true, .validators = request.validators}; }
    if (answer.status != 200) {
      return error_from_answer(answer, "aws GET " + std::string(kRegionIndexPath), request.clock.now());
    }
    using Paths = std::map<std::string, std::string>;
    TRY(const Paths paths, parse_region_index(answer.body));
    Harvest harvest = read_changed(request, paths);
    // An index that has not changed must not hide a region that is still owed.
    if (harvest.failed.empty()) { keep_validators(answer, "index", harvest.validators); }
    return harvest;
  }

 private:
  static Harvest read_changed(const FeedRequest& request, const std::map<std::string, std::string>& paths) {
    Harvest harvest;
    std::vector<RegionFile> files;
    for (const auto& [region, path] : paths) {
      const auto last = request.validators.find(region);
      if (last != request.validators.end() && last->second == path) {
        harvest.unchanged.push_back(region);
        harvest.validators[region] = path;
      } else {
        files.push_back({.region = region, .path = path});
      }
    }
    request.fan_out.run(files.size(), kFilesAtOnce, [&](std::size_t i) {
      Result<Harvest> read = read_region(request, files[i]);
      if (read.ok()) {
        files[i].harvest = std::move(read).value();
      } else {
        files[i].error = read.error();
      }
    });
    for (RegionFile& file : files) {
      if (file.error) {
        harvest.failed.emplace_back(file.region, *file.error);
        continue;
      }
      harvest.validators[file.region] = file.path;
      add_harvest(std::move(file.harvest), harvest);
    }
    return harvest;
  }
};

/// A feed that is one file.
class OneFile : public PriceFeed {
 public:
  [[nodiscard]] std::string needs() const override { return ""; }

  Result<Harvest> fetch(const FeedRequest& request) override {
    HttpRequest question{.url = url()};
    add_conditions(question, request.validators, name());
    TRY(const HttpResponse answer, request.http.send(question));
    if (answer.status == 304) { return Harvest{.all_unchanged = true, .validators = request.validators}; }
    if (answer.status != 200) { return error_from_answer(answer, name(), request.clock.now()); }
    TRY(Harvest harvest, read(answer.body, request.clock.now()));
    keep_validators(answer, name(), harvest.validators);
    return harvest;
  }

 private:
  [[nodiscard]] virtual std::string url() const = 0;
  [[nodiscard]] virtual Result<Harvest> read(std::string_view body, Instant now) const = 0;
};

class SpotFeed final : public OneFile {
 public:
  [[nodiscard]] std::string name() const override { return "aws/spot-feed"; }

 private:
  [[nodiscard]] std::string url() const override { return std::string(kSpotFeedUrl); }
  [[nodiscard]] Result<Harvest> read(std::string_view body, Instant now) const override {
    return parse_spot_feed(body, now);
  }
};

class SpotAdvisor final : public OneFile {
 public:
  [[nodiscard]] std::string name() const override { return "aws/spot-advisor"; }

 private:
  [[nodiscard]] std::string url() const override { return std::string(kSpotAdvisorUrl); }
  [[nodiscard]] Result<Harvest> read(std::string_view body, Instant /*now*/) const override {
    return parse_spot_advisor(body);
  }
};

}  // namespace

std::vector<std::unique_ptr<PriceFeed>> make_public_feeds() {
  std::vector<std::unique_ptr<PriceFeed>> feeds;
  feeds.push_back(std::make_unique<PriceList>());
  feeds.push_back(std::make_unique<SpotFeed>());
  feeds.push_back(std::make_unique<SpotAdvisor>());
  return feeds;
}

}  // namespace gpubroker::aws
