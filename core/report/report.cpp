#include "core/report/report.hpp"

#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

struct Group {
  std::int64_t machine_ms = 0;
  Money amount = {};
  std::set<std::pair<std::string, int>> attempts = {};
  std::set<std::string> machines = {};
};

std::string group_of(const ChargeRow& charge, GroupBy by) {
  switch (by) {
    case GroupBy::workload:
      return charge.workload.value;
    case GroupBy::owner:
      return charge.owner;
    case GroupBy::provider:
      return charge.provider;
    case GroupBy::day:
      return format_utc(charge.from).substr(0, std::string_view("2026-11-24").size());
  }
  return {};
}

Status add_charge(Group& group, const ChargeRow& charge) {
  if (__builtin_add_overflow(group.machine_ms, (charge.to - charge.from).count(), &group.machine_ms)) {
    return Error{.kind = ErrorKind::internal, .message = "machine time of the report overflows"};
  }
  TRY(group.amount, add(group.amount, charge.amount));
  group.attempts.emplace(charge.workload.value, charge.attempt);
  group.machines.insert(charge.node.value);
  return Ok{};
}

/// A field as RFC 4180 wants it: quoted only when it must be, quotes doubled.
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) { return text; }
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') { quoted += '"'; }
    quoted += c;
  }
  return quoted + '"';
}

std::string csv_line(const std::vector<std::string>& fields) {
  std::string line;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) { line += ','; }
    line += csv_field(fields[i]);
  }
  return line + "\r\n";
}

/// Exact decimal seconds: "90", "0.25". Billed time is never negative.
std::string format_seconds(Millis length) {
  std::string text = std::to_string(length.count() / 1'000);
  const std::int64_t rest = length.count() % 1'000;
  if (rest == 0) { return text; }
  std::string digits = std::to_string(1'000 + rest).substr(1);
  digits.erase(digits.find_last_not_of('0') + 1);
  return text + '.' + digits;
}

}  // namespace

Result<Report> make_report(const std::vector<ChargeRow>& charges, GroupBy by, Instant from, Instant to) {
  std::map<std::string, Group> groups;
  for (const ChargeRow& charge : charges) {
    if (charge.from < from || charge.from >= to) { continue; }
    TRY([[maybe_unused]] const Ok added, add_charge(groups[group_of(charge, by)], charge));
  }
  Report report{.from = from, .to = to};
  for (const auto& [name, group] : groups) {
    TRY(report.total, add(report.total, group.amount));
    report.rows.push_back({.group = name,
                           .machine_time = Millis{group.machine_ms},
                           .amount = group.amount,
                           .attempts = static_cast<int>(group.attempts.size()),
                           .machines = static_cast<int>(group.machines.size())});
  }
  return report;
}

std::string report_csv(const Report& report) {
  std::string text = csv_line({"group", "machine_seconds", "machines", "attempts", "amount_usd"});
  for (const ReportRow& row : report.rows) {
    text += csv_line({row.group, format_seconds(row.machine_time), std::to_string(row.machines),
                      std::to_string(row.attempts), format_money(row.amount)});
  }
  return text;
}

std::string report_json(const Report& report) {
  Json rows = Json::array();
  for (const ReportRow& row : report.rows) {
    rows.push_back({{"group", row.group},
                    {"machine_ms", row.machine_time.count()},
                    {"machines", row.machines},
                    {"attempts", row.attempts},
                    {"amount_usd", format_money(row.amount)}});
  }
  return dump_json({{"schema", 1},
                    {"from", format_utc(report.from)},
                    {"to", format_utc(report.to)},
                    {"rows", std::move(rows)},
                    {"total_usd", format_money(report.total)}});
}

std::string ledger_csv(const std::vector<ChargeRow>& charges) {
  std::string text = csv_line({"workload", "attempt", "node", "provider", "region", "instance_type", "market",
                               "owner", "from", "to", "rate_usd_per_hour", "amount_usd"});
  for (const ChargeRow& charge : charges) {
    text += csv_line({charge.workload.value, std::to_string(charge.attempt), charge.node.value,
                      charge.provider, charge.region, charge.instance_type, charge.market, charge.owner,
                      format_utc(charge.from), format_utc(charge.to),
                      format_money({charge.rate.micros_per_hour}), format_money(charge.amount)});
  }
  return text;
}

}  // namespace gpubroker
