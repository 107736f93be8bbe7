"""A small DistributedDataParallel training whose loss at each step does not depend on how often it was interrupted: the data of a step
follow from the seed and the step alone, the global batch is fixed, and everything is in float64."""
import argparse, json, time
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from gpubroker_checkpoint import Checkpointer

options = argparse.ArgumentParser()
options.add_argument("--steps", type=int, default=100)
options.add_argument("--every", type=int, default=10)
options.add_argument("--batch", type=int, default=64)
options.add_argument("--pause", type=float, default=0.0)
args = options.parse_args()

ckpt = Checkpointer(every=args.every)
torch.set_num_threads(1)
torch.manual_seed(7)
dist.init_process_group("gloo")
rank, world = dist.get_rank(), dist.get_world_size()
model = torch.nn.Sequential(torch.nn.Linear(8, 64), torch.nn.ReLU(), torch.nn.Linear(64, 1)).double()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
saved = ckpt.load()  # every node has the checkpoint
start = 0
if saved:
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    start = saved["step"]
parallel = DistributedDataParallel(model)


def state(step):
    return {"step": step, "model": model.state_dict(), "optimizer": optimizer.state_dict()}


share = args.batch // world
for step in range(start, args.steps):
    generator = torch.Generator().manual_seed(100_003 * step + 7)
    inputs = torch.rand(args.batch, 8, generator=generator, dtype=torch.float64)
    targets = (inputs ** 2).sum(dim=1, keepdim=True)
    mine = slice(rank * share, (rank + 1) * share)
    loss = torch.nn.functional.mse_loss(parallel(inputs[mine]), targets[mine])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    total = loss.detach().clone()
    dist.all_reduce(total)
    if rank == 0:
        print(json.dumps({"step": step + 1, "loss": total.item() / world}), flush=True)
    if args.pause:
        time.sleep(args.pause)
    ckpt.step(step + 1, lambda: state(step + 1))
if rank == 0:
    ckpt.save(args.steps, state(args.steps))
dist.barrier()
