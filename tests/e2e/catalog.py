"""refresh, offers, history, gpus and check: the real binary against every emulated cloud, over TLS, with faults."""
import json, os, re, socket, subprocess, sys, threading, time

from accounts import SECRETS, give_accounts
from real import Home, binary, source
from testclouds import Clouds

KEYS = {"LAMBDA_API_KEY": "lambda-test-key"}
# Nothing of whoever runs the test is looked at.
for name in list(os.environ):
    if re.match(r"(AWS|AZURE|CLOUDSDK|GOOGLE|GITHUB|ACTIONS|OCI|RUNPOD|VAST|NEBIUS)_", name):
        del os.environ[name]
os.environ["HOME"] = "/nonexistent"


def refresh(home, *words, check=True, **more):
    done = home.run("refresh", "--json", *words, check=False, **more)
    assert done.stdout, done.stderr
    sources = {source["source"]: source for source in json.loads(done.stdout)["sources"]}
    if check:
        assert done.returncode == 0, [source for source in sources.values() if source["state"] in ("failed", "partial")]
    return sources, done.returncode


def offers(home, *words):
    return json.loads(home.run("offers", "--json", "--limit", "0", *words).stdout)["offers"]


def without_account(clouds):
    """A fresh machine: what needs no key is asked, the rest is said, nothing fails."""
    with Home(**clouds.env) as home:
        before = home.run("offers", "H100:8", check=False)
        assert before.returncode == 2 and "gpubroker refresh" in before.stderr, before.stderr
        sources, _ = refresh(home)
        states = {source["state"] for source in sources.values()}
        assert states <= {"refreshed", "no_credentials"}, {name: s["state"] for name, s in sources.items() if s["state"] not in ("refreshed", "no_credentials")}
        lambda_ = sources["lambda/instance-types"]
        assert lambda_["state"] == "no_credentials" and "$LAMBDA_API_KEY" in lambda_["error"]["hint"], lambda_
        for source in sources.values():
            own_table = source["source"].endswith("price-table") or source["source"] == "gcp/quotes"
            assert source["state"] != "refreshed" or source["requests"] > 0 or own_table, source


def with_keys(clouds):
    with Home(**clouds.env, **KEYS) as home:
        sources, _ = refresh(home, "lambda")
        assert sources["lambda/instance-types"]["new"] > 0, sources
        found = offers(home, "H100:8", "--cloud", "lambda")
        assert {(o["region"], o["usd_per_machine_hour"], o["available_now"]) for o in found} == {("us-west-3", "31.92", True), ("us-east-1", "31.92", True)}, found
        # Again: nothing is new, nothing is gone.
        sources, _ = refresh(home, "lambda")
        again = sources["lambda/instance-types"]
        assert again["new"] == 0 and again["changed"] == 0 and again["gone"] == 0 and again["same"] > 0, again
        # A new price, a region that sells no more, a machine that is back.
        world = {"clouds": {"lambda": {"types": [
            {"name": "gpu_8x_h100_sxm5", "gpu": "H100 (80 GB SXM5)", "count": 8, "cents": 2992, "vcpus": 208, "ram": 1800, "disk": 22528, "regions": ["us-west-3"]},
            {"name": "gpu_1x_gh200", "gpu": "GH200 (96 GB)", "count": 1, "cents": 229, "vcpus": 64, "ram": 432, "disk": 4096, "regions": ["us-east-1"]}]}}}
        clouds.scenario(world)
        refresh(home, "lambda", "--accept-loss")
        assert [o["usd_per_gpu_hour"] for o in offers(home, "H100:8")] == ["3.74"]
        series = json.loads(home.run("history", "H100:8", "--json").stdout)["series"]
        west = next(s for s in series if s["region"] == "us-west-3")
        assert [p["usd_per_machine_hour"] for p in west["prices"]] == ["31.92", "29.92"], west
        east = next(s for s in series if s["region"] == "us-east-1")
        assert [p["usd_per_machine_hour"] for p in east["prices"]] == ["31.92", None], east
        page = os.path.join(home.path, "h.html")
        home.run("history", "H100", "--html", page)
        assert "<svg" in open(page).read()
        plot = home.run("history", "H100", "--plot").stdout
        assert "USD per GPU-hour" in plot and "lambda/us-west-3/gpu_8x_h100_sxm5/on_demand" in plot, plot
        # What is asked for is not there: why, and what is nearest.
        none = home.run("offers", "H100:8", "--max-price", "1.00/gpu-hour", check=False)
        assert none.returncode == 5 and "3.74" in none.stderr and "nearest" in none.stderr, none.stderr
        none = home.run("offers", "X9000:8", check=False)
        assert none.returncode == 2 and "X9000" in none.stderr, none.stderr
        explained = home.run("offers", "H100:8", "--explain").stdout
        assert "lambda/instance-types" in explained and "29.92 USD per machine-hour" in explained, explained
        wide = home.run("offers", "GH200", "--wide").stdout
        assert "arm64" in wide, wide
        clouds.scenario({})


def with_every_account(clouds):
    """All sources of all clouds at once; every credential is good, none is shown, and each cloud's offers are there."""
    with Home(**clouds.env) as home:
        home.env.update(give_accounts(home.path + "/user", source))
        sources, _ = refresh(home)
        states = {name: s["state"] for name, s in sources.items()}
        assert set(states.values()) <= {"refreshed", "unchanged"}, {name: (s["state"], s["error"]) for name, s in sources.items() if s["state"] not in ("refreshed", "unchanged")}
        found = offers(home)
        names = {name.split("/")[0] for name in sources}
        sold = {offer["cloud"] for offer in found}
        assert names == sold, names ^ sold
        for offer in found:
            assert offer["price_basis"] == "quote" or float(offer["usd_per_machine_hour"]) > 0, offer
            assert offer["learnt_at"] and offer["source"], offer
        assert any(offer["available_now"] for offer in found) and any(offer["signals"] for offer in found)
        gb200 = [o for o in offers(home, "GB200:4") if o["cloud"] == "gcp"]
        assert gb200 and all(o["usd_per_machine_hour"] is None and o["price_basis"] == "quote" for o in gb200), gb200
        report = json.loads(home.run("check", "--json").stdout)["clouds"]
        assert {cloud["state"] for cloud in report} <= {"valid", "not_needed"}, [c for c in report if c["state"] not in ("valid", "not_needed")]
        said = home.run("check").stdout + home.run("check").stderr + json.dumps(report) + json.dumps(sources)
        assert not [secret for secret in SECRETS if secret in said]
        spot = offers(home, "H100:8", "--spot", "--region", "us,eu", "--nodes", "4")
        assert spot and all(o["market"] == "spot" for o in spot)
        joined = offers(home, "H100:8", "--fabric", "ib")
        assert joined and all(o["fabric"] == "infiniband" for o in joined)
        ready = offers(home, "H100:8", "--available")
        assert ready and len(ready) < len(offers(home, "H100:8"))
        # GH200 machines are arm64: planned with where an agent for them is carried, and passed over with the reason where none is.
        with open(binary, "rb") as program:
            carried = b"gpubroker_agent_arm64_begin" in program.read()
        plan = home.run("launch", "--run", "true", "--gpus", "GH200:1", "--dry-run", check=False)
        assert (plan.returncode == 0) == carried, plan
        assert "gpu_1x_gh200" in plan.stdout + plan.stderr and ("CPU arm64: this gpubroker carries no agent" in plan.stderr) != carried, plan


def faults(clouds):
    """Each fault of one source: told with its kind, what was known before stays, and the others are not held back."""
    cases = [
        ({"status": 401, "body": '{"error":{"code":"global/invalid-api-key","message":"API key was invalid"}}'}, "auth", 3),
        ({"status": 403, "body": '{"error":{"code":"global/account-inactive","message":"inactive"}}'}, "auth", 3),
        ({"status": 404, "body": '{"error":{"code":"global/not-found","message":"Not found."}}'}, "not_found", 2),
        ({"status": 429, "headers": {"retry-after": "0"}}, "throttled", 7),
        ({"status": 429}, "throttled", 7),
        ({"status": 500}, "network", 7),
        ({"status": 503}, "network", 7),
        ({"cut": 100}, "network", 7),
        ({"html": True}, "internal", 8),
        ({"status": 200, "body": "", "headers": {"content-type": "text/plain"}}, "internal", 8),
        ({"status": 200, "body": '{"data":{"x":"\\u00ff'}, "internal", 8),
        ({"status": 200, "body": '{"data":[1e999999]}'}, "internal", 8),
    ]
    with Home(**clouds.env, **KEYS) as home:
        refresh(home, "lambda")
        known = offers(home, "--cloud", "lambda")
        assert known
        for fault, kind, code in cases:
            clouds.scenario({"faults": [{"host": "lambda", **fault}]})
            began = time.monotonic()
            sources, exit = refresh(home, "lambda", "--timeout", "8s", check=False)
            outcome = sources["lambda/instance-types"]
            assert outcome["state"] == "failed" and outcome["error"]["kind"] == kind and exit == code, (fault, outcome, exit)
            assert "lambda-test-key" not in json.dumps(outcome), outcome
            assert time.monotonic() - began < 15, fault
            # The catalog still answers, as it was.
            assert [(o["region"], o["instance_type"], o["usd_per_machine_hour"], o["learnt_at"]) for o in offers(home, "--cloud", "lambda")] == \
                   [(o["region"], o["instance_type"], o["usd_per_machine_hour"], o["learnt_at"]) for o in known], fault
        # Once throttled, then answered: as told by Retry-After.
        clouds.scenario({"faults": [{"host": "lambda", "status": 429, "headers": {"retry-after": "1"}, "times": 1}]})
        began = time.monotonic()
        sources, _ = refresh(home, "lambda")
        assert sources["lambda/instance-types"]["state"] == "refreshed" and 1 <= time.monotonic() - began < 5
        clouds.scenario({})


def nobody_there(clouds):
    """No network, a wrong certificate, proxies: told as such, the catalog answers with ages."""
    with Home(**clouds.env, **KEYS) as home:
        refresh(home, "lambda")
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
            sources, exit = refresh(home, "lambda", "--timeout", "3s", check=False, GPUBROKER_CONNECT_TO=f"::127.0.0.1:{port}")
            assert exit == 7 and sources["lambda/instance-types"]["error"]["kind"] == "network", sources
            sources, exit = refresh(home, "lambda", "--timeout", "3s", check=False, https_proxy=f"http://127.0.0.1:{port}")
            assert exit == 7 and sources["lambda/instance-types"]["error"]["kind"] == "network", sources
        sources, exit = refresh(home, "lambda", "--timeout", "3s", check=False, SSL_CERT_FILE="/etc/ssl/certs/ca-certificates.crt")
        assert exit == 7 and "certificate" in sources["lambda/instance-types"]["error"]["message"].lower(), sources
        row = home.run("offers", "H100:8").stdout
        assert "31.92" in row, row
        with Proxy() as proxy:
            sources, _ = refresh(home, "lambda", https_proxy=f"http://127.0.0.1:{proxy.port}")
            assert sources["lambda/instance-types"]["state"] == "refreshed" and proxy.seen, sources


class Proxy:
    """An HTTP proxy that knows CONNECT."""

    def __enter__(self):
        self.seen = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.carry, args=(client,), daemon=True).start()

    def carry(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        target = head.split(b" ")[1].decode()
        self.seen.append(target)
        host, port = target.rsplit(":", 1)
        server = socket.create_connection((host, int(port)))
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")

        def pump(one, other):
            try:
                while data := one.recv(65536):
                    other.sendall(data)
            except OSError:
                pass
            other.close()

        threading.Thread(target=pump, args=(server, client), daemon=True).start()
        pump(client, server)


def killed(clouds):
    """kill -9 in the middle: the old or the new, never half; and a second process reads meanwhile."""
    with Home(**clouds.env, **KEYS) as home:
        refresh(home)
        known = len(offers(home))
        clouds.scenario({"latency_ms": [20, 400]})
        for pause in (0.05, 0.2, 0.35, 0.5):
            process = subprocess.Popen([binary, "refresh"], env=home.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(pause)
            assert len(offers(home)) == known
            process.kill()
            process.wait()
            assert len(offers(home)) == known
        clouds.scenario({})
        refresh(home)
        assert len(offers(home)) == known


def checks(clouds):
    with Home(**clouds.env, **KEYS) as home:
        report = {cloud["cloud"]: cloud for cloud in json.loads(home.run("check", "--json", check=False).stdout)["clouds"]}
        assert report["lambda"]["state"] == "valid" and report["lambda"]["found_in"] == "$LAMBDA_API_KEY", report["lambda"]
        assert "lambda-test-key" not in json.dumps(report)
        refused = home.run("check", "lambda", check=False, LAMBDA_API_KEY="wrong-secret")
        assert refused.returncode == 3 and "invalid" in refused.stderr and "wrong-secret" not in refused.stdout + refused.stderr, refused
        missing = home.run("check", "lambda", check=False, LAMBDA_API_KEY="")
        assert missing.returncode == 3 and "cloud.lambda.ai/api-keys" in missing.stdout, missing
        near = home.run("check", "lambada", check=False)
        assert near.returncode == 2 and "lambda" in near.stderr, near


def vocabulary(clouds):
    with Home(**clouds.env) as home:
        listed = json.loads(home.run("gpus", "--json").stdout)["gpus"]
        assert len(listed) > 60
        h100 = [gpu["form"] for gpu in json.loads(home.run("gpus", "H100", "--json").stdout)["gpus"]]
        assert {"SXM", "PCIe", "NVL"} <= set(h100), h100
        one = json.loads(home.run("gpus", "NVIDIA H100 80GB HBM3", "--json").stdout)["gpus"]
        assert [gpu["name"] for gpu in one] == ["H100-80-SXM"], one


with Clouds() as clouds:
    for test in (without_account, with_keys, with_every_account, faults, nobody_there, killed, checks, vocabulary):
        began = time.monotonic()
        test(clouds)
        print(f"{test.__name__}: {time.monotonic() - began:.1f} s", flush=True)
