"""The files that an annotation names stay inside the data root. Of the standard library alone."""
import os


def inside(root: str, path: str, source: str) -> str:
    """The file of a path that an annotation names, which must not lead out of the data root.

    What is compared are names, not where links lead: users link the folders of their data. The
    result has no ``..`` that a link could turn elsewhere.

    Args:
        root: folder that paths start from. An empty one is no bound: it is MMAction2's habit for
            lists of absolute paths (``data_prefix=dict(video='')`` without ``data_root``).
        path: from there; an absolute one must lie below ``root``, or below where a linked ``root``
            leads.
        source: file and place that name it, for the message.

    Returns:
        The path, joined to the root.

    Raises:
        ValueError: it leads out, with ``source``.
    """
    if not root:
        return path
    plain = os.path.normpath(path)
    if os.path.isabs(plain):
        place = next((place for place in (os.path.abspath(root), os.path.realpath(root))
                      if _below(plain, place)), os.path.abspath(root))
        plain = os.path.relpath(plain, place)
    if plain.split(os.sep)[0] == os.pardir:
        raise ValueError(f"{source}: '{path}' leads out of the folder {root}: list files below it, "
                         'or set data_root or data_prefix to a folder that holds them all')
    return os.path.join(root, plain)


def listed(root: str, joined: str) -> str:
    """What an annotation named, from a path that another library has joined to ``root``."""
    start = os.path.join(root, '')
    return joined[len(start):] if root and joined.startswith(start) else joined


def _below(path: str, folder: str) -> bool:
    try:
        return os.path.commonpath([path, folder]) == folder
    except ValueError:  # on Windows: another drive, which relpath does not know either
        return False
