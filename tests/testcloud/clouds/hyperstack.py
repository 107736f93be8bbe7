"""Hyperstack, API v1. Scenario: {"flavors": [{"name", "gpu", "count", "vcpus", "ram", "disk", "region", "free"}], "prices": {"GPU": value},
"key": "…"}; prices are per GPU and hour, `free` counts machines."""
from testcloud.api import Response, host

KEY = "hyperstack-test-key"
# The rate card of 2026-08-26 and SkyPilot's catalog.
PRICES = {"H200-141G-SXM5": 3.99, "H100-80G-SXM5": 3.2, "H100-80G-PCIe-NVLink": 2.6, "H100-80G-PCIe": 2.5, "H100-80G-PCIe-spot": 2.0, "A100-80G-PCIe": 1.35}
FLAVORS = [
    {"name": "n3-H100-SXM5x8", "gpu": "H100-80G-SXM5", "count": 8, "vcpus": 192, "ram": 1800.0, "disk": 32000, "region": "CANADA-1", "free": 3},
    {"name": "n3-H100-SXM5x8", "gpu": "H100-80G-SXM5", "count": 8, "vcpus": 192, "ram": 960.0, "disk": 32000, "region": "US-1", "free": 0},
    {"name": "n3-H100x8-NVLink", "gpu": "H100-80G-PCIe-NVLink", "count": 8, "vcpus": 252, "ram": 1440.0, "disk": 6500, "region": "CANADA-1", "free": 1},
    {"name": "n3-H100x2", "gpu": "H100-80G-PCIe", "count": 2, "vcpus": 60, "ram": 360.0, "disk": 1500, "region": "CANADA-1", "free": 12},
    {"name": "n3-H100x2-spot", "gpu": "H100-80G-PCIe-spot", "count": 2, "vcpus": 60, "ram": 360.0, "disk": 1500, "region": "CANADA-1", "free": 4},
    {"name": "n3-A100x8", "gpu": "A100-80G-PCIe", "count": 8, "vcpus": 252, "ram": 1440.0, "disk": 6500, "region": "NORWAY-1", "free": 2},
]


def refuse(status, reason, message):
    return Response(status, {"status": False, "message": message, "error_reason": reason})


def flavors(kept):
    groups = {}
    for number, f in enumerate(kept):
        groups.setdefault((f["gpu"], f["region"]), []).append(
            {"id": number + 10, "name": f["name"], "display_name": f["name"], "cpu": f["vcpus"], "ram": f["ram"], "disk": 100, "ephemeral": f["disk"], "gpu": f["gpu"],
             "gpu_count": f["count"], "stock_available": f["free"] > 0, "labels": [], "features": {}, "region_name": f["region"]})
    return {"status": True, "message": "Getting flavors successful", "data": [{"gpu": gpu, "region_name": region, "flavors": rows} for (gpu, region), rows in groups.items()]}


def stocks(kept):
    regions = {}
    for f in kept:
        sizes = regions.setdefault(f["region"], {}).setdefault(f["gpu"], {"1x": 0, "2x": 0, "4x": 0, "8x": 0})
        sizes[f"{f['count']}x"] = f["free"]
    def models(by_gpu):
        for gpu, sizes in by_gpu.items():
            free = sum(int(size[:-1]) * machines for size, machines in sizes.items())
            yield {"model": gpu, "available": "10+" if free > 10 else str(free), "configurations": sizes, "planned_7_days": "0", "planned_30_days": "0", "planned_100_days": "0"}
    return {"status": True, "message": "ok", "stocks": [{"region": region, "stock-type": "GPU", "models": list(models(by_gpu))} for region, by_gpu in regions.items()]}


@host("infrahub-api.nexgencloud.com")
def answer(request):
    config = request.world.cloud("hyperstack")
    if request.headers.get("api_key", "") != config.get("key", KEY):
        return refuse(401, "unauthorized", "Unauthorized: the API key is missing or invalid")
    kept = config.get("flavors", FLAVORS)
    if request.path == "/v1/core/flavors":
        return Response(200, flavors([f for f in kept if request.query.get("region", f["region"]) == f["region"]]))
    if request.path == "/v1/core/stocks":
        return Response(200, stocks(kept))
    if request.path == "/v1/pricebook":
        return Response(200, [{"id": number + 1, "name": name, "value": value, "original_value": value, "discount_applied": False, "start_time": None, "end_time": None}
                              for number, (name, value) in enumerate(config.get("prices", PRICES).items())])
    if request.path == "/v1/core/environments":
        return Response(200, {"status": True, "message": "ok", "environments": [], "count": 0, "page": 1, "page_size": 10})
    return refuse(404, "not_found", "The requested URL was not found")
