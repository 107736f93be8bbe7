"""Together AI's GPU clusters. Scenario (clouds.together), all optional:
    key        (KEY)
    regions    {"us-central-8": ["H100_SXM", …]}"""
from testcloud.api import Response, host

KEY = "together-test-key"
REGIONS = {"us-central-8": ["H100_SXM", "H100_SXM_INF"], "us-east-2": ["B200_SXM", "H200_SXM"], "eu-north-1": ["H200_SXM", "L40_PCIE"]}


@host("api.together.ai", "api.together.xyz")
def answer(request):
    config = request.world.cloud("together")
    if request.bearer() != config.get("key", KEY):
        return Response(401, {"error": {"message": "Invalid API key provided", "type": "invalid_request_error", "param": None, "code": "invalid_api_key"}})
    if request.path == "/v1/compute/regions":
        drivers = [{"cuda_version": "12.8", "nvidia_driver_version": "570"}]
        return Response(200, {"regions": [{"name": name, "supported_instance_types": types, "driver_versions": drivers}
                                          for name, types in config.get("regions", REGIONS).items()]})
    if request.path == "/v1/compute/clusters":
        return Response(200, {"clusters": []})
    return Response(404, {"error": {"message": "Not found", "type": "not_found_error", "param": None, "code": None}})
