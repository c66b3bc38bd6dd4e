"""`imgbuild peers`: four machines in folders, behind a fake ssh that runs a faithful `eopeers` (fake/ssh)."""
import hashlib
import json
import os
import pathlib
import pty
import shutil
import signal
import ssl
import subprocess
import time

import pytest

import imgbuild_program as imgbuild

PROGRAM = imgbuild.BUILD / "imgbuild"
FAKE = pathlib.Path(__file__).resolve().parent / "fake"
ADDRESSES = {"prod-s1": "192.168.50.4", "prod-s2": "192.168.50.5", "prod-a1": "192.168.50.6", "prod-a2": "192.168.50.7"}
WEB, AUTHORITIES = ("prod-s1", "prod-s2"), ("prod-a1", "prod-a2")

ENVIRONMENT = """version: 1
deployment: prod
domain: vote.example.org
base: bootstrap
ssh_authorized_keys: []
network: {internal: 192.168.50.0/24, ops: [192.168.50.1/32]}
machines:
  - {name: prod-s1, role: web-master, private_ip: 192.168.50.4, public_ip: 203.0.113.4}
  - {name: prod-s2, role: web-slave, private_ip: 192.168.50.5}
  - {name: prod-a1, role: authority, private_ip: 192.168.50.6, director: true}
  - {name: prod-a2, role: authority, private_ip: 192.168.50.7, keys: machine}
"""


def make_certificate(*names, days="30"):
    """A self-signed leaf in PEM form."""
    san = ",".join(f"DNS:{name}" for name in names)
    done = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                           "/dev/null", "-days", days, "-subj", f"/CN={names[0]}", "-addext", "basicConstraints=critical,CA:FALSE",
                           "-addext", f"subjectAltName={san}"], check=True, capture_output=True, text=True)
    return done.stdout


def fingerprint(pem):
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


@pytest.fixture(scope="session")
def seeded(tmp_path_factory):
    """An environment file whose seeds were made, and the machines started with them."""
    folder = tmp_path_factory.mktemp("peers")
    (folder / "prod.yml").write_text(ENVIRONMENT)
    subprocess.run([PROGRAM, "seed", "--env", folder / "prod.yml", "-o", folder / "out"], check=True, stdin=subprocess.DEVNULL,
                   env=imgbuild.environment(IMGBUILD_ROOT=imgbuild.ROOT), capture_output=True)
    vault = folder / "prod.vault"
    certificates = {name: (vault / "shared/web/tls.crt").read_text() for name in WEB}
    certificates["prod-a1"] = (vault / "machines/prod-a1/tls.crt").read_text()
    certificates["prod-a2"] = make_certificate("prod-a2", "vote.example.org")
    for name, address in ADDRESSES.items():
        machine = folder / "machines" / name
        (machine / "peers").mkdir(parents=True)
        (machine / "address").write_text(address)
        (machine / "host_key").write_text(" ".join((vault / f"machines/{name}/ssh_host_ed25519_key.pub").read_text().split()[:2]))
        (machine / "package").write_text(json.dumps({"ssl_certificate": certificates[name], "ip_address": address, "hostname": name,
                                                     "port": 14453 if name in WEB else 5000, "version": 1}))
    (folder / "machines/mallory.pem").write_text(make_certificate("prod-s1", "prod-s2", "vote.example.org"))
    return folder


class Deployment:
    def __init__(self, folder):
        self.folder = folder
        self.env = folder / "prod.yml"
        self.machines = folder / "machines"
        self.fingerprints = folder / "fingerprints"
        self.write_fingerprints()

    def package(self, name):
        return json.loads((self.machines / name / "package").read_text())

    def fingerprint(self, name):
        return fingerprint(self.package(name)["ssl_certificate"])

    def change_package(self, name, **changes):
        (self.machines / name / "package").write_text(json.dumps({**self.package(name), **changes}))

    def set_mode(self, name, mode):
        (self.machines / name / "mode").write_text(mode)

    def write_fingerprints(self, **changes):
        known = {name: self.fingerprint(name) for name in ADDRESSES} | {key.replace("_", "-"): value for key, value in changes.items()}
        self.fingerprints.write_text("# read to us by telephone\n\n" + "".join(f"{name} {value}\n" for name, value in known.items()))

    def installed(self, name):
        return sorted(path.stem for path in (self.machines / name / "peers").iterdir())

    def calls(self):
        log = self.machines / "log"
        return log.read_text().splitlines() if log.exists() else []

    def command(self, *arguments):
        return [str(PROGRAM), "peers", arguments[0], "--env", str(self.env), *map(str, arguments[1:])]

    def environment(self):
        return imgbuild.environment(IMGBUILD_ROOT=imgbuild.ROOT, FAKE_MACHINES=self.machines, TMPDIR=self.folder,
                                    PATH=f"{FAKE}:{os.environ['PATH']}")

    def run(self, *arguments):
        return subprocess.run(self.command(*arguments), capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              env=self.environment(), timeout=60)

    def exchange(self, *arguments):
        return self.run("exchange", "--yes", "--fingerprints", self.fingerprints, *arguments)

    def make_external(self):
        self.env.write_text(ENVIRONMENT.replace("keys: machine", "external: true"))


@pytest.fixture
def deployment(seeded, tmp_path):
    shutil.copytree(seeded, tmp_path / "d", ignore=shutil.ignore_patterns("out"))
    return Deployment(tmp_path / "d")


def error_lines(result):
    """What was wrong: the lines from "imgbuild:" on."""
    return ("imgbuild: " + result.stderr.split("imgbuild: ", 1)[1]).splitlines()


def links(result):
    return {(link["from"], link["to"]): (link["port"], link["verdict"], link["problem"]) for link in json.loads(result.stdout)["links"]}


ALL_LINKS = {(a, b): (14453 if b in WEB else 5000) for a in ADDRESSES for b in ADDRESSES
             if a != b and (a in AUTHORITIES or b in AUTHORITIES)}
MATRIX = {"prod-s1": ["prod-a1", "prod-a2"], "prod-s2": ["prod-a1", "prod-a2"],
          "prod-a1": ["prod-a2", "prod-s1", "prod-s2"], "prod-a2": ["prod-a1", "prod-s1", "prod-s2"]}


def assert_complete(deployment):
    assert {name: deployment.installed(name) for name in ADDRESSES} == MATRIX


def grouped(digits):
    groups = [digits.upper()[i:i + 4] for i in range(0, 64, 4)]
    return f"    {' '.join(groups[:8])}\n    {' '.join(groups[8:])}\n"


def test_show_prints_what_two_people_read_to_each_other(deployment):
    result = deployment.run("show")
    roles = dict(zip(ADDRESSES, ("web-master", "web-slave", "authority", "authority")))
    assert result.stdout == "".join(f"{name}  {roles[name]}  {ADDRESSES[name]}\n{grouped(deployment.fingerprint(name))}" for name in ADDRESSES)
    assert result.returncode == 0, result.stderr


def test_show_writes_packages_that_others_may_read(deployment):
    result = deployment.run("show", "--write", deployment.folder / "pkg")
    assert result.returncode == 0, result.stderr
    assert sorted(path.name for path in (deployment.folder / "pkg").iterdir()) == [f"{name}.pkg" for name in sorted(ADDRESSES)]
    path = deployment.folder / "pkg/prod-a2.pkg"
    assert path.stat().st_mode & 0o777 == 0o644 and json.loads(path.read_text()) == deployment.package("prod-a2")


def test_show_says_who_did_not_answer_and_shows_the_others(deployment):
    deployment.set_mode("prod-a2", "unreachable")
    result = deployment.run("show", "--json")
    assert result.returncode == 7
    assert error_lines(result) == ["imgbuild: prod-a2: cannot be asked: ssh: connect to host 192.168.50.7 port 22: Connection timed out"]
    assert [peer["fingerprint"] for peer in json.loads(result.stdout)["peers"]] == [
        *(deployment.fingerprint(name) for name in ("prod-s1", "prod-s2", "prod-a1")), None]


def test_exchange_installs_the_matrix_in_one_call_each_and_proves_every_link(deployment):
    result = deployment.exchange("--json")
    assert result.returncode == 0, result.stderr
    assert links(result) == {link: (port, "proven", "") for link, port in ALL_LINKS.items()}
    assert_complete(deployment)
    assert sorted(call.split()[0] for call in deployment.calls() if "--install" in call) == sorted(ADDRESSES)
    assert {"on": "prod-a1", "new": ["prod-s1", "prod-s2", "prod-a2"], "problem": ""} in json.loads(result.stdout)["installed"]


def test_exchange_prints_a_table_of_links(deployment):
    lines = deployment.exchange().stdout.splitlines()
    assert lines[:2] == ["from     to       port   verdict", "prod-s1  prod-a1  5000   proven"]
    assert "prod-a2  prod-s2  14453  proven" in lines and len(lines) == 1 + len(ALL_LINKS)


def test_exchange_again_has_nothing_to_do_and_says_so(deployment):
    deployment.exchange()
    before = len([call for call in deployment.calls() if "--install" in call])
    result = deployment.exchange()
    assert result.returncode == 0 and "nothing to install: every machine that answers has its packages" in result.stderr
    assert len([call for call in deployment.calls() if "--install" in call]) == before


def test_the_keystore_is_for_web_machines(deployment):
    assert deployment.exchange("--keystore", "/home/ballotbox/keystore.jks").returncode == 0
    found = {name: (deployment.machines / name / "keystore").exists() for name in ADDRESSES}
    assert found == {"prod-s1": True, "prod-s2": True, "prod-a1": False, "prod-a2": False}


def test_a_keystore_that_a_shell_would_read_otherwise_is_a_usage_error(deployment):
    result = deployment.exchange("--keystore", "/home/$(reboot)")
    assert result.returncode == 2 and deployment.calls() == []
    assert error_lines(result)[0] == "imgbuild: --keystore: must be an absolute path of letters, digits and -_./"


def test_a_machine_that_is_off_is_done_the_next_time(deployment):
    deployment.set_mode("prod-a2", "unreachable")
    result = deployment.exchange("--json")
    assert result.returncode == 7
    assert error_lines(result) == [
        "imgbuild: prod-a2: cannot be asked: ssh: connect to host 192.168.50.7 port 22: Connection timed out",
        "6 of 10 links could not be tried", f"hint: afterwards run again: imgbuild peers exchange --env {deployment.env}"]
    assert {link: verdict for link, (_, verdict, _) in links(result).items()} == {
        link: "not tried" if "prod-a2" in link else "proven" for link in ALL_LINKS}
    (deployment.machines / "prod-a2/mode").unlink()
    again = deployment.exchange("--json")
    assert again.returncode == 0, again.stderr
    assert_complete(deployment)


def test_killed_half_way_it_is_completed_by_the_next_run(deployment):
    deployment.set_mode("prod-a1", "slow")
    running = subprocess.Popen(deployment.command("exchange", "--yes", "--fingerprints", deployment.fingerprints),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=deployment.environment())
    deadline = time.monotonic() + 30
    while deployment.installed("prod-a2") != MATRIX["prod-a2"] and time.monotonic() < deadline:
        time.sleep(0.05)
    running.kill()
    running.wait()
    assert deployment.installed("prod-a1") == [] and deployment.installed("prod-a2") == MATRIX["prod-a2"]
    (deployment.machines / "prod-a1/mode").unlink()
    result = deployment.exchange("--json")
    assert result.returncode == 0, result.stderr
    assert_complete(deployment)


def test_interrupted_it_ends_at_once_and_leaves_nothing_behind(deployment):
    deployment.set_mode("prod-a1", "slow")
    running = subprocess.Popen(deployment.command("exchange", "--yes", "--fingerprints", deployment.fingerprints),
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL, env=deployment.environment())
    while not any(call.startswith("prod-a1") and "--install" in call for call in deployment.calls()):
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=20)
    assert running.returncode == 130 and "interrupted" in errors
    assert [path.name for path in deployment.folder.iterdir() if "imgbuild-peers" in path.name] == []


def test_a_certificate_that_is_not_the_vaults_stops_everything(deployment):
    deployment.change_package("prod-a1", ssl_certificate=make_certificate("prod-a1", "vote.example.org"))
    deployment.write_fingerprints()
    result = deployment.exchange()
    held = fingerprint((deployment.folder / "prod.vault/machines/prod-a1/tls.crt").read_text())
    assert (result.returncode, result.stdout) == (4, "")
    assert error_lines(result) == [f"imgbuild: prod-a1: shows a certificate with fingerprint {deployment.fingerprint('prod-a1')}, "
                                   f"but the vault holds {held} for it"]
    assert not any("--install" in call for call in deployment.calls())


def test_a_fingerprint_that_differs_stops_everything(deployment):
    deployment.write_fingerprints(prod_a2="ab" * 32)
    result = deployment.exchange()
    assert (result.returncode, result.stdout) == (4, "")
    assert error_lines(result) == [f"imgbuild: prod-a2: shows a certificate with fingerprint {deployment.fingerprint('prod-a2')}, "
                                   f"but '{deployment.fingerprints}' says {'ab' * 32}", "hint: nothing was installed"]
    assert not any("--install" in call for call in deployment.calls())


def test_a_missing_fingerprint_stops_everything(deployment):
    deployment.fingerprints.write_text(f"prod-s1 {deployment.fingerprint('prod-s1')}\n")
    result = deployment.exchange()
    assert result.returncode == 4 and error_lines(result) == [
        *(f"{start}{name}: '{deployment.fingerprints}' has no fingerprint of it"
          for start, name in (("imgbuild: ", "prod-s2"), ("", "prod-a1"), ("", "prod-a2"))), "hint: nothing was installed"]


def test_without_terminal_and_fingerprints_nobody_is_asked(deployment):
    result = deployment.run("exchange")
    assert (result.returncode, deployment.calls()) == (2, [])
    assert error_lines(result) == ["imgbuild: there is no terminal to confirm the fingerprints on: say --yes --fingerprints FILE"]


def test_yes_alone_is_a_usage_error(deployment):
    result = deployment.run("exchange", "--yes")
    assert (result.returncode, deployment.calls()) == (2, [])


def ask_on_terminal(deployment, answer):
    leader, follower = pty.openpty()
    running = subprocess.Popen(deployment.command("exchange"), stdin=follower, stderr=follower, stdout=subprocess.PIPE, text=True,
                               env=deployment.environment(), close_fds=True)
    os.close(follower)
    said = ""
    while "[y/N]" not in said:
        said += os.read(leader, 4096).decode(errors="replace")
    os.write(leader, answer)
    out = running.stdout.read()
    said += os.read(leader, 65536).decode(errors="replace")
    running.wait(30)
    os.close(leader)
    return running.returncode, out, said.replace("\r", "")


def test_on_a_terminal_the_whole_list_is_confirmed_once(deployment):
    status, out, said = ask_on_terminal(deployment, b"y\n")
    assert status == 0 and out.count("proven") == len(ALL_LINKS)
    for name in ADDRESSES:
        assert grouped(deployment.fingerprint(name)) in said
    assert said.count("Have the owners of these 4 machines read the same fingerprints to you? [y/N]") == 1
    assert_complete(deployment)


def test_on_a_terminal_anything_but_yes_installs_nothing(deployment):
    status, out, _ = ask_on_terminal(deployment, b"\n")
    assert (status, out) == (4, "")
    assert {name: deployment.installed(name) for name in ADDRESSES} == {name: [] for name in ADDRESSES}


def test_packages_changed_on_their_way_in_are_refused_by_the_machine(deployment):
    deployment.set_mode("prod-a1", "tampered")
    result = deployment.exchange("--json")
    assert result.returncode == 4
    assert error_lines(result)[0] == ("imgbuild: prod-a1: did not install its packages: eopeers: prod-s1: the certificate's fingerprint "
                                      "is not the one given")
    assert deployment.installed("prod-a1") == [] and deployment.installed("prod-s1") == MATRIX["prod-s1"]
    assert links(result)[("prod-a1", "prod-s1")] == (14453, "failed", "prod-a1 has not installed the package of prod-s1")


def test_a_machine_that_refuses_does_not_stop_the_others(deployment):
    deployment.set_mode("prod-s2", "refuses")
    result = deployment.exchange("--json")
    assert result.returncode == 4
    assert error_lines(result)[:2] == ["imgbuild: prod-s2: did not install its packages: eopeers: /srv/certs/selfsigned/calist: nginx does not take it",
                                       "4 of 10 links failed"]
    assert deployment.installed("prod-a1") == MATRIX["prod-a1"]


def test_a_machine_that_says_it_is_another_is_refused(deployment):
    package = deployment.package("prod-a1")
    (deployment.machines / "prod-a1/package").write_text(json.dumps(deployment.package("prod-a2")))
    (deployment.machines / "prod-a2/package").write_text(json.dumps(package))
    result = deployment.exchange()
    assert result.returncode == 4 and error_lines(result) == ["imgbuild: prod-a1: hostname: must be 'prod-a1', is 'prod-a2'",
                                                              "prod-a2: hostname: must be 'prod-a2', is 'prod-a1'"]


def test_a_machine_that_shows_the_certificate_of_another_is_refused(deployment):
    pem = make_certificate("prod-a2", "prod-s1")
    deployment.change_package("prod-a2", ssl_certificate=pem)
    shutil.rmtree(deployment.folder / "prod.vault/shared")   # nothing to compare the web machines with
    for name in WEB:
        deployment.change_package(name, ssl_certificate=make_certificate("prod-a2", *WEB))
    deployment.change_package("prod-a2", ssl_certificate=deployment.package("prod-s2")["ssl_certificate"])
    result = deployment.run("show")
    assert result.returncode == 4 and error_lines(result) == ["imgbuild: prod-a2: shows the same certificate as 'prod-s2'"]


def test_another_host_key_stops_everything(deployment):
    (deployment.machines / "prod-s1/host_key").write_text((deployment.machines / "prod-s2/host_key").read_text())
    result = deployment.exchange()
    assert result.returncode == 4 and not any("--install" in call for call in deployment.calls())
    assert error_lines(result) == ["imgbuild: prod-s1: its ssh host key is not the one in the vault"]


def test_endless_output_is_cut_off(deployment):
    deployment.set_mode("prod-a2", "endless")
    result = deployment.run("show")
    assert result.returncode == 4 and error_lines(result) == ["imgbuild: prod-a2: said more than 1 MiB"]


def test_control_characters_of_a_machine_are_not_printed(deployment):
    deployment.set_mode("prod-a2", "control")
    result = deployment.run("show")
    assert result.returncode == 7 and error_lines(result) == ["imgbuild: prod-a2: cannot be asked: eopeers: ?[2J? owned ???"]


def test_a_list_that_is_no_json_is_refused(deployment):
    deployment.set_mode("prod-a2", "nonsense")
    result = deployment.run("verify")
    assert result.returncode == 4 and error_lines(result) == ["imgbuild: prod-a2: is no JSON text, from byte 4 on"]


def test_verify_is_content_after_an_exchange(deployment):
    deployment.exchange()
    result = deployment.run("verify", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["differences"] == []


def test_verify_names_every_difference(deployment):
    deployment.exchange()
    deployment.change_package("prod-a2", ssl_certificate=make_certificate("prod-a2"))
    (deployment.machines / "prod-s2/peers/prod-a1.package").unlink()
    shutil.copy(deployment.machines / "prod-a1/peers/prod-s1.package", deployment.machines / "prod-s1/peers/prod-s2.package")
    result = deployment.run("verify", "--json")
    assert result.returncode == 4
    assert json.loads(result.stdout)["differences"] == [
        "prod-s1: has installed another certificate of 'prod-a2' than that shows",
        "prod-s1: has installed a package of 'prod-s2', with which it exchanges none",
        "prod-s2: has not installed the package of 'prod-a1'",
        "prod-s2: has installed another certificate of 'prod-a2' than that shows",
        "prod-a1: has installed another certificate of 'prod-a2' than that shows"]
    assert links(result)[("prod-s1", "prod-a2")] == (5000, "failed", "shows another certificate?[31m")
    assert links(result)[("prod-a1", "prod-s2")] == (14453, "failed", "answered 400")


def test_verify_changes_nothing(deployment):
    deployment.run("verify")
    assert not any("--install" in call for call in deployment.calls())


def test_an_external_machine_is_left_alone_and_its_owner_gets_files(deployment):
    deployment.make_external()
    package = deployment.folder / "from-a2.pkg"
    package.write_text(json.dumps(deployment.package("prod-a2")))
    result = deployment.exchange("--package", package, "--write", deployment.folder / "to", "--json")
    assert not any(call.startswith("prod-a2") for call in deployment.calls())
    assert deployment.installed("prod-a1") == MATRIX["prod-a1"] and deployment.installed("prod-a2") == []
    assert result.returncode == 4 and links(result)[("prod-a2", "prod-a1")] == (5000, "not tried", "we can't log in to prod-a2")
    assert links(result)[("prod-a1", "prod-a2")] == (5000, "failed", "answered 400")
    text = (deployment.folder / "to/prod-a2.txt").read_text()
    assert "sudo eopeers --install prod-s1.pkg prod-s2.pkg prod-a1.pkg\n" in text and "Still to come" not in text
    assert json.loads((deployment.folder / "to/prod-a1.pkg").read_text()) == deployment.package("prod-a1")


def test_an_external_machine_without_package_is_said(deployment):
    deployment.make_external()
    result = deployment.exchange()
    assert result.returncode == 7
    assert error_lines(result)[:2] == ["imgbuild: prod-a2: is external, and its package is missing: say --package FILE, or --external to ask it",
                                       "6 of 10 links could not be tried"]
    assert deployment.installed("prod-s1") == ["prod-a1"]


def test_an_external_machine_is_asked_if_one_says_so_with_ones_own_known_hosts(deployment):
    deployment.make_external()
    refused = deployment.exchange("--external")
    assert refused.returncode == 4
    assert error_lines(refused) == ["imgbuild: prod-a2: its ssh host key is not the one in your known_hosts, or none is there"]
    (deployment.machines / "users-known-hosts").write_text(f"192.168.50.7 {(deployment.machines / 'prod-a2/host_key').read_text()}\n")
    result = deployment.exchange("--external")
    assert result.returncode == 0, result.stderr
    assert_complete(deployment)


def test_a_package_file_of_a_stranger_is_refused_before_anybody_is_asked(deployment):
    path = deployment.folder / "x.pkg"
    path.write_text(json.dumps({**deployment.package("prod-a2"), "hostname": "prod-a3"}))
    result = deployment.exchange("--package", path)
    assert (result.returncode, deployment.calls()) == (3, [])
    assert error_lines(result) == [f"imgbuild: {path}: hostname: there is no machine 'prod-a3' in '{deployment.env}', did you mean 'prod-a1'?"]


def test_a_package_file_must_be_what_the_machine_shows(deployment):
    path = deployment.folder / "x.pkg"
    path.write_text(json.dumps({**deployment.package("prod-a2"), "ssl_certificate": make_certificate("prod-a2")}))
    result = deployment.exchange("--package", path)
    assert result.returncode == 4
    assert error_lines(result) == ["imgbuild: prod-a2: shows another certificate than its package that was given as a file"]


def test_an_ssh_configuration_says_how_machines_are_reached(deployment):
    config = deployment.folder / "ssh_config"
    config.write_text("".join(f"Host {name}\n  HostName 127.0.0.1\n" for name in ADDRESSES))
    result = deployment.exchange("--ssh-config", config)
    assert result.returncode == 0, result.stderr


def test_public_addresses_are_used_where_there_are_any(deployment):
    (deployment.machines / "prod-s1/address").write_text("203.0.113.4")
    assert deployment.exchange().returncode == 7
    assert deployment.exchange("--address", "public").returncode == 0


def test_a_vault_without_the_host_key_is_said_before_anybody_is_asked(deployment):
    shutil.rmtree(deployment.folder / "prod.vault")
    result = deployment.run("show")
    assert (result.returncode, deployment.calls()) == (3, [])
    assert error_lines(result) == [
        f"imgbuild: {deployment.folder}/prod.vault: holds no ssh host key of 'prod-s1'",
        "hint: imgbuild seed makes it, and the machine must be started with that seed; a machine that somebody else builds is 'external: true'"]
    assert not (deployment.folder / "prod.vault").exists()


def test_nothing_in_the_vault_changes(deployment):
    vault = deployment.folder / "prod.vault"
    before = {str(path): path.stat().st_mtime_ns for path in vault.rglob("*")}
    deployment.exchange()
    assert {str(path): path.stat().st_mtime_ns for path in vault.rglob("*")} == before
