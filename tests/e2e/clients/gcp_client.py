#!/usr/bin/python3
"""gcloud and Google's Node clients judge the emulated Google Cloud: signed login, aggregated lists, paging, prices, machines.

    gcp_client.py             runs with what is installed; exits 77 when no client is there
    gcp_client.py --install   first installs the Node clients into build/clients/gcp (needs the npm registry)"""
import json, os, pathlib, shutil, subprocess, sys, tempfile, urllib.request

TESTS = pathlib.Path(__file__).resolve().parents[2]
NODE_FOLDER = TESTS.parent / "build" / "clients" / "gcp"
sys.path.insert(0, str(TESTS))

from testcloud.clouds import gcp  # noqa: E402

ACCOUNT = "ci@test-proj.iam.gserviceaccount.com"
NODE_CLIENTS = ("billing", "compute")
PRELUDE = """
const dns = require('dns');
// Every host is the emulator; the Host header stays the cloud's.
dns.lookup = (host, options, done) => {
  if (typeof options === 'function') { done = options; options = {}; }
  if (options.all) { done(null, [{address: '127.0.0.1', family: 4}]); } else { done(null, '127.0.0.1', 4); }
};
const {OAuth2Client} = require('google-auth-library');
const auth = new OAuth2Client();
auth.setCredentials({access_token: process.env.TOKEN, expiry_date: Date.now() + 3600e3});
const emulator = {port: Number(process.env.PORT), protocol: 'http', fallback: true, authClient: auth, projectId: 'test-proj'};
"""
SCRIPT = PRELUDE + """
const {CloudCatalogClient} = require('@google-cloud/billing');
const client = new CloudCatalogClient(emulator);
(async () => {
  const skus = [];
  for await (const sku of client.listSkusAsync({parent: 'services/6F81-5844-456A'})) {
    const price = sku.pricingInfo[0].pricingExpression.tieredRates[0].unitPrice;
    skus.push({description: sku.description, regions: sku.serviceRegions, usage: sku.category.usageType,
               unit: sku.pricingInfo[0].pricingExpression.usageUnit, units: String(price.units), nanos: price.nanos});
  }
  console.log(JSON.stringify(skus));
})().catch(error => { console.error(error); process.exit(1); });
"""
# A gang from one call to its end, and a machine of another owner that no filter may let through; then what is refused.
MACHINES = PRELUDE + """
const {InstancesClient, ZoneOperationsClient} = require('@google-cloud/compute');
const instances = new InstancesClient(emulator), operations = new ZoneOperationsClient(emulator);
const project = 'test-proj', zone = 'us-central1-a', ours = 'labels.gpubroker-token=judge-a1';
const all = async rows => { const found = []; for await (const row of rows) { found.push(row); } return found; };
const last = link => link.split('/').pop();
async function finished(operation) {
  for (let turn = 0; operation.status !== 'DONE' && turn < 20; turn++) { [operation] = await operations.wait({project, zone, operation: operation.name}); }
  return operation;
}
const wait = answer => finished(answer[0].latestResponse);
// The REST transport gives the body of a refusal as its message.
const refused = async call => { try { await call; } catch (error) { const body = JSON.parse(error.message).error; return [error.code, body.message, body.errors.map(one => [one.domain, one.reason])]; } };
const failure = operation => operation.error.errors.map(one => ({code: one.code, message: one.message, details: one.errorDetails}));
const machine = (type, labels, model) => ({machineType: type, labels,
  scheduling: {onHostMaintenance: 'TERMINATE', automaticRestart: false, provisioningModel: model, ...(model === 'SPOT' && {instanceTerminationAction: 'DELETE', maxRunDuration: {seconds: 7200}})},
  disks: [{boot: true, autoDelete: true, initializeParams: {sourceImage: 'projects/debian-cloud/global/images/debian-12-x', diskSizeGb: 50}}],
  networkInterfaces: [{network: 'global/networks/default', nicType: 'GVNIC', accessConfigs: [{type: 'ONE_TO_ONE_NAT', name: 'External NAT'}]}],
  metadata: {items: [{key: 'startup-script', value: '#!/bin/sh'}]}});
const gang = (pattern, type, model, requestId) => instances.bulkInsert({project, zone, requestId, bulkInsertInstanceResourceResource:
  {count: 2, minCount: 2, namePattern: pattern, instanceProperties: machine(type, {'gpubroker-token': 'judge-a1'}, model)}});
const one = (name, type, where) => instances.insert({project, zone: where, instanceResource: {name, ...machine(`zones/${where}/machineTypes/${type}`, {'gpubroker-token': 'other'}, 'STANDARD')}});
(async () => {
  const told = {}, id = '11111111-2222-4333-8444-555555555555';
  const asked = await gang('gb-judge-#', 'a3-highgpu-8g', 'SPOT', id), again = await gang('gb-judge-#', 'a3-highgpu-8g', 'SPOT', id);
  told.same = asked[0].latestResponse.name === again[0].latestResponse.name;
  const made = await wait(asked);
  told.made = [made.operationType, made.status, made.error, made.clientOperationId, made.progress];
  told.counts = made.instancesBulkInsertOperationMetadata.perLocationStatus['zones/' + zone];
  // The gang's operation may end before its machines run: those have an operation each.
  const each = (await all(operations.listAsync({project, zone, filter: `operationGroupId eq "${made.operationGroupId}"`}))).filter(op => op.operationType === 'insert');
  told.each = [];
  for (const one of each) { const op = await finished(one); told.each.push([op.operationType, last(op.targetLink), op.status, op.error]); }
  told.other = (await wait(await one('gb-other', 'g2-standard-4', zone))).error ?? null;
  told.aggregated = [];
  for await (const [place, scope] of instances.aggregatedListAsync({project, filter: ours, returnPartialSuccess: true})) {
    for (const row of scope.instances) { told.aggregated.push([place, row.name, row.status]); }
  }
  told.everywhere = (await all(instances.aggregatedListAsync({project}))).flatMap(([, scope]) => scope.instances.map(row => row.name));
  told.listed = (await all(instances.listAsync({project, zone, filter: ours}))).map(row => [row.name, row.labels, last(row.machineType), last(row.zone)]);
  const [shown] = await instances.get({project, zone, instance: 'gb-judge-1'});
  told.shown = {id: /^[0-9]+$/.test(shown.id), status: shown.status, created: Date.parse(shown.creationTimestamp) > 0, started: Date.parse(shown.lastStartTimestamp) > 0,
    scheduling: [shown.scheduling.provisioningModel, shown.scheduling.instanceTerminationAction, Number(shown.scheduling.maxRunDuration.seconds), shown.scheduling.automaticRestart],
    ip: shown.networkInterfaces[0].accessConfigs[0].natIP, disks: shown.disks.map(disk => [disk.boot, disk.autoDelete]),
    accelerators: shown.guestAccelerators.map(one => [last(one.acceleratorType), one.acceleratorCount]), metadata: shown.metadata.items.map(item => [item.key, item.value])};
  const short = await wait(await one('gb-short', 'a3-highgpu-8g', zone));
  told.short = [short.status, short.httpErrorStatusCode, failure(short)];
  const none = await wait(await gang('gb-none-#', 'a3-highgpu-8g', 'STANDARD'));
  told.none = [failure(none), none.instancesBulkInsertOperationMetadata.perLocationStatus['zones/' + zone].failedToCreateVmCount];
  told.quota = await refused(one('gb-quota', 'a3-highgpu-8g', 'us-east4-b'));
  told.twice = await refused(one('gb-judge-1', 'g2-standard-4', zone));
  told.label = await refused(instances.insert({project, zone, instanceResource: {name: 'gb-label', ...machine(`zones/${zone}/machineTypes/g2-standard-4`, {Token: 'x'}, 'STANDARD')}}));
  for (const instance of ['gb-judge-1', 'gb-judge-2', 'gb-other']) {
    const ended = await wait(await instances.delete({project, zone, instance}));
    told[instance] = [ended.operationType, ended.status, ended.error];
  }
  told.ends = (await all(operations.listAsync({project, zone, filter: 'operationType=delete'}))).map(op => last(op.targetLink));
  told.gone = await refused(instances.get({project, zone, instance: 'gb-judge-1'}));
  told.left = (await all(instances.aggregatedListAsync({project}))).flatMap(([, scope]) => scope.instances);
  console.log(JSON.stringify(told));
})().catch(error => { console.error(error); process.exit(1); });
"""


def make_key(folder):
    key, public = folder / "key.pem", folder / "public.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key], check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", public], check=True, capture_output=True)
    return key.read_text(), public.read_text()


class Emulator:
    def __init__(self, ready):
        self.plain = ready["plain"]

    def url(self, name):
        return f"http://127.0.0.1:{self.plain}/__host/{name}"

    def call(self, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.plain}{path}", data=None if body is None else json.dumps(body).encode())
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return json.loads(opener.open(request, timeout=20).read())


class Gcloud:
    def __init__(self, emulator, folder):
        self.env = dict(os.environ, CLOUDSDK_CONFIG=str(folder / "gcloud"), CLOUDSDK_CORE_PROJECT=gcp.PROJECT, CLOUDSDK_CORE_DISABLE_PROMPTS="1",
                        CLOUDSDK_CORE_DISABLE_USAGE_REPORTING="1", CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK="1", CLOUDSDK_SURVEY_DISABLE_PROMPTS="1",
                        CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE=emulator.url("compute.googleapis.com") + "/compute/v1/")
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "GOOGLE_APPLICATION_CREDENTIALS"):
            self.env.pop(name, None)

    def run(self, *words):
        return subprocess.run(["gcloud", *words], env=self.env, capture_output=True, text=True, timeout=110)

    def read(self, *words):
        done = self.run(*words, "--format=json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def check_gcloud(emulator, folder, key, wrong_key):
    gcloud = Gcloud(emulator, folder)
    account = {"type": "service_account", "project_id": gcp.PROJECT, "private_key_id": "k1", "private_key": wrong_key, "client_email": ACCOUNT, "client_id": "1",
               "token_uri": emulator.url("oauth2.googleapis.com") + "/token"}
    file = folder / "account.json"
    file.write_text(json.dumps(account))
    refused = gcloud.run("auth", "activate-service-account", f"--key-file={file}")
    assert refused.returncode != 0 and "Invalid JWT Signature" in refused.stderr, (refused.stdout, refused.stderr)

    file.write_text(json.dumps(dict(account, private_key=key)))
    assert gcloud.run("auth", "activate-service-account", f"--key-file={file}").returncode == 0
    token = gcloud.run("auth", "print-access-token")
    assert token.returncode == 0 and token.stdout.startswith("ya29.testcloud-"), token.stderr

    accelerators = gcloud.read("compute", "accelerator-types", "list")
    places = {(item["name"], item["zone"].rsplit("/", 1)[-1]) for item in accelerators}
    assert ("nvidia-gb200", "us-east1-d") in places and ("nvidia-tesla-t4", "us-west1-b") in places, places
    machines = gcloud.read("compute", "machine-types", "list")
    found = {(item["name"], item["zone"].rsplit("/", 1)[-1]): item for item in machines}
    assert len(found) == sum(len(shape[4]) for shape in {**gcp.TYPES, **gcp.GONE}.values()), len(found)
    h100 = found["a3-highgpu-8g", "us-central1-a"]
    assert h100["guestCpus"] == 208 and h100["accelerators"][0]["guestAcceleratorCount"] == 8, h100
    pages = [entry for entry in emulator.call("/__log") if "aggregated/machineTypes" in entry["target"]]
    assert len(pages) > 1, pages
    check_machines(gcloud)
    check_networks(gcloud)
    return token.stdout.strip()


def check_machines(gcloud):
    """create -> list -> describe -> delete, one and a gang; what is refused comes out in Google's words."""
    machine = ["--zone=us-central1-a", "--machine-type=a3-highgpu-8g", "--maintenance-policy=TERMINATE", "--no-restart-on-failure", "--image-project=debian-cloud", "--image=debian-12-x",
               "--no-service-account", "--no-scopes"]
    made = gcloud.run("compute", "instances", "create", "n1", *machine, "--provisioning-model=SPOT", "--instance-termination-action=DELETE", "--max-run-duration=2h", "--labels=owner=x",
                      "--network-interface=nic-type=GVNIC,network=default", "--reservation-affinity=none")
    assert made.returncode == 0, made.stderr
    listed = gcloud.read("compute", "instances", "list")
    assert [(item["name"], item["status"], item["labels"]) for item in listed] == [("n1", "RUNNING", {"owner": "x"})], listed
    shown = gcloud.read("compute", "instances", "describe", "n1", "--zone=us-central1-a")
    assert shown["scheduling"]["provisioningModel"] == "SPOT" and shown["networkInterfaces"][0]["accessConfigs"][0]["natIP"], shown
    gone = gcloud.run("compute", "instances", "delete", "n1", "--zone=us-central1-a", "-q")
    assert gone.returncode == 0 and gcloud.read("compute", "instances", "list") == [], gone.stderr
    ends = gcloud.read("compute", "operations", "list", "--filter=operationType=delete")
    assert len(ends) == 1 and ends[0]["targetLink"].endswith("/zones/us-central1-a/instances/n1") and ends[0]["status"] == "DONE", ends

    placed = gcloud.run("compute", "resource-policies", "create", "group-placement", "nvl", "--region=us-central1", "--collocation=collocated", "--gpu-topology=1x72")
    assert placed.returncode == 0, placed.stderr
    gang = gcloud.run("compute", "instances", "bulk", "create", "--name-pattern=gang-##", "--count=4", "--min-count=4", *machine)
    assert gang.returncode == 0 and "VM instances created: 4, failed: 0" in gang.stdout + gang.stderr, (gang.stdout, gang.stderr)
    assert sorted(item["name"] for item in gcloud.read("compute", "instances", "list")) == [f"gang-0{i}" for i in range(1, 5)]
    short = gcloud.run("compute", "instances", "create", "n2", *machine)
    assert short.returncode == 1 and "does not have enough resources" in short.stderr, short.stderr


def check_networks(gcloud):
    """A network of MTU 8244 with its subnet and rule, and what may not be; all of it gone again."""
    def done(*words):
        ran = gcloud.run("compute", *words)
        assert ran.returncode == 0, ran.stderr
    done("networks", "create", "f1", "--subnet-mode=custom", "--mtu=8244")
    done("networks", "subnets", "create", "f1", "--network=f1", "--region=us-central1", "--range=10.0.0.0/20")
    done("firewall-rules", "create", "f1-inside", "--network=f1", "--allow=all", "--source-ranges=10.0.0.0/14")
    assert [(one["name"], one["mtu"]) for one in gcloud.read("compute", "networks", "list")] == [("f1", 8244)]
    assert gcloud.read("compute", "networks", "subnets", "list")[0]["ipCidrRange"] == "10.0.0.0/20"
    twice = gcloud.run("compute", "networks", "subnets", "create", "f2", "--network=f1", "--region=us-east4", "--range=10.0.8.0/24")
    assert twice.returncode == 1 and "conflicts" in twice.stderr, twice.stderr
    used = gcloud.run("compute", "networks", "delete", "f1", "-q")
    assert used.returncode == 1 and "already being used" in used.stderr, used.stderr
    done("firewall-rules", "delete", "f1-inside", "-q")
    done("networks", "subnets", "delete", "f1", "--region=us-central1", "-q")
    done("networks", "delete", "f1", "-q")


def node(emulator, folder, token, text):
    """What the script tells."""
    script = folder / "script.js"
    script.write_text(text)
    env = dict(os.environ, NODE_PATH=str(NODE_FOLDER / "node_modules"), TOKEN=token, PORT=str(emulator.plain))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        env.pop(name, None)
    done = subprocess.run(["node", script], env=env, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check_node(emulator, folder, token):
    skus = node(emulator, folder, token, SCRIPT)
    assert len(skus) == len(gcp.SKUS), (len(skus), len(gcp.SKUS))
    h100 = next(sku for sku in skus if sku["description"] == "Nvidia H100 80GB GPU running in Americas")
    assert (h100["units"], h100["nanos"], h100["unit"], h100["usage"]) == ("9", 796550000, "h", "OnDemand"), h100
    pages = [entry for entry in emulator.call("/__log") if "/skus" in entry["target"]]
    assert len(pages) > 1, pages


def check_node_machines(emulator, folder):
    """A gang of two by bulkInsert, from the call to its end; stock-outs as operations tell them, quota as a call is refused. Pages of one row."""
    emulator.call("/__scenario", {"clouds": {"gcp": {"page": 1, "operation_ms": 50, "refuse_at_once": True}}, "machines": {
        "boot_ms": 100, "stock": [{"match": "gcp/*/us-central1-a/a3-highgpu-8g/on_demand", "count": 0}], "quota": [{"match": "gcp/us-east4/*/a3-highgpu-8g/on_demand", "count": 0}]}})
    told = node(emulator, folder, login(emulator), MACHINES)
    assert told["same"], "the same requestId made another operation"
    assert told["made"] == ["bulkInsert", "DONE", None, "11111111-2222-4333-8444-555555555555", 100], told["made"]
    assert (told["counts"]["targetVmCount"], told["counts"]["createdVmCount"], told["counts"]["status"]) == (2, 2, "DONE"), told["counts"]
    assert told["each"] == [["insert", f"gb-judge-{i}", "DONE", None] for i in (1, 2)], told["each"]
    assert told["other"] is None, told["other"]
    assert told["aggregated"] == [["zones/us-central1-a", f"gb-judge-{i}", "RUNNING"] for i in (1, 2)], told["aggregated"]
    assert told["everywhere"] == ["gb-judge-1", "gb-judge-2", "gb-other"], told["everywhere"]
    assert told["listed"] == [[f"gb-judge-{i}", {"gpubroker-token": "judge-a1"}, "a3-highgpu-8g", "us-central1-a"] for i in (1, 2)], told["listed"]
    assert sum("aggregated/instances" in entry["target"] and "pageToken=" in entry["target"] for entry in emulator.call("/__log")) > 2, "the next pages were not asked for"
    shown = told["shown"]
    assert shown.pop("ip") in [machine["address"] for machine in emulator.call("/__machines")], told["shown"]
    assert shown == {"id": True, "status": "RUNNING", "created": True, "started": True, "scheduling": ["SPOT", "DELETE", 7200, False], "disks": [[True, True]],
                     "accelerators": [["nvidia-h100-80gb", 8]], "metadata": [["startup-script", "#!/bin/sh"]]}, shown

    status, code, [why] = told["short"]
    assert (status, code, why["code"]) == ("DONE", 503, "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS") and "does not have enough resources available" in why["message"], told["short"]
    assert why["details"][0]["errorInfo"]["reason"] == "stockout" and why["details"][0]["errorInfo"]["metadatas"]["vmType"] == "a3-highgpu-8g", why
    assert [one["code"] for one in told["none"][0]] == ["VM_MIN_COUNT_NOT_REACHED"] and told["none"][1] == 2, told["none"]
    code, message, reasons = told["quota"]
    assert (code, reasons) == (403, [["usageLimits", "quotaExceeded"]]) and message.startswith("Quota 'GPUS-PER-GPU-FAMILY-per-project-region' exceeded.  Limit: 0.0 in region us-east4"), told["quota"]
    assert told["twice"][0] == 409 and told["twice"][2] == [["global", "alreadyExists"]], told["twice"]
    assert told["label"][0] == 400 and "resource.labels" in told["label"][1], told["label"]

    names = ["gb-judge-1", "gb-judge-2", "gb-other"]
    assert all(told[name] == ["delete", "DONE", None] for name in names) and sorted(told["ends"]) == names, told
    assert (told["gone"][0], told["gone"][2]) == (404, [["global", "notFound"]]) and told["left"] == [], told
    # What was refused left nothing, and what there was is billed for its least minute.
    account = {machine["id"]: (machine["state"], machine["end_reason"], machine["tags"]["gpubroker-token"], round(60 * machine["bill_micros"] / machine["price_micros"], 3)) for machine in emulator.call("/__machines")}
    assert account == {name: ("ended", "user", "other" if name == "gb-other" else "judge-a1", 1) for name in names}, account
    assert emulator.call("/__leaks")["gcp"] == [], emulator.call("/__leaks")


def login(emulator):
    """A token without gcloud."""
    form = "grant_type=refresh_token&client_id=c&client_secret=s&refresh_token=1//refresh-testcloud".encode()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return json.loads(opener.open(emulator.url("oauth2.googleapis.com") + "/token", form, timeout=20).read())["access_token"]


def main():
    if "--install" in sys.argv:
        NODE_FOLDER.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", NODE_FOLDER, *(f"@google-cloud/{name}" for name in NODE_CLIENTS)], check=True)
    has_gcloud = shutil.which("gcloud") is not None
    there = {name: shutil.which("node") is not None and (NODE_FOLDER / "node_modules" / "@google-cloud" / name).is_dir() for name in NODE_CLIENTS}
    if not has_gcloud and not any(there.values()):
        print("skipped: neither gcloud nor @google-cloud/billing or /compute is installed (gcp_client.py --install gets the latter two)")
        sys.exit(77)
    server = subprocess.Popen(["/usr/bin/python3", TESTS / "testcloud" / "server.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            emulator = Emulator(json.loads(server.stdout.readline()))
            key, public = make_key(folder)
            wrong_key, _ = make_key(folder)
            emulator.call("/__scenario", {"clouds": {"gcp": {"accounts": {ACCOUNT: public}}}, "machines": {"stock": [{"match": "gcp/*/on_demand", "count": 4}]}})
            token = check_gcloud(emulator, folder, key, wrong_key) if has_gcloud else login(emulator)
            if there["billing"]:
                check_node(emulator, folder, token)
            if there["compute"]:
                check_node_machines(emulator, folder)
    finally:
        server.stdin.close()
        server.wait(10)
    for client, is_there in (("gcloud", has_gcloud), *((f"@google-cloud/{name}", is_there) for name, is_there in there.items())):
        print(f"gcp: {client}", "is content with the emulator" if is_there else "is not installed: skipped")


if __name__ == "__main__":
    main()
