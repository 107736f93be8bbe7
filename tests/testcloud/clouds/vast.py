"""Vast.ai: search of offers; what is rented is in vast_machines.py. Scenario: {"offers": [rows as the API tells them], "key": "…"}. Filters, order, limit and type of the search are
honoured; without a trailing slash the path does not exist."""
from testcloud.api import Response, host
from testcloud.clouds import vast_machines

KEY = "vast-test-key"


def offer(number, machine, host_id, count, gpu, ram, base, bid, place, **more):
    row = {"id": number, "ask_contract_id": number, "machine_id": machine, "host_id": host_id, "num_gpus": count, "gpu_name": gpu, "gpu_ram": ram,
           "cpu_cores_effective": 24.0 * count, "cpu_ram": 257_979 * count, "disk_space": 896.0 * count, "dph_base": base, "min_bid": bid, "storage_cost": 0.15,
           "inet_up": 4800, "inet_down": 7700, "inet_up_cost": 0.003, "inet_down_cost": 0.003, "geolocation": place, "reliability": 0.997, "verification": "verified",
           "verified": True, "rentable": True, "rented": False, "duration": 2592000, "cluster_id": None, "bw_nvlink": 418.0 if count > 1 else 0.0, "cuda_max_good": 13.0}
    return {**row, **more}


# Around the market's median of 2026-10-19 (2.40 for one verified H100 SXM).
OFFERS = [
    offer(14412345, 31044, 88, 8, "H100 SXM", 81559, 18.9, 9.6, "Quebec, CA"),
    offer(14412346, 31045, 88, 1, "H100 SXM", 81559, 2.40, 1.21, "Quebec, CA"),
    offer(14412350, 31050, 90, 8, "H200", 143771, 24.8, 14.0, "Iceland, IS"),
    offer(14412351, 31051, 91, 4, "A100 SXM4", 81920, 3.6, 1.9, "Texas, US"),
    offer(14412352, 31052, 91, 1, "A100 SXM4", 40960, 0.66, 0.3, "Texas, US"),
    offer(14412353, 31053, 92, 8, "B200", 183359, 36.2, 20.8, "Norway, NO"),
    offer(14412354, 31054, 93, 2, "H100 PCIE", 81559, 3.9, 2.2, "Sweden, SE"),
    offer(14412355, 31055, 94, 8, "H100 SXM", 81559, 14.0, 7.0, "Kansas, US", verification="unverified", verified=False),
    # The same host has more of the first: a gang's machines are asks of their own.
    *(offer(14412360 + i, 31060 + i, 88, 8, "H100 SXM", 81559, 18.9, 9.6, "Quebec, CA") for i in range(5)),
]
TESTS = {"eq": lambda a, b: a == b, "neq": lambda a, b: a != b, "gt": lambda a, b: a > b, "lt": lambda a, b: a < b, "gte": lambda a, b: a >= b,
         "lte": lambda a, b: a <= b, "in": lambda a, b: a in b, "notin": lambda a, b: a not in b}


def refuse(status, code, message):
    return Response(status, {"success": False, "error": code, "msg": message})


def search(request, offers):
    try:
        query = request.json
    except ValueError:
        return refuse(400, "invalid_args", "the body is not JSON")
    kind = query.get("type", "on-demand")
    if kind not in ("on-demand", "ondemand", "bid", "reserved"):
        return refuse(400, "invalid_args", f"unknown type {kind}")
    rows = [dict(row) for row in offers]
    for field, condition in query.items():
        if isinstance(condition, dict):
            for operator, value in condition.items():
                if operator not in TESTS:
                    return refuse(400, "invalid_args", f"unknown operator {operator}")
                rows = [row for row in rows if row.get(field) is not None and TESTS[operator](row[field], value)]
    for row in rows:
        if kind == "bid":
            row["dph_base"] = row["min_bid"]
        row["dph_total"] = row["dph_base"] + row["storage_cost"] * query.get("allocated_storage", 10) / 730
    for field, direction in reversed(query.get("order", [])):
        rows.sort(key=lambda row: row[field], reverse=direction == "desc")
    return Response(200, {"offers": rows[: query.get("limit", 64)]})


@host("console.vast.ai")
def answer(request):
    config = request.world.cloud("vast")
    if request.path == "/api/v0/bundles/" and request.method == "POST":
        taken = vast_machines.state_of(request)["taken"]
        return search(request, [row for row in config.get("offers", OFFERS) if row["id"] not in taken])
    if request.bearer() != config.get("key", KEY):
        return refuse(401, "auth_error", "Invalid or missing API key")
    return vast_machines.answer(request, config.get("offers", OFFERS), refuse) or refuse(404, "not_found", "no such route")
