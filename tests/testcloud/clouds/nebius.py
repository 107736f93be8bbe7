"""Nebius AI Cloud: gRPC with trailers, and the token exchange; machines are in nebius_machines.py. Scenario (clouds.nebius), all optional:
    token         the static token (TOKEN); a service account's JWT signed with tests/fixtures/keys/rsa.pem is exchanged for another
    service_account, public_key    ids that the JWT must carry
    tenants       {"tenant-…": [["project-…", "region"], …]}
    platforms     {"region": ["gpu-h100-sxm", …]}
    prices        {"platform": ["on demand per GPU", "preemptible per GPU"]}
    advice        [[region, fabric, platform, preset, on demand, preemptible, reserved]], each [available, limit] (+ data state, + level)
    quotas        [[name, region, limit, usage]]
    page          items on a page at most (2)
    denied        ["nebius.capacity.v1.ResourceAdviceService/List", …]: answered by PERMISSION_DENIED
`python3 -m testcloud.clouds.nebius FOLDER` (in tests/) writes the answers that are the unit tests' fixtures."""
import base64, json, pathlib, sys, time, urllib.parse

from testcloud import proto, rs256
from testcloud.api import Response, host

TOKEN = "nebius-test-token"
EXCHANGED = "nebius-exchanged-token"
TENANTS = {"tenant-e00abc": [["project-e00north", "eu-north1"], ["project-e01west", "eu-west1"], ["project-u00central", "us-central1"],
                             ["project-k00south", "uk-south1"], ["project-e00second", "eu-north1"]]}
# Presets: name, vCPUs, GiB, GPUs, whether they join an InfiniBand fabric.
ONE, EIGHT = ("1gpu-16vcpu-200gb", 16, 200, 1, False), ("8gpu-128vcpu-1600gb", 128, 1600, 8, True)
PLATFORMS = {
    "gpu-h100-sxm": ("NVIDIA® H100 NVLink with Intel Sapphire Rapids", "compute.instance.gpu.h100", 80, [ONE, EIGHT], True),
    "gpu-h200-sxm": ("NVIDIA® H200 NVLink with Intel Sapphire Rapids", "compute.instance.gpu.h200", 141, [ONE, EIGHT], True),
    "gpu-b200-sxm": ("NVIDIA® B200 NVLink with Intel Emerald Rapids", "compute.instance.gpu.b200", 180,
                     [("1gpu-20vcpu-224gb", 20, 224, 1, False), ("8gpu-160vcpu-1792gb", 160, 1792, 8, True)], True),
    "gpu-b300-sxm": ("NVIDIA® B300 NVLink with Intel Granite Rapids", "compute.instance.gpu.b300", 270, [("8gpu-192vcpu-2768gb", 192, 2768, 8, True)], True),
    "gpu-gb300": ("NVIDIA® GB300 NVL72", "compute.instance.gpu.gb300", 279, [("4gpu-112vcpu-800gb", 112, 800, 4, True)], False),
    "cpu-d3": ("AMD EPYC Genoa", "", 0, [("4vcpu-16gb", 4, 16, 0, False)], False),
}
REGIONS = {"eu-north1": ["cpu-d3", "gpu-h100-sxm", "gpu-h200-sxm"], "eu-west1": ["cpu-d3", "gpu-h200-sxm"],
           "us-central1": ["gpu-b200-sxm", "gpu-h200-sxm"], "uk-south1": ["gpu-b300-sxm", "gpu-gb300"]}
# Per GPU-hour, the rates from 2026-10-01 on; GB300 is sold on request and has none.
PRICES = {"gpu-h100-sxm": ["4.50", "0.79"], "gpu-h200-sxm": ["5.40", "0.79"], "gpu-b200-sxm": ["8.50", "0.99"], "gpu-b300-sxm": ["9.50", "0.99"]}
FRESH, STALE, UNKNOWN = 1, 2, 10
HIGH, LOW, LIMIT_REACHED = 1, 3, 4
ADVICE = [
    ["eu-north1", "fabric-3", "gpu-h100-sxm", EIGHT[0], [2, 16], [9, 16], [0, 0]],
    ["eu-north1", "fabric-6", "gpu-h100-sxm", EIGHT[0], [5, 16], [3, 16], [4, 4]],
    ["eu-north1", "", "gpu-h100-sxm", ONE[0], [40, 128], [64, 128], [0, 0]],
    ["eu-north1", "fabric-7", "gpu-h200-sxm", EIGHT[0], [0, 0, FRESH, LIMIT_REACHED], [1, 4], [0, 0]],
    ["eu-west1", "fabric-5", "gpu-h200-sxm", EIGHT[0], [3, 16, STALE], [0, 16], [0, 0]],
    ["us-central1", "us-central1-b", "gpu-b200-sxm", "8gpu-160vcpu-1792gb", [1, 8], [0, 8, UNKNOWN], [0, 0]],
]
QUOTAS = [["compute.instance.gpu.h100", "eu-north1", 32, 12], ["compute.instance.gpu.h200", "eu-north1", 0, 0], ["compute.instance.gpu.b200", "us-central1", 8, 0],
          ["compute.instance.non-gpu.vcpu", "eu-north1", 1000, 4]]
CPL, COMPUTE = "cpl.iam.api.nebius.cloud", "compute.api.nebius.cloud"
ADVISOR, QUOTA = "capacity-advisor.billing-cpl.api.nebius.cloud", "quota-dispatcher.billing-cpl.api.nebius.cloud"
CALCULATOR, VPC = "api.calculator.billing-data-plane.api.nebius.cloud", "vpc.api.nebius.cloud"


class Fail(Exception):
    def __init__(self, status, words, details=b""):
        self.status, self.words, self.details = status, words, details


def metadata(name="", id="", parent=""):
    return [(1, id), (2, parent), (3, name)]


def paged(rows, size, token, config):
    """One page and the token of the next; Nebius gives ten items to those who do not ask for more."""
    start = int(token or 0)
    end = start + min(size or 10, config.get("page", 2))
    return [(1, row) for row in rows[start:end]] + ([(2, str(end))] if end < len(rows) else [])


def tenants_of(config):
    return config.get("tenants", TENANTS)


def list_tenants(request, config):
    rows = [[(1, metadata(tenant, tenant)), (3, [])] for tenant in tenants_of(config)]
    return paged(rows, request.get(1, [0])[-1], proto.text(request, 2), config)


def list_projects(request, config):
    tenant = proto.text(request, 1)
    if tenant not in tenants_of(config):
        raise Fail(7, f"Permission denied to {tenant}")
    rows = [[(1, metadata(project, project, tenant)), (3, [(4, region)])] for project, region in tenants_of(config)[tenant]]
    return paged(rows, request.get(2, [0])[-1], proto.text(request, 3), config)


def region_of(project, config):
    for projects in tenants_of(config).values():
        for name, region in projects:
            if name == project:
                return region
    raise Fail(7, f"Permission denied to {project}")


def platform(name):
    words, quota, memory, presets, preemptible = PLATFORMS[name]
    rows = [(1, [(1, preset), (2, [(1, vcpus), (3, gib), (4, gpus)]), (3, joins)]) for preset, vcpus, gib, gpus, joins in presets]
    return [(1, metadata(name, f"computeplatform-{name}")), (2, rows + [(3, quota), (4, words), (12, memory)]), (3, [(3, preemptible)])]


def list_platforms(request, config):
    region = region_of(proto.text(request, 3), config)
    rows = [platform(name) for name in config.get("platforms", REGIONS).get(region, [])]
    return paged(rows, request.get(1, [0])[-1], proto.text(request, 2), config)


def estimate(request, config):
    create = proto.message(proto.message(request, 1), 100)
    region_of(proto.text(proto.message(create, 1), 2), config)
    spec = proto.message(create, 2)
    resources = proto.message(spec, 2)
    name, preset = proto.text(resources, 1), proto.text(resources, 2)
    gpus = next((row[3] for row in PLATFORMS.get(name, (0, 0, 0, []))[3] if row[0] == preset), None)
    if gpus is None:
        raise Fail(3, f"unknown preset {name}/{preset}")
    prices = config.get("prices", PRICES).get(name)
    if not prices:
        raise Fail(5, f"no price of {name}")
    micros = round(float(prices[19 in spec]) * 1e6) * gpus
    cost = f"{micros // 1000000}.{micros % 1000000:06d}000"
    return [(10, [(10, [(1, [(2, cost), (3, f"{micros / 1e6:.2f}")])])]), (20, [(10, [(1, [(2, f"{micros * 720 / 1e6}")])])])]


def list_advice(request, config):
    tenant = proto.text(request, 1)
    if tenant not in tenants_of(config):
        raise Fail(7, f"Permission denied to {tenant}")
    rows = []
    for region, fabric, name, preset, *markets in config.get("advice", ADVICE):
        shape = next(row for row in PLATFORMS[name][3] if row[0] == preset)
        details = [(1, name), (2, [(1, preset), (2, [(1, shape[1]), (2, shape[2]), (3, shape[3])])]), (3, PLATFORMS[name][2])]
        said = []
        for available, limit, *more in markets:
            state, level = (more + [FRESH, HIGH if available else LOW][len(more):])[:2]
            said.append([(1, state), (2, available), (4, limit), (5, level), (10, [(1, 1795521600)])])
        on_demand, preemptible, reserved = said
        rows.append([(1, metadata(parent=tenant)), (2, [(1, region), (2, fabric), (10, details)]), (3, [(1, reserved), (2, on_demand), (3, preemptible)])])
    return paged(rows, request.get(2, [0])[-1], proto.text(request, 3), config)


def list_quotas(request, config):
    tenant = proto.text(request, 1)
    rows = [[(1, metadata(name, f"quota-{n}", tenant)), (2, [(1, limit), (2, region)]), (3, [(1, 2), (2, usage), (10, 1 if usage else 2)])]
            for n, (name, region, limit, usage) in enumerate(config.get("quotas", QUOTAS))]
    return paged(rows, request.get(2, [0])[-1], proto.text(request, 3), config)


def profile(request, config):
    if request is not None and config.get("user"):
        return [(1, [(1, "useraccount-e00u"), (3, [(6, config["user"])])])]
    return [(2, [(1, [(1, metadata("gpubroker", config.get("service_account", "serviceaccount-e00sa")))])])]


METHODS = {
    (CPL, "nebius.iam.v1.TenantService/List"): list_tenants,
    (CPL, "nebius.iam.v1.ProjectService/List"): list_projects,
    (CPL, "nebius.iam.v1.ProfileService/Get"): profile,
    (COMPUTE, "nebius.compute.v1.PlatformService/List"): list_platforms,
    (ADVISOR, "nebius.capacity.v1.ResourceAdviceService/List"): list_advice,
    (QUOTA, "nebius.quotas.v1.QuotaAllowanceService/List"): list_quotas,
    (CALCULATOR, "nebius.billing.v1alpha1.CalculatorService/Estimate"): estimate,
}


WITH_WORLD = set()  # the methods that change or show machines (nebius_machines.py): called with a Call


class Call:
    def __init__(self, request, message, config):
        self.world, self.message, self.config = request.world, message, config
        self.key = request.headers.get("x-idempotency-key", "")


def refuse(fail):
    """Trailers alone, as servers end calls that fail before a message."""
    headers = {"content-type": "application/grpc", "grpc-status": str(fail.status), "grpc-message": urllib.parse.quote(fail.words, safe=" !#$&'()*+,-./:;<=>?@[]^_`{|}~")}
    status = proto.encode([(1, fail.status), (2, fail.words)]) + fail.details
    headers["grpc-status-details-bin"] = base64.b64encode(status).decode().rstrip("=")
    return Response(200, b"", headers)


@host(CPL, COMPUTE, ADVISOR, QUOTA, CALCULATOR, VPC)
def answer(request):
    config = request.world.cloud("nebius")
    if request.http != "2" or request.method != "POST" or not request.headers.get("content-type", "").startswith("application/grpc"):
        return Response(415, "", {"content-type": "text/plain"})
    try:
        if request.headers.get("te") != "trailers":
            raise Fail(13, "te: trailers is missing")
        if request.bearer() not in (config.get("token", TOKEN), EXCHANGED):
            raise Fail(16, "The token is invalid or has expired")
        method = request.path.lstrip("/")
        if method in config.get("denied", []):
            raise Fail(7, f"Permission denied: {method}")
        handler = METHODS.get((request.host, method))
        if handler is None:
            raise Fail(12, f"unknown method {method}")
        data = proto.unframe(request.body)
        fields = proto.decode(data)
        message = proto.encode(handler(fields, Call(request, data, config)) if (request.host, method) in WITH_WORLD else handler(fields, config))
    except Fail as fail:
        return refuse(fail)
    return Response(200, proto.frame(message), {"content-type": "application/grpc+proto"}, trailers={"grpc-status": "0", "grpc-message": ""})


def unbase64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def judge_jwt(token, config):
    """What is wrong with it; empty: nothing."""
    try:
        head, body, signature = token.split(".")
        header, claims = json.loads(unbase64(head)), json.loads(unbase64(body))
    except ValueError:
        return "the subject token is no JWT"
    account = config.get("service_account", "serviceaccount-e00sa")
    if header != {"alg": "RS256", "typ": "JWT", "kid": config.get("public_key", "publickey-e00pk")}:
        return "unknown key"
    if claims.get("iss") != account or claims.get("sub") != account:
        return "unknown service account"
    if claims.get("aud") != "token-service.iam.new.nebiuscloud.net":
        return "wrong audience"
    if not time.time() - 300 < claims["iat"] < claims["exp"] <= claims["iat"] + 300 or claims["exp"] < time.time():
        return "the JWT is not valid now"
    return "" if rs256.is_signed(unbase64(signature), f"{head}.{body}".encode()) else "the signature does not match"


@host("auth.eu.nebius.com")
def exchange(request):
    form = request.form
    if request.path != "/oauth2/token/exchange" or request.method != "POST":
        return Response(404, {"error": "not_found"})
    kinds = {"grant_type": "grant-type:token-exchange", "requested_token_type": "token-type:access_token", "subject_token_type": "token-type:jwt"}
    for name, kind in kinds.items():
        if form.get(name) != f"urn:ietf:params:oauth:{kind}":
            return Response(400, {"error": "invalid_request", "error_description": f"{name} is wrong"})
    wrong = judge_jwt(form.get("subject_token", ""), request.world.cloud("nebius"))
    if wrong:
        return Response(401, {"error": "invalid_grant", "error_description": wrong})
    return Response(200, {"access_token": EXCHANGED, "issued_token_type": "urn:ietf:params:oauth:token-type:access_token", "token_type": "Bearer",
                          "expires_in": 43200})


def write_fixtures(folder):
    config = {"page": 100}
    ask = lambda fields: proto.decode(proto.encode(fields))
    answers = {
        "tenants": list_tenants(ask([(1, 100)]), config),
        "projects": list_projects(ask([(1, "tenant-e00abc"), (2, 100)]), config),
        "platforms": list_platforms(ask([(1, 100), (3, "project-e00north")]), config),
        "platforms_uk": list_platforms(ask([(1, 100), (3, "project-k00south")]), config),
        "estimate": estimate(ask([(1, [(100, [(1, [(2, "project-e00north")]), (2, [(2, [(1, "gpu-h100-sxm"), (2, EIGHT[0])])])])])]), config),
        "advice": list_advice(ask([(1, "tenant-e00abc"), (2, 100)]), config),
        "quotas": list_quotas(ask([(1, "tenant-e00abc"), (2, 100)]), config),
        "profile": profile(None, config),
    }
    for name, fields in answers.items():
        (pathlib.Path(folder) / f"{name}.pb").write_bytes(proto.encode(fields))


if __name__ == "__main__":
    write_fixtures(sys.argv[1])
