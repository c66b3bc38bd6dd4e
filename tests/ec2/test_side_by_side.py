"""Two runs at once: an upload that goes on is neither disturbed nor done twice."""
import json

import pytest
from conftest import REGION, same
from test_upload import the_snapshot


@pytest.fixture
def upload_under_way(server, disk):
    """A run that waits for answers in the middle of the blocks, until server.set()."""
    server.set(faults=[{"operation": "PutSnapshotBlock", "fault": "hang", "after": 30}])
    process = server.start("--json", "ami", "upload", disk)
    server.wait_until(lambda state: state["refusals"].get("PutSnapshotBlock hang"), process)
    return process


def finish(server, process):
    """What the run says, once the server answers again."""
    server.set()
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    [image] = json.loads(out)["images"]
    return image


@pytest.mark.parametrize("options", [[], ["--all"]])
def test_gc_leaves_an_upload_alone_that_goes_on(server, disk, upload_under_way, options):
    [begun] = server.state()["snapshots"]
    result = server.ok("ami", "gc", *options)
    assert result.stdout == "" and result.stderr.splitlines() == [f"note: {REGION}: an upload of 'web-master' goes on; left alone",
                                                                  f"note: {REGION}: while an upload goes on, nothing of other hosts is looked for"]
    image = finish(server, upload_under_way)
    assert the_snapshot(server, image["ami"]) == begun and same(server.disk(begun), disk)


def test_a_second_upload_of_a_role_waits_and_finds_the_image(server, disk, upload_under_way):
    second = server.start("--json", "ami", "upload", disk)
    assert json.loads(second.stderr.readline())["message"] == "another imgbuild uploads this role; waiting"
    first = finish(server, upload_under_way)
    assert finish(server, second) == {**first, "found": True, "blocks": 0, "parent": None}
    state = server.state()
    assert state["counts"]["StartSnapshot"] == state["counts"]["CompleteSnapshot"] == 1 and len(state["images"]) == 1
