"""Nebius' machines: instances with their managed boot disks, GPU clusters, standalone disks, and the operations that all changes are.

A creation is answered at once and fails later, in its operation; the instance that is left then is in ERROR and its disk stays until
it is deleted. A preempted or failed machine is STOPPED, its disk is billed on. The same X-Idempotency-Key gives the same operation.
Billed by the second from RUNNING to the stop or the deletion (docs.nebius.com, pricing and terms of Compute). Field numbers: nebius/api.
Scenario (clouds.nebius): "no_operations": true: ListOperationsByParent shows none (they are kept for a time that nobody tells)."""
import itertools, pathlib, re, sys, uuid
from types import SimpleNamespace

from testcloud import proto
from testcloud.api import leaks
from testcloud.clouds import nebius
from testcloud.clouds.nebius import COMPUTE, PLATFORMS, VPC
from testcloud.clouds.nebius_requests import FABRICS, bad, fail, known, number, one, read_disk_spec, read_instance, read_metadata, service_error, subnet_of
from testcloud.fleet import ENDED, RUNNING, STARTING

CREATING, STARTING_STATE, RUNNING_STATE, STOPPING, STOPPED, DELETING, ERROR = 1, 3, 4, 5, 6, 7, 8
# How long it takes to find a place, to find that there is none, to delete: milliseconds.
PLACE_MS, NO_PLACE_MS, DELETE_MS = 20, 60, 40


class Compute:
    """What there is of one account."""

    def __init__(self):
        self.instances, self.disks, self.clusters, self.operations, self.keys = {}, {}, {}, {}, {}
        self.serial = itertools.count(1)

    def new_id(self, kind):
        return f"{kind}-e00{uuid.uuid4().hex[:12]}{next(self.serial):04d}"


def compute_of(world):
    compute = world.state.setdefault("nebius", Compute())
    settle(compute, world.fleet)
    return compute


class Thing:
    """A disk, a cluster or an instance."""

    def __init__(self, id, project, name, labels, now):
        self.id, self.project, self.name, self.labels, self.created_ms = id, project, name, labels, now
        self.deleted_ms = None

    def metadata(self):
        return [(1, self.id), (2, self.project), (3, self.name), (4, 1), (5, timestamp(self.created_ms))] + pairs(7, self.labels)


class Operation:
    def __init__(self, id, project, resource, method, message, now):
        self.id, self.project, self.resource, self.created_ms = id, project, resource, now
        self.request = [(1, f"type.googleapis.com/{method}"), (2, message)]
        self.finished_ms, self.status, self.finish = None, None, None  # finish(now): sets both when it is time

    def end(self, at, status=()):
        self.finished_ms, self.status = at, list(status)

    def show(self):
        fields = [(1, self.id), (2, "operation"), (3, timestamp(self.created_ms)), (4, "serviceaccount-e00sa")]
        if self.finished_ms is not None:
            fields.append((5, timestamp(self.finished_ms)))
        fields += [(6, self.request), (7, self.resource)]
        return fields + ([(10, self.status)] if self.status is not None else [])


def timestamp(ms):
    return [(1, ms // 1000), (2, ms % 1000 * 1_000_000)]


def pairs(field, labels):
    return [(field, [(1, name), (2, value)]) for name, value in labels.items()]


def settle(compute, fleet):
    """Brings operations and things to where they are by now."""
    now = fleet.now()
    for operation in compute.operations.values():
        if operation.finished_ms is None and operation.finish:
            operation.finish(now)
    for kind in (compute.instances, compute.disks, compute.clusters):
        for id in [id for id, thing in kind.items() if thing.deleted_ms is not None and now >= thing.deleted_ms + DELETE_MS]:
            del kind[id]


# --- instances ---

def operate(call, compute, project, resource, method):
    operation = Operation(compute.new_id("operation"), project, resource, method, call.message, call.world.fleet.now())
    compute.operations[operation.id] = operation
    if call.key:
        compute.keys[call.key] = operation
    return operation


def repeated(call, compute):
    """The operation that this idempotency key has begun."""
    if call.key and not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", call.key):
        raise fail(3, "X-Idempotency-Key is no UUID", 100, [], "BadRequest")
    return compute.keys.get(call.key)


def create_instance(fields, call):
    compute, fleet = compute_of(call.world), call.world.fleet
    known(fields, (1, 2), "request")
    if repeated(call, compute):
        return repeated(call, compute).show()
    project, region, name, labels = read_metadata(fields, call, compute.instances)
    platform, row, market, cluster, disk, user_data = read_instance(fields, call, compute)
    place = f"nebius/{region}//{platform}_{row[0]}/{market}"
    limit = fleet.lacks_quota(place)
    if limit is not None:
        quota = PLATFORMS[platform][1]
        raise fail(8, "Quota limit exceeded", 141, [(1, [(1, quota), (2, f"{quota} in {region} is exceeded"), (3, str(limit * row[3])), (4, str((limit + 1) * row[3]))])], "QuotaFailure")
    instance = Thing(compute.new_id("computeinstance"), project, name, labels, fleet.now())
    instance.resources, instance.market, instance.cluster, instance.region = (platform, row), market, cluster, region
    instance.machine = None
    operation = operate(call, compute, project, instance.id, "nebius.compute.v1.CreateInstanceRequest")
    if fleet.lacks_stock(place):
        operation.finish = lambda now: fail_without_place(operation, instance, now)
    else:
        price = round(float(call.config.get("prices", nebius.PRICES).get(platform, ["0", "0"])[market == "spot"]) * 1e6) * row[3]
        instance.machine = fleet.create("nebius", instance.id, region, "", f"{platform}_{row[0]}", market, price, unit_ms=1000, tags=labels,
                                        user_data=user_data, on_power_off="stop")
        operation.finish = lambda now: finish_creation(operation, instance.machine)
    compute.instances[instance.id] = instance
    boot = Thing(compute.new_id("computedisk"), project, disk[0], disk[1], fleet.now())
    boot.instance = instance.id
    compute.disks[boot.id] = boot
    return operation.show()


def fail_without_place(operation, instance, now):
    if instance.deleted_ms is not None:
        operation.end(instance.deleted_ms, [(1, 10), (2, "aborted by a deletion")])
    elif now >= operation.created_ms + NO_PLACE_MS:
        platform, row = instance.resources
        details = service_error(142, [(1, [(1, platform), (2, f"not enough resources for {row[0]}"), (3, "1")])], "NotEnoughResources")
        operation.end(operation.created_ms + NO_PLACE_MS, [(1, 8), (2, "Not enough resources")] + details)


def finish_creation(operation, machine):
    if machine.running_ms is not None:
        operation.end(machine.running_ms)
    elif machine.state == ENDED:
        code, words = (10, "aborted by a deletion") if machine.end_reason == "user" else (13, "the virtual machine did not start")
        operation.end(machine.ended_ms, [(1, code), (2, words)])


def state_of(instance, now):
    machine = instance.machine
    if instance.deleted_ms is not None:
        return DELETING
    if machine is None:
        return CREATING if now < instance.created_ms + NO_PLACE_MS else ERROR
    if machine.state == STARTING:
        return CREATING if now < instance.created_ms + PLACE_MS else STARTING_STATE
    if machine.state == RUNNING:
        return STOPPING if machine.notice_until else RUNNING_STATE
    return ERROR if machine.end_reason == "boot failure" else STOPPED


def show(instance, now):
    state, machine = state_of(instance, now), instance.machine
    platform, row = instance.resources
    spec = [(2, [(1, platform), (2, row[0])]), (15, 1)]
    spec += [(3, [(1, instance.cluster.id)])] if instance.cluster else []
    spec += [(19, [(1, 1)])] if instance.market == "spot" else []
    status = [(1, state)]
    if state in (RUNNING_STATE, STOPPING):
        status.append((2, [(2, "eth0"), (3, [(1, f"{machine.address}/32")]), (4, [(1, f"{machine.address}/32")])]))
    return [(1, instance.metadata()), (2, spec), (3, status)]


def visible(instance):
    return instance.machine is None or instance.machine.visible


def list_instances(fields, call):
    compute, now = compute_of(call.world), call.world.fleet.now()
    nebius.region_of(proto.text(fields, 1), call.config)
    rows = [show(i, now) for i in compute.instances.values() if i.project == proto.text(fields, 1) and visible(i)]
    return nebius.paged(rows, number(fields, 2), proto.text(fields, 3), call.config)


def find(things, id, what):
    thing = things.get(id)
    if thing is None:
        raise fail(5, f"{what} {id} not found", 111, [(1, id)], "ResourceNotFound")
    return thing


def get_instance(fields, call):
    compute = compute_of(call.world)
    instance = find(compute.instances, proto.text(fields, 1), "Instance")
    if not visible(instance):
        raise fail(5, "Instance not found", 111, [(1, instance.id)], "ResourceNotFound")
    return show(instance, call.world.fleet.now())


def delete_instance(fields, call):
    compute, fleet = compute_of(call.world), call.world.fleet
    instance = find(compute.instances, proto.text(fields, 1), "Instance")
    if instance.deleted_ms is not None:
        raise fail(9, "Instance is being deleted", 110, [(1, instance.id), (2, "DELETING")], "BadResourceState")
    operation = operate(call, compute, instance.project, instance.id, "nebius.compute.v1.DeleteInstanceRequest")
    if instance.machine:
        fleet.end(instance.machine)
    instance.deleted_ms = fleet.now()
    if instance.machine and instance.machine.end_reason == "user":
        operation.created_ms = instance.deleted_ms = instance.machine.ended_ms
    for disk in compute.disks.values():
        if getattr(disk, "instance", "") == instance.id:
            disk.deleted_ms = instance.deleted_ms
    end_later(operation, instance.deleted_ms)
    settle(compute, fleet)
    return operation.show()


def end_later(operation, at):
    operation.finish = lambda now: operation.end(at + DELETE_MS) if now >= at + DELETE_MS else None


def get_operation(fields, call):
    return find(compute_of(call.world).operations, proto.text(fields, 1), "Operation").show()


def list_operations(fields, call):
    compute = compute_of(call.world)
    project = proto.text(fields, 1)
    nebius.region_of(project, call.config)
    rows = [o.show() for o in compute.operations.values()
            if o.project == project and o.resource.startswith("computeinstance-") and not call.config.get("no_operations")]
    return nebius.paged(rows, number(fields, 2), proto.text(fields, 3), call.config)


# --- what is around them ---

def list_subnets(fields, call):
    project = proto.text(fields, 1)
    nebius.region_of(project, call.config)
    rows = [[(1, [(1, f"{subnet_of(project)}x"), (2, project), (3, "storage")])], [(1, [(1, subnet_of(project)), (2, project), (3, "default-subnet-0a1b")])]]
    return nebius.paged(rows, number(fields, 2), proto.text(fields, 3), call.config)


def create_cluster(fields, call):
    compute, now = compute_of(call.world), call.world.fleet.now()
    known(fields, (1, 2), "request")
    if repeated(call, compute):
        return repeated(call, compute).show()
    project, _, name, labels = read_metadata(fields, call, compute.clusters)
    fabric = proto.text(one(fields, 2, "spec"), 1)
    if fabric not in FABRICS:
        raise bad("spec.infiniband_fabric", f"no fabric '{fabric}'")
    cluster = Thing(compute.new_id("computegpucluster"), project, name, labels, now)
    cluster.fabric = fabric
    compute.clusters[cluster.id] = cluster
    operation = operate(call, compute, project, cluster.id, "nebius.compute.v1.CreateGpuClusterRequest")
    end_later(operation, now)
    return operation.show()


def lister(kind, more):
    def handle(fields, call):
        compute = compute_of(call.world)
        nebius.region_of(proto.text(fields, 1), call.config)
        rows = [[(1, thing.metadata()), *more(thing)] for thing in getattr(compute, kind).values() if thing.project == proto.text(fields, 1)]
        return nebius.paged(rows, number(fields, 2), proto.text(fields, 3), call.config)
    return handle


def delete_cluster(fields, call):
    compute = compute_of(call.world)
    cluster = find(compute.clusters, proto.text(fields, 1), "GPU cluster")
    if any(i.cluster is cluster for i in compute.instances.values()):
        raise fail(9, "GPU cluster has instances", 110, [(1, cluster.id), (2, "it has instances")], "BadResourceState")
    return delete_thing(call, compute, cluster, "nebius.compute.v1.DeleteGpuClusterRequest")


def create_disk(fields, call):
    compute, now = compute_of(call.world), call.world.fleet.now()
    known(fields, (1, 2), "request")
    project, _, name, labels = read_metadata(fields, call, compute.disks)
    read_disk_spec(one(fields, 2, "spec"))
    disk = Thing(compute.new_id("computedisk"), project, name, labels, now)
    compute.disks[disk.id] = disk
    operation = operate(call, compute, project, disk.id, "nebius.compute.v1.CreateDiskRequest")
    end_later(operation, now)
    return operation.show()


def delete_disk(fields, call):
    compute = compute_of(call.world)
    disk = find(compute.disks, proto.text(fields, 1), "Disk")
    if getattr(disk, "instance", "") in compute.instances:
        raise fail(9, "Disk is in use", 110, [(1, disk.id), (2, "attached")], "BadResourceState")
    return delete_thing(call, compute, disk, "nebius.compute.v1.DeleteDiskRequest")


def delete_thing(call, compute, thing, method):
    operation = operate(call, compute, thing.project, thing.id, method)
    thing.deleted_ms = thing.deleted_ms or call.world.fleet.now()
    end_later(operation, thing.deleted_ms)
    return operation.show()


SERVICES = {
    (COMPUTE, "nebius.compute.v1.InstanceService/Create"): create_instance,
    (COMPUTE, "nebius.compute.v1.InstanceService/Get"): get_instance,
    (COMPUTE, "nebius.compute.v1.InstanceService/List"): list_instances,
    (COMPUTE, "nebius.compute.v1.InstanceService/Delete"): delete_instance,
    (COMPUTE, "nebius.compute.v1.InstanceService/ListOperationsByParent"): list_operations,
    (COMPUTE, "nebius.common.v1.OperationService/Get"): get_operation,
    (COMPUTE, "nebius.compute.v1.GpuClusterService/Create"): create_cluster,
    (COMPUTE, "nebius.compute.v1.GpuClusterService/List"): lister("clusters", lambda c: [(2, [(1, c.fabric)])]),
    (COMPUTE, "nebius.compute.v1.GpuClusterService/Delete"): delete_cluster,
    (COMPUTE, "nebius.compute.v1.DiskService/Create"): create_disk,
    (COMPUTE, "nebius.compute.v1.DiskService/List"): lister("disks", lambda d: [(3, [(1, 2), (3, getattr(d, "instance", ""))])]),
    (COMPUTE, "nebius.compute.v1.DiskService/Delete"): delete_disk,
    (VPC, "nebius.vpc.v1.SubnetService/List"): list_subnets,
}
nebius.METHODS.update(SERVICES)
nebius.WITH_WORLD.update(SERVICES)


@leaks("nebius")
def left(world):
    compute = compute_of(world)
    now = world.fleet.now()
    gone = {i.id for i in compute.instances.values() if state_of(i, now) in (STOPPED, ERROR)}
    lost = [d for d in compute.disks.values() if d.deleted_ms is None and (getattr(d, "instance", "") in gone or getattr(d, "instance", "") not in compute.instances)]
    return ([f"stopped instance {compute.instances[id].name}" for id in sorted(gone)] + [f"disk {d.name}" for d in lost] +
            [f"GPU cluster {c.name}" for c in compute.clusters.values() if c.deleted_ms is None])


def write_fixtures(folder):
    """`python3 -m testcloud.clouds.nebius_machines FOLDER` (in tests/): what the unit tests read, at 2026-11-24T12:00:00Z and after."""
    at, compute = 1795521600000, Compute()

    def add(name, state, market="spot", ours=True):
        number = len(compute.instances)
        labels = {"gpubroker-workload": "llama-7k2q", "gpubroker-attempt": "1", "gpubroker-token": "llama-7k2q-a1", "gpubroker-rank": str(number),
                  "gpubroker-owner": "_41nn", "gpubroker-expires": "2026-11-25_5412_3a00_3a00_5a"} if ours else {"owner": "ann"}
        instance = Thing(f"computeinstance-e00{name}", "project-e00north", f"gb-{name}", labels, at + number)
        instance.resources, instance.market, instance.cluster = ("gpu-h100-sxm", nebius.EIGHT), market, None
        instance.machine = SimpleNamespace(state=state, address="203.0.113.7", notice_until=None, end_reason="")
        compute.instances[instance.id] = instance
        return instance

    def operation(kind, instance, status=(), after=90_000, began=0):
        message = proto.encode(show(instance, at)[:2]) if kind == "Create" else proto.encode([(1, instance.id)])
        done = Operation(f"operation-{len(compute.operations)}", instance.project, instance.id, f"nebius.compute.v1.{kind}InstanceRequest", message, instance.created_ms + began)
        if status is not None:
            done.end(instance.created_ms + after, status)
        compute.operations[done.id] = done

    shortage = [(1, 8), (2, "Not enough resources")] + service_error(142, [(1, [(1, "gpu-h100-sxm"), (2, "no room for 8gpu"), (3, "1")])], "NotEnoughResources")
    operation("Create", add("running", RUNNING))
    operation("Create", add("preempted", ENDED))
    add("foreign", RUNNING, ours=False)
    add("starting", STARTING)
    operation("Create", add("broken", ENDED, market="on_demand"), shortage, after=60)
    compute.instances["computeinstance-e00broken"].machine.end_reason = "boot failure"
    taken = add("taken", RUNNING)
    taken.machine.notice_until = at
    operation("Create", taken)
    deleted = add("deleted", ENDED)
    operation("Create", deleted)
    operation("Delete", deleted, after=200_000, began=190_000)
    del compute.instances[deleted.id]
    never = add("never", ENDED)
    operation("Create", never, shortage, after=60)
    operation("Delete", never, after=200, began=100)
    del compute.instances[never.id]
    answers = {"instances": [(1, show(i, at + 1000)) for i in compute.instances.values()] + [(2, "next")],
               "operations": [(1, o.show()) for o in compute.operations.values()]}
    for name, fields in answers.items():
        (pathlib.Path(folder) / f"{name}.pb").write_bytes(proto.encode(fields))


if __name__ == "__main__":
    write_fixtures(sys.argv[1])
