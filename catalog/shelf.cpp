#include "catalog/shelf.hpp"

#include <algorithm>
#include <limits>

#include "catalog/rows.hpp"
#include "catalog/schema.hpp"
#include "core/base/text.hpp"

namespace gpubroker {
namespace {

constexpr std::int64_t kLast = kRowsPerSource - 1;

constexpr std::string_view kOfferColumns =
    "id, series_id, machine_id, place_id, market, model_id, gpu_count, price_micros, since_ms, "
    "basis, "
    "told_by_id, availability_kind, availability_value, availability_basis_id, variant, parts, "
    "window_from_ms, "
    "window_until_ms, learnt_at_ms";

void bind_or_null(Statement& statement, std::int64_t value) {
  if (value == 0) {
    statement.bind_null();
  } else {
    statement.bind(value);
  }
}

std::string in_one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\t' || c == '\n'; }, ' ');
  return text;
}

}  // namespace

std::string encode_parts(const std::vector<PricePart>& parts) {
  std::string text;
  for (const PricePart& part : parts) {
    text += in_one_line(part.what);
    text += '\t';
    text += std::to_string(part.rate.micros_per_hour);
    text += '\t';
    text += in_one_line(part.source);
    text += '\n';
  }
  return text;
}

std::vector<PricePart> decode_parts(std::string_view text) {
  std::vector<PricePart> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::vector<std::string> fields = split(text.substr(0, end), '\t');
    if (fields.size() == 3) {
      parts.push_back({.what = fields[0], .rate = {parse_int(fields[1]).value_or(0)}, .source = fields[2]});
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

Shelf::Shelf(CatalogDb& db, std::int64_t source)
    : db_(&db),
      first_(first_row_of(source)),
      next_machine_(first_),
      next_series_(first_),
      next_offer_(first_) {}

Result<Shelf> Shelf::load(CatalogDb& db, std::int64_t source, std::size_t expected, const IsTold& is_told) {
  Shelf shelf(db, source);
  shelf.series_.reserve(expected);
  shelf.by_key_.reserve(expected);
  shelf.slots_.reserve(expected);
  TRY([[maybe_unused]] const Ok machines, shelf.load_machines());
  TRY([[maybe_unused]] const Ok series, shelf.load_series());
  TRY([[maybe_unused]] const Ok offers, shelf.load_offers(is_told));
  return shelf;
}

Status Shelf::load_machines() {
  TRY(const StatementLoan query, db_->take("SELECT id, instance_type_id, gpu_text_id, model_id, gpu_count, "
                                           "vcpus, memory_mib, disk_gib, arch_id, "
                                           "seller_id, fabric, fabric_gbps, nvlink_domain, billing_unit_ms, "
                                           "billing_minimum_ms FROM machine WHERE "
                                           "id BETWEEN ? AND ?"));
  query->bind(first_).bind(first_ + kLast);
  while (true) {
    TRY(const bool more, query->step());
    if (!more) { return Ok{}; }
    MachineFacts facts = {};
    for (std::size_t i = 0; i < facts.size(); ++i) { facts.at(i) = query->integer(static_cast<int>(i) + 1); }
    machines_.emplace(facts, query->integer(0));
    next_machine_ = query->integer(0) + 1;
  }
}

Status Shelf::load_series() {
  TRY(const StatementLoan query,
      db_->take("SELECT id, place_id, instance_type_id, market, model_id, gpu_count FROM "
                "series WHERE id BETWEEN ? AND ? ORDER BY id"));
  query->bind(first_).bind(first_ + kLast);
  while (true) {
    TRY(const bool more, query->step());
    if (!more) { return Ok{}; }
    const SeriesKey key{.place = query->integer(1),
                        .type = query->integer(2),
                        .market = query->integer(3),
                        .model = query->integer(4),
                        .count = query->integer(5)};
    by_key_.emplace(key, series_.size());
    series_.push_back({.id = query->integer(0), .key = key});
    next_series_ = query->integer(0) + 1;
  }
}

Status Shelf::load_offers(const IsTold& is_told) {
  TRY(const StatementLoan query,
      db_->take(
          "SELECT id, series_id, machine_id, price_micros, since_ms, basis, told_by_id, availability_kind, "
          "availability_value, availability_basis_id, window_from_ms, window_until_ms, learnt_at_ms, "
          "variant, parts "
          "FROM offer WHERE id BETWEEN ? AND ? ORDER BY id"));
  query->bind(first_).bind(first_ + kLast);
  std::unordered_map<std::int64_t, bool> told;
  while (true) {
    TRY(const bool more, query->step());
    if (!more) { return Ok{}; }
    // Series are numbered without gaps and never dropped.
    const auto number = static_cast<std::size_t>(query->integer(1) - first_);
    if (number >= series_.size()) {
      return Error{.kind = ErrorKind::internal,
                   .message = db_->path() + ": an offer has no series",
                   .hint = "remove the file; `gpubroker refresh` makes it anew",
                   .source = db_->path(),
                   .code = "corrupt"};
    }
    Slot slot{.id = query->integer(0),
              .series = number,
              .machine = query->integer(2),
              .price = query->integer(3),
              .since = query->integer(4),
              .basis = query->integer(5),
              .told_by = query->integer(6),
              .availability_kind = query->integer(7),
              .availability_value = query->integer(8),
              .availability_basis = query->integer(9),
              .window_from = query->integer(10),
              .window_until = query->integer(11),
              .learnt = query->integer(12),
              .variant = query->text(13),
              .parts = query->text(14),
              .was_there = true};
    slot.price_was = slot.price;
    slot.kind_was = slot.availability_kind;
    slot.value_was = slot.availability_value;
    Series& series = series_[number];
    const auto [at, fresh] = told.emplace(series.key.place, false);
    if (fresh) { TRY(at->second, is_told(series.key.place)); }
    slot.fate = at->second ? Fate::missing : Fate::kept;
    slot.next = series.first;
    series.first = slots_.size();
    next_offer_ = slot.id + 1;
    slots_.push_back(std::move(slot));
  }
}

std::size_t Shelf::find_slot(std::size_t series, const std::string& variant) const {
  std::size_t slot = series_[series].first;
  while (slot != kNone && slots_[slot].variant != variant) { slot = slots_[slot].next; }
  return slot;
}

Shelf::Spot Shelf::find(const Incoming& row) {
  const auto [at, is_fresh] = by_key_.try_emplace(row.key, series_.size());
  if (is_fresh) {
    series_.push_back({.key = row.key, .is_fresh = true});
    return {.series = at->second, .slot = kNone};
  }
  return {.series = at->second, .slot = find_slot(at->second, row.listing->variant)};
}

std::optional<Rate> Shelf::price_before(const Spot& spot) const {
  if (spot.slot == kNone || !slots_[spot.slot].was_there || slots_[spot.slot].price_was == 0) {
    return std::nullopt;
  }
  return Rate{slots_[spot.slot].price_was};
}

Status Shelf::each_kept_on_demand(
    const std::function<Status(const SeriesKey&, const std::string& variant, Rate)>& visit) const {
  for (const Slot& slot : slots_) {
    const SeriesKey& key = series_[slot.series].key;
    const bool is_on_demand = key.market == static_cast<std::int64_t>(Market::on_demand);
    if (slot.fate != Fate::kept || !is_on_demand || slot.price <= 0) { continue; }
    TRY([[maybe_unused]] const Ok visited, visit(key, slot.variant, {slot.price}));
  }
  return Ok{};
}

std::int64_t Shelf::machine_id(const MachineFacts& facts) {
  if (last_machine_ != 0 && facts == last_facts_) { return last_machine_; }
  const auto [at, fresh] = machines_.emplace(facts, next_machine_);
  if (fresh) { fresh_machines_.emplace_back(next_machine_++, facts); }
  last_facts_ = facts;
  last_machine_ = at->second;
  return at->second;
}

/// Takes over what is told; whether anything differs.
bool Shelf::fill(Slot& slot, const Incoming& row, std::int64_t machine) {
  const Listing& listing = *row.listing;
  bool differs = false;
  const auto set = [&differs](std::int64_t& to, std::int64_t value) {
    differs = differs || to != value;
    to = value;
  };
  set(slot.machine, machine);
  set(slot.price, listing.offer.price.micros_per_hour);
  set(slot.basis, static_cast<std::int64_t>(listing.basis));
  set(slot.told_by, row.told_by);
  set(slot.availability_kind, static_cast<std::int64_t>(listing.availability.kind));
  set(slot.availability_value, listing.availability.value);
  set(slot.availability_basis, row.availability_basis);
  set(slot.window_from, listing.window ? listing.window->from.ms : 0);
  set(slot.window_until, listing.window ? listing.window->until.ms : 0);
  // A table's fact is as old as the table, however often it is told.
  set(slot.learnt, listing.basis == PriceBasis::table ? listing.offer.learnt_at.ms : 0);
  if (!listing.parts.empty() || !slot.parts.empty()) {
    std::string parts = encode_parts(listing.parts);
    differs = differs || parts != slot.parts;
    slot.parts = std::move(parts);
  }
  return differs;
}

void Shelf::put(const Incoming& row, Spot spot, Instant now) {
  Series& series = series_[spot.series];
  const std::int64_t machine = machine_id(row.machine);
  if (spot.slot == kNone) {
    Slot slot{.series = spot.series,
              .since = now.ms,
              .variant = row.listing->variant,
              .next = series.first,
              .fate = Fate::fresh};
    (void)fill(slot, row, machine);
    series.first = slots_.size();
    series.is_touched = true;
    slots_.push_back(std::move(slot));
    return;
  }
  Slot& slot = slots_[spot.slot];
  if (slot.fate != Fate::missing) {
    ++twice_;
    if (first_twice_ == nullptr) { first_twice_ = row.listing; }
    if (slot.price <= row.listing->offer.price.micros_per_hour) { return; }
  }
  const bool differs = fill(slot, row, machine);
  if (slot.price != slot.price_was && slot.was_there) { slot.since = now.ms; }
  if (slot.fate == Fate::missing || slot.fate == Fate::same) {
    slot.fate = differs ? Fate::changed : Fate::same;
  }
  series.is_touched = series.is_touched || differs;
}

Shelf::Counts Shelf::counts() const {
  Counts counts{.twice = twice_, .first_twice = first_twice_};
  for (const Slot& slot : slots_) {
    switch (slot.fate) {
      case Fate::kept:
        ++counts.kept;
        break;
      case Fate::missing:
        ++counts.gone;
        break;
      case Fate::same:
        ++counts.same;
        break;
      case Fate::changed:
        ++counts.changed;
        break;
      case Fate::fresh:
        ++counts.fresh;
        break;
    }
  }
  counts.before = counts.gone + counts.same + counts.changed;
  counts.now = counts.same + counts.changed + counts.fresh;
  return counts;
}

Status Shelf::write(Instant now) {
  TRY([[maybe_unused]] const Ok machines, write_machines());
  for (const Slot& slot : slots_) {
    if (slot.fate == Fate::missing) { series_[slot.series].is_touched = true; }
  }
  TRY([[maybe_unused]] const Ok series, write_series(now));
  TRY([[maybe_unused]] const Ok said, write_first_availability(now));
  for (const Series& one : series_) {
    if (!one.is_touched || one.is_fresh) { continue; }
    TRY([[maybe_unused]] const Ok changed, write_change(one, now));
  }
  TRY([[maybe_unused]] const Ok dropped, drop_offers());
  TRY([[maybe_unused]] const Ok changed, write_changed_offers());
  return write_fresh_offers();
}

Status Shelf::write_machines() {
  return insert_rows(*db_, "machine",
                     "id, instance_type_id, gpu_text_id, model_id, gpu_count, vcpus, memory_mib, disk_gib, "
                     "arch_id, seller_id, fabric, fabric_gbps, nvlink_domain, billing_unit_ms, "
                     "billing_minimum_ms",
                     fresh_machines_, [](Statement& insert, const auto& machine) {
                       insert.bind(machine.first);
                       for (const std::int64_t fact : machine.second) { insert.bind(fact); }
                     });
}

/// Those that are new get their numbers here: one that nothing of was believed leaves no gap.
Status Shelf::write_series(Instant now) {
  std::vector<const Series*> fresh;
  for (Series& series : series_) {
    if (!series.is_fresh || !series.is_touched) { continue; }
    series.id = next_series_++;
    fresh.push_back(&series);
  }
  return insert_rows(*db_, "series",
                     "id, place_id, instance_type_id, market, model_id, gpu_count, first_at_ms, "
                     "first_price_micros",
                     fresh, [this, now](Statement& insert, const Series* series) {
                       const SeriesKey& key = series->key;
                       insert.bind(series->id).bind(key.place).bind(key.type).bind(key.market);
                       insert.bind(key.model).bind(key.count).bind(now.ms);
                       insert.bind(state_of(*series, /*before=*/false).price.value_or(0));
                     });
}

void Shelf::bind_offer(Statement& put, const Slot& slot) const {
  const Series& series = series_[slot.series];
  const SeriesKey& key = series.key;
  put.bind(slot.id).bind(series.id).bind(slot.machine).bind(key.place).bind(key.market).bind(key.model);
  put.bind(key.count).bind(slot.price).bind(slot.since).bind(slot.basis).bind(slot.told_by);
  put.bind(slot.availability_kind).bind(slot.availability_value).bind(slot.availability_basis);
  put.bind_in_place(slot.variant).bind_in_place(slot.parts);
  bind_or_null(put, slot.window_from);
  bind_or_null(put, slot.window_until);
  bind_or_null(put, slot.learnt);
}

Status Shelf::write_changed_offers() {
  std::string sql = "INSERT OR REPLACE INTO offer (";
  sql += kOfferColumns;
  sql += ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
  TRY(const StatementLoan put, db_->take(sql));
  for (const Slot& slot : slots_) {
    if (slot.fate != Fate::changed) { continue; }
    bind_offer(*put, slot);
    TRY([[maybe_unused]] const Ok done, put->finish());
    put->rewind();
  }
  return Ok{};
}

/// In the order of the index: each of its pages is visited once, and later readers find what belongs together
/// together.
Status Shelf::write_fresh_offers() {
  struct Fresh {
    std::int64_t model = 0;
    std::int64_t count = 0;
    std::int64_t price = 0;
    std::size_t slot = 0;
    auto operator<=>(const Fresh&) const = default;
  };
  std::vector<Fresh> fresh;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].fate != Fate::fresh) { continue; }
    const SeriesKey& key = series_[slots_[i].series].key;
    fresh.push_back({.model = key.model, .count = key.count, .price = slots_[i].price, .slot = i});
  }
  std::sort(fresh.begin(), fresh.end());
  for (const Fresh& one : fresh) { slots_[one.slot].id = next_offer_++; }
  return insert_rows(*db_, "offer", kOfferColumns, fresh,
                     [this](Statement& insert, const Fresh& one) { bind_offer(insert, slots_[one.slot]); });
}

Status Shelf::drop_offers() {
  TRY(const StatementLoan drop, db_->take("DELETE FROM offer WHERE id = ?"));
  for (const Slot& slot : slots_) {
    if (slot.fate != Fate::missing) { continue; }
    TRY([[maybe_unused]] const Ok done, drop->bind(slot.id).finish());
    drop->reset();
  }
  return Ok{};
}

}  // namespace gpubroker
