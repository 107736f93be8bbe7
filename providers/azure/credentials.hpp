#pragma once
// Where an Azure login comes from, in the order of Azure's own tools: the environment's secret or federated
// token, a GitHub Actions job, `az login`, the identity of the machine. Source: shared API notes, section 1.
#include <string>
#include <vector>

#include "core/ports/files.hpp"
#include "core/ports/price_feed.hpp"
#include "core/ports/process.hpp"
#include "providers/azure/codec.hpp"

namespace gpubroker::azure {

inline constexpr const char* kNeeds =
    "an Azure login: $AZURE_TENANT_ID and $AZURE_CLIENT_ID with $AZURE_CLIENT_SECRET or "
    "$AZURE_FEDERATED_TOKEN_FILE, `az login`, or a managed identity";

enum class LoginSource : std::uint8_t { secret, federated_file, github, az, managed_identity };

/// What was found without asking anybody.
struct Access {
  LoginSource source = LoginSource::managed_identity;
  std::string found_in = {};
  ClientLogin login = {};
  std::string token_file = {};    // read again for each token: it is replaced every hour
  std::string subscription = {};  // empty: the login must tell it
  std::vector<std::string> warnings = {};
};
Access find_access(Files& files, Processes& processes);

/// A new token, `claims` being those of a challenge. `auth` with code "no_credentials" when even the machine
/// has no identity.
Result<Token> acquire_token(const Access& access, const std::string& claims, const FeedRequest& request,
                            Files& files, Processes& processes);

}  // namespace gpubroker::azure
