#include "core/broker/record.hpp"

#include <array>

#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

// --- values ---

Json instant_or_null(const std::optional<Instant>& at) {
  return at ? Json(at->ms) : Json(nullptr);
}

std::optional<Instant> optional_instant(const Json& from, const char* name) {
  const Json& value = from.at(name);
  if (value.is_null()) { return std::nullopt; }
  return Instant{value.get<std::int64_t>()};
}

Json encode(const OfferKey& key) {
  return {{"provider", key.provider},
          {"region", key.region},
          {"zone", key.zone},
          {"type", key.instance_type},
          {"market", to_string(key.market)}};
}

OfferKey decode_key(const Json& from) {
  return {.provider = from.at("provider"),
          .region = from.at("region"),
          .zone = from.at("zone"),
          .instance_type = from.at("type"),
          .market = market_from(from.at("market").get<std::string>()).value_or(Market::on_demand)};
}

Json encode(const Offer& offer) {
  return {{"key", encode(offer.key)},
          {"gpu",
           {{"model", offer.gpu.model},
            {"form", offer.gpu.form},
            {"memory_gib", offer.gpu.memory_gib},
            {"count", offer.gpu.count}}},
          {"vcpus", offer.vcpus},
          {"memory_mib", offer.memory_mib},
          {"micros_per_hour", offer.price.micros_per_hour},
          {"available", offer.available ? Json(*offer.available) : Json(nullptr)},
          {"billing_unit_ms", offer.billing.unit.count()},
          {"billing_minimum_ms", offer.billing.minimum.count()},
          {"learnt_at", offer.learnt_at.ms},
          {"source", offer.source}};
}

Offer decode_offer(const Json& from) {
  Offer offer;
  offer.key = decode_key(from.at("key"));
  const Json& gpu = from.at("gpu");
  offer.gpu = {.model = gpu.at("model"),
               .form = gpu.at("form"),
               .memory_gib = gpu.at("memory_gib"),
               .count = gpu.at("count")};
  offer.vcpus = from.at("vcpus");
  offer.memory_mib = from.at("memory_mib");
  offer.price = {from.at("micros_per_hour")};
  if (!from.at("available").is_null()) { offer.available = from.at("available").get<int>(); }
  offer.billing = {.unit = Millis{from.at("billing_unit_ms").get<std::int64_t>()},
                   .minimum = Millis{from.at("billing_minimum_ms").get<std::int64_t>()}};
  offer.learnt_at = {from.at("learnt_at")};
  offer.source = from.at("source");
  return offer;
}

Json encode(const NodeView& view) {
  return {{"id", view.id.value},
          {"token", view.token.value},
          {"index", view.index},
          {"offer", encode(view.offer)},
          {"tags",
           {{"workload", view.tags.workload.value},
            {"attempt", view.tags.attempt},
            {"key", view.tags.key},
            {"owner", view.tags.owner},
            {"expires", view.tags.expires.ms}}},
          {"state", to_string(view.state)},
          {"address",
           {{"host", view.address.host}, {"root", view.address.root}, {"binary", view.address.binary}}},
          {"env", view.env},
          {"master_port", view.master_port},
          {"created_at", view.created_at.ms},
          {"billed_from", instant_or_null(view.billed_from)},
          {"ended_at", instant_or_null(view.ended_at)},
          {"notice_until", instant_or_null(view.notice_until)},
          {"end_reason", view.end_reason}};
}

NodeState decode_state(const std::string& name) {
  using enum NodeState;
  for (const NodeState state : {starting, running, stopped, ended}) {
    if (to_string(state) == name) { return state; }
  }
  return ended;
}

NodeView decode_view(const Json& from) {
  NodeView view;
  view.id = {from.at("id")};
  view.token = {from.at("token")};
  view.index = from.at("index");
  view.offer = decode_key(from.at("offer"));
  const Json& tags = from.at("tags");
  view.tags = {.workload = {tags.at("workload")},
               .attempt = tags.at("attempt"),
               .key = tags.at("key"),
               .owner = tags.at("owner"),
               .expires = {tags.at("expires")}};
  view.state = decode_state(from.at("state"));
  const Json& address = from.at("address");
  // The id is empty until the cloud gives an address: then the whole address is.
  view.address = {.id = address.at("root").get<std::string>().empty() ? NodeId{} : view.id,
                  .host = address.at("host"),
                  .root = address.at("root"),
                  .binary = address.at("binary")};
  view.env = from.at("env").get<std::map<std::string, std::string>>();
  view.master_port = from.at("master_port");
  view.created_at = {from.at("created_at")};
  view.billed_from = optional_instant(from, "billed_from");
  view.ended_at = optional_instant(from, "ended_at");
  view.notice_until = optional_instant(from, "notice_until");
  view.end_reason = from.at("end_reason");
  return view;
}

Json encode(const Refusal& refusal) {
  return {{"key", encode(refusal.key)},      {"scope", to_string(refusal.scope)},
          {"kind", to_string(refusal.kind)}, {"code", refusal.code},
          {"message", refusal.message},      {"at", refusal.at.ms},
          {"until", refusal.until.ms}};
}

std::optional<Refusal> decode_refusal(const Json& from) {
  if (from.is_null()) { return std::nullopt; }
  return Refusal{.key = decode_key(from.at("key")),
                 .scope = error_scope_from(from.at("scope").get<std::string>()).value_or(ErrorScope::offer),
                 .kind = error_kind_from(from.at("kind").get<std::string>()).value_or(ErrorKind::internal),
                 .code = from.at("code"),
                 .message = from.at("message"),
                 .at = {from.at("at")},
                 .until = {from.at("until")}};
}

Json encode(const ChargeRow& charge) {
  return {{"node", charge.node.value},
          {"provider", charge.provider},
          {"region", charge.region},
          {"type", charge.instance_type},
          {"market", charge.market},
          {"owner", charge.owner},
          {"from", charge.from.ms},
          {"to", charge.to.ms},
          {"micros_per_hour", charge.rate.micros_per_hour},
          {"amount_micros", charge.amount.micros}};
}

ChargeRow decode_charge(const Json& from, const WorkloadId& workload, int attempt) {
  return {.workload = workload,
          .attempt = attempt,
          .node = {from.at("node")},
          .provider = from.at("provider"),
          .region = from.at("region"),
          .instance_type = from.at("type"),
          .market = from.at("market"),
          .owner = from.at("owner"),
          .from = {from.at("from")},
          .to = {from.at("to")},
          .rate = {from.at("micros_per_hour")},
          .amount = {from.at("amount_micros")}};
}

Json encode(const std::optional<Error>& error) {
  if (!error) { return nullptr; }
  return {{"kind", to_string(error->kind)},
          {"message", error->message},
          {"hint", error->hint},
          {"source", error->source},
          {"code", error->code},
          {"scope", to_string(error->scope)},
          {"maybe_applied", error->maybe_applied}};
}

std::optional<Error> decode_error(const Json& from) {
  if (from.is_null()) { return std::nullopt; }
  return Error{.kind = error_kind_from(from.at("kind").get<std::string>()).value_or(ErrorKind::internal),
               .message = from.at("message"),
               .hint = from.at("hint"),
               .source = from.at("source"),
               .code = from.at("code"),
               .scope = error_scope_from(from.at("scope").get<std::string>()).value_or(ErrorScope::request),
               .maybe_applied = from.at("maybe_applied")};
}

// --- bodies ---

struct Encoder {
  JournalRow& row;

  void put(const char* kind, const Json& body) const {
    row.kind = kind;
    row.body = dump_json(body);
  }
  void name_token(int attempt, const std::string& action) const {
    row.token = attempt_token(row.workload, attempt).value + "/" + action;
  }

  void operator()(const AcceptedRecord& r) const {
    put("accepted", {{"task", Json::parse(encode_task(r.task))},
                     {"key", r.options.key},
                     {"owner", r.options.owner},
                     {"retry_until_up", r.options.retry_until_up},
                     {"wait_ms", r.options.wait ? Json(r.options.wait->count()) : Json(nullptr)},
                     {"archive", r.options.archive}});
  }
  void operator()(const AskedRecord& r) const {
    put("asked", {{"verb", to_string(r.request.verb)},
                  {"provider", r.request.provider},
                  {"region", r.request.region},
                  {"number", r.request.number}});
  }
  void operator()(const PhaseRecord& r) const {
    put("phase", {{"to", to_string(r.to)}, {"reason", r.reason}, {"exit", r.exit}});
  }
  void operator()(const WaitRecord& r) const { put("wait", {{"until", r.until.ms}, {"reason", r.reason}}); }
  void operator()(const IntentRecord& r) const {
    Json body = {{"attempt", r.attempt}, {"action", r.action}};
    if (r.action == "create") {
      body["offer"] = encode(r.offer);
      body["migration"] = r.migration;
      body["expires"] = r.expires.ms;
    }
    name_token(r.attempt, r.action);
    put("intent", body);
  }
  void operator()(const OutcomeRecord& r) const {
    Json body = {{"attempt", r.attempt}, {"action", r.action}, {"error", encode(r.error)}};
    if (r.error) {
      body["retry_in_ms"] = r.retry_in.count();
      body["final"] = r.is_final;
      body["refusal"] = r.refusal ? encode(*r.refusal) : Json(nullptr);
    }
    if (r.action == "create") {
      body["nodes"] = Json::array();
      for (const NodeView& view : r.nodes) { body["nodes"].push_back(encode(view)); }
    }
    if (r.action == "find") {
      body["checkpoint"] = r.checkpoint ? Json(r.checkpoint->value) : Json(nullptr);
      body["step"] = r.step;
    }
    if (!r.charges.empty()) {
      body["charges"] = Json::array();
      for (const ChargeRow& charge : r.charges) { body["charges"].push_back(encode(charge)); }
    }
    name_token(r.attempt, r.action);
    put("outcome", body);
  }
  void operator()(const NodeSeenRecord& r) const {
    put("node", {{"attempt", r.attempt}, {"view", encode(r.view)}});
  }
  void operator()(const AgentSeenRecord& r) const {
    put("agent",
        {{"attempt", r.attempt}, {"rank", r.rank}, {"report", Json::parse(encode_agent_report(r.report))}});
  }
  void operator()(const AttemptRecord& r) const {
    put("attempt", {{"attempt", r.attempt},
                    {"what", static_cast<int>(r.what)},
                    {"why", to_string(r.why)},
                    {"reason", r.reason},
                    {"refusal", r.refusal ? encode(*r.refusal) : Json(nullptr)}});
  }
  void operator()(const MigrateGivenUpRecord& r) const { put("migrate_given_up", {{"reason", r.reason}}); }
};

AttemptEnd decode_end(const std::string& name) {
  for (int i = 0; i <= static_cast<int>(AttemptEnd::ended_by_us); ++i) {
    const AttemptEnd end = static_cast<AttemptEnd>(i);
    if (to_string(end) == name) { return end; }
  }
  return AttemptEnd::none;
}

Result<RecordBody> decode_accepted(const Json& body) {
  TRY(Task task, decode_task(body.at("task").dump()));
  LaunchOptions options{.key = body.at("key"),
                        .owner = body.at("owner"),
                        .retry_until_up = body.at("retry_until_up"),
                        .archive = body.at("archive")};
  if (!body.at("wait_ms").is_null()) { options.wait = Millis{body.at("wait_ms").get<std::int64_t>()}; }
  return RecordBody{AcceptedRecord{.task = std::move(task), .options = std::move(options)}};
}

RecordBody decode_intent(const Json& body) {
  IntentRecord intent{.attempt = body.at("attempt"), .action = body.at("action")};
  if (body.contains("offer")) {
    intent.offer = decode_offer(body.at("offer"));
    intent.migration = body.at("migration");
    intent.expires = {body.at("expires")};
  }
  return intent;
}

RecordBody decode_outcome(const Json& body, const WorkloadId& workload) {
  OutcomeRecord outcome{
      .attempt = body.at("attempt"), .action = body.at("action"), .error = decode_error(body.at("error"))};
  if (outcome.error) {
    outcome.retry_in = Millis{body.at("retry_in_ms").get<std::int64_t>()};
    outcome.is_final = body.at("final");
    outcome.refusal = decode_refusal(body.at("refusal"));
  }
  if (body.contains("nodes")) {
    for (const Json& view : body.at("nodes")) { outcome.nodes.push_back(decode_view(view)); }
  }
  if (body.contains("checkpoint")) {
    if (!body.at("checkpoint").is_null()) { outcome.checkpoint = CheckpointId{body.at("checkpoint")}; }
    outcome.step = body.at("step");
  }
  if (body.contains("charges")) {
    for (const Json& charge : body.at("charges")) {
      outcome.charges.push_back(decode_charge(charge, workload, outcome.attempt));
    }
  }
  return outcome;
}

Result<RecordBody> decode_body(const JournalRow& row, const Json& body) {
  if (row.kind == "accepted") { return decode_accepted(body); }
  if (row.kind == "asked") {
    return RecordBody{
        AskedRecord{{.verb = user_verb_from(body.at("verb").get<std::string>()).value_or(UserVerb::stop),
                     .provider = body.at("provider"),
                     .region = body.at("region"),
                     .number = body.at("number")}}};
  }
  if (row.kind == "phase") {
    return RecordBody{PhaseRecord{.to = phase_from(body.at("to").get<std::string>()).value_or(Phase::queued),
                                  .reason = body.at("reason"),
                                  .exit = body.at("exit")}};
  }
  if (row.kind == "wait") { return RecordBody{WaitRecord{{body.at("until")}, body.at("reason")}}; }
  if (row.kind == "intent") { return decode_intent(body); }
  if (row.kind == "outcome") { return decode_outcome(body, row.workload); }
  if (row.kind == "node") {
    return RecordBody{NodeSeenRecord{.attempt = body.at("attempt"), .view = decode_view(body.at("view"))}};
  }
  if (row.kind == "agent") {
    TRY(AgentReport report, parse_agent_report(body.at("report").dump()));
    return RecordBody{
        AgentSeenRecord{.attempt = body.at("attempt"), .rank = body.at("rank"), .report = std::move(report)}};
  }
  if (row.kind == "attempt") {
    const int what =
        std::clamp(body.at("what").get<int>(), 0, static_cast<int>(AttemptRecord::What::resolved));
    return RecordBody{AttemptRecord{.what = static_cast<AttemptRecord::What>(what),
                                    .attempt = body.at("attempt"),
                                    .why = decode_end(body.at("why")),
                                    .reason = body.at("reason"),
                                    .refusal = decode_refusal(body.at("refusal"))}};
  }
  if (row.kind == "migrate_given_up") { return RecordBody{MigrateGivenUpRecord{body.at("reason")}}; }
  return Error{.kind = ErrorKind::internal, .message = "no record is called " + row.kind};
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
  const std::string source = "journal row " + std::to_string(row.seq);
  Result<RecordBody> body =
      read_json(row.body, source, [&](const Json& json) { return decode_body(row, json); });
  if (!body.ok()) {
    Error error = body.error();
    error.source = source;
    return error;
  }
  return Record{.at = row.at, .workload = row.workload, .body = std::move(body).value()};
}

}  // namespace gpubroker
