#pragma once
// Lambda Cloud's instances: bytes to values. Source: Lambda's OpenAPI 1.10.0, read 2026-11.
#include <string>
#include <string_view>
#include <vector>

#include "core/base/secret.hpp"
#include "core/ports/http.hpp"
#include "core/ports/provider.hpp"

namespace gpubroker::lambda {

/// The machine's SSH user in Lambda's own images.
inline constexpr std::string_view kUser = "ubuntu";

HttpRequest encode_post(std::string_view path, std::string body, const Secret& key);
HttpRequest encode_delete(const std::string& path, const Secret& key);

/// Body of POST /ssh-keys.
std::string encode_ssh_key(const std::string& name, const std::string& public_key);
/// Body of POST /instance-operations/launch: one machine.
std::string encode_launch(const GangRequest& request, int rank, const std::string& user_data);
/// Body of POST /instance-operations/terminate. `ids` as Lambda spells them.
std::string encode_terminate(const std::vector<std::string>& ids);

/// The id of the launched instance.
Result<std::string> parse_launched(std::string_view body);
/// Ours among all instances of the account. Lambda tells no times; `address` has only the host.
Result<std::vector<NodeView>> parse_instances(std::string_view body);

struct SshKey {
  std::string id = {};
  std::string name = {};
};
/// Ours: those named gb-….
Result<std::vector<SshKey>> parse_ssh_keys(std::string_view body);

}  // namespace gpubroker::lambda
