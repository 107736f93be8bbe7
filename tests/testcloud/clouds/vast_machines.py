"""Vast.ai's instances: an ask is rented with PUT, once; listed in pages; destroyed with DELETE.

An instance is a container on a stranger's host, root at a public address and port, with the account's SSH keys of the moment it was rented. No
idempotency, no times but the contract's beginning. A destroyed instance is gone at once; an outbid one is paused, its disk billed, until
it is destroyed. A bid below the least is refused and leaves a stopped instance all the same. Billed by the second of `running`. The start
script is read for the date at which the instance destroys itself: nodes here have no way out to the API."""
import re

from testcloud.api import Response, leaks
from testcloud.fleet import ENDED, RUNNING, STARTING, STOPPED

FIELDS = {"image", "template_hash_id", "disk", "label", "runtype", "env", "onstart", "target_state", "cancel_unavail", "price", "client_id", "args", "args_str", "user", "volume_info"}
SSH_PORT = 40122
PAGE = 25


def state_of(request):
    return request.world.state.setdefault("vast", {"taken": set(), "keys": {}, "strays": {}, "serial": 17345000})


def next_id(state):
    state["serial"] += 1
    return state["serial"]


def wrong_field(wanted):
    checks = {
        "unknown field": not set(wanted) - FIELDS, "image": bool(wanted.get("image")), "disk": isinstance(wanted.get("disk"), (int, float)) and wanted["disk"] >= 8,
        "label": len(wanted.get("label", "")) <= 256, "runtype": wanted.get("runtype") in ("ssh", "ssh_direct", "ssh_direc ssh_proxy", "args", "jupyter"),
        "env": isinstance(wanted.get("env", {}), dict) and all(isinstance(v, str) for v in wanted.get("env", {}).values()),
        "onstart": isinstance(wanted.get("onstart", ""), str) and len(wanted.get("onstart", "")) <= 4048, "target_state": wanted.get("target_state", "running") in ("running", "stopped")}
    return next((name for name, good in checks.items() if not good), None)


def rent(request, offers, refuse, number):
    state, fleet, wanted = state_of(request), request.world.fleet, request.json
    wrong = wrong_field(wanted)
    if wrong:
        return refuse(400, "invalid_args", f"invalid {wrong}")
    ask = next((row for row in offers if row["id"] == number), None)
    if not ask:
        return refuse(404, "no_such_ask", f"error 404: no_such_ask {number}")
    spot = wanted.get("price") is not None
    place = f"vast/{ask['geolocation']}//{ask['num_gpus']}x {ask['gpu_name']}/{'spot' if spot else 'on_demand'}"
    if number in state["taken"] or fleet.lacks_stock(place):
        return refuse(410, "no_such_ask", f"error 410: no_such_ask Instance type by id {number} is not available.")
    limit = fleet.lacks_quota(place)
    if limit is not None:
        return refuse(400, "insufficient_credit", f"insufficient credit: the balance is good for {limit} such instances")
    if spot and not 0.001 <= wanted["price"] <= 128:
        return refuse(400, "invalid_price", "price is out of range")
    if spot and wanted["price"] < ask["min_bid"]:
        stray = next_id(state)
        state["strays"][stray] = wanted.get("label", "")
        return Response(400, {"success": False, "error": "invalid_price", "msg": f"bid is below {ask['min_bid']}", "new_contract": stray})
    state["taken"].add(number)
    base = wanted["price"] if spot else ask["dph_base"]
    total = base + ask["storage_cost"] * wanted["disk"] / 730
    env = wanted.get("env", {})
    dies = re.search(r"-lt (\d+) .*DELETE .*/api/v0/instances/\$CONTAINER_ID/", wanted.get("onstart", ""), re.S)
    machine = fleet.create("vast", str(next_id(state)), ask["geolocation"], "", f"{ask['num_gpus']}x {ask['gpu_name']}", "spot" if spot else "on_demand", round(total * 1_000_000),
                           unit_ms=1000, tags=env, keys=[k["public_key"] for k in state["keys"].values()], user_data=wanted.get("onstart", ""), user="root", ssh_port=SSH_PORT,
                           on_power_off="stay", env=env, die_at_ms=int(dies[1]) * 1000 if dies else None)
    machine.extra |= {"ask": ask, "wanted": wanted, "base": base, "total": total, "gone": False}
    return Response(200, {"success": True, "new_contract": int(machine.id)})


def is_gone(m):
    return m.extra["gone"] or (m.state == ENDED and m.end_reason in ("user", "expired"))


def listed(request):
    return [m for m in request.world.fleet.of("vast") if m.visible and not is_gone(m)]


def instances(request, refuse):
    """GET /api/v1/instances/: at most 25 a page."""
    query = request.query
    if not query.get("limit", "25").isdigit() or not 1 <= int(query.get("limit", "25")) <= PAGE:
        return refuse(400, "invalid_args", "limit must be 1 to 25")
    every = sorted(listed(request), key=lambda m: int(m.id))
    rows = [m for m in every if int(m.id) > int(query.get("after_token") or 0)]
    page = rows[: int(query.get("limit", PAGE))]
    return Response(200, {"success": True, "instances_found": len(page), "total_instances": len(every), "instances": [show(m) for m in page],
                          "next_token": page[-1].id if len(rows) > len(page) else None})


def destroy(request, refuse, number):
    strays = state_of(request)["strays"]
    if number in strays:
        del strays[number]
        return Response(200, {"success": True})
    machine = next((m for m in listed(request) if int(m.id) == number), None)
    if not machine:
        return refuse(404, "no_such_instance", f"Instance {number} not found.")
    machine.extra["gone"] = True
    request.world.fleet.end(machine)
    return Response(200, {"success": True})


def show(m):
    ask, wanted = m.extra["ask"], m.extra["wanted"]
    outbid = m.state == ENDED and m.end_reason == "preempted"
    broken = m.state == ENDED and not outbid
    actual = "exited" if broken or m.state == STOPPED else "stopped" if outbid else {STARTING: "loading", RUNNING: "running"}[m.state]
    target = "stopped" if outbid else "running"
    running = m.state == RUNNING
    return {"id": int(m.id), "label": wanted.get("label"), "actual_status": actual, "cur_state": target, "next_state": target, "intended_status": target, "status_msg": None,
            "is_bid": m.market == "spot", "image_uuid": wanted["image"], "image_runtype": wanted["runtype"], "extra_env": [[k, v] for k, v in wanted.get("env", {}).items()],
            "onstart": wanted.get("onstart"), "machine_id": ask["machine_id"], "host_id": ask["host_id"], "num_gpus": ask["num_gpus"], "gpu_name": ask["gpu_name"], "gpu_ram": ask["gpu_ram"],
            "geolocation": ask["geolocation"], "dph_base": m.extra["base"], "dph_total": m.extra["total"], "disk_space": wanted["disk"], "start_date": m.created_ms / 1000,
            "end_date": None, "ssh_host": "ssh5.vast.ai", "ssh_port": 12345, "public_ipaddr": m.address + " \n" if running else None,
            "ports": {"22/tcp": [{"HostIp": "0.0.0.0", "HostPort": str(SSH_PORT)}, {"HostIp": "::", "HostPort": str(SSH_PORT)}]} if running else None}


def ssh_keys(request, refuse, number):
    keys = state_of(request)["keys"]
    if request.method == "GET" and number is None:
        return Response(200, list(keys.values()))
    if request.method == "DELETE" and number is not None:
        return Response(200, {"success": True}) if keys.pop(number, None) else refuse(404, "not_found", "no such key")
    text = request.json.get("ssh_key", "") if request.method == "POST" else ""
    if not text.startswith("ssh-"):
        return refuse(400, "invalid_args", "invalid ssh_key")
    if any(key["public_key"] == text for key in keys.values()):
        return refuse(400, "duplicate_key", "this key is in the account")
    id = next_id(state_of(request))
    keys[id] = {"id": id, "user_id": 1, "public_key": text, "created_at": "2026-11-27T00:00:00Z", "deleted_at": None}
    return Response(200, {"success": True, "key": keys[id]})


def answer(request, offers, refuse):
    """All that needs a key. None: no such route."""
    match = re.fullmatch(r"/api/v0/(asks|instances|ssh)/(?:(\d+)/)?", request.path)
    kind, number = (match[1], int(match[2]) if match[2] else None) if match else (None, None)
    if kind == "asks" and number and request.method == "PUT":
        return rent(request, offers, refuse, number)
    if kind == "instances" and number and request.method == "DELETE":
        return destroy(request, refuse, number)
    if kind == "ssh":
        return ssh_keys(request, refuse, number)
    if request.path == "/api/v1/instances/" and request.method == "GET":
        return instances(request, refuse)
    return None


@leaks("vast")
def left(world):
    state = world.state.get("vast", {"keys": {}, "strays": {}})
    stopped = [f"stopped instance {m.extra['wanted'].get('label')}" for m in world.fleet.of("vast") if m.state in (STOPPED, ENDED) and not is_gone(m)]
    return [f"ssh key {k['public_key'].split()[-1]}" for k in state["keys"].values()] + [f"stray instance {label}" for label in state["strays"].values()] + stopped
