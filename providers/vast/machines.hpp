#pragma once
// Vast.ai's instances: values to bytes and back. Sources: vast-ai/docs OpenAPI (2026-08-07), vast-cli
// (2026-08-06), read 2026-11.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/secret.hpp"
#include "core/ports/http.hpp"
#include "core/ports/price_feed.hpp"
#include "core/ports/provider.hpp"

namespace gpubroker::vast {

/// The SSH user of Vast's containers.
inline constexpr std::string_view kUser = "root";

/// A machine that can be rented, once.
struct Ask {
  std::string id = {};
  Rate price = {};               // all-in
  std::optional<Rate> bid = {};  // what is bid for the machine, without its disk; absent: a fixed price
  bool operator==(const Ask&) const = default;
};

/// The search for what a launch of this offer may rent: its GPU and count, its market.
Result<HttpRequest> encode_ask_search(const Offer& offer);
/// Those of the offer's place and GPU memory that cost no more than it told, the cheapest first. For spot the
/// offer's price, less the disk, is the bid: never below what the ask wants now.
std::vector<Ask> choose_asks(const std::vector<Listing>& found, const Offer& offer);

/// PUT /asks/{id}/. The start script lets our key in and ends the instance at its death date.
HttpRequest encode_rent(const GangRequest& request, int rank, const Ask& ask, const std::string& public_key,
                        const Secret& key);

/// What came of it. Vast may refuse and make an instance all the same: that must be destroyed.
struct Rented {
  std::string contract = {};  // the instance's id; empty: none was made
  std::optional<Error> refusal = {};
};
Result<Rented> parse_rented(const HttpResponse& answer, const std::string& path, Instant now);
/// Whether another ask may do where this one was refused: taken, or dearer by now.
bool is_gone_ask(const Error& refusal);

HttpRequest encode_delete(const std::string& path, const Secret& key);
HttpRequest encode_post(const std::string& path, std::string body, const Secret& key);

/// One page of GET /v1/instances/: ours, and where it goes on. `address` has host and port only.
struct InstancePage {
  std::vector<NodeView> ours = {};
  std::string next_token = {};  // empty: the last page
};
Result<InstancePage> parse_instances(std::string_view body);

struct SshKey {
  std::string id = {};
  std::string text = {};
  std::string name = {};  // the comment of the key: gang_name(token)
};
/// Body of POST /ssh/; the comment names the gang.
std::string encode_ssh_key(const std::string& text);
/// "ssh-ed25519 AAAA… gb-llama-7k2q-a1".
std::string ssh_key_text(const std::string& public_key, const Token& token);
/// Ours: those that are called gb-….
Result<std::vector<SshKey>> parse_ssh_keys(std::string_view body);

}  // namespace gpubroker::vast
