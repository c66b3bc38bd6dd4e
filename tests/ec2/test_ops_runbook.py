"""imgbuild ops: what the runbook says can be done as it says."""
import re
import shlex
import subprocess

import pytest
from ops_deployment import book, deployment, ops  # noqa: F401
from rehearsal import APPLIANCE, Rehearsal, blocks
from test_launch import ENVIRONMENT

import imgbuild_program as imgbuild


@pytest.fixture
def prod(deployment):
    return deployment(ENVIRONMENT)


def commands(text):
    return [line for block in blocks(text) for line in block.splitlines()]


def test_the_runbook_has_this_deployments_names(prod):
    text = (ops(prod) / "RUNBOOK.md").read_text()
    assert re.findall("^## (.*)$", text, re.M) == ["First start", "Exchange of peer packages", "Promotion: prod-s2 takes the place of prod-s1", "Restore", "Rotation of keys"]
    for words in ("prod-s2 sudo appliance promote", "prod-s1 sudo appliance rejoin", "`prod-s1-restored-1`", "prod-a2 is kept by somebody else"):
        assert words in text


def test_the_files_are_made_anew_as_they_were_made(prod, tmp_path):
    folder = ops(prod, "--public", "--cloudflare")
    before = {path.name: path.read_text() for path in folder.iterdir()}
    command = f"./builder/imgbuild ops --env {prod} -o {prod.parent}/output --public --cloudflare"
    assert commands(before["RUNBOOK.md"])[0] == command
    for path in folder.iterdir():
        path.unlink()
    Rehearsal(tmp_path / "rehearsal", prod).run(command)
    assert {path.name: path.read_text() for path in folder.iterdir()} == before


def test_the_output_folder_is_said_where_it_counts(prod):
    output = f"-o {prod.parent}/output"
    for line in commands(book(prod)):
        if line.startswith("./builder/imgbuild "):
            assert (output in line) != line.startswith("./builder/imgbuild peers "), line


def test_the_exchange_logs_in_as_the_configuration_says(prod):
    folder = prod.parent / "output/prod/ops"
    lines = [line for line in commands(book(prod, "--public")) if line.startswith("./builder/imgbuild peers ")]
    assert len(lines) > 1 and all(f" --ssh-config {folder}/ssh_config" in line for line in lines)
    assert "Host prod-s1\n  HostName 203.0.113.4\n" in (folder / "ssh_config").read_text()


def options_of(said):
    return set(re.findall(r"(?<![\w-])(--?[a-z][\w-]*)", said))


def test_every_command_of_the_runbook_exists(prod):
    """The words and options of imgbuild, as its help has them."""
    helps = {}
    lines = [line.partition(" #")[0] for line in commands(book(prod, "--public", "--cloudflare")) if "imgbuild " in line]
    assert len(lines) > 5
    for line in lines:
        assert line.startswith("./builder/imgbuild "), line
        words = re.match(r"(?:[a-z]+ )+", line.removeprefix("./builder/imgbuild "))[0].split()[:2]
        if words[0] not in ("ami", "peers"):
            words = words[:1]
        if tuple(words) not in helps:
            helps[tuple(words)] = imgbuild.run_ok(*words, "--help").stdout
        assert options_of(line) <= options_of(helps[tuple(words)]), line


def test_every_command_in_the_machines_exists(prod):
    """`appliance` and `eopeers`, as their own parsers take them."""
    text = book(prod)
    for program, module in (("appliance", "cli"), ("eopeers", "eopeers_cli")):
        calls = set(re.findall(rf'{program}((?: (?:"[^"\n]*"|[\w$:.=/-]+))+)', "\n".join([*commands(text), *re.findall(r"`(.*?)`", text)])))
        assert calls or program == "eopeers"
        for call in calls:
            words = shlex.split(call)
            code = f"import sys; from appliance import {module}; {module}._parser().parse_args(sys.argv[1:])"
            known = subprocess.run(["/usr/bin/python3", "-B", "-c", code, *words], cwd=APPLIANCE, capture_output=True, text=True)
            assert known.returncode == 0, (call, known.stderr)
