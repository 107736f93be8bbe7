"""Verda, API v1 with OAuth2 client credentials. Scenario: {"types": [{"type", "gpu", "count", "vram", "price", "spot", "vcpus", "ram",
"sites": [...], "spot_sites": [...]}], "client_id": "…", "client_secret": "…"}."""
from testcloud.api import Response, host

CLIENT, SECRET = "verda-test-client", "verda-test-secret"
TOKEN = "verda-access-token"
# SkyPilot's catalog, snapshot of 2026.
TYPES = [
    {"type": "1B300.30V", "gpu": "B300 SXM6 262GB", "count": 1, "vram": 262, "price": "6.99", "spot": "2.447", "vcpus": 30, "ram": 275, "sites": ["FIN-03"], "spot_sites": ["FIN-03"]},
    {"type": "8B200.240V", "gpu": "B200 SXM6 180GB", "count": 8, "vram": 1440, "price": "39.12", "spot": "13.69", "vcpus": 240, "ram": 1472, "sites": [], "spot_sites": ["FIN-03"]},
    {"type": "2H200.141S.88V", "gpu": "H200 SXM5 141GB", "count": 2, "vram": 282, "price": "6.78", "spot": "2.373", "vcpus": 88, "ram": 370, "sites": ["FIN-02", "FIN-03"], "spot_sites": ["FIN-02"]},
    {"type": "1H100.80S.32V", "gpu": "H100 SXM5 80GB", "count": 1, "vram": 80, "price": "2.29", "spot": "0.8015", "vcpus": 32, "ram": 185, "sites": ["FIN-02"], "spot_sites": []},
    {"type": "4A100.88V", "gpu": "A100 SXM4 80GB", "count": 4, "vram": 320, "price": "5.16", "spot": "1.806", "vcpus": 88, "ram": 480, "sites": ["FIN-03"], "spot_sites": []},
]
SITES = {"FIN-01": "Finland 1", "FIN-02": "Finland 2", "FIN-03": "Finland 3", "ICE-01": "Iceland 1"}


def refuse(status, code, message):
    return Response(status, {"code": code, "message": message})


def row(t):
    return {"id": f"0a0a-{t['type']}", "instance_type": t["type"], "price_per_hour": t["price"], "spot_price": t["spot"],
            "cpu": {"description": f"{t['vcpus']} CPU", "number_of_cores": t["vcpus"]}, "gpu": {"description": f"{t['count']}x {t['gpu']}", "number_of_gpus": t["count"]},
            "memory": {"description": f"{t['ram']}GB RAM", "size_in_gigabytes": t["ram"]}, "gpu_memory": {"description": f"{t['vram']}GB GPU RAM", "size_in_gigabytes": t["vram"]},
            "storage": {"description": "dynamic"}, "p2p": "", "model": t["gpu"].split()[0], "currency": "usd", "supported_os": ["ubuntu-24.04-cuda-13.0"]}


@host("api.verda.com", "api.datacrunch.io")
def answer(request):
    config = request.world.cloud("verda")
    if request.path == "/v1/oauth2/token" and request.method == "POST":
        asked = request.json
        if asked.get("grant_type") != "client_credentials":
            return refuse(400, "invalid_request", "Unsupported grant type")
        if (asked.get("client_id"), asked.get("client_secret")) != (config.get("client_id", CLIENT), config.get("client_secret", SECRET)):
            return refuse(401, "unauthorized_request", "Invalid client id or client secret")
        return Response(200, {"access_token": TOKEN, "refresh_token": "verda-refresh-token", "expires_in": 3600, "token_type": "Bearer", "scope": "cloud-api-v1"})
    if request.bearer() != TOKEN:
        return refuse(401, "unauthorized_request", "Access token is missing or invalid")
    types = config.get("types", TYPES)
    if request.path == "/v1/instance-types":
        if request.query.get("currency", "usd") != "usd":
            return refuse(400, "invalid_request", "this emulator only knows usd")
        return Response(200, [row(t) for t in types])
    if request.path == "/v1/instance-availability":
        of = "spot_sites" if request.query.get("isSpot") == "true" else "sites"
        only = request.query.get("location_code")
        return Response(200, [{"location_code": site, "availabilities": [t["type"] for t in types if site in t[of]]} for site in SITES if only in (None, site)])
    if request.path == "/v1/locations":
        return Response(200, [{"code": code, "name": name} for code, name in SITES.items()])
    return refuse(404, "not_found", "Not found")
