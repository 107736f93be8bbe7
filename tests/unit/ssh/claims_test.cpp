#include "providers/ssh/claims.hpp"

#include <doctest/doctest.h>

namespace gpubroker::ssh {
namespace {

const Instant kNow{1'795'521'600'000};

Claim a_claim(const std::string& token, Instant expires) {
  return {.token = {token},
          .rank = 1,
          .tags = {.workload = {"w-1"},
                   .attempt = 2,
                   .key = "a\",\"gang\":\"b",
                   .owner = "ann",
                   .expires = expires},
          .billed_from = kNow - std::chrono::minutes{30}};
}

std::string tell(const std::string& lines) {
  return "folder /home/ann/.gpubroker\naddress 10.0.0.5\nnow " + std::to_string(kNow.ms) + "\n" + lines;
}

TEST_CASE("claims: written and read back; what a user called his key is no field of ours") {
  Claim claim = a_claim("t1", kNow + std::chrono::hours{1});
  CHECK(parse_claim(encode_claim(claim)).value() == claim);
  claim.ended_at = kNow;
  claim.end_reason = "terminated";
  CHECK(parse_claim(encode_claim(claim)).value() == claim);
  CHECK(encode_claim(claim).find("\"gang\":\"b") == std::string::npos);
}

TEST_CASE("claims: a look, and the nodes that it shows") {
  const Claim live = a_claim("t1", kNow + std::chrono::hours{1});
  Claim over = a_claim("t0", kNow);
  over.ended_at = kNow - std::chrono::minutes{5};
  over.end_reason = "terminated";
  Claim old = over;
  old.ended_at = kNow - std::chrono::hours{3};
  const auto look = parse_look(tell("claim " + encode_claim(live) + "\nended " + encode_claim(old) +
                                    "\nended " + encode_claim(over) + "\n"));
  REQUIRE_MESSAGE(look.ok(), look.error().message);
  CHECK(look.value().claim == live);
  CHECK(look.value().ended == std::vector<Claim>{over});
  CHECK_FALSE(look.value().is_free());

  const Machine machine{.name = "box1", .host = "lab-1", .price = {5'000'000}, .pool = "lab"};
  const NodeView view = view_of(machine, look.value(), live, "ssh-ed25519 AAAA");
  CHECK(view.id.value == "ssh/box1/gb-t1");
  CHECK(view.state == NodeState::running);
  CHECK(view.address == NodeAddress{.id = view.id,
                                    .host = "lab-1",
                                    .peer_host = "10.0.0.5",
                                    .root = "/home/ann/.gpubroker/nodes/gb-t1",
                                    .binary = "/home/ann/.gpubroker/bin/gpubroker",
                                    .port = 0,
                                    .host_key = "ssh-ed25519 AAAA"});
  CHECK(view.index == 1);
  CHECK(view.tags == live.tags);
  CHECK(view.price == Rate{5'000'000});
  const NodeView ended = view_of(machine, look.value(), over, "");
  CHECK(ended.state == NodeState::ended);
  CHECK(ended.ended_at == over.ended_at);
  CHECK(ended.end_reason == "terminated");
}

TEST_CASE("claims: void after their date, whenever that was noticed") {
  const Machine machine{.name = "box1", .host = "box1"};
  const Claim claim = a_claim("t1", kNow - std::chrono::minutes{3});
  const auto look = parse_look(tell("claim " + encode_claim(claim) + "\n"));
  REQUIRE(look.ok());
  CHECK(look.value().is_free());
  const NodeView view = view_of(machine, look.value(), *look.value().claim, "");
  CHECK(view.state == NodeState::ended);
  CHECK(view.ended_at == claim.tags.expires);
  CHECK(view.end_reason == "expired");
  Claim late = claim;
  late.ended_at = kNow;
  late.end_reason = "terminated";
  const auto after = parse_look(tell("ended " + encode_claim(late) + "\n"));
  REQUIRE(after.ok());
  CHECK(after.value().ended.at(0).ended_at == claim.tags.expires);
}

TEST_CASE("claims: while one is being filed it is not told twice; what cannot be read is internal") {
  const Claim live = a_claim("t1", kNow + std::chrono::hours{1});
  Claim filed = live;
  filed.ended_at = kNow;
  const auto look = parse_look(tell("claim " + encode_claim(live) + "\nended " + encode_claim(filed) + "\n"));
  REQUIRE(look.ok());
  CHECK(look.value().ended.empty());
  for (const std::string& text :
       {std::string("Welcome!\n"), tell("claim {\"token\":1}\n"), tell("ended {\n")}) {
    CAPTURE(text);
    REQUIRE_FALSE(parse_look(text).ok());
    CHECK(parse_look(text).error().kind == ErrorKind::internal);
  }
}

}  // namespace
}  // namespace gpubroker::ssh
