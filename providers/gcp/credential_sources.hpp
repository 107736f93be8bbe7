#pragma once
// One function for each way to a token; credentials.cpp knows their order.
#include <optional>

#include "providers/gcp/credentials.hpp"

namespace gpubroker::gcp {

/// By the flow of the credential's kind.
Result<AccessToken> fetch_token(const CredentialsRequest& request, const Adc& adc);

// Nothing: we are on no machine of Google's, or it has no service account; gcloud is not there or not logged
// in.
Result<std::optional<Access>> metadata_access(const CredentialsRequest& request);
Result<std::optional<Access>> gcloud_access(const CredentialsRequest& request);

}  // namespace gpubroker::gcp
