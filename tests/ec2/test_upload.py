"""imgbuild ami upload: what arrives is the disk, once, and no more is sent than must be."""
import json
import os
import subprocess

import pytest
from conftest import BLOCK, REGION, same


def upload(server, image, *arguments, **changes):
    return json.loads(server.ok("--json", "ami", "upload", image, *arguments, **changes).stdout)["images"]


def put_manifest(disk, digest):
    """Beside a disk of an image whose plan is "ab…"."""
    root = {"number": 1, "name": "", "type": "0FC63DAF-8483-4772-8E79-3D69D8477DE4", "uuid": "73703137-C14D-4349-8D5D-A43B3B1766D4", "attribute_bits": [],
            "first_sector": 2048, "sectors": 4096, "mount_point": "/",
            "ext4": {"features": ["extent"], "inode_size": 256, "label": "root", "uuid": "c5ec7c8a-cb3c-4e21-8820-51647260a481"}}
    layout = {"disk_guid": "24FEB918-03F4-4904-8C68-AF938DE99EB3", "partitions": [root]}
    manifest = {"version": 2, "imgbuild": "0.1.0", "role": "web-master", "roles": ["web-master"], "plan": "ab" * 32, "epoch": 0, "disk": 1 << 30,
                "base": {"name": "bootstrap", "digest": "ef" * 32}, "recipe": "", "steps": [], "payloads": [], "packages": [], "layout": layout, "boot": {}, "documents": [],
                "artifacts": [{"file": disk.name, "format": "raw", "sha256": digest, "size": disk.stat().st_size}]}
    disk.with_name("web-master.manifest.json").write_text(json.dumps(manifest))


def data_blocks(path):
    with open(path, "rb") as file:
        return sum(1 for _ in iter(lambda: file.read(BLOCK), b"") if _.strip(b"\0"))


def the_snapshot(server, ami):
    return server.state()["images"][ami]["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]


def test_the_disk_read_back_equals_the_image(server, disk):
    [image] = upload(server, disk)
    state = server.state()
    assert state["refusals"] == {"RegisterImage DryRunOperation": 1, "DescribeImages DryRunOperation": 1, "DescribeSnapshots DryRunOperation": 1,
                                 "CreateTags DryRunOperation": 1}
    snapshot = the_snapshot(server, image["ami"])
    assert same(server.disk(snapshot), disk)
    assert state["snapshots"][snapshot]["encrypted"] and image["found"] is False
    # Only data travels, and each block once, but for a few whose answer was late.
    assert image["blocks"] == data_blocks(disk) <= state["counts"]["PutSnapshotBlock"] <= image["blocks"] + 32
    assert sum(state["counts"].values()) - state["counts"]["PutSnapshotBlock"] < 20


def test_the_image_is_of_today(server, disk):
    [image] = upload(server, disk)
    registered = server.state()["images"][image["ami"]]
    wanted = {"Architecture": "x86_64", "VirtualizationType": "hvm", "EnaSupport": True, "ImdsSupport": "v2.0", "BootMode": "uefi-preferred",
              "RootDeviceName": "/dev/sda1"}
    assert {key: registered[key] for key in wanted} == wanted
    assert registered["BlockDeviceMappings"][0]["Ebs"]["VolumeType"] == "gp3"
    assert registered["tags"]["imgbuild:role"] == "web-master"
    assert server.state()["snapshots"][the_snapshot(server, image["ami"])]["tags"]["imgbuild:disk"] == registered["tags"]["imgbuild:disk"]


def test_a_qcow2_gives_the_same_image(server, disk, tmp_path):
    [first] = upload(server, disk)
    qcow2 = tmp_path / "web-master.qcow2"
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", disk, qcow2], check=True)
    [second] = upload(server, qcow2)
    assert second == {**first, "found": True, "blocks": 0}


def test_what_is_there_is_found(server, disk):
    [first] = upload(server, disk)
    [again] = upload(server, disk)
    assert again["ami"] == first["ami"] and again["found"] is True
    assert server.state()["counts"]["StartSnapshot"] == 1


def test_the_same_plan_is_found_without_reading_the_disk(server, disk):
    digest = subprocess.run(["sha256sum", disk], capture_output=True, text=True, check=True).stdout[:64]
    put_manifest(disk, digest)
    [first] = upload(server, disk)
    assert server.state()["images"][first["ami"]]["tags"]["imgbuild:plan"] == "ab" * 32
    os.rename(disk, disk.with_name("moved"))
    [again] = upload(server, disk)
    assert again["ami"] == first["ami"] and again["found"] is True


def test_only_changed_blocks_are_sent_against_the_last_upload(server, disk):
    [first] = upload(server, disk)
    with open(disk, "r+b") as file:
        for index, data in ((1500, b"new"), (1600, b"new")):
            file.seek(index * BLOCK)
            file.write(data)
        file.seek(0)
        used = next(i for i in range(2, 2048) if os.pread(file.fileno(), BLOCK, i * BLOCK).strip(b"\0"))
        file.seek(used * BLOCK)
        file.write(bytes(BLOCK))  # became zero
    [second] = upload(server, disk)
    assert second["blocks"] == 3
    assert second["parent"] == the_snapshot(server, first["ami"])
    assert same(server.disk(the_snapshot(server, second["ami"])), disk)
    assert server.state()["snapshots"][the_snapshot(server, second["ami"])]["encrypted"] is True


def test_a_parent_that_is_gone_is_not_asked_for(server, disk):
    [first] = upload(server, disk)
    server.ok("ami", "delete", first["ami"])
    with open(disk, "r+b") as file:
        file.seek(1500 * BLOCK)
        file.write(b"new")
    [second] = upload(server, disk)
    assert second["parent"] is None
    assert same(server.disk(the_snapshot(server, second["ami"])), disk)


def test_a_larger_disk_keeps_the_parent(server, disk):
    upload(server, disk)
    os.truncate(disk, 2 << 30)
    with open(disk, "r+b") as file:
        file.seek(3000 * BLOCK)
        file.write(b"new")
    [second] = upload(server, disk)
    assert second["blocks"] == 1 and second["parent"]
    assert same(server.disk(the_snapshot(server, second["ami"])), disk)


def test_two_regions(server, disk):
    images = upload(server, disk, "--region", REGION, "--region", "us-east-1")
    assert [image["region"] for image in images] == [REGION, "us-east-1"]
    assert {server.state()["images"][image["ami"]]["region"] for image in images} == {REGION, "us-east-1"}


def test_images_are_listed(server, disk):
    [image] = upload(server, disk)
    lines = server.ok("ami", "list").stdout.splitlines()
    assert lines[0].split() == ["region", "image", "role", "state", "created", "plan"]
    assert lines[1].split()[:4] == [REGION, image["ami"], "web-master", "available"]


def refused(server, *arguments, **changes):
    result = server.imgbuild(*arguments, **changes)
    assert result.stdout == ""
    return result.returncode, [line for line in result.stderr.splitlines() if not line.startswith(("  ", "looking", "unpacking"))]


def test_what_is_no_disk_is_refused(server, tmp_path):
    vhd = tmp_path / "x.vhd"
    vhd.write_bytes(b"conectix" + bytes(2 << 20))
    code, lines = refused(server, "ami", "upload", vhd)
    assert (code, lines) == (3, [f"imgbuild: {vhd}: is no disk image that EC2 starts: neither qcow2, nor raw with a partition table",
                                 "hint: imgbuild recipe writes qcow2 and raw (--format); qemu-img convert -O qcow2 makes one of others"])
    assert server.state()["snapshots"] == {}


def test_a_disk_on_another_is_refused(server, disk, tmp_path):
    top = tmp_path / "top.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", disk, "-F", "raw", top], check=True)
    code, lines = refused(server, "ami", "upload", top)
    assert (code, lines) == (3, [f"imgbuild: {top}: needs another file (a backing or data file)", "hint: qemu-img convert makes one whole disk of both"])


def test_a_changed_artifact_is_refused(server, disk):
    put_manifest(disk, "cd" * 32)
    code, lines = refused(server, "ami", "upload", disk)
    assert (code, lines) == (4, [f"imgbuild: {disk}: is not the file that its manifest tells of", "hint: build the image again"])


def test_permissions_are_asked_for_before_anything_is_made(server, disk):
    server.set(faults=[{"operation": "RegisterImage", "fault": "denied"}, {"operation": "CreateTags", "fault": "denied"}])
    code, lines = refused(server, "ami", "upload", disk)
    assert (code, lines) == (6, [f"imgbuild: {REGION}: these credentials may not do ec2:RegisterImage, ec2:CreateTags",
                                 "hint: imgbuild ami policy prints what they must be allowed to do"])
    assert server.state()["snapshots"] == {}


@pytest.mark.parametrize("arguments, said", [
    (["--region", "Frankfurt"], ["imgbuild: 'Frankfurt' is no AWS region", "hint: one is eu-central-1"]),
    (["--method", "import"], ["imgbuild: --method import needs --bucket"]),
], ids=["region", "bucket"])
def test_usage(server, disk, arguments, said):
    assert refused(server, "ami", "upload", disk, *arguments) == (2, said)
