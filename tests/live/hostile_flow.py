"""A workflow whose names, labels, lines and errors want to do harm to a terminal."""

from durable_studio import NonRetryableError, decision, step, workflow

HEBREW, EMOJI = "\u05ea\u05e9\u05dc\u05d5\u05dd", "\U0001f680"
LINES = (
    "\x1b[2J\x1b]0;owned\x07\x9b31m\x1bP1;q\x1b\\ \x84\x90 \u202e\u2066 \r\x1b[10A over",
    "one\ntwo\r\nthree\u2028four",
    "</script>" + "x" * 10_000,
    "\u0600" * 300,
    "\u2764\ufe0f" * 300,
    "\U0001f468\u200d\U0001f469" * 100,
    "e" + "\u0301" * 300,
    HEBREW * 60,
)


@step
def says(ctx):
    for line in LINES:
        print(line)


@decision
def pick(ctx):
    return "</script>"


@step
def fails(ctx):
    raise NonRetryableError("".join(LINES))


@workflow
def hostile():
    named = [says.with_options(name=name) for name in ("</script>", HEBREW, EMOJI * 40, "\u6ce8\u6587", "%%{init}")]
    ways = {"</script>": named[:2], EMOJI * 20: named[2:3], HEBREW * 10: []}
    return [pick.branch(ways), *named[3:], fails]
