"""The machines of all emulated clouds: each from its creation to its end, with its bill.

An emulator calls `fleet.create(...)` when its cloud's launch call is answered, shows the machines in its cloud's words, and
calls `end`. What the scenario may say under "machines" is the same for all clouds; places are written
"aws/us-east-1/us-east-1a/p5.48xlarge/spot" (provider/region/zone/type/market) and matched with * and ?:
    "boot_ms": 0                                       from creation to running
    "visible_after_ms": 0                              a new machine is not found and not listed before (eventual consistency)
    "nodes": true                                      machines are real nodes with sshd (nodes.py); else only entries
    "stock": [{"match": "aws/*/us-east-1a/*", "count": 0, "after_ms": 0}]   machines there; the first that fits and is in force counts
    "quota": [{"match": "gcp/us-east1/*", "count": 8}]  as stock, but refused in the cloud's words for quotas
    "boot_faults": [{"match": "*", "times": 1, "what": "never" | "dies" | "wrong-host-key"}]
    "spot_life_ms": 5000, "notice_ms": 2000            spot machines are taken at that age, announced so long before
    "prices": [{"match": "aws/*/spot", "points": [[0, 1000000], [200, 2000000]]}]   micro-dollars per hour from so many ms after the first machine
    "minute_s": 60                                     how long a minute is for a node's `shutdown -P +MINUTES`
    "address": "198.18.1.1"                            of every machine, where none is a node; else one each of 198.18.0.0/15
    "skew_ms": 0                                       what the cloud's clock is ahead of ours
Bills are exact: for each period of one price, micro-dollars per hour times milliseconds, rounded to nearest (half up), by
the billing rule (unit, minimum) that the emulator gives."""
import asyncio, fnmatch, itertools, time

from testcloud.nodes import Nodes

STARTING, RUNNING, STOPPED, ENDED = "starting", "running", "stopped", "ended"


class Machine:
    def __init__(self, fleet, cloud, id, region, zone, type, market, price, unit_ms, minimum_ms, tick_ms, tags, on_power_off, bill_from_creation):
        self.fleet, self.cloud, self.id, self.region, self.zone, self.type, self.market = fleet, cloud, id, region, zone, type, market
        self.price, self.unit_ms, self.minimum_ms, self.tick_ms = price, unit_ms, minimum_ms, tick_ms
        self.tags, self.on_power_off, self.bill_from_creation = dict(tags), on_power_off, bill_from_creation
        self.state, self.created_ms = STARTING, fleet.now(tick_ms)
        self.running_ms = self.ended_ms = self.billed_from = self.billed_to = self.notice_until = self.notice_at = None
        self.end_reason = ""  # "preempted", "user", "expired", "host failure", "boot failure"
        self.node, self.address, self.host_key = None, "", ""
        self.extra = {}  # what only this cloud's emulator knows
        self.tasks = []

    @property
    def place(self):
        return f"{self.cloud}/{self.region}/{self.zone}/{self.type}/{self.market}"

    @property
    def alive(self):
        return self.state in (STARTING, RUNNING)

    @property
    def visible(self):
        return self.fleet.now() >= self.created_ms + self.fleet.setting("visible_after_ms", 0)


class Fleet:
    def __init__(self, scenario, folder):
        self.scenario = dict(scenario.get("machines", {}))
        self.nodes = Nodes(folder) if self.setting("nodes", False) else None
        self.machines, self.serial, self.first_ms = {}, itertools.count(1), None
        self.boot_faults = [dict(fault, left=fault.get("times", 1)) for fault in self.setting("boot_faults", [])]
        self.subnets = itertools.count(0)

    def setting(self, name, default=None):
        return self.scenario.get(name, default)

    def now(self, tick_ms=1):
        """The cloud's clock, in milliseconds, cut to what it tells."""
        return (int(time.time() * 1000) + self.setting("skew_ms", 0)) // tick_ms * tick_ms

    def of(self, cloud, ended=True):
        return [m for m in self.machines.values() if m.cloud == cloud and (ended or m.state != ENDED)]

    def _room(self, rules, place, count):
        """How many more than `count` fit by the first rule in force; None: no rule."""
        for rule in self.setting(rules, []):
            age = 0 if self.first_ms is None else self.now() - self.first_ms
            if fnmatch.fnmatch(place, rule["match"]) and age >= rule.get("after_ms", 0):
                taken = sum(1 for m in self.machines.values() if m.state != ENDED and fnmatch.fnmatch(m.place, rule["match"]))
                return rule["count"] - taken - count
        return None

    def sell_out(self, place):
        """No more machines there from now on."""
        self.scenario["stock"] = [{"match": place, "count": 0}, *self.setting("stock", [])]

    def lacks_stock(self, place, count=1):
        room = self._room("stock", place, count)
        return room is not None and room < 0

    def lacks_quota(self, place, count=1):
        """The limit that is exceeded, or None."""
        room = self._room("quota", place, count)
        if room is None or room >= 0:
            return None
        return next(rule["count"] for rule in self.setting("quota") if fnmatch.fnmatch(place, rule["match"]))

    def create(self, cloud, id, region, zone, type, market, price, unit_ms=1000, minimum_ms=0, tick_ms=1, tags={}, keys=(), user_data="",
               user="ubuntu", ssh_port=22, on_power_off="stop", env=None, die_at_ms=None, bill_from_creation=False, pod=None):
        """A machine from now on. `price`: micro-dollars per hour; `keys`: public keys that may log in as `user`; `user_data`: what
        cloud-init gets; `on_power_off`: "end" (terminated), "stop" (not billed) or "stay" (stopped and billed); `die_at_ms`: the
        cloud's own death date; `bill_from_creation`: billed while it boots too, if it comes up or is ended by a call; `pod`: a container in place
        of a machine (nodes.Pod)."""
        if self.first_ms is None:
            self.first_ms = self.now()
        machine = Machine(self, cloud, id, region, zone, type, market, price, unit_ms, minimum_ms, tick_ms, tags, on_power_off, bill_from_creation)
        number = next(self.subnets)
        machine.address = self.setting("address") or f"198.18.{1 + number // 250}.{1 + number % 250}"
        machine.extra["ssh_port"] = ssh_port
        self.machines[id] = machine
        fault = next((f for f in self.boot_faults if f["left"] > 0 and fnmatch.fnmatch(machine.place, f["match"])), None)
        if fault:
            fault["left"] -= 1
        machine.tasks.append(asyncio.ensure_future(self._live(machine, fault["what"] if fault else "", keys, user_data, user, env or {}, die_at_ms, pod)))
        return machine

    async def _live(self, machine, fault, keys, user_data, user, env, die_at_ms, pod):
        await asyncio.sleep(self.setting("boot_ms", 0) / 1000)
        if fault == "never":
            return
        if fault == "dies":
            self.end(machine, "boot failure")
            return
        if self.nodes:
            machine.node = self.nodes.make(machine.address, machine.extra["ssh_port"], keys, user_data, user, env, wrong_host_key=fault == "wrong-host-key",
                                           minute_s=self.setting("minute_s", 60), pod=pod)
            machine.host_key = machine.node.host_key
            await machine.node.start()
            machine.tasks.append(asyncio.ensure_future(self._watch(machine)))
        machine.state = RUNNING
        machine.running_ms = self.now(machine.tick_ms)
        machine.billed_from = machine.created_ms if machine.bill_from_creation else machine.running_ms
        if die_at_ms is not None:
            machine.tasks.append(asyncio.ensure_future(self._die_at(machine, die_at_ms)))
        life = self.setting("spot_life_ms")
        if machine.market == "spot" and life is not None:
            notice = self.setting("notice_ms", 0)
            await asyncio.sleep(max(life - notice, 0) / 1000)
            await self._take(machine, notice)

    async def _watch(self, machine):
        """A node that powers itself off."""
        await machine.node.gone()
        if machine.state != RUNNING:
            return
        if machine.on_power_off == "end":
            self.end(machine, "user")
        else:
            machine.state = STOPPED
            if machine.on_power_off == "stop":
                machine.billed_to = self.now(machine.tick_ms)

    async def _die_at(self, machine, at_ms):
        await asyncio.sleep(max(at_ms - self.now(), 0) / 1000)
        self.end(machine, "expired")

    async def _take(self, machine, notice_ms):
        if machine.state != RUNNING:
            return
        if notice_ms > 0:
            machine.notice_at = self.now()
            machine.notice_until = self.now() + notice_ms
            await asyncio.sleep(notice_ms / 1000)
        self.end(machine, "preempted")

    def preempt(self, machine, notice_ms):
        machine.tasks.append(asyncio.ensure_future(self._take(machine, notice_ms)))

    def end(self, machine, reason="user"):
        """Ends it now; what has ended stays as it is."""
        if machine.state == ENDED:
            return
        machine.state, machine.end_reason = ENDED, reason
        machine.ended_ms = max(self.now(machine.tick_ms), machine.created_ms)
        if machine.bill_from_creation and reason != "boot failure":
            machine.billed_from = machine.created_ms
        if machine.billed_from is not None and machine.billed_to is None:
            machine.billed_to = machine.ended_ms
        self._pull(machine)
        if machine.node:
            machine.node.wipe()

    def stop(self, machine, billed=False):
        if machine.state == RUNNING:
            machine.state = STOPPED
            if not billed:
                machine.billed_to = self.now(machine.tick_ms)
            self._pull(machine)

    def _pull(self, machine):
        for task in machine.tasks:
            if task is not asyncio.current_task():
                task.cancel()
        machine.tasks = []
        if machine.node:
            machine.node.kill()

    def price_points(self, machine):
        """[(from ms, micro-dollars per hour)], the first in force at the beginning of the bill."""
        for rule in self.setting("prices", []):
            if fnmatch.fnmatch(machine.place, rule["match"]):
                return [(self.first_ms // machine.tick_ms * machine.tick_ms + at, micros) for at, micros in rule["points"]]
        return [(0, machine.price)]

    def bill(self, machine):
        """Micro-dollars for a machine that has ended (or is as good as: stopped and not billed)."""
        if machine.billed_from is None:
            return 0
        length = (machine.billed_to if machine.billed_to is not None else self.now(machine.tick_ms)) - machine.billed_from
        length = max(-(-length // machine.unit_ms) * machine.unit_ms, machine.minimum_ms)
        end, total = machine.billed_from + length, 0
        points = self.price_points(machine)
        for i, (at, micros) in enumerate(points):
            start = machine.billed_from if i == 0 else max(at, machine.billed_from)
            until = min(points[i + 1][0], end) if i + 1 < len(points) else end
            if until > start:
                total += (micros * (until - start) * 2 + 3_600_000) // 7_200_000
        return total

    def account(self):
        """Every machine there ever was, for tests."""
        return [{"cloud": m.cloud, "id": m.id, "place": m.place, "state": m.state, "tags": m.tags, "address": m.address, "created_ms": m.created_ms,
                 "ended_ms": m.ended_ms, "billed_from_ms": m.billed_from, "billed_to_ms": m.billed_to, "end_reason": m.end_reason, "bill_micros": self.bill(m),
                 "price_micros": m.price, "unit_ms": m.unit_ms}
                for m in self.machines.values()]

    def close(self):
        for machine in self.machines.values():
            for task in machine.tasks:
                task.cancel()
        if self.nodes:
            self.nodes.close()
