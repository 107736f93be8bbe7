"""Crusoe Cloud, API v1: signatures checked, lists in pages. Scenario (clouds.crusoe), all optional:
    keys         {access key id: secret in base64url}
    capacities   [[type, location, quantity], …]
    types        [[product name, GPUs, GPU type, cores, CPU type, GB, disk], …]
    page         items on a page at most (2)"""
import base64, datetime, hashlib, hmac

from testcloud.api import Response, host

KEYS = {"crusoe-test-key": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}
PROJECT = "0b7c9e3a-5a51-4a0e-9d3e-6f0f3c1b2a10"
TYPES = [
    ["h200-141gb-sxm-ib.8x", 8, "H200-SXM-141GB", 176, "amd64", 1764, 7680],
    ["h100-80gb-sxm-ib.8x", 8, "H100-SXM-80GB", 176, "amd64", 960, 7680],
    ["a100-80gb-sxm-ib.8x", 8, "A100-SXM-80GB", 96, "amd64", 960, 7680],
    ["a100-80gb.1x", 1, "A100-PCIe-80GB", 12, "amd64", 120, 960],
    ["gb200-186gb-nvl.4x", 4, "GB200-NVL-186GB", 140, "arm64", 880, 0],
    ["c1a.2x", 0, "", 2, "amd64", 4, 0],
]
CAPACITIES = [
    ["h200-141gb-sxm-ib.8x", "us-east1-a", 0], ["h100-80gb-sxm-ib.8x", "us-east1-a", 4], ["h100-80gb-sxm-ib.8x", "eu-iceland1-a", 1],
    ["a100-80gb-sxm-ib.8x", "us-northcentral1-a", 2], ["a100-80gb.1x", "us-northcentral1-a", 17], ["c1a.2x", "us-east1-a", 900],
]


def refuse(status, code, message):
    return Response(status, {"code": code, "message": message})


def is_signed(request, config):
    """Bearer 1.0:<key>:<signature> over path, sorted query, method and time, each ended by a newline; five minutes of grace."""
    version, _, rest = request.bearer().partition(":")
    key, _, signature = rest.partition(":")
    secret = config.get("keys", KEYS).get(key)
    stamp = request.headers.get("x-crusoe-timestamp", "")
    try:
        age = abs((datetime.datetime.now(datetime.timezone.utc) - datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00"))).total_seconds())
    except (ValueError, TypeError):
        return False
    if version != "1.0" or secret is None or age > 300:
        return False
    query = "&".join(sorted(request.raw_query.split("&"))) if request.raw_query else ""
    text = f"{request.target.partition('?')[0]}\n{query}\n{request.method}\n{stamp}\n"
    digest = hmac.new(base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4)), text.encode(), hashlib.sha256).digest()
    return hmac.compare_digest(base64.urlsafe_b64encode(digest).decode().rstrip("="), signature)


def paged(request, rows, config):
    start = int(request.query.get("next_token") or 0)
    end = start + config.get("page", 2)
    return Response(200, {"items": rows[start:end], **({"next_page_token": str(end)} if end < len(rows) else {})})


@host("api.cloud.crusoe.ai", "api.crusoecloud.com")
def answer(request):
    config = request.world.cloud("crusoe")
    if not is_signed(request, config):
        return refuse(401, "bad_credential", "Please check your credentials and try again.")
    path = request.path.removeprefix("/v1alpha5").removeprefix("/v1")
    if path == "/organizations/projects":
        return paged(request, [{"id": PROJECT, "name": "training"}], config)
    if path == "/capacities":
        rows = [{"type": kind, "location": location, "quantity": quantity, "num_slices": quantity, "quota_type": kind.split("-")[0]}
                for kind, location, quantity in config.get("capacities", CAPACITIES)
                if request.query.get("product_name", kind) == kind and request.query.get("location", location) == location]
        return paged(request, rows, config)
    if path == f"/projects/{PROJECT}/compute/vms/types":
        fields = ["product_name", "num_gpu", "gpu_type", "cpu_cores", "cpu_type", "memory_gb", "disk_gb"]
        return paged(request, [dict(zip(fields, row)) for row in config.get("types", TYPES)], config)
    return refuse(404, "not_found", "The resource was not found.")
