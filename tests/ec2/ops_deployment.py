"""Deployments with a vault, for the tests of `imgbuild ops`."""
import re
import shutil

import pytest

from test_launch import ENVIRONMENT

import imgbuild_program as imgbuild

THIRD = "  - {{name: prod-s3, role: web-slave, private_ip: 192.168.50.8}}\n"
SLAVE = "  - {{name: prod-s2, role: web-slave, private_ip: 192.168.50.5}}\n"
ALONE = ENVIRONMENT.replace(SLAVE, "")
# As its trustee has it: of all machines only the authority prod-a1 is ours.
TRUSTEE = re.sub(r"external: true, |(role: )", r"\1", ENVIRONMENT).replace(", disk: 30 GiB, memory: 4 GiB", "")
TRUSTEE = re.sub(r"(name: prod-(?!a1)\w+, )", r"\1external: true, ", TRUSTEE)

FILES = ["ssh_config", "known_hosts", "hosts", "tmuxinator.yml", "tmux.conf", "terraform.tf.json", "cloudformation.json", "RUNBOOK.md"]


VAULTS = {}   # folder by the environment's text: RSA keys take seconds


def vault_of(text, tmp_path_factory):
    if text not in VAULTS:
        folder = tmp_path_factory.mktemp("vault")
        env = folder / "prod.yml"
        env.write_text(text.format(key=imgbuild.make_ssh_key(folder)[1]))
        imgbuild.run_ok("seed", "--env", env, "-o", folder / "output")
        VAULTS[text] = folder
    return VAULTS[text]


@pytest.fixture
def deployment(tmp_path, tmp_path_factory):
    """Makes an environment file with a vault beside it, to be changed as one likes, in a folder of that name."""
    def make(text, folder="deployment"):
        shutil.copytree(vault_of(text, tmp_path_factory), tmp_path / folder)
        return tmp_path / folder / "prod.yml"
    return make


def ops(env, *arguments, deployment="prod"):
    """Runs `imgbuild ops`; returns the folder that it wrote."""
    result = imgbuild.run_ok("ops", "--env", env, "-o", env.parent / "output", *arguments)
    folder = env.parent / f"output/{deployment}/ops"
    assert result.stdout.splitlines() == [str(folder / name) for name in FILES]
    return folder


def book(env, *arguments):
    """The runbook."""
    return (ops(env, *arguments) / "RUNBOOK.md").read_text()
