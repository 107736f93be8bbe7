"""NVIDIA Brev's public list of instance types, with an ETag. Scenario: {"items": [rows as the API tells them]}."""
import hashlib, json

from testcloud.api import Response, host


def item(kind, gpu, count, vram, vcpus, ram, price, place, provider, others=()):
    gpus = [{"count": count, "name": gpu, "manufacturer": "NVIDIA", "memory": f"{vram}GiB", "memory_bytes": {"value": vram, "unit": "GiB"}}] if count else []
    return {"type": kind, "supported_gpus": gpus, "memory": f"{ram}GiB", "vcpu": vcpus, "base_price": {"currency": "USD", "amount": price}, "location": place, "sub_location": "",
            "available_locations": list(others), "provider": provider, "stoppable": False, "rebootable": True, "estimated_deploy_time": "7m0s"}


ITEMS = [item("gpu_8x_h100_sxm5", "H100", 8, 80, 208, 1800, "31.92", "us-west-3", "lambda-labs", ["us-west-3", "us-east-1"]),
         item("excesssupply_H200", "H200", 8, 141, 208, 1904, "32.00", "tokyo-japan-5", "shadeform"),
         item("gpu-b200-sxm.8gpu-160vcpu-1792gb", "B200", 8, 180, 160, 1792, "68.00", "us-central1", "nebius"),
         item("massedcompute_A100_sxm4_80G", "A100", 1, 80, 14, 100, "1.656", "desmoines-usa-1", "shadeform"),
         item("n2d-standard-2", "", 0, 0, 2, 8, "0.10", "us-central1", "gcp")]


@host("api.brev.dev")
def answer(request):
    if request.path != "/v1/instance/types":
        return Response(404, {"message": "not found"})
    items = request.world.cloud("brev").get("items", ITEMS)
    if request.query.get("include_cpu") != "true":
        items = [i for i in items if i["supported_gpus"]]
    body = json.dumps({"items": items})
    tag = '"' + hashlib.sha256(body.encode()).hexdigest()[:16] + '"'
    if request.headers.get("if-none-match") == tag:
        return Response(304, b"", {"etag": tag})
    return Response(200, body, {"etag": tag})
