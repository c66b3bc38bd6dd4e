"""imgbuild ops: the files are read by the programs they are for, and say the same as the machines' own firewalls."""
import re
import subprocess

import pytest
import yaml
from ops_deployment import deployment, ops  # noqa: F401
from test_launch import ENVIRONMENT

import imgbuild_program as imgbuild


@pytest.fixture
def prod(deployment):
    return deployment(ENVIRONMENT)


def test_ssh_takes_the_configuration(prod):
    folder = ops(prod)
    said = subprocess.run(["ssh", "-G", "-F", folder / "ssh_config", "prod-s1"], capture_output=True, text=True, check=True).stdout
    found = dict(line.split(" ", 1) for line in said.splitlines())
    assert {key: found[key] for key in ("hostname", "user", "hostkeyalias", "stricthostkeychecking", "userknownhostsfile")} == {
        "hostname": "192.168.50.4", "user": "ops", "hostkeyalias": "prod-s1", "stricthostkeychecking": "true", "userknownhostsfile": str(folder / "known_hosts")}
    others = subprocess.run(["ssh", "-G", "-F", folder / "ssh_config", "prod-a2"], capture_output=True, text=True, check=True).stdout
    assert "hostname 192.168.50.7\n" in others and "userknownhostsfile " + str(folder) not in others  # not our key to vouch for


def test_machines_are_reached_at_public_addresses_where_they_have_one(prod):
    folder = ops(prod, "--public")
    said = (folder / "ssh_config").read_text()
    assert "Host prod-s1\n  HostName 203.0.113.4\n" in said and "Host prod-s2\n  HostName 192.168.50.5\n" in said


@pytest.mark.parametrize("name", ["prod-s1", "192.168.50.4", "203.0.113.4"])
def test_the_host_keys_are_those_of_the_vault(prod, name):
    folder = ops(prod)
    said = subprocess.run(["ssh-keygen", "-F", name, "-f", folder / "known_hosts"], capture_output=True, text=True, check=True).stdout
    assert (prod.parent / "prod.vault/machines/prod-s1/ssh_host_ed25519_key.pub").read_text().split()[1] in said


def test_hosts_names_every_machine(prod):
    lines = [line.split() for line in (ops(prod) / "hosts").read_text().splitlines() if not line.startswith("#")]
    assert lines == [["192.168.50.4", "prod-s1", "prod-s1.vote.example.org", "vote.example.org"], ["192.168.50.5", "prod-s2", "prod-s2.vote.example.org"],
                     ["192.168.50.7", "prod-a2", "prod-a2.vote.example.org"], ["192.168.50.6", "prod-a1", "prod-a1.vote.example.org"]]


def test_no_file_holds_a_secret(prod):
    folder = ops(prod)
    secrets = [path.read_text() for path in (prod.parent / "prod.vault").rglob("*") if path.is_file() and path.suffix not in (".pub", ".crt")
               and path.name not in ("index", ".gitignore", ".lock", "role")]
    assert len(secrets) > 5
    for path in folder.iterdir():
        for secret in secrets:
            assert secret.strip() not in path.read_text()


def test_a_host_key_that_the_vault_lacks_is_named(tmp_path):
    _, key = imgbuild.make_ssh_key(tmp_path)
    env = tmp_path / "prod.yml"
    env.write_text(ENVIRONMENT.format(key=key))
    result = imgbuild.run("ops", "--env", env, "-o", tmp_path / "output")
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr == f"imgbuild: {tmp_path}/prod.vault: holds no ssh host key of 'prod-s1'\nhint: imgbuild seed --env {env} makes it\n"
    assert not (tmp_path / "output").exists()


def test_ops_needs_a_file(tmp_path):
    result = imgbuild.run("ops")
    assert (result.returncode, result.stderr) == (2, "imgbuild: ops needs --env FILE, or a command such as firewall\n")


# --- tmux ---

def windows(folder):
    found = yaml.safe_load((folder / "tmuxinator.yml").read_text())
    assert found["name"] == "prod"
    return {name: [commands] if isinstance(commands, str) else commands for window in found["windows"] for name, commands in window.items()}


def test_the_windows_are_those_of_the_skeleton(prod):
    found = windows(ops(prod))
    assert list(found) == ["l", "s1", "s1-d", "s2", "s2-d", "a2", "a2-l", "a2-d", "a1", "a1-l", "a1-d", "ae", "at", "adm", "nx-l", "ae-l", "ath-l", "cel-l"]
    assert found["s1"][0].endswith(" prod-s1") and found["s1"][1] == "sudo -s"
    assert found["adm"][1:] == ["sudo -s", "su - ballotbox", "source ~/env/bin/activate", "cd ~/ballot-box/admin"]
    assert found["a1-l"][0].endswith(" prod-a1 sudo eolog")


def test_tmuxinator_takes_the_project(prod):
    folder = ops(prod)
    said = subprocess.run(["tmuxinator", "debug", "-p", folder / "tmuxinator.yml"], capture_output=True, text=True,
                          env={"PATH": "/usr/bin:/bin", "HOME": str(prod.parent), "SHELL": "/bin/bash", "LANG": "C.UTF-8"})
    assert said.returncode == 0, said.stderr
    assert "new-session -d -s prod -n l" in said.stdout and "-n cel-l" in said.stdout
    # A server of its own: one that runs already does not read the configuration.
    assert f" -f {folder}/tmux.conf -L prod new-session" in said.stdout and "`tmux -L prod attach`" in (folder / "RUNBOOK.md").read_text()
    assert subprocess.run(["bash", "-n"], input=said.stdout, text=True, capture_output=True).stderr == ""


def test_tmux_takes_its_configuration(prod):
    folder = ops(prod)
    tmux = ["tmux", "-S", str(prod.parent / "socket"), "-f", str(folder / "tmux.conf")]
    env = {"PATH": "/usr/bin:/bin", "HOME": str(prod.parent), "LANG": "C.UTF-8"}
    asked = [*tmux, "new-session", "-d", ";", "show-options", "-g", "prefix", ";", "show-options", "-g", "status-style", ";", "list-keys", "-T", "root"]
    said = subprocess.run(asked, capture_output=True, text=True, env=env)
    subprocess.run([*tmux, "kill-server"], capture_output=True, env=env)
    assert said.returncode == 0, said.stderr
    assert "prefix C-a" in said.stdout and "bg=green" in said.stdout
    assert re.search(r"C-Left +previous-window", said.stdout) and re.search(r"C-Right +next-window", said.stdout)
