"""Sandbox: a local BFL over HTTP that takes submissions, calls back, answers polls and delivers."""

from tests.sandbox.errors import Refused
from tests.sandbox.observations import Callback, Delivery, Request
from tests.sandbox.sandbox import Sandbox
from tests.sandbox.settings import Settings
from tests.sandbox.switches import Switches
from tests.sandbox.task import Task

__all__ = ["Callback", "Delivery", "Refused", "Request", "Sandbox", "Settings", "Switches", "Task"]
