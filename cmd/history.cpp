#include <algorithm>
#include <iostream>

#include "cmd/commands.hpp"
#include "cmd/offers_text.hpp"
#include "cmd/plot.hpp"
#include "cmd/wanted.hpp"
#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

/// Per GPU-hour where there is a GPU.
std::optional<Rate> shown_price(const PriceSeries& series, const std::optional<Rate>& price) {
  if (!price) { return price; }
  return price_per_gpu({.gpu = series.gpu, .price = *price});
}

std::vector<PlotLine> plot_lines(const std::vector<PriceSeries>& all) {
  std::vector<PlotLine> lines;
  for (const PriceSeries& series : all) {
    PlotLine line{.name = format_offer_key(series.key)};
    for (const PriceChange& change : series.prices) {
      line.points.push_back({.at = change.at, .price = shown_price(series, change.price)});
    }
    lines.push_back(std::move(line));
  }
  // The cheapest now first; what is no longer sold last.
  std::stable_sort(lines.begin(), lines.end(), [](const PlotLine& a, const PlotLine& b) {
    const auto last = [](const PlotLine& line) {
      return line.points.empty() ? std::nullopt : line.points.back().price;
    };
    if (!last(a) || !last(b)) { return last(a).has_value() && !last(b).has_value(); }
    return *last(a) < *last(b);
  });
  return lines;
}

Json availability_object(const AvailabilityChange& change) {
  return {{"at", format_utc(change.at)}, {"kind", to_string(change.kind)}, {"value", change.value}};
}

Json series_object(const PriceSeries& series) {
  Json object = {{"cloud", series.key.provider},
                 {"region", series.key.region},
                 {"zone", series.key.zone},
                 {"instance_type", series.key.instance_type},
                 {"market", to_string(series.key.market)},
                 {"gpu",
                  {{"model", series.gpu.model},
                   {"form", series.gpu.form},
                   {"memory_gib", series.gpu.memory_gib},
                   {"count", series.gpu.count}}},
                 {"source", series.feed},
                 {"prices", Json::array()},
                 {"availability", Json::array()}};
  for (const PriceChange& change : series.prices) {
    object["prices"].push_back(
        {{"at", format_utc(change.at)},
         {"usd_per_machine_hour",
          change.price ? Json(format_money({change.price->micros_per_hour})) : Json()}});
  }
  for (const AvailabilityChange& change : series.availability) {
    object["availability"].push_back(availability_object(change));
  }
  return object;
}

/// One row per change; `amount` is empty when it is no longer sold.
Table change_table(const std::vector<PriceSeries>& all, Instant now, bool relative) {
  Table table({"OFFER", "GPUS", "SINCE", "$/GPU-H", "$/H", "SOURCE"});
  for (const PriceSeries& series : all) {
    Listing listing;
    listing.offer.gpu = series.gpu;
    for (const PriceChange& change : series.prices) {
      const std::optional<Rate> per_gpu = shown_price(series, change.price);
      table.add({format_offer_key(series.key), gpu_text(listing),
                 relative ? relative_time(change.at, now) : format_utc(change.at),
                 per_gpu ? format_money({per_gpu->micros_per_hour}) : "gone",
                 change.price ? format_money({change.price->micros_per_hour}) : "gone", series.feed});
    }
  }
  return table;
}

}  // namespace

Result<int> run_history(const HistoryCli& options, Context& context) {
  TRY(const OfferQuery query, read_wanted(options.wanted));
  const Instant now = context.clock.now();
  Instant since = now;
  if (const Result<Millis> length = parse_duration(options.since); length.ok()) {
    since = now - length.value();
  } else {
    TRY(since, parse_utc(options.since));
  }
  TRY(CatalogDb* const catalog, context.catalog_to_read());
  TRY(const std::vector<PriceSeries> all, read_history(*catalog, query, since));
  if (all.empty()) {
    return Error{.kind = ErrorKind::not_found,
                 .message = "no price of that is known since " + format_utc(since),
                 .hint = "history grows with each `gpubroker refresh`"};
  }
  const PlotFrame frame{.from = since, .to = now};
  if (!options.html.empty()) {
    const std::string title = "Prices of " + (options.wanted.gpus.empty() ? "all GPUs" : options.wanted.gpus);
    TRY([[maybe_unused]] const Ok written,
        context.files.write_atomic(options.html, plot_html(title, plot_lines(all), frame), 0644,
                                   /*durable=*/false));
    std::cerr << "wrote " << options.html << '\n';
  }
  if (options.json) {
    Json root = {{"schema", 1}, {"since", format_utc(since)}, {"series", Json::array()}};
    for (const PriceSeries& series : all) { root["series"].push_back(series_object(series)); }
    std::cout << dump_json(root) << '\n';
  } else if (options.plot) {
    constexpr std::size_t kHeight = 16;
    std::cout << plot_text(plot_lines(all), frame, terminal_width(), kHeight);
  } else if (options.html.empty()) {
    const Table table = change_table(all, now, context.terminal.table);
    std::cout << (context.terminal.table ? table.aligned() : table.tabbed());
  }
  return 0;
}

}  // namespace gpubroker
