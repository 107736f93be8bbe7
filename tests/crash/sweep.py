#!/usr/bin/env python3
"""Kills the real gpubroker at every journal write and every provider call of one life of a workload: launch, preempted without
notice, resumed, preempted with notice, resumed, moved by command, ended by `down` (or finished). After each kill it does what
a user or cron would: the killed command again, `gpubroker supervise --until-idle` for a killed supervisor. Then it checks what
may never be wrong, from the cloud's own books, the job's own words and the process table."""
import argparse, csv, json, os, shutil, signal, subprocess, sys, tempfile, threading, time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from processes import TABLE, end_all

HERE = Path(__file__).resolve().parent
NODES = 2
LIMIT_S = 90  # of one run; a loaded machine is slow
# Other blows than a broker's death: a machine or an agent ends with kill -9, two supervisors start at once.
STRIKES = ("machine", "agent", "twins")
# Dying after these is dying before the next point: nothing outside of the process has changed.
ONE_SIDED = {"journal-write", "call"}


class Broken(Exception):
    """An invariant does not hold, or the run does not come to its end."""


def read_lines(path):
    try:
        return path.read_text().splitlines()
    except FileNotFoundError:
        return []


class Run:
    """One home, one life of a workload, at most one kill."""

    def __init__(self, tools, ending, point="", side=""):
        self.tools, self.ending, self.point, self.side = tools, ending, point, side
        self.folder = Path(tempfile.mkdtemp(prefix="gpubroker-crash-")).resolve()
        self.home = self.folder / "home"
        self.evidence = self.folder / "evidence"
        self.until = time.monotonic() + LIMIT_S
        self.committed = {}  # attempt -> highest step whose manifest was seen in the store
        self.start_floor = {}  # attempt -> what was committed by others before its start was first seen
        self.name = None
        self.cron = None
        self.cron_due = 0.0
        self.blocked = 0
        self.strike_at = self.strike_due = None
        self.twins = []
        if point.startswith("strike/"):
            self.strike_at = point.split("/")[1]
            # The number says when: from 0 on, a quarter of a second apart.
            self.strike_due = time.monotonic() + 0.3 + 0.25 * int(point.split("/")[2])
        self.talk = []
        self.env = {**os.environ, "GPUBROKER_HOME": str(self.home), "GPUBROKER_SCENARIO": str(HERE / "cloud.yaml"),
                    "CRASH_SECRET": "open-sesame"}
        self.armed = {**self.env, "LD_PRELOAD": tools.preload, "KILL_POINT_HOME": str(self.home),
                      "KILL_POINT_FILES": str(self.folder), "KILL_POINT_AT": point, "KILL_POINT_SIDE": side}
        (self.folder / "work").mkdir()
        shutil.copy(HERE / "job.sh", self.folder / "work/job.sh")
        (self.folder / "task.yaml").write_text(
            f"name: crash\nnum_nodes: {NODES}\nworkdir: {self.folder}/work\n"
            "resources: {market: [spot, on_demand], regions: [us-east, eu-west]}\n"
            "checkpoint: {path: ckpt, signal: SIGUSR1, grace: 2s, keep: 3}\n"
            f"envs: {{EVIDENCE: {self.evidence}}}\nsecrets: [CRASH_SECRET]\n"
            "run: exec bash job.sh\n")

    # --- commands ---

    def say(self, text):
        self.talk.append(f"{time.monotonic() - self.until + LIMIT_S:6.2f}  {text}")

    def call(self, *words, armed=False):
        done = subprocess.run([self.tools.binary, *words], env=self.armed if armed else self.env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=LIMIT_S, cwd="/")
        if armed:
            self.say(f"$ gpubroker {' '.join(words)} -> {done.returncode} {(done.stdout + done.stderr).strip()}")
        return done

    def ask(self, *words):
        """A command as the user gives it: once more when it was killed."""
        done = self.call(*words, armed=True)
        if done.returncode == -signal.SIGKILL:
            done = self.call(*words, armed=True)
        return done

    def state(self):
        done = self.call("status", self.name or "k1", "--json")
        if done.returncode != 0:
            raise Broken(f"status: exit {done.returncode} {done.stderr.strip()}")
        return json.loads(done.stdout)

    def killed(self):
        """The trace's line of the kill, or nothing."""
        return next((line for line in read_lines(self.folder / "trace") if line.endswith(" KILLED")), "")

    def tend(self):
        """Cron: a killed supervisor is started again; one that finds another at work leaves."""
        if self.cron and self.cron.poll() is not None:
            cron, self.cron = self.cron, None
            words = cron.communicate()[1]
            if cron.returncode not in (0, 7, -signal.SIGKILL):
                raise Broken(f"supervise: exit {cron.returncode} {words.strip()[-500:]}")
            others = [command for _, command in self.processes(fresh=True) if " supervise " in command + " "]
            self.blocked = self.blocked + 1 if cron.returncode == 7 and not others else 0
            if self.blocked == 3:  # once or twice the other may just have left
                raise Broken(f"a dead supervisor keeps the next from working: {words.strip()[-500:]}")
        if self.cron or time.monotonic() < self.cron_due or not self.killed().startswith("supervise/"):
            return
        self.cron_due = time.monotonic() + 0.5
        self.say("$ gpubroker supervise --until-idle")
        self.cron = subprocess.Popen([self.tools.binary, "supervise", "--until-idle"], env=self.armed, cwd="/",
                                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def strike(self):
        """The blow, once its time has come and there is something to hit."""
        if self.strike_at in (None, "twins", "done") or time.monotonic() < self.strike_due:
            return
        name = "machine.json" if self.strike_at == "machine" else "attempts/*/report.json"
        for path in sorted(self.home.glob("local/nodes/*/" + name)):
            try:
                pid = json.loads(path.read_text())["pid"]
                # A number read from a file may belong to another process by now: only one of this home is hit.
                if pid not in [mine for mine, _ in self.processes(fresh=True)]:
                    continue
                os.kill(pid, signal.SIGKILL)
            except (OSError, json.JSONDecodeError, KeyError):
                continue
            self.say(f"kill -9 {pid}, the {self.strike_at} of {path.relative_to(self.home)}")
            self.strike_at = "done"
            return

    def start_twins(self):
        for _ in range(2):
            self.twins.append(subprocess.Popen([self.tools.binary, "supervise", "--until-idle"], env=self.armed, cwd="/",
                                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def wait(self, what, predicate):
        while True:
            self.tend()
            self.strike()
            self.look()
            found = predicate()
            if found:
                return found
            if time.monotonic() > self.until:
                raise Broken(f"waited in vain for {what}")
            time.sleep(0.15)

    # --- the job's own words ---

    def look(self):
        """What is committed, and what each attempt's start may not fall behind. In this order: what is read first was there
        before what is read second."""
        for manifest in self.home.glob("checkpoints/*/manifests/*"):
            if ".tmp-" in manifest.name:
                continue
            try:
                text = json.loads(manifest.read_text().split("\nsha256:")[0])
            except (FileNotFoundError, json.JSONDecodeError):
                continue
            attempt = text["attempt"]
            self.committed[attempt] = max(self.committed.get(attempt, 0), text["step"])
        for line in read_lines(self.evidence):
            word, attempt = line.split()[:2]
            if word == "start" and int(attempt) not in self.start_floor:
                floor = max((step for number, step in self.committed.items() if number < int(attempt)), default=0)
                self.start_floor[int(attempt)] = floor

    def last_step(self, attempt):
        steps = [int(line.split()[3]) for line in read_lines(self.evidence) if line.startswith(f"step {attempt} ")]
        return max(steps, default=-1)

    # --- one life ---

    def live(self):
        words = ["launch", str(self.folder / "task.yaml"), "--yes", "--detach", "--key", "k1", "--owner", "sweep"]
        done = self.ask(*words, *(["--no-supervise"] if self.strike_at == "twins" else []))
        if done.returncode != 0:
            raise Broken(f"launch: exit {done.returncode}")
        self.name = done.stdout.strip()
        if self.strike_at == "twins":
            self.start_twins()

        def runs(attempt):
            return attempt["running_at"] and not attempt["over_at"] and self.last_step(attempt["number"]) >= 0

        def third_runs():
            state = self.state()
            last = state["attempts"][-1] if state["attempts"] else None
            return state["final"] or (last and last["number"] >= 3 and runs(last))

        self.wait("the third gang", third_runs)
        self.migrate()
        if self.ending == "finish":
            (self.folder / "evidence.end").touch()
        else:
            done = self.ask("down", self.name, "--yes")
            if done.returncode != 0:
                raise Broken(f"down: exit {done.returncode} {done.stderr.strip()}")
        self.wait("the end", lambda: (lambda s: s["final"] and s["released"])(self.state()))
        self.cron_due = float("inf")  # there is nothing left to do
        self.wait("the supervisor to leave", lambda: not self.cron and not [t for t in self.twins if t.poll() is None] and not self.processes())
        if any(twin.returncode not in (0, 7) for twin in self.twins):
            raise Broken(f"two supervisors at once left with {[twin.returncode for twin in self.twins]}")

    def migrate(self):
        asked = 0.0
        while True:
            self.tend()
            state = self.state()
            moved = [a for a in state["attempts"] if a["migration"]]
            if state["final"] or any(a["running_at"] and self.last_step(a["number"]) > (a["resumed_step"] or 0) for a in moved):
                return
            given_up = all(a["over_at"] for a in moved)
            if given_up and state["phase"] == "running" and time.monotonic() - asked > 3:
                here = state["attempts"][-1]["place"]
                to = "local/" + ("eu-west" if "us-east" in here else "us-east")
                done = self.call("migrate", self.name, "--yes", "--to", to, armed=True)
                if done.returncode == -signal.SIGKILL:
                    done = self.call("migrate", self.name, "--yes", "--to", to, armed=True)
                    if done.returncode != 0 and self.state()["phase"] in ("running", "migrating"):
                        raise Broken(f"migrate again: exit {done.returncode} {done.stderr.strip()}")
                asked = time.monotonic()
            self.wait("the move", lambda: True)
            if time.monotonic() > self.until:
                raise Broken("waited in vain for the move")
            time.sleep(0.15)

    # --- what may never be wrong ---

    def processes(self, fresh=False):
        """Every process of this home: by its environment, its command or its node's cookie."""
        mine = [str(self.folder).encode()]
        try:
            mine.append(b"GPUBROKER_LOCAL_NODE=local/" + json.loads((self.home / "local/cloud.json").read_text())["id"].encode())
        except FileNotFoundError:
            pass
        return [(pid, words.replace(b"\0", b" ").decode(errors="replace")) for pid, words, environment in TABLE.all(fresh)
                if any(one in words or one in environment for one in mine)]

    def check(self):
        wrong = []
        state = self.state()
        gc = self.call("gc", "--yes")
        if gc.returncode != 0 or "nothing to collect: 0 machines" not in gc.stderr:
            wrong.append(f"gc: {gc.stderr.strip()}")
        cloud = json.loads((self.home / "local/cloud.json").read_text())
        wrong += self.check_end(state)
        wrong += self.check_gangs(state, cloud["nodes"])
        wrong += self.check_steps(state)
        wrong += self.check_ledger(state)
        left = self.processes(fresh=True)
        if left:
            wrong.append(f"processes left: {left}")
        disks = [entry.name for entry in (self.home / "local/nodes").iterdir()]
        if disks:
            wrong.append(f"disks of machines that are gone: {disks}")
        errors = [line for line in read_lines(self.home / "supervisor.log") if line.startswith("error:")]
        if errors:
            wrong.append(f"a supervisor left with {errors}")
        loose = [p.name for p in self.home.glob("journal.db*") if p.stat().st_mode & 0o077]
        if loose:
            wrong.append(f"others may read {loose}")
        if wrong:
            raise Broken("; ".join(wrong))

    def check_end(self, state):
        wanted = "cancelled" if self.ending == "down" else "succeeded"
        wrong = [] if state["phase"] == wanted else [f"ended as {state['phase']}, not {wanted}: {state['reason']}"]
        if self.ending == "finish":
            done = [line.split()[1:3] for line in read_lines(self.evidence) if line.startswith("done ")]
            finished = [a["number"] for a in state["attempts"] if a["end"] == "finished"]
            if len(finished) != 1 or not all([str(finished[0]), str(rank)] in done for rank in range(NODES)):
                wrong.append(f"attempts {finished} finished the job, its own words: {done}")
        return wrong

    def check_gangs(self, state, nodes):
        wrong = [f"machine {n['name']} still lives" for n in nodes if n["ended_at_ms"] is None]
        attempts = {a["number"]: a for a in state["attempts"]}
        gangs = {}
        for node in nodes:
            gangs.setdefault(node["token"], []).append(node)
        numbers = [gang[0]["attempt"] for gang in gangs.values()]
        if len(set(numbers)) != len(numbers):
            wrong.append(f"an attempt has two gangs: {numbers}")
        for token, gang in gangs.items():
            if sorted(n["index"] for n in gang) != list(range(NODES)):
                wrong.append(f"gang {token} has nodes {[n['index'] for n in gang]}")
            if gang[0]["attempt"] not in attempts:
                wrong.append(f"gang {token} is of no attempt of the journal")
        ends = {gang[0]["attempt"]: max(n["ended_at_ms"] or 0 for n in gang) for gang in gangs.values()}
        for gang in gangs.values():
            number = gang[0]["attempt"]
            # A move books its target while its source runs: that pair alone may overlap.
            before = [e for n, e in ends.items() if n < number - (1 if attempts.get(number, {}).get("migration") else 0)]
            if before and max(before) > gang[0]["created_at_ms"]:
                wrong.append(f"gang of attempt {number} was made while an earlier one lived")
        return wrong

    def check_steps(self, state):
        wrong = []
        newest, at, starts = 0, {}, {}
        for line in read_lines(self.evidence):
            word, attempt, rank, step = line.split()[0], *map(int, line.split()[1:])
            if attempt < newest:
                wrong.append(f"attempt {attempt} ran beside attempt {newest}: {line}")
                break
            newest = attempt
            if word == "start":
                if (attempt, rank) in at:
                    wrong.append(f"the job was started twice: {line}")
                starts.setdefault(attempt, []).append(step)
            elif word == "step" and step != at.get((attempt, rank), -9) + 1:
                wrong.append(f"out of order: {line}")
            at[attempt, rank] = step
        committed, highest = 0, 0
        for attempt in state["attempts"]:
            number = attempt["number"]
            for step in starts.get(number, []):
                floor = max(committed, self.start_floor.get(number, 0))
                if step < floor:
                    wrong.append(f"attempt {number} began at {step}, step {floor} was committed")
                if step > highest:
                    wrong.append(f"attempt {number} began at {step}, nobody had got beyond {highest}")
            committed = max(committed, attempt["committed_step"] or 0)
            highest = max([highest] + [s for (n, _), s in at.items() if n == number])
        return wrong

    def check_ledger(self, state):
        lines = list(csv.DictReader(self.call("report", "--format", "ledger-csv").stdout.splitlines()))
        parse = lambda text: round(float(text) * 1e6)
        ledger = sorted((line["node"], parse(line["amount_usd"])) for line in lines)
        bill = subprocess.run([self.tools.bill, str(self.home)], capture_output=True, text=True, check=True).stdout
        billed = sorted((line.split(",")[0], int(line.split(",")[3])) for line in bill.splitlines())
        if ledger != billed:
            return [f"ledger {sorted(set(ledger) - set(billed))} against bill {sorted(set(billed) - set(ledger))}"]
        total = sum(amount for _, amount in billed)
        return [] if billed and parse(state["settled_usd"]) == total else [f"status says {state['settled_usd']} of {total}"]

    # --- all of it ---

    def run(self):
        """What went wrong, or an empty text."""
        wrong = ""
        try:
            self.live()
            self.check()
        except Broken as e:
            wrong = str(e)
        except Exception as e:  # a run that breaks the driver is a failure of that run, not the end of the sweep
            wrong = f"{type(e).__name__}: {e}"
        end_all(lambda: [pid for pid, _ in self.processes(fresh=True)])
        if self.cron:
            self.cron.communicate()
        for twin in self.twins:
            twin.wait()
        (self.folder / "talk").write_text("\n".join(self.talk) + "\n")
        return wrong

    def was_hit(self):
        return bool(self.killed()) or self.strike_at == "done" or bool(self.twins)

    def points(self):
        return [line.split()[0] for line in read_lines(self.folder / "trace")]


def sides_of(point):
    return ["before"] if point.split("/")[1] in ONE_SIDED else ["before", "after"]


def choose(options, tools):
    """The kills to make: (ending, point, side)."""
    if options.point:
        return [(options.ending or "down", options.point, options.side)]
    if options.strikes:
        return [("down", f"strike/{kind}/{n}", "before") for n in range(options.strikes) for kind in STRIKES]
    chosen = []
    for ending in [options.ending] if options.ending else ["down", "finish"]:
        dry = Run(tools, ending)
        wrong = dry.run()
        if wrong:
            sys.exit(f"the undisturbed run ({ending}) failed: {wrong}\nsee {dry.folder}")
        points = dry.points()
        if ending == "finish" and not options.ending:  # up to the move it is the life that ends by `down`
            points = points[max(i for i, point in enumerate(points) if point.startswith("migrate/")):]
        every = [(ending, point, side) for point in points for side in sides_of(point)]
        print(f"{ending}: {len(points)} points, {len(every)} kills", flush=True)
        shutil.rmtree(dry.folder)
        chosen += every
    if options.only:
        chosen = [kill for kill in chosen if kill[1].split("/")[1] in options.only.split(",")]
    if options.every > 1:
        # Which ones rotates from day to day, so that all are visited in time; each failure prints its own name.
        chosen = chosen[options.offset % options.every::options.every]
    if options.sample:
        stride = max(1, len(chosen) // options.sample)
        chosen = chosen[options.offset % stride::stride][:options.sample]
    return chosen[options.skip:]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--preload", required=True)
    parser.add_argument("--bill", required=True)
    parser.add_argument("--all", action="store_true", help="every point (the default)")
    parser.add_argument("--every", type=int, default=1, help="every K-th point")
    parser.add_argument("--sample", type=int, default=0, help="so many points, spread over the run")
    parser.add_argument("--strikes", type=int, default=0,
                        help="instead: end a machine or an agent with kill -9, start two supervisors at once, so many times each")
    parser.add_argument("--only", help="points of these kinds, e.g. books,journal-sync")
    parser.add_argument("--offset", type=int, default=int(time.time() // 86400), help="where every and sample begin (the day)")
    parser.add_argument("--skip", type=int, default=0, help="leave out so many at the beginning: to go on after a break")
    parser.add_argument("--jobs", type=int, default=6, help="runs side by side")
    parser.add_argument("--ending", choices=["down", "finish"], help="only this ending")
    parser.add_argument("--point", help="one point, e.g. supervise/journal-sync/12")
    parser.add_argument("--side", choices=["before", "after"], default="before")
    parser.add_argument("--keep", action="store_true", help="keep the folder of every run")
    options = parser.parse_args()
    tools = options
    kills = choose(options, tools)
    failed, missed, done = [], 0, 0
    began = time.monotonic()

    def one(kill):
        run = Run(tools, *kill)
        wrong = run.run()
        what, reached = run.killed() or kill[1], run.was_hit()
        if not wrong and not options.keep:
            shutil.rmtree(run.folder, ignore_errors=True)
        return kill, run.folder, what, reached, wrong

    with ThreadPoolExecutor(options.jobs) as pool:
        for future in as_completed([pool.submit(one, kill) for kill in kills]):
            (ending, point, side), folder, what, reached, wrong = future.result()
            done += 1
            if wrong:
                failed.append(point)
                print(f"FAIL {what} {side}: {wrong}\n"
                      f"     scripts/crash-sweep --ending {ending} --point {point} --side {side}    kept: {folder}", flush=True)
            else:
                missed += not reached
            if sys.stdout.isatty() or done % 20 == 0:
                print(f"{done}/{len(kills)} kills, {len(failed)} failed, {missed} not reached, "
                      f"{time.monotonic() - began:.0f} s", end="\r" if sys.stdout.isatty() else "\n", flush=True)
    print(f"{done} kills: {done - len(failed) - missed} survived, {missed} not reached (the run was shorter than the first), "
          f"{len(failed)} failed; {time.monotonic() - began:.0f} s")
    sys.exit(1 if failed or (missed == done and done) else 0)


if __name__ == "__main__":
    main()
