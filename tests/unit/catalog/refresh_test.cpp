#include "catalog/refresh.hpp"

#include <condition_variable>
#include <thread>

#include "tests/fake_http.hpp"
#include "tests/unit/catalog/support.hpp"

namespace gpubroker::catalog_test {
namespace {

/// A feed whose server answers with a line for each offer, "<key> <gpu> <count> <price>", and with an ETag.
class LineFeed final : public PriceFeed {
 public:
  explicit LineFeed(std::string name) : name_(std::move(name)) {}
  [[nodiscard]] std::string name() const override { return name_; }
  [[nodiscard]] std::string needs() const override { return ""; }
  [[nodiscard]] std::string url() const { return "https://" + name_; }

  Result<Harvest> fetch(const FeedRequest& request) override {
    if (before) { before(); }
    HttpRequest ask{.url = url()};
    if (const auto tag = request.validators.find("etag"); tag != request.validators.end()) {
      ask.headers.emplace_back("if-none-match", tag->second);
    }
    TRY(const HttpResponse answer, request.http.send(ask));
    Harvest harvest;
    harvest.validators["etag"] = find_header(answer.headers, "etag");
    harvest.all_unchanged = answer.status == 304;
    for (const std::string& line : split(answer.body, '\n')) {
      const std::vector<std::string> words = split(line, ' ');
      if (words.size() != 4) { continue; }
      if (words[1] == "failed") {
        harvest.failed.emplace_back(words[0], Error{.kind = ErrorKind::network, .message = "no answer"});
        continue;
      }
      harvest.listings.push_back(
          listing(words[0], words[1], static_cast<int>(parse_int(words[2]).value_or(0)), words[3]));
    }
    return harvest;
  }

  std::function<void()> before = {};  // what happens before it asks

 private:
  std::string name_;
};

class FakeNetwork final : public Visit {
 public:
  FakeNetwork(testing::FakeHttp& http, std::size_t before) : http_(http), before_(before) {}
  Http& http() override { return http_; }
  [[nodiscard]] std::int64_t requests() const override {
    return static_cast<std::int64_t>(http_.requests.size() - before_);
  }
  [[nodiscard]] std::int64_t bytes() const override { return 0; }

 private:
  testing::FakeHttp& http_;
  std::size_t before_;
};

/// All jobs really side by side.
class SideBySide final : public FanOut {
 public:
  void run(std::size_t count, std::size_t /*most*/, const std::function<void(std::size_t)>& job) override {
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < count; ++i) { threads.emplace_back(job, i); }
    for (std::thread& thread : threads) { thread.join(); }
  }
};

struct RefreshCase {
  World world{};
  testing::FakeHttp http = {};
  testing::ManualClock clock = {};
  InTurn in_turn = {};
  std::function<void(const std::vector<FeedOutcome>&)> progress = {};

  void answer(const LineFeed& feed, const std::string& body, const std::string& tag = "v1") {
    http.answer("GET " + feed.url(), HttpResponse{.status = 200, .headers = {{"etag", tag}}, .body = body});
  }
  std::vector<FeedOutcome> refresh(const std::vector<PriceFeed*>& feeds, FanOut* fan_out = nullptr) {
    const RefreshWorld of{
        .db = world.db(),
        .clock = clock,
        .fan_out = fan_out != nullptr ? *fan_out : in_turn,
        .visit = [this](Millis) { return std::make_unique<FakeNetwork>(http, http.requests.size()); },
        .progress = progress};
    Result<std::vector<FeedOutcome>> outcomes = gpubroker::refresh(of, feeds, {});
    REQUIRE(outcomes.ok());
    return std::move(outcomes).value();
  }
};

TEST_CASE("refresh: a failing source empties nobody, itself neither") {
  RefreshCase test;
  LineFeed good("lambda/types");
  LineFeed bad("vast/offers");
  test.answer(good, "lambda/us-west-1/gpu_8x_h100_sxm5/on_demand H100 8 31.92");
  test.answer(bad, "vast/US/8x/on_demand H100 8 19.21");
  test.http.fail("GET " + bad.url(), {.kind = ErrorKind::network, .message = "connection refused"});
  test.refresh({&good, &bad});
  const std::vector<std::string> both = test.world.names();
  CHECK(both.size() == 2);

  const std::vector<FeedOutcome> outcomes = test.refresh({&good, &bad});
  REQUIRE(outcomes.size() == 2);
  CHECK(outcomes[0].feed == "lambda/types");
  CHECK(outcomes[0].state == FeedState::refreshed);
  CHECK(outcomes[0].report.same == 1);
  CHECK(outcomes[0].requests == 1);
  CHECK(outcomes[1].state == FeedState::failed);
  REQUIRE(outcomes[1].error);
  CHECK(outcomes[1].error->message == "connection refused");
  CHECK(test.world.names() == both);
  const std::vector<SourceRow> sources = read_sources(test.world.db()).value();
  CHECK(sources.size() == 2);
  for (const SourceRow& source : sources) {
    CHECK(source.error.has_value() == (source.name == "vast/offers"));
    CHECK(source.offers == 1);
  }
}

TEST_CASE("refresh: some regions that cannot be asked make it partial, and stay as they were") {
  RefreshCase test;
  LineFeed feed("aws/prices");
  test.answer(feed,
              "aws/us-east-1/p5.48xlarge/on_demand H100 8 55.04\naws/us-east-2/p5.48xlarge/on_demand H100 8 "
              "55.04");
  test.answer(feed, "aws/us-east-1/p5.48xlarge/on_demand H100 8 54\nus-east-2 failed - -");
  test.refresh({&feed});
  const std::vector<FeedOutcome> outcomes = test.refresh({&feed});
  CHECK(outcomes[0].state == FeedState::partial);
  CHECK(outcomes[0].report.changed == 1);
  CHECK(outcomes[0].report.failed.size() == 1);
  CHECK(test.world.names() == std::vector<std::string>{"aws/us-east-1/p5.48xlarge/on_demand 54.00",
                                                       "aws/us-east-2/p5.48xlarge/on_demand 55.04"});
}

TEST_CASE("refresh: what the server gave last time is asked with, and unchanged is believed") {
  RefreshCase test;
  LineFeed feed("lambda/types");
  test.answer(feed, "lambda/us-west-1/gpu_8x_h100_sxm5/on_demand H100 8 31.92", "\"one\"");
  test.http.answer("GET " + feed.url(), HttpResponse{.status = 304, .headers = {{"etag", "\"one\""}}});
  test.refresh({&feed});
  CHECK(testing::sent(test.http.requests[0], "if-none-match").empty());
  test.clock.time = kNow + kHour;
  const std::vector<FeedOutcome> outcomes = test.refresh({&feed});
  CHECK(testing::sent(test.http.requests[1], "if-none-match") == "\"one\"");
  CHECK(outcomes[0].state == FeedState::unchanged);
  REQUIRE(test.world.find().size() == 1);
  CHECK(test.world.find()[0].listing.offer.learnt_at == kNow + kHour);  // told again, so to say
  test.refresh({&feed});
  CHECK(testing::sent(test.http.requests[2], "if-none-match") == "\"one\"");
}

TEST_CASE("refresh: a slow source holds back no other") {
  RefreshCase test;
  LineFeed good("lambda/types");
  LineFeed bad("vast/offers");
  LineFeed slow("aws/prices");
  test.answer(good, "lambda/us-west-1/gpu_8x_h100_sxm5/on_demand H100 8 31.92");
  test.answer(slow, "aws/us-east-1/p5.48xlarge/on_demand H100 8 55.04");
  test.http.fail("GET " + bad.url(), {.kind = ErrorKind::network, .message = "connection refused"});
  std::mutex mutex;
  std::condition_variable changed;
  bool are_others_done = false;
  std::vector<std::string> seen;
  test.progress = [&](const std::vector<FeedOutcome>& outcomes) {
    const std::lock_guard<std::mutex> hold(mutex);
    are_others_done = outcomes[0].state == FeedState::refreshed && outcomes[1].state == FeedState::failed;
    changed.notify_all();
  };
  slow.before = [&] {
    std::unique_lock<std::mutex> hold(mutex);
    // Asks only once the others are through; a reader sees the good one's offers by then.
    REQUIRE(changed.wait_for(hold, std::chrono::seconds{60}, [&] { return are_others_done; }));
    const std::unique_ptr<CatalogDb> reader = test.world.open(OpenMode::read_only);
    const std::vector<OfferRow> rows = find_offers(*reader, {}, kNow).value();
    for (const OfferRow& row : rows) { seen.push_back(row.feed); }
  };
  SideBySide threads;
  const std::vector<FeedOutcome> outcomes = test.refresh({&good, &bad, &slow}, &threads);
  CHECK(seen == std::vector<std::string>{"lambda/types"});
  CHECK(outcomes[2].state == FeedState::refreshed);
  CHECK(test.world.find().size() == 2);
}

TEST_CASE("refresh: spot that came before the price list is held against it at the end") {
  RefreshCase test;
  LineFeed spot("gcp/spot");
  LineFeed list("gcp/skus");
  // GCP's a3-highgpu-8g: 88.49 on demand; a spot price of twice that was a unit read wrong.
  test.answer(
      spot, "gcp/us-central1/a3-highgpu-8g/spot H100 8 176.98\ngcp/us-east4/a3-highgpu-8g/spot H100 8 50.61");
  test.answer(
      list,
      "gcp/us-central1/a3-highgpu-8g/on_demand H100 8 88.49\ngcp/us-east4/a3-highgpu-8g/on_demand H100 "
      "8 88.49");
  const std::vector<FeedOutcome> outcomes = test.refresh({&spot, &list});
  CHECK(outcomes[0].state == FeedState::refreshed);
  CHECK(outcomes[0].report.fresh == 1);
  CHECK(outcomes[0].report.quarantined_by_rule ==
        std::map<std::string, std::int64_t>{{"spot_above_on_demand", 1}});
  REQUIRE(test.world.kept_back().size() == 1);
  CHECK(test.world.kept_back()[0].listing.offer.key == key("gcp/us-central1/a3-highgpu-8g/spot"));
  CHECK(test.world.find().size() == 3);
  CHECK(test.world.number("SELECT quarantined FROM source WHERE name = 'gcp/spot'") == 1);
}

TEST_CASE("refresh: the catalog that cannot be written is the only failure of all") {
  RefreshCase test;
  LineFeed feed("lambda/types");
  test.answer(feed, "lambda/us-west-1/gpu_8x_h100_sxm5/on_demand H100 8 31.92");
  const std::unique_ptr<CatalogDb> reader = test.world.open(OpenMode::read_only);
  const RefreshWorld of{.db = *reader, .clock = test.clock, .fan_out = test.in_turn, .visit = [&](Millis) {
                          return std::make_unique<FakeNetwork>(test.http, 0);
                        }};
  CHECK_FALSE(gpubroker::refresh(of, {&feed}, {}).ok());
}

}  // namespace
}  // namespace gpubroker::catalog_test
