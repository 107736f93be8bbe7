"""Amazon Web Services: the price files, the spot feeds, EC2's query API as far as prices and availability go, STS, SSO, IMDS.

Signatures (SigV4) are verified. Scenario under clouds.aws, all optional:
    "keys": {"AKIATEST": "secret"}      who may sign                        "denied": ["GetSpotPlacementScores"]   UnauthorizedOperation
    "regions": ["us-east-1", …]         the account's (of REGIONS)          "not_opted_in": ["me-central-1"]
    "page": 40                          rows of a page; an empty page with a token follows the first
    "version": "20260910195514"         of the price files                  "size": 0      bytes of a price file at least
    "terms_first": false                price files with the prices before the products
    "prices": {"p5.48xlarge": "55.04"}  on demand                           "spot": {"p5.48xlarge": "20.1", "p5.48xlarge/us-east-1a": "19"}
    "spot_etag": "\\"1\\""                of both spot feeds                  "scores": {"us-east-1": 3}
    "blocks": {"p5.48xlarge": "943.92"} fee of a machine for 24 h; a type that is absent has no block now
    "clock_ahead_s": 0                  how far this cloud's clock is ahead
    "roles": {"arn:…": "external id"}   that may be assumed (else all)      "web_token": "jwt"
    "sso": {"access": "…", "refresh": "…"}                                  "imds": {"role": "train", "region": "us-east-1"}; absent: no instance"""
import base64, calendar, fnmatch, hashlib, json, math, time, uuid
from xml.sax.saxutils import escape

from testcloud.api import Response, host
from testcloud.clouds.aws_world import ACCOUNT, OPT_IN, REGIONS, TYPES, ULTRASERVERS, Aws, seed, zones

# --- EC2 ---


class Refusal(Exception):
    def __init__(self, status, code, message):
        self.status, self.code, self.message = status, code, message


def xml(value):
    """Nested (name, value) pairs as EC2 writes them; lists become <item>s."""
    if isinstance(value, dict):
        return "".join(f"<{name}>{xml(inner)}</{name}>" if xml(inner) else f"<{name}/>" for name, inner in value.items())
    if isinstance(value, list):
        return "".join(f"<item>{xml(inner)}</item>" for inner in value)
    return escape({True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value))


def numbered(form, name):
    found = []
    while f"{name}.{len(found) + 1}" in form:
        found.append(form[f"{name}.{len(found) + 1}"])
    return found


def filters(form, known):
    wanted, i = {}, 1
    while f"Filter.{i}.Name" in form:
        name = form[f"Filter.{i}.Name"]
        if name not in known:
            raise Refusal(400, "InvalidParameterValue", f"The filter '{name}' is invalid")
        wanted[name] = numbered(form, f"Filter.{i}.Value")
        i += 1
    return lambda name, value: name not in wanted or any(fnmatch.fnmatchcase(value, pattern) for pattern in wanted[name])


def whole(form, name, least, most, otherwise):
    text = form.get(name, "")
    if not text:
        return otherwise
    if not text.isdigit() or not least <= int(text) <= most:
        raise Refusal(400, "InvalidParameterValue", f"Value ( {text} ) for parameter {name} is invalid. Expecting a value between {least} and {most}.")
    return int(text)


def page(aws, form, rows, set_name, least=1, most=1000, empty_end=False):
    """A page of rows. After the first comes an empty one with a token, as EC2 may send it."""
    size = min(whole(form, "MaxResults", least, most, most), aws.config.get("page", 40))
    bound = hashlib.sha256(json.dumps(sorted((k, v) for k, v in form.items() if k != "NextToken")).encode()).hexdigest()[:16]
    state = [0, 0, bound]
    if form.get("NextToken"):
        try:
            state = json.loads(base64.b64decode(form["NextToken"]))
        except ValueError:
            state = [0, 0, ""]
        if state[2] != bound:
            raise Refusal(400, "InvalidNextToken", "The NextToken is not of this request")
    at, turn, _ = state
    taken = [] if turn == 1 else rows[at:at + size]
    at += len(taken)
    more = at < len(rows)
    answer = {set_name: taken}
    if more:
        answer["nextToken"] = base64.b64encode(json.dumps([at, turn + 1, bound]).encode()).decode()
    elif empty_end:
        answer["nextToken"] = ""
    return answer


COMMON = {"Action", "Version", "DryRun"}
PAGED = {"MaxResults", "NextToken"}


def describe_regions(aws, form):
    names, matches = numbered(form, "RegionName"), filters(form, {"region-name", "opt-in-status", "endpoint"})
    closed = aws.config.get("not_opted_in", ["me-central-1"])
    status = lambda region: "not-opted-in" if region in closed else "opted-in" if region in OPT_IN else "opt-in-not-required"
    rows = [{"regionName": region, "regionEndpoint": f"ec2.{region}.amazonaws.com", "optInStatus": status(region)} for region in aws.config.get("regions", REGIONS)
            if (not names or region in names) and matches("region-name", region) and matches("opt-in-status", status(region))
            and (status(region) != "not-opted-in" or form.get("AllRegions") == "true")]
    return {"regionInfo": rows}


def iso(at):
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(at))


def parse_time(text):
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))


def price_points(aws, place):
    """What the scenario says under machines.prices of a place: [(ms, micro-dollars per hour)]; before the first machine from long ago."""
    fleet = aws.request.world.fleet
    for rule in fleet.setting("prices", []):
        if fnmatch.fnmatch(place, rule["match"]):
            tick = aws.config.get("billing", {}).get("tick_ms", 1000)
            began = (fleet.first_ms or fleet.now()) // tick * tick
            return [(began + at - (86_400_000 if i == 0 else 0), micros) for i, (at, micros) in enumerate(rule["points"])]
    return []


def describe_spot_price_history(aws, form):
    kinds, products = numbered(form, "InstanceType"), numbered(form, "ProductDescription")
    matches = filters(form, {"availability-zone", "availability-zone-id", "instance-type", "product-description"})
    start = parse_time(form["StartTime"]) if form.get("StartTime") else 0
    rows = []
    for kind in aws.sold(aws.region):
        if (kinds and kind not in kinds) or not matches("instance-type", kind):
            continue
        for zone, zone_id in zones(aws.region):
            usd = aws.spot(kind, aws.region, zone)
            if not usd or not matches("availability-zone", zone) or (form.get("AvailabilityZone") or zone) != zone:
                continue
            moved = price_points(aws, f"aws/{aws.region}/{zone}/{kind}/spot")
            if moved:
                stop = parse_time(form["EndTime"]) * 1000 if form.get("EndTime") else math.inf
                last = max((at for at, _ in moved if at <= start * 1000), default=moved[0][0])
                rows += [{"instanceType": kind, "productDescription": "Linux/UNIX", "spotPrice": f"{micros / 1e6:.6f}", "timestamp": iso(at // 1000)[:-4] + f"{at % 1000:03d}Z",
                          "availabilityZone": zone, "availabilityZoneId": zone_id} for at, micros in reversed(moved) if last <= at <= stop]
                continue
            changed = aws.now() - 600 - seed(kind, zone) % 80000
            # The change before StartTime is told too, older ones only when they are asked for.
            for at, price in ((changed, usd), (changed - 86400, f"{float(usd) * 1.2:.6f}")):
                for words in ("Linux/UNIX", "Windows"):
                    if (products and words not in products) or (at < changed and changed <= start):
                        continue
                    rows.append({"instanceType": kind, "productDescription": words, "spotPrice": price, "timestamp": iso(at), "availabilityZone": zone, "availabilityZoneId": zone_id})
    return page(aws, form, rows, "spotPriceHistorySet", empty_end=True)


def describe_instance_types(aws, form):
    kinds, matches = numbered(form, "InstanceType"), filters(form, {"instance-type", "supported-usage-class", "processor-info.supported-architecture", "current-generation"})
    for kind in kinds:
        if kind not in aws.sold(aws.region):
            raise Refusal(400, "InvalidInstanceType", f"The following supplied instance types do not exist: [{kind}]")
    rows = []
    for kind in aws.sold(aws.region):
        name, what, count, each, vcpus, mib, network, efa, disk, arch, _, _, usage = TYPES[kind]
        if (kinds and kind not in kinds) or not matches("instance-type", kind) or not any(matches("supported-usage-class", one) for one in usage):
            continue
        row = {"instanceType": kind, "currentGeneration": True, "supportedUsageClasses": usage, "bareMetal": False, "hypervisor": "nitro",
               "processorInfo": {"supportedArchitectures": [arch], "manufacturer": "Intel"}, "vCpuInfo": {"defaultVCpus": vcpus, "defaultCores": vcpus // 2},
               "memoryInfo": {"sizeInMiB": mib},
               "networkInfo": {"networkPerformance": network, "efaSupported": efa > 0, **({"efaInfo": {"maximumEfaInterfaces": efa}} if efa else {})}}
        if disk:
            row["instanceStorageInfo"] = {"totalSizeInGB": disk}
        if what == "gpu":
            row["gpuInfo"] = {"gpus": [{"name": name, "manufacturer": "NVIDIA", "count": count, "memoryInfo": {"sizeInMiB": each}}], "totalGpuMemoryInMiB": max(count, 1) * each}
        if what == "neuron":
            row["neuronInfo"] = {"neuronDevices": [{"count": count, "name": name, "coreInfo": {"count": 8, "version": 3}, "memoryInfo": {"sizeInMiB": each}}]}
        rows.append(row)
    return page(aws, form, rows, "instanceTypeSet", 5, 100)


def describe_instance_type_offerings(aws, form):
    matches, where = filters(form, {"instance-type", "location"}), form.get("LocationType", "region")
    places = {"region": [aws.region], "availability-zone": [zone for zone, _ in zones(aws.region)], "availability-zone-id": [zone_id for _, zone_id in zones(aws.region)]}
    if where not in places:
        raise Refusal(400, "InvalidParameterValue", f"Invalid value '{where}' for locationType.")
    rows = [{"instanceType": kind, "locationType": where, "location": place} for kind in aws.sold(aws.region) for place in places[where]
            if matches("instance-type", kind) and matches("location", place)]
    return page(aws, form, rows, "instanceTypeOfferingSet", 5, 1000)


def get_spot_placement_scores(aws, form):
    kinds = numbered(form, "InstanceType")
    whole(form, "TargetCapacity", 1, 2_000_000_000, None)
    if not kinds or "TargetCapacity" not in form:
        raise Refusal(400, "MissingParameter", "The request must contain InstanceType and TargetCapacity")
    told, weak = aws.config.get("scores", {}), len(kinds) < 3
    rows = [{"region": region, "score": 1 if weak else told.get(region, 1 + seed("score", region, *kinds) % 10)} for region in aws.own_regions()]
    rows.sort(key=lambda row: -row["score"])
    return page(aws, form, rows[:10], "spotPlacementScoreSet", 10, 1000)


def describe_capacity_block_offerings(aws, form):
    hours = whole(form, "CapacityDurationHours", 1, 24 * 182, None)
    if not hours:
        raise Refusal(400, "MissingParameter", "The request must contain the parameter CapacityDurationHours")
    if hours % 24 or (hours > 336 and hours % 168):
        raise Refusal(400, "InvalidParameterValue", f"The capacity duration {hours} is not one that is sold")
    kind, ultra = form.get("InstanceType"), form.get("UltraserverType")
    fees = aws.config.get("blocks", {"p5.48xlarge": "943.92", "p5e.48xlarge": "955.20", "p5en.48xlarge": "998.64", "p6-b300.48xlarge": "2695.68", "trn2.48xlarge": "858.24"})
    today = calendar.timegm(time.gmtime(aws.now())[:3] + (11, 30, 0))
    rows = []

    def offer(machine, machines, zone, day, fee, **more):
        begin = today + 86400 * day
        name = hashlib.sha256(f"{machine}/{zone}/{begin}/{hours}".encode()).hexdigest()[:17]
        rows.append({"capacityBlockOfferingId": "cb-" + name, "instanceType": machine, "availabilityZone": zone, "instanceCount": machines, "startDate": iso(begin),
                     "endDate": iso(begin + hours * 3600), "capacityBlockDurationHours": hours, "capacityBlockDurationMinutes": 0,
                     "upfrontFee": f"{fee:.2f}", "currencyCode": "USD", "tenancy": "default", **more})

    if ultra:
        if ultra not in ULTRASERVERS or aws.region != "us-east-1":
            raise Refusal(400, "InvalidParameterValue", f"The UltraServer type {ultra} is not supported in this Region")
        machines = ULTRASERVERS[ultra]
        offer("p6e-gb200.36xlarge", machines, "us-east-1-dfw-2a", 7, machines * 42.0 * hours, ultraserverType=ultra, ultraserverCount=1)
    else:
        machines = whole(form, "InstanceCount", 1, 64, None)
        if not machines or kind not in aws.sold(aws.region) or "capacity-block" not in TYPES[kind][12]:
            raise Refusal(400, "InvalidParameterValue", f"The instance type {kind} is not supported for Capacity Blocks in this Region")
        if kind in fees:
            for day, (zone, _) in zip((1, 4), zones(aws.region)):
                offer(kind, machines, zone, day, machines * float(fees[kind]) * hours / 24)
    return page(aws, form, rows, "capacityBlockOfferingSet")


ACTIONS = {
    "DescribeRegions": (describe_regions, {"AllRegions", "RegionName", "Filter"}),
    "DescribeSpotPriceHistory": (describe_spot_price_history, PAGED | {"StartTime", "EndTime", "InstanceType", "ProductDescription", "AvailabilityZone", "Filter"}),
    "DescribeInstanceTypes": (describe_instance_types, PAGED | {"InstanceType", "Filter"}),
    "DescribeInstanceTypeOfferings": (describe_instance_type_offerings, PAGED | {"LocationType", "Filter"}),
    "GetSpotPlacementScores": (get_spot_placement_scores, PAGED | {"InstanceType", "TargetCapacity", "TargetCapacityUnitType", "SingleAvailabilityZone", "RegionName"}),
    "DescribeCapacityBlockOfferings": (describe_capacity_block_offerings, PAGED | {"CapacityDurationHours", "InstanceType", "InstanceCount", "UltraserverType", "UltraserverCount",
                                                                                   "StartDateRange", "EndDateRange", "AllAvailabilityZones"}),
}


@host(*(f"ec2.{region}.amazonaws.com" for region in REGIONS))
def ec2(request):
    aws, id = Aws(request), str(uuid.uuid4())
    try:
        response = answer_ec2(aws, request.form, id)
    except Refusal as refusal:
        body = f"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{refusal.code}</Code><Message>{escape(refusal.message)}</Message></Error></Errors>" \
               f"<RequestID>{id}</RequestID></Response>"
        response = Response(refusal.status, body, {"content-type": "text/xml;charset=UTF-8"})
    response.headers["x-amzn-requestid"] = id
    return aws.dated(response)


def answer_ec2(aws, form, id):
    signed = aws.check_signature("ec2")
    if isinstance(signed, tuple):
        raise Refusal(*signed)
    if aws.region not in aws.own_regions():
        raise Refusal(401, "AuthFailure", "AWS was not able to validate the provided access credentials")  # not opted in
    action = form.get("Action", "")
    if action not in ACTIONS or form.get("Version") != "2016-11-15":
        raise Refusal(400, "InvalidAction", f"The action {action} is not valid for this web service.")
    work, known = ACTIONS[action]
    for name in form:
        if name.split(".")[0] not in known | COMMON:
            raise Refusal(400, "UnknownParameter", f"The parameter {name} is not recognized")
    if action in aws.config.get("denied", []):
        raise Refusal(403, "UnauthorizedOperation", f"You are not authorized to perform this operation. User: arn:aws:iam::{ACCOUNT}:user/trainer is not authorized to perform: ec2:{action}")
    if form.get("DryRun") == "true":
        raise Refusal(412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
    body = xml({"requestId": id, **work(aws, form)})
    return Response(200, f'<?xml version="1.0" encoding="UTF-8"?>\n<{action}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">{body}</{action}Response>',
                    {"content-type": "text/xml;charset=UTF-8"})


# --- STS ---


def new_session(aws, arn):
    key = "ASIA" + hashlib.sha256(f"{arn}{len(aws.state['keys'])}".encode()).hexdigest()[:16].upper()
    aws.state["keys"][key] = {"secret": "session-secret-" + key, "token": "session-token/" + key, "arn": arn, "expires": aws.now() + 3600}
    return key


def assumed(aws, form, what):
    role, name = form.get("RoleArn", ""), form.get("RoleSessionName", "")
    key = new_session(aws, f"arn:aws:sts::{ACCOUNT}:assumed-role/{role.rpartition('/')[2]}/{name}")
    held = aws.state["keys"][key]
    return {"Credentials": {"AccessKeyId": key, "SecretAccessKey": held["secret"], "SessionToken": held["token"],
                            "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(held["expires"]))},
            "AssumedRoleUser": {"Arn": held["arn"], "AssumedRoleId": "AROAEXAMPLE:" + name}, **what}


@host("sts.amazonaws.com", *(f"sts.{region}.amazonaws.com" for region in REGIONS))
def sts(request):
    aws = Aws(request)
    try:
        action, result = answer_sts(aws, request.form)
    except Refusal as refusal:
        body = f'<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>{refusal.code}</Code><Message>{escape(refusal.message)}</Message></Error>' \
               f"<RequestId>{seed(str(aws.now())):08x}</RequestId></ErrorResponse>"
        return aws.dated(Response(refusal.status, body, {"content-type": "text/xml"}))
    body = f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result>{xml(result)}</{action}Result>' \
           f"<ResponseMetadata><RequestId>{seed(action):08x}</RequestId></ResponseMetadata></{action}Response>"
    return aws.dated(Response(200, body, {"content-type": "text/xml"}))


def answer_sts(aws, form):
    action = form.get("Action", "")
    roles = aws.config.get("roles")
    if action == "AssumeRoleWithWebIdentity":  # unsigned
        if form.get("WebIdentityToken") != aws.config.get("web_token", "jwt"):
            raise Refusal(400, "InvalidIdentityToken", "No OpenIDConnect provider found in your account for the token")
        return action, assumed(aws, form, {"SubjectFromWebIdentityToken": "repo:acme/train", "Provider": "token.actions.githubusercontent.com"})
    signed = aws.check_signature("sts")
    if isinstance(signed, tuple):
        status, code, message = signed
        raise Refusal(403, "InvalidClientTokenId" if code == "AuthFailure" else "SignatureDoesNotMatch" if code == "RequestExpired" else code,
                      "The security token included in the request is invalid." if code == "AuthFailure" else message)
    if action == "GetCallerIdentity":
        held = aws.state["keys"].get(signed)
        return action, {"Arn": held["arn"] if held else f"arn:aws:iam::{ACCOUNT}:user/trainer", "UserId": "AIDAEXAMPLE", "Account": ACCOUNT}
    if action == "AssumeRole":
        role = form.get("RoleArn", "")
        if roles is not None and roles.get(role) != form.get("ExternalId", ""):
            raise Refusal(403, "AccessDenied", f"User is not authorized to perform: sts:AssumeRole on resource: {role}")
        if not 2 <= len(form.get("RoleSessionName", "")) <= 64:
            raise Refusal(400, "ValidationError", "roleSessionName must be 2 to 64 characters")
        return action, assumed(aws, form, {})
    raise Refusal(400, "InvalidAction", f"Could not find operation {action} for version {form.get('Version')}")


# --- SSO and the instance's metadata ---


@host(*(f"oidc.{region}.amazonaws.com" for region in REGIONS))
def oidc(request):
    aws = Aws(request)
    asked, sso = request.json, aws.config.get("sso", {})
    if request.path != "/token" or asked.get("grantType") != "refresh_token" or not sso.get("refresh") or asked.get("refreshToken") != sso["refresh"]:
        return Response(400, {"error": "invalid_grant", "error_description": "Invalid refresh token provided"}, {"x-amzn-errortype": "InvalidGrantException"})
    return Response(200, {"accessToken": sso["access"], "expiresIn": 3600, "refreshToken": sso["refresh"], "tokenType": "Bearer"})


@host(*(f"portal.sso.{region}.amazonaws.com" for region in REGIONS))
def portal(request):
    aws = Aws(request)
    access = aws.config.get("sso", {}).get("access")
    if not access or request.headers.get("x-amz-sso_bearer_token") != access:
        return Response(401, {"message": "Session token not found or invalid"}, {"x-amzn-errortype": "UnauthorizedException"})
    if request.path != "/federation/credentials" or not {"role_name", "account_id"} <= set(request.query):
        return Response(400, {"message": "Invalid request"}, {"x-amzn-errortype": "InvalidRequestException"})
    key = new_session(aws, f"arn:aws:sts::{request.query['account_id']}:assumed-role/AWSReservedSSO_{request.query['role_name']}/me")
    held = aws.state["keys"][key]
    return Response(200, {"roleCredentials": {"accessKeyId": key, "secretAccessKey": held["secret"], "sessionToken": held["token"], "expiration": int(held["expires"] * 1000)}})


@host("169.254.169.254")
def imds(request):
    """IMDSv2 of the instance that the scenario says we are on. All clouds share 169.254.169.254: None leaves it to the next."""
    aws = Aws(request)
    told = aws.config.get("imds")
    plain = lambda text, status=200: Response(status, text, {"content-type": "text/plain"})
    if told is None or not request.path.startswith("/latest/"):
        return None
    if request.path == "/latest/api/token":
        good = request.method == "PUT" and request.headers.get("x-aws-ec2-metadata-token-ttl-seconds", "").isdigit()
        return plain("imds-token") if good else plain("", 400)
    if request.headers.get("x-aws-ec2-metadata-token") != "imds-token":
        return plain("", 401)
    roles = "/latest/meta-data/iam/security-credentials/"
    if request.path == "/latest/meta-data/placement/region":
        return plain(told.get("region", "us-east-1"))
    if request.path == roles and told.get("role"):
        return plain(told["role"])
    if told.get("role") and request.path == roles + told["role"]:
        key = new_session(aws, f"arn:aws:sts::{ACCOUNT}:assumed-role/{told['role']}/i-0abc")
        held = aws.state["keys"][key]
        return Response(200, {"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": key, "SecretAccessKey": held["secret"], "Token": held["token"],
                              "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(held["expires"])), "LastUpdated": "2026-11-24T00:00:00Z"})
    return plain("", 404)
