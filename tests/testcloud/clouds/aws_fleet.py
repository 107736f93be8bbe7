"""EC2's launch templates and fleets of type instant: one call over several zones, answered with 200 also where nothing was launched.

A template takes what RunInstances takes, without place, number and market; a fleet is carried out by the emulated RunInstances, zone by
zone in the order of the overrides. Only a floor with one zone or type is all or nothing, as a gang needs it; without one, what fits."""
import hashlib, json, re, uuid

from testcloud.clouds.aws import ACTIONS, Refusal
from testcloud.clouds.aws_machines import FILTERED, RUN, chosen, fleet, invalid, members, of, run_instances, subnets, tag_set, tags_of

DATA = "LaunchTemplateData."
NOT_IN_TEMPLATE = re.compile(r"MinCount|MaxCount|ClientToken|Action|Version|DryRun")
OPTIONS = {"spot": {"AllocationStrategy": {"price-capacity-optimized", "capacity-optimized", "lowest-price", "diversified"}, "SingleInstanceType": {"true", "false"},
                    "SingleAvailabilityZone": {"true", "false"}, "MinTargetCapacity": None, "InstanceInterruptionBehavior": {"terminate"}},
           "on-demand": {"AllocationStrategy": {"lowest-price", "prioritized"}, "SingleInstanceType": {"true", "false"}, "SingleAvailabilityZone": {"true", "false"}, "MinTargetCapacity": None}}
OPTION_NAMES = {"spot": "SpotOptions", "on-demand": "OnDemandOptions"}


def templates(aws):
    return of(aws).setdefault("templates", {})


def fleets(aws):
    return of(aws).setdefault("fleets", {})


def create_launch_template(aws, form):
    name = form.get("LaunchTemplateName", "")
    if not re.fullmatch(r"[a-zA-Z0-9().\-/_]{3,128}", name):
        raise invalid("The launch template name is invalid", "InvalidLaunchTemplateName.MalformedException")
    data = {key[len(DATA):]: value for key, value in form.items() if key.startswith(DATA)}
    for key in data:
        if not RUN.fullmatch(key) or NOT_IN_TEMPLATE.fullmatch(key):
            raise Refusal(400, "UnknownParameter", f"The parameter LaunchTemplateData.{key} is not recognized")
    if any(key.startswith("TagSpecification.") and value == "spot-instances-request" for key, value in data.items() if key.endswith(".ResourceType")) and \
            data.get("InstanceMarketOptions.MarketType") != "spot":
        raise invalid("'spot-instances-request' is not a valid taggable resource type here")
    if (aws.region, name) in templates(aws):
        raise invalid("Launch template name already in use.", "InvalidLaunchTemplateName.AlreadyExistsException")
    top = {key: value for key, value in form.items() if key.startswith("TagSpecification.")}
    templates(aws)[(aws.region, name)] = {"id": f"lt-{uuid.uuid4().hex[:17]}", "data": data, "tags": tags_of(top, "launch-template")}
    return {"launchTemplate": show(name, templates(aws)[(aws.region, name)])}


def show(name, template):
    return {"launchTemplateId": template["id"], "launchTemplateName": name, "defaultVersionNumber": 1, "latestVersionNumber": 1, "tagSet": tag_set(template["tags"])}


def describe_launch_templates(aws, form):
    rows = [(name, one) for (region, name), one in templates(aws).items() if region == aws.region]
    rows = chosen(form, rows, lambda row: {"launch-template-name": row[0], "tags": row[1]["tags"]})
    return {"launchTemplates": [show(*row) for row in rows]}


def delete_launch_template(aws, form):
    found = templates(aws).pop((aws.region, form.get("LaunchTemplateName", "")), None)
    if not found:
        raise invalid("The specified launch template does not exist.", "InvalidLaunchTemplateName.NotFoundException")
    return {"launchTemplate": show(form["LaunchTemplateName"], found)}


# --- CreateFleet ---


def options_of(form, market):
    """Strategy and floor of this market, checked; the other market's are refused."""
    mine, known = OPTION_NAMES[market], OPTIONS[market]
    told = {key.split(".", 1)[1]: value for key, value in form.items() if key.startswith(mine + ".")}
    for name, value in told.items():
        if name not in known or (known[name] is not None and value not in known[name]):
            raise invalid(f"Value ( {value} ) for parameter {mine}.{name} is invalid")
    if "MinTargetCapacity" in told and "true" not in (told.get("SingleInstanceType"), told.get("SingleAvailabilityZone")):
        raise invalid("MinTargetCapacity needs SingleInstanceType or SingleAvailabilityZone", "InvalidParameterCombination")
    return told


def overrides_of(aws, form):
    """[(type, subnet)] of the one template's overrides."""
    configs = members(form, "LaunchTemplateConfigs")
    if len(configs) != 1:
        raise invalid("One launch template is taken here")
    told = [given for given in members({f"O.{key.split('.', 1)[1]}": value for key, value in configs[0].items() if key.startswith("Overrides.")}, "O")]
    for one in told:
        if set(one) - {"InstanceType", "SubnetId", "AvailabilityZone", "Priority"}:
            raise Refusal(400, "UnknownParameter", f"The parameter {sorted(one)} is not recognized")
        if one.get("SubnetId") not in subnets(aws):
            raise invalid(f"The subnet ID '{one.get('SubnetId')}' does not exist", "InvalidSubnetID.NotFound")
    pairs = [(one.get("InstanceType"), one["SubnetId"]) for one in told]
    if not pairs or len(pairs) != len(set(pairs)) or len({subnets(aws)[subnet] for _, subnet in pairs}) != len({subnet for _, subnet in pairs}):
        raise invalid("Overrides must be there, and differ in type or zone", "InvalidFleetConfig")
    return configs[0], pairs


def template_of(aws, config):
    given = {key.split(".", 1)[1]: value for key, value in config.items() if key.startswith("LaunchTemplateSpecification.")}
    if given.get("Version") not in ("$Latest", "$Default", "1"):
        raise invalid("The launch template's version must be given", "MissingParameter")
    found = templates(aws).get((aws.region, given.get("LaunchTemplateName", "")))
    if not found:
        raise invalid("The specified launch template, with template name " + given.get("LaunchTemplateName", ""), "InvalidLaunchTemplateName.NotFoundException")
    return found


def launch_of(template, kind, subnet, count, market, token):
    """As RunInstances would be told: the override's subnet is that of all interfaces."""
    form = {**template["data"], "InstanceType": kind, "MinCount": str(count), "MaxCount": str(count), "ClientToken": token}
    cards = {key.split(".")[1] for key in form if key.startswith("NetworkInterface.")}
    if any(key.endswith(".SubnetId") for key in form):
        raise invalid("A subnet in the launch template and one in the override exclude each other", "InvalidParameterCombination")
    form |= {f"NetworkInterface.{card}.SubnetId": subnet for card in cards} if cards else {"SubnetId": subnet}
    if market == "spot":
        form |= {"InstanceMarketOptions.MarketType": "spot", "InstanceMarketOptions.SpotOptions.SpotInstanceType": "one-time"}
    return form


def create_fleet(aws, form):
    if form.get("Type") != "instant":
        raise invalid("Only fleets of type instant are emulated")
    market = form.get("TargetCapacitySpecification.DefaultTargetCapacityType", "")
    if market not in OPTIONS:
        raise invalid(f"Value ( {market} ) for parameter DefaultTargetCapacityType is invalid")
    wanted = int(form.get("TargetCapacitySpecification.TotalTargetCapacity", "0"))
    options, (config, pairs) = options_of(form, market), overrides_of(aws, form)
    floor = int(options.get("MinTargetCapacity", "0"))
    if not 1 <= wanted <= 1000 or floor > wanted:
        raise invalid("TotalTargetCapacity must be 1 to 1000, and MinTargetCapacity at most that")
    token = form.get("ClientToken") or uuid.uuid4().hex
    same = hashlib.sha256(json.dumps(sorted(form.items())).encode()).hexdigest()
    if (aws.region, token) in fleets(aws):
        before, answer = fleets(aws)[(aws.region, token)]
        if before != same:
            raise invalid("Idempotent request parameters do not match those of the original request", "IdempotentParameterMismatch")
        return answer
    template, refusals, launched = template_of(aws, config), [], []
    for kind, subnet in pairs:
        kind = kind or template["data"].get("InstanceType")
        place = {"launchTemplateAndOverrides": {"overrides": {"instanceType": kind, "subnetId": subnet, "availabilityZone": subnets(aws)[subnet]}}, "lifecycle": market}
        count = wanted if floor == wanted else room(aws, kind, subnet, market, wanted)
        try:
            made = run_instances(aws, launch_of(template, kind, subnet, count, market, f"{token}/{subnet}"))
        except Refusal as refusal:
            refusals.append({**place, "errorCode": refusal.code, "errorMessage": refusal.message})
            continue
        launched = [{**place, "instanceIds": [one["instanceId"] for one in made["instancesSet"]], "instanceType": kind, "platform": "Linux"}]
        break
    answer = {"fleetId": f"fleet-{uuid.uuid4()}", "errorSet": refusals, "fleetInstanceSet": launched}
    fleets(aws)[(aws.region, token)] = (same, answer)
    return answer


def room(aws, kind, subnet, market, wanted):
    """How many of `wanted` there are, one at least."""
    place = f"aws/{aws.region}/{subnets(aws)[subnet]}/{kind}/{'spot' if market == 'spot' else 'on_demand'}"
    return next((count for count in range(wanted, 1, -1) if not fleet(aws).lacks_stock(place, count)), 1)


ACTIONS.update({
    "CreateLaunchTemplate": (create_launch_template, {"LaunchTemplateName", "LaunchTemplateData", "TagSpecification", "ClientToken", "VersionDescription"}),
    "DescribeLaunchTemplates": (describe_launch_templates, FILTERED | {"LaunchTemplateName"}),
    "DeleteLaunchTemplate": (delete_launch_template, {"LaunchTemplateName", "LaunchTemplateId"}),
    "CreateFleet": (create_fleet, {"Type", "ClientToken", "TargetCapacitySpecification", "SpotOptions", "OnDemandOptions", "LaunchTemplateConfigs", "TagSpecification"}),
})
