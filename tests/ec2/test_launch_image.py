"""imgbuild ami launch: which image a machine starts from."""
import hashlib
import json
import shutil

import pytest
from conftest import BLOCK, REGION, make_disk
from test_launch import SETTINGS, launch, prod
from test_upload import put_manifest, upload

PLAN = "ab" * 32


@pytest.fixture
def images(server, prod, disk):
    """Three images of the web role, the oldest first; that in the middle has PLAN."""
    server.set(**SETTINGS, complete_s=1.1)  # EC2 tells seconds
    made = list(server.state()["images"])
    for number in (1, 2):
        with open(disk, "r+b") as file:
            file.seek((1000 + number) * BLOCK)
            file.write(b"other")
        if number == 1:
            put_manifest(disk, hashlib.sha256(disk.read_bytes()).hexdigest())
        else:
            disk.with_name("web-master.manifest.json").rename(disk.with_name("manifest-of-plan"))
        made.append(upload(server, disk)[0]["ami"])
    server.set(**SETTINGS)
    return made


def chosen(server, prod, *arguments):
    """(image, what was said of it)"""
    result = launch(server, prod, "prod-s1", "--dry-run", *arguments)
    assert result.returncode == 0, result.stderr
    [image] = [line.partition("=")[2] for line in result.stdout.splitlines() if line.startswith("  ImageId=")]
    created = server.aws("ec2", "describe-images", "--image-ids", image, "--query", "Images[0].CreationDate", "--output", "text").stdout.strip()
    [said] = [line.partition(f"image {image} of {created}, ")[2] for line in result.stderr.splitlines() if "web-master: image " in line] or [None]
    return image, said


def test_without_a_manifest_it_is_the_newest(server, prod, images):
    assert chosen(server, prod) == (images[2], "the newest")


def test_an_image_that_is_not_available_is_not_taken(server, prod, images):
    server.set(**SETTINGS, image_states={images[2]: "pending"})
    assert chosen(server, prod) == (images[1], "the newest")


def test_the_image_of_the_manifest_s_plan_is_preferred(server, prod, images, tmp_path):
    manifest = tmp_path / "output/prod/web-master.manifest.json"
    shutil.copy(tmp_path / "manifest-of-plan", manifest)
    assert chosen(server, prod) == (images[1], f"which has the plan of {manifest}")
    assert chosen(server, prod, "--ami", images[0]) == (images[0], None)
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "plan": "cd" * 32}))
    assert chosen(server, prod) == (images[2], f"the newest, which has another plan than {manifest}")


@pytest.mark.parametrize("asked, said", [
    ([], f"{REGION}: no image of role 'web-master' is available: {{image}} is pending"),
    (["--ami", "{image}"], "{image}: the image is pending, not available"),
], ids=["by role", "by id"])
def test_an_image_that_is_not_available_is_named(server, prod, asked, said):
    [image] = server.state()["images"]
    server.set(**SETTINGS, image_states={image: "pending"})
    result = launch(server, prod, "prod-s1", *[argument.format(image=image) for argument in asked])
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr == f"imgbuild: {said.format(image=image)}\nhint: imgbuild ami list shows when it is\n"


def test_a_disk_that_is_smaller_than_the_image_is_named(server, prod, tmp_path):
    prod.write_text(prod.read_text().replace("disk: 30 GiB", "disk: 10752 MiB"))  # 11 GiB is what EC2 would be asked for
    (tmp_path / "large").mkdir()
    [image] = upload(server, make_disk(tmp_path / "large/web-master.raw", 5, gib=12))
    result = launch(server, prod, "prod-s1")
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr.splitlines()[-2:] == [f"imgbuild: {prod}: machine 'prod-s1' has a disk of 10.5 GiB, and the image {image['ami']} has 12 GiB",
                                               "hint: raise the machine's 'disk:' to 12 GiB or more"]
    assert server.state()["instances"] == {}
    small = server.state()["images"].keys() - {image["ami"]}
    assert launch(server, prod, "prod-s1", "--ami", small.pop()).returncode == 0
    [instance] = server.state()["instances"].values()
    assert instance["asked"]["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == 11
