#!/usr/bin/env python3
"""Checkpoints in S3: a job is preempted with and without notice and goes on from the bucket; what is wrong with the store is said at
launch, before anything is booked.

    s3.py BINARY SOURCE          against the emulator of tests/testcloud
    s3.py BINARY SOURCE swift    against a real server that knows no conditional writes; skipped (77) where it is not installed"""
import datetime, hashlib, hmac, json, subprocess, sys, time, urllib.error, urllib.request
from real import Home, binary, source
from swift import Swift, missing
from testclouds import Clouds

KEYS = {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "aws-test-secret"}
SECRETS = "secrets: [AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY]\n"
S3 = {"buckets": {"ckpt": "us-east-1", "far": "eu-west-1"}, "page": 2, "readonly": ["AKIAREAD"],
      "keys": {"AKIATEST": "aws-test-secret", "AKIAREAD": "read-secret"}}
# Nothing of the machine's own settings counts, and no cloud of its account is asked.
CLEAN = {name: "" for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE",
                               "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "GPUBROKER_CONNECT_TO")}


def task(store, more=SECRETS):
    text = open(source + "/tests/fixtures/jobs/count.yaml").read()
    return more + text.replace("checkpoint: {", f"checkpoint: {{store: {store}, ").replace("resources: {", "resources: {infra: local, ")


def scenario():
    return open(source + "/tests/fixtures/scenarios/two_regions.yaml").read()


def new_home(url, **env):
    home = Home(scenario(), **CLEAN)
    home.env.update({"HOME": home.path, "AWS_ENDPOINT_URL_S3": url, **env})
    return home


def survives(home, keys, store):
    """Launched by somebody who has the keys; the supervisor has them from the job's secrets alone."""
    name = home.launch(task(store), "--no-supervise", **keys)
    supervisor = subprocess.Popen([binary, "supervise", "--until-idle"], env=home.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = home.wait_for_end(name, 120)
    supervisor.wait(20)
    assert end["phase"] == "succeeded" and end["exit"] == 0, end["reason"]
    ran = [a for a in end["attempts"] if a["running_at"]]
    assert [a["end"] for a in ran].count("preempted") == 2 and max(a["last_step"] for a in ran) == 40, ran
    assert all(a["resumed_step"] > 0 for a in ran[1:]), "each life goes on from a checkpoint"
    assert ran[1]["lost_steps"] == 0, "with notice no step is lost"
    listed = json.loads(home.run("checkpoint", "verify", name, "--json", **keys).stdout)["checkpoints"]
    assert listed and listed[0]["step"] == 40 and all(row["whole"] for row in listed), listed
    without = home.run("checkpoint", "ls", name, check=False)
    assert without.returncode == 3 and "AWS_ACCESS_KEY_ID" in without.stderr, without.stderr
    home.run("checkpoint", "rm", name, listed[0]["id"], "--yes", **keys)
    assert listed[0]["id"] not in home.run("checkpoint", "ls", name, **keys).stdout
    print(f"survived two preemptions with its checkpoints in {store}")


def refused(home, exit, words, text, *options, **env):
    path = home.write("refused.yaml", text)
    done = home.run("launch", path, *(options or ("--yes", "--detach")), check=False, **env)
    assert done.returncode == exit, (done.returncode, done.stderr)
    for word in words:
        assert word in done.stderr, (word, done.stderr)


def says_what_is_wrong(home):
    good = task("s3://ckpt/team/a")
    refused(home, 3, ["the nodes have no key", "secrets:"], task("s3://ckpt/team/a", ""), **KEYS)
    refused(home, 3, ["AWS_ACCESS_KEY_ID is not set"], good)
    refused(home, 3, ["SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY"], good, **{**KEYS, "AWS_SECRET_ACCESS_KEY": "wrong"})
    refused(home, 2, ["NoSuchBucket", "aws s3 mb"], task("s3://nobody/x"), **KEYS)
    refused(home, 2, ["AWS_REGION=eu-west-1"], task("s3://far/x"), **KEYS)
    refused(home, 2, ["s3://BUCKET"], task("s3:///x"), **KEYS)
    refused(home, 0, [], good, "--dry-run", **KEYS)
    reader = {"AWS_ACCESS_KEY_ID": "AKIAREAD", "AWS_SECRET_ACCESS_KEY": "read-secret"}
    refused(home, 3, ["AccessDenied", "s3:PutObject"], good, **reader)
    refused(home, 7, ["127.0.0.1"], good, AWS_ENDPOINT_URL_S3="http://127.0.0.1:9", **KEYS)
    assert "no workloads" in home.run("status").stderr or not home.run("status").stdout.strip(), "nothing was launched"
    print("every wrong store was refused before the launch")


def on_emulator():
    with Clouds({"clouds": {"s3": S3}}) as clouds:
        url = f"http://127.0.0.1:{clouds.plain}/__host/s3.testcloud"
        with new_home(url) as home:
            says_what_is_wrong(home)
        # A slow store, answers lost after the deed, and busy moments.
        clouds.scenario({"clouds": {"s3": S3}, "latency_ms": [0, 20],
                         "faults": [{"host": "s3", "path": "manifests/", "request": ".", "times": 2, "lose": True}, {"host": "s3", "path": "pieces", "after": 9, "times": 3, "status": 503}]})
        with new_home(url) as home:
            survives(home, KEYS, "s3://ckpt/team/a")
        seen = clouds.log()
        assert any(row["headers"].get("if-none-match") == "*" for row in seen), "commits are conditional writes"
        commits = [row["target"] for row in seen if row["method"] == "PUT" and "/manifests/" in row["target"]]
        assert len(set(commits)) < len(commits), "a commit whose answer was lost is sent again, and finds itself"
        assert not any("team/a/check" in row["target"] and row["method"] == "GET" for row in seen), "what was tried is removed"
        clouds.scenario({"clouds": {"s3": {**S3, "conditions": "refused"}}})
        with new_home(url) as home:
            survives(home, KEYS, "s3://ckpt")


def make_bucket(server, bucket):
    """PUT, signed by hand: no client is needed to test ours."""
    host, now = server.url[len("http://"):], datetime.datetime.utcnow().strftime("%Y%m%dT%H%M%SZ")
    empty = hashlib.sha256(b"").hexdigest()
    canonical = f"PUT\n/{bucket}\n\nhost:{host}\nx-amz-content-sha256:{empty}\nx-amz-date:{now}\n\nhost;x-amz-content-sha256;x-amz-date\n{empty}"
    scope = f"{now[:8]}/us-east-1/s3/aws4_request"
    chain = ("AWS4" + server.keys["AWS_SECRET_ACCESS_KEY"]).encode()
    for word in (*scope.split("/"), f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"):
        chain = hmac.new(chain, word.encode(), hashlib.sha256).digest()
    authorization = f"AWS4-HMAC-SHA256 Credential={server.keys['AWS_ACCESS_KEY_ID']}/{scope}, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={chain.hex()}"
    request = urllib.request.Request(f"{server.url}/{bucket}", method="PUT",
                                     headers={"x-amz-content-sha256": empty, "x-amz-date": now, "authorization": authorization})
    opener, until = urllib.request.build_opener(urllib.request.ProxyHandler({})), time.monotonic() + 40
    while True:  # 503 while the servers behind it are still starting
        try:
            return opener.open(request, timeout=20)
        except urllib.error.HTTPError as error:
            if error.code != 503 or time.monotonic() > until:
                raise
            time.sleep(0.2)


def on_swift():
    if why := missing():
        print("skipped: " + why)
        sys.exit(77)
    with Swift() as server:
        make_bucket(server, "ckpt")
        with new_home(server.url) as home:
            refused(home, 2, ["NoSuchBucket"], task("s3://nobody/x"), **server.keys)
            refused(home, 3, ["SignatureDoesNotMatch"], task("s3://ckpt/x"), **{**server.keys, "AWS_SECRET_ACCESS_KEY": "wrong"})
            survives(home, server.keys, "s3://ckpt/team/a")


if sys.argv[3:] == ["swift"]:
    on_swift()
else:
    on_emulator()
