#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/ports/price_feed.hpp"

namespace gpubroker {

/// One thing an account may or may not do.
struct Permission {
  enum class State : std::uint8_t { granted, missing, unknown };
  std::string name = {};  // the cloud's own: "ec2:DescribeSpotPriceHistory"
  State state = State::unknown;
  std::string what_for = {};  // "spot prices"
  bool operator==(const Permission&) const = default;
};

/// What is known of our access to a cloud. Never holds a secret.
struct AccessReport {
  enum class State : std::uint8_t {
    not_needed,  // the cloud's prices are public and nothing else is used
    missing,     // no credential anywhere
    valid,
    refused,      // the cloud says no: wrong, expired, revoked
    unreachable,  // a credential is there; nobody could be asked
  };
  State state = State::missing;
  std::string found_in = {};  // "$LAMBDA_API_KEY", "~/.aws/credentials [default]"; empty: nowhere
  std::string identity = {};  // who we are, in the cloud's words: an ARN, an e-mail, a project
  std::vector<Permission> permissions = {};
  std::vector<std::string> warnings = {};  // "~/.aws/credentials can be read by others: chmod 600 …"
  std::string problem = {};                // in the cloud's words and ours
  std::string next = {};                   // what to do
  bool operator==(const AccessReport&) const = default;
};
std::string_view to_string(AccessReport::State state);
std::string_view to_string(Permission::State state);

/// What a cloud tells: its feeds, and who we are to it. What can be booked there is a Provider.
class Cloud {
 public:
  virtual ~Cloud() = default;
  [[nodiscard]] virtual std::string name() const = 0;
  /// Alive as long as the cloud is.
  [[nodiscard]] virtual std::vector<PriceFeed*> feeds() = 0;
  /// Looks for credentials and asks the cloud whether they are good. Spends nothing, changes nothing.
  virtual AccessReport check(const FeedRequest& request) = 0;
};

}  // namespace gpubroker
