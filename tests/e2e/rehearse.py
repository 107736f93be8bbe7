#!/usr/bin/env python3
"""`gpubroker rehearse` tells a job that resumes from one that does not, each in its own way, and leaves nothing behind."""
import json, os, shutil, subprocess, sys, tempfile

binary, source = sys.argv[1:3]
home = tempfile.mkdtemp(prefix="gpubroker-rehearse-")
env = {**os.environ, "GPUBROKER_HOME": home + "/state"}

LOOP = """
  mkdir -p "$GPUBROKER_CHECKPOINT_DIR" && cd "$GPUBROKER_CHECKPOINT_DIR"
  %(trap)s
  step=0
  %(load)s
  while [ "$step" -lt 400 ]; do
    sleep 0.1; step=$((step + 1)); echo "{\\"step\\": $step}"
    if [ $((step %% %(every)s)) = 0 ]; then
      echo "$step" > state
      echo "{\\"step\\": $step, \\"files\\": [\\"state\\"]}" > .LATEST && mv .LATEST LATEST.json
    fi
  done
"""
LOAD = "step=$(cat state 2>/dev/null || echo 0)"
JOBS = {
    # Saves, and does not read what it saved.
    "deaf": ("checkpoint: {path: ckpt, signal: SIGUSR1, grace: 1s}", {"trap": "trap : USR1", "load": ":", "every": 1}),
    # Keeps no checkpoint that the broker could know of.
    "forgetful": ("", {"trap": ":", "load": ":", "every": 1000}),
    # Saves now and then, and takes no notice of a notice.
    "stubborn": ("checkpoint: {path: ckpt, signal: SIGUSR1, grace: 1s}", {"trap": "trap : USR1", "load": LOAD, "every": 10}),
}


def rehearse(file, *words):
    done = subprocess.run([binary, "rehearse", file, "--json", *words], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    return done, json.loads(done.stdout) if done.stdout.startswith("{") else {}


def check(holds, done):
    if not holds:
        sys.exit(f"not so:\n{done.stdout}\n{done.stderr}")


try:
    done, told = rehearse(source + "/tests/fixtures/jobs/count.yaml", "--preempt-every", "500ms")
    check(done.returncode == 0 and told["resumes_right"] and told["problems"] == [], done)
    check([i["with_notice"] for i in told["interruptions"]] == [True, False], done)
    check(told["interruptions"][0]["lost_steps"] == 0 and told["interruptions"][0]["resumed_step"] >= 1, done)
    check(all(i["resumed_step"] is not None and i["to_first_step_ms"] > 0 for i in told["interruptions"]), done)
    check(told["commit_ms"] is not None and told["step_ms"] >= 100, done)
    left = [os.path.join(folder, name) for folder, _, names in os.walk(home + "/state/rehearsals") for name in names]
    check(not os.listdir(home + "/state/rehearsals"), subprocess.CompletedProcess([], 0, f"left behind: {left}", done.stderr))

    expected = {"deaf": "began at step 1", "forgetful": "no `checkpoint:`", "stubborn": "had notice and lost"}
    for name, (checkpoint, parts) in JOBS.items():
        path = f"{home}/{name}.yaml"
        with open(path, "w") as file:
            file.write(f"name: {name}\nnum_nodes: 2\n{checkpoint}\nrun: |\n{LOOP % parts}")
        # Past the tenth step, so that the stubborn one has a checkpoint and steps beyond it.
        done, told = rehearse(path, "--preempt-every", "1500ms", "--notice", "2s", "--interruptions", "1")
        check(done.returncode == 1 and not told["resumes_right"], done)
        check(any(expected[name] in problem for problem in told["problems"]), done)

    done, _ = rehearse(source + "/tests/fixtures/jobs/count.yaml", "--preempt-every", "5m", "--interruptions", "1")
    check(done.returncode == 2 and "before the first interruption" in done.stderr, done)
    left = subprocess.run(["pgrep", "-af", home], capture_output=True, text=True).stdout
    left = [line for line in left.splitlines() if "supervise" not in line and "rehearse.py" not in line]
    check(not left, subprocess.CompletedProcess([], 0, "\n".join(left), "processes left behind"))
    print("rehearsed: one job resumes right, three do not, and each is told why")
finally:
    subprocess.run(["pkill", "-9", "-f", home + "/"])
    shutil.rmtree(home, ignore_errors=True)
