"""Oracle Cloud Infrastructure: the cost estimator's public files (with ETags) and the signed API. Scenario (clouds.oci), all optional:
    tenancy, user, fingerprint     whose key is tests/fixtures/keys/rsa.pem
    shapes        [[name, GPUs, GPU memory, part, OCPUs, GB, preemptible], …]
    products      {part: dollars per GPU-hour}
    regions       {"us-ashburn-1": ["xkPZ:US-ASHBURN-AD-1", …]}
    capacity      {"domain": {"shape": count}}; a shape that is not named there has no hardware in the domain
    page          items on a page at most (1)"""
import base64, email.utils, hashlib, json, re, time

from testcloud import rs256
from testcloud.api import Response, host

TENANCY, USER, FINGERPRINT = "ocid1.tenancy.oc1..aaaatest", "ocid1.user.oc1..aaaatest", "20:3b:97:13:55:1c:5b:0d:d3:37:d8:50:4e:c5:3a:34"
# As the cost estimator had them on 2026-09-18, faults included: names with a suffix, missing cores, memory of one GPU or of all.
SHAPES = [
    ["BM.GPU.H100.8", 8, 640, "B98415", 112, 2048, False], ["BM.GPU.H200.8", 8, 1128, "B110519", 112, 3072, False],
    ["BM.GPU.B200.8", 8, 1440, "B110978", 128, 4096, False], ["BM.GPU.B300.8", 8, 2100, "B112237", None, None, False],
    ["BM.GPU.GB200.4 (NVL72)", 4, 756, "B110979", 128, 960, False], ["BM.GPU.GB300.4 (NVL72)", 4, 278, "B112140", None, None, False],
    ["BM.GPU4.8", 8, 320, "B92740", 64, 2048, False], ["BM.GPU.A100-v2.8", 8, 640, "B95907", 128, 2048, False],
    ["BM.GPU.MI300X.8", 8, 1536, "B109485", 112, 2048, False], ["BM.GPU.MI355X.8", 8, 288, "B111758", 128, 3072, False],
    ["BM.GPU.RTXPRO.8", 8, 768, "B112613", None, None, False], ["VM.GPU3.1", 1, 16, "B89734", 6, 90, True],
]
PRODUCTS = {"B98415": 10, "B110519": 10, "B110978": 14, "B112237": 15, "B110979": 16, "B112140": 18, "B92740": 3.05, "B95907": 4, "B109485": 6,
            "B111758": 8.6, "B112613": 4.5, "B89734": 2.95}
REGIONS = {"us-ashburn-1": ["xkPZ:US-ASHBURN-AD-1", "xkPZ:US-ASHBURN-AD-2"], "us-chicago-1": ["xkPZ:US-CHICAGO-1-AD-1"], "eu-frankfurt-1": ["xkPZ:EU-FRANKFURT-1-AD-1"]}
CAPACITY = {"xkPZ:US-ASHBURN-AD-1": {"BM.GPU.H100.8": 3, "BM.GPU.A100-v2.8": 0, "VM.GPU3.1": 9}, "xkPZ:US-ASHBURN-AD-2": {"BM.GPU4.8": 1},
            "xkPZ:US-CHICAGO-1-AD-1": {"BM.GPU.B200.8": 2, "BM.GPU.GB200.4": 18}, "xkPZ:EU-FRANKFURT-1-AD-1": {"BM.GPU.H100.8": 0}}


def refuse(status, code, message):
    return Response(status, {"code": code, "message": message}, {"opc-request-id": "test"})


def shape_row(row):
    name, gpus, memory, part, ocpus, ram, preemptible = row
    return {"name": name, "hidden": False, "status": "ACTIVE", "allowPreemptible": preemptible, "bundleMemoryQty": ram, "gpuQty": gpus, "gpuMemoryQty": memory,
            "processorType": {"value": "blackwell"}, "shapeType": {"value": name[:2].lower()}, "subType": {"value": "gpu"},
            "products": [{"partNumber": part, "qty": ocpus, "type": {"value": "ocpu"}}]}


def product_row(part, price):
    in_money = lambda currency, value: {"currencyCode": currency, "prices": [{"model": "PAY_AS_YOU_GO", "value": value}]}
    return {"partNumber": part, "billingModel": "UCM", "pricetype": "HOUR", "currencyCodeLocalizations": [in_money("EUR", round(price * 0.93, 4)), in_money("USD", price)]}


@host("www.oracle.com")
def estimator(request):
    config = request.world.cloud("oci")
    name = request.path.removeprefix("/a/ocom/docs/cloudestimator2/data/")
    if name == "shapes.json":
        body = {"items": [shape_row(row) for row in config.get("shapes", SHAPES)]}
    elif name == "products.json":
        body = {"items": [product_row(*item) for item in config.get("products", PRODUCTS).items()]}
    else:
        return Response(404, "<!DOCTYPE html><html><body>Not found</body></html>", {"content-type": "text/html"})
    text = json.dumps(body)
    tag = '"' + hashlib.sha256(text.encode()).hexdigest()[:16] + '"'
    if request.headers.get("if-none-match") == tag:
        return Response(304, "", {"etag": tag})
    return Response(200, text, {"etag": tag})


def is_signed(request, config):
    """Over the headers that the signature names, which must be all that OCI wants; the clock may be five minutes off."""
    fields = dict(re.findall(r'(\w+)="([^"]*)"', request.headers.get("authorization", "")))
    key = "/".join([config.get("tenancy", TENANCY), config.get("user", USER), config.get("fingerprint", FINGERPRINT)])
    names = fields.get("headers", "").split()
    wanted = ["date", "(request-target)", "host"] + (["content-length", "content-type", "x-content-sha256"] if request.method != "GET" else [])
    if fields.get("version") != "1" or fields.get("algorithm") != "rsa-sha256" or fields.get("keyId") != key or sorted(names) != sorted(wanted):
        return False
    date = email.utils.parsedate_to_datetime(request.headers.get("date", "")).timestamp()
    if abs(time.time() - date) > 300:
        return False
    digest = base64.b64encode(hashlib.sha256(request.body).digest()).decode()
    if request.method != "GET" and request.headers.get("x-content-sha256") != digest:
        return False
    value = {"(request-target)": f"{request.method.lower()} {request.target}"}
    text = "\n".join(f"{name}: {value.get(name) or request.headers.get(name, '')}" for name in names)
    return rs256.is_signed(base64.b64decode(fields.get("signature", "")), text.encode())


def paged(request, rows, config):
    start = int(request.query.get("page") or 0)
    end = start + config.get("page", 1)
    return Response(200, json.dumps(rows[start:end]), {"opc-next-page": str(end)} if end < len(rows) else {})


def capacity_report(request, config):
    wanted = request.json
    domain, shapes = wanted.get("availabilityDomain"), wanted.get("shapeAvailabilities", [])
    if wanted.get("compartmentId") != config.get("tenancy", TENANCY) or not 0 < len(shapes) <= 10:
        return refuse(400, "InvalidParameter", "compartmentId must be the root, and there are one to ten shapes")
    known = config.get("capacity", CAPACITY).get(domain)
    if known is None:
        return refuse(400, "InvalidParameter", f"no availability domain {domain}")
    rows = []
    for shape in (row["instanceShape"] for row in shapes):
        count = known.get(shape)
        status = "HARDWARE_NOT_SUPPORTED" if count is None else "AVAILABLE" if count else "OUT_OF_HOST_CAPACITY"
        rows.append({"instanceShape": shape, "faultDomain": None, "availabilityStatus": status, "availableCount": count})
    return Response(200, {"compartmentId": wanted["compartmentId"], "availabilityDomain": domain, "timeCreated": "2026-11-24T12:00:00Z", "shapeAvailabilities": rows})


@host(*[f"{service}.{region}.oraclecloud.com" for region in REGIONS for service in ("identity", "iaas")])
def answer(request):
    config = request.world.cloud("oci")
    if not is_signed(request, config):
        return refuse(401, "NotAuthenticated", "The required information to complete authentication was not provided or was incorrect.")
    service, region = request.host.split(".")[:2]
    path = request.path.removeprefix("/20160918")
    regions = config.get("regions", REGIONS)
    tenancy, user = config.get("tenancy", TENANCY), config.get("user", USER)
    if service == "identity" and path == f"/users/{user}":
        return Response(200, {"id": user, "name": "gpubroker", "compartmentId": tenancy, "lifecycleState": "ACTIVE"})
    if service == "identity" and path == f"/tenancies/{tenancy}/regionSubscriptions":
        return paged(request, [{"regionKey": name[3:6].upper(), "regionName": name, "status": "READY", "isHomeRegion": n == 0} for n, name in enumerate(regions)], config)
    if service == "identity" and path == "/availabilityDomains" and request.query.get("compartmentId") == tenancy:
        return paged(request, [{"name": name, "compartmentId": tenancy, "id": f"ocid1.availabilitydomain.oc1..{name[-4:].lower()}"} for name in regions.get(region, [])], config)
    if service == "iaas" and path == "/computeCapacityReports" and request.method == "POST":
        return capacity_report(request, config)
    return refuse(404, "NotAuthorizedOrNotFound", "Authorization failed or requested resource not found.")
