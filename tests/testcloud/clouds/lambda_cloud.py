"""Lambda Cloud, API v1. Scenario: {"types": [{"name", "gpu", "count", "cents", "vcpus", "ram", "disk", "regions": [...]}], "key": "…"}."""
from testcloud.api import Response, host

KEY = "lambda-test-key"
# Types and prices of 2026-09-20 (list price page), as a recorded answer would have them.
TYPES = [
    {"name": "gpu_8x_b200_sxm6", "gpu": "B200 (180 GB SXM6)", "count": 8, "cents": 5352, "vcpus": 208, "ram": 2900, "disk": 22528, "regions": ["us-west-3"]},
    {"name": "gpu_8x_h100_sxm5", "gpu": "H100 (80 GB SXM5)", "count": 8, "cents": 3192, "vcpus": 208, "ram": 1800, "disk": 22528, "regions": ["us-west-3", "us-east-1"]},
    {"name": "gpu_1x_h100_pcie", "gpu": "H100 (80 GB PCIe)", "count": 1, "cents": 329, "vcpus": 26, "ram": 225, "disk": 1024, "regions": ["us-west-3"]},
    {"name": "gpu_1x_gh200", "gpu": "GH200 (96 GB)", "count": 1, "cents": 229, "vcpus": 64, "ram": 432, "disk": 4096, "regions": []},
    {"name": "gpu_8x_a100_80gb_sxm4", "gpu": "A100 (80 GB SXM4)", "count": 8, "cents": 2232, "vcpus": 240, "ram": 1800, "disk": 20480, "regions": ["us-east-1"]},
]
PLACES = {"us-west-3": "Utah, USA", "us-east-1": "Virginia, USA"}


def refuse(status, code, message):
    return Response(status, {"error": {"code": code, "message": message}})


@host("cloud.lambda.ai", "cloud.lambdalabs.com")
def answer(request):
    config = request.world.cloud("lambda")
    if request.bearer() != config.get("key", KEY):
        return refuse(401, "global/invalid-api-key", "API key was invalid, expired, or deleted.")
    if request.path == "/api/v1/instance-types":
        data = {}
        for t in config.get("types", TYPES):
            data[t["name"]] = {
                "instance_type": {"name": t["name"], "description": f"{t['count']}x {t['gpu']}", "gpu_description": t["gpu"], "price_cents_per_hour": t["cents"],
                                  "specs": {"vcpus": t["vcpus"], "memory_gib": t["ram"], "storage_gib": t["disk"], "gpus": t["count"]}},
                "regions_with_capacity_available": [{"name": name, "description": PLACES.get(name, name)} for name in t["regions"]]}
        return Response(200, {"data": data})
    if request.path == "/api/v1/ssh-keys":
        return Response(200, {"data": []})
    return refuse(404, "global/not-found", "Not found.")
