"""AWS's own client as witness: it gets along with the server, in whose images imgbuild sees what it made and nothing else."""
import hashlib
import json
import subprocess

import pytest
from conftest import BLOCK, REGION, same
from test_server import checksum, put


def complete(server, snapshot, block):
    """'block' is the only one."""
    linear = checksum(hashlib.sha256(block.read_bytes()).digest())
    return server.aws("ebs", "complete-snapshot", "--snapshot-id", snapshot, "--changed-blocks-count", "1", "--checksum", linear,
                      "--checksum-algorithm", "SHA256", "--checksum-aggregation-method", "LINEAR")


def test_awscli_uploads_a_snapshot_and_reads_it_back(server, tmp_path):
    block = tmp_path / "block"
    block.write_bytes(b"appliance" + bytes(BLOCK - 9))
    snapshot = json.loads(server.aws("ebs", "start-snapshot", "--volume-size", "1", "--encrypted", "--tags", "Key=Name,Value=x").stdout)["SnapshotId"]
    assert put(server, snapshot, 3, block).returncode == 0
    assert complete(server, snapshot, block).returncode == 0
    token = json.loads(server.aws("ebs", "list-snapshot-blocks", "--snapshot-id", snapshot).stdout)["Blocks"][0]
    assert token["BlockIndex"] == 3
    got = server.aws("ebs", "get-snapshot-block", "--snapshot-id", snapshot, "--block-index", "3", "--block-token", token["BlockToken"], tmp_path / "got")
    assert got.returncode == 0 and (tmp_path / "got").read_bytes() == block.read_bytes()


def test_awscli_puts_an_object_in_parts(server, tmp_path):
    part = tmp_path / "part"
    part.write_bytes(b"p" * (5 << 20))
    upload = json.loads(server.aws("s3api", "create-multipart-upload", "--bucket", "images", "--key", "a/b").stdout)["UploadId"]
    tags = [json.loads(server.aws("s3api", "upload-part", "--bucket", "images", "--key", "a/b", "--upload-id", upload, "--part-number", number,
                                  "--body", part).stdout)["ETag"] for number in (1, 2)]
    parts = json.dumps({"Parts": [{"ETag": tag, "PartNumber": number} for number, tag in enumerate(tags, 1)]})
    done = server.aws("s3api", "complete-multipart-upload", "--bucket", "images", "--key", "a/b", "--upload-id", upload, "--multipart-upload", parts)
    assert done.returncode == 0, done.stderr
    assert server.state()["objects"] == [["images", "a/b"]]


def answer_of(server, *words, **changes):
    result = server.aws(*words, **changes)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout or "{}")


def refusal_of(server, *words):
    result = server.aws(*words)
    assert result.returncode != 0
    return result.stderr.partition("(")[2].partition(")")[0]


@pytest.fixture
def snapshot(server, tmp_path):
    """A completed one, by awscli alone."""
    block = tmp_path / "block"
    block.write_bytes(b"appliance" + bytes(BLOCK - 9))
    made = answer_of(server, "ebs", "start-snapshot", "--volume-size", "1")["SnapshotId"]
    assert put(server, made, 0, block).returncode == 0
    assert complete(server, made, block).returncode == 0
    assert server.aws("ec2", "wait", "snapshot-completed", "--snapshot-ids", made).returncode == 0
    return made


def listed(server, *arguments):
    return [image["ami"] for image in json.loads(server.ok("--json", "ami", "list", *arguments).stdout)["images"]]


def test_awscli_makes_an_image_and_imgbuild_sees_what_is_tagged(server, snapshot):
    devices = json.dumps([{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": snapshot, "VolumeType": "gp3"}}])
    image = answer_of(server, "ec2", "register-image", "--name", "by hand", "--architecture", "x86_64", "--virtualization-type", "hvm", "--ena-support",
                      "--boot-mode", "uefi", "--imds-support", "v2.0", "--root-device-name", "/dev/sda1", "--block-device-mappings", devices)["ImageId"]
    assert refusal_of(server, "ec2", "register-image", "--name", "by hand", "--root-device-name", "/dev/sda1", "--block-device-mappings",
                      devices) == "InvalidAMIName.Duplicate"
    assert server.aws("ec2", "wait", "image-available", "--image-ids", image).returncode == 0
    assert listed(server) == []  # not of imgbuild's making
    answer_of(server, "ec2", "create-tags", "--resources", image, snapshot, "--tags", "Key=imgbuild:role,Value=web-master")
    assert listed(server) == [image]
    [seen] = answer_of(server, "ec2", "describe-images", "--owners", "self", "--filters", f"Name=block-device-mapping.snapshot-id,Values={snapshot}")["Images"]
    assert (seen["ImageId"], seen["State"], seen["BootMode"], seen["EnaSupport"]) == (image, "available", "uefi", True)
    assert seen["Tags"] == [{"Key": "imgbuild:role", "Value": "web-master"}]
    [stored] = answer_of(server, "ec2", "describe-snapshots", "--filters", "Name=tag:imgbuild:role,Values=web-master", "Name=status,Values=completed")["Snapshots"]
    assert (stored["SnapshotId"], stored["VolumeSize"], stored["State"]) == (snapshot, 1, "completed")
    assert refusal_of(server, "ec2", "run-instances", "--image-id", image, "--instance-type", "t3.micro", "--dry-run") == "DryRunOperation"
    assert refusal_of(server, "ec2", "delete-snapshot", "--snapshot-id", snapshot) == "InvalidSnapshot.InUse"
    answer_of(server, "ec2", "deregister-image", "--image-id", image)
    answer_of(server, "ec2", "delete-snapshot", "--snapshot-id", snapshot)
    assert listed(server) == [] and server.state()["snapshots"] == {}


def test_awscli_copies_an_image_of_imgbuild_without_its_tags(server, disk):
    [image] = json.loads(server.ok("--json", "ami", "upload", disk).stdout)["images"]
    copy = answer_of(server, "ec2", "copy-image", "--name", "a copy", "--source-image-id", image["ami"], "--source-region", REGION, "--encrypted",
                     AWS_REGION="us-east-1")["ImageId"]
    [seen] = answer_of(server, "ec2", "describe-images", "--image-ids", copy, AWS_REGION="us-east-1")["Images"]
    assert seen["Name"] == "a copy" and seen["BlockDeviceMappings"][0]["Ebs"]["Encrypted"] is True
    assert refusal_of(server, "ec2", "describe-images", "--image-ids", copy) == "InvalidAMIID.NotFound"  # it is of the other region
    assert listed(server) == [image["ami"]] and listed(server, "--region", "us-east-1") == []


def test_awscli_imports_a_disk_from_s3(server, disk, tmp_path):
    server.set(import_s=0)
    vmdk = tmp_path / "web-master.vmdk"
    subprocess.run(["qemu-img", "convert", "-O", "vmdk", "-o", "subformat=streamOptimized", disk, vmdk], check=True)
    place = ["--bucket", "images", "--key", "web-master.vmdk"]
    upload = answer_of(server, "s3api", "create-multipart-upload", *place)["UploadId"]
    tag = answer_of(server, "s3api", "upload-part", *place, "--upload-id", upload, "--part-number", "1", "--body", vmdk)["ETag"]
    parts = json.dumps({"Parts": [{"ETag": tag, "PartNumber": 1}]})
    answer_of(server, "s3api", "complete-multipart-upload", *place, "--upload-id", upload, "--multipart-upload", parts)
    container = json.dumps({"Format": "VMDK", "UserBucket": {"S3Bucket": "images", "S3Key": "web-master.vmdk"}})
    task = answer_of(server, "ec2", "import-snapshot", "--disk-container", container, "--role-name", "vmimport")["ImportTaskId"]
    [report] = answer_of(server, "ec2", "describe-import-snapshot-tasks", "--import-task-ids", task)["ImportSnapshotTasks"]
    assert report["SnapshotTaskDetail"]["Status"] == "completed"
    snapshot = report["SnapshotTaskDetail"]["SnapshotId"]
    assert same(server.disk(snapshot), disk)
    assert server.ok("ami", "gc").stdout == ""  # not of imgbuild's making
    answer_of(server, "ec2", "delete-snapshot", "--snapshot-id", snapshot)
    assert server.aws("s3api", "delete-object", *place).returncode == 0
    assert server.state()["objects"] == []
