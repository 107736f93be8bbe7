#!/usr/bin/python3
"""az and Microsoft's Node clients judge the emulated Azure: discovery, logins, paging, sizes, quotas, refusals, machines from their group
to their end, at the real URLs.

    azure_client.py             runs with what is installed; exits 77 when neither client is there
    azure_client.py --install   first installs the Node clients into build/clients/azure (needs the npm registry)

A proxy that leads every CONNECT to the emulators stands in for the network, so that the clients speak TLS to the clouds' own names."""
import json, os, pathlib, shutil, socket, subprocess, sys, tempfile, threading, time, urllib.request

TESTS = pathlib.Path(__file__).resolve().parents[2]
NODE_FOLDER = TESTS.parent / "build" / "clients" / "azure"
sys.path.insert(0, str(TESTS))

from testcloud.clouds import azure  # noqa: E402
from testcloud.clouds.azure_world import CLIENT, SECRET, SUBSCRIPTION, TENANT  # noqa: E402

NODE_CLIENTS = ("arm-compute", "arm-network", "arm-resources", "identity")
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


# A machine with all that it stands in, by the typed clients: what they send and what they read are Microsoft's own schemas.
MACHINES = """
const {ComputeManagementClient} = require('@azure/arm-compute');
const {NetworkManagementClient} = require('@azure/arm-network');
const {ResourceManagementClient} = require('@azure/arm-resources');
const {ClientSecretCredential} = require('@azure/identity');
const {TENANT, CLIENT, SECRET, SUBSCRIPTION} = process.env;
const login = new ClientSecretCredential(TENANT, CLIENT, SECRET);
const compute = new ComputeManagementClient(login, SUBSCRIPTION), network = new NetworkManagementClient(login, SUBSCRIPTION);
const resources = new ResourceManagementClient(login, SUBSCRIPTION);
const group = 'gb-judge-a1', location = 'eastus', quick = {updateIntervalInMs: 20, intervalInMs: 20}, tags = {'gpubroker:token': 'judge-a1'};
const all = async pages => { const rows = []; for await (const row of pages) { rows.push(row); } return rows; };
async function make(name, extra) {
  const ip = await network.publicIPAddresses.beginCreateOrUpdateAndWait(group, name + '-ip',
    {location, tags, sku: {name: 'Standard'}, publicIPAllocationMethod: 'Static', deleteOption: 'Delete'}, quick);
  const subnet = await network.subnets.get(group, 'network', 'nodes').catch(async () => (await network.virtualNetworks.get(group, 'network')).subnets[0]);
  const nic = await network.networkInterfaces.beginCreateOrUpdateAndWait(group, name + '-nic',
    {location, enableAcceleratedNetworking: true, ipConfigurations: [{name: 'ip', primary: true, subnet: {id: subnet.id}, publicIPAddress: {id: ip.id}}]}, quick);
  return compute.virtualMachines.beginCreateOrUpdateAndWait(group, name, {location, tags, hardwareProfile: {vmSize: 'Standard_ND96isr_H100_v5'},
    storageProfile: {imageReference: {publisher: 'microsoft-dsvm', offer: 'ubuntu-hpc', sku: '2204', version: 'latest'},
                     osDisk: {createOption: 'FromImage', deleteOption: 'Delete', diskSizeGB: 256, managedDisk: {storageAccountType: 'Premium_LRS'}}},
    osProfile: {computerName: name, adminUsername: 'azureuser', customData: Buffer.from('#cloud-config\\n{}').toString('base64'), linuxConfiguration: {disablePasswordAuthentication: true,
                ssh: {publicKeys: [{path: '/home/azureuser/.ssh/authorized_keys', keyData: 'ssh-ed25519 AAAA x'}]}}},
    networkProfile: {networkInterfaces: [{id: nic.id, primary: true, deleteOption: 'Delete'}]}, ...extra}, quick);
}
(async () => {
  const told = {};
  told.group = (await resources.resourceGroups.createOrUpdate(group, {location, tags})).properties.provisioningState;
  const firewall = await network.networkSecurityGroups.beginCreateOrUpdateAndWait(group, 'firewall', {location, securityRules: [{name: 'ssh', priority: 1000, direction: 'Inbound',
    access: 'Allow', protocol: 'Tcp', sourcePortRange: '*', destinationPortRange: '22', sourceAddressPrefix: '*', destinationAddressPrefix: '*'}]}, quick);
  await network.virtualNetworks.beginCreateOrUpdateAndWait(group, 'network',
    {location, addressSpace: {addressPrefixes: ['10.0.0.0/16']}, subnets: [{name: 'nodes', addressPrefix: '10.0.0.0/16', networkSecurityGroup: {id: firewall.id}}]}, quick);
  const made = await make('gb-judge-a1-0', {priority: 'Spot', evictionPolicy: 'Delete', billingProfile: {maxPrice: -1}});
  told.made = [made.provisioningState, made.priority, made.timeCreated instanceof Date, made.osProfile.customData === undefined];
  told.groups = (await all(resources.resourceGroups.list({filter: "tagName eq 'gpubroker:token'"}))).map(one => one.name);
  told.listed = (await all(compute.virtualMachines.listAll())).map(one => [one.name, one.tags['gpubroker:token'], one.hardwareProfile.vmSize]);
  told.statuses = (await all(compute.virtualMachines.listAll({statusOnly: 'true'}))).map(one => one.instanceView.statuses.map(status => status.code));
  const view = await compute.virtualMachines.instanceView(group, 'gb-judge-a1-0');
  told.view = view.statuses.map(status => [status.code, status.time instanceof Date]);
  told.ips = (await all(network.publicIPAddresses.listAll())).map(one => [one.name, /^[0-9.]+$/.test(one.ipAddress)]);
  for (const [name, extra] of [['gb-judge-a1-1', {}], ['gb-judge-a1-2', {}]]) {
    try { await make(name, extra); } catch (error) { told[name] = [error.code, error.message]; }
  }
  await resources.tagsOperations.beginUpdateAtScopeAndWait?.(`/subscriptions/${SUBSCRIPTION}/resourceGroups/${group}`, {operation: 'Merge', properties: {tags: {more: 'x'}}}, quick);
  told.tags = (await resources.resourceGroups.get(group)).tags;
  await compute.virtualMachines.beginDeleteAndWait(group, 'gb-judge-a1-0', quick);
  told.left = [(await all(compute.virtualMachines.list(group))).map(one => [one.name, one.provisioningState]), (await all(network.networkInterfaces.list(group))).map(one => one.name)];
  await resources.resourceGroups.beginDeleteAndWait(group, quick);
  try { await resources.resourceGroups.get(group); } catch (error) { told.gone = error.code; }
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

    def call(self, path, body=None):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        data = None if body is None else json.dumps(body).encode()
        return json.loads(opener.open(urllib.request.Request(f"http://127.0.0.1:{self.plain}{path}", data=data), timeout=20).read())

    def log(self):
        return self.call("/__log")

    def arrange(self, **machines):
        self.call("/__scenario", {"clouds": {"azure": {"delete_ms": 200}}, "machines": {"boot_ms": 50, **machines}})


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


def check_node_machines(world):
    # One place of two, and two machines are allowed: the second fails to be allocated, and after it the quota is told.
    world.arrange(stock=[{"match": "azure/*/on_demand", "count": 0}])
    script = world.folder / "machines.js"
    script.write_text(MACHINES)
    done = world.run("node", script, NODE_PATH=str(NODE_FOLDER / "node_modules"), TENANT=TENANT, CLIENT=CLIENT, SECRET=SECRET, SUBSCRIPTION=SUBSCRIPTION)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["group"] == "Succeeded" and told["groups"] == ["gb-judge-a1"], told
    assert told["made"] == ["Succeeded", "Spot", True, True], told["made"]
    assert told["listed"] == [["gb-judge-a1-0", "judge-a1", H100]], told["listed"]
    assert told["statuses"] == [["ProvisioningState/succeeded", "PowerState/running"]], told["statuses"]
    assert told["view"][0] == ["ProvisioningState/succeeded", True], told["view"]
    assert told["ips"] == [["gb-judge-a1-0-ip", True]], told["ips"]
    assert "AllocationFailed" in told["gb-judge-a1-1"][1] or told["gb-judge-a1-1"][0] == "AllocationFailed", told
    assert told["tags"] == {"gpubroker:token": "judge-a1", "more": "x"}, told["tags"]
    # The failed ones stay behind, as with the real one; what was the deleted one's went with it.
    assert told["left"] == [[["gb-judge-a1-1", "Failed"], ["gb-judge-a1-2", "Failed"]], ["gb-judge-a1-1-nic", "gb-judge-a1-2-nic"]], told["left"]
    assert told["gone"] == "ResourceGroupNotFound", told
    assert world.call("/__leaks")["azure"] == [] and [m["state"] for m in world.call("/__machines")] == ["ended"]


def check_az_machines(world):
    """After check_az: it is logged in."""
    world.arrange()
    base = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/gb-az-a1"
    rest = lambda path, body, version: world.az("rest", "--method", "put", "--url", f"{base}/providers/{path}?api-version={version}", "--body", json.dumps(body))
    assert world.az("group", "create", "-n", "gb-az-a1", "-l", "eastus", "--tags", "gpubroker:token=az-a1")["properties"]["provisioningState"] == "Succeeded"
    assert [one["name"] for one in world.az("group", "list", "--tag", "gpubroker:token")] == ["gb-az-a1"]
    world.az("network", "nsg", "create", "-g", "gb-az-a1", "-n", "firewall", "-l", "eastus")
    world.az("network", "vnet", "create", "-g", "gb-az-a1", "-n", "network", "-l", "eastus", "--address-prefixes", "10.0.0.0/16", "--subnet-name", "nodes", "--subnet-prefixes", "10.0.0.0/16")
    rest("Microsoft.Network/publicIPAddresses/n-ip", {"location": "eastus", "sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Static"}}, "2025-05-01")
    time.sleep(0.1)
    rest("Microsoft.Network/networkInterfaces/n-nic", {"location": "eastus", "properties": {"ipConfigurations": [{"name": "ip", "properties": {
        "primary": True, "subnet": {"id": f"{base}/providers/Microsoft.Network/virtualNetworks/network/subnets/nodes"},
        "publicIPAddress": {"id": f"{base}/providers/Microsoft.Network/publicIPAddresses/n-ip"}}}]}}, "2025-05-01")
    time.sleep(0.1)
    rest("Microsoft.Compute/virtualMachines/n", {"location": "eastus", "tags": {"gpubroker:token": "az-a1"}, "properties": {
        "hardwareProfile": {"vmSize": H100}, "storageProfile": {
            "imageReference": {"publisher": "microsoft-dsvm", "offer": "ubuntu-hpc", "sku": "2204", "version": "latest"},
            "osDisk": {"createOption": "FromImage", "deleteOption": "Delete", "diskSizeGB": 256, "managedDisk": {"storageAccountType": "Premium_LRS"}}},
        "osProfile": {"computerName": "n", "adminUsername": "azureuser", "linuxConfiguration": {"disablePasswordAuthentication": True, "ssh": {"publicKeys": [
            {"path": "/home/azureuser/.ssh/authorized_keys", "keyData": "ssh-ed25519 AAAA x"}]}}},
        "networkProfile": {"networkInterfaces": [{"id": f"{base}/providers/Microsoft.Network/networkInterfaces/n-nic", "properties": {"primary": True}}]}}}, "2024-07-01")
    time.sleep(0.2)
    shown = world.az("vm", "get-instance-view", "-g", "gb-az-a1", "-n", "n")
    assert [one["code"] for one in shown["instanceView"]["statuses"]] == ["ProvisioningState/succeeded", "PowerState/running"], shown["instanceView"]
    assert [(one["name"], one["tags"]) for one in world.az("vm", "list")] == [("n", {"gpubroker:token": "az-a1"})]
    world.az("vm", "delete", "-g", "gb-az-a1", "-n", "n", "--yes")
    assert world.az("vm", "list", "-g", "gb-az-a1") == []
    world.az("group", "delete", "-n", "gb-az-a1", "--yes")
    assert world.call("/__leaks")["azure"] == []


def main():
    if "--install" in sys.argv:
        NODE_FOLDER.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", NODE_FOLDER, *(f"@azure/{name}" for name in NODE_CLIENTS)], check=True)
    has_az = shutil.which("az") is not None
    has_node = shutil.which("node") is not None and all((NODE_FOLDER / "node_modules" / "@azure" / name).is_dir() for name in NODE_CLIENTS)
    if not has_az and not has_node:
        print("skipped: neither az (apt install azure-cli) nor @azure/arm-compute is installed (azure_client.py --install gets the latter)")
        sys.exit(77)
    server = subprocess.Popen(["/usr/bin/python3", TESTS / "testcloud" / "server.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        with tempfile.TemporaryDirectory() as name:
            world = World(json.loads(server.stdout.readline()), pathlib.Path(name))
            if has_node:
                check_node(world)
                check_node_machines(world)
            if has_az:
                check_az(world)
                check_az_machines(world)
    finally:
        server.stdin.close()
        server.wait(10)
    for client, is_there in (("az", has_az), ("@azure/arm-compute", has_node)):
        print(f"azure: {client}", "is content with the emulator" if is_there else "is not installed: skipped")


if __name__ == "__main__":
    main()
