#include "providers/coreweave/manifests.hpp"

#include <algorithm>

#include "core/ports/machine_tags.hpp"
#include "core/wire/digest.hpp"
#include "core/wire/json.hpp"
#include "providers/coreweave/facts.hpp"

namespace gpubroker::coreweave {
namespace {

// NVIDIA's, for x86-64 and arm64; any image with CUDA does that can install Debian's or Ubuntu's packages.
constexpr const char* kImage = "nvcr.io/nvidia/pytorch:25.08-py3";
constexpr const char* kPoolLabel = "compute.coreweave.com/node-pool";

/// What a pod does: keeps the death date with the account's token (which may end this pool and nothing else),
/// sets up sshd with the workload's keys, and lives as long as sshd. SIGTERM is left to the job: a spot
/// node's notice gives it the pod's grace. The image's environment is handed to logins, which do not inherit
/// it.
constexpr const char* kBoot = R"sh(umask 077
end_pool() {
  printf 'Authorization: Bearer %s' "$(cat /var/run/secrets/kubernetes.io/serviceaccount/token)" |
    curl -fsS -o /dev/null -X DELETE -H @- --cacert /var/run/secrets/kubernetes.io/serviceaccount/ca.crt \
      "https://kubernetes.default.svc/apis/compute.coreweave.com/v1alpha1/nodepools/$GPUBROKER_POOL"
}
( left=$((GPUBROKER_EXPIRES - $(date +%s))); [ "$left" -le 0 ] || sleep "$left"
  until end_pool; do sleep 15; done ) &
need=
command -v curl >/dev/null || need="curl ca-certificates"
[ -x /usr/sbin/sshd ] || need="$need openssh-server"
[ -z "$need" ] || { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $need; } || exit 1
mkdir -p /run/sshd /root/.ssh
cat /etc/gpubroker/authorized_keys >> /root/.ssh/authorized_keys
cat /etc/gpubroker/host_key > /etc/ssh/gpubroker_host_key
env | grep -E '^[A-Za-z_][A-Za-z0-9_]*=' | grep -Ev '^(HOME|PWD|OLDPWD|SHLVL|_|GPUBROKER_[A-Z]*)=' > /root/.ssh/environment
umask 022
trap : TERM
/usr/sbin/sshd -D -e -f /dev/null -o Port=22 -o HostKey=/etc/ssh/gpubroker_host_key -o PasswordAuthentication=no \
  -o KbdInteractiveAuthentication=no -o PermitRootLogin=prohibit-password -o PermitUserEnvironment=yes \
  -o AuthorizedKeysFile=/root/.ssh/authorized_keys -o MaxStartups=200:30:400 -o MaxSessions=100 \
  -o 'Subsystem=sftp internal-sftp' &
sshd=$!
while kill -0 "$sshd" 2>/dev/null; do wait "$sshd"; done
exit 1
)sh";

Json labels_of(const GangRequest& request) {
  return {{"app.kubernetes.io/managed-by", "gpubroker"}, {std::string(kGangLabel), gang_name(request.token)}};
}

/// metadata of an object that goes with its pool.
Json owned(const GangRequest& request, const std::string& name, const Home& home) {
  return {{"name", name},
          {"labels", labels_of(request)},
          {"ownerReferences",
           {{{"apiVersion", "compute.coreweave.com/v1alpha1"},
             {"kind", "NodePool"},
             {"name", gang_name(request.token)},
             {"uid", home.pool_uid}}}}};
}

std::string core_path(const Home& home, const std::string& plural) {
  return "/api/v1/namespaces/" + home.name_space + "/" + plural;
}

Json object(const char* api_version, const char* kind, Json metadata) {
  return {{"apiVersion", api_version}, {"kind", kind}, {"metadata", std::move(metadata)}};
}

Json toleration(const char* key) {
  return {{"key", key}, {"operator", "Exists"}};
}

/// The whole machine: no other pod tolerates the pool's taint.
Json limits_of(const GangRequest& request) {
  const std::vector<Listing> listings =
      listings_in(request.offer.key.instance_type, request.offer.key.region);
  const int gpus = listings.empty() ? request.offer.gpu.count : listings.front().offer.gpu.count;
  Json limits = {{"nvidia.com/gpu", std::to_string(gpus)}};
  // One per pod gives it all of the node's adapters.
  if (!listings.empty() && listings.front().fabric == Fabric::infiniband) { limits["rdma/ib"] = "1"; }
  return limits;
}

Json container_of(const GangRequest& request) {
  const std::int64_t expires_s = request.tags.expires.ms / 1'000;
  Json container = {{"name", "node"},
                    {"image", kImage},
                    {"command", {"/bin/sh", "-c", kBoot}},
                    {"env",
                     {{{"name", "GPUBROKER_POOL"}, {"value", gang_name(request.token)}},
                      {{"name", "GPUBROKER_EXPIRES"}, {"value", std::to_string(expires_s)}}}},
                    {"ports", {{{"name", "ssh"}, {"containerPort", 22}}}},
                    {"readinessProbe", {{"tcpSocket", {{"port", 22}}}, {"periodSeconds", 2}}},
                    {"volumeMounts",
                     {{{"name", "keys"}, {"mountPath", "/etc/gpubroker"}, {"readOnly", true}},
                      {{"name", "shm"}, {"mountPath", "/dev/shm"}}}},
                    {"resources", {{"limits", limits_of(request)}}}};
  // RDMA pins its memory.
  container["securityContext"] = {{"capabilities", {{"add", {"IPC_LOCK"}}}}};
  return container;
}

Json pod_spec(const GangRequest& request, Instant now) {
  const std::string pool = gang_name(request.token);
  // A little later than the pod's own watch, which ends the bill and not only the pod.
  const std::int64_t life_s = std::max<std::int64_t>((request.tags.expires - now).count() / 1'000, 1) + 300;
  return {{"restartPolicy", "Never"},
          {"activeDeadlineSeconds", life_s},
          {"terminationGracePeriodSeconds", kPodGrace.count() / 1'000},
          {"serviceAccountName", pool},
          {"nodeSelector", {{kPoolLabel, pool}}},
          {"tolerations",
           {toleration(kGangLabel.data()), toleration("is_gpu"), toleration("nvidia.com/gpu"),
            toleration("node.coreweave.cloud/reserved"), toleration("qos.coreweave.cloud/interruptable"),
            toleration("kubernetes.io/arch")}},
          {"volumes",
           {{{"name", "keys"}, {"secret", {{"secretName", pool}, {"defaultMode", 0400}}}},
            {{"name", "shm"}, {"emptyDir", {{"medium", "Memory"}}}}}},
          {"containers", Json::array({container_of(request)})}};
}

}  // namespace

std::string encode_pool(const GangRequest& request) {
  Json labels = labels_of(request);
  Json annotations = Json::object();
  for (const auto& [name, value] : machine_tags(request)) {
    annotations[std::string(kTagPrefix) + name] = value;
  }
  annotations[std::string(kNodes)] = std::to_string(request.nodes);
  Json pool = object("compute.coreweave.com/v1alpha1", "NodePool",
                     {{"name", gang_name(request.token)}, {"labels", labels}, {"annotations", annotations}});
  pool["spec"] = {
      {"instanceType", request.offer.key.instance_type},
      {"targetNodes", 0},
      {"computeClass", request.offer.key.market == Market::spot ? "spot" : "default"},
      {"autoscaling", false},
      {"nodeLabels", std::move(labels)},
      {"nodeTaints", {{{"key", kGangLabel}, {"value", gang_name(request.token)}, {"effect", "NoSchedule"}}}}};
  return dump_json(pool);
}

std::string encode_target(int nodes, const std::string& given_back) {
  Json patch = {{"spec", {{"targetNodes", nodes}}}};
  if (!given_back.empty()) { patch["metadata"]["annotations"][std::string(kGivenBack)] = given_back; }
  return dump_json(patch);
}

std::vector<Manifest> encode_belongings(const GangRequest& request, const Home& home, const NodeKeys& keys) {
  const std::string name = gang_name(request.token);
  constexpr const char* kRbac = "rbac.authorization.k8s.io/v1";
  constexpr const char* kRbacPath = "/apis/rbac.authorization.k8s.io/v1/";
  Json secret = object("v1", "Secret", owned(request, name, home));
  secret["data"] = {{"host_key", to_base64(keys.host_private.reveal())},
                    {"authorized_keys", to_base64(keys.public_key + "\n")}};
  const Json account = object("v1", "ServiceAccount", owned(request, name, home));
  Json role = object(kRbac, "ClusterRole", owned(request, name, home));
  role["rules"] = {{{"apiGroups", {"compute.coreweave.com"}},
                    {"resources", {"nodepools"}},
                    {"resourceNames", {name}},
                    {"verbs", {"delete"}}}};
  Json binding = object(kRbac, "ClusterRoleBinding", owned(request, name, home));
  binding["roleRef"] = {{"apiGroup", "rbac.authorization.k8s.io"}, {"kind", "ClusterRole"}, {"name", name}};
  binding["subjects"] = {{{"kind", "ServiceAccount"}, {"name", name}, {"namespace", home.name_space}}};
  return {{core_path(home, "secrets"), dump_json(secret)},
          {core_path(home, "serviceaccounts"), dump_json(account)},
          {std::string(kRbacPath) + "clusterroles", dump_json(role)},
          {std::string(kRbacPath) + "clusterrolebindings", dump_json(binding)}};
}

std::vector<Manifest> encode_rank(const GangRequest& request, int rank, const Home& home, Instant now) {
  const std::string name = machine_name(request.token, rank);
  Json metadata = owned(request, name, home);
  metadata["labels"][std::string(kRankLabel)] = std::to_string(rank);
  // Told of maintenance by SIGTERM, with time to save; without it the node's repair would wait for the job.
  metadata["labels"]["qos.coreweave.com/graceful-interruptible"] = "true";
  Json pod = object("v1", "Pod", metadata);
  pod["spec"] = pod_spec(request, now);
  metadata["labels"].erase("qos.coreweave.com/graceful-interruptible");
  metadata["annotations"] = {{"service.beta.kubernetes.io/coreweave-load-balancer-type", "public"}};
  Json service = object("v1", "Service", std::move(metadata));
  service["spec"] = {{"type", "LoadBalancer"},
                     {"externalTrafficPolicy", "Local"},
                     {"selector",
                      {{std::string(kGangLabel), gang_name(request.token)},
                       {std::string(kRankLabel), std::to_string(rank)}}},
                     {"ports", {{{"name", "ssh"}, {"port", 22}, {"protocol", "TCP"}, {"targetPort", 22}}}}};
  return {{core_path(home, "pods"), dump_json(pod)}, {core_path(home, "services"), dump_json(service)}};
}

}  // namespace gpubroker::coreweave
