"""What every resource of the emulated Resource Manager has in common: groups, tags, pages, operations that take their time.

A resource group that is being deleted stays to be seen, with all that is in it, until it is gone; so does a machine. Operations are
told by Azure-AsyncOperation; a resource that is still "Updating" may not be referred to."""
import re, time, urllib.parse, uuid

from testcloud.api import Response
from testcloud.clouds.azure_world import REGIONS, SUBSCRIPTION

ARM = "https://management.azure.com"
TAG_LIMIT = 50


def refuse(status, code, message, headers=None, target=None):
    error = {"code": code, "message": message, **({"target": target} if target else {})}
    return Response(status, {"error": error}, {"x-ms-failure-cause": "gateway", "x-ms-request-id": str(uuid.uuid4()), **(headers or {})})


class Refused(Exception):
    def __init__(self, *words, **named):
        super().__init__(words)
        self.response = refuse(*words, **named)


def stamp(ms):
    """As Azure writes a moment: seven digits, an offset."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms // 1000)) + f".{ms % 1000:03d}0000+00:00"


class Store:
    """Groups and resources by their ids in lower case: ARM's names are the same in any case."""

    def __init__(self, world):
        self.world, self.groups, self.resources, self.operations = world, {}, {}, {}

    def setting(self, name, default):
        return self.world.cloud("azure").get(name, default)

    def now(self):
        return self.world.fleet.now()

    def tidy(self):
        """Takes out what is gone by now."""
        now = self.now()
        for key in [key for key, group in self.groups.items() if "gone_at" in group and group["gone_at"] <= now]:
            del self.groups[key]
            self.resources = {id: one for id, one in self.resources.items() if one["group"] != key}
        for id, one in list(self.resources.items()):
            if "gone_at" in one and one["gone_at"] <= now:
                self.resources.pop(id, None)
                for other in one.get("takes_along", []):
                    self.resources.pop(other, None)

    def group(self, name):
        found = self.groups.get(name.lower())
        if not found:
            raise Refused(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")
        return found

    def of_type(self, type, group=None):
        return [one for one in self.resources.values() if one["type"].lower() == type.lower() and group in (None, one["group"])]

    def ready(self, id, by):
        """The resource that a body refers to; it must be there and provisioned."""
        found = self.resources.get(str(id).lower())
        if not found:
            raise Refused(400, "InvalidResourceReference", f"Resource {id} referenced by resource {by} was not found. Please make sure that the referenced resource exists, "
                                                           "and that both resources are in the same region.")
        if found.get("ready_at", 0) > self.now():
            raise Refused(409, "ReferencedResourceNotProvisioned", f"Cannot proceed with operation because resource {id} used by resource {by} is not in Succeeded state. "
                                                                   "Resource is in Updating state and the last operation that updated/is updating the resource is PutOperation.")
        return found

    def operate(self, provider, location, state):
        """An operation under way; `state` gives (status, error or None). Its headers."""
        id = str(uuid.uuid4())
        self.operations[id] = state
        path = f"{ARM}/subscriptions/{SUBSCRIPTION}/providers/{provider}/locations/{location}/operations/{id}?p=1&api-version=2024-07-01"
        return {"azure-asyncoperation": path, "location": path.replace("/operations/", "/operationResults/"), "retry-after": str(self.setting("retry_after", 0))}

    def operation(self, id, results):
        if id not in self.operations:
            raise Refused(404, "NotFound", f"The operation {id} was not found.")
        status, error = self.operations[id]()
        waits = {"retry-after": str(self.setting("retry_after", 0))}
        if results:
            return Response(202, "", waits) if status == "InProgress" else Response(204, "")
        told = {"startTime": stamp(self.now()), "status": status, "name": id}
        if error:
            told["error"] = {"code": error[0], "message": error[1]}
        return Response(200, told, waits if status == "InProgress" else {})


def store_of(world):
    store = world.state.setdefault("azure arm", Store(world))
    store.tidy()
    return store


# --- what bodies may hold ---

def check_fields(body, allowed, kind, path=""):
    """`allowed`: {name: None (anything), a dict of what is in it, or [dict] for a list of such}."""
    if not isinstance(body, dict):
        raise Refused(400, "InvalidRequestContent", f"The request content was invalid and could not be deserialized: '{path or kind}' is no object.")
    for name, value in body.items():
        place = f"{path}.{name}" if path else name
        if name not in allowed:
            raise Refused(400, "InvalidRequestContent", f"The request content was invalid and could not be deserialized: 'Could not find member '{name}' on object of type '{kind}'. "
                                                        f"Path '{place}', line 1, position 1.'.", target=place)
        inside = allowed[name]
        if isinstance(inside, dict):
            check_fields(value, inside, kind, place)
        elif isinstance(inside, list):
            for one in value:
                check_fields(one, inside[0], kind, place)


def check_tags(tags):
    if len(tags) > TAG_LIMIT:
        raise Refused(400, "TooManyTags", f"The number of tags '{len(tags)}' exceeds the maximum allowed '{TAG_LIMIT}'.")
    if len({name.lower() for name in tags}) != len(tags):
        raise Refused(400, "InvalidTagNames", "Tag names are the same in any case: two are equal.")
    for name, value in tags.items():
        if not name or len(name) > 512 or re.search(r"[<>%&\\?/]", name):
            raise Refused(400, "InvalidTagNameCharacters", f"The tag name '{name}' contains reserved characters '<,>,%,&,\\,?,/' or control characters.")
        if not isinstance(value, str) or len(value) > 256:
            raise Refused(400, "InvalidTagValueLength", f"Tag value too large. Following tag value '{value}' exceeded the maximum length. Maximum allowed length for tag value - '256' characters.")
    return dict(tags)


def check_location(body):
    place = str(body.get("location", "")).lower().replace(" ", "")
    if not place:
        raise Refused(400, "LocationRequired", "The location property is required for this definition.")
    if place not in REGIONS:
        raise Refused(400, "LocationNotAvailableForResourceType", f"The provided location '{body['location']}' is not available for resource type. List of available regions for the resource type is "
                                                                  f"'{','.join(REGIONS)}'.")
    return place


def pages(request, rows, size):
    """One page of `rows`, with the link to the next."""
    skip = int(request.query.get("$skiptoken", 0))
    answer = {"value": rows[skip:skip + size]}
    if skip + size < len(rows):
        pairs = {**{name: value for name, value in request.query.items() if name != "$skiptoken"}, "$skiptoken": skip + size}
        answer["nextLink"] = f"{request.base}{request.path}?{urllib.parse.urlencode(pairs, quote_via=urllib.parse.quote)}"
    return Response(200, answer)


# --- resource groups and tags ---

def show_group(group):
    return {"id": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group['name']}", "name": group["name"], "type": "Microsoft.Resources/resourceGroups", "location": group["location"],
            "tags": group["tags"], "properties": {"provisioningState": "Deleting" if "gone_at" in group else "Succeeded"}}


def list_groups(request, store):
    rows = [show_group(group) for _, group in sorted(store.groups.items())]
    wanted = request.query.get("$filter", "")
    if wanted:
        found = re.fullmatch(r"tagName eq '([^']*)'( and tagValue eq '([^']*)')?", wanted, re.IGNORECASE)
        if not found:
            raise Refused(400, "InvalidFilterInQueryString", f"Invalid $filter '{wanted}' specified in the query string.")
        fits = lambda name, value: name.lower() == found[1].lower() and (found[2] is None or value == found[3])
        rows = [row for row in rows if any(fits(name, value) for name, value in row["tags"].items())]
    return pages(request, rows, store.setting("arm_page", 50))


def put_group(request, store, name):
    body = request.json
    check_fields(body, {"location": None, "tags": None, "properties": {}, "managedBy": None}, "ResourceGroup")
    if not re.fullmatch(r"[-\w.()]{1,89}[-\w()]", name):
        raise Refused(400, "InvalidResourceGroup", f"The provided resource group name '{name}' has these invalid characters: only alphanumerics, -, _, ., ( and ) are allowed.")
    there = store.groups.get(name.lower())
    if there and "gone_at" in there:
        raise Refused(409, "ResourceGroupBeingDeleted", f"The resource group '{name}' is in deprovisioning state and cannot perform this operation.")
    place, tags = check_location(body), check_tags(body.get("tags", {}))
    if there and there["location"] != place:
        raise Refused(409, "InvalidResourceGroupLocation", f"Invalid resource group location '{place}'. The Resource group already exists in location '{there['location']}'.")
    store.groups[name.lower()] = {"name": there["name"] if there else name, "location": place, "tags": tags}
    return Response(200 if there else 201, show_group(store.groups[name.lower()]))


def delete_group(request, store, name, end_machine):
    group = store.group(name)
    if "gone_at" not in group:
        group["gone_at"] = store.now() + store.setting("delete_ms", 15_000)
        for one in store.of_type("Microsoft.Compute/virtualMachines", name.lower()):
            end_machine(store, one)
    id = str(uuid.uuid4())
    store.operations[id] = lambda: ("InProgress" if name.lower() in store.groups else "Succeeded", None)
    return Response(202, "", {"location": f"{ARM}/subscriptions/{SUBSCRIPTION}/operationresults/{id}?api-version=2021-04-01", "retry-after": str(store.setting("retry_after", 0))})


def merge_tags(request, store, owner):
    """PATCH SCOPE/providers/Microsoft.Resources/tags/default. `owner`: the group or resource of the scope."""
    check_fields(request.json, {"operation": None, "properties": {"tags": None}}, "TagsPatchResource")
    if request.method != "PATCH" or request.json.get("operation") not in ("Merge", "Replace", "Delete"):
        raise Refused(400, "InvalidTagsOperation", "The operation must be Merge, Replace or Delete.")
    given = request.json["properties"]["tags"]
    tags = {} if request.json["operation"] == "Replace" else dict(owner["tags"])
    for name, value in given.items():
        tags.pop(next((old for old in tags if old.lower() == name.lower()), name), None)
        if request.json["operation"] != "Delete":
            tags[name] = value
    owner["tags"] = check_tags(tags)
    return Response(200, {"id": request.path, "name": "default", "type": "Microsoft.Resources/tags", "properties": {"tags": owner["tags"]}})
