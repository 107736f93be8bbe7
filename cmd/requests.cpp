// stop, down, start and migrate: what is asked of a workload that exists.
#include <iostream>

#include "cmd/commands.hpp"
#include "cmd/errors.hpp"
#include "cmd/launch_plan.hpp"
#include "core/base/text.hpp"
#include "core/broker/broker.hpp"
#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

constexpr int kExitInterrupted = 130;
constexpr Millis kPause{50};
constexpr Millis kSupervise{5'000};
constexpr Millis kSilence{5'000};

struct Wish {
  UserRequest request = {};
  WorkloadState state = {};
  std::string done = {};  // already so: in words
};

bool ends(UserVerb verb) {
  return verb == UserVerb::down || verb == UserVerb::stop;
}

/// In words, when the world is already as asked. Whether the phase allows the request is the broker's affair.
std::string already(const WorkloadState& state, UserVerb verb) {
  const std::string is = state.id.value + " is " + std::string(to_string(state.phase));
  if (verb == UserVerb::down && is_final(state.phase)) { return is + " already"; }
  if (verb == UserVerb::stop && state.phase == Phase::stopped) { return is + " already"; }
  const bool goes_on = !is_final(state.phase) && state.asked_end != UserVerb::stop;
  if (verb == UserVerb::start && goes_on) { return is + "; nothing to start"; }
  return {};
}

/// Nobody needs to agree to what the broker will refuse.
bool will_be_refused(const Wish& wish) {
  if (wish.request.verb == UserVerb::migrate) { return wish.state.phase != Phase::running; }
  return is_final(wish.state.phase);
}

/// Asks before what spends or ends. 0: go on; else leave with this exit code.
Result<int> confirm(const RequestOptions& options, const Wish& wish, Context& context) {
  const std::string& name = wish.state.id.value;
  const UserVerb verb = wish.request.verb;
  std::string question;
  std::string why;
  if (ends(verb)) {
    why = "this ends machines";
    question = (verb == UserVerb::down ? "End " + name + " for good" : "Save " + name + " and stop it") +
               " (" + std::string(to_string(wish.state.phase)) + ", " +
               format_money(wish.state.accrued(context.clock.now())) + " USD so far)?";
  } else {
    TRY(OfferSource* const source, context.offers());
    TRY(const std::vector<Offer> offers, source->offers());
    const Instant now = context.clock.now();
    const std::vector<Judged> judged = verb == UserVerb::migrate
                                           ? judge_move(wish.state, wish.request, offers, now)
                                           : plan_launch(wish.state.task, offers, now);
    if (judged.empty() || !judged.front().why.empty()) {
      const Error error = no_capacity(wish.state.task, judged, "try again later, or another place");
      return show_error(error, options.json, worth_naming(judged));
    }
    why = "this books machines";
    const std::string price = price_tag(judged.front().offer, wish.state.task.num_nodes);
    question = (verb == UserVerb::migrate ? "Move " : "Go on with ") + name + " on " + price + "?";
  }
  if (options.dry_run) {
    std::cerr << "would do: " << question.substr(0, question.size() - 1) << '\n';
    return 0;
  }
  TRY(const bool agreed, agree(context.terminal, options.yes, why, question));
  if (!agreed) {
    std::cerr << "nothing was done\n";
    return kExitInterrupted;
  }
  return 0;
}

bool is_settled(const WorkloadState& state) {
  return (is_final(state.phase) || state.phase == Phase::stopped) && !state.is_live();
}

/// Until the machines are gone. False: interrupted.
Result<bool> wait_until_gone(const RequestOptions& options, Wish& wish, Journal& journal, Context& context) {
  Instant spoke = context.clock.now();
  Instant supervised = spoke;
  while (true) {
    TRY(wish.state, load_state(journal, wish.state.id.value));
    if (is_settled(wish.state)) { return true; }
    if (was_interrupted()) { return false; }
    const Instant now = context.clock.now();
    if (now - spoke >= kSilence) {
      spoke = now;
      std::cerr << wish.state.id.value << ": waiting: " << to_string(wish.state.phase) << " ("
                << plain(wish.state.reason) << ")\n";
    }
    if (!options.no_supervise && now - supervised >= kSupervise) {
      supervised = now;
      TRY([[maybe_unused]] const Ok there, ensure_supervisor(context));
    }
    context.clock.sleep_until(now + kPause);
  }
}

Json wish_json(const RequestOptions& options, const Wish& wish) {
  return {{"workload", wish.state.id.value},
          {"verb", options.verb},
          {"already", !wish.done.empty()},
          {"dry_run", options.dry_run},
          {"phase", to_string(wish.state.phase)},
          {"released", !wish.state.is_live()},
          {"settled_usd", format_money(wish.state.settled())}};
}

Result<std::vector<Wish>> read_wishes(const RequestOptions& options, Journal& journal) {
  UserRequest request{.verb = user_verb_from(options.verb).value_or(UserVerb::stop)};
  if (!options.to.empty()) {
    const std::vector<std::string> parts = split(options.to, '/');
    request.provider = parts[0];
    if (parts.size() > 1) { request.region = parts[1]; }
  }
  std::vector<Wish> wishes;  // all names are looked up before anything is asked
  for (const std::string& name : options.names) {
    TRY(WorkloadState state, load_state(journal, name));
    Wish wish{.request = request, .state = std::move(state)};
    wish.done = already(wish.state, request.verb);
    wishes.push_back(std::move(wish));
  }
  return wishes;
}

/// Asks the person about each wish that is not so already. 0: go on; else leave with this exit code.
Result<int> confirm_all(const RequestOptions& options, const std::vector<Wish>& wishes, Context& context) {
  for (const Wish& wish : wishes) {
    if (!wish.done.empty()) {
      std::cerr << wish.done << '\n';
      continue;
    }
    if (will_be_refused(wish)) { continue; }
    TRY(const int leave, confirm(options, wish, context));
    if (leave != 0) { return leave; }
  }
  return 0;
}

/// Writes the wishes down, and sees that somebody is there to fulfil them.
Status ask_all(const RequestOptions& options, const std::vector<Wish>& wishes, Context& context) {
  for (const Wish& wish : wishes) {
    if (!wish.done.empty()) { continue; }
    TRY(Journal* const journal, context.journal());
    TRY([[maybe_unused]] const Ok asked, ask(*journal, context.clock, wish.state.id.value, wish.request));
    std::cerr << options.verb << " " << wish.state.id.value << ": asked\n";
  }
  return options.no_supervise ? Status(Ok{}) : ensure_supervisor(context);
}

/// 0: the machines are gone, and that is said; else leave with this exit code.
Result<int> see_it_gone(const RequestOptions& options, Wish& wish, Context& context) {
  TRY(Journal* const journal, context.journal());
  TRY(const bool gone, wait_until_gone(options, wish, *journal, context));
  const std::string& name = wish.state.id.value;
  if (!gone) {
    std::cerr << "\n" << name << " is being ended all the same; see `gpubroker status " << name << "`\n";
    return kExitInterrupted;
  }
  std::cerr << name << " " << to_string(wish.state.phase) << ": its machines are gone; cost "
            << format_money(wish.state.settled()) << " USD\n";
  return 0;
}

}  // namespace

Result<int> run_request(const RequestOptions& options, Context& context) {
  TRY(Journal* const reading, context.journal_to_read());
  TRY(std::vector<Wish> wishes, read_wishes(options, *reading));
  TRY(const int leave, confirm_all(options, wishes, context));
  if (leave != 0) { return leave; }
  watch_interrupts(SecondSignal::leaves_at_once);
  if (!options.dry_run) { TRY([[maybe_unused]] const Ok asked, ask_all(options, wishes, context)); }
  Json done = Json::array();
  for (Wish& wish : wishes) {
    if (ends(wish.request.verb) && !options.dry_run && !options.no_wait) {
      TRY(const int interrupted, see_it_gone(options, wish, context));
      if (interrupted != 0) { return interrupted; }
    }
    done.push_back(wish_json(options, wish));
  }
  if (options.json) { std::cout << dump_json({{"schema", 1}, {"requests", std::move(done)}}) << '\n'; }
  return 0;
}

}  // namespace gpubroker
