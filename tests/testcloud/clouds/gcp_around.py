"""Google Cloud, what stands around machines: placement policies, firewall rules, reservations, the price of a machine, and what a VM is
told by its metadata server. Scenario: gcp_machines.py."""
import asyncio, re

from testcloud.api import Response, leaks, metadata
from testcloud.clouds import gcp
from testcloud.clouds.gcp_operations import NAME, Refused, aggregated, answer_with, exists, last, matching, operate, repeated, stamp, store, used
from testcloud.fleet import ENDED, STOPPED

# Local SSD that comes with the machine and is billed, GiB.
LOCAL_SSD = {"a3-highgpu-1g": 750, "a3-highgpu-8g": 6000, "a3-megagpu-8g": 6000, "a3-ultragpu-8g": 12000, "a2-ultragpu-8g": 3000}
FAMILIES = [("a3-ultragpu", "A3Ultra"), ("a3-megagpu", "A3Plus"), ("a3-", "A3"), ("a2-", "A2"), ("g2-", "G2"), ("n1-", "N1 Predefined")]
GPUS = {"nvidia-h100-80gb": "Nvidia H100 80GB", "nvidia-h100-mega-80gb": "Nvidia H100 80GB (?:Plus|Mega)", "nvidia-h200-141gb": "H200 141GB",
        "nvidia-tesla-a100": "Nvidia Tesla A100", "nvidia-a100-80gb": "Nvidia Tesla A100 80GB", "nvidia-l4": "Nvidia L4", "nvidia-tesla-t4": "Nvidia Tesla T4"}


def price(config, type, market, region):
    """Micro-dollars per hour, added up from the SKUs as Google's bill does; 0 where there is no SKU."""
    name, _, attached = type.partition("+")
    cpus, memory, accelerator, count = (*gcp.TYPES.get(name, (8, 30, "", 0))[:2], *(attached.split(":") if attached else gcp.TYPES[name][2:4]))
    family = next((words for prefix, words in FAMILIES if name.startswith(prefix)), None)
    before, after = {"on_demand": ("", ""), "spot": ("Spot Preemptible ", " attached to Spot Preemptible VMs"),
                     "flex": ("DWS Defined Duration ", " attached to DWS Defined Duration VMs"), "block": ("DWS Calendar Mode ", "")}.get(market, ("", ""))

    def part(amount, pattern, hours=1):
        rows = [row for row in config.get("skus", gcp.SKUS) if re.match(pattern, row[0]) and region in row[2]]
        return (int(amount) * max((round(row[1] * 10**9) for row in rows), default=0) + hours * 500) // (hours * 1000)
    if family is None:
        return part(count, f"{before}A4 Nvidia B200 \\(1 gpu slice\\)")
    instance = " " if market == "flex" else "(?: Instance)? "
    disk = "SSD backed Local Storage" + (after if market == "spot" else "")
    if market == "flex":
        disk = "DWS Defined Duration SSD backed Local Storage"
    return (part(count, f"{GPUS[accelerator]} GPU{after} running") + part(cpus, f"{before}{family}{instance}Core running") + part(memory, f"{before}{family}{instance}Ram running")
            + part(LOCAL_SSD.get(name, 0), disk + "( running.*)?$", 730))


# --- placement, firewall, reservations ---

def policies(request, region, rest):
    all = store(request.world)["policies"]
    if not rest and request.method == "POST":
        before = repeated(request)
        if before:
            return before
        body = request.json
        group = body.get("groupPlacementPolicy", {})
        if set(body) - {"name", "description", "region", "groupPlacementPolicy"} or set(group) - {"collocation", "vmCount", "gpuTopology"} or group.get("collocation") != "COLLOCATED" \
                or not re.fullmatch(NAME, body.get("name", "")) or not re.fullmatch(r"1x(64|72)", group.get("gpuTopology", "1x72")):
            raise Refused("Invalid value for field 'resource'.")
        target = f"regions/{region}/resourcePolicies/{body['name']}"
        if (region, body["name"]) in all:
            raise Refused(f"The resource 'projects/{gcp.PROJECT}/{target}' already exists", 409, "alreadyExists")
        all[region, body["name"]] = {"kind": "compute#resourcePolicy", "status": "READY", "region": gcp.link(request, f"regions/{region}"), "selfLink": gcp.link(request, target),
                                     "creationTimestamp": stamp(request.world.fleet.now()), **{k: v for k, v in body.items() if k != "region"}}
        return answer_with(request, operate(request, "insert", target, f"regions/{region}"))
    if not rest:
        return gcp.list_of(request, "resourcePolicyList", f"regions/{region}/resourcePolicies", matching(request, [p for (at, _), p in all.items() if at == region]))
    target = f"regions/{region}/resourcePolicies/{rest[0]}"
    if (region, rest[0]) not in all:
        raise Refused(f"The resource 'projects/{gcp.PROJECT}/{target}' was not found", 404, "notFound")
    if request.method == "DELETE":
        user = next((m for m in request.world.fleet.of("gcp") if exists(m) and m.region == region and rest[0] in map(last, m.extra["spec"].get("resourcePolicies", []))), None)
        if user:
            raise Refused(f"The resource_policy resource '{target}' is already being used by 'projects/{gcp.PROJECT}/zones/{user.zone}/instances/{user.extra['name']}'", 400, "resourceInUseByAnotherResource")
        del all[region, rest[0]]
        return answer_with(request, operate(request, "delete", target, f"regions/{region}"))
    return Response(200, all[region, rest[0]])


def firewalls(request, rest):
    state = store(request.world)
    if state["firewalls"] is None:
        allow = {"default-allow-internal": (["tcp", "udp", "icmp"], None, "10.128.0.0/9"), "default-allow-ssh": (["tcp"], ["22"], "0.0.0.0/0"), "default-allow-icmp": (["icmp"], None, "0.0.0.0/0")}
        state["firewalls"] = {name: {"kind": "compute#firewall", "name": name, "network": gcp.link(request, "global/networks/default"), "direction": "INGRESS", "priority": 65534, "disabled": False,
                                     "sourceRanges": [source], "allowed": [{"IPProtocol": protocol, **({"ports": ports} if ports else {})} for protocol in protocols]}
                              for name, (protocols, ports, source) in allow.items() if gcp.config_of(request).get("firewalls", True)}
    rules = state["firewalls"]
    if not rest and request.method == "POST":
        before = repeated(request)
        if before:
            return before
        body = request.json
        if set(body) - {"name", "description", "network", "direction", "priority", "allowed", "sourceRanges", "targetTags"} or \
                last(body.get("network", "")) not in ("default", *state.get("fabric", {"networks": {}})["networks"]):
            raise Refused("Invalid value for field 'resource'.")
        if body["name"] in rules:
            raise Refused(f"The resource 'projects/{gcp.PROJECT}/global/firewalls/{body['name']}' already exists", 409, "alreadyExists")
        rules[body["name"]] = {"kind": "compute#firewall", "disabled": False, "priority": 1000, **body, "network": gcp.link(request, f"global/networks/{last(body['network'])}"), "ours": last(body["network"]) == "default"}
        return answer_with(request, operate(request, "insert", f"global/firewalls/{body['name']}", "global"))
    shown = [{key: value for key, value in rule.items() if key != "ours"} for rule in rules.values()]
    if not rest:
        return gcp.list_of(request, "firewallList", "global/firewalls", matching(request, shown))
    if rest[0] not in rules:
        raise Refused(f"The resource 'projects/{gcp.PROJECT}/global/firewalls/{rest[0]}' was not found", 404, "notFound")
    if request.method == "DELETE":
        del rules[rest[0]]
        return answer_with(request, operate(request, "delete", f"global/firewalls/{rest[0]}", "global"))
    return Response(200, next(rule for rule in shown if rule["name"] == rest[0]))


def reservations(request):
    shown = [(r["zone"], {"kind": "compute#reservation", "name": r["name"], "zone": gcp.link(request, f"zones/{r['zone']}"), "status": "READY", "specificReservationRequired": True,
                          **({"deploymentType": "DENSE"} if r.get("dense") else {}),
                          "specificReservation": {"count": str(r["count"]), "inUseCount": str(used(request, r)), "instanceProperties": {"machineType": r["type"]}}})
             for r in gcp.config_of(request).get("reservations", [])]
    return aggregated(request, "reservationAggregatedList", "reservations", sorted(shown, key=lambda pair: (pair[0], pair[1]["name"])))


# --- what a VM is told ---

@metadata("gcp")
async def metadata_server(request, machine):
    google = {"metadata-flavor": "Google", "content-type": "application/text", "server": "Metadata Server for VM"}
    if request.headers.get("metadata-flavor") != "Google" or "x-forwarded-for" in request.headers:
        return Response(403, "Missing Metadata-Flavor:Google header.", google)
    path = request.path.removeprefix("/computeMetadata/v1/").rstrip("/")
    mine = machine.extra.setdefault("attributes", {})
    if path.startswith("instance/guest-attributes/"):
        name = path.removeprefix("instance/guest-attributes/")
        if request.method == "PUT":
            mine[name] = request.body.decode()
        return Response(200, mine.get(name, ""), google) if name in mine else Response(404, "not found", google)

    def value():
        items = {item["key"]: item["value"] for item in machine.extra["spec"].get("metadata", {}).get("items", [])}
        fixed = {"instance/preempted": "TRUE" if machine.notice_at is not None else "FALSE", "instance/maintenance-event": machine.extra.get("maintenance", "NONE"),
                 "instance/name": machine.extra["name"], "instance/zone": f"projects/7/zones/{machine.zone}", "project/project-id": gcp.PROJECT}
        return fixed.get(path, items.get(path.removeprefix("instance/attributes/")))
    etag = lambda: f"{hash(value()) & 0xFFFFFFFF:x}"
    known = request.query.get("last_etag", etag())
    for _ in range(int(request.query.get("timeout_sec", 60)) * 50):
        if request.query.get("wait_for_change") != "true" or known != etag():
            break
        await asyncio.sleep(0.02)
    return Response(404, "not found", google) if value() is None else Response(200, value(), dict(google, etag=etag()))


@leaks("gcp")
def left(world):
    state = store(world)
    found = [f"resource policy {name}" for _, name in state["policies"]] + [f"disk {name}" for name in state.get("disks", [])]
    found += [f"firewall {name}" for name, rule in (state["firewalls"] or {}).items() if rule.get("ours")]
    return found + [f"stopped instance {m.extra['name']}" for m in world.fleet.of("gcp") if exists(m) and m.state in (STOPPED, ENDED)]
