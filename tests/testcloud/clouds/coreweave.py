"""CoreWeave's control plane (Connect, JSON). Scenario (clouds.coreweave), all optional:
    token        CW-SECRET-… (TOKEN)
    zones        {"US-EAST-04A": ["gd-8xh100ib-i128", …]}
    clusters     [{"id", "name", "zone", …}]"""
from testcloud.api import Response, host

TOKEN = "CW-SECRET-test"
RACKS = ["CA-EAST-01A", "US-EAST-01A", "US-EAST-02A", "US-EAST-08A", "US-EAST-13A", "US-WEST-01A"]
ZONES = {**{zone: ["gb200-4x", "cd-gp-i64-erapids"] for zone in RACKS}, "US-EAST-04A": ["gd-8xh100ib-i128", "gd-8xh200ib-i128", "gd-8xa100-i128"],
         "US-CENTRAL-07A": ["b200-8x", "b300-8x"], "EU-SOUTH-03A": ["gd-8xh200ib-i128"], "US-CENTRAL-09A": ["verarubin-4x-e"]}
CLUSTERS = [{"id": "c-1", "name": "train", "zone": "US-EAST-04A", "vpcId": "v-1", "public": True, "version": "v1.35",
             "apiServerEndpoint": "org-1a2b3c4d.k8s.us-east-04a.coreweave.com", "status": "STATUS_RUNNING"}]


def refuse(status, code, message):
    return Response(status, {"code": code, "message": message})


@host("api.coreweave.com")
def answer(request):
    config = request.world.cloud("coreweave")
    if request.bearer() != config.get("token", TOKEN):
        return refuse(401, "unauthenticated", "invalid token")
    if request.path == "/v1alpha1/inference/capacityclaims/parameters":
        return Response(200, {"zoneInstanceTypes": config.get("zones", ZONES)})
    if request.path == "/v1beta1/cks/clusters":
        clusters = config.get("clusters", CLUSTERS)
        return Response(200, {"items": clusters} if clusters else {})
    return refuse(404, "not_found", "not found")
