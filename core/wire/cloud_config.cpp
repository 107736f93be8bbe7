#include "core/wire/cloud_config.hpp"

#include <algorithm>

#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

/// "+90": minutes until it powers itself off.
std::string minutes_left(const BootPlan& plan) {
  const std::int64_t ms = std::max<std::int64_t>((plan.expires - plan.now).count(), 60'000);
  return "+" + std::to_string((ms + 59'999) / 60'000);
}

}  // namespace

std::string cloud_config(const BootPlan& plan) {
  Json config = {
      {"ssh_keys",
       {{"ed25519_private", plan.keys.host_private.reveal()}, {"ed25519_public", plan.keys.host_public}}},
      {"ssh_deletekeys", true},
      {"ssh_genkeytypes", Json::array()}};
  if (plan.user.empty()) {
    config["ssh_authorized_keys"] = {plan.keys.public_key};
  } else {
    config["users"] = {{{"name", plan.user},
                        {"shell", "/bin/bash"},
                        {"sudo", "ALL=(ALL) NOPASSWD:ALL"},
                        {"ssh_authorized_keys", {plan.keys.public_key}}}};
  }
  Json commands = Json::array();
  commands.push_back({"shutdown", "-P", minutes_left(plan)});
  config["runcmd"] = std::move(commands);
  return "#cloud-config\n" + dump_json(config) + "\n";
}

}  // namespace gpubroker
