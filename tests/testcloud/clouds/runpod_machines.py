"""RunPod's pods: launched by GraphQL (on demand, or spot with a bid), listed and ended by REST v2.

A pod is a container: no cloud-init, reached at a public address and port as root. Its start command is not run, but read: the host key is ours
when the command puts one of the variables into place. No idempotency. A terminated pod is gone at once, from the list too; an outbid one
stays as EXITED until somebody deletes it. Spot has no notice. Billed by the minute from RUNNING on (docs.runpod.io, billing-information), the
GPUs at what the answer says, the container disk at 0.10 USD per GB and month besides."""
import base64, binascii, datetime, json, re, uuid

from testcloud.api import Response, leaks
from testcloud.fleet import ENDED, RUNNING, STARTING, STOPPED

BOTH = {"cloudType", "gpuTypeId", "gpuCount", "name", "imageName", "templateId", "containerDiskInGb", "volumeInGb", "volumeMountPath", "networkVolumeId", "ports", "env",
        "dataCenterId", "countryCode", "minCudaVersion", "startSsh", "supportPublicIp", "dockerArgs", "stopAfter", "terminateAfter"}
MUTATIONS = {"podFindAndDeployOnDemand": ("PodFindAndDeployOnDemandInput", BOTH), "podRentInterruptable": ("PodRentInterruptableInput", BOTH | {"bidPerGpu"})}
TYPES = {"gpuCount": int, "containerDiskInGb": int, "volumeInGb": int, "startSsh": bool, "supportPublicIp": bool, "bidPerGpu": (int, float), "env": list}
NONE_LEFT = "There are no longer any instances available with the requested specifications. Please refresh and try again."
SSH_PORT = 40022


def failed(message, code):
    return Response(200, {"errors": [{"message": message, "extensions": {"code": code}}], "data": None})


def micros(dollars):
    return round(dollars * 1_000_000)


def disk_rate(gb):
    """Micro-dollars per hour: 0.10 USD per GB and month of 730 hours."""
    return (gb * 100_000 * 2 + 730) // 1460


def launch(request, gpus):
    """A mutation that books. None: the query is none of them."""
    body = request.json
    name = re.match(r"mutation\(\$input:(\w+)!\)\{(\w+)\(input:\$input\)\{[\w {}]+\}\}$", body.get("query", ""))
    if not name or name[2] not in MUTATIONS:
        return None
    input_type, known = MUTATIONS[name[2]]
    wanted = body.get("variables", {}).get("input", {})
    if name[1] != input_type:
        return failed(f'Unknown type "{name[1]}".', "GRAPHQL_VALIDATION_FAILED")
    for field, value in wanted.items():
        if field not in known:
            return failed(f'Variable "$input" got invalid value; Field "{field}" is not defined by type "{input_type}".', "BAD_USER_INPUT")
        if not isinstance(value, TYPES.get(field, str)) or (isinstance(value, bool) and TYPES.get(field) is not bool):
            return failed(f'Variable "$input" got invalid value {json.dumps(value)} at "input.{field}".', "BAD_USER_INPUT")
    return book(request, gpus, name[2], wanted)


def book(request, gpus, mutation, wanted):
    fleet, spot = request.world.fleet, mutation == "podRentInterruptable"
    gpu = next((g for g in gpus if g["id"] == wanted.get("gpuTypeId")), None)
    cloud, count = wanted.get("cloudType", "").lower(), wanted.get("gpuCount", 1)
    wrong = next((what for what, bad in {
        "gpuTypeId": not gpu, "cloudType": cloud not in ("secure", "community"), "imageName": not wanted.get("imageName"), "ports": wanted.get("ports") != "22/tcp",
        "containerDiskInGb": wanted.get("containerDiskInGb", 0) < 5, "env": any(set(e) != {"key", "value"} for e in wanted.get("env", [])),
        "bidPerGpu": spot and not wanted.get("bidPerGpu", 0) > 0}.items() if bad), None)
    if wrong:
        return failed(f"Invalid value for {wrong}", "BAD_USER_INPUT")
    die_at_ms = None
    if "terminateAfter" in wanted:
        die_at_ms = int(datetime.datetime.fromisoformat(wanted["terminateAfter"].replace("Z", "+00:00")).timestamp() * 1000)
    place, price = where(gpu, cloud, wanted.get("dataCenterId")), gpu[cloud]
    type = f"{count}x {gpu['id']} {cloud}"
    market = "spot" if spot else "on_demand"
    spot_name = f"runpod/{place}//{type}/{market}"
    limit = fleet.lacks_quota(spot_name)
    if limit is not None:
        return failed(f"You would exceed your spend limit of ${limit * (price or 0) * count:.2f} per hour. Contact support to raise it.", "RUNPOD")
    if price is None or place is None or count > gpu["max"] or fleet.lacks_stock(spot_name) or (spot and wanted["bidPerGpu"] < gpu["bid"]):
        return failed(NONE_LEFT, "RUNPOD")
    cost = count * (wanted["bidPerGpu"] if spot else price)
    env = {e["key"]: e["value"] for e in wanted.get("env", [])}
    pod = fleet.create("runpod", uuid.uuid4().hex[:14], place, "", type, market, micros(cost) + disk_rate(wanted["containerDiskInGb"]), unit_ms=60_000,
                       tags={k: v for k, v in env.items() if k.startswith("GPUBROKER_TAG_")}, keys=[env["PUBLIC_KEY"]] if "PUBLIC_KEY" in env else [],
                       user_data=host_key_of(wanted.get("dockerArgs", ""), env), user="root", ssh_port=SSH_PORT, on_power_off="stop", env=env, die_at_ms=die_at_ms)
    pod.extra |= {"wanted": wanted, "env": env, "cost": cost, "gpu": {"id": gpu["id"], "count": count}, "gone": False, "cloud": cloud}
    return Response(200, {"data": {mutation: {"id": pod.id, "name": wanted.get("name"), "desiredStatus": "RUNNING", "costPerHr": cost, "gpuCount": count, "memoryInGb": 125 * count,
                                              "vcpuCount": 16 * count, "machine": {"gpuDisplayName": gpu["name"], "location": "US"}}}})


def where(gpu, cloud, wanted):
    """The data center it comes to, None when none has one."""
    if cloud == "community":
        return "community" if wanted is None and any(level != "NONE" for level in gpu["stock"].values()) else None
    return next((name for name, level in gpu["stock"].items() if level != "NONE" and wanted in (None, name)), None)


def host_key_of(command, env):
    """What cloud-init would be told by a machine that runs this command before its sshd."""
    put = re.search(r'\$(\w+)" \| base64 -d > /etc/ssh/ssh_host_ed25519_key;', command) if command.startswith("bash -c '") else None
    try:
        key = base64.b64decode(env[put[1]], validate=True).decode() if put else ""
    except (KeyError, binascii.Error):
        key = ""
    return "#cloud-config\n" + json.dumps({"ssh_keys": {"ed25519_private": key}} if key else {})


def listed(request):
    return [m for m in request.world.fleet.of("runpod") if m.visible and not is_gone(m)]


def is_gone(m):
    return m.extra["gone"] or (m.state == ENDED and m.end_reason in ("user", "expired"))


def rest(request, problem):
    """/v2/pods and below."""
    if request.path == "/v2/pods" and request.method == "GET":
        return Response(200, {"pods": [show(m) for m in listed(request)]})
    match = re.fullmatch(r"/v2/pods/(\w+)", request.path)
    pod = next((m for m in listed(request) if match and m.id == match[1]), None)
    if not match or request.method not in ("GET", "DELETE"):
        return problem(404, "Not Found", "no such route")
    if not pod:
        return problem(404, "Not Found", "pod not found")
    if request.method == "GET":
        return Response(200, show(pod))
    pod.extra["gone"] = True
    request.world.fleet.end(pod)
    return Response(204, "")


def show(m):
    failed_to_run = m.state == ENDED and m.end_reason in ("boot failure", "host failure")
    status = "ERROR" if failed_to_run else {STARTING: "PROVISIONING", RUNNING: "RUNNING", STOPPED: "EXITED", ENDED: "EXITED"}[m.state]
    wanted, running = m.extra["wanted"], m.state == RUNNING
    created = datetime.datetime.fromtimestamp(m.created_ms / 1000, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    return {"id": m.id, "name": wanted.get("name"), "image": wanted["imageName"], "args": wanted.get("dockerArgs", ""), "disk": wanted["containerDiskInGb"], "ports": ["22/tcp"],
            "env": m.extra["env"], "registry": None, "mounts": {}, "status": status, "cost": m.extra["cost"], "gpu": m.extra["gpu"], "cpu": None, "locked": False,
            "dataCenterId": None if m.extra["cloud"] == "community" else m.region, "createdAt": created,
            "ssh": {"proxy": None, "direct": {"host": m.address, "port": SSH_PORT, "username": "root"} if running else None},
            "runtime": {"ports": [{"private": 22, "public": SSH_PORT, "ip": m.address, "type": "tcp"}]} if running else None}


@leaks("runpod")
def left(world):
    return [f"stopped pod {m.extra['wanted'].get('name')}" for m in world.fleet.of("runpod") if m.state in (STOPPED, ENDED) and not is_gone(m)]
