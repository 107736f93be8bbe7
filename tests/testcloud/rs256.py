"""Checks RSASSA-PKCS1-v1_5 signatures with SHA-256 of the tests' one key, tests/fixtures/keys/rsa.pem."""
import functools, hashlib, pathlib, subprocess

KEY = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "keys" / "rsa.pem"
EXPONENT = 65537
SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")  # DER of the digest's name (RFC 8017, 9.2)


@functools.cache
def modulus():
    out = subprocess.run(["openssl", "rsa", "-in", KEY, "-noout", "-modulus"], check=True, capture_output=True, text=True).stdout
    return int(out.strip().split("=")[1], 16)


def is_signed(signature, data):
    size = (modulus().bit_length() + 7) // 8
    opened = pow(int.from_bytes(signature, "big"), EXPONENT, modulus()).to_bytes(size, "big")
    tail = b"\x00" + SHA256_PREFIX + hashlib.sha256(data).digest()
    return opened == b"\x00\x01" + b"\xff" * (size - 2 - len(tail)) + tail
