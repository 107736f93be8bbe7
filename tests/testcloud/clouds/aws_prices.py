"""AWS's prices in public: the price files, the spot feed and the spot advisor. Scenario: see aws.py."""
import hashlib, json

from testcloud.api import Response, host
from testcloud.clouds.aws_world import REGIONS, TYPES, Aws, seed


@host("pricing.us-east-1.amazonaws.com")
def prices(request):
    aws = Aws(request)
    version = aws.config.get("version", "20260910195514")
    base = "/offers/v1.0/aws/AmazonEC2/"
    regions = aws.config.get("regions", REGIONS)
    if request.path == base + "current/region_index.json":
        listed = regions + ["us-west-2-phx-1"]
        body = json.dumps({"formatVersion": "v1.0", "disclaimer": "This pricing list is for informational purposes only.", "publicationDate": "2026-09-10T19:55:14Z",
                           "regions": {region: {"regionCode": region, "currentVersionUrl": f"{base}{version}/{region}/index.json"} for region in listed}})
        return with_etag(request, body, '"' + hashlib.md5(body.encode()).hexdigest() + '"')
    for region in regions:
        if request.path == f"{base}{version}/{region}/index.json":
            return Response(200, lambda: price_file(aws, region, version))
    return Response(403, '<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>',
                    {"content-type": "application/xml"})


def with_etag(request, body, tag):
    if request.headers.get("if-none-match") == tag:
        return Response(304, b"", {"etag": tag})
    return Response(200, body, {"etag": tag})


def product(sku, kind, region, **other):
    name, _, count, _, vcpus, mib, network, *_ = TYPES[kind]
    attributes = {"servicecode": "AmazonEC2", "location": region, "locationType": "AWS Region", "instanceType": kind, "currentGeneration": "Yes", "vcpu": str(vcpus),
                  "memory": f"{mib // 1024:,} GiB", "networkPerformance": network, "tenancy": "Shared", "operatingSystem": "Linux", "licenseModel": "No License required",
                  "usagetype": "BoxUsage:" + kind, "operation": "RunInstances", "availabilityzone": "NA", "capacitystatus": "Used", "marketoption": "OnDemand",
                  "preInstalledSw": "NA", "regionCode": region, "servicename": "Amazon Elastic Compute Cloud"}
    if name:
        attributes["gpu"] = str(count)
    attributes.update(other)
    return {"sku": sku, "productFamily": "Compute Instance", "attributes": attributes}


def term(sku, usd):
    code = sku + ".JRTCKXETXF"
    return {code: {"offerTermCode": "JRTCKXETXF", "sku": sku, "effectiveDate": "2026-09-01T00:00:00Z", "termAttributes": {},
                   "priceDimensions": {code + ".6YS6EN2CT7": {"unit": "Hrs", "endRange": "Inf", "description": f"${usd} per hour", "appliesTo": [],
                                                              "rateCode": code + ".6YS6EN2CT7", "beginRange": "0", "pricePerUnit": {"USD": usd}}}}}


def reserved(sku, usd):
    code = sku + ".38NPMPTW36"
    return {code: {"offerTermCode": "38NPMPTW36", "sku": sku, "effectiveDate": "2026-09-01T00:00:00Z",
                   "priceDimensions": {code + ".6YS6EN2CT7": {"unit": "Hrs", "description": "No Upfront", "rateCode": code + ".6YS6EN2CT7", "pricePerUnit": {"USD": usd}}},
                   "termAttributes": {"LeaseContractLength": "3yr", "OfferingClass": "standard", "PurchaseOption": "No Upfront"}}}


def rows_of(aws, region):
    """(sku, product, on-demand USD) of a region, the rows that only look like an on-demand price among them."""
    for kind in aws.sold(region):
        sku = hashlib.sha256(f"{kind}/{region}".encode()).hexdigest()[:12].upper()
        usd = aws.price(kind)
        if usd:
            yield sku + "LNUX", product(sku + "LNUX", kind, region), usd
            yield sku + "WNDW", product(sku + "WNDW", kind, region, operatingSystem="Windows", operation="RunInstances:0002"), f"{float(usd) * 1.4:.10f}"
            yield sku + "UNUS", product(sku + "UNUS", kind, region, capacitystatus="UnusedCapacityReservation"), usd
            yield sku + "DEDI", product(sku + "DEDI", kind, region, tenancy="Dedicated"), f"{float(usd) * 1.1:.10f}"
        if "capacity-block" in TYPES[kind][12]:
            yield sku + "CBLK", product(sku + "CBLK", kind, region, marketoption="CapacityBlock", operation="RunInstances:CB"), "0.0000000000"


def price_file(aws, region, version):
    """The file in AWS's own form, piece by piece; `size` fills it up with machines that nobody looks for."""
    rows = list(rows_of(aws, region))
    fillers = max(0, aws.config.get("size", 0) // 3200)
    filler = lambda i: f"M5FILLER{i:08d}"

    def members(name, first, more):
        yield f'"{name}" : {{\n'
        for i, (key, value) in enumerate(first):
            yield (",\n" if i else "") + f'"{key}" : ' + json.dumps(value, indent=2, separators=(",", " : "))
        for i in range(fillers):
            yield ",\n" + f'"{filler(i)}" : ' + more.replace("SKU", filler(i))
        yield "\n}"

    plain = json.dumps(product("SKU", "m5.large", region), indent=2, separators=(",", " : "))
    parts = {
        "products": lambda: members("products", [(sku, row) for sku, row, _ in rows], plain),
        "terms": lambda: (piece for pieces in (['"terms" : {\n'], members("OnDemand", [(sku, term(sku, usd)) for sku, _, usd in rows], json.dumps(term("SKU", "0.0960000000"))),
                                               [",\n"], members("Reserved", [(sku, reserved(sku, "1.0")) for sku, _, _ in rows], json.dumps(reserved("SKU", "0.05"))),
                                               ["\n}"]) for piece in pieces)}
    names = ["terms", "products"] if aws.config.get("terms_first") else ["products", "terms"]

    def pieces():
        yield json.dumps({"formatVersion": "v1.0", "offerCode": "AmazonEC2", "version": version, "publicationDate": "2026-09-10T19:55:14Z"}, indent=2)[:-2]
        for name in names:
            yield ",\n"
            yield from parts[name]()
        yield "\n}\n"

    block = []
    length = 0
    for piece in pieces():
        block.append(piece)
        length += len(piece)
        if length > 1 << 16:
            yield "".join(block).encode()
            block, length = [], 0
    yield "".join(block).encode()


@host("website.spot.ec2.aws.a2z.com")
def spot_feed(request):
    aws = Aws(request)
    columns = lambda usd: [{"name": "linux", "prices": {"USD": usd or "N/A*"}}, {"name": "mswin", "prices": {"USD": "N/A*"}}]
    regions = [{"region": region, "footnotes": {}, "instanceTypes": [{"type": "all", "sizes": [
        {"size": kind, "valueColumns": columns(aws.spot(kind, region))} for kind in aws.sold(region)]}]} for region in aws.config.get("regions", REGIONS)]
    body = json.dumps({"vers": 0.01, "config": {"rate": "perhr", "valueColumns": ["linux", "mswin"], "currencies": ["USD"], "regions": regions}})
    return with_etag(request, body, aws.config.get("spot_etag", '"1"'))


@host("spot-bid-advisor.s3.amazonaws.com")
def spot_advisor(request):
    aws = Aws(request)
    if request.path != "/spot-advisor-data.json":
        return Response(403, "<Error><Code>AccessDenied</Code></Error>", {"content-type": "application/xml"})
    ranges = [{"index": i, "label": label, "dots": i, "max": most} for i, (label, most) in enumerate([("<5%", 5), ("5-10%", 11), ("10-15%", 16), ("15-20%", 22), (">20%", 100)])]
    advice = {region: {"Linux": {kind: {"s": 60, "r": seed("advisor", kind, region) % 5} for kind in aws.sold(region)}} for region in aws.config.get("regions", REGIONS)}
    body = json.dumps({"global_rate": "<10%", "ranges": ranges, "instance_types": {}, "spot_advisor": advice})
    return with_etag(request, body, aws.config.get("spot_etag", '"1"'))
