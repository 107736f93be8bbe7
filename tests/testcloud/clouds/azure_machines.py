"""The emulated Azure's machines: groups, networks and virtual machines by Resource Manager, and what a machine is told of itself.

Scenario under clouds.azure, all optional, besides those of azure.py:
    "network_ms": 20      a network resource is "Updating" so long, and may not be referred to
    "delete_ms": 15000    what is deleted is seen to go so long (it is not billed then)
    "retry_after": 0      seconds told with operations
    "arm_page": 50        rows of a page
    "stock_out": "SkuNotAvailable"     a stock-out refuses the PUT; else the operation fails later, as allocations do, and a dead machine stays
    "reservations": {"/subscriptions/…/capacityReservationGroups/G": {"region", "size", "count"}}
Machines are billed by the second from their creation until their deletion begins; power-off leaves them allocated and billed.
Everything stands in resource groups: what @leaks tells are groups."""
import json, re, time, uuid

from testcloud.api import Response, leaks, metadata
from testcloud.clouds.azure_arm import Refused, check_fields, check_location, check_tags, delete_group, list_groups, merge_tags, pages, put_group, refuse, show_group, stamp, store_of
from testcloud.clouds.azure_network import FIELDS as NETWORK_FIELDS, REF, TOP, delete_network, put_network, show_network
from testcloud.clouds.azure_vm import VM_FIELDS, check_disk_and_image, check_login, check_market
from testcloud.clouds.azure_world import SIZES, SUBSCRIPTION
from testcloud.fleet import ENDED, RUNNING, STARTING, STOPPED

VM = "Microsoft.Compute/virtualMachines"
SET_FIELDS = {**TOP, "sku": {"name": None}, "properties": {"platformFaultDomainCount": None, "platformUpdateDomainCount": None}}


# --- making one ---

def check_room(store, size, place, market, region):
    """Quota, then what the SKU's restrictions refuse at once."""
    fleet, config = store.world.fleet, store.world.cloud("azure")
    limit = fleet.lacks_quota(place)
    if limit is not None:
        vcpus, family = SIZES[size][3], "LowPriorityCores" if market == "spot" else f"{SIZES[size][2]} Cores"
        used = limit * vcpus
        raise Refused(409, "OperationNotAllowed", f"Operation could not be completed as it results in exceeding approved {family} quota. Additional details - Deployment Model: Resource Manager, Location: "
                      f"{region}, Current Limit: {limit * vcpus}, Current Usage: {used}, Additional Required: {vcpus}, (Minimum) New Limit Required: {used + vcpus}. Setup Alerts when Quota reaches "
                      "threshold. Learn more at https://aka.ms/quotamonitoringalerting .")
    if region not in SIZES[size][7] or f"{size}/{region}" in config.get("restricted", {}) or (config.get("stock_out") == "SkuNotAvailable" and fleet.lacks_stock(place)):
        raise Refused(409, "SkuNotAvailable", f"The requested VM size for resource 'Following SKUs have failed for Capacity Restrictions: {size}' is currently not available in location '{region}'. "
                                              "Please try another size or deploy to a different location or different zone. See https://aka.ms/azureskunotavailable for details.", target="vmSize")


def network_card(store, id, profile, region):
    cards = profile.get("networkInterfaces", [])
    if len(cards) != 1:
        raise Refused(400, "InvalidParameter", "The value of parameter networkProfile is invalid.", target="networkProfile")
    nic = store.ready(cards[0].get("id"), id)
    if nic["body"]["location"] != region:
        raise Refused(400, "InvalidResourceReference", f"Resource {nic['id']} referenced by resource {id} was not found. Both resources must be in the same region.")
    if nic.get("vm", id.lower()) != id.lower() and nic["vm"] in store.resources:
        raise Refused(409, "NicInUse", f"Network Interface {nic['id']} is used by existing resource {nic['vm']}.")
    return nic, cards[0].get("properties", {}).get("deleteOption") == "Delete"


def put_vm(request, store, resource):
    body, id = request.json, resource["id"]
    check_fields(body, VM_FIELDS, "VirtualMachine")
    region, tags, properties = check_location(body), check_tags(body.get("tags", {})), body.get("properties", {})
    if "gone_at" in resource or "gone_at" in store.groups[resource["group"]]:
        raise Refused(409, "Conflict", f"The resource {id} is being deleted.")
    if "body" in resource and not resource.get("failed"):
        if {**body, "tags": {}} != {**resource["body"], "tags": {}}:
            raise Refused(409, "PropertyChangeNotAllowed", "Changing property of a virtual machine that exists is not allowed.")
        resource["tags"] = tags
        return Response(200, show_vm(store, resource))
    size = next((one for one in SIZES if one.lower() == properties.get("hardwareProfile", {}).get("vmSize", "").lower()), None)
    if not size:
        raise Refused(400, "InvalidParameter", f"The value {properties.get('hardwareProfile', {}).get('vmSize')} provided for the VM size is not valid.", target="vmSize")
    on_demand, spot = SIZES[size][7].get(region, (0, 0))
    market = check_market(properties, body, spot)
    check_disk_and_image(size, properties.get("storageProfile", {}))
    user, keys, user_data = check_login(properties.get("osProfile", {}))
    if any(zone not in SIZES[size][6] for zone in body.get("zones", [])) or len(body.get("zones", [])) > 1:
        raise Refused(400, "InvalidAvailabilityZone", f"The zone(s) '{body['zones']}' for resource '{id}' is not supported for the size '{size}'.")
    if "availabilitySet" in properties:
        store.ready(properties["availabilitySet"]["id"], id)
    nic, takes_nic = network_card(store, id, properties.get("networkProfile", {}), region)
    reservation = check_reservation(store, properties, size, region)
    zone = (body.get("zones") or [""])[0]
    place = f"azure/{region}/{zone}/{size}/{market}"
    check_room(store, size, place, market, region)
    failure = allocation_failure(store, properties, place, size, zone) if not reservation else None
    resource |= {"body": body, "tags": tags, "created_ms": store.now(), "vm_id": str(uuid.uuid4()), "failed": failure, "takes_along": []}
    resource.pop("machine", None)
    nic["vm"] = id.lower()
    resource["address"] = address_of(store, nic)
    store.resources[id.lower()] = resource
    if not failure:
        fleet_id = resource["name"] if resource["name"] not in store.world.fleet.machines else f"{resource['name']}~{resource['vm_id'][:4]}"
        price = round((spot if market == "spot" else on_demand) * 1_000_000)
        machine = store.world.fleet.create("azure", fleet_id, region, zone, size, market, price, unit_ms=1000, tags=tags, keys=keys, user_data=user_data, user=user, on_power_off="stay",
                                                   bill_from_creation=True)
        machine.address = resource["address"]["address"] if resource["address"] else machine.address
        resource |= {"machine": machine, "created_ms": machine.created_ms}
        machine.extra["resource"] = resource
        add_disk(store, resource)
    if takes_nic:
        resource["takes_along"].append(nic["id"].lower())
        if resource["address"] and resource["address"]["body"]["properties"].get("deleteOption") == "Delete":
            resource["takes_along"].append(resource["address"]["id"].lower())
    return Response(201, show_vm(store, resource), store.operate("Microsoft.Compute", region, lambda: progress(resource)))


def allocation_failure(store, properties, place, size, zone):
    """(code, message) of an allocation that will fail, or None."""
    if not store.world.fleet.lacks_stock(place):
        return None
    if zone:
        return ("ZonalAllocationFailed", f"Allocation failed. We do not have sufficient capacity for the requested VM size {size} in zone {zone}. Read more about improving likelihood of allocation "
                                         "success at http://aka.ms/allocation-guidance")
    if properties.get("priority") == "Spot":
        return ("OverconstrainedAllocationRequest", "Allocation failed. VM(s) with the following constraints cannot be allocated, because the condition is too restrictive. Please remove some constraints "
                                                    "and try again. Constraints applied are:\n  - Low Priority VMs\n  - Networking Constraints (such as Accelerated Networking or IPv6)\n")
    return ("AllocationFailed", "Allocation failed. If you are trying to add a new VM to a Virtual Machine Scale Set with a single placement group or update/resize an existing VM in a Virtual Machine "
                                "Scale Set with a single placement group, please note that such allocation is scoped to a single cluster, and it is possible that the cluster is out of capacity.")


def address_of(store, nic):
    setup = next(one for one in nic["body"]["properties"]["ipConfigurations"] if one["properties"].get("primary"))
    told = setup["properties"].get("publicIPAddress")
    return store.resources.get(told["id"].lower()) if told else None


def add_disk(store, resource):
    name = f"{resource['name']}_OsDisk_1_{resource['vm_id'].replace('-', '')}"
    id = resource["id"].rpartition("/Microsoft.Compute/")[0] + f"/Microsoft.Compute/disks/{name}"
    store.resources[id.lower()] = {"id": id, "name": name, "type": "Microsoft.Compute/disks", "group": resource["group"], "tags": dict(resource["tags"]),
                                   "body": {"location": resource["body"]["location"], "properties": {"diskSizeGB": resource["body"]["properties"]["storageProfile"]["osDisk"]["diskSizeGB"]}}}
    if resource["body"]["properties"]["storageProfile"]["osDisk"].get("deleteOption") == "Delete":
        resource["takes_along"].append(id.lower())


# --- reservations ---

def reserved_by(store, group):
    return sum(1 for one in store.of_type(VM) if one.get("machine") and one["machine"].state != ENDED and
               one["body"]["properties"].get("capacityReservation", {}).get("capacityReservationGroup", {}).get("id", "").lower() == group.lower())


def check_reservation(store, properties, size, region):
    if "capacityReservation" not in properties:
        return None
    id = properties["capacityReservation"]["capacityReservationGroup"]["id"]
    found = next((one for name, one in store.setting("reservations", {}).items() if name.lower() == id.lower()), None)
    if not found or (found["size"], found["region"]) != (size, region):
        raise Refused(400, "CapacityReservationGroupNotFound", f"The capacity reservation group {id} has no reservation of {size} in {region}.")
    if reserved_by(store, id) >= found["count"]:
        raise Refused(409, "OverconstrainedAllocationRequest", "Allocation failed. The capacity reservation is used up.")
    return found


def reservations(request, store, group):
    """The groups of the subscription, or what is in one."""
    told = store.setting("reservations", {})
    if group is None:
        return pages(request, [{"id": id, "name": id.rpartition("/")[2], "type": "Microsoft.Compute/capacityReservationGroups", "location": one["region"], "properties": {}} for id, one in told.items()], 50)
    one = next((one for id, one in told.items() if id.lower() == group.lower()), None)
    if not one:
        raise Refused(404, "ResourceNotFound", f"The Resource '{group}' was not found.")
    return pages(request, [{"id": f"{group}/capacityReservations/r", "name": "r", "location": one["region"], "sku": {"name": one["size"], "capacity": one["count"]},
                            "properties": {"provisioningState": "Succeeded", "virtualMachinesAssociated": [{"id": str(i)} for i in range(reserved_by(store, group))]}}], 50)


# --- how it stands ---

def watch(store):
    """Machines that the platform took or that broke, as their resources show it."""
    for one in store.of_type(VM):
        machine = one.get("machine")
        if machine and machine.state == ENDED and "gone_at" not in one and machine.end_reason == "preempted":
            one["gone_at"] = machine.ended_ms + store.setting("delete_ms", 15_000)
        if machine and machine.end_reason == "boot failure" and machine.billed_from is None:
            machine.billed_from, machine.billed_to = machine.created_ms, machine.ended_ms  # it was allocated
    store.tidy()


def end_machine(store, resource):
    if resource.get("machine"):
        store.world.fleet.end(resource["machine"])
    resource.setdefault("deleting_ms", resource["machine"].ended_ms if resource.get("machine") else store.now())


def progress(resource):
    """(status, error) of the operation that makes it."""
    machine = resource.get("machine")
    if resource.get("failed"):
        return "Failed", resource["failed"]
    if machine.state == ENDED:
        return "Failed", ("OperationPreempted" if machine.end_reason in ("user", "preempted") else "OSProvisioningTimedOut", "The operation was preempted or the machine did not come up.")
    return ("InProgress", None) if machine.state == STARTING else ("Succeeded", None)


def is_deleting(store, resource):
    return "gone_at" in resource or "gone_at" in store.groups[resource["group"]]


def statuses(store, resource):
    """Its state and, while it is allocated, its power."""
    machine, failed = resource.get("machine"), resource.get("failed")
    if is_deleting(store, resource):
        at = machine.ended_ms if machine else resource.get("deleting_ms", store.now())
        power = [{"code": "PowerState/stopping", "level": "Info", "displayStatus": "VM stopping"}] if machine and machine.billed_from is not None else []
        return "Deleting", [{"code": "ProvisioningState/deleting", "level": "Info", "displayStatus": "Deleting", "time": stamp(at)}] + power
    if not failed and machine.state == ENDED:
        failed = ("OSProvisioningTimedOut", "The machine did not come up.") if machine.end_reason == "boot failure" else ("InternalExecutionError", "The machine's host failed.")
    if failed:
        at = machine.ended_ms if machine else resource["created_ms"]
        return "Failed", [{"code": f"ProvisioningState/failed/{failed[0]}", "level": "Error", "displayStatus": "Provisioning failed", "message": failed[1], "time": stamp(at)}]
    power = {STARTING: ("starting", "VM starting"), RUNNING: ("running", "VM running"), STOPPED: ("stopped", "VM stopped")}[machine.state]
    told = [{"code": "ProvisioningState/creating", "level": "Info", "displayStatus": "Creating"}]
    if machine.state != STARTING:
        told = [{"code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Provisioning succeeded", "time": stamp(machine.running_ms)}]
    return ("Creating" if machine.state == STARTING else "Succeeded"), told + [{"code": f"PowerState/{power[0]}", "level": "Info", "displayStatus": power[1]}]


def show_vm(store, resource, view=False):
    state, told = statuses(store, resource)
    shown = json.loads(json.dumps({**resource["body"], "tags": resource["tags"], "id": resource["id"], "name": resource["name"], "type": VM}))
    shown["location"] = shown["location"].lower()
    shown["properties"].get("osProfile", {}).pop("customData", None)  # written, never read
    shown["properties"] |= {"provisioningState": state, "vmId": resource["vm_id"], "timeCreated": stamp(resource["created_ms"])}
    if view:
        shown["properties"]["instanceView"] = {"statuses": told}
    return shown


def list_vms(request, store, group):
    rows = []
    for one in store.of_type(VM, group):
        if one.get("machine") and not one["machine"].visible:
            continue
        full = show_vm(store, one, view=True)
        if request.query.get("statusOnly", "").lower() == "true":
            # Only how it stands: no tags, no sizes.
            rows.append({name: full[name] for name in ("id", "name", "type", "location")} | {"properties": {name: full["properties"][name] for name in ("vmId", "provisioningState", "instanceView")}})
        else:
            full["properties"].pop("instanceView")
            rows.append(full)
    return pages(request, rows, store.setting("arm_page", 50))


def vm_call(request, store, resource, action):
    expand = request.query.get("$expand", "").lower() == "instanceview"
    if (request.method, action) == ("PUT", ""):
        return put_vm(request, store, resource)
    if "body" not in resource:
        if (request.method, action) == ("DELETE", ""):
            return Response(204, "")
        raise Refused(404, "ResourceNotFound", f"The Resource '{VM}/{resource['name']}' under resource group '{store.groups[resource['group']]['name']}' was not found. For more details please go to "
                                               "https://aka.ms/ARMResourceNotFoundFix")
    if (request.method, action) == ("GET", ""):
        return Response(200, show_vm(store, resource, expand))
    if (request.method, action) == ("GET", "instanceview"):
        return Response(200, show_vm(store, resource, True)["properties"]["instanceView"])
    if (request.method, action) == ("DELETE", ""):
        end_machine(store, resource)
        resource.setdefault("gone_at", store.now() + store.setting("delete_ms", 15_000))
        return Response(202, "", store.operate("Microsoft.Compute", resource["body"]["location"], lambda: ("InProgress" if resource["id"].lower() in store.resources else "Succeeded", None)))
    if (request.method, action) == ("POST", "simulateeviction") and resource.get("machine") and resource["machine"].market == "spot":
        store.world.fleet.preempt(resource["machine"], 30_000)
        return Response(204, "")
    raise Refused(409, "OperationNotAllowed", f"{request.method} {action} is not allowed for this virtual machine.")


# --- who answers for which path ---

def action_of(provider, type, request, extra=""):
    """The permission that a call needs."""
    verb = {"GET": "read", "HEAD": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}.get(request.method, f"{extra}/action")
    return f"{provider}/{type}/{verb}"


def resource_call(request, store, group_name, provider, type, name, rest, may):
    group = store.group(group_name)
    kind = f"{provider}/{type}"
    if not may(action_of(provider, type, request, rest)):
        return None
    if request.method == "PUT" and "gone_at" in group:
        raise Refused(409, "ResourceGroupBeingDeleted", f"The resource group '{group['name']}' is in deprovisioning state and cannot perform this operation.")
    if not name:
        rows = store.of_type(kind, group_name.lower())
        return list_vms(request, store, group_name.lower()) if kind == VM else pages(request, [show_network(store, one) for one in rows], store.setting("arm_page", 50))
    id = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group['name']}/providers/{provider}/{type}/{name}"
    resource = store.resources.get(id.lower(), {"id": id, "name": name, "type": kind, "group": group_name.lower(), "tags": {}})
    if rest == "providers/microsoft.resources/tags/default" and "body" in resource:
        return merge_tags(request, store, resource)
    if kind == VM:
        return vm_call(request, store, resource, rest)
    if rest:
        inside = [one for one in show_network(store, resource)["properties"].get("subnets", []) if rest == f"subnets/{one['name'].lower()}"] if "body" in resource else []
        if request.method == "GET" and inside:
            return Response(200, inside[0])
        raise Refused(404, "NotFound", f"Resource {id}/{rest} not found.")
    if request.method == "PUT" and type in NETWORK_FIELDS:
        return put_network(request, store, resource, type)
    if request.method == "PUT" and type == "availabilitySets":
        check_fields(request.json, SET_FIELDS, "AvailabilitySet")
        is_new = "body" not in resource
        store.resources[id.lower()] = resource | {"body": {**request.json, "location": check_location(request.json)}, "tags": check_tags(request.json.get("tags", {}))}
        return Response(201 if is_new else 200, show_network(store, store.resources[id.lower()]))
    if "body" not in resource:
        if request.method == "DELETE":
            return Response(204, "")
        raise Refused(404, "ResourceNotFound", f"The Resource '{kind}/{name}' under resource group '{group['name']}' was not found.")
    return delete_network(store, resource) if request.method == "DELETE" else Response(200, show_network(store, resource))


SPELT = {one.lower(): one for one in ("Microsoft.Compute", "Microsoft.Network", "virtualMachines", "availabilitySets", "disks", "capacityReservationGroups", *NETWORK_FIELDS)}


def route(request, store, rest, may):
    """The answer, or None where it is nobody's."""
    low = rest.lower()
    if found := re.fullmatch(r"/providers/microsoft\.(?:compute|network)/locations/[^/]+/(operations|operationresults)/([^/]+)", low):
        return store.operation(found[2], found[1] == "operationresults")
    if found := re.fullmatch(r"/operationresults/([^/]+)", low):
        return store.operation(found[1], True)
    if low == "/resourcegroups":
        return list_groups(request, store) if may("Microsoft.Resources/subscriptions/resourceGroups/read") else None
    if found := re.fullmatch(r"/resourcegroups/([^/]+)(/providers/microsoft\.resources/tags/default)?", low):
        name = rest.split("/")[2]
        if not may(action_of("Microsoft.Resources", "tags" if found[2] else "subscriptions/resourceGroups", request)):
            return None
        if found[2]:
            return merge_tags(request, store, store.group(name))
        if request.method == "HEAD":
            return Response(204 if name.lower() in store.groups else 404, "")
        return put_group(request, store, name) if request.method == "PUT" else delete_group(request, store, name, end_machine) if request.method == "DELETE" else Response(200, show_group(store.group(name)))
    if found := re.fullmatch(r"(/resourcegroups/[^/]+)?/providers/microsoft\.compute/capacityreservationgroups(/[^/]+/capacityreservations)?", low):
        if not may("Microsoft.Compute/capacityReservationGroups/read"):
            return None
        return reservations(request, store, request.path.rsplit("/", 1)[0] if found[2] else None)
    if found := re.fullmatch(r"/resourcegroups/([^/]+)/providers/([^/]+)/([^/]+)(?:/([^/]+)(?:/(.+))?)?", low):
        provider, type = SPELT.get(found[2]), SPELT.get(found[3])
        if provider and type:
            return resource_call(request, store, rest.split("/")[2], provider, type, rest.split("/")[6] if found[4] else "", found[5] or "", may)
    if found := re.fullmatch(r"/providers/([^/]+)/([^/]+)", low):
        provider, type = SPELT.get(found[1]), SPELT.get(found[2])
        if provider and type and request.method == "GET" and may(action_of(provider, type, request)):
            return list_vms(request, store, None) if type == "virtualMachines" else pages(request, [show_network(store, one) for one in store.of_type(f"{provider}/{type}")], store.setting("arm_page", 50))
    return None


def answer_machines(request, rest, may):
    """`rest`: the path behind the subscription; `may`: whether an action is allowed. None: not of this file, or not allowed."""
    store = store_of(request.world)
    watch(store)
    try:
        return route(request, store, rest, may)
    except Refused as refused:
        return refused.response


# --- on the machine ---

@metadata("azure")
def instance_metadata(request, machine):
    if request.headers.get("metadata", "").lower() != "true" or "x-forwarded-for" in request.headers:
        return Response(400, {"error": "Bad request. Required metadata header not specified"})
    if "api-version" not in request.query:
        return Response(400, {"error": "Bad request. api-version was not specified in the request", "newest-versions": ["2021-12-13"]})
    vm = machine.extra["resource"]
    compute = {"name": vm["name"], "vmId": vm["vm_id"], "location": machine.region, "zone": machine.zone, "vmSize": machine.type, "priority": "Spot" if machine.market == "spot" else "Regular",
               "evictionPolicy": "Delete" if machine.market == "spot" else "", "resourceId": vm["id"], "resourceGroupName": vm["id"].split("/")[4], "subscriptionId": SUBSCRIPTION, "osType": "Linux",
               "tagsList": [{"name": name, "value": value} for name, value in vm["tags"].items()]}
    if request.path in ("/metadata/instance", "/metadata/instance/compute"):
        return Response(200, compute if request.path.endswith("compute") else {"compute": compute, "network": {"interface": []}})
    if request.path == "/metadata/scheduledevents" and request.method == "GET":
        return Response(200, scheduled_events(vm, machine))
    if request.path == "/metadata/identity/oauth2/token":
        return Response(400, {"error": "invalid_request", "error_description": "Identity not found"})
    return Response(404, {"error": "Not found"})


def scheduled_events(vm, machine):
    if machine.notice_until is None:
        return {"DocumentIncarnation": 1, "Events": []}
    before = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(machine.notice_until // 1000))
    return {"DocumentIncarnation": 2, "Events": [{"EventId": str(uuid.uuid5(uuid.NAMESPACE_URL, vm["vm_id"])), "EventType": "Preempt", "ResourceType": "VirtualMachine", "Resources": [vm["name"]],
                                                  "EventStatus": "Scheduled", "NotBefore": before, "Description": "", "EventSource": "Platform", "DurationInSeconds": -1}]}


@leaks("azure")
def left(world):
    store = store_of(world)
    return [f"resource group {group['name']} with {sum(1 for one in store.resources.values() if one['group'] == key)} resources" for key, group in sorted(store.groups.items()) if "gone_at" not in group]
