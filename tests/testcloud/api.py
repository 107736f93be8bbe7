"""What the emulators are made of: requests, responses, and the list of who answers for which host."""
import asyncio, json, urllib.parse

METADATA = {}  # cloud: function (Request of a node, Machine -> Response): its metadata service
LEAKS = {}  # cloud: function (World -> [text]): what is left besides machines: keys, disks, addresses, groups
HANDLERS = []  # (host pattern, function), the first that fits and does not give None answers


def host(*patterns):
    """Registers a function (Request -> Response, or a coroutine of one) for hosts: "api.lambda.ai", "ec2.*.amazonaws.com"."""
    def register(handler):
        for pattern in patterns:
            HANDLERS.append((pattern, handler))
        return handler
    return register


def metadata(cloud):
    """Registers the metadata service of a cloud's nodes."""
    def register(handler):
        METADATA[cloud] = handler
        return handler
    return register


def leaks(cloud):
    """Registers who tells what of a cloud is left besides machines."""
    def register(handler):
        LEAKS[cloud] = handler
        return handler
    return register


class Request:
    def __init__(self, method, scheme, host, target, headers, body, http):
        self.method, self.scheme, self.target, self.headers, self.body, self.http = method, scheme, target, headers, body, http
        self.host = host.split(":")[0].lower()
        self.path, _, self.raw_query = target.partition("?")
        self.path = urllib.parse.unquote(self.path)
        self.base = f"{scheme}://{host}"  # how the client reaches this host: for links in answers
        self.written = target  # as the client wrote it, also by /__host/: what signatures cover
        self.world, self.peer = None, ""

    @property
    def query(self):
        """The query's pairs; the last of a name wins."""
        return dict(urllib.parse.parse_qsl(self.raw_query, keep_blank_values=True))

    @property
    def form(self):
        return dict(urllib.parse.parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    @property
    def json(self):
        return json.loads(self.body or b"{}")

    def bearer(self):
        kind, _, token = self.headers.get("authorization", "").partition(" ")
        return token if kind.lower() == "bearer" else ""


class Response:
    """`body`: text, bytes, something for JSON, or a function that yields bytes (streamed), also asynchronously. `trailers`: HTTP/2 only. `lost`: the
    connection ends without a word."""

    def __init__(self, status=200, body=b"", headers=None, trailers=None, lost=False):
        self.headers = {"content-type": "application/json"}
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        self.status, self.body, self.trailers = status, body, trailers
        self.headers.update({name.lower(): value for name, value in (headers or {}).items()})
        self.lost = lost
        self.cut = None  # end the connection after so many bytes of the body
        self.close = False
        self.sent = lambda: None  # called when all of it has been written


async def pieces_of(body):
    """What a streamed body yields, whichever way."""
    if hasattr(body, "__aiter__"):
        async for piece in body:
            yield piece
        return
    for piece in body:
        await asyncio.sleep(0)  # a client that has what it wanted and went ends this here
        yield piece
