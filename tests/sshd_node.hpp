#pragma once
// A machine that is reached over ssh: a real sshd on a loopback port.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "core/base/text.hpp"
#include "core/ports/node_channel.hpp"
#include "core/system/clock.hpp"
#include "core/system/process.hpp"
#include "tests/temporary_folder.hpp"

namespace gpubroker::testing {

inline int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  REQUIRE(::bind(fd, static_cast<sockaddr*>(static_cast<void*>(&at)), size) == 0);
  REQUIRE(::getsockname(fd, static_cast<sockaddr*>(static_cast<void*>(&at)), &size) == 0);
  ::close(fd);
  return ntohs(at.sin_port);
}

constexpr Millis kSshdSoon{10'000};

/// A machine: an sshd of its own with its own host key, and a folder.
class SshdNode {
 public:
  explicit SshdNode(const std::string& name) : name_(name), port_(free_port()) {
    make_key("host");
    make_key("user");
    write("sshd.conf",
          "ListenAddress 127.0.0.1:" + std::to_string(port_) + "\nHostKey " + (folder_ / "host") +
              "\nAuthorizedKeysFile " + (folder_ / "user.pub") +
              "\nStrictModes no\nPasswordAuthentication no\nUsePAM no\nPidFile none\nMaxSessions 100\n");
    std::filesystem::create_directories("/run/sshd");
    start();
  }
  ~SshdNode() { stop(); }
  SshdNode(const SshdNode&) = delete;
  SshdNode& operator=(const SshdNode&) = delete;

  void start() {
    std::filesystem::remove(folder_ / "sshd.log");
    const Result<Child> child = processes_.start(
        {.argv = {"/usr/sbin/sshd", "-D", "-e", "-f", folder_ / "sshd.conf"}}, folder_ / "sshd.log");
    REQUIRE(child.ok());
    child_ = child.value();
    SystemClock clock;
    const Millis deadline = clock.monotonic() + kSshdSoon;
    while (!listens()) {
      REQUIRE(clock.monotonic() < deadline);
      clock.sleep_until(clock.now() + Millis{10});
    }
  }
  void stop() {
    if (child_.pid == 0) { return; }
    static_cast<void>(processes_.signal(-child_.pid, SIGKILL));
    SystemClock clock;
    while (processes_.is_alive(child_.pid)) {
      static_cast<void>(processes_.poll(child_));
      clock.sleep_until(clock.now() + Millis{5});
    }
    processes_.release(child_);
    child_ = {};
  }

  [[nodiscard]] NodeAddress address() const {
    return {.id = {"test/" + name_},
            .host = "127.0.0.1",
            .root = folder_ / "root",
            .binary = folder_ / "root/bin/tool",
            .user = "",
            .port = port_,
            .identity = folder_ / "user",
            .host_key = public_key("host")};
  }
  [[nodiscard]] std::string public_key(const std::string& name) const {
    const std::vector<std::string> words = split(read(name + ".pub"), ' ');
    return words.at(0) + " " + std::string(trim(words.at(1)));
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream file(folder_ / name);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
  }
  void make_key(const std::string& name) {
    const auto made = processes_.run(
        {.argv = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", folder_ / name}},
        kSshdSoon);
    REQUIRE(made.ok());
    REQUIRE(made.value().exit.code == 0);
  }

 private:
  [[nodiscard]] bool listens() const {
    return read("sshd.log").find("Server listening") != std::string::npos;
  }

  TemporaryFolder folder_ = {};
  PosixProcesses processes_ = {};
  std::string name_;
  int port_;
  Child child_ = {};
};

}  // namespace gpubroker::testing
