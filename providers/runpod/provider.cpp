#include "providers/runpod/provider.hpp"

#include <algorithm>

#include "core/ports/departed_machines.hpp"
#include "core/ports/gang_of_singles.hpp"
#include "providers/runpod/key.hpp"
#include "providers/runpod/machines.hpp"

namespace gpubroker::runpod {
namespace {

constexpr std::size_t kAtOnce = 4;

std::string path_of(const NodeId& id) {
  constexpr std::size_t kPrefixLength = std::string_view("runpod/").size();
  return "/pods/" + id.value.substr(kPrefixLength);
}

class RunPodProvider final : public Provider, Provisioner, SingleMachines, Attachments {
 public:
  explicit RunPodProvider(const CloudParts& parts) : parts_(parts) {}
  [[nodiscard]] std::string name() const override { return "runpod"; }
  [[nodiscard]] bool has_account() override {
    return !find_runpod_key(parts_.files, parts_.processes).key.empty();
  }
  Provisioner& provisioner() override { return *this; }
  NodeChannel& channel() override { return parts_.channel; }
  Attachments* attachments() override { return this; }
  /// 60 calls a minute are allowed.
  [[nodiscard]] Millis poll_interval() const override { return std::chrono::seconds{3}; }
  [[nodiscard]] Millis list_lag() const override { return kUntoldLag; }

  Result<std::vector<NodeView>> ensure_gang(const GangRequest& request) override {
    return ensure_singles(*this, parts_.fan_out, request, kAtOnce);
  }
  Result<std::vector<NodeView>> list() override { return list_machines(); }
  Status terminate(const std::vector<NodeId>& nodes) override { return terminate_machines(nodes); }

  Result<std::vector<NodeView>> list_machines() override {
    TRY(std::vector<NodeView> views, list_pods());
    for (NodeView& view : views) {
      if (view.state != NodeState::running) { continue; }
      TRY(view.address, login_address(parts_.keys, view, kUser));
    }
    departed_.add_to(views, parts_.clock.monotonic());
    return views;
  }

  Result<NodeView> create_machine(const GangRequest& request, int rank) override {
    TRY(const NodeKeys keys, parts_.keys.ensure(request.tags.workload));
    TRY(const Secret key, find_secret());
    TRY(const HttpRequest question, encode_launch(request, rank, keys, key));
    TRY(const HttpResponse answer, send(question, "/graphql"));
    TRY(NodeView view, parse_launched(answer.body));
    view.token = request.token;
    view.index = rank;
    view.offer = request.offer.key;
    view.tags = request.tags;
    view.created_at = parts_.clock.now();
    return view;
  }

  Status terminate_machines(const std::vector<NodeId>& nodes) override {
    TRY(std::vector<NodeView> there, list_pods());
    std::erase_if(there, [&](const NodeView& view) {
      return std::find(nodes.begin(), nodes.end(), view.id) == nodes.end();
    });
    return delete_pods(there);
  }

  // --- Pods that stopped by themselves: they lie there until they are deleted ---

  Result<std::vector<Leftover>> leftovers() override {
    TRY(const std::vector<NodeView> stopped, list_stopped());
    std::vector<Leftover> found;
    found.reserve(stopped.size());
    for (const NodeView& view : stopped) {
      found.push_back({.kind = "stopped pod",
                       .id = view.id.value,
                       .region = view.offer.region,
                       .token = view.token,
                       .costs = true});
    }
    return found;
  }

  Status remove(const std::vector<Leftover>& leftovers) override {
    TRY(std::vector<NodeView> stopped, list_stopped());
    std::erase_if(stopped, [&](const NodeView& view) {
      return std::none_of(leftovers.begin(), leftovers.end(),
                          [&](const Leftover& one) { return one.id == view.id.value; });
    });
    return delete_pods(stopped);
  }

  Status sweep(const Token& token, const OfferKey& /*offer*/) override {
    TRY(std::vector<NodeView> stopped, list_stopped());
    std::erase_if(stopped, [&](const NodeView& view) { return view.token != token; });
    return delete_pods(stopped);
  }

 private:
  Result<std::vector<NodeView>> list_pods() {
    TRY(const Secret key, find_secret());
    TRY(const HttpResponse answer, send(encode_get("/pods", key), "/pods"));
    return parse_pods(answer.body);
  }

  Result<std::vector<NodeView>> list_stopped() {
    TRY(std::vector<NodeView> views, list_pods());
    std::erase_if(views, [](const NodeView& view) { return view.state != NodeState::ended; });
    return views;
  }

  Status delete_pods(const std::vector<NodeView>& pods) {
    return run_all(parts_.fan_out, pods.size(), kAtOnce, [&](std::size_t i) { return delete_pod(pods[i]); });
  }

  Status delete_pod(const NodeView& pod) {
    TRY(const Secret key, find_secret());
    const std::string path = path_of(pod.id);
    const Result<HttpResponse> answer = send(encode_delete(path, key), path);
    if (!answer.ok() && answer.error().kind != ErrorKind::not_found) { return answer.error(); }
    departed_.remember(pod, parts_.clock.monotonic());
    return Ok{};
  }

  Result<Secret> find_secret() {
    const FoundKey found = find_runpod_key(parts_.files, parts_.processes);
    if (found.key.empty()) { return no_credentials("runpod", kNeeds); }
    return found.key;
  }

  Result<HttpResponse> send(const HttpRequest& request, const std::string& path) {
    TRY(HttpResponse answer, parts_.http.send(request));
    if (answer.status < 400) { return answer; }
    Error error = parse_error(answer, request.method + " " + path, parts_.clock.now());
    // A server that failed half-way may have done it.
    error.maybe_applied = answer.status >= 500 && request.method != "GET";
    return error;
  }

  CloudParts parts_;
  DepartedMachines departed_ = {};
};

}  // namespace

std::unique_ptr<Provider> make_provider(const CloudParts& parts) {
  return std::make_unique<RunPodProvider>(parts);
}

}  // namespace gpubroker::runpod
