#!/usr/bin/python3
"""The real `aws` command judges our emulated AWS: its signatures, paging, dry runs and errors must be what Amazon's own client expects.

Skipped (77) where no aws command can be had."""
import json, os, pathlib, shutil, subprocess, sys, tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
SKIPPED = 77
SCENARIO = {"clouds": {"aws": {"page": 7, "regions": ["us-east-1", "us-west-2", "ap-southeast-3", "me-central-1"], "denied": ["GetSpotPlacementScores"],
                               "spot": {"p5.48xlarge/us-east-1a": "19.5"}, "blocks": {"p5.48xlarge": "943.92"}}}}


def find_aws():
    """An aws command that runs: of Debian's package, or whatever stands on PATH."""
    places = ["/usr/bin", *os.environ.get("PATH", "").split(":"), *map(str, pathlib.Path.home().glob(".pyenv/shims"))]
    for place in places:
        path = shutil.which("aws", path=place)
        if path and subprocess.run([path, "--version"], capture_output=True).returncode == 0:
            return path
    return None


class Client:
    def __init__(self, path, base):
        self.path, self.base = path, base
        keep = {name: os.environ[name] for name in ("PATH", "HOME", "PYENV_ROOT", "PYENV_VERSION") if name in os.environ}
        self.env = {**keep, "AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "aws-test-secret", "AWS_DEFAULT_REGION": "us-east-1", "AWS_PAGER": "",
                    "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_MAX_ATTEMPTS": "1"}

    def run(self, service, *words, **env):
        """(exit status, what it printed as JSON or None, its error text)."""
        host = f"{service}.us-east-1.amazonaws.com"
        command = [self.path, "--endpoint-url", f"{self.base}/__host/{host}", "--output", "json", service, *words]
        done = subprocess.run(command, env={**self.env, **env}, capture_output=True, text=True, timeout=60)
        return done.returncode, json.loads(done.stdout) if done.returncode == 0 and done.stdout else None, done.stderr

    def ok(self, service, *words, **env):
        status, answer, error = self.run(service, *words, **env)
        assert status == 0, f"aws {service} {' '.join(words)}: {error}"
        return answer


def check(aws):
    who = aws.ok("sts", "get-caller-identity")
    assert who["Arn"] == "arn:aws:iam::123456789012:user/trainer", who

    status, _, error = aws.run("sts", "get-caller-identity", AWS_SECRET_ACCESS_KEY="wrong")
    assert status != 0 and "SignatureDoesNotMatch" in error, error
    status, _, error = aws.run("ec2", "describe-regions", AWS_ACCESS_KEY_ID="AKIANOBODY")
    assert status != 0 and "AuthFailure" in error, error

    role = aws.ok("sts", "assume-role", "--role-arn", "arn:aws:iam::123456789012:role/train", "--role-session-name", "me+you@x")["Credentials"]
    session = {"AWS_ACCESS_KEY_ID": role["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": role["SecretAccessKey"]}
    assert "assumed-role/train/" in aws.ok("sts", "get-caller-identity", AWS_SESSION_TOKEN=role["SessionToken"], **session)["Arn"]
    assert aws.run("sts", "get-caller-identity", AWS_SESSION_TOKEN="stolen", **session)[0] != 0

    regions = {row["RegionName"]: row["OptInStatus"] for row in aws.ok("ec2", "describe-regions", "--all-regions")["Regions"]}
    assert regions == {"us-east-1": "opt-in-not-required", "us-west-2": "opt-in-not-required", "ap-southeast-3": "opted-in", "me-central-1": "not-opted-in"}, regions

    prices = aws.ok("ec2", "describe-spot-price-history", "--product-descriptions", "Linux/UNIX", "--start-time", "2099-01-01T00:00:00Z")["SpotPriceHistory"]
    keys = [(row["InstanceType"], row["AvailabilityZone"]) for row in prices]
    assert len(keys) == len(set(keys)) > 14, "pages are followed to the end, each price comes once"
    assert [row["SpotPrice"] for row in prices if row["InstanceType"] == "p5.48xlarge" and row["AvailabilityZone"] == "us-east-1a"] == ["19.5"]
    assert all(row["ProductDescription"] == "Linux/UNIX" and row["Timestamp"] for row in prices)
    first = aws.ok("ec2", "describe-spot-price-history", "--max-items", "5")
    rest = aws.ok("ec2", "describe-spot-price-history", "--max-items", "5", "--starting-token", first["NextToken"])
    assert first["SpotPriceHistory"][0] != rest["SpotPriceHistory"][0]

    types = {row["InstanceType"]: row for row in aws.ok("ec2", "describe-instance-types", "--filters", "Name=instance-type,Values=p*,trn*")["InstanceTypes"]}
    assert types["p5.48xlarge"]["GpuInfo"]["Gpus"] == [{"Name": "H100", "Manufacturer": "NVIDIA", "Count": 8, "MemoryInfo": {"SizeInMiB": 81920}}], types["p5.48xlarge"]
    assert types["p5.48xlarge"]["SupportedUsageClasses"] == ["on-demand", "spot", "capacity-block"]
    assert types["trn1.32xlarge"]["NeuronInfo"]["NeuronDevices"][0]["Count"] == 16 and "g5.xlarge" not in types
    status, _, error = aws.run("ec2", "describe-instance-types", "--instance-types", "p5e.48xlarge")
    assert status != 0 and "InvalidInstanceType" in error, error

    offered = aws.ok("ec2", "describe-instance-type-offerings", "--location-type", "availability-zone", "--filters", "Name=instance-type,Values=p5*")["InstanceTypeOfferings"]
    assert {row["Location"] for row in offered} == {"us-east-1a", "us-east-1b", "us-east-1c"}, offered

    block = ["ec2", "describe-capacity-block-offerings", "--capacity-duration-hours"]
    one = aws.ok(*block, "48", "--instance-type", "p5.48xlarge", "--instance-count", "4")["CapacityBlockOfferings"]
    assert len(one) == 2 and one[0]["UpfrontFee"] == "7551.36" and one[0]["InstanceCount"] == 4 and one[0]["CurrencyCode"] == "USD", one
    # Debian's aws of 2023 does not know UltraServers yet.
    status, ultra, error = aws.run(*block, "24", "--ultraserver-type", "u-p6e-gb200x72", "--ultraserver-count", "1")
    assert "Unknown options" in error or ultra["CapacityBlockOfferings"][0]["InstanceCount"] == 18, error
    status, _, error = aws.run(*block, "25", "--instance-type", "p5.48xlarge", "--instance-count", "1")
    assert status != 0 and "InvalidParameterValue" in error, error

    status, _, error = aws.run("ec2", "describe-instance-types", "--dry-run")
    assert status != 0 and "DryRunOperation" in error, error
    status, _, error = aws.run("ec2", "get-spot-placement-scores", "--target-capacity", "1", "--instance-types", "p5.48xlarge")
    assert status != 0 and "UnauthorizedOperation" in error, error


def main():
    path = find_aws()
    if not path:
        print("skipped: no aws command on this machine (Debian: awscli)")
        return SKIPPED
    with tempfile.TemporaryDirectory() as folder:
        scenario = pathlib.Path(folder) / "scenario.json"
        scenario.write_text(json.dumps(SCENARIO))
        server = subprocess.Popen(["/usr/bin/python3", str(ROOT / "tests/testcloud/server.py"), "--scenario", str(scenario), "--folder", folder],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            ports = json.loads(server.stdout.readline())
            check(Client(path, f"http://127.0.0.1:{ports['plain']}"))
        finally:
            server.stdin.close()
            server.wait(timeout=20)
    version = subprocess.run([path, "--version"], capture_output=True, text=True).stdout.strip()
    print(f"passed: {version}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
