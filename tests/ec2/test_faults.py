"""What goes wrong on the way: it is tried again where that helps, said plainly where it does not, and nothing is left behind."""
import json
import time

import pytest
from conftest import make_disk, same
from test_upload import the_snapshot, upload


@pytest.mark.parametrize("fault", ["throttle", "error500", "cut", "cut_after"])
def test_what_may_pass_is_tried_again(server, disk, fault):
    server.may_be_refused("CompleteSnapshot ValidationException")  # done, and the answer was lost
    server.set(faults=[{"operation": "*", "fault": fault, "rate": 0.2}])
    [image] = upload(server, disk)
    assert same(server.disk(the_snapshot(server, image["ami"])), disk)
    state = server.state()
    assert sum(count for name, count in state["refusals"].items() if fault in name) >= 5
    assert len(state["snapshots"]) == 1 and len(state["images"]) == 1


@pytest.mark.parametrize("fault", ["hang", "stall"])
def test_a_server_that_falls_silent_is_left(server, disk, fault):
    server.set(faults=[{"operation": "PutSnapshotBlock", "fault": fault, "after": 40, "times": 2}])
    began = time.monotonic()
    [image] = upload(server, disk)
    assert time.monotonic() - began < 20  # a silence costs 2 s, a second one of the same block 4 s; AWS's slowest answer would be 28
    assert server.state()["refusals"][f"PutSnapshotBlock {fault}"] == 2
    assert same(server.disk(the_snapshot(server, image["ami"])), disk)


def test_a_snapshot_may_be_news(server, disk):
    server.set(not_found_s=5)
    [image] = upload(server, disk)
    assert same(server.disk(the_snapshot(server, image["ami"])), disk)
    # Nobody hammers at the door meanwhile.
    assert server.state()["refusals"]["PutSnapshotBlock ResourceNotFoundException"] < 20


def test_a_wrong_echo_is_seen(server, disk):
    server.set(faults=[{"operation": "PutSnapshotBlock", "fault": "wrong_checksum", "after": 10, "times": 1}])
    result = server.imgbuild("ami", "upload", disk)
    assert result.returncode == 4
    assert "PutSnapshotBlock: AWS has another checksum of block" in result.stderr
    [image] = upload(server, disk)  # goes on
    assert same(server.disk(the_snapshot(server, image["ami"])), disk)


@pytest.mark.parametrize("hours", [-26, 3])
def test_a_wrong_clock_here_is_seen(server, disk, hours):
    server.set(clock_s=hours * 3600)
    result = server.ok("--json", "ami", "upload", disk)
    assert "off AWS's; signing with AWS's time" in result.stderr
    assert same(server.disk(the_snapshot(server, json.loads(result.stdout)["images"][0]["ami"])), disk)


@pytest.mark.parametrize("operation, code, way", [
    ("StartSnapshot", "InvalidSignatureException", []),
    ("CreateMultipartUpload", "RequestTimeTooSkewed", ["--method", "import", "--bucket", "images"])], ids=["ebs", "s3"])
@pytest.mark.parametrize("hours", [-26, 3])
def test_a_clock_that_goes_wrong_meanwhile_is_seen_by_each_service(server, disk, hours, operation, code, way):
    server.may_be_refused("? InvalidSignatureException")
    server.set(faults=[{"operation": operation, "fault": "cut"}])
    process = server.start("--json", "ami", "upload", disk, *way)
    server.wait_until(lambda state: state["refusals"].get(f"{operation} cut"), process)
    server.set(clock_s=hours * 3600)
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    assert "off AWS's; signing with AWS's time" in error and server.state()["refusals"][f"? {code}"] >= 1
    assert same(server.disk(the_snapshot(server, json.loads(out)["images"][0]["ami"])), disk)


def test_expired_credentials_end_it_and_the_next_run_goes_on(server, disk):
    server.set(faults=[{"operation": "PutSnapshotBlock", "fault": "expired", "after": 30}])
    result = server.imgbuild("ami", "upload", disk)
    assert result.returncode == 6
    assert result.stderr.splitlines()[-2:] == [
        "imgbuild: PutSnapshotBlock: ExpiredTokenException: The security token is expired",
        "hint: the credentials have expired: log in again (aws sso login, or new AWS_… variables), then run the same command to go on where this ended"]
    server.set()
    [image] = upload(server, disk)
    state = server.state()
    assert len(state["snapshots"]) == 1
    assert same(server.disk(the_snapshot(server, image["ami"])), disk)


def test_a_refusal_for_good_is_not_repeated(server, disk):
    server.set(faults=[{"operation": "StartSnapshot", "fault": "denied"}])
    result = server.imgbuild("ami", "upload", disk)
    assert result.returncode == 6
    assert result.stderr.splitlines()[-2:] == [
        "imgbuild: StartSnapshot: AccessDeniedException: You are not authorized to perform this operation.",
        "hint: imgbuild ami policy prints what the user or role must be allowed to do"]
    assert server.state()["counts"]["StartSnapshot"] == 1


def test_a_cut_upload_is_collected(server, disk):
    server.set(faults=[{"operation": "PutSnapshotBlock", "fault": "denied", "after": 20}])
    assert server.imgbuild("ami", "upload", disk).returncode == 6
    [left] = server.state()["snapshots"]
    server.set()
    assert server.ok("ami", "gc").stdout == f"{left}\n"
    assert server.state()["snapshots"] == {}
    assert server.ok("ami", "gc").stdout == ""


def test_what_a_cut_upload_of_another_disk_left_is_deleted(server, disk, tmp_path):
    server.set(faults=[{"operation": "PutSnapshotBlock", "fault": "denied", "after": 20}])
    assert server.imgbuild("ami", "upload", disk).returncode == 6
    [left] = server.state()["snapshots"]
    server.set()
    (tmp_path / "other").mkdir()
    other = make_disk(tmp_path / "other/web-master.raw", 30, seed=9)
    [image] = upload(server, other)
    state = server.state()
    assert left not in state["snapshots"] and len(state["snapshots"]) == 1
    assert same(server.disk(the_snapshot(server, image["ami"])), other)


def test_unfinished_snapshots_of_other_hosts_are_shown_and_left(server, disk):
    server.set(faults=[{"operation": "PutSnapshotBlock", "fault": "denied", "after": 20}])
    assert server.imgbuild("ami", "upload", disk).returncode == 6
    [left] = server.state()["snapshots"]
    server.set()
    elsewhere = {"XDG_STATE_HOME": server.folder / "elsewhere"}
    result = server.ok("ami", "gc", **elsewhere)
    assert result.stdout == "" and f"{left} is unfinished, of an upload that this host does not know; --all deletes it" in result.stderr
    assert server.ok("ami", "gc", "--all", **elsewhere).stdout == f"{left}\n"
