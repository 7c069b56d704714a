"""The subset of Go's templates. Expected values are what docker's own --format prints for the same data."""

import pytest

from minidock.cli.format.listing import listing, table
from minidock.cli.format.template import Template
from minidock.cli.format.template_values import typed
from minidock.errors import UsageError

DATA = {
    "Name": "web",
    "Id": "0123456789ab",
    "Running": True,
    "Pid": 42,
    "Nothing": None,
    "Env": ["A=1", "B=2"],
    "Config": {"Labels": {"a.b": "x", "c": "y"}, "Cmd": []},
    "Networks": {"bridge": {"IP": "10.0.0.2"}, "other": {"IP": "10.0.0.3"}},
    "Mounts": [{"Source": "/a", "RW": True}, {"Source": "/b", "RW": False}],
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plain", "plain"),
        ("{{.Name}}:{{ .Id }}", "web:0123456789ab"),
        ("{{.Config.Labels.c}}", "y"),
        ("{{.Running}} {{.Pid}} {{.Env}} {{.Config.Labels}}", "true 42 [A=1 B=2] map[a.b:x c:y]"),
        ("{{json .Env}} {{json .Config}}", '["A=1","B=2"] {"Labels":{"a.b":"x","c":"y"},"Cmd":[]}'),
        ("{{json .Nothing}}", "null"),
        ('{{index .Config.Labels "a.b"}}{{index .Config.Labels "no"}}', "x"),
        ("{{index .Env 1}} {{len .Env}}", "B=2 2"),
        ("{{range .Mounts}}{{.Source}},{{end}}", "/a,/b,"),
        ("{{range .Networks}}{{.IP}} {{end}}", "10.0.0.2 10.0.0.3 "),
        ("{{range .Config.Cmd}}x{{else}}none{{end}}", "none"),
        ("{{range .Mounts}}{{if .RW}}rw{{else}}ro{{end}} {{end}}", "rw ro "),
        ('{{if eq .Name "db"}}1{{else if eq .Name "web"}}2{{else}}3{{end}}', "2"),
        ("{{if not .Running}}no{{end}}", ""),
        ("{{if and .Running .Nothing}}a{{end}}{{if or .Nothing .Running}}b{{end}}", "b"),
        ('{{if ne .Pid 0}}{{.Pid}}{{end}}', "42"),
        ("{{with .Config}}{{.Labels.c}}{{end}}", "y"),
        ("{{.Name | upper}} {{upper .Name}} {{title .Name}}", "WEB WEB Web"),
        ('{{join .Env " "}}', "A=1 B=2"),
        ('{{range split "a,b" ","}}[{{.}}]{{end}}', "[a][b]"),
        ("{{println .Name .Pid}}", "web 42\n"),
        ('{{print "a\\tb"}}{{print `c d`}}', "a\tbc d"),
        ("{{upper (index .Env 0)}}", "A=1"),
        ("a {{- .Name -}} b", "awebb"),
        ("{{/* a comment */}}x", "x"),
        ("{{$.Name}}", "web"),
    ],
)  # fmt: skip
def test_templates(template: str, expected: str) -> None:
    assert Template(template).render(typed(DATA)) == expected


@pytest.mark.parametrize(
    "template",
    ["{{.Nope}}", "{{.Name.X}}", "{{.Nothing.X}}", "{{", "{{.Name", "{{end}}", "{{if .Name}}", "{{range}}x{{end}}",
     "{{}}", "{{nope .}}", "{{.Name .Id}}", "{{index .Env 7}}", "{{len .Pid}}", '{{"open}}', "{{(.Name}}",
     "{{.Name)}}", "{{else}}", "{{.A-B}}", "{{join .Pid 1}}"],
)  # fmt: skip
def test_what_cannot_be(template: str) -> None:
    with pytest.raises(UsageError, match=r"^template: :1:"):
        Template(template).render(typed(DATA))


ROWS = [{"ID": "1", "Name": "first"}, {"ID": "22", "Name": "the second"}]
HEADERS = {"ID": "ID", "Name": "NAMES"}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (None, "ID        NAMES\n1         first\n22        the second\n"),
        ("table", "ID        NAMES\n1         first\n22        the second\n"),
        ("table {{.Name}}\\t{{.ID}}", "NAMES        ID\nfirst        1\nthe second   22\n"),
        ("{{.ID}}", "1\n22\n"),
        ("json", '{"ID":"1","Name":"first"}\n{"ID":"22","Name":"the second"}\n'),
    ],
)
def test_lists(template: str | None, expected: str) -> None:
    assert listing(template, ROWS, HEADERS, "{{.ID}}\t{{.Name}}") == expected


def test_a_table_of_a_header_alone() -> None:
    assert table([["A", "B"]]) == "A         B\n"
