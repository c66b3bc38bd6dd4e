"""Runs that were cut in the direct upload: what the next one, or `ami gc`, makes of what there is."""
import json
import os
import signal
import time

from conftest import BLOCK, REGION, same
from test_upload import put_manifest, refused, the_snapshot, upload


def kill_after(server, operation, *arguments):
    """A run that is killed once the server has done that, and has not been heard."""
    process = server.start("ami", "upload", *arguments)
    deadline = time.monotonic() + 60
    while not [call for call in server.state()["calls"] if call[0] == operation and "DryRun" not in call[1]]:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)


def lose_start(server, disk, **settings):
    server.set(faults=[{"operation": "StartSnapshot", "fault": "cut_after"}], **settings)
    kill_after(server, "StartSnapshot", disk)
    server.set(**settings)
    [left] = server.state()["snapshots"]
    return left


def test_a_snapshot_whose_id_was_never_heard_is_taken_up(server, disk):
    left = lose_start(server, disk)
    [image] = upload(server, disk)
    assert the_snapshot(server, image["ami"]) == left and len(server.state()["snapshots"]) == 1


def test_it_is_taken_up_though_the_plan_is_another(server, disk):
    """The same bytes of another plan: other tags, which AWS does not take with the same token."""
    left = lose_start(server, disk)
    digest = os.popen(f"sha256sum {disk}").read()[:64]
    put_manifest(disk, digest)
    [image] = upload(server, disk)
    state = server.state()
    assert the_snapshot(server, image["ami"]) == left and state["images"][image["ami"]]["tags"]["imgbuild:plan"] == "ab" * 32


def test_gc_finds_it(server, disk):
    left = lose_start(server, disk)
    assert server.ok("ami", "gc").stdout == f"{left}\n"
    assert server.state()["snapshots"] == {} and list(server.state_folder.glob("**/*.journal")) == []


def test_gc_waits_for_a_snapshot_that_is_news(server, disk):
    """EC2 does not know it yet: forgotten now, it would stay."""
    left = lose_start(server, disk, snapshot_news_s=8)
    assert server.ok("ami", "gc").stdout == f"{left}\n"
    assert server.state()["snapshots"] == {}


def test_a_first_completion_that_is_refused_ends_it(server, disk):
    server.set(faults=[{"operation": "CompleteSnapshot", "fault": "denied"}])
    began = time.monotonic()
    assert server.imgbuild("ami", "upload", disk).returncode == 6
    assert time.monotonic() - began < 60  # and EC2 is not asked for minutes


def change(disk):
    with open(disk, "r+b") as file:
        file.seek(1500 * BLOCK)
        file.write(b"new")


def test_a_parent_that_aws_does_not_take_is_done_without(server, disk):
    upload(server, disk, "--no-encryption")
    change(disk)
    server.set(faults=[{"operation": "StartSnapshot", "fault": "denied", "times": 1}])  # its key has gone
    result = server.ok("--json", "ami", "upload", disk, "--no-encryption")
    [image] = json.loads(result.stdout)["images"]
    assert image["parent"] is None and image["blocks"] > 50
    assert "can't be the parent (StartSnapshot: AccessDeniedException: You are not authorized to perform this operation.), so all blocks are sent" in result.stderr
    assert same(server.disk(the_snapshot(server, image["ami"])), disk)


def test_an_upload_begun_without_the_parent_goes_on_so(server, disk):
    upload(server, disk)
    change(disk)
    server.set(faults=[{"operation": "StartSnapshot", "fault": "denied", "times": 1}, {"operation": "PutSnapshotBlock", "fault": "denied", "after": 40}])
    assert server.imgbuild("ami", "upload", disk).returncode == 6
    before = set(server.state()["snapshots"])
    server.set()
    [image] = upload(server, disk)
    assert set(server.state()["snapshots"]) == before and image["parent"] is None
    assert same(server.disk(the_snapshot(server, image["ami"])), disk)


def test_an_account_that_encrypts_all_is_seen_before_anything_is_sent(server, disk):
    upload(server, disk, "--no-encryption")
    change(disk)
    server.set(encrypt_always=True)
    server.may_be_refused("StartSnapshot ValidationException")  # the parent
    before = set(server.state()["snapshots"])
    code, lines = refused(server, "ami", "upload", disk, "--no-encryption")
    [left] = {line.split()[2] for line in lines if line.startswith("imgbuild: StartSnapshot: ")}
    assert (code, lines[-2:]) == (3, [f"imgbuild: StartSnapshot: {left} is encrypted, for this account encrypts all that is new",
                                      "hint: leave --no-encryption away; to share the image, name a key of your own with --kms-key"])
    state = server.state()
    assert set(state["snapshots"]) == before and list(server.state_folder.glob("**/*.journal")) == []


def test_a_torn_line_of_the_journal_is_cut_off(server, disk):
    """What is written after it must be read by the next run."""
    server.set(faults=[{"operation": "PutSnapshotBlock", "fault": "denied", "after": 40}])
    assert server.imgbuild("ami", "upload", disk).returncode == 6
    [journal] = server.state_folder.glob("**/*.journal")
    with open(journal, "a") as file:
        file.write('{"put": [1, 2')
    server.set(faults=[{"operation": "CompleteSnapshot", "fault": "denied"}])
    assert server.imgbuild("ami", "upload", disk).returncode == 6
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    put = {index for line in lines for index in line.get("put", [])}
    server.set()
    [image] = upload(server, disk)
    assert image["blocks"] == 0 and len(put) >= 60
    assert same(server.disk(the_snapshot(server, image["ami"])), disk)


def test_pages_of_answers_are_read_to_the_end(server, disk):
    server.set(page=1)
    upload(server, disk)
    upload(server, disk, "--name", "other")
    for value in ("a", "b"):
        server.aws("ebs", "start-snapshot", "--volume-size", "1", "--tags", f"Key=imgbuild:upload,Value={value}")
    assert len(server.ok("ami", "gc", "--all").stdout.splitlines()) == 2
    assert server.state()["counts"]["DescribeSnapshots"] > 4 and REGION in server.ok("ami", "list").stdout
