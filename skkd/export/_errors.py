"""What goes wrong when a student leaves Python, or comes back."""

__all__ = ["ExportError", "LoadError"]


class ExportError(ValueError):
    """The student can't be written in this form; the message names the part and a way out.

    Nothing is written where this is raised.
    """


class LoadError(ValueError):
    """A file is not what ``save`` wrote, or holds something that ``load`` does not trust."""
