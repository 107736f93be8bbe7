"""Google Cloud: cloudbilling, compute v1, cloudquotas, oauth2, STS, iamcredentials, resource manager, the metadata server.

Scenario (clouds.gcp):
    "skus": [[description, dollars, [regions], usageType, usageUnit], …]   in place of SKUS
    "page": 20             items per page at most, whatever is asked for
    "project": "test-proj" the one project; others answer 403
    "api_key": "…"         good for cloudbilling alone
    "accounts": {email: public key as PEM, …}   whose assertions are verified; none given: only their form and claims are
    "users": {refresh_token: email, …}
    "subject_token": "…"   what STS takes
    "permissions": […]     what testIamPermissions grants; default all
    "disabled": ["cloudquotas.googleapis.com", …]   APIs that are off
    "stock": {"zone/type": "NO_CAPACITY"|"RECOMMENDED"}   what the calendar advises
    "machine": {"email", "project"}    of the metadata server; absent: a machine without a service account
    "token_seconds": 3599

Machine types and zones are realistic for 2026-11; prices are list prices of other people's dated answers (2026-07 to 2026-09).
Machines are in gcp_machines.py."""
import base64, datetime, json, re, time, urllib.parse

from testcloud.api import Response, host

PROJECT = "test-proj"
SERVICE = "6F81-5844-456A"
API_KEY = "AIza-testcloud"
SUBJECT = "subject-token-testcloud"
USERS = {"1//refresh-testcloud": "dev@example.com"}
IMPERSONATED = "runner@test-proj.iam.gserviceaccount.com"
AUDIENCE = "//iam.googleapis.com/projects/7/locations/global/workloadIdentityPools/ci/providers/hub"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"

ZONES = {"us-central1": ["us-central1-a", "us-central1-b", "us-central1-c", "us-central1-ai1a"], "us-east4": ["us-east4-a", "us-east4-b"],
         "us-west1": ["us-west1-a", "us-west1-b"], "europe-west4": ["europe-west4-a", "europe-west4-b"], "europe-north1": ["europe-north1-b"],
         "asia-northeast1": ["asia-northeast1-a", "asia-northeast1-b"], "us-east1": ["us-east1-c", "us-east1-d"]}
# name: vCPUs, GiB, accelerator, how many, zones
TYPES = {
    "a2-highgpu-1g": (12, 85, "nvidia-tesla-a100", 1, ["us-central1-a", "europe-west4-a"]),
    "a2-ultragpu-8g": (96, 1360, "nvidia-a100-80gb", 8, ["us-central1-c", "europe-west4-a"]),
    "a3-highgpu-1g": (26, 234, "nvidia-h100-80gb", 1, ["us-central1-a", "us-east4-b", "europe-north1-b"]),
    "a3-highgpu-8g": (208, 1872, "nvidia-h100-80gb", 8, ["us-central1-a", "us-central1-c", "us-east4-b", "us-west1-a", "europe-west4-b", "europe-north1-b", "asia-northeast1-b"]),
    "a3-megagpu-8g": (208, 1872, "nvidia-h100-mega-80gb", 8, ["us-central1-a", "us-east4-a", "europe-west4-b"]),
    "a3-ultragpu-8g": (224, 2952, "nvidia-h200-141gb", 8, ["us-central1-b", "us-east4-b", "europe-west4-a"]),
    "a4-highgpu-8g": (224, 3968, "nvidia-b200", 8, ["us-central1-b", "us-central1-ai1a", "us-east4-b", "europe-west4-b"]),
    "a4x-highgpu-4g": (140, 884, "nvidia-gb200", 4, ["us-central1-a", "us-east1-d", "us-east4-b", "europe-west4-b"]),
    "g2-standard-4": (4, 16, "nvidia-l4", 1, ["us-central1-a", "us-east4-a", "europe-west4-a"]),
    "g2-standard-96": (96, 384, "nvidia-l4", 8, ["us-central1-a", "us-east4-a"]),
    "g4-standard-48": (48, 180, "nvidia-rtx-pro-6000", 1, ["us-central1-b"]),
    "n1-standard-8": (8, 30, "", 0, ["us-central1-a", "us-west1-b", "us-east1-c"]),
    "n2-standard-8": (8, 32, "", 0, ["us-central1-a", "us-west1-b", "us-east1-c"]),
}
GONE = {"a2-megagpu-16g": (96, 1360, "nvidia-tesla-a100", 16, ["us-central1-f"])}
ATTACHED = {"nvidia-tesla-t4": (4, ["us-central1-a", "us-west1-b", "europe-west4-b"]), "nvidia-tesla-v100": (8, ["us-central1-a"]), "nvidia-tesla-p4": (4, ["us-central1-a"])}
US, EU, ALL = ["us-central1", "us-west1", "us-east1"], ["europe-west4"], sorted(ZONES)
SKUS = [
    ["Nvidia H100 80GB GPU running in Americas", 9.79655, US], ["Nvidia H100 80GB GPU running in Netherlands", 12.4583, EU],
    ["A3 Instance Core running in Americas", 0.02549903, US], ["A3 Instance Core running in Netherlands", 0.0324, EU],
    ["A3 Instance Ram running in Americas", 0.0022202285, US, "OnDemand", "GiBy.h"], ["A3 Instance Ram running in Netherlands", 0.00282, EU, "OnDemand", "GiBy.h"],
    ["SSD backed Local Storage", 0.08, ALL, "OnDemand", "GiBy.mo"], ["SSD backed Local Storage attached to Spot Preemptible VMs", 0.08, ALL, "Preemptible", "GiBy.mo"],
    ["DWS Defined Duration SSD backed Local Storage running in Americas", 0.08, US, "OnDemand", "GiBy.mo"],
    ["Nvidia H100 80GB GPU attached to DWS Defined Duration VMs running in Americas", 4.200761, US],
    ["DWS Defined Duration A3 Core running in Americas", 0.010934, US], ["DWS Defined Duration A3 Ram running in Americas", 0.000952, US, "OnDemand", "GiBy.h"],
    ["Nvidia H100 80GB GPU attached to Spot Preemptible VMs running in Americas", 5.57, US, "Preemptible"],
    ["Nvidia H100 80GB GPU attached to Spot Preemptible VMs running in Finland", 1.12, ["europe-north1"], "Preemptible"],
    ["Spot Preemptible A3 Instance Core running in Americas", 0.0146, US, "Preemptible"], ["Spot Preemptible A3 Instance Ram running in Americas", 0.00127, US, "Preemptible", "GiBy.h"],
    ["Spot Preemptible A3 Instance Core running in Finland", 0.0029, ["europe-north1"], "Preemptible"],
    ["Spot Preemptible A3 Instance Ram running in Finland", 0.00025, ["europe-north1"], "Preemptible", "GiBy.h"],
    ["Reserved Nvidia H100 80GB GPU in Americas", 0, US], ["Reserved Nvidia H100 80GB GPU in Americas in Calendar Mode", 4.57, US],
    ["Commitment v1: Nvidia H100 80GB GPU running in Americas for 1 Year", 6.85, US, "Commit1Yr"],
    ["Commitment v1: Nvidia H100 80GB GPU running in Americas for 3 Years", 4.3, US, "Commit3Yr"],
    ["Nvidia H100 80GB GPU attached to Sole Tenancy VMs running in Americas", 9.79655, US], ["Sole Tenancy Premium for A3 Instance Core running in Americas", 0.0025, US],
    ["Nvidia H100 80GB Plus GPU running in Americas", 10.344276, US], ["Nvidia H100 80GB Mega GPU running in Virginia", 10.352, ["us-east4"]],
    ["A3Plus Instance Core running in Americas", 0.025498, US], ["A3Plus Instance Ram running in Americas", 0.00222, US, "OnDemand", "GiBy.h"],
    ["H200 141GB GPU running in Americas", 9.31174, US], ["A3Ultra Instance Core running in Americas", 0.018705, US],
    ["A3Ultra Instance Ram running in Americas", 0.001628724, US, "OnDemand", "GiBy.h"],
    ["A4 Nvidia B200 (1 gpu slice) running in Americas", 16.11, US], ["Spot Preemptible A4 Nvidia B200 (1 gpu slice) running in Americas", 4.9542, US],
    ["DWS Calendar Mode A4 Nvidia B200 (1 gpu slice) in Americas", 11.277, US], ["DWS Defined Duration A4 Nvidia B200 (1 gpu slice) running in Americas", 8.055, US],
    ["Nvidia Tesla A100 GPU running in Americas", 2.933908, US], ["Nvidia Tesla A100 80GB GPU running in Americas", 3.92808, US],
    ["A2 Instance Core running in Americas", 0.031611, US], ["A2 Instance Ram running in Americas", 0.004237, US, "OnDemand", "GiBy.h"],
    ["Nvidia L4 GPU running in Americas", 0.56004, US], ["G2 Instance Core running in Americas", 0.024988, US], ["G2 Instance Ram running in Americas", 0.002927, US, "OnDemand", "GiBy.h"],
    ["G4 Instance Core running in Iowa", 0.04891, ["us-central1"]], ["G4 Instance Ram running in Iowa", 0.00587, ["us-central1"], "OnDemand", "GiBy.h"],
    ["RTX 6000 96GB running in Iowa", 1.09565, ["us-central1"]], ["1/8 vGPU no lssd running in Iowa", 0.64688, ["us-central1"]],
    ["N1 Predefined Instance Core running in Americas", 0.031611, US], ["N1 Predefined Instance Ram running in Americas", 0.004237, US, "OnDemand", "GiBy.h"],
    ["N1 Custom Instance Core running in Americas", 0.033174, US], ["Nvidia Tesla T4 GPU running in Americas", 0.35, US], ["Nvidia Tesla V100 GPU running in Americas", 2.48, US],
    ["TpuV6e running in Americas", 2.7, US], ["TpuV6e attached to Spot Preemptible VMs running in Americas", 1.4033, US, "Preemptible"],
    ["DWS Defined Duration V6e running in Americas", 1.35, US], ["Capacity Optimized TpuV6e running in Americas", 3.1, US], ["TPU7x running in Americas", 12.0, US],
    ["N2 Instance Core running in Americas", 0.031611, US], ["Network Internet Egress from Americas to China", 0.23, US, "OnDemand", "GiBy"],
]
PERMISSIONS = ["compute.zones.list", "compute.machineTypes.list", "compute.acceleratorTypes.list", "compute.regions.list", "compute.projects.get", "cloudquotas.quotas.get",
               "compute.instances.create", "compute.instances.list", "compute.instances.setMetadata", "compute.instances.setLabels", "compute.instances.setTags", "compute.instances.delete",
               "compute.disks.create", "compute.subnetworks.use", "compute.subnetworks.useExternalIp", "compute.firewalls.list", "compute.firewalls.create", "compute.networks.updatePolicy",
               "compute.networks.list", "compute.networks.create", "compute.subnetworks.list", "compute.subnetworks.create", "compute.zoneOperations.list", "compute.regionOperations.get", "compute.resourcePolicies.create", "compute.resourcePolicies.use", "compute.resourcePolicies.delete"]


def refuse(status, message, reason, code):
    """The error of every API but compute."""
    return Response(status, {"error": {"code": status, "message": message, "status": code, "details": [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com", "metadata": {}}]}})


def refuse_compute(status, message, reason):
    domain = "usageLimits" if reason in ("quotaExceeded", "rateLimitExceeded", "userRateLimitExceeded") else "global"
    return Response(status, {"error": {"code": status, "message": message, "errors": [{"message": message, "domain": domain, "reason": reason}]}})


def refuse_oauth(status, error, description):
    return Response(status, {"error": error, "error_description": description})


def config_of(request):
    return request.world.cloud("gcp")


def state_of(request):
    return request.world.state.setdefault("gcp", {"tokens": {}})


def issue(request, email, **more):
    """A token that the other handlers take."""
    seconds = config_of(request).get("token_seconds", 3599)
    tokens = state_of(request)["tokens"]
    token = f"ya29.testcloud-{len(tokens) + 1}"
    tokens[token] = (email, time.time() + seconds)
    return dict({"access_token": token, "expires_in": seconds, "token_type": "Bearer"}, **more)


def whose(request):
    """The e-mail of a good token, or None."""
    email, until = state_of(request)["tokens"].get(request.bearer(), (None, 0))
    return email if until > time.time() else None


def unauthenticated():
    return refuse(401, "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.",
                  "ACCESS_TOKEN_TYPE_UNSUPPORTED", "UNAUTHENTICATED")


def is_off(request):
    if request.host not in config_of(request).get("disabled", []):
        return None
    return refuse(403, f"{request.host} has not been used in project 7 before or it is disabled.", "SERVICE_DISABLED", "PERMISSION_DENIED")


def page_of(request, items, size_name, limit=5000):
    """The items of this page and the next page's token."""
    size = min(int(request.query.get(size_name) or limit), config_of(request).get("page", 20), limit)
    start = int(base64.urlsafe_b64decode(request.query.get("pageToken") or "MA==") or 0)
    following = base64.urlsafe_b64encode(str(start + size).encode()).decode() if start + size < len(items) else ""
    return items[start:start + size], following


# --- cloudbilling ---

def sku_of(index, row):
    description, dollars, regions, usage, unit = (list(row) + ["OnDemand", "h"][len(row) - 3:])[:5]
    units, nanos = divmod(round(dollars * 10**9), 10**9)
    price = {"currencyCode": "USD", "units": str(units), "nanos": nanos}
    sku = f"{index:04X}-{index * 40503 % 65536:04X}-{index * 7919 % 65536:04X}"
    family = "Storage" if "Storage" in description else "Network" if "Egress" in description else "Compute"
    group = "LocalSSD" if family == "Storage" else "TPU" if re.search("tpu|V6e", description, re.I) else "GPU" if "GPU" in description else "CPU"
    return {"name": f"services/{SERVICE}/skus/{sku}", "skuId": sku, "description": description,
            "category": {"serviceDisplayName": "Compute Engine", "resourceFamily": family, "resourceGroup": group, "usageType": usage}, "serviceRegions": regions,
            "pricingInfo": [{"summary": "", "pricingExpression": {"usageUnit": unit, "usageUnitDescription": unit, "baseUnit": "s", "baseUnitDescription": "second",
                             "baseUnitConversionFactor": 3600, "displayQuantity": 1, "tieredRates": [{"startUsageAmount": 0, "unitPrice": price}]},
                             "currencyConversionRate": 1, "effectiveTime": "2026-11-23T00:00:00Z"}],
            "serviceProviderName": "Google", "geoTaxonomy": {"type": "MULTI_REGIONAL" if len(regions) > 1 else "REGIONAL", "regions": regions}}


@host("cloudbilling.googleapis.com")
def billing(request):
    key = request.headers.get("x-goog-api-key") or request.query.get("key")
    if key and key != config_of(request).get("api_key", API_KEY):
        return refuse(400, "API key not valid. Please pass a valid API key.", "API_KEY_INVALID", "INVALID_ARGUMENT")
    if not key and not request.bearer():
        return refuse(403, "Method doesn't allow unregistered callers (callers without established identity).", "CONSUMER_INVALID", "PERMISSION_DENIED")
    if not key and not whose(request):
        return unauthenticated()
    found = re.fullmatch(r"/v1/services/([^/]+)/skus", request.path)
    if not found:
        return refuse(404, "Not found.", "NOT_FOUND", "NOT_FOUND")
    rows = config_of(request).get("skus", SKUS) if found[1] == SERVICE else []
    skus, following = page_of(request, [sku_of(index + 1, row) for index, row in enumerate(rows)], "pageSize")
    return Response(200, {"skus": skus, "nextPageToken": following})


# --- compute ---

def link(request, path):
    return f"{request.base}/compute/v1/projects/{config_of(request).get('project', PROJECT)}/{path}"


def listing(request, kind, path, items):
    answer = {"kind": f"compute#{kind}", "id": f"projects/{PROJECT}/{path}", "items": items, "selfLink": link(request, path)}
    return answer


def list_of(request, kind, path, items):
    chosen, following = page_of(request, items, "maxResults", 500)
    answer = listing(request, kind, path, chosen)
    if following:
        answer["nextPageToken"] = following
    return Response(200, answer)


def zone_names():
    return [(zone, region) for region in sorted(ZONES) for zone in ZONES[region]]


def matches(request, name):
    """The filter "name eq RE", as a whole match."""
    found = re.fullmatch(r"name eq (.+)", request.query.get("filter", ""))
    return not found or re.fullmatch(found[1], name)


def machine_type(request, zone, name, shape):
    cpus, memory, accelerator, count, _ = shape
    item = {"kind": "compute#machineType", "id": str(abs(hash((zone, name))) % 10**6), "name": name, "description": f"{cpus} vCPUs, {memory} GB RAM", "guestCpus": cpus,
            "memoryMb": memory * 1024, "maximumPersistentDisks": 128, "maximumPersistentDisksSizeGb": "263168", "zone": zone, "isSharedCpu": False,
            "architecture": "ARM64" if name.startswith("a4x") else "X86_64", "selfLink": link(request, f"zones/{zone}/machineTypes/{name}")}
    if accelerator:
        item["accelerators"] = [{"guestAcceleratorType": accelerator, "guestAcceleratorCount": count}]
    if name in GONE:
        item["deprecated"] = {"state": "DEPRECATED"}
    return item


def accelerator_type(request, zone, name, most):
    return {"kind": "compute#acceleratorType", "id": str(abs(hash((zone, name))) % 10**6), "name": name, "description": name.replace("-", " ").upper(),
            "maximumCardsPerInstance": most, "zone": link(request, f"zones/{zone}"), "selfLink": link(request, f"zones/{zone}/acceleratorTypes/{name}")}


def of_zones(request, name):
    """(zone, item) of all zones, by zone."""
    pairs = []
    if name == "machineTypes":
        for type_name, shape in {**TYPES, **GONE}.items():
            pairs += [(zone, machine_type(request, zone, type_name, shape)) for zone in shape[4] if matches(request, type_name)]
    else:
        own = {shape[2]: (16, []) for shape in TYPES.values() if shape[2]}
        for shape in TYPES.values():
            if shape[2]:
                own[shape[2]][1].extend(zone for zone in shape[4] if zone not in own[shape[2]][1])
        for accelerator, (most, zones) in {**own, **ATTACHED}.items():
            pairs += [(zone, accelerator_type(request, zone, accelerator, most)) for zone in zones if matches(request, accelerator)]
    return sorted(pairs, key=lambda pair: (pair[0], pair[1]["name"]))


def aggregated(request, name):
    """Items by scope; scopes without any carry a warning, as Google's do."""
    pairs, following = page_of(request, of_zones(request, name), "maxResults", 500)
    items = {f"zones/{zone}": {"warning": {"code": "NO_RESULTS_ON_PAGE", "message": f"There are no results for scope 'zones/{zone}' on this page.",
                                           "data": [{"key": "scope", "value": f"zones/{zone}"}]}} for zone, _ in zone_names()}
    for zone, item in pairs:
        scope = items.setdefault(f"zones/{zone}", {})
        scope.pop("warning", None)
        scope.setdefault(name, []).append(item)
    kind = "machineTypeAggregatedList" if name == "machineTypes" else "acceleratorTypeAggregatedList"
    answer = listing(request, kind, f"aggregated/{name}", items)
    if following:
        answer["nextPageToken"] = following
    return Response(200, answer)


def region(request, name):
    quotas = {"CPUS": (72, 8), "NVIDIA_T4_GPUS": (4, 1), "NVIDIA_L4_GPUS": (8, 0), "NVIDIA_A100_GPUS": (16, 0), "PREEMPTIBLE_NVIDIA_H100_GPUS": (16, 8),
              "PREEMPTIBLE_NVIDIA_H200_GPUS": (0, 0), "COMMITTED_NVIDIA_H100_GPUS": (0, 0)}
    return {"kind": "compute#region", "id": str(1000 + sorted(ZONES).index(name)), "name": name, "description": name, "status": "UP",
            "zones": [link(request, f"zones/{zone}") for zone in ZONES[name]],
            "quotas": [{"metric": metric, "limit": float(limit), "usage": float(used)} for metric, (limit, used) in quotas.items()], "selfLink": link(request, f"regions/{name}")}


def zone_resource(request, name, of):
    return {"kind": "compute#zone", "id": str(2000 + len(name)), "name": name, "description": name, "status": "UP", "region": link(request, f"regions/{of}"),
            "selfLink": link(request, f"zones/{name}")}


def calendar(request, region_name):
    """Advises a block of the asked length at the first asked start, in the first zone that sells the type and has some."""
    (name, spec), = request.json["futureResourcesSpecs"].items()
    wanted = spec["targetResources"]["specificSkuResources"]["machineType"]
    when = spec["timeRangeSpec"]
    start = datetime.datetime.strptime(when["startTimeNotEarlierThan"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc)
    if start < datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=87) or not re.fullmatch(r"\d+s", when["maxDuration"]):
        return refuse_compute(400, "Invalid value for field 'timeRangeSpec': the start must be at least 87 hours ahead.", "invalid")
    zones = [zone for zone in TYPES.get(wanted, (0, 0, "", 0, []))[4] if zone in ZONES[region_name]]
    if not zones:
        return refuse_compute(400, f"Machine type {wanted} is not supported in region {region_name}.", "invalid")
    stock = config_of(request).get("stock", {})
    free = [zone for zone in zones if stock.get(f"{zone}/{wanted}", "RECOMMENDED") == "RECOMMENDED"]
    advice = {"otherLocations": {f"zones/{zone}": {"status": "NO_CAPACITY" if zone in zones else "NOT_SUPPORTED", "details": ""}
                                 for zone in ZONES[region_name] if zone not in free[:1]}}
    if free:
        end = start + datetime.timedelta(seconds=int(when["minDuration"][:-1]))
        advice.update(recommendationType="FUTURE_RESERVATION", recommendationId="r-1", location=f"zones/{free[0]}", startTime=start.strftime("%Y-%m-%dT%H:%M:%SZ"),
                      endTime=end.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return Response(200, {"recommendations": [{"recommendationsPerSpec": {name: advice}}]})


@host("compute.googleapis.com", "www.googleapis.com")
def compute(request):
    off = is_off(request)
    if off:
        return off
    found = re.fullmatch(r"/compute/v1/projects/([^/]+)(?:/(.+?))?/?", request.path)
    if not found:
        return refuse_compute(404, "Not found", "notFound")
    if not whose(request):
        return unauthenticated()
    if found[1] != config_of(request).get("project", PROJECT):
        return refuse_compute(403, f"Required 'compute.projects.get' permission for 'projects/{found[1]}'", "forbidden")
    parts = (found[2] or "").split("/")
    if parts == [""]:
        return Response(200, {"kind": "compute#project", "name": found[1], "quotas": [{"metric": "NETWORKS", "limit": 5.0, "usage": 1.0}, {"metric": "GPUS_ALL_REGIONS", "limit": 64.0, "usage": 9.0}]})
    if parts == ["zones"]:
        return list_of(request, "zoneList", "zones", [zone_resource(request, *pair) for pair in zone_names()])
    if parts == ["regions"]:
        return list_of(request, "regionList", "regions", [region(request, name) for name in sorted(ZONES)])
    if parts[0] == "aggregated" and len(parts) == 2 and parts[1] in ("machineTypes", "acceleratorTypes"):
        return aggregated(request, parts[1])
    if parts[0] == "zones" and len(parts) == 2 and parts[1] in dict(zone_names()):
        return Response(200, zone_resource(request, parts[1], dict(zone_names())[parts[1]]))
    if parts[0] == "zones" and len(parts) == 3 and parts[2] in ("machineTypes", "acceleratorTypes"):
        kind = parts[2][:-1] + "List"
        return list_of(request, kind, found[2], [item for zone, item in of_zones(request, parts[2]) if zone == parts[1]])
    if parts[0] == "regions" and len(parts) == 2 and parts[1] in ZONES:
        return Response(200, region(request, parts[1]))
    if parts[0] == "regions" and parts[2:] == ["advice", "calendarMode"] and parts[1] in ZONES and request.method == "POST":
        return calendar(request, parts[1])
    from testcloud.clouds import gcp_machines  # it is made of what is above
    answer = gcp_machines.answer(request, parts)
    return answer if answer is not None else refuse_compute(404, f"The resource 'projects/{found[1]}/{found[2]}' was not found", "notFound")


# --- quotas and permissions ---

@host("cloudquotas.googleapis.com")
def quotas(request):
    off = is_off(request)
    if off:
        return off
    if not whose(request):
        return unauthenticated()
    name = f"projects/{config_of(request).get('project', PROJECT)}/locations/global/services/compute.googleapis.com/quotaInfos"
    if request.path != f"/v1/{name}":
        return refuse(403, "Permission denied on resource.", "IAM_PERMISSION_DENIED", "PERMISSION_DENIED")
    regions = sorted(ZONES)
    family = [{"dimensions": {"gpu_family": name}, "details": {"value": "0"}, "applicableLocations": regions} for name in ("NVIDIA_H100", "NVIDIA_H200", "NVIDIA_B200", "NVIDIA_GB200")]
    family.insert(0, {"dimensions": {"region": "us-central1", "gpu_family": "NVIDIA_H100"}, "details": {"value": "8"}, "applicableLocations": ["us-central1"]})
    infos = [{"name": f"{name}/CPUS-per-project-region", "quotaId": "CPUS-per-project-region", "metric": "compute.googleapis.com/cpus", "dimensions": ["region"],
              "dimensionsInfos": [{"dimensions": {"region": region}, "details": {"value": "72"}, "applicableLocations": [region]} for region in regions]},
             {"name": f"{name}/GPUS-PER-GPU-FAMILY-per-project-region", "quotaId": "GPUS-PER-GPU-FAMILY-per-project-region", "metric": "compute.googleapis.com/gpus_per_gpu_family",
              "dimensions": ["region", "gpu_family"], "dimensionsInfos": family},
             {"name": f"{name}/PREEMPTIBLE-NVIDIA-B200-GPUS-per-project-region", "quotaId": "PREEMPTIBLE-NVIDIA-B200-GPUS-per-project-region",
              "metric": "compute.googleapis.com/preemptible_nvidia_b200_gpus", "dimensions": ["region"],
              "dimensionsInfos": [{"dimensions": {"region": region}, "details": {"value": "32" if region == "us-central1" else "0"}, "applicableLocations": [region]} for region in regions]}]
    chosen, following = page_of(request, infos, "pageSize", 2)  # so that even this list has two pages
    answer = {"quotaInfos": chosen}
    if following:
        answer["nextPageToken"] = following
    return Response(200, answer)


@host("cloudresourcemanager.googleapis.com")
def resource_manager(request):
    off = is_off(request)
    if off:
        return off
    if not whose(request):
        return unauthenticated()
    if request.path != f"/v1/projects/{config_of(request).get('project', PROJECT)}:testIamPermissions":
        return refuse(403, "The caller does not have permission", "IAM_PERMISSION_DENIED", "PERMISSION_DENIED")
    granted = config_of(request).get("permissions", PERMISSIONS)
    return Response(200, {"permissions": [permission for permission in request.json["permissions"] if permission in granted]})


# --- who we are ---

def unbase(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def is_signed(assertion, key):
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding
    signed, _, signature = assertion.rpartition(".")
    try:
        serialization.load_pem_public_key(key.encode()).verify(unbase(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return True
    except InvalidSignature:
        return False


def grant_assertion(request):
    assertion = request.form.get("assertion", "")
    try:
        header, claims = (json.loads(unbase(part)) for part in assertion.split(".")[:2])
    except ValueError:
        return refuse_oauth(400, "invalid_grant", "Bad JWT")
    accounts = config_of(request).get("accounts")
    if header.get("alg") != "RS256" or claims.get("aud") != "https://oauth2.googleapis.com/token" or not claims.get("scope"):
        return refuse_oauth(400, "invalid_grant", "Invalid JWT: audience, algorithm or scope")
    now = time.time()
    if claims["iat"] > now + 5 or claims["exp"] < now or claims["exp"] - claims["iat"] > 3600:
        return refuse_oauth(400, "invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.")
    if accounts is not None:
        if claims["iss"] not in accounts:
            return refuse_oauth(400, "invalid_grant", "Invalid grant: account not found")
        if not is_signed(assertion, accounts[claims["iss"]]):
            return refuse_oauth(400, "invalid_grant", "Invalid JWT Signature.")
    return Response(200, issue(request, claims["iss"]))


@host("oauth2.googleapis.com")
def oauth2(request):
    if request.path == "/tokeninfo":
        token = request.form.get("access_token") or request.query.get("access_token", "")
        email, until = state_of(request)["tokens"].get(token, (None, 0))
        if not email or until <= time.time():
            return refuse_oauth(400, "invalid_token", "Invalid Value")
        return Response(200, {"azp": "testcloud", "aud": "testcloud", "scope": SCOPE, "exp": str(int(until)), "expires_in": str(int(until - time.time())), "email": email,
                              "email_verified": "true", "access_type": "online"})
    if request.path != "/token" or request.method != "POST":
        return Response(404, {"error": "not_found"})
    grant = request.form.get("grant_type")
    if grant == "urn:ietf:params:oauth:grant-type:jwt-bearer":
        return grant_assertion(request)
    if grant == "refresh_token":
        if not request.form.get("client_id") or not request.form.get("client_secret"):
            return refuse_oauth(401, "invalid_client", "The OAuth client was not found.")
        email = config_of(request).get("users", USERS).get(request.form.get("refresh_token"))
        if not email:
            return refuse_oauth(400, "invalid_grant", "Token has been expired or revoked.")
        return Response(200, issue(request, email, scope=SCOPE))
    return refuse_oauth(400, "unsupported_grant_type", f"Invalid grant_type: {grant}")


@host("sts.googleapis.com")
def sts(request):
    if request.path != "/v1/token":
        return Response(404, {"error": "not_found"})
    form = request.form
    if form.get("grant_type") is None:  # the JSON form of the same
        form = {re.sub("[A-Z]", lambda letter: "_" + letter[0].lower(), name): value for name, value in request.json.items()}
    if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:token-exchange":
        return refuse_oauth(400, "unsupported_grant_type", "")
    if form.get("audience") != AUDIENCE:
        return refuse_oauth(400, "invalid_target", "The target service indicated by the \"audience\" parameters is invalid.")
    if form.get("subject_token") != config_of(request).get("subject_token", SUBJECT):
        return refuse_oauth(400, "invalid_grant", "The given credential is rejected by the attribute condition.")
    return Response(200, issue(request, "principal:" + AUDIENCE, issued_token_type="urn:ietf:params:oauth:token-type:access_token"))


@host("iamcredentials.googleapis.com")
def iam_credentials(request):
    found = re.fullmatch(r"/v1/projects/-/serviceAccounts/([^/]+):generateAccessToken", request.path)
    if not found or request.method != "POST":
        return refuse(404, "Not found.", "NOT_FOUND", "NOT_FOUND")
    if not whose(request):
        return unauthenticated()
    if found[1] != IMPERSONATED or not request.json.get("scope"):
        return refuse(403, "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).", "IAM_PERMISSION_DENIED", "PERMISSION_DENIED")
    token = issue(request, found[1])
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=token["expires_in"])
    return Response(200, {"accessToken": token["access_token"], "expireTime": until.strftime("%Y-%m-%dT%H:%M:%SZ")})


@host("metadata.google.internal", "metadata")
def metadata(request):
    google = {"metadata-flavor": "Google", "content-type": "application/text", "server": "Metadata Server for VM"}
    if request.headers.get("metadata-flavor") != "Google":
        return Response(403, "Missing Metadata-Flavor:Google header.", google)
    machine = config_of(request).get("machine")
    path = request.path.removeprefix("/computeMetadata/v1")
    if path == "/project/project-id":
        return Response(200, (machine or {}).get("project", PROJECT), google)
    if not machine or not path.startswith("/instance/service-accounts/default/"):
        return Response(404, "not found", google)
    if path.endswith("/token"):
        return Response(200, json.dumps(issue(request, machine["email"])), dict(google, **{"content-type": "application/json"}))
    if path.endswith("/email"):
        return Response(200, machine["email"], google)
    return Response(404, "not found", google)
