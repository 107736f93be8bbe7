#!/usr/bin/env python3
"""Kills the supervisor of the real gpubroker at every request to a cloud and every journal write of one life of a gang there.

The life: four machines booked at an emulated cloud (without sshd, so the job never starts), one of them taken by the cloud, the next gang
booked at another place, `down`. A request has three sides: SIGKILL when it has arrived and nothing is done, when it is done and not
answered, when it is answered and the answer not recorded. Then a fresh `supervise --until-idle` goes on to the end, and what may never
be wrong is read from the cloud's own books. One again, as a failure prints it: --cloud aws --point 17:handled"""
import argparse, csv, json, os, queue, re, shutil, signal, subprocess, sys, tempfile, time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "e2e"))
import accounts, testclouds  # noqa: E402
from processes import TABLE, end_all  # noqa: E402
from testcloud.clouds import vast  # noqa: E402

NODES = 4
LIMIT_S = 90  # of one life; a loaded machine is slow
SIDES = ("arrived", "handled", "answered")
BOOKING = re.compile(r"/launch|Action=(RunInstances|CreateFleet)|bulkInsert|InstanceService/Create|/asks/|virtualMachines/.*hardwareProfile|mutation|/pods|targetNodes")
JOURNAL = ("journal-write", "journal-sync", "journal-unlink")


class Cloud:
    """Places where the gang may be; of which machines the cloud tells no times ("all", "preempted"), and how much a machine's bill may then
    differ beside one billing unit (seconds: begin and end are dated by looks, one after a poll, the other after a restart); what may stay
    because all gangs share it."""

    def __init__(self, places, config=None, untold="", slack_s=0, shared=()):
        self.places, self.config, self.untold, self.slack_s, self.shared = places, config or {}, untold, slack_s, shared

    def slack(self, machine):
        """Micro-dollars that the ledger may be off."""
        told = self.untold not in ("all", machine["end_reason"])
        return 0 if told else machine["price_micros"] * (machine["unit_ms"] + self.slack_s * 1000) // 3_600_000 + 1


SPOT, ANY = "accelerators: 'H100:8', use_spot: true", "accelerators: 'H100:8'"
# The shop of Vast sells each ask once: enough for three gangs.
ASKS = [*vast.OFFERS, *(vast.offer(14413000 + i, 32000 + i, 95, 8, "H100 SXM", 81559, 19.9, 9.9, "Texas, US") for i in range(12))]
CLOUDS = {
    # The second gang is on demand: booked by CreateFleet, with a launch template that must not stay.
    "aws": Cloud([f"region: us-east-1, {SPOT}", f"region: us-west-2, {ANY}"], {"regions": ["us-east-1", "us-west-2"]}),
    "azure": Cloud([SPOT, ANY]),
    "coreweave": Cloud([SPOT, ANY], untold="all", slack_s=10),
    "gcp": Cloud([SPOT, ANY], shared=("firewall",)),
    "lambda": Cloud([ANY], untold="all"),
    "nebius": Cloud([SPOT, ANY], untold="preempted", slack_s=10),
    "runpod": Cloud([SPOT, ANY], untold="all"),
    "vast": Cloud([SPOT, ANY], {"offers": ASKS}, untold="all", slack_s=10),
}


class Broken(Exception):
    """What may never be wrong is wrong, or the life does not come to its end."""


def micros(usd):
    return round(float(usd) * 1e6)


def token_of(machine):
    """Each cloud has its own place and spelling for our tags."""
    return next((value for name, value in machine["tags"].items() if name.lower().endswith("token")), "")


def rank_of(machine):
    return next((value for name, value in machine["tags"].items() if name.lower().endswith("rank")), "")


class Life:
    """One home at one cloud, at most one kill."""

    def __init__(self, options, clouds, name, point="", side=""):
        self.options, self.clouds, self.name, self.cloud, self.point, self.side = options, clouds, name, CLOUDS[name], point, side
        self.folder = Path(tempfile.mkdtemp(prefix=f"gpubroker-crash-{name}-")).resolve()
        self.home = self.folder / "home"
        self.began, self.talk, self.supervisor = time.monotonic(), [], None
        self.until = self.began + LIMIT_S
        self.env = self.environment()
        self.armed = dict(self.env)
        if options.preload:
            at = f"supervise/{point}" if "/" in point else ""
            self.armed |= {"LD_PRELOAD": options.preload, "KILL_POINT_HOME": str(self.home), "KILL_POINT_FILES": str(self.folder), "KILL_POINT_AT": at, "KILL_POINT_SIDE": side}
        self.task = self.folder / "task.yaml"
        places = "\n".join(f"    - {{cloud: {name}, {place}}}" for place in self.cloud.places)
        self.task.write_text(f"name: gang\nnum_nodes: {NODES}\nresources:\n  any_of:\n{places}\nrun: sleep 600\n")

    def environment(self):
        user = self.folder / "user"
        (user / ".ssh").mkdir(parents=True, mode=0o700)
        given = accounts.give_accounts(str(user), str(SOURCE))
        files = {"aws": ".aws", "gcp": ".config/gcloud", "lambda": ".lambda_cloud", "oci": ".oci"}
        for cloud, path in files.items():
            if cloud != self.name:
                shutil.rmtree(user / path, ignore_errors=True)
        given = {key: value for key, value in given.items() if key == "HOME" or key.lower().startswith(self.name)}
        kept = {key: value for key, value in os.environ.items() if key in ("PATH", "LANG", "TMPDIR")}
        return {**kept, **self.clouds.env, **given, "GPUBROKER_HOME": str(self.home)}

    # --- commands ---

    def say(self, text):
        self.talk.append(f"{time.monotonic() - self.began:6.2f}  {text}")

    def call(self, *words):
        done = subprocess.run([self.options.binary, *words], env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S, cwd="/")
        self.say(f"$ gpubroker {' '.join(words)} -> {done.returncode} {done.stderr.strip()[-600:]}")
        if done.returncode != 0:
            raise Broken(f"{words[0]}: exit {done.returncode} {done.stderr.strip()[-500:]}")
        return done.stdout

    def state(self):
        return json.loads(self.call("status", self.workload, "--json"))

    def machines(self):
        return self.clouds.call("/__machines")

    def supervise(self):
        """Cron: a supervisor that was killed is started again; one that finds another at work leaves."""
        if self.supervisor and self.supervisor.poll() is not None:
            rc = self.supervisor.returncode
            self.say(f"supervise ended: {rc}")
            if rc not in (0, 7, -signal.SIGKILL):
                raise Broken(f"supervise: exit {rc} {self.log_text()[-500:]}")
            self.supervisor = None
        if self.supervisor is None:
            with open(self.home / "supervisor.log", "ab") as log:
                self.supervisor = subprocess.Popen([self.options.binary, "supervise", "--until-idle"], env=self.armed, cwd="/", stdin=subprocess.DEVNULL,
                                                   stdout=subprocess.DEVNULL, stderr=log)

    def log_text(self):
        try:
            return (self.home / "supervisor.log").read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def wait(self, what, predicate, pause=0.1):
        while True:
            self.supervise()
            found = predicate()
            if found:
                self.say(what)
                return found
            if time.monotonic() > self.until:
                raise Broken(f"waited in vain for {what}")
            time.sleep(pause)

    # --- one life ---

    def live(self):
        self.workload = self.call("launch", str(self.task), "--yes", "--detach", "--no-supervise").strip()
        self.requests_before = len(self.clouds.log())
        if self.point and "/" not in self.point:
            self.clouds.call("/__faults", [{"kill": self.side, "nth": int(self.point), "home": str(self.home)}])
        if self.options.brief:
            self.wait("machines are there", self.machines, 0.02)
            self.end()
            return
        first = self.wait("the first gang runs", lambda: self.running_gang(set()))
        self.wait("the phase is starting", lambda: self.state()["phase"] == "starting", 0.3)
        self.clouds.call("/__preempt", {"id": first[1]["id"], "sold_out": True})
        self.say(f"taken: {first[1]['id']} of {first[1]['place']}")
        second = self.wait("the next gang runs", lambda: self.running_gang({token_of(first[0])}))
        if second[0]["place"] == first[0]["place"]:
            raise Broken(f"booked again where nothing is left: {second[0]['place']}")
        self.end()

    def end(self):
        self.call("down", self.workload, "--yes")
        self.wait("the end", lambda: (lambda s: s["final"] and s["released"])(self.state()), 0.3)
        self.wait_for_supervisors()
        self.requests = self.clouds.log()[self.requests_before:]

    def wait_for_supervisors(self):
        while self.supervisor and self.supervisor.poll() is None or self.processes():
            if time.monotonic() > self.until:
                raise Broken("the supervisor does not leave")
            time.sleep(0.1)

    def running_gang(self, former):
        """All machines of a gang that runs, other than those."""
        gangs = {}
        for machine in self.machines():
            if machine["state"] == "running" and token_of(machine) not in former:
                gangs.setdefault(token_of(machine), []).append(machine)
        return next((gang for gang in gangs.values() if len(gang) == NODES), None)

    # --- what may never be wrong ---

    def processes(self, fresh=False):
        home = f"GPUBROKER_HOME={self.home}".encode()
        return [pid for pid, _, environment in TABLE.all(fresh) if home in environment.split(b"\0")]

    def check(self):
        state, machines = self.state(), self.machines()
        wrong = [f"machine {m['id']} of {token_of(m)} lives: {m['state']}" for m in machines if m["state"] != "ended"]
        wrong += self.check_gangs(state, machines)
        wrong += self.check_ledger(state, machines)
        left = [text for text in self.clouds.call("/__leaks")[self.name] if not any(word in text for word in self.cloud.shared)]
        if left:
            wrong.append(f"left: {left}")
        wrong += [line for line in self.log_text().splitlines() if line.startswith("error:") or " error " in line[:40]]
        if wrong:
            raise Broken("; ".join(wrong))
        self.note = "" if len(state["attempts"]) <= 5 else f"{len(state['attempts'])} attempts"

    def check_gangs(self, state, machines):
        wrong, gangs = [], {}
        for machine in machines:
            gangs.setdefault(token_of(machine), []).append(machine)
        if "" in gangs:
            wrong.append(f"{len(gangs['']) } machines without a token")
        span = lambda m: (m["created_ms"], m["ended_ms"] if m["ended_ms"] is not None else float("inf"))
        for token, gang in gangs.items():
            for machine in gang:
                beside = [m for m in gang if span(m)[0] <= span(machine)[0] < span(m)[1]]
                if len(beside) > NODES:
                    wrong.append(f"{len(beside)} machines of {token} lived at once")
                same = [m["id"] for m in beside if rank_of(machine) and rank_of(m) == rank_of(machine)]
                if len(same) > 1:
                    wrong.append(f"rank {rank_of(machine)} of {token} twice at once: {same}")
        places = {token: sorted({m["place"] for m in gang}) for token, gang in gangs.items()}
        if any(len(there) > 1 for there in places.values()):
            wrong.append(f"a gang at two places: {places}")
        if len(gangs) > len(state["attempts"]):
            wrong.append(f"{len(gangs)} gangs of {len(state['attempts'])} attempts")
        return wrong

    def check_ledger(self, state, machines):
        """To the micro-dollar; for machines of which the cloud tells no times, to the cloud's slack."""
        lines = list(csv.DictReader(self.call("report", "--format", "ledger-csv").splitlines()))
        reported = sum(micros(line["amount_usd"]) for line in lines)
        settled, bill = micros(state["settled_usd"]), sum(m["bill_micros"] for m in machines)
        self.difference = settled - bill
        slack = sum(self.cloud.slack(m) for m in machines)
        wrong = [] if reported == settled else [f"the report's sum is {reported}, status says {settled}"]
        return wrong + ([] if abs(settled - bill) <= slack else [f"ledger {settled}, bill {bill}: off by {settled - bill}, allowed {slack}"])

    # --- all of it ---

    def run(self):
        """What went wrong, or an empty text."""
        wrong, self.note, self.difference, self.requests = "", "", 0, []
        try:
            self.live()
            self.check()
        except Broken as e:
            wrong = str(e)
        except Exception as e:  # a life that breaks the driver is a failure of that life, not the end of the sweep
            wrong = f"{type(e).__name__}: {e}"
        end_all(lambda: self.processes(fresh=True))
        if self.supervisor:
            self.supervisor.wait()
        self.seconds, self.points = time.monotonic() - self.began, self.find_points()
        if wrong or self.options.keep:
            (self.folder / "talk").write_text("\n".join(self.talk) + "\n")
            (self.folder / "log.json").write_text(json.dumps(self.clouds.log(), indent=1))
            (self.folder / "machines.json").write_text(json.dumps(self.machines(), indent=1))
        return wrong

    def killed(self):
        """What was hit, or nothing."""
        if "/" in self.point:
            return next((line for line in self.trace() if line.endswith(" KILLED")), "")
        hit = next((entry for entry in self.clouds.log() if entry.get("killed")), None)
        return f"{hit['method']} {hit['host']}{hit['target'][:100]} {hit['body'][:60]!r}" if hit else ""

    def trace(self):
        try:
            return (self.folder / "trace").read_text().splitlines()
        except FileNotFoundError:
            return []

    def find_points(self):
        """[(point, side)] of this life."""
        found = [(str(n), side) for n, request in enumerate(self.requests, 1) for side in SIDES
                 if not self.options.only_bookings or BOOKING.search(request["target"] + " " + request["body"])]
        for line in self.trace():
            command, kind, number = line.split()[0].split("/")
            if command == "supervise" and kind in JOURNAL and not self.options.only_bookings:
                found += [(f"{kind}/{number}", side) for side in (("before",) if kind == "journal-write" else ("before", "after"))]
        return found


class Servers:
    """An emulator for each life that goes on; used again by the next."""

    def __init__(self):
        self.free, self.all = queue.Queue(), []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for clouds in self.all:
            clouds.__exit__()

    def lend(self, scenario):
        try:
            clouds = self.free.get_nowait()
        except queue.Empty:
            clouds = testclouds.Clouds().__enter__()
            self.all.append(clouds)
        clouds.scenario(scenario)
        return clouds


def scenario_of(options, name):
    # A brief life ends while its machines boot, and before the cloud lists them.
    slowness = {"boot_ms": 20_000, "visible_after_ms": 8000} if options.brief else {}
    return {"machines": {"nodes": False, "address": "127.0.0.1", **slowness}, "clouds": {name: CLOUDS[name].config}}


def live_once(options, servers, name, point="", side=""):
    clouds = servers.lend(scenario_of(options, name))
    life = Life(options, clouds, name, point, side)
    try:
        wrong = life.run()
        hit = life.killed() if point else "nothing"
    finally:
        servers.free.put(clouds)
    if not wrong and not options.keep:
        shutil.rmtree(life.folder, ignore_errors=True)
    return life, wrong, hit


def choose(options, servers):
    """[(cloud, point, side)]"""
    names = options.cloud.split(",") if options.cloud else list(CLOUDS)
    if options.point:
        return [(names[0], *options.point.rsplit(":", 1))]
    chosen = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for name, (life, wrong, _) in zip(names, pool.map(lambda name: live_once(options, servers, name), names)):
            if wrong:
                print(f"FAIL {name}, undisturbed: {wrong}\n     kept: {life.folder}", flush=True)
                options.failed.append(name)
                continue
            points = [p for p in life.points if options.only is None or any(word in ":".join(p) for word in options.only.split(","))]
            mine = points[options.offset % options.sample::options.sample]
            print(f"{name}: {len(life.requests)} requests, {len(points)} points, {len(mine)} chosen; {life.seconds:.1f} s a life; ledger - bill = {life.difference}", flush=True)
            chosen += [(name, *point) for point in mine]
    return chosen


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--preload", default="", help="kill_point.so: for the journal's points")
    parser.add_argument("--cloud", help="only these, with commas")
    parser.add_argument("--point", help="one point of --cloud: 17:handled, journal-sync/3:after")
    parser.add_argument("--sample", type=int, default=1, help="every K-th point")
    parser.add_argument("--offset", type=int, default=int(time.time() // 86400), help="where the sample begins (the day)")
    parser.add_argument("--only", help="points with one of these words, e.g. handled,journal-sync")
    parser.add_argument("--only-bookings", action="store_true", help="only the requests that book machines")
    parser.add_argument("--brief", action="store_true", help="another life: `down` while the first gang boots")
    parser.add_argument("--jobs", type=int, default=4, help="lives side by side")
    parser.add_argument("--keep", action="store_true", help="keep the folder of every life")
    options = parser.parse_args()
    options.failed = []
    with Servers() as servers:
        sweep(options, servers)
    sys.exit(1 if options.failed else 0)


def sweep(options, servers):
    kills = choose(options, servers)
    began, done, missed, counts = time.monotonic(), 0, 0, {}
    with ThreadPoolExecutor(options.jobs) as pool:
        for future in as_completed([pool.submit(lambda kill: (kill, live_once(options, servers, *kill)), kill) for kill in kills]):
            (name, point, side), (life, wrong, hit) = future.result()
            done += 1
            row = counts.setdefault(name, [0, 0, 0, 0])
            row[0] += 1
            row[1] += bool(wrong)
            row[2] += not hit and not wrong
            row[3] = max(row[3], abs(life.difference))
            if wrong:
                options.failed.append(point)
                print(f"FAIL {hit or 'not reached'}: {wrong}\n     scripts/crash-sweep --clouds{' --brief' * options.brief} --cloud {name} --point {point}:{side}    kept: {life.folder}", flush=True)
            elif life.note or options.point:
                print(f"     {name} {point}:{side} {hit}: {life.note or 'fine'}, {life.seconds:.1f} s, ledger - bill = {life.difference}", flush=True)
            if done % 20 == 0:
                print(f"{done}/{len(kills)} kills, {len(options.failed)} failed, {time.monotonic() - began:.0f} s", flush=True)
    for name, (count, failed, missed, off) in sorted(counts.items()):
        print(f"{name}: {count} kills, {failed} failed, {missed} not reached; ledger and bill at most {off} micro-dollars apart")
    print(f"{done} kills in all, {len(options.failed)} failed; {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
