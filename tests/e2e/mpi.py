#!/usr/bin/env python3
"""A real MPI job, from the files that `gpubroker init mpi` gives out: 2 nodes x 2 ranks, taken once with notice and once without, resumed from
its checkpoints, and its sum is right."""
import json, os, re, shutil
from real import Home, source

STEPS = 60
SCENARIO = """
name: mpi
billing: {unit: 1s, minimum: 1s}
boot: 50ms
regions:
  - name: here
    instance_types:
      - {name: m2, vcpus: 2, memory: 4GiB, slots: 4, prices: {on_demand: 2.10, spot: 0.80}}
"""



def reached(home, name, attempt, step):
    """Whether the job has told that step in that life."""
    told = home.run("logs", name, "--attempt", str(attempt), check=False).stdout
    return any(int(found) >= step for found in re.findall(r'\{"step": (\d+),', told))


with Home(SCENARIO) as home:
    folder = home.path + "/job"
    shutil.copytree(source + "/cmd/templates/mpi", folder)
    task = open(folder + "/sum.yaml").read()
    task = re.sub(r"sum 200 10", f"sum {STEPS} 5 150", task)
    name = home.launch(home.write("job/sum.yaml", task))
    home.wait("step 12", lambda: reached(home, name, 1, 12))
    home.run("preempt", name, "--notice", "5s", "--yes")
    home.wait("step 30 of the second life", lambda: reached(home, name, 2, 30))
    home.run("preempt", name, "--nodes", "1", "--yes")
    end = home.wait_for_end(name, 100)
    ran = [a for a in end["attempts"] if a["running_at"]]
    print(json.dumps([[a["end"], a["reason"], a["resumed_step"], a["last_step"], a["lost_steps"]] for a in ran], indent=1))
    assert end["phase"] == "succeeded", end["reason"]
    ends = [a["end"] for a in ran]
    assert ends == ["preempted", "preempted", "finished"], ends
    assert all(a["resumed_step"] > 0 for a in ran[1:]), "each life goes on from a checkpoint"
    assert ran[1]["lost_steps"] == 0, "with notice no step is lost"
    output = home.run("logs", name).stdout
    ranks = 4
    wanted = sum(range(1, STEPS + 1)) * sum(range(1, ranks + 1))
    assert f"the sum is {wanted}" in output, output[-2000:]
    # Every step that was told says the same, in whichever life.
    sums = {}
    for line in output.splitlines():
        found = re.search(r'\{"step": (\d+), "sum": (\d+)\}', line)
        if found:
            step, total = map(int, found.groups())
            assert sums.setdefault(step, total) == total == 10 * step * (step + 1) // 2, line
    assert max(sums) == STEPS
    home.wait("the supervisor to leave", lambda: not home.processes(), 15)
    print("the sum of an interrupted MPI job is right")
