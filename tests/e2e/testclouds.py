"""The emulated clouds of tests/testcloud for a test: `with Clouds({...}) as clouds: home.env.update(clouds.env)`."""
import json, os, subprocess, sys, urllib.request

SERVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "testcloud", "server.py")


class Clouds:
    def __init__(self, scenario=None):
        self.first = scenario or {}

    def __enter__(self):
        self.process = subprocess.Popen(["/usr/bin/python3", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ready = json.loads(self.process.stdout.readline())
        self.plain, self.tls, self.ca = ready["plain"], ready["tls"], ready["ca"]
        self.env = {"GPUBROKER_CONNECT_TO": ready["connect_to"], "SSL_CERT_FILE": ready["ca"]}
        self.scenario(self.first)
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(10)

    def call(self, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.plain}{path}", data=None if body is None else json.dumps(body).encode())
        # The test's own proxy variables are for the program, not for this.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return json.loads(opener.open(request, timeout=20).read())

    def scenario(self, scenario):
        """Another world from now on; what was asked so far is forgotten."""
        self.call("/__scenario", scenario)

    def log(self):
        return self.call("/__log")
