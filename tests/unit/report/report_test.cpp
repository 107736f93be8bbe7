#include "core/report/report.hpp"

#include <cstdint>
#include <limits>
#include <random>

#include <doctest/doctest.h>

#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

constexpr Instant kDay{1'795'478'400'000};  // 2026-11-24T00:00:00Z
constexpr Millis kHour{3'600'000};
constexpr Instant kForever{std::numeric_limits<std::int64_t>::max()};

ChargeRow charge(const std::string& workload, int attempt, const std::string& node, Instant from,
                 Millis length, std::int64_t micros) {
  return {.workload = {workload},
          .attempt = attempt,
          .node = {node},
          .provider = node.substr(0, node.find('/')),
          .region = "us-east",
          .instance_type = "cpu2",
          .market = "spot",
          .owner = "ada",
          .from = from,
          .to = from + length,
          .rate = {420'000},
          .amount = {micros}};
}

Report must(const std::vector<ChargeRow>& charges, GroupBy by, Instant from = kDay - kHour,
            Instant to = kForever) {
  Result<Report> report = make_report(charges, by, from, to);
  REQUIRE(report.ok());
  return std::move(report).value();
}

TEST_CASE("a report counts distinct machines and attempts, and adds time and money") {
  const std::vector<ChargeRow> charges = {
      charge("a", 1, "local/n1", kDay, kHour, 10), charge("a", 1, "local/n1", kDay + kHour, kHour, 20),
      charge("a", 1, "local/n2", kDay, kHour, 10), charge("a", 2, "local/n3", kDay, Millis{250}, 1),
      charge("b", 1, "moon/n1", kDay, kHour, 100)};
  const Report report = must(charges, GroupBy::workload);
  REQUIRE(report.rows.size() == 2);
  CHECK(report.rows[0].group == "a");
  CHECK(report.rows[0].machines == 3);
  CHECK(report.rows[0].attempts == 2);
  CHECK(report.rows[0].machine_time == 3 * kHour + Millis{250});
  CHECK(report.rows[0].amount == Money{41});
  CHECK(report.rows[1].group == "b");
  CHECK(report.total == Money{141});
  // Attempt 1 of "a" and attempt 1 of "b" are two attempts, whoever owns them.
  CHECK(must(charges, GroupBy::owner).rows.at(0).attempts == 3);
}

TEST_CASE("a charge belongs to the range and the UTC day in which it begins") {
  const std::vector<ChargeRow> charges = {charge("a", 1, "local/n1", kDay - Millis{1}, kHour, 1),
                                          charge("a", 1, "local/n2", kDay, kHour, 2),
                                          charge("a", 1, "local/n3", kDay + 24 * kHour, kHour, 4)};
  const Report days = must(charges, GroupBy::day);
  REQUIRE(days.rows.size() == 3);
  CHECK(days.rows[0].group == "2026-11-23");
  CHECK(days.rows[1].group == "2026-11-24");
  CHECK(days.rows[2].group == "2026-11-25");
  CHECK(must(charges, GroupBy::day, kDay, kDay + 24 * kHour).total == Money{2});
  CHECK(must(charges, GroupBy::day, kDay, kDay).rows.empty());
}

TEST_CASE("every grouping of one range has the same total: that of its charges") {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    CAPTURE(round);
    std::vector<ChargeRow> charges;
    std::int64_t expected = 0;
    const Instant from = kDay + kHour;
    const Instant to = kDay + 60 * kHour;
    for (int i = 0; i < 40; ++i) {
      ChargeRow row =
          charge(std::string(1, static_cast<char>('a' + random() % 5)), static_cast<int>(random() % 3),
                 (random() % 2 == 0 ? "local/n" : "moon/n") + std::to_string(random() % 9),
                 kDay + Millis{random() % 259'200'000U}, Millis{random() % 9'000'000U},
                 static_cast<std::int64_t>(random() % 1'000'000U));
      row.owner = random() % 2 == 0 ? "ada" : "";
      if (row.from >= from && row.from < to) { expected += row.amount.micros; }
      charges.push_back(row);
    }
    for (const GroupBy by : {GroupBy::workload, GroupBy::owner, GroupBy::provider, GroupBy::day}) {
      const Report report = must(charges, by, from, to);
      std::int64_t rows = 0;
      for (const ReportRow& row : report.rows) { rows += row.amount.micros; }
      CHECK(report.total.micros == expected);
      CHECK(rows == expected);
    }
  }
}

TEST_CASE("sums that leave int64 are errors, within a group and across groups") {
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  for (const char* other : {"a", "b"}) {
    CAPTURE(other);
    const Result<Report> report = make_report(
        {charge("a", 1, "local/n1", kDay, kHour, most), charge(other, 1, "local/n2", kDay, kHour, 1)},
        GroupBy::workload, kDay, kForever);
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().kind == ErrorKind::internal);
  }
  const Result<Report> time = make_report(
      {charge("a", 1, "local/n1", {0}, Millis{most}, 1), charge("a", 1, "local/n2", {0}, Millis{1}, 1)},
      GroupBy::workload, {0}, kForever);
  REQUIRE_FALSE(time.ok());
  CHECK(time.error().kind == ErrorKind::internal);
}

TEST_CASE("CSV quotes what RFC 4180 says must be quoted, and nothing else") {
  CHECK(report_csv(must({}, GroupBy::owner)) == "group,machine_seconds,machines,attempts,amount_usd\r\n");
  std::vector<ChargeRow> charges = {charge("a", 1, "local/n1", kDay, Millis{1'050}, 1'234'567)};
  for (const auto& [owner, field] :
       std::vector<std::pair<std::string, std::string>>{{"ada", "ada"},
                                                        {"", ""},
                                                        {"a b;c", "a b;c"},
                                                        {"a,b", "\"a,b\""},
                                                        {"say \"hi\"", "\"say \"\"hi\"\"\""},
                                                        {"two\nlines", "\"two\nlines\""}}) {
    charges[0].owner = owner;
    CHECK(report_csv(must(charges, GroupBy::owner)) ==
          "group,machine_seconds,machines,attempts,amount_usd\r\n" + field + ",1.05,1,1,1.234567\r\n");
  }
}

TEST_CASE("the ledger is one charge a line, with its rate") {
  ChargeRow row = charge("w", 2, "local/n1", kDay, kHour, 420'000);
  row.owner = "ada, lovelace";
  CHECK(ledger_csv({row}) ==
        "workload,attempt,node,provider,region,instance_type,market,owner,from,to,rate_usd_per_hour,amount_"
        "usd\r\n"
        "w,2,local/n1,local,us-east,cpu2,spot,\"ada, "
        "lovelace\",2026-11-24T00:00:00Z,2026-11-24T01:00:00Z,0.42,0.42\r\n");
}

TEST_CASE("JSON: schema 1, money as decimal text, any bytes in a name") {
  const std::vector<ChargeRow> charges = {charge("a\"\xff", 1, "local/n1", kDay, Millis{1'500}, 1'234'567)};
  const std::string text = report_json(must(charges, GroupBy::workload, kDay, kDay + kHour));
  const Result<Json> parsed =
      read_json(text, "report", [](const Json& body) -> Result<Json> { return body; });
  REQUIRE(parsed.ok());
  const Json& body = parsed.value();
  CHECK(body.at("schema") == 1);
  CHECK(body.at("from") == "2026-11-24T00:00:00Z");
  CHECK(body.at("to") == "2026-11-24T01:00:00Z");
  CHECK(body.at("total_usd") == "1.234567");
  REQUIRE(body.at("rows").size() == 1);
  CHECK(body.at("rows")[0].at("machine_ms") == 1'500);
  CHECK(body.at("rows")[0].at("amount_usd") == "1.234567");
  const std::string empty = report_json(must({}, GroupBy::day));
  CHECK(empty.find("\"rows\":[]") != std::string::npos);
}

}  // namespace
}  // namespace gpubroker
