"""Packages of strangers: none is taken, and nothing is touched but the audit log, which has a line for each."""
import json
import subprocess

import pytest
from corpus import packages
from machines import print_of, put

OFFER = """
import contextlib, io, json
from appliance import eopeers_cli
for number, wanted in enumerate(json.load(open("/tmp/corpus/prints"))):
    said, printed = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(printed):
        try:
            status = eopeers_cli.main(["--install", f"/tmp/corpus/{number}", "--fingerprint", f"prod-a2={wanted}"], host)
        except BaseException as error:
            status = repr(error)
    print(json.dumps([status, said.getvalue(), printed.getvalue(), open("/srv/certs/selfsigned/calist").read()]))
"""
CALIST = "/var/lib/eopeers/current/calist"   # links of the machine lead elsewhere when followed from outside
LOGS = ("/var/log", "/var/log/appliance", "/var/log/appliance/audit.log")


@pytest.fixture(scope="module")
def offered(fleet, tmp_path_factory):
    """Every package offered to prod-s1, which knows prod-a1: what was said each time, and what is written after all."""
    fleet.forget()
    web = fleet.machines["prod-s1"]
    assert web.install(fleet.machines["prod-a1"].package()).returncode == 0
    good, other = (fleet.machines[name].package() for name in ("prod-a2", "prod-a3"))
    rows = packages(tmp_path_factory.mktemp("corpus"), good, other, web.package())
    web.check("mkdir", "-p", "/tmp/corpus")
    for number, (_, data, _) in enumerate(rows):
        web.path(f"/tmp/corpus/{number}").write_bytes(data)
    put(web.path("/tmp/corpus/prints"), json.dumps([wanted for _, _, wanted in rows]))
    before, calist = web.written(), web.path(CALIST).read_text()
    answers = [json.loads(line) for line in web.python(OFFER).splitlines()]
    return web, [label for label, _, _ in rows], answers, (before, calist)


def test_the_corpus_is_large_and_its_packages_differ(offered):
    _, labels, answers, _ = offered
    assert len(labels) == len(set(labels)) == len(answers) >= 150


def test_none_is_accepted_and_each_is_refused_with_a_reason(offered):
    _, labels, answers, _ = offered
    bad = [(label, status, said) for label, (status, said, printed, _) in zip(labels, answers)
           if status != 1 or printed or not said.startswith("eopeers: ") or "Traceback" in said or not said.isascii()]
    assert bad == []


def test_none_changes_the_list(offered):
    _, labels, answers, (_, calist) = offered
    assert [label for label, (_, _, _, found) in zip(labels, answers) if found != calist] == []


def test_nothing_is_touched_but_the_audit_log(offered):
    web, _, _, (before, _) = offered
    after = web.written()
    assert {path for path in {*before, *after} if before.get(path) != after.get(path)} <= set(LOGS)


def test_each_refusal_is_in_the_audit_log(offered):
    web, labels, answers, _ = offered
    lines = [line for line in web.path(LOGS[-1]).read_text().splitlines() if " eopeers: refused: " in line]
    assert len(lines) >= sum(len(said.splitlines()) for _, said, _, _ in answers) >= len(labels)
    assert all(line.isprintable() for line in lines)


def test_the_good_one_is_taken_then(offered, fleet):
    web = offered[0]
    done = web.install(fleet.machines["prod-a2"].package())
    assert (done.returncode, done.stdout) == (0, "prod-a2: installed\n")


@pytest.mark.parametrize("make, problem", [
    ("mkfifo /tmp/odd", "must be a file"), ("mkdir /tmp/odd", "must be a file"), ("ln -s /dev/zero /tmp/odd", "must be a file"),
    ("true", "No such file or directory")], ids=["pipe", "folder", "device", "nothing"])
def test_what_is_no_file_is_refused_at_once(fleet, make, problem):
    web = fleet.machines["prod-s1"]
    web.check("sh", "-c", f"rm -rf /tmp/odd; {make}")
    done = web.eopeers("--install", "/tmp/odd", timeout=20)
    assert (done.returncode, done.stderr) == (1, f"eopeers: /tmp/odd: {problem}\n")


def test_one_bad_package_keeps_the_others_out(fleet):
    fleet.forget()
    web = fleet.machines["prod-s1"]
    bad = {**json.loads(fleet.machines["prod-a2"].package()), "ip_address": "192.168.50.99"}
    done = web.install(fleet.machines["prod-a1"].package(), json.dumps(bad))
    assert (done.returncode, done.stderr) == (1, "eopeers: prod-a2: ip_address: must be '192.168.50.12', is '192.168.50.99'\n")
    assert web.eopeers("--list").stdout == ""


@pytest.mark.parametrize("moment", [0.1, 0.25, 0.35, 0.45, 0.55, 0.65, 0.8, 1.0])
def test_killed_at_any_moment_the_list_is_old_or_new_and_the_next_run_completes(fleet, moment):
    """A real SIGKILL, at moments spread over the run of the tool."""
    web = fleet.machines["prod-s1"]
    wanted = ["prod-a1", "prod-a2", "prod-a3"]
    texts = fleet.on(wanted, lambda machine: machine.package())
    start = sorted(path.stem for path in web.path("/var/lib/eopeers/current/packages").iterdir())
    verb = ["--remove", *start] if start else ["--install", "-", *[f"--fingerprint={n}={p}" for n, p in zip(wanted, map(print_of, texts))]]
    argv = ["nsenter", "-t", web.pid, "-m", "-n", "-p", "-u", "-r", "-w", "timeout", "-s", "KILL", str(moment), "/usr/bin/eopeers", *verb]
    subprocess.run(argv, input="\n".join(texts), capture_output=True, text=True, timeout=60)
    listed = web.eopeers("--list").stdout.split()
    assert listed in (start, [] if start else wanted)
    calist = web.path(CALIST).read_text()
    assert calist.count("BEGIN") == 1 + len(listed)
    assert sorted(path.name for path in web.path("/var/lib/eopeers/current/packages").iterdir()) == [f"{name}.package" for name in listed]
    # Not by a command that has something to do: any run brings nginx to the list that counts.
    assert web.eopeers("--remove", "prod-a5").stderr.startswith("eopeers: 'prod-a5' is not installed")
    assert web.python("mutual.check_list(host, environment, 14453, peers.current(host))") == ""
    done = web.eopeers("--remove", *listed) if listed and start else None if start else web.install(*texts)
    assert done is None or done.returncode == 0, done.stderr
