#include "providers/lambda/provider.hpp"

#include <algorithm>

#include "core/ports/gang_of_singles.hpp"
#include "core/ports/machine_tags.hpp"
#include "core/wire/api_key.hpp"
#include "core/wire/cloud_config.hpp"
#include "providers/lambda/codec.hpp"
#include "providers/lambda/key.hpp"
#include "providers/lambda/machines.hpp"

namespace gpubroker::lambda {
namespace {

constexpr std::size_t kAtOnce = 4;
constexpr std::size_t kPrefixLength = std::string_view("lambda/").size();

class LambdaProvider final : public Provider, Provisioner, SingleMachines, Attachments {
 public:
  explicit LambdaProvider(const CloudParts& parts) : parts_(parts) {}
  [[nodiscard]] std::string name() const override { return "lambda"; }
  [[nodiscard]] bool has_account() override {
    return !find_lambda_key(parts_.files, parts_.processes).key.empty();
  }
  Provisioner& provisioner() override { return *this; }
  NodeChannel& channel() override { return parts_.channel; }
  Attachments* attachments() override { return this; }
  [[nodiscard]] Millis poll_interval() const override { return std::chrono::seconds{2}; }
  [[nodiscard]] Millis list_lag() const override { return kUntoldLag; }
  /// Machines of 8 GPUs take up to half an hour (?).
  [[nodiscard]] Millis boot_limit() const override { return std::chrono::minutes{40}; }
  [[nodiscard]] std::string death_date_gap(const OfferKey& /*offer*/) const override {
    return "powered off, and billed until it is terminated: Lambda ends no machine by itself";
  }

  Result<std::vector<NodeView>> ensure_gang(const GangRequest& request) override {
    TRY([[maybe_unused]] const std::string key, ensure_ssh_key(request));
    Result<std::vector<NodeView>> gang = ensure_singles(*this, parts_.fan_out, request, kAtOnce);
    const bool is_over = gang.ok() || !may_go_on(gang.error());
    // The machines have it by now.
    if (is_over) { static_cast<void>(sweep(request.token, request.offer.key)); }
    return gang;
  }

  Result<std::vector<NodeView>> list() override { return list_machines(); }
  Status terminate(const std::vector<NodeId>& nodes) override { return terminate_machines(nodes); }

  Result<std::vector<NodeView>> list_machines() override {
    TRY(const HttpResponse answer,
        send("/instances", [](const Secret& key) { return encode_get("/instances", key); }));
    TRY(std::vector<NodeView> views, parse_instances(answer.body));
    for (NodeView& view : views) {
      if (view.state != NodeState::running) { continue; }
      TRY(view.address, login_address(parts_.keys, view, kUser));
    }
    return views;
  }

  Result<NodeView> create_machine(const GangRequest& request, int rank) override {
    TRY(const NodeKeys keys, parts_.keys.ensure(request.tags.workload));
    const std::string boot =
        cloud_config({.keys = keys, .now = parts_.clock.now(), .expires = request.tags.expires});
    TRY(const HttpResponse answer, post("/instance-operations/launch", encode_launch(request, rank, boot)));
    TRY(const std::string id, parse_launched(answer.body));
    NodeView view{.id = {"lambda/" + id},
                  .token = request.token,
                  .index = rank,
                  .offer = request.offer.key,
                  .tags = request.tags};
    view.created_at = parts_.clock.now();
    return view;
  }

  Status terminate_machines(const std::vector<NodeId>& nodes) override {
    // One unknown id refuses the whole call: only what is there is asked for.
    TRY(const std::vector<NodeView> there, list_machines());
    std::vector<std::string> ids;
    for (const NodeView& view : there) {
      const bool is_meant = std::find(nodes.begin(), nodes.end(), view.id) != nodes.end();
      if (is_meant && view.state != NodeState::ended) { ids.push_back(view.id.value.substr(kPrefixLength)); }
    }
    if (ids.empty()) { return Ok{}; }
    TRY([[maybe_unused]] const HttpResponse answer,
        post("/instance-operations/terminate", encode_terminate(ids)));
    return Ok{};
  }

  // --- SSH keys: one per gang, for the length of its launch ---

  Result<std::vector<Leftover>> leftovers() override {
    TRY(const HttpResponse answer,
        send("/ssh-keys", [](const Secret& key) { return encode_get("/ssh-keys", key); }));
    TRY(const std::vector<SshKey> keys, parse_ssh_keys(answer.body));
    std::vector<Leftover> found;
    found.reserve(keys.size());
    for (const SshKey& key : keys) {
      found.push_back({.kind = "ssh key", .id = key.id, .token = {key.name}});
    }
    return found;
  }

  Status remove(const std::vector<Leftover>& leftovers) override {
    for (const Leftover& leftover : leftovers) {
      const std::string path = "/ssh-keys/" + leftover.id;
      Result<HttpResponse> answer = send(path, [&](const Secret& key) { return encode_delete(path, key); });
      if (!answer.ok() && answer.error().kind != ErrorKind::not_found) { return answer.error(); }
    }
    return Ok{};
  }

  Status sweep(const Token& token, const OfferKey& /*offer*/) override {
    TRY(std::vector<Leftover> all, leftovers());
    std::erase_if(all, [name = gang_name(token)](const Leftover& one) { return one.token.value != name; });
    return remove(all);
  }

 private:
  Result<std::string> ensure_ssh_key(const GangRequest& request) {
    TRY(const NodeKeys keys, parts_.keys.ensure(request.tags.workload));
    std::string name = gang_name(request.token);
    Result<HttpResponse> answer = post("/ssh-keys", encode_ssh_key(name, keys.public_key));
    const bool is_there = !answer.ok() && answer.error().code == "global/duplicate";
    if (!answer.ok() && !is_there) { return answer.error(); }
    return name;
  }

  Result<HttpResponse> post(std::string_view path, std::string body) {
    return send(path, [&](const Secret& key) { return encode_post(path, std::move(body), key); });
  }

  template <class Encode>
  Result<HttpResponse> send(std::string_view path, Encode encode) {
    const FoundKey found = find_lambda_key(parts_.files, parts_.processes);
    if (found.key.empty()) { return no_credentials("lambda", kNeeds); }
    const HttpRequest request = encode(found.key);
    TRY(HttpResponse answer, parts_.http.send(request));
    if (answer.status < 400) { return answer; }
    Error error = parse_error(answer, request.method + " " + std::string(path), parts_.clock.now());
    // A server that failed half-way may have done it.
    error.maybe_applied = answer.status >= 500 && request.method != "GET";
    return error;
  }

  CloudParts parts_;
};

}  // namespace

std::unique_ptr<Provider> make_provider(const CloudParts& parts) {
  return std::make_unique<LambdaProvider>(parts);
}

}  // namespace gpubroker::lambda
