"""Shadeform, API v1. Scenario: {"types": [{"cloud", "type", "gpu", "interconnect", "vram", "count", "cents", "vcpus", "ram", "disk",
"deployment", "regions": {"name": available}}], "key": "…"}. The filters of the list are honoured."""
from testcloud.api import Response, host

KEY = "shadeform-test-key"
# Rows of SkyPilot's catalog of autumn 2026.
TYPES = [
    {"cloud": "lambdalabs", "type": "H100_sxm5x8", "gpu": "H100", "interconnect": "sxm5", "vram": 80, "count": 8, "cents": 3192, "vcpus": 208, "ram": 1800, "disk": 22528,
     "regions": {"saltlakecity-usa-1": True, "dallas-usa-3": False}},
    {"cloud": "excesssupply", "type": "H200x8", "gpu": "H200", "interconnect": "sxm5", "vram": 141, "count": 8, "cents": 3200, "vcpus": 208, "ram": 1904, "disk": 28000,
     "regions": {"tokyo-japan-5": True}},
    {"cloud": "massedcompute", "type": "H100", "gpu": "H100", "interconnect": "pcie", "vram": 80, "count": 1, "cents": 273, "vcpus": 20, "ram": 128, "disk": 1250,
     "regions": {"desmoines-usa-1": True}},
    {"cloud": "crusoe", "type": "A100_80G_sxm4x8", "gpu": "A100", "interconnect": "sxm4", "vram": 80, "count": 8, "cents": 1840, "vcpus": 96, "ram": 960, "disk": 7450,
     "regions": {"culpeper-usa-1": True}},
    {"cloud": "denvr", "type": "A100_sxm4x8", "gpu": "A100", "interconnect": "sxm4", "vram": 40, "count": 8, "cents": 1120, "vcpus": 120, "ram": 940, "disk": 15000,
     "regions": {"calgary-canada-1": True}},
]


def refuse(status, code, message):
    return Response(status, {"error_code": code, "error": message})


def row(t):
    return {"cloud": t["cloud"], "shade_instance_type": t["type"], "cloud_instance_type": t["type"].lower(),
            "configuration": {"memory_in_gb": t["ram"], "storage_in_gb": t["disk"], "vcpus": t["vcpus"], "num_gpus": t["count"], "gpu_type": t["gpu"],
                              "interconnect": t["interconnect"], "vram_per_gpu_in_gb": t["vram"], "os_options": ["ubuntu22.04_cuda12.6_shade_os"], "gpu_manufacturer": "nvidia"},
            "memory_in_gb": t["ram"], "hourly_price": t["cents"], "deployment_type": t.get("deployment", "vm"),
            "availability": [{"region": name, "available": free, "display_name": name} for name, free in t["regions"].items()],
            "boot_time": {"min_boot_in_sec": 180, "max_boot_in_sec": 300}}


@host("api.shadeform.ai")
def answer(request):
    config = request.world.cloud("shadeform")
    if request.headers.get("x-api-key", "") != config.get("key", KEY):
        return refuse(401, "UNAUTHORIZED", "The API key is missing or invalid.")
    if request.path == "/v1/instances/types":
        q = request.query
        kept = [t for t in config.get("types", TYPES) if q.get("cloud", t["cloud"]) == t["cloud"] and q.get("gpu_type", t["gpu"]) == t["gpu"]
                and q.get("num_gpus", str(t["count"])) == str(t["count"]) and (q.get("available") != "true" or any(t["regions"].values()))]
        if q.get("sort") == "price":
            kept.sort(key=lambda t: t["cents"])
        return Response(200, {"instance_types": [row(t) for t in kept]})
    if request.path == "/v1/sshkeys":
        return Response(200, {"ssh_keys": []})
    return refuse(404, "NOT_FOUND", "no such route")
