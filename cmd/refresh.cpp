#include "catalog/refresh.hpp"

#include <algorithm>
#include <iostream>

#include "cmd/commands.hpp"
#include "cmd/table.hpp"
#include "core/base/text.hpp"
#include "core/net/limited_http.hpp"
#include "core/net/retry_http.hpp"
#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

/// Retries outside, the limit of time inside: a wait between two tries ends with the time, too.
class NetworkVisit final : public Visit {
 public:
  NetworkVisit(Context& context, Http& network, Millis deadline)
      : limited_(network, context.clock, deadline),
        retried_(limited_, context.clock, context.random, {.total = deadline - context.clock.monotonic()}) {}
  Http& http() override { return retried_; }
  [[nodiscard]] std::int64_t requests() const override { return limited_.requests(); }
  [[nodiscard]] std::int64_t bytes() const override { return limited_.bytes(); }

 private:
  LimitedHttp limited_;
  RetryHttp retried_;
};

/// The feeds that were asked for, by the cloud's name or their own.
Result<std::vector<PriceFeed*>> choose_feeds(Context& context, const std::vector<std::string>& wanted) {
  std::vector<PriceFeed*> feeds;
  std::vector<std::string> known;
  for (const std::unique_ptr<Cloud>& cloud : context.clouds()) {
    known.push_back(cloud->name());
    for (PriceFeed* const feed : cloud->feeds()) {
      known.push_back(feed->name());
      const auto is_wanted = [&](const std::string& name) {
        return name == cloud->name() || name == feed->name();
      };
      if (wanted.empty() || std::any_of(wanted.begin(), wanted.end(), is_wanted)) { feeds.push_back(feed); }
    }
  }
  for (const std::string& name : wanted) {
    if (std::find(known.begin(), known.end(), name) != known.end()) { continue; }
    const std::string near = nearest(name, known);
    return Error{.kind = ErrorKind::invalid,
                 .message = "there is no cloud or source '" + name + "'",
                 .hint = near.empty() ? "`gpubroker check` lists the clouds" : "did you mean " + near + "?"};
  }
  return feeds;
}

std::string size_text(std::int64_t bytes) {
  constexpr std::int64_t kKilo = 1'000;
  if (bytes < kKilo * kKilo) { return std::to_string((bytes + kKilo - 1) / kKilo) + " kB"; }
  return std::to_string(bytes / (kKilo * kKilo)) + " MB";
}

std::string list(const std::vector<std::string>& names, std::size_t most) {
  std::vector<std::string> shown(names.begin(),
                                 names.begin() + static_cast<std::ptrdiff_t>(std::min(most, names.size())));
  if (names.size() > most) { shown.push_back("…"); }
  return join(shown, ", ");
}

/// One line: how far it is and who is awaited.
void show_progress(const std::vector<FeedOutcome>& feeds) {
  std::vector<std::string> running;
  std::size_t done = 0;
  for (const FeedOutcome& feed : feeds) {
    if (feed.state == FeedState::running) { running.push_back(feed.feed); }
    if (feed.state != FeedState::running && feed.state != FeedState::waiting) { ++done; }
  }
  std::string line = std::to_string(done) + " of " + std::to_string(feeds.size()) + " sources";
  if (!running.empty()) { line += ", waiting for " + list(running, 3); }
  const std::size_t width = std::max<std::size_t>(terminal_width(), 20) - 1;
  if (line.size() > width) { line.resize(width); }
  std::cerr << "\r\033[2K" << line << std::flush;
}

std::string note_of(const FeedOutcome& feed) {
  if (feed.state == FeedState::no_credentials) { return feed.error->hint; }
  std::vector<std::string> notes;
  if (feed.error) {
    notes.push_back(feed.error->message);
    if (!feed.error->hint.empty()) { notes.push_back(feed.error->hint); }
  }
  if (feed.report.failed.size() > 1) {
    notes.push_back("and " + std::to_string(feed.report.failed.size() - 1) + " more regions");
  }
  for (const Remark& remark : feed.report.remarks) {
    notes.push_back(std::to_string(remark.count) + " x " + remark.what + " (" + remark.detail + ")");
  }
  return join(notes, "; ");
}

Table feed_table(const std::vector<FeedOutcome>& feeds) {
  Table table({"SOURCE", "STATE", "NEW", "CHANGED", "SAME", "GONE", "DOUBTED", "TOOK", "DATA", "NOTE"});
  for (const FeedOutcome& feed : feeds) {
    const IngestReport& report = feed.report;
    std::string state(to_string(feed.state));
    std::replace(state.begin(), state.end(), '_', ' ');
    table.add({feed.feed, state, std::to_string(report.fresh), std::to_string(report.changed),
               std::to_string(report.same), std::to_string(report.gone), std::to_string(report.quarantined),
               format_duration(feed.took), size_text(feed.bytes), note_of(feed)});
  }
  return table;
}

Json error_object(const Error& error) {
  return {{"kind", to_string(error.kind)},
          {"message", error.message},
          {"hint", error.hint},
          {"source", error.source},
          {"code", error.code}};
}

Json feed_object(const FeedOutcome& feed) {
  Json object = {{"source", feed.feed},
                 {"state", to_string(feed.state)},
                 {"new", feed.report.fresh},
                 {"changed", feed.report.changed},
                 {"same", feed.report.same},
                 {"gone", feed.report.gone},
                 {"quarantined", feed.report.quarantined},
                 {"quarantined_by_rule", feed.report.quarantined_by_rule},
                 {"took_ms", feed.took.count()},
                 {"requests", feed.requests},
                 {"bytes", feed.bytes},
                 {"error", feed.error ? error_object(*feed.error) : Json()},
                 {"failed_regions", Json::array()},
                 {"remarks", Json::array()}};
  for (const auto& [region, error] : feed.report.failed) {
    object["failed_regions"].push_back({{"region", region}, {"error", error_object(error)}});
  }
  for (const Remark& remark : feed.report.remarks) {
    object["remarks"].push_back({{"what", remark.what}, {"example", remark.detail}, {"count", remark.count}});
  }
  return object;
}

bool has_failed(const FeedOutcome& feed) {
  return feed.state == FeedState::failed || feed.state == FeedState::partial;
}

/// What it comes to, in a sentence or two.
std::string summary(const std::vector<FeedOutcome>& feeds) {
  std::vector<std::string> lacking;
  std::size_t good = 0;
  std::size_t failed = 0;
  for (const FeedOutcome& feed : feeds) {
    if (feed.state == FeedState::no_credentials) {
      lacking.push_back(feed.feed);
    } else if (has_failed(feed)) {
      ++failed;
    } else {
      ++good;
    }
  }
  std::string text = std::to_string(good) + (good == 1 ? " source" : " sources") + " refreshed";
  if (failed > 0) { text += ", " + std::to_string(failed) + " failed: what they told before is kept"; }
  text += ".";
  if (!lacking.empty()) {
    text += " " + std::to_string(lacking.size()) + " need credentials (" + list(lacking, 4) +
            "): `gpubroker check` says which and where.";
  }
  return text;
}

Result<std::vector<FeedOutcome>> ask(const std::vector<std::string>& sources, const RefreshOptions& limits,
                                     Context& context) {
  TRY(const std::vector<PriceFeed*> feeds, choose_feeds(context, sources));
  TRY(CatalogDb* const catalog, context.catalog());
  TRY(Http* const network, context.network.http());
  RefreshWorld world{.db = *catalog,
                     .clock = context.clock,
                     .fan_out = context.fan_out,
                     .visit = [&](Millis deadline) -> std::unique_ptr<Visit> {
                       return std::make_unique<NetworkVisit>(context, *network, deadline);
                     }};
  if (context.terminal.live) { world.progress = show_progress; }
  Result<std::vector<FeedOutcome>> done = refresh(world, feeds, limits);
  if (context.terminal.live) { std::cerr << "\r\033[2K" << std::flush; }
  return done;
}

}  // namespace

Status refresh_clouds(const std::vector<std::string>& clouds, Context& context) {
  if (context.terminal.talk) { std::cerr << "asking " << join(clouds, ", ") << " for prices\n"; }
  TRY([[maybe_unused]] const std::vector<FeedOutcome> done, ask(clouds, RefreshOptions{}, context));
  return Ok{};
}

Result<int> run_refresh(const RefreshCli& options, Context& context) {
  RefreshOptions limits{.ingest = {.accept_loss = options.accept_loss}};
  TRY(limits.total, parse_duration(options.timeout, "s"));
  const Result<std::vector<FeedOutcome>> done = ask(options.sources, limits, context);
  if (!done.ok()) { return done.error(); }

  if (options.json) {
    Json root = {{"schema", 1}, {"sources", Json::array()}};
    for (const FeedOutcome& feed : done.value()) { root["sources"].push_back(feed_object(feed)); }
    std::cout << dump_json(root) << '\n';
  } else {
    const Table table = feed_table(done.value());
    std::cout << (context.terminal.table ? table.aligned() : table.tabbed());
    std::cerr << summary(done.value()) << '\n';
  }
  const auto failed = std::find_if(done.value().begin(), done.value().end(), has_failed);
  return failed == done.value().end() ? 0 : exit_code(failed->error->kind);
}

}  // namespace gpubroker
