"""Job a as others do it: the same packages and overlays into the same base, or from the mirror where a tool has no base."""
import json
import os
import pathlib
import platform
import shutil
import subprocess
from dataclasses import asdict

import yaml

import imgbuild_program as imgbuild
from measure import measure

PACKAGE = {"virt-customize": "libguestfs-tools", "packer": "packer", "mmdebstrap": "mmdebstrap", "floor": "mmdebstrap"}
PROGRAM = {"floor": "unshare"}
HERE = pathlib.Path(__file__).resolve().parent


def steps(recipe):
    """The steps of a recipe with those that it includes, in their order."""
    document = yaml.safe_load((imgbuild.ROOT / "recipes" / recipe).read_text())
    return [step for included in document.get("include", []) for step in steps(included if "/" in included else f"parts/{included}")] \
        + (document.get("steps") or [])


def role_packages():
    return [name for step in steps("web-master.yml") for name in (step.get("packages") or {}).get("install", [])]


def role_overlays():
    return [step["overlay"] for step in steps("web-master.yml") if "overlay" in step]


class Peers:
    """What all of them start from: the overlays as one archive, and a disk with the bare base and its package sources."""

    def __init__(self, bench):
        self.bench = bench
        self.folder = bench.work / "peers"
        self.folder.mkdir()
        self.overlays = self.folder / "overlays.tar"
        folders = [word for name in role_overlays() for word in ("-C", imgbuild.ROOT / "overlays" / name, ".")]
        subprocess.run(["tar", "--owner=0", "--group=0", "-cf", self.overlays, *folders], check=True)
        self.disk = self.folder / "bare.qcow2"

    def make_disk(self):
        """The role without any step, made by imgbuild from the base that it uses itself."""
        if self.disk.exists():
            return
        project = self.folder / "project"
        shutil.copytree(self.bench.project, project, symlinks=True, dirs_exist_ok=True)
        role = project / "recipes" / "web-master.yml"
        settings = {name: setting for part in ("web", "appliance") for name, setting in
                    yaml.safe_load((project / "recipes" / "parts" / f"{part}.yml").read_text())["settings"].items()}
        role.write_text(json.dumps({"role": "web-master", "description": "bare base", "base": "bootstrap", "disk": "10 GiB",
                                    "settings": settings, "steps": [], "seed": "web"}))
        environment = self.bench.environment("bare", ["name: bench-s1, role: web-master, private_ip: 192.168.50.4"])
        self.bench.run("recipe", "web-master", "--env", environment, "-o", self.folder / "bare", project=project)
        (self.folder / "bare" / "bench" / "web-master.qcow2").rename(self.disk)

    def virt_customize(self):
        self.make_disk()
        disk = self.folder / "virt-customize.qcow2"
        shutil.copy(self.disk, disk)
        words = ["virt-customize", "-a", disk, "--smp", "2", "--memsize", "2048", "--upload", f"{self.overlays}:/tmp/overlays.tar",
                 "--run-command", "tar -C / -xf /tmp/overlays.tar && rm /tmp/overlays.tar", "--install", ",".join(role_packages())]
        return measure(words, env={**os.environ, "LIBGUESTFS_BACKEND": "direct", "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg"})

    def packer(self):
        self.make_disk()
        template = self.folder / "packer.json"
        template.write_text(json.dumps({"builders": [self._packer_machine()], "provisioners": [
            {"type": "file", "source": str(self.overlays), "destination": "/tmp/overlays.tar"},
            {"type": "shell", "execute_command": "sudo sh -eu {{.Path}}", "inline": [
                "tar -C / -xf /tmp/overlays.tar", "rm -f /etc/resolv.conf",
                "echo nameserver 10.0.2.3 >/etc/resolv.conf", "export DEBIAN_FRONTEND=noninteractive", "apt-get -q update",
                f"apt-get -q -y --no-install-recommends install {' '.join(role_packages())}"]}]}))
        return measure(["packer", "build", "-color=false", template], cwd=self.folder,
                       env={**os.environ, "PACKER_CACHE_DIR": str(self.folder / "packer-cache"), "CHECKPOINT_DISABLE": "1"})

    def _packer_machine(self):
        seed = self.folder / "packer-seed"
        seed.mkdir()
        (seed / "meta-data").write_text("instance-id: packer\n")
        (seed / "user-data").write_text("#cloud-config\n" + json.dumps({"users": [{
            "name": "ops", "sudo": "ALL=(ALL) NOPASSWD:ALL", "shell": "/bin/bash", "ssh_authorized_keys": [self.bench.public_key]}]}))
        volume = self.folder / "packer-seed.iso"
        subprocess.run(["genisoimage", "-quiet", "-o", volume, "-V", "cidata", "-J", "-R", seed / "meta-data", seed / "user-data"], check=True)
        return {"type": "qemu", "disk_image": True, "iso_url": str(self.disk), "iso_checksum": "none", "accelerator": "tcg", "headless": True,
                "format": "qcow2", "disk_size": "10240M", "memory": 2048, "cpus": 2, "ssh_username": "ops",
                "ssh_private_key_file": str(self.bench.key), "ssh_timeout": "30m", "shutdown_command": "sudo poweroff",
                "output_directory": str(self.folder / "packer-output"), "qemuargs": [["-cdrom", str(volume)], ["-cpu", "max"]]}

    def mmdebstrap(self):
        codename = platform.freedesktop_os_release()["VERSION_CODENAME"]
        return measure([HERE / "by_hand.sh", codename, self.folder / "by-hand", self.overlays, ",".join(role_packages())],
                       env={**os.environ, "LIBGUESTFS_BACKEND": "direct", "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg"})

    def floor(self):
        """`apt-get update` and `install` alone, on the base's tree: less than this no tool can do that runs apt."""
        tree = next((self.bench.cache / "imgbuild" / "bases").glob("bootstrap-*")) / "tree.tar"
        folder = self.folder / "floor"
        script = [HERE / "floor.sh", tree, folder, self.overlays, *role_packages()]
        subprocess.run(["unshare", "--mount", *map(str, script), "prepare"], check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        try:
            return measure(["unshare", "--mount", *script, "install"])
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def why_missing(name):
    """'' if the peer can be run, after it was installed if need be; else the reason."""
    if shutil.which(PROGRAM.get(name, name)):
        return ""
    done = subprocess.run(["apt-get", "-q", "-y", "--no-install-recommends", "install", PACKAGE[name]], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    return "" if shutil.which(PROGRAM.get(name, name)) else (done.stderr.strip().splitlines() or ["not in the archive"])[-1]


def run_peers(bench, wanted, runs_of_floor, say, found):
    """Adds {peer: what it cost, or {"missing": why}} to `found`. Each runs once: they take minutes; the floor is so short that it runs more often."""
    peers = Peers(bench)
    actions = {"floor": peers.floor, "virt-customize": peers.virt_customize, "packer": peers.packer, "mmdebstrap": peers.mmdebstrap}
    for name in wanted:
        say(f"{name}: job a")
        missing = why_missing(name)
        if missing:
            found[name] = {"missing": missing}
            continue
        try:
            costs = sorted((actions[name]() for _ in range(runs_of_floor if name == "floor" else 1)), key=lambda cost: cost.seconds)
        except Exception as error:   # what else was measured still counts
            found[name] = {"missing": f"failed: {' '.join(str(error).split())[-300:]}"}
            continue
        found[name] = {**asdict(costs[len(costs) // 2]), "all_seconds": [cost.seconds for cost in costs]}
