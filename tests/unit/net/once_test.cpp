// A request that may not be repeated is not repeated by the library below us either.
#include <atomic>
#include <netinet/in.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include <doctest/doctest.h>

#include "core/net/curl_http.hpp"

namespace gpubroker {
namespace {

/// Answers GET and keeps the connection; takes a POST and closes without a word, as a server that dies does.
class AbruptServer {
 public:
  AbruptServer() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(listening_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listening_, 16) == 0);
    socklen_t length = sizeof address;
    REQUIRE(::getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &length) == 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~AbruptServer() {
    ::shutdown(listening_, SHUT_RDWR);
    thread_.join();
    ::close(listening_);
  }
  AbruptServer(const AbruptServer&) = delete;
  AbruptServer& operator=(const AbruptServer&) = delete;

  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/"; }
  std::atomic<int> gets{0};
  std::atomic<int> posts{0};

 private:
  /// Connections that are kept are served side by side.
  void serve() {
    std::vector<std::thread> peers;
    while (true) {
      const int peer = ::accept(listening_, nullptr, nullptr);
      if (peer < 0) { break; }
      peers.emplace_back([this, peer] { talk(peer); });
    }
    for (std::thread& one : peers) { one.join(); }
  }

  void talk(int peer) {
    std::string got;
    char piece[4096];
    for (ssize_t n = 0; (n = ::read(peer, piece, sizeof piece)) > 0;) {
      got.append(piece, static_cast<std::size_t>(n));
      if (got.find("\r\n\r\n") == std::string::npos) { continue; }
      if (got.rfind("POST", 0) == 0) {
        ++posts;
        break;
      }
      ++gets;
      got.clear();
      const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
      if (::write(peer, answer.data(), answer.size()) < 0) { break; }
    }
    ::close(peer);
  }

  int listening_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int port_ = 0;
  std::thread thread_;
};

TEST_CASE(
    "http: a request whose connection dies is not sent again on another one, unless it may be repeated") {
  AbruptServer server;
  {
    Result<std::unique_ptr<Http>> made = make_curl_http({});
    REQUIRE(made.ok());
    Http& http = *made.value();
    REQUIRE(http.send({.url = server.url()}).ok());  // a connection that is kept
    const Result<HttpResponse> lost = http.send({.method = "POST", .url = server.url(), .body = "book"});
    REQUIRE_FALSE(lost.ok());
    CHECK(lost.error().kind == ErrorKind::network);
    CHECK(lost.error().maybe_applied);
    CHECK(server.posts == 1);
    CHECK(server.gets == 1);
  }  // its connections are closed
}

}  // namespace
}  // namespace gpubroker
