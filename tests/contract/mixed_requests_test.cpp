// Requests that may be repeated share connections of HTTP/2, those that may not have one of HTTP/1.1 each.
// Side by side to one host, none gets the answer of another.
#include <thread>

#include <doctest/doctest.h>

#include "tests/contract/emulated_cloud.hpp"

namespace gpubroker::contract {
namespace {

struct Told {
  int answers = 0;
  int mixed = 0;
};

Told send_some(Http& http, int sender) {
  Told told;
  for (int i = 0; i < 8; ++i) {
    const std::string path = "/__echo/" + std::to_string(sender) + "/" + std::to_string(i);
    const Result<HttpResponse> answer = http.send({.method = "POST",
                                                   .url = "https://cloud.lambda.ai" + path,
                                                   .body = "x",
                                                   .repeatable = (sender + i) % 3 != 0});
    if (!answer.ok()) { continue; }
    ++told.answers;
    told.mixed += answer.value().body == path ? 0 : 1;
  }
  return told;
}

TEST_CASE("http: no request gets the answer of another") {
  constexpr int kSenders = 12;
  for (int round = 0; round < 30; ++round) {  // what could be mixed was so in the first requests to a host
    Result<std::unique_ptr<Http>> http = make_curl_http(EmulatedClouds::instance().network());
    REQUIRE(http.ok());
    std::vector<Told> told(kSenders);
    std::vector<std::thread> senders;
    for (int sender = 0; sender < kSenders; ++sender) {
      senders.emplace_back(
          [&, sender] { told[static_cast<std::size_t>(sender)] = send_some(*http.value(), sender); });
    }
    for (std::thread& sender : senders) { sender.join(); }
    for (const Told& one : told) {
      CHECK(one.answers == 8);
      CHECK(one.mixed == 0);
    }
  }
}

}  // namespace
}  // namespace gpubroker::contract
