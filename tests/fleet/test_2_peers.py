"""The exchange of peer packages from the ops machine, and what a link lets in afterwards."""
import json
import time

import pytest

from deployment import ADDRESSES, WEB
from links import Held, ask, made, minted, pair_of

OUT = ("400", "refused")
VERSIONS = ["TLSv1_2", "TLSv1_3"]


def test_before_the_exchange_nobody_gets_in(fleet):
    assert ask(fleet["prod-a1"], fleet["prod-a2"], *pair_of(fleet, "prod-a1"))[0] in OUT
    verdict = fleet.imgbuild("peers", "verify", "--ssh-config", fleet.ssh_config)
    assert verdict.returncode == 4, verdict.stdout + verdict.stderr


def test_a_wrong_fingerprint_installs_nothing(fleet):
    wrong = fleet.folder / "wrong"
    wrong.write_text("".join(f"{name} {'0' * 64}\n" for name in ADDRESSES))
    result = fleet.imgbuild("peers", "exchange", "--yes", "--fingerprints", wrong, "--ssh-config", fleet.ssh_config)
    assert result.returncode == 4, result.stdout + result.stderr
    assert fleet["prod-a1"].ssh("sudo eopeers --list --json").stdout.strip() == "[]"


def test_the_exchange_proves_every_link(exchanged):
    verdict = exchanged.imgbuild("peers", "verify", "--ssh-config", exchanged.ssh_config)
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr
    listed = exchanged.each(lambda machine: machine.ssh("sudo ls /etc/eopeers").stdout.split())
    installed = {name: {file.removesuffix(".package") for file in files} for name, files in listed.items()}
    assert installed == {"prod-s1": {"prod-a1", "prod-a2"}, "prod-s2": {"prod-a1", "prod-a2"},
                         "prod-a1": {"prod-s1", "prod-s2", "prod-a2"}, "prod-a2": {"prod-s1", "prod-s2", "prod-a1"}}


def test_a_second_exchange_changes_nothing(exchanged):
    again = exchanged.exchange()
    assert again.returncode == 0
    assert "nothing" in (again.stdout + again.stderr).lower()


@pytest.mark.parametrize("version", VERSIONS)
def test_only_installed_peers_get_in(exchanged, version, tmp_path):
    source, target = exchanged["prod-a1"], exchanged["prod-a2"]
    own = pair_of(exchanged, "prod-a1")
    assert ask(source, target, *own, version) == ("200", "prod-a1")
    others = {"no certificate": ("", ""), "unlisted": made(tmp_path / "nobody", "nobody"), "same name, other key": made(tmp_path / "same", "prod-a1"),
              "minted by a listed peer": minted(tmp_path / "minted", *own)}
    assert [what for what, pair in others.items() if ask(source, target, *pair, version)[0] not in OUT] == []


def test_web_machines_are_known_to_authorities_and_back(exchanged):
    web, authority = pair_of(exchanged, "prod-s1"), pair_of(exchanged, "prod-a2")
    status, names = ask(exchanged["prod-s2"], exchanged["prod-a1"], *web)
    assert (status, set(names.split(","))) == ("200", set(WEB))
    assert ask(exchanged["prod-a2"], exchanged["prod-s1"], *authority) == ("200", "prod-a2")


def test_a_removed_peer_is_out_within_two_seconds(exchanged):
    """With a new handshake, with the session of before, and on a connection that is still open; with TLS 1.2 and 1.3."""
    source, target = exchanged["prod-a1"], exchanged["prod-a2"]
    held = [Held(source, target, pair_of(exchanged, "prod-a1"), version) for version in VERSIONS]
    assert [one.begin for one in held] == ["held 200 resumed 200"] * 2
    target.ssh("sudo eopeers --remove prod-a1")
    removed = time.monotonic()
    for one in held:
        one.watch.join(60)
        assert one.last == "ended" and one.ended - removed < 2
        assert one.again() == "new 400 resumed 400"


def test_an_expired_certificate_is_refused_even_if_it_is_listed(exchanged, tmp_path):
    """Put into the list by force, for eopeers takes none that is not valid now."""
    source, target = exchanged["prod-a1"], exchanged["prod-a2"]
    key, certificate = made(tmp_path / "expired", "prod-a1", ends="20250101000000Z")
    package = json.dumps({"hostname": "prod-a1", "ip_address": source.address, "ssl_certificate": certificate})
    refused = target.ssh("sudo eopeers --install -", input=package, check=False)
    assert refused.returncode == 1 and "has expired on 2025-01-01" in refused.stderr, refused
    target.runtime(f"package = peer_package.parse({package.encode()!r}, 'x')\n"
                   "peers.change(host, environment, role, {**peers.installed(host), 'prod-a1': package})")
    assert certificate.strip() in target.ssh("cat /srv/certs/selfsigned/calist").stdout
    assert ask(source, target, key, certificate)[0] == "400"


def test_the_next_exchange_puts_everything_right(exchanged):
    again = exchanged.exchange()
    assert again.returncode == 0, again.stdout + again.stderr
    assert ask(exchanged["prod-a1"], exchanged["prod-a2"], *pair_of(exchanged, "prod-a1")) == ("200", "prod-a1")


def test_changes_of_peers_are_in_the_audit_log(exchanged):
    log = exchanged["prod-a2"].ssh("sudo cat /var/log/appliance/audit.log").stdout
    assert log.count("eopeers: prod-a1: removed") >= 1 and log.count("eopeers: prod-a1: accepted, SHA-256 ") >= 2
