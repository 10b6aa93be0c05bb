"""The supervisor's configuration, and the ports the stack's servers get."""

import configparser
import socket
from pathlib import Path

import pytest

from services.local import ports as ports_module
from services.local.layout import Layout
from services.local.ports import GRPC_OFFSET, LOOPBACK, PREFERRED, choose_ports, is_free
from services.local.programs import programs, supervisor_conf
from services.local.settings import Plan, load_secrets, make_plan


def silent(_message: str) -> None:
    """Hear of progress and say nothing."""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Return the layout of a state directory whose name means something to the supervisor."""
    state_dir = tmp_path / "100% state"
    state_dir.mkdir()
    return Layout.of(state_dir)


@pytest.fixture
def plan(layout: Layout) -> Plan:
    """Return the plan of a stack with free ports."""
    return make_plan(layout, choose_ports("free", {}, silent), frozenset(), {})


def test_configuration_holds_no_secret(layout: Layout, plan: Plan) -> None:
    conf = supervisor_conf(layout, programs(layout, plan, "etl_pipelines.definitions"))
    assert not [name for name, value in load_secrets(layout.secrets).items() if value in conf]


def test_configuration_keeps_a_path_whole(layout: Layout, plan: Plan) -> None:
    parser = configparser.RawConfigParser()
    parser.read_string(supervisor_conf(layout, programs(layout, plan, "etl_pipelines.definitions")))
    command = parser["program:mongo"]["command"]
    assert f"'{layout.mongo_dir}'".replace("%", "%%") in command


def test_every_address_is_loopback(layout: Layout, plan: Plan) -> None:
    for program in programs(layout, plan, "etl_pipelines.definitions").values():
        if program.name != "daemon":
            assert LOOPBACK in " ".join(program.command), program.name


def test_given_servers_are_not_started(layout: Layout, plan: Plan) -> None:
    given = Plan(plan.ports, frozenset({"s3", "mongo"}), plan.settings)
    assert {"s3", "mongo"}.isdisjoint(programs(layout, given, "etl_pipelines.definitions"))


def test_free_ports_are_distinct_and_none_is_a_default() -> None:
    chosen = choose_ports("free", {}, silent)
    listeners = [*chosen.values(), chosen["s3-admin"] + GRPC_OFFSET]
    assert len(set(listeners)) == len(listeners)
    assert set(listeners).isdisjoint(PREFERRED.values())


def test_ports_of_the_last_time_are_kept() -> None:
    first = choose_ports("free", {}, silent)
    assert choose_ports("free", first, silent) == first


def test_a_busy_preferred_port_gives_way_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen()
        busy = listener.getsockname()[1]
        assert not is_free(busy)
        monkeypatch.setattr(ports_module, "PREFERRED", {"webserver": busy})
        said: list[str] = []
        chosen = choose_ports("preferred", {}, said.append)
    assert chosen["webserver"] != busy
    assert said == [f"port {busy} is busy: webserver listens on {chosen['webserver']}"]


def test_socket_path_is_short_for_a_deep_checkout(tmp_path: Path) -> None:
    deep = Layout.of(tmp_path.joinpath(*["deep" * 10] * 10))
    assert len(str(deep.socket)) < 100
    assert deep.socket != Layout.of(tmp_path).socket
