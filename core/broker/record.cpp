#include "core/broker/record.hpp"

#include <algorithm>
#include <array>

#include "core/wire/agent_json.hpp"
#include "core/wire/flat_json.hpp"

namespace gpubroker {
namespace {

// --- values: names by the alphabet, see flat_json.hpp ---

void put(FlatWriter& json, const OfferKey& key) {
  json.open()
      .field("market", to_string(key.market))
      .field("provider", key.provider)
      .field("region", key.region)
      .field("type", key.instance_type)
      .field("zone", key.zone)
      .close();
}

OfferKey decode_key(const FlatValue& from) {
  OfferKey key;
  key.market = market_from(from.at("market").text()).value_or(Market::on_demand);
  key.provider = from.at("provider").text();
  key.region = from.at("region").text();
  key.instance_type = from.at("type").text();
  key.zone = from.at("zone").text();
  return key;
}

void put(FlatWriter& json, const Offer& offer) {
  json.open()
      .field("available", offer.available)
      .field("billing_minimum_ms", offer.billing.minimum.count())
      .field("billing_unit_ms", offer.billing.unit.count());
  json.name("gpu")
      .open()
      .field("count", offer.gpu.count)
      .field("form", offer.gpu.form)
      .field("memory_gib", offer.gpu.memory_gib)
      .field("model", offer.gpu.model)
      .close();
  put(json.name("key"), offer.key);
  json.field("learnt_at", offer.learnt_at)
      .field("memory_mib", offer.memory_mib)
      .field("micros_per_hour", offer.price.micros_per_hour)
      .field("source", offer.source)
      .field("vcpus", offer.vcpus)
      .close();
}

Offer decode_offer(const FlatValue& from) {
  Offer offer;
  const FlatValue available = from.at("available");
  if (!available.is_null()) { offer.available = available.whole<int>(); }
  offer.billing.minimum = from.at("billing_minimum_ms").millis();
  offer.billing.unit = from.at("billing_unit_ms").millis();
  const FlatValue gpu = from.at("gpu");
  offer.gpu.count = gpu.at("count").whole<int>();
  offer.gpu.form = gpu.at("form").text();
  offer.gpu.memory_gib = gpu.at("memory_gib").whole<int>();
  offer.gpu.model = gpu.at("model").text();
  offer.key = decode_key(from.at("key"));
  offer.learnt_at = from.at("learnt_at").instant();
  offer.memory_mib = from.at("memory_mib").whole<std::int64_t>();
  offer.price = {from.at("micros_per_hour").whole<std::int64_t>()};
  offer.source = from.at("source").text();
  offer.vcpus = from.at("vcpus").whole<int>();
  return offer;
}

void put(FlatWriter& json, const NodeView& view) {
  json.open();
  json.name("address")
      .open()
      .field("binary", view.address.binary)
      .field("host", view.address.host)
      .field("host_key", view.address.host_key)
      .field("identity", view.address.identity)
      .field("peer_host", view.address.peer_host)
      .field("port", view.address.port)
      .field("root", view.address.root)
      .field("user", view.address.user)
      .close();
  json.field("billed_from", view.billed_from)
      .field("created_at", view.created_at)
      .field("end_reason", view.end_reason)
      .field("ended_at", view.ended_at);
  json.field("env", view.env)
      .field("id", view.id.value)
      .field("index", view.index)
      .field("master_port", view.master_port);
  json.field("notice_until", view.notice_until);
  put(json.name("offer"), view.offer);
  std::optional<std::int64_t> price;
  if (view.price) { price = view.price->micros_per_hour; }
  json.field("price", price).field("state", to_string(view.state));
  json.name("tags")
      .open()
      .field("attempt", view.tags.attempt)
      .field("expires", view.tags.expires)
      .field("key", view.tags.key)
      .field("owner", view.tags.owner)
      .field("workload", view.tags.workload.value)
      .close();
  json.field("token", view.token.value).close();
}

NodeState decode_state(const std::string& name) {
  using enum NodeState;
  for (const NodeState state : {starting, running, stopped, ended}) {
    if (to_string(state) == name) { return state; }
  }
  return ended;
}

NodeView decode_view(const FlatValue& from) {
  NodeView view;
  const FlatValue address = from.at("address");
  view.address.binary = address.at("binary").text();
  view.address.host = address.at("host").text();
  if (address.contains("port")) {  // not in rows of before there were clouds
    view.address.host_key = address.at("host_key").text();
    view.address.identity = address.at("identity").text();
    view.address.peer_host = address.at("peer_host").text();
    view.address.port = address.at("port").whole<int>();
    view.address.user = address.at("user").text();
  }
  view.address.root = address.at("root").text();
  view.billed_from = from.at("billed_from").optional_instant();
  view.created_at = from.at("created_at").instant();
  view.end_reason = from.at("end_reason").text();
  view.ended_at = from.at("ended_at").optional_instant();
  view.env = from.at("env").text_map();
  view.id = {from.at("id").text()};
  // The id is empty until the cloud gives an address: then the whole address is.
  if (!view.address.root.empty()) { view.address.id = view.id; }
  view.index = from.at("index").whole<int>();
  view.master_port = from.at("master_port").whole<int>();
  view.notice_until = from.at("notice_until").optional_instant();
  view.offer = decode_key(from.at("offer"));
  if (from.contains("price") && !from.at("price").is_null()) {
    view.price = Rate{from.at("price").whole<std::int64_t>()};
  }
  view.state = decode_state(from.at("state").text());
  const FlatValue tags = from.at("tags");
  view.tags.attempt = tags.at("attempt").whole<int>();
  view.tags.expires = tags.at("expires").instant();
  view.tags.key = tags.at("key").text();
  view.tags.owner = tags.at("owner").text();
  view.tags.workload = {tags.at("workload").text()};
  view.token = {from.at("token").text()};
  return view;
}

void put(FlatWriter& json, const std::optional<Refusal>& refusal) {
  if (!refusal) {
    json.null();
    return;
  }
  json.open().field("at", refusal->at).field("code", refusal->code);
  put(json.name("key"), refusal->key);
  json.field("kind", to_string(refusal->kind))
      .field("message", refusal->message)
      .field("scope", to_string(refusal->scope))
      .field("until", refusal->until)
      .close();
}

std::optional<Refusal> decode_refusal(const FlatValue& from) {
  if (from.is_null()) { return std::nullopt; }
  return Refusal{.key = decode_key(from.at("key")),
                 .scope = error_scope_from(from.at("scope").text()).value_or(ErrorScope::offer),
                 .kind = error_kind_from(from.at("kind").text()).value_or(ErrorKind::internal),
                 .code = from.at("code").text(),
                 .message = from.at("message").text(),
                 .at = from.at("at").instant(),
                 .until = from.at("until").instant()};
}

void put(FlatWriter& json, const ChargeRow& charge) {
  json.open()
      .field("amount_micros", charge.amount.micros)
      .field("from", charge.from)
      .field("market", charge.market)
      .field("micros_per_hour", charge.rate.micros_per_hour)
      .field("node", charge.node.value)
      .field("owner", charge.owner)
      .field("provider", charge.provider)
      .field("region", charge.region)
      .field("to", charge.to)
      .field("type", charge.instance_type)
      .close();
}

ChargeRow decode_charge(const FlatValue& from, const WorkloadId& workload, int attempt) {
  ChargeRow charge{.workload = workload, .attempt = attempt};
  charge.amount = {from.at("amount_micros").whole<std::int64_t>()};
  charge.from = from.at("from").instant();
  charge.market = from.at("market").text();
  charge.rate = {from.at("micros_per_hour").whole<std::int64_t>()};
  charge.node = {from.at("node").text()};
  charge.owner = from.at("owner").text();
  charge.provider = from.at("provider").text();
  charge.region = from.at("region").text();
  charge.to = from.at("to").instant();
  charge.instance_type = from.at("type").text();
  return charge;
}

void put(FlatWriter& json, const std::optional<Error>& error) {
  if (!error) {
    json.null();
    return;
  }
  json.open()
      .field("code", error->code)
      .field("hint", error->hint)
      .field("kind", to_string(error->kind))
      .field("maybe_applied", error->maybe_applied)
      .field("message", error->message)
      .field("scope", to_string(error->scope))
      .field("source", error->source)
      .close();
}

std::optional<Error> decode_error(const FlatValue& from) {
  if (from.is_null()) { return std::nullopt; }
  return Error{.kind = error_kind_from(from.at("kind").text()).value_or(ErrorKind::internal),
               .message = from.at("message").text(),
               .hint = from.at("hint").text(),
               .source = from.at("source").text(),
               .code = from.at("code").text(),
               .scope = error_scope_from(from.at("scope").text()).value_or(ErrorScope::request),
               .maybe_applied = from.at("maybe_applied").boolean()};
}

// --- bodies ---

struct Encoder {
  JournalRow& row;

  void finish(const char* kind, FlatWriter& json) const {
    json.close();
    row.kind = kind;
    row.body = std::move(json).take();
  }
  void name_token(int attempt, const std::string& action) const {
    row.token = attempt_token(row.workload, attempt).value + "/" + action;
  }

  void operator()(const AcceptedRecord& r) const {
    FlatWriter json;
    json.open()
        .field("archive", r.options.archive)
        .field("key", r.options.key)
        .field("owner", r.options.owner)
        .field("retry_until_up", r.options.retry_until_up);
    json.name("task").raw(encode_task(r.task));
    std::optional<std::int64_t> wait;
    if (r.options.wait) { wait = r.options.wait->count(); }
    json.field("wait_ms", wait);
    finish("accepted", json);
  }
  void operator()(const AskedRecord& r) const {
    FlatWriter json;
    json.open()
        .field("number", r.request.number)
        .field("provider", r.request.provider)
        .field("region", r.request.region)
        .field("verb", to_string(r.request.verb));
    finish("asked", json);
  }
  void operator()(const PhaseRecord& r) const {
    FlatWriter json;
    json.open().field("exit", r.exit).field("reason", r.reason).field("to", to_string(r.to));
    finish("phase", json);
  }
  void operator()(const WaitRecord& r) const {
    FlatWriter json;
    json.open().field("reason", r.reason).field("until", r.until);
    finish("wait", json);
  }
  void operator()(const IntentRecord& r) const {
    FlatWriter json;
    json.open().field("action", r.action).field("attempt", r.attempt);
    if (r.action == "create") {
      json.field("expires", r.expires).field("migration", r.migration);
      put(json.name("offer"), r.offer);
    }
    name_token(r.attempt, r.action);
    finish("intent", json);
  }
  void operator()(const OutcomeRecord& r) const {
    FlatWriter json;
    json.open().field("action", r.action).field("attempt", r.attempt);
    if (!r.charges.empty()) {
      json.name("charges").open_list();
      for (const ChargeRow& charge : r.charges) { put(json, charge); }
      json.close_list();
    }
    if (r.action == "find") {
      std::optional<std::string> checkpoint;
      if (r.checkpoint) { checkpoint = r.checkpoint->value; }
      json.field("checkpoint", checkpoint);
    }
    put(json.name("error"), r.error);
    if (r.error) { json.field("final", r.is_final); }
    if (r.action == "create") {
      json.name("nodes").open_list();
      for (const NodeView& view : r.nodes) { put(json, view); }
      json.close_list();
    }
    if (r.error) {
      put(json.name("refusal"), r.refusal);
      json.field("retry_in_ms", r.retry_in.count());
    }
    if (r.action == "find") { json.field("step", r.step); }
    name_token(r.attempt, r.action);
    finish("outcome", json);
  }
  void operator()(const NodeSeenRecord& r) const {
    FlatWriter json;
    json.open().field("attempt", r.attempt);
    put(json.name("view"), r.view);
    finish("node", json);
  }
  void operator()(const AgentSeenRecord& r) const {
    FlatWriter json;
    json.open().field("attempt", r.attempt).field("rank", r.rank);
    json.name("report");
    write_agent_report(json, r.report);
    finish("agent", json);
  }
  void operator()(const AttemptRecord& r) const {
    FlatWriter json;
    json.open().field("attempt", r.attempt).field("reason", r.reason);
    put(json.name("refusal"), r.refusal);
    json.field("what", static_cast<int>(r.what)).field("why", to_string(r.why));
    finish("attempt", json);
  }
  void operator()(const MigrateGivenUpRecord& r) const {
    FlatWriter json;
    json.open().field("reason", r.reason);
    finish("migrate_given_up", json);
  }
};

AttemptEnd decode_end(const std::string& name) {
  for (int i = 0; i <= static_cast<int>(AttemptEnd::ended_by_us); ++i) {
    const AttemptEnd end = static_cast<AttemptEnd>(i);
    if (to_string(end) == name) { return end; }
  }
  return AttemptEnd::none;
}

Result<AcceptedRecord> decode_accepted(const FlatValue& body) {
  TRY(Task task, read_task(body.at("task")));
  LaunchOptions options{.key = body.at("key").text(),
                        .owner = body.at("owner").text(),
                        .retry_until_up = body.at("retry_until_up").boolean(),
                        .archive = body.at("archive").text()};
  const FlatValue wait = body.at("wait_ms");
  if (!wait.is_null()) { options.wait = Millis{wait.whole<std::int64_t>()}; }
  return AcceptedRecord{.task = std::move(task), .options = std::move(options)};
}

IntentRecord decode_intent(const FlatValue& body) {
  IntentRecord intent{.attempt = body.at("attempt").whole<int>(), .action = body.at("action").text()};
  if (body.contains("offer")) {
    intent.offer = decode_offer(body.at("offer"));
    intent.migration = body.at("migration").boolean();
    intent.expires = body.at("expires").instant();
  }
  return intent;
}

OutcomeRecord decode_outcome(const FlatValue& body, const WorkloadId& workload) {
  OutcomeRecord outcome{.attempt = body.at("attempt").whole<int>(),
                        .action = body.at("action").text(),
                        .error = decode_error(body.at("error"))};
  if (outcome.error) {
    outcome.retry_in = body.at("retry_in_ms").millis();
    outcome.is_final = body.at("final").boolean();
    outcome.refusal = decode_refusal(body.at("refusal"));
  }
  if (body.contains("nodes")) {
    for (const FlatValue& view : body.at("nodes").list()) { outcome.nodes.push_back(decode_view(view)); }
  }
  if (body.contains("checkpoint")) {
    const FlatValue checkpoint = body.at("checkpoint");
    if (!checkpoint.is_null()) { outcome.checkpoint = CheckpointId{checkpoint.text()}; }
    outcome.step = body.at("step").whole<std::int64_t>();
  }
  if (body.contains("charges")) {
    for (const FlatValue& charge : body.at("charges").list()) {
      outcome.charges.push_back(decode_charge(charge, workload, outcome.attempt));
    }
  }
  return outcome;
}

/// Puts the values where they stay: most rows hold a machine or a report, and are big.
Status decode_body(const JournalRow& row, const FlatValue& body, RecordBody& into) {
  if (row.kind == "agent") {
    AgentSeenRecord& seen = into.emplace<AgentSeenRecord>();
    seen.attempt = body.at("attempt").whole<int>();
    seen.rank = body.at("rank").whole<int>();
    TRY(seen.report, read_agent_report(body.at("report")));
  } else if (row.kind == "node") {
    NodeSeenRecord& seen = into.emplace<NodeSeenRecord>();
    seen.attempt = body.at("attempt").whole<int>();
    seen.view = decode_view(body.at("view"));
  } else if (row.kind == "intent") {
    into = decode_intent(body);
  } else if (row.kind == "outcome") {
    into = decode_outcome(body, row.workload);
  } else if (row.kind == "accepted") {
    TRY(into, decode_accepted(body));
  } else if (row.kind == "asked") {
    into = AskedRecord{{.verb = user_verb_from(body.at("verb").text()).value_or(UserVerb::stop),
                        .provider = body.at("provider").text(),
                        .region = body.at("region").text(),
                        .number = body.at("number").whole<int>()}};
  } else if (row.kind == "phase") {
    into = PhaseRecord{.to = phase_from(body.at("to").text()).value_or(Phase::queued),
                       .reason = body.at("reason").text(),
                       .exit = body.at("exit").whole<int>()};
  } else if (row.kind == "wait") {
    into = WaitRecord{body.at("until").instant(), body.at("reason").text()};
  } else if (row.kind == "attempt") {
    const int what =
        std::clamp(body.at("what").whole<int>(), 0, static_cast<int>(AttemptRecord::What::resolved));
    into = AttemptRecord{.what = static_cast<AttemptRecord::What>(what),
                         .attempt = body.at("attempt").whole<int>(),
                         .why = decode_end(body.at("why").text()),
                         .reason = body.at("reason").text(),
                         .refusal = decode_refusal(body.at("refusal"))};
  } else if (row.kind == "migrate_given_up") {
    into = MigrateGivenUpRecord{body.at("reason").text()};
  } else {
    return Error{.kind = ErrorKind::internal, .message = "no record is called " + row.kind};
  }
  return Ok{};
}

}  // namespace

JournalRow encode_record(const Record& record) {
  JournalRow row;
  row.at = record.at;
  row.workload = record.workload;
  std::visit(Encoder{row}, record.body);
  return row;
}

Result<Record> decode_record(const JournalRow& row) {
  // Any small body, until the row says which it is.
  Result<Record> record = Record{.at = row.at, .workload = row.workload, .body = MigrateGivenUpRecord{}};
  Status read = read_flat(row.body, {},
                          [&](const FlatValue& json) { return decode_body(row, json, record.value().body); });
  if (!read.ok()) {
    Error error = std::move(read).error();
    error.source = "journal row " + std::to_string(row.seq);
    return error;
  }
  return record;
}

}  // namespace gpubroker
