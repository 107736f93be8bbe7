// What commands ask of the broker: they write into the journal and read it; the loop does the rest.
#include <array>

#include "core/base/text.hpp"
#include "core/broker/broker.hpp"

namespace gpubroker {
namespace {

constexpr std::size_t kReadRows = 10'000;

/// Four letters and digits that are not easily taken for one another.
std::string random_suffix(Random& random) {
  constexpr std::string_view kLetters = "23456789abcdefghjkmnpqrstvwxyz";
  std::string suffix;
  for (int i = 0; i < 4; ++i) { suffix += kLetters[random.next() % kLetters.size()]; }
  return suffix;
}

/// A name that no workload has.
Result<WorkloadId> choose_id(Journal& journal, Random& random, const std::string& name) {
  constexpr int kTries = 100;
  for (int i = 0; i < kTries; ++i) {
    WorkloadId id{name + "-" + random_suffix(random)};
    TRY(const std::optional<WorkloadRow> taken, journal.find_workload(id.value));
    if (!taken) { return id; }
  }
  return Error{.kind = ErrorKind::internal, .message = "no free name for a workload called " + name};
}

Result<WorkloadRow> find_row(Journal& journal, const std::string& name) {
  TRY(const std::optional<WorkloadRow> row, journal.find_workload(name));
  if (row) { return *row; }
  TRY(const std::vector<WorkloadRow> all, journal.workloads(/*only_live=*/false));
  std::vector<std::string> names;
  for (const WorkloadRow& other : all) {
    names.push_back(other.name);
    names.push_back(other.id.value);
  }
  const std::string near = nearest(name, names);
  return Error{.kind = ErrorKind::not_found,
               .message = "no workload is called " + name,
               .hint = near.empty() ? "`gpubroker status` lists them" : "did you mean " + near + "?"};
}

/// Applies what the journal holds of the workload behind what the state has seen.
Status catch_up(Journal& journal, const WorkloadId& id, WorkloadState& state) {
  while (true) {
    TRY(const std::vector<JournalRow> rows, journal.read(id, state.seq, kReadRows));
    for (const JournalRow& row : rows) {
      TRY(const Record record, decode_record(row));
      apply(state, record, row.seq);
    }
    if (rows.size() < kReadRows) { return Ok{}; }
  }
}

Result<WorkloadState> fold(Journal& journal, const WorkloadId& id) {
  WorkloadState state;
  TRY([[maybe_unused]] const Ok read, catch_up(journal, id, state));
  return state;
}

/// Whether the job is on its way to where the request wants it, or there: the command came twice.
bool moves_already(const WorkloadState& state, const UserRequest& request) {
  if (state.migrate && state.migrate->provider == request.provider &&
      state.migrate->region == request.region) {
    return true;
  }
  const Attempt* const attempt = state.current();
  return attempt != nullptr && !request.region.empty() && attempt->offer.key.region == request.region &&
         attempt->offer.key.provider == request.provider;
}

Error refusal(const WorkloadId& id, Phase phase, const std::string& what) {
  return Error{.kind = ErrorKind::invalid,
               .message = id.value + " is " + std::string(to_string(phase)) + "; " + what,
               .hint = "`gpubroker status " + id.value + "` shows how it ended"};
}

constexpr const char* kOnlyRunningMoves = "only a running workload can be moved";
constexpr const char* kOnlyRunningSaves = "only a running workload can save";

/// What is answered when the workload is over, which it is for ever.
Status answer_when_over(const WorkloadId& id, Phase phase, UserVerb verb) {
  switch (verb) {
    case UserVerb::down:
      return Ok{};
    case UserVerb::stop:
      return refusal(id, phase, "there is nothing to stop");
    case UserVerb::start:
      return refusal(id, phase, "launch it again instead");
    case UserVerb::migrate:
      return refusal(id, phase, kOnlyRunningMoves);
    case UserVerb::checkpoint:
      return refusal(id, phase, kOnlyRunningSaves);
  }
  return Ok{};
}

/// Whether the phase, which is not final, allows the request; false when there is nothing to do.
Result<bool> is_needed(const WorkloadState& state, const UserRequest& request) {
  switch (request.verb) {
    case UserVerb::down:
      return true;
    case UserVerb::stop:
      return state.phase != Phase::stopped;
    case UserVerb::start:
      return state.asked_end == UserVerb::stop;
    case UserVerb::migrate:
      if (moves_already(state, request)) { return false; }
      if (state.phase != Phase::running) { return refusal(state.id, state.phase, kOnlyRunningMoves); }
      return true;
    case UserVerb::checkpoint:
      if (state.phase != Phase::running) { return refusal(state.id, state.phase, kOnlyRunningSaves); }
      if (state.task.checkpoint.path.empty()) {
        return refusal(state.id, state.phase, "its task file has no `checkpoint:`");
      }
      return true;
  }
  return true;
}

/// Writes the wish if there is need of it and the state is the newest; else `conflict`, code "moved".
Status write_wish(Journal& journal, Instant now, const WorkloadState& state, UserRequest request) {
  if (is_final(state.phase)) { return answer_when_over(state.id, state.phase, request.verb); }
  TRY(const bool needed, is_needed(state, request));
  if (!needed) { return Ok{}; }
  request.number = request.verb == UserVerb::checkpoint ? state.checkpoints_asked + 1 : 0;
  const Record record{.at = now, .workload = state.id, .body = AskedRecord{.request = request}};
  WorkloadState after = state;
  apply(after, record, state.seq + 1);
  JournalBatch batch{.rows = {encode_record(record)}, .workloads = {project(after)}};
  batch.provided = Unchanged{.workload = state.id, .seq = state.seq};
  TRY([[maybe_unused]] const std::int64_t seq, journal.append(batch, std::nullopt));
  return Ok{};
}

}  // namespace

std::vector<Judged> plan_launch(const Task& task, const std::vector<Offer>& offers, Instant now) {
  return rank_offers(offers, {.any_of = task.needs, .ordered = task.ordered, .nodes = task.num_nodes}, {},
                     now);
}

Money hourly_cost(const Offer& offer, int nodes) {
  const Result<Money> total = cost(offer.price, std::chrono::hours{nodes});
  return total.ok() ? total.value() : Money{std::numeric_limits<std::int64_t>::max()};
}

Result<Accepted> accept(Journal& journal, Clock& clock, Random& random, const Task& task,
                        const LaunchOptions& options,
                        const std::function<Status(const WorkloadId&)>& prepare) {
  if (!options.key.empty()) {
    TRY(const std::optional<WorkloadRow> row, journal.find_workload(options.key));
    if (row && row->key == options.key) { return Accepted{.id = row->id, .already = true}; }
  }
  TRY(const WorkloadId id, choose_id(journal, random, task.name));
  if (prepare) { TRY([[maybe_unused]] const Ok prepared, prepare(id)); }
  WorkloadState state;
  const Record record{
      .at = clock.now(), .workload = id, .body = AcceptedRecord{.task = task, .options = options}};
  apply(state, record, 0);
  const Result<std::int64_t> written = journal.append(
      {.rows = {encode_record(record)}, .workloads = {project(state)}, .charges = {}}, std::nullopt);
  if (!written.ok()) {
    // Another launch with this key was quicker: the workload is its.
    if (written.error().kind == ErrorKind::conflict && written.error().code == "key") {
      TRY(const std::optional<WorkloadRow> row, journal.find_workload(options.key));
      if (row) { return Accepted{.id = row->id, .already = true}; }
    }
    return written.error();
  }
  return Accepted{.id = record.workload, .already = false};
}

Status ask(Journal& journal, Clock& clock, const std::string& workload, const UserRequest& request) {
  TRY(const WorkloadRow row, find_row(journal, workload));
  // A workload that is over may have a long history; its row says enough.
  const std::optional<Phase> phase = phase_from(row.phase);
  if (phase && is_final(*phase)) { return answer_when_over(row.id, *phase, request.verb); }
  // The wish is written only beside what it was thought out from. Otherwise the workload's row would go back
  // to what it was, and one that has just ended would live on for whoever reads that row.
  constexpr int kTries = 100;  // only what is new is read again: milliseconds
  WorkloadState state;
  Status asked = Ok{};
  for (int i = 0; i < kTries; ++i) {
    TRY([[maybe_unused]] const Ok read, catch_up(journal, row.id, state));
    asked = write_wish(journal, clock.now(), state, request);
    if (asked.ok() || asked.error().code != "moved") { break; }
  }
  return asked;
}

Result<WorkloadState> load_state(Journal& journal, const std::string& id_name_or_key) {
  TRY(const WorkloadRow row, find_row(journal, id_name_or_key));
  return fold(journal, row.id);
}

Result<std::map<WorkloadId, WorkloadState>> load_all(Journal& journal, bool only_live) {
  TRY(const std::vector<WorkloadRow> rows, journal.workloads(only_live));
  std::map<WorkloadId, WorkloadState> states;
  for (const WorkloadRow& row : rows) {
    TRY(WorkloadState state, fold(journal, row.id));
    states.emplace(row.id, std::move(state));
  }
  return states;
}

Status rebuild_projections(Journal& journal) {
  std::map<WorkloadId, WorkloadState> states;
  std::int64_t after = 0;
  while (true) {
    TRY(const std::vector<JournalRow> rows, journal.read({}, after, kReadRows));
    for (const JournalRow& row : rows) {
      TRY(const Record record, decode_record(row));
      apply(states[row.workload], record, row.seq);
      after = row.seq;
    }
    if (rows.size() < kReadRows) { break; }
  }
  std::vector<WorkloadRow> workloads;
  std::vector<ChargeRow> charges;
  for (const auto& [id, state] : states) {
    workloads.push_back(project(state));
    charges.insert(charges.end(), state.charges.begin(), state.charges.end());
  }
  return journal.replace_projections(workloads, charges);
}

}  // namespace gpubroker
