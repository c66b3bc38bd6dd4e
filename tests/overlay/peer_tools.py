"""Packages of other machines, made on the spot, and a host whose openssl is real and whose nginx and systemctl are not."""
import functools
import hashlib
import json
import ssl
import subprocess
import tempfile
from pathlib import Path

from appliance.host import run_command


@functools.lru_cache(maxsize=None)
def pem(*names):
    """A good certificate for these names; the same one each time."""
    words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/dev/null", "-days", "400", "-subj",
             f"/CN={names[0]}", "-addext", "basicConstraints=critical,CA:FALSE", "-addext", f"subjectAltName={','.join('DNS:' + n for n in names)}"]
    return subprocess.run(["openssl", *words], check=True, capture_output=True, text=True).stdout


def package(name, address, **other):
    return json.dumps({"ssl_certificate": pem(name), "ip_address": address, "hostname": name, "port": 5000, "version": 1, **other})


def fingerprint(text):
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(json.loads(text)["ssl_certificate"])).hexdigest()


A1, A2 = ("prod-a1", "192.168.50.6"), ("prod-a2", "192.168.50.7")


def with_real_openssl(commands):
    """`commands`, but openssl runs, and nothing is active."""
    def run(argv, **options):
        if argv[0] == "openssl":
            return run_command(argv, **options)
        if "is-active" in argv:
            return subprocess.CompletedProcess(argv, 3, "inactive\n", "")
        return commands(argv, **options)
    return run


def written_to(folder, text):
    path = Path(tempfile.mkdtemp(dir=folder)) / "NAME.pkg"
    path.write_text(text)
    return str(path)
