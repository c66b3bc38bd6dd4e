"""imgbuild ops: the files name any path so that the programs they are for understand it, or say that they can't."""
import shlex
import subprocess

import pytest
from ops_deployment import book, deployment, ops  # noqa: F401
from rehearsal import Rehearsal, blocks, chapter
from test_launch import ENVIRONMENT

import imgbuild_program as imgbuild


@pytest.fixture
def odd(deployment):
    return deployment(ENVIRONMENT, "it's 100%h a;b & #1 ")


def test_ssh_finds_the_host_keys(odd):
    folder = ops(odd)
    said = subprocess.run(["ssh", "-G", "-F", folder / "ssh_config", "prod-s1"], capture_output=True, text=True, check=True).stdout
    assert f"userknownhostsfile {folder}/known_hosts\n" in said


def test_tmux_gets_its_configuration(odd):
    folder = ops(odd)
    said = subprocess.run(["tmuxinator", "debug", "-p", folder / "tmuxinator.yml"], capture_output=True, text=True,
                          env={"PATH": "/usr/bin:/bin", "HOME": str(odd.parent), "SHELL": "/bin/bash", "LANG": "C.UTF-8"})
    assert said.returncode == 0, said.stderr
    assert subprocess.run(["bash", "-n"], input=said.stdout, text=True, capture_output=True).stderr == ""
    [session] = [line for line in said.stdout.splitlines() if " new-session " in line]
    assert str(folder / "tmux.conf") in shlex.split(session)


def test_the_commands_of_the_runbook_arrive(odd, tmp_path):
    rehearsal = Rehearsal(tmp_path / "rehearsal", odd)
    text = book(odd)
    assert rehearsal.run(blocks(chapter(text, "TLS key of prod-a1"))[0]) == ["prod-a1 appliance apply", "prod-a1 appliance selftest"]
    assert len(rehearsal.run(blocks(chapter(text, "ssh host key of prod-s1"))[0])) == 4
    rehearsal.run(blocks(chapter(text, "Passwords"))[0], NAME="iam_database_password")
    for block in blocks(text):
        for line in block.splitlines():
            words = shlex.split(line)
            if words[:1] == ["ssh"]:
                assert words[words.index("-F") + 1] == f"{odd.parent}/output/prod/ops/ssh_config"


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a$HOME", "a`b", "a<%= 1 %>", "a\tb"])
def test_a_path_that_can_not_be_quoted_is_refused(deployment, tmp_path, name):
    env = deployment(ENVIRONMENT)
    result = imgbuild.run("ops", "--env", env, "-o", tmp_path / name)
    assert (result.returncode, result.stdout) == (3, "")
    shown = name.replace("\t", "\\x09")
    assert result.stderr == (f"imgbuild: ops: the files can't name a path with '{shown}' in it: must have no control character and none of \"\\$`<\n"
                             "hint: rename it, or choose another folder with -o\n")
    assert not (tmp_path / name).exists()
