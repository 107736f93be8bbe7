#pragma once
#include <string>
#include <utility>

namespace gpubroker {

/// A value that must not be printed. It has no stream operator and no conversion; reveal() marks each place
/// of use.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  [[nodiscard]] const std::string& reveal() const { return value_; }
  [[nodiscard]] bool empty() const { return value_.empty(); }

 private:
  std::string value_;
};

/// What may be shown in its place.
inline std::string to_string(const Secret& /*secret*/) {
  return "[secret]";
}

}  // namespace gpubroker
