#!/usr/bin/env python3
"""The real binary on the local provider: a job is preempted with and without notice, moved by command, and finishes; the ledger
equals the machines' lives, nothing is left running, and the same key launches nothing twice."""
import json, os, shutil, subprocess, sys, tempfile, time

binary, source = sys.argv[1:3]
home = tempfile.mkdtemp(prefix="gpubroker-e2e-")
env = {**os.environ, "GPUBROKER_HOME": home, "GPUBROKER_SCENARIO": source + "/tests/fixtures/scenarios/two_regions.yaml"}
job = source + "/tests/fixtures/jobs/count.yaml"


def run(*words, check=True):
    done = subprocess.run([binary, *words], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90)
    if check and done.returncode != 0:
        sys.exit(f"gpubroker {' '.join(words)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def state(name):
    return json.loads(run("status", name, "--json").stdout)


def wait(what, predicate, seconds=60):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if predicate():
            return
        time.sleep(0.05)
    log = open(home + "/supervisor.log").read()[-3000:]
    sys.exit(f"waited in vain for {what}\n{run('status', name, check=False).stdout}\n{log}")


try:
    name = run("launch", job, "--yes", "--detach", "--key", "k1", "--owner", "e2e").stdout.strip()
    again = run("launch", job, "--yes", "--detach", "--key", "k1").stdout.strip()
    assert again == name, (name, again)
    wait("the third gang to run", lambda: any(a["number"] >= 3 and a["running_at"] for a in state(name)["attempts"]))
    place = state(name)["attempts"][-1]["place"]
    other = "eu-west" if "us-east" in place else "us-east"
    run("migrate", name, "--to", "local/" + other, "--yes")
    wait("the end", lambda: state(name)["final"] and state(name)["released"])
    end = state(name)
    print(json.dumps(end, indent=1))
    assert end["phase"] == "succeeded" and end["exit"] == 0, end["reason"]
    ran = [a for a in end["attempts"] if a["running_at"]]
    ends = [a["end"] for a in ran]
    assert ends.count("preempted") == 2 and "superseded" in ends and ends[-1] == "finished", ends
    assert ran[1]["lost_steps"] == 0, "with notice no step is lost"
    assert max(a["last_step"] for a in ran) == 40
    assert all(a["resumed_step"] > 0 for a in ran[1:]), "each life goes on from a checkpoint"
    assert other in ran[-1]["place"]
    # The ledger, added up here from its own lines, is what status and report say.
    lines = run("report", "--format", "ledger-csv").stdout.strip().splitlines()[1:]
    report = json.loads(run("report", "--by", "owner", "--format", "json").stdout)
    assert report["total_usd"] == end["settled_usd"] and float(end["settled_usd"]) > 0 and lines
    assert report["rows"][0]["group"] == "e2e"
    assert "nothing to collect: 0 machines" in run("gc", "--yes").stderr
    left = subprocess.run(["pgrep", "-f", home], capture_output=True, text=True).stdout.split()
    wait("the supervisor to leave", lambda: not subprocess.run(["pgrep", "-f", home], capture_output=True).stdout, 10)
    assert run("launch", job, check=False).returncode == 2, "spending without --yes or a terminal"
    print("survived: preempted with and without notice, moved, finished")
finally:
    subprocess.run(["pkill", "-9", "-f", home])
    if sys.exc_info()[0] is None:
        shutil.rmtree(home)
