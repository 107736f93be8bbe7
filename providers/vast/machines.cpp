#include "providers/vast/machines.hpp"

#include <algorithm>
#include <map>

#include "core/base/text.hpp"
#include "core/ports/machine_tags.hpp"
#include "core/wire/answer_json.hpp"
#include "core/wire/json.hpp"
#include "providers/vast/codec.hpp"

namespace gpubroker::vast {
namespace {

constexpr std::string_view kTagPrefix = "GPUBROKER_TAG_";
constexpr const char* kImage = "vastai/pytorch";
constexpr double kMicros = 1'000'000.0;
constexpr std::size_t kLongestMessage = 200;

/// "8x H100 SXM".
struct TypeName {
  std::int64_t count = 0;
  std::string gpu = {};
};
std::optional<TypeName> parse_type(std::string_view name) {
  const std::size_t x = name.find("x ");
  if (x == std::string_view::npos || x + 2 >= name.size()) { return std::nullopt; }
  const std::optional<std::int64_t> count = parse_int(name.substr(0, x));
  if (!count || *count < 1) { return std::nullopt; }
  return TypeName{.count = *count, .gpu = std::string(name.substr(x + 2))};
}

/// "A100 SXM4" has 40 or 80 GB, and hosts tell a little less than the card's name.
bool is_that_memory(int told_gib, int wanted_gib) {
  constexpr int kEighth = 8;
  return wanted_gib == 0 || std::abs(told_gib - wanted_gib) * kEighth <= wanted_gib;
}

/// Vast keeps no death date: the instance destroys itself with the key that Vast puts into it for that,
/// $CONTAINER_API_KEY (?), and ends its container if that fails.
std::string start_script(const std::string& public_key, Instant expires) {
  constexpr std::int64_t kMsPerSecond = 1'000;
  const std::string date = std::to_string((expires.ms + kMsPerSecond - 1) / kMsPerSecond);
  return "#!/bin/bash\nmkdir -p /root/.ssh\nprintf '%s\\n' '" + public_key +
         "' >> /root/.ssh/authorized_keys\n(\nwhile [ \"$(date +%s)\" -lt " + date +
         " ]; do sleep 10; done\n"
         "curl -fsS -X DELETE -H \"Authorization: Bearer $CONTAINER_API_KEY\" "
         "https://console.vast.ai/api/v0/instances/$CONTAINER_ID/\n"
         "sleep 60\nkill 1\n) </dev/null >/dev/null 2>&1 &\n";
}

std::map<std::string, std::string> read_env(const AnswerValue& row) {
  std::map<std::string, std::string> tags;
  const std::optional<AnswerValue> env = row.find("extra_env");
  if (!env || !env->is_list()) { return tags; }
  for (const AnswerValue& pair : env->list()) {
    const std::vector<AnswerValue> two = pair.list();
    if (two.size() != 2) { continue; }
    const std::string name = two[0].text();
    if (name.rfind(kTagPrefix, 0) == 0) { tags[lower(name.substr(kTagPrefix.size()))] = two[1].text(); }
  }
  return tags;
}

void read_address(const AnswerValue& row, NodeView& view) {
  // public_ipaddr comes with white space behind it.
  const std::string host(trim(row.text_or("public_ipaddr")));
  const std::optional<AnswerValue> ports = row.find("ports");
  const std::optional<AnswerValue> ssh = ports ? ports->find("22/tcp") : std::nullopt;
  if (!host.empty() && ssh && !ssh->list().empty()) {
    view.address.host = host;
    view.address.port = ssh->list().front().at("HostPort").whole<std::uint16_t>();
    return;
  }
  view.address.host = row.text_or("ssh_host");  // Vast's proxy
  view.address.port = row.whole_or("ssh_port", std::uint16_t{0});
}

void end(NodeView& view, std::string reason) {
  view.state = NodeState::ended;
  view.end_reason = std::move(reason);
}

/// Source: the states in the docs of `show instances`.
void read_state(const AnswerValue& row, NodeView& view) {
  const auto is_stopped = [&](const char* field) { return row.text_or(field) == "stopped"; };
  const std::string actual = row.text_or("actual_status");  // null until the host has heard of it
  if (is_stopped("cur_state") && is_stopped("next_state") && is_stopped("intended_status")) {
    // We destroy instances and never stop them.
    return end(view, view.offer.market == Market::spot ? "preempted" : "stopped");
  }
  if (actual == "exited") { return end(view, "the container ended"); }
  const std::string message = row.text_or("status_msg");
  if (actual.empty() || actual == "created" || actual == "loading") {
    if (message.rfind("Error", 0) == 0) { end(view, "host failure: " + message.substr(0, kLongestMessage)); }
    return;
  }
  read_address(row, view);
  if (!view.address.host.empty() && view.address.port != 0) { view.state = NodeState::running; }
}

std::optional<NodeView> read_instance(const AnswerValue& row) {
  std::map<std::string, std::string> tags = read_env(row);
  NodeView view;
  view.offer = {.provider = "vast", .region = tags["region"], .instance_type = tags["type"]};
  if (!read_machine_tags(tags, view)) { return std::nullopt; }
  view.id = {"vast/" + row.at("id").text()};
  if (const auto start = row.find("start_date")) {
    constexpr std::int64_t kMicrosPerMs = 1'000;
    view.created_at = {start->money().micros / kMicrosPerMs};  // seconds with decimals
  }
  if (const auto total = row.find("dph_total")) {
    const Money price = total->money();
    constexpr std::int64_t kMost = 1'000'000'000'000;
    if (price.micros < 0 || price.micros > kMost) { AnswerValue::refuse("the price cannot be"); }
    view.price = Rate{price.micros};
  }
  read_state(row, view);
  return view;
}

}  // namespace

Result<HttpRequest> encode_ask_search(const Offer& offer) {
  const std::optional<TypeName> type = parse_type(offer.key.instance_type);
  const bool spot = offer.key.market == Market::spot;
  if (!type || (!spot && offer.key.market != Market::on_demand)) {
    return Error{.kind = ErrorKind::invalid,
                 .message = "Vast sells no " + format_offer_key(offer.key),
                 .source = "vast",
                 .code = "not sent",
                 .scope = ErrorScope::offer};
  }
  return encode_search(offer.key.market, R"("num_gpus":{"eq":)" + std::to_string(type->count) +
                                             R"(},"gpu_name":{"eq":)" + dump_json(type->gpu) + "}");
}

std::vector<Ask> choose_asks(const std::vector<Listing>& found, const Offer& offer) {
  std::vector<Ask> asks;
  for (const Listing& listing : found) {
    const bool fits = listing.offer.key == offer.key &&
                      is_that_memory(listing.offer.gpu.memory_gib, offer.gpu.memory_gib) &&
                      listing.offer.price <= offer.price && !listing.parts.empty();
    if (!fits) { continue; }
    Ask ask{.id = listing.variant, .price = listing.offer.price};
    if (offer.key.market == Market::spot) {
      const std::int64_t rest =
          listing.offer.price.micros_per_hour - listing.parts.front().rate.micros_per_hour;
      ask.bid = Rate{offer.price.micros_per_hour - rest};
    }
    asks.push_back(std::move(ask));
  }
  std::sort(asks.begin(), asks.end(),
            [](const Ask& a, const Ask& b) { return std::pair(a.price, a.id) < std::pair(b.price, b.id); });
  return asks;
}

HttpRequest encode_rent(const GangRequest& request, int rank, const Ask& ask, const std::string& public_key,
                        const Secret& key) {
  std::map<std::string, std::string> tags = machine_tags(request, rank);
  tags["type"] = request.offer.key.instance_type;
  tags["region"] = request.offer.key.region;
  Json env = Json::object();
  for (const auto& [name, value] : tags) { env[std::string(kTagPrefix) + upper(name)] = value; }
  Json body = {{"image", kImage},
               {"disk", kDiskGb},
               {"label", machine_name(request.token, rank)},
               {"runtype", "ssh_direct"},
               {"env", std::move(env)},
               {"onstart", start_script(public_key, request.tags.expires)},
               {"target_state", "running"},
               {"cancel_unavail", true}};
  if (ask.bid) { body["price"] = static_cast<double>(ask.bid->micros_per_hour) / kMicros; }
  HttpRequest out = encode_post("/v0/asks/" + ask.id + "/", dump_json(body), key);
  out.method = "PUT";
  return out;
}

Result<Rented> parse_rented(const HttpResponse& answer, const std::string& path, Instant now) {
  Rented rented;
  bool success = false;
  std::optional<Error> unread = visit_answer(answer.body, "vast " + path, [&](const AnswerValue& root) {
    success = root.boolean_or("success", false);
    rented.contract = root.text_or("new_contract");
  });
  if (answer.status < 400 && unread) { return *std::move(unread); }
  if (answer.status < 400 && success && !rented.contract.empty()) { return rented; }
  rented.refusal = parse_error(answer, path, now);
  // A server that failed half-way may have done it.
  rented.refusal->maybe_applied = answer.status >= 500;
  return rented;
}

bool is_gone_ask(const Error& refusal) {
  return refusal.code == "no_such_ask" || refusal.code == "invalid_price";
}

HttpRequest encode_delete(const std::string& path, const Secret& key) {
  HttpRequest request = encode_get(path, key);
  request.method = "DELETE";
  request.repeatable = true;
  return request;
}

HttpRequest encode_post(const std::string& path, std::string body, const Secret& key) {
  HttpRequest request = encode_get(path, key);
  request.method = "POST";
  request.headers.emplace_back("Content-Type", "application/json");
  request.body = std::move(body);
  return request;
}

Result<InstancePage> parse_instances(std::string_view body) {
  return read_answer(body, "vast GET /v1/instances/", [](const AnswerValue& root) -> Result<InstancePage> {
    InstancePage page;
    for (const AnswerValue& row : root.at("instances").list()) {
      if (std::optional<NodeView> view = read_instance(row)) { page.ours.push_back(*std::move(view)); }
    }
    page.next_token = root.text_or("next_token");
    return page;
  });
}

std::string encode_ssh_key(const std::string& text) {
  return dump_json({{"ssh_key", text}});
}

std::string ssh_key_text(const std::string& public_key, const Token& token) {
  const std::size_t kind = public_key.find(' ');
  const std::size_t comment = kind == std::string::npos ? kind : public_key.find(' ', kind + 1);
  return public_key.substr(0, comment) + " " + gang_name(token);
}

Result<std::vector<SshKey>> parse_ssh_keys(std::string_view body) {
  return read_answer(body, "vast GET /v0/ssh/", [](const AnswerValue& root) -> Result<std::vector<SshKey>> {
    std::vector<SshKey> keys;
    for (const AnswerValue& row : root.list()) {
      const std::string text(trim(row.at("public_key").text()));
      const std::string name = text.substr(text.rfind(' ') + 1);
      if (name.rfind("gb-", 0) != 0) { continue; }
      keys.push_back({.id = row.at("id").text(), .text = text, .name = name});
    }
    return keys;
  });
}

}  // namespace gpubroker::vast
