#!/usr/bin/env python3
"""Measures what the README promises and prints figure, value, limit and ratio. A miss is marked, not hidden, and does not change the
exit code: that is 1 only when a measurement could not be taken."""
import argparse, json, os, shutil, signal, sqlite3, statistics, subprocess, sys, tempfile, time

parser = argparse.ArgumentParser()
parser.add_argument("build")
parser.add_argument("source")
parser.add_argument("--json", action="store_true")
parser.add_argument("--only", default="")
parser.add_argument("--crowd", type=int, default=10_000, help="live workloads of one supervisor")
options = parser.parse_args()
BUILD = os.path.abspath(options.build)
BINARY = next(p for p in (f"{BUILD}/cmd/gpubroker", f"{BUILD}/gpubroker") if os.path.exists(p))
SOURCE = os.path.abspath(options.source)
BENCH, SIM = f"{BUILD}/tests/bench/gpubroker-bench", f"{BUILD}/tests/sim/gpubroker-sim"

rows, failures = [], []


def say(line):
    print(line, file=sys.stderr, flush=True)


def add(figure, value, unit, limit, how, at_least=False):
    ratio = None if not limit else value / limit
    rows.append({"figure": figure, "value": round(value, 3), "unit": unit, "limit": limit, "at_least": at_least,
                 "ratio": None if ratio is None else round(ratio, 2), "how": how,
                 "miss": limit is not None and (value < limit if at_least else value > limit)})
    say(f"    {figure}: {value:.3g} {unit}")


def tool(*words, env=None, timeout=900):
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, **(env or {})}, timeout=timeout)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words[:3])}: exit {done.returncode}: {done.stderr.strip()[-300:]}")
    return json.loads(done.stdout)


def starts(times, *words, env=None):
    found = tool(BENCH, "start", str(times), *words, env=env)
    return statistics.median(found["ms"]), statistics.median(found["cpu_ms"]), found["peak_mib"]


# --- starting ---

def start():
    rounds = {name: [] for name in ("true", "help", "version", "python")}
    peaks, cpus = {}, {}
    commands = {"true": ["/bin/true"], "help": [BINARY, "--help"], "version": [BINARY, "version"], "python": ["python3", "-c", "pass"]}
    for _ in range(8):  # in turns, so that a busy moment of the machine falls on all of them
        for name, command in commands.items():
            ms, cpu, peak = starts(10, *command)
            rounds[name].append(ms)
            cpus.setdefault(name, []).append(cpu)
            peaks[name] = max(peaks.get(name, 0), peak)
    ms = {name: statistics.median(values) for name, values in rounds.items()}
    cpu = {name: statistics.median(values) for name, values in cpus.items()}

    def floor(name):
        return (f"median of 80, fork to exit, CPU {cpu[name]:.2f} ms; /bin/true in the same run: {ms['true']:.2f} ms, CPU {cpu['true']:.2f}; "
                f"python3 -c pass: {ms['python']:.1f} ms, CPU {cpu['python']:.1f}")

    memory = f"peak resident; /bin/true {peaks['true']:.1f} MiB, python3 -c pass {peaks['python']:.1f} MiB"
    for name in ("help", "version"):
        shown = "--help" if name == "help" else "version"
        add(f"{shown}, start to exit", ms[name], "ms", 5, floor(name))
        add(f"{shown}, memory", peaks[name], "MiB", 12, memory)


def status():
    home = tempfile.mkdtemp(prefix="gpubroker-bench-")
    try:
        say("    filling a journal with 1,000 workloads")
        tool(BENCH, "crowd", "1000", "60", home + "/journal.db")
        rows_there = sqlite3.connect(home + "/journal.db").execute("SELECT count(*) FROM journal").fetchone()[0]
        ms, cpu, _ = starts(30, BINARY, "status", env={"GPUBROKER_HOME": home})
        add("status, 1,000 workloads", ms, "ms", 15, f"median of 30, start to exit, CPU {cpu:.1f} ms; {rows_there:,} rows in the journal")
    finally:
        shutil.rmtree(home, ignore_errors=True)


# --- the real binary on the local provider ---

SCENARIO = """name: bench
billing: {{unit: 1s, minimum: 1s}}
boot: 0ms
regions:
  - name: here
    instance_types:
      - {{name: c1, vcpus: 1, memory: 1GiB, slots: 200, prices: {{on_demand: 1.00, spot: 0.30}}}}
{preemptions}"""
SLEEP = "name: bench\nnum_nodes: {nodes}\nresources: {{market: [on_demand]}}\nrun: sleep {seconds}\n"


class Local:
    """One home with its supervisor; everything of it is ended at the end."""

    def __init__(self, preemptions=""):
        self.home = tempfile.mkdtemp(prefix="gpubroker-bench-")
        scenario = self.home + "/scenario.yaml"
        with open(scenario, "w") as file:
            file.write(SCENARIO.format(preemptions=preemptions))
        self.env = {**os.environ, "GPUBROKER_HOME": self.home + "/home", "GPUBROKER_SCENARIO": scenario}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pid in self.pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        shutil.rmtree(self.home, ignore_errors=True)

    def pids(self):
        """Processes of this home, by its path in their environment or arguments."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                words = open(f"/proc/{pid}/environ", "rb").read() + open(f"/proc/{pid}/cmdline", "rb").read()
            except OSError:
                continue
            if self.home.encode() in words and int(pid) != os.getpid():
                found.append(int(pid))
        return found

    def run(self, *words):
        done = subprocess.run([BINARY, *words], env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise RuntimeError(f"gpubroker {words[0]}: exit {done.returncode}: {done.stderr.strip()[-300:]}")
        return done.stdout.strip()

    def launch(self, task):
        path = self.home + "/task.yaml"
        with open(path, "w") as file:
            file.write(task)
        return self.run("launch", path, "--yes", "--detach")

    def wait(self, name, seconds=90):
        """The state once the workload is over and everything is given back."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            state = json.loads(self.run("status", name, "--json"))
            if state["final"] and state["released"]:
                return state
            time.sleep(0.1)
        raise RuntimeError(f"{name} did not end within {seconds} s: {state['phase']}: {state['reason']}")

    def journal(self, name):
        database = sqlite3.connect(self.home + "/home/journal.db")
        for at, kind, body in database.execute("SELECT at_ms, kind, body FROM journal WHERE workload = ? ORDER BY seq", (name,)):
            yield at, kind, json.loads(body)


def run_starts(local, name):
    """When the last agent of each attempt began to run the user's command, by attempt; and when the gang was there."""
    there, began = {}, {}
    for at, kind, body in local.journal(name):
        if kind == "outcome" and body["action"] == "create" and body["error"] is None:
            there[body["attempt"]] = at
        if kind == "agent" and body["report"]["run_started_at"]:
            began.setdefault(body["attempt"], {})[body["rank"]] = body["report"]["run_started_at"]
    return there, {attempt: max(ranks.values()) for attempt, ranks in began.items()}


def local():
    for nodes, times, limit in ((1, 7, 150), (64, 3, 1500)):
        found = []
        for _ in range(times):
            with Local() as here:
                name = here.launch(SLEEP.format(nodes=nodes, seconds=1))
                state = here.wait(name)
                if state["phase"] != "succeeded":
                    raise RuntimeError(f"the job did not succeed: {state['reason']}")
                there, began = run_starts(here, name)
                found.append(began[1] - there[1])
            say(f"    {nodes} nodes: {found[-1]} ms")
        add(f"node up to command running, {nodes} node{'s' * (nodes > 1)}", statistics.median(found), "ms", limit,
            f"median of {times}: answer of the booking in the journal to the last agent's run_started_at; worst {max(found)} ms")


def preempt():
    job = open(options.source + "/tests/fixtures/jobs/count.yaml").read()
    found = []
    for _ in range(3):
        with Local("preemptions:\n  - {gang: 1, after: 2s, notice: 0s, nodes: 1}\n") as here:
            name = here.launch(job)
            here.wait(name)
            taken = [b["view"]["ended_at"] for _, k, b in here.journal(name)
                     if k == "node" and b["attempt"] == 1 and b["view"]["end_reason"] == "preempted"]
            found.append(run_starts(here, name)[1][2] - min(taken))
        say(f"    without notice: {found[-1]} ms")
    add("preempted without notice to running again", statistics.median(found) / 1000, "s", 3,
        f"median of 3, 2 nodes: end of the machine to the last agent's run_started_at; worst {max(found) / 1000:.2f} s")
    lost = []
    for _ in range(3):
        with Local("preemptions:\n  - {gang: 1, after: 4s, notice: 3s}\n") as here:
            state = here.wait(here.launch(job))
            ran = [a for a in state["attempts"] if a["running_at"]]
            if len(ran) < 2 or ran[0]["end"] != "preempted":
                raise RuntimeError("the gang was not preempted")
            lost.append(ran[1]["lost_steps"])
    add("steps lost, preempted with notice", max(lost), "steps", 0, "most of 3 runs, 2 nodes, 3 s of notice")


# --- the library ---

def crowd():
    for where in ("on disk", "in memory"):
        folder = tempfile.mkdtemp(prefix="gpubroker-bench-")
        try:
            journal = folder + "/journal.db" if where == "on disk" else ":memory:"
            f = tool(BENCH, "crowd", str(options.crowd), "60", journal, timeout=1800)
            if f["running"] != options.crowd:
                raise RuntimeError(f"only {f['running']} of {options.crowd} ran")
            how = (f"{options.crowd:,} workloads of 1 node, journal {where}, {f['observations'] / 60:.0f} observations/s, "
                   f"{f['rows'] / 60:.0f} rows/s, {f['steps'] / 60:.0f} steps/s; simulated cloud and agents included")
            add(f"supervisor, CPU, journal {where}", f["cpu_share"], "cores", 1, how)
            add(f"supervisor, memory, journal {where}", f["peak_mib"], "MiB", 512, "peak resident of the same run")
            if where == "on disk":
                add("launch, accept into that journal", f["accept_ms"], "ms", None, "median of 50, synced")
                add("name that nobody has, same journal", f["find_unknown_ms"], "ms", None, "looks for the nearest name: linear in workloads")
                add("supervisor, takes over", f["restart_s"], "s", None, f"reads {options.crowd:,} live workloads and steps once")
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def gang():
    for count, limit in ((16, None), (256, 15)):
        f = tool(BENCH, "gang", str(count), "150", "16")
        add(f"all nodes up to the command running, {count} stand-in nodes", f["up_to_running_s"], "s", limit,
            f"each call of the channel takes 150 ms, as an ssh session would: {f['calls']} calls, {f['most_at_once']} at once at most")


def sim():
    runs = [tool(SIM, "--seeds", "200")["seeds_per_cpu_second"] for _ in range(5)]
    add("simulation", max(runs), "seeds/s", 200, f"200 seeds, one core, by CPU time, best of 5; the median was {statistics.median(runs):.0f}/s", at_least=True)


def journal():
    folder = tempfile.mkdtemp(prefix="gpubroker-bench-", dir=os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~"))
    try:
        f = tool(BENCH, "syncs", folder)
        limit = min(2000, f["raw_syncs_per_s"])
        which = "the disk's own rate" if limit < 2000 else "2,000"
        add("journal, synced intents", f["intents_per_s"], "/s", round(limit), at_least=True,
            how=f"one intent a sync; 16 at once: {f['intents_per_s_16_at_once']:,.0f}/s; raw fdatasync {f['raw_syncs_per_s']:,.0f}/s; limit is {which}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# --- the clouds ---

def plan():
    for offers, limit in ((57_000, 10), (1_000_000, 100)):
        f = tool(BENCH, "plan", str(offers))
        add(f"plan for H100:8 x 4, {offers:,} offers", f["ms"], "ms", limit, f"all {f['candidates']:,} fall-backs ranked, 64 refusals; median of 9")


def clouds():
    """On real sshd nodes, as root."""
    script = ("/usr/bin/python3", os.path.join(SOURCE, "tests/bench/clouds.py"), BINARY, SOURCE)
    for what, count, limit, how in (("nodes", 1, 2, "emulated Lambda"), ("nodes", 16, None, "emulated Lambda"), ("nodes", 64, 5, "emulated Lambda"),
                                    ("stand-ins", 256, 15, "emulated GCP, a program in the place of ssh that takes 300 ms")):
        f = min((tool(*script, what, str(count)) for _ in range(3)), key=lambda found: found["s"])
        add(f"sshd answers to command running, {count} {what}", f["s"], "s", limit,
            f"best of 3, {how}; {f['until_seen_s']} s until seen, {f['sending_s']} s sending, {f['starting_s']} s starting")
    f = tool(*script, "gang", "250")
    add("250 machines as one gang", f["s"], "s", f["cloud_s"] + 5, f"emulated GCP that takes {f['cloud_s']} s, one zone sold out, one answer lost")


# --- the catalog ---

CATALOG, PRICE_LIST = f"{BUILD}/tests/bench/gpubroker-bench-catalog", f"{BUILD}/tests/bench/aws_price_list_bench"


def catalog():
    for count, limit in ((57_000, 10), (1_000_000, 15)):
        home = tempfile.mkdtemp(prefix="gpubroker-bench-")
        try:
            say(f"    filling a catalog with {count:,} offers")
            f = tool(CATALOG, "fill", home + "/catalog.db", str(count), timeout=1800)
            bare = f["inserts_per_cpu_s"]
            add(f"ingest, {count:,} new offers", f["offers_per_cpu_s"], "/s", min(300_000, round(bare * 0.95)), at_least=True,
                how=f"with gate and history, by CPU time; by the wall {f['offers_per_s']:,}/s; SQLite alone writes the same rows at "
                f"{bare:,}/s, ours is {f['offers_per_cpu_s'] / bare:.2f} of that; limit: 300,000/s or 0.95 of it")
            add(f"ingest, {count:,} offers again", f["unchanged_offers_per_cpu_s"], "/s", 300_000, at_least=True, how="nothing changed, by CPU time")
            env = {"GPUBROKER_HOME": home}
            ms, cpu, peak = starts(30, BINARY, "offers", "H100:8", env=env)
            add(f"offers H100:8, {count:,} offers", ms, "ms", limit, f"median of 30, cold process, start to exit, CPU {cpu:.1f} ms")
            add(f"offers H100:8, {count:,}, memory", peak, "MiB", 12, "peak resident")
            if count == 57_000:
                ms, cpu, peak = starts(10, BINARY, "offers", "--json", "--limit", "0", env=env)
                add("offers, all 57,000 as JSON", ms, "ms", 150, f"median of 10, start to exit, CPU {cpu:.0f} ms, {peak:.0f} MiB")
        finally:
            shutil.rmtree(home, ignore_errors=True)


def prices():
    for f in tool(PRICE_LIST, "430")["files"]:
        simdjson = f["simdjson_gb_s"]
        limit = simdjson / 2 if simdjson else None
        beside = f"simdjson alone walks it at {simdjson:.2f} GB/s; limit is half of that" if simdjson else "simdjson is not installed: no limit"
        add(f"AWS price list, {f['name']}", f["ours_gb_s"], "GB/s", limit, at_least=True,
            how=f"{f['mb']:.0f} MB in true format, parsed to offers, CPU time; {beside}")
        add(f"AWS price list, {f['name']}, memory", f["peak_mib"], "MiB", 64, "peak resident of the parse")


def refresh():
    sys.argv = [sys.argv[0], BINARY, options.source]
    sys.path.insert(0, options.source + "/tests/e2e")
    from accounts import give_accounts
    from testclouds import Clouds
    home = tempfile.mkdtemp(prefix="gpubroker-bench-")
    try:
        with Clouds() as clouds:
            env = {**clouds.env, **give_accounts(home + "/user", options.source), "GPUBROKER_HOME": home}

            def ask(*words):
                began = time.monotonic()
                sources = tool(BINARY, "refresh", "--json", *words, env=env)["sources"]
                return (time.monotonic() - began) * 1000, sources

            ask()  # makes the certificates of all hosts
            clouds.scenario({"latency_ms": [50, 500], "seed": 7})
            together, sources = min((ask() for _ in range(3)), key=lambda found: found[0])
            slowest = max(sources, key=lambda source: source["took_ms"])
            alone = min(ask(slowest["source"])[0] for _ in range(3))
            requests = sum(source["requests"] for source in sources)
            add("refresh, all clouds", together / 1000, "s", round(1.15 * alone / 1000, 3),
                f"best of 3: {len(sources)} sources, {requests} requests of 50-500 ms each by their URL; limit: 1.15 x the slowest source "
                f"({slowest['source']}) asked alone, {alone / 1000:.2f} s")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def busy():
    """A wall-clock figure of a machine that does other things as well says little: shown above every table."""
    one, five, _ = os.getloadavg()
    return f"{os.cpu_count()} cores, load average {one:.1f} (1 min), {five:.1f} (5 min) before the first measurement"


MACHINE = busy()
GROUPS = [start, status, local, preempt, crowd, gang, sim, journal, plan, clouds, catalog, prices, refresh]
for group in GROUPS:
    if options.only not in group.__name__:
        continue
    say(f"measuring: {group.__name__}")
    try:
        group()
    except (RuntimeError, OSError, KeyError, ValueError, subprocess.TimeoutExpired, sqlite3.Error) as error:
        failures.append({"group": group.__name__, "error": f"{type(error).__name__}: {error}"})
        say(f"    could not be measured: {error}")

if options.json:
    print(json.dumps({"schema": 1, "machine": MACHINE, "figures": rows, "failures": failures}))
else:
    print(MACHINE)
    print(f"{'FIGURE':<46}{'VALUE':>12} {'':<8}{'LIMIT':>9}  {'RATIO':>6}        HOW")
    for row in rows:
        limit = "" if row["limit"] is None else ("≥ " if row["at_least"] else "≤ ") + f"{row['limit']:g}"
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        print(f"{row['figure']:<46}{row['value']:>12,.2f} {row['unit']:<8}{limit:>9}  {ratio:>6}  {'MISS' if row['miss'] else '':<4}  {row['how']}")
    for failure in failures:
        print(f"not measured: {failure['group']}: {failure['error']}")
sys.exit(1 if failures else 0)
