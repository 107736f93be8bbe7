"""The real binary on a home of its own, for tests: `with Home(...) as home: home.launch(...)`."""
import json, os, shutil, signal, subprocess, sys, tempfile, time

binary, source = map(os.path.abspath, sys.argv[1:3])


class Home:
    def __init__(self, scenario="none", **environment):
        self.path = tempfile.mkdtemp(prefix="gpubroker-e2e-")
        self.env = {**os.environ, "GPUBROKER_HOME": self.path + "/home", "TMPDIR": self.path, **environment}
        if scenario != "none":
            self.env["GPUBROKER_SCENARIO"] = self.write("scenario.yaml", scenario)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is not None:
            log = self.path + "/home/supervisor.log"
            print(open(log).read()[-3000:] if os.path.exists(log) else "no supervisor log", file=sys.stderr)
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.path, ignore_errors=True)

    def processes(self):
        """Every process that was started for this home, wherever it went."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                words = open(f"/proc/{pid}/environ", "rb").read() + open(f"/proc/{pid}/cmdline", "rb").read()
            except OSError:
                continue
            if self.path.encode() in words and int(pid) != os.getpid():
                found.append(int(pid))
        return found

    def write(self, name, text):
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        return path

    def run(self, *words, check=True, **more):
        done = subprocess.run([binary, *words], env={**self.env, **more}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90)
        if check and done.returncode != 0:
            raise AssertionError(f"gpubroker {' '.join(words)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def launch(self, task, *words, **more):
        """Launches a task file (its text, or its path) and returns the workload's name."""
        path = task if os.path.exists(task) else self.write(f"task-{time.monotonic_ns()}.yaml", task)
        return self.run("launch", path, "--yes", "--detach", *words, **more).stdout.strip()

    def state(self, name):
        return json.loads(self.run("status", name, "--json").stdout)

    def wait(self, what, predicate, seconds=60):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = predicate()
            if found:
                return found
            time.sleep(0.05)
        names = [line.split()[0] for line in self.run("status", check=False).stdout.splitlines()[1:]]
        states = [json.dumps(self.state(name), indent=1) for name in names[:1]]
        raise AssertionError(f"waited in vain for {what}\n" + "\n".join(states))

    def wait_for_end(self, name, seconds=20):
        def ended():
            state = self.state(name)
            return state if state["final"] and state["released"] else None

        return self.wait(f"the end of {name}", ended, seconds)
