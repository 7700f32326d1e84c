"""Simulator of CC-iSales over real HTTP, for demos, training and tests.

It verifies signatures, tokens and parameters strictly and answers with generated data, which can be
changed (`Dataset`). It can behave in ways that the documents allow (`ListBehaviour`) and fail on
demand (`faults`).
"""

from __future__ import annotations

from isales_proxy.simulator.operations import FETCH_TOKEN as FETCH_TOKEN
from isales_proxy.simulator.operations import LIST_OUTBOUND_TASKS as LIST_OUTBOUND_TASKS
from isales_proxy.simulator.operations import LIST_RESERVATIONS as LIST_RESERVATIONS
from isales_proxy.simulator.operations import LIST_RESULT_CODES as LIST_RESULT_CODES
from isales_proxy.simulator.operations import LOG_IN as LOG_IN
from isales_proxy.simulator.operations import PUSH_MID_RESULT as PUSH_MID_RESULT
from isales_proxy.simulator.operations import READ_CALL_DATA as READ_CALL_DATA
from isales_proxy.simulator.operations import REFRESH_TOKEN as REFRESH_TOKEN
from isales_proxy.simulator.reservations import ListBehaviour as ListBehaviour
from isales_proxy.simulator.server import Simulator as Simulator
from isales_proxy.simulator.state import DEMO_ACCESS_KEY as DEMO_ACCESS_KEY
from isales_proxy.simulator.state import DEMO_APP_KEY as DEMO_APP_KEY
from isales_proxy.simulator.state import DEMO_APP_SECRET as DEMO_APP_SECRET
from isales_proxy.simulator.state import DEMO_SECRET_KEY as DEMO_SECRET_KEY
