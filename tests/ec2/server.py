#!/usr/bin/python3
"""A server on loopback that speaks the EC2, EBS direct and S3 calls of imgbuild, strictly: server.py FOLDER [SETTINGS]

Every request is judged by oracle.py and carried out by cloud.py. Writes FOLDER/port once it listens. FOLDER/settings.json is read
at start (and again on POST /_test/settings), an object with any of:

    faults        a list of rules, each {"operation", "fault"} and any of "rate" (0…1), "times", "after" (calls let through)
                  fault: throttle, error500, hang (no answer), cut (closed without an answer), cut_after (done, then closed),
                  wrong_checksum, expired, denied
    clock_s       how far this server's clock is ahead
    not_found_s   how long a fresh snapshot does not exist; complete_s, image_s, import_s: how long things take
    seed          of the random numbers
    credentials   {access key: [secret, token]}

GET /_test/state gives what there is and what was asked; GET /_test/disk/SNAPSHOT/FILE writes a snapshot's disk to FILE.
"""

import collections
import json
import pathlib
import random
import socket
import sys
import threading
import time
import uuid

import answers
from cloud_ec2 import Ec2
from oracle import Oracle, Refused, Request

KEYS = {"AKIATESTTESTTESTTEST": ["secret/of+the/tests", None], "ASIATESTTESTTESTTEST": ["temporary/secret", "token//of=tests"]}


class Server:
    def __init__(self, folder):
        self.folder = folder
        self.settings = {}
        self.read_settings()
        self.oracle, self.cloud = Oracle(), Ec2(folder, self.settings)
        self.lock = threading.Lock()
        self.counts, self.refusals, self.most_open, self.open = collections.Counter(), collections.Counter(), 0, 0
        self.calls = []

    def read_settings(self):
        file = self.folder / "settings.json"
        self.settings.clear()
        self.settings.update(json.loads(file.read_text()) if file.exists() else {})
        self.random = random.Random(self.settings.get("seed", 1))
        self.seen = collections.Counter()

    # --- faults ---

    def fault(self, operation):
        with self.lock:
            for number, rule in enumerate(self.settings.get("faults", [])):
                if rule["operation"] not in (operation, "*"):
                    continue
                self.seen[number, "calls"] += 1
                if self.seen[number, "calls"] <= rule.get("after", 0) or self.seen[number, "done"] >= rule.get("times", 1 << 60):
                    continue
                if self.random.random() < rule.get("rate", 1):
                    self.seen[number, "done"] += 1
                    self.refusals[f"{operation} {rule['fault']}"] += 1
                    return rule["fault"]
        return None

    @staticmethod
    def refuse(fault, service):
        if fault == "throttle":
            if service == "ebs":
                raise Refused(400, "RequestThrottledException", "The request was throttled", Reason="ACCOUNT_THROTTLED")
            raise Refused(503, "SlowDown" if service == "s3" else "RequestLimitExceeded", "Request limit exceeded.")
        if fault == "error500":
            raise Refused(500, "InternalServerException" if service == "ebs" else "InternalError", "An internal error has occurred")
        if fault == "expired":
            raise Refused(400, "ExpiredTokenException" if service == "ebs" else "RequestExpired" if service == "ec2" else "ExpiredToken", "The security token is expired")
        if fault == "denied":
            raise Refused(403, "AccessDeniedException" if service == "ebs" else "UnauthorizedOperation", "You are not authorized to perform this operation.")

    # --- a request ---

    def answer(self, request):
        """(status, headers, body, what to do with the connection)"""
        now = time.time() + self.settings.get("clock_s", 0)
        service, operation, fault = guess_service(request), "?", None
        try:
            keys = self.settings.get("credentials", KEYS)
            _, region, signed_for = self.oracle.check_signature(request, {k: tuple(v) for k, v in keys.items()}, now)
            service = signed_for
            operation, parameters = self.oracle.read(request, service)
            self.note(operation, service, parameters)
            fault = self.fault(operation)
            self.refuse(fault, service)
            if fault in ("hang", "cut"):
                return 0, {}, b"", fault
            method = getattr(self.cloud, operation, None)
            if method is None:
                raise Refused(400, "InvalidAction", f"{operation} is not of this server")
            result = self.run(method, region, parameters, operation)
            if fault == "wrong_checksum":
                result["Checksum"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
            status, headers, body = answers.write(self.oracle.models[service].operation_model(operation), result)
        except Refused as refused:
            with self.lock:
                self.refusals[f"{operation} {refused.code}"] += 1
            status, headers, body = answers.write_refusal(service, refused)
        headers["Date"] = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(now))
        headers["x-amzn-RequestId"] = str(uuid.uuid4())
        return status, headers, body, fault

    def run(self, method, region, parameters, operation):
        if operation == "PutSnapshotBlock":  # hashing and writing need no lock
            return method(region, parameters)
        with self.cloud.lock:
            return method(region, parameters)

    def note(self, operation, service, parameters):
        with self.lock:
            self.counts[operation] += 1
            if operation != "PutSnapshotBlock":
                small = {k: v for k, v in parameters.items() if not isinstance(v, (bytes, bytearray, memoryview))}
                self.calls.append([operation, small])

    # --- what tests ask ---

    def test_answer(self, request):
        words = request.path.split("/")[2:]
        if words[0] == "settings":
            self.read_settings()
            return b"{}"
        if words[0] == "disk":
            snapshot = self.cloud.snapshots[words[1]]
            with open("/".join([""] + words[2:]), "wb") as out:
                out.truncate(snapshot.size << 30)
                for index in snapshot.indexes():
                    out.seek(index * 524288)
                    out.write(snapshot.block(index))
            return b"{}"
        c = self.cloud
        snapshots = {s.id: {"state": c._settled(s), "size": s.size, "blocks": len(s.digests), "parent": s.parent and s.parent.id, "tags": s.tags, "region": s.region,
                            "encrypted": s.encrypted, "kms": s.kms, "shared": s.shared, "imported": s.by_import} for s in c.snapshots.values()}
        return json.dumps({"snapshots": snapshots, "images": c.images, "instances": c.instances, "uploads": list(c.uploads), "objects": [list(k) for k in c.objects],
                           "counts": self.counts, "refusals": self.refusals, "calls": self.calls, "bytes": c.bodies, "most_open": self.most_open}).encode()

    # --- connections ---

    def serve(self):
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        (self.folder / "port.new").write_text(str(listener.getsockname()[1]))
        (self.folder / "port.new").rename(self.folder / "port")
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.lock:
            self.open += 1
            self.most_open = max(self.most_open, self.open)
        try:
            buffer = bytearray(1 << 16)
            while request := read_request(connection, buffer):
                if request.path.startswith("/_test/"):
                    status, headers, body, fault = 200, {}, self.test_answer(request), None
                else:
                    status, headers, body, fault = self.answer(request)
                if fault == "hang":
                    connection.recv(1)  # until the client goes
                if fault in ("hang", "cut", "cut_after"):
                    return
                lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"] + [f"{k}: {v}" for k, v in headers.items()]
                connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        except (ConnectionError, TimeoutError):
            pass
        finally:
            connection.close()
            with self.lock:
                self.open -= 1


def guess_service(request):
    if "/ebs/" in request.headers.get("authorization", ""):
        return "ebs"
    return "ec2" if request.method == "POST" and request.path == "/" else "s3"


def read_request(connection, buffer):
    """None: the client has gone."""
    head = bytearray()
    while (end := head.find(b"\r\n\r\n")) < 0:
        count = connection.recv_into(buffer)
        if not count:
            return None
        head += memoryview(buffer)[:count]
    lines = head[:end].decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ")
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    if headers.get("expect") == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    length = int(headers.get("content-length", 0))
    body, have = bytearray(length), len(head) - end - 4
    body[:have] = head[end + 4:]
    view = memoryview(body)
    while have < length:
        count = connection.recv_into(view[have:], length - have, socket.MSG_WAITALL)
        if not count:
            return None
        have += count
    return Request(method, target, headers, body)


if __name__ == "__main__":
    Server(pathlib.Path(sys.argv[1]).resolve()).serve()
