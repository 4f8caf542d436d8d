"""Work in a background process."""

import multiprocessing
from collections.abc import Callable
from typing import Any


class Background:
    """Runs a function in another process; a context manager that leaves no process behind.

    The function is called as ``function(*arguments, report)`` and may call ``report(message)`` at any time;
    what it returns is the result. It must be importable, and what it takes and gives picklable.

    A fresh interpreter is started (no fork: torch and compiled kernels do not survive one), so a script that
    uses this needs the guard ``if __name__ == "__main__":``.
    """

    def __init__(self, function: Callable, *arguments: Any):
        context = multiprocessing.get_context("spawn")
        self._receiver, sender = context.Pipe(duplex=False)
        self._process = context.Process(target=_call, args=(function, arguments, sender), daemon=True)
        self._process.start()
        # The child holds the only writing end, so that its end is seen as the end of the stream.
        sender.close()
        self._outcome: tuple[str, Any] | None = None

    def __enter__(self) -> "Background":
        return self

    def __exit__(self, *error) -> None:
        self._process.kill()
        self._process.join()
        self._receiver.close()

    def messages(self, wait: bool = False) -> list[Any]:
        """Messages that have come since the last call; with ``wait``, all until the function ended."""
        arrived = []
        while self._outcome is None and (wait or self._receiver.poll()):
            try:
                kind, content = self._receiver.recv()
            except EOFError:
                self._process.join()
                failure = RuntimeError(f"the process ended with status {self._process.exitcode}")
                self._outcome = ("error", failure)
                break
            if kind == "message":
                arrived.append(content)
            else:
                self._outcome = (kind, content)
        return arrived

    def result(self) -> Any:
        """The result of the function; an exception that it raised is raised here."""
        self.messages(wait=True)
        kind, content = self._outcome
        if kind == "error":
            raise content
        return content


def _call(function: Callable, arguments: tuple, sender) -> None:
    def report(message: Any) -> None:
        sender.send(("message", message))

    try:
        sender.send(("result", function(*arguments, report)))
    except (KeyboardInterrupt, BrokenPipeError):
        # No process waits for an answer any more.
        return
    except Exception as error:
        sender.send(("error", error))
