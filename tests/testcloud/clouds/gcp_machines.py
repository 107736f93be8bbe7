"""Google Cloud's machines: instances, bulkInsert. gcp_operations.py has the operations, gcp_around.py what stands around machines. Called
by gcp.py, which has looked at the token and the project.

Scenario (clouds.gcp), besides gcp.py's:
    "operation_ms": 20          how long an operation of ours runs before it is DONE
    "least_run_ms": 1000        the shortest life that may be limited (at Google 30 s)
    "unreachable": ["us-east4-b"]   zones that do not answer
    "refuse_at_once": false     quota as HTTP 403 in place of an operation's error
    "silent_bulk": false        a bulkInsert without capacity is DONE without an error, with 0 created
    "no_profile": ["us-central1-b"]    zones without RDMA's network profile (gcp_networks.py)
    "firewalls": true           false: the default network lets nothing in
    "reservations": [{"name", "zone", "type", "count", "dense", "market"}]

Billed by the second from RUNNING (the end of the insert operation, lastStartTimestamp) to the end of the delete, preemption or
power-off, a minute at least. Disks and addresses are not billed here. A spot VM or an expired one is deleted and leaves nothing
but its operations; one that powers itself off or whose host fails stays, TERMINATED, with its disk."""
import datetime, json, re, uuid

from testcloud.api import Response
from testcloud.clouds import gcp
from testcloud.clouds.gcp_around import firewalls, policies, price, reservations
from testcloud.clouds.gcp_networks import aggregated_subnets, check_interfaces, networks, subnets
from testcloud.clouds.gcp_operations import (NAME, Refused, aggregated, answer_with, check_fields, exists, last, matching, operate, operations, region_of, repeated,
                                             show_operation, stamp, store, sync, used)
from testcloud.fleet import ENDED, RUNNING, STARTING, STOPPED

MARKETS = {"STANDARD": "on_demand", "SPOT": "spot", "FLEX_START": "flex", "RESERVATION_BOUND": "block"}
HYPERDISK_ONLY = ("a3-ultragpu", "a4", "g4")


# --- instances ---

def status_of(m):
    return {STARTING: "STAGING", RUNNING: "RUNNING", STOPPED: "TERMINATED", ENDED: "TERMINATED"}[m.state]


def show(request, m):
    spec, path = m.extra["spec"], f"zones/{m.zone}/instances/{m.extra['name']}"
    nic = {"kind": "compute#networkInterface", "name": "nic0", "network": gcp.link(request, "global/networks/default"),
           "subnetwork": gcp.link(request, f"regions/{m.region}/subnetworks/default"), "networkIP": m.address, "nicType": "GVNIC"}
    if m.state == RUNNING:
        nic["accessConfigs"] = [{"kind": "compute#accessConfig", "type": "ONE_TO_ONE_NAT", "name": "External NAT", "natIP": m.address}]
    shown = {"kind": "compute#instance", "id": str(m.extra["serial"]), "name": m.extra["name"], "creationTimestamp": stamp(m.created_ms), "status": status_of(m),
             "zone": gcp.link(request, f"zones/{m.zone}"), "machineType": gcp.link(request, f"zones/{m.zone}/machineTypes/{m.type.partition('+')[0]}"),
             "labels": m.tags, "labelFingerprint": "42WmSpB8rSM=", "metadata": {"kind": "compute#metadata", "fingerprint": "eA==", "items": spec.get("metadata", {}).get("items", [])},
             "scheduling": spec.get("scheduling", {}), "networkInterfaces": [nic, *spec.get("networkInterfaces", [])[1:]], "tags": spec.get("tags", {}), "selfLink": gcp.link(request, path),
             "disks": [{"kind": "compute#attachedDisk", "boot": True, "autoDelete": spec["disks"][0].get("autoDelete", False), "deviceName": "persistent-disk-0",
                        "source": gcp.link(request, f"zones/{m.zone}/disks/{m.extra['name']}")}]}
    if m.running_ms is not None:
        shown["lastStartTimestamp"] = stamp(m.running_ms)
    if m.state in (STOPPED, ENDED):
        shown["lastStopTimestamp"] = stamp(m.billed_to if m.state == STOPPED else m.ended_ms)
    if spec.get("guestAccelerators"):
        shown["guestAccelerators"] = [{"acceleratorType": gcp.link(request, f"zones/{m.zone}/acceleratorTypes/{last(a['acceleratorType'])}"), "acceleratorCount": a["acceleratorCount"]}
                                      for a in spec["guestAccelerators"]]
    elif gcp.TYPES.get(m.type, ("", "", ""))[2]:  # those that come with the type are told, too
        shape = gcp.TYPES[m.type]
        shown["guestAccelerators"] = [{"acceleratorType": gcp.link(request, f"zones/{m.zone}/acceleratorTypes/{shape[2]}"), "acceleratorCount": shape[3]}]
    return shown


def show_waiting(request, waiting):
    spec, zone = waiting["spec"], waiting["zone"]
    return {"kind": "compute#instance", "id": "1", "name": waiting["name"], "creationTimestamp": stamp(waiting["op"]["at"]), "status": "PENDING", "zone": gcp.link(request, f"zones/{zone}"),
            "machineType": gcp.link(request, f"zones/{zone}/machineTypes/{waiting['type']}"), "labels": spec.get("labels", {}),
            "metadata": {"items": spec.get("metadata", {}).get("items", [])}, "scheduling": spec.get("scheduling", {}), "networkInterfaces": [{"name": "nic0"}]}


def all_shown(request):
    """(zone, instance) of the project, by zone and name."""
    pairs = [(m.zone, show(request, m)) for m in request.world.fleet.of("gcp") if exists(m)]
    pairs += [(waiting["zone"], show_waiting(request, waiting)) for waiting in store(request.world)["waiting"]]
    return sorted(pairs, key=lambda pair: (pair[0], pair[1]["name"]))


def find(request, zone, name):
    return next((m for m in request.world.fleet.of("gcp") if exists(m) and m.zone == zone and m.extra["name"] == name), None)


# --- create ---

def seconds_of(duration, what):
    if not isinstance(duration, dict) or not re.fullmatch(r"\d+", str(duration.get("seconds", ""))):
        raise Refused(f"Invalid value for field 'resource.{what}': '{duration}'.")
    return int(duration["seconds"])


def die_at(request, scheduling):
    """The cloud's own death date in ms; ("run", ms) counts from RUNNING."""
    least = gcp.config_of(request).get("least_run_ms", 1000)
    flex = scheduling.get("provisioningModel") == "FLEX_START"
    limits = [name for name in ("maxRunDuration", "terminationTime") if name in scheduling]
    if len(limits) > 1:
        raise Refused("Only one of maxRunDuration and terminationTime may be specified.")
    if flex and limits != ["maxRunDuration"]:
        raise Refused("Flex-start VMs must specify maxRunDuration.")
    if not limits:
        return None
    if scheduling.get("instanceTerminationAction") not in ("DELETE", "STOP"):
        raise Refused("instanceTerminationAction must be specified with a limited run time.")
    if limits == ["maxRunDuration"]:
        ms = seconds_of(scheduling["maxRunDuration"], "scheduling.maxRunDuration") * 1000
        length, answer = ms, ("run", ms)
    else:
        at = int(datetime.datetime.fromisoformat(scheduling["terminationTime"].replace("Z", "+00:00")).timestamp() * 1000)
        length, answer = at - request.world.fleet.now(), ("at", at)
    if not least <= length <= (7 if flex else 120) * 86_400_000:
        raise Refused(f"Invalid value for field 'resource.scheduling': a run time of {length} ms is out of range.")
    return answer


def check_scheduling(request, scheduling):
    check_fields("scheduling", scheduling)
    model = scheduling.get("provisioningModel", "STANDARD")
    if model not in MARKETS:
        raise Refused(f"Invalid value for field 'resource.scheduling.provisioningModel': '{model}'.")
    if scheduling.get("onHostMaintenance") != "TERMINATE":
        raise Refused("Instances with guest accelerators do not support live migration.", reason="badRequest")
    if model in ("SPOT", "FLEX_START") and scheduling.get("automaticRestart") is not False:
        raise Refused(f"Automatic restart is not supported with {model}.")
    if "instanceTerminationAction" in scheduling and model == "STANDARD" and not {"maxRunDuration", "terminationTime"} & set(scheduling):
        raise Refused("instanceTerminationAction needs SPOT or a limited run time.")
    return model


def check_labels(labels):
    for key, value in labels.items():
        if not re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", key) or not re.fullmatch(r"[a-z0-9_-]{0,63}", value):
            raise Refused(f"Invalid value for field 'resource.labels': '{key}={value}'. Label keys and values must be lower case letters, digits, dashes and underscores.")
    if len(labels) > 64:
        raise Refused("Too many labels.")


def check_metadata(metadata):
    items = metadata.get("items", [])
    keys = [item.get("key", "") for item in items]
    if len(set(keys)) != len(keys) or any(not re.fullmatch(r"[a-zA-Z0-9_-]{1,127}", key) for key in keys):
        raise Refused("Invalid value for field 'resource.metadata': duplicate or invalid keys.")
    if any(len(item.get("value", "")) > 262_144 for item in items) or sum(len(item.get("value", "")) for item in items) > 524_288:
        raise Refused("Metadata is too large.")
    return {item["key"]: item["value"] for item in items}


def check_disk(disks, type, is_bulk):
    if len(disks) != 1 or not disks[0].get("boot"):
        raise Refused("Invalid value for field 'resource.disks': one boot disk is needed.")
    check_fields("disk", disks[0])
    init = disks[0].get("initializeParams", {})
    check_fields("init", init)
    kind = init.get("diskType", "pd-standard")
    if ("/" in kind) == is_bulk and "diskType" in init:
        raise Refused(f"Invalid value for field 'initializeParams.diskType': '{kind}'.")
    if type.startswith(HYPERDISK_ONLY) and not last(kind).startswith("hyperdisk-"):
        raise Refused(f"[{type}] features and [disk-type: {last(kind)}] are not compatible for creating instance.")
    image = init.get("sourceImage", "")
    if not re.search(r"projects/[a-z0-9-]+/global/images/(family/)?[a-z0-9-]+$", image):
        raise Refused(f"The resource '{image}' was not found", 404, "notFound")
    if type.startswith("a4x") != ("arm64" in image) and "ubuntu-os-accelerator-images" in image:
        raise Refused("The architecture of the image does not fit the machine type.")
    if not re.fullmatch(r"\d+", str(init.get("diskSizeGb", "10"))):
        raise Refused("Invalid value for field 'initializeParams.diskSizeGb'.")


def type_of(spec):
    """Machine type and what is attached to it, as one name; refused where it is not sold."""
    name, attached = last(spec.get("machineType", "")), spec.get("guestAccelerators", [])
    if attached:
        if not name.startswith("n1-"):
            raise Refused("Accelerators of this machine type are bundled and must not be given.")
        name += f"+{last(attached[0]['acceleratorType'])}:{attached[0]['acceleratorCount']}"
    return name


def sold_in(type):
    if "+" in type:
        return gcp.ATTACHED.get(type.partition("+")[2].partition(":")[0], (0, []))[1]
    return gcp.TYPES.get(type, (0, 0, "", 0, []))[4]


def policy_for(request, spec, region, type, count):
    for given in spec.get("resourcePolicies", []):
        policy = store(request.world)["policies"].get((region, last(given)))
        if not policy:
            raise Refused(f"The resource 'projects/{gcp.PROJECT}/regions/{region}/resourcePolicies/{last(given)}' was not found", 404, "notFound")
        topology = policy["groupPlacementPolicy"].get("gpuTopology")
        if topology and (not type.startswith("a4x") or count > int(topology.partition("x")[2]) // 4):
            raise Refused("The GPU topology of the resource policy does not fit the machines.")


def reservation_for(request, spec, model, zone, type, count):
    """The reservation that is consumed, or None."""
    affinity = spec.get("reservationAffinity", {})
    kind = affinity.get("consumeReservationType", "NO_RESERVATION")
    if kind == "SPECIFIC_RESERVATION":
        if affinity.get("key") != "compute.googleapis.com/reservation-name":
            raise Refused("Invalid value for field 'resource.reservationAffinity.key'.")
        name = last(affinity["values"][0])
        found = next((r for r in gcp.config_of(request).get("reservations", []) if r["name"] == name and r["zone"] == zone), None)
        if not found or found["type"] != type:
            raise Refused(f"The reservation '{name}' was not found in zone {zone} or does not fit.")
        if (model == "RESERVATION_BOUND") != bool(found.get("dense")):
            raise Refused("The provisioning model does not fit the deployment type of the reservation.")
        return found
    if model == "RESERVATION_BOUND" or type.startswith("a4x"):
        raise Refused("RESERVATION_BOUND instances must specify a reservation.")
    return None


def stockout(request, zone, type):
    return {"code": "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS",
            "message": f"The zone 'projects/{gcp.PROJECT}/zones/{zone}' does not have enough resources available to fulfill the request. '(resource type:compute)'.",
            "errorDetails": [{"errorInfo": {"reason": "stockout", "domain": "compute.googleapis.com", "metadatas": {"vmType": type, "zone": zone, "zonesAvailable": ""}}}]}


def over_quota(type, market, region, limit):
    family = gcp.TYPES[type][2].split("-")[1].upper() if type in gcp.TYPES else "T4"
    metric, dimensions = "GPUS-PER-GPU-FAMILY-per-project-region", {"region": region, "gpu_family": f"NVIDIA_{family}"}
    if market in ("spot", "flex"):
        metric, dimensions = f"PREEMPTIBLE_NVIDIA_{family}_GPUS", {"region": region}
    return {"code": "QUOTA_EXCEEDED", "message": f"Quota '{metric}' exceeded.  Limit: {float(limit)} in region {region}.",
            "errorDetails": [{"quotaInfo": {"metricName": "compute.googleapis.com/gpus_per_gpu_family" if "FAMILY" in metric else f"compute.googleapis.com/{metric.lower()}",
                                            "limitName": metric, "dimensions": dimensions, "limit": float(limit)}}]}


def make(request, name, zone, type, market, spec, limit, reservation):
    fleet, items = request.world.fleet, check_metadata(spec.get("metadata", {}))
    keys = [line.partition(":") for line in items.get("ssh-keys", "").splitlines() if ":" in line]
    user = keys[0][0] if keys else "ubuntu"
    id = name if name not in fleet.machines else f"{name}~{uuid.uuid4().hex[:6]}"
    machine = fleet.create("gcp", id, region_of(zone), zone, type, market, price(gcp.config_of(request), type, market, region_of(zone)),
                           unit_ms=1000, minimum_ms=60_000, tags=spec.get("labels", {}), keys=[key for who, _, key in keys if who == user],
                           user_data=items.get("user-data", "") or items.get("startup-script", ""), user=user, on_power_off="stop",
                           die_at_ms=None if limit is None else limit[1] if limit[0] == "at" else fleet.now() + fleet.setting("boot_ms", 0) + limit[1])
    machine.extra |= {"name": name, "spec": spec, "serial": 5 * 10**18 + len(fleet.machines), "reservation": reservation and reservation["name"]}
    return machine


class Order:
    """A request for machines, checked. Raises Refused."""

    def __init__(self, request, spec, zones, count, is_bulk):
        self.spec, self.count = spec, count
        check_fields("properties" if is_bulk else "instance", spec)
        self.model = check_scheduling(request, spec.get("scheduling", {}))
        self.type = type_of(spec)
        if is_bulk == ("/" in spec.get("machineType", "")):
            raise Refused(f"Invalid value for field 'machineType': '{spec.get('machineType')}'. The URL is malformed.")
        self.limit = die_at(request, spec.get("scheduling", {}))
        check_labels(spec.get("labels", {}))
        check_metadata(spec.get("metadata", {}))
        check_disk(spec.get("disks", []), self.type, is_bulk)
        check_interfaces(request, spec, self.type, zones)
        if self.type.startswith("a4x") and self.model != "RESERVATION_BOUND":
            raise Refused("This machine type can be used with RESERVATION_BOUND only.")
        policy_for(request, spec, region_of(zones[0]), self.type, count)
        self.zones = [zone for zone in zones if zone in sold_in(self.type)]
        if not self.zones:
            raise Refused(f"Invalid value for field 'resource.machineType': '{self.type}'. Machine type with name '{self.type}' does not exist in zone '{zones[0]}'.")
        self.reservation = reservation_for(request, spec, self.model, self.zones[0], self.type, count)
        self.market = self.reservation.get("market", "block") if self.reservation else MARKETS[self.model]

    def place(self, zone):
        return f"gcp/{region_of(zone)}/{zone}/{self.type}/{self.market}"

    def choose(self, request):
        """(zone, None), or (zone, the error of an operation)."""
        fleet, zone = request.world.fleet, self.zones[0]
        limit = fleet.lacks_quota(self.place(zone), self.count)
        if limit is not None:
            return zone, over_quota(self.type, self.market, region_of(zone), limit)
        if self.reservation:
            short = used(request, self.reservation) + self.count > self.reservation["count"]
            return zone, {"code": "INSUFFICIENT_RESERVATION_CAPACITY", "message": "The reservation has no room."} if short else None
        free = [zone for zone in self.zones if not fleet.lacks_stock(self.place(zone), self.count)]
        return (free[0], None) if free else (zone, stockout(request, zone, self.type))


def bulk_insert(request, scope):
    before = repeated(request)
    if before:
        return before
    body, place = request.json, scope.partition("/")[2]
    check_fields("bulk", body)
    zones = [place] if scope.startswith("zones/") else gcp.ZONES[place]
    count, named = int(body.get("count", 0)), body.get("perInstanceProperties")
    least = int(body.get("minCount", count))
    if not 1 <= count <= 1000 or not 1 <= least <= count or bool(named) == bool(body.get("namePattern")):
        raise Refused("Invalid value for field 'resource.count', 'minCount' or 'namePattern'.")
    if named and len(named) != count:
        raise Refused("perInstanceProperties must name as many instances as count asks for.")
    pattern = body.get("namePattern", "")
    hashes = re.search("#+", pattern)
    names = list(named) if named else [pattern.replace(hashes[0], str(i + 1).zfill(len(hashes[0]))) for i in range(count)]
    if any(not re.fullmatch(NAME, name) for name in names) or "name" in body.get("instanceProperties", {}):
        raise Refused(f"Invalid value for field 'resource.perInstanceProperties': '{names[0]}'. Must be a match of regex '{NAME}'")
    order = Order(request, body.get("instanceProperties", {}), zones, count, True)
    zone, error = order.choose(request)
    taken = next((name for name in names for z in order.zones if find(request, z, name)), None)
    if taken:
        error = {"code": "RESOURCE_ALREADY_EXISTS", "message": f"The resource 'projects/{gcp.PROJECT}/zones/{zone}/instances/{taken}' already exists"}
    if error and error["code"] == "QUOTA_EXCEEDED" and gcp.config_of(request).get("refuse_at_once"):
        raise Refused(error["message"], 403, "quotaExceeded")
    group = str(uuid.uuid4())
    made = None if error else [make(request, name, zone, order.type, order.market, order.spec, order.limit, order.reservation) for name in names]
    for i, name in enumerate(names):
        operate(request, "insert", f"zones/{zone}/instances/{name}", f"zones/{zone}", error=error, group=group, machine=made[i] if made else None)
    if error and error["code"].startswith("ZONE_RESOURCE"):
        error = {"code": "VM_MIN_COUNT_NOT_REACHED", "message": f"Requested minimum count of {least} VMs could not be created."}
    if error and gcp.config_of(request).get("silent_bulk"):
        error = None
    op = operate(request, "bulkInsert", f"{scope}/instances", scope, error=error, group=group, gang=made, wanted=count, zone=zone)
    return answer_with(request, op)


def insert(request, zone):
    before = repeated(request)
    if before:
        return before
    spec = request.json
    name, params = spec.get("name", ""), spec.get("params", {})
    if not re.fullmatch(NAME, name):
        raise Refused(f"Invalid value for field 'resource.name': '{name}'. Must be a match of regex '{NAME}'")
    if set(params) - {"requestValidForDuration"}:
        raise Refused("Invalid JSON payload received. Unknown name in 'resource.params'.")
    order = Order(request, spec, [zone], 1, False)
    patience = seconds_of(params["requestValidForDuration"], "params.requestValidForDuration") if params else 0
    if patience and (order.model != "FLEX_START" or not 90 <= patience <= 7200):
        raise Refused("requestValidForDuration is for flex-start and between 90 seconds and 2 hours.")
    target = f"zones/{zone}/instances/{name}"
    if find(request, zone, name) or any(w["name"] == name for w in store(request.world)["waiting"]):
        raise Refused(f"The resource 'projects/{gcp.PROJECT}/{target}' already exists", 409, "alreadyExists")
    _, error = order.choose(request)
    if error and error["code"] == "QUOTA_EXCEEDED" and gcp.config_of(request).get("refuse_at_once"):
        raise Refused(error["message"], 403, "quotaExceeded")
    if error and patience and error["code"].startswith("ZONE_RESOURCE"):
        op = operate(request, "insert", target, f"zones/{zone}", done_ms=10**15)
        store(request.world)["waiting"].append({"try": try_waiting, "op": op, "order": order, "name": name, "zone": zone, "type": order.type, "spec": spec, "until": request.world.fleet.now() + patience * 1000})
        return answer_with(request, op)
    machine = None if error else make(request, name, zone, order.type, order.market, spec, order.limit, order.reservation)
    return answer_with(request, operate(request, "insert", target, f"zones/{zone}", error=error, machine=machine))


def try_waiting(request, waiting):
    """A flex-start VM that stands in the queue."""
    order, op = waiting["order"], waiting["op"]
    _, error = order.choose(request)
    if error and request.world.fleet.now() < waiting["until"]:
        return
    store(request.world)["waiting"].remove(waiting)
    if error:
        op |= {"error": error, "done": request.world.fleet.now()}
    else:
        op["machine"] = make(request, waiting["name"], waiting["zone"], order.type, order.market, order.spec, order.limit, None)


def delete(request, zone, name):
    before = repeated(request)
    if before:
        return before
    waiting = next((w for w in store(request.world)["waiting"] if w["name"] == name and w["zone"] == zone), None)
    machine = find(request, zone, name)
    if waiting:
        store(request.world)["waiting"].remove(waiting)
        waiting["op"] |= {"done": request.world.fleet.now(), "error": {"code": "OPERATION_CANCELED_BY_USER", "message": "The VM was deleted."}}
    elif not machine:
        raise Refused(f"The resource 'projects/{gcp.PROJECT}/zones/{zone}/instances/{name}' was not found", 404, "notFound")
    else:
        had_ended = machine.state in (ENDED, STOPPED)
        request.world.fleet.end(machine)
        machine.extra |= {"deleted": True, "ending": True}
        if not machine.extra["spec"]["disks"][0].get("autoDelete"):
            store(request.world).setdefault("disks", []).append(name)
        done = request.world.fleet.now() if had_ended else machine.ended_ms
        return answer_with(request, operate(request, "delete", f"zones/{zone}/instances/{name}", f"zones/{zone}", done_ms=done))
    return answer_with(request, operate(request, "delete", f"zones/{zone}/instances/{name}", f"zones/{zone}"))


def instances(request, zone, rest):
    if not rest:
        if request.method == "POST":
            return insert(request, zone)
        return gcp.list_of(request, "instanceList", f"zones/{zone}/instances", matching(request, [item for at, item in all_shown(request) if at == zone]))
    if rest == ["bulkInsert"] and request.method == "POST":
        return bulk_insert(request, f"zones/{zone}")
    if request.method == "DELETE" and len(rest) == 1:
        return delete(request, zone, rest[0])
    machine = find(request, zone, rest[0])
    if not machine:
        raise Refused(f"The resource 'projects/{gcp.PROJECT}/zones/{zone}/instances/{rest[0]}' was not found", 404, "notFound")
    if rest[1:] == ["simulateMaintenanceEvent"] and request.method == "POST":
        request.world.fleet.preempt(machine, request.world.fleet.setting("notice_ms", 0))
        return answer_with(request, operate(request, "simulateMaintenanceEvent", f"zones/{zone}/instances/{rest[0]}", f"zones/{zone}"))
    if rest[1:] == ["getGuestAttributes"]:
        found = machine.extra.get("attributes", {})
        wanted = request.query.get("queryPath", "")
        items = [{"namespace": path.partition("/")[0], "key": path.partition("/")[2], "value": value} for path, value in found.items() if path.startswith(wanted)]
        return Response(200, {"kind": "compute#guestAttributes", "queryPath": wanted, "queryValue": {"items": items}}) if items else gcp.refuse_compute(404, "not found", "notFound")
    return Response(200, show(request, machine))


def answer(request, parts):
    """The answer, a coroutine of it, or None: not a matter of machines."""
    try:
        sync(request)
        if parts[0] == "aggregated" and len(parts) == 2:
            if parts[1] == "instances":
                pairs = all_shown(request)
                left = matching(request, [item for _, item in pairs])
                return aggregated(request, "instanceAggregatedList", "instances", [pair for pair in pairs if pair[1] in left])
            if parts[1] == "operations":
                ops = [(op["scope"].partition("/")[2], show_operation(request, op)) for op in store(request.world)["ops"].values() if op["scope"].startswith("zones/")]
                left = matching(request, [item for _, item in ops])
                return aggregated(request, "operationAggregatedList", "operations", [pair for pair in ops if pair[1] in left])
            if parts[1] == "resourcePolicies":
                left = matching(request, [policy for policy in store(request.world)["policies"].values()])
                items = {f"regions/{region}": {"resourcePolicies": []} for region in gcp.ZONES}
                for policy in left:
                    items[f"regions/{last(policy['region'])}"]["resourcePolicies"].append(policy)
                return Response(200, gcp.listing(request, "resourcePolicyAggregatedList", "aggregated/resourcePolicies", items))
            if parts[1] == "subnetworks":
                return aggregated_subnets(request)
            return reservations(request) if parts[1] == "reservations" else None
        if len(parts) > 2 and parts[0] in ("zones", "regions") and parts[2] == "operations":
            return operations(request, "/".join(parts[:2]), parts[3:])
        if parts[:2] == ["global", "operations"]:
            return operations(request, "global", parts[2:])
        if len(parts) > 2 and parts[0] == "zones" and parts[2] == "instances" and parts[1] in dict(gcp.zone_names()):
            return instances(request, parts[1], parts[3:])
        if parts[0] == "regions" and parts[2:] == ["instances", "bulkInsert"] and parts[1] in gcp.ZONES:
            return bulk_insert(request, f"regions/{parts[1]}")
        if parts[0] == "regions" and len(parts) > 2 and parts[2] == "resourcePolicies" and parts[1] in gcp.ZONES:
            return policies(request, parts[1], parts[3:])
        if parts[0] == "regions" and len(parts) > 2 and parts[2] == "subnetworks" and parts[1] in gcp.ZONES:
            return subnets(request, parts[1], parts[3:])
        if parts[:2] == ["global", "networks"]:
            return networks(request, parts[2:])
        if parts[:2] == ["global", "firewalls"]:
            return firewalls(request, parts[2:])
    except Refused as refused:
        return refused.response
    except (json.JSONDecodeError, KeyError, ValueError, TypeError) as error:
        return gcp.refuse_compute(400, f"Invalid JSON payload received: {error!r}", "badRequest")
    return None
