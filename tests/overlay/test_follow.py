"""Authorities believe the higher timeline."""
import json
import shutil

import pytest
from appliance import apply, audit, follow, peers, primary
from appliance.host import Host
from conftest import OVERLAYS, change_environment, put
from peer_tools import package, with_real_openssl

OWN = 'machine: {name: "prod-s1", role: "web-master", private_ip: "192.168.50.4", public_ip: "203.0.113.4"}'
AUTHORITY = 'machine: {name: "prod-a1", role: "authority", private_ip: "192.168.50.6", director: true}'


@pytest.fixture
def machine(host, commands, monkeypatch):
    """prod-a1, which knows both web nodes; what these say is in machine.said."""
    put(host.root, "etc/passwd", "eorchestra:x:901:901::/home/eorchestra:/usr/sbin/nologin\n")
    shutil.copytree(OVERLAYS / "authority", host.root, dirs_exist_ok=True)
    change_environment(host, OWN, AUTHORITY)
    found = Host(host.root, with_real_openssl(commands))
    apply.apply(found, apply.Moment.boot)
    environment, role = apply.load(found)
    packages = {name: peers.peer_package.parse(package(name, address).encode(), "x") for name, address in
                (("prod-s1", "192.168.50.4"), ("prod-s2", "192.168.50.5"))}
    peers.change(found, environment, role, packages)
    found.said = {}

    def ask(_, target, path, seconds):
        assert (path, target.port) == ("/appliance/primary", 14453)
        if target.name not in found.said:
            raise peers.ApplianceError("is off")
        return found.said[target.name]
    monkeypatch.setattr(follow.mutual, "ask", ask)
    applied = apply.apply
    monkeypatch.setattr(follow.apply, "apply", lambda host, moment, patience: applied(host, apply.Moment.boot, patience))
    return found


def claim(name, timeline):
    return 200, json.dumps({"name": name, "timeline": timeline})


def site(machine):
    return [line.split()[0] for line in machine.read("/etc/hosts").splitlines() if "vote.example.org" in line]


def test_nobody_answers_and_nothing_changes(machine):
    assert follow.step(machine) == [] and site(machine) == ["192.168.50.4"]


def test_a_promotion_moves_the_domain_and_is_noted(machine):
    machine.said = {"prod-s1": claim("prod-s1", 1), "prod-s2": claim("prod-s2", 2)}
    assert follow.step(machine) == ["wrote /etc/hosts"]
    assert site(machine) == ["192.168.50.5"]
    assert machine.read(audit.PATH).endswith("follow: prod-s2 is primary, timeline 2; before it was prod-s1, timeline 1\n")
    assert follow.step(machine) == []


def test_an_old_primary_that_comes_back_convinces_nobody(machine):
    primary.record(machine, primary.Claim("prod-s2", 3))
    follow.step(machine)
    machine.said = {"prod-s1": claim("prod-s1", 2)}
    assert follow.step(machine) == [] and site(machine) == ["192.168.50.5"]


@pytest.mark.parametrize("answer", [claim("prod-a2", 9), claim("elsewhere", 9), (404, ""), (200, "{"), (200, '{"name": "prod-s2", "timeline": "9"}')])
def test_what_is_no_claim_of_a_web_node_is_left_out(machine, answer):
    machine.said = {"prod-s2": answer}
    assert follow.step(machine) == [] and site(machine) == ["192.168.50.4"]


def test_a_record_whose_hosts_were_not_written_is_applied_by_the_next_round(machine):
    primary.record(machine, primary.Claim("prod-s2", 2))
    assert follow.step(machine) == ["wrote /etc/hosts"]


def test_a_round_that_fails_is_said_once(machine, capsys):
    rounds = []
    machine.path("/etc/appliance/env.yml").write_text("x")

    def sleep(_):
        rounds.append(1)
        if len(rounds) == 3:
            raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        follow.run(machine, sleep)
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("took, rest", [(0.1, 10), (2, 18), (30, 45)])
def test_a_slow_machine_rests_longer_between_rounds(host, monkeypatch, took, rest):
    clock = iter([100, 100 + took])
    monkeypatch.setattr(follow, "step", lambda _: [])

    def sleep(seconds):
        raise InterruptedError(seconds)
    with pytest.raises(InterruptedError) as slept:
        follow.run(host, sleep, lambda: next(clock))
    assert slept.value.args == (pytest.approx(rest),)
