#!/usr/bin/python3
"""A server on loopback that speaks the EC2, EBS direct and S3 calls of imgbuild, strictly: server.py FOLDER

Every request is judged by oracle.py and carried out by cloud.py. Writes FOLDER/port once it listens; ends when its parent does.
FOLDER/settings.json is read at start (and again on POST /_test/settings), an object with any of:

    faults        a list of rules (faults.py), with the faults
                  throttle, error500, expired, denied, redirect (S3's bucket is elsewhere): refused so
                  hang (not done, no answer), hold (done, no answer), stall (stops reading in the middle of the body): and the
                  connection stays open; cut (not done), cut_after (done): closed without an answer
                  wrong_checksum; crash (this server's own)
    clock_s       how far this server's clock is ahead
    not_found_s   how long a fresh snapshot does not exist; complete_s, image_s, import_s: how long things take
    snapshot_news_s   for how long EC2 does not know it either; page: so many items an answer; encrypt_always: an account's setting
    deregistered_s, held_s   for how long an image that is gone is shown, and has its snapshots
    versions      buckets keep them; import_failure: why imports fail
    completed_twice   EBS's reason for refusing what comes after CompleteSnapshot
    subnets, groups, addresses   those of the account, as EC2 describes them
    image_states, instance_states   {id: state} where it is not what time makes it
    instance_s    how long an instance is pending; instance_news_s: for how long its id is unknown and filters do not find it
    instance_failure   why instances that are started now end before they run
    seed          of the random numbers
    credentials   {access key: [secret, token]}

GET /_test/state gives what there is and what was asked; GET /_test/disk/SNAPSHOT/FILE writes a snapshot's disk to FILE.
"""

import collections
import ctypes
import json
import pathlib
import signal
import socket
import sys
import threading
import time
import traceback
import uuid

import answers
import signatures
from cloud_instances import Instances
from faults import SILENT, Faults, refuse, wait_for_the_client_to_go
from oracle import Oracle, Request
from refused import Refused

KEYS = {"AKIATESTTESTTESTTEST": ["secret/of+the/tests", None], "ASIATESTTESTTESTTEST": ["temporary/secret", "token//of=tests"]}
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


class Call:
    """What is known of a request so far."""

    def __init__(self, request):
        self.request, self.service, self.operation, self.fault = request, guess_service(request), None, None

    @property
    def name(self):
        return self.operation.name if self.operation else "?"


class Server:
    def __init__(self, folder):
        self.folder = folder
        self.settings, self.faults = {}, Faults()
        self.read_settings()
        self.oracle, self.cloud = Oracle(), Instances(folder, self.settings)
        self.lock = threading.Lock()
        self.counts, self.refusals, self.most_open, self.open = collections.Counter(), collections.Counter(), 0, 0
        self.calls = []

    def read_settings(self):
        file = self.folder / "settings.json"
        self.settings.clear()
        self.settings.update(json.loads(file.read_text()) if file.exists() else {})
        self.faults.set(self.settings.get("faults", []), self.settings.get("seed", 1))

    # --- a request ---

    def answer(self, request):
        """(status, headers, body, what to do with the connection)"""
        call, now = Call(request), time.time() + self.settings.get("clock_s", 0)
        try:
            status, headers, body = self.carry_out(call, now)
        except Refused as refused:
            self.note_refusal(call.name, refused.known_as)
            status, headers, body = answers.write_refusal(call.service, refused, call.operation)
        headers["Date"] = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(now))
        headers["x-amzn-RequestId"] = str(uuid.uuid4())
        return status, headers, body, call.fault

    def answer_even_if_broken(self, request):
        """A defect of this server is an answer, so that no client waits; the log has it, and the test fails (conftest.py)."""
        try:
            return self.answer(request)
        except Exception:
            traceback.print_exc()
            self.note_refusal(f"{request.method} {request.path}", "crash")
            return 500, {}, b"", None

    def carry_out(self, call, now):
        keys = {key: tuple(secret) for key, secret in self.settings.get("credentials", KEYS).items()}
        key, region, call.service = signatures.check(call.request, call.service, keys, now)
        call.operation, told = self.oracle.find_operation(call.request, call.service)
        parameters = self.oracle.read(call.request, call.service, call.operation, told)
        self.note(call, parameters)
        call.fault = self.faults.pick(call.name, True, key, parameters.get("BlockIndex"))
        if call.fault:
            self.note_refusal(call.name, call.fault)
        refuse(call.fault, call.service)
        if call.fault == "crash":
            raise RuntimeError("a defect, as a test wanted it")
        if call.fault in ("hang", "cut"):
            return 0, {}, b""
        result = self.run(call.name, region, parameters)
        if call.fault == "wrong_checksum":
            result["Checksum"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
        return answers.write(call.operation, result)

    def run(self, name, region, parameters):
        method = getattr(self.cloud, name, None)
        if method is None:
            raise Refused(400, "InvalidAction", f"{name} is not of this server")
        if name == "PutSnapshotBlock":  # hashing and writing need no lock
            return method(region, parameters)
        with self.cloud.lock:
            return method(region, parameters)

    def note(self, call, parameters):
        with self.lock:
            self.counts[call.name] += 1
            if call.name != "PutSnapshotBlock":
                small = {k: v for k, v in parameters.items() if not isinstance(v, (bytes, bytearray, memoryview))}
                self.calls.append([call.name, small])

    def note_refusal(self, name, what):
        with self.lock:
            self.refusals[f"{name} {what}"] += 1

    def stalls(self, request):
        """Whether to stop reading; only for requests whose first lines name the operation."""
        if not any(rule["fault"] == "stall" for rule in self.faults.rules):
            return False
        service = guess_service(request)
        if service not in ("ebs", "s3"):
            return False
        name = self.oracle.find_operation(request, service)[0].name
        if self.faults.pick(name, is_body_read=False) is None:
            return False
        self.note_refusal(name, "stall")
        return True

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
        with self.cloud.lock, self.lock:
            return json.dumps(self.state()).encode()

    def state(self):
        c = self.cloud
        c.settle_imports()
        snapshots = {s.id: {"state": c._settled(s), "size": s.size, "blocks": len(s.digests), "puts": s.puts, "parent": s.parent and s.parent.id, "tags": s.tags,
                            "region": s.region, "encrypted": s.encrypted, "kms": s.kms, "shared": s.shared, "imported": s.by_import} for s in c.snapshots.values()}
        return {"snapshots": snapshots, "images": c.images, "instances": c.instances, "uploads": list(c.uploads), "objects": [list(k) for k in c.objects],
                "counts": self.counts, "refusals": self.refusals, "calls": self.calls, "bytes": c.bodies, "most_open": self.most_open}

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
            while request := read_request(connection, buffer, self.stalls):
                if not self.say(connection, request):
                    return
        except (ConnectionError, TimeoutError):
            pass
        finally:
            connection.close()
            with self.lock:
                self.open -= 1

    def say(self, connection, request):
        """True if the connection may be used again."""
        if request.path.startswith("/_test/"):
            status, headers, body, fault = 200, {}, self.test_answer(request), None
        else:
            status, headers, body, fault = self.answer_even_if_broken(request)
        if fault in SILENT:
            wait_for_the_client_to_go(connection)
        if fault in SILENT or fault in ("cut", "cut_after"):
            return False
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"] + [f"{k}: {v}" for k, v in headers.items()]
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return True


def guess_service(request):
    if "/ebs/" in request.headers.get("authorization", ""):
        return "ebs"
    return "ec2" if request.method == "POST" and request.path == "/" else "s3"


def read_request(connection, buffer, stalls):
    """None: the client has gone. 'stalls' tells of a request without its body whether to read only half of that."""
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
    is_stalled = stalls(Request(method, target, headers, b""))
    wanted = length // 2 if is_stalled else length
    while have < wanted:
        count = connection.recv_into(view[have:], wanted - have, socket.MSG_WAITALL)
        if not count:
            return None
        have += count
    if is_stalled:
        wait_for_the_client_to_go(connection)
        return None
    return Request(method, target, headers, body)


if __name__ == "__main__":
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    Server(pathlib.Path(sys.argv[1]).resolve()).serve()
