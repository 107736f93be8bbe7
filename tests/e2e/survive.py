#!/usr/bin/env python3
"""The real binary on the local provider: a job is preempted with and without notice, moved by command, and finishes; the ledger
equals the machines' lives, nothing is left running, and the same key launches nothing twice."""
import json
from real import Home, source

job = source + "/tests/fixtures/jobs/count.yaml"

with Home(open(source + "/tests/fixtures/scenarios/two_regions.yaml").read()) as home:
    name = home.launch(job, "--key", "k1", "--owner", "e2e")
    assert home.launch(job, "--key", "k1") == name
    home.wait("the third gang to run", lambda: any(a["number"] >= 3 and a["running_at"] for a in home.state(name)["attempts"]))
    place = home.state(name)["attempts"][-1]["place"]
    other = "eu-west" if "us-east" in place else "us-east"
    home.run("migrate", name, "--to", "local/" + other, "--yes")
    end = home.wait_for_end(name, 60)
    print(json.dumps(end["attempts"], indent=1))
    assert end["phase"] == "succeeded" and end["exit"] == 0, end["reason"]
    ran = [a for a in end["attempts"] if a["running_at"]]
    ends = [a["end"] for a in ran]
    assert ends.count("preempted") == 2 and "superseded" in ends and ends[-1] == "finished", ends
    assert ran[1]["lost_steps"] == 0, "with notice no step is lost"
    assert max(a["last_step"] for a in ran) == 40
    assert all(a["resumed_step"] > 0 for a in ran[1:]), "each life goes on from a checkpoint"
    assert other in ran[-1]["place"]
    # The ledger, added up here from its own lines, is what status and report say.
    lines = home.run("report", "--format", "ledger-csv").stdout.strip().splitlines()
    amount = lines[0].split(",").index("amount_usd")
    micros = sum(round(float(line.split(",")[amount]) * 1_000_000) for line in lines[1:])
    report = json.loads(home.run("report", "--by", "owner", "--format", "json").stdout)
    assert report["total_usd"] == end["settled_usd"] and micros == round(float(end["settled_usd"]) * 1_000_000) > 0
    assert report["rows"][0]["group"] == "e2e"
    assert "nothing to collect: 0 machines" in home.run("gc", "--yes").stderr
    home.wait("the supervisor to leave", lambda: not home.processes(), 15)
    assert home.run("launch", job, check=False).returncode == 2, "spending without --yes or a terminal"
    print("survived: preempted with and without notice, moved, finished")
