"""The machines of a deployment as folders, in which the commands of a runbook are run: what `ssh` and `sudo` do stays in there."""
import base64
import os
import pathlib
import re
import subprocess

import yaml

import imgbuild_program as imgbuild

APPLIANCE = imgbuild.ROOT / "overlays/common/usr/lib/appliance"
SSH = """#!/usr/bin/python3
import os, subprocess, sys
reads = sys.argv[1] != "-n"
option, _, name, *words = sys.argv[1 if reads else 2:]
assert option == "-F", sys.argv
root = os.path.join(os.environ["MACHINES"], name)
for folder in ("/etc/", "/srv/", "/root/"):
    words = [word.replace(folder, root + folder) for word in words]
sys.exit(subprocess.run(["sh", "-c", " ".join(words)], env={**os.environ, "MACHINE": name}, cwd=root,
                        stdin=None if reads else subprocess.DEVNULL).returncode)
"""
SUDO = """#!/bin/sh
exec "$@"
"""
# What is only noted: the machine, and what it was asked for. It answers with its file "says", if there is one.
NOTED = """#!/bin/sh
echo "$MACHINE $(basename "$0") $*" >> "$MACHINES/../asked"
[ ! -e "$MACHINES/$MACHINE/says" ] || cat "$MACHINES/$MACHINE/says"
"""
# Answers what is asked of an instance and its volumes.
AWS = """#!/bin/sh
echo "aws $*" >> "$MACHINES/../asked"
case "$*" in
  *describe-instances*InstanceId*) echo i-1 ;;
  *Placement*) echo zone-1 ;;
  *BlockDeviceMappings*) echo vol-old ;;
  *create-volume*) echo vol-new ;;
esac
"""


def chapter(text, title):
    """The part of a Markdown text below a heading, up to the next one of its level or a higher one."""
    found = re.search(rf"^(#+) {re.escape(title)}$", text, re.M)
    assert found, f"no heading '{title}'"
    rest = text[found.end():]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.M)
    return rest[:end.start()] if end else rest


def blocks(text):
    """The blocks of commands in it."""
    return re.findall(r"^```\n(.*?)\n```$", text, re.M | re.S)


class Rehearsal:
    """`machine(NAME)` is the root folder of a machine, with the files of its seed."""

    def __init__(self, folder, env):
        self.folder = pathlib.Path(folder)
        self.env = env
        self.programs = self.folder / "programs"
        self.programs.mkdir(parents=True)
        for name, text in {"ssh": SSH, "sudo": SUDO, "aws": AWS, **dict.fromkeys(("appliance", "sshd", "systemctl"), NOTED)}.items():
            (self.programs / name).write_text(text)
            (self.programs / name).chmod(0o755)
        for seed in sorted((env.parent / "output/prod").glob("*.seed.iso")):
            self._unpack(seed, seed.name.removesuffix(".seed.iso"))

    def _unpack(self, seed, name):
        said = subprocess.run(["isoinfo", "-R", "-x", "/user-data", "-i", seed], capture_output=True, check=True).stdout
        data = yaml.safe_load(said)
        ssh = {"path": "/etc/ssh/ssh_host_ed25519_key", "content": base64.b64encode(data["ssh_keys"]["ed25519_private"].encode()), "permissions": "0600"}
        public = {"path": "/etc/ssh/ssh_host_ed25519_key.pub", "content": base64.b64encode(data["ssh_keys"]["ed25519_public"].encode()), "permissions": "0644"}
        (self.machine(name) / "root").mkdir(parents=True)
        for file in [*data["write_files"], ssh, public]:
            path = self.machine(name) / file["path"].lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(base64.b64decode(file["content"]))
            path.chmod(int(file["permissions"], 8))

    def machine(self, name):
        return self.folder / "machines" / name

    def run(self, commands, **variables):
        """Runs a block as a person does who has set its variables; returns what was only noted, as lines."""
        said = self.attempt(commands, **variables)
        assert said.returncode == 0, f"{commands}\n{said.stdout}{said.stderr}"
        return self.asked()

    def asked(self):
        return (self.folder / "asked").read_text().splitlines() if (self.folder / "asked").exists() else []

    def attempt(self, commands, **variables):
        """The same, and it may fail; returns the finished process."""
        for name, value in variables.items():
            commands, count = re.subn(rf"^{name}=.*$", lambda _: f"{name}={value}", commands, flags=re.M)
            assert count == 1, name
        (self.folder / "asked").unlink(missing_ok=True)
        env = imgbuild.environment(PATH=f"{self.programs}:{os.environ['PATH']}", MACHINES=self.folder / "machines", SUBNET="subnet-1")
        return subprocess.run(["bash", "-c", commands], capture_output=True, text=True, cwd=imgbuild.ROOT, env=env)

    def view(self, name):
        """A machine's env.yml, which its own program accepts."""
        path = self.machine(name) / "etc/appliance/env.yml"
        assert path.stat().st_mode & 0o777 == 0o600
        subprocess.run(["/usr/bin/python3", "-B", "-c", "import sys; from appliance import environment; environment.parse(sys.stdin.read())"], cwd=APPLIANCE,
                       input=path.read_bytes(), check=True)
        return yaml.safe_load(path.read_text())
