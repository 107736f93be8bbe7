"""Voltage Park, API v1: the public locations. Scenario: {"locations": [{"id", "ethernet": [GPUs free, price], "infiniband": [GPUs free,
price]}], "wrap": "results" or "items"}; prices are texts per GPU and hour."""
from testcloud.api import Response, host

# The public answer of 2026-08-12, with stock.
LOCATIONS = [{"id": "5b0e6c6e-6f8c-4d3c-9e39-0f2f3d1f8a11", "ethernet": [64, "1.990000"], "infiniband": [0, "2.490000"]},
             {"id": "5b0e6c6e-6f8c-4d3c-9e39-0f2f3d1f8a12", "ethernet": [0, "1.990000"], "infiniband": [128, "2.490000"]}]
SPECS = {"gpu_model": "h100-sxm5-80gb", "gpu_count": 8, "cpu_model": "Intel Xeon Platinum 8470", "cpu_count": 104, "ram_gb": 1024, "storage_gb": 18000}


@host("cloud-api.voltagepark.com")
def answer(request):
    config = request.world.cloud("voltagepark")
    if request.path != "/api/v1/bare-metal/locations":
        return Response(401 if not request.bearer() else 404, {"detail": "Not authenticated" if not request.bearer() else "Not Found"})
    rows = [{"id": place["id"], "gpu_count_ethernet": place["ethernet"][0], "gpu_price_ethernet": place["ethernet"][1], "gpu_count_infiniband": place["infiniband"][0],
             "gpu_price_infiniband": place["infiniband"][1], "specs_per_node": SPECS} for place in config.get("locations", LOCATIONS)]
    if config.get("wrap") == "items":
        return Response(200, {"items": rows, "pagination": {"total": len(rows)}})
    return Response(200, {"results": rows, "total_result_count": len(rows), "has_next": False, "has_previous": False})
