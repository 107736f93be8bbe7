#!/usr/bin/env python3
"""The main job on the clouds: emulated clouds that answer as the real ones do, machines that are real nodes with sshd. Told as it
happens; exit 0 only when the job finished on a second cloud with the losses of an undisturbed run, the ledger is both bills, and
nothing is left."""
import json, os, re, shutil, subprocess, sys, tempfile

binary, source = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
sys.path[:0] = [os.path.join(source, "tests"), os.path.join(source, "tests/e2e")]
from testcloud import nodes  # noqa: E402

nodes.in_own_network()
import accounts, testclouds  # noqa: E402
from testcloud.clouds import aws_world  # noqa: E402

STEPS = 150
folder = tempfile.mkdtemp(prefix="gpubroker-demo-")
template = source + "/cmd/templates/ddp"
# Of AWS's spot offers the cheapest is sold out and the next is over our quota; and once it has given us machines it has no more.
MACHINES = {
    "nodes": True,
    "stock": [{"match": "aws/eu-north-1/*", "count": 0}, {"match": "aws/*/spot", "count": 0, "after_ms": 8_000}],
    "quota": [{"match": "aws/eu-west-2/*", "count": 0}],
}


def write_task(path, resources, store):
    """The template's task, asked for at clouds, saving into a bucket that both can reach."""
    text = open(template + "/train.yaml").read()
    text = re.sub(r"(?m)^resources:\n(?:  .*\n)*", resources, text)
    text = text.replace("workdir: .", f"workdir: {template}").replace("checkpoint: {", f"checkpoint: {{store: '{store}', ")
    with open(path, "w") as file:
        file.write(text + "secrets: [AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY]\n")


class Home:
    def __init__(self, name, env):
        self.home = os.path.join(folder, name)
        self.env = {**os.environ, **env, "GPUBROKER_HOME": self.home}

    def json(self, *words):
        return json.loads(subprocess.run([binary, *words, "--json"], env=self.env, capture_output=True, text=True, check=True).stdout)

    def launch(self, task, *words, on_step=lambda name, step: None):
        print(f"  $ gpubroker launch {os.path.basename(task)} {' '.join(words)}".rstrip(), flush=True)
        launch = subprocess.Popen([binary, "launch", task, "--yes", *words], env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True)
        name = None
        for line in launch.stdout:
            if line.startswith("launched: "):
                name = line.split()[1]
            match = re.search(r'"step": (\d+)', line)
            if not match:
                print("  " + line.rstrip()[:180], flush=True)
                continue
            step = int(match[1])
            if step % 10 == 0 and line.startswith("[0]"):
                print(f"  step {step} of {STEPS}", flush=True)
            on_step(name, step)
        return name, launch.wait()

    def losses(self):
        found = {}
        for at, _, files in os.walk(self.home + "/logs"):
            for file in files:
                for line in open(os.path.join(at, file)):
                    match = re.search(r' out (\{"step".*\})$', line)
                    if match:
                        told = json.loads(match[1])
                        found.setdefault(told["step"], []).append(told["loss"])
        return found


def micros(usd):
    whole, _, part = usd.partition(".")
    return int(whole) * 1_000_000 + int((part + "000000")[:6])


try:
    with testclouds.Clouds({"machines": MACHINES, "clouds": {"s3": {"buckets": {"ckpt": "us-east-1"}}}}) as clouds:
        user = os.path.join(folder, "user")
        os.makedirs(user)
        env = {**clouds.env, **{k: v for k, v in accounts.give_accounts(user, source).items() if k == "HOME"}}
        keys = {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": aws_world.KEYS["AKIATEST"], "AWS_REGION": "us-east-1"}
        ours = Home("clouds", {**env, **keys, "AWS_ENDPOINT_URL_S3": f"http://{nodes.BRIDGE}:{clouds.plain}/__host/s3.testcloud"})
        for path in (".lambda_cloud", ".oci"):
            shutil.rmtree(os.path.join(user, path))
        os.makedirs(os.path.join(folder, "task"))
        task = os.path.join(folder, "task", "train.yaml")
        write_task(task, "resources:\n  ordered:\n    - {cloud: aws, accelerators: 'H100:8', market: spot}\n"
                         "    - {cloud: gcp, accelerators: 'H100:8', market: spot}\n", "s3://ckpt/demo")
        print("A training on spot machines of two clouds; AWS announces after 30 steps that it takes one:", flush=True)
        taken = []

        def notice(name, step):
            if step >= 30 and not taken:
                machine = next(m for m in clouds.call("/__machines") if m["state"] == "running" and m["cloud"] == "aws")
                taken.append(machine["id"])
                print(f"  (AWS will take {machine['id']} in 15 s, and says so on the machine)", flush=True)
                clouds.call("/__preempt", {"id": machine["id"], "notice_ms": 15_000})

        name, code = ours.launch(task, on_step=notice)
        state = ours.json("status", name)
        print("\nThe same training, undisturbed, on this machine:", flush=True)
        calm = Home("calm", {"GPUBROKER_SCENARIO": "none"})
        _, calm_code = calm.launch(template + "/train.yaml")
        print("\nattempt  place                                             cost USD    steps    ended")
        for a in state["attempts"]:
            steps = "-" if a["last_step"] is None else f"{max(a['resumed_step'] or 0, 0)}-{a['last_step']}"
            print(f"{a['number']:<8} {a['place']:<49} {a['cost_usd']:<11} {steps:<8} {a['end']}: {a['reason'][:90]}")
        print(f"in all                                                     {state['settled_usd']}\n")
        machines = clouds.call("/__machines")
        bills = {cloud: sum(m["bill_micros"] for m in machines if m["cloud"] == cloud) for cloud in ("aws", "gcp")}
        leaks = {cloud: [left for left in all if "security group" not in left and "firewall" not in left] for cloud, all in clouds.call("/__leaks").items()}
        ran = [a for a in state["attempts"] if a["running_at"]]
        told, reference = ours.losses(), calm.losses()
        worst = max((abs(loss - reference[step][0]) for step, all in told.items() for loss in all), default=1.0)
        refused = [a for a in state["attempts"] if a["end"] == "refused"]
        checks = {
            "both runs finished": code == 0 and calm_code == 0,
            "the first choice had no stock, the second no quota": {a["reason"].split(":")[0] for a in refused} >= {"capacity", "quota"},
            "begun on AWS, taken with notice, finished on GCP": ran[0]["place"].startswith("aws/") and ran[0]["end"] == "preempted"
                                                                  and ran[-1]["place"].startswith("gcp/") and ran[-1]["end"] == "finished",
            "resumed from the bucket, no step is lost": ran[1]["lost_steps"] == 0 and ran[1]["resumed_step"] > 0,
            f"every one of the {STEPS} steps has its loss, in both": set(told) == set(reference) == set(range(1, STEPS + 1)),
            f"largest difference of a loss {worst:.1e} is at most 1e-9": worst <= 1e-9,
            f"the ledger ({micros(state['settled_usd'])} micro-dollars) is both bills ({bills['aws']} + {bills['gcp']})":
                micros(state["settled_usd"]) == sum(bills.values()) and all(bills.values()),
            "nothing is left": not any(leaks.values()) and all(m["state"] == "ended" for m in machines),
        }
        for what, holds in checks.items():
            print(("ok    " if holds else "FAIL  ") + what)
        sys.exit(0 if all(checks.values()) else 1)
finally:
    shutil.rmtree(folder, ignore_errors=True)
