"""One forked child for each piece of work: the imports are shared, whatever the work changes dies
with it.
"""

import json
import os
import selectors
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple


class Job(NamedTuple):
    """What a child is asked to do, and after how many seconds it is stopped."""

    task: Any
    work: Callable[[], Any]  # its result has to be JSON
    seconds: float


class Answer(NamedTuple):
    task: Any
    result: Any  # of the work, or None
    problem: str  # "", "timeout", "crash", or the traceback of an exception
    seconds: float


class _Child(NamedTuple):
    job: Job
    pid: int
    pipe: int
    start: float
    chunks: list[bytes]


def run(jobs: Iterator[Job | None], at_once: int) -> Iterator[Answer]:
    """Answers as they come.  A job is asked for when a child is free, so it may depend on earlier
    answers; None: there is nothing to do until the next answer.
    """
    jobs = iter(jobs)
    running: list[_Child] = []
    try:
        while True:
            while len(running) < at_once and (job := next(jobs, None)) is not None:
                running.append(_start(job))
            if not running:
                return
            for child in _wait_for_some(running):
                running.remove(child)
                yield _answer(child)
    finally:
        for child in running:
            _stop(child)


def _start(job: Job) -> _Child:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _work(job, writing)
    os.close(writing)
    return _Child(job, pid, reading, time.monotonic(), [])


def _work(job: Job, writing: int) -> None:
    try:
        os.setpgid(0, 0)  # so that what the work starts itself can be stopped with it
        _silence()
        answer = {"result": job.work()}
    except BaseException:
        answer = {"problem": traceback.format_exc()}
    try:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(json.dumps(answer).encode())
    finally:
        os._exit(0)  # no clean-up: it belongs to the parent


def _silence() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)


def _wait_for_some(running: list[_Child]) -> list[_Child]:
    """Wait until a child has closed its pipe or used its time."""
    with selectors.DefaultSelector() as selector:
        for child in running:
            selector.register(child.pipe, selectors.EVENT_READ, child)
        soonest = min(child.start + child.job.seconds for child in running)
        ready = [key.data for key, _ in selector.select(max(0.0, soonest - time.monotonic()))]
    return [
        child for child in running if (child in ready and _is_closed(child)) or _is_overdue(child)
    ]


def _is_closed(child: _Child) -> bool:
    chunk = os.read(child.pipe, 1 << 16)
    child.chunks.append(chunk)
    return not chunk


def _is_overdue(child: _Child) -> bool:
    return time.monotonic() > child.start + child.job.seconds


def _answer(child: _Child) -> Answer:
    ended = bool(child.chunks) and not child.chunks[-1]
    seconds = time.monotonic() - child.start
    _stop(child)
    if not ended:
        return Answer(child.job.task, None, "timeout", seconds)
    text = b"".join(child.chunks)
    content = json.loads(text) if text else {"problem": "crash"}
    return Answer(child.job.task, content.get("result"), content.get("problem", ""), seconds)


def _stop(child: _Child) -> None:
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        os.kill(child.pid, signal.SIGKILL)  # not yet in a group of its own
    os.waitpid(child.pid, 0)
    os.close(child.pipe)
