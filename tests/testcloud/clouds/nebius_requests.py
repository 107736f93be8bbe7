"""What Nebius refuses: requests to make machines, judged field by field, and the errors it answers with (nebius.common.v1.ServiceError).
What labels and names may hold is nowhere written; this is as narrow as any cloud's, so that what passes here passes there (?)."""
import re

from testcloud import proto
from testcloud.clouds import nebius
from testcloud.clouds.nebius import Fail, PLATFORMS

GIB = 1 << 30
FABRICS = {"fabric-2": "gpu-h100-sxm", "fabric-3": "gpu-h100-sxm", "fabric-4": "gpu-h100-sxm", "fabric-6": "gpu-h100-sxm", "fabric-7": "gpu-h200-sxm",
           "fabric-5": "gpu-h200-sxm", "eu-north2-a": "gpu-h200-sxm", "us-central1-a": "gpu-h200-sxm", "us-central1-b": "gpu-b200-sxm",
           "me-west1-a": "gpu-b200-sxm-a", "uk-south1-a": "gpu-b300-sxm"}
IMAGES = {"ubuntu24.04-cuda13.0", "ubuntu24.04-cuda12", "ubuntu22.04-driverless"}


def service_error(number, details, code):
    """google.rpc.Status{details3: Any{value2: ServiceError}}."""
    return [(3, [(1, "type.googleapis.com/nebius.common.v1.ServiceError"), (2, [(1, "compute"), (2, code), (number, details), (30, 3)])])]


def fail(status, words, number=None, details=(), code=""):
    return Fail(status, words, proto.encode(service_error(number, list(details), code)) if number else b"")


def subnet_of(project):
    return project.replace("project-", "vpcsubnet-")


def known(fields, numbers, where):
    unknown = set(fields) - set(numbers)
    if unknown:
        raise fail(3, f"unknown fields {sorted(unknown)} in {where}", 100, [(1, [(1, where), (2, "unknown fields")])], "BadRequest")


def bad(field, words):
    return fail(3, f"{field}: {words}", 100, [(1, [(1, field), (2, words)])], "BadRequest")


def one(fields, number, where):
    if number not in fields:
        raise bad(where, "value is required")
    return proto.decode(fields[number][-1])


def number(fields, field):
    return fields.get(field, [0])[-1]


def read_labels(fields, field):
    labels = {}
    for entry in fields.get(field, []):
        pair = proto.decode(entry)
        name, value = proto.text(pair, 1), proto.text(pair, 2)
        if not re.fullmatch(r"[a-z][-_a-z0-9]{0,62}", name) or not re.fullmatch(r"[-_a-z0-9]{0,63}", value):
            raise bad("metadata.labels", f"{name}={value} is no label")
        labels[name] = value
    if len(labels) > 64:
        raise bad("metadata.labels", "too many")
    return labels


def read_metadata(fields, call, things):
    metadata = one(fields, 1, "metadata")
    known(metadata, (2, 3, 7), "metadata")
    project, name = proto.text(metadata, 2), proto.text(metadata, 3)
    region = nebius.region_of(project, call.config)
    if not re.fullmatch(r"[a-z][-a-z0-9]{0,62}", name):
        raise bad("metadata.name", f"'{name}' is no name")
    twin = next((t for t in things.values() if t.project == project and t.name == name), None)
    if twin:
        raise fail(6, f"'{name}' already exists", 112, [(1, twin.id)], "ResourceAlreadyExists")
    return project, region, name, read_labels(metadata, 7)


def read_disk_spec(spec):
    known(spec, (1, 2, 3, 4, 5, 6, 8, 10), "disk spec")
    size = number(spec, 1) or number(spec, 2) << 10 or number(spec, 3) << 20 or number(spec, 4) * GIB
    if number(spec, 6) not in (1, 2, 3, 4):
        raise bad("disk.type", "value is required")
    if 10 in spec and proto.text(proto.message(spec, 10), 1) not in IMAGES:
        raise fail(5, "image family not found", 111, [(1, proto.text(proto.message(spec, 10), 1))], "ResourceNotFound")
    if size < (40 * GIB if 10 in spec else GIB):
        raise bad("disk.size", "too small for the image")


def read_network(spec, project):
    interfaces = spec.get(4, [])
    if len(interfaces) != 1:
        raise bad("spec.network_interfaces", "one interface is needed")
    interface = proto.decode(interfaces[0])
    known(interface, (1, 2, 3, 4), "network interface")
    if proto.text(interface, 1) != subnet_of(project):
        raise fail(5, "subnet not found", 111, [(1, proto.text(interface, 1))], "ResourceNotFound")
    if not re.fullmatch(r"[0-9a-z][0-9a-z-]*", proto.text(interface, 2)) or 3 not in interface:
        raise bad("spec.network_interfaces", "name and ip_address are required")
    return 4 in interface


def read_instance(fields, call, compute):
    """Gives (platform, preset row, market, cluster, the disk's name and labels, user data); unknown fields are refused, so that a wrong number is found here."""
    spec = one(fields, 2, "spec")
    known(spec, (2, 3, 4, 5, 8, 15, 19, 20), "spec")
    project = proto.text(one(fields, 1, "metadata"), 2)
    region = nebius.region_of(project, call.config)
    resources = one(spec, 2, "spec.resources")
    platform, preset = proto.text(resources, 1), proto.text(resources, 2)
    row = next((row for row in PLATFORMS.get(platform, (0, 0, 0, []))[3] if row[0] == preset), None)
    if row is None or platform not in call.config.get("platforms", nebius.REGIONS).get(region, []):
        raise bad("spec.resources", f"no {platform}/{preset} in {region}")
    market = "spot" if 19 in spec else "on_demand"
    if market == "spot" and (number(proto.message(spec, 19), 1) != 1 or not PLATFORMS[platform][4] or number(spec, 15) != 1):
        raise bad("spec.preemptible", "needs on_preemption STOP, recovery_policy FAIL and a platform that allows it")
    if not read_network(spec, project):
        raise bad("spec.network_interfaces", "testcloud: a machine of ours without a public address cannot be reached")
    cluster = compute.clusters.get(proto.text(one(spec, 3, "gpu_cluster"), 1)) if 3 in spec else None
    if 3 in spec and (cluster is None or cluster.deleted_ms or cluster.project != project):
        raise fail(5, "GPU cluster not found", 111, [(1, proto.text(proto.message(spec, 3), 1))], "ResourceNotFound")
    if cluster and (not row[4] or FABRICS[cluster.fabric] != platform):
        raise bad("spec.gpu_cluster", f"{platform}/{preset} cannot join {cluster.fabric}")
    disk = one(spec, 5, "spec.boot_disk")
    known(disk, (1, 4), "boot_disk")
    if number(disk, 1) != 2:
        raise bad("spec.boot_disk.attach_mode", "a boot disk is READ_WRITE")
    managed = one(disk, 4, "spec.boot_disk.managed_disk")
    known(managed, (1, 2, 4), "managed_disk")
    read_disk_spec(one(managed, 4, "managed_disk.spec"))
    user_data = proto.text(spec, 8)
    if len(user_data) > 32768:
        raise bad("spec.cloud_init_user_data", "longer than 32768")
    if not re.fullmatch(r"|[a-z0-9][a-z0-9-]{0,61}[a-z0-9]", proto.text(spec, 20)):
        raise bad("spec.hostname", "value must be a valid hostname")
    return platform, row, market, cluster, (proto.text(managed, 1), read_labels(managed, 2)), user_data
