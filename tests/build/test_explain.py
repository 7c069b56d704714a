"""`build --explain`: what each line did, what it needs to be in the cache, and which order of lines is faster."""

from __future__ import annotations

import re

from tests.build.conftest import Context

DOCKERFILE = """\
FROM alpine
ENV APP=/app
COPY . /app
RUN apk --no-network version && sleep 0.2
RUN /app/npm install
RUN cat /app/app.py
CMD ["cat", "/app/app.py"]
"""


def test_the_account_and_the_order(context: Context) -> None:
    context.write("npm", "#!/bin/sh\nsleep 0.3\n").chmod(0o755)
    context.write("package.json", "{}")
    context.write("app.py", "one\n")
    first = context.built(DOCKERFILE, "--explain")
    account = first.partition("How it was built, and why")[2]
    words = " ".join(account.split())
    assert "Nothing is copied: one layer" in words
    layer = re.search(r"What the command left in upperdir is layer ([0-9a-f]{12}): 0 files", words)
    assert layer
    assert any(row.name.startswith(layer[1]) for row in (context.minidock.root / "layers").iterdir())
    assert "In the cache next time while line 1 is and 4 files keep their content, mode and names" in words
    assert "should a file of COPY . /app (line 3) change" in words
    context.write("app.py", "two\n")
    told = context.built(DOCKERFILE, env={"MINIDOCK_EXPLAIN": "1"})
    order = told.partition("Order of the lines")[2]
    assert re.search(r"because of COPY \. /app \(line 3\) [\d.]+ s were spent", order)
    lines = re.findall(r"^ +(\d+|\+)  (\S+ \S+)", order, re.MULTILINE)
    assert lines == [
        ("2", "ENV APP=/app"), ("4", "RUN apk"), ("+", "COPY npm"), ("5", "RUN /app/npm"), ("3", "COPY ."),
        ("6", "RUN cat"), ("7", 'CMD ["cat",'),
    ]  # fmt: skip
    french = context.built(DOCKERFILE, "--explain", env={"LC_ALL": "fr_FR.UTF-8"})
    assert "du cache, " in french
    assert "Rien n'est copié\N{NO-BREAK SPACE}: une couche" in french


def test_an_argument_above_what_does_not_use_it(context: Context) -> None:
    dockerfile = "FROM alpine\nARG BUILD=1\nRUN sleep 0.2\nRUN echo $BUILD\n"
    context.built(dockerfile)
    told = context.built(dockerfile, "--explain", "--build-arg", "BUILD=2").partition("Order of the lines")[2]
    assert re.findall(r"^ +(\d+)  (\S+)", told, re.MULTILINE) == [("3", "RUN"), ("2", "ARG"), ("4", "RUN")]


def test_nothing_to_be_gained(context: Context) -> None:
    told = context.built("FROM alpine\nRUN sleep 0.1\nCOPY Dockerfile /\n", "--explain")
    assert "No other order of the lines would have saved time" in " ".join(told.split())


def test_layers_shows_which_line_made_which_layer(context: Context) -> None:
    context.built('FROM alpine\nENV a=b\nRUN echo one > /one\nCOPY Dockerfile /d\nCMD ["true"]\n')
    table = context.minidock("layers", context.name).stdout.decode().partition("\n\n")[0].splitlines()
    column = table[0].index("CREATED BY")
    assert [(row.split()[0], row[column:]) for row in table[1:]] == [
        ("-", 'CMD ["true"]'), ("3", "COPY Dockerfile /d"), ("2", "RUN echo one > /one"), ("-", "ENV a=b"),
        ("1", "Built from the recipe alpine"),
    ]  # fmt: skip
