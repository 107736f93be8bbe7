#include "core/net/curl_http.hpp"

#include <array>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "core/base/text.hpp"
#include "core/net/curl_api.hpp"
#include "core/net/retry_http.hpp"

namespace gpubroker {
namespace {

constexpr std::size_t kMostQueued = 4U << 20U;  // bytes that wait for a sink; then the server waits
constexpr long kConnectMs = 10'000;
constexpr long kStallSeconds = 30;  // less than a byte per second for so long is a dead connection

/// "GET https://host/path": what may be shown of a request.
std::string name_of(const HttpRequest& request) {
  return request.method + " " + request.url.substr(0, request.url.find_first_of("?#"));
}

/// One exchange: made by its caller, moved by the network thread, shared by both.
struct Transfer {
  explicit Transfer(const HttpRequest& asked) : request(asked) {}

  const HttpRequest& request;
  std::mutex mutex = {};
  std::condition_variable changed = {};
  // Under the mutex.
  HttpResponse response = {};
  std::deque<std::string> pieces = {};  // for the sink
  std::size_t queued = 0;
  bool paused = false;
  bool cancelled = false;
  bool too_long = false;
  bool done = false;
  CURLcode code = CURLE_OK;
  bool had_left = false;  // bytes of the request were sent
  // Of the network thread.
  CURL* easy = nullptr;
  curl_slist* headers = nullptr;
  std::array<char, CURL_ERROR_SIZE> words = {};
  std::size_t received = 0;
};

bool is_success(const Transfer& transfer) {
  return transfer.response.status >= 200 && transfer.response.status < 300;
}

std::size_t take_body(char* bytes, std::size_t size, std::size_t count, void* user) {
  Transfer& transfer = *static_cast<Transfer*>(user);
  const std::size_t length = size * count;
  const std::lock_guard<std::mutex> hold(transfer.mutex);
  if (transfer.cancelled) { return 0; }
  const bool flows = transfer.request.sink && is_success(transfer);
  if (flows && transfer.queued >= kMostQueued) {
    transfer.paused = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  transfer.received += length;
  if (transfer.received > transfer.request.max_body) {
    transfer.too_long = true;
    return 0;
  }
  if (flows) {
    transfer.pieces.emplace_back(bytes, length);
    transfer.queued += length;
    transfer.changed.notify_one();
  } else {
    transfer.response.body.append(bytes, length);
  }
  return length;
}

std::size_t take_header(char* bytes, std::size_t size, std::size_t count, void* user) {
  Transfer& transfer = *static_cast<Transfer*>(user);
  const std::string_view line(bytes, size * count);
  const std::lock_guard<std::mutex> hold(transfer.mutex);
  if (line.rfind("HTTP/", 0) == 0) {
    transfer.response.headers.clear();  // a redirect's or a 100's are not the answer's
    const std::size_t space = line.find(' ');
    const std::string_view code = space == std::string_view::npos ? "" : line.substr(space + 1, 3);
    transfer.response.status = static_cast<int>(parse_int(code).value_or(0));
    return line.size();
  }
  const std::size_t colon = line.find(':');
  if (colon != std::string_view::npos) {
    transfer.response.headers.emplace_back(lower(trim(line.substr(0, colon))), trim(line.substr(colon + 1)));
  }
  return line.size();
}

/// Connections, kept to be used again, and the thread that moves their bytes.
class Connections {
 public:
  Connections(const CurlApi& api, CurlOptions options)
      : api_(api), options_(std::move(options)), multi_(api_.multi_init()) {
    api_.multi_setopt(multi_, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    api_.multi_setopt(multi_, CURLMOPT_MAX_TOTAL_CONNECTIONS, options_.most_connections);
    // libcurl counts by where it connects to: with connect_to all hosts would share one host's few
    // connections.
    api_.multi_setopt(multi_, CURLMOPT_MAX_HOST_CONNECTIONS,
                      options_.connect_to.empty() ? options_.most_per_host : options_.most_connections);
    for (const std::string& rule : options_.connect_to) {
      connect_to_ = api_.slist_append(connect_to_, rule.c_str());
    }
    thread_ = std::thread([this] { move_bytes(); });
  }
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;
  ~Connections() {
    {
      const std::lock_guard<std::mutex> hold(mutex_);
      closing_ = true;
    }
    api_.multi_wakeup(multi_);
    thread_.join();
    api_.multi_cleanup(multi_);
    api_.slist_free_all(connect_to_);
  }

  /// Returns when the transfer is over.
  Result<HttpResponse> send(const HttpRequest& request) {
    const auto transfer = std::make_shared<Transfer>(request);
    enter(fresh_, transfer);
    const Status taken = wait_for(transfer);
    const std::lock_guard<std::mutex> hold(transfer->mutex);
    if (!taken.ok()) { return taken.error(); }
    if (transfer->code != CURLE_OK) { return error_of(*transfer); }
    return std::move(transfer->response);
  }

 private:
  using Queue = std::vector<std::shared_ptr<Transfer>>;

  void enter(Queue& queue, const std::shared_ptr<Transfer>& transfer) {
    {
      const std::lock_guard<std::mutex> hold(mutex_);
      queue.push_back(transfer);
    }
    api_.multi_wakeup(multi_);
  }

  /// Hands the body to the sink as it comes, on the caller's thread; waits until the network thread is done
  /// with the transfer.
  Status wait_for(const std::shared_ptr<Transfer>& transfer) {
    Status status = Ok{};
    std::unique_lock<std::mutex> hold(transfer->mutex);
    while (true) {
      transfer->changed.wait(hold, [&] { return transfer->done || !transfer->pieces.empty(); });
      if (transfer->pieces.empty()) { return status; }
      const std::string piece = std::move(transfer->pieces.front());
      transfer->pieces.pop_front();
      transfer->queued -= piece.size();
      hold.unlock();
      if (status.ok()) { status = transfer->request.sink(piece); }
      hold.lock();
      transfer->cancelled = !status.ok();
      if (transfer->paused && (transfer->cancelled || transfer->queued < kMostQueued / 2)) {
        transfer->paused = false;
        hold.unlock();
        enter(resumed_, transfer);
        hold.lock();
      }
    }
  }

  static Error error_of(const Transfer& transfer) {
    const std::string name = name_of(transfer.request);
    if (transfer.too_long) {
      return Error{
          .kind = ErrorKind::internal,
          .message = "the answer is longer than " + std::to_string(transfer.request.max_body) + " bytes",
          .source = name,
          .maybe_applied = true};
    }
    return Error{
        .kind = ErrorKind::network,
        .message = transfer.words[0] != '\0' ? transfer.words.data() : "no answer",
        .hint = transfer.code == CURLE_COULDNT_RESOLVE_HOST ? "is this machine online? https_proxy set?" : "",
        .source = name,
        .code = "curl-" + std::to_string(static_cast<int>(transfer.code)),
        .maybe_applied = transfer.had_left};
  }

  // --- the network thread ---

  void move_bytes() {
    while (true) {
      Queue fresh;
      Queue resumed;
      bool closing = false;
      {
        const std::lock_guard<std::mutex> hold(mutex_);
        fresh.swap(fresh_);
        resumed.swap(resumed_);
        closing = closing_;
      }
      for (const auto& transfer : fresh) { begin(transfer); }
      for (const auto& transfer : resumed) {
        if (transfer->easy != nullptr) { api_.easy_pause(transfer->easy, CURLPAUSE_CONT); }
      }
      int running = 0;
      api_.multi_perform(multi_, &running);
      take_finished();
      if (closing && live_.empty()) { return; }
      api_.multi_poll(multi_, nullptr, 0, 1'000, nullptr);
    }
  }

  template <class Value>
  void set(CURL* easy, CURLoption option, Value value) {
    api_.easy_setopt(easy, option, value);
  }

  void begin(const std::shared_ptr<Transfer>& transfer) {
    const HttpRequest& request = transfer->request;
    CURL* const easy = api_.easy_init();
    transfer->easy = easy;
    live_[easy] = transfer;
    set(easy, CURLOPT_URL, request.url.c_str());
    set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    set(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    set(easy, CURLOPT_PATH_AS_IS, 1L);  // signatures cover the path as it is written
    set(easy, CURLOPT_NOSIGNAL, 1L);
    set(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
    set(easy, CURLOPT_PIPEWAIT, 1L);
    set(easy, CURLOPT_ACCEPT_ENCODING, "");
    set(easy, CURLOPT_USERAGENT, options_.user_agent.c_str());
    set(easy, CURLOPT_CONNECTTIMEOUT_MS, kConnectMs);
    set(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
    set(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(easy, CURLOPT_LOW_SPEED_TIME, kStallSeconds);
    set(easy, CURLOPT_ERRORBUFFER, transfer->words.data());
    set(easy, CURLOPT_WRITEFUNCTION, take_body);
    set(easy, CURLOPT_WRITEDATA, transfer.get());
    set(easy, CURLOPT_HEADERFUNCTION, take_header);
    set(easy, CURLOPT_HEADERDATA, transfer.get());
    if (!options_.ca_file.empty()) { set(easy, CURLOPT_CAINFO, options_.ca_file.c_str()); }
    if (!request.ca_pem.empty()) {  // kept by the caller until the transfer ends, as the body is
      curl_blob blob{.data = const_cast<char*>(request.ca_pem.data()),
                     .len = request.ca_pem.size(),
                     .flags = CURL_BLOB_NOCOPY};
      set(easy, CURLOPT_CAINFO_BLOB, &blob);
    }
    if (connect_to_ != nullptr) { set(easy, CURLOPT_CONNECT_TO, connect_to_); }
    set_method(*transfer);
    if (!may_repeat(request)) { send_once(easy, request); }
    for (const auto& [name, value] : request.headers) {
      // A header without a value is written with a semicolon; "Name:" alone would remove it.
      std::string line = name;
      line += value.empty() ? ";" : ": ";
      line += value;
      transfer->headers = api_.slist_append(transfer->headers, line.c_str());
    }
    transfer->headers = api_.slist_append(transfer->headers, "Expect:");
    set(easy, CURLOPT_HTTPHEADER, transfer->headers);
    if (api_.multi_add_handle(multi_, easy) != CURLM_OK) { finish(easy, CURLE_FAILED_INIT); }
  }

  /// libcurl sends a request again by itself, whatever its method, when a connection that was used before
  /// dies without a word: a machine booked twice. So what must not be repeated gets a connection that is its
  /// own, which HTTP/2 would share. gRPC is nothing but HTTP/2; who books by it names a key.
  void send_once(CURL* easy, const HttpRequest& request) {
    set(easy, CURLOPT_FRESH_CONNECT, 1L);
    set(easy, CURLOPT_FORBID_REUSE, 1L);
    const bool is_grpc = find_header(request.headers, "content-type").rfind("application/grpc", 0) == 0;
    if (!is_grpc) { set(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1)); }
  }

  void set_method(const Transfer& transfer) {
    const HttpRequest& request = transfer.request;
    const bool reads = request.method == "GET" || request.method == "HEAD";
    if (reads) {
      set(transfer.easy, CURLOPT_FOLLOWLOCATION, 1L);
      set(transfer.easy, CURLOPT_MAXREDIRS, 5L);
    }
    if (request.method == "HEAD") {
      set(transfer.easy, CURLOPT_NOBODY, 1L);
    } else if (!request.body.empty() || !reads) {
      set(transfer.easy, CURLOPT_POST, 1L);
      set(transfer.easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
      set(transfer.easy, CURLOPT_POSTFIELDS, request.body.data());
      set(transfer.easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    }
  }

  void take_finished() {
    int left = 0;
    while (CURLMsg* const message = api_.multi_info_read(multi_, &left)) {
      if (message->msg == CURLMSG_DONE) { finish(message->easy_handle, message->data.result); }
    }
  }

  void finish(CURL* easy, CURLcode code) {
    const auto at = live_.find(easy);
    const std::shared_ptr<Transfer> transfer = at->second;
    live_.erase(at);
    long status = 0;
    long request_size = 0;
    api_.easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    api_.easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &request_size);
    api_.multi_remove_handle(multi_, easy);
    api_.easy_cleanup(easy);
    api_.slist_free_all(transfer->headers);
    transfer->easy = nullptr;
    const std::lock_guard<std::mutex> hold(transfer->mutex);
    if (status != 0) { transfer->response.status = static_cast<int>(status); }
    transfer->code = code;
    transfer->had_left = request_size > 0;
    transfer->done = true;
    transfer->changed.notify_one();
  }

  CurlApi api_;
  CurlOptions options_;
  CURLM* multi_;
  curl_slist* connect_to_ = nullptr;
  std::map<CURL*, std::shared_ptr<Transfer>> live_ = {};  // of the network thread
  std::mutex mutex_ = {};
  Queue fresh_ = {};
  Queue resumed_ = {};
  bool closing_ = false;
  std::thread thread_ = {};
};

/// libcurl 7.88 sends a request that may share a connection over one of HTTP/1.1 that is in use, where it
/// knows that the host speaks HTTP/2, and then answers are taken for each other's. So the two kinds never
/// meet.
class CurlHttp final : public Http {
 public:
  CurlHttp(const CurlApi& api, const CurlOptions& options)
      : api_(api), options_(options), shared_(api, options) {}

  Result<HttpResponse> send(const HttpRequest& request) override {
    if (may_repeat(request)) { return shared_.send(request); }
    std::call_once(first_, [this] { single_.emplace(api_, options_); });
    return single_->send(request);
  }

 private:
  CurlApi api_;
  CurlOptions options_;
  Connections shared_;
  std::once_flag first_ = {};
  std::optional<Connections> single_ = {};  // most commands book nothing
};

}  // namespace

Result<std::unique_ptr<Http>> make_curl_http(const CurlOptions& options) {
  TRY(const CurlApi api, load_curl());
  return std::unique_ptr<Http>(std::make_unique<CurlHttp>(api, options));
}

}  // namespace gpubroker
