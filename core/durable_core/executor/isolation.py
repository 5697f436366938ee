"""`isolation="process"`: a body in a fresh interpreter, which can be killed; values travel as JSON."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from durable_core.capture.options import level_number
from durable_core.capture.pipes import capture_pipe
from durable_core.capture.scope import CaptureScope, current_scope
from durable_core.codec import decode, dump_tree, load_tree
from durable_core.context import AttemptInfo
from durable_core.definition.nodes import WorkNode, binding_key
from durable_core.errors import DurableError, NonRetryableError
from durable_core.executor.claim import Claim
from durable_core.executor.isolated_listening import Listener
from durable_core.executor.outcome import Broke, Interrupted, Outcome
from durable_core.failure import describe_exception


class IsolatedStepError(DurableError):
    """A step in its own process failed; the message and `type` are those of the error there."""

    def __init__(self, message: str, *, original: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.original = original


def run_isolated(
    claim: Claim,
    node: WorkNode,
    scope: CaptureScope,
    finish: Callable[..., Outcome],
    may_retry: Any,
    timeout_error: Any,
    info: AttemptInfo,
    results: Mapping[str, Any],
) -> Outcome:
    """Run the node's body in a process of its own and wait for it; what it writes meanwhile is the step's, live."""
    fn = claim.workflow.bindings[binding_key(node.path, "body")]
    module = sys.modules.get(fn.__module__)
    request = {
        "module": fn.__module__,
        "file": getattr(module, "__file__", None),
        "qualname": fn.__qualname__,
        "path": [entry for entry in sys.path if entry],
        "context": claim.context,
        "info": info._asdict(),
        # The other process has no store: it is given them all, whether its body looks at them or not.
        "results": results,
        "items": [[item.name, item.value, item.index] for item in claim.items],
        "name": node.name,
        "log_level": level_number(scope.options.log_level),
    }
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([entry for entry in sys.path if entry])}
    with contextlib.ExitStack() as streams:
        captures = current_scope() is scope
        # Text of the interpreter comes as events; what C code and children write to the streams themselves, by pipes.
        pipe = streams.enter_context(capture_pipe(scope)) if captures else None
        listener = Listener(scope, capture=captures)
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "durable_core.executor.isolated", str(listener.handle)],
                stdin=subprocess.PIPE,
                stdout=None if pipe is None else pipe.stdout,
                stderr=None if pipe is None else pipe.stderr,
                pass_fds=(listener.handle,),
                env=environment,
            )
        finally:
            listener.begin()  # where no process could be started there is nobody to hear, and it ends at once
        if pipe is not None:
            pipe.close_child_ends()
        expired = _wait_for(process, claim, node, dump_tree(request).encode())
        answer = listener.answer()
    if expired:
        error: BaseException = timeout_error(node)
        return Broke(describe_exception(error), again=may_retry(claim, node, error))
    if claim.stopped:
        return Interrupted()
    reply = _reply(answer)
    if reply is None:
        error = IsolatedStepError(
            f"The process of step {node.path!r} ended with code {process.returncode} and no answer."
        )
        return Broke(describe_exception(error), again=may_retry(claim, node, error))
    if "error" in reply:
        failure = reply["error"]
        again = claim.attempt < node.retry.max_attempts and _may_repeat(claim, node, reply)
        return Broke(failure, again=again)
    outcome: Outcome = finish(node, reply["ops"], decode(reply["value"]))
    return outcome


def _wait_for(process: subprocess.Popen[bytes], claim: Claim, node: WorkNode, request: bytes) -> bool:
    """Hand over the request and wait for the end of the process; whether its time had run out."""
    claim.interrupt = process.kill
    expired = threading.Event()
    timer = None
    if node.timeout is not None:

        def expire() -> None:
            expired.set()
            process.kill()

        timer = threading.Timer(node.timeout, expire)
        timer.daemon = True
        timer.start()
    try:
        process.communicate(request)
    finally:
        claim.interrupt = None
        if timer is not None:
            timer.cancel()
    return expired.is_set()


def _may_repeat(claim: Claim, node: WorkNode, reply: dict[str, Any]) -> bool:
    """The error stayed in the other process: its classes come as names."""
    names = set(reply["classes"])
    if f"{NonRetryableError.__module__}:{NonRetryableError.__qualname__}" in names:
        return False
    return any(name in names for name in node.retry.retry_on)


def _reply(answer: str | None) -> dict[str, Any] | None:
    if answer is None:
        return None
    try:
        reply: dict[str, Any] = load_tree(answer)
        return reply
    except (json.JSONDecodeError, DurableError):
        return None
