#!/usr/bin/python3
"""az and Microsoft's Node clients judge the emulated Azure: discovery, logins, paging, sizes, quotas, refusals, at the real URLs.

    azure_client.py             runs with what is installed; exits 77 when neither client is there
    azure_client.py --install   first installs the Node clients into build/clients/azure (needs the npm registry)

A proxy that leads every CONNECT to the emulators stands in for the network, so that the clients speak TLS to the clouds' own names."""
import json, os, pathlib, shutil, socket, subprocess, sys, tempfile, threading, urllib.request

TESTS = pathlib.Path(__file__).resolve().parents[2]
NODE_FOLDER = TESTS.parent / "build" / "clients" / "azure"
sys.path.insert(0, str(TESTS))

from testcloud.clouds import azure  # noqa: E402
from testcloud.clouds.azure_world import CLIENT, SECRET, SUBSCRIPTION, TENANT  # noqa: E402

H100 = "Standard_ND96isr_H100_v5"
SUBJECT = "repo:o/r:ref:refs/heads/main"
SCRIPT = """
const {ComputeManagementClient} = require('@azure/arm-compute');
const {ClientSecretCredential, WorkloadIdentityCredential} = require('@azure/identity');
const {TENANT, CLIENT, SECRET, SUBSCRIPTION, TOKEN_FILE} = process.env;
(async () => {
  const told = {skus: [], usages: {}};
  const client = new ComputeManagementClient(new ClientSecretCredential(TENANT, CLIENT, SECRET), SUBSCRIPTION);
  for await (const sku of client.resourceSkus.list({filter: "location eq 'eastus'"})) { told.skus.push(sku); }
  const federated = new WorkloadIdentityCredential({tenantId: TENANT, clientId: CLIENT, tokenFilePath: TOKEN_FILE});
  const other = new ComputeManagementClient(federated, SUBSCRIPTION);
  for await (const usage of other.usage.list('eastus')) { told.usages[usage.name.value] = usage.limit; }
  try {
    const stranger = new ComputeManagementClient(new ClientSecretCredential(TENANT, CLIENT, 'wrong'), SUBSCRIPTION);
    for await (const sku of stranger.resourceSkus.list()) { told.stranger = sku.name; }
  } catch (error) { told.refusal = error.message; }
  try {
    const nowhere = new ComputeManagementClient(federated, 'no-such-subscription');
    for await (const sku of nowhere.resourceSkus.list()) { told.nowhere = sku.name; }
  } catch (error) { told.code = error.code; }
  console.log(JSON.stringify(told));
})().catch(error => { console.error(error); process.exit(1); });
"""


class Proxy:
    """Answers CONNECT HOST:443 with a connection to the emulators, whatever the host."""

    def __init__(self, port):
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            piece = client.recv(4096)
            if not piece:
                return
            head += piece
        if not head.startswith(b"CONNECT "):
            client.close()
            return
        server = socket.create_connection(("127.0.0.1", self.target))
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        threading.Thread(target=self.pump, args=(server, client), daemon=True).start()
        self.pump(client, server)

    @staticmethod
    def pump(source, sink):
        try:
            while piece := source.recv(65536):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class World:
    def __init__(self, ready, folder):
        self.plain, self.folder = ready["plain"], folder
        proxy = Proxy(ready["tls"]).url
        self.env = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy") and not name.startswith("AZURE_")}
        self.env.update(HOME=str(folder), HTTPS_PROXY=proxy, https_proxy=proxy, AZURE_CONFIG_DIR=str(folder / "azure"), REQUESTS_CA_BUNDLE=ready["ca"], NODE_EXTRA_CA_CERTS=ready["ca"],
                        AZURE_CORE_COLLECT_TELEMETRY="0", AZURE_CORE_NO_COLOR="1")

    def run(self, *words, **env):
        return subprocess.run([str(word) for word in words], env={**self.env, **env}, capture_output=True, text=True, timeout=110)

    def az(self, *words):
        done = self.run("az", *words, "-o", "json")
        assert done.returncode == 0, f"az {' '.join(words)}: {done.stderr}"
        return json.loads(done.stdout or "null")

    def log(self):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return json.loads(opener.open(f"http://127.0.0.1:{self.plain}/__log", timeout=20).read())


def check_az(world):
    # Debian's az 2.45 lacks a module that `az vm list-usage` of the default profile wants.
    world.az("cloud", "set", "-n", "AzureCloud", "--profile", "2020-09-01-hybrid")
    wrong = world.run("az", "login", "--service-principal", "-u", CLIENT, "-p", "wrong", "--tenant", TENANT)
    assert wrong.returncode != 0 and "AADSTS7000215" in wrong.stderr, wrong.stderr
    logins = world.az("login", "--service-principal", "-u", CLIENT, "-p", SECRET, "--tenant", TENANT)
    assert [(one["id"], one["name"], one["state"]) for one in logins] == [(SUBSCRIPTION, "Research", "Enabled")], logins

    skus = {sku["name"]: sku for sku in world.az("vm", "list-skus", "-l", "eastus", "--resource-type", "virtualMachines", "--all")}
    assert H100 in skus and "Standard_ND96isr_H200_v5" not in skus, sorted(skus)
    facts = {one["name"]: one["value"] for one in skus[H100]["capabilities"]}
    assert (facts["vCPUs"], facts["LowPriorityCapable"]) == ("96", "True"), facts
    assert skus[H100]["restrictions"][0]["restrictionInfo"]["zones"] == ["2"], skus[H100]["restrictions"]
    pages = [entry for entry in world.log() if "/skus" in entry["target"]]
    assert len(pages) > 1, pages

    usages = {one["name"]["value"]: one for one in world.az("vm", "list-usage", "-l", "eastus")}
    assert (usages["lowPriorityCores"]["limit"], usages["standardNDSH100v5Family"]["limit"]) in ((200, 192), ("200", "192")), usages

    question = {"desiredLocations": ["eastus"], "desiredSizes": [{"sku": H100}], "desiredCount": 1, "availabilityZones": False}
    path = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/locations/eastus/placementScores/spot/generate?api-version=2025-06-05"
    scores = world.az("rest", "--method", "post", "--url", path, "--body", json.dumps(question))
    assert scores["placementScores"][0]["score"] == "Medium", scores
    token = world.az("account", "get-access-token", "--resource", "https://management.azure.com/")
    assert azure.read_jwt(token["accessToken"])["appid"] == CLIENT, token
    assert (token["subscription"], token["tenant"], token["tokenType"]) == (SUBSCRIPTION, TENANT, "Bearer"), token


def check_node(world):
    script, assertion = world.folder / "skus.js", world.folder / "federated"
    script.write_text(SCRIPT)
    assertion.write_text(azure.sign({"iss": "https://token.actions.githubusercontent.com", "sub": SUBJECT, "aud": "api://AzureADTokenExchange"}))
    done = world.run("node", script, NODE_PATH=str(NODE_FOLDER / "node_modules"), TENANT=TENANT, CLIENT=CLIENT, SECRET=SECRET, SUBSCRIPTION=SUBSCRIPTION, TOKEN_FILE=str(assertion))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    skus = {sku["name"]: sku for sku in told["skus"]}
    assert skus[H100]["locationInfo"][0]["zones"] == ["1", "3"] and skus[H100]["family"] == "standardNDSH100v5Family", skus[H100]
    assert told["usages"]["lowPriorityCores"] == 200, told["usages"]
    assert "AADSTS7000215" in told["refusal"] and "stranger" not in told, told["refusal"]
    assert told["code"] == "SubscriptionNotFound", told
    assert any("skiptoken=" in entry["target"] for entry in world.log()), "the next pages were not asked for"


def main():
    if "--install" in sys.argv:
        NODE_FOLDER.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", NODE_FOLDER, "@azure/arm-compute", "@azure/identity"], check=True)
    has_az = shutil.which("az") is not None
    has_node = shutil.which("node") is not None and all((NODE_FOLDER / "node_modules" / "@azure" / name).is_dir() for name in ("arm-compute", "identity"))
    if not has_az and not has_node:
        print("skipped: neither az (apt install azure-cli) nor @azure/arm-compute is installed (azure_client.py --install gets the latter)")
        sys.exit(77)
    server = subprocess.Popen(["/usr/bin/python3", TESTS / "testcloud" / "server.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        with tempfile.TemporaryDirectory() as name:
            world = World(json.loads(server.stdout.readline()), pathlib.Path(name))
            if has_node:
                check_node(world)
            if has_az:
                check_az(world)
    finally:
        server.stdin.close()
        server.wait(10)
    for client, is_there in (("az", has_az), ("@azure/arm-compute", has_node)):
        print(f"azure: {client}", "is content with the emulator" if is_there else "is not installed: skipped")


if __name__ == "__main__":
    main()
