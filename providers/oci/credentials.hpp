#pragma once
// The API key of a user and the requests it signs (draft-cavage-http-signatures, RSA with SHA-256).
#include <string>
#include <string_view>
#include <vector>

#include "core/base/secret.hpp"
#include "core/ports/files.hpp"
#include "core/ports/http.hpp"
#include "core/ports/process.hpp"

namespace gpubroker::oci {

inline constexpr std::string_view kNeeds = "an API key in ~/.oci/config";

struct Access {
  std::string user = {};
  std::string tenancy = {};
  std::string fingerprint = {};
  std::string region = {};
  Secret private_key = {};
  Secret passphrase = {};
  std::string found_in = {};
  std::string problem = {};
  std::vector<std::string> warnings = {};
  [[nodiscard]] bool is_usable() const { return problem.empty() && !found_in.empty(); }
};
/// $OCI_CLI_CONFIG_FILE or ~/.oci/config, the profile $OCI_CLI_PROFILE or DEFAULT, whose values hold for the
/// other profiles too; $OCI_CLI_USER and the like win over both. Nothing anywhere: found_in is empty.
Access find_access(Files& files, Processes& processes);

/// What is signed: lines "name: value" in OCI's order.
std::string signing_text(const HttpRequest& request, std::string_view host, std::string_view target);

/// Sets date, authorization, and of a POST content-type and x-content-sha256. Good for five minutes. Fails
/// with `auth` when the key cannot be read.
Result<HttpRequest> sign_request(HttpRequest request, const Access& access, Instant now);

}  // namespace gpubroker::oci
