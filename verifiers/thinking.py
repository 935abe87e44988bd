"""Where a completion thinks and where it speaks: what a verifier reads is the text after the thinking.

A thinking part stands between an opening and a closing mark:

    <think> ... </think>                                    and other names, see _NAMES; also <seed:think>
    [THINK] ... [/THINK]                                    Mistral
    ◁think▷ ... ◁/think▷                                    Kimi
    <|begin_of_thought|> ... <|end_of_thought|>, <|START_THINKING|> ... <|END_THINKING|>
    <|channel|>analysis<|message|> ... <|end|>              gpt-oss; it speaks in the channel "final"

A completion that begins with a tag of another name, as a chat template may open one, is read alike: it thinks until that
tag is closed. A thinking part that is never closed was cut off, and nothing in it is an answer.
"""

import re

_NAMES = r"think(?:ing)?|thoughts?|reason(?:ing)?|scratchpad|reflection|analysis|deliberation|inner_monologue"
_MARK = re.compile(  # the opening or closing mark of a thinking part; `close` is set in a closing one
    rf"<(?P<close>/)?(?:\w+:)?(?:{_NAMES})>"
    rf"|\[(?P<close_2>/)?(?:THINK(?:ING)?|REASONING)\]"
    rf"|◁(?P<close_3>/)?(?:{_NAMES})▷"
    rf"|<\|(?:(?:begin|start)(?:_of)?|(?P<close_4>end(?:_of)?))_(?:{_NAMES})\|>",
    re.I,
)
_CHANNEL = re.compile(r"(?:<\|start\|>\s*assistant\s*)?<\|channel\|>\s*(?P<channel>\w+)[^<]*<\|message\|>")
_TURN_END = re.compile(r"<\|(?:end|return|call)\|>")
# tags that a completion may begin with and does not think in: answers, code, layout, mathematics
_SPOKEN = re.compile(
    r"answers?|final\w*|solutions?|respon\w+|output|result|conclusion|assistant|message|content|code|python|program|text|step\w*"
    r"|proof|problem|question|summary|explanation|p|b|i|u|s|a|q|em|strong|div|span|br|hr|h\d|[ou]l|li|d[ldt]|t[rdh]|table|tbody|pre"
    r"|html|body|head|main|section|article|center|font|img|sub|sup|small|math|m\w|blockquote|details|title|xml|svg|script|style",
    re.I,
)
_LEADING = re.compile(r"\s*(?:<(\w[\w:.-]*)>|◁(\w+)▷)")
_ANY_TAG = re.compile(r"<\w[\w:.-]*>|\[[A-Z][A-Z_]+\]|◁\w+▷|<\|[A-Za-z]\w*\|>")


def spoken_part(completion: str) -> str | None:
    """The text after the last thinking part, which is all of it in a completion that does not think; None if it was cut
    while it thought."""
    text = completion
    if "<|channel|>" in text:
        return _final_channel(text)
    if not any(mark in text for mark in "<[◁"):
        return text
    if closing := _closing_of_leading_tag(text):
        place = text.rfind(closing)
        if place < 0:
            return None
        text = text[place + len(closing) :]
    start, is_open = 0, False
    for mark in _MARK.finditer(text):
        is_open = mark.lastgroup is None
        if not is_open:
            start = mark.end()
    return None if is_open else text[start:]


def is_open(text: str) -> bool:
    """Whether a text ends while it thinks."""
    return spoken_part(text) is None


def is_mark(text: str) -> bool:
    """Whether a text is the opening or closing mark of a thinking part, of a known form."""
    return _MARK.fullmatch(text) is not None


def leading_mark(text: str) -> str:
    """The mark that a text begins with, if it thinks after it; empty otherwise."""
    start = text.lstrip()
    match = _MARK.match(start) or _CHANNEL.match(start)
    if match:
        return match[0] if match.lastgroup in (None, "channel") else ""
    return (_LEADING.match(start) or [""])[0] if _closing_of_leading_tag(start) else ""


def closing_of(opening: str) -> str:
    """The mark that closes a thinking part: of `<think>` it is `</think>`; empty for a text that is no opening mark."""
    tag = opening.strip()
    if _CHANNEL.fullmatch(tag):
        return "<|end|>"
    if match := re.fullmatch(r"<\|(begin|start)((?:_of)?_\w+)\|>", tag, re.I):
        return f"<|{'END' if match[1].isupper() else 'end'}{match[2]}|>"
    return f"{tag[0]}/{tag[1:]}" if _ANY_TAG.fullmatch(tag) else ""


def opening_at_end(prompt: str) -> str:
    """The mark of a known form that a prompt ends in, with the white space after it; empty if it ends in none."""
    for mark in _MARK.finditer(prompt, max(0, len(prompt) - 200)):
        if mark.lastgroup is None and not prompt[mark.end() :].strip():
            return prompt[mark.start() :]
    return ""


def opening_within(written: str) -> str:
    """The part from the last unclosed mark on in what a chat template writes after an assistant's header; else empty.

    Any tag counts here, whatever its name, unless it is one to speak in: the header itself is not part of `written`.
    """
    for mark in reversed([*_ANY_TAG.finditer(written), *_CHANNEL.finditer(written)]):
        name = _CHANNEL.fullmatch(mark[0])
        is_spoken = (
            name[1] == "final"
            if name
            else _SPOKEN.fullmatch(re.sub(r"\W|_of_|begin_?|start_?", "", mark[0], flags=re.I))
        )
        if not is_spoken and closing_of(mark[0]) not in written[mark.end() :]:
            return written[mark.start() :]
    return ""


def _closing_of_leading_tag(text: str) -> str:
    """The closing of a tag that a completion begins with, if it may think in it under a name of its own."""
    match = _LEADING.match(text)
    name = match and (match[1] or match[2])
    if not name or _SPOKEN.fullmatch(name) or _MARK.match(match[0].strip()):
        return ""
    return closing_of(match[0])


def _final_channel(text: str) -> str | None:
    channels = list(_CHANNEL.finditer(text))
    if not channels or channels[-1][1] != "final":
        return None if channels else text
    rest = text[channels[-1].end() :]
    end = _TURN_END.search(rest)
    return rest[: end.start()] if end else rest
