"""Show that this Python works: a sum in a database, or a distance."""

import math
import sqlite3
import sys


def check() -> None:
    """Fail unless the database can add."""
    with sqlite3.connect(":memory:") as db:
        db.execute("CREATE TABLE numbers (n INTEGER)")
        db.executemany("INSERT INTO numbers VALUES (?)", [(n,) for n in range(10)])
        (total,) = db.execute("SELECT sum(n) FROM numbers").fetchone()
    if total != 45:
        raise SystemExit(f"0 + 1 + ... + 9 is {total}")
    print("python", sys.version.split()[0], "works")


def main(args: list[str]) -> None:
    """Check, or print the length of the hypotenuse of two sides."""
    if args == ["--check"]:
        check()
    elif len(args) == 2:
        print(math.hypot(float(args[0]), float(args[1])))
    else:
        raise SystemExit("usage: app.py --check | SIDE SIDE")


if __name__ == "__main__":
    main(sys.argv[1:])
