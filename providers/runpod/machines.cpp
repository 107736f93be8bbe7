#include "providers/runpod/machines.hpp"

#include <map>

#include "core/base/text.hpp"
#include "core/ports/machine_tags.hpp"
#include "core/wire/answer_json.hpp"
#include "core/wire/digest.hpp"
#include "core/wire/json.hpp"
#include "providers/runpod/codec.hpp"

namespace gpubroker::runpod {
namespace {

constexpr std::string_view kTagPrefix = "GPUBROKER_TAG_";
constexpr std::int64_t kDiskGb = 200;  // an image with CUDA is 20, a checkpoint often more
// One of RunPod's own images: its /start.sh starts sshd for $PUBLIC_KEY.
constexpr const char* kImage = "runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404";

/// Puts the host key into place before the image's own start script makes one ("ssh-keygen -A" leaves what is
/// there alone). Double quotes only: RunPod splits the command as a shell does. An image without that script
/// starts its sshd here.
constexpr const char* kStart =
    "bash -c 'umask 077; mkdir -p /etc/ssh /run/sshd /root/.ssh; "
    "printf %s \"$GPUBROKER_HOST_KEY\" | base64 -d > /etc/ssh/ssh_host_ed25519_key; "
    "ssh-keygen -y -f /etc/ssh/ssh_host_ed25519_key > /etc/ssh/ssh_host_ed25519_key.pub; "
    "[ -x /start.sh ] && exec /start.sh; "
    "printf \"%s\\n\" \"$PUBLIC_KEY\" >> /root/.ssh/authorized_keys; /usr/sbin/sshd; exec sleep infinity'";

/// The container disk: 0.10 USD per GB and month while the pod runs, on top of the GPUs' price
/// (docs.runpod.io/get-started/billing-information). A month of 730 hours (?).
Rate disk_rate(std::int64_t gb) {
  constexpr std::int64_t kMicrosPerMonth = 100'000;
  constexpr std::int64_t kHours = 730;
  return {(gb * kMicrosPerMonth + kHours / 2) / kHours};
}

std::optional<Rate> full_price(Money per_hour, std::int64_t disk_gb) {
  constexpr std::int64_t kMost = 1'000'000'000'000;  // a million dollars an hour, a petabyte
  if (per_hour.micros < 0 || per_hour.micros > kMost || disk_gb < 0 || disk_gb > 1'000'000) {
    return std::nullopt;
  }
  return Rate{per_hour.micros + disk_rate(disk_gb).micros_per_hour};
}

Json env_of(const GangRequest& request, int rank, const NodeKeys& keys) {
  std::map<std::string, std::string> tags = machine_tags(request, rank);
  tags["type"] = request.offer.key.instance_type;
  tags["region"] = request.offer.key.region;
  Json env = Json::array();
  const auto add = [&](const std::string& name, const std::string& value) {
    env.push_back({{"key", name}, {"value", value}});
  };
  add("PUBLIC_KEY", keys.public_key);
  add("GPUBROKER_HOST_KEY", to_base64(keys.host_private.reveal()));
  for (const auto& [name, value] : tags) { add(std::string(kTagPrefix) + upper(name), value); }
  return env;
}

/// Dollars per GPU and hour, rounded up: a bid must not fall below what was asked.
double bid_of(const Offer& offer, int count) {
  constexpr double kMicros = 1'000'000.0;
  return static_cast<double>((offer.price.micros_per_hour + count - 1) / count) / kMicros;
}

Error refuse(ErrorKind kind, std::string message) {
  return {.kind = kind,
          .message = std::move(message),
          .source = "runpod",
          .code = "not sent",
          .scope = ErrorScope::offer};
}

/// The first pod in {"data":{"podRentInterruptable":{…}}}.
std::optional<AnswerValue> pod_in(const AnswerValue& root) {
  const std::optional<AnswerValue> data = root.find("data");
  if (!data) { return std::nullopt; }
  for (const char* const name : {"podFindAndDeployOnDemand", "podRentInterruptable"}) {
    if (std::optional<AnswerValue> pod = data->find(name); pod && pod->find("id")) { return pod; }
  }
  return std::nullopt;
}

/// Source: status of Pod, v2 OpenAPI.
void read_state(const AnswerValue& row, NodeView& view) {
  const std::string status = row.at("status").text();
  if (status == "PROVISIONING" || status == "STARTING") { return; }
  if (status != "RUNNING") {
    view.state = NodeState::ended;
    const bool outbid = status == "EXITED" && view.offer.market == Market::spot;
    // We end pods by deleting them: what is stopped was not stopped by us.
    view.end_reason = outbid                   ? "preempted"
                      : status == "TERMINATED" ? "terminated"
                      : status == "EXITED"     ? "the container ended"
                                               : "host failure";
    return;
  }
  const std::optional<AnswerValue> ssh = row.find("ssh");
  const std::optional<AnswerValue> direct = ssh ? ssh->find("direct") : std::nullopt;
  if (!direct) { return; }
  view.state = NodeState::running;
  view.address.host = direct->at("host").text();
  view.address.port = direct->at("port").whole<std::uint16_t>();
}

std::optional<NodeView> read_pod(const AnswerValue& row) {
  const std::optional<AnswerValue> env = row.find("env");
  if (!env || !env->is_object()) { return std::nullopt; }
  std::map<std::string, std::string> tags;
  for (const auto& [name, value] : env->members()) {
    if (name.rfind(kTagPrefix, 0) == 0) { tags[lower(name.substr(kTagPrefix.size()))] = value.text(); }
  }
  NodeView view;
  view.offer = {.provider = "runpod", .region = tags["region"], .instance_type = tags["type"]};
  if (!read_machine_tags(tags, view)) { return std::nullopt; }
  view.id = {"runpod/" + row.at("id").text()};
  if (const auto created = row.find("createdAt")) {
    const Result<Instant> at = parse_utc(created->text());
    if (at.ok()) { view.created_at = at.value(); }
  }
  if (const auto cost = row.find("cost")) {
    view.price = full_price(cost->money(), row.whole_or("disk", kDiskGb));
    if (!view.price) { AnswerValue::refuse("the cost cannot be"); }
  }
  read_state(row, view);
  return view;
}

}  // namespace

std::optional<PodType> parse_pod_type(std::string_view instance_type) {
  const std::size_t x = instance_type.find("x ");
  const std::size_t last = instance_type.rfind(' ');
  if (x == std::string_view::npos || last <= x + 1) { return std::nullopt; }
  const std::optional<std::int64_t> count = parse_int(instance_type.substr(0, x));
  constexpr std::int64_t kMost = 64;
  if (!count || *count < 1 || *count > kMost) { return std::nullopt; }
  return PodType{.count = static_cast<int>(*count),
                 .gpu = std::string(instance_type.substr(x + 2, last - x - 2)),
                 .product = std::string(instance_type.substr(last + 1))};
}

Result<HttpRequest> encode_launch(const GangRequest& request, int rank, const NodeKeys& keys,
                                  const Secret& key) {
  const Offer& offer = request.offer;
  const std::optional<PodType> type = parse_pod_type(offer.key.instance_type);
  const bool spot = offer.key.market == Market::spot;
  if (type && type->product == "cluster") {
    return refuse(ErrorKind::not_found, "RunPod's clusters are not booked by gpubroker, only its pods");
  }
  if (!type || (type->product != "secure" && type->product != "community") ||
      (!spot && offer.key.market != Market::on_demand)) {
    return refuse(ErrorKind::invalid, "RunPod sells no pod " + format_offer_key(offer.key));
  }
  if (spot && offer.price.micros_per_hour <= 0) {
    return refuse(ErrorKind::invalid, "a spot pod needs a bid, and the offer has no price");
  }
  Json input = {{"cloudType", upper(type->product)},
                {"gpuTypeId", type->gpu},
                {"gpuCount", type->count},
                {"name", machine_name(request.token, rank)},
                {"imageName", kImage},
                {"containerDiskInGb", kDiskGb},
                {"volumeInGb", 0},  // what a stopped pod would go on paying for
                {"ports", "22/tcp"},
                {"supportPublicIp", true},
                {"startSsh", true},
                {"dockerArgs", kStart},
                // For spot known from another client's type of the input only (herolib) (?).
                {"terminateAfter", format_utc(request.tags.expires)},
                {"env", env_of(request, rank, keys)}};
  if (offer.key.region != "any") { input["dataCenterId"] = offer.key.region; }
  if (spot) { input["bidPerGpu"] = bid_of(offer, type->count); }
  const std::string name = spot ? "podRentInterruptable" : "podFindAndDeployOnDemand";
  const std::string input_type = spot ? "PodRentInterruptableInput" : "PodFindAndDeployOnDemandInput";
  HttpRequest out;
  out.method = "POST";
  out.url = std::string(kGraphql);
  out.headers = {{"Authorization", "Bearer " + key.reveal()},
                 {"Content-Type", "application/json"},
                 {"Accept", "application/json"}};
  out.body = dump_json({{"query", "mutation($input:" + input_type + "!){" + name +
                                      "(input:$input){id name desiredStatus costPerHr}}"},
                        {"variables", {{"input", std::move(input)}}}});
  return out;
}

HttpRequest encode_delete(const std::string& path, const Secret& key) {
  HttpRequest request = encode_get(path, key);
  request.method = "DELETE";
  request.repeatable = true;
  return request;
}

Result<NodeView> parse_launched(std::string_view body) {
  return read_answer(body, "runpod POST /graphql", [](const AnswerValue& root) -> Result<NodeView> {
    const std::optional<AnswerValue> pod = pod_in(root);
    if (!pod) {
      const auto errors = root.find("errors");
      if (errors && !errors->list().empty()) { return graphql_error(errors->list().front()); }
      return graphql_error(root);  // null without a reason
    }
    NodeView view;
    view.id = {"runpod/" + pod->at("id").text()};
    if (const auto cost = pod->find("costPerHr")) { view.price = full_price(cost->money(), kDiskGb); }
    return view;
  });
}

Result<std::vector<NodeView>> parse_pods(std::string_view body) {
  return read_answer(body, "runpod GET /pods", [](const AnswerValue& root) -> Result<std::vector<NodeView>> {
    for (const auto& [name, value] : root.members()) {
      // The list is documented as whole; a short one would hide machines that cost.
      if (name.rfind("next", 0) == 0 && !value.is_null()) { AnswerValue::refuse("the list has more pages"); }
    }
    std::vector<NodeView> views;
    for (const AnswerValue& row : root.at("pods").list()) {
      if (std::optional<NodeView> view = read_pod(row)) { views.push_back(*std::move(view)); }
    }
    return views;
  });
}

}  // namespace gpubroker::runpod
