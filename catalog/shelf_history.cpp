// The part of Shelf that keeps history: the cheapest price of a series, and what is said of availability.
#include <algorithm>

#include "catalog/rows.hpp"
#include "catalog/shelf.hpp"

namespace gpubroker {

void Shelf::State::add(std::int64_t new_price, std::int64_t new_kind, std::int64_t new_value) {
  // A quote (0) counts only where nothing has a price.
  const bool is_better = !price || (new_price > 0 && (*price == 0 || new_price < *price));
  if (is_better) { price = new_price; }
  const auto unknown = static_cast<std::int64_t>(AvailabilityKind::unknown);
  if (new_kind == unknown) { return; }
  const bool counts = new_kind == kind && kind == static_cast<std::int64_t>(AvailabilityKind::count);
  value = counts ? value + new_value : kind == unknown ? new_value : std::max(value, new_value);
  kind = new_kind;
}

Shelf::State Shelf::state_of(const Series& series, bool before) const {
  State state;
  for (std::size_t at = series.first; at != kNone; at = slots_[at].next) {
    const Slot& slot = slots_[at];
    if (before && slot.was_there) { state.add(slot.price_was, slot.kind_was, slot.value_was); }
    if (!before && slot.fate != Fate::missing) {
      state.add(slot.price, slot.availability_kind, slot.availability_value);
    }
  }
  return state;
}

/// What the history says last; absent: it is gone.
Result<std::optional<std::int64_t>> Shelf::last_price(const Series& series) {
  TRY(const StatementLoan query,
      db_->take("SELECT price_micros FROM price_change WHERE series_id = ? ORDER BY at_ms DESC LIMIT 1"));
  TRY(const bool found, query->bind(series.id).step());
  if (found) {
    return query->is_null(0) ? std::optional<std::int64_t>{} : std::optional<std::int64_t>(query->integer(0));
  }
  TRY(const StatementLoan first, db_->take("SELECT first_price_micros FROM series WHERE id = ?"));
  TRY([[maybe_unused]] const bool row, first->bind(series.id).step());
  return std::optional<std::int64_t>(first->integer(0));
}

/// Of series that begin: their first price is in their row.
Status Shelf::write_first_availability(Instant now) {
  std::vector<std::pair<std::int64_t, State>> said;
  for (const Series& series : series_) {
    if (!series.is_touched || !series.is_fresh) { continue; }
    const State state = state_of(series, /*before=*/false);
    const State unsaid;
    if (state.price && (state.kind != unsaid.kind || state.value != unsaid.value)) {
      said.emplace_back(series.id, state);
    }
  }
  return insert_rows(*db_, "availability_change", "series_id, at_ms, kind, value", said,
                     [now](Statement& insert, const auto& one) {
                       insert.bind(one.first).bind(now.ms).bind(one.second.kind).bind(one.second.value);
                     });
}

Status Shelf::write_change(const Series& series, Instant now) {
  const State after = state_of(series, /*before=*/false);
  State before = state_of(series, /*before=*/true);
  if (!before.price) {
    TRY(const std::optional<std::int64_t> last, last_price(series));
    before.price = last;
  }
  // A clock that was set back must not rewrite what is written: the point comes right after the last one.
  const bool is_new_price = after.price != before.price;
  if (is_new_price && (after.price || !series.is_doubted)) {
    TRY(const StatementLoan insert,
        db_->take(
            "INSERT INTO price_change (series_id, at_ms, price_micros) VALUES (?1, max(?2, 1 + "
            "coalesce((SELECT "
            "max(at_ms) FROM price_change WHERE series_id = ?1), (SELECT first_at_ms FROM series WHERE id = "
            "?1))), ?3)"));
    insert->bind(series.id).bind(now.ms);
    if (after.price) {
      insert->bind(*after.price);
    } else {
      insert->bind_null();
    }
    TRY([[maybe_unused]] const Ok done, insert->finish());
  }
  if (after.price && (after.kind != before.kind || after.value != before.value)) {
    TRY(const StatementLoan insert,
        db_->take("INSERT INTO availability_change (series_id, at_ms, kind, value) VALUES (?1, max(?2, "
                  "coalesce((SELECT "
                  "max(at_ms) + 1 FROM availability_change WHERE series_id = ?1), 0)), ?3, ?4)"));
    return insert->bind(series.id).bind(now.ms).bind(after.kind).bind(after.value).finish();
  }
  return Ok{};
}

}  // namespace gpubroker
