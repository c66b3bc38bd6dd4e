"""Machines for the tests of mutual TLS: the host's files with the real overlays on top, each in namespaces of its own.

What a machine writes lands in its own upper folder, so that tests can see everything that was touched. Only systemctl is
a stand-in: it knows nginx. The host's nginx, if one runs, is another one in another namespace.
"""
import hashlib
import json
import shutil
import ssl
import subprocess
from pathlib import Path

OVERLAYS = Path(__file__).resolve().parents[2] / "overlays"
DOMAIN = "vote.example.org"
USERS = "eorchestra:x:901:901::/home/eorchestra:/usr/sbin/nologin\nballotbox:x:902:902::/home/ballotbox:/bin/sh\n"

SYSTEMCTL = """#!/bin/sh
case "$*" in
*is-active*nginx.service) [ -s /run/nginx.pid ] && kill -0 "$(cat /run/nginx.pid)" ;;
*is-active*) exit 3 ;;
reload*nginx.service) exec nginx -s reload ;;
try-reload*nginx.service) [ ! -s /run/nginx.pid ] || exec nginx -s reload ;;
esac
"""

START = """
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
cp -a "$2/." "$1/upper/"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount -t proc proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mount --bind /dev/null "$1/root/dev/console"
mount -t tmpfs tmpfs "$1/root/run"
hostname "$3"
echo up
exec chroot "$1/root" sleep infinity
"""


def namespaces(*arguments):
    """Starts a process in namespaces of its own; returns (it, the pid of the one inside). It says `up` when it is."""
    process = subprocess.Popen(["unshare", "--fork", "--kill-child", *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "up\n"
    child = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=True).stdout
    return process, child.strip()


class Network:
    """A switch that the machines and strangers are plugged into."""

    def __init__(self):
        self.process, self.pid = namespaces("--net", "sh", "-c", "ip link add lan type bridge; ip link set lan up; echo up; exec sleep infinity")
        self.ports = 0

    def plug(self, pid, address):
        self.ports += 1
        name = f"port{self.ports}"
        run = lambda target, *words: subprocess.run(["nsenter", "-t", target, "-n", "ip", *words], check=True)  # noqa: E731
        run(self.pid, "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", pid)
        run(self.pid, "link", "set", name, "master", "lan", "up")
        for words in (("link", "set", "lo", "up"), ("link", "set", "eth0", "up"), ("address", "add", f"{address}/24", "dev", "eth0")):
            run(pid, *words)

    def stop(self):
        self.process.kill()
        self.process.wait()


class Stranger:
    """A host on the same network that is no machine of the deployment."""

    def __init__(self, network, address):
        self.process, self.pid = namespaces("--net", "sh", "-c", "echo up; exec sleep infinity")
        network.plug(self.pid, address)

    def run(self, *argv, **options):
        return subprocess.run(["nsenter", "-t", self.pid, "-n", *argv], capture_output=True, text=True, **{"timeout": 60, **options})

    def stop(self):
        self.process.kill()
        self.process.wait()


class Machine:
    """One configured machine with a running nginx, and nothing installed yet."""

    def __init__(self, network, folder, rows, name, pair=None):
        """`pair`: folder with the key and certificate that the seed brought; without it the machine makes its own."""
        self.row = next(row for row in rows if row["name"] == name)
        self.name, self.role, self.address = name, self.row["role"], self.row["private_ip"]
        self.port = 5000 if self.role == "authority" else 14453
        self.folder = folder / name
        self._files(folder / f"{name}.files", rows)
        if pair:
            shutil.copytree(pair, folder / f"{name}.files/srv/certs/selfsigned")
        self.folder.mkdir()
        self.process, self.pid = namespaces("--mount", "--net", "--pid", "--uts", "--propagation", "private", "sh", "-euc", START, "sh",
                                            str(self.folder), str(folder / f"{name}.files"), name)
        self.root = Path(f"/proc/{self.pid}/root")
        try:
            self._configure(network)
        except BaseException:
            self.stop()
            raise

    def _configure(self, network):
        network.plug(self.pid, self.address)
        self.check("mkdir", "-p", "/run/appliance/www")
        self.check("/usr/bin/appliance", "apply", "--boot")
        self.start_nginx()

    def start_nginx(self):
        self.check("sh", "-c", "nginx >/dev/null 2>&1 </dev/null")   # it would hold our pipe open

    def run(self, *argv, **options):
        return subprocess.run(["nsenter", "-t", self.pid, "-m", "-n", "-p", "-u", "-r", "-w", *argv], capture_output=True, text=True, **{"timeout": 60, **options})

    def check(self, *argv, **options):
        done = self.run(*argv, **options)
        assert done.returncode == 0, f"{self.name}: {argv}: {done.stdout}{done.stderr}"
        return done.stdout

    def eopeers(self, *arguments, **options):
        return self.run("/usr/bin/eopeers", *arguments, **options)

    def pair(self):
        """(certificate, key) as files that a stranger could use who had stolen them."""
        return self.path("/srv/certs/selfsigned/cert.pem"), self.path("/srv/certs/selfsigned/key-nopass.pem")

    def python(self, text):
        """Runs lines of Python with the runtime's modules, its host, environment and role; returns what they print."""
        begin = ("import sys; sys.path.insert(0, '/usr/lib/appliance'); sys.dont_write_bytecode = True\n"
                 "from appliance import *; from appliance import apply, peers, peer_package, mutual, follow, primary\n"
                 "from appliance.host import Host\nhost = Host(); environment, role = apply.load(host)\n")
        return self.check("/usr/bin/python3", "-c", begin + text)

    def install(self, *packages, extra=()):
        """One command, with the fingerprints that people would have compared."""
        given = [f"--fingerprint={name}={print_of(text)}" for name, text in ((json.loads(p)["hostname"], p) for p in packages)]
        return self.eopeers("--install", "-", *given, *extra, input="\n".join(packages))

    def package(self):
        return self.check("/usr/bin/eopeers", "--show-mine", "--private-ip")

    def path(self, absolute):
        """A file of the machine, from outside."""
        return self.root / absolute.lstrip("/")

    def written(self):
        """{path: digest or destination} of everything that this machine has on top of the host's files."""
        show = "cd \"$1\"; find . -type f -exec sha256sum {} +; find . -type l -printf '%l  %p\\n'; find . -type d -printf 'folder  %p\\n'"
        listed = subprocess.run(["nsenter", "-t", self.pid, "-m", "sh", "-euc", show, "sh", f"{self.folder}/upper"],
                                capture_output=True, text=True, check=True).stdout
        return {line.split("  ", 1)[1][1:]: line.split("  ", 1)[0] for line in listed.splitlines()}

    def stop(self):
        self.process.kill()
        self.process.wait()

    def _files(self, target, rows):
        for overlay in ("common", "authority" if self.role == "authority" else "web"):
            shutil.copytree(OVERLAYS / overlay, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        version = max(int(path.name) for path in Path("/usr/lib/postgresql").iterdir())
        put(target / "usr/bin/systemctl", SYSTEMCTL).chmod(0o755)
        put(target / "etc/postgresql" / str(version) / "main/postgresql.conf", "")
        (target / "var/lib/postgresql" / str(version) / "main").mkdir(parents=True)
        put(target / "var/lib/appliance/cluster-made", "")
        put(target / "usr/lib/appliance/image.json", '{"version":1,"image":"x","roles":["%s"],"plan":"%s","built_with":"x"}' % (self.role, "a" * 64))
        put(target / "etc/passwd", Path("/etc/passwd").read_text() + USERS)
        put(target / "etc/group", Path("/etc/group").read_text() + "eorchestra:x:901:\nballotbox:x:902:\n")
        put(target / "etc/appliance/env.yml", environment(rows, self.row))
        for user in ("postgres", "ballotbox"):
            put(target / f"etc/appliance/ssh/{user}", "KEY\n")


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def environment(rows, own):
    settings = {"ballot_box_database_password": "password-1", "iam_database_password": "password-2",
                "replication_password": "password-3", "keystore_password": "password-4", "java_heap": "536870912",
                "datastore_interval": "60000", "backup_keep_days": "15"}
    document = {"version": 1, "deployment": "prod", "domain": DOMAIN, "timezone": "UTC", "seed": "x", "instance": "x",
                "machine": own, "network": {"internal": "192.168.50.0/24", "ops": ["192.168.50.1/32"]}, "machines": rows,
                "users": [], "settings": settings if own["role"] != "authority" else {}}
    return json.dumps(document)


def print_of(package):
    """SHA-256 of the certificate in a package."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(json.loads(package)["ssl_certificate"])).hexdigest()


EC = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")


def make_pair(folder, names, *options, key=EC, ends="20400101000000Z", begins="20200101000000Z", digest="sha256", leaf="critical,CA:FALSE"):
    """A self-signed certificate and its key, valid as asked; returns the folder."""
    folder.mkdir(parents=True)
    settings = f"""[req]
distinguished_name = name
[name]
[ca]
default_ca = own
[own]
database = index
new_certs_dir = .
policy = any
rand_serial = yes
default_md = {digest}
[any]
commonName = supplied
[leaf]
{f"basicConstraints = {leaf}" if leaf else ""}
{f"subjectAltName = {','.join('DNS:' + name for name in names)}" if names else ""}
""" + "\n".join(options) + "\n"
    put(folder / "request", settings)
    put(folder / "index", "")
    run = lambda *words: subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, text=True)  # noqa: E731
    run("req", "-newkey", *key, "-nodes", "-keyout", "key-nopass.pem", "-out", "csr", "-config", "request", "-subj", f"/CN={(names or ['x'])[0]}")
    run("ca", "-batch", "-notext", "-selfsign", "-config", "request", "-extensions", "leaf", "-keyfile", "key-nopass.pem", "-in", "csr",
        "-startdate", begins, "-enddate", ends, "-out", "cert.pem")
    for path in list(folder.iterdir()):
        if path.name not in ("cert.pem", "key-nopass.pem"):
            path.unlink()
    return folder
