"""`imgbuild deployment`: all roles of a file at once. The images are of a small project, whose builds take seconds."""
import base64
import contextlib
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import subprocess
import time

import pytest
import yaml

import imgbuild_program as imgbuild

PROGRAM = imgbuild.BUILD / "imgbuild"

RECIPE = """role: {role}
description: a small {role}
base: bootstrap
disk: 4 GiB
settings: {settings}
steps:
  - overlay: {overlay}
  - run: scripts/{overlay}.sh
seed: {seed}
"""
WEB = "{web_password: {type: secret}}"


class SmallProject:
    """Recipes without packages, the seeds of the real project, and a deployment of four machines."""

    def __init__(self, folder):
        self.folder = folder
        self.output = folder / "out"
        for name in ("recipes/scripts", "overlays/web/etc", "overlays/authority/etc"):
            (folder / "project" / name).mkdir(parents=True)
        shutil.copytree(imgbuild.ROOT / "cidata", folder / "project" / "cidata")
        for overlay in ("web", "authority"):
            (folder / "project/overlays" / overlay / "etc" / "appliance-test").write_text(f"{overlay}\n")
            self.script(overlay, "true")
        for role, overlay, settings in (("web-master", "web", WEB), ("web-slave", "web", WEB), ("authority", "authority", "{}")):
            (folder / "project/recipes" / f"{role}.yml").write_text(
                RECIPE.format(role=role, overlay=overlay, seed=overlay, settings=settings))
        example = (imgbuild.ROOT / "recipes/examples/deployment.yml").read_text()
        self.environment = folder / "prod.yml"
        self.environment.write_text(example)

    def script(self, overlay, text):
        (self.folder / "project/recipes/scripts" / f"{overlay}.sh").write_text(f"#!/bin/sh\nset -eu\n{text}\n")

    def arguments(self, command, *more):
        return [str(PROGRAM), *command.split(), "--env", str(self.environment), "-o", str(self.output), *more]

    def variables(self):
        return imgbuild.environment(IMGBUILD_ROOT=self.folder / "project")

    def run(self, command, *more):
        return subprocess.run(self.arguments(command, *more), env=self.variables(), stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=900)

    def start(self, command, *more):
        return subprocess.Popen(self.arguments(command, *more), env=self.variables(), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def made(self):
        """What a user sees in the output folder, with what tells a change."""
        folder = self.output / "prod"
        return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir() if path.name[0] != "."}

    def temporaries(self):
        work = imgbuild.CACHE / "imgbuild" / "work"
        return imgbuild.abandoned(path for folder in (self.output / "prod", work) if folder.exists() for path in folder.glob("tmp-*"))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    project = SmallProject(tmp_path_factory.mktemp("deployment"))
    result = project.run("deployment")
    assert result.returncode == 0, result.stderr
    project.stdout, project.stderr = result.stdout, result.stderr
    return project


@pytest.fixture
def project(tmp_path):
    return SmallProject(tmp_path)


def user_data(iso):
    text = subprocess.run(["isoinfo", "-R", "-i", iso, "-x", "/user-data"], capture_output=True, text=True, check=True).stdout
    return yaml.safe_load(text)


def files_of(iso):
    return {file["path"]: base64.b64decode(file["content"]).decode() for file in user_data(iso)["write_files"]}


def view_of(iso):
    return yaml.safe_load(files_of(iso)["/etc/appliance/env.yml"])


def test_gives_every_image_manifest_and_seed(built):
    names = ["web-master.qcow2", "web-master.manifest.json", "web-slave.qcow2", "web-slave.manifest.json", "authority.qcow2",
             "authority.manifest.json", *(f"prod-{name}.seed.iso" for name in ("s1", "s2", "a1", "a2"))]
    assert built.stdout.splitlines() == [str(built.output / "prod" / name) for name in names]
    documents = [f"{role}.{kind}" for role in ("web-master", "web-slave", "authority") for kind in ("mtree.zst", "spdx.json", "cdx.json")]
    assert sorted(built.made()) == sorted(names + documents)


def test_builds_the_image_of_both_web_roles_once(built):
    folder = built.output / "prod"
    assert built.stderr.count("assembling the disk …") == 2
    assert os.path.samefile(folder / "web-master.qcow2", folder / "web-slave.qcow2")
    master, slave = (json.loads((folder / f"{role}.manifest.json").read_text()) for role in ("web-master", "web-slave"))
    assert (master["role"], slave["role"]) == ("web-master", "web-slave")
    assert master["plan"] == slave["plan"] and master["roles"] == slave["roles"] == ["web-master", "web-slave"]
    assert [a["file"] for a in slave["artifacts"]] == ["web-slave.qcow2"]
    assert [d["file"] for d in slave["documents"]] == ["web-slave.mtree.zst", "web-slave.spdx.json", "web-slave.cdx.json"]
    assert [d["sha256"] for d in slave["documents"]] == [d["sha256"] for d in master["documents"]]
    assert os.path.samefile(folder / "web-master.mtree.zst", folder / "web-slave.mtree.zst")


def test_shows_who_says_what(built):
    assert "authority: generalizing …" in built.stderr
    assert "web-master, web-slave: generalizing …" in built.stderr


def test_makes_a_layer_that_roles_share_once(built):
    begun = [line for line in built.stderr.splitlines() if line.endswith(" …")]
    for stage in ("unpacking base bootstrap", "packages: install chrony"):
        assert len([line for line in begun if stage in line]) <= 1, stage  # none if an earlier run left it


def test_a_second_run_changes_nothing_and_speaks_json(built):
    before = built.made()
    result = built.run("deployment", "--json")
    assert result.returncode == 0 and built.made() == before
    report = json.loads(result.stdout)
    assert [image["role"] for image in report["images"]] == ["web-master", "web-slave", "authority"]
    assert len(report["seeds"]) == 4
    events = [json.loads(line) for line in result.stderr.splitlines()]
    said = {event["message"]: event.get("role") for event in events if event["event"] == "note"}
    assert said["web-slave: nothing changed"] == "web-master, web-slave"
    assert said["authority: nothing changed"] == "authority"


def test_shows_one_line_per_image_on_a_terminal(built):
    process, terminal = pty.fork()
    if process == 0:
        os.execve(PROGRAM, built.arguments("deployment"), {**built.variables(), "TERM": "xterm"})
    text = b""
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while piece := os.read(terminal, 4096):
            text += piece
    assert os.waitpid(process, 0)[1] == 0, text
    lines = [re.sub(r"\x1b\[[0-9]*[A-Z]", "", line).strip("\r") for line in text.decode().split("\n")]
    assert lines[:2] == ["[        ] web-master, web-slave  waiting", "[        ] authority              waiting"]
    assert "authority: note: authority: nothing changed" in lines
    assert "\x1b[2A" in text.decode()  # back up to the first of the two


def test_master_and_slave_have_the_same_password_and_authorities_none(built):
    folder = built.output / "prod"
    password = (built.environment.with_suffix(".vault") / "passwords" / "web_password").read_text().strip()
    for name in ("s1", "s2"):
        assert view_of(folder / f"prod-{name}.seed.iso")["settings"]["web_password"] == password
    for name in ("a1", "a2"):
        iso = folder / f"prod-{name}.seed.iso"
        text = json.dumps(user_data(iso)) + json.dumps(files_of(iso))
        assert password not in text and "web_password" not in text


def test_no_seed_holds_a_private_key_of_another_machine(built):
    vault = built.environment.with_suffix(".vault")
    for key in [*vault.glob("machines/*/tls.key"), *vault.glob("machines/*/ssh_host_ed25519_key"),
                *(path for path in vault.glob("machines/*/ssh/*") if path.suffix != ".pub")]:
        owner = key.relative_to(vault).parts[1]
        body = key.read_text().splitlines()[3]  # the first lines of ssh keys are alike
        for name in ("prod-s1", "prod-s2", "prod-a1", "prod-a2"):
            iso = built.output / "prod" / f"{name}.seed.iso"
            text = json.dumps(user_data(iso)) + json.dumps(files_of(iso))
            assert (body in text) == (name == owner), (key, name)


def test_web_machines_know_each_others_ssh_keys(built):
    machines = {m["name"]: m for m in view_of(built.output / "prod/prod-s2.seed.iso")["machines"]}
    vault = built.environment.with_suffix(".vault") / "machines"
    for name in ("prod-s1", "prod-s2"):
        assert machines[name]["ssh"] == {
            "host": (vault / name / "ssh_host_ed25519_key.pub").read_text().strip(),
            **{user: (vault / name / "ssh" / f"{user}.pub").read_text().strip() for user in ("postgres", "ballotbox")}}
    assert [machines[f"prod-s{n}"]["node_id"] for n in (1, 2)] == [1, 2]
    assert not [m for m in view_of(built.output / "prod/prod-a1.seed.iso")["machines"] if "ssh" in m]


def test_one_role_finds_what_another_has(built):
    folder = built.output / "prod"
    (folder / "web-slave.qcow2").unlink()
    result = built.run("recipe web-slave")
    assert result.returncode == 0 and "web-slave: the same image as web-master" in result.stderr
    assert os.path.samefile(folder / "web-master.qcow2", folder / "web-slave.qcow2")
    assert result.stdout.splitlines()[-1] == str(folder / "prod-s2.seed.iso")


def test_authority_gives_one_image_and_a_seed_for_each(built):
    result = built.run("recipe authority")
    assert [pathlib.Path(line).name for line in result.stdout.splitlines()] == [
        "authority.qcow2", "authority.manifest.json", "prod-a1.seed.iso", "prod-a2.seed.iso"]


def test_dry_run_shows_all_machines_and_the_vault_and_touches_nothing(project):
    result = project.run("deployment", "--dry-run")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "deployment prod: 3 roles, 2 different images, 4 machines"
    for name in ("prod-s1 (192.168.50.4)", "prod-s2 (192.168.50.5)", "prod-a1 (192.168.50.6)", "prod-a2 (192.168.50.7)"):
        assert f"  {name}" in lines
    assert lines.count("would make in the vault: passwords/web_password") == 1
    assert "would make in the vault: shared/web/tls.key" in lines
    assert not project.output.exists() and not project.environment.with_suffix(".vault").exists()
    report = json.loads(project.run("deployment", "--dry-run", "--json").stdout)
    assert [role["role"] for role in report["roles"]] == ["web-master", "web-slave", "authority"]
    assert "machines/prod-a2/tls.key" in report["vault"]


def test_the_first_failure_stops_the_other_build_and_keeps_old_outputs(built):
    before = built.made()
    built.script("web", "sleep 300")
    built.script("authority", "echo broken >&2; exit 7")
    begin = time.monotonic()
    result = built.run("deployment")
    assert result.returncode == 1 and time.monotonic() - begin < 200
    assert "building role 'authority'" in result.stderr and "broken" in result.stderr
    assert result.stdout == "" and built.made() == before and built.temporaries() == []
    assert "interrupted" not in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing(built, number):
    before = built.made()
    mounts = pathlib.Path("/proc/self/mountinfo").read_text()
    for overlay in ("web", "authority"):
        built.script(overlay, "sleep 300")
    process = built.start("deployment")
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and process.poll() is None:
        if sum("sleep 300" in command for _, command in imgbuild.children_of(process.pid)) == 2:
            break
        time.sleep(0.1)
    children = imgbuild.children_of(process.pid)
    assert sum("sleep 300" in command for _, command in children) == 2, children
    process.send_signal(number)
    _, errors = process.communicate(timeout=90)
    assert process.returncode == 128 + number
    assert errors.splitlines()[-1] == "imgbuild: interrupted; nothing half-made was kept"
    assert [pid for pid, _ in children if pathlib.Path(f"/proc/{pid}").exists()] == []
    assert built.made() == before and built.temporaries() == []
    assert pathlib.Path("/proc/self/mountinfo").read_text() == mounts


def refusal(project, change, *more):
    text = project.environment.read_text()
    assert change[0] in text
    project.environment.write_text(text.replace(*change, 1))
    result = project.run("deployment", *more)
    assert (result.returncode, result.stdout) == (3, "") and not project.output.exists()
    return result.stderr.strip()


MASTER = "  - {name: prod-s1, role: web-master, private_ip: 192.168.50.4, memory: 1 GiB}\n"


def test_a_slave_without_a_master_is_refused(project):
    assert refusal(project, (MASTER, "")) == (
        f"imgbuild: {project.environment}:22:27: machine 1: role: 'web-slave' needs a machine of role 'web-master', and there is none\n"
        "hint: add the machine of role 'web-master'; with 'external: true' if somebody else builds it")


def test_two_masters_are_refused(project):
    assert refusal(project, ("role: web-slave", "role: web-master")) == (
        f"imgbuild: {project.environment}:23:27: machine 2: role: a deployment has one 'web-master', machine 1 is it already")


def test_a_master_among_the_authorities_is_refused(project):
    assert refusal(project, (MASTER, MASTER.replace("1 GiB}", "1 GiB, director: true}"))).splitlines()[0] == (
        f"imgbuild: {project.environment}:22:90: machine 1: director: only a machine of role 'authority' can be it, "
        "the role is 'web-master'")


def test_two_authorities_in_one_vault_are_refused_unless_it_is_a_lab(project):
    assert refusal(project, ("lab: true", "lab: false")) == (
        f"imgbuild: {project.environment}:25:27: machine 4: role: the vault would hold the private keys of two authorities, "
        "machine 3 and this one\n"
        "hint: give them 'keys: machine' or 'external: true', or for a trial the whole file 'lab: true'")


@pytest.mark.parametrize("entry", ["machines/prod-s2", "machines/prod-a1/tls.key", "passwords/web_password", "shared/web"])
@pytest.mark.parametrize("command", ["deployment", "seed", "recipe web-master"])
def test_a_vault_that_lost_something_is_refused_by_every_command(built, entry, command, tmp_path):
    """And nothing is made anew."""
    vault = built.environment.with_suffix(".vault")
    if entry.startswith("machines/prod-a1") and command == "recipe web-master":
        command = "recipe authority"
    shutil.move(vault / entry, tmp_path / "away")
    if entry.endswith("tls.key"):
        shutil.move(vault / "machines/prod-a1/tls.crt", tmp_path / "away.crt")
    before = sorted(vault.rglob("*"))
    try:
        result = built.run(command)
        lost = {"machines/prod-s2": "machines/prod-s2/role", "shared/web": "shared/web/tls.key"}.get(entry, entry)
        assert result.returncode == 3, result.stderr
        assert result.stderr.strip() == (
            f"imgbuild: {vault}/{lost}: is gone, but this vault had it\n"
            "hint: restore it from your copy of the vault; to have a new one made, with which nothing that was made with the old "
            f"one works, remove its line in '{vault}/index'")
        assert sorted(vault.rglob("*")) == before
    finally:
        shutil.move(tmp_path / "away", vault / entry)
        if entry.endswith("tls.key"):
            shutil.move(tmp_path / "away.crt", vault / "machines/prod-a1/tls.crt")


def test_swapped_machines_in_the_vault_are_noticed(built):
    machines = built.environment.with_suffix(".vault") / "machines"
    def swap():
        for name in ("ssh_host_ed25519_key", "ssh_host_ed25519_key.pub"):
            (machines / "prod-s1" / name).rename(machines / "away")
            (machines / "prod-s2" / name).rename(machines / "prod-s1" / name)
            (machines / "away").rename(machines / "prod-s2" / name)
    swap()
    try:
        result = built.run("seed")
    finally:
        swap()
    key = machines / "prod-s1" / "ssh_host_ed25519_key"
    assert (result.returncode, result.stderr.strip().splitlines()[0]) == (
        3, f"imgbuild: {key}: is the key of 'prod-s2', but must be that of 'prod-s1'")
