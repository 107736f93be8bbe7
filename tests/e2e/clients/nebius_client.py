#!/usr/bin/python3
"""Google's own gRPC judges the emulated Nebius: TLS, HTTP/2, frames, trailers and details as a real client wants them."""
import json, pathlib, subprocess, sys

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

    def call(self, method, fields, token=nebius.TOKEN):
        unary = self.channel.unary_unary(f"/{method}", request_serializer=lambda data: data, response_deserializer=lambda data: data)
        answer, call = unary.with_call(proto.encode(fields), metadata=[("authorization", f"Bearer {token}")], timeout=10)
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


def main():
    server = subprocess.Popen(["/usr/bin/python3", TESTS / "testcloud" / "server.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        check(json.loads(server.stdout.readline()))
    finally:
        server.stdin.close()
        server.wait(10)
    print("nebius: grpcio", grpc.__version__, "is content with the emulator")


if __name__ == "__main__":
    main()
