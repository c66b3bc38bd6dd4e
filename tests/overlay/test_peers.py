"""The peer list and the eopeers command, in a machine below a temporary folder. tests/peers has real ones."""
import io
import json

import pytest
from appliance import apply, audit, eopeers_cli, peers, x509
from appliance.errors import ApplianceError
from appliance.host import Host
from conftest import CERTIFICATE, change_environment
from peer_tools import A1, A2, fingerprint, package, pem, with_real_openssl, written_to


@pytest.fixture
def machine(host, commands):
    """prod-s1, configured, with nobody installed."""
    apply.apply(host, apply.Moment.boot)
    return Host(host.root, with_real_openssl(commands))


class Terminal(io.StringIO):
    def __init__(self, text, is_terminal=True):
        super().__init__(text)
        self.buffer, self.is_terminal = io.BytesIO(text.encode()), is_terminal

    def isatty(self):
        return self.is_terminal


def run(machine, *words, stdin=""):
    return eopeers_cli.main(list(words), machine, stdin if isinstance(stdin, Terminal) else Terminal(stdin, is_terminal=False))


def install(machine, *texts):
    given = [f"--fingerprint={json.loads(text)['hostname']}={fingerprint(text)}" for text in texts]
    return run(machine, "--install", "-", *given, stdin="\n".join(texts))


def audit_lines(machine):
    return [line.split(": ", 1)[1] for line in (machine.read_or_none(audit.PATH) or "").splitlines()]


def state(machine):
    """Everything that the list is made of, as readers see it."""
    root = machine.path(f"{peers.FOLDER}/{peers.current(machine)}")
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def test_without_peers_our_own_certificate_is_the_list(machine):
    found = state(machine)
    assert found["calist"] == CERTIFICATE and sorted(found) == ["calist", "pins.conf"]
    assert x509.read(CERTIFICATE).sha1 not in found["pins.conf"].split("$peer_list")[0]


def test_an_authority_lets_itself_in(host, commands):
    own = x509.read(CERTIFICATE)
    name, files = peers.generation(own, {}, "prod-a1")
    assert f'\t{own.sha1} "prod-a1";\n' in files["pins.conf"].split("$peer_list")[0] and name in files["pins.conf"]


def test_web_nodes_with_one_certificate_are_one_line():
    shared = pem("prod-s1", "prod-s2")
    found = {name: peers.peer_package.parse(package(name, "192.168.50.4", ssl_certificate=shared).encode(), "x") for name in ("prod-s1", "prod-s2")}
    files = peers.generation(x509.read(CERTIFICATE), found)[1]
    assert files["pins.conf"].count('"prod-s1,prod-s2"') == 1 and files["calist"].count("BEGIN") == 2


def test_installing_is_listed_shown_and_noted(machine, capsys):
    text = package(*A2)
    assert install(machine, text) == 0
    assert capsys.readouterr().out == "prod-a2: installed\n"
    assert audit_lines(machine) == [f"eopeers: prod-a2: accepted, SHA-256 {fingerprint(text)}"]
    assert run(machine, "--list", "--json") == 0
    assert json.loads(capsys.readouterr().out) == [{"hostname": "prod-a2", "fingerprint": fingerprint(text)}]
    assert run(machine, "--show", "prod-a2") == 0
    assert json.loads(capsys.readouterr().out) == json.loads(text)


def test_the_same_package_again_changes_nothing_and_needs_no_confirmation(machine, capsys):
    install(machine, package(*A2))
    before = state(machine), audit_lines(machine)
    assert run(machine, "--install", "-", stdin=package(*A2)) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "prod-a2: nothing changed"
    assert (state(machine), audit_lines(machine)) == before


def test_another_certificate_replaces_the_old_one(machine, capsys):
    install(machine, package(*A2))
    newer = package(*A2, ssl_certificate=pem("prod-a2", "newer"))
    assert install(machine, newer) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "prod-a2: replaced"
    assert state(machine)["calist"] == CERTIFICATE + pem("prod-a2", "newer")


def test_removing_works_under_both_names(machine, capsys):
    install(machine, package(*A1), package(*A2))
    assert run(machine, "--remove", "prod-a1") == 0 and run(machine, "--uninstall", "prod-a2") == 0
    assert capsys.readouterr().out.splitlines()[-2:] == ["prod-a1: removed", "prod-a2: removed"]
    assert sorted(state(machine)) == ["calist", "pins.conf"]
    assert audit_lines(machine)[-2:] == ["eopeers: prod-a1: removed", "eopeers: prod-a2: removed"]


def refused(machine, capsys, status, message):
    before = state(machine)
    assert (status(), capsys.readouterr().err) == (1, f"eopeers: {message}\n")
    assert state(machine) == before


def test_an_unknown_name_cannot_be_removed(machine, capsys):
    install(machine, package(*A2))
    capsys.readouterr()
    refused(machine, capsys, lambda: run(machine, "--remove", "prod-a2", "prod-a1"), "'prod-a1' is not installed, installed are: prod-a2")


def test_a_fingerprint_that_nobody_confirmed_is_refused_and_noted(machine, capsys):
    text = package(*A2)
    message = (f"prod-a2: the fingerprint was not confirmed: compare it with that machine's people, then give --fingerprint prod-a2={fingerprint(text)}")
    refused(machine, capsys, lambda: run(machine, "--install", "-", stdin=text), message)
    assert audit_lines(machine) == [f"eopeers: refused: {message}"]


def test_a_wrong_fingerprint_is_refused_even_for_what_is_installed(machine, capsys):
    text = package(*A2)
    message = f"prod-a2: the certificate's fingerprint is {fingerprint(text)}, and not {'ab' * 32} as was confirmed"
    refused(machine, capsys, lambda: run(machine, "--install", "-", "--fingerprint", f"prod-a2={'AB:' * 31}AB", stdin=text), message)
    install(machine, text)
    capsys.readouterr()
    refused(machine, capsys, lambda: run(machine, "--install", "-", "--fingerprint", f"prod-a2={'ab ' * 32}", stdin=text), message)


def test_a_fingerprint_of_nobody_in_the_call_is_refused(machine, capsys):
    refused(machine, capsys, lambda: run(machine, "--install", "-", f"--fingerprint=prod-a1={'0' * 64}", stdin=package(*A2)),
            "--fingerprint 'prod-a1': there is no package of that name in this call")


@pytest.mark.parametrize("answer, status", [("yes\n", 0), ("no\n", 1), ("y\n", 1), ("", 1)])
def test_a_person_compares_and_answers_yes(machine, capsys, tmp_path, answer, status):
    text = package(*A2)
    assert run(machine, "--install", written_to(tmp_path, text), stdin=Terminal(answer)) == status
    shown = capsys.readouterr().err
    assert shown.startswith("prod-a2 at 192.168.50.7 shows the fingerprint\n\n  " + "\n  ".join(x509.grouped(fingerprint(text))) + "\n\n")
    assert shown.endswith("Is it the same? (yes/no) " + ("eopeers: prod-a2: the fingerprint was not confirmed\n" if status else ""))


def test_one_name_twice_in_a_call_is_refused(machine, capsys):
    refused(machine, capsys, lambda: run(machine, "--install", "-", stdin=package(*A2) + "\n\n" + package(*A2)), "stdin:3: 'prod-a2' is there twice")


def test_nothing_on_stdin_is_refused(machine, capsys):
    refused(machine, capsys, lambda: run(machine, "--install", "-", stdin="\n"), "stdin: holds no package")


def test_two_authorities_cannot_have_one_certificate(machine, capsys):
    both = pem("prod-a1", "prod-a2")
    refused(machine, capsys, lambda: install(machine, package(*A1, ssl_certificate=both), package(*A2, ssl_certificate=both)),
            "prod-a2: ssl_certificate: is that of prod-a1")


@pytest.mark.parametrize("words", [[], ["--install"], ["--list", "--show-mine"], ["--install", "x", "--fingerprint", "prod-a2=12"],
                                   ["--install", "x", "--fingerprint", "0" * 64]])
def test_wrong_usage_ends_with_2(machine, words, capsys):
    with pytest.raises(SystemExit) as error:
        run(machine, *words)
    assert error.value.code == 2


def test_our_own_package(machine, capsys):
    run(machine, "--show-mine")
    run(machine, "--show-mine", "--private-ip")
    public, private = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert public == {"ssl_certificate": CERTIFICATE, "ip_address": "203.0.113.4", "hostname": "prod-s1", "port": 14453, "version": 1}
    assert private == {**public, "ip_address": "192.168.50.4"}


def test_nginx_that_refuses_the_new_list_leaves_the_old_one(machine, commands, capsys):
    commands.answers["nginx -t"] = (1, "nginx: [emerg] x")
    before = state(machine)
    assert install(machine, package(*A2)) == 1
    assert capsys.readouterr().err.startswith("eopeers: /etc/nginx/nginx.conf: nginx -t -q -c ") and state(machine) == before


def test_nginx_that_does_not_reload_brings_the_old_list_back(machine, commands, capsys, monkeypatch):
    before = peers.current(machine)

    def fail(_, __, wanted, ___):
        if wanted != before:
            raise ApplianceError("nginx: busy")
    monkeypatch.setattr(peers.mutual, "reload", fail)
    refused(machine, capsys, lambda: install(machine, package(*A2)), "nginx: busy")
    assert audit_lines(machine)[-1] == "eopeers: went back to the list before: nginx: busy"


def test_who_left_the_environment_is_removed_by_apply(machine, capsys):
    install(machine, package(*A1), package(*A2))
    change_environment(machine, '  - {name: "prod-a2", role: "authority", private_ip: "192.168.50.7", external: true}\n', "")
    changes = apply.apply(machine, apply.Moment.boot)
    assert "removed peer prod-a2" in changes
    assert list(peers.installed(machine)) == ["prod-a1"]
    assert audit_lines(machine)[-1] == "eopeers: prod-a2: removed, the environment has no such peer any more"


def test_a_list_touched_by_hand_comes_back_with_apply(machine):
    install(machine, package(*A2))
    before = state(machine)
    machine.path(f"{peers.CURRENT}/calist").write_text("")
    apply.apply(machine, apply.Moment.boot)
    assert state(machine) == before


def test_a_damaged_package_is_named_and_never_guessed(machine, capsys):
    install(machine, package(*A2))
    machine.path(f"{peers.CURRENT}/packages/prod-a2.package").write_text("{")
    capsys.readouterr()
    assert run(machine, "--list") == 1
    assert capsys.readouterr().err == "eopeers: /etc/eopeers/prod-a2.package: is no JSON text: Expecting property name enclosed in double quotes\n"


class Killed(BaseException):
    pass


class MortalHost(Host):
    """Dies at the n-th write, link or command, before or in the middle of it, as kill -9 would have it."""

    def __init__(self, host, moment):
        super().__init__(host.root, self._command)
        self.inner, self.left = host, moment

    def _die(self, half=lambda: None):
        self.left -= 1
        if self.left == 0:
            half()
            raise Killed

    def _command(self, argv, **options):
        self._die()
        return self.inner.run(argv, **options)

    def write(self, absolute, content, mode=0o644, owner="root"):
        def torn():
            self.path(absolute).parent.mkdir(parents=True, exist_ok=True)
            (self.path(absolute).parent / f".{self.path(absolute).name}.torn").write_text(content[:len(content) // 2])
        self._die(torn)
        return super().write(absolute, content, mode, owner)

    def link(self, absolute, destination):
        self._die()
        return super().link(absolute, destination)


def test_killed_at_every_write_the_list_is_old_or_new_and_the_next_run_completes(machine, capsys):
    """From one list to the other and back, killed at each step; afterwards one whole run, and nothing is left over."""
    lists = {"old": [A1], "new": [A1, A2]}
    moments = 0
    for moment in range(1, 100):
        run(machine, "--remove", *peers.installed(machine)) if peers.installed(machine) else None
        install(machine, package(*A1))
        old = state(machine)
        try:
            install(MortalHost(machine, moment), package(*A1), package(*A2))
            break
        except Killed:
            moments += 1
        found = state(machine)
        assert found == old or sorted(peers.installed(machine)) == ["prod-a1", "prod-a2"]
        assert found["calist"].count("BEGIN") == 1 + len(peers.installed(machine)) == 1 + sum(
            found["pins.conf"].count(f'"{name}"') for name, _ in lists["new"])
        assert install(machine, package(*A1), package(*A2)) == 0
        assert sorted(peers.installed(machine)) == ["prod-a1", "prod-a2"]
        assert len(list(machine.path(peers.FOLDER).iterdir())) == 2
        assert not [path for path in machine.path(peers.FOLDER).rglob("*.torn")]
    assert moments >= 8


def test_status_warns_of_certificates_that_end_soon(machine):
    install(machine, package(*A2))
    environment, role = apply.load(machine)
    found = peers.facts(machine, role)
    assert list(found["peers"]) == ["prod-a2"] and 398 <= found["peers"]["prod-a2"] <= 400 and peers.alarms(found) == []
    assert peers.alarms({"peers": {"prod-a2": 29, "prod-a1": -1}, "certificate_days": 30}) == [
        "the certificate of prod-a2 ends in 29 days: make a new one and exchange packages",
        "the certificate of prod-a1 has ended: make a new one and exchange packages"]
