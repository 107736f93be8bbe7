#pragma once
// Kubernetes clusters of CoreWeave: where they are, who we are there, one call, and lists over their pages.
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/secret.hpp"
#include "core/ports/cloud_machine.hpp"
#include "core/wire/harvest_rows.hpp"

namespace gpubroker::coreweave {

struct KubeContext;

/// A cluster that may be asked. A zone has at most one of ours here: with several, the one that comes first
/// by name (of the kubeconfig before those of the control plane).
struct Cluster {
  std::string zone = {};    // "US-EAST-04A"
  std::string server = {};  // "https://…", without a slash at its end
  std::string ca_pem = {};  // empty: the system's roots
  Secret token = {};
  std::string name_space = "default";  // where pods are made
};

enum class BodyKind : std::uint8_t { json, merge_patch };
HttpRequest encode_kube(const Cluster& cluster, const std::string& method, const std::string& path,
                        std::string body = {}, BodyKind kind = BodyKind::json);

/// What a failed answer means, by the Status object's reason. `source` is "coreweave US-EAST-04A POST /…".
Error parse_status(const HttpResponse& answer, const std::string& source, Instant now);

/// "US-EAST-04A" of "https://org-1a2b3c4d.k8s.us-east-04a.coreweave.com"; empty for any other host.
std::string zone_of_server(std::string_view server);

/// A part of a list.
template <class T>
struct KubePage {
  std::vector<T> items = {};
  std::string next = {};  // metadata.continue
};

/// The clusters of the account. May be used from many threads.
class Kube {
 public:
  explicit Kube(const CloudParts& parts) : parts_(parts) {}

  /// Whether a token or a kubeconfig of CoreWeave lies here.
  bool has_account();
  /// All of them, by zone: those of the control plane that run, and the kubeconfig's. Looked up anew after a
  /// minute. `auth` with code "no_credentials" when there is no credential.
  Result<std::vector<Cluster>> clusters();
  /// The one of a zone. `quota` when the account has none there: a zone must be opened by making a cluster.
  Result<Cluster> cluster_in(const std::string& zone);

  /// An error has maybe_applied when the call may have been carried out all the same.
  Result<HttpResponse> send(const Cluster& cluster, const HttpRequest& request);
  /// All items at `path` with these labels; `parse` reads a page. A list whose pages have expired (410) is
  /// begun anew, once.
  template <class Parse>
  auto list(const Cluster& cluster, const std::string& path, const std::string& selector, Parse parse)
      -> Result<std::vector<typename decltype(parse(std::string_view{}).value().items)::value_type>> {
    using Items = decltype(parse(std::string_view{}).value().items);
    for (int tries = 0;; ++tries) {
      Result<Items> all = list_once<Items>(cluster, path, selector, parse);
      const bool has_expired = !all.ok() && all.error().code == "Expired";
      if (!has_expired || tries > 0) { return all; }
    }
  }

 private:
  template <class Items, class Parse>
  Result<Items> list_once(const Cluster& cluster, const std::string& path, const std::string& selector,
                          Parse parse) {
    Items items;
    PageTurner pages;
    std::string next;
    do {
      TRY(const HttpResponse answer,
          send(cluster, encode_kube(cluster, "GET", path + list_query(selector, next))));
      TRY(auto page, parse(answer.body));
      for (auto& item : page.items) { items.push_back(std::move(item)); }
      next = page.next;
      if (!next.empty()) {
        TRY([[maybe_unused]] const Ok turned, pages.turn(next, "coreweave " + cluster.zone + " " + path));
      }
    } while (!next.empty());
    return items;
  }
  static std::string list_query(const std::string& selector, const std::string& next);

  Result<std::vector<Cluster>> look_up();
  Result<std::vector<Cluster>> ask_control_plane(const Secret& token);
  Result<std::optional<Cluster>> read_kubeconfig();
  Result<Secret> find_kube_token(const KubeContext& context);

  CloudParts parts_;
  std::mutex mutex_ = {};
  std::vector<Cluster> known_ = {};
  std::optional<Millis> known_at_ = {};
};

}  // namespace gpubroker::coreweave
