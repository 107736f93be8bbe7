#include "cmd/offers_data.hpp"

#include <array>
#include <charconv>

#include "cmd/offers_text.hpp"
#include "core/base/money.hpp"

namespace gpubroker {
namespace {

constexpr std::size_t kPiece = std::size_t{256} << 10U;

constexpr std::array<std::string_view, 30> kColumns = {"cloud",
                                                       "region",
                                                       "zone",
                                                       "instance_type",
                                                       "market",
                                                       "gpu_model",
                                                       "gpu_form",
                                                       "gpu_memory_gib",
                                                       "gpu_count",
                                                       "usd_per_gpu_hour",
                                                       "usd_per_machine_hour",
                                                       "nodes",
                                                       "usd_per_hour_of_nodes",
                                                       "price_basis",
                                                       "availability",
                                                       "vcpus",
                                                       "memory_mib",
                                                       "disk_gib",
                                                       "arch",
                                                       "fabric",
                                                       "fabric_gbps",
                                                       "nvlink_domain",
                                                       "seller",
                                                       "variant",
                                                       "from",
                                                       "until",
                                                       "reclaimed_percent_most",
                                                       "chance_percent",
                                                       "learnt_at",
                                                       "source"};

void put_availability(FlatWriter& json, const Availability& availability) {
  json.open()
      .field("basis", availability.basis)
      .field("kind", to_string(availability.kind))
      .field("value", availability.value)
      .close();
}

void put_key(FlatWriter& json, const OfferKey& key) {
  json.field("cloud", key.provider)
      .field("region", key.region)
      .field("zone", key.zone)
      .field("instance_type", key.instance_type)
      .field("market", to_string(key.market));
}

void put_gpu(FlatWriter& json, const Listing& listing) {
  const Accelerator& gpu = listing.offer.gpu;
  json.name("gpu")
      .open()
      .field("model", gpu.model)
      .field("form", gpu.form)
      .field("memory_gib", gpu.memory_gib)
      .field("count", gpu.count)
      .field("in_the_clouds_words", listing.gpu_text)
      .close();
}

/// Nothing where there is no price, or none of that kind.
void put_rate(FlatWriter& json, bool known, Rate rate) {
  if (known) {
    json.text(format_money({rate.micros_per_hour}));
  } else {
    json.null();
  }
}

void put_price(FlatWriter& json, const OfferRow& row, int nodes, MomentTexts& moments) {
  const Listing& listing = row.listing;
  const bool known = listing.basis != PriceBasis::quote;
  put_rate(json.name("usd_per_machine_hour"), known, listing.offer.price);
  put_rate(json.name("usd_per_gpu_hour"), known && listing.offer.gpu.count > 0, price_per_gpu(listing.offer));
  put_rate(json.name("usd_per_hour_of_nodes"), known, of_gang(row, nodes));
  json.field("price_basis", to_string(listing.basis)).name("price_since");
  if (row.price_since.ms != 0) {
    json.text(moments.of(row.price_since));
  } else {
    json.null();
  }
  json.name("price_parts").open_list();
  for (const PricePart& part : listing.parts) {
    json.open()
        .field("source", part.source)
        .field("usd_per_hour", format_money({part.rate.micros_per_hour}))
        .field("what", part.what)
        .close();
  }
  json.close_list();
}

void put_machine(FlatWriter& json, const Listing& listing) {
  json.field("vcpus", listing.offer.vcpus)
      .field("memory_mib", listing.offer.memory_mib)
      .field("disk_gib", listing.disk_gib)
      .field("arch", listing.arch)
      .field("fabric", to_string(listing.fabric))
      .field("fabric_gbps", listing.fabric_gbps)
      .field("nvlink_domain", listing.nvlink_domain)
      .field("seller", listing.seller)
      .field("variant", listing.variant);
}

void put_row(FlatWriter& json, const OfferRow& row, int nodes, MomentTexts& moments) {
  const Listing& listing = row.listing;
  json.open();
  put_key(json, listing.offer.key);
  put_gpu(json, listing);
  json.field("nodes", nodes);
  put_price(json, row, nodes, moments);
  put_availability(json.name("availability"), listing.availability);
  json.name("signals").open_list();
  for (const Availability& signal : row.signals) { put_availability(json, signal); }
  json.close_list().name("zones").open_list();
  for (const ZoneSignal& zone : row.zones) {
    put_availability(json.open().field("zone", zone.zone).name("availability"), zone.availability);
    json.close();
  }
  json.close_list();
  json.field("available_now", says_available(listing.availability, nodes))
      .field("reclaimed_percent_most", row.reclaimed_percent_most)
      .field("chance_percent", row.chance_percent);
  put_machine(json, listing);
  if (listing.window) {
    json.field("from", moments.of(listing.window->from)).field("until", moments.of(listing.window->until));
  } else {
    json.name("from").null().name("until").null();
  }
  json.field("learnt_at", moments.of(listing.offer.learnt_at)).field("source", row.feed).close();
}

}  // namespace

const std::string& MomentTexts::of(Instant at) {
  const auto [known, fresh] = texts_.try_emplace(at.ms);
  if (fresh) { known->second = format_utc(at); }
  return known->second;
}

void OfferJson::begin() {
  json_.open().field("schema", 1).name("offers").open_list();
  has_begun_ = true;
}

void OfferJson::add(const OfferRow& row) {
  if (!has_begun_) { begin(); }
  put_row(json_, row, nodes_, moments_);
  if (json_.written().size() < kPiece) { return; }
  out_(json_.written());
  json_.forget();
}

void OfferJson::finish() {
  if (!has_begun_) { begin(); }
  json_.close_list().close();
  out_(json_.written());
  out_("\n");
  json_.forget();
}

void OfferCsv::cell(std::string_view text) {
  if (!is_first_) { text_ += ','; }
  is_first_ = false;
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
    text_ += text;
    return;
  }
  text_ += '"';
  for (const char c : text) {
    if (c == '"') { text_ += '"'; }
    text_ += c;
  }
  text_ += '"';
}

void OfferCsv::number(std::int64_t value) {
  std::array<char, 20> digits{};  // "-9223372036854775808"
  const char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  cell({digits.data(), static_cast<std::size_t>(end - digits.data())});
}

void OfferCsv::end_line() {
  text_ += "\r\n";
  is_first_ = true;
  if (text_.size() < kPiece) { return; }
  out_(text_);
  text_.clear();
}

void OfferCsv::add_prices(const OfferRow& row) {
  const Listing& listing = row.listing;
  const bool known = listing.basis != PriceBasis::quote;
  const auto amount = [&](Rate rate) { cell(known ? format_money({rate.micros_per_hour}) : std::string()); };
  amount(price_per_gpu(listing.offer));
  amount(listing.offer.price);
  number(nodes_);
  amount(of_gang(row, nodes_));
  cell(to_string(listing.basis));
}

void OfferCsv::add(const OfferRow& row) {
  if (!has_header_) {
    for (const std::string_view name : kColumns) { cell(name); }
    has_header_ = true;
    end_line();
  }
  const Listing& listing = row.listing;
  const OfferKey& key = listing.offer.key;
  const Accelerator& gpu = listing.offer.gpu;
  for (const std::string_view text :
       {std::string_view(key.provider), std::string_view(key.region), std::string_view(key.zone),
        std::string_view(key.instance_type), to_string(key.market), std::string_view(gpu.model),
        std::string_view(gpu.form)}) {
    cell(text);
  }
  number(gpu.memory_gib);
  number(gpu.count);
  add_prices(row);
  cell(availability_text(row));
  number(listing.offer.vcpus);
  number(listing.offer.memory_mib);
  number(listing.disk_gib);
  cell(listing.arch);
  cell(to_string(listing.fabric));
  number(listing.fabric_gbps);
  number(listing.nvlink_domain);
  cell(listing.seller);
  cell(listing.variant);
  cell(listing.window ? std::string_view(moments_.of(listing.window->from)) : "");
  cell(listing.window ? std::string_view(moments_.of(listing.window->until)) : "");
  cell(row.reclaimed_percent_most ? std::to_string(*row.reclaimed_percent_most) : "");
  number(row.chance_percent);
  cell(moments_.of(listing.offer.learnt_at));
  cell(row.feed);
  end_line();
}

void OfferCsv::finish() {
  out_(text_);
  text_.clear();
}

std::string quarantine_json(const std::vector<QuarantineRow>& rows) {
  FlatWriter json;
  json.open().field("schema", 1).name("quarantined").open_list();
  for (const QuarantineRow& row : rows) {
    json.open();
    put_key(json, row.listing.offer.key);
    put_gpu(json, row.listing);
    json.field("usd_per_machine_hour", format_money({row.listing.offer.price.micros_per_hour}))
        .field("rule", row.rule)
        .field("reason", row.reason)
        .field("since", format_utc(row.since))
        .field("learnt_at", format_utc(row.told_at))
        .field("source", row.feed)
        .close();
  }
  json.close_list().close();
  return std::move(json).take() + "\n";
}

}  // namespace gpubroker
