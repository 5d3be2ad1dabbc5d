"""Where the data is that comes with the code: the same in a checkout and in a wheel."""

from importlib import resources
from pathlib import Path


def data_folder(name: str) -> Path:
    """Return the folder of shipped data: inside the package, as in a wheel, or else beside it."""
    package = Path(str(resources.files("exporter")))
    inside = package / name
    return inside if inside.is_dir() else package.parent / name
