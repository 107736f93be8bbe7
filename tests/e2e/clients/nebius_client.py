#!/usr/bin/python3
"""Google's own gRPC judges the emulated Nebius: TLS, HTTP/2, frames, trailers and details as a real client wants them."""
import json, pathlib, subprocess, sys, time, uuid

TESTS = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TESTS))

try:
    import grpc
except ImportError:
    print("skipped: python3-grpcio is not installed (apt install python3-grpcio)")
    sys.exit(77)

from testcloud import proto  # noqa: E402
from testcloud.clouds import nebius  # noqa: E402


class Client:
    def __init__(self, cloud, host):
        ca = pathlib.Path(cloud["ca"]).read_bytes()
        options = [("grpc.ssl_target_name_override", host), ("grpc.default_authority", host)]
        self.channel = grpc.secure_channel(f"127.0.0.1:{cloud['tls']}", grpc.ssl_channel_credentials(ca), options)

    def call(self, method, fields, token=nebius.TOKEN, key=""):
        unary = self.channel.unary_unary(f"/{method}", request_serializer=lambda data: data, response_deserializer=lambda data: data)
        answer, call = unary.with_call(proto.encode(fields), metadata=[("authorization", f"Bearer {token}")] + ([("x-idempotency-key", key)] if key else []), timeout=10)
        assert call.code() is grpc.StatusCode.OK, call.code()
        return proto.decode(answer)


def check(cloud):
    iam = Client(cloud, nebius.CPL)
    tenant = iam.call("nebius.iam.v1.TenantService/List", [(1, 100)])
    assert proto.text(proto.message(proto.decode(tenant[1][0]), 1), 1) == "tenant-e00abc", tenant

    regions, page, pages = set(), "", 0
    while pages == 0 or page:
        answer = iam.call("nebius.iam.v1.ProjectService/List", [(1, "tenant-e00abc"), (2, 100), (3, page)])
        regions |= {proto.text(proto.message(proto.decode(item), 3), 4) for item in answer.get(1, [])}
        page, pages = proto.text(answer, 2), pages + 1
    assert regions == {"eu-north1", "eu-west1", "us-central1", "uk-south1"} and pages == 3, (regions, pages)

    spec = [(2, [(1, "gpu-b300-sxm"), (2, "8gpu-192vcpu-2768gb")]), (19, [(1, 1)])]
    request = [(1, [(100, [(1, [(2, "project-k00south")]), (2, spec)])])]
    estimate = Client(cloud, nebius.CALCULATOR).call("nebius.billing.v1alpha1.CalculatorService/Estimate", request)
    cost = proto.text(proto.message(proto.message(proto.message(estimate, 10), 10), 1), 2)
    assert cost == "7.920000000", cost

    try:
        iam.call("nebius.iam.v1.TenantService/List", [], token="wrong")
    except grpc.RpcError as error:
        assert error.code() is grpc.StatusCode.UNAUTHENTICATED, error
        assert error.details() == "The token is invalid or has expired", error.details()
        details = dict(error.trailing_metadata())["grpc-status-details-bin"]
        assert proto.decode(details)[1] == [16], details
    else:
        raise AssertionError("a wrong token is taken")


def state_of(instance):
    return proto.message(instance, 3)[1][0]


def check_machines(cloud):
    """create -> get -> list -> delete, each change by its operation."""
    compute, project = Client(cloud, nebius.COMPUTE), "project-e00north"

    def finish(operation):
        for _ in range(100):
            if 10 in operation:
                return operation
            time.sleep(0.02)
            operation = compute.call("nebius.common.v1.OperationService/Get", [(1, proto.text(operation, 1))])
        raise AssertionError("the operation does not end")

    subnets = Client(cloud, nebius.VPC).call("nebius.vpc.v1.SubnetService/List", [(1, project)])[1]
    names = {proto.text(proto.message(proto.decode(item), 1), 3): proto.text(proto.message(proto.decode(item), 1), 1) for item in subnets}
    subnet = next(id for name, id in names.items() if name.startswith("default-subnet"))
    disk = [(1, 2), (4, [(1, "n0-boot"), (4, [(4, 200), (6, 1), (10, [(1, "ubuntu24.04-cuda13.0")])])])]
    spec = [(2, [(1, "gpu-h100-sxm"), (2, nebius.EIGHT[0])]), (4, [(1, subnet), (2, "eth0"), (3, []), (4, [])]), (5, disk), (8, "#cloud-config\n"), (15, 1), (19, [(1, 1)])]
    request, key = [(1, [(2, project), (3, "n0"), (7, [(1, "owner"), (2, "ann")])]), (2, spec)], str(uuid.uuid4())
    operation = compute.call("nebius.compute.v1.InstanceService/Create", request, key=key)
    id = proto.text(operation, 7)
    assert id.startswith("computeinstance-") and 10 not in operation, operation
    again = compute.call("nebius.compute.v1.InstanceService/Create", request, key=key)
    assert proto.text(again, 1) == proto.text(operation, 1), "the same key is the same operation"
    done = finish(operation)
    assert proto.message(done, 10) == {} and 5 in done, done

    instance = compute.call("nebius.compute.v1.InstanceService/Get", [(1, id)])
    assert state_of(instance) == 4, instance
    interface = proto.message(proto.message(instance, 3), 2)
    assert proto.text(proto.message(interface, 4), 1).endswith("/32"), interface
    listed = compute.call("nebius.compute.v1.InstanceService/List", [(1, project), (2, 100)])
    assert [proto.text(proto.message(proto.decode(item), 1), 1) for item in listed[1]] == [id], listed
    refuse(compute, "nebius.compute.v1.InstanceService/Create", request, grpc.StatusCode.ALREADY_EXISTS)
    refuse(compute, "nebius.compute.v1.InstanceService/Create", [(1, [(2, project), (3, "n1")]), (2, spec + [(99, 1)])], grpc.StatusCode.INVALID_ARGUMENT)

    finish(compute.call("nebius.compute.v1.InstanceService/Delete", [(1, id)]))
    refuse(compute, "nebius.compute.v1.InstanceService/Get", [(1, id)], grpc.StatusCode.NOT_FOUND)
    operations = compute.call("nebius.compute.v1.InstanceService/ListOperationsByParent", [(1, project), (2, 100)])[1]
    requests = [proto.text(proto.message(proto.decode(item), 6), 1).rsplit(".", 1)[1] for item in operations]
    assert requests == ["CreateInstanceRequest", "DeleteInstanceRequest"], requests
    assert compute.call("nebius.compute.v1.DiskService/List", [(1, project)]) == {}, "the managed disk goes with its machine"


def refuse(client, method, fields, code):
    try:
        client.call(method, fields)
    except grpc.RpcError as error:
        assert error.code() is code, error
        return
    raise AssertionError(f"{method} is not refused")


def main():
    server = subprocess.Popen(["/usr/bin/python3", TESTS / "testcloud" / "server.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        cloud = json.loads(server.stdout.readline())
        check(cloud)
        check_machines(cloud)
    finally:
        server.stdin.close()
        server.wait(10)
    print("nebius: grpcio", grpc.__version__, "is content with the emulator")


if __name__ == "__main__":
    main()
