"""Google Cloud's operations, filters and aggregated lists; what a request for a machine may hold. Scenario: gcp_machines.py."""
import asyncio, datetime, re

from testcloud.api import Response
from testcloud.clouds import gcp
from testcloud.fleet import ENDED, STOPPED

NAME = r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"
# What the operations are called that end a VM, by the fleet's reason. Sources: operations lists of others, 2026.
ENDINGS = {"user": "delete", "preempted": "compute.instances.preempted", "expired": "compute.instances.deferredDelete",
           "host failure": "compute.instances.hostError", "boot failure": "compute.instances.hostError"}
DELETED = ("user", "preempted", "expired")  # of these nothing but operations is left
SCHEMA = {
    "bulk": "count minCount namePattern perInstanceProperties instanceProperties locationPolicy sourceInstanceTemplate instanceFlexibilityPolicy",
    "instance": "name description machineType labels scheduling disks networkInterfaces reservationAffinity resourcePolicies metadata serviceAccounts tags params "
                "guestAccelerators canIpForward deletionProtection shieldedInstanceConfig displayDevice minCpuPlatform confidentialInstanceConfig hostname "
                "networkPerformanceConfig advancedMachineFeatures keyRevocationActionType",
    "properties": "description machineType labels scheduling disks networkInterfaces reservationAffinity resourcePolicies metadata serviceAccounts tags guestAccelerators canIpForward "
                  "shieldedInstanceConfig minCpuPlatform confidentialInstanceConfig networkPerformanceConfig advancedMachineFeatures keyRevocationActionType resourceManagerTags",
    "scheduling": "provisioningModel instanceTerminationAction onHostMaintenance automaticRestart maxRunDuration terminationTime preemptible",
    "disk": "boot autoDelete type mode initializeParams deviceName source",
    "init": "sourceImage diskSizeGb diskType diskName labels resourceManagerTags",
}


class Refused(Exception):
    def __init__(self, message, status=400, reason="invalid"):
        super().__init__(message)
        self.response = gcp.refuse_compute(status, message, reason)


def store(world):
    return world.state.setdefault("gcp machines", {"ops": {}, "requests": {}, "policies": {}, "firewalls": None, "waiting": []})


def stamp(ms):
    """Pacific time, as Google writes it."""
    return datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone(datetime.timedelta(hours=-8))).isoformat(timespec="milliseconds")


def region_of(zone):
    return next(region for region, zones in gcp.ZONES.items() if zone in zones)


def last(link):
    return link.rsplit("/", 1)[-1]


def check_fields(what, given):
    unknown = set(given) - set(SCHEMA[what].split())
    if unknown:
        raise Refused(f"Invalid JSON payload received. Unknown name \"{sorted(unknown)[0]}\" at 'resource': Cannot find field.", reason="badRequest")


# --- operations ---

def operate(request, kind, target, scope, error=None, done_ms=None, **more):
    """A new operation. `scope`: "zones/Z", "regions/R" or "global"; `done_ms`: when it is DONE, else after operation_ms."""
    fleet, config = request.world.fleet, gcp.config_of(request)
    number = len(store(request.world)["ops"]) + 1
    name = f"operation-{fleet.now()}-{number:x}" if not kind.startswith("compute.") else f"systemevent-{fleet.now()}-{number:x}"
    op = {"name": name, "id": str(10**17 + number), "kind": kind, "target": target, "scope": scope, "error": error, "at": fleet.now(),
          "done": fleet.now() + config.get("operation_ms", 20) if done_ms is None else done_ms, "user": "system" if kind.startswith("compute.") else "user@example.com", **more}
    store(request.world)["ops"][name] = op
    return op


def times_of(request, op):
    """When it is DONE, or None; an insert is when its VM runs."""
    machine = op.get("machine")
    if machine is None:
        return op["done"]
    if machine.running_ms is not None:
        return max(machine.running_ms, op["at"])
    return machine.ended_ms


def show_operation(request, op):
    now, done = request.world.fleet.now(), times_of(request, op)
    is_done = done is not None and done <= now
    kind, _, place = op["scope"].partition("/")
    path = f"{op['scope']}/operations/{op['name']}"
    shown = {"kind": "compute#operation", "id": op["id"], "name": op["name"], "operationType": op["kind"], "targetLink": gcp.link(request, op["target"]), "status": "DONE" if is_done else "RUNNING",
             "user": op["user"], "progress": 100 if is_done else 0, "insertTime": stamp(op["at"]), "startTime": stamp(op["at"]), "selfLink": gcp.link(request, path)}
    if place:
        shown["zone" if kind == "zones" else "region"] = gcp.link(request, op["scope"])
    for name, field in (("group", "operationGroupId"), ("client", "clientOperationId")):
        if op.get(name):
            shown[field] = op[name]
    if is_done:
        shown["endTime"] = stamp(done)
        if op["error"]:
            shown |= {"error": {"errors": [op["error"]]}, "httpErrorStatusCode": op.get("http", 503), "httpErrorMessage": "SERVICE UNAVAILABLE"}
    if op["kind"] == "bulkInsert":
        created = 0 if op["error"] or op["gang"] is None else len(op["gang"])
        counts = {"targetVmCount": op["wanted"], "createdVmCount": created if is_done else 0, "failedToCreateVmCount": op["wanted"] - created if is_done else 0,
                  "deletedVmCount": 0, "status": "DONE" if is_done else "CREATING"}
        shown["instancesBulkInsertOperationMetadata"] = {"perLocationStatus": {f"zones/{op['zone']}": counts}}
    return shown


def sync(request):
    """Operations of what happened by itself, and machines that were waited for."""
    state, fleet = store(request.world), request.world.fleet
    for waiting in list(state["waiting"]):
        waiting["try"](request, waiting)
    for m in fleet.of("gcp"):
        if m.extra.get("ending") or (m.state != ENDED and m.state != STOPPED):
            continue
        m.extra["ending"] = True
        kind = "compute.instances.guestTerminate" if m.state == STOPPED else ENDINGS[m.end_reason]
        at = m.billed_to if m.state == STOPPED else m.ended_ms
        op = operate(request, kind, f"zones/{m.zone}/instances/{m.extra['name']}", f"zones/{m.zone}", done_ms=at)
        op["at"] = min(op["at"], at)


def matching(request, items):
    """Of shown resources those that the query's filter lets through: AIP-160 (a=b, a:*) and RE2 (a eq b)."""
    text = request.query.get("filter", "")
    found = re.fullmatch(r"\s*([\w.]+)\s+(eq|ne)\s+\"?(.*?)\"?\s*", text)

    def value_of(item, path):
        for part in [path.partition(".")[0], *filter(None, [path.partition(".")[2]])]:
            item = item.get(part) if isinstance(item, dict) else None
        return item
    if found:
        path, verb, pattern = found.groups()
        return [item for item in items if bool(re.fullmatch(pattern.replace("\\\\", "\\"), str(value_of(item, path) or ""))) == (verb == "eq")]
    terms = re.findall(r"([\w.-]+)\s*(=|:)\s*\"?([^\s()\"]+)\"?", text)
    if text and not terms:
        raise Refused(f"Invalid value for field 'filter': '{text}'. Invalid list filter expression.")
    for path, verb, wanted in terms:
        items = [item for item in items if (value_of(item, path) is not None if verb == ":" and wanted == "*" else str(value_of(item, path)) == wanted)]
    return items


def operations(request, scope, rest):
    shown = [show_operation(request, op) for op in store(request.world)["ops"].values() if op["scope"] == scope]
    if not rest:
        return gcp.list_of(request, "operationList", f"{scope}/operations", matching(request, shown))
    op = next((op for op in shown if op["name"] == rest[0]), None)
    if not op:
        raise Refused(f"The resource '{scope}/operations/{rest[0]}' was not found", 404, "notFound")
    if rest[1:] == ["wait"] and request.method == "POST":
        return wait(request, store(request.world)["ops"][rest[0]])
    return Response(200, op)


async def wait(request, op):
    for _ in range(100):  # the real one holds for two minutes
        done = times_of(request, op)
        if done is not None and done <= request.world.fleet.now():
            break
        await asyncio.sleep(0.02)
        sync(request)
    return Response(200, show_operation(request, op))


def aggregated(request, kind, list_name, pairs):
    """Items by scope; a zone that does not answer is a warning with returnPartialSuccess, else the end of the call."""
    unreachable = gcp.config_of(request).get("unreachable", [])
    if unreachable and request.query.get("returnPartialSuccess", "").lower() != "true":
        return gcp.refuse_compute(503, f"Backend of zone {unreachable[0]} does not answer.", "backendError")
    chosen, following = gcp.page_of(request, pairs, "maxResults", 500)
    items = {f"zones/{zone}": {"warning": {"code": "NO_RESULTS_ON_PAGE", "message": "There are no results for this scope on this page."}} for zone, _ in gcp.zone_names()}
    for zone, item in chosen:
        scope = items[f"zones/{zone}"] if zone else items.setdefault("global", {})
        scope.pop("warning", None)
        scope.setdefault(list_name, []).append(item)
    answer = gcp.listing(request, kind, f"aggregated/{list_name}", items)
    if unreachable:
        answer["unreachables"] = [f"zones/{zone}" for zone in unreachable]
        for zone in unreachable:
            items[f"zones/{zone}"] = {"warning": {"code": "UNREACHABLE", "message": f"The zone {zone} is unreachable."}}
    if following:
        answer["nextPageToken"] = following
    return Response(200, answer)


def repeated(request):
    """The operation that this requestId has made before."""
    given = request.query.get("requestId")
    if given is None:
        return None
    if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", given) or not given.strip("0-"):
        raise Refused(f"Invalid value for field 'requestId': '{given}'.")
    name = store(request.world)["requests"].get((request.method, request.path, given))
    return name and Response(200, show_operation(request, store(request.world)["ops"][name]))


def answer_with(request, op):
    given = request.query.get("requestId")
    if given:
        store(request.world)["requests"][(request.method, request.path, given)] = op["name"]
        op["client"] = given
    return Response(200, show_operation(request, op))


def exists(m):
    return m.visible and not m.extra.get("deleted") and not (m.state == ENDED and m.end_reason in DELETED)


def used(request, reservation):
    return sum(1 for m in request.world.fleet.of("gcp", ended=False) if m.extra.get("reservation") == reservation["name"])
