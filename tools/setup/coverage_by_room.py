"""Print what the tests executed, package by package, as a Markdown table; for `make coverage`."""
from __future__ import annotations

import argparse
from pathlib import Path
from typing import Iterable, NamedTuple

from coverage import Coverage

from cbm_plugin.files import check_page, replace_between

BEGIN, END = '<!-- coverage: begin -->', '<!-- coverage: end -->'


class Share(NamedTuple):
    """Statements of a room, and how many of them ran."""
    statements: int = 0
    executed: int = 0

    def __str__(self) -> str:
        share = 100 * self.executed / self.statements if self.statements else 100.0
        return f'{self.statements:,} | {self.executed:,} | {share:.1f} %'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('package', type=Path, help='folder whose packages are the rooms')
    parser.add_argument('--data', default='.coverage', help='what pytest-cov wrote')
    parser.add_argument('--into', type=Path, help='a page that gets the table too')
    arguments = parser.parse_args()
    if arguments.into is not None:
        check_page(arguments.into, BEGIN, END)
    rooms = by_room(arguments.package, arguments.data)
    lines = ['| package | statements | executed | share |', '|---|--:|--:|--:|',
             *(f'| `{name}` | {share} |' for name, share in rooms.items()),
             f'| all | {added(rooms.values())} |']
    print('\n'.join(lines))
    if arguments.into is not None:
        replace_between(arguments.into, BEGIN, END, '\n'.join(lines) + '\n')


def by_room(package: Path, data: str) -> dict[str, Share]:
    """The packages inside ``package``, by name, and last what stands beside them."""
    coverage = Coverage(data_file=data)
    coverage.load()
    rooms: dict[str, list[Share]] = {}
    for file in sorted(package.resolve().rglob('*.py')):
        _, statements, _, missing, _ = coverage.analysis2(str(file))
        inside = file.relative_to(package.resolve()).parts
        name = f'{package.name}/{inside[0]}' if len(inside) > 1 else f'{package.name}/*.py'
        rooms.setdefault(name, []).append(Share(len(statements), len(statements) - len(missing)))
    return {name: added(rooms[name]) for name in sorted(rooms, key=lambda n: ('*' in n, n))}


def added(shares: Iterable[Share]) -> Share:
    """The sum of several."""
    shares = list(shares)
    return Share(sum(share.statements for share in shares), sum(share.executed for share in shares))


if __name__ == '__main__':
    main()
