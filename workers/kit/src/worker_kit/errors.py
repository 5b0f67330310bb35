"""What the kit raises: few types, whose text is one sentence for a person."""


class KitError(Exception):
    """Anything the kit itself reports."""


class MissingSetting(KitError):  # noqa: N818 - it names what happened
    """A variable, secret or binding that the code needs is not in the environment."""


class BindingError(KitError):
    """A binding answered with an error."""


class DatabaseError(BindingError):
    """D1 refused a statement, or is not there."""


class UniqueViolation(DatabaseError):  # noqa: N818 - SQL's name for it
    """A row with that unique value is there already."""


class NamespaceError(BindingError):
    """KV refused a read or a write, or holds what cannot be read as asked."""


class ModelError(BindingError):
    """Workers AI refused, or answered what cannot be understood."""
