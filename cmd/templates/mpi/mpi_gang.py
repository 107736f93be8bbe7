"""Starts an MPI program on all nodes of a gang, without ssh between them: `python3 mpi_gang.py RANKS_PER_NODE PROGRAM …` on every node.

The leader runs mpirun; the other nodes ask the leader (MASTER_ADDR, as gpubroker told them) what to run. So nobody listens for commands:
a node runs only what the address it was given by gpubroker says. mpirun starts its daemons through this same file (--rsh), which hands
each one to the node that waits for it. The exit code of every node is mpirun's.
"""
import json, os, shutil, socket, subprocess, sys, tempfile, threading, time

PATIENCE = 300  # seconds for the other nodes to come
nodes = os.environ.get("GPUBROKER_NODE_IPS", "127.0.0.1").split("\n")
rank = int(os.environ.get("GPUBROKER_NODE_RANK", "0"))
address = (os.environ.get("MASTER_ADDR", "127.0.0.1"), int(os.environ.get("MASTER_PORT", "29500")))
# Where a rank finds its program and files: each node its own workdir.
IN_WORKDIR = ["sh", "-c", 'cd "$MPI_GANG_DIR" && exec "$@"', "rank"]


def send(connection, message):
    connection.sendall(json.dumps(message).encode() + b"\n")


def rsh(host, command):
    """Called by mpirun on the leader, as it would call ssh: waits as long as the command runs there."""
    with socket.socket(socket.AF_UNIX) as to_leader:
        to_leader.connect(os.environ["MPI_GANG_SOCKET"])
        send(to_leader, {"node": int(host[len("node"):]), "command": command})
        answer = to_leader.makefile().readline()
    return json.loads(answer)["code"] if answer else 1


class Leader:
    def __init__(self, ranks_per_node, program):
        self.here = tempfile.mkdtemp(prefix="mpi-gang-")
        self.lines = {}  # from each other node
        self.connections = {}
        self.arrived = threading.Condition()
        self.ranks_per_node, self.program = ranks_per_node, program

    def listen(self, server, handle):
        server.listen()

        def accept():
            while True:
                connection = server.accept()[0]
                threading.Thread(target=handle, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()

    def welcome(self, connection):
        """A node that waits for work."""
        lines = connection.makefile()
        node = json.loads(lines.readline())["node"]
        with self.arrived:
            self.lines[node], self.connections[node] = lines, connection
            self.arrived.notify_all()

    def hand_over(self, connection):
        """What mpirun wants to be run on a node."""
        wanted = json.loads(connection.makefile().readline())
        node = wanted["node"]
        with self.arrived:
            came = self.arrived.wait_for(lambda: node in self.connections, PATIENCE)
        if not came:
            print(f"mpi_gang: node {node} did not come", file=sys.stderr)
            send(connection, {"code": 1})
            return
        send(self.connections[node], {"command": wanted["command"]})
        send(connection, json.loads(self.lines[node].readline() or '{"code": 1}'))

    def run(self):
        waiting = socket.create_server(address)
        self.listen(waiting, self.welcome)
        local = socket.socket(socket.AF_UNIX)
        local.bind(self.here + "/rsh")
        self.listen(local, self.hand_over)
        with open(self.here + "/hosts", "w") as hosts:
            for node in range(len(nodes)):
                hosts.write(f"{'localhost' if node == 0 else 'node%d' % node} slots={self.ranks_per_node}\n")
        # orte_leave_session_attached: a node's daemon stays ours to watch. Nodes that are addresses of one machine (provider
        # local) meet on its loopback, which MPI leaves out otherwise, and not in its shared memory: there they would take each
        # other's segments for their own.
        options = ["--hostfile", self.here + "/hosts", "-np", str(self.ranks_per_node * len(nodes)), "--wdir", "/"]
        settings = {
            "plm_rsh_agent": f"{sys.executable} {os.path.abspath(__file__)} --rsh",
            "plm_rsh_no_tree_spawn": "1",
            "orte_leave_session_attached": "1",
            "rmaps_base_oversubscribe": "1",
            "mpi_yield_when_idle": "1",
        }
        if nodes[0].startswith("127."):
            settings.update({"btl": "tcp,self", "btl_tcp_if_include": "lo", "oob_tcp_if_include": "lo"})
        for name, value in settings.items():
            options += ["--mca", name, value]
        env = {**os.environ, "MPI_GANG_DIR": os.getcwd(), "MPI_GANG_SOCKET": self.here + "/rsh", "TMPDIR": self.here}
        code = subprocess.call(["mpirun", *options, *IN_WORKDIR, *self.program], env=env)
        code = 128 - code if code < 0 else code
        for connection in self.connections.values():
            try:
                send(connection, {"exit": code})
            except OSError:
                pass  # a node that is gone needs no word
        shutil.rmtree(self.here, ignore_errors=True)
        return code


def follow():
    """A node that is not the leader: runs what the leader hands over, until the leader says it is over."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            leader = socket.create_connection(address, timeout=5)
            break
        except OSError:
            if time.monotonic() > until:
                sys.exit(f"mpi_gang: the leader {address[0]}:{address[1]} cannot be reached")
            time.sleep(0.1)
    leader.settimeout(None)
    send(leader, {"node": rank})
    here = tempfile.mkdtemp(prefix="mpi-gang-")
    env = {**os.environ, "MPI_GANG_DIR": os.getcwd(), "TMPDIR": here}

    def run(command):
        daemon = subprocess.Popen(["sh", "-c", command], env=env)
        send(leader, {"code": daemon.wait()})

    code = 1  # the leader is gone without a word
    for line in leader.makefile():
        message = json.loads(line)
        if "exit" in message:
            code = message["exit"]
            break
        threading.Thread(target=run, args=(message["command"],), daemon=True).start()
    shutil.rmtree(here, ignore_errors=True)
    return code


if sys.argv[1] == "--rsh":
    sys.exit(rsh(sys.argv[2], " ".join(sys.argv[3:])))
if rank == 0:
    sys.exit(Leader(int(sys.argv[1]), sys.argv[2:]).run())
sys.exit(follow())
