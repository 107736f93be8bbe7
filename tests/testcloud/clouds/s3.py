"""Amazon S3: objects, conditional writes, lists by pages, uploads in parts; every request's signature and payload hash are checked.

By the bucket's host (BUCKET.s3.REGION.amazonaws.com) or in the path (s3.REGION.amazonaws.com, s3.testcloud). Scenario, "s3": {
    "buckets": {"ckpt": "us-east-1"}     those there are, with their regions (PUT /bucket makes more)
    "keys": {"AKIATEST": "aws-test-secret"}, "tokens": {"AKIATEST": "…"}     who may sign; a key with a token is refused without it
    "readonly": ["AKIA…"]     AccessDenied to all but reading         "full": true     QuotaExceeded, as radosgw says it
    "conditions": "refused"   501 for If-None-Match, as Swift's s3api; "ignored": as if it were not there
    "page": 1000, "clock_ahead_s": 0}
What is not emulated is answered by 501 NotImplemented."""
import calendar, hashlib, hmac, time, urllib.parse, uuid
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from testcloud.api import Response, host, leaks
from testcloud.clouds.aws_world import KEYS, canonical_query

SMALLEST_PART = 5 << 20
SKEW_S = 900
XMLNS = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


class Refusal(Exception):
    def __init__(self, status, code, message, more="", headers=None):
        self.status, self.code, self.message, self.more, self.headers = status, code, message, more, headers or {}


class Bucket:
    def __init__(self, region):
        self.region, self.objects, self.uploads = region, {}, {}


class Object:
    def __init__(self, body, request, tag=None):
        self.body, self.tag, self.at = body, tag or hashlib.md5(body).hexdigest(), time.time()
        self.kind = request.headers.get("content-type", "binary/octet-stream")
        self.meta = {name: value for name, value in request.headers.items() if name.startswith("x-amz-meta-")}

    def headers(self):
        return {"etag": f'"{self.tag}"', "content-type": self.kind, "accept-ranges": "bytes",
                "last-modified": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(self.at)), **self.meta}


def buckets_of(world):
    if "s3" not in world.state:
        world.state["s3"] = {name: Bucket(region) for name, region in world.cloud("s3").get("buckets", {}).items()}
    return world.state["s3"]


class S3:
    """One request."""

    def __init__(self, request):
        self.request, self.config = request, request.world.cloud("s3")
        self.buckets, self.query = buckets_of(request.world), request.query
        words = request.host.split(".")
        path = request.path.lstrip("/")
        if words[0] == "s3":
            self.bucket, _, self.key = path.partition("/")
            self.region = words[1] if words[1] != "testcloud" else None
        else:
            at = words.index("s3")
            self.bucket, self.key, self.region = ".".join(words[:at]), path, words[at + 1]

    # --- who asks ---

    def check_signature(self):
        headers, header = self.request.headers, self.request.headers.get("authorization", "")
        if not header.startswith("AWS4-HMAC-SHA256 "):
            raise Refusal(403, "AccessDenied", "Access Denied")
        fields = dict(part.strip().split("=", 1) for part in header[len("AWS4-HMAC-SHA256 "):].split(","))
        key, date, region, service, _ = fields["Credential"].split("/")
        secret = self.config.get("keys", KEYS).get(key)
        if not secret:
            raise Refusal(403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
        if headers.get("x-amz-security-token") != self.config.get("tokens", {}).get(key):
            raise Refusal(400, "InvalidToken", "The provided token is malformed or otherwise invalid.")
        home = self.buckets[self.bucket].region if self.bucket in self.buckets else self.region
        if service != "s3" or (self.region and region != self.region) or (home and region != home):
            raise Refusal(400, "AuthorizationHeaderMalformed", f"The authorization header is malformed; the region '{region}' is wrong; expecting '{home}'",
                          f"<Region>{home}</Region>", {"x-amz-bucket-region": home or ""})
        stamp = headers.get("x-amz-date", "")
        now = time.time() + self.config.get("clock_ahead_s", 0)
        if abs(calendar.timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ")) - now) > SKEW_S:
            raise Refusal(403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.")
        payload, names = headers.get("x-amz-content-sha256"), fields["SignedHeaders"].split(";")
        if not payload:
            raise Refusal(400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
        if "host" not in names or any(name.startswith("x-amz-") and name not in names for name in headers):
            raise Refusal(403, "AccessDenied", "There were headers present in the request which were not signed")
        canonical = "\n".join([self.request.method, self.request.written.partition("?")[0], canonical_query(self.request.raw_query),
                               *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in names), "", fields["SignedHeaders"], payload])
        text = "\n".join(["AWS4-HMAC-SHA256", stamp, f"{date}/{region}/s3/aws4_request", hashlib.sha256(canonical.encode()).hexdigest()])
        chain = ("AWS4" + secret).encode()
        for word in (date, region, "s3", "aws4_request"):
            chain = hmac.new(chain, word.encode(), hashlib.sha256).digest()
        if not hmac.compare_digest(hmac.new(chain, text.encode(), hashlib.sha256).hexdigest(), fields["Signature"]):
            raise Refusal(403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method.")
        if payload != "UNSIGNED-PAYLOAD" and payload != hashlib.sha256(self.request.body).hexdigest():
            raise Refusal(400, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.")
        if key in self.config.get("readonly", []) and self.request.method not in ("GET", "HEAD"):
            raise Refusal(403, "AccessDenied", "Access Denied")

    # --- what is asked ---

    def answer(self):
        self.check_signature()
        method = self.request.method
        if not self.bucket:
            return self.list_buckets()
        if not self.key and method == "PUT" and not self.query:
            self.buckets.setdefault(self.bucket, Bucket(self.region or "us-east-1"))
            return Response(200, "", {"location": f"/{self.bucket}"})
        if self.bucket not in self.buckets:
            raise Refusal(404, "NoSuchBucket", "The specified bucket does not exist", f"<BucketName>{escape(self.bucket)}</BucketName>")
        asked = tuple(sorted(set(self.query) & {"uploads", "uploadId", "partNumber", "list-type", "location"}))
        # Every SDK of 2025 adds x-id, and it means nothing.
        if set(self.query) - set(asked) - {"x-id", "prefix", "delimiter", "max-keys", "continuation-token", "start-after", "encoding-type", "fetch-owner"}:
            raise Refusal(501, "NotImplemented", "A parameter you provided implies functionality that is not implemented")
        handler = {("GET", False, ("list-type",)): self.list, ("GET", False, ("location",)): self.location, ("HEAD", False, ()): lambda: Response(200, ""),
                   ("PUT", True, ()): self.put, ("GET", True, ()): self.get, ("HEAD", True, ()): self.get, ("DELETE", True, ()): self.remove,
                   ("POST", True, ("uploads",)): self.begin, ("PUT", True, ("partNumber", "uploadId")): self.part,
                   ("POST", True, ("uploadId",)): self.complete, ("DELETE", True, ("uploadId",)): self.abort}.get((method, bool(self.key), asked))
        if not handler:
            raise Refusal(501, "NotImplemented", "A header or query you provided implies functionality that is not implemented")
        return handler()

    @property
    def objects(self):
        return self.buckets[self.bucket].objects

    def list_buckets(self):
        rows = "".join(f"<Bucket><Name>{escape(name)}</Name><CreationDate>2026-01-01T00:00:00.000Z</CreationDate></Bucket>" for name in sorted(self.buckets))
        return xml(f"<ListAllMyBucketsResult{XMLNS}><Owner><ID>1</ID></Owner><Buckets>{rows}</Buckets></ListAllMyBucketsResult>")

    def location(self):
        region = self.buckets[self.bucket].region
        return xml(f"<LocationConstraint{XMLNS}>{'' if region == 'us-east-1' else region}</LocationConstraint>")

    def list(self):
        prefix, delimiter = self.query.get("prefix", ""), self.query.get("delimiter", "")
        most = min(int(self.query.get("max-keys", 1000)), self.config.get("page", 1000))
        after = self.query.get("start-after", "")
        if "continuation-token" in self.query:
            after = bytes.fromhex(self.query["continuation-token"]).decode()
        write = (lambda key: urllib.parse.quote_plus(key, safe="/")) if self.query.get("encoding-type") == "url" else escape
        rows, shared, last, more = [], [], "", False
        for key in sorted((key for key in self.objects if key.startswith(prefix)), key=str.encode):
            folder = prefix + key[len(prefix):].partition(delimiter)[0] + delimiter if delimiter and delimiter in key[len(prefix):] else ""
            if key.encode() <= after.encode() or (folder and (folder in shared or after.startswith(folder))):
                continue
            if len(rows) + len(shared) >= most:
                more = True
                break
            last, item = key, self.objects[key]
            if folder:
                shared.append(folder)
            else:
                rows.append(f"<Contents><Key>{write(key)}</Key><LastModified>{time.strftime('%Y-%m-%dT%H:%M:%S.000Z', time.gmtime(item.at))}</LastModified>"
                            f"<ETag>&quot;{item.tag}&quot;</ETag><Size>{len(item.body)}</Size><StorageClass>STANDARD</StorageClass></Contents>")
        rows += [f"<CommonPrefixes><Prefix>{write(folder)}</Prefix></CommonPrefixes>" for folder in shared]
        token = f"<NextContinuationToken>{last.encode().hex()}</NextContinuationToken>" if more else ""
        encoding = "<EncodingType>url</EncodingType>" if self.query.get("encoding-type") == "url" else ""
        return xml(f"<ListBucketResult{XMLNS}><Name>{escape(self.bucket)}</Name><Prefix>{write(prefix)}</Prefix><KeyCount>{len(rows)}</KeyCount>"
                   f"<MaxKeys>{most}</MaxKeys>{encoding}<IsTruncated>{str(more).lower()}</IsTruncated>{token}{''.join(rows)}</ListBucketResult>")

    def check_room(self):
        if self.config.get("full"):
            raise Refusal(403, "QuotaExceeded", "")

    def check_new(self):
        wanted = self.request.headers.get("if-none-match")
        how = self.config.get("conditions", "kept")
        if wanted is None or how == "ignored":
            return
        if wanted != "*" or how == "refused":
            raise Refusal(501, "NotImplemented", "A header you provided implies functionality that is not implemented", "<Header>If-None-Match</Header>")
        if self.key in self.objects:
            raise Refusal(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold", "<Condition>If-None-Match</Condition>")

    def put(self):
        self.check_room()
        self.check_new()
        if "x-amz-copy-source" in self.request.headers:
            raise Refusal(501, "NotImplemented", "copies are not emulated")
        self.objects[self.key] = item = Object(self.request.body, self.request)
        return Response(200, "", {"etag": f'"{item.tag}"'})

    def get(self):
        if self.key not in self.objects:
            raise Refusal(404, "NoSuchKey", "The specified key does not exist.", f"<Key>{escape(self.key)}</Key>")
        item = self.objects[self.key]
        unit, _, span = self.request.headers.get("range", "").partition("=")
        if unit != "bytes" or "," in span:
            return Response(200, item.body, item.headers())
        first, _, last = span.partition("-")
        begin = int(first) if first else max(0, len(item.body) - int(last))
        end = min(int(last), len(item.body) - 1) if first and last else len(item.body) - 1
        if begin > end:
            raise Refusal(416, "InvalidRange", "The requested range is not satisfiable")
        return Response(206, item.body[begin:end + 1], {**item.headers(), "content-range": f"bytes {begin}-{end}/{len(item.body)}"})

    def remove(self):
        self.objects.pop(self.key, None)
        return Response(204, "")

    # --- in parts ---

    @property
    def upload(self):
        found = self.buckets[self.bucket].uploads.get(self.query["uploadId"])
        if not found or found["key"] != self.key:
            raise Refusal(404, "NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid, or it may have been aborted or completed.")
        return found

    def begin(self):
        name = uuid.uuid4().hex
        self.buckets[self.bucket].uploads[name] = {"key": self.key, "parts": {}, "request": self.request}
        return xml(f"<InitiateMultipartUploadResult{XMLNS}><Bucket>{escape(self.bucket)}</Bucket><Key>{escape(self.key)}</Key><UploadId>{name}</UploadId></InitiateMultipartUploadResult>")

    def part(self):
        self.check_room()
        tag = hashlib.md5(self.request.body).hexdigest()
        self.upload["parts"][int(self.query["partNumber"])] = (tag, self.request.body)
        return Response(200, "", {"etag": f'"{tag}"'})

    def complete(self):
        self.check_new()
        root, upload = ElementTree.fromstring(self.request.body), self.upload
        space = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""
        named = [(int(row.findtext(space + "PartNumber")), row.findtext(space + "ETag").strip('"')) for row in root.findall(space + "Part")]
        if not named or any(upload["parts"].get(number, ("",))[0] != tag for number, tag in named):
            raise Refusal(400, "InvalidPart", "One or more of the specified parts could not be found.")
        if [number for number, _ in named] != sorted({number for number, _ in named}):
            raise Refusal(400, "InvalidPartOrder", "The list of parts was not in ascending order.")
        bodies = [upload["parts"][number][1] for number, _ in named]
        if any(len(body) < SMALLEST_PART for body in bodies[:-1]):
            raise Refusal(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed object size.")
        tag = hashlib.md5(b"".join(bytes.fromhex(tag) for _, tag in named)).hexdigest() + f"-{len(named)}"
        self.objects[self.key] = Object(b"".join(bodies), upload["request"], tag)
        del self.buckets[self.bucket].uploads[self.query["uploadId"]]
        return xml(f"<CompleteMultipartUploadResult{XMLNS}><Bucket>{escape(self.bucket)}</Bucket><Key>{escape(self.key)}</Key><ETag>&quot;{tag}&quot;</ETag></CompleteMultipartUploadResult>")

    def abort(self):
        self.upload["parts"].clear()
        del self.buckets[self.bucket].uploads[self.query["uploadId"]]
        return Response(204, "")


def xml(text, status=200, headers=None):
    return Response(status, '<?xml version="1.0" encoding="UTF-8"?>\n' + text, {"content-type": "application/xml", **(headers or {})})


@host("*.s3.*.amazonaws.com", "s3.*.amazonaws.com", "s3.testcloud")
def answer(request):
    s3 = S3(request)
    try:
        response = s3.answer()
    except Refusal as no:
        text = f"<Error><Code>{no.code}</Code><Message>{escape(no.message)}</Message>{no.more}<RequestId>1</RequestId></Error>"
        response = xml(text if request.method != "HEAD" else "", no.status, no.headers)
    now = time.time() + s3.config.get("clock_ahead_s", 0)
    response.headers.setdefault("date", time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(now)))
    return response


@leaks("s3")
def left(world):
    """Uploads in parts that nobody has ended."""
    return [f"upload of {upload['key']}" for bucket in buckets_of(world).values() for upload in bucket.uploads.values()]
