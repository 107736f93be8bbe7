#pragma once
// The emulated clouds (tests/testcloud) for a C++ test: one server for the whole program.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/ids.hpp"
#include "core/base/money.hpp"
#include "core/net/curl_http.hpp"
#include "core/net/fan_out.hpp"
#include "core/net/key_ring.hpp"
#include "core/net/retry_http.hpp"
#include "core/net/ssh_channel.hpp"
#include "core/ports/cloud_machine.hpp"
#include "core/system/clock.hpp"
#include "core/system/random.hpp"
#include "core/wire/json.hpp"
#include "tests/fake_home.hpp"

namespace gpubroker::contract {

/// A machine as the emulator accounts for it.
struct EmulatedMachine {
  std::string id = {};
  std::string state = {};  // "starting", "running", "stopped", "ended"
  std::string end_reason = {};
  std::map<std::string, std::string> tags = {};
  std::int64_t bill_micros = 0;
};

/// The server. Started at the first use; its child ends with the program.
class EmulatedClouds {
 public:
  static EmulatedClouds& instance();

  /// Another world from now on: no machine, no key, no request yet.
  void arrange(const nlohmann::json& scenario);
  std::vector<EmulatedMachine> machines();
  /// What of this cloud is left besides machines.
  std::vector<std::string> leaks(const std::string& cloud);
  void preempt(const std::string& id, Millis notice);
  void break_machine(const std::string& id);
  /// The requests since `arrange`.
  nlohmann::json log();

  CurlOptions network();

 private:
  EmulatedClouds();
  nlohmann::json call(const std::string& path, const nlohmann::json* body = nullptr);

  SystemClock clock_;
  int port_ = 0;
  std::string connect_to_ = {};
  std::string ca_ = {};
  std::unique_ptr<Http> http_ = {};
};

/// A user with an account at every cloud, on a laptop of their own.
class Laptop {
 public:
  explicit Laptop(bool with_accounts = true);

  const bool has_accounts;
  testing::FakeHome home = {};
  SystemClock clock = {};
  SystemRandom random = {};
  ThreadFanOut fan_out = {};

  /// The parts that providers are made of here.
  CloudParts parts();

 private:
  std::unique_ptr<Http> network_ = {};
  std::unique_ptr<RetryHttp> patient_ = {};
  FileKeyRing keys_;
  SshChannel channel_;
};

}  // namespace gpubroker::contract
