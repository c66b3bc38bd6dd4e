"""The one exception that people get to read."""


class ApplianceError(Exception):
    """One or more problems, each a lower-case line `where: what is wrong`. Never holds a secret."""

    def __init__(self, *problems):
        super().__init__("\n".join(problems))
        self.problems = list(problems)


def on_one_line(text, limit=400):
    """`text` without control characters, for the journal and the serial console."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.split())[:limit]
