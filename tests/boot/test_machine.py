"""One machine of the built image, for real: ready, reachable, closed, and still so after a reboot."""
import base64
import json
import pathlib
import signal
import subprocess
import time

import pytest

import imgbuild_program as imgbuild


class Appliance:
    def __init__(self, built, folder):
        self.built = built
        self.disk = folder / "disk.qcow2"
        self.machine = imgbuild.BootedMachine(folder, built.image, "--seed", built.seed, "--disk", self.disk)
        self.report = self.machine.report
        self.known_hosts = folder / "known_hosts"
        host_key = (built.vault / "machines" / "demo-s1" / "ssh_host_ed25519_key.pub").read_text().split()[:2]
        self.known_hosts.write_text(f"[127.0.0.1]:{self.report['ssh_port']} {' '.join(host_key)}\n")

    def ssh(self, command, user="ops", input=None, check=True):
        """Runs a shell command in the machine, its host key checked against the vault's."""
        result = subprocess.run(["ssh", "-F", "none", "-i", self.built.key, "-p", str(self.report["ssh_port"]), "-o", "BatchMode=yes",
                                 "-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={self.known_hosts}",
                                 "-o", "ConnectTimeout=20", f"{user}@127.0.0.1", command],
                                input=input, capture_output=True, text=True, timeout=120)
        if check:
            assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
        return result

    def https(self, path, *options):
        """A request verified against the vault's certificate and the deployment's domain."""
        certificate = self.built.vault / "shared" / "web" / "tls.crt"
        port = self.report["https_port"]
        return subprocess.run(["curl", "-sS", "-i", "--noproxy", "*", "--max-time", "30", "--cacert", certificate, "--resolve",
                               f"{imgbuild.DOMAIN}:{port}:127.0.0.1", *options, f"https://{imgbuild.DOMAIN}:{port}{path}"],
                              capture_output=True, text=True)

    def password(self, setting):
        return (self.built.vault / "passwords" / setting).read_text().strip()


@pytest.fixture(scope="module")
def appliance(built, tmp_path_factory):
    appliance = Appliance(built, tmp_path_factory.mktemp("machine"))
    yield appliance
    qemu = imgbuild.children_of(appliance.machine.process.pid)
    assert appliance.machine.stop() in (0, 130, 143)
    assert [child for child in qemu if pathlib.Path(f"/proc/{child[0]}").exists()] == []
    built.ran = appliance.disk


def test_the_ready_line_names_role_and_plan(appliance):
    manifest = json.loads(appliance.built.manifest.read_text())
    assert (appliance.report["name"], appliance.report["role"]) == ("demo-s1", "web-master")
    assert appliance.report["plan"] == manifest["plan"]


def test_https_is_verified_and_status_tells_the_truth(appliance):
    answer = appliance.https("/status")
    assert answer.returncode == 0, answer.stderr
    head, _, body = answer.stdout.replace("\r", "").partition("\n\n")
    assert " 200" in head.splitlines()[0]
    status = json.loads(body)
    assert (status["role"], status["ready"]) == ("web-master", True)
    assert status["plan"] == appliance.report["plan"]
    assert {"version", "units", "database"} <= status.keys()
    assert " 200" in appliance.https("/").stdout.splitlines()[0]


def test_http_redirects_to_https(appliance):
    answer = subprocess.run(["curl", "-sS", "-i", "--noproxy", "*", "--max-time", "30", "-H", f"Host: {imgbuild.DOMAIN}",
                             f"http://127.0.0.1:{appliance.report['http_port']}/x"], capture_output=True, text=True)
    assert " 301" in answer.stdout.splitlines()[0], answer
    assert f"https://{imgbuild.DOMAIN}/x" in answer.stdout


def test_old_tls_is_refused(appliance):
    answer = appliance.https("/", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0")
    assert answer.returncode != 0


@pytest.mark.parametrize("name", ["ballot_box", "iam"])
def test_the_database_takes_the_vault_password_and_no_other(appliance, name):
    command = f"bash -c 'umask 077; cat > /tmp/pass; PGPASSFILE=/tmp/pass psql -w -h 127.0.0.1 -U {name} -d {name} -Atc \"select current_user\"; status=$?; rm /tmp/pass; exit $status'"
    good = appliance.ssh(command, input=f"*:*:*:*:{appliance.password(name + '_database_password')}\n")
    assert good.stdout.strip() == name
    bad = appliance.ssh(command, input="*:*:*:*:wrong\n", check=False)
    assert bad.returncode != 0 and "password authentication failed" in bad.stderr


def test_passwords_are_stored_as_scram(appliance):
    stored = appliance.ssh("cd / && sudo -u postgres psql -Atc \"select rolname, left(rolpassword, 14) from pg_authid where rolname in ('ballot_box','iam') order by 1\"")
    assert stored.stdout.split() == ["ballot_box|SCRAM-SHA-256$", "iam|SCRAM-SHA-256$"]


def test_names_and_zone_come_from_the_environment(appliance):
    assert appliance.ssh("hostname").stdout.strip() == "demo-s1"
    assert appliance.ssh("readlink -f /etc/localtime").stdout.strip() == "/usr/share/zoneinfo/Europe/Vienna"
    assert appliance.ssh("grep -v '^#' /etc/hosts | grep 127.0.1.1", check=False).stdout == ""
    assert appliance.ssh(f"getent hosts {imgbuild.DOMAIN}").stdout.split()[0] == "10.0.2.15"


def test_only_the_operator_key_logs_in(appliance, tmp_path):
    assert appliance.ssh("sudo id -u").stdout.strip() == "0"
    assert appliance.ssh("true", user="root", check=False).returncode == 255
    stranger, _ = imgbuild.make_ssh_key(tmp_path)
    original, appliance.built.key = appliance.built.key, stranger
    try:
        assert appliance.ssh("true", check=False).returncode == 255
    finally:
        appliance.built.key = original


def test_the_firewall_drops_by_default(appliance):
    rules = appliance.ssh("sudo nft list ruleset").stdout
    assert "hook input" in rules and "policy drop" in rules
    listeners = appliance.ssh("sudo ss -Hltn").stdout
    everywhere = {line.split()[3].rpartition(":")[2] for line in listeners.splitlines()
                  if not line.split()[3].startswith(("127.", "[::1]"))}
    assert everywhere <= {"22", "80", "443", "14453"}, listeners  # 14453: for authorities, behind the firewall


def test_no_unprivileged_account_reads_a_secret(appliance):
    script = """
for user in nobody www-data postgres daemon; do
  for file in /dev/sr0 /dev/disk/by-label/cidata /etc/appliance/env.yml /srv/certs/selfsigned/key-nopass.pem \
      /run/cloud-init/instance-data-sensitive.json /var/lib/cloud/instance/user-data.txt; do
    if sudo -u $user head -c 64 $file >/dev/null 2>&1; then echo "$user reads $file"; fi
  done
done"""
    assert appliance.ssh("bash -s", input=script).stdout == ""


def test_secrets_are_only_where_declared(appliance):
    secrets = [appliance.password("ballot_box_database_password"), appliance.password("iam_database_password")]
    patterns = "\n".join(secrets + [base64.b64encode(s.encode()).decode().rstrip("=") for s in secrets]) + "\n"
    found = appliance.ssh("sudo bash -c 'umask 077; cat > /root/p; grep -rlFf /root/p /etc /var /home /root /run /opt /srv /tmp 2>/dev/null "
                          "| grep -v ^/root/p$; rm /root/p'", input=patterns, check=False).stdout.split()
    assert found == ["/etc/appliance/env.yml"]


def test_cloud_init_is_closed_and_the_seed_is_scrubbed(appliance):
    assert appliance.ssh("test -e /etc/cloud/cloud-init.disabled && echo closed").stdout.strip() == "closed"
    copies = appliance.ssh("sudo find /var/lib/cloud /run/cloud-init -name 'user-data*' -o -name 'cloud-config.txt' -o -name obj.pkl "
                           "-o -name 'instance-data*sensitive*' | xargs -r sudo wc -c").stdout
    assert all(line.split()[0] == "0" for line in copies.splitlines()), copies
    assert appliance.ssh("id -nG debian 2>/dev/null || true").stdout.find("cdrom") == -1


def test_every_clone_gets_its_own_identity(appliance):
    assert len(appliance.ssh("cat /etc/machine-id").stdout.strip()) == 32
    keys = appliance.ssh("ls /etc/ssh/ssh_host_*_key").stdout.split()
    assert keys == ["/etc/ssh/ssh_host_ed25519_key"]


def test_no_unit_failed(appliance):
    assert appliance.ssh("systemctl --failed --no-legend --plain").stdout.strip() == ""


def test_applying_again_changes_nothing_and_says_so(appliance):
    result = appliance.ssh("sudo appliance apply")
    assert "nothing changed" in result.stdout.lower() + result.stderr.lower()


def test_the_selftest_passes(appliance):
    appliance.ssh("sudo appliance selftest")


def test_user_data_pleases_cloud_init_itself(appliance, built, tmp_path):
    subprocess.run(["bash", "-c", "isoinfo -R -i \"$1\" -x /user-data > \"$2\"", "-", built.seed, tmp_path / "user-data"], check=True)
    checked = appliance.ssh("sudo bash -c 'umask 077; cat > /root/u; cloud-init schema --config-file /root/u; status=$?; rm /root/u; exit $status'",
                            input=(tmp_path / "user-data").read_text(), check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "Valid" in checked.stdout + checked.stderr


def test_a_reboot_stays_ready(appliance):
    before = appliance.ssh("cat /proc/sys/kernel/random/boot_id").stdout
    appliance.ssh("sudo systemctl reboot", check=False)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        time.sleep(3)
        answer = appliance.https("/status")
        if answer.returncode == 0 and " 200" in answer.stdout.splitlines()[0]:
            if appliance.ssh("cat /proc/sys/kernel/random/boot_id", check=False).stdout not in ("", before):
                break
    else:
        pytest.fail("not ready again within 300 s")
    assert appliance.ssh("systemctl --failed --no-legend --plain").stdout.strip() == ""
    name = "ballot_box"
    assert json.loads(appliance.https("/status").stdout.replace("\r", "").partition("\n\n")[2])["ready"] is True
    assert appliance.ssh(f"cd / && sudo -u postgres psql -Atc \"select count(*) from pg_database where datname = '{name}'\"").stdout.strip() == "1"
