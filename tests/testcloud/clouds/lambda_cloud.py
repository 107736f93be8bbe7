"""Lambda Cloud, API v1. Scenario: {"types": [{"name", "gpu", "count", "cents", "vcpus", "ram", "disk", "regions": [...]}], "key": "…"}.

Machines: one per launch call, no idempotency, no times in any answer; a terminated one stays listed for a minute. Billed by the
minute from active to terminate; powering off does not end the bill."""
import re, uuid

from testcloud.api import Response, host, leaks
from testcloud.fleet import ENDED, RUNNING, STARTING, STOPPED

KEY = "lambda-test-key"
# Types and prices of 2026-09-20 (list price page), as a recorded answer would have them.
TYPES = [
    {"name": "gpu_8x_b200_sxm6", "gpu": "B200 (180 GB SXM6)", "count": 8, "cents": 5352, "vcpus": 208, "ram": 2900, "disk": 22528, "regions": ["us-west-3"]},
    {"name": "gpu_8x_h100_sxm5", "gpu": "H100 (80 GB SXM5)", "count": 8, "cents": 3192, "vcpus": 208, "ram": 1800, "disk": 22528, "regions": ["us-west-3", "us-east-1"]},
    {"name": "gpu_1x_h100_pcie", "gpu": "H100 (80 GB PCIe)", "count": 1, "cents": 329, "vcpus": 26, "ram": 225, "disk": 1024, "regions": ["us-west-3"]},
    {"name": "gpu_1x_gh200", "gpu": "GH200 (96 GB)", "count": 1, "cents": 229, "vcpus": 64, "ram": 432, "disk": 4096, "regions": []},
    {"name": "gpu_8x_a100_80gb_sxm4", "gpu": "A100 (80 GB SXM4)", "count": 8, "cents": 2232, "vcpus": 240, "ram": 1800, "disk": 20480, "regions": ["us-east-1"]},
]
PLACES = {"us-west-3": "Utah, USA", "us-east-1": "Virginia, USA"}


def refuse(status, code, message):
    return Response(status, {"error": {"code": code, "message": message}})


@host("cloud.lambda.ai", "cloud.lambdalabs.com")
def answer(request):
    config = request.world.cloud("lambda")
    if request.bearer() != config.get("key", KEY):
        return refuse(401, "global/invalid-api-key", "API key was invalid, expired, or deleted.")
    if request.path == "/api/v1/instance-types":
        data = {}
        for t in config.get("types", TYPES):
            data[t["name"]] = {
                "instance_type": {"name": t["name"], "description": f"{t['count']}x {t['gpu']}", "gpu_description": t["gpu"], "price_cents_per_hour": t["cents"],
                                  "specs": {"vcpus": t["vcpus"], "memory_gib": t["ram"], "storage_gib": t["disk"], "gpus": t["count"]}},
                "regions_with_capacity_available": [{"name": name, "description": PLACES.get(name, name)} for name in t["regions"]]}
        return Response(200, {"data": data})
    action = (request.method, request.path.removeprefix("/api/v1"))
    if action[1] == "/ssh-keys" or action[1].startswith("/ssh-keys/"):
        return ssh_keys(request, *action)
    if action == ("POST", "/instance-operations/launch"):
        return launch(request, config)
    if action == ("POST", "/instance-operations/terminate"):
        return terminate(request)
    if action == ("GET", "/instances"):
        return Response(200, {"data": [show(m, config) for m in listed(request)]})
    if action[0] == "GET" and action[1].startswith("/instances/"):
        machine = next((m for m in listed(request) if m.id == action[1].rsplit("/", 1)[1]), None)
        if machine:
            return Response(200, {"data": show(machine, config)})
        return refuse(404, "global/object-does-not-exist", "Instance does not exist.")
    return refuse(404, "global/not-found", "Not found.")


def keys_of(request):
    return request.world.state.setdefault("lambda keys", {})


def ssh_keys(request, method, path):
    keys = keys_of(request)
    if method == "GET":
        return Response(200, {"data": list(keys.values())})
    if method == "DELETE":
        return Response(200, {"data": {}}) if keys.pop(path.rsplit("/", 1)[1], None) else refuse(404, "global/object-does-not-exist", "SSH key does not exist.")
    wanted = request.json
    if not wanted.get("name") or len(wanted["name"]) > 64 or not wanted.get("public_key", "").startswith("ssh-"):
        return refuse(400, "global/invalid-parameters", "Invalid request data.")
    if any(key["name"] == wanted["name"] for key in keys.values()):
        return refuse(400, "global/duplicate", f"SSH key with name {wanted['name']} already exists.")
    id = uuid.uuid4().hex
    keys[id] = {"id": id, "name": wanted["name"], "public_key": wanted["public_key"]}
    return Response(200, {"data": keys[id]})


def launch(request, config):
    wanted, fleet = request.json, request.world.fleet
    type = next((t for t in config.get("types", TYPES) if t["name"] == wanted.get("instance_type_name")), None)
    key = next((k for k in keys_of(request).values() if [k["name"]] == wanted.get("ssh_key_names")), None)
    unknown = set(wanted) - {"region_name", "instance_type_name", "ssh_key_names", "name", "hostname", "image", "user_data", "tags", "file_system_names",
                             "file_system_mounts", "firewall_rulesets"}
    bad_tag = any(not re.fullmatch(r"[a-z][a-z0-9-:]{1,54}", t.get("key", "")) or len(t.get("value", "")) > 128 for t in wanted.get("tags", []))
    if unknown or not type or len(wanted.get("name", "")) > 64 or bad_tag or not wanted.get("region_name"):
        return refuse(400, "global/invalid-parameters", f"Invalid request data: {unknown or wanted.get('instance_type_name') or 'tags'}.")
    if not key:
        return refuse(400, "global/object-does-not-exist", "Specified SSH key does not exist.")
    place = f"lambda/{wanted['region_name']}//{type['name']}/on_demand"
    limit = fleet.lacks_quota(place)
    if limit is not None:
        return refuse(400, "global/quota-exceeded", f"Quota exceeded: {limit} instances.")
    if wanted["region_name"] not in type["regions"] or fleet.lacks_stock(place):
        return refuse(400, "instance-operations/launch/insufficient-capacity", "Not enough capacity to fulfill launch request.")
    machine = fleet.create("lambda", uuid.uuid4().hex, wanted["region_name"], "", type["name"], "on_demand", type["cents"] * 10_000, unit_ms=60_000,
                           tags={t["key"]: t["value"] for t in wanted.get("tags", [])}, keys=[key["public_key"]], user_data=wanted.get("user_data", ""),
                           on_power_off="stay")
    machine.extra |= {"name": wanted.get("name", ""), "key": key["name"], "spec": type}
    return Response(200, {"data": {"instance_ids": [machine.id]}})


def listed(request):
    fleet = request.world.fleet
    return [m for m in fleet.of("lambda") if m.visible and (m.state != ENDED or fleet.now() - m.ended_ms < 60_000)]


def terminate(request):
    there = {m.id: m for m in listed(request)}
    ids = request.json.get("instance_ids", [])
    if not ids or any(id not in there for id in ids):
        return refuse(404, "global/object-does-not-exist", "Specified instance does not exist.")
    for id in ids:
        request.world.fleet.end(there[id])
    return Response(200, {"data": {"terminated_instances": [show(there[id], request.world.cloud("lambda")) for id in ids]}})


def show(m, config):
    t = m.extra["spec"]
    status = {STARTING: "booting", RUNNING: "active", STOPPED: "unhealthy", ENDED: "preempted" if m.end_reason == "preempted" else "terminated"}[m.state]
    able = {"available": m.state != ENDED, **({} if m.state != ENDED else {"reason_code": "vm-is-terminating", "reason_description": "is terminating"})}
    shown = {"id": m.id, "name": m.extra["name"], "status": status, "ssh_key_names": [m.extra["key"]], "file_system_names": [], "region": {"name": m.region, "description": PLACES.get(m.region, m.region)},
             "instance_type": {"name": t["name"], "description": f"{t['count']}x {t['gpu']}", "gpu_description": t["gpu"], "price_cents_per_hour": t["cents"],
                               "specs": {"vcpus": t["vcpus"], "memory_gib": t["ram"], "storage_gib": t["disk"], "gpus": t["count"]}},
             "hostname": "h", "is_reserved": False, "tags": [{"key": k, "value": v} for k, v in m.tags.items()],
             "actions": {name: able for name in ("migrate", "rebuild", "restart", "cold_reboot", "terminate")}}
    if m.state == RUNNING:
        shown |= {"ip": m.address, "private_ip": m.address, "jupyter_url": "https://jupyter.example", "jupyter_token": "secret-token"}
    return shown


@leaks("lambda")
def left(world):
    return [f"ssh key {key['name']}" for key in world.state.get("lambda keys", {}).values()]
