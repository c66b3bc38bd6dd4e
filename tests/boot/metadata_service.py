#!/usr/bin/python3
"""EC2's instance metadata (IMDSv2 only) for one connection on standard input and output: metadata_service.py FOLDER

QEMU starts it for each connection to 169.254.169.254. FOLDER/user-data is the user-data, if it is there. Requests are noted in
FOLDER/requests.
"""
import json
import pathlib
import sys

TOKEN = "token-of-the-test"
META = {"ami-id": "ami-1", "hostname": "ip-169-254-0-15.internal", "instance-id": "i-0123456789abcdef0", "instance-type": "t3.small",
        "local-hostname": "ip-169-254-0-15.internal", "local-ipv4": "169.254.0.15", "placement/availability-zone": "eu-central-1a", "placement/region": "eu-central-1"}
MAC = "network/interfaces/macs/52:54:00:12:34:56/"  # QEMU's first
META |= {MAC + "device-number": "0", MAC + "mac": "52:54:00:12:34:56", MAC + "local-ipv4s": "169.254.0.15", MAC + "subnet-ipv4-cidr-block": "169.254.0.0/16"}
IDENTITY = json.dumps({"instanceId": META["instance-id"], "region": "eu-central-1", "availabilityZone": "eu-central-1a"})


def listing(folder):
    """What is in a folder of the metadata, as EC2 lists it; None: there is no such folder."""
    names = {}
    for key in META:
        if key.startswith(folder):
            first, slash, _ = key[len(folder):].partition("/")
            names[first] = slash
    return "\n".join(name + slash for name, slash in sorted(names.items())) if names else None


def answer(folder, method, path, headers):
    if method == "PUT" and path == "/latest/api/token" and "x-aws-ec2-metadata-token-ttl-seconds" in headers:
        return 200, TOKEN.encode()
    if headers.get("x-aws-ec2-metadata-token") != TOKEN:
        return 401, b""
    _, _, rest = path.lstrip("/").partition("/")  # the version
    if rest == "user-data" and (folder / "user-data").exists():
        return 200, (folder / "user-data").read_bytes()
    if rest.rstrip("/") == "dynamic/instance-identity":
        return 200, b"document"
    if rest == "dynamic/instance-identity/document":
        return 200, IDENTITY.encode()
    if rest in ("meta-data", "meta-data/") or (rest.startswith("meta-data/") and rest.endswith("/")):
        found = listing(rest[len("meta-data/"):])
        return (200, found.encode()) if found is not None else (404, b"")
    value = META.get(rest.removeprefix("meta-data/"))
    return (200, value.encode()) if value else (404, b"")


def main():
    folder = pathlib.Path(sys.argv[1])
    method, path, _ = sys.stdin.buffer.readline().decode().split()
    headers = {}
    while line := sys.stdin.buffer.readline().decode().strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    status, body = answer(folder, method, path, headers)
    with open(folder / "requests", "a") as log:
        log.write(f"{method} {path} {status}\n")
    sys.stdout.buffer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
    sys.stdout.buffer.flush()


main()
