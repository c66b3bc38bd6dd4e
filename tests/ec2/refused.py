class Refused(Exception):
    """An answer other than done: status, AWS's code, text; 'fields' are further keys of a JSON error."""

    def __init__(self, status, code, message="", **fields):
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message, self.fields = status, code, message, fields
        self.known_as = code  # among the refusals that tests see
