"""A real S3 server without conditional writes: OpenStack Swift with its s3api, one node on loopback: `with Swift() as server:`."""
import getpass, os, shutil, signal, socket, subprocess, tempfile, time, urllib.error, urllib.request

PARTS = ("object", "container", "account")
PROXY = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}
log_level = WARNING
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache listing_formats bulk s3api tempauth slo dlo versioned_writes symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:cache]
use = egg:swift#memcache
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
s3_acl = false
allow_multipart_uploads = true
min_segment_size = 5242880
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_versioned_writes = true
allow_object_versioning = true
""" + "".join(f"[filter:{name}]\nuse = egg:swift#{name}\n" for name in ("catch_errors", "gatekeeper", "healthcheck", "listing_formats", "bulk", "slo", "dlo", "symlink"))
SERVER = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}
devices = {folder}/dev
mount_check = false
log_level = WARNING
fallocate_reserve = 0
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
"""


def missing():
    """Why it cannot be started here, or nothing."""
    commands = ["swift-ring-builder", "swift-proxy-server", *(f"swift-{name}-server" for name in PARTS)]
    lacking = [command for command in commands if not shutil.which(command)]
    return f"no {', '.join(lacking)} (`scripts/setup --clients` installs them)" if lacking else None


def free_ports(count):
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


class Swift:
    keys = {"AWS_ACCESS_KEY_ID": "test:tester", "AWS_SECRET_ACCESS_KEY": "testing"}

    def __enter__(self):
        self.folder, self.processes = tempfile.mkdtemp(prefix="gpubroker-swift-"), []
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self):
        port, *ports = free_ports(4)
        about = {"user": getpass.getuser(), "folder": self.folder}
        os.makedirs(self.folder + "/dev/d1")
        self.write("swift.conf", "[swift-hash]\nswift_hash_path_suffix = gb\nswift_hash_path_prefix = gb\n[storage-policy:0]\nname = p0\ndefault = yes\n")
        for name, own in zip(PARTS, ports):
            ring = self.folder + f"/{name}.builder"
            for words in (["create", "4", "1", "1"], ["add", "--region", "1", "--zone", "1", "--ip", "127.0.0.1", "--port", str(own), "--device", "d1", "--weight", "1"],
                          ["rebalance"]):
                subprocess.run(["swift-ring-builder", ring, *words], check=True, stdout=subprocess.DEVNULL)
            self.write(f"{name}.conf", SERVER.format(name=name, port=own, **about))
        self.write("proxy.conf", PROXY.format(port=port, **about))
        for name in (*PARTS, "proxy"):
            log = open(f"{self.folder}/{name}.log", "wb")
            self.processes.append(subprocess.Popen([f"swift-{name}-server", f"{self.folder}/{name}.conf"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                   start_new_session=True))
        self.url = f"http://127.0.0.1:{port}"
        opener, until = urllib.request.build_opener(urllib.request.ProxyHandler({})), time.monotonic() + 40
        while True:
            try:
                opener.open(self.url + "/healthcheck", timeout=5)
                return
            except (OSError, urllib.error.URLError):
                if time.monotonic() > until:
                    raise AssertionError("Swift does not start: " + open(self.folder + "/proxy.log").read()[-2000:])
                time.sleep(0.1)

    def write(self, name, text):
        with open(f"{self.folder}/{name}", "w") as file:
            file.write(text)

    def __exit__(self, *_):
        for process in self.processes:
            os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes:
            process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)
