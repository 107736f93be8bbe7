#!/usr/bin/env python3
"""The main job, told as it happens; exit 0 only when every loss equals the uninterrupted run's to 1e-9."""
import json, os, re, shutil, subprocess, sys, tempfile, threading, time

binary, source = os.path.abspath(sys.argv[1]), sys.argv[2]
job = source + "/cmd/templates/ddp/train.yaml"


def environment(home, scenario):
    return {**os.environ, "GPUBROKER_HOME": home, "GPUBROKER_SCENARIO": scenario, "HOME": os.environ.get("HOME", "/root")}


def losses(home):
    """Loss by step; a step run again must give the same loss again."""
    found = {}
    for folder, _, files in os.walk(home + "/logs"):
        for name in files:
            if not name.endswith("-0.log"):
                continue
            for line in open(os.path.join(folder, name)):
                match = re.search(r' out (\{"step".*\})$', line)
                if match:
                    step = json.loads(match[1])
                    found.setdefault(step["step"], []).append(step["loss"])
    return found


def launch(home, scenario, during=None):
    env = environment(home, scenario)
    run = subprocess.Popen([binary, "launch", job, "--yes", "--owner", "demo"], env=env, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    steps = 0
    for line in run.stdout:
        match = re.search(r'"step": (\d+)', line)
        if not match:
            print("  " + line.rstrip(), flush=True)
        elif int(match[1]) >= steps + 10:
            steps = int(match[1])
            print(f"  step {steps}", flush=True)
        if during:
            during(env)
    return run.wait(), env


def status(env):
    rows = json.loads(subprocess.run([binary, "status", "--json"], env=env, capture_output=True, text=True).stdout)["workloads"]
    if not rows:
        return None
    text = subprocess.run([binary, "status", rows[0]["id"], "--json"], env=env, capture_output=True, text=True).stdout
    return json.loads(text)


moved = False


def move_third(env):
    """Once the third gang has run for five seconds: move it."""
    global moved
    state = status(env) if not moved else None
    if not state or len(state["attempts"]) < 3 or state["phase"] != "running":
        return
    attempt = state["attempts"][-1]
    began = time.mktime(time.strptime(attempt["running_at"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
    if time.time() - began < 3:
        return
    moved = True
    to = "local/eu-west" if "us-east" in attempt["place"] else "local/us-east"
    print(f"  $ gpubroker migrate {state['id']} --to {to}", flush=True)
    subprocess.run([binary, "migrate", state["id"], "--to", to, "--yes"], env=env, stderr=subprocess.DEVNULL, check=True)


home, calm = tempfile.mkdtemp(prefix="gpubroker-demo-"), tempfile.mkdtemp(prefix="gpubroker-calm-")
try:
    print("A training on spot machines, taken away twice and moved once:", flush=True)
    code, env = launch(home, source + "/tests/fixtures/scenarios/demo.yaml", move_third)
    state = status(env)
    print("\nThe same training, undisturbed:", flush=True)
    calm_code, _ = launch(calm, "none")
    print("\nattempt  place                      cost        steps      lost  downtime  ended")
    for a in state["attempts"]:
        steps = f"{max(a['resumed_step'] or 0, 0)}-{a['last_step']}"
        lost = "" if a["lost_steps"] is None else a["lost_steps"]
        down = "" if a["downtime_ms"] is None else f"{a['downtime_ms'] / 1000:.1f} s"
        print(f"{a['number']:<8} {a['place']:<26} {a['cost_usd']:<11} {steps:<10} {lost!s:<5} {down:<9} {a['end']}: {a['reason']}")
    print(f"in all: {state['settled_usd']} USD")
    ours, reference = losses(home), losses(calm)
    worst = max((abs(loss - reference[step][0]) for step, all_ in ours.items() for loss in all_), default=1.0)
    ends = [a["end"] for a in state["attempts"]]
    checks = {
        "both runs finished": code == 0 and calm_code == 0,
        "preempted twice, moved once": ends.count("preempted") == 2 and "superseded" in ends,
        f"every one of {len(reference)} steps has its loss": set(ours) == set(reference) and len(reference) == 150,
        f"largest difference of a loss {worst:.1e} is at most 1e-9": worst <= 1e-9,
    }
    for what, holds in checks.items():
        print(("ok    " if holds else "FAIL  ") + what)
    sys.exit(0 if all(checks.values()) else 1)
finally:
    for folder in (home, calm):
        subprocess.run(["pkill", "-9", "-f", folder])
        shutil.rmtree(folder, ignore_errors=True)
