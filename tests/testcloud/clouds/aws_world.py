"""What AWS's emulators (aws.py, aws_prices.py) share: regions, machine types, one request's view of the scenario, signatures."""
import calendar, hashlib, hmac, time, urllib.parse

OPEN = ["us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1", "eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1",
        "eu-north-1", "ap-south-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-southeast-1", "ap-southeast-2"]
OPT_IN = ["ap-southeast-3", "eu-south-2", "me-central-1"]
REGIONS = OPEN + OPT_IN
KEYS = {"AKIATEST": "aws-test-secret"}
ACCOUNT = "123456789012"

# type: accelerator, kind, count, MiB each, vcpus, MiB, "network", EFA, GB of disk, arch, on demand USD, regions, usage classes. As
# DescribeInstanceTypes and the price list told them (2026-08, 2026-09); "": no on-demand price.
ALL, MOST = REGIONS, ["us-east-1", "us-east-2", "us-west-2", "eu-west-2", "eu-north-1", "ap-northeast-1", "ap-south-1"]
BLOCK, PLAIN = ["on-demand", "spot", "capacity-block"], ["on-demand", "spot"]
TYPES = {
    "g4dn.xlarge": ("T4", "gpu", 1, 16384, 4, 16384, "Up to 25 Gigabit", 0, 125, "x86_64", "0.5260000000", ALL, PLAIN),
    "g5.xlarge": ("A10G", "gpu", 1, 22888, 4, 16384, "Up to 10 Gigabit", 0, 250, "x86_64", "1.0060000000", ALL, PLAIN),
    "g5.12xlarge": ("A10G", "gpu", 4, 22888, 48, 196608, "40 Gigabit", 1, 3800, "x86_64", "5.6720000000", ALL, PLAIN),
    "g5.48xlarge": ("A10G", "gpu", 8, 22888, 192, 786432, "100 Gigabit", 1, 7600, "x86_64", "16.2880000000", ALL, PLAIN),
    "g6.48xlarge": ("L4", "gpu", 8, 22888, 192, 786432, "100 Gigabit", 1, 7520, "x86_64", "13.3504000000", MOST, PLAIN),
    "g6e.48xlarge": ("L40S", "gpu", 8, 45776, 192, 1572864, "400 Gigabit", 4, 7600, "x86_64", "30.1311800000", MOST, PLAIN),
    "g6f.large": ("L4", "gpu", 0, 2861, 2, 8192, "Up to 10 Gigabit", 0, 100, "x86_64", "0.2020000000", MOST, PLAIN),
    "p4d.24xlarge": ("A100", "gpu", 8, 40960, 96, 1179648, "4x 100 Gigabit", 4, 8000, "x86_64", "21.9576420000", MOST, BLOCK),
    "p4de.24xlarge": ("A100", "gpu", 8, 81920, 96, 1179648, "4x 100 Gigabit", 4, 8000, "x86_64", "27.4470500000", ["us-east-1", "us-west-2"], BLOCK),
    "p5.48xlarge": ("H100", "gpu", 8, 81920, 192, 2097152, "3200 Gigabit", 32, 30400, "x86_64", "55.0400000000", MOST, BLOCK),
    "p5e.48xlarge": ("H200", "gpu", 8, 144384, 192, 2097152, "3200 Gigabit", 32, 30400, "x86_64", "", ["us-east-2", "us-west-2"], BLOCK),
    "p5en.48xlarge": ("H200", "gpu", 8, 144384, 192, 2097152, "3200 Gigabit", 16, 30400, "x86_64", "63.2960000000", MOST, BLOCK),
    "p6-b200.48xlarge": ("B200", "gpu", 8, 183359, 192, 2097152, "3200 Gigabit", 8, 30400, "x86_64", "113.9328000000", ["us-east-1", "us-west-2"], BLOCK),
    "p6-b300.48xlarge": ("B300", "gpu", 8, 275040, 192, 4194304, "6400 Gigabit", 16, 30400, "x86_64", "142.4160000000", ["us-west-2"], BLOCK),
    "trn1.32xlarge": ("Trainium", "neuron", 16, 32768, 128, 524288, "8x 100 Gigabit", 8, 7600, "x86_64", "21.5000000000", ["us-east-1", "us-west-2"], BLOCK),
    "trn2.48xlarge": ("Trainium2", "neuron", 16, 524288, 192, 2097152, "16x 200 Gigabit", 16, 7600, "x86_64", "", ["us-east-2"], BLOCK),
    "m5.large": (None, "", 0, 0, 2, 8192, "Up to 10 Gigabit", 0, 0, "x86_64", "0.0960000000", ALL, PLAIN),
}
ULTRASERVERS = {"u-p6e-gb200x36": 9, "u-p6e-gb200x72": 18}


def zones(region):
    """Names and ids; the names' order is shuffled against the ids', as accounts have it."""
    words = region.split("-")
    short = words[0] + "".join(word[0] for word in words[1:-1]) + words[-1]
    return [(f"{region}{letter}", f"{short}-az{number}") for letter, number in zip("abc", (6, 2, 1))]


def seed(*words):
    return int.from_bytes(hashlib.sha256("/".join(words).encode()).digest()[:4], "big")


class Aws:
    """One request's view of the scenario."""

    def __init__(self, request):
        self.request = request
        self.config = request.world.cloud("aws")
        self.state = request.world.state.setdefault("aws", {"keys": {}})
        self.region = request.host.split(".")[1]

    def now(self):
        return time.time() + self.config.get("clock_ahead_s", 0)

    def own_regions(self):
        return [region for region in self.config.get("regions", REGIONS) if region not in self.config.get("not_opted_in", ["me-central-1"])]

    def price(self, kind):
        return self.config.get("prices", {}).get(kind, TYPES[kind][10])

    def spot(self, kind, region, zone=None):
        told = self.config.get("spot", {})
        fixed = told.get(f"{kind}/{zone}") or told.get(kind)
        if fixed or not self.price(kind):
            return fixed
        return f"{float(self.price(kind)) * (0.3 + seed(kind, region, zone or '') % 400 / 1000):.6f}"

    def sold(self, region):
        return [kind for kind in TYPES if region in TYPES[kind][11]]

    # --- signatures ---

    def secret_of(self, key):
        return self.config.get("keys", KEYS).get(key) or self.state["keys"].get(key, {}).get("secret")

    def check_signature(self, service):
        """The access key, or an error's (status, code, message)."""
        headers, header = self.request.headers, self.request.headers.get("authorization", "")
        if not header.startswith("AWS4-HMAC-SHA256 "):
            return (403, "MissingAuthenticationToken", "Request is missing Authentication Token")
        fields = dict(part.strip().split("=", 1) for part in header[len("AWS4-HMAC-SHA256 "):].split(","))
        key, date, region, asked, _ = fields["Credential"].split("/")
        secret = self.secret_of(key)
        if not secret:
            return (401, "AuthFailure", "AWS was not able to validate the provided access credentials")
        session = self.state["keys"].get(key)
        if session and headers.get("x-amz-security-token") != session["token"]:
            return (401, "AuthFailure", "AWS was not able to validate the provided access credentials")
        if (region, asked) != (self.region, service):
            return (403, "SignatureDoesNotMatch", f"Credential should be scoped to a valid region, not '{region}' of '{asked}'.")
        stamp = headers.get("x-amz-date", "")
        if abs(calendar.timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ")) - self.now()) > 300:
            return (400, "RequestExpired", f"Request has expired: {stamp}")
        names = fields["SignedHeaders"].split(";")
        if "host" not in names or any(name.startswith("x-amz-") and name not in names for name in headers):
            return (403, "SignatureDoesNotMatch", "host and all x-amz- headers must be signed")
        # Other services than S3 are encoded twice.
        path = urllib.parse.quote(self.request.written.partition("?")[0], safe="/-_.~")
        canonical = "\n".join([self.request.method, path, canonical_query(self.request.raw_query),
                               *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in names), "", fields["SignedHeaders"],
                               hashlib.sha256(self.request.body).hexdigest()])
        text = "\n".join(["AWS4-HMAC-SHA256", stamp, f"{date}/{region}/{asked}/aws4_request", hashlib.sha256(canonical.encode()).hexdigest()])
        sign = lambda with_key, words: hmac.new(with_key, words.encode(), hashlib.sha256).digest()
        chain = ("AWS4" + secret).encode()
        for word in (date, region, asked, "aws4_request"):
            chain = sign(chain, word)
        if not hmac.compare_digest(sign(chain, text).hex(), fields["Signature"]):
            return (403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided.")
        return key

    def dated(self, response):
        response.headers["date"] = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(self.now()))
        return response


def canonical_query(raw):
    pairs = sorted((urllib.parse.quote(name, safe="-_.~"), urllib.parse.quote(value, safe="-_.~"))
                   for name, value in urllib.parse.parse_qsl(raw, keep_blank_values=True))
    return "&".join(f"{name}={value}" for name, value in pairs)
