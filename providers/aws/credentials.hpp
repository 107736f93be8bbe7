#pragma once
// Where AWS keys come from, in the order of AWS's own tools (botocore 1.43, read 2026-11): the environment, a
// profile's role, a web identity, SSO, the credentials file, a credential_process, the config file, the
// container, the instance. What a profile asks for and cannot have is an error: it is never passed over for
// the next.
#include "core/ports/price_feed.hpp"
#include "providers/aws/credentials_codec.hpp"
#include "providers/aws/settings.hpp"

namespace gpubroker::aws {

inline constexpr const char* kNeeds =
    "AWS keys: $AWS_ACCESS_KEY_ID and $AWS_SECRET_ACCESS_KEY, a profile in ~/.aws, SSO, or a role";

struct CredentialsRequest {
  const Settings& settings;
  Files& files;
  Processes& processes;
  Http& http;
  Clock& clock;
  std::string region = {};  // for STS
};

/// `auth` with code "no_credentials" when they are nowhere.
Result<Credentials> find_credentials(const CredentialsRequest& request);

/// The region of the machine that we are on, when it is an EC2 instance. Empty: it is none.
std::string region_of_instance(const CredentialsRequest& request);

}  // namespace gpubroker::aws
