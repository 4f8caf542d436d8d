import os
import signal
import time

import psutil
import pytest

from deploy.workflow.background import Background


def count(number, report):
    for i in range(number):
        report(i)
    return number * 10


def fail(report):
    raise ValueError("it is broken")


def kill_itself(report):
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(report):
    report(os.getpid())
    time.sleep(600)


def test_messages_and_result():
    with Background(count, 3) as background:
        assert background.messages(wait=True) == [0, 1, 2]
        assert background.messages() == []
        assert background.result() == 30


def test_the_result_alone_can_be_asked_for():
    with Background(count, 2) as background:
        assert background.result() == 20


def test_an_exception_arrives_here():
    with Background(fail) as background, pytest.raises(ValueError, match="it is broken"):
        background.result()


def test_a_killed_process_is_noticed():
    with Background(kill_itself) as background, pytest.raises(RuntimeError, match="ended with status -9"):
        background.result()


def test_nothing_is_left_after_the_context():
    with Background(sleep) as background:
        while not (messages := background.messages()):
            time.sleep(0.01)
        assert psutil.pid_exists(messages[0])
    assert not psutil.pid_exists(messages[0])
