"""The command line. Results on stdout; problems on stderr, exit 1; wrong usage exit 2."""
import argparse
import json
import os
import sys

from . import acts
from .errors import ApplianceError
from .host import Host


def main(argv=None, host=None):
    """Runs one command; returns the exit status."""
    os.umask(0o022)
    arguments = _parser().parse_args(argv)
    host = host or Host()
    try:
        _forget_reason(host)
        return arguments.run(host, arguments) or 0
    except ApplianceError as error:
        _note_reason(host, error)
        for problem in error.problems:
            print(f"appliance: {problem}", file=sys.stderr)
        return 1
    except PermissionError as error:
        print(f"appliance: {error.filename}: permission denied: run it as root", file=sys.stderr)
        return 1


def _apply(host, arguments):
    from . import apply, boot
    if arguments.boot:
        changes = boot.configure(host)
    else:
        changes = apply.apply(host, apply.Moment.running)
        changes += boot.recover(host)
    _say(changes)


def _status(host, arguments):
    from . import apply, peers, status
    environment, role = apply.load(host)
    if arguments.refresh:
        status.refresh(host, environment, role)
        return 0
    now = {**status.facts(host, environment, role), **status.web_facts(host, environment, role),
           **peers.facts(host, role)}
    print(json.dumps(now) if arguments.json else status.table(now))
    return 0 if now["ready"] else 1


def _selftest(host, _):
    from . import apply, checks
    results = checks.run(host, *apply.load(host))
    for result in results:
        print(f"FAIL  {result.name}: {result.problem}" if result.problem else f"ok    {result.name}")
    return 1 if any(result.problem for result in results) else 0


def _prepare(host, _):
    from . import boot
    boot.prepare(host)


def _database(host, _):
    from . import boot
    _say(boot.database(host))


def _stage(host, arguments):
    from . import progress
    progress.stage(host, arguments.text)


def _ready(host, arguments):
    from . import boot
    boot.ready(host, arguments.timeout)


def _fail(host, arguments):
    from . import boot
    print(f"failed: {boot.fail(host, arguments.unit)}")


def _scrub(host, _):
    from . import scrub
    _say(scrub.scrub(host))


def _follow(host, _):
    from . import follow
    follow.run(host)


def _say(changes):
    for change in changes:
        print(change)
    print(f"{len(changes)} change{'' if len(changes) == 1 else 's'}" if changes else "nothing changed")


def _forget_reason(host):
    from . import progress
    progress.forget_reason(host)


def _note_reason(host, error):
    from . import progress
    try:
        progress.note_reason(host, error)
    except OSError:
        pass


def _parser():
    parser = argparse.ArgumentParser(prog="appliance", description="Configures and checks this machine from /etc/appliance/env.yml.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name, run, text=None):
        # Commands without a text are for the units and stay out of the list.
        made = commands.add_parser(name, help=text, description=text) if text else commands.add_parser(name)
        made.set_defaults(run=run)
        return made

    command("apply", _apply, "make the machine what its environment says").add_argument("--boot", action="store_true",
                                                                                         help=argparse.SUPPRESS)
    status = command("status", _status, "say how the machine is; exit 1 unless it is ready")
    status.add_argument("--json", action="store_true")
    status.add_argument("--refresh", action="store_true", help=argparse.SUPPRESS)
    command("selftest", _selftest, "check ports, certificate, databases and firewall")
    acts.add(command)
    command("prepare", _prepare)
    command("database", _database)
    command("stage", _stage).add_argument("text")
    command("ready", _ready).add_argument("--timeout", type=int, default=300)
    command("fail", _fail).add_argument("unit")
    command("scrub", _scrub)
    command("follow", _follow)
    return parser
