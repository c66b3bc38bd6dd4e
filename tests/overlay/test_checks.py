"""The selftest finds what it is for."""
import json
import socket
import ssl
import subprocess
import threading

import pytest
from appliance import apply, checks
from appliance.errors import ApplianceError


@pytest.fixture(autouse=True)
def no_name_server(monkeypatch):
    """Names are as in the machine's own /etc/hosts; nothing is asked outside."""
    def resolve(name, port, *_, **__):
        address = "192.168.50.4" if name == "prod-s1" else name
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]
    monkeypatch.setattr(checks.socket, "getaddrinfo", resolve)


def certificate(folder, names="DNS:prod-s1,DNS:vote.example.org"):
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                    "key-nopass.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=x", "-addext", "basicConstraints=critical,CA:FALSE",
                    "-addext", f"subjectAltName={names}"], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def serve():
    """Starts TLS servers that answer one status to everybody; gives the port."""
    listeners = []

    def start(folder, answer):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "cert.pem", folder / "key-nopass.pem")
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        threading.Thread(target=loop, args=(listener, context, answer), daemon=True).start()
        return listener.getsockname()[1]

    def loop(listener, context, answer):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(connection, server_side=True) as secure:
                    secure.recv(4096)
                    secure.sendall(f"HTTP/1.1 {answer} x\r\nContent-Length: 0\r\n\r\n".encode())
            except OSError:
                continue

    yield start
    for listener in listeners:
        listener.close()


@pytest.mark.parametrize("answer", [200, 503])
def test_https_with_our_certificate_passes(host, serve, answer):
    port = serve(certificate(host.path("/srv/certs/selfsigned")), answer)
    checks.https(host, apply.load(host)[0], port=port)


def test_https_with_another_certificate_of_the_same_names_does_not(host, serve, tmp_path):
    certificate(host.path("/srv/certs/selfsigned"))
    port = serve(certificate(tmp_path / "other"), 200)
    with pytest.raises(ssl.SSLCertVerificationError):
        checks.https(host, apply.load(host)[0], port=port)


def test_https_with_a_certificate_of_another_name_does_not(host, serve):
    port = serve(certificate(host.path("/srv/certs/selfsigned"), "DNS:prod-s1"), 200)
    with pytest.raises(ssl.SSLCertVerificationError, match="vote.example.org"):
        checks.https(host, apply.load(host)[0], port=port)


def test_https_that_answers_something_else_is_named(host, serve):
    port = serve(certificate(host.path("/srv/certs/selfsigned")), 404)
    with pytest.raises(ApplianceError) as error:
        checks.https(host, apply.load(host)[0], port=port)
    assert str(error.value) == "https://vote.example.org/status answers 404"


def chains(**policies):
    return json.dumps({"nftables": [{"metainfo": {}}] + [{"chain": {"name": n, "policy": p}} for n, p in policies.items()]})


def test_a_firewall_that_drops_passes(host, commands):
    commands.answers["nft -j"] = (0, chains(input="drop", forward="drop"))
    checks.firewall(host)


def test_an_open_firewall_is_named(host, commands):
    commands.answers["nft -j"] = (0, chains(input="accept", forward="drop"))
    with pytest.raises(ApplianceError) as error:
        checks.firewall(host)
    assert str(error.value) == "chain input has policy accept, must be drop"


def test_a_missing_firewall_is_named(host, commands):
    commands.answers["nft -j"] = (1, "No such file or directory")
    with pytest.raises(ApplianceError, match="No such file or directory"):
        checks.firewall(host)


def test_a_key_that_others_may_read_is_named(host):
    host.path("/etc/appliance/env.yml").chmod(0o600)
    host.path("/srv/certs/selfsigned/key-nopass.pem").chmod(0o640)
    with pytest.raises(ApplianceError) as error:
        checks.private(host)
    assert str(error.value) == "/srv/certs/selfsigned/key-nopass.pem: has mode 0640, must be 0600"


def test_a_database_that_takes_any_password_is_named(host, commands):
    commands.answers["/usr/lib/postgresql/15/bin/psql"] = (0, "15.8|UTF8\n")
    with pytest.raises(ApplianceError) as error:
        checks.refuses(host, "iam")
    assert str(error.value) == "takes any password"


def test_a_closed_port_is_a_problem_and_not_a_crash():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert "refused" in checks._problem(lambda: checks.connects(port))


def test_a_machine_where_nothing_works_gets_a_full_list(host, commands):
    commands.answers["systemctl is-active"] = (3, "inactive\n")
    commands.answers["nft -j"] = (1, "none")
    results = {result.name: result.problem for result in checks.run(host, *apply.load(host))}
    assert results["unit nginx.service is active"] == "is inactive"
    assert len(results) == 24


def test_a_name_with_another_address_is_named(host, monkeypatch):
    monkeypatch.setattr(checks.socket, "getaddrinfo", lambda *_: [(2, 1, 6, "", ("127.0.1.1", 0)), (2, 1, 6, "", ("192.168.50.4", 0))])
    with pytest.raises(ApplianceError) as error:
        checks.own_name(apply.load(host)[0])
    assert str(error.value) == "'prod-s1' is 127.0.1.1, 192.168.50.4, must be 192.168.50.4 alone"


def test_every_check_of_the_role_runs(host):
    names = [result.name for result in checks.run(host, *apply.load(host))]
    assert [name for name in names if name.startswith("port ")] == [f"port {p} answers" for p in (22, 80, 443, 5432, 11211, 14443, 14453)]
