"""The example cloud: an invented one, of which only its test knows. Machines have names of their client's, tell their times and keep a
death date; deleted ones stay listed."""
from testcloud.api import Response, host
from testcloud.fleet import ENDED, RUNNING

KEY = "example-test-key"
TYPES = {("north", "h100x8"): 20_000_000}  # micro-dollars per hour


def refuse(status, code, message):
    return Response(status, {"code": code, "message": message})


@host("api.example-cloud.test")
def answer(request):
    fleet = request.world.fleet
    if request.bearer() != KEY:
        return refuse(401, "bad_key", "unknown key")
    path = request.path.removeprefix("/v1")
    if path == "/types":
        return Response(200, [{"region": region, "type": type, "gpu": "H100", "gpus": 8, "price": f"{micros / 1e6}"} for (region, type), micros in TYPES.items()])
    if path == "/machines":
        return Response(200, [show(m) for m in fleet.of("example") if m.visible])
    name = path.rsplit("/", 1)[1]
    machine = fleet.machines.get(name)
    if request.method == "DELETE":
        if not machine:
            return refuse(404, "no_machine", f"there is no {name}")
        fleet.end(machine)
        return Response(200, {})
    if not machine:
        wanted = request.json
        place = f"example/{wanted['region']}//{wanted['type']}/on_demand"
        limit = fleet.lacks_quota(place)
        if limit is not None:
            return refuse(403, "over_quota", f"you may have {limit} machines")
        if (wanted["region"], wanted["type"]) not in TYPES or fleet.lacks_stock(place):
            return refuse(409, "sold_out", f"no {wanted['type']} in {wanted['region']}")
        machine = fleet.create("example", name, wanted["region"], "", wanted["type"], "on_demand", TYPES[wanted["region"], wanted["type"]], tags=wanted["tags"],
                               keys=[wanted["public_key"]], user_data=wanted["user_data"], die_at_ms=wanted["expires_ms"])
    return Response(200, show(machine))


def show(m):
    shown = {"name": m.id, "region": m.region, "type": m.type, "tags": m.tags, "created_ms": m.created_ms,
             "state": {RUNNING: "running", ENDED: "gone"}.get(m.state, "starting")}
    if m.billed_from is not None:
        shown["billed_from_ms"] = m.billed_from
    if m.state == RUNNING:
        shown["host"] = m.address
    if m.state == ENDED:
        shown |= {"ended_ms": m.billed_to or m.ended_ms, "end_reason": {"user": "terminated"}.get(m.end_reason, m.end_reason)}
    return shown
