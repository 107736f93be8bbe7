"""Protobuf's binary form and gRPC's frame, without a compiler: messages are lists of (field, value) pairs."""
import struct


def varint(number):
    number &= (1 << 64) - 1
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def encode(fields):
    """Each value: an int, a text, bytes, or a list of pairs (a message). Zeros and empty texts are left out, as proto3 does."""
    out = b""
    for field, value in fields:
        if isinstance(value, bool) or isinstance(value, int):
            if value:
                out += varint(field << 3) + varint(int(value))
            continue
        if isinstance(value, list):
            value = encode(value)
        elif isinstance(value, str):
            value = value.encode()
            if not value:
                continue
        out += varint(field << 3 | 2) + varint(len(value)) + value
    return out


def decode(data):
    """Field -> values in their order: ints, or bytes (to be decoded again where they are messages)."""
    fields, at = {}, 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        tag = number()
        kind = tag & 7
        if kind == 0:
            value = number()
        elif kind == 2:
            size = number()
            value, at = data[at:at + size], at + size
        else:
            raise ValueError(f"wire type {kind}")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def text(fields, field):
    return fields.get(field, [b""])[-1].decode()


def message(fields, field):
    return decode(fields.get(field, [b""])[-1])


def frame(data):
    return struct.pack(">BI", 0, len(data)) + data


def unframe(data):
    compressed, length = struct.unpack(">BI", data[:5])
    if compressed or length != len(data) - 5:
        raise ValueError("not one plain frame")
    return data[5:]
