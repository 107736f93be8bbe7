"""Real nodes: a network, PID, mount, IPC and UTS namespace each, an overlay root of its own, an sshd with the host key and the
authorised keys that the request carried. Only inside a network and mount namespace of the test's own (`in_own_network`), as
root; everything is gone when that ends. The bridge br0 has 198.18.0.1/16 and the metadata services' 169.254.169.254, and no
way out."""
import asyncio, json, os, pathlib, subprocess, sys

BRIDGE = "198.18.0.1"
METADATA = "169.254.169.254"
INSIDE = "GPUBROKER_TEST_NETWORK"

# What a booted machine is. $1: its folder, $2: its name, $3: sshd's port.
BOOT = r"""
read -r go || exit 1                           # the network is there
set -e
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/up,workdir=$1/work" "$1/root"
cd "$1/root"
mount -t proc proc proc; mount --rbind /dev dev; mount -t sysfs sysfs sys 2>/dev/null || true
mount -t tmpfs tmpfs tmp; mount -t tmpfs tmpfs run; mkdir -p run/sshd
[ -z "$SHARED" ] || { mkdir -p "./$SHARED"; mount --bind "$SHARED" "./$SHARED"; }
hostname "$2"; pivot_root . mnt && umount -l /mnt; cd /
mkfifo -m 600 /run/power
ip link set lo up
[ ! -e /etc/ssh/sshd_node ] || /usr/sbin/sshd -D -e -f /etc/ssh/sshd_node 2>/var/log/sshd.log &
sh /etc/node-boot </dev/null >/var/log/node-boot.log 2>&1 &
set +e
trap : TERM
while ! read -r word < /run/power; do :; done  # power-off: the last process of this machine ends
"""
SHUTDOWN = r"""#!/bin/sh
# shutdown [-P|-h] now|+MINUTES, as systemd's: comes back at once.
when=now
for word in "$@"; do case $word in +*|now) when=$word ;; -c) exit 0 ;; esac; done
case $when in now) delay=0 ;; *) delay=$((${when#+} * $(cat /etc/minute))) ;; esac
setsid sh -c "sleep $delay; echo off > /run/power" </dev/null >/dev/null 2>&1 &
"""


def in_own_network():
    """Runs this very program again inside namespaces of its own; returns there. Exits with 77 where they cannot be had."""
    if os.environ.get(INSIDE):
        return
    wanted = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"]
    # Everything that a node is made of, tried once: a container may allow some of it.
    trial = ("mount -t tmpfs t /mnt && cd /mnt && mkdir u w r && mount -t overlay o -o lowerdir=/,upperdir=u,workdir=w r && "
             "ip link add br0 type bridge && ip link add v0 type veth peer name v1")
    if os.geteuid() != 0 or subprocess.run([*wanted, "sh", "-c", trial], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
        print("skipped: nodes need root, namespaces, overlay mounts and virtual networks", file=sys.stderr)
        sys.exit(77)
    setup = (f"ip link set lo up; ip link add br0 type bridge; ip addr add {BRIDGE}/16 dev br0; ip addr add {METADATA}/32 dev br0; "
             "ip link set br0 up; exec \"$@\"")
    os.environ[INSIDE] = "1"
    os.execvp(wanted[0], [*wanted, "sh", "-c", setup, "sh", sys.executable, *sys.argv])


def read_cloud_config(text):
    """cloud-init's user data as gpubroker writes it: #cloud-config in JSON; or a script."""
    if text.startswith("#cloud-config"):
        return json.loads(text.partition("\n")[2] or "{}")
    return {"runcmd": [text]} if text.startswith("#!") else {}


class Nodes:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder) / "nodes"
        self.folder.mkdir(parents=True, exist_ok=True)
        if os.environ.get(INSIDE):  # an overlay's upper folder may not lie on an overlay
            subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755,size=4g", "tmpfs", self.folder], check=True)
        self.all = []

    def make(self, *arguments, **options):
        node = Node(self.folder / str(len(self.all) + 1), *arguments, **options)
        self.all.append(node)
        return node

    def close(self):
        for node in self.all:
            node.kill()
        subprocess.run(["umount", "-l", self.folder], stderr=subprocess.DEVNULL)


class Pod:
    """What a container is started with: {path: (text, mode)} of its volumes, its environment and command, names it can resolve. Its sshd is its own."""

    def __init__(self, files, env, command, hosts):
        self.files, self.env, self.command, self.hosts = files, env, command, hosts


class Node:
    def __init__(self, folder, address, port, keys, user_data, user, env, wrong_host_key=False, minute_s=60, pod=None):
        self.folder, self.address, self.port, self.process = folder, address, port, None
        self.name = "ip-" + address.replace(".", "-")
        if pod:
            self._make_container(pod)
            return
        config = read_cloud_config(user_data)
        up = folder / "up"
        for path in ("up", "work", "root", "up/etc/ssh", "up/usr/sbin", "up/root"):
            (folder / path).mkdir(parents=True, exist_ok=True)
        given = config.get("ssh_keys", {}).get("ed25519_private")
        self._write("etc/ssh/node_host_key", given if given and not wrong_host_key else "", 0o600)
        if not given or wrong_host_key:
            (up / "etc/ssh/node_host_key").unlink()
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.name, "-f", up / "etc/ssh/node_host_key"], check=True)
        public = subprocess.run(["ssh-keygen", "-y", "-f", up / "etc/ssh/node_host_key"], check=True, capture_output=True, text=True).stdout
        self.host_key = " ".join(public.split()[:2])
        home = "/root" if user == "root" else f"/home/{user}"
        authorised = [*keys, *config.get("ssh_authorized_keys", [])]
        for line in config.get("users", []):
            if isinstance(line, dict) and line.get("name") == user:
                authorised += line.get("ssh_authorized_keys", [])
        self._write(f"{home[1:]}/.ssh/authorized_keys", "".join(key.strip() + "\n" for key in authorised), 0o600)
        for name in (".bashrc", ".profile", ".bash_profile"):
            self._write(f"{home[1:]}/{name}", "", 0o644)  # not the host's
        os.chmod(up / home[1:] / ".ssh", 0o700)
        os.chmod(up / home[1:], 0o700)
        if user != "root":
            for path in [up / home[1:], *(up / home[1:]).rglob("*")]:
                os.chown(path, 1000, 1000)
            users = [line for line in open("/etc/passwd") if line.split(":")[2] != "1000"]
            self._write("etc/passwd", "".join(users) + f"{user}:x:1000:1000::{home}:/bin/bash\n", 0o644)
            self._write("etc/shadow", "".join(line for line in open("/etc/shadow") if not line.startswith(f"{user}:")) + f"{user}:*:19000:0:99999:7:::\n", 0o640)
            groups = [line for line in open("/etc/group") if line.split(":")[2] != "1000"]
            self._write("etc/group", "".join(groups) + f"{user}:x:1000:\n", 0o644)
        self._write("etc/hostname", self.name + "\n", 0o644)
        self._write("etc/hosts", f"127.0.0.1 localhost\n{address} {self.name}\n{METADATA} metadata.google.internal metadata\n", 0o644)
        self._write("etc/environment", "".join(f"{name}={value}\n" for name, value in env.items()), 0o644)
        self._write("etc/ssh/sshd_node", f"ListenAddress {address}:{port}\nHostKey /etc/ssh/node_host_key\nPasswordAuthentication no\n"
                    "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nUsePAM no\nPidFile none\nMaxStartups 200:30:400\n"
                    "MaxSessions 100\nSubsystem sftp internal-sftp\n", 0o644)
        self._write("usr/sbin/shutdown", SHUTDOWN, 0o755)
        self._write("etc/minute", f"{minute_s}\n", 0o644)  # a test need not wait for whole ones
        commands = [*config.get("bootcmd", []), *config.get("runcmd", [])]
        quote = lambda word: "'" + str(word).replace("'", "'\\''") + "'"
        self._write("etc/node-boot", "export PATH=/usr/sbin:/usr/bin:/sbin:/bin\n" + "".join(
            (" ".join(map(quote, c)) if isinstance(c, list) else f"sh -c {quote(c)}") + "\n" for c in commands), 0o700)

    def _make_container(self, pod):
        for path in ("up", "work", "root"):
            (self.folder / path).mkdir(parents=True, exist_ok=True)
        self.host_key = ""
        for path, (text, mode) in pod.files.items():
            self._write(path.lstrip("/"), text, mode)
        for name in (".bashrc", ".profile", ".bash_profile"):
            self._write(f"root/{name}", "", 0o644)  # not the host's
        self._write("root/.ssh/authorized_keys", "", 0o600)
        for path in ("up/root", "up/root/.ssh"):
            os.chmod(self.folder / path, 0o700)
        hosts = "".join(f"{address} {name}\n" for name, address in pod.hosts.items())
        self._write("etc/hosts", f"127.0.0.1 localhost\n{self.address} {self.name}\n{hosts}", 0o644)
        quote = lambda word: "'" + str(word).replace("'", "'\\''") + "'"
        env = "".join(f"export {name}={quote(value)}\n" for name, value in pod.env.items())
        self._write("etc/node-boot", f"export PATH=/usr/sbin:/usr/bin:/sbin:/bin\n{env}exec {' '.join(map(quote, pod.command))}\n", 0o700)

    def _write(self, path, text, mode):
        path = self.folder / "up" / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.chmod(path, mode)

    async def start(self):
        """Boots it; returns when its sshd answers."""
        number = "v" + "".join(f"{int(part):02x}" for part in self.address.split(".")[2:])
        self.process = await asyncio.create_subprocess_exec(
            "unshare", "--net", "--uts", "--ipc", "--pid", "--mount", "--fork", "--kill-child", "--propagation", "private",
            "sh", "-c", BOOT, "node", str(self.folder), self.name, str(self.port),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=open(self.folder / "boot.log", "w"), start_new_session=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SHARED": os.environ.get("TESTCLOUD_SHARED", "")})
        own = os.readlink("/proc/self/ns/net")
        try:
            while os.readlink(f"/proc/{self.process.pid}/ns/net") == own:
                await asyncio.sleep(0.002)
        except FileNotFoundError:
            return  # killed while it booted
        pid, mac = str(self.process.pid), "02:00:" + ":".join(f"{int(part):02x}" for part in self.address.split("."))
        await self._run(f"ip link add {number} type veth peer name eth0 address {mac} netns {pid} && ip link set {number} master br0 up && "
                        f"nsenter -t {pid} -n sh -c 'ip addr add {self.address}/16 dev eth0 && ip link set eth0 up && ip route add {METADATA} dev eth0'")
        self.process.stdin.write(b"go\n")
        self.process.stdin.close()
        for _ in range(500):
            try:
                _, writer = await asyncio.open_connection(self.address, self.port)
                writer.close()
                return
            except OSError:
                await asyncio.sleep(0.02)
        raise RuntimeError(f"node {self.address} did not come up: {(self.folder / 'boot.log').read_text()}")

    async def _run(self, script):
        process = await asyncio.create_subprocess_exec("sh", "-c", script)
        if await process.wait() != 0:
            raise RuntimeError(f"{script}: failed")

    async def gone(self):
        await self.process.wait()

    def kill(self):
        """Lost at once: no FIN, no shutdown."""
        number = "v" + "".join(f"{int(part):02x}" for part in self.address.split(".")[2:])
        subprocess.run(["ip", "link", "del", number], stderr=subprocess.DEVNULL)  # the cable first
        if self.process and self.process.returncode is None:
            self.process.kill()

    def wipe(self):
        subprocess.Popen(["rm", "-rf", self.folder], stderr=subprocess.DEVNULL)
