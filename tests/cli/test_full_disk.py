"""The cache's disk fills up in the middle of a build: nothing half-made is kept, and the next build is right."""
import hashlib
import os
import pathlib
import shutil
import subprocess
import threading
import time

import pytest

import imgbuild_program as imgbuild
from test_deployment import SmallProject

SIZE = "4200m"  # more than imgbuild asks for before it begins


class SmallDisk:
    """A cache on a file system of its own, in the mount namespace of a process that does nothing else."""

    def __init__(self, folder):
        self.cache = folder / "cache"
        self.cache.mkdir()
        script = 'mount -t tmpfs -o size="$2" tmpfs "$1" && echo mounted && exec sleep infinity'
        self.holder = subprocess.Popen(["unshare", "-m", "bash", "-c", script, "-", str(self.cache), SIZE], stdout=subprocess.PIPE, text=True)
        assert self.holder.stdout.readline() == "mounted\n"
        self.seen = pathlib.Path(f"/proc/{self.holder.pid}/root{self.cache}")  # the same from here
        shutil.copytree(imgbuild.CACHE / "imgbuild" / "bases", self.seen / "imgbuild" / "bases")
        for made in (self.seen / "imgbuild", self.seen / "imgbuild" / "bases"):
            made.chmod(0o700)

    def inside(self, command, **variables):
        return subprocess.run(["nsenter", "-t", str(self.holder.pid), "-m", *command], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=600, env={**variables, "XDG_CACHE_HOME": str(self.cache)})

    def resize(self, size):
        subprocess.run(["nsenter", "-t", str(self.holder.pid), "-m", "mount", "-o", f"remount,size={size}", str(self.cache)], check=True)

    def fill(self):
        """At once, by taking away what is free."""
        now = os.statvfs(self.seen)
        self.resize((now.f_blocks - now.f_bfree) * now.f_frsize + (8 << 20))  # what is written meanwhile must fit

    def leftovers(self):
        return [path for name in ("work", "bases", "layers") for path in (self.seen / "imgbuild" / name).glob("tmp-*")]


@pytest.fixture
def disk(tmp_path):
    if not list((imgbuild.CACHE / "imgbuild" / "bases").glob("bootstrap-*")):
        imgbuild.run_ok("base", "bootstrap", timeout=900)
    made = SmallDisk(tmp_path)
    yield made
    made.holder.kill()
    made.holder.wait()


@pytest.fixture
def project(tmp_path):
    return SmallProject(tmp_path)


def build(project, disk, *more):
    return disk.inside(project.arguments("recipe web-master", *more), **project.variables())


def image_of(project):
    return hashlib.sha256((project.output / "prod" / "web-master.qcow2").read_bytes()).hexdigest()


def is_sound(project, disk):
    """Every layer holds what its record says, and a build from them is the same as one that uses none."""
    verified = disk.inside(project.arguments("cache verify")[:3], **project.variables())
    assert verified.returncode == 0, verified.stdout + verified.stderr
    built = build(project, disk)
    assert built.returncode == 0, built.stderr
    incremental = image_of(project)
    assert build(project, disk, "--rebuild").returncode == 0
    return image_of(project) == incremental


def test_a_step_that_fills_the_disk_fails_and_leaves_no_layer(project, disk):
    project.script("web", "head -c 8G /dev/zero > /big")
    result = build(project, disk)
    assert (result.returncode, result.stdout) == (1, ""), result.stderr
    assert "No space left on device" in result.stderr and "doing step 2 (run: scripts/web.sh) of role 'web-master'" in result.stderr
    assert disk.leftovers() == [] and not (project.output / "prod" / "web-master.qcow2").exists()
    project.script("web", "true")
    assert is_sound(project, disk)


@pytest.mark.parametrize("at_work", ["layers/tmp-*/*", "work/*/disk.raw"])
def test_a_disk_that_gets_full_meanwhile_is_said_and_leaves_nothing(project, disk, at_work):
    def fill_once_at_work():
        deadline = time.monotonic() + 120
        while not list((disk.seen / "imgbuild").glob(at_work)) and time.monotonic() < deadline:
            time.sleep(0.02)
        disk.fill()

    watch = threading.Thread(target=fill_once_at_work)
    watch.start()
    result = build(project, disk)
    watch.join()
    assert (result.returncode, result.stdout) == (5, ""), result.stderr
    assert "No space left on device" in result.stderr
    assert disk.leftovers() == [] and not (project.output / "prod" / "web-master.qcow2").exists()
    disk.resize(SIZE)
    assert is_sound(project, disk)
