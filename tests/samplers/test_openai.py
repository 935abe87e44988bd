"""The openai sampler, on the real server of `vllm serve`, and on one in a thread that fails on purpose."""

import asyncio
import email.utils
import http.server
import importlib.util
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter

import pytest

from selfplay.recipe.sections import Sampling
from selfplay.records import Request, Sample, SampleFailure
from selfplay.samplers import server_watchdog as server_watch
from selfplay.samplers.openai import OpenAISampler
from tasks import UserError
from tests.conftest import VLLM_OPTIONS

SEEDS = tuple(2**62 + 977 * number for number in range(8))


def make_request(prompt: str, indices=tuple(range(8)), task_id: str = "t") -> Request:
    messages = ({"role": "user", "content": prompt},)
    return Request(task_id, messages, tuple(indices), tuple(SEEDS[index] for index in indices))


async def draw(sampler: OpenAISampler, request: Request) -> dict[int, Sample | SampleFailure]:
    return {sample.index: sample async for sample in sampler.sample(request)}


# ---- a server that does what its requests' seeds tell ----------------------------------------------------------------


class Server(http.server.ThreadingHTTPServer):
    """Speaks the protocol on loopback; `plan[seed]` is a list of what to do, one for each call with that seed."""

    daemon_threads = True
    lists_nothing = False

    def __init__(self, plan: dict[int, list[str]], port: int = 0):
        super().__init__(("127.0.0.1", port), Handler)
        self.plan = plan
        self.calls: list[tuple[float, dict]] = []  # when, and the fields of the request
        self.num_open = self.most_open = 0
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request, client_address):
        pass  # a client that hung up is part of the plan


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.server.lists_nothing:
            return self.answer(200, "<html>no list of models</html>", kind="text/html")
        self.answer(200, {"object": "list", "data": [{"id": "small", "object": "model"}]})

    def do_POST(self):
        server: Server = self.server
        fields = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert fields.get("seed", 0) < 2**31  # Gemini takes no more
        fields["seed"] = fields.get("seed", 0) + 2**62  # as the request had it, whose lower 31 bits are sent
        with server.lock:
            earlier = sum(old["seed"] == fields["seed"] for _, old in server.calls)
            server.calls.append((time.monotonic(), fields | {"key": self.headers["Authorization"]}))
            server.num_open += 1
            server.most_open = max(server.most_open, server.num_open)
        plan = server.plan.get(fields["seed"], [])
        try:
            self.act(plan[min(earlier, len(plan) - 1)] if plan else "fine", fields)
        finally:
            with server.lock:
                server.num_open -= 1

    def act(self, what: str, fields: dict) -> None:
        if what == "fine":
            time.sleep(0.02)
            self.answer(200, completion(fields))
        elif what == "silence":
            time.sleep(30)
        elif what == "drop":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif what == "half":
            self.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"id": ')
            self.close_connection = True
        elif what == "slow":
            time.sleep(0.8)
            self.answer(200, completion(fields))
        elif what == "cut":
            self.answer(200, json.dumps(completion(fields))[:-40])
        elif what in MALFORMED:
            self.answer(200, completion(fields) | MALFORMED[what])
        elif what == "page":
            self.answer(200, "<html>not what you want</html>", kind="text/html")
        elif what in ("filtered", "reasoned"):
            self.answer(200, completion(fields, what))
        else:  # "503", or "429 1.5": a status, and what Retry-After says
            status, _, delay = what.partition(" ")
            code = "insufficient_quota" if status == "402" else None
            error = {"error": {"message": f"planned {status}", "type": "planned", "code": code}}
            self.answer(429 if status == "402" else int(status), error, {"Retry-After": delay} if delay else {})

    def answer(self, status: int, body, headers: dict = {}, kind: str = "application/json") -> None:
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


CHOICE = {"index": 0, "finish_reason": "stop"}
MALFORMED = {
    "choices as text": {"choices": "5"},
    "no message": {"choices": [CHOICE | {"message": None}]},
    "an image": {"choices": [CHOICE | {"message": {"role": "assistant", "content": [{"type": "image_url"}]}}]},
    "usage as list": {"usage": [1]},
}


def completion(fields: dict, what: str = "fine") -> dict:
    message = {"role": "assistant", "content": f"answer {fields['seed']}"}
    if what == "reasoned":
        message["reasoning_content"] = "let me see"
    return {
        "id": "1", "object": "chat.completion", "created": 1, "model": "small",
        "choices": [
            {"index": 0, "message": message, "finish_reason": "content_filter" if what == "filtered" else "stop"}
        ],
        "usage": {
            "prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14,
            "prompt_tokens_details": {"cached_tokens": 7},
        },
    }  # fmt: skip


@pytest.fixture
def server():
    server = Server({})
    yield server
    server.shutdown()
    server.server_close()


def sample_from(server: Server, request: Request | None = None, **settings) -> dict[int, Sample | SampleFailure]:
    """All samples of a request, through a sampler of its own."""
    settings = {"max_retries": 2, "timeout_seconds": 5.0, "max_tokens": 60} | settings
    sampler = OpenAISampler(Sampling(engine="openai", base_url=server.url, **settings), "small")

    async def life():
        try:
            return await draw(sampler, request or make_request("1+2="))
        finally:
            await sampler.close()

    return asyncio.run(life())


def failed(samples: dict[int, Sample | SampleFailure]) -> set[int]:
    return {index for index, sample in samples.items() if isinstance(sample, SampleFailure)}


def test_each_sample_is_asked_for_with_its_own_seed(server):
    samples = sample_from(server, temperature=0.7, top_p=0.9, top_k=20, stop=["\n"])
    assert {index: (sample.seed, sample.text) for index, sample in samples.items()} == {
        index: (seed, f"answer {seed}") for index, seed in enumerate(SEEDS)
    }
    fields = server.calls[0][1]
    assert not {"min_p", "chat_template_kwargs", "presence_penalty"} & fields.keys()  # at their defaults
    wanted = {"model": "small", "temperature": 0.7, "top_p": 0.9, "top_k": 20, "stop": ["\n"], "max_tokens": 60}
    assert wanted.items() <= fields.items()
    assert fields["messages"] == [{"role": "user", "content": "1+2="}]


def test_usage_is_what_the_server_tells(server):
    sample = sample_from(server)[0]
    assert (sample.prompt_tokens, sample.cached_tokens, sample.completion_tokens) == (11, 7, 3)


def test_reasoning_that_was_split_off_comes_back(server):
    server.plan = {SEEDS[0]: ["reasoned"]}
    samples = sample_from(server)
    assert samples[0].text == f"<think>let me see</think>answer {SEEDS[0]}"
    assert samples[1].text == f"answer {SEEDS[1]}"


@pytest.mark.parametrize("trouble", ["500", "503", "429", "408", "drop", "half"])
def test_trouble_that_passes_costs_nothing(server, trouble):
    server.plan = {SEEDS[3]: [trouble, "fine"]}
    assert not failed(sample_from(server))
    assert Counter(fields["seed"] for _, fields in server.calls)[SEEDS[3]] == 2


@pytest.mark.parametrize("trouble", ["500", "drop", "half", "400", "page", "filtered", "cut", *MALFORMED])
def test_trouble_that_stays_costs_one_sample(server, trouble):
    server.plan = {SEEDS[3]: [trouble]}
    samples = sample_from(server, max_retries=1)
    assert failed(samples) == {3}
    assert trouble == "filtered" or server.url in samples[3].error


def test_silence_costs_one_sample(server):
    server.plan = {SEEDS[3]: ["silence"]}
    start = time.monotonic()
    samples = sample_from(server, timeout_seconds=0.5, max_retries=1)
    assert failed(samples) == {3} and "timed out" in samples[3].error
    assert 1.0 < time.monotonic() - start < 25.0  # the server is silent for 30


def test_retry_after_is_obeyed(server):
    server.plan = {SEEDS[0]: ["429 1.5", "fine"]}
    assert not failed(sample_from(server, make_request("1+2=", (0,))))
    first, second = (moment for moment, _ in server.calls)
    assert second - first >= 1.5


def test_a_date_in_retry_after_is_obeyed_and_a_delay_of_hours_stops_the_run(server):
    moment = time.time()
    date = email.utils.formatdate(moment + 3, usegmt=True)
    server.plan = {SEEDS[0]: [f"429 {date}", "fine"], SEEDS[1]: ["429 86400"]}
    assert not failed(sample_from(server, make_request("1+2=", (0,))))
    assert time.time() >= int(moment + 3)
    with pytest.raises(UserError, match="asks to wait 86400 s"):
        sample_from(server, make_request("1+2=", (1,)))


def test_delays_between_retries_grow(server):
    server.plan = {SEEDS[0]: ["503"]}
    assert failed(sample_from(server, make_request("1+2=", (0,)), max_retries=3)) == {0}
    moments = [moment for moment, _ in server.calls]
    delays = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert len(delays) == 3 and delays[0] < delays[1] < delays[2]


def test_no_more_requests_at_once_than_allowed(server):
    sample_from(server, max_concurrency=3)
    assert server.most_open == 3 and len(server.calls) == 8


@pytest.mark.parametrize(
    "status, cure",
    [
        ("401", "SELFPLAY_TEST_KEY"),
        ("403", "SELFPLAY_TEST_KEY"),
        ("404", "it serves small"),
        ("402", "no credit"),  # sent as 429 with the code insufficient_quota
    ],
)
def test_what_no_retry_cures_is_a_user_error_that_names_the_cure(server, status, cure):
    server.plan = {seed: [status] for seed in SEEDS}
    with pytest.raises(UserError, match=cure) as caught:
        sample_from(server, api_key_env="SELFPLAY_TEST_KEY", max_retries=0)
    assert server.url in str(caught.value)


def test_key_comes_from_the_named_environment_variable(server, monkeypatch):
    monkeypatch.setenv("SELFPLAY_TEST_KEY", "secret")
    sample_from(server, api_key_env="SELFPLAY_TEST_KEY")
    assert {fields["key"] for _, fields in server.calls} == {"Bearer secret"}


def test_hosted_server_without_a_key_is_a_user_error(monkeypatch):
    monkeypatch.delenv("SELFPLAY_TEST_KEY", raising=False)
    with pytest.raises(UserError, match="SELFPLAY_TEST_KEY"):
        OpenAISampler(Sampling(engine="openai", api_key_env="SELFPLAY_TEST_KEY"), "small")


def test_server_that_is_not_there_stops_the_run_with_the_cause(server, monkeypatch):
    monkeypatch.setattr(server_watch, "QUIET_SECONDS", 0.1)
    monkeypatch.setattr(server_watch, "SILENT_SECONDS", 0.5)
    server.shutdown()
    server.server_close()
    with pytest.raises(UserError, match=f"{server.url}.*has answered nothing.*connect"):
        sample_from(server, max_retries=0)


def test_server_that_restarts_costs_no_sample(server):
    server.plan = {seed: ["slow"] for seed in SEEDS}
    port, again = server.server_address[1], []

    def restart():
        while not server.calls:
            time.sleep(0.01)
        server.shutdown()
        server.server_close()
        time.sleep(1.0)
        again.append(Server({}, port))

    restarting = threading.Thread(target=restart)
    restarting.start()
    try:
        assert not failed(sample_from(server, max_retries=0, max_concurrency=2))
    finally:
        restarting.join()
        again[0].shutdown()
        again[0].server_close()


def test_slow_server_lives_whatever_it_answers_when_asked_for_its_models(server, monkeypatch):
    monkeypatch.setattr(server_watch, "QUIET_SECONDS", 0.1)
    server.plan, server.lists_nothing = {seed: ["slow"] for seed in SEEDS}, True
    assert not failed(sample_from(server))
    server.plan = {SEEDS[0]: ["404"]}
    with pytest.raises(UserError, match="cannot be listed.*base_url to end in /v1"):
        sample_from(server, make_request("1+2=", (0,)))


def test_server_that_asks_for_patience_has_answered(server, monkeypatch):
    monkeypatch.setattr(server_watch, "QUIET_SECONDS", 0.1)
    monkeypatch.setattr(server_watch, "SILENT_SECONDS", 2.0)
    monkeypatch.setattr(server_watch, "MAX_TIMEOUTS", 0.1)
    server.plan = {seed: [*["429 0.8"] * 4, "fine"] for seed in SEEDS}
    assert not failed(sample_from(server, max_retries=4, timeout_seconds=10.0))


# ---- vllm serve ------------------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def vllm_server(small_models, tmp_path_factory):
    """The server of `vllm serve` on loopback, with the first small model, named "small"; the base URL.

    Started by its module: the command itself asks for the version of a package `vllm`, which the CPU build is not named.
    """
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vllm is not installed; .ci/run installs its CPU build")
    port, log_path = free_port(), tmp_path_factory.mktemp("serve") / "log"
    arguments = ["--model", small_models[0], "--served-model-name", "small", "--host", "127.0.0.1", "--port", str(port)]
    arguments.append("--no-enable-chunked-prefill")  # see VllmSampler: seeds, on a CPU
    for name, value in VLLM_OPTIONS.items():
        arguments += [f"--{name.replace('_', '-')}"] + ([] if value is True else [str(value)])
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *arguments]
    with open(log_path, "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        _await_health(process, port, log_path)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def _await_health(process: subprocess.Popen, port: int, log_path) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2):
                return
        except OSError:
            time.sleep(0.3)
    pytest.fail(f"vllm serve did not come up:\n{log_path.read_text()[-3000:]}")


@pytest.fixture(scope="module")
def serve_sampler(vllm_server, run):
    settings = Sampling(
        engine="openai", base_url=vllm_server, endpoint="completions", max_tokens=60, max_retries=1,
        engine_options={"return_token_ids": True},
    )  # fmt: skip
    sampler = OpenAISampler(settings, "small")
    yield sampler
    run(sampler.close())


def test_real_server_draws_the_same_sample_from_the_same_seed(serve_sampler, run):
    first = run(draw(serve_sampler, make_request("1+2=")))
    assert len({sample.token_ids for sample in first.values()}) == 8
    again = run(draw(serve_sampler, make_request("1+2=", (5, 2))))
    assert {index: sample.text for index, sample in again.items()} == {index: first[index].text for index in (5, 2)}
    for sample in first.values():
        assert sample.prompt_tokens == 5 and sample.completion_tokens == len(sample.token_ids) <= 60
        assert sample.finish_reason == "stop" or sample.completion_tokens == 60


def test_real_server_refuses_a_prompt_that_is_too_long_and_no_other(serve_sampler, run):
    async def both():
        return await asyncio.gather(
            draw(serve_sampler, make_request("1" * 300, (0, 1))), draw(serve_sampler, make_request("1+2=", (0, 1)))
        )

    long, fine = run(both())
    assert failed(long) == {0, 1} and "256" in long[0].error
    assert not failed(fine)


def test_real_server_names_its_models_when_asked_for_another(serve_sampler, run):
    run(serve_sampler.load("missing"))
    with pytest.raises(UserError, match='no model "missing".*it serves small'):
        run(draw(serve_sampler, make_request("1+2=", (0,))))
    run(serve_sampler.load("small"))
    assert not failed(run(draw(serve_sampler, make_request("1+2=", (0,)))))


def test_base_model_behind_a_chat_endpoint_is_a_user_error_that_names_the_cure(vllm_server, run):
    sampler = OpenAISampler(Sampling(engine="openai", base_url=vllm_server, max_tokens=60), "small")
    with pytest.raises(UserError, match='endpoint = "completions"'):
        run(draw(sampler, make_request("1+2=", (0,))))
    run(sampler.close())
