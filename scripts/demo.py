#!/usr/bin/env python3
"""The main job, told as it happens; exit 0 only when every loss equals the uninterrupted run's to 1e-9."""
import json, os, re, shutil, subprocess, sys, tempfile

binary, source = os.path.abspath(sys.argv[1]), sys.argv[2]
job = source + "/cmd/templates/ddp/train.yaml"
STEPS = 150


class Cloud:
    """One home of gpubroker with its own rehearsal cloud."""

    def __init__(self, scenario):
        self.home = tempfile.mkdtemp(prefix="gpubroker-demo-")
        self.env = {**os.environ, "GPUBROKER_HOME": self.home, "GPUBROKER_SCENARIO": scenario}

    def run(self, *words):
        print(f"  $ gpubroker {' '.join(words)}", flush=True)
        subprocess.run([binary, *words], env=self.env, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)

    def state(self, name):
        text = subprocess.run([binary, "status", name, "--json"], env=self.env, capture_output=True, text=True, check=True).stdout
        return json.loads(text)

    def train(self, on_step=lambda name, step: None):
        """Launches the job and shows what happens, a line for every tenth step. The workload's name and the exit code."""
        words = [binary, "launch", job, "--yes", "--owner", "demo"]
        print(f"  $ gpubroker launch {os.path.relpath(job, source)} --yes --owner demo", flush=True)
        launch = subprocess.Popen(words, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        name = None
        for line in launch.stdout:
            if line.startswith("launched: "):
                name = line.split()[1]
            match = re.search(r'"step": (\d+)', line)
            if not match:
                print("  " + line.rstrip(), flush=True)
                continue
            step = int(match[1])
            if step % 10 == 0:
                print(f"  step {step} of {STEPS}", flush=True)
            on_step(name, step)
        return name, launch.wait()

    def losses(self):
        """Every loss that was printed, by step: a step that is run again must give the same loss again."""
        found = {}
        for folder, _, files in os.walk(self.home + "/logs"):
            for file in files:
                for line in open(os.path.join(folder, file)):
                    match = re.search(r' out (\{"step".*\})$', line)
                    if match:
                        told = json.loads(match[1])
                        found.setdefault(told["step"], []).append(told["loss"])
        return found

    def close(self):
        subprocess.run(["pkill", "-9", "-f", self.home])
        shutil.rmtree(self.home, ignore_errors=True)


class Fate:
    """What happens to the job, each thing once, when it has come so far."""

    def __init__(self, cloud):
        self.cloud = cloud
        self.next = [(30, self.take_with_notice), (65, self.take_at_once), (105, self.move)]

    def __call__(self, name, step):
        if self.next and step >= self.next[0][0]:
            self.next.pop(0)[1](name)

    def take_with_notice(self, name):
        self.cloud.run("preempt", name, "--notice", "10s", "--yes")

    def take_at_once(self, name):
        self.cloud.run("preempt", name, "--nodes", "1", "--yes")

    def move(self, name):
        place = self.cloud.state(name)["attempts"][-1]["place"]
        self.cloud.run("migrate", name, "--yes", "--to", "local/eu-west" if "us-east" in place else "local/us-east")


def show_attempts(state):
    print("\nattempt  place                   cost USD    steps     lost  downtime  ended")
    for a in state["attempts"]:
        steps = f"{max(a['resumed_step'] or 0, 0)}-{a['last_step']}"
        lost = "-" if a["lost_steps"] is None else a["lost_steps"]
        down = "-" if a["downtime_ms"] is None else f"{a['downtime_ms'] / 1000:.1f} s"
        print(f"{a['number']:<8} {a['place']:<23} {a['cost_usd']:<11} {steps:<9} {lost!s:<5} {down:<9} {a['end']}: {a['reason']}")
    print(f"in all                           {state['settled_usd']}")


spot, calm = Cloud(source + "/tests/fixtures/scenarios/demo.yaml"), Cloud("none")
try:
    print("A training on spot machines, taken away twice and moved once:", flush=True)
    name, code = spot.train(Fate(spot))
    print("\nThe same training, undisturbed:", flush=True)
    _, calm_code = calm.train()
    state = spot.state(name)
    show_attempts(state)
    ours, reference = spot.losses(), calm.losses()
    worst = max((abs(loss - reference[step][0]) for step, told in ours.items() for loss in told), default=1.0)
    ran = [a for a in state["attempts"] if a["running_at"]]
    report = json.loads(subprocess.run([binary, "report", "--format", "json"], env=spot.env, capture_output=True, text=True).stdout)
    checks = {
        "both runs finished": code == 0 and calm_code == 0,
        "preempted twice, moved once, finished": [a["end"] for a in ran] == ["preempted", "preempted", "superseded", "finished"],
        "with notice, and when it is moved, no step is lost": ran[1]["lost_steps"] == 0 and ran[3]["lost_steps"] == 0,
        f"every one of the {STEPS} steps has its loss, in both": set(ours) == set(reference) == set(range(1, STEPS + 1)),
        f"largest difference of a loss {worst:.1e} is at most 1e-9": worst <= 1e-9,
        "the report's total is the workload's cost": report["total_usd"] == state["settled_usd"],
    }
    print()
    for what, holds in checks.items():
        print(("ok    " if holds else "FAIL  ") + what)
    sys.exit(0 if all(checks.values()) else 1)
finally:
    spot.close()
    calm.close()
