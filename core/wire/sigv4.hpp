#pragma once
// AWS Signature Version 4. Source: "Create a signed AWS API request", AWS documentation, read 2026-11.
#include "core/base/secret.hpp"
#include "core/base/time.hpp"
#include "core/ports/http.hpp"

namespace gpubroker {

struct AwsKeys {
  std::string id = {};
  Secret secret = {};
  Secret token = {};  // of temporary keys; empty: none
};

struct SigV4Scope {
  std::string region = {};
  std::string service = {};  // "ec2", "s3", "pricing" …
  /// S3 paths are encoded once and never normalised; all other services': normalised, then encoded again.
  [[nodiscard]] bool is_s3() const { return service == "s3"; }
};

/// What is hashed; for tests and for "the signature does not match".
std::string sigv4_canonical_request(const HttpRequest& request, const SigV4Scope& scope,
                                    const std::string& payload_hash);

/// Signs with headers: sets host, x-amz-date, x-amz-security-token, for S3 x-amz-content-sha256, and
/// authorization. A request that is sent again must be signed again. Fails with `invalid` when the URL is
/// none.
Result<HttpRequest> sign_sigv4(HttpRequest request, const AwsKeys& keys, const SigV4Scope& scope,
                               Instant now);

/// A URL that needs no headers, valid for `expires` (1 s to 7 days): for handing a node one object.
Result<std::string> presign_sigv4(const std::string& method, const std::string& url, const AwsKeys& keys,
                                  const SigV4Scope& scope, Instant now, Millis expires);

}  // namespace gpubroker
