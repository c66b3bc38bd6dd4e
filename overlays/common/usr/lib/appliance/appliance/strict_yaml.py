"""YAML read strictly: every problem with its position, none of YAML's surprises.

Refused: anchors, aliases, tags, repeated keys, several documents, depth over 32, size over 1 MiB.
"""
import yaml

from .errors import ApplianceError

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 32
# In C, where PyYAML was built with it: eight times faster. The one in Python says better what is wrong.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Document:
    """The root node of one file and the problems found in it so far."""

    def __init__(self, name, text):
        self.name = name
        self._problems = []
        if len(text.encode("utf-8")) > MAX_BYTES:
            raise ApplianceError(f"{name}: is larger than 1 MiB")
        try:
            self.root = self._read(text, LOADER)
        except yaml.YAMLError:
            self.root = self._explain(text)
        if self.root is None:
            raise ApplianceError(f"{name}: is empty")

    def problem(self, node, text):
        mark = node.start_mark
        self._problems.append((mark.line + 1, mark.column + 1, text))

    def raise_problems(self):
        """Throws ApplianceError with all problems in the order of the file, if there are any."""
        if self._problems:
            raise ApplianceError(*[f"{self.name}:{line}:{column}: {text}"
                                   for line, column, text in sorted(set(self._problems))])

    def mapping(self, node, where, required=(), optional=()):
        """The nodes of a mapping by key. Unknown, repeated and missing keys become problems."""
        if not isinstance(node, yaml.MappingNode):
            self.problem(node, f"{where}: must be a mapping of {listing(required)}")
            return {}
        known = [*required, *optional]
        found = self.entries(node, where)
        for key in [key for key in found if key not in known]:
            self.problem(found[key], f"{where}: unknown key '{key}'{suggestion(key, known)}")
        for key in [key for key in required if key not in found]:
            self.problem(node, f"{where}: key '{key}' is missing")
        return {key: value for key, value in found.items() if key in known}

    def entries(self, node, where):
        """The nodes of a mapping whose keys are free."""
        found = {}
        if not isinstance(node, yaml.MappingNode):
            self.problem(node, f"{where}: must be a mapping")
            return found
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.problem(key, f"{where}: a key must be a word")
            elif key.value in found:
                self.problem(key, f"{where}: key '{key.value}' is there twice")
            else:
                found[key.value] = value
        return found

    def items(self, node, where):
        if isinstance(node, yaml.SequenceNode):
            return node.value
        self.problem(node, f"{where}: must be a list")
        return []

    def scalar(self, node, where, kind):
        """The text of a scalar of this kind (str, int, bool), or None after noting a problem."""
        if not isinstance(node, yaml.ScalarNode):
            self.problem(node, f"{where}: must be {KIND_NAMES[kind]}")
            return None
        if node.tag != f"tag:yaml.org,2002:{kind}":
            cure = ", put it into double quotes" if kind == "str" else ""
            self.problem(node, f"{where}: must be {KIND_NAMES[kind]}{cure}")
            return None
        return node.value

    def _read(self, text, loader):
        self._refuse_surprises(text, loader)
        return yaml.compose(text, Loader=loader)

    def _explain(self, text):
        try:
            return self._read(text, yaml.SafeLoader)
        except yaml.YAMLError as error:
            raise ApplianceError(f"{self.name}:{_yaml_complaint(error)}") from None

    def _refuse_surprises(self, text, loader):
        depth = 0
        documents = 0
        for event in yaml.parse(text, Loader=loader):
            depth += _depth_change(event)
            documents += isinstance(event, yaml.DocumentStartEvent)
            complaint = _surprise(event, depth, documents)
            if complaint:
                mark = event.start_mark
                raise ApplianceError(f"{self.name}:{mark.line + 1}:{mark.column + 1}: {complaint}")


KIND_NAMES = {"str": "a text", "int": "a number", "bool": "true or false"}


def listing(words):
    return ", ".join(f"'{word}'" for word in words)


def suggestion(word, known):
    import difflib  # of use for mistakes only, and slow to load

    near = difflib.get_close_matches(word, known, n=1)
    return f", did you mean '{near[0]}'?" if near else f", known are {listing(sorted(known))}"


def _depth_change(event):
    if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
        return 1
    if isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
        return -1
    return 0


def _surprise(event, depth, documents):
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        return "anchors and aliases are not allowed"
    if getattr(event, "tag", None):
        return f"tags are not allowed, here '{event.tag}'"
    if depth > MAX_DEPTH:
        return f"is nested deeper than {MAX_DEPTH} levels"
    return "holds more than one document" if documents > 1 else None


def _yaml_complaint(error):
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return " is no YAML text"
    return f"{mark.line + 1}:{mark.column + 1}: {error.problem or 'is no YAML text'}"
