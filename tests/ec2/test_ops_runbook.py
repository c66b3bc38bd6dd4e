"""imgbuild ops: what the runbook says can be done as it says."""
import re
import subprocess

import pytest
from ops_deployment import deployment, ops  # noqa: F401
from rehearsal import Rehearsal, blocks, chapter
from test_launch import ENVIRONMENT

import imgbuild_program as imgbuild


@pytest.fixture
def prod(deployment):
    return deployment(ENVIRONMENT)


def test_the_runbook_has_this_deployments_names(prod):
    text = (ops(prod) / "RUNBOOK.md").read_text()
    assert re.findall("^## (.*)$", text, re.M) == ["First start", "Exchange of peer packages", "Promotion: prod-s2 takes the place of prod-s1", "Restore", "Rotation of keys"]
    for words in ("prod-s2 sudo appliance promote", "prod-s1 sudo appliance rejoin", "`prod-s1-restored-1`", "prod-a2 is kept by somebody else", "`machines/prod-a1/tls.key`"):
        assert words in text


def test_every_command_of_the_runbook_exists(prod):
    text = (ops(prod) / "RUNBOOK.md").read_text()
    commands = {tuple(line.split()[1:3]) for line in text.splitlines() if line.startswith("imgbuild ")}
    for words in commands:
        words = [word for word in words if not word.startswith("-") and "/" not in word and word not in ("web-master",)]
        assert imgbuild.run("--help" if not words else words[0], *words[1:2], "--help").returncode == 0, words
    source = imgbuild.ROOT / "overlays/common/usr/lib/appliance"
    for word in set(re.findall(r"sudo appliance (\w+)", text)):
        known = subprocess.run(["/usr/bin/python3", "-c", "from appliance import cli; cli._parser().parse_args()", word, "--help"], cwd=source, capture_output=True,
                               env={"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(source)})
        assert known.returncode == 0, word


# --- keys ---

def book(env, *arguments):
    return (ops(env, *arguments) / "RUNBOOK.md").read_text()


@pytest.fixture
def rehearsal(prod, tmp_path):
    return Rehearsal(tmp_path / "rehearsal", prod)


def test_a_login_comes_and_goes_where_sshd_looks(prod, rehearsal, tmp_path):
    (tmp_path / "other").mkdir()
    other = imgbuild.make_ssh_key(tmp_path / "other")[1].replace(" ops", " ann")
    going, coming, shown = blocks(chapter(book(prod), "Who may log in"))
    old = rehearsal.view("prod-s1")["users"][0]["ssh_authorized_keys"][0]
    assert rehearsal.run(coming, LINE=f"'{other}'") == [f"{name} appliance apply" for name in ("prod-s1", "prod-s2", "prod-a1")]
    for name in ("prod-s1", "prod-s2", "prod-a1"):
        assert rehearsal.view(name)["users"] == [{"name": "ops", "ssh_authorized_keys": [other, old]}]
    assert rehearsal.run(going, KEY=old.split()[1]) == [f"{name} appliance apply" for name in ("prod-s1", "prod-s2", "prod-a1")]
    for name in ("prod-s1", "prod-s2", "prod-a1"):
        assert rehearsal.view(name)["users"] == [{"name": "ops", "ssh_authorized_keys": [other]}]
    # What is looked at is what sshd reads, and what `appliance apply` writes.
    keys = (imgbuild.ROOT / "overlays/common/usr/lib/appliance/templates/common/sshd-keys.conf").read_text()
    assert "AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u\n" in keys
    assert [line.rpartition(" ")[2] for line in shown.splitlines()] == ["/etc/ssh/authorized_keys.d/ops"] * 3
