"""Packages of strangers offered to a real machine: none is taken, and nothing is touched but the audit log."""
import io
import json
import tarfile

import pytest

from corpus import packages

OFFER = """
import contextlib, io
from appliance import eopeers_cli
for number, wanted in enumerate(json.load(open("/tmp/corpus/prints"))):
    said, printed = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(printed):
        try:
            status = eopeers_cli.main(["--install", f"/tmp/corpus/{number}", "--fingerprint", f"prod-a2={wanted}"], host)
        except BaseException as error:
            status = repr(error)
    print(json.dumps([status, said.getvalue(), printed.getvalue()]))
"""
# A file that was written, replaced or only touched has another time of change. What other services write is not here.
FILES = "sudo find /etc /boot /srv /usr/bin /usr/sbin /usr/lib/appliance /usr/lib/systemd /root /home /opt /var/lib/eopeers /var/lib/appliance -xdev -printf '%p %i %m %U:%G %C@ %s\\n' | sort"


def archive(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def offered(exchanged, tmp_path_factory):
    """Every package offered to prod-s1, which has the good ones already: what was said each time."""
    web = exchanged["prod-s1"]
    own, good, other = (exchanged[name].ssh("sudo eopeers --show-mine --private-ip").stdout for name in ("prod-s1", "prod-a2", "prod-a1"))
    rows = packages(tmp_path_factory.mktemp("corpus"), good, other, own)
    files = {str(number): data for number, (_, data, _) in enumerate(rows)}
    files["prints"] = json.dumps([wanted for _, _, wanted in rows]).encode()
    web.ssh("mkdir -p /tmp/corpus && tar -x -C /tmp/corpus", input=archive(files), text=False)
    before = web.ssh(FILES).stdout
    answers = [json.loads(line) for line in web.runtime(OFFER, timeout=900).splitlines()]
    return [label for label, _, _ in rows], answers, before


def test_none_is_accepted_and_each_is_refused_with_a_reason(offered):
    labels, answers, _ = offered
    assert len(labels) == len(answers) >= 150
    assert [(label, status, said) for label, (status, said, printed) in zip(labels, answers)
            if status != 1 or printed or not said.startswith("eopeers: ") or "Traceback" in said or not said.isascii()] == []


def test_nothing_is_touched_but_the_audit_log(offered, exchanged):
    _, _, before = offered
    after = exchanged["prod-s1"].ssh(FILES).stdout
    assert set(before.splitlines()) ^ set(after.splitlines()) == set()


def test_each_refusal_is_in_the_audit_log(offered, exchanged):
    labels, answers, _ = offered
    lines = [line for line in exchanged["prod-s1"].ssh("sudo cat /var/log/appliance/audit.log").stdout.splitlines() if " eopeers: refused: " in line]
    assert len(lines) >= sum(len(said.splitlines()) for _, said, _ in answers) >= len(labels)
    assert all(line.isprintable() for line in lines)
