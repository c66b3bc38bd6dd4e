"""Role descriptions: which files, databases, services and ports make a machine of a role. Data, so a new role is a file.

/usr/lib/appliance/common.yml holds what every role has, roles.d/ROLE.yml the rest; `include: [NAME]` takes in parts/NAME.yml.
Lists are joined: common, then the parts in their order, then the role's own.
README.md in overlays/ describes each key.
"""
import json
from dataclasses import dataclass

import yaml

from . import values
from .errors import ApplianceError
from .strict_yaml import LOADER

FOLDER = "/usr/lib/appliance"
IMAGE = f"{FOLDER}/image.json"
LISTS = ("settings", "files", "listen", "units", "databases", "users")


@dataclass(frozen=True)
class Role:
    name: str
    groups: dict      # group name → roles in it
    settings: tuple   # names of the settings that must be there and be passwords
    files: tuple
    listen: tuple
    units: tuple
    databases: tuple
    users: tuple      # accounts that must be there

    def group_of(self, machine):
        """The group that the machine's role belongs to, or ''."""
        return next((name for name, roles in self.groups.items() if machine.role in roles), "")


def load(host, name):
    """The description of role `name`. Throws ApplianceError if this image has none."""
    text = host.read_or_none(f"{FOLDER}/roles.d/{name}.yml")
    if text is None:
        raise ApplianceError(f"{FOLDER}/roles.d/{name}.yml: there is none: this image cannot be a '{name}'")
    common = yaml.load(host.read(f"{FOLDER}/common.yml"), Loader=LOADER)
    own = yaml.load(text, Loader=LOADER)
    sources = [common, *(_part(host, part) for part in own.get("include", [])), own]
    lists = {key: tuple(row for source in sources for row in source.get(key, [])) for key in LISTS}
    return Role(name=name, groups=common["groups"], **lists)


def _part(host, name):
    path = f"{FOLDER}/parts/{name}.yml"
    text = host.read_or_none(path)
    if text is None:
        raise ApplianceError(f"{path}: there is none: an overlay is missing in this image")
    return yaml.load(text, Loader=LOADER)


def check_settings(role, environment, where):
    """Throws ApplianceError if a setting that the role needs is missing or unusable. Never shows a value."""
    problems = []
    for name in role.settings:
        if environment.settings.get(name) is None:
            problems.append(f"{where}: settings.{name}: is missing, role '{role.name}' needs it")
            continue
        try:
            values.password(environment.settings[name])
        except ValueError as error:
            problems.append(f"{where}: settings.{name}: {error}")
    if problems:
        raise ApplianceError(*problems)


def image(host):
    """What the build wrote about this image: roles, plan, built_with. Throws ApplianceError if it is not there."""
    try:
        facts = json.loads(host.read(IMAGE))
        return {key: facts[key] for key in ("roles", "plan", "built_with")}
    except FileNotFoundError:
        raise ApplianceError(f"{IMAGE}: there is none: this disk was not built by imgbuild") from None
    except (ValueError, KeyError, TypeError):
        raise ApplianceError(f"{IMAGE}: is damaged") from None


def check_binding(image_facts, environment, hostname):
    """Throws ApplianceError unless this seed was made for a machine of this image and of this name."""
    machine = environment.machine
    problems = []
    if machine.role not in image_facts["roles"]:
        roles = ", ".join(image_facts["roles"])
        problems.append(f"this seed is for role '{machine.role}', but this image serves {roles}: attach the right seed")
    if machine.name != hostname:
        problems.append(f"this seed is for machine '{machine.name}', but this machine is '{hostname}': attach the right seed")
    if problems:
        raise ApplianceError(*problems)
