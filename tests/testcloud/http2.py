"""HTTP/2 for the emulators, over hyper-h2: requests in parallel, trailers (gRPC), flow control."""
import asyncio, sys

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

from testcloud.api import Request, Response, pieces_of


class Http2:
    def __init__(self, connection):
        self.connection = connection
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.requests, self.gone = {}, set()
        self.window = asyncio.Event()
        self.flush()

    def flush(self):
        self.connection.transport.write(self.h2.data_to_send())

    def receive(self, data):
        try:
            events = self.h2.receive_data(data)
        except h2.exceptions.ProtocolError:
            self.flush()
            self.connection.transport.close()
            return
        for event in events:
            if isinstance(event, h2.events.RequestReceived):
                self.requests[event.stream_id] = (dict(event.headers), bytearray())
            elif isinstance(event, h2.events.DataReceived):
                self.requests[event.stream_id][1].extend(event.data)
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                headers, body = self.requests.pop(event.stream_id)
                self.connection.spawn(self.answer(event.stream_id, headers, bytes(body)))
            elif isinstance(event, (h2.events.WindowUpdated, h2.events.StreamReset)):
                if isinstance(event, h2.events.StreamReset):
                    self.gone.add(event.stream_id)
                self.window.set()
            elif isinstance(event, h2.events.ConnectionTerminated):
                self.connection.transport.close()
        self.flush()

    async def answer(self, stream, headers, body):
        from testcloud.server import dispatch
        host = headers.get("host") or headers.get(":authority", "")
        plain = {name: value for name, value in headers.items() if not name.startswith(":")}
        plain.setdefault("host", host)
        request = Request(headers[":method"], "https", host, headers[":path"], plain, body, "2")
        request.peer = self.connection.peer
        try:
            response = await dispatch(self.connection.world, request)
        except Exception as error:
            print(f"testcloud: {request.method} {request.host}{request.target}: {error!r}", file=sys.stderr)
            response = Response(599, repr(error))
        if response.lost:
            self.connection.transport.abort()
            return
        fields = [(":status", str(response.status))]
        fields += [(name, value) for name, value in response.headers.items() if name not in ("connection", "transfer-encoding")]
        try:
            # gRPC's failures are headers alone, and only that: an empty DATA frame after them is another answer.
            alone = response.body == b"" and not response.trailers and response.cut is None
            self.h2.send_headers(stream, fields, end_stream=alone)
            left = response.cut
            async for piece in pieces_of(response.body() if callable(response.body) else [response.body]):
                if stream in self.gone:
                    return
                if left is not None:
                    piece, left = piece[:left], max(0, left - len(piece))
                await self.send(stream, piece)
            if alone:
                pass
            elif response.cut is not None:
                self.h2.reset_stream(stream, error_code=h2.errors.ErrorCodes.INTERNAL_ERROR)
            elif response.trailers:
                self.h2.send_headers(stream, list(response.trailers.items()), end_stream=True)
            else:
                self.h2.end_stream(stream)
        except (h2.exceptions.StreamClosedError, h2.exceptions.ProtocolError):
            pass  # the client has gone
        self.flush()
        response.sent()
        if response.close:
            self.connection.transport.close()

    async def send(self, stream, body):
        at = 0
        while at < len(body):
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, len(body) - at)
            if room <= 0:
                self.window.clear()
                self.flush()
                await self.window.wait()
                continue
            self.h2.send_data(stream, body[at:at + room])
            at += room
            while self.connection.transport.get_write_buffer_size() > 1 << 20:
                self.flush()
                await asyncio.sleep(0.002)
        self.flush()
