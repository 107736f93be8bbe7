#pragma once
// The example cloud's API v1: bytes to values. An invented cloud, the shortest that a provider can be made
// for.
#include <string>
#include <string_view>
#include <vector>

#include "core/base/secret.hpp"
#include "core/ports/http.hpp"
#include "core/ports/provider.hpp"

namespace gpubroker::example {

/// PUT of the machine of this rank: its name is ours, so the same request again makes nothing new.
HttpRequest encode_create(const GangRequest& request, int rank, const std::string& public_key,
                          const std::string& user_data, const Secret& key);
HttpRequest encode_list(const Secret& key);
HttpRequest encode_delete(const NodeId& id, const Secret& key);
HttpRequest encode_offers(const Secret& key);

Result<NodeView> parse_machine(std::string_view body);
/// Ours among all machines of the account; `address` has only the host.
Result<std::vector<NodeView>> parse_machines(std::string_view body);
Result<std::vector<Offer>> parse_offers(std::string_view body, Instant now);
/// What an answer of 400 and above says: {"code","message"}. `call`: "GET /machines".
Error parse_error(const HttpResponse& answer, const std::string& call, Instant now);

}  // namespace gpubroker::example
