from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterable
from email.utils import formatdate

import pytest

from blobio.config import RetryConfig
from blobio.errors import DeadlineExceeded, TransportFailed
from blobio.transport.message import Request, Response
from blobio.transport.mock import MockTransport, ScriptedStream, Step, reply
from blobio.transport.retry import (
    Judge,
    RetryBudget,
    RetryTransport,
    StaleConnection,
    Verdict,
    judge_status,
    quota_wait_s,
    retry_after_s,
)

NOW = 1_700_000_000.0
GET = Request(method="GET", url="https://h/k?sig=SECRET", operation="get", subject="s3://b/k")
POST = Request(method="POST", url="https://h/k", idempotent=False, operation="begin_upload")


def fault(*, ambiguous: bool = True, retryable: bool = True) -> TransportFailed:
    error = TransportFailed("connection reset", retryable=retryable)
    error.ambiguous = ambiguous
    return error


class FakeSigner:
    def __init__(self, *, skewed: bool = False) -> None:
        self.refreshed = 0
        self.skewed = skewed

    async def sign(self, request: Request) -> Request:
        return request

    async def refresh(self, failed: object = None) -> None:
        assert failed is None  # it signs with nothing
        self.refreshed += 1

    def learn_time(self, server_date: str) -> bool:
        assert server_date
        return self.skewed


class Bench:
    """A retry transport on a clock that only sleeping moves."""

    def __init__(
        self,
        script: Iterable[Step] | Callable[[Request], Step],
        config: RetryConfig | None = None,
        *,
        judge: Judge = judge_status,
        signer: FakeSigner | None = None,
        budget: RetryBudget | None = None,
        log_callback: Callable[[str], None] | None = None,
    ) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self.inner = MockTransport(script)
        self.budget = RetryBudget(100) if budget is None else budget
        self.transport = RetryTransport(
            self.inner,
            RetryConfig() if config is None else config,
            self.budget,
            judge=judge,
            signer=signer,
            log_callback=log_callback,
            clock=lambda: self.now,
            wall_clock=lambda: NOW + self.now,
            sleep=self.sleep,
            rng=random.Random(7),
        )

    async def sleep(self, delay: float) -> None:
        self.slept.append(delay)
        self.now += delay

    async def send(self, request: Request = GET) -> Response:
        return await self.transport.send(request)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        *((status, Verdict.RETRY) for status in (408, 429, 500, 502, 503, 504)),
        *((status, Verdict.DONE) for status in (200, 206, 304, 403, 404, 412, 501, 505)),
        (401, Verdict.REAUTHENTICATE),
    ],
)
def test_judge_status(status: int, verdict: Verdict) -> None:
    assert judge_status(GET, reply(status)) is verdict


async def test_two_503_then_success() -> None:
    bench = Bench([reply(503), reply(503), reply(200, b"done")])

    response = await bench.send()

    assert (response.status, response.body, response.attempts) == (200, b"done", 3)


async def test_waits_are_random_below_a_doubling_bound() -> None:
    bench = Bench(lambda _: reply(500), RetryConfig(attempts=6, base_s=1, max_s=4))

    await bench.send()

    assert len(set(bench.slept)) == 5
    assert all(
        0 <= delay <= bound for delay, bound in zip(bench.slept, (1, 2, 4, 4, 4), strict=True)
    )


async def test_last_retryable_reply_is_returned() -> None:
    bench = Bench(lambda _: reply(503, b"SlowDown"), RetryConfig(attempts=3))

    response = await bench.send()

    assert (response.status, response.body, response.attempts) == (503, b"SlowDown", 3)
    assert len(bench.inner.requests) == 3


async def test_last_fault_is_raised_with_the_whole_story() -> None:
    bench = Bench(lambda _: fault(), RetryConfig(attempts=3))

    with pytest.raises(TransportFailed) as caught:
        await bench.send()

    error = caught.value
    assert str(error) == (
        "get of s3://b/k failed after 3 attempts (the limit is attempts=3): connection reset"
    )
    assert error.retried
    assert (error.attempts, error.operation, error.url) == (3, "get", "s3://b/k")
    assert error.ambiguous
    assert error.retryable
    assert isinstance(error.__cause__, TransportFailed)


async def test_url_stands_in_for_a_subject_without_its_secrets() -> None:
    bench = Bench([fault(retryable=False)])

    with pytest.raises(TransportFailed) as caught:
        await bench.send(Request(method="GET", url="https://h/k?sig=SECRET"))

    assert "GET of https://h/k?sig=REDACTED" in str(caught.value)
    assert not caught.value.retryable


async def test_no_attempt_after_the_no_progress_deadline() -> None:
    config = RetryConfig(attempts=1000, no_progress_s=60, base_s=10, max_s=10)
    bench = Bench(lambda _: fault(), config)

    with pytest.raises(DeadlineExceeded, match="no_progress_s=60 seconds are over"):
        await bench.send()

    assert bench.now < 60
    assert len(bench.inner.requests) > 5


async def test_caller_deadline_ends_retries() -> None:
    config = RetryConfig(get_deadline=lambda: NOW + 5, base_s=2, max_s=2, attempts=1000)
    bench = Bench(lambda _: reply(500), config)

    with pytest.raises(DeadlineExceeded, match=r"get_deadline\(\) is over\): HTTP status 500"):
        await bench.send()

    assert bench.now <= 5


async def test_passed_caller_deadline_sends_nothing() -> None:
    bench = Bench([reply()], RetryConfig(get_deadline=lambda: NOW - 1))

    with pytest.raises(DeadlineExceeded, match="nothing was sent") as caught:
        await bench.send()

    assert bench.inner.requests == []
    assert caught.value.attempts == 0


async def test_retry_after_seconds_are_waited() -> None:
    bench = Bench([reply(429, headers={"retry-after": "3"}), reply()])

    await bench.send()

    assert 3 <= bench.slept[0] <= 3.1


async def test_retry_after_date_is_measured_by_the_servers_clock() -> None:
    headers = {"retry-after": formatdate(5000, usegmt=True), "date": formatdate(4990, usegmt=True)}
    bench = Bench([reply(503, headers=headers), reply()])

    await bench.send()

    assert 10 <= bench.slept[0] <= 10.1


async def test_too_long_a_retry_after_ends_the_retries() -> None:
    bench = Bench([reply(429, headers={"retry-after": "61"})])

    response = await bench.send()

    assert response.status == 429
    assert bench.slept == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (formatdate(NOW + 7, usegmt=True), 7.0),
        (formatdate(NOW - 7, usegmt=True), 0.0),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("1.5", None),
        ("Fri, 99 Foo 2023 25:61:61 GMT", None),
    ],
)
def test_retry_after_forms(text: str, seconds: float | None) -> None:
    assert retry_after_s({"retry-after": text}, NOW) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ('"api";r=0;t=55', 56.0),
        ('"api";r=3;t=55', None),
        ('"api"; r=0; t=5', 6.0),
        ('"a";r=0;t=5, "b";r=1;t=300, "c";r=0;t=7', 8.0),
        ('"api";t=0;r=0', 1.0),
        ('"api";r=0', None),
        ('"api";r=0;t=soon', None),
        ("", None),
    ],
)
def test_spent_quota_forms(text: str, seconds: float | None) -> None:
    assert quota_wait_s({"ratelimit": text}) == seconds


async def test_spent_quota_is_waited_for_whatever_else_the_reply_says() -> None:
    headers = {"ratelimit": '"api";r=0;t=8', "retry-after": "300"}
    bench = Bench([reply(429, headers=headers), reply()])

    await bench.send()

    assert 9 <= bench.slept[0] <= 9.1


async def test_quota_of_a_reply_that_is_no_429_is_not_waited_for() -> None:
    bench = Bench([reply(503, headers={"ratelimit": '"api";r=0;t=30'}), reply()])

    await bench.send()

    assert bench.slept[0] <= 0.1


async def test_stale_connection_is_replaced_at_once() -> None:
    bench = Bench([StaleConnection("closed"), reply()], budget=(budget := RetryBudget(1)))

    response = await bench.send()

    assert response.attempts == 2
    assert bench.slept == []
    assert budget.take()


async def test_second_stale_connection_waits() -> None:
    bench = Bench([StaleConnection("closed"), StaleConnection("closed"), reply()])

    await bench.send()

    assert len(bench.slept) == 1


async def test_fault_that_cannot_pass_is_not_retried() -> None:
    bench = Bench([fault(retryable=False)])

    with pytest.raises(TransportFailed, match=r"after 1 attempt \(trying again would not help"):
        await bench.send()


async def test_non_idempotent_request_is_not_repeated_after_a_lost_reply() -> None:
    bench = Bench([fault(ambiguous=True)])

    with pytest.raises(TransportFailed, match="the store may have acted on it") as caught:
        await bench.send(POST)

    assert caught.value.ambiguous


async def test_non_idempotent_request_is_repeated_after_a_failed_connect() -> None:
    bench = Bench([fault(ambiguous=False), reply()])

    assert (await bench.send(POST)).attempts == 2


@pytest.mark.parametrize(
    "refusal", [reply(429), reply(503, headers={"retry-after": "1"}), reply(408)]
)
async def test_non_idempotent_request_is_repeated_after_a_refusal(refusal: Response) -> None:
    bench = Bench([refusal, reply()])

    response = await bench.send(POST)

    assert response.attempts == 2
    assert not response.ambiguous


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_non_idempotent_request_is_not_repeated_after_a_5xx(status: int) -> None:
    bench = Bench([reply(status)])

    assert (await bench.send(POST)).status == status


@pytest.mark.parametrize(
    ("first", "ambiguous"),
    [
        (fault(ambiguous=True), True),
        (fault(ambiguous=False), False),
        (reply(500), True),
        (reply(502), True),
        (reply(503), True),
        (reply(504), True),
        (reply(503, headers={"retry-after": "1"}), False),
        (reply(429), False),
        (reply(408), False),
    ],
)
async def test_refusal_after_an_attempt_that_may_have_worked_is_ambiguous(
    first: Step, *, ambiguous: bool
) -> None:
    bench = Bench([first, reply(412)])

    response = await bench.send()

    assert (response.status, response.ambiguous) == (412, ambiguous)


async def test_judge_can_reject_a_success() -> None:
    def judge(_: Request, response: Response) -> Verdict:
        return Verdict.RETRY if b"InternalError" in response.body else Verdict.DONE

    bench = Bench([reply(200, b"<Code>InternalError</Code>"), reply(200, b"ok")], judge=judge)

    response = await bench.send()

    assert response.body == b"ok"
    assert response.ambiguous


async def test_broken_list_page_is_read_again() -> None:
    broken = reply(chunks=[b"<List"], fault=fault())
    bench = Bench([broken, reply(200, b"<List/>")])

    assert (await bench.send()).body == b"<List/>"


async def test_rejected_stream_is_closed() -> None:
    stream = ScriptedStream([b"x"])
    first = Response(status=200, headers={}, stream=stream)
    verdicts = iter([Verdict.RETRY, Verdict.DONE])
    bench = Bench([first, reply()], judge=lambda *_: next(verdicts))

    await bench.send(Request(method="GET", url="https://h/k", stream=True))

    assert stream.closed


async def test_expired_credentials_are_refreshed_once() -> None:
    signer = FakeSigner()
    bench = Bench([reply(401), reply(401, b"still no")], signer=signer)

    response = await bench.send()

    assert (response.status, response.body) == (401, b"still no")
    assert signer.refreshed == 1
    assert bench.slept == []


async def test_refresh_does_not_use_up_the_only_attempt() -> None:
    bench = Bench([reply(401), reply()], RetryConfig(attempts=1), signer=FakeSigner())

    assert (await bench.send(POST)).status == 200


async def test_401_without_credentials_is_final() -> None:
    bench = Bench([reply(401)])

    assert (await bench.send()).status == 401


@pytest.mark.parametrize(("skewed", "status"), [(True, 200), (False, 403)])
async def test_clock_is_corrected_once(*, skewed: bool, status: int) -> None:
    date = {"date": formatdate(NOW, usegmt=True)}
    bench = Bench(
        [reply(403, headers=date), reply(200)],
        signer=FakeSigner(skewed=skewed),
        judge=lambda _, response: Verdict.RESYNC if response.status == 403 else Verdict.DONE,
    )

    assert (await bench.send()).status == status


async def test_endless_skew_ends() -> None:
    date = {"date": formatdate(NOW, usegmt=True)}
    bench = Bench(
        [reply(403, headers=date), reply(403, headers=date)],
        signer=FakeSigner(skewed=True),
        judge=lambda *_: Verdict.RESYNC,
    )

    assert (await bench.send()).attempts == 2


async def test_empty_budget_ends_retries() -> None:
    bench = Bench(lambda _: fault(), budget=RetryBudget(2))

    with pytest.raises(TransportFailed, match="retry budget is empty") as caught:
        await bench.send()

    assert caught.value.attempts == 3


def test_ten_successes_give_back_one_retry() -> None:
    budget = RetryBudget(1)
    assert budget.take()

    for _ in range(9):
        budget.give_back()
    before = budget.take()
    for _ in range(2):
        budget.give_back()

    assert not before
    assert budget.take()


def test_budget_does_not_grow_beyond_its_size() -> None:
    budget = RetryBudget(1)

    for _ in range(100):
        budget.give_back()

    assert budget.take()
    assert not budget.take()


async def test_retries_are_logged_after_the_threshold(caplog: pytest.LogCaptureFixture) -> None:
    script = [reply(500), reply(500), reply(500), reply()]
    bench = Bench(script, RetryConfig(log_threshold=2))

    with caplog.at_level(logging.WARNING, "blobio.transport"):
        await bench.send()

    assert len(caplog.records) == 1
    assert "get of s3://b/k: HTTP status 500; trying again in" in caplog.text


async def test_log_callback_takes_the_place_of_logging(caplog: pytest.LogCaptureFixture) -> None:
    lines: list[str] = []
    bench = Bench([reply(500), reply()], log_callback=lines.append)

    await bench.send()

    assert len(lines) == 1
    assert caplog.records == []


async def test_close_closes_the_inner_transport() -> None:
    bench = Bench([])

    await bench.transport.aclose()

    assert bench.inner.closed
