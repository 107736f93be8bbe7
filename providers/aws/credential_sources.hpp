#pragma once
// One function for each place that gives keys; credentials.cpp knows their order.
#include "providers/aws/credentials.hpp"

namespace gpubroker::aws {

/// STS AssumeRole, signed by `keys`.
Result<Credentials> role_credentials(const CredentialsRequest& request, const RoleRequest& role,
                                     const AwsKeys& keys);
/// STS AssumeRoleWithWebIdentity with the token in `token_file`, which its owner renews: it is read each
/// time.
Result<Credentials> web_identity_credentials(const CredentialsRequest& request, const RoleRequest& role,
                                             const std::string& token_file);
/// The same with a token of the GitHub Actions run that we are in.
Result<Credentials> github_credentials(const CredentialsRequest& request, const RoleRequest& role);
/// IAM Identity Center: the token that `aws sso login` left, renewed where it can be.
Result<Credentials> sso_credentials(const CredentialsRequest& request, const std::string& profile);
Result<Credentials> process_credentials(const CredentialsRequest& request, const std::string& profile,
                                        const std::string& line);

// Nothing: we are not in a container with a role, or on an instance with one.
Result<std::optional<Credentials>> container_credentials(const CredentialsRequest& request);
Result<std::optional<Credentials>> instance_credentials(const CredentialsRequest& request);

}  // namespace gpubroker::aws
