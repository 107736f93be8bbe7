#include "core/wire/cloud_config.hpp"

#include <algorithm>

#include "core/base/text.hpp"
#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

/// "+90": minutes until it powers itself off.
std::string minutes_left(const BootPlan& plan) {
  const std::int64_t ms = std::max<std::int64_t>((plan.expires - plan.now).count(), 60'000);
  return "+" + std::to_string((ms + 59'999) / 60'000);
}

std::string quoted(const std::string& word) {
  std::string out = "'";
  for (const char c : word) { out += c == '\'' ? std::string("'\\''") : std::string(1, c); }
  return out + "'";
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
  for (const std::vector<std::string>& command : plan.commands) { commands.push_back(command); }
  config["runcmd"] = std::move(commands);
  return "#cloud-config\n" + dump_json(config) + "\n";
}

std::string boot_script(const BootPlan& plan) {
  std::string script = "#!/bin/sh\numask 077\nprintf %s " + quoted(plan.keys.host_private.reveal()) +
                       " > /etc/ssh/ssh_host_ed25519_key\nprintf '%s\\n' " + quoted(plan.keys.host_public) +
                       " > /etc/ssh/ssh_host_ed25519_key.pub\nchmod 644 /etc/ssh/ssh_host_ed25519_key.pub\n"
                       "systemctl restart ssh sshd 2>/dev/null || service ssh restart 2>/dev/null || true\n"
                       "shutdown -P " +
                       minutes_left(plan) + "\n";
  for (const std::vector<std::string>& command : plan.commands) {
    std::vector<std::string> words;
    for (const std::string& word : command) { words.push_back(quoted(word)); }
    script += join(words, " ") + "\n";
  }
  return script;
}

}  // namespace gpubroker
