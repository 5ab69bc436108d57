//! Text, actions, control, variables, and how values print.

use super::*;

#[test]
fn text_comments_and_trimming() {
    check("", "");
    check("a\\tb\n", "a\\tb\n");
    check("a {{/* no */}}b", "a b");
    check("a {{- /* no */ -}} b", "ab");
    check("a \n {{- .Size -}} \t b", "a5b");
    check("{{- .Size}} x", "5 x");
    check("{{ -3 }} {{- 4 -}} x", "-34x");
    check("{{\n.Size\n}}", "5");
    check("}} { {x", "}} { {x");
    check("{{\"}}\"}}", "}}");
}

#[test]
fn fields_and_chains() {
    check("{{.Id}} {{.ID}}", "sha256:abc sha256:abc");
    check("{{$.Config.Labels.a}}{{$x := .Config}}{{$x.Labels.a}}", "11");
    check("{{(.Config).Labels.a}} {{(index .RepoTags 0)}}", "1 web:1");
    check("{{.Config.Labels.nope}}", "<no value>");
    check("{{.Config.Labels.nope.deeper}}", "<no value>");
    check("{{.Config.Volumes.x}}", "<no value>");
    check_row(
        "{{.Label \"k\"}}/{{\"k\" | .Label}}/{{with $x := \"k\"}}{{$.Label $x}}{{end}}",
        "value of k/value of k/value of k",
    );
}

#[test]
fn how_values_print() {
    check("{{.Tty}} {{.Size}} {{.Ratio}} {{true}}", "false 5 0.5 true");
    check("{{.RepoTags}} {{.RepoDigests}} {{.Config.Entrypoint}}", "[web:1 web:2] [] []");
    check("{{.Config.Labels}} {{.Config.Volumes}}", "map[a:1 com.x.k:<v>] map[]");
    check("{{.Config.ExposedPorts}} {{index .Config.ExposedPorts \"80/tcp\"}}", "map[80/tcp:{}] {}");
    check("{{.Healthcheck}}", "<nil>");
    check("{{.When}}", "2026-11-23 04:44:00.434985844 +0000 UTC");
    check("{{.Config}}", "{[sh -c] [] map[80/tcp:{}] map[a:1 com.x.k:<v>] map[] }");
    check_row("{{.}}", "{web <none> e5254817d90a}");
    check("{{1e6}} {{100000.0}} {{0.0001}} {{0.00001}} {{1.5e300}}", "1e+06 100000 0.0001 1e-05 1.5e+300");
}

#[test]
fn literals() {
    check("{{0x1F}} {{0b11}} {{0o17}} {{017}} {{1_000}} {{'a'}} {{'\\n'}} {{-5}} {{+5}}", "31 3 15 15 1000 97 10 -5 5");
    check("{{\"a\\tb\\u00e9\\x41\\101\"}}", "a\tbéAA");
    check("{{`a\\tb`}}{{`two\nlines`}}", "a\\tbtwo\nlines");
    check("{{print nil}}", "<nil>");
    check("{{1.5}} {{.5}} {{2.}}", "1.5 0.5 2");
}

#[test]
fn conditions() {
    check("{{if .Tty}}a{{else if .Size}}b{{else}}c{{end}}", "b");
    check("{{if .Config.User}}a{{else}}b{{end}}{{if .RepoDigests}}a{{end}}", "b");
    for falsy in
        ["false", "0", "0.0", "\"\"", ".Config.Entrypoint", ".Config.Volumes", ".Healthcheck", ".Config.Labels.x"]
    {
        check(&format!("{{{{if {falsy}}}}}true{{{{else}}}}false{{{{end}}}}"), "false");
    }
    check("{{if .Config}}true{{end}}{{if .When}}true{{end}}", "truetrue");
    check("{{with .Config}}{{.Cmd}}{{end}}{{with .Tty}}x{{else}}{{.Size}}{{end}}", "[sh -c]5");
    check("{{with $x := .Size}}{{$x}}{{.}}{{end}}", "55");
    check("{{with .Tty}}x{{else with .Size}}{{.}}{{else}}y{{end}}", "5");
}

#[test]
fn ranges() {
    check("{{range .RepoTags}}<{{.}}>{{end}}", "<web:1><web:2>");
    check("{{range $i, $e := .RepoTags}}{{$i}}={{$e}} {{end}}", "0=web:1 1=web:2 ");
    check("{{range $e := .RepoTags}}{{$e}} {{end}}", "web:1 web:2 ");
    check("{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}", "a=1;com.x.k=<v>;");
    check("{{range .RepoDigests}}x{{else}}none {{.Size}}{{end}}", "none 5");
    check("{{range .Config.Entrypoint}}x{{else}}y{{end}}{{range .Healthcheck}}x{{else}}y{{end}}", "yy");
    check("{{range 3}}{{.}}{{end}}{{range $i := 2}}{{$i}}{{end}}{{range 0}}x{{else}}y{{end}}", "01201y");
    check("{{range 9}}{{if eq . 2}}{{continue}}{{end}}{{if eq . 4}}{{break}}{{end}}{{.}}{{end}}", "013");
    check("{{range 2}}{{range 2}}{{break}}{{end}}{{.}}{{end}}", "01");
    check("{{$x := 0}}{{range $x = .RepoTags}}{{end}}{{$x}}", "web:2");
    check("{{range $k, $v := .Config}}{{$k}} {{end}}", "Cmd Entrypoint ExposedPorts Labels User Volumes ");
}

#[test]
fn variables_live_until_their_end() {
    check("{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}", "21");
    check("{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}", "2");
    check("{{$x := 1}}{{range 3}}{{$x = .}}{{end}}{{$x}}", "2");
    check("{{if $x := .Size}}{{$x}}{{else}}{{$x}}{{end}}", "5");
    check("{{$x := 1}}{{if ($x := 2)}}{{$x}}{{end}}{{$x}}", "21");
    check(
        "{{range $i, $e := ($x := .RepoTags)}}{{$i}}{{len $x}}{{end}}{{range 2}}{{continue}}{{end}}{{.Size}}",
        "02125",
    );
    check("{{range $i, $x := .RepoTags}}{{$y := $x}}{{$y}}{{end}}", "web:1web:2");
}

#[test]
fn named_templates() {
    check("{{define \"a\"}}<{{.}}>{{end}}{{template \"a\" .Size}}{{template \"a\"}}", "<5><<no value>>");
    check("{{template `a` .Size}}{{define `a`}}{{$}}{{end}}", "5");
    check("{{block \"b\" .Size}}[{{.}}]{{end}}{{template \"b\" 6}}", "[5][6]");
    check("{{define \"down\"}}{{range .}}{{.}}{{template \"down\" .}}{{end}}{{end}}{{template \"down\" 3}}", "0102010");
    check("{{define \"a\"}}one{{end}}{{define \"a\"}} {{end}}{{template \"a\"}}", "one");
}

#[test]
fn pipelines() {
    check("{{.Size | printf \"%03d\"}}", "005");
    check("{{\"abc\" | upper | printf \"%s-%s\" \"x\"}}", "x-ABC");
    check("{{(len .RepoTags) | eq 2}}", "true");
    check("{{len (index .RepoTags 0)}}", "5");
}
