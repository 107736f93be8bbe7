#!/usr/bin/python3
"""The real `aws` command and Amazon's Node client judge our emulated AWS: its signatures, paging, dry runs, machines and errors must be what
Amazon's own clients expect.

    aws_client.py             runs with what is installed; exits 77 when neither client is there
    aws_client.py --install   first installs the Node client into build/clients/aws (needs the npm registry)"""
import json, os, pathlib, shutil, subprocess, sys, tempfile, urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[3]
NODE_FOLDER = ROOT / "build" / "clients" / "aws"
NODE_CLIENT = "@aws-sdk/client-ec2"
SKIPPED = 77
SCENARIO = {"clouds": {"aws": {"page": 7, "regions": ["us-east-1", "us-west-2", "ap-southeast-3", "me-central-1"], "denied": ["GetSpotPlacementScores"],
                               "spot": {"p5.48xlarge/us-east-1a": "19.5"}, "blocks": {"p5.48xlarge": "943.92"},
                               "reservations": [{"id": "cr-0123456789abcdef0", "type": "p5.48xlarge", "zone": "us-east-1b", "total": 1}]}},
            "machines": {"quota": [{"match": "aws/us-east-1/*/g6.48xlarge/on_demand", "count": 1}, {"match": "aws/us-east-1/*/g6.48xlarge/spot", "count": 1}],
                         "stock": [{"match": "aws/us-east-1/us-east-1b/p4d.24xlarge/*", "count": 1}]}}
IMAGE = "resolve:ssm:/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id"


NODE_SCENARIO = {"clouds": {"aws": {"page": 1, "shutdown_ms": 2000}}, "machines": {
    "boot_ms": 300, "quota": [{"match": "aws/us-east-1/*/g6.48xlarge/on_demand", "count": 1}], "stock": [{"match": "aws/us-east-1/us-east-1b/p4d.24xlarge/*", "count": 1}]}}
# A gang from one call to its end, and a machine of another owner that no filter may let through; then what is refused.
MACHINES = """
const {EC2Client, RunInstancesCommand, DescribeInstancesCommand, TerminateInstancesCommand, paginateDescribeInstances, waitUntilInstanceRunning, waitUntilInstanceTerminated} =
  require('@aws-sdk/client-ec2');
const {ENDPOINT, IMAGE} = process.env;
const settings = {region: 'us-east-1', endpoint: ENDPOINT, credentials: {accessKeyId: 'AKIATEST', secretAccessKey: 'aws-test-secret'}};
const ec2 = new EC2Client(settings), stranger = new EC2Client({...settings, credentials: {accessKeyId: 'AKIATEST', secretAccessKey: 'wrong'}});
const refused = async call => {
  try { await call; } catch (error) { return [error.name, error.$metadata.httpStatusCode, error.message, error.$metadata.requestId ?? '', error.$metadata.attempts]; }
};
const run = (count, type, token, more) => ec2.send(new RunInstancesCommand({ImageId: IMAGE, InstanceType: type, MinCount: count, MaxCount: count, ClientToken: token, ...more}));
const gang = type => run(2, type, 'judge-a1', {Placement: {AvailabilityZone: 'us-east-1b'}, UserData: Buffer.from('#cloud-config').toString('base64'),
  TagSpecifications: ['instance', 'volume'].map(ResourceType => ({ResourceType, Tags: [{Key: 'gpubroker:token', Value: 'judge-a1'}, {Key: 'a&b', Value: '<c> "d"'}]})),
  InstanceMarketOptions: {MarketType: 'spot', SpotOptions: {SpotInstanceType: 'one-time', InstanceInterruptionBehavior: 'terminate'}},
  BlockDeviceMappings: [{DeviceName: '/dev/sda1', Ebs: {VolumeSize: 200, VolumeType: 'gp3', DeleteOnTermination: true}}],
  InstanceInitiatedShutdownBehavior: 'terminate', MetadataOptions: {HttpTokens: 'required', HttpPutResponseHopLimit: 2}});
async function listed(...filters) {
  const rows = [];
  for await (const page of paginateDescribeInstances({client: ec2, pageSize: 5}, {Filters: filters.map(([Name, ...Values]) => ({Name, Values}))})) {
    for (const reservation of page.Reservations) { rows.push(...reservation.Instances); }
  }
  return rows;
}
(async () => {
  const told = {}, waiting = {client: ec2, maxWaitTime: 20, minDelay: 1, maxDelay: 1};
  const made = await gang('g5.xlarge'), InstanceIds = made.Instances.map(one => one.InstanceId);
  told.ids = InstanceIds;
  told.made = made.Instances.map(one => [one.AmiLaunchIndex, one.State, one.InstanceLifecycle, one.Placement.AvailabilityZone, one.ClientToken, one.LaunchTime instanceof Date]);
  const again = await gang('g5.xlarge');
  told.request = made.$metadata.requestId ?? '';
  told.again = [again.ReservationId === made.ReservationId, again.Instances.map(one => one.InstanceId)];
  told.mismatch = await refused(gang('g5.12xlarge'));
  const other = (await run(1, 'g5.xlarge', 'judge-a2')).Instances[0].InstanceId;
  told.running = (await waitUntilInstanceRunning(waiting, {InstanceIds: [...InstanceIds, other]})).state;
  const shown = await listed(['tag:gpubroker:token', 'judge-a1'], ['instance-state-name', 'pending', 'running']);
  told.listed = shown.map(one => [one.InstanceId, one.State, one.InstanceType, one.Tags.map(tag => [tag.Key, tag.Value]).sort(), one.EbsOptimized]);
  told.ips = shown.map(one => one.PublicIpAddress);
  told.keyed = (await listed(['tag-key', 'gpubroker:token'])).map(one => one.InstanceId);
  told.strange = await listed(['tag:gpubroker:token', 'judge-a2']);
  told.everything = (await listed()).map(one => one.InstanceId).sort();
  told.other = other;
  // Amazon's client takes HTTP 500 for a passing fault and asks again.
  told.short = await refused(run(2, 'p4d.24xlarge', 'judge-a3', {Placement: {AvailabilityZone: 'us-east-1b'}}));
  told.quota = await refused(run(2, 'g6.48xlarge', 'judge-a4'));
  told.image = await refused(ec2.send(new RunInstancesCommand({ImageId: 'ami-00000000', InstanceType: 'g5.xlarge', MinCount: 1, MaxCount: 1})));
  told.login = await refused(stranger.send(new DescribeInstancesCommand({})));
  told.unknown = await refused(ec2.send(new TerminateInstancesCommand({InstanceIds: [other, 'i-00000000000000000']})));
  const ended = await ec2.send(new TerminateInstancesCommand({InstanceIds: [...InstanceIds, other]}));
  told.ended = ended.TerminatingInstances.map(one => [one.InstanceId, one.PreviousState, one.CurrentState]);
  told.terminated = (await waitUntilInstanceTerminated(waiting, {InstanceIds})).state;
  const after = await ec2.send(new DescribeInstancesCommand({InstanceIds: [InstanceIds[0]]}));
  told.after = [after.Reservations[0].Instances[0].State, after.Reservations[0].Instances[0].StateReason.Code, after.Reservations[0].Instances[0].Tags.length];
  // A token is good for its first machines even when they are gone.
  told.late = (await gang('g5.xlarge')).Instances.map(one => [one.InstanceId, one.State.Name]);
  console.log(JSON.stringify(told));
})().catch(error => { console.error(error); process.exit(1); });
"""


def find_aws():
    """An aws command that runs: whatever stands on PATH, or of Debian's package, which is of 2023 and does not know all of what we ask."""
    places = [*map(str, pathlib.Path.home().glob(".pyenv/shims")), *os.environ.get("PATH", "").split(":"), "/usr/bin"]
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
    assert "g5.xlarge" not in types
    # Debian's aws of 2023 does not read neuronInfo yet.
    assert types["trn1.32xlarge"].get("NeuronInfo", {"NeuronDevices": [{"Count": 16}]})["NeuronDevices"][0]["Count"] == 16
    status, _, error = aws.run("ec2", "describe-instance-types", "--instance-types", "p5e.48xlarge")
    assert status != 0 and "InvalidInstanceType" in error, error

    offered = aws.ok("ec2", "describe-instance-type-offerings", "--location-type", "availability-zone", "--filters", "Name=instance-type,Values=p5*")["InstanceTypeOfferings"]
    assert {row["Location"] for row in offered} == {"us-east-1a", "us-east-1b", "us-east-1c"}, offered

    block = ["ec2", "describe-capacity-block-offerings", "--capacity-duration-hours"]
    if "Invalid choice" not in aws.run(*block, "48", "--instance-type", "p5.48xlarge", "--instance-count", "4")[2]:
        check_blocks(aws, block)

    status, _, error = aws.run("ec2", "describe-instance-types", "--dry-run")
    assert status != 0 and "DryRunOperation" in error, error
    status, _, error = aws.run("ec2", "get-spot-placement-scores", "--target-capacity", "1", "--instance-types", "p5.48xlarge")
    assert status != 0 and "UnauthorizedOperation" in error, error


def check_blocks(aws, block):
    one = aws.ok(*block, "48", "--instance-type", "p5.48xlarge", "--instance-count", "4")["CapacityBlockOfferings"]
    assert len(one) == 2 and one[0]["UpfrontFee"] == "7551.36" and one[0]["InstanceCount"] == 4 and one[0]["CurrencyCode"] == "USD", one
    # An aws before UltraServers does not know them.
    status, ultra, error = aws.run(*block, "24", "--ultraserver-type", "u-p6e-gb200x72", "--ultraserver-count", "1")
    assert "Unknown options" in error or ultra["CapacityBlockOfferings"][0]["InstanceCount"] == 18, error
    status, _, error = aws.run(*block, "25", "--instance-type", "p5.48xlarge", "--instance-count", "1")
    assert status != 0 and "InvalidParameterValue" in error, error


def check_machines(aws):
    """A gang from its security group to its end."""
    def refused(code, *words):
        status, _, error = aws.run("ec2", *words)
        assert status != 0 and f"({code})" in error, error
        return error

    home = aws.ok("ec2", "describe-vpcs", "--filters", "Name=is-default,Values=true")["Vpcs"][0]["VpcId"]
    subnet = aws.ok("ec2", "describe-subnets", "--filters", f"Name=vpc-id,Values={home}", "Name=availability-zone,Values=us-east-1b")["Subnets"][0]["SubnetId"]
    group = aws.ok("ec2", "create-security-group", "--group-name", "g", "--description", "d", "--vpc-id", home,
                   "--tag-specifications", "ResourceType=security-group,Tags=[{Key=a,Value=b}]")["GroupId"]
    refused("InvalidGroup.Duplicate", "create-security-group", "--group-name", "g", "--description", "d", "--vpc-id", home)
    ssh = ["authorize-security-group-ingress", "--group-id", group, "--ip-permissions", "IpProtocol=tcp,FromPort=22,ToPort=22,IpRanges=[{CidrIp=0.0.0.0/0}]"]
    assert aws.ok("ec2", *ssh)["Return"] is True
    refused("InvalidPermission.Duplicate", *ssh)
    aws.ok("ec2", "authorize-security-group-egress", "--group-id", group, "--ip-permissions", f"IpProtocol=-1,UserIdGroupPairs=[{{GroupId={group}}}]")
    shown = aws.ok("ec2", "describe-security-groups", "--filters", "Name=group-name,Values=g")["SecurityGroups"][0]
    assert shown["IpPermissions"][0]["ToPort"] == 22 and shown["Tags"] == [{"Key": "a", "Value": "b"}] and len(shown["IpPermissionsEgress"]) == 2, shown

    tags = "ResourceType=instance,Tags=[{Key=gpubroker:token,Value=t1}]"
    launch = ["run-instances", "--image-id", IMAGE, "--count", "2:2", "--client-token", "t1", "--security-group-ids", group, "--tag-specifications", tags, "--user-data", "#cloud-config",
              "--instance-initiated-shutdown-behavior", "terminate", "--block-device-mappings", "DeviceName=/dev/sda1,Ebs={VolumeSize=200,VolumeType=gp3,DeleteOnTermination=true}",
              "--metadata-options", "HttpTokens=required,HttpPutResponseHopLimit=2"]
    spot = ["--instance-market-options", "MarketType=spot,SpotOptions={SpotInstanceType=one-time,InstanceInterruptionBehavior=terminate}"]
    made = aws.ok("ec2", *launch, "--instance-type", "g5.xlarge", "--placement", "AvailabilityZone=us-east-1b", *spot)["Instances"]
    assert [row["AmiLaunchIndex"] for row in made] == [0, 1] and made[0]["InstanceLifecycle"] == "spot" and made[0]["Placement"]["AvailabilityZone"] == "us-east-1b", made
    again = aws.ok("ec2", *launch, "--instance-type", "g5.xlarge", "--placement", "AvailabilityZone=us-east-1b", *spot)["Instances"]
    ids = [row["InstanceId"] for row in made]
    assert [row["InstanceId"] for row in again] == ids
    refused("IdempotentParameterMismatch", *launch, "--instance-type", "g5.12xlarge", "--placement", "AvailabilityZone=us-east-1b", *spot)
    aws.ok("ec2", "wait", "instance-running", "--instance-ids", *ids)
    found = aws.ok("ec2", "describe-instances", "--filters", "Name=tag-key,Values=gpubroker:token")["Reservations"]
    assert len(found) == 1 and len(found[0]["Instances"]) == 2 and found[0]["Instances"][0]["PublicIpAddress"], found
    assert found[0]["Instances"][0]["Tags"] == [{"Key": "gpubroker:token", "Value": "t1"}] and found[0]["Instances"][0]["LaunchTime"].startswith("20")
    refused("DependencyViolation", "delete-security-group", "--group-id", group)

    other = ["run-instances", "--image-id", IMAGE, "--security-group-ids", group]
    refused("VcpuLimitExceeded", *other, "--count", "2", "--instance-type", "g6.48xlarge")
    refused("MaxSpotInstanceCountExceeded", *other, "--count", "2", "--instance-type", "g6.48xlarge", *spot)
    refused("InsufficientInstanceCapacity", *other, "--count", "2", "--instance-type", "p4d.24xlarge", "--placement", "AvailabilityZone=us-east-1b")
    refused("InvalidParameterValue", *other, "--count", "1", "--instance-type", "huge.large")
    refused("InvalidAMIID.NotFound", "run-instances", "--image-id", "ami-00000000", "--count", "1", "--instance-type", "g5.xlarge")
    refused("SpotMaxPriceTooLow", *other, "--count", "1", "--instance-type", "g5.xlarge", "--instance-market-options", "MarketType=spot,SpotOptions={MaxPrice=0.01}")

    aws.ok("ec2", "create-placement-group", "--group-name", "p", "--strategy", "cluster", "--tag-specifications", "ResourceType=placement-group,Tags=[{Key=a,Value=b}]")
    assert aws.ok("ec2", "describe-placement-groups", "--filters", "Name=tag-key,Values=a")["PlacementGroups"][0]["GroupName"] == "p"
    cards = json.dumps([{"NetworkCardIndex": card, "DeviceIndex": device, "InterfaceType": what, "SubnetId": subnet, "Groups": [group], "DeleteOnTermination": True}
                        for card, device, what in ((0, 0, "interface"), (0, 1, "efa-only"), (1, 0, "efa-only"))])
    fabric = ["run-instances", "--image-id", IMAGE, "--count", "1", "--instance-type", "p4d.24xlarge", "--placement", "GroupName=p"]
    old = "efa-only" in aws.run("ec2", *fabric, "--network-interfaces", cards)[2]  # Debian's aws does not know it, and sends it all the same
    gang = aws.ok("ec2", "describe-instances", "--filters", "Name=instance-type,Values=p4d.24xlarge")["Reservations"]
    if not old:
        machine = gang[0]["Instances"][0]
        assert [(n["Attachment"]["NetworkCardIndex"], n["InterfaceType"]) for n in machine["NetworkInterfaces"]] == [(0, "interface"), (0, "efa-only"), (1, "efa-only")], machine
        refused("InvalidPlacementGroup.InUse", "delete-placement-group", "--group-name", "p")
        address = aws.ok("ec2", "allocate-address", "--domain", "vpc")["AllocationId"]
        aws.ok("ec2", "wait", "instance-running", "--instance-ids", machine["InstanceId"])
        aws.ok("ec2", "associate-address", "--allocation-id", address, "--network-interface-id", machine["NetworkInterfaces"][0]["NetworkInterfaceId"])
        refused("InvalidIPAddress.InUse", "release-address", "--allocation-id", address)
        tied = aws.ok("ec2", "describe-addresses")["Addresses"][0]
        assert tied["InstanceId"] == machine["InstanceId"], tied
        aws.ok("ec2", "disassociate-address", "--association-id", tied["AssociationId"])
        aws.ok("ec2", "release-address", "--allocation-id", address)
        ids.append(machine["InstanceId"])

    ids += check_fleet(aws, refused, group)

    block = aws.ok("ec2", "describe-capacity-reservations", "--filters", "Name=instance-type,Values=p5.48xlarge")["CapacityReservations"][0]
    assert block["AvailableInstanceCount"] == 1, block
    bought = ["run-instances", "--image-id", IMAGE, "--count", "1", "--instance-type", "p5.48xlarge", "--capacity-reservation-specification",
              f"CapacityReservationTarget={{CapacityReservationId={block['CapacityReservationId']}}}"]
    refused("InvalidParameterValue", *bought)
    if "capacity-block" not in aws.run("ec2", *bought, "--instance-market-options", "MarketType=capacity-block")[2]:
        ids += [row["InstanceId"] for r in aws.ok("ec2", "describe-instances", "--filters", "Name=instance-type,Values=p5.48xlarge")["Reservations"] for row in r["Instances"]]

    refused("InvalidInstanceID.NotFound", "terminate-instances", "--instance-ids", ids[0], "i-00000000000000000")
    ended = aws.ok("ec2", "terminate-instances", "--instance-ids", *ids)["TerminatingInstances"]
    assert {row["CurrentState"]["Name"] for row in ended} == {"terminated"}, ended
    aws.ok("ec2", "terminate-instances", "--instance-ids", *ids)
    after = aws.ok("ec2", "describe-instances", "--instance-ids", ids[0])["Reservations"][0]["Instances"][0]
    assert after["StateReason"]["Code"] == "Client.UserInitiatedShutdown" and after["StateTransitionReason"].startswith("User initiated ("), after
    aws.run("ec2", "delete-placement-group", "--group-name", "p")
    aws.ok("ec2", "delete-security-group", "--group-id", group)
    refused("InvalidGroup.NotFound", "delete-security-group", "--group-id", group)


def check_fleet(aws, refused, group):
    """One call over two zones, the first of which has room for one machine only: a gang of two is had in the other, or not at all."""
    data = json.dumps({"ImageId": IMAGE, "InstanceType": "p4d.24xlarge", "InstanceInitiatedShutdownBehavior": "terminate",
                       "NetworkInterfaces": [{"NetworkCardIndex": 0, "DeviceIndex": 0, "InterfaceType": "interface", "Groups": [group], "DeleteOnTermination": True}],
                       "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "gpubroker:token", "Value": "t2"}]}]})
    tags = "ResourceType=launch-template,Tags=[{Key=gpubroker:token,Value=t2}]"
    create = ["create-launch-template", "--launch-template-name", "gb-t2", "--launch-template-data", data, "--tag-specifications", tags]
    aws.ok("ec2", *create)
    refused("InvalidLaunchTemplateName.AlreadyExistsException", *create)
    assert aws.ok("ec2", "describe-launch-templates", "--filters", "Name=tag-key,Values=gpubroker:token")["LaunchTemplates"][0]["LaunchTemplateName"] == "gb-t2"
    zones = {row["AvailabilityZone"]: row["SubnetId"] for row in aws.ok("ec2", "describe-subnets")["Subnets"]}
    config = lambda *names: json.dumps([{"LaunchTemplateSpecification": {"LaunchTemplateName": "gb-t2", "Version": "$Latest"}, "Overrides": [{"SubnetId": zones[name]} for name in names]}])
    floor = "SingleInstanceType=true,SingleAvailabilityZone=true,MinTargetCapacity=2,AllocationStrategy=lowest-price"
    fleet = ["create-fleet", "--type", "instant", "--target-capacity-specification", "TotalTargetCapacity=2,DefaultTargetCapacityType=on-demand", "--on-demand-options", floor]
    none = aws.ok("ec2", *fleet, "--launch-template-configs", config("us-east-1b"), "--client-token", "f0")
    assert none["Instances"] == [] and none["Errors"][0]["ErrorCode"] == "InsufficientInstanceCapacity", none
    both = aws.ok("ec2", *fleet, "--launch-template-configs", config("us-east-1b", "us-east-1c"), "--client-token", "f1")
    assert len(both["Instances"][0]["InstanceIds"]) == 2 and both["Errors"][0]["LaunchTemplateAndOverrides"]["Overrides"]["AvailabilityZone"] == "us-east-1b", both
    again = aws.ok("ec2", *fleet, "--launch-template-configs", config("us-east-1b", "us-east-1c"), "--client-token", "f1")
    assert again["FleetId"] == both["FleetId"], again
    refused("IdempotentParameterMismatch", *fleet, "--launch-template-configs", config("us-east-1c"), "--client-token", "f1")
    refused("InvalidParameterCombination", "create-fleet", "--type", "instant", "--target-capacity-specification", "TotalTargetCapacity=2,DefaultTargetCapacityType=spot",
            "--spot-options", "MinTargetCapacity=2", "--launch-template-configs", config("us-east-1b"))
    made = aws.ok("ec2", "describe-instances", "--instance-ids", *both["Instances"][0]["InstanceIds"])["Reservations"][0]["Instances"]
    assert sorted(row["AmiLaunchIndex"] for row in made) == [0, 1] and {row["Placement"]["AvailabilityZone"] for row in made} == {"us-east-1c"}, made
    aws.ok("ec2", "delete-launch-template", "--launch-template-name", "gb-t2")
    refused("InvalidLaunchTemplateName.NotFoundException", "delete-launch-template", "--launch-template-name", "gb-t2")
    return [row["InstanceId"] for row in made]


def check_node(folder, plain):
    """A gang of two by Amazon's typed client: what it sends and what it reads is made of Amazon's own model. Pages of one reservation, each followed by an empty one."""
    def call(path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{plain}{path}", data=None if body is None else json.dumps(body).encode())
        return json.loads(urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20).read())

    call("/__scenario", NODE_SCENARIO)
    script = folder / "machines.js"
    script.write_text(MACHINES)
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "NODE_PATH": str(NODE_FOLDER / "node_modules"), "ENDPOINT": f"http://127.0.0.1:{plain}/__host/ec2.us-east-1.amazonaws.com", "IMAGE": IMAGE}
    done = subprocess.run(["node", script], env=env, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    ids, everyone = told["ids"], [*told["ids"], told["other"]]
    assert told["made"] == [[i, {"Code": 0, "Name": "pending"}, "spot", "us-east-1b", "judge-a1", True] for i in (0, 1)], told["made"]
    assert told["again"] == [True, ids] and told["running"] == "SUCCESS", told
    tags = [["a&b", '<c> "d"'], ["gpubroker:token", "judge-a1"]]
    assert told["listed"] == [[id, {"Code": 16, "Name": "running"}, "g5.xlarge", tags, False] for id in ids], told["listed"]
    assert told["keyed"] == ids and told["strange"] == [] and told["everything"] == sorted(everyone), told
    assert sum("DescribeInstances" in entry["body"] and "NextToken=" in entry["body"] for entry in call("/__log")) >= 2, "the next pages were not asked for"

    assert len(told["request"]) == 36, told["request"]
    for name, code, status, text, attempts in (("mismatch", "IdempotentParameterMismatch", 400, "do not match those of the original request", 1),
                                               ("short", "InsufficientInstanceCapacity", 500, "sufficient p4d.24xlarge capacity in the Availability Zone you requested (us-east-1b)", 3),
                                               ("quota", "VcpuLimitExceeded", 400, "your current vCPU limit of 192 allows", 1), ("image", "InvalidAMIID.NotFound", 400, "'[ami-00000000]'", 1),
                                               ("login", "SignatureDoesNotMatch", 403, "signature", 1), ("unknown", "InvalidInstanceID.NotFound", 400, "'i-00000000000000000' does not exist", 1)):
        refusal = told[name]
        assert (refusal[0], refusal[1], refusal[4]) == (code, status, attempts) and text in refusal[2] and len(refusal[3]) == 36, (name, refusal)

    assert told["ended"] == [[id, {"Code": 16, "Name": "running"}, {"Code": 32, "Name": "shutting-down"}] for id in everyone], told["ended"]
    assert told["terminated"] == "SUCCESS" and told["after"] == [{"Code": 48, "Name": "terminated"}, "Client.UserInitiatedShutdown", 2], told
    assert told["late"] == [[id, "terminated"] for id in ids], told["late"]
    # What was refused, and what was asked for twice, left nothing; what there was is billed for its least minute.
    account = {machine["id"]: machine for machine in call("/__machines")}
    assert list(account) == everyone and told["ips"] == [account[id]["address"] for id in ids], account
    assert all((one["state"], one["end_reason"], round(60 * one["bill_micros"] / one["price_micros"], 3)) == ("ended", "user", 1) for one in account.values()), account
    assert [one["tags"].get("gpubroker:token") for one in account.values()] == ["judge-a1", "judge-a1", None], account
    assert call("/__leaks")["aws"] == [], call("/__leaks")


def main():
    if "--install" in sys.argv:
        NODE_FOLDER.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", NODE_FOLDER, NODE_CLIENT], check=True)
    path, has_node = find_aws(), shutil.which("node") is not None and (NODE_FOLDER / "node_modules" / NODE_CLIENT).is_dir()
    if not path and not has_node:
        print(f"skipped: neither aws (Debian: awscli) nor {NODE_CLIENT} is installed (aws_client.py --install gets the latter)")
        return SKIPPED
    with tempfile.TemporaryDirectory() as folder:
        scenario = pathlib.Path(folder) / "scenario.json"
        scenario.write_text(json.dumps(SCENARIO))
        server = subprocess.Popen(["/usr/bin/python3", str(ROOT / "tests/testcloud/server.py"), "--scenario", str(scenario), "--folder", folder],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            ports = json.loads(server.stdout.readline())
            if path:
                client = Client(path, f"http://127.0.0.1:{ports['plain']}")
                check(client)
                check_machines(client)
            if has_node:
                check_node(pathlib.Path(folder), ports["plain"])
        finally:
            server.stdin.close()
            server.wait(timeout=20)
    version = subprocess.run([path, "--version"], capture_output=True, text=True).stdout.strip() if path else "aws"
    for client, is_there in ((version, path), (NODE_CLIENT, has_node)):
        print(f"aws: {client}", "is content with the emulator" if is_there else "is not installed: skipped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
