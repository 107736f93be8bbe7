"""EC2's machines: RunInstances, DescribeInstances, TerminateInstances, and what they need: groups, placement groups, addresses,
Capacity Blocks; and the metadata service of the nodes.

What we send is checked name by name: a parameter that EC2 does not know is refused. Idempotent by ClientToken within a region and
zone. Times in whole seconds. Billed by the second with a minute at least, from LaunchTime: EC2 tells no other beginning.
Scenario under clouds.aws, all optional:
    "shutdown_ms": 0        how long a machine is shutting-down (not billed) before it is terminated; groups stay in use meanwhile
    "no_default_vpc": ["us-east-1"]
    "reservations": [{"id": "cr-1", "type": "p5.48xlarge", "zone": "us-east-1a", "total": 2}]     Capacity Blocks; "starts_in_s", "ends_in_s": from now on
    "address_limit": 5      Elastic IPs per region                 "root_gb": 75      of the images
    "billing": {"unit_ms": 1000, "minimum_ms": 60000, "tick_ms": 1000}"""
import base64, decimal, hashlib, json, re, time, uuid

from testcloud.api import Response, leaks, metadata
from testcloud.clouds.aws import ACTIONS, PAGED, Refusal, iso, numbered, page
from testcloud.clouds.aws_world import ACCOUNT, TYPES, Aws, seed, zones
from testcloud.fleet import ENDED, RUNNING, STARTING, STOPPED

IMAGES = {"/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id": "x86_64",
          "/aws/service/deeplearning/ami/arm64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id": "arm64",
          "/aws/service/neuron/dlami/multi-framework/ubuntu-22.04/latest/image_id": "x86_64"}
CARDS = {"g6e.48xlarge": 4, "p4d.24xlarge": 4, "p4de.24xlarge": 4, "p5.48xlarge": 32, "p5e.48xlarge": 32, "p5en.48xlarge": 16, "p6-b200.48xlarge": 8,
         "p6-b300.48xlarge": 17, "trn1.32xlarge": 8, "trn2.48xlarge": 16}
KINDS = {"instance", "volume", "network-interface", "spot-instances-request"}
RUN = re.compile(r"""Action|Version|DryRun|ImageId|InstanceType|MinCount|MaxCount|ClientToken|UserData|KeyName|SubnetId|SecurityGroupId\.\d+|EbsOptimized
|Placement\.(AvailabilityZone|GroupName|Tenancy)|InstanceInitiatedShutdownBehavior|IamInstanceProfile\.(Name|Arn)
|InstanceMarketOptions\.(MarketType|SpotOptions\.(MaxPrice|SpotInstanceType|InstanceInterruptionBehavior|ValidUntil))
|CapacityReservationSpecification\.(CapacityReservationPreference|CapacityReservationTarget\.CapacityReservationId)
|BlockDeviceMapping\.\d+\.(DeviceName|Ebs\.(VolumeSize|VolumeType|Iops|Throughput|DeleteOnTermination|Encrypted))
|MetadataOptions\.(HttpTokens|HttpPutResponseHopLimit|HttpEndpoint|InstanceMetadataTags)
|NetworkInterface\.\d+\.(DeviceIndex|NetworkCardIndex|InterfaceType|SubnetId|SecurityGroupId\.\d+|DeleteOnTermination|AssociatePublicIpAddress)
|TagSpecification\.\d+\.(ResourceType|Tag\.\d+\.(Key|Value))""", re.VERBOSE)


def of(aws):
    """What there is besides machines, of all regions."""
    return aws.state.setdefault("ec2", {"groups": {}, "placement": {}, "addresses": {}, "tokens": {}, "volumes": []})


def fleet(aws):
    return aws.request.world.fleet


def invalid(message, code="InvalidParameterValue"):
    return Refusal(400, code, message)


def members(form, name):
    """[{rest: value}] of Name.1.rest, Name.2.rest …"""
    found = {}
    for key, value in form.items():
        parts = key.split(".", 2)
        if len(parts) == 3 and parts[0] == name and parts[1].isdigit():
            found.setdefault(int(parts[1]), {})[parts[2]] = value
    return [found[number] for number in sorted(found)]


def tags_of(form, kind, kinds=None):
    tags = {}
    for given in members(form, "TagSpecification"):
        if given.get("ResourceType") not in (kinds or {kind}):
            raise invalid(f"'{given.get('ResourceType')}' is not a valid taggable resource type for this operation.")
        pairs = {key: value for key, value in given.items() if key.startswith("Tag.")}
        numbers = {key.split(".")[1] for key in pairs}
        read = {pairs[f"Tag.{n}.Key"]: pairs.get(f"Tag.{n}.Value", "") for n in numbers}
        if len(read) != len(numbers) or len(read) > 50 or any(not k or len(k) > 128 or k.startswith("aws:") or len(v) > 256 for k, v in read.items()):
            raise invalid("Tag keys must be unique, 1 to 128 characters, not beginning with aws:, and values at most 256")
        if given["ResourceType"] == kind:
            tags = read
    return tags


def tag_set(tags):
    return [{"key": key, "value": value} for key, value in tags.items()]


def chosen(form, rows, facts):
    """The rows that all filters let through. `facts`: row -> {filter: value or list}, and "tags"."""
    wanted, i = [], 1
    while f"Filter.{i}.Name" in form:
        wanted.append((form[f"Filter.{i}.Name"], numbered(form, f"Filter.{i}.Value")))
        i += 1

    def fits(row):
        known = facts(row)
        for name, values in wanted:
            if name == "tag-key":
                found = list(known["tags"])
            elif name.startswith("tag:"):
                found = [known["tags"].get(name[4:])]
            elif name in known:
                found = known[name] if isinstance(known[name], list) else [known[name]]
            else:
                raise invalid(f"The filter '{name}' is invalid")
            if not set(found) & set(values):
                return False
        return True
    return [row for row in rows if fits(row)]


# --- the default VPC ---


def vpc(aws):
    return f"vpc-{seed('vpc', aws.region):017x}"


def subnets(aws):
    return {f"subnet-{seed('subnet', zone):017x}": zone for zone, _ in zones(aws.region)}


def has_vpc(aws):
    return aws.region not in aws.config.get("no_default_vpc", [])


def describe_vpcs(aws, form):
    rows = [{"vpcId": vpc(aws), "state": "available", "cidrBlock": "172.31.0.0/16", "isDefault": True}] if has_vpc(aws) else []
    return page(aws, form, chosen(form, rows, lambda row: {"is-default": "true", "vpc-id": row["vpcId"], "isDefault": "true", "tags": {}}), "vpcSet", 5)


def describe_subnets(aws, form):
    rows = [{"subnetId": id, "state": "available", "vpcId": vpc(aws), "availabilityZone": zone, "availableIpAddressCount": 4091, "defaultForAz": True,
             "mapPublicIpOnLaunch": True} for id, zone in subnets(aws).items()] if has_vpc(aws) else []
    return page(aws, form, chosen(form, rows, lambda row: {"vpc-id": row["vpcId"], "availability-zone": row["availabilityZone"], "default-for-az": "true", "tags": {}}),
                "subnetSet", 5)


def rule_of(given, group):
    ranges = [value for name, value in given.items() if re.fullmatch(r"IpRanges\.\d+\.CidrIp", name)]
    peers = [value for name, value in given.items() if re.fullmatch(r"Groups\.\d+\.GroupId", name)]
    unknown = [name for name in given if not re.fullmatch(r"IpProtocol|FromPort|ToPort|IpRanges\.\d+\.(CidrIp|Description)|Groups\.\d+\.GroupId", name)]
    if unknown or given.get("IpProtocol") not in ("-1", "tcp", "udp") or not (ranges or peers) or any(peer not in (group["groupId"],) for peer in peers):
        raise invalid(f"Invalid permission: {given}")
    if given["IpProtocol"] != "-1" and not (given.get("FromPort", "").isdigit() and given.get("ToPort", "").isdigit()):
        raise invalid("Invalid value for portRange. Must specify both from and to ports with TCP/UDP.")
    return {"ipProtocol": given["IpProtocol"], **({"fromPort": given["FromPort"], "toPort": given["ToPort"]} if given["IpProtocol"] != "-1" else {}),
            "groups": [{"userId": ACCOUNT, "groupId": peer} for peer in peers], "ipRanges": [{"cidrIp": one} for one in ranges]}


def create_security_group(aws, form):
    name, groups = form.get("GroupName", ""), of(aws)["groups"]
    if not name or not form.get("GroupDescription") or form.get("VpcId") != vpc(aws):
        raise invalid("GroupName, GroupDescription and a VPC that exists are needed")
    if any(g["groupName"] == name and g["region"] == aws.region for g in groups.values()):
        raise invalid(f"The security group '{name}' already exists for VPC '{vpc(aws)}'", "InvalidGroup.Duplicate")
    id = f"sg-{uuid.uuid4().hex[:17]}"
    anyone = {"ipProtocol": "-1", "groups": [], "ipRanges": [{"cidrIp": "0.0.0.0/0"}]}
    groups[id] = {"groupId": id, "groupName": name, "region": aws.region, "ingress": [], "egress": [anyone], "tags": tags_of(form, "security-group")}
    return {"return": True, "groupId": id, "tagSet": tag_set(groups[id]["tags"])}


def group_of(aws, id):
    group = of(aws)["groups"].get(id)
    if not group or group["region"] != aws.region:
        raise invalid(f"The security group '{id}' does not exist", "InvalidGroup.NotFound")
    return group


def authorize(side):
    def work(aws, form):
        group = group_of(aws, form.get("GroupId", ""))
        rules = [rule_of(given, group) for given in members(form, "IpPermissions")]
        if not rules:
            raise invalid("No permission is given", "MissingParameter")
        for rule in rules:
            if rule in group[side]:
                raise invalid("the specified rule already exists", "InvalidPermission.Duplicate")
        group[side] += rules
        return {"return": True}
    return work


def describe_security_groups(aws, form):
    rows = [g for g in of(aws)["groups"].values() if g["region"] == aws.region]
    rows = chosen(form, rows, lambda g: {"group-name": g["groupName"], "group-id": g["groupId"], "vpc-id": vpc(aws), "tags": g["tags"]})
    return page(aws, form, [{"ownerId": ACCOUNT, "groupId": g["groupId"], "groupName": g["groupName"], "groupDescription": "x", "vpcId": vpc(aws),
                             "ipPermissions": g["ingress"], "ipPermissionsEgress": g["egress"], "tagSet": tag_set(g["tags"])} for g in rows], "securityGroupInfo", 5)


def gone(aws, m):
    """Whether nothing of it is in use any more."""
    return m.state == ENDED and fleet(aws).now() >= m.ended_ms + aws.config.get("shutdown_ms", 0)


def delete_security_group(aws, form):
    group = group_of(aws, form.get("GroupId", ""))
    if any(group["groupId"] in m.extra["groups"] and not gone(aws, m) for m in fleet(aws).of("aws")):
        raise Refusal(400, "DependencyViolation", f"resource {group['groupId']} has a dependent object")
    del of(aws)["groups"][group["groupId"]]
    return {"return": True}


def create_placement_group(aws, form):
    name = form.get("GroupName", "")
    if not name or len(name) > 255 or form.get("Strategy") != "cluster":
        raise invalid("Value for parameter groupName or strategy is invalid")
    if (aws.region, name) in of(aws)["placement"]:
        raise invalid(f"The Placement Group '{name}' already exists.", "InvalidPlacementGroup.Duplicate")
    of(aws)["placement"][(aws.region, name)] = tags_of(form, "placement-group")
    return {"return": True}


def describe_placement_groups(aws, form):
    rows = [(name, tags) for (region, name), tags in of(aws)["placement"].items() if region == aws.region]
    rows = chosen(form, rows, lambda row: {"group-name": row[0], "strategy": "cluster", "tags": row[1]})
    return {"placementGroupSet": [{"groupName": name, "state": "available", "strategy": "cluster", "groupId": f"pg-{seed(name):017x}", "tagSet": tag_set(tags)} for name, tags in rows]}


def delete_placement_group(aws, form):
    key = (aws.region, form.get("GroupName", ""))
    if key not in of(aws)["placement"]:
        raise invalid(f"The Placement Group '{key[1]}' is unknown.", "InvalidPlacementGroup.Unknown")
    if any(m.extra["placement"] == key[1] and m.region == aws.region and not gone(aws, m) for m in fleet(aws).of("aws")):
        raise Refusal(400, "InvalidPlacementGroup.InUse", f"The placement group '{key[1]}' is in use and may not be deleted.")
    del of(aws)["placement"][key]
    return {"return": True}


# --- addresses ---


def allocate_address(aws, form):
    mine = [a for a in of(aws)["addresses"].values() if a["region"] == aws.region]
    if len(mine) >= aws.config.get("address_limit", 5):
        raise invalid("The maximum number of addresses has been reached.", "AddressLimitExceeded")
    id = f"eipalloc-{uuid.uuid4().hex[:17]}"
    of(aws)["addresses"][id] = {"region": aws.region, "ip": f"203.0.113.{len(of(aws)['addresses']) % 250 + 1}", "machine": None, "tags": tags_of(form, "elastic-ip")}
    return {"publicIp": of(aws)["addresses"][id]["ip"], "domain": "vpc", "allocationId": id}


def address_of(aws, form):
    found = of(aws)["addresses"].get(form.get("AllocationId", ""))
    if not found or found["region"] != aws.region:
        raise invalid(f"The allocation ID '{form.get('AllocationId')}' does not exist", "InvalidAllocationID.NotFound")
    return found


def holder(aws, address):
    """The machine that has it now."""
    m = fleet(aws).machines.get(address["machine"] or "")
    return m if m and not gone(aws, m) else None


def associate_address(aws, form):
    address = address_of(aws, form)
    m = next((m for m in fleet(aws).of("aws") if form.get("NetworkInterfaceId") == eni(m, 0)), None)
    if not m or gone(aws, m):
        raise invalid(f"The networkInterface ID '{form.get('NetworkInterfaceId')}' does not exist", "InvalidNetworkInterfaceID.NotFound")
    if m.state != RUNNING:
        raise invalid(f"The pending instance '{m.id}' to which '{eni(m, 0)}' is attached is not in a valid state for this operation.", "IncorrectInstanceState")
    if holder(aws, address) not in (None, m):
        raise invalid("resource is already associated", "Resource.AlreadyAssociated")
    address["machine"] = m.id
    return {"return": True, "associationId": f"eipassoc-{seed(m.id):017x}"}


def disassociate_address(aws, form):
    for address in of(aws)["addresses"].values():
        if address["machine"] and f"eipassoc-{seed(address['machine']):017x}" == form.get("AssociationId"):
            address["machine"] = None
            return {"return": True}
    raise invalid(f"The association ID '{form.get('AssociationId')}' does not exist", "InvalidAssociationID.NotFound")


def release_address(aws, form):
    if holder(aws, address_of(aws, form)):
        raise invalid(f"Address {form['AllocationId']} is in use.", "InvalidIPAddress.InUse")
    del of(aws)["addresses"][form["AllocationId"]]
    return {"return": True}


def describe_addresses(aws, form):
    rows = [(id, a) for id, a in of(aws)["addresses"].items() if a["region"] == aws.region]
    rows = chosen(form, rows, lambda row: {"allocation-id": row[0], "public-ip": row[1]["ip"], "tags": row[1]["tags"]})
    shown = []
    for id, a in rows:
        m = holder(aws, a)
        shown.append({"publicIp": a["ip"], "allocationId": id, "domain": "vpc", "tagSet": tag_set(a["tags"]),
                      **({"associationId": f"eipassoc-{seed(m.id):017x}", "instanceId": m.id, "networkInterfaceId": eni(m, 0)} if m else {})})
    return {"addressesSet": shown}


def describe_capacity_reservations(aws, form):
    rows = [r for r in aws.config.get("reservations", []) if r["zone"].startswith(aws.region)]
    rows = chosen(form, rows, lambda r: {"instance-type": r["type"], "availability-zone": r["zone"], "state": state_of_block(aws, r), "tags": {}})
    return page(aws, form, [{"capacityReservationId": r["id"], "instanceType": r["type"], "availabilityZone": r["zone"], "totalInstanceCount": r["total"],
                             "availableInstanceCount": r["total"] - used(aws, r["id"]), "state": state_of_block(aws, r), "reservationType": "capacity-block",
                             "startDate": iso(aws.now() + r.get("starts_in_s", -60)), "endDate": iso(aws.now() + r.get("ends_in_s", 86400))} for r in rows], "capacityReservationSet", 1)


def state_of_block(aws, reservation):
    return "scheduled" if reservation.get("starts_in_s", -60) > 0 else "active"


def used(aws, reservation):
    return sum(1 for m in fleet(aws).of("aws", ended=False) if m.extra["reservation"] == reservation)


# --- RunInstances ---


def eni(m, number):
    return f"eni-{seed(m.id, str(number)):017x}"


def checked_interfaces(aws, form, kind):
    """[(card, device, kind, subnet, groups, public)] of the request; [] when it names none."""
    given, top = members(form, "NetworkInterface"), numbered(form, "SecurityGroupId")
    if given and (top or form.get("SubnetId")):
        raise invalid("Network interfaces and an instance-level security groups may not be specified on the same request", "InvalidParameterCombination")
    known, efa = subnets(aws), 0
    seen, read = set(), []
    for one in given:
        card, device, what = int(one.get("NetworkCardIndex", 0)), int(one.get("DeviceIndex", -1)), one.get("InterfaceType", "interface")
        if one.get("SubnetId") not in known:
            raise invalid("Each network interface requires either a subnet or a network interface ID.", "MissingParameter" if not one.get("SubnetId") else "InvalidSubnetID.NotFound")
        if what not in ("interface", "efa", "efa-only") or (card, device) in seen or not 0 <= card < CARDS.get(kind, 1) or device < 0:
            raise invalid(f"Invalid network interface: card {card}, device {device}, type {what}")
        if (card, device) == (0, 0) and what == "efa-only":
            raise invalid("An efa-only interface cannot be the primary one")
        public = one.get("AssociatePublicIpAddress") == "true"
        if public and len(given) > 1:
            raise invalid("The associatePublicIPAddress parameter cannot be specified when launching with multiple network interfaces.", "InvalidParameterCombination")
        if kind == "p6-b300.48xlarge" and card == 0 and what != "interface":
            raise invalid("Network card 0 of p6-b300.48xlarge does not support EFA")
        seen.add((card, device))
        efa += what != "interface"
        groups = [value for name, value in one.items() if name.startswith("SecurityGroupId.")]
        read.append((card, device, what, one["SubnetId"], groups, public))
    if read and (0, 0) not in seen:
        raise invalid("A network interface with device index 0 on card 0 is required")
    if efa > TYPES[kind][7]:
        raise invalid(f"Interface limit exceeded: {kind} supports {TYPES[kind][7]} EFA interfaces", "AttachmentLimitExceeded")
    if len({subnet for _, _, _, subnet, _, _ in read}) > 1:
        raise invalid("All interfaces must be in the same subnet here")
    return read


def check_launch(aws, form):
    for name in form:
        if not RUN.fullmatch(name):
            raise Refusal(400, "UnknownParameter", f"The parameter {name} is not recognized")
    for name in ("ImageId", "InstanceType", "MinCount", "MaxCount"):
        if not form.get(name):
            raise Refusal(400, "MissingParameter", f"The request must contain the parameter {name}")
    kind = form["InstanceType"]
    if kind not in TYPES:
        raise invalid(f"Invalid value '{kind}' for InstanceType.")
    if kind not in aws.sold(aws.region):
        raise Refusal(400, "Unsupported", f"Your requested instance type ({kind}) is not supported in your requested Region ({aws.region}).")
    image = form["ImageId"].removeprefix("resolve:ssm:")
    if image not in IMAGES or not form["ImageId"].startswith("resolve:ssm:"):
        raise invalid(f"The image id '[{form['ImageId']}]' does not exist", "InvalidAMIID.NotFound")
    if IMAGES[image] != TYPES[kind][9]:
        raise invalid(f"The architecture '{TYPES[kind][9]}' of the specified instance type does not match the architecture '{IMAGES[image]}' of the specified AMI.")
    if not 1 <= int(form["MinCount"]) <= int(form["MaxCount"]) <= 1000:
        raise invalid("MinCount and MaxCount must be positive, and MinCount at most MaxCount")
    if len(form.get("ClientToken", "")) > 64 or not form.get("ClientToken", "").isascii():
        raise invalid("The client token is too long, at most 64 ASCII characters")
    try:
        data = base64.b64decode(form.get("UserData", ""), validate=True)
    except ValueError:
        raise invalid("Invalid BASE64 encoding of user data", "InvalidUserData.Malformed") from None
    if len(data) > 16384:
        raise invalid("User data is limited to 16384 bytes")
    for disk in members(form, "BlockDeviceMapping"):
        if disk.get("DeviceName") == "/dev/sda1" and int(disk.get("Ebs.VolumeSize", 0)) < aws.config.get("root_gb", 75):
            raise invalid(f"Volume of size {disk.get('Ebs.VolumeSize')}GB is smaller than snapshot 'snap-1', expect size >= {aws.config.get('root_gb', 75)}GB", "InvalidBlockDeviceMapping")
    if form.get("InstanceInitiatedShutdownBehavior", "stop") not in ("stop", "terminate") or form.get("MetadataOptions.HttpTokens", "optional") not in ("optional", "required"):
        raise invalid("Invalid shutdown behavior or metadata options")
    group = form.get("Placement.GroupName", "")
    if group and (aws.region, group) not in of(aws)["placement"]:
        raise invalid(f"The Placement Group '{group}' is unknown.", "InvalidPlacementGroup.Unknown")
    return kind, data.decode()


def check_market(aws, form, kind):
    """(market, reservation)."""
    what = form.get("InstanceMarketOptions.MarketType", "")
    target = form.get("CapacityReservationSpecification.CapacityReservationTarget.CapacityReservationId", "")
    spot = {name.rpartition(".")[2]: value for name, value in form.items() if name.startswith("InstanceMarketOptions.SpotOptions.")}
    if what not in ("", "spot", "capacity-block") or (spot and what != "spot"):
        raise invalid(f"The market type '{what}' is not valid")
    if spot.get("SpotInstanceType", "one-time") == "one-time" and spot.get("InstanceInterruptionBehavior", "terminate") != "terminate":
        raise invalid("one-time requests can only be terminated")
    reservation = next((r for r in aws.config.get("reservations", []) if r["id"] == target), None)
    if reservation and state_of_block(aws, reservation) != "active":
        raise invalid(f"The capacity reservation '{target}' is not active", "InvalidCapacityReservationState")
    if target and not reservation:
        raise invalid(f"The capacity reservation '{target}' does not exist", "InvalidCapacityReservationId.NotFound")
    if bool(reservation) != (what == "capacity-block"):
        raise invalid("The market type is not valid for this capacity reservation: capacity-block needs a Capacity Block and a Capacity Block needs it")
    if what == "spot" and "spot" not in TYPES[kind][12]:
        raise invalid(f"{kind} is not sold as spot", "Unsupported")
    return {"": "on_demand", "spot": "spot", "capacity-block": "block"}[what], reservation


def choose_zone(aws, form, kind, market, reservation, count, interfaces):
    names = [zone for zone, _ in zones(aws.region)]
    wanted = form.get("Placement.AvailabilityZone", "")
    subnet = form.get("SubnetId") or (interfaces[0][3] if interfaces else "")
    if subnet and subnet not in subnets(aws):
        raise invalid(f"The subnet ID '{subnet}' does not exist", "InvalidSubnetID.NotFound")
    of_subnet = subnets(aws).get(subnet, "")
    if (wanted and wanted not in names) or (wanted and of_subnet and wanted != of_subnet):
        raise invalid(f"Invalid availability zone: [{wanted}]")
    places = [zone for zone in names if zone in (wanted or of_subnet or zone,)]
    if reservation:
        if reservation["type"] != kind or reservation["zone"] not in places:
            raise invalid("The Capacity Block is of another type or zone")
        if reservation["total"] - used(aws, reservation["id"]) < count:
            raise Refusal(400, "ReservationCapacityExceeded", "The requested reservation does not have sufficient compatible and available capacity for this request.")
        return reservation["zone"]
    place = lambda zone: f"aws/{aws.region}/{zone}/{kind}/{market}"
    limit = next((limit for limit in (fleet(aws).lacks_quota(place(zone), count) for zone in places) if limit is not None), None)
    if limit is not None and market == "spot":
        raise invalid("Max spot instance count exceeded", "MaxSpotInstanceCountExceeded")
    if limit is not None:
        raise invalid(f"You have requested more vCPU capacity than your current vCPU limit of {limit * TYPES[kind][4]} allows for the instance bucket that the specified instance "
                      "type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit.", "VcpuLimitExceeded")
    found = next((zone for zone in places if not fleet(aws).lacks_stock(place(zone), count)), None)
    if not found:
        raise Refusal(500, "InsufficientInstanceCapacity", f"We currently do not have sufficient {kind} capacity in the "
                      f"{'Availability Zone' if len(places) == 1 else 'Region'} you requested ({places[0] if len(places) == 1 else aws.region}). Our system will be working on provisioning additional capacity.")
    return found


def micros(usd):
    return int((decimal.Decimal(usd) * 1_000_000).to_integral_value(decimal.ROUND_HALF_UP))


def run_instances(aws, form):
    kind, user_data = check_launch(aws, form)
    market, reservation = check_market(aws, form, kind)
    interfaces = checked_interfaces(aws, form, kind)
    tags = tags_of(form, "instance", KINDS if market == "spot" else KINDS - {"spot-instances-request"})
    groups = sorted({id for one in interfaces for id in one[4]} | set(numbered(form, "SecurityGroupId")))
    for id in groups:
        group_of(aws, id)
    if not has_vpc(aws):
        raise invalid("No default VPC for this user", "VPCIdNotSpecified")
    same = hashlib.sha256(json.dumps(sorted(form.items())).encode()).hexdigest()
    key = (aws.region, form.get("Placement.AvailabilityZone", ""), interfaces[0][3] if interfaces else "", form.get("ClientToken") or uuid.uuid4().hex)
    if key in of(aws)["tokens"]:
        reservation_id, ids, before = of(aws)["tokens"][key]
        if before != same:
            raise invalid("Idempotent request parameters do not match those of the original request", "IdempotentParameterMismatch")
        return launched(aws, reservation_id, [fleet(aws).machines[id] for id in ids])
    count = int(form["MaxCount"])
    zone = choose_zone(aws, form, kind, market, reservation, count, interfaces)
    usd = aws.spot(kind, aws.region, zone) if market == "spot" else aws.price(kind) or "0"
    most = form.get("InstanceMarketOptions.SpotOptions.MaxPrice")
    if most and micros(most) < micros(usd):
        raise invalid(f"Your Spot request price of {most} is lower than the minimum required Spot request fulfillment price of {usd}.", "SpotMaxPriceTooLow")
    rule = {"unit_ms": 1000, "minimum_ms": 60_000, "tick_ms": 1000, **aws.config.get("billing", {})}
    end = form.get("InstanceInitiatedShutdownBehavior") == "terminate"
    machines = []
    for index in range(count):
        m = fleet(aws).create("aws", f"i-{uuid.uuid4().hex[:17]}", aws.region, zone, kind, market, micros(usd), tags=tags, user_data=user_data, bill_from_creation=True,
                              on_power_off="end" if end else "stop", **rule)
        m.extra |= {"index": index, "reservation": reservation and reservation["id"], "token": form.get("ClientToken", ""), "groups": groups, "interfaces": interfaces,
                    "placement": form.get("Placement.GroupName", ""), "by_call": False, "reservation_id": f"r-{seed(*key):017x}", "user_data": user_data}
        machines.append(m)
        if any(disk.get("Ebs.DeleteOnTermination") != "true" for disk in members(form, "BlockDeviceMapping")):
            of(aws)["volumes"].append(f"vol-{seed(m.id):017x}")
    of(aws)["tokens"][key] = (machines[0].extra["reservation_id"], [m.id for m in machines], same)
    return launched(aws, machines[0].extra["reservation_id"], machines)


def launched(aws, reservation_id, machines):
    return {"reservationId": reservation_id, "ownerId": ACCOUNT, "groupSet": [], "instancesSet": [show(aws, m) for m in machines]}


def stamp(ms):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms // 1000)) + f".{ms % 1000:03d}Z"


def state_of(aws, m):
    if m.state == ENDED:
        return (48, "terminated") if gone(aws, m) else (32, "shutting-down")
    return {STARTING: (0, "pending"), RUNNING: (16, "running"), STOPPED: (80, "stopped")}[m.state]


def why_ended(m):
    """(stateReason's code, StateTransitionReason). A machine that powers itself off leaves the latter empty."""
    at = time.strftime("%Y-%m-%d %H:%M:%S GMT", time.gmtime(m.ended_ms // 1000))
    if m.end_reason == "preempted":
        return "Server.SpotInstanceTermination", f"Service initiated ({at})"
    if m.end_reason == "boot failure":
        return "Server.InternalError", f"Server.InternalError: Internal error on launch ({at})"
    if m.end_reason == "host failure":
        return "Server.HostFailure", f"Service initiated ({at})"
    return ("Client.UserInitiatedShutdown", f"User initiated ({at})") if m.extra["by_call"] else ("Client.InstanceInitiatedShutdown", "")


def public_ip(aws, m):
    address = next((a for a in of(aws)["addresses"].values() if holder(aws, a) is m), None)
    interfaces = m.extra["interfaces"]
    if address or not interfaces or interfaces[0][5]:
        return m.address  # real nodes have one address each, and it is this
    return ""


def show(aws, m):
    code, name = state_of(aws, m)
    shown = {"instanceId": m.id, "imageId": "ami-0a1b2c3d4e5f60718", "instanceState": {"code": code, "name": name}, "privateDnsName": "", "dnsName": "",
             "amiLaunchIndex": m.extra["index"], "instanceType": m.type, "launchTime": stamp(m.created_ms),
             "placement": {"availabilityZone": m.zone, "groupName": m.extra["placement"], "tenancy": "default"}, "monitoring": {"state": "disabled"},
             "architecture": TYPES[m.type][9], "rootDeviceType": "ebs", "rootDeviceName": "/dev/sda1", "clientToken": m.extra["token"], "hypervisor": "xen",
             "tagSet": tag_set(m.tags), "virtualizationType": "hvm", "ebsOptimized": False, "enaSupport": True}
    if m.market != "on_demand":
        shown["instanceLifecycle"] = {"spot": "spot", "block": "capacity-block"}[m.market]
    if m.extra["reservation"]:
        shown["capacityReservationId"] = m.extra["reservation"]
    if m.market == "spot":
        shown["spotInstanceRequestId"] = f"sir-{seed(m.id):08x}"
    if m.state == ENDED:
        reason, transition = why_ended(m)
        shown |= {"reason": transition, "stateReason": {"code": reason, "message": f"{reason}: …"}}
        return shown
    interfaces = m.extra["interfaces"] or [(0, 0, "interface", next(id for id, zone in subnets(aws).items() if zone == m.zone), m.extra["groups"], True)]
    shown |= {"reason": "", "vpcId": vpc(aws), "subnetId": interfaces[0][3], "privateIpAddress": m.address,
              "groupSet": [{"groupId": id, "groupName": group_of(aws, id)["groupName"]} for id in m.extra["groups"]],
              "networkInterfaceSet": [{"networkInterfaceId": eni(m, number), "status": "in-use", "interfaceType": what,
                                       "attachment": {"deviceIndex": device, "networkCardIndex": card, "status": "attached"}}
                                      for number, (card, device, what, _, _, _) in enumerate(interfaces)]}
    if m.state == RUNNING and public_ip(aws, m):
        shown["ipAddress"] = public_ip(aws, m)
    return shown


def there(aws):
    return [m for m in fleet(aws).of("aws") if m.region == aws.region and m.visible and (m.state != ENDED or fleet(aws).now() - m.ended_ms < 3_600_000)]


def find(aws, ids):
    known = {m.id: m for m in there(aws)}
    bad = [id for id in ids if not re.fullmatch(r"i-[0-9a-f]{8}([0-9a-f]{9})?", id)]
    if bad:
        raise invalid(f"Invalid id: \"{bad[0]}\"", "InvalidInstanceID.Malformed")
    missing = [id for id in ids if id not in known]
    if missing:
        raise invalid(f"The instance ID{'s' if len(missing) > 1 else ''} '{', '.join(missing)}' do{'' if len(missing) > 1 else 'es'} not exist", "InvalidInstanceID.NotFound")
    return [known[id] for id in ids]


def describe_instances(aws, form):
    ids = numbered(form, "InstanceId")
    if ids and form.get("MaxResults"):
        raise invalid("The parameter instancesSet cannot be used with the parameter maxResults", "InvalidParameterCombination")
    rows = find(aws, ids) if ids else there(aws)
    rows = chosen(form, rows, lambda m: {"instance-state-name": state_of(aws, m)[1], "client-token": m.extra["token"], "instance-id": m.id,
                                         "instance-type": m.type, "availability-zone": m.zone, "tags": m.tags})
    reservations = {}
    for m in rows:
        reservations.setdefault(m.extra["reservation_id"], []).append(m)
    return page(aws, form, [launched(aws, id, machines) for id, machines in reservations.items()], "reservationSet", 5)


def terminate_instances(aws, form):
    machines = find(aws, numbered(form, "InstanceId"))
    if not machines:
        raise Refusal(400, "MissingParameter", "The request must contain the parameter InstanceId")
    changed = []
    for m in machines:
        before = state_of(aws, m)
        if m.state != ENDED:
            m.extra["by_call"] = True
            fleet(aws).end(m)
        after = state_of(aws, m)
        changed.append({"instanceId": m.id, "currentState": {"code": after[0], "name": after[1]}, "previousState": {"code": before[0], "name": before[1]}})
    return {"instancesSet": changed}


FILTERED = PAGED | {"Filter"}
ACTIONS.update({
    "RunInstances": (run_instances, {"ImageId", "InstanceType", "MinCount", "MaxCount", "ClientToken", "UserData", "KeyName", "SubnetId", "SecurityGroupId", "EbsOptimized", "Placement",
                                     "InstanceInitiatedShutdownBehavior", "IamInstanceProfile", "InstanceMarketOptions", "CapacityReservationSpecification",
                                     "BlockDeviceMapping", "MetadataOptions", "NetworkInterface", "TagSpecification"}),
    "DescribeInstances": (describe_instances, FILTERED | {"InstanceId"}),
    "TerminateInstances": (terminate_instances, {"InstanceId"}),
    "DescribeVpcs": (describe_vpcs, FILTERED),
    "DescribeSubnets": (describe_subnets, FILTERED),
    "DescribeSecurityGroups": (describe_security_groups, FILTERED),
    "CreateSecurityGroup": (create_security_group, {"GroupName", "GroupDescription", "VpcId", "TagSpecification"}),
    "AuthorizeSecurityGroupIngress": (authorize("ingress"), {"GroupId", "IpPermissions"}),
    "AuthorizeSecurityGroupEgress": (authorize("egress"), {"GroupId", "IpPermissions"}),
    "DeleteSecurityGroup": (delete_security_group, {"GroupId"}),
    "CreatePlacementGroup": (create_placement_group, {"GroupName", "Strategy", "TagSpecification"}),
    "DescribePlacementGroups": (describe_placement_groups, {"Filter"}),
    "DeletePlacementGroup": (delete_placement_group, {"GroupName"}),
    "AllocateAddress": (allocate_address, {"Domain", "TagSpecification"}),
    "AssociateAddress": (associate_address, {"AllocationId", "NetworkInterfaceId", "AllowReassociation"}),
    "DisassociateAddress": (disassociate_address, {"AssociationId"}),
    "ReleaseAddress": (release_address, {"AllocationId"}),
    "DescribeAddresses": (describe_addresses, {"Filter"}),
    "DescribeCapacityReservations": (describe_capacity_reservations, FILTERED),
})


# --- on the node ---


@metadata("aws")
def imds(request, m):
    """IMDSv2: nothing without a token."""
    plain = lambda text, status=200: Response(status, text, {"content-type": "text/plain"})
    token = f"token-of-{m.id}"
    if request.path == "/latest/api/token":
        good = request.method == "PUT" and request.headers.get("x-aws-ec2-metadata-token-ttl-seconds", "").isdigit()
        return plain(token) if good else plain("", 400)
    if request.headers.get("x-aws-ec2-metadata-token") != token:
        return plain("", 401)
    notice = lambda ms: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ms // 1000))
    told = {"/latest/meta-data/instance-id": m.id, "/latest/meta-data/instance-type": m.type, "/latest/meta-data/local-ipv4": m.address,
            "/latest/meta-data/placement/region": m.region, "/latest/meta-data/placement/availability-zone": m.zone, "/latest/user-data": m.extra["user_data"],
            "/latest/meta-data/instance-life-cycle": {"spot": "spot", "block": "capacity-block"}.get(m.market, "on-demand"),
            "/latest/meta-data/ami-launch-index": str(m.extra["index"]),
            "/latest/dynamic/instance-identity/document": json.dumps({"accountId": ACCOUNT, "instanceId": m.id, "instanceType": m.type, "region": m.region,
                                                                      "availabilityZone": m.zone, "privateIp": m.address, "version": "2017-09-30"})}
    if m.notice_until is not None:
        told["/latest/meta-data/spot/instance-action"] = json.dumps({"action": "terminate", "time": notice(m.notice_until)})
        told["/latest/meta-data/events/recommendations/rebalance"] = json.dumps({"noticeTime": notice(m.notice_at)})
    return plain(told[request.path]) if request.path in told else plain("", 404)


@leaks("aws")
def left(world):
    ec2 = world.state.get("aws", {}).get("ec2", {"groups": {}, "placement": {}, "addresses": {}, "volumes": []})
    # What is shared on purpose says so.
    return [f"security group {g['groupName']} {g['region']}" for g in ec2["groups"].values() if "gpubroker:shared" not in g["tags"]] + [f"placement group {name} {region}" for region, name in ec2["placement"]] + \
        [f"address {a['ip']} {a['region']}" for a in ec2["addresses"].values()] + [f"volume {id}" for id in ec2["volumes"]] + \
        [f"launch template {name} {region}" for region, name in ec2.get("templates", {})]
