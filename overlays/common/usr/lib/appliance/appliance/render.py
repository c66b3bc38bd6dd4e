"""From environment, role and facts of the host to the exact content of each file."""
from dataclasses import dataclass

import jinja2

from . import firewall, postgres, primary, replication
from .errors import ApplianceError

TEMPLATES = "/usr/lib/appliance/templates"


@dataclass(frozen=True)
class File:
    """One file (or symbolic link, then `content` is its destination) as it must be, and what a change of it entails."""

    path: str
    content: str
    mode: int = 0o644
    owner: str = "root"
    is_link: bool = False
    check: tuple = ()
    then: tuple = ()   # ('reload' | 'restart', unit) or ('run', argv)


def files(host, environment, role):
    """All files of the role, in the order of its description. Throws ApplianceError if one cannot be made."""
    context = _context(host, environment, role)
    engine = _engine(host)
    made = []
    for row in role.files:
        for item in _items(row, environment):
            made.append(_file(host, engine, row, {**context, "item": item}))
    return made


def _engine(host):
    engine = jinja2.Environment(loader=jinja2.FileSystemLoader(host.path(TEMPLATES)), undefined=jinja2.StrictUndefined,
                                keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True, autoescape=False)
    engine.filters["pgpass"] = postgres.escaped
    engine.filters["prefix"] = lambda address: f"{address}/{128 if ':' in address else 32}"
    return engine


def stale(host, role, made):
    """Files in folders that we own alone (`only: true`) and that the environment no longer asks for."""
    wanted = {file.path for file in made}
    found = []
    for row in role.files:
        folder = row["path"].rpartition("/")[0]
        if row.get("only") and host.path(folder).is_dir():
            found += [f"{folder}/{child.name}" for child in sorted(host.path(folder).iterdir())]
    return [path for path in found if path not in wanted]


def _context(host, environment, role):
    context = {"env": environment, "machine": environment.machine, "role": role.name, "groups": role.groups,
               "group": role.group_of(environment.machine), "ipv6": host.has_ipv6(),
               "primary": primary.machine(host, environment),
               "open_rules": firewall.rules(role, environment, fenced=False),
               "fenced_rules": firewall.rules(role, environment, fenced=True),
               "peers": lambda group: firewall.peers(role, environment, group), "databases": role.databases}
    if role.databases:
        number = postgres.version(host)
        context["postgres"] = {"version": number, "unit": f"postgresql@{number}-main.service", "data": postgres.data(host),
                               "home": postgres.HOME, "tuning": postgres.tuning(host.memory_mib(), host.cores()),
                               "wal_limit": postgres.wal_limit(host.disk_mib(postgres.HOME))}
        context["replication"] = replication.load(host)
    return context


def _items(row, environment):
    return environment.users if row.get("each") == "users" else (None,)


def _file(host, engine, row, context):
    fill = lambda text: engine.from_string(text).render(context)  # noqa: E731
    path = fill(row["path"])
    try:
        content = host.read(row["copy"]) if "copy" in row else engine.get_template(row["template"]).render(context)
    except FileNotFoundError:
        raise ApplianceError(f"{row['copy']}: there is none: the seed should have brought it") from None
    except jinja2.TemplateError as error:
        raise ApplianceError(f"{TEMPLATES}/{row.get('template')}: {error}") from None
    if row.get("link"):
        content = content.strip()
    return File(path=path, content=content, mode=int(row.get("mode", "0644"), 8), owner=row.get("owner", "root"),
                is_link=bool(row.get("link")), check=tuple(row.get("check", ())), then=_consequence(row.get("then"), fill))


def _consequence(then, fill):
    if not then:
        return ()
    (verb, what), = then.items()
    return (verb, tuple(what)) if verb == "run" else (verb, fill(what))
