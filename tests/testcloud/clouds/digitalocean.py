"""DigitalOcean, API v2: sizes in pages and the account. Scenario: {"sizes": [{"slug", "model", "count", "vram", "vcpus", "ram", "disk", "price",
"regions": [...]}], "page": most rows of a page, "token": "…", "email": "…"}; memory in GiB, prices per droplet."""
from testcloud.api import Response, host

TOKEN = "digitalocean-test-token"
# The published answer of 2026-10-08.
SIZES = [
    {"slug": "s-1vcpu-1gb", "model": None, "count": 0, "vram": 0, "vcpus": 1, "ram": 1, "disk": 25, "price": 0.00893, "regions": ["nyc1", "ams3"]},
    {"slug": "gpu-h100x1-80gb", "model": "nvidia_h100", "count": 1, "vram": 80, "vcpus": 20, "ram": 240, "disk": 720, "price": 4.41, "regions": ["tor1"]},
    {"slug": "gpu-h100x8-640gb", "model": "nvidia_h100", "count": 8, "vram": 640, "vcpus": 160, "ram": 1920, "disk": 2046, "price": 35.28, "regions": ["tor1"]},
    {"slug": "gpu-h200x1-141gb", "model": "nvidia_h200", "count": 1, "vram": 141, "vcpus": 24, "ram": 240, "disk": 720, "price": 4.47, "regions": ["nyc2", "atl1"]},
    {"slug": "gpu-h200x8-1128gb", "model": "nvidia_h200", "count": 8, "vram": 1128, "vcpus": 192, "ram": 1920, "disk": 2046, "price": 35.76, "regions": []},
    {"slug": "gpu-b300x8-2304gb-spot", "model": "nvidia_b300", "count": 8, "vram": 2304, "vcpus": 224, "ram": 3584, "disk": 2046, "price": 64.0, "regions": ["ric1"]},
    {"slug": "gpu-b300x1-288gb-lc-spot", "model": "nvidia_b300", "count": 1, "vram": 288, "vcpus": 28, "ram": 448, "disk": 720, "price": 8.0, "regions": ["mkc1"]},
    {"slug": "gpu-h200x8-1128gb-contracted", "model": "nvidia_h200", "count": 8, "vram": 1128, "vcpus": 192, "ram": 1920, "disk": 2046, "price": 0.0, "regions": ["atl1"]},
]


def refuse(status, code, message):
    return Response(status, {"id": code, "message": message, "request_id": "testcloud"})


def row(s):
    size = {"slug": s["slug"], "memory": s["ram"] * 1024, "vcpus": s["vcpus"], "disk": s["disk"], "transfer": 15.0, "price_monthly": round(s["price"] * 744, 2),
            "price_hourly": s["price"], "regions": s["regions"], "available": True, "description": s["slug"], "disk_info": [{"type": "local", "size": {"amount": s["disk"], "unit": "gib"}}]}
    if s["model"]:
        size["gpu_info"] = {"count": s["count"], "model": s["model"], "vram": {"amount": s["vram"], "unit": "gib"}}
    return size


def sizes(request, config):
    kept = config.get("sizes", SIZES)
    try:
        page, most = int(request.query.get("page", 1)), min(int(request.query.get("per_page", 20)), config.get("page", 3))
    except ValueError:
        return refuse(400, "bad_request", "page and per_page are numbers")
    last = max(1, -(-len(kept) // most))
    link = lambda number: f"{request.base}/v2/sizes?page={number}&per_page={most}"
    pages = {"next": link(page + 1), "last": link(last)} if page < last else {}
    return Response(200, {"sizes": [row(s) for s in kept[(page - 1) * most: page * most]], "links": {"pages": pages} if pages else {}, "meta": {"total": len(kept)}},
                    {"ratelimit-limit": "5000", "ratelimit-remaining": "4999", "ratelimit-reset": "1795525200"})


@host("api.digitalocean.com")
def answer(request):
    config = request.world.cloud("digitalocean")
    if request.bearer() != config.get("token", TOKEN):
        return refuse(401, "unauthorized", "Unable to authenticate you")
    if request.path == "/v2/sizes":
        return sizes(request, config)
    if request.path == "/v2/account":
        return Response(200, {"account": {"droplet_limit": 25, "email": config.get("email", "sammy@example.com"), "uuid": "b6fr89dbf6d9156cace5f3c78dc9851d957381ef",
                                          "email_verified": True, "status": "active", "status_message": ""}})
    return refuse(404, "not_found", "The resource you were accessing could not be found.")
