"""The order of the gallery."""

from sphinx_gallery.sorting import FileNameSortKey


class QuickStartFirst(FileNameSortKey):
    """By file name, but for the example to begin with."""

    def __call__(self, filename):
        return not str(filename).endswith("plot_quickstart.py"), str(filename)
