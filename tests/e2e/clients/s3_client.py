#!/usr/bin/python3
"""The real `aws` command judges our emulated S3: signatures, conditional writes, pages, uploads in parts, errors.

Skipped (77) where no aws command can be had."""
import os, pathlib, subprocess, sys, tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests" / "e2e"), str(ROOT / "tests" / "e2e" / "clients")]
from aws_client import SKIPPED, Client, find_aws  # noqa: E402
from testclouds import Clouds  # noqa: E402

SCENARIO = {"clouds": {"s3": {"buckets": {"ckpt": "us-east-1", "far": "eu-west-1"}, "page": 3, "readonly": ["AKIAREAD"],
                              "keys": {"AKIATEST": "aws-test-secret", "AKIAREAD": "read-secret"}}}}


class S3(Client):
    """The aws command with an endpoint whose path leads to the emulator."""

    def run(self, *words, **env):
        command = [self.path, "--endpoint-url", f"{self.base}/__host/s3.testcloud", "--output", "json", *words]
        done = subprocess.run(command, env={**self.env, **env}, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr


def check(aws, folder, clouds):
    small, large = folder / "small", folder / "large"
    small.write_bytes(b"hello\0")
    large.write_bytes(os.urandom(20 << 20))  # in parts, and read back by ranges
    for name in ("a b+c%/x", "a b+c%/y", "é/z", "q/1", "q/2", "q/3", "q/4"):
        aws.ok("s3", "cp", str(small), f"s3://ckpt/{name}")
    aws.ok("s3", "cp", str(large), "s3://ckpt/large")
    aws.ok("s3", "cp", "s3://ckpt/large", str(folder / "back"))
    assert (folder / "back").read_bytes() == large.read_bytes()
    listed = [line.split(None, 3)[3] for line in aws.ok("s3", "ls", "--recursive", "s3://ckpt/").splitlines()]
    assert listed == ["a b+c%/x", "a b+c%/y", "large", "q/1", "q/2", "q/3", "q/4", "é/z"], listed
    folders = aws.ok("s3", "ls", "s3://ckpt/")
    assert [line.split("PRE ")[1] for line in folders.splitlines() if "PRE " in line] == ["a b+c%/", "q/", "é/"], folders
    aws.ok("s3", "rm", "s3://ckpt/q/1")
    aws.ok("s3", "rm", "s3://ckpt/q/1")
    status, _, error = aws.run("s3api", "head-object", "--bucket", "ckpt", "--key", "q/1")
    assert status != 0 and "404" in error, error
    refused = [(("ls", "s3://nobody"), {}, "NoSuchBucket"),
               (("ls", "s3://ckpt"), {"AWS_SECRET_ACCESS_KEY": "wrong"}, "SignatureDoesNotMatch"),
               (("ls", "s3://ckpt"), {"AWS_ACCESS_KEY_ID": "AKIANOBODY"}, "InvalidAccessKeyId"),
               (("ls", "s3://ckpt"), {"AWS_SESSION_TOKEN": "stolen"}, "InvalidToken"),
               (("cp", str(small), "s3://ckpt/no"), {"AWS_ACCESS_KEY_ID": "AKIAREAD", "AWS_SECRET_ACCESS_KEY": "read-secret"}, "AccessDenied")]
    for words, env, code in refused:
        status, _, error = aws.run("s3", *words, **env)
        assert status != 0 and code in error, (words, error)
    aws.ok("s3", "mb", "s3://fresh")
    assert clouds.call("/__leaks")["s3"] == [], "an upload was left"
    print("the aws command is content with the emulated S3")


def main():
    path = find_aws()
    if not path:
        print("skipped: no aws command (`scripts/setup --clients` installs one)")
        return SKIPPED
    with Clouds(SCENARIO) as clouds, tempfile.TemporaryDirectory() as folder:
        check(S3(path, f"http://127.0.0.1:{clouds.plain}"), pathlib.Path(folder), clouds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
