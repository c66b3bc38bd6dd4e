"""A block that is sent again beside a request that is late: the answer that counts is the good one."""
from conftest import same
from test_upload import the_snapshot, upload

LAST = 2047  # of 1 GiB: the table's copy at the end, sent when it is known how long answers take


def test_a_refusal_of_a_double_waits_for_the_first(server, disk):
    """More refusals than a call may have, but the first request is still on its way."""
    server.set(faults=[{"operation": "PutSnapshotBlock", "block": LAST, "fault": "hang", "times": 1},
                       {"operation": "PutSnapshotBlock", "block": LAST, "fault": "error500", "times": 8}])
    [image] = upload(server, disk)
    assert same(server.disk(the_snapshot(server, image["ami"])), disk)
