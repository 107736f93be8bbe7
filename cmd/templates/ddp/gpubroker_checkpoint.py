"""Checkpoints of a PyTorch job that can be taken away at any moment: all ranks stop after the same step, rank 0 saves.

    ckpt = Checkpointer()
    saved = ckpt.load()                     # the newest whole state, or None
    for step in range(start, steps):
        ...
        ckpt.step(step + 1, lambda: {...})  # by every rank, after every step

Asked to "save" in the request file, they save and go on; asked to "stop" there, or by signal, they save and leave.
Works with gpubroker (it sets the environment) and without. Exit code 75 means: saved, run me again.
"""
import hashlib, json, os, signal, sys, time

RUN_AGAIN = 75
GO_ON, SAVE, STOP = 0.0, 1.0, 2.0


class Checkpointer:
    def __init__(self, folder=None, every=50, keep=3):
        self.folder = folder or os.environ.get("GPUBROKER_CHECKPOINT_DIR", "ckpt")
        self.request = os.environ.get("GPUBROKER_CHECKPOINT_REQUEST", "")
        self.progress = os.environ.get("GPUBROKER_PROGRESS", "")
        self.every, self.keep = every, keep
        self.wish = GO_ON
        self.looked = 0.0
        for number in (signal.SIGUSR1, signal.SIGTERM):
            signal.signal(number, self._ask)

    def _ask(self, number, frame):
        self.wish = STOP

    def _read_wish(self):
        now = time.monotonic()
        if self.request and now - self.looked > 0.2:  # a look at the disk at most five times a second
            self.looked = now
            try:
                with open(self.request) as file:
                    self.wish = max(self.wish, SAVE if file.read().strip() == "save" else STOP)
            except FileNotFoundError:
                pass
        return self.wish

    def load(self):
        """The state that LATEST.json names, if its hash is right. Called by rank 0, or by all ranks."""
        import torch
        try:
            with open(os.path.join(self.folder, "LATEST.json")) as file:
                latest = json.load(file)
        except FileNotFoundError:
            return None
        path = os.path.join(self.folder, latest["file"])
        with open(path, "rb") as file:
            if hashlib.sha256(file.read()).hexdigest() != latest["sha256"]:
                sys.exit(f"{path} does not have the hash that LATEST.json says")
        return torch.load(path)

    def step(self, done, make_state):
        """After `done` finished steps, by every rank. Saves when it is time; leaves with 75 when any rank was asked to stop."""
        import torch
        import torch.distributed as dist
        rank = dist.get_rank()
        flag = torch.tensor([self._read_wish()])
        dist.all_reduce(flag, op=dist.ReduceOp.MAX)  # one rank's wish is everybody's: all stop after this same step
        stop = flag.item() == STOP
        if rank == 0:
            self._tell(done)
            if flag.item() != GO_ON or done % self.every == 0:
                self._save(done, make_state())
        if not stop and self.wish == SAVE:
            self._take_back()
        if stop:
            dist.barrier()  # nobody leaves before rank 0 has saved
            sys.exit(RUN_AGAIN)

    def _take_back(self):
        """The wish to save is heard. "stop" may have taken its place meanwhile: that one stays."""
        self.wish = GO_ON
        try:
            with open(self.request) as file:
                heard = file.read().strip() == "save"
            if heard:
                os.remove(self.request)
        except FileNotFoundError:
            pass

    def save(self, done, state):
        """The last save of a finished job, by rank 0."""
        self._save(done, state)

    def _replace(self, name, write):
        part = os.path.join(self.folder, "." + name + ".part")
        with open(part, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.rename(part, os.path.join(self.folder, name))

    def _save(self, done, state):
        import torch
        import torch.distributed as dist
        os.makedirs(self.folder, exist_ok=True)
        name = "state-%012d.pt" % done
        self._replace(name, lambda file: torch.save(state, file))
        path = os.path.join(self.folder, name)
        with open(path, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        latest = {"file": name, "step": done, "sha256": digest, "bytes": os.path.getsize(path), "world": dist.get_world_size()}
        self._replace("LATEST.json", lambda file: file.write(json.dumps(latest).encode()))  # last: from here on it counts
        for old in sorted(f for f in os.listdir(self.folder) if f.startswith("state-"))[: -self.keep]:
            os.remove(os.path.join(self.folder, old))

    def _tell(self, done):
        if self.progress:
            with open(self.progress + ".part", "w") as file:
                json.dump({"step": done}, file)
            os.rename(self.progress + ".part", self.progress)
