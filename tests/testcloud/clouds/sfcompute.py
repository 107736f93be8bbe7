"""SF Compute's market. Scenario (clouds.sfcompute), all optional:
    token        (TOKEN)
    zones        [[name, hardware, interconnect, free nodes now], …]
    node_cents   {"h100i": cents per node-hour}; a type that is missing is not for sale (quote: null)"""
import datetime, time

from testcloud.api import Response, host

TOKEN = "sf-test-token"
ZONES = [["richmond", "H100", "Infiniband", 12], ["alamo", "H100", "None", 3], ["yerba", "H200", "Infiniband", 0]]
NODE_CENTS = {"h100i": 1688, "h100v": 1496}  # 2.11 and 1.87 dollars per GPU
NEEDED = ["side", "instance_type", "quantity", "min_start_date", "max_start_date", "min_duration", "max_duration"]


def refuse(status, kind, message):
    return Response(status, {"error": {"type": kind, "message": message}})


def quote(query, config):
    missing = [name for name in NEEDED if name not in query]
    if missing or query["side"] != "buy":
        return refuse(400, "invalid_request_error", f"missing {missing}")
    cents = config.get("node_cents", NODE_CENTS).get(query["instance_type"])
    if cents is None:
        return Response(200, {"quote": None})
    start = datetime.datetime.fromisoformat(query["min_start_date"].replace("Z", "+00:00"))
    if start.minute or start.second:
        return refuse(400, "invalid_request_error", "start_at must be on the hour")
    seconds, nodes = int(query["min_duration"]), int(query["quantity"])
    show = lambda at: at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return Response(200, {"quote": {"price": cents * nodes * seconds // 3600, "quantity": nodes, "start_at": show(start),
                                    "end_at": show(start + datetime.timedelta(seconds=seconds)), "instance_type": query["instance_type"]}})


@host("api.sfcompute.com")
def answer(request):
    config = request.world.cloud("sfcompute")
    if request.bearer() != config.get("token", TOKEN):
        return refuse(401, "authentication_error", "Invalid or expired token")
    if request.path == "/v0/zones":
        hour = int(time.time()) // 3600 * 3600
        windows = lambda nodes: [{"start_timestamp": hour, "end_timestamp": hour + 86400, "quantity": nodes}] if nodes else []
        return Response(200, {"data": [{"name": name, "region": "NorthAmerica", "hardware_type": hardware, "interconnect_type": interconnect, "delivery_type": "VM",
                                        "available_capacity": windows(nodes)} for name, hardware, interconnect, nodes in config.get("zones", ZONES)]})
    if request.path == "/v0/quote":
        return quote(request.query, config)
    if request.path == "/v1/nodes":
        return Response(200, {"object": "list", "data": []})
    return refuse(404, "not_found", "Not found")
