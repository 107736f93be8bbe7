#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/ports/files.hpp"
#include "core/ports/process.hpp"
#include "providers/crusoe/codec.hpp"

namespace gpubroker::crusoe {

inline constexpr std::string_view kNeeds =
    "a key pair in $CRUSOE_ACCESS_KEY_ID and $CRUSOE_SECRET_KEY, or in ~/.crusoe/config";

struct Access {
  Keys keys = {};
  std::string endpoint = {};  // with the version, without a slash at the end
  std::string project = {};   // id or name; empty: the first
  std::string found_in = {};
  std::vector<std::string> warnings = {};
  [[nodiscard]] bool is_usable() const { return !keys.id.empty() && !keys.secret.empty(); }
};
/// Each value by itself: the environment wins over the profile of the file.
Access find_access(Files& files, Processes& processes);

}  // namespace gpubroker::crusoe
