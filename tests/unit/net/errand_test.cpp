// What holds an errand to its time, and what runs several side by side.
#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include <doctest/doctest.h>

#include "core/net/fan_out.hpp"
#include "core/net/limited_http.hpp"
#include "tests/fake_http.hpp"

namespace gpubroker {
namespace {

TEST_CASE("an errand: no request may take longer than what is left, and none begins after the end") {
  testing::FakeHttp inner;
  testing::ManualClock clock;
  inner.answer("GET https://a/", std::string("12345"));
  LimitedHttp http(inner, clock, clock.monotonic() + Millis{1'000});
  REQUIRE(http.send({.url = "https://a/", .timeout = Millis{400}}).ok());
  CHECK(inner.requests.back().timeout == Millis{400});
  REQUIRE(http.send({.url = "https://a/", .timeout = Millis{30'000}}).ok());
  CHECK(inner.requests.back().timeout == Millis{1'000});
  clock.time = clock.time + Millis{1'000};
  const Result<HttpResponse> late = http.send({.url = "https://a/"});
  REQUIRE_FALSE(late.ok());
  CHECK(late.error().kind == ErrorKind::network);
  CHECK(late.error().code == "time_limit");
  CHECK(inner.requests.size() == 2);
  CHECK(http.requests() == 2);
  CHECK(http.bytes() == 10);
}

TEST_CASE("an errand: bytes that go to a sink are counted, and the sink has them") {
  testing::FakeHttp inner;
  testing::ManualClock clock;
  inner.answer("GET https://a/", std::string(1'000, 'x'));
  LimitedHttp http(inner, clock, clock.monotonic() + Millis{1'000});
  std::string got;
  HttpRequest request{.url = "https://a/"};
  request.sink = [&](std::string_view piece) -> Status {
    got += piece;
    return Ok{};
  };
  REQUIRE(http.send(request).ok());
  CHECK(got.size() == 1'000);
  CHECK(http.bytes() == 1'000);
}

TEST_CASE("fan-out: each job runs once, side by side, and never more at once than told") {
  ThreadFanOut fan_out;
  std::atomic<int> running = 0;
  std::atomic<int> most = 0;
  std::mutex mutex;
  std::set<std::size_t> done;
  std::set<std::thread::id> threads;
  fan_out.run(50, 4, [&](std::size_t i) {
    const int now = ++running;
    for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {}
    std::this_thread::yield();
    const std::lock_guard<std::mutex> hold(mutex);
    CHECK(done.insert(i).second);
    threads.insert(std::this_thread::get_id());
    --running;
  });
  CHECK(done.size() == 50);
  CHECK(most <= 4);
  CHECK(threads.size() <= 4);
  fan_out.run(0, 4, [](std::size_t) { CHECK(false); });
}

}  // namespace
}  // namespace gpubroker
