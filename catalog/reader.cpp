#include "catalog/reader.hpp"

#include <algorithm>

#include "catalog/observations.hpp"
#include "catalog/schema.hpp"
#include "catalog/shelf.hpp"

namespace gpubroker {
namespace {

constexpr const char* kOfferRow =
    "SELECT machine_id, place_id, market, price_micros, since_ms, basis, told_by_id, availability_kind, "
    "availability_value, availability_basis_id, variant, parts, window_from_ms, window_until_ms, "
    "learnt_at_ms, id FROM "
    "offer ";
std::string offer_rows(const char* which) {
  std::string sql = kOfferRow;
  sql += which;
  return sql;
}

constexpr std::size_t kFew = 2'000;     // rows that are always looked up one by one
constexpr std::int64_t kSeekCosts = 4;  // as much as reading so many rows in a row

Error missing_row(const CatalogDb& db, const std::string& what) {
  return {.kind = ErrorKind::internal,
          .message = db.path() + ": " + what + " is missing",
          .hint = "remove the file; `gpubroker refresh` makes it anew",
          .source = db.path(),
          .code = "corrupt"};
}

/// A signal may be there for the sake of its interruptions alone. "Sold in this zone" (GCP) is something, and
/// no promise.
bool says_something(const Availability& availability) {
  return availability.kind != AvailabilityKind::unknown || !availability.basis.empty();
}

template <class Value>
Value& place_for(std::vector<Value>& values, std::int64_t id) {
  const auto at = static_cast<std::size_t>(std::max<std::int64_t>(id, 0));
  if (at >= values.size()) { values.resize(std::max(at + 1, values.size() * 2)); }
  return values[at];
}

}  // namespace

Result<const std::string*> Reader::name(std::int64_t id) {
  std::unique_ptr<std::string>& known = place_for(names_, id);
  if (known == nullptr) {
    TRY(const StatementLoan query, db_->take("SELECT text FROM name WHERE id = ?"));
    TRY(const bool found, query->bind(id).step());
    if (!found) { return missing_row(*db_, "a name"); }
    known = std::make_unique<std::string>(query->text(0));
  }
  return static_cast<const std::string*>(known.get());
}

Result<const PlaceNames*> Reader::place(std::int64_t id) {
  std::unique_ptr<PlaceNames>& known = place_for(places_, id);
  if (known == nullptr) {
    TRY(const StatementLoan query, db_->take("SELECT provider, region, zone FROM place WHERE id = ?"));
    TRY(const bool found, query->bind(id).step());
    if (!found) { return missing_row(*db_, "a place"); }
    known = std::make_unique<PlaceNames>(PlaceNames{query->text(0), query->text(1), query->text(2)});
  }
  return static_cast<const PlaceNames*>(known.get());
}

Result<const GpuModel*> Reader::model(std::int64_t id) {
  const auto known = models_.find(id);
  if (known != models_.end()) { return known->second; }
  TRY(const StatementLoan query, db_->take("SELECT name FROM gpu_model WHERE id = ?"));
  TRY(const bool found, query->bind(id).step());
  if (!found) { return missing_row(*db_, "a GPU model"); }
  return models_.emplace(id, find_gpu_model(query->view(0))).first->second;
}

Result<const std::string*> Reader::source(std::int64_t id) {
  const auto known = sources_.find(id);
  if (known != sources_.end()) { return static_cast<const std::string*>(&known->second); }
  TRY(const StatementLoan query, db_->take("SELECT name FROM source WHERE id = ?"));
  TRY(const bool found, query->bind(id).step());
  if (!found) { return missing_row(*db_, "a source"); }
  return static_cast<const std::string*>(&sources_.emplace(id, query->text(0)).first->second);
}

Result<Instant> Reader::fetched(std::int64_t source, std::int64_t place_id) {
  if (const Fetched& known = place_for(fetched_, place_id); known.source == source) { return known.at; }
  TRY(const PlaceNames* names, place(place_id));
  TRY(const StatementLoan query, db_->take("SELECT at_ms FROM fetched WHERE source_id = ? AND region = ?"));
  TRY(const bool found, query->bind(source).bind(std::string_view(names->region)).step());
  const Instant at = found ? Instant{query->integer(0)} : Instant{};
  place_for(fetched_, place_id) = {.source = source, .at = at};
  return at;
}

Result<const MachineRow*> Reader::machine(std::int64_t id) {
  const auto known = machines_.find(id);
  if (known != machines_.end()) { return static_cast<const MachineRow*>(&known->second); }
  TRY(const StatementLoan query,
      db_->take(
          "SELECT instance_type_id, gpu_text_id, model_id, gpu_count, vcpus, memory_mib, disk_gib, arch_id, "
          "seller_id, fabric, fabric_gbps, nvlink_domain, billing_unit_ms, billing_minimum_ms FROM machine "
          "WHERE id "
          "= ?"));
  TRY(const bool found, query->bind(id).step());
  if (!found) { return missing_row(*db_, "a machine"); }
  MachineRow row{.instance_type_id = query->integer(0),
                 .vcpus = static_cast<int>(query->integer(4)),
                 .memory_mib = query->integer(5),
                 .disk_gib = query->integer(6),
                 .fabric = static_cast<Fabric>(query->integer(9)),
                 .fabric_gbps = static_cast<int>(query->integer(10)),
                 .nvlink_domain = static_cast<int>(query->integer(11)),
                 .billing = {Millis{query->integer(12)}, Millis{query->integer(13)}}};
  TRY(const std::string* type, name(query->integer(0)));
  TRY(const std::string* gpu_text, name(query->integer(1)));
  TRY(row.model, model(query->integer(2)));
  if (row.model != nullptr) { row.gpu = accelerator_of(*row.model, static_cast<int>(query->integer(3))); }
  TRY(const std::string* arch, name(query->integer(7)));
  TRY(const std::string* seller, name(query->integer(8)));
  row.instance_type = *type;
  row.gpu_text = *gpu_text;
  row.arch = *arch;
  row.seller = *seller;
  return static_cast<const MachineRow*>(&machines_.emplace(id, std::move(row)).first->second);
}

Result<bool> Reader::has_rows(const char* table) {
  TRY(const StatementLoan query, db_->take(std::string("SELECT 1 FROM ") + table + " LIMIT 1"));
  return query->step();
}

Result<Reader::SignalRow> Reader::read_signal(const Statement& row, int first) {
  SignalRow signal{.market = row.integer(first),
                   .availability = {.kind = static_cast<AvailabilityKind>(row.integer(first + 1)),
                                    .value = static_cast<int>(row.integer(first + 2))}};
  if (!row.is_null(first + 4)) { signal.reclaimed = static_cast<int>(row.integer(first + 4)); }
  TRY(const std::string* basis, name(row.integer(first + 3)));
  signal.availability.basis = *basis;
  return signal;
}

Status Reader::preload_signals() {
  TRY(const StatementLoan query,
      db_->take("SELECT place_id, instance_type_id, market, availability_kind, availability_value, "
                "availability_basis_id, reclaimed_percent_most FROM signal"));
  while (true) {
    TRY(const bool more, query->step());
    if (!more) { break; }
    TRY(SignalRow signal, read_signal(*query, 2));
    signals_[{query->integer(0), query->integer(1)}].push_back(std::move(signal));
  }
  has_all_signals_ = true;
  return Ok{};
}

Result<const Reader::Signals*> Reader::signals(std::int64_t place, std::int64_t type) {
  const auto known = signals_.find({place, type});
  if (known != signals_.end()) { return static_cast<const Signals*>(&known->second); }
  if (has_all_signals_) { return &none_; }
  TRY(const StatementLoan query, db_->take("SELECT market, availability_kind, availability_value, "
                                           "availability_basis_id, reclaimed_percent_most FROM "
                                           "signal WHERE place_id = ? AND instance_type_id = ?"));
  query->bind(place).bind(type);
  Signals found;
  while (true) {
    TRY(const bool more, query->step());
    if (!more) { break; }
    TRY(SignalRow signal, read_signal(*query, 0));
    found.push_back(std::move(signal));
  }
  return static_cast<const Signals*>(
      &signals_.emplace(std::pair{place, type}, std::move(found)).first->second);
}

/// The place of all the region in which this one is a zone; itself when it is none, 0 when nothing names the
/// region.
Result<std::int64_t> Reader::whole_region(std::int64_t id) {
  const auto known = whole_.find(id);
  if (known != whole_.end()) { return known->second; }
  TRY(const PlaceNames* names, place(id));
  std::int64_t whole = id;
  if (!names->zone.empty()) {
    TRY(const StatementLoan query,
        db_->take("SELECT id FROM place WHERE provider = ? AND region = ? AND zone = ''"));
    TRY(const bool found,
        query->bind(std::string_view(names->provider)).bind(std::string_view(names->region)).step());
    whole = found ? query->integer(0) : 0;
  }
  whole_.emplace(id, whole);
  return whole;
}

/// Those of the zone first: they know better than those of the region.
Status Reader::add_signals(OfferRow& row, std::int64_t place_id, std::int64_t type) {
  if (!has_signals_) {
    TRY(const bool has, has_rows("signal"));
    has_signals_ = has;
  }
  if (!*has_signals_) { return Ok{}; }
  TRY([[maybe_unused]] const Ok own, add_signals_of(row, place_id, type));
  if (row.listing.offer.key.zone.empty()) { return add_zones(row, place_id, type); }
  TRY(const std::int64_t whole, whole_region(place_id));
  return whole == 0 || whole == place_id ? Status(Ok{}) : add_signals_of(row, whole, type);
}

Result<const std::vector<std::int64_t>*> Reader::zones_of(std::int64_t region) {
  const auto known = zones_.find(region);
  if (known != zones_.end()) { return static_cast<const std::vector<std::int64_t>*>(&known->second); }
  TRY(const PlaceNames* names, place(region));
  TRY(const StatementLoan query, db_->take("SELECT id FROM place WHERE provider = ? AND region = ? AND zone "
                                           "> '' AND id IN (SELECT place_id FROM signal) ORDER BY zone"));
  query->bind(std::string_view(names->provider)).bind(std::string_view(names->region));
  std::vector<std::int64_t> zones;
  while (true) {
    TRY(const bool more, query->step());
    if (!more) { break; }
    zones.push_back(query->integer(0));
  }
  return static_cast<const std::vector<std::int64_t>*>(
      &zones_.emplace(region, std::move(zones)).first->second);
}

Status Reader::add_zones(OfferRow& row, std::int64_t place_id, std::int64_t type) {
  TRY(const std::vector<std::int64_t>* zones, zones_of(place_id));
  const auto market = static_cast<std::int64_t>(row.listing.offer.key.market);
  for (const std::int64_t zone : *zones) {
    TRY(const PlaceNames* names, place(zone));
    TRY(const Signals* found, signals(zone, type));
    for (const SignalRow& signal : *found) {
      if (signal.market >= 0 && signal.market != market) { continue; }
      if (says_something(signal.availability)) { row.zones.push_back({names->zone, signal.availability}); }
    }
  }
  return Ok{};
}

Status Reader::add_signals_of(OfferRow& row, std::int64_t place_id, std::int64_t type) {
  TRY(const Signals* found, signals(place_id, type));
  const auto market = static_cast<std::int64_t>(row.listing.offer.key.market);
  for (const SignalRow& signal : *found) {
    if (signal.market >= 0 && signal.market != market) { continue; }
    if (says_something(signal.availability)) { row.signals.push_back(signal.availability); }
    if (signal.reclaimed && !row.reclaimed_percent_most) { row.reclaimed_percent_most = signal.reclaimed; }
  }
  return Ok{};
}

Status Reader::read_offer(std::int64_t id, Instant now, OfferRow& to) {
  if (!offer_) {
    TRY(StatementLoan loan, db_->take(offer_rows("WHERE id = ?")));
    offer_ = std::move(loan);
  }
  offer_->rewind();
  TRY(const bool found, offer_->bind(id).step());
  if (!found) { return missing_row(*db_, "an offer"); }
  return fill(stored(*offer_), now, to);
}

Status Reader::visit_offers(const std::vector<std::int64_t>& ids, Instant now,
                            const std::function<void(const OfferRow&)>& visit) {
  TRY(const StatementLoan count, db_->take("SELECT coalesce(sum(offers), 0) FROM source"));
  TRY([[maybe_unused]] const bool counted, count->step());
  OfferRow row;  // one for all: what its texts once needed is not asked for again
  if (ids.size() < kFew || static_cast<std::int64_t>(ids.size()) * kSeekCosts < count->integer(0)) {
    for (const std::int64_t id : ids) {
      TRY([[maybe_unused]] const Ok read, read_offer(id, now, row));
      visit(row);
    }
    return Ok{};
  }
  // Most of the table: read it through.
  TRY([[maybe_unused]] const Ok loaded, preload_signals());
  std::deque<std::string> texts;
  TRY(const std::vector<StoredOffer> offers, read_through(ids, texts));
  for (const StoredOffer& offer : offers) {
    TRY([[maybe_unused]] const Ok filled, fill(offer, now, row));
    visit(row);
  }
  return Ok{};
}

Result<std::vector<Reader::StoredOffer>> Reader::read_through(const std::vector<std::int64_t>& ids,
                                                              std::deque<std::string>& texts) {
  std::vector<std::pair<std::int64_t, std::size_t>> wanted;
  wanted.reserve(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) { wanted.emplace_back(ids[i], i); }
  std::sort(wanted.begin(), wanted.end());
  std::vector<StoredOffer> offers(ids.size());
  const auto kept = [&texts](std::string_view text) -> std::string_view {
    return text.empty() ? std::string_view{} : texts.emplace_back(text);
  };
  TRY(const StatementLoan all, db_->take(offer_rows("ORDER BY id")));
  auto next = wanted.begin();
  while (next != wanted.end()) {
    TRY(const bool more, all->step());
    if (!more) { return missing_row(*db_, "an offer"); }
    if (all->integer(15) != next->first) { continue; }
    StoredOffer& offer = offers[next->second];
    offer = stored(*all);
    offer.variant = kept(offer.variant);
    offer.parts = kept(offer.parts);
    ++next;
  }
  return offers;
}

Reader::StoredOffer Reader::stored(const Statement& row) {
  StoredOffer offer{.id = row.integer(15),
                    .machine = row.integer(0),
                    .place = row.integer(1),
                    .price = row.integer(3),
                    .since = row.integer(4),
                    .told_by = row.integer(6),
                    .availability_basis = row.integer(9),
                    .variant = row.view(10),
                    .parts = row.view(11),
                    .availability_value = static_cast<int>(row.integer(8)),
                    .availability_kind = static_cast<AvailabilityKind>(row.integer(7)),
                    .market = static_cast<Market>(row.integer(2)),
                    .basis = static_cast<PriceBasis>(row.integer(5))};
  if (!row.is_null(12)) { offer.window = Window{{row.integer(12)}, {row.integer(13)}}; }
  if (!row.is_null(14)) { offer.learnt_at = Instant{row.integer(14)}; }
  return offer;
}

Status Reader::fill(const StoredOffer& from, Instant now, OfferRow& to) {
  TRY(const MachineRow* machine, this->machine(from.machine));
  TRY(const PlaceNames* place, this->place(from.place));
  TRY(const std::string* told_by, name(from.told_by));
  TRY(const std::string* availability_basis, name(from.availability_basis));
  TRY(const std::string* feed, source(source_of(from.id)));
  TRY(const Instant fetched, this->fetched(source_of(from.id), from.place));
  to.model = machine->model;
  to.feed = *feed;
  to.price_since = {from.since};
  to.signals.clear();
  to.zones.clear();
  to.reclaimed_percent_most.reset();
  Listing& listing = to.listing;
  Offer& offer = listing.offer;
  offer.key.provider = place->provider;
  offer.key.region = place->region;
  offer.key.zone = place->zone;
  offer.key.instance_type = machine->instance_type;
  offer.key.market = from.market;
  offer.gpu = machine->gpu;
  offer.vcpus = machine->vcpus;
  offer.memory_mib = machine->memory_mib;
  offer.price = {from.price};
  offer.billing = machine->billing;
  offer.learnt_at = from.learnt_at.value_or(fetched);
  offer.source = *told_by;
  listing.gpu_text = machine->gpu_text;
  listing.seller = machine->seller;
  listing.variant = from.variant;
  listing.arch = machine->arch;
  listing.disk_gib = machine->disk_gib;
  listing.fabric = machine->fabric;
  listing.fabric_gbps = machine->fabric_gbps;
  listing.nvlink_domain = machine->nvlink_domain;
  listing.basis = from.basis;
  listing.parts.clear();
  if (!from.parts.empty()) { listing.parts = decode_parts(from.parts); }
  listing.availability.kind = from.availability_kind;
  listing.availability.value = from.availability_value;
  listing.availability.basis = *availability_basis;
  offer.available.reset();
  if (from.availability_kind == AvailabilityKind::count) { offer.available = from.availability_value; }
  listing.window = from.window;
  TRY([[maybe_unused]] const Ok signals, add_signals(to, from.place, machine->instance_type_id));
  if (!chances_) { TRY(chances_, Chances::load(*db_, now)); }
  to.chance_percent = chances_->percent(offer.key);
  return Ok{};
}

}  // namespace gpubroker
