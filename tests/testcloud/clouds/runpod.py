"""RunPod, REST v2 catalog and GraphQL gpuTypes; the pods are in runpod_machines.py. Scenario: {"gpus": [{"id", "name", "memory", "secure", "community", "cluster", "bid", "max",
"stock": {"US-KS-2": "LOW"}}], "key": "…"}; prices are per GPU and hour, stock is told for every count up to `max`."""
import re

from testcloud.api import Response, host
from testcloud.clouds import runpod_machines

KEY = "runpod-test-key"
# Ids and prices of the price page of 2026-10-07 and the public log of 2026-11-09.
GPUS = [
    {"id": "NVIDIA B200", "name": "B200", "memory": 180, "secure": 6.79, "community": None, "cluster": 7.19, "bid": 3.4, "max": 8, "stock": {"US-KS-2": "LOW", "EU-RO-1": "NONE"}},
    {"id": "NVIDIA H200", "name": "H200 SXM", "memory": 141, "secure": 4.59, "community": None, "cluster": 4.89, "bid": 2.3, "max": 8, "stock": {"US-KS-2": "HIGH"}},
    {"id": "NVIDIA H100 80GB HBM3", "name": "H100 SXM", "memory": 80, "secure": 3.99, "community": 2.69, "cluster": 4.31, "bid": 1.75, "max": 8,
     "stock": {"US-KS-2": "LOW", "US-CA-2": "MEDIUM"}},
    {"id": "NVIDIA H100 NVL", "name": "H100 NVL", "memory": 94, "secure": 3.19, "community": 2.59, "cluster": None, "bid": 1.4, "max": 4, "stock": {"US-KS-2": "NONE"}},
    {"id": "NVIDIA A100-SXM4-80GB", "name": "A100 SXM", "memory": 80, "secure": 1.79, "community": 1.39, "cluster": 1.99, "bid": 0.82, "max": 8, "stock": {"EU-RO-1": "HIGH"}},
    {"id": "NVIDIA A100 80GB PCIe", "name": "A100 PCIe", "memory": 80, "secure": 1.79, "community": 1.19, "cluster": None, "bid": 0.6, "max": 8, "stock": {"EU-RO-1": "MEDIUM"}},
]
LEVELS = ["NONE", "LOW", "MEDIUM", "HIGH"]


def problem(status, title, detail):
    return Response(status, {"title": title, "status": status, "detail": detail, "errors": []}, {"content-type": "application/problem+json"})


def best(gpu):
    return max(gpu["stock"].values(), key=LEVELS.index, default="NONE")


def catalog(request, gpus):
    query = request.query
    cloud, count = query.get("cloud", "SECURE").lower(), query.get("count", "1")
    if cloud not in ("secure", "community") or not count.isdigit():
        return problem(422, "Unprocessable Entity", "count and cloud are required")
    rows = []
    for gpu in gpus:
        sold = gpu[cloud] is not None and int(count) <= gpu["max"]
        places = gpu["stock"] if cloud == "secure" else {}  # community machines are in no data center
        rows.append({"id": gpu["id"], "name": gpu["name"], "pool": None, "manufacturer": "Nvidia", "memory": gpu["memory"],
                     "secure": gpu["secure"] is not None, "community": gpu["community"] is not None,
                     "price": {"secure": gpu["secure"], "community": gpu["community"], "serverless": None},
                     "maxCount": {c: gpu["max"] if gpu[c] is not None else 0 for c in ("secure", "community")},
                     "availability": best(gpu) if sold else "NONE",
                     "dataCenters": [{"id": name, "name": name, "availability": level if sold else "NONE"} for name, level in places.items()], "cudaVersions": ["12.8", "13.0"]})
    return Response(200, {"gpus": rows})


def lowest(gpu, count, secure):
    price = gpu["secure" if secure else "community"]
    if price is None or count > gpu["max"] or best(gpu) == "NONE":
        return {"stockStatus": None, "uninterruptablePrice": None, "minimumBidPrice": None, "minVcpu": None, "minMemory": None}
    return {"stockStatus": best(gpu).capitalize(), "uninterruptablePrice": price, "minimumBidPrice": gpu["bid"], "minVcpu": 16 * count, "minMemory": 125 * count}


def graphql(request, gpus):
    query = request.json.get("query", "")
    asked = re.findall(r"(\w+):lowestPrice\(input:\{gpuCount:(\d+),secureCloud:(true|false)\}\)", query)
    if request.method != "POST" or not query.startswith("{gpuTypes{") or not asked:
        return Response(200, {"errors": [{"message": "Cannot query field", "extensions": {"code": "GRAPHQL_VALIDATION_FAILED"}}], "data": None})
    rows = []
    for gpu in gpus:
        row = {"id": gpu["id"], "displayName": gpu["name"], "memoryInGb": gpu["memory"], "securePrice": gpu["secure"], "communityPrice": gpu["community"],
               "clusterPrice": gpu["cluster"], "maxGpuCount": gpu["max"]}
        row.update({alias: lowest(gpu, int(count), secure == "true") for alias, count, secure in asked})
        rows.append(row)
    return Response(200, {"data": {"gpuTypes": rows}})


@host("api.runpod.io")
def answer(request):
    config = request.world.cloud("runpod")
    gpus = config.get("gpus", GPUS)
    if request.path == "/graphql":
        if not request.json.get("query", "").startswith("mutation"):
            return graphql(request, gpus)
        if request.bearer() != config.get("key", KEY):
            return runpod_machines.failed("Unauthorized", "UNAUTHENTICATED")
        return runpod_machines.launch(request, gpus) or graphql(request, gpus)
    if not request.path.startswith("/v2/"):
        return problem(404, "Not Found", "no such route")
    if request.bearer() != config.get("key", KEY):
        return problem(401, "Unauthorized", "The API key is missing or invalid.")
    if request.path == "/v2/catalog/gpus":
        return catalog(request, gpus)
    if request.path.startswith("/v2/pods"):
        return runpod_machines.rest(request, problem)
    return problem(404, "Not Found", "no such route")
