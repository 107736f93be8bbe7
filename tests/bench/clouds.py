#!/usr/bin/env python3
"""What the broker costs on a cloud, over the emulators. Prints one line of JSON.

    clouds.py BINARY SOURCE nodes N      N real sshd nodes at Lambda: from the last machine running (its sshd answers) to the command
                                         running on all nodes, and where the time goes
    clouds.py BINARY SOURCE stand-ins N  the same with N machines at GCP that a program called ssh stands in for: each answer takes 300 ms, and
                                         nobody's processor has to be two ends of N connections
    clouds.py BINARY SOURCE gang N       N machines without sshd at GCP, of which one zone has no stock and one answer is lost: from
                                         the launch to all of them found running; beside it the cloud's own time to start them
"""
import glob, json, os, shutil, signal, sqlite3, stat, subprocess, sys, tempfile, time

source = os.path.abspath(sys.argv[2])
sys.path[:0] = [os.path.join(source, "tests"), os.path.join(source, "tests/e2e")]
from testcloud import nodes  # noqa: E402

nodes.in_own_network()
import accounts, testclouds  # noqa: E402

binary, what, count = os.path.abspath(sys.argv[1]), sys.argv[3], int(sys.argv[4])
folder = tempfile.mkdtemp(prefix="gb-bench-")


def seconds(text):
    """Of an RFC 3339 moment of today."""
    hours, minutes, rest = text.split("T")[1].rstrip("Z").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def run(env, *words, check=True):
    return subprocess.run([binary, *words], env=env, capture_output=True, text=True, timeout=300, check=check)


def launch(clouds, keep, resources):
    user = os.path.join(folder, "user")
    os.makedirs(user)
    given = accounts.give_accounts(user, source)
    for path in (".aws", ".config", ".lambda_cloud", ".oci"):
        if path != keep:
            shutil.rmtree(os.path.join(user, path), ignore_errors=True)
    env = {**os.environ, **clouds.env, "HOME": given["HOME"], "GPUBROKER_HOME": os.path.join(folder, "home")}
    task = os.path.join(folder, "t.yaml")
    with open(task, "w") as file:
        file.write(f"name: bench\nnum_nodes: {count}\nresources: {resources}\nrun: sleep 600\n")
    run(env, "refresh", keep.strip(".").split("_")[0].replace("config", "gcp"))
    began = time.time()
    run(env, "launch", task, "--yes", "--detach")
    return env, began


def wait(env, phase):
    while True:
        state = json.loads(run(env, "status", "bench", "--json").stdout)
        if state["phase"] == phase:
            return state, time.time()
        if state["final"]:
            raise SystemExit(run(env, "status", "bench", "--attempts").stdout)
        time.sleep(0.05)


def tell(env, clouds):
    """From the last machine running to the command running on all of them; where the time went, by the journal's clock."""
    state, _ = wait(env, "running")
    attempt = state["attempts"][-1]
    up = max(m["billed_from_ms"] for m in clouds.call("/__machines")) / 1000 % 86_400
    ready, running = seconds(attempt["ready_at"]), seconds(attempt["running_at"])
    journal = sqlite3.connect(f"file:{env['GPUBROKER_HOME']}/journal.db?mode=ro", uri=True)
    rows = journal.execute("SELECT at_ms, body FROM journal WHERE kind = 'outcome' AND workload = ?", (state["id"],)).fetchall()
    sent = max(at for at, body in rows if json.loads(body)["action"].startswith("start/")) / 1000 % 86_400
    print(json.dumps({"nodes": count, "s": round(running - up, 2), "until_seen_s": round(ready - up, 2), "sending_s": round(sent - ready, 2),
                      "starting_s": round(running - sent, 2)}))
    run(env, "down", "bench", "--yes", "--no-wait")


def measure_nodes():
    with testclouds.Clouds({"machines": {"nodes": True}}) as clouds:
        env, _ = launch(clouds, ".lambda_cloud", "{cloud: lambda, accelerators: 'H100:8'}")
        tell(env, clouds)


def a_report():
    """What an agent says of a job that runs."""
    env = {**os.environ, "GPUBROKER_HOME": os.path.join(folder, "local"), "GPUBROKER_SCENARIO": "none"}
    run(env, "launch", "--run", "sleep 600", "--yes", "--detach")
    while True:
        for path in glob.glob(env["GPUBROKER_HOME"] + "/local/nodes/*/attempts/1/report.json"):
            with open(path) as file:
                text = file.read()
            if json.loads(text)["phase"] == "running":
                run(env, "down", "run", "--yes")
                return text
        time.sleep(0.05)


def measure_stand_ins():
    with open(os.path.join(folder, "report"), "w") as file:
        file.write(a_report())
    program = os.path.join(folder, "bin/ssh")
    os.makedirs(os.path.dirname(program))
    with open(program, "w") as file:
        # A start brings the spec, the first file of its archive: it says whose report is to be shown.
        file.write(f"""#!/bin/sh
for word; do host=$command; command=$word; done
sleep 0.3
case $command in
*report.json*) exec cat {folder}/bin/$host ;;
*tar*) tar -xO 0 | sed -n 's/.*"attempt":\\([0-9]*\\).*"rank":\\([0-9]*\\).*/s,"attempt":1,"attempt":\\1,; s,"rank":0,"rank":\\2,/p' |
  sed -f - {folder}/report > {folder}/bin/$host ;;
esac
""")
    os.chmod(program, stat.S_IRWXU)
    os.environ["PATH"] = os.path.dirname(program) + ":" + os.environ["PATH"]
    with testclouds.Clouds({}) as clouds:
        env, _ = launch(clouds, ".config", "{cloud: gcp, accelerators: 'H100:8', market: on_demand}")
        tell(env, clouds)


def measure_gang():
    boot = 2.0
    machines = {"boot_ms": boot * 1000, "stock": [{"match": "gcp/us-central1/us-central1-a/*", "count": 0}]}
    faults = [{"host": "compute.googleapis.com", "path": "/instances/bulkInsert", "lose": True, "times": 1, "after": 1}]
    with testclouds.Clouds({"machines": machines, "faults": faults}) as clouds:
        env, began = launch(clouds, ".config", "{cloud: gcp, accelerators: 'H100:8', market: on_demand}")
        state, done = wait(env, "starting")
        all_machines = clouds.call("/__machines")
        living = [m for m in all_machines if m["state"] != "ended"]
        assert len(living) == count and len(state["attempts"][-1]["nodes"]) == count, (len(living), len(all_machines))
        print(json.dumps({"machines": count, "s": round(done - began, 2), "cloud_s": boot, "attempts": len(state["attempts"])}))
        run(env, "down", "bench", "--yes", "--no-wait")


try:
    {"nodes": measure_nodes, "stand-ins": measure_stand_ins, "gang": measure_gang}[what]()
finally:
    if os.getpid() == 1:  # of a PID namespace of our own: a supervisor that still writes would put the folder back
        os.kill(-1, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)
