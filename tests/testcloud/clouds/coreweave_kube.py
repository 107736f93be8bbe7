"""A Kubernetes API server as far as CoreWeave's customers need one: objects with resource versions, discovery, lists in pages with selectors,
tables as kubectl prints them, watches, merge patches, RBAC for service accounts, and the garbage collector (what belongs to an object that is
gone goes). What happens to nodes and pods is in coreweave_machines.py. Stricter than the real one: an unknown field is always refused."""
import asyncio, base64, copy, datetime, json, re, secrets, uuid

from testcloud.api import Response

LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
COMPUTE, RBAC = "compute.coreweave.com", "rbac.authorization.k8s.io"
VERBS = ["create", "delete", "get", "list", "patch", "watch"]


class Kind:
    def __init__(self, plural, kind, group="", version="v1", namespaced=True, short=(), columns=()):
        self.plural, self.kind, self.group, self.version, self.namespaced, self.short, self.columns = plural, kind, group, version, namespaced, short, columns

    @property
    def api_version(self):
        return f"{self.group}/{self.version}" if self.group else self.version


def condition(object, type):
    return next((c for c in object.get("status", {}).get("conditions", []) if c["type"] == type), {})


KINDS = {kind.plural: kind for kind in [
    Kind("clusterrolebindings", "ClusterRoleBinding", RBAC, namespaced=False, columns=[("Role", lambda o: "ClusterRole/" + o["roleRef"]["name"])]),
    Kind("clusterroles", "ClusterRole", RBAC, namespaced=False),
    Kind("events", "Event", short=["ev"], columns=[("Type", lambda o: o["type"]), ("Reason", lambda o: o["reason"]), ("Message", lambda o: o["message"])]),
    Kind("namespaces", "Namespace", namespaced=False, short=["ns"]),
    Kind("nodepools", "NodePool", COMPUTE, "v1alpha1", namespaced=False, short=["np"], columns=[
        ("Instance Type", lambda o: o["spec"]["instanceType"]), ("Target", lambda o: o["spec"]["targetNodes"]), ("Queued", lambda o: o["status"].get("queuedNodes", 0)),
        ("InProgress", lambda o: o["status"].get("inProgress", 0)), ("Current", lambda o: o["status"].get("currentNodes", 0)),
        ("Validated", lambda o: condition(o, "Validated").get("reason", "")), ("Capacity", lambda o: condition(o, "Capacity").get("reason", "")),
        ("Quota", lambda o: condition(o, "Quota").get("reason", ""))]),
    Kind("nodes", "Node", namespaced=False, short=["no"], columns=[("Status", lambda o: condition(o, "Ready").get("status", "") == "True" and "Ready" or "NotReady")]),
    Kind("pods", "Pod", short=["po"], columns=[("Ready", lambda o: "1/1" if condition(o, "Ready").get("status") == "True" else "0/1"), ("Status", lambda o: o["status"]["phase"])]),
    Kind("secrets", "Secret", columns=[("Type", lambda o: o.get("type", "Opaque")), ("Data", lambda o: len(o.get("data", {})))]),
    Kind("serviceaccounts", "ServiceAccount", short=["sa"]),
    Kind("services", "Service", short=["svc"], columns=[("Type", lambda o: o["spec"].get("type", "ClusterIP")), (
        "External-IP", lambda o: ",".join(i["ip"] for i in o.get("status", {}).get("loadBalancer", {}).get("ingress", [])) or "<pending>")]),
]}


class Refused(Exception):
    def __init__(self, code, reason, message, headers=None):
        super().__init__(message)
        self.code, self.reason, self.message, self.headers = code, reason, message, headers or {}


def status(code, reason, message, **more):
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success" if code < 400 else "Failure", "message": message, "reason": reason, "code": code, **more}


def stamp(ms):
    return datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def merge(target, patch):
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    target = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = merge(target.get(name), value)
    return target


def selected(labels, selector):
    for part in filter(None, selector.split(",")):
        name, found, value = part.replace("==", "=").partition("=")
        if found and name.endswith("!"):
            if labels.get(name[:-1]) == value:
                return False
        elif found and labels.get(name) != value:
            return False
        elif not found and (name.lstrip("!") in labels) == name.startswith("!"):
            return False
    return True


def field(object, path):
    for name in path.split("."):
        object = object.get(name, {}) if isinstance(object, dict) else {}
    return object if isinstance(object, str) else ""


def fields_fit(object, selector):
    for part in filter(None, selector.split(",")):
        path, unequal, value = part.partition("!=") if "!=" in part else part.replace("==", "=").partition("=")
        if (field(object, path) == value) == (unequal == "!="):
            return False
    return True


class Store:
    """The objects of one cluster."""

    def __init__(self, now):
        self.now, self.version, self.objects, self.watchers, self.history = now, 1000, {}, set(), []
        for name in ("default", "kube-system"):
            self.put("namespaces", {"metadata": {"name": name}, "status": {"phase": "Active"}})

    def of(self, plural, namespace=None):
        return [o for (kind, ns, _), o in sorted(self.objects.items()) if kind == plural and namespace in (None, ns)]

    def find(self, plural, namespace, name):
        return self.objects.get((plural, namespace if KINDS[plural].namespaced else "", name))

    def uids(self):
        return {o["metadata"]["uid"] for o in self.objects.values()}

    def tell(self, type, plural, object):
        self.version += 1
        object["metadata"]["resourceVersion"] = str(self.version)
        self.history = [*self.history[-999:], (self.version, type, plural, copy.deepcopy(object))]
        for watcher in self.watchers:
            if watcher.plural == plural:
                watcher.queue.put_nowait((type, copy.deepcopy(object)))

    def put(self, plural, object):
        """A new object as it will be found."""
        kind, metadata = KINDS[plural], object["metadata"]
        metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": stamp(self.now()), "generation": 1}
        if kind.namespaced:
            metadata.setdefault("namespace", "default")
        object |= {"apiVersion": kind.api_version, "kind": kind.kind}
        self.objects[(plural, metadata.get("namespace", ""), metadata["name"])] = object
        self.tell("ADDED", plural, object)
        return object

    def change(self, plural, object, **parts):
        if any(object.get(name) != value for name, value in parts.items()):
            object |= copy.deepcopy(parts)
            self.tell("MODIFIED", plural, object)

    def remove(self, plural, object):
        metadata = object["metadata"]
        if self.objects.pop((plural, metadata.get("namespace", ""), metadata["name"]), None) is not None:
            self.tell("DELETED", plural, object)
            self.collect()

    def collect(self):
        """The garbage collector."""
        there = self.uids()
        for (plural, _, _), object in list(self.objects.items()):
            owners = object["metadata"].get("ownerReferences", [])
            if owners and not any(owner["uid"] in there for owner in owners):
                self.remove(plural, object)


class Watcher:
    def __init__(self, plural):
        self.plural, self.queue = plural, asyncio.Queue()


# --- what is asked ---

class Call:
    """Where a request goes: "/api/v1/namespaces/default/pods/x"."""

    def __init__(self, path):
        parts = path.strip("/").split("/")
        self.group, self.version, rest = ("", parts[1], parts[2:]) if parts[0] == "api" else (parts[1], parts[2], parts[3:])
        self.namespace = ""
        if len(rest) >= 3 and rest[0] == "namespaces":
            self.namespace, rest = rest[1], rest[2:]
        self.plural, self.name, self.sub = (rest + ["", "", ""])[:3]
        self.kind = KINDS.get(self.plural)
        if not self.kind or (self.kind.group, self.kind.version) != (self.group, self.version) or (self.sub and (self.plural, self.sub) != ("serviceaccounts", "token")):
            raise Refused(404, "NotFound", "the server could not find the requested resource")


def discovery(path):
    """None: it is not about what there is."""
    groups = sorted({(kind.group, kind.version) for kind in KINDS.values() if kind.group})
    described = [{"name": group, "versions": [{"groupVersion": f"{group}/{version}", "version": version}],
                  "preferredVersion": {"groupVersion": f"{group}/{version}", "version": version}} for group, version in groups]
    if path == "/version":
        return {"major": "1", "minor": "35", "gitVersion": "v1.35.0", "gitCommit": "0", "gitTreeState": "clean", "buildDate": "2026-01-01T00:00:00Z",
                "goVersion": "go1.25", "compiler": "gc", "platform": "linux/amd64"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
    if path == "/apis":
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": described}
    for group, version in [("", "v1"), *groups]:
        if path == (f"/apis/{group}/{version}" if group else "/api/v1"):
            return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{group}/{version}" if group else version, "resources": [
                {"name": kind.plural, "singularName": kind.kind.lower(), "namespaced": kind.namespaced, "kind": kind.kind, "verbs": VERBS, "shortNames": list(kind.short)}
                for kind in KINDS.values() if (kind.group, kind.version) == (group, version)]}
    if path == "/openapi/v3":
        return {"paths": {("apis/" + g if g else "api") + "/" + v: {"serverRelativeURL": f"/openapi/v3/{'apis/' + g if g else 'api'}/{v}"} for g, v in [("", "v1"), *groups]}}
    if path.startswith("/openapi/v3/"):
        return openapi(path.removeprefix("/openapi/v3"))
    return None


def openapi(prefix):
    """That fields are validated by the server, and of what kinds: what kubectl looks for before it creates."""
    paths = {}
    for kind in KINDS.values():
        if prefix == (f"/apis/{kind.group}/{kind.version}" if kind.group else "/api/v1"):
            named = {"x-kubernetes-group-version-kind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
                     "parameters": [{"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}], "responses": {"200": {"description": "OK"}}}
            place = f"{prefix}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{prefix}/{kind.plural}"
            paths[place] = {"post": {**named, "x-kubernetes-action": "post"}}
            paths[place + "/{name}"] = {"patch": {**named, "x-kubernetes-action": "patch"}}
    return {"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1.35.0"}, "paths": paths}


def as_table(kind, objects, version, headers=True):
    columns = [("Name", lambda o: o["metadata"]["name"]), *kind.columns, ("Created At", lambda o: o["metadata"]["creationTimestamp"])]
    return {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": version},
            "columnDefinitions": [{"name": name, "type": "string", "format": "name" if name == "Name" else "", "description": "", "priority": 0} for name, _ in columns] if headers else [],
            "rows": [{"cells": [str(read(o)) for _, read in columns],
                      "object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": o["metadata"]}} for o in objects]}


def check_metadata(kind, metadata):
    if set(metadata) - {"name", "namespace", "labels", "annotations", "ownerReferences", "finalizers", "creationTimestamp", "generateName"}:
        raise Refused(400, "BadRequest", f'strict decoding error: unknown field "metadata.{sorted(metadata)[0]}"')
    name = metadata.get("name", "")
    if not (DNS_LABEL if kind.plural == "services" else NAME).fullmatch(name):
        raise Refused(422, "Invalid", f'{kind.kind} "{name}" is invalid: metadata.name: Invalid value: "{name}": must be a lowercase RFC 1123 name')
    for part in ("labels", "annotations"):
        for key, value in metadata.get(part, {}).items():
            if not KEY.fullmatch(key) or not isinstance(value, str) or (part == "labels" and not LABEL.fullmatch(value)):
                raise Refused(422, "Invalid", f'{kind.kind} "{name}" is invalid: metadata.{part}: Invalid value: "{key}={value}"')
    for owner in metadata.get("ownerReferences", []):
        if not {"apiVersion", "kind", "name", "uid"} <= set(owner):
            raise Refused(422, "Invalid", f'{kind.kind} "{name}" is invalid: metadata.ownerReferences: Required value')


class Server:
    """One cluster's API. `controller`: what happens to its objects (coreweave_machines.Controller)."""

    def __init__(self, store, controller, admin):
        self.store, self.controller, self.admin, self.accounts = store, controller, admin, {}
        self.pages = {}  # continue token: (version, what is left)

    # --- who may do what ---

    def token_of(self, namespace, name):
        """A pod's token for its service account."""
        return next((t for t, account in self.accounts.items() if account == (namespace, name)), None) or self.new_token(namespace, name)

    def new_token(self, namespace, name):
        token = f"sa-{secrets.token_hex(16)}"
        self.accounts[token] = (namespace, name)
        return token

    def authorise(self, token, verb, kind, name):
        if token == self.admin:
            return
        namespace, account = self.accounts.get(token, ("", ""))
        if not account or not self.store.find("serviceaccounts", namespace, account):
            raise Refused(401, "Unauthorized", "Unauthorized")
        for binding in self.store.of("clusterrolebindings"):
            if any((s["kind"], s["namespace"], s["name"]) == ("ServiceAccount", namespace, account) for s in binding["subjects"]):
                role = self.store.find("clusterroles", "", binding["roleRef"]["name"])
                for rule in role["rules"] if role else []:
                    if kind.group in rule["apiGroups"] and kind.plural in rule["resources"] and verb in rule["verbs"] and name in rule.get("resourceNames", [name]):
                        return
        raise Refused(403, "Forbidden", f'{kind.plural}.{kind.group} "{name}" is forbidden: User "system:serviceaccount:{namespace}:{account}" cannot {verb} resource "{kind.plural}"')

    # --- answers ---

    def answer(self, request):
        try:
            self.controller.sync()
            if request.bearer() != self.admin and request.bearer() not in self.accounts:
                raise Refused(401, "Unauthorized", "Unauthorized")
            found = discovery(request.path)
            return Response(200, found) if found is not None else self.serve(request, Call(request.path))
        except Refused as refused:
            return Response(refused.code, status(refused.code, refused.reason, refused.message), refused.headers)
        except IndexError:
            return Response(404, status(404, "NotFound", "the server could not find the requested resource"))

    def serve(self, request, call):
        query, watching = request.query, request.query.get("watch") in ("1", "true")
        verb = {"POST": "create", "PATCH": "patch", "DELETE": "delete"}.get(request.method) or ("watch" if watching else "get" if call.name else "list")
        self.authorise(request.bearer(), verb, call.kind, call.name)
        table = "as=Table" in request.headers.get("accept", "")
        if verb == "create" and not call.sub:
            return self.create(request, call)
        if verb == "watch":
            return self.watch(call, query, table)
        if verb == "list":
            return self.list(call, query, table)
        object = self.store.find(call.plural, call.namespace, call.name)
        if object is None:
            raise Refused(404, "NotFound", f'{call.plural}{"." + call.group if call.group else ""} "{call.name}" not found')
        if call.sub:
            token, until = self.new_token(call.namespace, call.name), stamp(self.store.now() + 3_600_000)
            return Response(201, {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "metadata": {}, "spec": {"audiences": []},
                                  "status": {"token": token, "expirationTimestamp": until}})
        if verb == "patch":
            self.patch(request, call, object)
        elif verb == "delete":
            self.controller.deleted(call.plural, object)
            return Response(200, status(200, "", "", details={"name": call.name, "group": call.group, "kind": call.plural, "uid": object["metadata"]["uid"]}))
        return Response(200, as_table(call.kind, [object], object["metadata"]["resourceVersion"]) if table else object)

    def create(self, request, call):
        object = request.json
        metadata = object.get("metadata", {})
        if (object.get("apiVersion"), object.get("kind")) != (call.kind.api_version, call.kind.kind):
            raise Refused(400, "BadRequest", f"the object does not fit the path: {object.get('apiVersion')} {object.get('kind')}")
        check_metadata(call.kind, metadata)
        if call.kind.namespaced and not self.store.find("namespaces", "", call.namespace):
            raise Refused(404, "NotFound", f'namespaces "{call.namespace}" not found')
        if self.store.find(call.plural, call.namespace, metadata["name"]):
            raise Refused(409, "AlreadyExists", f'{call.plural} "{metadata["name"]}" already exists')
        if call.kind.namespaced:
            metadata["namespace"] = call.namespace
        self.controller.check(call.plural, object)
        object = self.store.put(call.plural, object)
        self.controller.made(call.plural, object)
        shown = copy.deepcopy(object)
        self.store.collect()  # what belongs to nobody goes at once
        return Response(201, shown)

    def patch(self, request, call, object):
        if request.headers.get("content-type") != "application/merge-patch+json":
            raise Refused(415, "UnsupportedMediaType", "only merge patches are taken here")
        wanted = merge(copy.deepcopy(object), request.json)
        if call.plural == "nodepools" and any(wanted["spec"].get(n) != object["spec"].get(n) for n in ("instanceType", "computeClass")):
            raise Refused(422, "Invalid", f'NodePool "{call.name}" is invalid: spec: instanceType and computeClass are immutable')
        check_metadata(call.kind, {k: v for k, v in wanted["metadata"].items() if k in ("name", "namespace", "labels", "annotations", "ownerReferences")})
        self.controller.check(call.plural, wanted)
        self.store.change(call.plural, object, metadata=wanted["metadata"], spec=wanted.get("spec", {}))
        self.controller.changed(call.plural, object)

    def found(self, call, query):
        return [o for o in self.store.of(call.plural, call.namespace or None)
                if selected(o["metadata"].get("labels", {}), query.get("labelSelector", "")) and fields_fit(o, query.get("fieldSelector", ""))]

    def list(self, call, query, table):
        limit = min(int(query.get("limit") or 500), self.controller.config.get("page", 3))
        if query.get("continue"):
            if query["continue"] not in self.pages:
                raise Refused(410, "Expired", "The provided continue parameter is too old to display a consistent list result.")
            version, objects = self.pages[query["continue"]]
        else:
            version, objects = str(self.store.version), copy.deepcopy(self.found(call, query))
        metadata = {"resourceVersion": version}
        if len(objects) > limit and "limit" in query:
            metadata |= {"continue": base64.b64encode(secrets.token_bytes(12)).decode(), "remainingItemCount": len(objects) - limit}
            self.pages[metadata["continue"]] = (version, objects[limit:])
            objects = objects[:limit]
        if table:
            shown = as_table(call.kind, objects, version)
            return Response(200, {**shown, "metadata": metadata})
        return Response(200, {"kind": call.kind.kind + "List", "apiVersion": call.kind.api_version, "metadata": metadata, "items": objects})

    def watch(self, call, query, table):
        watcher = Watcher(call.plural)
        self.store.watchers.add(watcher)
        since = int(query.get("resourceVersion") or 0)
        begun = ([(type, object) for version, type, plural, object in self.store.history if version > since and plural == call.plural] if since else
                 [("ADDED", copy.deepcopy(o)) for o in self.found(call, query)])

        async def body():
            try:
                for event in begun:
                    watcher.queue.put_nowait(event)
                first = True
                while True:
                    self.controller.sync()
                    try:
                        type, object = await asyncio.wait_for(watcher.queue.get(), 0.05)
                    except asyncio.TimeoutError:
                        yield b""
                        continue
                    if not selected(object["metadata"].get("labels", {}), query.get("labelSelector", "")) or not fields_fit(object, query.get("fieldSelector", "")):
                        continue
                    if table:
                        object = as_table(call.kind, [object], object["metadata"]["resourceVersion"], headers=first)
                    first = False
                    yield json.dumps({"type": type, "object": object}).encode() + b"\n"
            finally:
                self.store.watchers.discard(watcher)
        return Response(200, body)
