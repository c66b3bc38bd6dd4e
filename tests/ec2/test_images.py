"""Images that are there: copied, shared, deleted; what is left of others is shown."""
import json

import pytest
from conftest import BLOCK, REGION, make_disk, same
from test_upload import refused, the_snapshot, upload

KEY = "arn:aws:kms:eu-central-1:111122223333:key/12345678-1234-1234-1234-123456789012"
THERE = "arn:aws:kms:us-east-1:111122223333:key/12345678-1234-1234-1234-123456789012"
ACCOUNT = "444455556666"


def snapshot_of(server, ami):
    return server.state()["snapshots"][the_snapshot(server, ami)]


def test_a_copy_is_under_the_default_key_there(server, disk):
    images = upload(server, disk, "--kms-key", KEY, "--copy-to", "us-east-1")
    state = server.state()
    original, copy = (state["images"][image["ami"]] for image in images)
    assert copy["region"] == "us-east-1" and copy["tags"] == {**original["tags"], "imgbuild:encryption": "default"}
    assert snapshot_of(server, images[0]["ami"])["kms"] == KEY and snapshot_of(server, images[1]["ami"])["kms"].endswith("ebs-default")
    assert snapshot_of(server, images[1]["ami"])["tags"]["imgbuild:role"] == "web-master"
    assert same(server.disk(the_snapshot(server, images[1]["ami"])), disk)
    again = upload(server, disk, "--kms-key", KEY, "--copy-to", "us-east-1")
    assert [image["ami"] for image in again] == [image["ami"] for image in images]


def test_image_and_copy_are_shared(server, disk):
    images = upload(server, disk, "--kms-key", KEY, "--copy-to", f"us-east-1={THERE}", "--share-with", ACCOUNT)
    state = server.state()
    for image, key in zip(images, (KEY, THERE)):
        assert state["images"][image["ami"]]["launch"] == [ACCOUNT]
        assert (snapshot_of(server, image["ami"])["shared"], snapshot_of(server, image["ami"])["kms"]) == ([ACCOUNT], key)


def test_without_encryption_the_copy_has_none_either(server, disk):
    images = upload(server, disk, "--no-encryption", "--copy-to", "us-east-1", "--share-with", ACCOUNT)
    assert [snapshot_of(server, image["ami"])["encrypted"] for image in images] == [False, False]


def test_another_encryption_is_another_image(server, disk):
    [first], [second], [third] = upload(server, disk), upload(server, disk, "--kms-key", KEY), upload(server, disk, "--no-encryption")
    assert len({first["ami"], second["ami"], third["ami"]}) == 3
    assert [snapshot_of(server, image["ami"])["kms"] for image in (second, third)] == [KEY, None]
    assert upload(server, disk, "--kms-key", KEY)[0]["ami"] == second["ami"]


def test_copy_and_share_by_themselves(server, disk):
    [image] = upload(server, disk, "--kms-key", KEY)
    region, copy = server.ok("ami", "copy", image["ami"], "--copy-to", "us-east-1", "--kms-key", THERE).stdout.split()
    assert region == "us-east-1" and snapshot_of(server, copy)["kms"] == THERE
    assert server.ok("ami", "share", image["ami"], "--share-with", ACCOUNT).stdout == ""
    assert server.state()["images"][image["ami"]]["launch"] == [ACCOUNT]
    code, lines = refused(server, "ami", "copy", image["ami"], "--copy-to", "us-east-1")
    assert (code, lines) == (3, [f"imgbuild: us-east-1: {copy} is a copy of it with another encryption ({THERE}), under the same name",
                                 "hint: imgbuild ami delete deletes it"])


def test_a_copy_that_failed_is_made_again(server, disk):
    [image] = upload(server, disk)
    copy = server.ok("ami", "copy", image["ami"], "--copy-to", "us-east-1").stdout.split()[1]
    server.set(image_states={copy: "failed"})
    again = server.ok("ami", "copy", image["ami"], "--copy-to", "us-east-1").stdout.split()[1]
    assert again != copy and copy not in server.state()["images"]


@pytest.mark.parametrize("arguments, code, said", [
    (["--share-with", ACCOUNT], 2, ["imgbuild: an image encrypted with the account's default key can't be shared",
                                    "hint: name a key of your own with --kms-key, or say --no-encryption"]),
    (["--share-with", ACCOUNT, "--kms-key", KEY, "--copy-to", "us-east-1"], 2,
     ["imgbuild: the copy in us-east-1 would be encrypted with the account's default key there, and can't be shared",
      "hint: name a key of your own: --copy-to us-east-1=ARN"]),
    (["--share-with", "1234", "--no-encryption"], 3, ["imgbuild: '1234' is no AWS account, which has 12 digits"]),
    (["--copy-to", "x.example/"], 2, ["imgbuild: 'x.example/' is no AWS region", "hint: one is eu-central-1"]),
    (["--copy-to", f"us-east-1={KEY}"], 2, [f"imgbuild: {KEY} is not a key of us-east-1"]),
    (["--kms-key", THERE], 2, [f"imgbuild: {THERE} is not a key of {REGION}"]),
    (["--kms-key", "alias/x"], 2, ["imgbuild: 'alias/x' is no ARN of a key", "hint: one is arn:aws:kms:eu-central-1:111122223333:key/…"]),
    (["--kms-key", KEY, "--no-encryption"], 2, ["imgbuild: --kms-key and --no-encryption exclude each other"]),
    (["--method", "import", "--bucket", "b", "--region", REGION, "--region", "us-east-1"], 2, ["imgbuild: a bucket is in one region, but 2 were given"]),
], ids=["default key", "copy's default key", "account", "region", "copy's key", "key elsewhere", "no key", "both", "bucket"])
def test_what_aws_would_refuse_later_is_refused_at_once(server, disk, arguments, code, said):
    assert refused(server, "ami", "upload", disk, *arguments) == (code, said)
    assert server.state()["counts"] == {}


@pytest.mark.parametrize("operation", ["CopyImage", "ModifyImageAttribute", "ModifySnapshotAttribute"])
def test_these_permissions_are_asked_for_too(server, disk, operation):
    server.set(faults=[{"operation": operation, "fault": "denied"}])
    arguments = ["--copy-to", "us-east-1"] if operation == "CopyImage" else ["--no-encryption", "--share-with", ACCOUNT]
    code, lines = refused(server, "ami", "upload", disk, *arguments)
    where = "us-east-1" if operation == "CopyImage" else REGION
    assert (code, lines) == (6, [f"imgbuild: {where}: these credentials may not do ec2:{operation}", "hint: imgbuild ami policy prints what they must be allowed to do"])
    assert server.state()["snapshots"] == {}


def test_deleting_takes_the_snapshot_too(server, disk):
    [image] = upload(server, disk)
    snapshot = the_snapshot(server, image["ami"])
    server.set(held_s=2, deregistered_s=3)  # AWS lets go of it slowly
    assert server.ok("ami", "delete", image["ami"]).stdout == f"{image['ami']}\n{snapshot}\n"
    assert server.state()["snapshots"] == {} and server.state()["images"] == {}


def test_a_snapshot_that_another_image_has_stays(server, disk):
    [image] = upload(server, disk)
    snapshot = the_snapshot(server, image["ami"])
    other = server.aws("ec2", "register-image", "--name", "other", "--root-device-name", "/dev/sda1", "--block-device-mappings",
                       json.dumps([{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": snapshot}}]), "--query", "ImageId", "--output", "text").stdout.strip()
    assert server.ok("ami", "delete", image["ami"]).stdout == f"{image['ami']}\n"
    assert list(server.state()["snapshots"]) == [snapshot]
    code, lines = refused(server, "ami", "delete", other)
    assert (code, lines) == (3, [f"imgbuild: {other}: imgbuild did not make this image", "hint: aws ec2 deregister-image deletes others"])


def test_an_image_deleted_moments_ago_is_not_found(server, disk):
    [image] = upload(server, disk)
    server.ok("ami", "delete", image["ami"])
    server.set(deregistered_s=600)
    [again] = upload(server, disk)
    assert again["ami"] != image["ami"] and again["found"] is False
    assert server.state()["images"].keys() == {again["ami"]}


def test_what_others_left_complete_is_shown_and_deleted_when_asked(server, disk, tmp_path):
    """A runner that died between the snapshot and the image."""
    [image] = upload(server, disk)
    (tmp_path / "other").mkdir()
    server.set(faults=[{"operation": "RegisterImage", "fault": "denied", "after": 1}])
    other = make_disk(tmp_path / "other/web-slave.raw", 5, seed=4)
    assert server.imgbuild("ami", "upload", other).returncode == 6
    server.set()
    [left] = set(server.state()["snapshots"]) - {the_snapshot(server, image["ami"])}
    elsewhere = {"XDG_STATE_HOME": server.folder / "elsewhere"}
    result = server.ok("ami", "gc", **elsewhere)
    assert result.stdout == "" and f"{REGION}: {left} belongs to no image; --all deletes it" in result.stderr
    assert server.ok("ami", "gc", "--all", **elsewhere).stdout == f"{left}\n"
    assert list(server.state()["snapshots"]) == [the_snapshot(server, image["ami"])]


def test_changed_blocks_of_a_copied_image(server, disk):
    """What `ami delete` and copies do to the parent does not matter to the next upload."""
    [first] = upload(server, disk)
    server.ok("ami", "copy", first["ami"], "--copy-to", "us-east-1")
    with open(disk, "r+b") as file:
        file.seek(1500 * BLOCK)
        file.write(b"new")
    [second] = upload(server, disk)
    assert second["blocks"] == 1 and same(server.disk(the_snapshot(server, second["ami"])), disk)
