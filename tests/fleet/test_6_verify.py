"""After all that, each machine's disk, read from outside, holds its image and what machines of its role may change."""
import json
import subprocess

import pytest
from deployment import ADDRESSES

import imgbuild_program as imgbuild

ROLES = {"prod-s1": "web-master", "prod-s2": "web-slave", "prod-a1": "authority", "prod-a2": "authority"}


@pytest.mark.parametrize("name", ADDRESSES)
def test_a_disk_that_ran_is_still_its_image(fleet, name):
    machine = fleet[name]
    if machine.process.poll() is None:
        machine.ssh("sudo sync")
        machine.stop()
    disk = fleet.folder / f"{name}.raw"
    subprocess.run(["qemu-img", "convert", "-O", "raw", machine.disk, disk], check=True)
    manifest = fleet.output / "prod" / f"{ROLES[name]}.manifest.json"
    result = imgbuild.run("verify", disk, "--manifest", manifest, "--json", timeout=1200)
    disk.unlink()
    assert result.returncode == 0, result.stdout + result.stderr
    report = json.loads(result.stdout)
    assert report["differences"] == [] and report["compared"] > 15_000
