#include "cmd/offers_text.hpp"

#include <array>

#include "core/base/text.hpp"

namespace gpubroker {
namespace {

/// Amounts of a table: four decimals are enough to see, and to line up.
std::string short_money(Rate rate) {
  constexpr std::int64_t kShown = 100;  // micro-dollars of the last digit shown
  const std::int64_t rounded = (rate.micros_per_hour + kShown / 2) / kShown * kShown;
  return format_money({rounded});
}

std::string price_text(const OfferRow& row, Rate rate) {
  if (row.listing.basis == PriceBasis::quote) { return "quote"; }
  return short_money(rate);
}

std::string gib_text(std::int64_t mib) {
  return mib == 0 ? "-" : std::to_string((mib + 512) / 1024);
}

std::string or_dash(std::string text) {
  return text.empty() ? "-" : std::move(text);
}

std::string number_or_dash(std::int64_t number) {
  return number == 0 ? "-" : std::to_string(number);
}

std::string one_availability(const Availability& availability) {
  constexpr std::array<const char*, 4> kLevels = {"sold out", "low", "medium", "high"};
  switch (availability.kind) {
    case AvailabilityKind::unknown:
      return "unknown";
    case AvailabilityKind::count:
      return availability.value == 0 ? "sold out" : std::to_string(availability.value) + " now";
    case AvailabilityKind::level:
      return kLevels.at(static_cast<std::size_t>(std::clamp(availability.value, 0, 3)));
    case AvailabilityKind::score:
      return "score " + std::to_string(availability.value) + "/10";
    case AvailabilityKind::quota:
      return "quota " + std::to_string(availability.value);
  }
  return "";
}

/// The one that says most: stock before chances before quota; of two of a kind the better one.
const Availability& best_of(const OfferRow& row) {
  const auto rank = [](const Availability& one) {
    constexpr std::array<int, 5> kRank = {0, 4, 3, 2, 1};  // unknown, count, level, score, quota
    return kRank.at(static_cast<std::size_t>(one.kind));
  };
  const Availability* best = &row.listing.availability;
  const auto hold = [&](const Availability& one) {
    if (rank(one) > rank(*best) || (one.kind == best->kind && one.value > best->value)) { best = &one; }
  };
  for (const Availability& signal : row.signals) { hold(signal); }
  for (const ZoneSignal& zone : row.zones) { hold(zone.availability); }
  return *best;
}

std::string market_text(const Listing& listing) {
  std::string text(to_string(listing.offer.key.market));
  if (listing.window) {
    text += " ";
    text += format_utc(listing.window->from).substr(0, 10);
    text += " for ";
    text += short_duration(listing.window->until - listing.window->from);
  }
  return text;
}

std::string fabric_text(const Listing& listing) {
  if (listing.fabric == Fabric::unknown) { return "-"; }
  std::string text(to_string(listing.fabric));
  if (listing.fabric_gbps > 0) { text += " " + std::to_string(listing.fabric_gbps) + "G"; }
  return text;
}

std::string nvlink_text(const Listing& listing) {
  if (listing.nvlink_domain == 0) { return "-"; }
  return listing.nvlink_domain == 1 ? "none" : std::to_string(listing.nvlink_domain);
}

std::string moment_text(Instant at, Instant now, bool relative) {
  return relative ? relative_time(at, now) : format_utc(at);
}

std::string tenths(std::int64_t thousandths) {
  return std::to_string(thousandths / 1000) + "." + std::to_string(thousandths % 1000 / 100);
}

std::string model_text(const GpuModel& model) {
  std::string text(model.name);
  if (model.bf16_gflops > 0) { text += ", " + tenths(model.bf16_gflops) + " BF16 TFLOPS"; }
  if (model.fp8_gflops > 0) { text += ", " + tenths(model.fp8_gflops) + " FP8 TFLOPS"; }
  if (model.memory_gb_s > 0) { text += ", " + std::to_string(model.memory_gb_s) + " GB/s memory"; }
  if (model.link_gb_s > 0) { text += ", " + std::to_string(model.link_gb_s) + " GB/s link"; }
  return text + " each (" + std::string(to_string(model.basis)) + ")";
}

/// "label     text" lines of an explanation.
class Lines {
 public:
  void add(std::string label, const std::string& text) {
    if (text.empty()) { return; }
    label.resize(14, ' ');
    out_ += "  " + label + text + "\n";
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_ = {};
};

std::string availability_line(const Availability& availability) {
  std::string text = one_availability(availability);
  if (availability.kind == AvailabilityKind::unknown) { text = "nobody says whether there is one now"; }
  return availability.basis.empty() ? text : text + " (" + availability.basis + ")";
}

}  // namespace

Rate of_gang(const OfferRow& row, int nodes) {
  return times(row.listing.offer.price, nodes).value_or(Rate{});
}

std::string gpu_text(const Listing& listing) {
  const Accelerator& gpu = listing.offer.gpu;
  if (gpu.count == 0) { return "-"; }
  std::string text = std::to_string(gpu.count);
  text += " x ";
  text += gpu.model.empty() ? listing.gpu_text : gpu.model;
  if (!gpu.form.empty()) { text += " " + gpu.form; }
  if (gpu.memory_gib > 0) { text += " " + std::to_string(gpu.memory_gib) + "GB"; }
  return text;
}

std::string availability_text(const OfferRow& row) {
  return one_availability(best_of(row));
}

Table offer_table(const std::vector<OfferRow>& rows, const OfferColumns& columns, Instant now) {
  std::vector<std::string> header = {"CLOUD", "REGION", "TYPE", "GPUS", "MARKET", "$/GPU-H"};
  header.push_back(columns.nodes == 1 ? "$/H" : "$/H OF " + std::to_string(columns.nodes));
  header.insert(header.end(), {"AVAILABLE", "PRICE IS", "TOLD"});
  if (columns.wide) {
    header.insert(header.end(), {"ZONE", "VCPU", "RAM GIB", "DISK GIB", "ARCH", "FABRIC", "NVLINK", "SELLER",
                                 "RECLAIMED", "CHANCE", "SOURCE"});
  }
  Table table(header);
  for (const OfferRow& row : rows) {
    const Listing& listing = row.listing;
    const OfferKey& key = listing.offer.key;
    std::string basis(to_string(listing.basis));
    std::vector<std::string> cells = {key.provider,
                                      or_dash(key.region),
                                      key.instance_type,
                                      gpu_text(listing),
                                      market_text(listing),
                                      price_text(row, price_per_gpu(listing.offer)),
                                      price_text(row, of_gang(row, columns.nodes)),
                                      availability_text(row),
                                      basis,
                                      moment_text(listing.offer.learnt_at, now, columns.relative)};
    if (columns.wide) {
      cells.insert(
          cells.end(),
          {or_dash(key.zone), number_or_dash(listing.offer.vcpus), gib_text(listing.offer.memory_mib),
           number_or_dash(listing.disk_gib), or_dash(listing.arch), fabric_text(listing),
           nvlink_text(listing), or_dash(listing.seller),
           row.reclaimed_percent_most ? "<" + std::to_string(*row.reclaimed_percent_most) + "%/month" : "-",
           std::to_string(row.chance_percent) + "%", row.feed});
    }
    table.add(std::move(cells));
  }
  return table;
}

std::string explain_offer(const OfferRow& row, int nodes, Instant now) {
  const Listing& listing = row.listing;
  const Offer& offer = listing.offer;
  const auto told = [&](Instant at) { return relative_time(at, now) + " (" + format_utc(at) + ")"; };
  std::string head = format_offer_key(offer.key) + ": ";
  if (listing.basis == PriceBasis::quote) {
    head += "sold on request only; nobody publishes a price";
  } else {
    head += format_money({offer.price.micros_per_hour}) + " USD per machine-hour";
    if (offer.gpu.count > 0) {
      head += ", " + format_money({price_per_gpu(offer).micros_per_hour}) + " per GPU-hour";
    }
    if (nodes > 1) {
      head += ", " + format_money({of_gang(row, nodes).micros_per_hour}) + " for " + std::to_string(nodes);
    }
  }
  Lines lines;
  for (const PricePart& part : listing.parts) {
    lines.add("part",
              format_money({part.rate.micros_per_hour}) + "  " + part.what + "  [" + part.source + "]");
  }
  lines.add("price", std::string(to_string(listing.basis)) + ", from " + row.feed + ", told " +
                         told(offer.learnt_at) +
                         (row.price_since.ms != 0 ? ", the same since " + told(row.price_since) : ""));
  lines.add(
      "billing",
      "per " + format_duration(offer.billing.unit) +
          (offer.billing.minimum > Millis{0} ? ", at least " + format_duration(offer.billing.minimum) : ""));
  if (listing.window) {
    lines.add("dates", format_utc(listing.window->from) + " to " + format_utc(listing.window->until));
  }
  lines.add("available", availability_line(listing.availability));
  for (const Availability& signal : row.signals) { lines.add("", availability_line(signal)); }
  for (const ZoneSignal& zone : row.zones) {
    lines.add("", zone.zone + ": " + availability_line(zone.availability));
  }
  if (row.reclaimed_percent_most) {
    lines.add("reclaimed",
              "at most " + std::to_string(*row.reclaimed_percent_most) + " of 100 machines within a month");
  }
  if (row.chance_percent < 100) {
    lines.add("our launches", std::to_string(row.chance_percent) + " of 100 by what was met there lately");
  }
  lines.add("machine", number_or_dash(offer.vcpus) + " vCPU, " + gib_text(offer.memory_mib) + " GiB RAM, " +
                           number_or_dash(listing.disk_gib) + " GiB disk, " + or_dash(listing.arch) +
                           ", fabric " + fabric_text(listing) + ", NVLink domain " + nvlink_text(listing));
  if (row.model != nullptr) {
    lines.add("GPUs", std::to_string(offer.gpu.count) + " x " + model_text(*row.model));
  }
  lines.add("in its words", listing.gpu_text);
  lines.add("sold by", listing.seller);
  lines.add("not in it", "disks beyond the local one, addresses and traffic out of the cloud");
  return head + "\n" + lines.take();
}

Error nothing_found(const NearMiss& miss, Instant now) {
  Error error{.kind = ErrorKind::capacity, .message = "no offer fits"};
  for (const Constraint& constraint : miss.constraints) {
    if (constraint.left_without == 0) { continue; }
    error.message += "\n  without " + constraint.what + " " + constraint.asked + ": " +
                     std::to_string(constraint.left_without) + " offers";
    if (!constraint.best.empty()) { error.message += " (" + constraint.best + ")"; }
  }
  if (miss.quarantined > 0) {
    error.message +=
        "\n  " + std::to_string(miss.quarantined) + " more are doubted: `gpubroker offers --quarantined`";
  }
  if (miss.alternatives.empty()) {
    error.hint = miss.of_that_gpu == 0
                     ? "nobody known sells that GPU; `gpubroker gpus` lists what is sold, `gpubroker "
                       "refresh` asks again"
                     : "drop a constraint";
    return error;
  }
  const OfferRow& nearest = miss.alternatives.front();
  error.hint =
      "the nearest is " + format_offer_key(nearest.listing.offer.key) + " with " + gpu_text(nearest.listing);
  if (nearest.listing.basis != PriceBasis::quote) {
    error.hint +=
        " for " + format_money({price_per_gpu(nearest.listing.offer).micros_per_hour}) + "/gpu-hour";
  }
  error.hint += ", told " + relative_time(nearest.listing.offer.learnt_at, now);
  return error;
}

Table quarantine_table(const std::vector<QuarantineRow>& rows, Instant now, bool relative) {
  Table table({"OFFER", "GPUS", "$/H", "RULE", "WHY", "SINCE", "SOURCE"});
  for (const QuarantineRow& row : rows) {
    table.add({format_offer_key(row.listing.offer.key), gpu_text(row.listing),
               short_money(row.listing.offer.price), row.rule, row.reason,
               moment_text(row.since, now, relative), row.feed});
  }
  return table;
}

}  // namespace gpubroker
