"""Fluidstack's Atlas and its OAuth server. Scenario (clouds.fluidstack), all optional:
    token                      a token that fluidctl would have stored (TOKEN)
    client_id, client_secret   exchanged for ISSUED
    types                      [[name, CPUs, memory, GPUs, model, machines free], …]"""
from testcloud.api import Response, host

TOKEN, ISSUED, CLIENT, SECRET = "fluidstack-test-token", "fluidstack-issued-token", "client-1", "fluidstack-test-secret"
TYPES = [["8xh100-sxm", 192, "1800Gi", 8, "H100-SXM", 3], ["8xh200-sxm", 192, "2Ti", 8, "H200-SXM", 1], ["4xgb200", 144, "960Gi", 4, "GB200", 0],
         ["cpu.16", 16, "64Gi", 0, "", 40]]


@host("oauth.fluidstack.io")
def token(request):
    config, wanted = request.world.cloud("fluidstack"), request.json
    known = {"grant_type": "client_credentials", "client_id": config.get("client_id", CLIENT), "client_secret": config.get("client_secret", SECRET),
             "audience": "https://api.fluidstack.io"}
    if request.path != "/oauth/token" or wanted != known:
        return Response(401, {"error": "access_denied", "error_description": "Unauthorized"})
    return Response(200, {"access_token": ISSUED, "token_type": "Bearer", "expires_in": 86400})


@host("atlas.fluidstack.io")
def answer(request):
    config = request.world.cloud("fluidstack")
    if request.bearer() not in (config.get("token", TOKEN), ISSUED):
        return Response(401, {"message": "invalid token"})
    path, types = request.path.removeprefix("/api/v1alpha1"), config.get("types", TYPES)
    if path == "/projects":
        return Response(200, [{"id": "p-1", "name": "training"}])
    if request.headers.get("x-project-id") != "p-1":
        return Response(400, {"message": "X-PROJECT-ID is missing or unknown"})
    if path == "/instance-types":
        return Response(200, [{"name": name, "cpu": cpu, "memory": memory, "gpu_count": gpus, "gpu_model": model} for name, cpu, memory, gpus, model, _ in types])
    if path == "/capacity":
        return Response(200, [{"name": row[0], "capacity": row[5]} for row in types])
    return Response(404, {"message": "not found"})
