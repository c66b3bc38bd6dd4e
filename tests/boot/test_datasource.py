"""Where a machine finds its seed, and what it says when there is none: firmware that says EC2, EC2's metadata service, a seed volume."""
import gzip
import pathlib
import subprocess
import sys
import time

import pytest

import imgbuild_program as imgbuild

HERE = pathlib.Path(__file__).resolve().parent
EC2 = "ec2f1e2d-3c4b-5a69-7887-96a5b4c3d2e1"
TCG = ["-accel", "tcg,thread=multi", "-cpu", "max,la57=off,avx2=off,erms=off"]


class Machine:
    """One that QEMU runs as EC2 would; its disk's changes are discarded."""

    def __init__(self, folder, image, seed=None, user_data=None):
        self.folder = folder
        if user_data is not None:
            (folder / "user-data").write_bytes(user_data)
        service = f"{sys.executable} {HERE}/metadata_service.py {folder}"
        network = f"user,id=net,net=169.254.0.0/16,host=169.254.0.2,dns=169.254.0.3,dhcpstart=169.254.0.15,guestfwd=tcp:169.254.169.254:80-cmd:{service}"
        volume = [] if seed is None else ["-drive", f"if=none,id=seed,format=raw,readonly=on,file={seed}", "-device", "virtio-blk-pci,drive=seed"]
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35", *TCG, "-m", "1024", "-smp", "2", "-no-reboot",
             "-serial", f"file:{folder}/console", "-smbios", f"type=1,manufacturer=Amazon EC2,uuid={EC2},serial={EC2}",
             "-drive", f"if=none,id=disk,format=qcow2,snapshot=on,file={image}", "-device", "virtio-blk-pci,drive=disk,bootindex=1", *volume,
             "-netdev", network, "-device", "virtio-net-pci,netdev=net,romfile=", "-object", "rng-random,filename=/dev/urandom,id=random",
             "-device", "virtio-rng-pci,rng=random"], stdin=subprocess.DEVNULL)

    def console(self):
        path = self.folder / "console"
        return path.read_text(errors="replace") if path.exists() else ""

    def wait_for(self, *words, seconds=400):
        """The console once it has one of the words."""
        deadline = time.monotonic() + seconds
        while not any(word in self.console() for word in words):
            assert self.process.poll() is None and time.monotonic() < deadline, self.console()[-4000:]
            time.sleep(0.5)
        return self.console()

    def requests(self):
        path = self.folder / "requests"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def start(built, tmp_path):
    machines = []

    def start(**source):
        machines.append(Machine(tmp_path, built.image, **source))
        return machines[-1]

    yield start
    for machine in machines:
        machine.process.kill()
        machine.process.wait(20)


def user_data(seed):
    return subprocess.run(["isoinfo", "-R", "-x", "/user-data", "-i", seed], capture_output=True, check=True).stdout


READY = "appliance[demo-s1]: ready "
NONE = "there is none: no seed was attached, or it was not read by cloud-init"


def test_user_data_of_ec2_is_the_seed(built, start):
    machine = start(user_data=gzip.compress(user_data(built.seed)))
    assert READY in machine.wait_for("]: ready ", NONE)
    assert "GET /2021-03-23/user-data 200" in machine.requests()


def test_a_seed_volume_comes_before_user_data(built, start):
    machine = start(seed=built.seed, user_data=b"#cloud-config\nwrite_files: [{path: /etc/appliance/env.yml, content: no seed}]\n")
    assert READY in machine.wait_for("]: ready ", NONE)
    assert machine.requests() == []  # not even asked


def test_without_a_seed_it_says_so_on_ec2(start):
    machine = start()
    assert "]: ready " not in machine.wait_for("]: ready ", NONE)
    assert "PUT /latest/api/token 200" in machine.requests()


def test_without_a_seed_it_says_so(built, tmp_path):
    booted = imgbuild.run("boot", built.image, "--console", tmp_path / "console", "--memory", "1 GiB")
    assert booted.returncode == 7 and NONE in booted.stderr
    assert "]: ready " not in (tmp_path / "console").read_text()
