#include "core/ports/cloud.hpp"

namespace gpubroker {

std::string_view to_string(AccessReport::State state) {
  switch (state) {
    case AccessReport::State::not_needed:
      return "not_needed";
    case AccessReport::State::missing:
      return "missing";
    case AccessReport::State::valid:
      return "valid";
    case AccessReport::State::refused:
      return "refused";
    case AccessReport::State::unreachable:
      return "unreachable";
  }
  return "";
}

std::string_view to_string(Permission::State state) {
  switch (state) {
    case Permission::State::granted:
      return "granted";
    case Permission::State::missing:
      return "missing";
    case Permission::State::unknown:
      return "unknown";
  }
  return "";
}

}  // namespace gpubroker
