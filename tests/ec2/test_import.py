"""imgbuild ami upload --method import: through a bucket of S3, which has nothing of it afterwards, whatever happens on the way."""
import signal
import time

import pytest
from conftest import REGION, same
from test_upload import refused, the_snapshot, upload

IMPORT = ("--method", "import", "--bucket", "images")


def nothing_left(server):
    state = server.state()
    return (state["snapshots"], state["objects"], state["uploads"], list(server.state_folder.glob("**/*.journal"))) == ({}, [], [], [])


def test_an_upload_through_s3(server, disk):
    [image] = upload(server, disk, *IMPORT)
    state = server.state()
    assert same(server.disk(the_snapshot(server, image["ami"])), disk)
    assert state["objects"] == [] and state["uploads"] == []
    assert state["snapshots"][the_snapshot(server, image["ami"])]["encrypted"] is True
    asked = next(call[1] for call in state["calls"] if call[0] == "ImportSnapshot" and "DryRun" not in call[1])
    assert asked["RoleName"] == "vmimport" and asked["DiskContainer"]["Format"] == "VMDK"


def test_an_import_that_fails_leaves_nothing(server, disk):
    server.set(import_failure="ClientError: Unsupported VMDK File Format")
    result = server.imgbuild("ami", "upload", disk, *IMPORT)
    assert result.returncode == 6
    assert "AWS could not import the disk: ClientError: Unsupported VMDK File Format" in result.stderr
    assert nothing_left(server)


@pytest.mark.parametrize("operation", ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "ImportSnapshot", "DescribeImportSnapshotTasks",
                                       "CreateTags", "DeleteObject", "ListMultipartUploads", "RegisterImage"])
def test_an_answer_that_is_lost_leaves_nothing_behind(server, disk, operation):
    asked_before = operation in ("ImportSnapshot", "CreateTags", "RegisterImage")  # whether it would be allowed
    server.set(faults=[{"operation": operation, "fault": "cut_after", "after": int(asked_before), "times": 1}])
    [image] = upload(server, disk, *IMPORT)
    state = server.state()
    assert state["refusals"][f"{operation} cut_after"] == 1
    assert same(server.disk(the_snapshot(server, image["ami"])), disk)
    assert state["objects"] == [] and state["uploads"] == [] and len(state["snapshots"]) == 1 and len(state["images"]) == 1


@pytest.mark.parametrize("faults", [[], [{"operation": "CompleteMultipartUpload", "fault": "cut_after", "times": 1}]], ids=["heard", "the answer is lost"])
def test_a_bucket_that_keeps_versions_keeps_none_of_it(server, disk, faults):
    server.set(versions=True, faults=faults)
    upload(server, disk, *IMPORT)
    assert server.state()["objects"] == []


def start_and_wait_for(server, disk, operation):
    """A run in the midst of it."""
    process = server.start("ami", "upload", disk, *IMPORT)
    deadline = time.monotonic() + 60
    while not [call for call in server.state()["calls"] if call[0] == operation and "DryRun" not in call[1]]:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    return process


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_was_cut_while_aws_imports_goes_on(server, disk, number):
    server.set(import_s=3)
    process = start_and_wait_for(server, disk, "DescribeImportSnapshotTasks")
    process.send_signal(number)
    process.communicate(timeout=60)
    [image] = upload(server, disk, *IMPORT)
    state = server.state()
    assert state["counts"]["CompleteMultipartUpload"] == 1 and len(state["snapshots"]) == 1 and state["objects"] == []
    assert same(server.disk(the_snapshot(server, image["ami"])), disk)


@pytest.mark.parametrize("operation, import_s", [("UploadPart", 1), ("DescribeImportSnapshotTasks", 1), ("DescribeImportSnapshotTasks", 30)])
def test_gc_ends_an_import_that_was_cut(server, disk, operation, import_s):
    server.set(import_s=import_s)
    process = start_and_wait_for(server, disk, operation)
    process.kill()
    process.communicate(timeout=60)
    time.sleep(1.2)  # where it is fast AWS has ended it
    server.ok("ami", "gc")
    time.sleep(1.2)
    assert nothing_left(server)


def test_gc_finds_an_import_whose_id_was_never_heard(server, disk):
    server.set(import_s=1, faults=[{"operation": "ImportSnapshot", "fault": "cut_after", "after": 1}])
    process = start_and_wait_for(server, disk, "ImportSnapshot")
    process.kill()
    process.communicate(timeout=60)
    server.set(import_s=1, page=1)
    server.ok("ami", "gc")
    time.sleep(1.2)
    assert nothing_left(server)


def test_a_silence_while_aws_imports_loses_nothing(server, disk):
    server.set(faults=[{"operation": "DescribeImportSnapshotTasks", "fault": "denied"}])
    assert server.imgbuild("ami", "upload", disk, *IMPORT).returncode == 6
    assert server.state()["objects"] != []
    server.set()
    upload(server, disk, *IMPORT)
    assert server.state()["counts"]["CompleteMultipartUpload"] == 1 and server.state()["objects"] == []


def test_a_bucket_elsewhere_is_said(server, disk):
    server.set(faults=[{"operation": "CreateMultipartUpload", "fault": "redirect"}])
    code, lines = refused(server, "ami", "upload", disk, *IMPORT)
    assert (code, lines[-2:]) == (6, ["imgbuild: CreateMultipartUpload: PermanentRedirect: The bucket you are attempting to access must be addressed using the "
                                      "specified endpoint.", f"hint: the bucket must be in {REGION}"])
