"""`eopeers`: which other machines this one trusts. Results on stdout; people read stderr; exit 1 refused, 2 wrong usage."""
import argparse
import json
import os
import re
import stat
import sys
from contextlib import nullcontext

from . import apply, audit, mutual, peer_package, peers, x509
from .errors import ApplianceError
from .host import Host
from .keystore import Keystore

PAYLOAD = "ballot-box.service"
PATIENCE = 30   # seconds for another eopeers or `appliance apply` to end


def main(argv=None, host=None, stdin=None):
    """Runs one command; returns the exit status."""
    os.umask(0o022)
    arguments = _parser().parse_args(argv)
    host = host or Host()
    try:
        environment, role = apply.load(host)
        if not peers.ports(role):
            raise ApplianceError(f"a machine of role '{role.name}' has no peers")
        return Command(host, environment, role, arguments, stdin or sys.stdin).run() or 0
    except ApplianceError as error:
        for problem in error.problems:
            print(f"eopeers: {problem}", file=sys.stderr)
        return 1
    except PermissionError as error:
        print(f"eopeers: {error.filename}: permission denied: run it as root", file=sys.stderr)
        return 1


class Command:
    def __init__(self, host, environment, role, arguments, stdin):
        self.host, self.environment, self.role = host, environment, role
        self.arguments, self.stdin = arguments, stdin

    def run(self):
        arguments = self.arguments
        if arguments.show_mine:
            print(peer_package.own(self.host, self.environment, arguments.private_ip).text())
        elif arguments.show:
            print(self._known([arguments.show])[0].text())
        elif arguments.list:
            self._list()
        elif arguments.prove:
            return self._prove()
        elif arguments.install:
            self._install()
        else:
            self._remove()
        return 0

    def _known(self, names):
        installed = peers.installed(self.host)
        unknown = [name for name in names if name not in installed]
        if unknown:
            known = ", ".join(installed) or "none"
            raise ApplianceError(*[f"{peer_package.quoted(name)} is not installed, installed are: {known}"
                                   for name in unknown])
        return [installed[name] for name in dict.fromkeys(names)]

    def _list(self):
        installed = peers.installed(self.host)
        if self.arguments.json:
            print(json.dumps([{"hostname": name, "fingerprint": package.certificate.sha256}
                              for name, package in installed.items()]))
            return
        if not installed:
            print("eopeers: no peer is installed", file=sys.stderr)
        for name in installed:
            print(name)

    def _install(self):
        """Everything is checked first; then all packages count in one step."""
        with apply.lock(self.host, PATIENCE), self._keystore() as keystore:
            self._complete()
            try:
                packages = self._offered()
                self._check(packages)
                before = peers.installed(self.host)
                self._check_together({**before, **packages})
                self._confirm(packages, before)
            except ApplianceError as error:
                for problem in error.problems:
                    audit.note(self.host, f"eopeers: refused: {problem}")
                raise
            notes = [f"eopeers: {name}: accepted, SHA-256 {package.certificate.sha256}"
                     for name, package in packages.items() if before.get(name) != package]
            if keystore:
                keystore.put(packages.values())
            self._change({**before, **packages}, notes, keystore)
        for name, package in packages.items():
            print(f"{name}: {_what_happened(before.get(name), package)}")

    def _remove(self):
        names = list(dict.fromkeys(self.arguments.uninstall))
        with apply.lock(self.host, PATIENCE), self._keystore() as keystore:
            self._complete()
            installed = peers.installed(self.host)
            # A run that was cut off may have left one in the keystore alone.
            elsewhere = keystore.aliases() if keystore else ()
            self._known([name for name in names if name not in elsewhere])
            left = {name: package for name, package in installed.items() if name not in names}
            if keystore:
                keystore.remove(names)
            self._change(left, [f"eopeers: {name}: removed" for name in names], keystore)
        for name in names:
            print(f"{name}: removed")

    def _complete(self):
        """What a run that was cut off has switched, nginx may not know yet."""
        mutual.reload(self.host, self.environment, peers.current(self.host), peers.ports(self.role))

    def _keystore(self):
        path = self.arguments.keystore
        return Keystore(self.host, self.environment, path) if path else nullcontext()

    def _change(self, packages, notes, keystore):
        beside = keystore.publish if keystore else lambda: None
        peers.change(self.host, self.environment, self.role, packages, notes, beside)
        # The payload reads packages and keystore only when it starts.
        if notes and self.host.succeeds(["systemctl", "is-active", "--quiet", PAYLOAD]):
            self.host.command(["systemctl", "restart", PAYLOAD])

    def _offered(self):
        """The packages of the call by name."""
        found = {}
        for where, data in self._sources():
            package = peer_package.parse(data, where)
            if package.hostname in found:
                raise ApplianceError(f"{where}: '{package.hostname}' is there twice")
            found[package.hostname] = package
        return found

    def _sources(self):
        sources = []
        for name in self.arguments.install:
            if name != "-":
                sources.append((name, _read(name)))
                continue
            lines = _limited(self.stdin).split(b"\n")
            sources += [(f"stdin:{number}", line) for number, line in enumerate(lines, 1) if line.strip()]
        if not sources:
            raise ApplianceError("stdin: holds no package")
        return sources

    def _check(self, packages):
        problems = []
        for name, package in packages.items():
            try:
                peer_package.check(self.host, self.environment, self.role, package, name)
            except ApplianceError as error:
                problems += error.problems
        if problems:
            raise ApplianceError(*problems)

    def _check_together(self, packages):
        """One certificate is one machine; only web nodes share theirs, for they are one site."""
        owners = {peer_package.own_certificate(self.host).sha256: self.environment.machine.name}
        roles = {machine.name: self.role.group_of(machine) for machine in self.environment.machines}
        for name, package in packages.items():
            other = owners.setdefault(package.certificate.sha256, name)
            if other != name and (roles[other], roles.get(name)) != ("web", "web"):
                raise ApplianceError(f"{name}: ssl_certificate: is that of {other}")

    def _confirm(self, packages, before):
        """Each new certificate must have been compared by people: a fingerprint given, or a 'yes' on the terminal."""
        given = dict(self.arguments.fingerprint)
        unknown = [name for name in given if name not in packages]
        if unknown:
            raise ApplianceError(f"--fingerprint {peer_package.quoted(unknown[0])}: there is no package of that name "
                                 "in this call")
        for name, package in packages.items():
            seen = package.certificate.sha256
            if name in given:
                if given[name] != seen:
                    raise ApplianceError(f"{name}: the certificate's fingerprint is {seen}, "
                                         f"and not {given[name]} as was confirmed")
            elif name not in before or before[name].certificate != package.certificate:
                self._ask(name, package)

    def _ask(self, name, package):
        if "-" in self.arguments.install or not self.stdin.isatty():
            raise ApplianceError(f"{name}: the fingerprint was not confirmed: compare it with that machine's people, "
                                 f"then give --fingerprint {name}={package.certificate.sha256}")
        lines = "\n  ".join(x509.grouped(package.certificate.sha256))
        print(f"{name} at {package.ip_address} shows the fingerprint\n\n  {lines}\n\n"
              "Have the people of that machine read theirs to you. Is it the same? (yes/no) ",
              end="", file=sys.stderr, flush=True)
        if self.stdin.readline().strip() != "yes":
            raise ApplianceError(f"{name}: the fingerprint was not confirmed")

    def _prove(self):
        """Asks each peer who we are, as its nginx will see us in earnest."""
        from concurrent.futures import ThreadPoolExecutor  # needed here only, and slow to load

        installed = peers.installed(self.host)
        machines = {machine.name: machine for machine in self.environment.machines}
        with ThreadPoolExecutor(max_workers=8) as pool:
            links = list(pool.map(lambda name: self._link(installed[name], machines.get(name)), installed))
        if self.arguments.json:
            print(json.dumps({"links": links}))
        else:
            for link in links:
                verdict = f"ok, sees us as {link['seen_as']}" if link["ok"] else f"FAILED: {link['problem']}"
                print(f"{link['peer']}:{link['port']} {verdict}")
        return 0 if all(link["ok"] for link in links) else 1

    def _link(self, package, machine):
        name = package.hostname
        is_authority = machine is not None and self.role.group_of(machine) == "authorities"
        port = peer_package.AUTHORITY_PORT if is_authority else peer_package.WEB_PORT
        link = {"peer": name, "port": port, "ok": False, "seen_as": "", "problem": ""}
        if machine is None:
            return {**link, "problem": "is no machine of this deployment any more"}
        try:
            target = mutual.Target(name, machine.private_ip, port, package.certificate.pem)
            status, body = mutual.ask(self.host, target, "/appliance/peer")
        except ApplianceError as error:
            return {**link, "problem": error.problems[0]}
        if status != 200:
            return {**link, "problem": f"answers {status}: our package is not installed there"}
        seen = body.strip()
        is_us = self.environment.machine.name in seen.split(",")
        return {**link, "ok": is_us, "seen_as": seen, "problem": "" if is_us else "holds us for somebody else"}


def _what_happened(before, now):
    if before == now:
        return "nothing changed"
    return "replaced" if before else "installed"


def _read(name):
    """The content of a file, which must be a plain one: never waits, never reads much."""
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ApplianceError(f"{name}: {error.strerror}") from None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ApplianceError(f"{name}: must be a file")
        with open(handle, "rb", closefd=False) as file:
            return file.read(peer_package.MAX_BYTES + 1)
    finally:
        os.close(handle)


def _limited(stdin, limit=1024 * 1024):
    data = stdin.buffer.read(limit + 1)
    if len(data) > limit:
        raise ApplianceError("stdin: is larger than 1 MiB")
    return data


def _fingerprint(text):
    """NAME=HEX as (name, 64 hex digits)."""
    name, separator, digits = text.partition("=")
    digits = re.sub(r"[:\s]", "", digits).lower()
    if not separator or not name or not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise argparse.ArgumentTypeError("must be NAME=HEX with 64 hex digits")
    return name, digits


def _parser():
    parser = argparse.ArgumentParser(prog="eopeers", description="Shows and changes which other machines this one trusts.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--show-mine", action="store_true", help="print this machine's package")
    what.add_argument("--list", action="store_true", help="print the names of the installed peers")
    what.add_argument("--show", metavar="HOST", help="print an installed package")
    what.add_argument("--install", nargs="+", metavar="FILE",
                      help="install packages; '-' reads them from standard input, one a line")
    what.add_argument("--uninstall", "--remove", nargs="+", metavar="HOST", help="remove peers, at once")
    what.add_argument("--prove", action="store_true", help="connect to each peer; exit 1 if one link does not work")
    parser.add_argument("--private-ip", action="store_true", help="with --show-mine: name the private address")
    parser.add_argument("--json", action="store_true", help="with --list and --prove: for programs")
    parser.add_argument("--keystore", metavar="KS", help="with --install and --uninstall: change this Java keystore too")
    parser.add_argument("--fingerprint", type=_fingerprint, action="append", default=[], metavar="NAME=HEX",
                        help="with --install: SHA-256 of a certificate that people have compared")
    return parser
