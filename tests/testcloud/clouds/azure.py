"""Microsoft Azure: the price list, Resource Manager (machines and what they need: azure_machines.py), Entra's logins, the identity of a machine.

Tokens are JWTs that this Entra signed; ARM takes no others, none that ran out, and none for somebody else. Roles are honoured.
Scenario under clouds.azure, all optional:
    "page": 50, "sku_page": 5                rows of a page of prices, and of SKUs
    "prices": {"Standard_ND96isr_H100_v5/eastus": [98.32, 18.17]}   on demand and spot, also in new regions
    "rows": [{…}]                            rows of the price list instead of all of them
    "circle": true                           the next page of prices is the first one, for ever
    "secret": "…"                            of the app CLIENT              "federated": {"issuer", "subject"}   whose tokens the app trusts
    "identity": true                         this machine is Azure's and has an identity (IMDS)
    "challenges": 1                          so many calls of ARM want a new token for their claims (CAE)
    "roles": [{"actions": ["*/read"], "notActions": []}]             what the login may do; default: Contributor and Compute Recommendations
    "subscriptions": [{"id", "name", "state"}]
    "restricted": {"Standard_ND96isr_H100_v5/eastus": "NotAvailableForSubscription"}     "restricted_zones": {"Standard_ND96isr_H100_v5/eastus": ["2"]}
    "usages": {"eastus/standardNDSH100v5Family": [used, limit]}      vCPUs; lowPriorityCores and cores, too
    "scores": {"Standard_ND96isr_H100_v5/eastus": "High"}            else Medium where the size is sold, RestrictedSkuNotAvailable where not"""
import base64, fnmatch, hashlib, hmac, json, re, time, urllib.parse, uuid

from testcloud.api import Response, host
from testcloud.clouds.azure_arm import ARM, refuse
from testcloud.clouds.azure_machines import answer_machines
from testcloud.clouds.azure_world import CLIENT, REGIONS, SECRET, SIZES, SUBSCRIPTION, TENANT, BadFilter, Filter, price_rows

LOGIN = "https://login.microsoftonline.com"
ROLES = [{"actions": ["*"], "notActions": ["Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write", "Microsoft.Authorization/elevateAccess/Action"]},
         {"actions": ["Microsoft.Compute/locations/placementScores/generate/action"], "notActions": []}]
OBJECT = "00000000-0000-0000-0000-0000000000bb"
KEY = b"the emulated Entra's own"


# --- prices.azure.com ---

@host("prices.azure.com")
def prices(request):
    config = request.world.cloud("azure")
    query = request.query
    if request.path != "/api/retail/prices" or request.method != "GET":
        return Response(404, "")
    preview = query.get("api-version") == "2023-01-01-preview"
    if query.get("currencyCode", "'USD'") not in ("'USD'", "USD"):
        return Response(400, {"Error": {"Code": "BadRequest", "Message": "this emulator only knows USD"}})
    try:
        wanted = Filter(query.get("$filter", ""))
    except BadFilter as error:
        return Response(400, {"Error": {"Code": "BadRequest", "Message": str(error)}})
    rows = [row for row in config.get("rows", price_rows(config.get("prices", {}))) if wanted.matches(row)]
    if not preview:
        rows = [{name: value for name, value in row.items() if name != "savingsPlan"} for row in rows]
    size, skip = min(config.get("page", 50), 1000), int(query.get("$skip", 0))
    shown = rows[skip:skip + size]
    following = 0 if config.get("circle") else skip + size
    link = None
    if following < len(rows) or config.get("circle"):
        pairs = {name: value for name, value in query.items() if name != "$skip"}
        base = request.base + (":443" if request.base.startswith("https://") else "")
        # As the real one: the blanks of the filter are escaped, its quotes are not.
        text = "&".join(f"{name}={urllib.parse.quote(value, safe=chr(39) + '(),')}" for name, value in pairs.items())
        link = f"{base}/api/retail/prices?{text}&$skip={following}"
    return Response(200, {"BillingCurrency": "USD", "CustomerEntityId": "Default", "CustomerEntityType": "Retail", "Items": shown, "NextPageLink": link, "Count": len(shown)})


# --- login.microsoftonline.com ---

def b64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def sign(payload):
    signed = b64(json.dumps({"typ": "JWT", "alg": "RS256", "kid": "emulated"}).encode()) + "." + b64(json.dumps(payload).encode())
    return signed + "." + b64(hmac.new(KEY, signed.encode(), hashlib.sha256).digest())


def read_jwt(token, verified=True):
    """The payload, or None."""
    try:
        head, payload, signature = token.split(".")
        if verified and not hmac.compare_digest(unb64(signature), hmac.new(KEY, f"{head}.{payload}".encode(), hashlib.sha256).digest()):
            return None
        return json.loads(unb64(payload))
    except ValueError:
        return None


def issue(audience, extra=None, seconds=3599):
    now = int(time.time())
    return sign({"aud": audience, "iss": f"https://sts.windows.net/{TENANT}/", "iat": now, "nbf": now, "exp": now + seconds, "appid": CLIENT, "oid": OBJECT, "sub": OBJECT, "tid": TENANT,
                 "idtyp": "app", "ver": "1.0", **(extra or {})})


def refuse_login(number, error, text, status=401):
    trace = f"Trace ID: {uuid.uuid4()} Correlation ID: {uuid.uuid4()} Timestamp: {time.strftime('%Y-%m-%d %H:%M:%SZ', time.gmtime())}"
    return Response(status, {"error": error, "error_description": f"AADSTS{number}: {text}\r\n{trace}", "error_codes": [number], "timestamp": time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime()),
                             "trace_id": str(uuid.uuid4()), "correlation_id": str(uuid.uuid4()), "error_uri": f"{LOGIN}/error?code={number}"})


def discovery(request, tenant, version):
    base = f"{LOGIN}/{tenant}"
    return Response(200, {"token_endpoint": f"{base}/oauth2{version}/token", "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
                          "authorization_endpoint": f"{base}/oauth2{version}/authorize", "device_authorization_endpoint": f"{base}/oauth2{version}/devicecode", "issuer": f"{LOGIN}/{TENANT}/v2.0",
                          "jwks_uri": f"{LOGIN}/{tenant}/discovery/keys", "response_types_supported": ["code", "id_token"], "tenant_region_scope": "NA", "cloud_instance_name": "microsoftonline.com",
                          "cloud_graph_host_name": "graph.windows.net", "msgraph_host": "graph.microsoft.com"})


def grant(config, form, resource):
    if form.get("grant_type") != "client_credentials":
        return refuse_login(70003, "unsupported_grant_type", "The app requested an unsupported grant type.", 400)
    if form.get("client_id") != CLIENT:
        return refuse_login(700016, "unauthorized_client", f"Application with identifier '{form.get('client_id')}' was not found in the directory 'Test'.", 400)
    if "client_assertion" in form:
        trusted = config.get("federated", {"issuer": "https://token.actions.githubusercontent.com", "subject": "repo:o/r:ref:refs/heads/main"})
        told = read_jwt(form["client_assertion"], verified=False) or {}
        if form.get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" or not told:
            return refuse_login(50027, "invalid_request", "JWT token is invalid or malformed.", 400)
        if told.get("aud") != "api://AzureADTokenExchange":
            return refuse_login(700212, "invalid_request", f"No matching federated identity record found for presented assertion audience '{told.get('aud')}'.", 400)
        if (told.get("iss"), told.get("sub")) != (trusted["issuer"], trusted["subject"]):
            return refuse_login(700213, "invalid_request", f"No matching federated identity record found for presented assertion subject '{told.get('sub')}'.", 400)
    elif not hmac.compare_digest(form.get("client_secret", ""), config.get("secret", SECRET)):
        return refuse_login(7000215, "invalid_client", "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, "
                            f"for a secret added to app '{CLIENT}'.")
    claims = json.loads(form["claims"]).get("access_token", {}) if form.get("claims") else {}
    extra = {"xms_challenged": True} if "nbf" in claims else {}
    return resource, issue(resource, extra)


@host("login.microsoftonline.com", "login.windows.net")
def login(request):
    config = request.world.cloud("azure")
    parts = request.path.strip("/").split("/")
    tenant, rest = parts[0], "/".join(parts[1:])
    if request.path == "/common/discovery/instance":
        return Response(200, {"tenant_discovery_endpoint": f"{LOGIN}/{TENANT}/v2.0/.well-known/openid-configuration", "api-version": "1.1",
                              "metadata": [{"preferred_network": "login.microsoftonline.com", "preferred_cache": "login.windows.net",
                                            "aliases": ["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"]}]})
    if tenant not in (TENANT, "test.onmicrosoft.com", "common", "organizations"):
        return refuse_login(90002, "invalid_request", f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID.", 400)
    if rest in ("v2.0/.well-known/openid-configuration", ".well-known/openid-configuration"):
        return discovery(request, tenant, "/v2.0" if rest.startswith("v2.0") else "")
    if request.method == "POST" and rest in ("oauth2/v2.0/token", "oauth2/token"):
        form = request.form
        if rest == "oauth2/token":
            resource = form.get("resource", "")
        else:
            scopes = [scope for scope in form.get("scope", "").split() if scope.endswith("/.default")]
            resource = scopes[0][: -len("/.default")] if scopes else ""
        if not resource:
            return refuse_login(900144, "invalid_request", "The request body must contain the following parameter: 'scope'.", 400)
        answer = grant(config, form, resource)
        if isinstance(answer, Response):
            return answer
        words = {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": answer[1]}
        if rest == "oauth2/token":
            words.update(expires_in="3599", ext_expires_in="3599", expires_on=str(int(time.time()) + 3599), resource=resource)
        return Response(200, words)
    return Response(404, "")


# --- 169.254.169.254 ---

@host("169.254.169.254")
def metadata(request):
    """The identity of the machine. All clouds share the address: None leaves what is not Azure's to the next."""
    config = request.world.cloud("azure")
    if not request.path.startswith("/metadata/") or "identity" not in config:
        return None
    if request.headers.get("metadata", "").lower() != "true" or "x-forwarded-for" in request.headers:
        return Response(400, {"error": "invalid_request", "error_description": "Required metadata header not specified"})
    if request.path != "/metadata/identity/oauth2/token" or "resource" not in request.query:
        return Response(404, {"error": "not_found"})
    if not config["identity"]:
        return Response(400, {"error": "invalid_request", "error_description": "Identity not found"})
    resource = request.query["resource"]
    return Response(200, {"access_token": issue(resource, seconds=86399), "client_id": request.query.get("client_id", CLIENT), "expires_in": "86399", "expires_on": str(int(time.time()) + 86399),
                          "ext_expires_in": "86399", "not_before": str(int(time.time())), "resource": resource, "token_type": "Bearer"})


# --- management.azure.com ---

def may(config, action):
    fits = lambda patterns: any(fnmatch.fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)
    return any(fits(role["actions"]) and not fits(role.get("notActions", [])) for role in config.get("roles", ROLES))


def authenticate(request, config):
    payload = read_jwt(request.bearer()) if request.bearer() else None
    where = f'authorization_uri="{LOGIN}/{TENANT}"'
    if not request.bearer():
        return refuse(401, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.", {"www-authenticate": f"Bearer {where}"})
    if payload is None:
        return refuse(401, "InvalidAuthenticationToken", "The access token is invalid.", {"www-authenticate": f'Bearer {where}, error="invalid_token"'})
    if payload["exp"] < time.time():
        return refuse(401, "ExpiredAuthenticationToken", "The access token expiry UTC time is in the past.", {"www-authenticate": f'Bearer {where}, error="invalid_token"'})
    if payload["aud"].rstrip("/") not in (ARM, "https://management.core.windows.net"):
        return refuse(401, "InvalidAuthenticationTokenAudience", f"The access token has been obtained for wrong audience or resource '{payload['aud']}'.")
    state = request.world.state.setdefault("azure", {"challenges": config.get("challenges", 0)})
    if state["challenges"] > 0 and not payload.get("xms_challenged"):
        state["challenges"] -= 1
        claims = base64.b64encode(json.dumps({"access_token": {"nbf": {"essential": True, "value": str(int(time.time()))}}}).encode()).decode()
        return refuse(401, "InvalidAuthenticationToken", "The authentication token is not valid for the changed conditions.",
                      {"www-authenticate": f'Bearer realm="", {where}, client_id="00000003-0000-0000-c000-000000000000", error="insufficient_claims", claims="{claims}"'})
    return None


def subscription_of(config, one):
    return {"id": f"/subscriptions/{one['id']}", "authorizationSource": "RoleBased", "managedByTenants": [], "subscriptionId": one["id"], "tenantId": TENANT, "displayName": one["name"],
            "state": one.get("state", "Enabled"), "subscriptionPolicies": {"locationPlacementId": "Public_2014-09-01", "quotaId": "PayAsYouGo_2014-09-01", "spendingLimit": "Off"}}


def sku(config, size, region):
    product, _, family, vcpus, memory, gpus, zones, _ = SIZES[size]
    key = f"{size}/{region}"
    flags = {"vCPUs": vcpus, "GPUs": gpus, "MemoryGB": memory, "LowPriorityCapable": size != "Standard_NP10s", "RdmaEnabled": "isr" in size, "HyperVGenerations": "V2",
             "CpuArchitectureType": "Arm64" if "GB200" in size else "x64", "EphemeralOSDiskSupported": True, "CapacityReservationSupported": False}
    if not gpus:
        flags.pop("GPUs")
    restrictions = []
    if key in config.get("restricted", {}):
        restrictions.append({"type": "Location", "values": [region], "restrictionInfo": {"locations": [region]}, "reasonCode": config["restricted"][key]})
    out = config.get("restricted_zones", {"Standard_ND96isr_H100_v5/eastus": ["2"]}).get(key)
    if out:
        restrictions.append({"type": "Zone", "values": [region], "restrictionInfo": {"locations": [region], "zones": out}, "reasonCode": "NotAvailableForSubscription"})
    # Another spelling of the same region: names are the same in any case.
    spelt = "WestUS3" if region == "westus3" else region
    return {"resourceType": "virtualMachines", "name": size, "tier": "Standard", "size": size.partition("_")[2], "family": family, "locations": [spelt],
            "locationInfo": [{"location": spelt, "zones": zones, "zoneDetails": [{"name": zones[:1], "capabilities": [{"name": "UltraSSDAvailable", "value": "True"}]}] if zones else []}],
            "capabilities": [{"name": name, "value": str(value)} for name, value in flags.items()], "restrictions": restrictions}


def skus(request, config, subscription):
    wanted = request.query.get("$filter", "")
    only = re.fullmatch(r"location eq '([^']*)'", wanted)
    if wanted and not only:
        return refuse(400, "InvalidFilter", f"The filter '{wanted}' is not supported: only location is.")
    rows = []
    for region in REGIONS:
        if only and region != only[1].lower():
            continue
        rows += [sku(config, size, region) for size in SIZES if region in SIZES[size][7]]
        rows.append({"resourceType": "disks", "name": "Premium_LRS", "tier": "Premium", "size": "P10", "locations": [region], "locationInfo": [{"location": region, "zones": []}],
                     "capabilities": [{"name": "MaxSizeGiB", "value": "128"}], "restrictions": []})
    size, skip = config.get("sku_page", 5), int(request.query.get("$skiptoken", 0))
    answer = {"value": rows[skip:skip + size]}
    if skip + size < len(rows):
        text = urllib.parse.urlencode({**{k: v for k, v in request.query.items() if k != "$skiptoken"}, "$skiptoken": skip + size}, quote_via=urllib.parse.quote)
        answer["nextLink"] = f"{request.base}{':443' if request.base.startswith('https://') else ''}/subscriptions/{subscription}/providers/Microsoft.Compute/skus?{text}"
    return Response(200, answer)


def usages(request, config, region):
    told = config.get("usages", {})
    names = {"availabilitySets": ("Availability Sets", 0, 2500), "cores": ("Total Regional vCPUs", 8, 350), "virtualMachines": ("Virtual Machines", 2, 25000),
             "lowPriorityCores": ("Total Regional Low-priority vCPUs", 0, 200)}
    for family in sorted({size[2] for size in SIZES.values()}):
        names[family] = (f"{family} vCPUs", 0, 192 if "H100" in family else 0)
    rows = []
    for name, (words, used, limit) in names.items():
        used, limit = told.get(f"{region}/{name}", (used, limit))
        rows.append({"unit": "Count", "currentValue": used, "limit": limit, "name": {"value": name, "localizedValue": words}})
    return Response(200, {"value": rows})


def scores(request, config):
    asked = request.json
    regions, sizes = asked.get("desiredLocations", []), [one["sku"] for one in asked.get("desiredSizes", [])]
    if not 0 < len(regions) <= 8 or not 0 < len(sizes) <= 5 or asked.get("desiredCount", 0) < 1:
        return refuse(400, "BadRequest", "Between 1 and 8 desiredLocations, between 1 and 5 desiredSizes and a desiredCount are needed.")
    told, rows = config.get("scores", {}), []
    for region in regions:
        for size in sizes:
            sold = size in SIZES and region.lower() in SIZES[size][7]
            rows.append({"sku": size, "region": region, "availabilityZone": None, "score": told.get(f"{size}/{region}", "Medium" if sold else "RestrictedSkuNotAvailable"), "isQuotaAvailable": sold})
    return Response(200, {**asked, "placementScores": rows})


def locations(subscription):
    rows = [{"id": f"/subscriptions/{subscription}/locations/{name}", "name": name, "type": "Region", "displayName": words, "regionalDisplayName": words,
             "metadata": {"regionType": "Physical", "regionCategory": "Recommended", "geographyGroup": "US", "physicalLocation": words}} for name, words in {**REGIONS, "eastus2euap": "US East 2 EUAP"}.items()]
    rows.append({"id": f"/subscriptions/{subscription}/locations/europe", "name": "europe", "type": "Region", "displayName": "Europe", "regionalDisplayName": "Europe",
                 "metadata": {"regionType": "Logical", "regionCategory": "Other"}})
    return Response(200, {"value": rows})


def forbid(subscription, action):
    return refuse(403, "AuthorizationFailed", f"The client '{CLIENT}' with object id '{OBJECT}' does not have authorization to perform action '{action}' over scope "
                  f"'/subscriptions/{subscription}' or the scope is invalid. If access was recently granted, please refresh your credentials.")


@host("management.azure.com")
def arm(request):
    config = request.world.cloud("azure")
    refused = authenticate(request, config)
    if refused:
        return refused
    if "api-version" not in request.query:
        return refuse(400, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required for all requests.")
    path = "/" + request.path.strip("/")  # clients put scopes behind a slash that begin with one
    own = config.get("subscriptions", [{"id": SUBSCRIPTION, "name": "Research"}])
    if path == "/subscriptions":
        return Response(200, {"value": [subscription_of(config, one) for one in own], "count": {"type": "Total", "value": len(own)}})
    if path == "/tenants":
        return Response(200, {"value": [{"id": f"/tenants/{TENANT}", "tenantId": TENANT, "displayName": "Test", "defaultDomain": "test.onmicrosoft.com"}]})
    found = re.fullmatch(r"/subscriptions/([^/]+)(/.*)?", path)
    one = next((one for one in own if found and one["id"].lower() == found[1].lower()), None)
    if not one:
        return refuse(404, "SubscriptionNotFound", f"The subscription '{found[1] if found else path}' could not be found.")
    rest = (found[2] or "").lower()
    region = re.fullmatch(r"/providers/microsoft\.compute/locations/([^/]+)/(usages|placementscores/spot/generate)", rest)
    calls = {("GET", ""): ("Microsoft.Resources/subscriptions/read", lambda: Response(200, subscription_of(config, one))),
             ("GET", "/locations"): ("Microsoft.Resources/subscriptions/locations/read", lambda: locations(one["id"])),
             ("GET", "/providers/microsoft.compute/skus"): ("Microsoft.Compute/skus/read", lambda: skus(request, config, one["id"])),
             ("GET", "/providers/microsoft.authorization/permissions"): (
                 "Microsoft.Resources/subscriptions/read", lambda: Response(200, {"value": [{"dataActions": [], "notDataActions": [], "notActions": [], **role} for role in config.get("roles", ROLES)]}))}
    if region and region[2] == "usages":
        calls["GET", rest] = ("Microsoft.Compute/locations/usages/read", lambda: usages(request, config, region[1]))
    if region and region[2] != "usages":
        calls["POST", rest] = ("Microsoft.Compute/locations/placementScores/generate/action", lambda: scores(request, config))
    if (request.method, rest) not in calls:
        wanted = []
        answered = answer_machines(request, found[2] or "", lambda action: wanted.append(action) or may(config, action))
        if answered is not None:
            return answered
        if wanted and not may(config, wanted[-1]):
            return forbid(one["id"], wanted[-1])
        return refuse(404, "InvalidResourceType", f"The resource type could not be found for '{request.path}'.")
    action, answer = calls[request.method, rest]
    if not may(config, action):
        return forbid(one["id"], action)
    return answer()
