"""The ledger in PostgreSQL: many replicas, lost connections, servers that refuse."""

import asyncio
import os
import signal
import time
from array import array
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from exporter.errors import ConfigurationError, RequestError
from exporter.ledger import lease, maintenance, postgres
from exporter.ledger.address import Address, parse_address
from exporter.ledger.administration import Administration
from exporter.ledger.keys import Keyring
from exporter.ledger.ledger import Ledger
from exporter.ledger.maintenance import SLOTS_PER_WINDOW, Maintenance
from exporter.ledger.postgres import PostgresStore
from exporter.ledger.store import Commit, Entry, StoreError
from exporter.results import Delivery
from tests.support.deliveries import ACKED, delivery
from tests.support.postgres import PASSWORD, Server
from tests.support.programs import until
from tests.support.proxy import Cut, Proxy, proxy_to
from tests.support.stores import running

WINDOW = 1000.0
BACKENDS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'push-result-exporter'"
CUT_OFF = f"SELECT pg_terminate_backend(pid) FROM ({BACKENDS}) AS backends"


def store(address: Address, instance: str = "a", window: float = WINDOW) -> PostgresStore:
    """Make a store of an instance."""
    return PostgresStore(address, instance, dedupe_seconds=window)


def counts(server: Server) -> dict[str, int]:
    """Return what each instance has counted."""
    rows = server.execute(
        "SELECT instance, sum(count)::int FROM push_result_exporter.counts GROUP BY 1", "fresh"
    )
    return dict(rows)


def keys(server: Server) -> int:
    """Return how many keys the database has."""
    [(number,)] = server.execute("SELECT count(*) FROM push_result_exporter.keys", "fresh")
    return int(number)


def total(ledger: Ledger) -> int:
    """Return the number of results that a replica exposes."""
    return sum(count.total for count in ledger.counts.values())


@pytest.mark.parametrize("isolation", ["read committed", "serializable"])
async def test_replicas_share_keys_and_count_apart(
    address: Address, server: Server, isolation: str
) -> None:
    """A delivery counts at the replica that saw it first, and each shows its own counts."""
    stores = [store(address, name) for name in "abc"]
    server.execute(
        f"ALTER DATABASE fresh SET default_transaction_isolation = '{isolation}'", "postgres"
    )
    async with AsyncExitStack() as stack:
        a, b, c = [await stack.enter_async_context(running(store)) for store in stores]
        assert await a.record([delivery(1, 2, 3)]) == 3
        assert await b.record([delivery(3, 4), delivery(2)]) == 1
        assert await b.record([delivery(1, 5), delivery(2), Delivery({ACKED: 7}, 7)]) == 8
        assert await c.record([delivery(5, 4, 3, 2, 1)]) == 0
        waiting = [
            ledger.record([delivery(*range(100, 200))]) for ledger in (a, b, c) for _ in range(3)
        ]
        assert sum(await asyncio.gather(*waiting)) == 100
        shown = {name: total(ledger) for name, ledger in zip("abc", (a, b, c), strict=True)}
        assert sum(shown.values()) == 3 + 1 + 8 + 100
    assert counts(server) == {name: number for name, number in shown.items() if number}


async def test_known_key_is_refused_without_the_database(address: Address, server: Server) -> None:
    """A key that this replica has counted, or read, is a duplicate without a commit."""
    commits: list[float] = []
    async with (
        running(store(address, "a")) as a,
        running(store(address, "b"), on_commit=commits.append) as b,
    ):
        await a.record([delivery(1)])
        assert [await b.record([delivery(1)]) for _ in range(5)] == [0] * 5
        assert len(commits) == 1
    assert counts(server) == {"a": 1}


async def test_conflict_between_replicas(address: Address, server: Server) -> None:
    """A key that another replica counted with different content is refused."""
    async with running(store(address, "a")) as a, running(store(address, "b")) as b:
        await a.record([delivery(1, content=7)])
        for _ in range(2):
            waiting = [b.record([delivery(1, content=content)]) for content in (8, 7, 8, 9)]
            outcome = await asyncio.gather(*waiting, return_exceptions=True)
            assert all(isinstance(result, RequestError) or result == 0 for result in outcome)
            assert getattr(outcome[0], "reason", None) == "conflict"
        assert await b.record([delivery(1, content=7)]) == 0
        assert b.pending == 0
    assert counts(server) == {"a": 1}


async def test_retry_after_both_restarted(address: Address, server: Server) -> None:
    """A retry that reaches a replica which never saw the first try is a duplicate."""
    async with running(store(address, "a")) as a:
        await a.record([delivery(1)])
    async with running(store(address, "b")) as b:
        assert await b.record([delivery(1), delivery(2)]) == 1
    async with running(store(address, "a")) as a:
        assert total(a) == 1
        assert await a.record([delivery(2)]) == 0
    assert counts(server) == {"a": 1, "b": 1}


async def test_only_the_conflict_is_refused(address: Address, server: Server) -> None:
    """What commits together with a conflict is counted, and known again."""
    async with running(store(address, "a")) as a, running(store(address, "b")) as b:
        await a.record([delivery(1, content=7)])
        requests = [[delivery(5)], [delivery(1, content=8)], [delivery(6, content=9)]]
        outcome = await asyncio.gather(*map(b.record, requests), return_exceptions=True)
        assert outcome[::2] == [1, 1]
        assert getattr(outcome[1], "reason", None) == "conflict"
        assert [await b.record(request) for request in (requests[0], requests[2])] == [0, 0]
    assert counts(server) == {"a": 1, "b": 2}


async def test_slots_are_reused(address: Address, server: Server) -> None:
    """Keys are written into one slot after another; a repeat is known in whichever it is."""
    rounds = Maintenance(address, WINDOW)
    async with running(store(address, "a")) as a, running(store(address, "b")) as b:
        for number in range(8):
            assert await a.record([delivery(number)]) == 1
            assert await b.record([delivery(*range(number + 1))]) == 0
            assert await b.record([delivery(100 + number)]) == 1
            age(server, WINDOW / SLOTS_PER_WINDOW - 60)
            await rounds.run()
            assert slot_in_use(server) == number  # not old enough
            age(server, 60)
            await rounds.run()
        assert filled_slots(server) == [(slot, 2) for slot in range(8)]
        assert await a.record([delivery(*range(1, 8), *range(101, 108))]) == 0
        assert await b.record([delivery(1000)]) == 1
        age(server, WINDOW + 2)
        async with running(store(address, "c")) as c:
            assert await c.record([delivery(7)]) == 1
            await rounds.run()
            assert filled_slots(server) == [(8, 2)]
            assert await c.record([delivery(7, 6)]) == 1
    assert counts(server) == {"a": 8, "b": 9, "c": 2}


async def test_full_ring_of_slots_continues(address: Address, server: Server) -> None:
    """While no slot can be emptied the one in use stays, and nothing is counted twice."""
    rounds = Maintenance(address, WINDOW)
    async with running(store(address)) as ledger:
        for number in range(14):
            assert await ledger.record([delivery(number)]) == 1
            server.execute(
                "UPDATE push_result_exporter.slot_in_use SET began_at = began_at - interval '1 h'",
                "fresh",
            )
            await rounds.run()
        assert [number for _, number in filled_slots(server)] == [*[1] * 11, 3]
        assert await ledger.record([delivery(*range(14))]) == 0


def filled_slots(server: Server) -> list[tuple[int, int]]:
    """Return the slots that hold keys, with their number."""
    rows = server.execute(
        "SELECT slot, count(*)::int FROM push_result_exporter.keys GROUP BY 1 ORDER BY 1", "fresh"
    )
    return [(slot, number) for slot, number in rows]


def slot_in_use(server: Server) -> int:
    """Return the slot that is written."""
    [(slot,)] = server.execute("SELECT slot FROM push_result_exporter.slot_in_use", "fresh")
    return int(slot)


def age(server: Server, seconds: float) -> None:
    """Make all that is stored older."""
    server.execute(
        f"""
        UPDATE push_result_exporter.keys SET at = at - {seconds}::integer;
        UPDATE push_result_exporter.slots SET began_at = began_at - interval '{seconds} s',
            ended_at = ended_at - interval '{seconds} s';
        UPDATE push_result_exporter.slot_in_use SET began_at = began_at - interval '{seconds} s';
        """,
        "fresh",
    )


async def test_maintenance_repeats(
    address: Address, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A running replica empties expired slots repeatedly, also after a failure."""
    monkeypatch.setattr(maintenance, "_INTERVAL", 0.05)
    away = address.password_file
    assert away
    async with running(store(address)) as ledger:
        for number in (1, 2):
            await ledger.record([delivery(number)])
            away.rename(away.with_suffix(".away"))
            await asyncio.sleep(0.2)
            away.with_suffix(".away").rename(away)
            before = slot_in_use(server)
            age(server, WINDOW + 2)
            await until(lambda before=before: slot_in_use(server) != before)  # type: ignore[misc]
            age(server, WINDOW + 2)
            await until(lambda: keys(server) == 0)
        assert ledger.problem is None


async def test_maintenance_goes_on_after_a_fault_of_ours(
    address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round that fails unexpectedly is logged with its traceback, and others follow."""
    monkeypatch.setattr(maintenance, "_INTERVAL", 0.01)
    rounds: list[int] = []

    class Faulty(Maintenance):
        async def run(self) -> None:
            rounds.append(1)
            raise KeyError("a fault")

    subject = Faulty(address, WINDOW)
    with capture_logs() as logs:
        subject.start(Keyring(b"secret"))
        await until(lambda: len(rounds) > 2)
        subject.stop()
    assert isinstance(logs[0]["exc_info"], KeyError)


async def test_expired_key_in_the_slot_in_use_is_new(address: Address, server: Server) -> None:
    """Past the window a delivery is new, though no slot was changed meanwhile."""
    async with running(store(address, "a")) as a, running(store(address, "b")) as b:
        await a.record([delivery(1, content=7), delivery(2)])
        age(server, WINDOW + 2)
        assert await b.record([delivery(1, content=8), delivery(2, 3)]) == 3
        with pytest.raises(RequestError, match="different body"):
            await b.record([delivery(1, content=7)])
        assert await b.record([delivery(2, 3)]) == 0
        assert keys(server) == 3
    assert counts(server) == {"a": 2, "b": 3}


async def test_slot_in_use_by_a_reader_is_emptied_later(address: Address, server: Server) -> None:
    """A long transaction that has read the keys delays neither commits nor the next slot."""
    rounds = Maintenance(address, WINDOW)
    async with running(store(address)) as ledger:
        await ledger.record([delivery(1)])
        age(server, WINDOW / SLOTS_PER_WINDOW)
        await rounds.run()
        age(server, WINDOW + 2)
        with closing(psycopg.connect(server.url("postgres", "fresh"))) as backup:
            backup.execute("SELECT count(*) FROM push_result_exporter.keys")
            await rounds.run()
            assert await ledger.record([delivery(2)]) == 1
            assert filled_slots(server) == [(0, 1), (2, 1)]
        await rounds.run()
        assert filled_slots(server) == [(2, 1)]
        assert ledger.problem is None
    assert rounds.upkeep.expiry_seconds > 0


async def test_slot_that_may_not_be_emptied(address: Address, server: Server) -> None:
    """A slot that fails stops neither the others nor the change of slots, and is reported."""
    rounds = Maintenance(address, WINDOW)
    async with running(store(address)) as ledger:
        for number in range(2):
            await ledger.record([delivery(number)])
            age(server, WINDOW / SLOTS_PER_WINDOW)
            await rounds.run()
        age(server, WINDOW + 2)
        server.execute("REVOKE TRUNCATE ON push_result_exporter.keys_0 FROM exporter", "fresh")
        with pytest.raises(StoreError, match="permission denied for table keys_0"):
            await rounds.run()
        assert filled_slots(server) == [(0, 1)]
        assert slot_in_use(server) == 3


async def test_rounds_of_several_replicas(address: Address, server: Server) -> None:
    """However many go round at the same time, the slot is changed once."""
    async with running(store(address)) as ledger:
        await ledger.record([delivery(1)])
        age(server, WINDOW / SLOTS_PER_WINDOW)
        await asyncio.gather(*(Maintenance(address, WINDOW).run() for _ in range(8)))
        await ledger.record([delivery(2)])
        assert filled_slots(server) == [(0, 1), (1, 1)]


async def test_old_transaction_is_dated(address: Address, server: Server) -> None:
    """The age of the oldest snapshot is known, whichever role holds it."""
    rounds = Maintenance(address, WINDOW)
    async with running(store(address)) as ledger:
        await ledger.record([delivery(1)])
        await rounds.run()
        assert rounds.upkeep.oldest_transaction_seconds == 0
        await ledger.record([delivery(2)])
        await rounds.run()
        with closing(psycopg.connect(server.url("postgres", "fresh"))) as backup:
            backup.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            backup.execute("SELECT 1")
            await ledger.record([delivery(3)])
            await asyncio.sleep(1)
            await rounds.run()
            assert 1 <= rounds.upkeep.oldest_transaction_seconds < 20
        await rounds.run()
        assert rounds.upkeep.oldest_transaction_seconds == 0


@pytest.mark.parametrize("number", [1, 10_000])
async def test_plans_use_indexes(address: Address, server: Server, number: int) -> None:
    """A commit of any size reads keys by their index, with any statistics."""
    opened = store(address)
    await opened.open()
    server.execute(
        "INSERT INTO push_result_exporter.keys SELECT hashint8extended(n, 5), 0, n % 12 "
        "FROM generate_series(1, 200000) AS n",
        "fresh",
    )
    plans: list[str] = []
    with closing(psycopg.connect(server.url("postgres", "fresh"), autocommit=True)) as session:
        session.add_notice_handler(lambda notice: plans.append(notice.message_primary or ""))
        session.execute("LOAD 'auto_explain'")
        for name, value in PLANS_AS_NOTICES.items():
            session.execute(f"SET {name} = {value}".encode())
        for _ in range(2):  # with statistics, and without
            session.execute(
                "SELECT push_result_exporter.commit('a', epoch, 1, 5, '1 day', "
                "ARRAY(SELECT hashint8extended(n, 7) FROM generate_series(1, %s) AS n), "
                "ARRAY(SELECT 0 FROM generate_series(1, %s)), "
                "ARRAY(SELECT 0 FROM generate_series(1, %s)), "
                "'{apns}', '{2}', '{mps}', ARRAY[''], '{1}', '{0}', '{1}', '{1}') "
                "FROM push_result_exporter.instances",
                (number, number, number),
            )
            session.execute("VACUUM ANALYZE push_result_exporter.keys")
            session.execute("DISCARD PLANS")
    of_keys = [plan for plan in plans if "_pkey on keys_" in plan]
    assert len(of_keys) >= 2
    assert not [plan for plan in plans if "Seq Scan on keys" in plan]
    await opened.close()


PLANS_AS_NOTICES = {
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_nested_statements": "on",
    "auto_explain.log_level": "notice",
    "client_min_messages": "notice",
}


async def test_repeated_deliveries_log_no_errors(address: Address, server: Server) -> None:
    """Repeated deliveries, concurrent ones included, cause no error in the server's log."""
    log = server.log
    async with running(store(address, "a")) as a, running(store(address, "b")) as b:
        before = log.stat().st_size
        for number in range(20):
            again = [
                *(
                    ledger.record([delivery(*range(number * 10, number * 10 + 10))])
                    for ledger in (a, b)
                ),
                *(ledger.record([delivery(-1 - number, content=5)]) for ledger in (a, b)),
            ]
            assert sum(await asyncio.gather(*again)) == 11
        assert log.stat().st_size == before
    assert sum(counts(server).values()) == 220


@contextmanager
def proxied(address: Address, server: Server) -> Iterator[tuple[Proxy, Address]]:
    """Give a proxy before the server, and the address by way of it."""
    with proxy_to(server.port) as proxy:
        url = address.url.replace(f":{server.port}/", f":{proxy.port}/")
        yield proxy, parse_address(f"{url}?sslmode=disable", address.password_file)


def cut_nothing(_data: bytes, _from_server: bool) -> bool:
    """Let everything pass."""
    return False


def cut_once(proxy: Proxy, *, reply: bool, afterwards: Cut = cut_nothing) -> None:
    """Cut the next commit: where it goes to the server, or where its response comes back."""
    under_way = False

    def cut(data: bytes, from_server: bool) -> bool:
        nonlocal under_way
        if not from_server:
            under_way = b"push_result_exporter.commit(" in data
        if not under_way or from_server != reply:
            return False
        proxy.cut = afterwards
        return True

    proxy.cut = cut


@pytest.mark.parametrize(
    ("reply", "forward"),
    [(False, False), (False, True), (True, True)],
    ids=["before", "during", "after"],
)
async def test_lost_connection_has_one_outcome(
    address: Address, server: Server, reply: bool, forward: bool
) -> None:
    """Cut before, during or after COMMIT, a batch is acknowledged and counted once."""
    with proxied(address, server) as (proxy, way):
        async with running(store(way)) as ledger:
            await ledger.record([delivery(1)])
            for number in range(2, 12):
                proxy.forward_last = forward
                cut_once(proxy, reply=reply)
                requests = [
                    [delivery(number)],
                    [Delivery({ACKED: 1}, 1)],
                    [delivery(number, 1)],
                ]
                assert await asyncio.gather(*map(ledger.record, requests)) == [1, 1, 0]
            assert ledger.problem is None
            assert proxy.cuts == 10
            assert total(ledger) == 21
    assert counts(server) == {"a": 21}


async def test_unknown_outcome_is_a_refusal(
    address: Address, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the server is away nothing is acknowledged; a commit of unknown outcome is found."""
    monkeypatch.setattr(postgres, "_RECONNECT_SECONDS", 0.5)
    with proxied(address, server) as (proxy, way):
        async with running(store(way)) as ledger:
            await ledger.record([delivery(1)])
            cut_once(proxy, reply=True, afterwards=lambda _data, _from_server: True)
            with pytest.raises(RequestError, match="repeat the request"):
                await ledger.record([delivery(2)])
            assert (ledger.problem is None, total(ledger)) == (False, 1)
            proxy.cut = cut_nothing
            await until(lambda: ledger.problem is None)
            assert total(ledger) == 2
            assert await ledger.record([delivery(2), delivery(3)]) == 1
            assert total(ledger) == 3
    assert counts(server) == {"a": 3}


@pytest.mark.parametrize("error", ["deadlock_detected", "serialization_failure"])
async def test_serialization_failure_is_retried(
    address: Address, server: Server, error: str
) -> None:
    """A transaction that fails to serialize is repeated, and no request is refused."""
    async with running(store(address)) as ledger:
        # A sequence is not rolled back: the first transaction alone fails.
        server.execute(
            f"""
            CREATE SEQUENCE attempts;
            CREATE FUNCTION lose_once() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
            BEGIN
                IF nextval('public.attempts') = 1 THEN
                    RAISE EXCEPTION USING ERRCODE = '{error}';
                END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER lose_once BEFORE INSERT ON push_result_exporter.keys
                FOR EACH ROW EXECUTE FUNCTION lose_once();
            """,
            "fresh",
        )
        assert await ledger.record([delivery(1)]) == 1
        assert ledger.problem is None
    assert server.execute("SELECT last_value FROM attempts", "fresh") == [(2,)]
    assert counts(server) == {"a": 1}


async def test_name_taken_over_during_a_lost_connection(address: Address, server: Server) -> None:
    """If another process has counted under the name meanwhile, its counts are gone on from."""
    with proxied(address, server) as (proxy, way):
        async with running(store(way)) as ledger:
            await ledger.record([delivery(1)])
            cut_once(proxy, reply=False, afterwards=lambda _data, _from_server: True)
            proxy.forward_last = False
            waiting = ledger.record([delivery(2)])
            await until(lambda: proxy.cuts > 0)
            server.execute("UPDATE push_result_exporter.instances SET holder = ''", "fresh")
            async with running(store(address)) as other:
                assert await other.record([delivery(3)]) == 1
            proxy.cut = cut_nothing
            with pytest.raises(RequestError, match="repeat the request"):
                await waiting
            await until(lambda: ledger.problem is None)
            assert total(ledger) == 2
            assert await ledger.record([delivery(1, 2, 3)]) == 1
    assert counts(server) == {"a": 3}


async def test_password_that_cannot_be_read(address: Address, server: Server) -> None:
    """A password file that goes away is named as the problem, until it is back."""
    file = address.password_file
    assert file
    async with running(store(address)) as ledger:
        file.rename(file.with_suffix(".away"))
        server.execute(CUT_OFF)
        with pytest.raises(RequestError):
            await ledger.record([delivery(1)])
        assert "LEDGER_PASSWORD_FILE" in str(ledger.problem)
        await until(lambda: "No such file" in str(ledger.problem))
        file.with_suffix(".away").rename(file)
        await until(lambda: ledger.problem is None)
        assert await ledger.record([delivery(1)]) == 1


async def test_server_that_becomes_read_only(address: Address, server: Server) -> None:
    """A server that takes no writes any more is given up, and every host of the URL tried."""
    given = store(address)
    async with running(given) as ledger:
        await ledger.record([delivery(1)])
        with setting(
            server,
            "ALTER SYSTEM SET default_transaction_read_only = on",
            "ALTER SYSTEM RESET default_transaction_read_only",
        ):
            server.execute("SELECT pg_reload_conf()")
            await until(lambda: bool(ledger.problem))
            with pytest.raises(RequestError):
                await ledger.record([delivery(2)])
            assert "read-only" in str(ledger.problem)
        server.execute("SELECT pg_reload_conf()")
        await until(lambda: ledger.problem is None)
        assert await ledger.record([delivery(1), delivery(2)]) == 1


async def test_new_database_that_is_read_only(address: Address, server: Server) -> None:
    """On a read-only server without a schema the problem is the server, not the schema."""
    server.execute("ALTER DATABASE fresh SET default_transaction_read_only = on", "postgres")
    async with running(store(address)) as ledger:
        assert "read-only" in str(ledger.problem)


async def test_close_without_a_server(address: Address, server: Server) -> None:
    """A ledger closes whether or not the server is there."""
    with proxied(address, server) as (proxy, way):
        async with running(store(way)) as ledger:
            await ledger.record([delivery(1)])
            proxy.cut = lambda _data, _from_server: True
    async with running(store(address)) as ledger:
        await until(lambda: ledger.problem is None)
        assert total(ledger) == 1


async def test_lost_idle_connection_is_replaced(address: Address, server: Server) -> None:
    """An idle connection that the server closes is replaced, and no request is refused."""
    errors: list[None] = []
    async with running(store(address), on_error=lambda: errors.append(None)) as ledger:
        await ledger.record([delivery(1)])
        backends = {pid for (pid,) in server.execute(BACKENDS)}
        server.execute(CUT_OFF)
        await until(lambda: bool({pid for (pid,) in server.execute(BACKENDS)} - backends))
        assert await ledger.record([delivery(1), delivery(2)]) == 1
        assert (ledger.problem, errors, total(ledger)) == (None, [], 2)


async def test_late_commit_of_a_lost_connection_is_refused(
    address: Address, server: Server
) -> None:
    """A commit of an old connection fails once its process has connected again."""
    first, second = (
        PostgresStore(address, "a", dedupe_seconds=WINDOW, holder="the same process")
        for _ in range(2)
    )
    await first.open()
    await second.open()
    with pytest.raises(StoreError, match="INSTANCE"):
        await first.probe()
    assert not first.opened
    await second.open()
    await second.probe()
    await first.close()
    await second.probe()
    await second.close()
    [(holder,)] = server.execute("SELECT holder FROM push_result_exporter.instances", "fresh")
    assert holder == ""


async def test_second_process_waits_for_the_first(address: Address, server: Server) -> None:
    """Two processes of one INSTANCE: the second counts only once the first is gone."""
    first, second = Ledger(store(address)), Ledger(store(address))
    await first.start()
    await second.start()
    await first.record([delivery(1)])
    await asyncio.sleep(lease.LEASE_SECONDS + 1)
    assert "counts as INSTANCE a" in str(second.problem)
    assert "different INSTANCE" in str(second.problem)
    assert (first.problem, second.loaded) == (None, False)
    await first.close()
    await until(lambda: second.problem is None)
    assert total(second) == 1
    assert await second.record([delivery(1), delivery(2)]) == 1
    await second.close()
    assert counts(server) == {"a": 2}


async def test_expired_lease_is_replaced_and_its_process_cannot_commit(
    address: Address, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name is free when its lease has expired; its previous process cannot commit any more."""
    asleep = store(address)
    await asleep.open()
    async with running(store(address)) as second:
        assert second.problem
        await until(lambda: second.problem is None)
        await second.record([delivery(1)])
        late = Commit(1, 5.0, {ACKED: 1}, array("Q", [9]), 1, [Entry([9], 0, delivery(9))])
        for _ in range(2):
            with pytest.raises(StoreError, match="taken over"):
                await asleep.commit(late)
            with pytest.raises(StoreError, match="taken over"):
                await asleep.probe()
        monkeypatch.setattr(postgres, "_RECONNECT_SECONDS", 0.1)
        await second.record([delivery(2)])
    await asleep.close()
    assert counts(server) == {"a": 2}


async def test_duplicates_alone_keep_the_name(address: Address) -> None:
    """A replica that gets nothing but duplicates keeps its name."""
    async with running(store(address)) as ledger:
        await ledger.record([delivery(1)])
        end = time.monotonic() + lease.LEASE_SECONDS + 1
        while time.monotonic() < end:
            assert await ledger.record([delivery(1)]) == 0
            await asyncio.sleep(0.05)
        other = store(address)
        with pytest.raises(StoreError, match="counts as"):
            await other.open()
        await other.close()


async def test_hanging_server_is_a_refusal(address: Address, server: Server) -> None:
    """A server that is stopped does not hang the exporter, and service is back by itself."""
    async with running(store(address)) as ledger:
        await ledger.record([delivery(1)])
        [(backend,)] = server.execute(BACKENDS)
        os.kill(backend, signal.SIGSTOP)
        try:
            waiting = ledger.record([delivery(2)])
            await asyncio.sleep(4)
        finally:
            os.kill(backend, signal.SIGCONT)
        [accepted] = await asyncio.gather(waiting, return_exceptions=True)
        await until(lambda: ledger.problem is None)
        again = await ledger.record([delivery(2)])
        assert (accepted == 1) == (again == 0)
        assert total(ledger) == 2
    assert counts(server) == {"a": 2}


@contextmanager
def setting(server: Server, statement: str, undo: str) -> Iterator[None]:
    """Run a statement, and at the end of the block another that undoes it."""
    # In a database that no setting of these tests is for.
    database = "fresh" if "TABLE" in statement else "postgres"
    server.execute(statement, database)
    try:
        yield
    finally:
        server.execute(undo, database)


TROUBLES = {
    "read-only": (
        "ALTER DATABASE fresh SET default_transaction_read_only = on",
        "ALTER DATABASE fresh RESET default_transaction_read_only",
        "target_session_attrs=read-write",
    ),
    "wrong-password": (
        "ALTER ROLE exporter PASSWORD 'another'",
        f"ALTER ROLE exporter PASSWORD '{PASSWORD}'",
        "LEDGER_PASSWORD_FILE",
    ),
    "no-connections-left": (
        "ALTER ROLE exporter CONNECTION LIMIT 0",
        "ALTER ROLE exporter CONNECTION LIMIT -1",
        "max_connections",
    ),
    "no-login": (
        "ALTER ROLE exporter NOLOGIN",
        "ALTER ROLE exporter LOGIN",
        "permitted to log in",
    ),
    "missing-rights": (
        "ALTER TABLE push_result_exporter.keys OWNER TO postgres",
        "ALTER TABLE push_result_exporter.keys OWNER TO exporter",
        "ledger init",
    ),
}


@pytest.mark.parametrize(("trouble", "undo", "advice"), TROUBLES.values(), ids=TROUBLES)
async def test_refusal_of_the_server_is_a_problem_with_advice(
    address: Address,
    server: Server,
    trouble: str,
    undo: str,
    advice: str,
) -> None:
    """Nothing is acknowledged, the problem includes advice, and it disappears with its cause."""
    async with running(store(address)) as ledger:
        await ledger.record([delivery(1)])
        with setting(server, trouble, undo):
            server.execute(CUT_OFF)
            await until(lambda: advice in str(ledger.problem))
            with pytest.raises(RequestError):
                await ledger.record([delivery(2)])
            assert PASSWORD not in str(ledger.problem)
        await until(lambda: ledger.problem is None)
        assert await ledger.record([delivery(1), delivery(2)]) == 1
        assert total(ledger) == 2
    assert counts(server) == {"a": 2}


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_server_restarts_under_load(address: Address, server: Server, mode: str) -> None:
    """Each delivery is counted once over a restart of the server, retries included."""

    async def deliver(ledger: Ledger, number: int) -> int:
        while True:
            try:
                return await ledger.record([delivery(number)])
            except RequestError:
                await asyncio.sleep(0.05)

    async with running(store(address)) as ledger, asyncio.timeout(60):
        sending = [asyncio.create_task(deliver(ledger, number)) for number in range(50)]
        await asyncio.sleep(0.05)
        await asyncio.to_thread(server.stop, mode)
        sending += [asyncio.create_task(deliver(ledger, number)) for number in range(50, 100)]
        await asyncio.sleep(0.5)
        await asyncio.to_thread(server.start)
        await asyncio.gather(*sending)
        assert total(ledger) == 100
    assert counts(server) == {"a": 100}


async def test_start_without_a_server() -> None:
    """A server that is away is a problem that names what to check, and no end."""
    async with running(store(parse_address("postgresql://u:secret@127.0.0.1:1/d"))) as ledger:
        assert "check that the server is running" in str(ledger.problem)
        assert not ledger.loaded
        with pytest.raises(RequestError):
            await ledger.record([delivery(1)])


async def test_schema_without_a_version_is_named(address: Address, server: Server) -> None:
    """After a restore of the definition alone the problem names the command that completes it."""
    store = PostgresStore(address, "a", dedupe_seconds=1000)
    await store.open()
    await store.close()
    server.execute("DELETE FROM push_result_exporter.schema_version", "fresh")
    again = PostgresStore(address, "a", dedupe_seconds=1000)
    with pytest.raises(StoreError, match="has no version: `ledger init` completes it"):
        await again.open()
    await again.close()


async def test_schema_without_a_secret_is_named(address: Address, server: Server) -> None:
    """Without its secret no key can be made, and a new one would count everything again."""
    async with running(store(address)):
        pass
    server.execute("DELETE FROM push_result_exporter.secrets", "fresh")
    again = store(address)
    with pytest.raises(StoreError, match="has no secret: `ledger init` completes it"):
        await again.open()
    await again.close()


async def test_newer_schema_is_refused(address: Address, server: Server) -> None:
    """A database that a later exporter has upgraded ends the start and is left alone."""
    async with running(store(address)):
        pass
    server.execute("UPDATE push_result_exporter.schema_version SET version = 7", "fresh")
    ledger = Ledger(store(address))
    with pytest.raises(ConfigurationError, match="version 7, and this exporter reads 2"):
        await ledger.start()
    await ledger.close()


async def test_role_without_rights_names_the_command(
    address: Address, server: Server, tmp_path: Path
) -> None:
    """For a role that may not create a schema, the problem names the command to run."""
    server.execute("CREATE ROLE guest LOGIN PASSWORD 'guest'", "postgres")
    password = tmp_path / "guest"
    password.write_text("guest")
    guest = parse_address(server.url("guest", "fresh"), password)
    async with running(store(guest)) as ledger:
        assert "ledger init" in str(ledger.problem)
        async with running(store(address, "owner")):
            pass
        await until(lambda: "--grant-to" in str(ledger.problem))
        owner = Administration(address)
        await owner.connect()
        await owner.initialize("guest")
        await owner.close()
        await until(lambda: ledger.problem is None)
        assert await ledger.record([delivery(1)]) == 1
    server.execute("DROP OWNED BY guest", "fresh")
    server.execute("DROP ROLE guest", "postgres")


NOTE_COMMIT_SETTING = """
CREATE TABLE noted (setting text);
GRANT INSERT ON noted TO exporter;
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN INSERT INTO noted VALUES (current_setting('synchronous_commit')); RETURN NULL; END$$;
CREATE TRIGGER note AFTER INSERT OR UPDATE ON push_result_exporter.counts EXECUTE FUNCTION note();
"""
"""Notes the setting under which each transaction writes counts."""


async def test_asynchronous_commit_is_made_synchronous(address: Address, server: Server) -> None:
    """Commits are synchronous unless configured otherwise, whatever the database's default."""
    with setting(
        server,
        "ALTER DATABASE fresh SET synchronous_commit = off",
        "ALTER DATABASE fresh RESET synchronous_commit",
    ):
        for durable in (True, False):
            given = PostgresStore(address, "a", dedupe_seconds=WINDOW, durable=durable)
            async with running(given) as ledger:
                if durable:
                    server.execute(NOTE_COMMIT_SETTING, "fresh")
                await ledger.record([delivery(int(durable))])
    noted = server.execute("SELECT setting FROM noted", "fresh")
    assert [*dict.fromkeys(noted)] == [("on",), ("off",)]


async def test_locked_table_is_a_refusal(address: Address, server: Server) -> None:
    """A table that is locked by another session is a refusal after the statement timeout."""
    async with running(store(address)) as ledger:
        await ledger.record([delivery(1)])
        with closing(psycopg.connect(server.url("postgres", "fresh"))) as intruder:
            intruder.execute("LOCK TABLE push_result_exporter.keys")
            with pytest.raises(RequestError):
                await ledger.record([delivery(2)])
            assert "check its locks" in str(ledger.problem)
        await until(lambda: ledger.problem is None)
        assert await ledger.record([delivery(2)]) == 1


PARTS: dict[str, Any] = {
    "postgresql://u:secret@h:5432/d": "postgresql://u@h:5432/d",
    "postgres://u:sec%2Fret@h/d?sslmode=require": "postgresql://u@h/d",
    "postgresql://h1,h2/d?user=u&password=secret": "postgresql://u@h1,h2/d",
    "postgresql://u:secret@h1:1,h2:2/d?target_session_attrs=read-write": (
        "postgresql://u@h1:1,h2:2/d"
    ),
    "postgresql://h1,h2:6/": "postgresql://h1,h2:6/",
}


@pytest.mark.parametrize(("url", "name"), PARTS.items())
def test_name_of_a_ledger_shows_no_password(url: str, name: str) -> None:
    """The name of a ledger has user, hosts and database, and nothing else of the URL."""
    assert parse_address(url).name == name


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("mysql://u:secret@h/d", "not a URL like"),
        ("host=h password=secret", "not a URL like"),
        ("postgresql://u:secret@h:port/d?nonsense=1", "cannot parse it"),
        ("postgresql://u:se%zzcret@h/d", "cannot parse it"),
        ("postgresql://u:secret@h/d?bogus=1", "cannot parse it"),
        ("postgresql://user:secret", "cannot parse it"),
        ("postgresql://u:secret@h:65536/d", "cannot parse it"),
        ("postgresql://u:secret@h1:1,h2:2,h3/d?port=1,2", "cannot parse it"),
    ],
)
def test_bad_url(url: str, problem: str) -> None:
    """A URL that libpq cannot read is refused, and nothing of it is repeated."""
    with pytest.raises(ConfigurationError, match=f"LEDGER_URL.*{problem}") as refused:
        parse_address(url)
    assert "cret" not in str(refused.value)


def test_two_passwords(tmp_path: Path) -> None:
    """A password in the URL and another in a file are an error, and so is a file that is absent."""
    with pytest.raises(ConfigurationError, match="LEDGER_PASSWORD_FILE"):
        parse_address("postgresql://u:secret@h/d", tmp_path)
    with pytest.raises(ConfigurationError, match=r"absent: No such file"):
        parse_address("postgresql://u@h/d", tmp_path / "absent").password()
