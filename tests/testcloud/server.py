#!/usr/bin/python3
"""Emulated clouds on loopback: one server that stands in for every cloud's hosts, by the Host header.

    server.py [--scenario FILE] [--folder DIR]      prints one line of JSON when it is ready, runs until its stdin ends

The line: {"tls": PORT, "plain": PORT, "ca": FILE, "connect_to": ":443:127.0.0.1:PORT,:80:127.0.0.1:PORT"}. A client that is
told `connect_to` (curl's --connect-to) and `ca` speaks to the emulators exactly as to the clouds: same URLs, same Host, TLS,
HTTP/2. Clients that only know a base URL use http://127.0.0.1:PLAIN/__host/HOST/path.

Each clouds/*.py registers handlers with @host("pattern"). `scenario` (JSON) sets latency and faults:
    {"latency_ms": [50, 500], "seed": 1, "clouds": {"lambda": {... what its emulator reads ...}},
     "faults": [{"host": "re", "path": "re", "request": "re of the body", "times": 2, "after": 0, "status": 429, "headers": {}, "body": "", "delay_ms": 0,
                 "cut": 100, "close": true, "html": true}]}
A fault with "lose": the deed is done, its answer is lost; with "garble": it cannot be read; with "duplicate": the request arrives twice.
A fault {"kill": "arrived" | "handled" | "answered", "nth": N, "home": PATH} ends the supervisor of that home with SIGKILL at its N-th
request that fits: before the cloud does anything, when the deed is done, or when the answer has been sent; the log's entry says "killed".
On both ports: /__echo/…: the path, a little later. On the plain port: GET /__log: the requests seen, as JSON; POST /__scenario replaces the scenario, and every machine is gone;
GET /__machines: every machine there was, with its bill (fleet.py); POST /__preempt {"id", "notice_ms", "sold_out": no more to be had at its place}; POST /__break {"id"}:
the machine fails; POST /__faults: more faults from now on, counted from now on; GET /__leaks: what costs or clutters besides machines, by cloud. With "machines": {"nodes": true} in the
scenario machines are real, and their metadata service answers at 169.254.169.254 (nodes.py: in_own_network first)."""
import argparse, asyncio, fnmatch, importlib, json, logging, os, pathlib, random, re, runpy, signal, ssl, subprocess, sys, tempfile, time, urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from testcloud.api import HANDLERS, LEAKS, METADATA, Request, Response, pieces_of  # noqa: E402
from testcloud.fleet import Fleet  # noqa: E402
from testcloud.nodes import BRIDGE, INSIDE, METADATA as METADATA_ADDRESS  # noqa: E402

BODY_LIMIT = 64 << 20


class World:
    """The scenario, the state of all clouds, and what was asked."""

    def __init__(self, scenario, folder):
        self.log, self.folder, self.fleet = [], folder, None
        self.replace(scenario)

    def replace(self, scenario):
        if self.fleet:
            self.fleet.close()
        self.fleet = Fleet(scenario, self.folder)
        self.scenario = scenario
        self.faults, self.state = [], {}
        self.add_faults(scenario.get("faults", []))

    def add_faults(self, faults):
        for fault in faults:
            once = "kill" in fault
            self.faults.append(dict(fault, left=1 if once else fault.get("times", 1 << 30), skip=fault["nth"] - 1 if once else fault.get("after", 0)))

    def cloud(self, name):
        """What the scenario says of a cloud."""
        return self.scenario.get("clouds", {}).get(name, {})

    def fault_for(self, request):
        for fault in self.faults:
            if (re.search(fault.get("host", ""), request.host) and re.search(fault.get("path", ""), request.target)
                    and ("request" not in fault or re.search(fault["request"], request.body.decode("latin-1")))):
                if fault["skip"] > 0:
                    fault["skip"] -= 1
                elif fault["left"] > 0:
                    fault["left"] -= 1
                    return fault
        return None

    async def answer(self, request):
        request.world = self
        entry = {"at": time.time(), "method": request.method, "host": request.host, "target": request.target,
                 "headers": request.headers, "body": request.body[:4096].decode("latin-1"), "http": request.http}
        self.log.append(entry)
        latency = self.scenario.get("latency_ms")
        if latency:
            # By the URL, not by chance: the same questions take as long whoever else is asked meanwhile.
            await asyncio.sleep(random.Random(f"{self.scenario.get('seed', 1)} {request.host}{request.target}").uniform(*latency) / 1000)
        fault = self.fault_for(request)
        if fault and "kill" in fault:
            return await self.answer_and_kill(request, fault, entry)
        if fault:
            await asyncio.sleep(fault.get("delay_ms", 0) / 1000)
            if fault.get("html"):
                return Response(fault.get("status", 200), "<!DOCTYPE html><html><body>Bad gateway</body></html>", {"content-type": "text/html"})
            if "status" in fault or "body" in fault:
                return Response(fault.get("status", 200), fault.get("body", ""), fault.get("headers", {}))
        response = await self.handle(request)
        if fault and fault.get("duplicate"):
            response = await self.handle(request)
        if fault and fault.get("lose"):
            return Response(lost=True)
        if fault and fault.get("garble"):
            return Response(200, "<html>{", {"content-type": "text/html"})
        if fault and "cut" in fault:
            response.cut = fault["cut"]
        if fault and fault.get("close"):
            response.close = True
        return response

    async def answer_and_kill(self, request, fault, entry):
        """The supervisor dies; nothing else of it is answered. Who is asked meanwhile by others goes on."""
        def kill():
            entry["killed"] = fault["kill"] if end_supervisors(fault["home"]) else ""

        if fault["kill"] == "arrived":
            kill()
            return Response(lost=True)
        response = await self.handle(request)
        if fault["kill"] == "handled":
            kill()
            return Response(lost=True)
        response.sent = kill
        return response

    async def handle(self, request):
        """The emulator's answer."""
        for pattern, handler in HANDLERS:
            if fnmatch.fnmatch(request.host, pattern):
                response = handler(request)
                if asyncio.iscoroutine(response):
                    response = await response
                if response is not None:
                    return response
        return Response(404, json.dumps({"error": f"no emulator for {request.host}"}))

    def metadata(self, request):
        """What a node is told of itself."""
        machine = next((m for m in self.fleet.machines.values() if m.address == request.peer), None)
        if machine is None or machine.cloud not in METADATA:
            return Response(404, "")
        return METADATA[machine.cloud](request, machine)


def end_supervisors(home):
    """kill -9 to every `gpubroker supervise` of that home; how many."""
    ended = 0
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if (entry.name.isdigit() and b"supervise" in (entry / "cmdline").read_bytes().split(b"\0")
                    and f"GPUBROKER_HOME={home}".encode() in (entry / "environ").read_bytes().split(b"\0")):
                os.kill(int(entry.name), signal.SIGKILL)
                ended += 1
        except OSError:
            pass
    return ended


class Connection(asyncio.Protocol):
    """HTTP/1.1 or, when the client asks for it (ALPN), HTTP/2."""

    def __init__(self, world, live):
        self.world, self.live = world, live
        self.buffer = b""
        self.h2 = None
        self.tasks = set()

    def connection_made(self, transport):
        self.transport = transport
        self.peer = (transport.get_extra_info("peername") or ("",))[0]
        self.live.add(self)
        tls = transport.get_extra_info("ssl_object")
        self.scheme = "https" if tls else "http"
        if tls and tls.selected_alpn_protocol() == "h2":
            from testcloud.http2 import Http2
            self.h2 = Http2(self)
        self.queue = asyncio.Queue()
        if not self.h2:
            self.spawn(self.serve_in_turn())

    def spawn(self, work):
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def connection_lost(self, error):
        self.live.discard(self)
        for task in list(self.tasks):
            task.cancel()

    def data_received(self, data):
        if self.h2:
            self.h2.receive(data)
            return
        self.buffer += data
        while True:
            head, found, rest = self.buffer.partition(b"\r\n\r\n")
            if not found:
                return
            lines = head.decode("latin-1").split("\r\n")
            method, target, _ = (lines[0] + "  ").split(" ", 2)
            headers = {}
            for line in lines[1:]:
                name, _, value = line.partition(":")
                headers[name.strip().lower()] = value.strip()
            if headers.get("transfer-encoding", "").lower() == "chunked":
                body, rest = unchunk(rest)
                if body is None:
                    return
            else:
                length = int(headers.get("content-length", 0) or 0)
                if len(rest) < length:
                    if headers.get("expect"):
                        self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                        headers.pop("expect")
                        self.buffer = ("\r\n".join([lines[0]] + [f"{k}: {v}" for k, v in headers.items()])).encode("latin-1") + b"\r\n\r\n" + rest
                    return
                body, rest = rest[:length], rest[length:]
            self.buffer = rest
            request = Request(method, self.scheme, headers.get("host", ""), target, headers, body, "1.1")
            request.peer = self.peer
            self.queue.put_nowait(request)

    async def serve_in_turn(self):
        while True:
            request = await self.queue.get()
            try:
                response = await dispatch(self.world, request)
            except Exception as error:  # a bug of the emulator: say so instead of hanging
                print(f"testcloud: {request.method} {request.host}{request.target}: {error!r}", file=sys.stderr)
                response = Response(599, repr(error))
            if response.lost:
                self.transport.abort()
                return
            body = response.body
            head = [f"HTTP/1.1 {response.status} X"]
            headers = dict(response.headers)
            length = headers.setdefault("content-length", str(len(body))) if not callable(body) else None
            if callable(body):
                headers["transfer-encoding"] = "chunked"
            head += [f"{name}: {value}" for name, value in headers.items()]
            self.transport.write(("\r\n".join(head) + "\r\n\r\n").encode("latin-1"))
            if response.cut is not None:
                self.transport.write((body if not callable(body) else b"")[: response.cut])
                self.transport.close()
                return
            if callable(body):
                async for piece in pieces_of(body()):
                    while self.transport.get_write_buffer_size() > 1 << 20:
                        await asyncio.sleep(0.002)
                    if piece:
                        self.transport.write(b"%x\r\n" % len(piece) + piece + b"\r\n")
                self.transport.write(b"0\r\n\r\n")
            elif request.method != "HEAD":
                self.transport.write(body)
            del length
            response.sent()
            if response.close or request.headers.get("connection", "").lower() == "close":
                self.transport.close()
                return


def unchunk(rest):
    body = b""
    while True:
        line, found, after = rest.partition(b"\r\n")
        if not found:
            return None, rest
        size = int(line.split(b";")[0], 16)
        if len(after) < size + 2:
            return None, rest
        body, rest = body + after[:size], after[size + 2:]
        if size == 0:
            return body, rest


async def dispatch(world, request):
    if request.path.startswith("/__host/"):
        host, _, rest = request.target[len("/__host/"):].partition("/")
        written, peer = request.target, request.peer
        request = Request(request.method, request.scheme, host, "/" + rest, request.headers, request.body, request.http)
        request.peer = peer
        request.base = f"http://{request.headers.get('host', '')}/__host/{host}"
        request.written = written
    elif request.path.startswith("/__echo/"):
        await asyncio.sleep(random.random() * 0.02)
        return Response(200, request.path)
    elif request.path == "/__log":
        return Response(200, json.dumps(world.log))
    elif request.path == "/__machines":
        return Response(200, json.dumps(world.fleet.account()))
    elif request.path == "/__leaks":
        return Response(200, json.dumps({name: left(world) for name, left in sorted(LEAKS.items())}))
    elif request.path in ("/__preempt", "/__break"):
        machine = world.fleet.machines[request.json["id"]]
        if request.path == "/__preempt":
            if request.json.get("sold_out"):
                world.fleet.sell_out(machine.place)
            world.fleet.preempt(machine, request.json.get("notice_ms", 0))
        else:
            world.fleet.end(machine, "host failure")
        return Response(200, "{}")
    elif request.peer.startswith("198.18.") and request.host in (METADATA_ADDRESS, "metadata.google.internal", "metadata"):
        response = world.metadata(request)
        return await response if asyncio.iscoroutine(response) else response
    elif request.path == "/__faults":
        world.add_faults(request.json)
        return Response(200, "{}")
    elif request.path == "/__scenario":
        world.replace(json.loads(request.body))
        world.log.clear()
        return Response(200, "{}")
    return await world.answer(request)


class Certificates:
    """A CA, and a certificate for each host that a client asks for and that has an emulator; kept in `folder`."""

    def __init__(self, folder):
        self.folder, self.contexts = pathlib.Path(folder), {}
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        self.run("req", "-x509", *key, "-days", "2", "-subj", "/CN=testcloud CA", "-keyout", self.folder / "ca.key", "-out", self.folder / "ca.pem")
        self.run("req", *key, "-subj", "/CN=testcloud", "-keyout", self.folder / "server.key", "-out", self.folder / "server.csr")
        self.ca = self.folder / "ca.pem"

    def run(self, *words):
        subprocess.run(["openssl", *map(str, words)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def context_of(self, name):
        """The TLS of a host by that name; of a name without an emulator: of localhost."""
        known = any(fnmatch.fnmatch(name, pattern) for pattern, _ in HANDLERS)
        name = name if known else "localhost"
        if name not in self.contexts:
            stem = self.folder / name
            (self.folder / f"{name}.ext").write_text(f"subjectAltName=DNS:{name},IP:127.0.0.1\nextendedKeyUsage=serverAuth\n")
            self.run("x509", "-req", "-in", self.folder / "server.csr", "-CA", self.ca, "-CAkey", self.folder / "ca.key", "-set_serial", len(self.contexts) + 1,
                     "-days", "2", "-extfile", f"{stem}.ext", "-out", f"{stem}.pem")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(f"{stem}.pem", self.folder / "server.key")
            context.set_alpn_protocols(["h2", "http/1.1"])
            context.sni_callback = self.choose
            self.contexts[name] = context
        return self.contexts[name]

    def choose(self, connection, name, _):
        connection.context = self.context_of((name or "localhost").lower())


async def main():
    # A client that was killed: what is still written to it concerns nobody.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    parser = argparse.ArgumentParser()
    parser.add_argument("--scenario")
    parser.add_argument("--folder")
    options = parser.parse_args()
    for module in sorted((HERE / "clouds").glob("*.py")):
        importlib.import_module(f"testcloud.clouds.{module.stem}")
    if os.environ.get("TESTCLOUD_ALSO"):  # an emulator of a test's own
        runpy.run_path(os.environ["TESTCLOUD_ALSO"])
    folder = options.folder or tempfile.mkdtemp(prefix="testcloud-")
    certificates = Certificates(folder)
    tls, ca = certificates.context_of("localhost"), certificates.ca
    world = World(json.loads(pathlib.Path(options.scenario).read_text()) if options.scenario else {}, folder)
    loop, live = asyncio.get_running_loop(), set()
    plain = await loop.create_server(lambda: Connection(world, live), "127.0.0.1", 0, backlog=512)
    secure = await loop.create_server(lambda: Connection(world, live), "127.0.0.1", 0, ssl=tls, backlog=512)
    if os.environ.get(INSIDE):
        await loop.create_server(lambda: Connection(world, live), METADATA_ADDRESS, 80, backlog=512)
        # What nodes may ask besides: an object store, say.
        await loop.create_server(lambda: Connection(world, live), BRIDGE, plain.sockets[0].getsockname()[1], backlog=512)
        await loop.create_server(lambda: Connection(world, live), BRIDGE, 443, ssl=tls, backlog=512)
    plain_port, tls_port = plain.sockets[0].getsockname()[1], secure.sockets[0].getsockname()[1]
    print(json.dumps({"tls": tls_port, "plain": plain_port, "ca": str(ca), "folder": str(folder),
                      "connect_to": f":443:127.0.0.1:{tls_port},:80:127.0.0.1:{plain_port}"}), flush=True)
    ended = loop.create_future()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, lambda: ended.done() or ended.set_result(None))
    done = loop.create_task(reader.read())
    await asyncio.wait([done, asyncio.ensure_future(ended)], return_when=asyncio.FIRST_COMPLETED)
    world.fleet.close()


if __name__ == "__main__":
    asyncio.run(main())
