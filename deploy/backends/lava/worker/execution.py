"""Running connected Lava processes to their end, and noticing when one of them fails."""

import signal
import time
from multiprocessing.connection import wait

from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.magma.runtime.mgmt_token_enums import MGMT_RESPONSE, enum_equal
from lava.magma.runtime.runtime import Runtime
from network import LavaNetwork

CHANNEL_SIZE = 2
"""Messages that a channel can hold. All processes step together, so one at a time is sent; Lava's default of
64 takes 32 times the shared memory, of which containers have little."""

_CHECK_SECONDS = 0.02
_EXIT_SECONDS = 5.0

_SIGNAL_CAUSES = {
    signal.SIGKILL: ", as the system does when memory runs out",
    signal.SIGBUS: ": the shared memory in /dev/shm, or the disk of the temporary folder, is full",
}


class ProcessEnded(RuntimeError):  # noqa: N818 - an event, reported by its cause
    """One of Lava's processes ended before the run did."""


def execute(network: LavaNetwork) -> None:
    """Compile and run a network; all its processes are gone afterwards.

    Raises
    ------
    ProcessEnded
        One of them raised an exception or was killed. The others may then still wait for it.
    """
    network.source.create_runtime(
        run_cfg=Loihi2SimCfg(select_tag="fixed_pt"),
        compile_config={"pypy_channel_size": CHANNEL_SIZE},
    )
    runtime = network.source.runtime
    # Not blocking: Lava would wait for a process that was killed for ever.
    network.source.run(RunSteps(network.steps, blocking=False))
    _await_end(runtime)
    _end_processes(runtime)


def _await_end(runtime: Runtime) -> None:
    (service,) = runtime.service_to_runtime
    actors = runtime._messaging_infrastructure.actors
    sentinels = [actor.sentinel for actor in actors]
    while not service.probe():
        if wait(sentinels, timeout=_CHECK_SECONDS):
            raise ProcessEnded(_cause(actors))
    if not enum_equal(service.recv(), MGMT_RESPONSE.DONE):
        raise ProcessEnded(_cause(actors))


def _cause(actors: list) -> str:
    # The one that is to blame need not be the first that is seen to end: its failure ends Lava's runtime
    # service too.
    deadline = time.monotonic() + _EXIT_SECONDS
    while time.monotonic() < deadline:
        for actor in actors:
            if actor.exception is not None:
                _, trace = actor.exception
                return f"an exception in one of Lava's processes\n{trace}"
            if actor.exitcode is not None and actor.exitcode < 0:
                number = signal.Signals(-actor.exitcode)
                return f"one of Lava's processes was killed by {number.name}{_SIGNAL_CAUSES.get(number, '')}"
        time.sleep(_CHECK_SECONDS)
    return "one of Lava's processes ended, or reported an error, without saying why"


def _end_processes(runtime: Runtime) -> None:
    # Not runtime.stop(): it asks every process and waits for the answers, and all spikes are written already.
    infrastructure = runtime._messaging_infrastructure
    for actor in infrastructure.actors:
        actor.kill()
    for actor in infrastructure.actors:
        actor.join()
    infrastructure.smm.shutdown()
