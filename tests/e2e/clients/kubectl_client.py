#!/usr/bin/python3
"""kubectl judges the emulated CoreWeave cluster: discovery, validation, tables, pages, describe, watch, patches, waits, RBAC, and what goes with
its owner. Debian's kubernetes-client or any other; skipped (77) where there is none."""
import base64, json, os, pathlib, shutil, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "e2e")]
from testclouds import Clouds  # noqa: E402
from testcloud.clouds import coreweave  # noqa: E402

SERVER = coreweave.CLUSTERS[0]["apiServerEndpoint"]


def pool(name, nodes, **spec):
    return {"apiVersion": "compute.coreweave.com/v1alpha1", "kind": "NodePool", "metadata": {"name": name, "labels": {"team": "a"}, "annotations": {"until": "2026-11-27T10:00:00Z"}},
            "spec": {"instanceType": "gd-8xh100ib-i128", "targetNodes": nodes, **spec}}


def owned(kind, name, owner, **rest):
    version = "rbac.authorization.k8s.io/v1" if kind.startswith("ClusterRole") else "v1"
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": {"app": name}, "ownerReferences": [reference]}, **rest}


class Kubectl:
    def __init__(self, path, folder, clouds, token=coreweave.TOKEN):
        ca = base64.b64encode(pathlib.Path(clouds.ca).read_bytes()).decode()
        config = {"apiVersion": "v1", "kind": "Config", "current-context": "train", "contexts": [{"name": "train", "context": {"cluster": "c", "user": "u"}}],
                  "clusters": [{"name": "c", "cluster": {"server": f"https://localhost:{clouds.tls}/__host/{SERVER}", "certificate-authority-data": ca}}],
                  "users": [{"name": "u", "user": {"token": token}}]}
        self.path, self.folder = path, pathlib.Path(tempfile.mkdtemp(dir=folder))
        (self.folder / "config").write_text(json.dumps(config))
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "KUBECONFIG": str(self.folder / "config")}

    def run(self, *words, text=""):
        done = subprocess.run([self.path, *words], env=self.env, input=text, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr

    def ok(self, *words, text=""):
        code, out, err = self.run(*words, text=text)
        assert code == 0, (words, out, err)
        return out

    def make(self, object):
        return self.ok("create", "-f", "-", text=json.dumps(object))

    def json(self, *words):
        return json.loads(self.ok("get", *words, "-o", "json"))

    def refused(self, words, why, object=None):
        code, out, err = self.run(*words, text=json.dumps(object) if object else "")
        assert code != 0 and why in err, (words, out, err)

    def start(self, *words):
        return subprocess.Popen([self.path, *words], env=self.env, stdout=subprocess.PIPE, text=True)


def check_pools(kubectl):
    """create -> get -> describe -> patch -> list in pages -> delete."""
    assert "nodepools" in kubectl.ok("api-resources", "--api-group", "compute.coreweave.com", "-o", "name")
    kubectl.make(pool("p1", 2))
    kubectl.ok("wait", "nodepool/p1", "--for=condition=Capacity", "--timeout=20s")
    head, row = kubectl.ok("get", "np", "p1").splitlines()
    assert head.split()[:8] == ["NAME", "INSTANCE", "TYPE", "TARGET", "QUEUED", "INPROGRESS", "CURRENT", "VALIDATED"], head
    assert row.split()[:8] == ["p1", "gd-8xh100ib-i128", "2", "0", "0", "2", "Valid", "Sufficient"], row
    told = kubectl.ok("describe", "nodepool", "p1")
    assert "CWNodeAssigned" in told and "Target Nodes:   2" in told, told
    kubectl.ok("patch", "nodepool", "p1", "--type", "merge", "-p", json.dumps({"spec": {"targetNodes": 5}, "metadata": {"annotations": {"until": "later"}}}))
    nodes = kubectl.ok("get", "nodes", "-l", "compute.coreweave.com/node-pool=p1", "-o", "name", "--chunk-size=2").split()
    assert len(set(nodes)) == 5, nodes
    kubectl.ok("patch", "nodepool", "p1", "--type", "merge", "-p", '{"spec": {"targetNodes": 1}}')
    assert kubectl.json("np", "p1")["status"]["currentNodes"] == 1
    refused = [("Unsupported value", pool("bad", 1, computeClass="cheap")), ("already exists", pool("p1", 1)), ("unknown field", pool("bad", 1, size=3)),
               ("Invalid value", {**pool("bad", 1), "metadata": {"name": "bad", "labels": {"until": "2026-11-27T10:00:00Z"}}}), ("Required value", pool("bad", -1))]
    for why, object in refused:
        kubectl.refused(("create", "-f", "-"), why, object)
    kubectl.refused(("patch", "nodepool", "p1", "--type", "merge", "-p", '{"spec": {"instanceType": "b200-8x"}}'), "immutable")
    kubectl.refused(("get", "nodepool", "nobody"), "NotFound")
    kubectl.make(pool("elsewhere", 1) | {"spec": {"instanceType": "b300-8x", "targetNodes": 1}})
    kubectl.ok("wait", "nodepool/elsewhere", "--for=condition=Validated=false", "--timeout=20s")
    kubectl.ok("delete", "nodepool", "elsewhere", "p1")
    assert kubectl.json("nodes")["items"] == []


def check_work(kubectl, clouds, path, folder):
    """A pod on a node, its address, the account that may end the pool alone; all of it goes with the pool."""
    kubectl.make(pool("gang", 1))
    owner = kubectl.json("np", "gang")
    watch = kubectl.start("get", "pods", "--watch", "--output-watch-events")
    container = {"name": "node", "image": "busybox", "command": ["sh", "-c", "sleep 60"], "resources": {"limits": {"nvidia.com/gpu": "8"}}}
    pod_spec = {"restartPolicy": "Never", "serviceAccountName": "gang", "nodeSelector": {"compute.coreweave.com/node-pool": "gang"}, "containers": [container]}
    kubectl.refused(("create", "-f", "-"), "not found", owned("Pod", "work", owner, spec=pod_spec))  # no account yet
    kubectl.make(owned("ServiceAccount", "gang", owner))
    kubectl.make(owned("ClusterRole", "gang", owner, rules=[{"apiGroups": ["compute.coreweave.com"], "resources": ["nodepools"], "resourceNames": ["gang"], "verbs": ["delete"]}]))
    kubectl.make(owned("ClusterRoleBinding", "gang", owner, roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "gang"},
                       subjects=[{"kind": "ServiceAccount", "name": "gang", "namespace": "default"}]))
    kubectl.make(owned("Secret", "keys", owner, data={"a": "Yg=="}))
    kubectl.make(owned("Pod", "work", owner, spec=pod_spec))
    kubectl.ok("wait", "pod/work", "--for=condition=Ready", "--timeout=20s")
    public = owned("Service", "work", owner, spec={"type": "LoadBalancer", "selector": {"app": "work"}, "ports": [{"name": "ssh", "port": 22, "targetPort": 22}]})
    public["metadata"]["annotations"] = {"service.beta.kubernetes.io/coreweave-load-balancer-type": "public"}
    kubectl.make(public)
    assert "198.18." in kubectl.ok("get", "service", "work") and "LoadBalancer Ingress:" in kubectl.ok("describe", "service", "work")
    assert "Node:" in kubectl.ok("describe", "pod", "work") and "nvidia.com/gpu:  8" in kubectl.ok("describe", "pod", "work")

    # The account sees nothing, and may end nothing but its own pool.
    small = Kubectl(path, folder, clouds, kubectl.ok("create", "token", "gang").strip())
    kubectl.make(pool("other", 1))
    small.refused(("delete", "nodepool", "other", "--wait=false"), "Forbidden")
    small.refused(("get", "pods"), "Forbidden")
    small.ok("delete", "nodepool", "gang", "--wait=false")
    for kind in ("pods", "services", "secrets", "serviceaccounts", "clusterroles", "clusterrolebindings"):
        assert kubectl.json(kind)["items"] == [], kind
    orphan = owned("Secret", "late", owner, data={})
    kubectl.make(orphan)  # its owner is gone
    kubectl.refused(("get", "secret", "late"), "NotFound")
    kubectl.ok("delete", "nodepool", "other")
    watch.terminate()
    seen = [line.split()[0] for line in watch.communicate(timeout=20)[0].splitlines()[1:]]
    assert seen[0] == "ADDED" and "MODIFIED" in seen and seen[-1] == "DELETED", seen


def main():
    path = shutil.which("kubectl")
    if not path:
        print("skipped: kubectl is not installed (apt install kubernetes-client)")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder, Clouds() as clouds:
        kubectl = Kubectl(path, folder, clouds)
        Kubectl(path, folder, clouds, "wrong").refused(("get", "pods"), "must be logged in")
        check_pools(kubectl)
        check_work(kubectl, clouds, path, folder)
        version = json.loads(kubectl.ok("version", "-o", "json"))["clientVersion"]["gitVersion"]
        assert clouds.call("/__leaks")["coreweave"] == []
    print("coreweave: kubectl", version, "is content with the emulator")


if __name__ == "__main__":
    main()
