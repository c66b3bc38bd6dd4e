"""The final exchange by a script, as an operator would do it: rings of 2 to 5 authorities with two web nodes."""
import json

import pytest
from conftest import is_web
from machines import make_pair


@pytest.mark.parametrize("authorities", [2, 3, 4, 5])
def test_every_link_of_the_matrix_works_and_no_other(fleet, authorities):
    names = fleet.names(authorities)
    fleet.forget(keep=names)
    fleet.exchange(names)
    for name, done in zip(names, fleet.on(names, lambda machine: machine.eopeers("--prove", "--json"))):
        links = {link["peer"]: link for link in json.loads(done.stdout)["links"]}
        assert done.returncode == 0 and sorted(links) == sorted(fleet.wanted(name, names))
        for peer, link in links.items():
            seen = "prod-s1,prod-s2" if is_web(name) else name
            assert link == {"peer": peer, "port": 14453 if is_web(peer) else 5000, "ok": True, "seen_as": seen, "problem": ""}
    for name in fleet.machines:
        for target in names:
            status, body = fleet.verdict(fleet.machines[target], fleet.machines[name].pair())
            is_known = name in fleet.wanted(target, names) or (name == target and not is_web(name))
            assert (status, name in body) == ((200, True) if is_known else (400, False)), (name, target)


def test_before_the_exchange_nobody_gets_in(empty):
    for name, machine in empty.machines.items():
        others = [other for other in empty.machines if other != name]
        assert {empty.verdict(machine, empty.machines[other].pair())[0] for other in others} == {400}


def test_a_link_that_works_in_one_direction_only_is_found(empty):
    first, second = empty.machines["prod-a1"], empty.machines["prod-a2"]
    assert first.install(second.package()).returncode == 0
    done = first.eopeers("--prove")
    assert (done.returncode, done.stdout) == (1, "prod-a2:5000 FAILED: answers 400: our package is not installed there\n")
    assert second.install(first.package()).returncode == 0
    assert first.eopeers("--prove").stdout == "prod-a2:5000 ok, sees us as prod-a1\n"


def test_a_peer_that_is_off_is_a_failed_link(empty):
    web = empty.machines["prod-s1"]
    web.install(empty.machines["prod-a5"].package())
    empty.machines["prod-a5"].check("nginx", "-s", "stop")
    try:
        done = web.eopeers("--prove")
        assert (done.returncode, done.stdout) == (1, "prod-a5:5000 FAILED: [Errno 111] Connection refused\n")
    finally:
        empty.machines["prod-a5"].start_nginx()


def test_a_peer_with_another_certificate_than_the_installed_one_is_found(empty, tmp_path):
    """Somebody in the middle, with a certificate of the right name."""
    web, authority = empty.machines["prod-s1"], empty.machines["prod-a1"]
    other = make_pair(tmp_path / "other", ["prod-a1"])
    package = {**json.loads(authority.package()), "ssl_certificate": (other / "cert.pem").read_text()}
    assert web.install(json.dumps(package)).returncode == 0
    done = web.eopeers("--prove")
    assert (done.returncode, done.stdout) == (1, "prod-a1:5000 FAILED: shows another certificate than the installed one\n")


def test_authorities_follow_a_promotion(empty):
    authority, web = empty.machines["prod-a1"], empty.machines["prod-s2"]
    authority.install(web.package())
    web.install(authority.package())
    assert authority.python("print(follow.claims(host, environment, role))") == "[]\n"
    web.path("/run/appliance/www/primary.json").write_text('{"name": "prod-s2", "timeline": 2}\n')
    assert authority.python("print(follow.claims(host, environment, role))") == "[Claim(name='prod-s2', timeline=2)]\n"
    try:
        authority.python("follow.apply.apply = lambda host, moment, patience: print('applied') or []; follow.step(host)")
        assert json.loads(authority.path("/var/lib/appliance/primary").read_text()) == {"name": "prod-s2", "timeline": 2}
        assert "follow: prod-s2 is primary, timeline 2; before it was prod-s1, timeline 1" in authority.path("/var/log/appliance/audit.log").read_text()
        authority.check("/usr/bin/appliance", "apply", "--boot")
        assert "192.168.50.5 prod-s2 vote.example.org\n" in authority.path("/etc/hosts").read_text()
        assert authority.python("print(follow.step(host))") == "[]\n"
    finally:
        authority.path("/var/lib/appliance/primary").unlink()
        authority.check("/usr/bin/appliance", "apply", "--boot")


def test_what_only_peers_may_read_is_not_on_the_public_site(empty):
    web = empty.machines["prod-s1"]
    web.path("/run/appliance/www/primary.json").write_text('{"name": "prod-s1", "timeline": 1}\n')
    answer = empty.stranger.run("curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", f"https://{web.address}/primary.json").stdout
    assert answer == "404"
    assert empty.verdict(web, None, path="/appliance/primary")[0] == 400


@pytest.mark.parametrize("path, status", [("/elections/1/keydone", 403), ("/x/TallyDone", 403), ("/x/%74allydone", 403),
                                          ("/keydone/", 403), ("/elections/1", 502)])
def test_the_plain_port_is_on_loopback_and_denies_what_only_authorities_may_say(fleet, path, status):
    web = fleet.machines["prod-s1"]
    answer = web.check("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", f"http://127.0.0.1:14443{path}")
    assert answer == str(status)
    assert fleet.stranger.run("curl", "-s", "-o", "/dev/null", f"http://{web.address}:14443{path}").returncode == 7
