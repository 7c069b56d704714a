"""Go's templates: what docker's `inspect --format` printed for the same template and the same container."""

from __future__ import annotations

from typing import Any

import pytest

from minidock.cli.format.lexer import TemplateError
from minidock.cli.format.template import Template
from minidock.cli.format.template_values import Fields, typed

CONTAINER = {
    "Id": "c6198511b861",
    "Name": "/r1",
    "Args": ["100000"],
    "State": {"Status": "running", "Running": True, "OOMKilled": False, "Pid": 11717, "ExitCode": 0, "Error": ""},
    "Mounts": [],
    "HostConfig": {
        "Binds": None, "PidsLimit": None, "Memory": 0, "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        "LogConfig": {"Type": "json-file", "Config": {}},
    },
    "Config": {"Cmd": ["sleep", "100000"], "Labels": {"lab": "1"}, "Volumes": None, "Env": None},
    "NetworkSettings": {"Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "90/tcp": None},
                        "Networks": {"bridge": {"IPAddress": "172.17.0.2", "Gateway": "172.17.0.1"}}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("template", "printed"),
    [
        ("{{.State.Running}} {{.HostConfig.Memory}}", "true 0"),
        ("{{.Id}} {{.ID}}", "c6198511b861 c6198511b861"),
        ("{{.Name}} {{.Config.Labels.foo}}", "/r1 <no value>"),
        ('{{index .Config.Labels "foo"}}|{{index .Config.Labels "lab"}}', "|1"),
        ("{{range $k,$v := .NetworkSettings.Networks}}{{$k}}={{$v.IPAddress}} {{end}}", "bridge=172.17.0.2 "),
        ("{{range $i, $e := .Config.Cmd}}{{$i}}:{{$e}} {{end}}{{- \"x\" -}} ", "0:sleep 1:100000 x"),
        ("{{range $i := .Config.Cmd}}{{$i}},{{end}}", "sleep,100000,"),
        ("{{range $p, $c := .NetworkSettings.Ports}}{{$p}}{{range $c}} -> {{.HostPort}}{{else}} -{{end}}; {{end}}",
         "80/tcp -> 8080; 90/tcp -; "),
        ('{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}', "8080"),
        ('{{(index .NetworkSettings.Networks "bridge").Gateway}}', "172.17.0.1"),
        ("{{.NetworkSettings.Networks.bridge.IPAddress}}", "172.17.0.2"),
        ("{{range .Config.Cmd}}{{break}}{{end}}|{{range .Config.Cmd}}{{.}}{{continue}}x{{end}}", "|sleep100000"),
        ("{{range 3}}x{{end}}{{range .Mounts}}x{{else}}none{{end}}", "xxxnone"),
        ("{{if .State.Running}}up{{end}}{{if 1}}{{else if 0}}a{{end}}z", "upz"),
        ("{{with .State}}{{.Pid}}{{end}}{{with $x := .Name}}{{$x}}{{end}}", "11717/r1"),
        ("{{$x := .Name}}{{$x}}{{$x = \"b\"}}{{$x}}{{range .Args}}{{$.Name}}{{end}}", "/r1b/r1"),
        ('{{printf "%s-%d" .Name .State.ExitCode}}{{"a" | printf "%s-%s" "b"}}', "/r1-0b-a"),
        ('{{printf "%q %v %5s|%-5s|%05d %x %t %.2f %T %%" .Name .State.Running "a" "b" 42 255 true 1.5 1}}',
         '"/r1" true     a|b    |00042 ff true 1.50 int %'),
        ('{{printf "%d" .Name}}{{printf "%s" .State.Pid}}{{printf "%d" 1 2}}{{printf "%d"}}',
         "%!d(string=/r1)%!s(int=11717)1%!(EXTRA int=2)%!d(MISSING)"),
        ('{{split .Name "/"}} {{split "a,b" "," | json}} {{join .Args "," | upper}}', '[ r1] ["a","b"] 100000'),
        ('{{pad "a" 1 2}}|{{truncate "abc" 2}}|{{slice "abcdef" 1 3}}|{{title "hello world"}}',
         " a  |ab|bc|Hello World"),
        ('{{println "a" 1 2}}{{print "a" "b" 1 2 true}}{{print 1 2 "a" 3}}', "a 1 2\nab1 2 true1 2a3"),
        ('{{js "<a>"}}{{urlquery "a b&"}}{{html "<\\"&"}}', "\\u003Ca\\u003Ea+b%26&lt;&#34;&amp;"),
        ("{{.Config.Cmd}} {{.Mounts}} {{.HostConfig.Binds}} {{.Config.Volumes}} {{.HostConfig.PidsLimit}}",
         "[sleep 100000] [] [] map[] <nil>"),
        ("{{.HostConfig.RestartPolicy}} {{.Config.Labels}} {{.HostConfig.LogConfig.Config}}",
         "{no 0} map[lab:1] map[]"),
        ("{{json .HostConfig.Binds}} {{json .HostConfig.RestartPolicy}} {{len .HostConfig.Binds}}",
         'null {"Name":"no","MaximumRetryCount":0} 0'),
        ("{{json .NetworkSettings.Ports}}", '{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"}],"90/tcp":null}'),
        ("{{eq .State.ExitCode 0 1}} {{ne 1 2}} {{lt 1 2}} {{ge 3 2}} {{gt .State.Pid 0}} {{le 1 1}}",
         "true true true true true true"),
        ('{{and 1 0}} {{or 0 "" "x"}} {{not 1}} {{and .State.Running .Name}}', "0 x false /r1"),
        ("{{1.5}} {{0x10}} {{1e3}} {{'a'}} {{true}}", "1.5 16 1000 97 true"),
        ('{{"a\\tb"}}{{`raw\\n`}}{{"{{"}}{{"}}"}}', "a\tbraw\\n{{}}"),
        ("{{/* c */}}x {{- /* c */ -}} y a}}b", "xy a}}b"),
        ('{{define "a"}}q{{.}}{{end}}{{template "a" 1}}{{block "b" .Name}}{{.}}{{end}}', "q1/r1"),
        ("{{range $k, $v := .State}}{{$k}} {{end}}", "Error ExitCode OOMKilled Pid Running Status "),
        ("{{len .Config.Cmd}}{{len .Args}}{{len .Name}}", "213"),
        ("{{.State.Health}} {{if .State.Health}}h{{else}}none{{end}}{{with .State.Health}}{{.Status}}{{end}}",
         "<nil> none"),
        ("{{.Config.ExposedPorts}} {{.Config.Healthcheck}} {{json .State}}", 'map[] <nil> {"Status":"running",'
         '"Running":true,"OOMKilled":false,"Pid":11717,"ExitCode":0,"Error":""}'),
    ],
)  # fmt: skip
def test_what_is_printed(template: str, printed: str) -> None:
    assert Template(template).render(typed(CONTAINER)) == printed


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{.Foo}}", ':1:2: executing "" at <.Foo>: map has no entry for key "Foo"'),
        ("{{.State.Foo}}", ':1:8: executing "" at <.State.Foo>: map has no entry for key "Foo"'),
        ("a\n {{.State.Health.Status}}",
         ':2:9: executing "" at <.State.Health.Status>: map has no entry for key "Health"'),
        ("{{with .State}}{{.Bar}}{{end}}", ':1:17: executing "" at <.Bar>: map has no entry for key "Bar"'),
        ("{{index .Config.Cmd 9}}",
         ':1:2: executing "" at <index .Config.Cmd 9>: error calling index: index out of range: 9'),
        ('{{index .Config.Cmd "a"}}', ':1:2: executing "" at <index .Config.Cmd "a">: error calling index: '
         "cannot index slice/array with type string"),
        ("{{len}}", ':1:2: executing "" at <len>: wrong number of args for len: want 1 got 0'),
        ("{{len 1}}", ':1:2: executing "" at <len 1>: error calling len: len of type int'),
        ("{{json}}", ':1:2: executing "" at <json>: wrong number of args for json: want 1 got 0'),
        ("{{eq .Name 1}}", ':1:2: executing "" at <eq .Name 1>: error calling eq: incompatible types for comparison'),
        ("{{range .Name}}{{end}}", ':1:8: executing "" at <.Name>: range can\'t iterate over /r1'),
        ('{{join .Name ","}}', ':1:7: executing "" at <.Name>: wrong type for value; expected []string; got string'),
        ("{{upper 1}}", ':1:8: executing "" at <1>: expected string; found 1'),
        ("{{nil}}", ':1:2: executing "" at <nil>: nil is not a command'),
        ("{{.Name 1}}", ':1:2: executing "" at <.Name>: Name is not a method but has arguments'),
        ("{{1 2}}", ':1:2: executing "" at <1>: can\'t give argument to non-function 1'),
        ('{{template "x"}}', ':1:11: executing "" at <{{template "x"}}>: template "x" not defined'),
    ],
)  # fmt: skip
def test_what_cannot_be_done_with_the_data(template: str, why: str) -> None:
    parsed = Template(template)
    with pytest.raises(TemplateError) as raised:
        parsed.render(typed(CONTAINER))
    assert str(raised.value) == f"template: {why}"
    assert not raised.value.is_syntax


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{", "unclosed action"),
        ("{{.Name", "unclosed action"),
        ("a\n{{.Name}", "bad character U+007D '}'"),
        ('{{"a', "unterminated quoted string"),
        ("{{nofunc .Name}}", 'function "nofunc" not defined'),
        ("{{$x}}", 'undefined variable "$x"'),
        ("{{if .Name}}{{$y := 1}}{{end}}{{$y}}", 'undefined variable "$y"'),
        ("{{1a}}", 'bad number syntax: "1a"'),
        ("{{.a.}}", "unexpected <.> in operand"),
        ("{{}}", "missing value for command"),
        ("{{|}}", 'unexpected "|" in command'),
        ("{{@}}", 'unexpected "@" in command'),
        ("{{(.Name}}", "unclosed left paren"),
        ("{{)}}", "unexpected right paren"),
        ("{{if}}", "missing value for if"),
        ("{{range}}x{{end}}", "missing value for range"),
        ("{{if .Name}}", "unexpected EOF"),
        ("{{end}}", "unexpected {{end}}"),
        ("{{if .Name}}x{{end}}{{end}}", "unexpected {{end}}"),
        ("{{else}}", "unexpected {{else}}"),
        ("{{if .Name}}a{{else}}b{{else}}c{{end}}", "expected end; found {{else}}"),
        ("{{break}}", "{{break}} outside {{range}}"),
        ("{{/* open", "unclosed comment"),
    ],
)
def test_what_cannot_be_read(template: str, why: str) -> None:
    with pytest.raises(TemplateError) as raised:
        Template(template)
    line = 2 if template.startswith("a\n") else 1
    assert str(raised.value) == f"template: :{line}: {why}"
    assert raised.value.is_syntax


def test_methods_and_their_arguments() -> None:
    class Row(Fields):
        go_type = "*formatter.ContainerContext"

    data: dict[str, Any] = {"Names": "web", "Label": lambda name: f"label {name}"}
    assert Template('{{.Label "x"}} {{json .}}').render(Row(data)) == 'label x {"Names":"web"}'
    with pytest.raises(TemplateError, match=r"can't evaluate field Foo in type \*formatter\.ContainerContext"):
        Template("{{.Foo}}").render(Row(data))
