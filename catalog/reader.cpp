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
constexpr std::size_t kFew = 2'000;     // rows that are always looked up one by one
constexpr std::int64_t kSeekCosts = 4;  // as much as reading so many rows in a row

Error missing_row(const CatalogDb& db, const std::string& what) {
  return {.kind = ErrorKind::internal,
          .message = db.path() + ": " + what + " is missing",
          .hint = "remove the file; `gpubroker refresh` makes it anew",
          .source = db.path(),
          .code = "corrupt"};
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
                 .gpu_count = static_cast<int>(query->integer(3)),
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
  TRY(const std::int64_t whole, whole_region(place_id));
  return whole == 0 || whole == place_id ? Status(Ok{}) : add_signals_of(row, whole, type);
}

Status Reader::add_signals_of(OfferRow& row, std::int64_t place_id, std::int64_t type) {
  TRY(const Signals* found, signals(place_id, type));
  const auto market = static_cast<std::int64_t>(row.listing.offer.key.market);
  for (const SignalRow& signal : *found) {
    if (signal.market >= 0 && signal.market != market) { continue; }
    if (signal.availability.kind != AvailabilityKind::unknown) { row.signals.push_back(signal.availability); }
    if (signal.reclaimed && !row.reclaimed_percent_most) { row.reclaimed_percent_most = signal.reclaimed; }
  }
  return Ok{};
}

Status Reader::read_offer(std::int64_t id, Instant now, OfferRow& to) {
  if (!offer_) {
    TRY(StatementLoan loan, db_->take(std::string(kOfferRow) + "WHERE id = ?"));
    offer_ = std::move(loan);
  }
  offer_->rewind();
  TRY(const bool found, offer_->bind(id).step());
  if (!found) { return missing_row(*db_, "an offer"); }
  return read_row(*offer_, now, to);
}

Result<std::vector<OfferRow>> Reader::read_offers(const std::vector<std::int64_t>& ids, Instant now) {
  std::vector<OfferRow> rows(ids.size());
  TRY(const StatementLoan count, db_->take("SELECT coalesce(sum(offers), 0) FROM source"));
  TRY([[maybe_unused]] const bool counted, count->step());
  if (ids.size() < kFew || static_cast<std::int64_t>(ids.size()) * kSeekCosts < count->integer(0)) {
    for (std::size_t i = 0; i < ids.size(); ++i) {
      TRY([[maybe_unused]] const Ok read, read_offer(ids[i], now, rows[i]));
    }
    return rows;
  }
  // Most of the table: read it through.
  TRY([[maybe_unused]] const Ok loaded, preload_signals());
  std::vector<std::pair<std::int64_t, std::size_t>> wanted;
  wanted.reserve(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) { wanted.emplace_back(ids[i], i); }
  std::sort(wanted.begin(), wanted.end());
  TRY(const StatementLoan all, db_->take(std::string(kOfferRow) + "ORDER BY id"));
  auto next = wanted.begin();
  while (next != wanted.end()) {
    TRY(const bool more, all->step());
    if (!more) { return missing_row(*db_, "an offer"); }
    if (all->integer(15) != next->first) { continue; }
    TRY([[maybe_unused]] const Ok read, read_row(*all, now, rows[next->second]));
    ++next;
  }
  return rows;
}

Status Reader::read_row(const Statement& statement, Instant now, OfferRow& to) {
  const Statement* const query = &statement;
  const std::int64_t id = query->integer(15);
  TRY(const MachineRow* machine, this->machine(query->integer(0)));
  TRY(const PlaceNames* place, this->place(query->integer(1)));
  TRY(const std::string* told_by, name(query->integer(6)));
  TRY(const std::string* availability_basis, name(query->integer(9)));
  TRY(const std::string* feed, source(source_of(id)));
  TRY(const Instant fetched, this->fetched(source_of(id), query->integer(1)));
  OfferRow& row = to;
  row.model = machine->model;
  row.feed = *feed;
  row.price_since = {query->integer(4)};
  Listing& listing = row.listing;
  Offer& offer = listing.offer;
  offer.key = {.provider = place->provider,
               .region = place->region,
               .zone = place->zone,
               .instance_type = machine->instance_type,
               .market = static_cast<Market>(query->integer(2))};
  if (machine->model != nullptr) { offer.gpu = accelerator_of(*machine->model, machine->gpu_count); }
  offer.vcpus = machine->vcpus;
  offer.memory_mib = machine->memory_mib;
  offer.price = {query->integer(3)};
  offer.billing = machine->billing;
  offer.learnt_at = query->is_null(14) ? fetched : Instant{query->integer(14)};
  offer.source = *told_by;
  listing.gpu_text = machine->gpu_text;
  listing.seller = machine->seller;
  listing.variant = query->text(10);
  listing.arch = machine->arch;
  listing.disk_gib = machine->disk_gib;
  listing.fabric = machine->fabric;
  listing.fabric_gbps = machine->fabric_gbps;
  listing.nvlink_domain = machine->nvlink_domain;
  listing.basis = static_cast<PriceBasis>(query->integer(5));
  if (const std::string_view parts = query->view(11); !parts.empty()) { listing.parts = decode_parts(parts); }
  listing.availability = {.kind = static_cast<AvailabilityKind>(query->integer(7)),
                          .value = static_cast<int>(query->integer(8)),
                          .basis = *availability_basis};
  if (listing.availability.kind == AvailabilityKind::count) { offer.available = listing.availability.value; }
  if (!query->is_null(12)) { listing.window = Window{{query->integer(12)}, {query->integer(13)}}; }
  TRY([[maybe_unused]] const Ok signals, add_signals(row, query->integer(1), machine->instance_type_id));
  if (!chances_) { TRY(chances_, Chances::load(*db_, now)); }
  row.chance_percent = chances_->percent(offer.key);
  return Ok{};
}

}  // namespace gpubroker
