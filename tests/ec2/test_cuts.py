"""Uploads that are killed: the next run goes on where they ended, or `ami gc` takes away what they left."""
import collections
import json
import os
import random
import signal

import pytest
from conftest import make_disk, same
from test_upload import data_blocks, the_snapshot, upload

CUTS = int(os.environ.get("IMGBUILD_CUTS", "50"))
# imgbuild ends well when it may (128 + the signal, as shells say it).
STATUS = {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: 128 + signal.SIGTERM, signal.SIGINT: 128 + signal.SIGINT}
LINE, WINDOW, DOUBLES = 32, 64, 32  # blocks a line of the journal, on their way at once, sent twice


def unanswered(state, operation):
    return sum(state["refusals"].get(f"{operation} {fault}", 0) for fault in ("hang", "hold"))


def kill_an_upload(server, operation, with_signal, *arguments):
    """Once the server keeps a call from being answered; gives the state then."""
    before = unanswered(server.state(), operation)
    process = server.start("ami", "upload", *arguments)
    server.wait_until(lambda state: unanswered(state, operation) > before, process)
    process.send_signal(with_signal)
    process.communicate(timeout=60)
    assert process.returncode == STATUS[with_signal]
    return server.state()


@pytest.mark.parametrize("blocks, reason", [(60, "INVALID_SNAPSHOT_ID"), (61, "INVALID_PARAMETER_VALUE")])
def test_a_run_killed_while_the_snapshot_is_completed_is_continued(server, tmp_path, blocks, reason):
    """AWS has done it, and nobody here has heard. With which reason it refuses a second time is written nowhere."""
    server.may_be_refused("CompleteSnapshot ValidationException")
    disk = make_disk(tmp_path / "web-master.raw", blocks)
    server.set(faults=[{"operation": "CompleteSnapshot", "fault": "hold"}], complete_s=3)
    kill_an_upload(server, "CompleteSnapshot", signal.SIGKILL, disk)
    server.set(complete_s=3, completed_twice=reason)
    [image] = upload(server, disk)
    assert same(server.disk(the_snapshot(server, image["ami"])), disk)
    assert len(server.state()["snapshots"]) == 1


class Cut:
    """One of many: what is cut where, and what the run after it does."""

    def __init__(self, number, chance, blocks):
        self.number, self.name = number, f"role-{number}"  # a name of its own has no parent: all blocks travel
        others = ["StartSnapshot", "CompleteSnapshot", "RegisterImage"]
        self.operation = others[number // 10 % 3] if number % 10 == 9 else "PutSnapshotBlock"
        self.after = chance.randrange(1, blocks - 1) if self.operation == "PutSnapshotBlock" else 1 if self.operation == "RegisterImage" else 0  # its dry run
        self.fault = "hold" if chance.random() < 0.5 and self.after < blocks - WINDOW - DOUBLES else "hang"
        self.signal = chance.choice(list(STATUS))
        self.is_resumed = chance.random() < 0.5


def journaled(server, name):
    """The blocks of which an upload remembers that they were put."""
    [journal] = server.state_folder.glob(f"**/{name}.journal")
    return {index for line in journal.read_text().splitlines() for index in json.loads(line).get("put", [])}


def resume(server, cut, disk, blocks):
    """Goes on with the snapshot there is, and sends what may be missing."""
    before, known = server.state(), journaled(server, cut.name)
    if cut.operation == "PutSnapshotBlock":
        assert len(known) > cut.after - WINDOW - LINE - DOUBLES
    [image] = upload(server, disk, "--name", cut.name)
    after, snapshot = server.state(), the_snapshot(server, image["ami"])
    assert set(before["snapshots"]) in (set(), {snapshot})
    if before["snapshots"]:
        puts = after["snapshots"][snapshot]["puts"]
        assert puts - before["snapshots"][snapshot]["puts"] <= blocks - len(known) + DOUBLES
        assert puts <= blocks + LINE + WINDOW + DOUBLES
    assert same(server.disk(snapshot), disk)
    server.ok("ami", "delete", image["ami"])


def collect(server, cut):
    server.ok("ami", "gc")
    for image in server.state()["images"]:  # where RegisterImage was done and not answered
        assert cut.operation == "RegisterImage"
        server.ok("ami", "delete", image)


def test_random_cuts_leave_nothing(server, tmp_path):
    server.may_be_refused("CompleteSnapshot ValidationException")
    chance, places = random.Random(6), collections.Counter()
    disk = make_disk(tmp_path / "web-master.raw", 148)
    blocks = data_blocks(disk)
    for number in range(CUTS):
        cut = Cut(number, chance, blocks)
        server.set(faults=[{"operation": cut.operation, "fault": cut.fault, "after": cut.after}], seed=number)
        left = kill_an_upload(server, cut.operation, cut.signal, disk, "--name", cut.name)["snapshots"]
        places["among the blocks"] += any(0 < snapshot["blocks"] < blocks for snapshot in left.values())
        places["resumed" if cut.is_resumed else "collected"] += 1
        server.set()
        resume(server, cut, disk, blocks) if cut.is_resumed else collect(server, cut)
        state = server.state()
        assert state["snapshots"] == {} and state["images"] == {}, (cut.__dict__, state["snapshots"], state["images"])
        assert list(server.state_folder.glob("**/*.journal")) == []
    assert places["among the blocks"] >= CUTS * 8 // 10 and min(places["resumed"], places["collected"]) >= CUTS * 3 // 10, places
