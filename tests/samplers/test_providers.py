"""Servers of several providers, each as reports about it say that it answers: what they refuse, and how they say it."""

import asyncio
import json
import threading
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from rich.console import Console

from selfplay.progress import Progress
from selfplay.recipe.sections import ChatTemplate, More, Recipe, Sampling
from selfplay.records import Request, Sample, SampleFailure
from selfplay.rounds.run import run as play
from selfplay.samplers.openai import OpenAISampler
from tasks import MathReference, UserError
from verifiers import Outcome, verify

CHAT = {"id": "1", "object": "chat.completion", "created": 1, "model": "m"}
USAGE = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}


class Provider(ThreadingHTTPServer):
    """A server whose answer to a request is `answer(fields, number)`: a status and a body."""

    daemon_threads = True

    def __init__(self, answer, owned_by=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer, self.owned_by, self.calls = answer, owned_by, []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        model = {"id": "m", "object": "model"} | ({"owned_by": self.server.owned_by} if self.server.owned_by else {})
        self.say(200, {"object": "list", "data": [model]})

    def do_POST(self):
        fields = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/tokenize":
            return self.say(200, {"tokens": [1, 2]})
        if self.path == "/detokenize":
            return self.say(200, {"prompt": "<|im_start|>assistant\n<think>\n"})
        self.server.calls.append(fields)
        self.say(*self.server.answer(fields, len(self.server.calls)))

    def say(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def said(content, reason="stop", usage=USAGE, **message):
    choice = {"index": 0, "finish_reason": reason, "message": {"role": "assistant", "content": content} | message}
    return CHAT | {"choices": [choice]} | ({"usage": usage} if usage else {})


def refused(message, param=None, status=400):
    return status, {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": None}}


@pytest.fixture
def provide():
    servers = []

    def start(answer, owned_by=None):
        servers.append(Provider(answer, owned_by))
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def draw(server, num=1, **settings):
    settings = {"max_retries": 3, "timeout_seconds": 5.0, "max_tokens": 60} | settings
    sampler = OpenAISampler(Sampling(engine="openai", base_url=server.url, **settings), "m")
    request = Request("t", ({"role": "user", "content": "1+1?"},), tuple(range(num)), tuple(range(2**62, 2**62 + num)))

    async def life():
        try:
            return [sample async for sample in sampler.sample(request)]
        finally:
            await sampler.close()

    return asyncio.run(life())


def one(server, **settings) -> Sample | SampleFailure:
    (sample,) = draw(server, **settings)
    return sample


def test_a_server_that_wants_max_completion_tokens_gets_them_after_one_refusal(provide):
    def reasoning_model(fields, number):
        if "max_tokens" in fields:
            text = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
            return refused(text, "max_tokens")
        return 200, said(f"{fields['max_completion_tokens']}")

    server = provide(reasoning_model)
    assert [sample.text for sample in draw(server, num=8, max_concurrency=2)] == ["60"] * 8
    assert len(server.calls) <= 10  # those that were under way, and no more, were sent twice


@pytest.mark.parametrize(
    ("answer", "field"),
    [
        (refused("temperature does not support 0.7 with this model. Only the default (1) value is supported.", "temperature"),
         "temperature"),
        (refused("`temperature` and `top_p` cannot both be specified for this model. Please use only one."), "temperature"),
        ((422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]}),
         "seed"),
        ((400, {"error": {"code": 400, "message": "Invalid JSON payload received. Unknown name \"top_k\": Cannot find field."}}),
         "top_k"),
    ],
)  # fmt: skip
def test_a_refused_field_is_named_with_the_key_that_omits_it(provide, answer, field):
    settings = {"temperature": 0.7, "top_p": 0.9, "top_k": 20}
    server = provide(lambda fields, number: answer if field in fields else (200, said("2")))
    with pytest.raises(UserError, match=rf'refuses the field {field}.*omit = \["{field}"\]'):
        draw(server, **settings)
    assert len(server.calls) == 1
    assert one(server, omit=[field], **settings).text == "2"


def test_top_p_is_sent_only_if_it_cuts_anything(provide):
    server = provide(lambda fields, number: (200, said("2")))
    draw(server, temperature=0.7)
    draw(server, top_p=0.9)
    assert "top_p" not in server.calls[0] and server.calls[1]["top_p"] == 0.9
    assert all(fields["seed"] < 2**31 for fields in server.calls)


@pytest.mark.parametrize("reason", ["stop", "eos", "eos_token", "end", "STOP", "end_turn", "stop_sequence", None])
def test_finish_reasons_of_the_field_read_as_stop(provide, reason):
    assert one(provide(lambda fields, number: (200, said("2", reason)))).finish_reason == "stop"


@pytest.mark.parametrize("reason", ["length", "max_tokens", "MAX_TOKENS", "model_length"])
def test_finish_reasons_of_the_field_read_as_cut(provide, reason):
    assert one(provide(lambda fields, number: (200, said("2", reason)))).finish_reason == "length"


def test_no_reason_and_as_many_tokens_as_allowed_reads_as_cut(provide):
    usage = USAGE | {"completion_tokens": 60}
    assert one(provide(lambda fields, number: (200, said("2", None, usage)))).finish_reason == "length"


@pytest.mark.parametrize("reason", ["content_filter", "tool_calls", "error"])
def test_other_finish_reasons_are_no_sample(provide, reason):
    assert reason in one(provide(lambda fields, number: (200, said("2", reason)))).error


@pytest.mark.parametrize(
    "error", [{"error": {"code": 429, "message": "Provider returned error"}}, said("", "error", None)["choices"][0]]
)
def test_an_error_with_status_200_is_tried_again(provide, error):
    if "finish_reason" in error:
        error = CHAT | {"choices": [error | {"error": {"code": 502, "message": "Upstream error"}}]}
    server = provide(lambda fields, number: (200, error) if number < 3 else (200, said("2")))
    assert one(server).text == "2" and len(server.calls) == 3


def test_an_error_with_status_200_that_no_retry_cures_is_sent_once(provide):
    server = provide(lambda fields, number: (200, {"error": {"code": 400, "message": "no endpoint for this prompt"}}))
    failure = one(server)
    assert failure.is_final and "no endpoint" in failure.error and len(server.calls) == 1
    server = provide(lambda fields, number: (200, {"error": {"code": 402, "message": "Insufficient credits"}}))
    with pytest.raises(UserError, match="Insufficient credits"):
        one(server)


def test_a_prompt_that_the_server_refuses_is_sent_once_and_costs_one_sample(provide):
    text = "This model's maximum context length is 512 tokens, however you requested 900 tokens. Reduce max_tokens."
    server = provide(lambda fields, number: refused(text) if fields["seed"] == 0 else (200, said("2")))
    failures = [sample for sample in draw(server, num=3) if isinstance(sample, SampleFailure)]
    assert len(failures) == 1 and failures[0].is_final
    assert len(server.calls) == 3


def test_content_in_parts_is_joined_and_its_thinking_marked(provide):
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "maybe 3"}]},
        {"type": "text", "text": "It is "},
        {"type": "text", "text": "2."},
    ]
    assert one(provide(lambda fields, number: (200, said(parts)))).text == "<think>maybe 3</think>It is 2."
    assert one(provide(lambda fields, number: (200, said(parts[1:])))).text == "It is 2."


@pytest.mark.parametrize(
    ("message", "reason", "text"),
    [
        ({"content": "2", "reasoning_content": "hm"}, "stop", "<think>hm</think>2"),
        ({"content": "2", "reasoning": "hm"}, "stop", "<think>hm</think>2"),
        ({"content": "<think>hm</think>2", "reasoning_content": "hm"}, "stop", "<think>hm</think>2"),  # doubled
        ({"content": "hm</think>2"}, "stop", "<think>hm</think>2"),  # no parser, and the template opened it
        ({"content": "hm</think>2", "reasoning_content": "hm"}, "stop", "<think>hm</think>2"),
        ({"content": None, "reasoning_content": "hm \\boxed{2}"}, "length", "<think>hm \\boxed{2}"),  # cut
        ({"content": "", "reasoning": "hm \\boxed{2}"}, "stop", "<think>hm \\boxed{2}"),  # a stop text within
        ({"content": "2"}, "stop", "2"),
    ],
)  # fmt: skip
def test_reasoning_stands_in_the_text_once_and_open_if_it_was_cut(provide, message, reason, text):
    sample = one(provide(lambda fields, number: (200, said(message.pop("content", ""), reason, **message))))
    assert sample.text == text
    assert (verify(MathReference("2"), sample.text).outcome is Outcome.CORRECT) == (text[-1] == "2")


def test_a_server_that_renders_prompts_tells_whether_they_open_thinking(provide):
    server = provide(lambda fields, number: (200, said("hm maybe \\boxed{2}. But wait", "length")), "vllm")
    assert one(server).text == "<think>\nhm maybe \\boxed{2}. But wait"
    assert len(server.calls) == 1


def test_tokens_that_a_server_does_not_tell_are_counted(provide):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sample = one(provide(lambda fields, number: (200, said("a" * 40, usage=None))))
    assert sample.completion_tokens == 10 and sample.prompt_tokens == 1
    assert any("reports no usage" in str(warning.message) for warning in caught)


def test_template_variables_penalties_and_a_system_message_are_sent(provide):
    server = provide(lambda fields, number: (200, said("2")))
    more = More(min_p=0.1, presence_penalty=0.5, stop_token_ids=[7], special_tokens="all")
    draw(server, more=more, chat_template=ChatTemplate(system="Be short.", kwargs={"enable_thinking": False}))
    fields = server.calls[0]
    wanted = {"min_p": 0.1, "presence_penalty": 0.5, "stop_token_ids": [7], "skip_special_tokens": False,
              "chat_template_kwargs": {"enable_thinking": False}}  # fmt: skip
    assert wanted.items() <= fields.items()
    assert fields["messages"][0] == {"role": "system", "content": "Be short."}


def test_check_sends_one_real_request_and_names_the_refused_field(provide):
    server = provide(lambda fields, number: refused("Unknown parameter: 'seed'.", "seed"))
    settings = Sampling(engine="openai", base_url=server.url, max_tokens=900)
    (text,) = OpenAISampler.preflight(settings, "m", thorough=True)
    assert 'omit = ["seed"]' in text and len(server.calls) == 1 and server.calls[0]["max_tokens"] == 16
    fine = provide(lambda fields, number: (200, said("2")))
    settings = settings.model_copy(update={"base_url": fine.url})
    assert list(OpenAISampler.preflight(settings, "m", thorough=True)) == [] and len(fine.calls) == 1
    assert list(OpenAISampler.preflight(settings, "m", thorough=False)) == [] and len(fine.calls) == 1


def test_a_run_sends_a_hopeless_request_once_and_goes_on(provide, tmp_path):
    def strict(fields, number):
        text = fields["messages"][-1]["content"]
        flagged.append(text)
        return refused("flagged by the moderation system") if text == flagged[0] else (200, said("#### 7"))

    flagged = []
    server = provide(strict)
    tasks = {"source": "arithmetic", "num_tasks": 5, "operands": [2]}
    recipe = Recipe.model_validate(
        {
            "name": "strict", "output": str(tmp_path / "run"), "tasks": tasks, "model": {"path": "m"},
            "sampling": {"engine": "openai", "base_url": server.url}, "allocation": {"samples_per_task": 2},
            "ray": {"address": "none"},
        }
    )  # fmt: skip
    play(recipe, Progress(Console(quiet=True)))
    asked = [fields["messages"][-1]["content"] for fields in server.calls]
    assert len(asked) == 10 and asked.count(flagged[0]) == 2  # each of its two samples once
