// The transport against a real server on loopback.
#include <atomic>
#include <httplib.h>
#include <thread>

#include <doctest/doctest.h>

#include "core/net/curl_http.hpp"
#include "core/net/retry_http.hpp"
#include "core/system/clock.hpp"
#include "core/system/random.hpp"
#include "core/wire/http_date.hpp"

namespace gpubroker {
namespace {

/// A server that answers as the path says, on a free port.
class Server {
 public:
  Server() {
    server_.Get("/hello", [](const httplib::Request& request, httplib::Response& response) {
      response.set_header("X-Seen", request.get_header_value("X-Sent"));
      response.set_content("hello", "text/plain");
    });
    server_.Post("/echo", [](const httplib::Request& request, httplib::Response& response) {
      response.set_content(request.get_header_value("Content-Type") + "|" + request.body, "text/plain");
    });
    server_.Delete("/gone",
                   [](const httplib::Request&, httplib::Response& response) { response.status = 204; });
    server_.Get("/moved", [](const httplib::Request&, httplib::Response& response) {
      response.set_redirect("/hello");
    });
    server_.Post("/moved", [](const httplib::Request&, httplib::Response& response) {
      response.set_redirect("/hello");
    });
    server_.Get("/fails", [](const httplib::Request&, httplib::Response& response) {
      response.status = 403;
      response.set_content("no", "text/plain");
    });
    server_.Get("/cut", [](const httplib::Request&, httplib::Response& response) {
      response.set_content_provider(1'000, "text/plain",
                                    [](std::size_t offset, std::size_t, httplib::DataSink& sink) {
                                      if (offset > 0) { return false; }
                                      sink.write("half", 4);
                                      return true;
                                    });
    });
    server_.Get("/long", [](const httplib::Request& request, httplib::Response& response) {
      const auto size = static_cast<std::size_t>(std::stoll(request.get_param_value("size")));
      response.set_content_provider(size, "text/plain",
                                    [](std::size_t, std::size_t length, httplib::DataSink& sink) {
                                      const std::string piece(std::min<std::size_t>(length, 65'536), 'x');
                                      return sink.write(piece.data(), piece.size());
                                    });
    });
    server_.Get("/slow", [this](const httplib::Request&, httplib::Response& response) {
      std::unique_lock<std::mutex> hold(mutex_);
      closing_.wait_for(hold, std::chrono::seconds{20}, [this] { return closed_; });
      response.set_content("late", "text/plain");
    });
    server_.Get("/busy", [this](const httplib::Request& request, httplib::Response& response) {
      ++tries;
      if (tries <= std::stoi(request.get_param_value("times"))) {
        response.status = std::stoi(request.get_param_value("status"));
        response.set_header("Retry-After", request.get_param_value("after"));
        return;
      }
      response.set_content("at last", "text/plain");
    });
    server_.Post("/busy", [this](const httplib::Request&, httplib::Response& response) {
      ++tries;
      response.status = 503;
    });
    server_.new_task_queue = [] {
      return new httplib::ThreadPool(16);
    };  // NOLINT: the library's own contract
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) { std::this_thread::yield(); }
  }
  ~Server() {
    {
      const std::lock_guard<std::mutex> hold(mutex_);
      closed_ = true;
    }
    closing_.notify_all();
    server_.stop();
    thread_.join();
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] std::string url(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  std::atomic<int> tries = 0;

 private:
  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable closing_;
  bool closed_ = false;
};

std::unique_ptr<Http> curl(CurlOptions options = {}) {
  Result<std::unique_ptr<Http>> made = make_curl_http(std::move(options));
  REQUIRE_MESSAGE(made.ok(), made.error().message);
  return std::move(made).value();
}

/// Time passes when somebody sleeps.
struct FakeClock final : Clock {
  Instant now() override { return {slept.count()}; }
  Millis monotonic() override { return slept; }
  void sleep_until(Instant at) override { slept = Millis{at.ms}; }
  Millis slept{0};
};

struct Largest final : Random {
  std::uint64_t next() override { return 1'000'000'007; }
};

}  // namespace

TEST_CASE("requests carry method, headers and body; answers status, headers and body") {
  Server server;
  const auto http = curl();
  const auto hello = http->send({.url = server.url("/hello"), .headers = {{"X-Sent", "a b"}}});
  REQUIRE_MESSAGE(hello.ok(), hello.error().message);
  CHECK(hello.value().status == 200);
  CHECK(hello.value().body == "hello");
  CHECK(find_header(hello.value().headers, "x-seen") == "a b");
  CHECK(find_header(hello.value().headers, "no-such").empty());
  const auto echo = http->send({.method = "POST",
                                .url = server.url("/echo"),
                                .headers = {{"Content-Type", "a/b"}},
                                .body = std::string("x\0y", 3)});
  REQUIRE(echo.ok());
  CHECK(echo.value().body == "a/b|" + std::string("x\0y", 3));
  CHECK(http->send({.method = "DELETE", .url = server.url("/gone")}).value().status == 204);
  CHECK(http->send({.method = "HEAD", .url = server.url("/hello")}).value().body.empty());
}

TEST_CASE("a refusal is an answer; reads follow redirects, writes do not") {
  Server server;
  const auto http = curl();
  const auto refused = http->send({.url = server.url("/fails")});
  REQUIRE(refused.ok());
  CHECK(refused.value().status == 403);
  CHECK(refused.value().body == "no");
  CHECK(http->send({.url = server.url("/moved")}).value().body == "hello");
  CHECK(http->send({.method = "POST", .url = server.url("/moved")}).value().status == 302);
}

TEST_CASE("no answer is a network error that says whether the deed may be done, and never the query") {
  Server server;
  const auto http = curl();
  const auto nobody =
      http->send({.method = "POST", .url = "http://127.0.0.1:1/path?key=secret", .body = "x"});
  REQUIRE_FALSE(nobody.ok());
  CHECK(nobody.error().kind == ErrorKind::network);
  CHECK_FALSE(nobody.error().maybe_applied);
  CHECK(nobody.error().source == "POST http://127.0.0.1:1/path");
  CHECK((nobody.error().message + nobody.error().hint).find("secret") == std::string::npos);

  const auto late = http->send({.url = server.url("/slow"), .timeout = Millis{200}});
  REQUIRE_FALSE(late.ok());
  CHECK(late.error().kind == ErrorKind::network);
  CHECK(late.error().maybe_applied);

  const auto cut = http->send({.url = server.url("/cut")});
  REQUIRE_FALSE(cut.ok());
  CHECK(cut.error().kind == ErrorKind::network);
  CHECK(cut.error().maybe_applied);
}

TEST_CASE("an answer that is too long is refused") {
  Server server;
  const auto http = curl();
  const auto all = http->send({.url = server.url("/long?size=100000"), .max_body = 100'000});
  REQUIRE(all.ok());
  CHECK(all.value().body.size() == 100'000);
  const auto more = http->send({.url = server.url("/long?size=100001"), .max_body = 100'000});
  REQUIRE_FALSE(more.ok());
  CHECK(more.error().kind == ErrorKind::internal);
}

TEST_CASE("a sink takes a long body in pieces, and its error ends the exchange") {
  Server server;
  const auto http = curl();
  constexpr std::size_t kSize = 40'000'000;
  std::size_t taken = 0;
  std::size_t longest = 0;
  const std::string url = server.url("/long?size=" + std::to_string(kSize));
  const auto all = http->send({.url = url, .sink = [&](std::string_view piece) -> Status {
                                 taken += piece.size();
                                 longest = std::max(longest, piece.size());
                                 return Ok{};
                               }});
  REQUIRE_MESSAGE(all.ok(), all.error().message);
  CHECK(taken == kSize);
  CHECK(all.value().body.empty());
  CHECK(longest < 1'000'000);
  taken = 0;
  const auto stopped = http->send({.url = url, .sink = [&](std::string_view piece) -> Status {
                                     taken += piece.size();
                                     return Error{.kind = ErrorKind::invalid, .message = "enough"};
                                   }});
  REQUIRE_FALSE(stopped.ok());
  CHECK(stopped.error().message == "enough");
  CHECK(taken < kSize / 2);
  // The body of a refusal is not the sink's.
  const auto refused =
      http->send({.url = server.url("/fails"), .sink = [](std::string_view) -> Status { return Ok{}; }});
  CHECK(refused.value().body == "no");
}

TEST_CASE("many requests from many threads") {
  Server server;
  const auto http = curl();
  std::atomic<int> fine = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&, i] {
      for (int j = 0; j < 20; ++j) {
        const std::string sent = std::to_string(i * 100 + j);
        const auto answer = http->send({.url = server.url("/hello"), .headers = {{"X-Sent", sent}}});
        fine += answer.ok() && find_header(answer.value().headers, "x-seen") == sent ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) { thread.join(); }
  CHECK(fine == 320);
}

TEST_CASE("what may be repeated is repeated, as the server asks") {
  Server server;
  const auto plain = curl();
  FakeClock clock;
  Largest random;
  RetryHttp http(*plain, clock, random, {.most_tries = 4});
  SUBCASE("after Retry-After") {
    const auto answer = http.send({.url = server.url("/busy?times=2&status=429&after=7")});
    CHECK(answer.value().body == "at last");
    CHECK(server.tries == 3);
    CHECK(clock.slept == Millis{14'000});
  }
  SUBCASE("with a growing pause") {
    CHECK(http.send({.url = server.url("/busy?times=3&status=503&after=")}).value().body == "at last");
    CHECK(server.tries == 4);
    CHECK(clock.slept > Millis{0});
    CHECK(clock.slept <= Millis{250 + 500 + 1'000});
  }
  SUBCASE("not for ever") {
    CHECK(http.send({.url = server.url("/busy?times=99&status=500&after=")}).value().status == 500);
    CHECK(server.tries == 4);
  }
  SUBCASE("not past the time there is") {
    CHECK(http.send({.url = server.url("/busy?times=99&status=429&after=3600")}).value().status == 429);
    CHECK(server.tries == 1);
  }
  SUBCASE("not what may not be done twice") {
    CHECK(http.send({.method = "POST", .url = server.url("/busy")}).value().status == 503);
    CHECK(server.tries == 1);
    CHECK(http.send({.method = "POST", .url = server.url("/busy"), .repeatable = true}).value().status ==
          503);
    CHECK(server.tries == 5);
  }
  SUBCASE("not when the sink has had a part") {
    int pieces = 0;
    const auto cut = http.send({.url = server.url("/cut"), .sink = [&](std::string_view) -> Status {
                                  ++pieces;
                                  return Ok{};
                                }});
    CHECK(cut.error().kind == ErrorKind::network);
    CHECK(pieces == 1);
  }
}

TEST_CASE("Retry-After is seconds or a date") {
  const Instant now{1'795'478'400'000};  // 2026-11-24T00:00:00Z, a Tuesday
  CHECK(retry_after({{"retry-after", "12"}}, now) == Millis{12'000});
  CHECK(retry_after({{"retry-after", "Tue, 24 Nov 2026 00:01:30 GMT"}}, now) == Millis{90'000});
  CHECK(retry_after({{"retry-after", "Mon, 23 Nov 2026 00:01:30 GMT"}}, now) == Millis{0});
  for (const std::string bad :
       {"", "soon", "-3", "Tue, 24 Foo 2026 00:01:30 GMT", "Tue, 24 Nov 2026 00:01:30 CET"}) {
    CAPTURE(bad);
    CHECK_FALSE(retry_after({{"retry-after", bad}}, now).has_value());
  }
  CHECK_FALSE(retry_after({}, now).has_value());
}

}  // namespace gpubroker
