"""What a step prints, logs and warns, as lines that belong to its execution, step, iteration, attempt and pass.

Captured inside a step (L-1): ``print`` and everything else written to ``sys.stdout`` and ``sys.stderr`` (their
``.buffer`` too), records of every logger (also of loggers that do not propagate), and warnings; in the body's own
thread or task, in its tasks, in threads it starts with ``threading`` and in jobs it submits to a
``ThreadPoolExecutor``, ``asyncio.to_thread`` or ``loop.run_in_executor``.

Not captured:

* records below the level that the user's logger itself lets through: such a record is never made;
* threads made without ``threading.Thread`` (``_thread``, C code), jobs in a ``multiprocessing.pool.ThreadPool`` that
  was made before the step, and callbacks of a ``concurrent.futures.Future``;
* streams bound before the step began (``from sys import stdout``, ``sys.__stdout__``, the raw layer of
  ``sys.stdout.buffer``);
* bytes written to the file descriptors 1 and 2 by C code or by a child process that inherits them: they belong to the
  process, which runs many steps at once, so nobody can tell whose they are. Start children with ``capture_pipe()``, or
  give the step ``isolation="process"``: a process of its own has streams of its own;
* output redirected by the step itself (``contextlib.redirect_stdout``, ``warnings.catch_warnings(record=True)``),
  which Python redirects for the whole process: steps that run at that moment write there too.

A ``CaptureScope`` is opened for one pass of one body. Outside scopes every hook passes straight on, and ``HOOKS``
puts back what it found once the last engine releases it.
"""

from __future__ import annotations

from durable_core.capture.flusher import FLUSHER, Flusher
from durable_core.capture.hooks import HOOKS, Hooks
from durable_core.capture.line import AttemptIdentity, LogLine, LogSink
from durable_core.capture.options import CaptureOptions
from durable_core.capture.pipes import CapturePipe, capture_pipe
from durable_core.capture.scope import CaptureScope, current_scope
from durable_core.masking import DEFAULT_MASKER, SECRET_KEYS, Masker

__all__ = [
    "DEFAULT_MASKER",
    "FLUSHER",
    "HOOKS",
    "SECRET_KEYS",
    "AttemptIdentity",
    "CaptureOptions",
    "CapturePipe",
    "CaptureScope",
    "Flusher",
    "Hooks",
    "LogLine",
    "LogSink",
    "Masker",
    "capture_pipe",
    "current_scope",
]
