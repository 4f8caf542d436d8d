"""The program, ``dpap`` or ``python -m deploy``: imported here, so that Ctrl-C is one line from the first."""

import os
import signal

INTERRUPTED = 130


def main() -> None:
    """Import the command line and run it."""
    before = signal.getsignal(signal.SIGINT)
    # Libraries that are being imported turn an exception of Ctrl-C into others. Ignored signals stay so.
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)
    from deploy.cli import main as run

    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, before)
    run()


def _leave(*_signal: object) -> None:
    os.write(2, b"dpap: error: interrupted\n")
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
