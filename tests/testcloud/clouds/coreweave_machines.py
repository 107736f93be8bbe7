"""CoreWeave's part of a cluster: NodePools get nodes, nodes get pods, public Services get addresses, spot nodes are taken.

A node is billed by the second from its creation (the moment it is assigned to the pool) until it is taken from the pool; what runs on it plays no
part. A pool that is deleted gives its nodes back at once and then goes, and what belongs to it with it. A pool that is told to shrink gives
back idle nodes only (IdleOnly); one that lacks capacity gets what is there and waits for more. A node that is lost is replaced after "refill_ms".

Scenario (clouds.coreweave), besides coreweave.py's:
    "verdict_ms": 50        from a pool's change to its conditions
    "refill_ms": 1200000    until a lost node is replaced, if there is stock
    "page": 3               the most objects in a page of a list"""
import base64, copy, pathlib

from testcloud.api import Response, host, leaks
from testcloud.clouds import coreweave
from testcloud.clouds.coreweave_kube import Refused, Server, Store, selected, stamp
from testcloud.fleet import ENDED, RUNNING
from testcloud.nodes import BRIDGE, Pod

POOL = "compute.coreweave.com/node-pool"
# Micro-dollars per hour of a node: on demand as of 2026-10-04, spot as of 2026-09-20 (None: not sold so).
PRICES = {"gb200-4x": (42_000_000, None), "b300-8x": (60_000_000, 35_840_000), "b200-8x": (68_800_000, 34_110_000), "gd-8xh200ib-i128": (50_440_000, 20_930_000),
          "gd-8xh100ib-i128": (49_240_000, 19_710_000), "gd-1xgh200": (6_500_000, None), "gd-8xa100-i128": (21_600_000, 9_650_000)}
SPEC_FIELDS = {
    "nodepools": {"instanceType", "targetNodes", "computeClass", "autoscaling", "minNodes", "maxNodes", "nodeLabels", "nodeAnnotations", "nodeTaints", "schedulingPriority", "image",
                  "lifecycle", "nodeConfigurationUpdateStrategy", "targetRacks", "gpu"},
    "pods": {"restartPolicy", "activeDeadlineSeconds", "terminationGracePeriodSeconds", "serviceAccountName", "nodeSelector", "tolerations", "volumes", "containers", "hostname",
             "subdomain", "automountServiceAccountToken", "nodeName", "dnsPolicy", "enableServiceLinks", "securityContext", "schedulerName"},
    "services": {"type", "selector", "ports", "externalTrafficPolicy", "clusterIP", "loadBalancerSourceRanges", "allocateLoadBalancerNodePorts"},
}
CONTAINER_FIELDS = {"name", "image", "command", "args", "env", "ports", "readinessProbe", "volumeMounts", "resources", "securityContext", "imagePullPolicy",
                    "terminationMessagePath", "terminationMessagePolicy"}
SECRET_PLACE = "/var/run/secrets/kubernetes.io/serviceaccount"


def invalid(plural, object, why):
    raise Refused(422, "Invalid", f'{object["kind"]} "{object["metadata"]["name"]}" is invalid: {why}')


class Controller:
    """The NodePool controller, the scheduler, the kubelets, and the load balancers of one cluster."""

    def __init__(self, world, zone):
        self.world, self.fleet, self.zone, self.config = world, world.fleet, zone, world.cloud("coreweave")
        self.store, self.serial = Store(lambda: world.fleet.now()), 0
        self.server = Server(self.store, self, self.config.get("token", coreweave.TOKEN))
        self.machines = {}  # by the name of their node
        self.pools = {}  # by uid: {"due": ms of its verdict, "refill": ms or None}

    # --- what is taken ---

    def check(self, plural, object):
        unknown = set(object.get("spec", {})) - SPEC_FIELDS.get(plural, set(object.get("spec", {})))
        if unknown:
            raise Refused(400, "BadRequest", f'strict decoding error: unknown field "spec.{sorted(unknown)[0]}"')
        getattr(self, "check_" + plural, lambda o: None)(object)

    def check_nodepools(self, pool):
        spec = pool.get("spec", {})
        if not isinstance(spec.get("targetNodes"), int) or spec["targetNodes"] < 0 or not isinstance(spec.get("instanceType"), str):
            invalid("nodepools", pool, "spec.targetNodes and spec.instanceType: Required value")
        if spec.get("computeClass", "default") not in ("default", "spot"):
            invalid("nodepools", pool, f'spec.computeClass: Unsupported value: "{spec["computeClass"]}"')
        if any("coreweave.c" in key for key in spec.get("nodeLabels", {})):
            invalid("nodepools", pool, "spec.nodeLabels: the namespaces of CoreWeave are reserved")
        pool.setdefault("status", {})

    def check_pods(self, pod):
        spec = pod.get("spec", {})
        if spec.get("restartPolicy", "Always") not in ("Always", "Never", "OnFailure") or not spec.get("containers"):
            invalid("pods", pod, "spec.containers: Required value")
        volumes = {volume["name"] for volume in spec.get("volumes", [])}
        for container in spec["containers"]:
            if set(container) - CONTAINER_FIELDS:
                raise Refused(400, "BadRequest", f'strict decoding error: unknown field "spec.containers[0].{sorted(set(container) - CONTAINER_FIELDS)[0]}"')
            if not container.get("name") or not container.get("image"):
                invalid("pods", pod, "spec.containers[0].image: Required value")
            if any(mount["name"] not in volumes for mount in container.get("volumeMounts", [])):
                invalid("pods", pod, "spec.containers[0].volumeMounts[0].name: Not found")
            if any(not isinstance(value, str) for value in container.get("resources", {}).get("limits", {}).values()):
                invalid("pods", pod, "spec.containers[0].resources.limits: must be a quantity")
            if any(not isinstance(entry.get("value", ""), str) for entry in container.get("env", [])):
                invalid("pods", pod, "spec.containers[0].env: must be a string")
        account = spec.get("serviceAccountName", "default")
        if account != "default" and not self.store.find("serviceaccounts", pod["metadata"]["namespace"], account):
            raise Refused(403, "Forbidden", f'error looking up service account {pod["metadata"]["namespace"]}/{account}: serviceaccount "{account}" not found')
        pod["status"] = {"phase": "Pending", "conditions": []}

    def check_services(self, service):
        spec = service.get("spec", {})
        if not spec.get("ports") or spec.get("type", "ClusterIP") not in ("ClusterIP", "LoadBalancer", "NodePort"):
            invalid("services", service, "spec.ports: Required value")
        service.setdefault("status", {"loadBalancer": {}})

    def check_secrets(self, secret):
        for value in secret.get("data", {}).values():
            base64.b64decode(value, validate=True)

    # --- what follows ---

    def made(self, plural, object):
        if plural == "nodepools":
            self.changed(plural, object)
        elif plural == "pods":
            self.schedule(object)

    def changed(self, plural, object):
        if plural != "nodepools":
            return
        known = self.pools.setdefault(object["metadata"]["uid"], {"refill": None})
        known["due"] = self.fleet.now() + self.config.get("verdict_ms", 50)
        self.fill(object)

    def deleted(self, plural, object):
        if plural == "nodepools":
            for machine in self.nodes_of(object):
                self.fleet.end(machine)
        self.store.remove(plural, object)
        self.sync()

    # --- pools ---

    def nodes_of(self, pool):
        uid = pool["metadata"]["uid"]
        return [m for m in self.machines.values() if m.extra["pool"] == uid and m.state != ENDED]

    def place(self, pool):
        spec = pool["spec"]
        return f"coreweave/{self.zone}//{spec['instanceType']}/{'spot' if spec.get('computeClass') == 'spot' else 'on_demand'}"

    def fill(self, pool):
        """As many nodes as it wants, as far as they are there."""
        spec, there = pool["spec"], self.nodes_of(pool)
        missing = spec["targetNodes"] - len(there)
        if missing < 0:
            idle = [m for m in there if not self.pods_on(m.extra["node"])]
            for machine in idle[:-missing]:
                self.fleet.end(machine)
        if missing <= 0 or self.problem(pool, missing):
            return
        for _ in range(missing):
            if self.fleet.lacks_stock(self.place(pool)):
                return
            self.assign(pool)

    def problem(self, pool, missing):
        """Why it gets none at all: (condition, reason, message)."""
        spec, place = pool["spec"], self.place(pool)
        spot = spec.get("computeClass") == "spot"
        if spec["instanceType"] not in self.config.get("zones", coreweave.ZONES).get(self.zone, []) or PRICES.get(spec["instanceType"], (0, 0))[spot] is None:
            return "Validated", "Invalid", "instance type does not exist in zone"
        limit = self.fleet.lacks_quota(place, missing)
        if limit is not None:
            return "Quota", "Over", f"{spec['targetNodes']} nodes of {spec['instanceType']} exceed the quota of {limit}"
        return None

    def assign(self, pool):
        """A node, and the pod that has waited for it."""
        spec, (on_demand, spot_price) = pool["spec"], PRICES[pool["spec"]["instanceType"]]
        spot = spec.get("computeClass") == "spot"
        taken = {m.extra["index"] for m in self.nodes_of(pool)}
        index = next(i for i in range(len(taken) + 1) if i not in taken)
        id = f"{pool['metadata']['name']}-{index}"
        if id in self.fleet.machines:
            self.serial += 1
            id += f"~{self.serial}"
        name = f"g{pool['metadata']['uid'][:6]}{index:x}" + (f"-{self.serial}" if "~" in id else "")
        pod = next((p for p in self.waiting(pool) if p["metadata"]["name"] == id.partition("~")[0]), None) or next(iter(self.waiting(pool)), None)
        machine = self.fleet.create(
            "coreweave", id, self.zone, "", spec["instanceType"], "spot" if spot else "on_demand", spot_price if spot else on_demand, unit_ms=1000,
            tags={**pool["metadata"].get("annotations", {}), "rank": str(index)}, user="root", on_power_off="stay", bill_from_creation=True,
            pod=self.container(pod) if pod and self.fleet.nodes else None)
        machine.created_ms = machine.created_ms // 1000 * 1000  # as it is told
        machine.extra |= {"pool": pool["metadata"]["uid"], "index": index, "node": name}
        self.machines[name] = machine
        node = {"metadata": {"name": name, "labels": {"node.kubernetes.io/instance-type": spec["instanceType"], POOL: pool["metadata"]["name"],
                                                      "topology.kubernetes.io/zone": self.zone, **spec.get("nodeLabels", {})}},
                "spec": {"taints": copy.deepcopy(spec.get("nodeTaints", []))}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
        self.store.put("nodes", node)
        node["metadata"]["creationTimestamp"] = stamp(machine.created_ms)
        self.tell(pool, "Normal", "CWNodeAssigned", f"node {name} was assigned")
        if pod:
            self.bind(pod, name)

    def tell(self, pool, type, reason, message):
        self.serial += 1
        reference = {"apiVersion": pool["apiVersion"], "kind": "NodePool", "name": pool["metadata"]["name"], "uid": pool["metadata"]["uid"]}
        self.store.put("events", {"metadata": {"name": f"{pool['metadata']['name']}.{self.serial:x}", "namespace": "default"}, "involvedObject": reference, "type": type,
                                  "reason": reason, "message": message, "count": 1, "source": {"component": "nodepool-controller"},
                                  "firstTimestamp": stamp(self.store.now()), "lastTimestamp": stamp(self.store.now())})

    # --- pods ---

    def pods_on(self, node):
        return [p for p in self.store.of("pods") if p["spec"].get("nodeName") == node]

    def waiting(self, pool):
        return [p for p in self.store.of("pods") if not p["spec"].get("nodeName") and p["spec"].get("nodeSelector", {}).get(POOL) == pool["metadata"]["name"]
                and self.tolerates(p, pool)]

    @staticmethod
    def tolerates(pod, pool):
        keys = [t.get("key") for t in pod["spec"].get("tolerations", [])]
        return all(taint["key"] in keys for taint in pool["spec"].get("nodeTaints", []))

    def schedule(self, pod):
        """A pod that comes when nodes are there already."""
        for node in self.store.of("nodes"):
            pool = self.store.find("nodepools", "", node["metadata"]["labels"][POOL])
            if pool and pod in self.waiting(pool) and not self.pods_on(node["metadata"]["name"]):
                return self.bind(pod, node["metadata"]["name"])

    def bind(self, pod, node):
        self.store.change("pods", pod, spec={**pod["spec"], "nodeName": node})

    def container(self, pod):
        """What a real node runs in place of the container."""
        spec, container, namespace = pod["spec"], pod["spec"]["containers"][0], pod["metadata"]["namespace"]
        files, volumes = {}, {volume["name"]: volume for volume in spec.get("volumes", [])}
        for mount in container.get("volumeMounts", []):
            secret = volumes[mount["name"]].get("secret")
            if secret:
                for name, value in self.store.find("secrets", namespace, secret["secretName"])["data"].items():
                    files[f"{mount['mountPath']}/{name}"] = (base64.b64decode(value).decode(), secret.get("defaultMode", 0o644))
        token = self.server.token_of(namespace, spec.get("serviceAccountName", "default"))
        ca = (pathlib.Path(self.world.folder) / "ca.pem").read_text()
        files |= {f"{SECRET_PLACE}/token": (token, 0o600), f"{SECRET_PLACE}/ca.crt": (ca, 0o644), f"{SECRET_PLACE}/namespace": (namespace, 0o644)}
        env = {entry["name"]: entry["value"] for entry in container.get("env", [])}
        return Pod(files, env, container["command"] + container.get("args", []), {"kubernetes.default.svc": BRIDGE})

    # --- time passes ---

    def sync(self):
        for name, machine in list(self.machines.items()):
            if machine.state == ENDED:
                self.lose(name, machine)
            else:
                self.show_node(self.store.find("nodes", "", name), machine)
        for pool in self.store.of("nodepools"):
            self.show_pool(pool)
        for service in self.store.of("services"):
            self.show_service(service)

    def lose(self, name, machine):
        """The node object goes, and the pod collector takes its pods."""
        del self.machines[name]
        for pod in self.pods_on(name):
            self.store.remove("pods", pod)
        self.store.remove("nodes", self.store.find("nodes", "", name))
        known = self.pools.get(machine.extra["pool"])
        if known:
            known["refill"] = self.fleet.now() + self.config.get("refill_ms", 1_200_000)

    def show_node(self, node, machine):
        if machine.notice_until is not None and not node["spec"].get("unschedulable"):
            # Pods with four minutes of grace end six minutes after the notice; a scenario's shorter notice is one that came late.
            at = stamp(machine.notice_until - 6 * 60_000)
            taint = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule", "timeAdded": at}
            labels = {**node["metadata"]["labels"], "qos.coreweave.cloud/pending-preemption": "true"}
            self.store.change("nodes", node, metadata={**node["metadata"], "labels": labels}, spec={**node["spec"], "unschedulable": True, "taints": [*node["spec"]["taints"], taint]})
        for pod in self.pods_on(node["metadata"]["name"]):
            runs = machine.state == RUNNING
            self.store.change("pods", pod, status={"phase": "Running" if runs else "Pending", "podIP": machine.address if runs else "", "startTime": stamp(machine.created_ms),
                                                   "conditions": [{"type": "Ready", "status": "True" if runs else "False"}]})

    def show_pool(self, pool):
        known, there, spec = self.pools[pool["metadata"]["uid"]], self.nodes_of(pool), pool["spec"]
        if known["refill"] is not None and self.fleet.now() >= known["refill"]:
            known["refill"] = None
            self.fill(pool)
        elif len(there) > spec["targetNodes"]:
            self.fill(pool)
        missing = spec["targetNodes"] - len(there)
        status = {**pool["status"], "currentNodes": len(there), "inProgress": 0, "queuedNodes": max(missing, 0)}
        if self.fleet.now() >= known["due"]:
            problem = self.problem(pool, missing) if missing > 0 else None
            if not problem and missing > 0 and known["refill"] is None:
                problem = "Capacity", "Insufficient", f"{missing} nodes of {spec['instanceType']} are not available in {self.zone}"
            status = {**status, "conditions": conditions(problem, pool["status"].get("conditions", []), self.store.now())}
            if problem and problem[0] != "Validated" and status["conditions"] != pool["status"].get("conditions"):
                self.tell(pool, "Warning", "CWOverQuota" if problem[0] == "Quota" else "CWInsufficientCapacity", problem[2])
        self.store.change("nodepools", pool, status=status)

    def show_service(self, service):
        spec = service["spec"]
        if spec.get("type") != "LoadBalancer":
            return
        # Without the annotation the address is one that nobody outside reaches.
        public = service["metadata"].get("annotations", {}).get("service.beta.kubernetes.io/coreweave-load-balancer-type") == "public"
        wanted = ",".join(f"{k}={v}" for k, v in spec.get("selector", {}).items())
        pod = next((p for p in self.store.of("pods", service["metadata"]["namespace"]) if wanted and selected(p["metadata"].get("labels", {}), wanted)), None)
        machine = self.machines.get(pod["spec"].get("nodeName", "")) if pod else None
        address = machine.address if machine and public else "10.0.0.1" if machine else None
        self.store.change("services", service, status={"loadBalancer": {"ingress": [{"ip": address}]} if address else {}})


def conditions(problem, former, now):
    good = {"Validated": ("True", "Valid", ""), "Capacity": ("True", "Sufficient", ""), "Quota": ("True", "Under", "")}
    if problem:
        good[problem[0]] = ("False", *problem[1:])
    shown = [{"type": type, "status": s, "reason": reason, "message": message, "lastTransitionTime": stamp(now)} for type, (s, reason, message) in good.items()]
    kept = {c["type"]: c for c in former}
    return [kept[c["type"]] if {**kept.get(c["type"], {}), "lastTransitionTime": 0} == {**c, "lastTransitionTime": 0} else c for c in shown]


def controllers(world):
    """By the host of their API server."""
    made = world.state.setdefault("coreweave clusters", {})
    for cluster in world.cloud("coreweave").get("clusters", coreweave.CLUSTERS):
        if cluster["apiServerEndpoint"] not in made:
            made[cluster["apiServerEndpoint"]] = Controller(world, cluster["zone"])
    return made


@host("*.k8s.*.coreweave.com")
def from_outside(request):
    controller = controllers(request.world).get(request.host)
    return controller.server.answer(request) if controller else Response(404, "no such cluster")


@host("kubernetes.default.svc")
def from_a_pod(request):
    controller = next((c for c in controllers(request.world).values() if request.bearer() in c.server.accounts), None)
    return controller.server.answer(request) if controller else Response(401, {"kind": "Status", "reason": "Unauthorized", "code": 401})


@leaks("coreweave")
def left(world):
    """Everything but what every cluster has."""
    found = []
    for controller in world.state.get("coreweave clusters", {}).values():
        controller.sync()
        found += [f"{plural} {name}" for plural, _, name in controller.store.objects if plural not in ("namespaces", "events")]
    return found
