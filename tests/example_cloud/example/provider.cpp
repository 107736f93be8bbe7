#include "tests/example_cloud/example/provider.hpp"

#include "core/ports/gang_of_singles.hpp"
#include "core/wire/api_key.hpp"
#include "core/wire/cloud_config.hpp"
#include "tests/example_cloud/example/codec.hpp"

namespace gpubroker::example {
namespace {

constexpr std::size_t kAtOnce = 8;

class ExampleProvider final : public Provider, Provisioner, SingleMachines, PriceSource {
 public:
  explicit ExampleProvider(const CloudParts& parts) : parts_(parts) {}
  [[nodiscard]] std::string name() const override { return "example"; }
  [[nodiscard]] bool has_account() override { return !find_secret().empty(); }
  Provisioner& provisioner() override { return *this; }
  PriceSource* prices() override { return this; }
  NodeChannel& channel() override { return parts_.channel; }
  [[nodiscard]] Millis poll_interval() const override { return std::chrono::seconds{3}; }

  Result<std::vector<NodeView>> ensure_gang(const GangRequest& request) override {
    return ensure_singles(*this, parts_.fan_out, request, kAtOnce);
  }
  Result<std::vector<NodeView>> list() override { return list_machines(); }
  Status terminate(const std::vector<NodeId>& nodes) override { return terminate_machines(nodes); }

  Result<std::vector<NodeView>> list_machines() override {
    TRY(const HttpResponse answer, send(encode_list(find_secret())));
    TRY(std::vector<NodeView> views, parse_machines(answer.body));
    for (NodeView& view : views) {
      if (view.state == NodeState::running) { TRY(view.address, login_address(parts_.keys, view, "ubuntu")); }
    }
    return views;
  }

  Result<NodeView> create_machine(const GangRequest& request, int rank) override {
    TRY(const NodeKeys keys, parts_.keys.ensure(request.tags.workload));
    const std::string boot =
        cloud_config({.keys = keys, .now = parts_.clock.now(), .expires = request.tags.expires});
    TRY(const HttpResponse answer, send(encode_create(request, rank, keys.public_key, boot, find_secret())));
    return parse_machine(answer.body);
  }

  Status terminate_machines(const std::vector<NodeId>& nodes) override {
    return run_all(parts_.fan_out, nodes.size(), kAtOnce, [&](std::size_t i) -> Status {
      const Result<HttpResponse> answer = send(encode_delete(nodes[i], find_secret()));
      if (!answer.ok() && answer.error().kind != ErrorKind::not_found) { return answer.error(); }
      return Ok{};
    });
  }

  Result<std::vector<Offer>> offers() override {
    TRY(const HttpResponse answer, send(encode_offers(find_secret())));
    return parse_offers(answer.body, parts_.clock.now());
  }
  Result<std::vector<PricePoint>> price_history(const OfferKey& /*key*/, Instant /*from*/,
                                                Instant /*to*/) override {
    return std::vector<PricePoint>{};  // what a machine was booked at holds
  }

 private:
  Secret find_secret() {
    return find_key(parts_.files, parts_.processes, {.variables = {"EXAMPLE_API_KEY"}}).key;
  }

  Result<HttpResponse> send(const HttpRequest& request) {
    if (find_secret().empty()) { return no_credentials("example", "a key in $EXAMPLE_API_KEY"); }
    TRY(HttpResponse answer, parts_.http.send(request));
    if (answer.status < 400) { return answer; }
    Error error = parse_error(answer, request.method + " " + request.url, parts_.clock.now());
    error.maybe_applied = answer.status >= 500 && request.method == "PUT";
    return error;
  }

  CloudParts parts_;
};

}  // namespace

std::unique_ptr<Provider> make_provider(const CloudParts& parts) {
  return std::make_unique<ExampleProvider>(parts);
}

}  // namespace gpubroker::example
