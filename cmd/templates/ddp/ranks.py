"""Starts NPROC ranks of a program on this node: `python3 ranks.py NPROC train.py …`. What torchrun does, without its rendezvous:
gpubroker has told every node its rank and the leader's address. One rank's death ends the others; the worst code is the exit code."""
import os, signal, subprocess, sys, time

count = int(sys.argv[1])
node = int(os.environ.get("GPUBROKER_NODE_RANK", "0"))
nodes = int(os.environ.get("GPUBROKER_NUM_NODES", "1"))
os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
os.environ.setdefault("MASTER_PORT", "29500")
ranks = [
    subprocess.Popen(
        [sys.executable, "-u", *sys.argv[2:]],
        env={**os.environ, "RANK": str(node * count + i), "LOCAL_RANK": str(i), "WORLD_SIZE": str(nodes * count)},
    )
    for i in range(count)
]
signal.signal(signal.SIGTERM, lambda number, frame: [rank.send_signal(number) for rank in ranks])
worst = 0
while any(rank.poll() is None for rank in ranks):
    failed = [rank.returncode for rank in ranks if rank.returncode not in (None, 0, 75)]
    if failed:
        time.sleep(1)
        for rank in ranks:
            if rank.poll() is None:
                rank.kill()
    time.sleep(0.05)
codes = [rank.wait() for rank in ranks]
for code in codes:
    code = 128 - code if code < 0 else code
    worst = code if worst in (0, 75) and code != 0 else worst
sys.exit(worst)
