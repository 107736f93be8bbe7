#include "providers/coreweave/kube.hpp"

#include <algorithm>
#include <array>

#include "core/base/text.hpp"
#include "core/wire/answer_json.hpp"
#include "core/wire/api_key.hpp"
#include "core/wire/cloud_answer.hpp"
#include "core/wire/url.hpp"
#include "providers/coreweave/codec.hpp"
#include "providers/coreweave/key.hpp"
#include "providers/coreweave/kubeconfig.hpp"

namespace gpubroker::coreweave {
namespace {

constexpr Millis kKnownFor = std::chrono::minutes{1};
constexpr Millis kProgramLimit = std::chrono::seconds{30};
constexpr int kPage = 500;

// Source: apimachinery, meta/v1 StatusReason, read 2026-11. Forbidden is judged by its text: a quota of the
// cluster, or no right to it.
constexpr std::array kReasons = {
    CodeRow{"AlreadyExists", ErrorKind::conflict, ErrorScope::request},
    CodeRow{"BadRequest", ErrorKind::invalid, ErrorScope::request},
    CodeRow{"Conflict", ErrorKind::conflict, ErrorScope::request},
    CodeRow{"Expired", ErrorKind::conflict, ErrorScope::request},
    CodeRow{"InternalError", ErrorKind::network, ErrorScope::request},
    CodeRow{"Invalid", ErrorKind::invalid, ErrorScope::request},
    CodeRow{"NotFound", ErrorKind::not_found, ErrorScope::request},
    CodeRow{"ServerTimeout", ErrorKind::network, ErrorScope::request},
    CodeRow{"ServiceUnavailable", ErrorKind::network, ErrorScope::request},
    CodeRow{"Timeout", ErrorKind::network, ErrorScope::request},
    CodeRow{"TooManyRequests", ErrorKind::throttled, ErrorScope::request},
    CodeRow{"Unauthorized", ErrorKind::auth, ErrorScope::account},
};

}  // namespace

HttpRequest encode_kube(const Cluster& cluster, const std::string& method, const std::string& path,
                        std::string body, BodyKind kind) {
  HttpRequest request = bearer_get(cluster.server + path, cluster.token);
  request.method = method;
  request.ca_pem = cluster.ca_pem;
  // Objects are named by us: what is deleted twice is gone once.
  request.repeatable = method == "DELETE";
  if (!body.empty()) {
    request.headers.emplace_back(
        "Content-Type", kind == BodyKind::json ? "application/json" : "application/merge-patch+json");
  }
  request.body = std::move(body);
  return request;
}

Error parse_status(const HttpResponse& answer, const std::string& source, Instant now) {
  std::string reason;
  std::string message;
  static_cast<void>(visit_answer(answer.body, source, [&](const AnswerValue& root) {
    reason = root.text_or("reason");
    message = root.text_or("message");
  }));
  Error error = error_from_answer(answer, source, reason, message, now);
  judge_by_code(error, reason, kReasons);
  if (error.kind == ErrorKind::quota) { error.scope = ErrorScope::region; }
  return error;
}

std::string zone_of_server(std::string_view server) {
  constexpr std::string_view kEnd = ".coreweave.com";
  constexpr std::string_view kMark = ".k8s.";
  const std::size_t scheme = server.find("://");
  std::string_view host = scheme == std::string_view::npos ? server : server.substr(scheme + 3);
  host = host.substr(0, host.find_first_of(":/"));
  const std::size_t mark = host.find(kMark);
  if (!host.ends_with(kEnd) || mark == std::string_view::npos) { return {}; }
  const std::size_t begin = mark + kMark.size();
  const std::size_t length = host.size() - kEnd.size();
  return length > begin ? upper(host.substr(begin, length - begin)) : std::string();
}

bool Kube::has_account() {
  if (!find_api_token(parts_.files, parts_.processes).key.empty()) { return true; }
  return find_kube_context(parts_.files, parts_.processes).has_value();
}

Result<std::vector<Cluster>> Kube::clusters() {
  const std::lock_guard<std::mutex> hold(mutex_);
  const Millis now = parts_.clock.monotonic();
  if (known_at_ && now - *known_at_ < kKnownFor) { return known_; }
  TRY(known_, look_up());
  known_at_ = now;
  return known_;
}

Result<Cluster> Kube::cluster_in(const std::string& zone) {
  TRY(const std::vector<Cluster> all, clusters());
  std::vector<std::string> zones;
  for (const Cluster& cluster : all) {
    if (cluster.zone == zone) { return cluster; }
    zones.push_back(cluster.zone);
  }
  return Error{.kind = ErrorKind::quota,
               .message = "the account has no CKS cluster in " + zone + ", but " +
                          (zones.empty() ? "0 elsewhere" : "in " + join(zones, ", ")),
               .hint = "make a cluster in that zone at console.coreweave.com: nodes are sold into clusters",
               .source = "coreweave " + zone,
               .code = "NoCluster",
               .scope = ErrorScope::region};
}

Result<HttpResponse> Kube::send(const Cluster& cluster, const HttpRequest& request) {
  TRY(HttpResponse answer, parts_.http.send(request));
  if (answer.status < 400) { return answer; }
  const std::string path = request.url.substr(cluster.server.size());
  Error error = parse_status(
      answer, "coreweave " + cluster.zone + " " + request.method + " " + path.substr(0, path.find('?')),
      parts_.clock.now());
  // A server that failed half-way may have done it.
  error.maybe_applied = answer.status >= 500 && request.method != "GET";
  if (error.kind == ErrorKind::auth) {  // the credential may have been replaced meanwhile
    const std::lock_guard<std::mutex> hold(mutex_);
    known_at_.reset();
  }
  return error;
}

std::string Kube::list_query(const std::string& selector, const std::string& next) {
  QueryPairs pairs = {{"limit", std::to_string(kPage)}, {"labelSelector", selector}};
  if (!next.empty()) { pairs.emplace_back("continue", next); }
  return "?" + encode_query(pairs);
}

Result<std::vector<Cluster>> Kube::look_up() {
  const Secret token = find_api_token(parts_.files, parts_.processes).key;
  TRY(std::optional<Cluster> own, read_kubeconfig());
  if (token.empty() && !own) { return no_credentials("coreweave", kNeeds); }
  std::vector<Cluster> all;
  if (own) { all.push_back(*std::move(own)); }
  if (!token.empty()) {
    TRY(const std::vector<Cluster> told, ask_control_plane(token));
    for (const Cluster& cluster : told) {
      const bool is_taken =
          std::any_of(all.begin(), all.end(), [&](const Cluster& one) { return one.zone == cluster.zone; });
      if (!is_taken) { all.push_back(cluster); }
    }
  }
  std::sort(all.begin(), all.end(), [](const Cluster& a, const Cluster& b) { return a.zone < b.zone; });
  return all;
}

Result<std::vector<Cluster>> Kube::ask_control_plane(const Secret& token) {
  const std::string url = control_plane(parts_.processes) + std::string(kClustersPath);
  TRY(const HttpResponse answer, parts_.http.send(bearer_get(url, token)));
  if (answer.status >= 400) { return parse_error(answer, kClustersPath, parts_.clock.now()); }
  TRY(std::vector<CksCluster> told, parse_clusters(answer.body));
  std::sort(told.begin(), told.end(),
            [](const CksCluster& a, const CksCluster& b) { return a.name < b.name; });
  std::vector<Cluster> out;
  for (const CksCluster& one : told) {
    // Made or ended just now: nothing of ours can run there.
    const bool answers =
        one.status == "STATUS_RUNNING" || one.status == "STATUS_UPDATING" || one.status == "STATUS_UPGRADING";
    if (!answers || one.endpoint.empty()) { continue; }
    const bool has_scheme = one.endpoint.rfind("https://", 0) == 0;
    out.push_back(
        {.zone = one.zone, .server = has_scheme ? one.endpoint : "https://" + one.endpoint, .token = token});
  }
  return out;
}

Result<std::optional<Cluster>> Kube::read_kubeconfig() {
  const std::optional<KubeContext> context = find_kube_context(parts_.files, parts_.processes);
  if (!context) { return std::optional<Cluster>{}; }
  Cluster cluster{
      .zone = zone_of_server(context->server), .server = context->server, .ca_pem = context->ca_pem};
  if (!context->name_space.empty()) { cluster.name_space = context->name_space; }
  if (cluster.ca_pem.empty() && !context->ca_file.empty()) {
    TRY(cluster.ca_pem, parts_.files.read(context->ca_file));
  }
  TRY(cluster.token, find_kube_token(*context));
  return std::optional(std::move(cluster));
}

Result<Secret> Kube::find_kube_token(const KubeContext& context) {
  if (!context.token.empty()) { return context.token; }
  if (!context.token_file.empty()) {
    TRY(const std::string text, parts_.files.read(context.token_file));
    return Secret(std::string(trim(text)));
  }
  if (!context.program) {
    return Error{.kind = ErrorKind::auth,
                 .message = "the user of the kubeconfig's context " + context.name +
                            " has no token; client certificates are not used here",
                 .hint = "make a token at console.coreweave.com/tokens and put it into $COREWEAVE_API_TOKEN",
                 .source = "kubeconfig",
                 .code = "NoToken",
                 .scope = ErrorScope::account};
  }
  Command command{.argv = context.program->argv, .env = context.program->env};
  command.env["KUBERNETES_EXEC_INFO"] = encode_program_request(*context.program);
  TRY(const CommandResult done, parts_.processes.run(command, kProgramLimit));
  if (done.exit.code != 0) {
    return Error{.kind = ErrorKind::auth,
                 .message = command.argv.front() + ", which the kubeconfig's user names, has failed",
                 .source = "kubeconfig exec",
                 .code = "NoToken",
                 .scope = ErrorScope::account};
  }
  return parse_program_answer(done.out);
}

}  // namespace gpubroker::coreweave
