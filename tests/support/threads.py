"""Stops some threads of a process while its other threads continue to run."""

import contextlib
import ctypes
import os
import pathlib

SEIZE, INTERRUPT, DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000


def ptrace(request, thread):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(request, thread, None, None) != 0:
        raise OSError(ctypes.get_errno(), f"ptrace of thread {thread}")


@contextlib.contextmanager
def stopped(pid, is_wanted):
    """In a `with`: the threads whose names `is_wanted` accepts are stopped; no such thread is an
    error."""
    threads = [
        int(task.name)
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
        if is_wanted((task / "comm").read_text().rstrip("\n"))
    ]
    assert threads, f"process {pid} has no such thread"
    for thread in threads:
        ptrace(SEIZE, thread)
        ptrace(INTERRUPT, thread)
        os.waitpid(thread, WALL)
    try:
        yield
    finally:
        for thread in threads:
            ptrace(DETACH, thread)
