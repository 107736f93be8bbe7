"""The emulated Azure's networks: security groups, virtual networks, public addresses, network cards."""
import hashlib, ipaddress, json

from testcloud.api import Response
from testcloud.clouds.azure_arm import Refused, check_fields, check_location, check_tags

REF = {"id": None}
RULE = {"name": None, "properties": {name: None for name in (
    "priority", "direction", "access", "protocol", "description", "sourcePortRange", "sourcePortRanges", "destinationPortRange", "destinationPortRanges", "sourceAddressPrefix",
    "sourceAddressPrefixes", "destinationAddressPrefix", "destinationAddressPrefixes")}}
TOP = {"location": None, "tags": None, "name": None, "id": None, "type": None, "etag": None, "zones": None}
FIELDS = {
    "networkSecurityGroups": {**TOP, "properties": {"securityRules": [RULE], "flushConnection": None}},
    "virtualNetworks": {**TOP, "properties": {"addressSpace": {"addressPrefixes": None}, "dhcpOptions": None, "enableDdosProtection": None,
                                              "subnets": [{"name": None, "id": None, "properties": {"addressPrefix": None, "networkSecurityGroup": REF, "defaultOutboundAccess": None}}]}},
    "publicIPAddresses": {**TOP, "sku": {"name": None, "tier": None}, "properties": {"publicIPAllocationMethod": None, "publicIPAddressVersion": None, "deleteOption": None,
                                                                                      "idleTimeoutInMinutes": None, "dnsSettings": None}},
    "networkInterfaces": {**TOP, "properties": {"enableAcceleratedNetworking": None, "enableIPForwarding": None, "networkSecurityGroup": REF,
                                                "ipConfigurations": [{"name": None, "properties": {"primary": None, "subnet": {"id": None, "properties": None, "name": None}, "publicIPAddress": {"id": None, "properties": {"deleteOption": None}},
                                                                                                   "privateIPAllocationMethod": None, "privateIPAddress": None}}]}},
}


def subnet_of(store, id, by):
    """The network that a subnet's id leads to, and the subnet."""
    network, _, name = str(id).lower().partition("/subnets/")
    found = store.ready(network, by)
    if not any(one["name"].lower() == name for one in found["body"]["properties"].get("subnets", [])):
        raise Refused(400, "InvalidResourceReference", f"Resource {id} referenced by resource {by} was not found.")
    return found


def check_rules(body):
    taken = set()
    for rule in body["properties"].get("securityRules", []):
        told = rule.get("properties", {})
        if not 100 <= told.get("priority", 0) <= 4096 or (told.get("direction"), told["priority"]) in taken:
            raise Refused(400, "SecurityRuleInvalidPriority", f"Security rule has invalid Priority. Value provided: {told.get('priority')}. Allowed range 100-4096.")
        taken.add((told.get("direction"), told["priority"]))
        if told.get("direction") not in ("Inbound", "Outbound") or told.get("access") not in ("Allow", "Deny") or told.get("protocol") not in ("Tcp", "Udp", "Icmp", "*"):
            raise Refused(400, "InvalidRequestFormat", "Cannot parse the request.")
        for one, many in (("sourceAddressPrefix", "sourceAddressPrefixes"), ("destinationAddressPrefix", "destinationAddressPrefixes"), ("sourcePortRange", "sourcePortRanges"),
                          ("destinationPortRange", "destinationPortRanges")):
            if bool(told.get(one)) == bool(told.get(many)) or not isinstance(told.get(one, ""), str) or not isinstance(told.get(many, []), list):
                raise Refused(400, "SecurityRuleParameterContainsUnsupportedValue", f"Security rule {rule['name']} needs one of {one} and {many}.")


def check_network(store, type, id, body):
    properties = body.get("properties", {})
    if type == "networkSecurityGroups":
        check_rules(body)
    if type == "virtualNetworks":
        spaces = [ipaddress.ip_network(one) for one in properties["addressSpace"]["addressPrefixes"]]
        for subnet in properties.get("subnets", []):
            inside = ipaddress.ip_network(subnet["properties"]["addressPrefix"])
            if not any(inside.subnet_of(space) for space in spaces):
                raise Refused(400, "NetcfgInvalidSubnet", f"Subnet '{subnet['name']}' is not valid because its IP address range is outside the IP address range of virtual network.")
            if "networkSecurityGroup" in subnet["properties"]:
                store.ready(subnet["properties"]["networkSecurityGroup"]["id"], id)
        kept = {subnet["name"].lower() for subnet in properties.get("subnets", [])}
        for nic in store.of_type("Microsoft.Network/networkInterfaces"):
            for setup in nic["body"]["properties"]["ipConfigurations"]:
                network, _, name = setup["properties"]["subnet"]["id"].lower().partition("/subnets/")
                if network == id.lower() and name not in kept:
                    raise Refused(400, "InUseSubnetCannotBeDeleted", f"Subnet {name} is in use by {nic['id']} and cannot be deleted.")
    if type == "publicIPAddresses" and body.get("sku", {}).get("name") == "Standard" and properties.get("publicIPAllocationMethod") != "Static":
        raise Refused(400, "PublicIPAndSkuMismatch", "Standard sku publicIp must have AllocationMethod set to Static.")
    if type == "networkInterfaces":
        if sum(1 for setup in properties.get("ipConfigurations", []) if setup["properties"].get("primary")) != 1:
            raise Refused(400, "NetworkInterfaceMustHaveOnePrimaryIpConfiguration", f"Network interface {id} must have one primary IP configuration.")
        for setup in properties["ipConfigurations"]:
            subnet_of(store, setup["properties"]["subnet"]["id"], id)
            address = setup["properties"].get("publicIPAddress")
            if address:
                found = store.ready(address["id"], id)
                if found.get("nic", id.lower()) != id.lower():
                    raise Refused(400, "PublicIPAddressInUse", f"Resource {id} is referencing public IP address {address['id']} that is already allocated to resource {found['nic']}.")
                found["nic"] = id.lower()


def put_network(request, store, resource, type):
    """`resource`: the one that is there, or a new one with id, name, group."""
    body = request.json
    check_fields(body, FIELDS[type], type)
    body["location"] = check_location(body)
    body.setdefault("properties", {})
    check_network(store, type, resource["id"], body)
    is_new = "body" not in resource
    same = not is_new and {k: v for k, v in resource["body"].items() if k != "tags"} == {k: v for k, v in body.items() if k != "tags"}
    resource |= {"body": body, "tags": check_tags(body.get("tags", {}))}
    if not same:
        resource["ready_at"] = store.now() + store.setting("network_ms", 20)
    if type == "publicIPAddresses" and "address" not in resource:
        number = next(store.world.fleet.subnets)
        resource["address"] = f"198.18.{1 + number // 250}.{1 + number % 250}"
    store.resources[resource["id"].lower()] = resource
    headers = {}
    if resource.get("ready_at", 0) > store.now():
        headers = store.operate("Microsoft.Network", body["location"], lambda: ("InProgress" if resource["ready_at"] > store.now() else "Succeeded", None))
        headers.pop("location")
    return Response(201 if is_new else 200, show_network(store, resource), headers)


def show_network(store, resource):
    state = "Updating" if resource.get("ready_at", 0) > store.now() else "Succeeded"
    # What was sent and what the cloud adds: a copy, so that nothing of it gets into what is kept.
    told = json.loads(json.dumps({**resource["body"], "tags": resource["tags"]}))
    told |= {"id": resource["id"], "name": resource["name"], "type": resource["type"], "etag": 'W/"' + hashlib.md5(json.dumps(resource["body"]).encode()).hexdigest() + '"'}
    properties = told.setdefault("properties", {})
    properties |= {"provisioningState": state, "resourceGuid": hashlib.md5(resource["id"].lower().encode()).hexdigest()}
    if "address" in resource and state == "Succeeded":
        properties["ipAddress"] = resource["address"]
    for subnet in properties.get("subnets", []):
        subnet |= {"id": f"{resource['id']}/subnets/{subnet['name']}"}
    for number, setup in enumerate(properties.get("ipConfigurations", [])):
        setup["properties"]["privateIPAddress"] = f"10.0.0.{4 + number}"
    return told


def delete_network(store, resource):
    id, used = resource["id"].lower(), None
    if resource["type"].endswith("/networkInterfaces") and resource.get("vm") in store.resources:
        used = ("NicInUse", f"Network Interface {resource['id']} is used by existing resource {resource['vm']}. In order to delete the network interface, it must be dissociated from the resource.")
    if resource.get("nic") in store.resources:
        used = ("PublicIPAddressCannotBeDeleted", f"Public IP address {resource['id']} can not be deleted since it is still allocated to resource {resource['nic']}.")
    text = [json.dumps(one["body"]).lower() for one in store.resources.values() if one is not resource and "body" in one]
    if not used and any(f'"{id}"' in one or f'"{id}/subnets/' in one for one in text):
        used = ("InUseResourceCannotBeDeleted", f"{resource['id']} cannot be deleted because it is in use.")
    if used:
        raise Refused(400, *used)
    store.resources.pop(id)
    return Response(202, "", store.operate("Microsoft.Network", resource["body"]["location"], lambda: ("Succeeded", None)))
