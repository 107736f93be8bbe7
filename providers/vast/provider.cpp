#include "providers/vast/provider.hpp"

#include <algorithm>
#include <mutex>

#include "core/ports/departed_machines.hpp"
#include "core/ports/gang_of_singles.hpp"
#include "core/ports/machine_tags.hpp"
#include "core/wire/harvest_rows.hpp"
#include "core/wire/url.hpp"
#include "providers/vast/codec.hpp"
#include "providers/vast/key.hpp"
#include "providers/vast/machines.hpp"

namespace gpubroker::vast {
namespace {

constexpr std::size_t kAtOnce = 4;
constexpr std::size_t kMostAsks = 20;  // tried for one machine
constexpr Millis kSearchHolds = std::chrono::seconds{20};
constexpr const char* kKeyKind = "ssh key";

std::string path_of(const std::string& id) {
  return "/v0/instances/" + id.substr(id.rfind('/') + 1) + "/";
}

class VastProvider final : public Provider, Provisioner, SingleMachines, Attachments {
 public:
  explicit VastProvider(const CloudParts& parts) : parts_(parts) {}
  [[nodiscard]] std::string name() const override { return "vast"; }
  [[nodiscard]] bool has_account() override {
    return !find_vast_key(parts_.files, parts_.processes).key.empty();
  }
  Provisioner& provisioner() override { return *this; }
  NodeChannel& channel() override { return parts_.channel; }
  Attachments* attachments() override { return this; }
  [[nodiscard]] Millis poll_interval() const override { return std::chrono::seconds{3}; }
  [[nodiscard]] Millis list_lag() const override { return kUntoldLag; }
  [[nodiscard]] std::string death_date_gap(const OfferKey& /*offer*/) const override {
    return "the container destroys itself from within; if it cannot, it is billed until it is terminated: "
           "Vast "
           "ends no instance by itself";
  }

  Result<std::vector<NodeView>> ensure_gang(const GangRequest& request) override {
    TRY([[maybe_unused]] const Ok there, ensure_ssh_key(request));
    Result<std::vector<NodeView>> gang = ensure_singles(*this, parts_.fan_out, request, kAtOnce);
    if (!gang.ok() && !may_go_on(gang.error())) {
      static_cast<void>(sweep(request.token, request.offer.key));
    }
    return gang;
  }
  Result<std::vector<NodeView>> list() override { return list_machines(); }
  Status terminate(const std::vector<NodeId>& nodes) override { return terminate_machines(nodes); }

  Result<std::vector<NodeView>> list_machines() override {
    TRY(std::vector<NodeView> views, list_instances());
    for (NodeView& view : views) {
      if (view.state != NodeState::running) { continue; }
      TRY(view.address, login_address(parts_.keys, view, kUser));
      // Vast's sshd runs before our script could give it a key of ours: the first contact is believed.
      view.address.host_key = {};
    }
    departed_.add_to(views, parts_.clock.monotonic());
    return views;
  }

  Result<NodeView> create_machine(const GangRequest& request, int rank) override {
    TRY(const NodeKeys keys, parts_.keys.ensure(request.tags.workload));
    TRY(const std::vector<Ask> asks, find_asks(request));
    Error last{.kind = ErrorKind::capacity,
               .message = "no ask of " + format_offer_key(request.offer.key) + " is left at " +
                          format_money({request.offer.price.micros_per_hour}) + " USD/h",
               .source = "vast POST /v0/bundles/",
               .scope = ErrorScope::offer};
    const std::size_t tries = std::min(asks.size(), kMostAsks);
    for (std::size_t i = 0; i < tries; ++i) {
      // Each rank begins at an ask of its own.
      const Ask& ask = asks[(static_cast<std::size_t>(rank) + i) % asks.size()];
      Result<NodeView> made = rent(request, rank, ask, keys);
      if (made.ok() || !is_gone_ask(made.error()) || made.error().maybe_applied) { return made; }
      last.message += "; ask " + ask.id + ": " + made.error().message;
      last.code = made.error().code;
    }
    return last;
  }

  Status terminate_machines(const std::vector<NodeId>& nodes) override {
    TRY(std::vector<NodeView> there, list_instances());
    std::erase_if(there, [&](const NodeView& view) {
      return std::find(nodes.begin(), nodes.end(), view.id) == nodes.end();
    });
    return destroy_all(there);
  }

  // --- SSH keys of the account, one per gang; instances that were stopped: their disks cost ---

  Result<std::vector<Leftover>> leftovers() override {
    TRY(const std::vector<SshKey> keys, list_ssh_keys());
    TRY(const std::vector<NodeView> stopped, list_stopped());
    std::vector<Leftover> found;
    found.reserve(keys.size() + stopped.size());
    for (const SshKey& key : keys) { found.push_back({.kind = kKeyKind, .id = key.id, .token = {key.name}}); }
    for (const NodeView& view : stopped) {
      found.push_back({.kind = "stopped instance",
                       .id = view.id.value,
                       .region = view.offer.region,
                       .token = view.token,
                       .costs = true});
    }
    return found;
  }

  Status remove(const std::vector<Leftover>& leftovers) override {
    for (const Leftover& leftover : leftovers) {
      const bool is_key = leftover.kind == kKeyKind;
      TRY([[maybe_unused]] const Ok gone,
          erase(is_key ? "/v0/ssh/" + leftover.id + "/" : path_of(leftover.id)));
    }
    return Ok{};
  }

  Status sweep(const Token& token, const OfferKey& /*offer*/) override {
    TRY(std::vector<NodeView> stopped, list_stopped());
    std::erase_if(stopped, [&](const NodeView& view) { return view.token != token; });
    TRY([[maybe_unused]] const Ok destroyed, destroy_all(stopped));
    TRY(const std::vector<SshKey> keys, list_ssh_keys());
    for (const SshKey& key : keys) {
      if (key.name != gang_name(token)) { continue; }
      TRY([[maybe_unused]] const Ok gone, erase("/v0/ssh/" + key.id + "/"));
    }
    return Ok{};
  }

 private:
  /// Searched once for all machines of a gang: ten searches a minute are allowed (?).
  Result<std::vector<Ask>> find_asks(const GangRequest& request) {
    const std::lock_guard<std::mutex> hold(mutex_);
    const Millis now = parts_.clock.monotonic();
    if (searched_ == request.token && now - searched_at_ < kSearchHolds) { return asks_; }
    TRY(const HttpRequest question, encode_ask_search(request.offer));
    TRY(const HttpResponse answer, send(question, "/v0/bundles/"));
    TRY(const Harvest found, parse_offers(answer.body, request.offer.key.market, parts_.clock.now()));
    asks_ = choose_asks(found.listings, request.offer);
    searched_ = request.token;
    searched_at_ = now;
    return asks_;
  }

  Result<NodeView> rent(const GangRequest& request, int rank, const Ask& ask, const NodeKeys& keys) {
    TRY(const Secret key, find_secret());
    const HttpRequest question = encode_rent(request, rank, ask, keys.public_key, key);
    TRY(const HttpResponse answer, parts_.http.send(question));
    TRY(const Rented rented, parse_rented(answer, "PUT /v0/asks/{id}/", parts_.clock.now()));
    if (rented.refusal) {
      Error refusal = *rented.refusal;
      if (!rented.contract.empty() && !erase(path_of(rented.contract)).ok()) {
        refusal.message += "; and the instance that it made, " + rented.contract + ", could not be destroyed";
        refusal.maybe_applied = true;
      }
      return refusal;
    }
    NodeView view{.id = {"vast/" + rented.contract},
                  .token = request.token,
                  .index = rank,
                  .offer = request.offer.key,
                  .tags = request.tags};
    view.created_at = parts_.clock.now();
    return view;
  }

  Status ensure_ssh_key(const GangRequest& request) {
    TRY(const NodeKeys keys, parts_.keys.ensure(request.tags.workload));
    const std::string text = ssh_key_text(keys.public_key, request.token);
    TRY(const std::vector<SshKey> there, list_ssh_keys());
    if (std::any_of(there.begin(), there.end(), [&](const SshKey& key) { return key.text == text; })) {
      return Ok{};
    }
    TRY(const Secret key, find_secret());
    TRY([[maybe_unused]] const HttpResponse answer,
        send(encode_post("/v0/ssh/", encode_ssh_key(text), key), "/v0/ssh/"));
    return Ok{};
  }

  Result<std::vector<SshKey>> list_ssh_keys() {
    TRY(const Secret key, find_secret());
    TRY(const HttpResponse answer, send(encode_get("/v0/ssh/", key), "/v0/ssh/"));
    return parse_ssh_keys(answer.body);
  }

  Result<std::vector<NodeView>> list_instances() {
    TRY(const Secret key, find_secret());
    std::vector<NodeView> all;
    PageTurner pages;
    std::string token;
    do {
      const std::string path =
          "/v1/instances/?limit=25" + (token.empty() ? "" : "&after_token=" + url_encode(token));
      TRY(const HttpResponse answer, send(encode_get(path, key), "/v1/instances/"));
      TRY(InstancePage page, parse_instances(answer.body));
      std::move(page.ours.begin(), page.ours.end(), std::back_inserter(all));
      token = page.next_token;
      if (!token.empty()) { TRY([[maybe_unused]] const Ok turned, pages.turn(token, "vast /v1/instances/")); }
    } while (!token.empty());
    return all;
  }

  Result<std::vector<NodeView>> list_stopped() {
    TRY(std::vector<NodeView> views, list_instances());
    std::erase_if(views, [](const NodeView& view) { return view.state != NodeState::ended; });
    return views;
  }

  Status destroy_all(const std::vector<NodeView>& views) {
    return run_all(parts_.fan_out, views.size(), kAtOnce, [&](std::size_t i) {
      Status gone = erase(path_of(views[i].id.value));
      if (gone.ok()) { departed_.remember(views[i], parts_.clock.monotonic()); }
      return gone;
    });
  }

  /// DELETE; the gone is gone.
  Status erase(const std::string& path) {
    TRY(const Secret key, find_secret());
    const Result<HttpResponse> answer = send(encode_delete(path, key), path);
    if (!answer.ok() && answer.error().kind != ErrorKind::not_found) { return answer.error(); }
    return Ok{};
  }

  Result<Secret> find_secret() {
    const FoundKey found = find_vast_key(parts_.files, parts_.processes);
    if (found.key.empty()) { return no_credentials("vast", kNeeds); }
    return found.key;
  }

  Result<HttpResponse> send(const HttpRequest& request, const std::string& path) {
    TRY(HttpResponse answer, parts_.http.send(request));
    if (answer.status < 400) { return answer; }
    Error error = parse_error(answer, request.method + " " + path, parts_.clock.now());
    error.maybe_applied = answer.status >= 500 && !request.repeatable && request.method != "GET";
    return error;
  }

  CloudParts parts_;
  DepartedMachines departed_ = {};
  std::mutex mutex_ = {};  // of the search
  Token searched_ = {};
  Millis searched_at_{0};
  std::vector<Ask> asks_ = {};
};

}  // namespace

std::unique_ptr<Provider> make_provider(const CloudParts& parts) {
  return std::make_unique<VastProvider>(parts);
}

}  // namespace gpubroker::vast
