#!/usr/bin/env python3
"""A job that can be taken away at any moment: it saves every few steps and when it is asked to, and goes on from there.

gpubroker sets GPUBROKER_CHECKPOINT_DIR (restored before the start), GPUBROKER_CHECKPOINT_REQUEST (a file that appears when
the job should save) and GPUBROKER_PROGRESS (where the job may tell its step). It runs without them, too.
Exit code 75 means: saved, run me again.
"""
import argparse, json, os, signal, sys, time

RUN_AGAIN = 75
FOLDER = os.environ.get("GPUBROKER_CHECKPOINT_DIR", "ckpt")
REQUEST = os.environ.get("GPUBROKER_CHECKPOINT_REQUEST", "")
PROGRESS = os.environ.get("GPUBROKER_PROGRESS", "")

stop = False


def ask_to_stop(number, frame):
    global stop
    stop = True


def replace(path, text):
    """Whole or not at all: a reader never sees half a file."""
    with open(path + ".part", "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.rename(path + ".part", path)


def load():
    try:
        with open(os.path.join(FOLDER, "LATEST.json")) as file:
            latest = json.load(file)
    except FileNotFoundError:
        return {"step": 0, "sum": 0}
    with open(os.path.join(FOLDER, latest["file"])) as file:
        return json.load(file)


def save(state):
    os.makedirs(FOLDER, exist_ok=True)
    name = "state-%012d.json" % state["step"]
    replace(os.path.join(FOLDER, name), json.dumps(state))
    replace(os.path.join(FOLDER, "LATEST.json"), json.dumps({"file": name, "step": state["step"]}))  # from here on it counts
    for old in sorted(f for f in os.listdir(FOLDER) if f.startswith("state-") and f.endswith(".json"))[:-3]:
        os.remove(os.path.join(FOLDER, old))


def request():
    """What the broker asks for: "save" (and go on), "stop" (save and leave), or nothing."""
    if stop:
        return "stop"
    try:
        with open(REQUEST) as file:
            return file.read().strip()
    except OSError:
        return ""


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--steps", type=int, default=100)
    arguments.add_argument("--every", type=int, default=10)
    arguments.add_argument("--pause", type=float, default=0.1)
    options = arguments.parse_args()
    for number in (signal.SIGUSR1, signal.SIGTERM):
        signal.signal(number, ask_to_stop)
    state = load()
    print(json.dumps({"from": state["step"]}), flush=True)
    while state["step"] < options.steps:
        time.sleep(options.pause)  # the work
        state = {"step": state["step"] + 1, "sum": state["sum"] + state["step"] + 1}
        if PROGRESS:
            replace(PROGRESS, json.dumps({"step": state["step"]}))
        asked = request()
        if asked == "stop" or asked == "save" or state["step"] % options.every == 0:
            save(state)
        if asked == "save" and REQUEST:
            os.remove(REQUEST)  # done; the next request makes it again
        if asked == "stop":
            sys.exit(RUN_AGAIN)
        if state["step"] % options.every == 0:
            print(json.dumps(state), flush=True)
    save(state)
    print(json.dumps({"done": state["step"], "sum": state["sum"]}), flush=True)


main()
