#include "core/plan/probing.hpp"

#include <doctest/doctest.h>

namespace gpubroker {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr Instant kNow{1'800'000'000'000};

Offer offer(const std::string& cloud, std::int64_t price, Millis age) {
  Offer made;
  made.key = {.provider = cloud, .region = "r", .instance_type = "g8"};
  made.gpu = {.model = "H100", .count = 8};
  made.price = {price};
  made.learnt_at = kNow - age;
  return made;
}

GangNeed need() {
  GangNeed made{.any_of = {ResourceNeed{}}, .nodes = 2};
  made.any_of[0].gpu = {.choices = {{.model = "H100"}}, .count = 8};
  return made;
}

Refusal refused(const std::string& cloud, ErrorKind kind, Millis age) {
  return {.key = offer(cloud, 0, Millis{0}).key, .kind = kind, .at = kNow - age, .until = kNow + minutes{5}};
}

TEST_CASE(
    "probing: after a refusal the next clouds are asked, best first, a few at most, and none that has just "
    "told") {
  const std::vector<Offer> offers = {offer("a", 1, minutes{9}),  offer("b", 2, minutes{9}),
                                     offer("c", 3, seconds{10}), offer("d", 4, minutes{9}),
                                     offer("e", 5, minutes{9}),  offer("f", 6, minutes{9}),
                                     offer("g", 7, minutes{9})};
  CHECK(clouds_to_ask(offers, need(), {refused("a", ErrorKind::capacity, seconds{1})}, kNow) ==
        std::vector<std::string>{"b", "d", "e", "f"});
}

TEST_CASE("probing: nothing is asked when stock was not what went wrong, or long ago") {
  const std::vector<Offer> offers = {offer("a", 1, minutes{9}), offer("b", 2, minutes{9})};
  CHECK(clouds_to_ask(offers, need(), {}, kNow).empty());
  CHECK(clouds_to_ask(offers, need(), {refused("a", ErrorKind::quota, seconds{1})}, kNow).empty());
  CHECK(clouds_to_ask(offers, need(), {refused("a", ErrorKind::capacity, minutes{2})}, kNow).empty());
  CHECK(clouds_to_ask({}, need(), {refused("a", ErrorKind::capacity, seconds{1})}, kNow).empty());
}

TEST_CASE(
    "probing: a cloud with many offers is asked once, and what does not serve the gang is not asked for") {
  std::vector<Offer> offers = {offer("a", 1, minutes{9}), offer("a", 2, minutes{9}),
                               offer("b", 3, minutes{9})};
  offers[1].key.region = "s";
  offers.push_back(offer("small", 1, minutes{9}));
  offers.back().gpu.count = 1;
  CHECK(clouds_to_ask(offers, need(), {refused("z", ErrorKind::capacity, seconds{1})}, kNow) ==
        std::vector<std::string>{"a", "b"});
}

}  // namespace
}  // namespace gpubroker
