"""Two web nodes on this computer: each a chroot on an overlay of /, with a network, host name and processes of its own.

Everything is as in a machine (our overlays, `appliance`, sshd, sudo, PostgreSQL, repmgr) but systemd, for which a script stands in.
"""
import json
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OVERLAYS = ROOT / "overlays"
ADDRESSES = {"prod-s1": "192.168.50.4", "prod-s2": "192.168.50.5"}
ROLES = {"prod-s1": "web-master", "prod-s2": "web-slave"}

ENVIRONMENT = '''version: 1
deployment: "prod"
domain: "vote.example.org"
timezone: "UTC"
seed: "web"
instance: "{name}-0123456789ab"
machine: {{name: "{name}", role: "{role}", private_ip: "{address}", node_id: {number}}}
network: {{internal: "192.168.50.0/24", ops: ["192.168.50.1/32"]}}
machines:
{machines}
  - {{name: "prod-a1", role: "authority", private_ip: "192.168.50.6", director: true}}
users: []
settings: {{ballot_box_database_password: "ballot-box-password-1", iam_database_password: "iam-password-22", replication_password: "repl:pass\\\\word-3"}}
'''

BOOT = '''set -e
mount --make-rprivate /
mount -t tmpfs -o size=3g none "$1"
mkdir "$1/u" "$1/w" "$1/r"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/u,workdir=$1/w" "$1/r"
r=$1/r
mount -t proc proc "$r/proc"
mount --rbind /dev "$r/dev"
mount -t tmpfs none "$r/run"
mount -t tmpfs -o mode=1777 none "$r/tmp"
hostname "$2"
ip link set lo up
touch "$r/run/up"
exec chroot "$r" /bin/bash -c 'while :; do sleep 3600 & wait $!; done'
'''

SYSTEMCTL = '''#!/bin/bash
# Stands in for systemd: starts and stops the cluster as its unit does; every other unit is said to be well.
unit=${@: -1}
verb=$1
case $unit in
  postgresql@*) ;;
  ssh.service) pkill -HUP -o -x sshd; exit 0 ;;
  *) [ "$verb" = is-active ] && echo active; exit 0 ;;
esac
number=${unit#postgresql@}
number=${number%-main*}
settings=/etc/postgresql/$number/main
# pg_ctlcluster does the same and sleeps for two seconds.
control() {
  runuser -u postgres -- "/usr/lib/postgresql/$number/bin/pg_ctl" -s -w -D "/var/lib/postgresql/$number/main" \\
    -o "-c config_file=$settings/postgresql.conf" -l "/var/log/postgresql/postgresql-$number-main.log" "$@" >&2 </dev/null
}
up() { pgrep -u postgres -f -- "-D /var/lib/postgresql/$number/main" >/dev/null; }
case $verb in
  start)
    up && exit 0
    if [ "$(tail -n 1 $settings/start.conf)" = disabled ]; then echo "Cluster is disabled" >&2; exit 1; fi
    control start ;;
  # systemd kills what is left of a unit.
  stop)
    up && control -m fast stop
    pkill -9 -u postgres -x postgres
    while pgrep -u postgres -x postgres >/dev/null; do sleep 0.05; done ;;
  restart) control -m fast restart ;;
  try-restart) if up; then control -m fast restart; fi ;;
  try-reload-or-restart) if up; then control reload; fi ;;
  is-active) if up; then echo active; else echo inactive; exit 3; fi ;;
esac
'''

# Python starts once; each command runs in a child of its own, as a fresh process would.
AGENT = '''
import json, os, sys, tempfile
sys.path.insert(0, "/usr/lib/appliance")
from appliance import cli, acts, backup, boot, datastore, peer, promotion, rejoin, restore, status, watch
for line in sys.stdin:
    files = [tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")]
    child = os.fork()
    if child == 0:
        os.dup2(files[0].fileno(), 1)
        os.dup2(files[1].fileno(), 2)
        try:
            status = cli.main(json.loads(line))
        except SystemExit as end:
            status = end.code
        except BaseException as error:
            print(f"crashed: {error!r}", file=sys.stderr)
            status = 99
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    for file in files:
        file.seek(0)
    print(json.dumps([code, files[0].read(), files[1].read()]), flush=True)
'''


class Node:
    """One machine; `run` executes in it."""

    def __init__(self, name, folder):
        self.name = name
        self.address = ADDRESSES[name]
        # Goes when we go, however that is.
        self.init = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child",
                                      "bash", "-c", BOOT, "boot", str(folder), name], stdin=subprocess.DEVNULL)
        self.pid = self._first_process()
        self.agent = None
        self.link = ""
        self.version = max(child.name for child in Path("/usr/lib/postgresql").iterdir() if child.name.isdigit())

    def run(self, *argv, check=True, **options):
        done = subprocess.run([*self.enter(), *argv], capture_output=True, text=True, timeout=240, **options)
        if check and done.returncode != 0:
            raise AssertionError(f"{self.name}: {' '.join(argv)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def start(self, *argv, **options):
        return subprocess.Popen([*self.enter(), *argv], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                **options)

    def enter(self):
        return ["nsenter", "-t", str(self.pid), "-m", "-n", "-u", "-i", "-p", "--root", "--wd", "--"]

    def appliance(self, *words, check=True):
        if not self.agent:
            self.agent = subprocess.Popen([*self.enter(), "/usr/bin/python3", "-c", AGENT], text=True, stdin=subprocess.PIPE,
                                          stdout=subprocess.PIPE)
        self.agent.stdin.write(json.dumps(words) + "\n")
        self.agent.stdin.flush()
        done = subprocess.CompletedProcess(words, *json.loads(self.agent.stdout.readline()))
        if check and done.returncode != 0:
            raise AssertionError(f"{self.name}: appliance {' '.join(words)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def sql(self, text, database="ballot_box", check=True):
        done = self.run("runuser", "-u", "postgres", "--", "psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", text, database,
                        check=check)
        return done.stdout.strip() if check else done

    def status(self):
        return json.loads(self.appliance("status", "--json", check=False).stdout)

    def write(self, path, text, mode="0644"):
        self.run("sh", "-c", 'mkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1"', "sh", path, mode, input=text)

    def read(self, path):
        return self.run("cat", path).stdout

    def cut_power_of_database(self):
        """Every process of the server ends at once, with nothing said to anybody; also one that is just being made."""
        self.run("sh", "-c", "while pkill -9 -u postgres -x postgres; do :; done")

    def stop(self):
        self.init.kill()
        self.init.wait()

    def _first_process(self):
        """The init of the node, which is the child of unshare, once it is up."""
        for _ in range(200):
            children = Path(f"/proc/{self.init.pid}/task/{self.init.pid}/children").read_text().split()
            if children and Path(f"/proc/{children[0]}/root/run/up").exists() and Path(f"/proc/{children[0]}/root/u").exists() is False:
                return int(children[0])
            if self.init.poll() is not None:
                break
            subprocess.run(["sleep", "0.05"], check=True)
        raise AssertionError(f"{self.name} did not come up")


def pair(folder):
    """Two seeded nodes on one wire, sshd in each; nothing configured yet."""
    folder = Path(folder)
    seed = _seed(folder)
    nodes = []
    for number, name in enumerate(ADDRESSES, 1):
        (folder / name).mkdir()
        node = Node(name, folder / name)
        nodes.append(node)
        node.run("sh", "-c", "rm -rf /etc/postgresql /var/lib/postgresql/* /etc/sudoers.d/* /etc/ssh/ssh_host_* /etc/nginx/sites-enabled/*"
                             " /var/lib/appliance")
        for overlay in ("common", "web"):
            packed = subprocess.run(["tar", "-C", OVERLAYS / overlay, "--owner=0", "--group=0", "--exclude=__pycache__", "-cf", "-", "."],
                                    check=True, capture_output=True).stdout
            subprocess.run([*node.enter(), "tar", "-xf", "-", "--no-overwrite-dir", "-C", "/"], input=packed, check=True)
        node.write("/usr/bin/systemctl", SYSTEMCTL, "0755")
        for path, mode, text in seed[name]:
            node.write(path, text, mode)
        node.run("sh", "-c", "systemd-tmpfiles --create /usr/lib/tmpfiles.d/appliance.conf; mkdir -p /run/sshd /run/postgresql;"
                             " chown postgres /run/postgresql; /usr/sbin/sshd")
    _connect(*nodes)
    return nodes


def boot(nodes):
    """The first boot of both, the standby first; returns the standby's words."""
    one, two = nodes
    for node in nodes:
        node.appliance("prepare")
        node.appliance("apply", "--boot")
        # The root of a node is 3 GiB of memory: WAL kept as on a disk fills it within 70 promotions.
        node.write(f"/etc/postgresql/{node.version}/main/conf.d/zz-test.conf",
                   "log_destination = 'stderr'\nshared_buffers = '32MB'\nwal_keep_size = '32MB'\n")
    waiting = two.start("appliance", "database")
    assert waiting.stdout.readline() == "stage database\n"
    assert waiting.stdout.readline() == "stage waiting for prod-s1\n"
    one.appliance("database")
    said, problems = waiting.communicate(timeout=120)
    assert waiting.returncode == 0, said + problems
    return said


def _connect(one, two):
    one.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth1")
    subprocess.run(["nsenter", "-t", str(one.pid), "-n", "ip", "link", "set", "eth1", "netns", str(two.pid)], check=True)
    for node, link in ((one, "eth0"), (two, "eth1")):
        node.link = link
        node.run("ip", "address", "add", f"{node.address}/24", "dev", link)
        node.run("ip", "link", "set", link, "up")


def _seed(folder):
    """(path, mode, text) of all that each machine's seed brings."""
    keys = {}
    for name in ADDRESSES:
        for user in ("host", "postgres", "ballotbox"):
            file = folder / f"{name}.{user}"
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{user}@{name}", "-f", file], check=True)
            keys[name, user] = (file.read_text(), Path(f"{file}.pub").read_text().strip())
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "tls.key", "-out",
                    "tls.crt", "-days", "2", "-subj", "/CN=prod-s1", "-addext", "basicConstraints=critical,CA:FALSE", "-addext",
                    "subjectAltName=DNS:prod-s1,DNS:prod-s2,DNS:vote.example.org"], cwd=folder, check=True, capture_output=True)
    return {name: _files(folder, name, keys) for name in ADDRESSES}


def _files(folder, name, keys):
    machines = "\n".join(
        f'  - {{name: "{other}", role: "{ROLES[other]}", private_ip: "{ADDRESSES[other]}", node_id: {number}, ssh: {{'
        + ", ".join(f'{user}: "{keys[other, user][1]}"' for user in ("host", "postgres", "ballotbox")) + "}}"
        for number, other in enumerate(ADDRESSES, 1))
    number = list(ADDRESSES).index(name) + 1
    environment = ENVIRONMENT.format(name=name, role=ROLES[name], address=ADDRESSES[name], number=number, machines=machines)
    return [("/etc/appliance/env.yml", "0600", environment),
            ("/etc/appliance/ssh/postgres", "0600", keys[name, "postgres"][0]),
            ("/etc/appliance/ssh/ballotbox", "0600", keys[name, "ballotbox"][0]),
            ("/etc/ssh/ssh_host_ed25519_key", "0600", keys[name, "host"][0]),
            ("/srv/certs/selfsigned/key-nopass.pem", "0600", (folder / "tls.key").read_text()),
            ("/srv/certs/selfsigned/cert.pem", "0644", (folder / "tls.crt").read_text()),
            ("/usr/lib/appliance/image.json", "0644",
             '{"version":1,"image":"web","roles":["web-master","web-slave"],"plan":"' + "a" * 64 + '","built_with":"imgbuild 1"}')]


def temporary_folder():
    return tempfile.TemporaryDirectory(prefix="appliance-pair.")
