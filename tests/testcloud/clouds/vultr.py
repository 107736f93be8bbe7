"""Vultr, API v2: plans without a key, in pages by cursor. Scenario: {"plans": [rows as the API tells them], "plans_metal": [likewise],
"page": most rows of a page, "key": "…", "acls": [...]}."""
import base64

from testcloud.api import Response, host

KEY = "vultr-test-key"


def cloud(plan, gpu, vram, vcpus, ram, cost, locations):
    return {"id": plan, "vcpu_count": vcpus, "ram": ram * 1024, "disk": 1400, "disk_count": 1, "bandwidth": 10240, "monthly_cost": round(cost * 730, 2), "hourly_cost": cost,
            "type": "vcg", "gpu_vram_gb": vram, "gpu_type": gpu, "locations": locations}


def metal(plan, threads, ram, cost, preemptible, locations):
    return {"id": plan, "physical_cpus": 2, "cpu_count": threads // 2, "cpu_threads": threads, "ram": ram * 1024, "disk": 960, "disk_count": 2, "bandwidth": 15360,
            "monthly_cost": round(cost * 730, 2), "hourly_cost": cost, "hourly_cost_preemptible": preemptible, "locations": locations, "type": "NVMe"}


PLANS = [cloud("vcg-a100-12c-120g-80vram", "NVIDIA_A100", 80, 12, 120, 2.397, ["ewr"]), cloud("vcg-a100-24c-240g-160vram", "NVIDIA_A100", 160, 24, 240, 4.795, ["ewr"]),
         cloud("vcg-a100-1c-6g-4vram", "NVIDIA_A100", 4, 1, 6, 0.123, ["ewr", "sjc"]), cloud("vcg-l40s-16c-180g-48vram", "NVIDIA_L40S", 48, 16, 180, 1.671, []),
         cloud("vcg-a16-6c-64g-16vram", "NVIDIA_A16", 16, 6, 64, 0.471, ["ewr", "sea"])]
METAL = [metal("vbm-4c-32gb", 8, 32, 0.18, 0, ["ewr"]), metal("vbm-112c-2048gb-8-h100-gpu", 224, 2048, 23.92, 18.40, ["sea"]), metal("vbm-112c-2048gb-8-a100-gpu", 224, 2048, 11.2, 0, []),
         metal("vbm-48c-1024gb-4-a100-gpu", 96, 1024, 9.57, 0, ["sjc"]), metal("vbm-72c-480gb-gh200-gpu", 72, 480, 2.79, 0, ["atl"]),
         metal("vbm-256c-2048gb-8-mi300x-gpu", 512, 2048, 14.8, 0, ["ord"])]


def refuse(status, message):
    return Response(status, {"error": message, "status": status})


def listed(request, config, name, rows):
    try:
        at = int(base64.b64decode(request.query.get("cursor", ""), validate=True).decode() or 0)
        most = min(int(request.query.get("per_page", 100)), config.get("page", 3))
    except ValueError:
        return refuse(400, "Invalid cursor.")
    cursor = lambda number: base64.b64encode(str(number).encode()).decode() if 0 <= number < len(rows) else ""
    return Response(200, {name: rows[at: at + most], "meta": {"total": len(rows), "links": {"next": cursor(at + most), "prev": cursor(at - most) if at else ""}}})


@host("api.vultr.com")
def answer(request):
    config = request.world.cloud("vultr")
    if request.path == "/v2/plans":
        kind = request.query.get("type", "all")
        return listed(request, config, "plans", [p for p in config.get("plans", PLANS) if kind in ("all", p["type"])])
    if request.path == "/v2/plans-metal":
        return listed(request, config, "plans_metal", config.get("plans_metal", METAL))
    if request.bearer() != config.get("key", KEY):
        return refuse(401, "Invalid API token.")
    if request.path == "/v2/account":
        return Response(200, {"account": {"name": "Example Account", "email": "admin@example.com", "acls": config.get("acls", ["subscriptions_view", "subscriptions", "provisioning"]),
                                          "balance": -100.55, "pending_charges": 60.25, "last_payment_date": "2026-10-10T01:56:20+00:00", "last_payment_amount": -1.25}})
    return refuse(404, "Invalid API path.")
