"""Google Cloud's networks: custom VPCs, those with RDMA's profile, their subnets, and which interfaces a machine may have. Scenario:
gcp_machines.py, and clouds.gcp "no_profile": ["us-central1-b"]: zones without RDMA's network profile."""
import ipaddress, re

from testcloud.api import Response
from testcloud.clouds import gcp
from testcloud.clouds.gcp_operations import NAME, Refused, answer_with, last, matching, operate, repeated, stamp, store

# How many interfaces of which kind a machine has at most, and their MTU; nic0 is among the first.
INTERFACES = {"a3-highgpu-8g": (("GVNIC", 5), 8244), "a3-edgegpu-8g": (("GVNIC", 5), 8244), "a3-megagpu-8g": (("GVNIC", 9), 8244), "a3-ultragpu-8g": (("GVNIC", 2, "MRDMA", 8), 8896),
              "a4-highgpu-8g": (("GVNIC", 2, "MRDMA", 8), 8896), "a4x-highgpu-4g": (("GVNIC", 2, "MRDMA", 4), 8896)}
RDMA_ZONES = {zone for name in INTERFACES if "MRDMA" in INTERFACES[name][0] for zone in gcp.TYPES[name][4]}


def state_of(request):
    return store(request.world).setdefault("fabric", {"networks": {}, "subnets": {}})


def missing(target):
    return Refused(f"The resource 'projects/{gcp.PROJECT}/{target}' was not found", 404, "notFound")


def profile_zone(request, body):
    """The zone of a network's profile, or None."""
    profile = last(body.get("networkProfile", ""))
    if not profile:
        return None
    zone = profile.removesuffix("-vpc-roce")
    if zone == profile or zone not in RDMA_ZONES - set(gcp.config_of(request).get("no_profile", [])):
        raise missing(f"global/networkProfiles/{profile}")
    return zone


def networks(request, rest):
    mine = state_of(request)["networks"]
    if not rest and request.method == "POST":
        before = repeated(request)
        if before:
            return before
        body = request.json
        unknown = set(body) - {"name", "description", "autoCreateSubnetworks", "mtu", "networkProfile", "routingConfig"}
        if unknown or not re.fullmatch(NAME, body.get("name", "")) or body.get("autoCreateSubnetworks") is not False or not 1300 <= body.get("mtu", 1460) <= 8896:
            raise Refused("Invalid value for field 'resource'.")
        zone = profile_zone(request, body)
        if zone and "mtu" in body:
            raise Refused("The MTU of a network with this profile must not be given.")
        if body["name"] in mine or body["name"] == "default":
            raise Refused(f"The resource 'projects/{gcp.PROJECT}/global/networks/{body['name']}' already exists", 409, "alreadyExists")
        op = operate(request, "insert", f"global/networks/{body['name']}", "global")
        mine[body["name"]] = {"kind": "compute#network", "creationTimestamp": stamp(request.world.fleet.now()), "selfLink": gcp.link(request, f"global/networks/{body['name']}"), "mtu": 1460,
                              **body, "_zone": zone, "_ready": op["done"]}
        return answer_with(request, op)
    shown = [{key: value for key, value in one.items() if not key.startswith("_")} for one in mine.values()]
    if not rest:
        return gcp.list_of(request, "networkList", "global/networks", matching(request, shown))
    if rest[0] not in mine:
        raise missing(f"global/networks/{rest[0]}")
    if request.method == "DELETE":
        user = next((name for (_, name), one in state_of(request)["subnets"].items() if last(one["network"]) == rest[0]), None)
        user = user or next((name for name, rule in (store(request.world)["firewalls"] or {}).items() if last(rule["network"]) == rest[0]), None)
        if user:
            raise Refused(f"The network resource 'projects/{gcp.PROJECT}/global/networks/{rest[0]}' is already being used by '{user}'", 400, "resourceInUseByAnotherResource")
        del mine[rest[0]]
        return answer_with(request, operate(request, "delete", f"global/networks/{rest[0]}", "global"))
    return Response(200, next(one for one in shown if one["name"] == rest[0]))


def subnets(request, region, rest):
    mine = state_of(request)["subnets"]
    if not rest and request.method == "POST":
        before = repeated(request)
        if before:
            return before
        body = request.json
        network = state_of(request)["networks"].get(last(body.get("network", "")))
        if set(body) - {"name", "description", "network", "ipCidrRange", "region", "privateIpGoogleAccess", "stackType", "enableFlowLogs"} or not re.fullmatch(NAME, body.get("name", "")):
            raise Refused("Invalid value for field 'resource'.")
        if not network:
            raise missing(f"global/networks/{last(body.get('network', ''))}")
        if network["_ready"] > request.world.fleet.now():
            raise Refused(f"The resource 'projects/{gcp.PROJECT}/global/networks/{network['name']}' is not ready", 400, "resourceNotReady")
        if network["_zone"] and network["_zone"] not in gcp.ZONES[region]:
            raise Refused(f"Network profile only allows resource creation in location {network['_zone']}.")
        if (region, body["name"]) in mine:
            raise Refused(f"The resource 'projects/{gcp.PROJECT}/regions/{region}/subnetworks/{body['name']}' already exists", 409, "alreadyExists")
        wanted = ipaddress.ip_network(body["ipCidrRange"])
        if any(wanted.overlaps(ipaddress.ip_network(one["ipCidrRange"])) for one in mine.values() if last(one["network"]) == network["name"]):
            raise Refused(f"Invalid IPCidrRange: {body['ipCidrRange']} conflicts with an existing subnetwork of the network.")
        target = f"regions/{region}/subnetworks/{body['name']}"
        mine[region, body["name"]] = {"kind": "compute#subnetwork", "creationTimestamp": stamp(request.world.fleet.now()), "selfLink": gcp.link(request, target), **body,
                                      "network": gcp.link(request, f"global/networks/{network['name']}"), "region": gcp.link(request, f"regions/{region}")}
        return answer_with(request, operate(request, "insert", target, f"regions/{region}"))
    if not rest:
        return gcp.list_of(request, "subnetworkList", f"regions/{region}/subnetworks", matching(request, [one for (at, _), one in mine.items() if at == region]))
    target = f"regions/{region}/subnetworks/{rest[0]}"
    if (region, rest[0]) not in mine:
        raise missing(target)
    if request.method == "DELETE":
        users = [m for m in request.world.fleet.of("gcp", ended=False) if m.region == region and not m.extra.get("deleted")]
        user = next((m for m in users for nic in m.extra["spec"].get("networkInterfaces", []) if last(nic.get("subnetwork", "")) == rest[0]), None)
        if user:
            raise Refused(f"The subnetwork resource '{target}' is already being used by '{user.extra['name']}'", 400, "resourceInUseByAnotherResource")
        del mine[region, rest[0]]
        return answer_with(request, operate(request, "delete", target, f"regions/{region}"))
    return Response(200, mine[region, rest[0]])


def aggregated_subnets(request):
    items = {f"regions/{region}": {"subnetworks": []} for region in gcp.ZONES}
    for one in matching(request, list(state_of(request)["subnets"].values())):
        items[f"regions/{last(one['region'])}"]["subnetworks"].append(one)
    return Response(200, gcp.listing(request, "subnetworkAggregatedList", "aggregated/subnetworks", items))


def check_interfaces(request, spec, type, zones):
    """The interfaces of a machine that is asked for; RDMA's leave one zone. Gives the zones that are left."""
    given, (shape, mtu) = spec.get("networkInterfaces", []), INTERFACES.get(type, (("GVNIC", 1), 1460))
    most, ranges, subnets_taken = dict(zip(shape[::2], shape[1::2])), [], set()
    for number, nic in enumerate(given):
        name = last(nic.get("network", "default"))
        if number == 0 and name == "default":
            continue
        network = state_of(request)["networks"].get(name)
        subnet = next((one for (region, at), one in state_of(request)["subnets"].items() if at == last(nic.get("subnetwork", "")) and region in zones[0]), None)
        if not network or not subnet or last(subnet["network"]) != name:
            raise missing(f"global/networks/{name}")
        if nic.get("accessConfigs"):
            raise Refused("Only nic0 may have an external IP here.")
        rdma = nic.get("nicType") == "MRDMA"
        if rdma != bool(network["_zone"]) or (not rdma and network["mtu"] != mtu):
            raise Refused(f"Invalid value for field 'resource.networkInterfaces[{number}]': the network's profile or MTU does not fit {nic.get('nicType')} of {type}.")
        if network["_zone"]:
            if zones != [network["_zone"]]:
                raise Refused(f"Network profile only allows resource creation in location {network['_zone']}.")
        elif name in subnets_taken:
            raise Refused("Each gVNIC must be in a network of its own.")
        subnets_taken.add(name)
        ranges.append(ipaddress.ip_network(subnet["ipCidrRange"]))
    kinds = [nic.get("nicType", "GVNIC") for nic in given]
    if any(kinds.count(kind) > most.get(kind, 0) for kind in set(kinds)):
        raise Refused(f"{type} supports {most} network interfaces at most, {kinds} were asked for.")
    if any(a.overlaps(b) for i, a in enumerate(ranges) for b in ranges[:i]) or any(one.overlaps(ipaddress.ip_network("10.128.0.0/9")) for one in ranges):
        raise Refused("The subnets of a machine's interfaces must not overlap.")
