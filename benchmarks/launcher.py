"""Starts one program from a small process, and writes down what it took.

Linux passes the largest resident set of a process on to the programs that it starts: a program must not start with that
of the benchmarks, which hold many results. Called as ``launcher.py REPORT PROGRAM ARGUMENT...``; nothing else is
imported, so that little is passed on.
"""

import os
import sys
import time


def main() -> None:
    """Run the program to its end; REPORT gets its status, start, end, processor seconds and largest resident KiB."""
    _, report, *command = sys.argv
    began = time.time()
    # not spawned in its own group: who ends the launcher's group ends the program
    _, status, usage = os.wait4(os.posix_spawnp(command[0], command, os.environ), 0)
    ended = time.time()
    cpu = usage.ru_utime + usage.ru_stime
    with open(report, "w", encoding="ascii") as out:  # noqa: PTH123 - pathlib alone would double what is imported
        out.write(f"{os.waitstatus_to_exitcode(status)} {began} {ended} {cpu} {usage.ru_maxrss}")


if __name__ == "__main__":
    main()
