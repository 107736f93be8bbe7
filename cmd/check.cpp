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

struct Checked {
  std::string cloud = {};
  AccessReport report = {};
};

Result<std::vector<Cloud*>> choose_clouds(Context& context, const std::vector<std::string>& wanted) {
  std::vector<Cloud*> chosen;
  std::vector<std::string> known;
  for (const std::unique_ptr<Cloud>& cloud : context.clouds()) {
    known.push_back(cloud->name());
    if (wanted.empty() || std::find(wanted.begin(), wanted.end(), cloud->name()) != wanted.end()) {
      chosen.push_back(cloud.get());
    }
  }
  for (const std::string& name : wanted) {
    if (std::find(known.begin(), known.end(), name) != known.end()) { continue; }
    const std::string near = nearest(name, known);
    return Error{.kind = ErrorKind::invalid,
                 .message = "there is no cloud '" + name + "'",
                 .hint = near.empty() ? "known are " + join(known, ", ") : "did you mean " + near + "?"};
  }
  return chosen;
}

/// The permissions of which that is known.
std::string named(const AccessReport& report, Permission::State state) {
  std::vector<std::string> missing;
  for (const Permission& permission : report.permissions) {
    if (permission.state == state) {
      missing.push_back(permission.name +
                        (permission.what_for.empty() ? "" : " (" + permission.what_for + ")"));
    }
  }
  return join(missing, ", ");
}

/// What a person should know beyond the row: a block of lines for each cloud that has something to say.
void print_details(const std::vector<Checked>& checked) {
  for (const Checked& one : checked) {
    const AccessReport& report = one.report;
    const auto line = [&](const std::string& label, const std::string& text) {
      if (!text.empty()) { std::cerr << "  " << one.cloud << ": " << label << plain(text) << '\n'; }
    };
    line("", report.problem);
    line("missing: ", named(report, Permission::State::missing));
    line("not known: ", named(report, Permission::State::unknown));
    for (const std::string& warning : report.warnings) { line("warning: ", warning); }
    if (report.state != AccessReport::State::missing) { line("next: ", report.next); }
  }
}

Json report_object(const Checked& one) {
  Json object = {{"cloud", one.cloud},
                 {"state", to_string(one.report.state)},
                 {"found_in", one.report.found_in.empty() ? Json() : Json(one.report.found_in)},
                 {"identity", one.report.identity.empty() ? Json() : Json(one.report.identity)},
                 {"permissions", Json::array()},
                 {"warnings", one.report.warnings},
                 {"problem", one.report.problem.empty() ? Json() : Json(one.report.problem)},
                 {"next", one.report.next.empty() ? Json() : Json(one.report.next)}};
  for (const Permission& permission : one.report.permissions) {
    object["permissions"].push_back({{"name", permission.name},
                                     {"state", to_string(permission.state)},
                                     {"what_for", permission.what_for}});
  }
  return object;
}

/// 3 when a credential is refused, or a cloud that was named has none; 7 when one could not be asked.
int exit_of(const std::vector<Checked>& checked, bool named) {
  int exit = 0;
  for (const Checked& one : checked) {
    const bool lacking = named && one.report.state == AccessReport::State::missing;
    if (one.report.state == AccessReport::State::refused || lacking) { return exit_code(ErrorKind::auth); }
    if (one.report.state == AccessReport::State::unreachable) { exit = exit_code(ErrorKind::network); }
  }
  return exit;
}

}  // namespace

Result<int> run_check(const CheckCli& options, Context& context) {
  TRY(const Millis timeout, parse_duration(options.timeout, "s"));
  TRY(const std::vector<Cloud*> clouds, choose_clouds(context, options.clouds));
  TRY(Http* const network, context.network.http());
  std::vector<Checked> checked(clouds.size());
  const Validators none;
  if (context.terminal.live) { std::cerr << "asking " << clouds.size() << " clouds …" << std::flush; }
  context.fan_out.run(clouds.size(), clouds.size(), [&](std::size_t i) {
    LimitedHttp limited(*network, context.clock, context.clock.monotonic() + timeout);
    RetryHttp retried(limited, context.clock, context.random, {.most_tries = 3, .total = timeout});
    checked[i] = {
        .cloud = clouds[i]->name(),
        .report = clouds[i]->check(
            {.http = retried, .fan_out = context.fan_out, .clock = context.clock, .validators = none})};
  });
  if (context.terminal.live) { std::cerr << "\r\033[2K" << std::flush; }

  if (options.json) {
    Json root = {{"schema", 1}, {"clouds", Json::array()}};
    for (const Checked& one : checked) { root["clouds"].push_back(report_object(one)); }
    std::cout << dump_json(root) << '\n';
    return exit_of(checked, !options.clouds.empty());
  }
  Table table({"CLOUD", "ACCESS", "FOUND IN", "WHO", "NEXT"});
  for (const Checked& one : checked) {
    std::string state(to_string(one.report.state));
    std::replace(state.begin(), state.end(), '_', ' ');
    table.add({one.cloud, state, one.report.found_in.empty() ? "-" : one.report.found_in,
               one.report.identity.empty() ? "-" : one.report.identity,
               one.report.state == AccessReport::State::missing ? one.report.next : ""});
  }
  std::cout << (context.terminal.table ? table.aligned() : table.tabbed());
  std::cout << std::flush;
  print_details(checked);
  return exit_of(checked, !options.clouds.empty());
}

}  // namespace gpubroker
