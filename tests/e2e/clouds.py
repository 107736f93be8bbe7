#!/usr/bin/env python3
"""Jobs on emulated clouds whose machines are real nodes with sshd, by the real binary.

    clouds.py BINARY SOURCE [TEST …]      needs root and namespaces; 77 without"""
import asyncio, json, os, re, shutil, signal, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from testcloud import nodes  # noqa: E402

nodes.in_own_network()
import accounts, testclouds  # noqa: E402

binary, source = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
root = tempfile.mkdtemp(prefix="gb-clouds-")
# What is launched at each, and whether the cloud tells times (then the ledger is the bill to the micro-dollar).
CLOUDS = {
    "aws": ("{cloud: aws, region: us-east-1, accelerators: 'H100:8'}", True),
    "azure": ("{cloud: azure, accelerators: 'H100:8'}", True),
    "coreweave": ("{cloud: coreweave, accelerators: 'H100:8'}", False),
    "gcp": ("{cloud: gcp, accelerators: 'H100:8'}", True),
    "lambda": ("{cloud: lambda, accelerators: 'H100:8'}", False),
    "nebius": ("{cloud: nebius, accelerators: 'H100:8'}", True),
    "runpod": ("{cloud: runpod, accelerators: 'H100:8'}", False),
    "vast": ("{cloud: vast, accelerators: 'H100:8', max_price: 30}", False),
}
TICK = "n=0; while [ $n -lt 600 ]; do n=$((n+1)); echo tick $n; sleep 0.1; done"


def until(what, predicate, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = predicate()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {what}")


class Laptop:
    """A home with accounts at the clouds that are named, and gpubroker on it."""

    def __init__(self, clouds, name, only=None):
        self.folder = os.path.join(root, name)
        self.user = os.path.join(self.folder, "user")
        os.makedirs(os.path.join(self.user, ".ssh"), mode=0o700)
        all_accounts = accounts.give_accounts(self.user, source)
        self.env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "GPUBROKER_SCENARIO")}
        self.env |= {**clouds.env, **all_accounts, "GPUBROKER_HOME": os.path.join(self.folder, "home")}
        self.home, self.clouds = self.env["GPUBROKER_HOME"], clouds
        if only is not None:
            self.keep_accounts(only)

    def keep_accounts(self, only):
        files = {"aws": ".aws", "gcp": ".config/gcloud", "lambda": ".lambda_cloud", "oci": ".oci"}
        for cloud, path in files.items():
            if cloud not in only:
                shutil.rmtree(os.path.join(self.user, path), ignore_errors=True)
        for name in list(self.env):
            cloud = name.split("_")[0].lower()
            if cloud in ("azure", "runpod", "vast", "nebius", "coreweave", "crusoe", "lambda") and cloud not in only:
                del self.env[name]

    def run(self, *words, rc=0, seconds=120, text=""):
        done = subprocess.run([binary, *words], env=self.env, cwd=self.folder, input=text, capture_output=True, text=True, timeout=seconds)
        assert rc is None or done.returncode == rc, f"{' '.join(words)}: exit {done.returncode}, not {rc}\n{done.stdout}\n{done.stderr}\n{self.supervisor_log()}"
        return done

    def json(self, *words, rc=0):
        return json.loads(self.run(*words, "--json", rc=rc).stdout)

    def task(self, name, text):
        path = os.path.join(self.folder, name + ".yaml")
        with open(path, "w") as file:
            file.write(f"name: {name}\n{text}")
        return path

    def launch(self, task, *words):
        return self.run("launch", task, "--yes", "--detach", *words).stdout.strip()

    def wait_for(self, name, *phases, seconds=60):
        try:
            return until(f"{name} to be {phases}", lambda: (s := self.json("status", name)) and s["phase"] in phases and s, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.run('status', name, '--attempts').stdout}\n{self.supervisor_log()}")

    def supervisor_log(self):
        try:
            return open(os.path.join(self.home, "supervisor.log")).read()[-3000:]
        except FileNotFoundError:
            return ""

    def end_supervisor(self):
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                words = open(f"/proc/{pid}/cmdline").read().split("\0")
                if "supervise" in words and f"GPUBROKER_HOME={self.home}" in open(f"/proc/{pid}/environ").read():
                    os.kill(int(pid), signal.SIGKILL)
            except (OSError, FileNotFoundError):
                pass


def living(clouds):
    return [m for m in clouds.call("/__machines") if m["state"] != "ended"]


def nothing_left(clouds, shared=()):
    until("all machines to be ended", lambda: not living(clouds))
    leaks = {c: [left for left in all if not any(word in left for word in shared)] for c, all in clouds.call("/__leaks").items()}
    assert not any(leaks.values()), leaks


def micros(usd):
    whole, _, part = usd.partition(".")
    return int(whole) * 1_000_000 + int((part + "000000")[:6])


# --- the tests ---

def jobs():
    """Two nodes at each cloud: the job runs, its output comes, its bill is the ledger's, nothing is left."""
    for cloud, (resources, tells_times) in CLOUDS.items():
        with testclouds.Clouds({"machines": {"nodes": True}}) as clouds:
            laptop = Laptop(clouds, f"job-{cloud}", only=[cloud])
            task = laptop.task("pair", f"num_nodes: 2\nresources: {resources}\nrun: |\n  echo rank $GPUBROKER_NODE_RANK of $GPUBROKER_NUM_NODES; sleep 1.2\n")
            began = time.monotonic()
            done = laptop.run("launch", task, "--yes")
            took = time.monotonic() - began
            assert sorted(line for line in done.stdout.splitlines() if "rank" in line) == ["[0] rank 0 of 2", "[1] rank 1 of 2"], done.stdout
            state = laptop.json("status", "pair")
            machines = clouds.call("/__machines")
            assert len(machines) == 2 and all(m["tags"] or True for m in machines)
            nothing_left(clouds, shared=("security group", "firewall"))
            bill = sum(m["bill_micros"] for m in clouds.call("/__machines"))
            cost = micros(laptop.json("status", "pair")["settled_usd"])
            slack = 0 if tells_times else 2 * max(m["bill_micros"] for m in machines)
            assert abs(cost - bill) <= slack, f"{cloud}: ledger {cost}, bill {bill}"
            print(f"      {cloud}: {took:.1f} s, bill {bill} micro-dollars, ledger {cost}")
            assert state["phase"] == "succeeded"


def ssh():
    """A shell on any node by `gpubroker ssh` and by plain ssh; gone with the workload."""
    with testclouds.Clouds({"machines": {"nodes": True}}) as clouds:
        laptop = Laptop(clouds, "ssh", only=["lambda"])
        name = laptop.launch(laptop.task("shell", f"num_nodes: 2\nresources: {CLOUDS['lambda'][0]}\nrun: {TICK}\n"))
        laptop.wait_for(name, "running")
        for rank in (0, 1):
            host = laptop.run("ssh", name, "--node", str(rank), "--", "hostname").stdout.strip()
            plain = subprocess.run(["ssh", "-F", os.path.join(laptop.home, "ssh_config"), f"{name}-{rank}", "hostname"], capture_output=True, text=True)
            assert host.startswith("ip-198-18-") and plain.stdout.strip() == host, (host, plain)
        assert laptop.run("ssh", name, "--", "exit 3", rc=3)
        assert "Include" in open(os.path.join(laptop.user, ".ssh/config")).read()
        laptop.run("ssh", name, "--node", "7", rc=2)
        until("both ranks' output", lambda: {"[0]", "[1]"} <= {line.split(" ")[0] for line in laptop.run("logs", name, "--tail", "2").stdout.splitlines()})
        found = laptop.json("status", "--discover")
        assert len(found["machines"]) == 2 and all(m["wanted"] for m in found["machines"]), found
        laptop.run("down", name, "--yes")
        nothing_left(clouds)
        until("the names to be gone", lambda: name not in open(os.path.join(laptop.home, "ssh_config")).read())
        assert not os.path.exists(os.path.join(laptop.home, "keys", name))
        assert not [f for f in os.listdir(os.path.join(laptop.home, "ssh")) if f.endswith(".keys")]


def failover():
    """First choice without stock, second over quota: another is taken and said why; the next launch remembers."""
    machines = {"nodes": True, "stock": [{"match": "lambda/us-east-1/*", "count": 0}], "quota": [{"match": "lambda/us-west-3/*", "count": 0}]}
    with testclouds.Clouds({"machines": machines}) as clouds:
        laptop = Laptop(clouds, "failover", only=["lambda", "gcp"])
        task = laptop.task("seek", "resources: {accelerators: 'H100:8', market: on_demand}\nrun: echo done\n")
        laptop.run("launch", task, "--yes")
        first = laptop.json("status", "seek")
        ends = [(a["place"].split("/")[0], a["end"]) for a in first["attempts"]]
        assert ends[:2] == [("lambda", "refused")] * 2 and ends[-1] == ("gcp", "finished"), first["attempts"]
        said = laptop.run("status", first["id"], "--attempts").stdout
        assert "insufficient-capacity" in said and "quota-exceeded" in said, said
        laptop.run("launch", laptop.task("again", "resources: {accelerators: 'H100:8', market: on_demand}\nrun: echo done\n"), "--yes")
        second = laptop.json("status", "again")
        tries = [a["place"] for a in second["attempts"]]
        # Refused for quota a moment ago: asked again only after what costs less than four times as much.
        assert not any(place.startswith("lambda/us-west-3") for place in tries) and len(tries) < len(ends), tries
        nothing_left(clouds, shared=("firewall",))


def wrong_host_key():
    """A machine that shows another host key than it was made with is not trusted: it is given back."""
    faults = [{"match": "*", "times": 1, "what": "wrong-host-key"}]
    with testclouds.Clouds({"machines": {"nodes": True, "boot_faults": faults}}) as clouds:
        laptop = Laptop(clouds, "host-key", only=["lambda"])
        laptop.run("launch", laptop.task("wary", f"resources: {CLOUDS['lambda'][0]}\nrun: echo fine\n"), "--yes")
        attempts = laptop.json("status", "wary")["attempts"]
        assert len(attempts) == 2 and "host key" in attempts[0]["reason"].lower(), attempts
        nothing_left(clouds)


def lost_laptop():
    """Nobody supervises any more: another laptop of the same account finds all and ends it."""
    with testclouds.Clouds({"machines": {"nodes": True}}) as clouds:
        laptop = Laptop(clouds, "lost", only=["lambda", "gcp"])
        for cloud in ("lambda", "gcp"):
            laptop.wait_for(laptop.launch(laptop.task(f"left-{cloud}", f"resources: {CLOUDS[cloud][0]}\nrun: {TICK}\n")), "running")
        laptop.end_supervisor()
        other = Laptop(clouds, "found", only=["lambda", "gcp"])
        found = other.json("status", "--discover")
        assert len(found["machines"]) == 2 and not any(m["wanted"] or m["known"] for m in found["machines"]), found
        assert "nothing" not in other.run("gc", "--dry-run").stderr
        assert len(living(clouds)) == 2
        other.run("gc", "--yes")
        nothing_left(clouds)
        assert "nothing to collect" in other.run("gc", "--yes").stderr


def death_date():
    """A machine that nobody looks after powers itself off at its date (where that ends it), a minute being a second here."""
    with testclouds.Clouds({"machines": {"nodes": True, "minute_s": 1}}) as clouds:
        laptop = Laptop(clouds, "death", only=["aws"])
        name = laptop.launch(laptop.task("forgotten", f"ttl: 8m\nresources: {CLOUDS['aws'][0]}\nrun: {TICK}\n"))
        laptop.wait_for(name, "running")
        laptop.end_supervisor()
        until("the machine to end itself", lambda: not living(clouds), 20)
    # By an account of the pods' that may end their own node pool and nothing else: all that belonged to it goes as well.
    with testclouds.Clouds({"machines": {"nodes": True}}) as clouds:
        laptop = Laptop(clouds, "death-pods", only=["coreweave"])
        name = laptop.launch(laptop.task("forgotten", f"num_nodes: 2\nttl: 15s\nresources: {CLOUDS['coreweave'][0]}\nrun: {TICK}\n"))
        laptop.wait_for(name, "running")
        laptop.end_supervisor()
        nothing_left(clouds)
        assert {m["end_reason"] for m in clouds.call("/__machines")} == {"user"}


def claimed():
    """The claims that processes run for, on all nodes."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            found |= set(re.findall(r"GPUBROKER_SSH_CLAIM=([^\0]+)", open(f"/proc/{pid}/environ").read()))
        except OSError:
            pass
    return found


def only_what_is_new(laptop, resources, kept):
    """A workdir that is launched again: what has changed is sent, what is gone is gone."""
    work = os.path.join(laptop.folder, "work")
    os.makedirs(work)

    def write(name):
        with open(os.path.join(work, name), "wb") as file:
            file.write(os.urandom(200_000))

    def sees():
        task = laptop.task("look", f"{resources}\nworkdir: {work}\nrun: cat data* | sha256sum | cut -c1-64\n")
        events = [json.loads(line) for line in laptop.run("launch", task, "--yes", "--json").stdout.splitlines()]
        assert {event["nodes"] for event in events if event["event"] == "starting"} == {2}, events
        said = {event["text"] for event in events if event["event"] == "output"}
        here = subprocess.run("cat data* | sha256sum | cut -c1-64", shell=True, cwd=work, capture_output=True, text=True).stdout.strip()
        assert said == {here}, (said, here)
        return [len(os.listdir(folder)) for folder in kept]

    for i in range(40):
        write(f"data{i}")
    before = sees()
    write("data7")
    os.remove(os.path.join(work, "data30"))
    after = sees()
    assert all(count > 10 for count in before) and all(1 <= a - b <= 9 for a, b in zip(after, before)), (before, after)
    print(f"      {before} pieces, {after} after a change")


def own_machines():
    """Two machines of one's own, one by its address and one by its name in ~/.ssh/config: a job on both, no room meanwhile, free again after."""
    loop = asyncio.new_event_loop()
    with testclouds.Clouds() as clouds:
        laptop = Laptop(clouds, "own", only=[])
        key = os.path.join(laptop.user, ".ssh/lab")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        lab = nodes.Nodes(os.path.join(root, "lab"))
        os.makedirs("/root/.ssh", exist_ok=True)  # ssh asks the user database, not $HOME; the mount is this test's own
        subprocess.run(["mount", "--bind", os.path.join(laptop.user, ".ssh"), "/root/.ssh"], check=True)
        try:
            public = [open(key + ".pub").read()]
            first = lab.make("198.18.9.1", 22, public, "", "root", {})
            second = lab.make("198.18.9.2", 2222, public, "", "ubuntu", {})
            for node in (first, second):
                loop.run_until_complete(node.start())
            with open(os.path.join(laptop.user, ".ssh/config"), "w") as file:
                file.write(f"Host box2\n  HostName 198.18.9.2\n  Port 2222\n  User ubuntu\n  IdentityFile {key}\n")
            os.makedirs(laptop.home, exist_ok=True)
            with open(os.path.join(laptop.home, "machines.yaml"), "w") as file:
                file.write(f"machines:\n- {{name: box1, host: 198.18.9.1, user: root, identity: {key}, host_key: {first.host_key}, gpus: 'H100:8', price: 3.60}}\n"
                           "- {name: box2, gpus: 'H100:8', price: 7.20}\n")
            resources = "num_nodes: 2\nresources: {cloud: ssh, accelerators: 'H100:8'}"
            done = laptop.run("launch", laptop.task("pair", f"{resources}\nrun: echo rank $GPUBROKER_NODE_RANK sees $(echo $GPUBROKER_NODE_IPS)\n"), "--yes")
            said = sorted(line for line in done.stdout.splitlines() if "rank" in line)
            assert said == [f"[{rank}] rank {rank} sees 198.18.9.1 198.18.9.2" for rank in (0, 1)], done.stdout
            only_what_is_new(laptop, resources, [first.folder / "up/root/.gpubroker/pieces", second.folder / "up/home/ubuntu/.gpubroker/pieces"])
            long = laptop.launch(laptop.task("long", f"{resources}\nrun: {TICK}\n"))
            laptop.wait_for(long, "running")
            assert laptop.run("ssh", long, "--node", "1", "--", "id -un").stdout.strip() == "ubuntu"
            late = laptop.task("late", f"{resources}\nrun: echo late\n")
            refused = laptop.run("launch", late, "--yes", "--detach", rc=5)
            assert "0 of 2 free" in refused.stderr, refused.stderr
            patient = laptop.launch(late, "--retry-until-up")
            time.sleep(2)
            assert laptop.json("status", patient)["phase"] not in ("running", "succeeded") and claimed() == {f"gb-{long}-a1"}, (patient, claimed())
            laptop.run("down", long, "--yes")
            until("the job's processes to be gone", lambda: f"gb-{long}-a1" not in claimed(), 10)
            laptop.wait_for(patient, "succeeded")
            found = until("all to be free", lambda: not (f := laptop.json("status", "--discover"))["machines"] and f)
            assert not claimed(), (found, claimed())
            cost = micros(laptop.json("status", long)["settled_usd"])  # the first job may be over within a second
            assert cost > 0 and cost % 1000 == 0, cost  # 3.60 and 7.20 an hour, by the second
        finally:
            lab.close()
            subprocess.run(["umount", "-l", "/root/.ssh"])
            loop.close()


tests = [jobs, own_machines, ssh, failover, wrong_host_key, lost_laptop, death_date]
try:
    for test in tests:
        if len(sys.argv) > 3 and test.__name__ not in sys.argv[3:]:
            continue
        began = time.monotonic()
        print(f"... {test.__name__}: {test.__doc__}", flush=True)
        test()
        print(f"ok  {test.__name__} ({time.monotonic() - began:.1f} s)", flush=True)
finally:
    shutil.rmtree(root, ignore_errors=True)
