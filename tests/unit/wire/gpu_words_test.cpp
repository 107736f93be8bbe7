#include "core/wire/gpu_words.hpp"

#include <doctest/doctest.h>

#include "core/wire/harvest_rows.hpp"

namespace gpubroker {
namespace {

TEST_CASE("gpu words: form and memory as far as they are told") {
  struct Case {
    const char* words;
    const char* form;
    int memory_gib;
  };
  for (const Case& c :
       {Case{"1x H100 SXM5 80GB", "SXM", 80}, Case{"H100-80G-SXM5", "SXM", 80},
        Case{"NVIDIA H100 80GB HBM3", "", 80}, Case{"H100 PCIE", "PCIe", 0},
        Case{"NVIDIA H200 NVL", "NVL", 0}, Case{"H100x8-NVLink", "", 0}, Case{"GB200 NVL72 186 GB", "", 186},
        Case{"A100-80GB", "", 80}, Case{"80GiB", "", 80}, Case{"H100 80g", "", 80}, Case{"gpu-8x", "", 0},
        Case{"10 Gbps", "", 0}, Case{"99999999999999999999GB", "", 0}, Case{"", "", 0}}) {
    CAPTURE(c.words);
    CHECK(form_in(c.words) == c.form);
    CHECK(memory_gib_in(c.words) == c.memory_gib);
  }
}

TEST_CASE("gpu words: Grace hosts are Arm, and NVL72 joins more than a machine") {
  const auto host = [](const char* words) {
    Listing listing;
    listing.gpu_text = words;
    fill_host(listing);
    return listing.arch + " " + std::to_string(listing.nvlink_domain);
  };
  CHECK(host("GB200") == "arm64 72");
  CHECK(host("gpu-gb300") == "arm64 72");
  CHECK(host("NVIDIA GH200 480GB") == "arm64 0");
  CHECK(host("B200") == "x86_64 0");
}

TEST_CASE("harvest rows: a row told twice is kept once and told") {
  Harvest harvest;
  Listing listing;
  listing.offer.key = {.provider = "moon", .region = "r", .instance_type = "t"};
  harvest.listings = {listing, listing};
  listing.variant = "another";
  harvest.listings.push_back(listing);
  drop_repeated(harvest);
  CHECK(harvest.listings.size() == 2);
  REQUIRE(harvest.remarks.size() == 1);
  CHECK(harvest.remarks[0].what == "row told twice");
}

TEST_CASE("harvest rows: answers are added up, their remarks counted together") {
  InTurn in_turn;
  const std::vector<Result<Harvest>> answers =
      harvest_each(in_turn, 3, 2, [](std::size_t i) -> Result<Harvest> {
        if (i == 1) { return Error{.kind = ErrorKind::network, .message = "down"}; }
        Harvest harvest;
        harvest.listings.emplace_back();
        add_remark(harvest, "row refused", std::to_string(i));
        return harvest;
      });
  REQUIRE(answers.size() == 3);
  CHECK_FALSE(answers[1].ok());
  Harvest all;
  add_harvest(all, answers[0].value());
  add_harvest(all, answers[2].value());
  CHECK(all.listings.size() == 2);
  CHECK(all.remarks == std::vector<Remark>{{"row refused", "0", 2}});
}

TEST_CASE("harvest rows: pages that run in a circle, or without end, are left") {
  PageTurner pages;
  CHECK(pages.turn("", "moon").ok());
  CHECK(pages.turn("a", "moon").ok());
  const Status again = pages.turn("a", "moon");
  REQUIRE_FALSE(again.ok());
  CHECK(again.error().message == "the pages run in a circle");
  PageTurner endless;
  Status last = Ok{};
  int page = 0;
  while (last.ok() && page < 2'000) { last = endless.turn(std::to_string(page++), "moon"); }
  CHECK(page == 1'001);
}

}  // namespace
}  // namespace gpubroker
