//! Texts that scripts match on.

use super::*;

#[test]
fn parse_errors() {
    for (template, expected) in [
        ("{{.A", "unclosed action"),
        ("{{nofunc}}", "function \"nofunc\" not defined"),
        ("{{if .A}}", "unexpected EOF"),
        ("{{range .A}}x{{else}}", "unexpected EOF"),
        ("{{.Id}", "bad character U+007D '}'"),
        ("{{.Id }x}}", "unexpected \"}\" in operand"),
        ("{{.Id/2}}", "bad character U+002F '/'"),
        ("{{$x}}", "undefined variable \"$x\""),
        ("{{if}}{{end}}", "missing value for if"),
        ("{{range}}{{end}}", "missing value for range"),
        ("{{}}", "missing value for command"),
        ("{{end}}", "unexpected {{end}}"),
        ("{{else}}", "unexpected {{else}}"),
        ("{{if .A}}{{else}}{{else}}{{end}}", "expected end; found {{else}}"),
        ("{{break}}", "{{break}} outside {{range}}"),
        ("{{continue}}", "{{continue}} outside {{range}}"),
        ("{{(.A}}", "unclosed left paren"),
        ("{{.A)}}", "unexpected right paren"),
        ("{{()}}", "missing value for parenthesized pipeline"),
        ("{{\"a}}", "unterminated quoted string"),
        ("{{`a}}", "unterminated raw quoted string"),
        ("{{'a}}", "unterminated character constant"),
        ("{{'ab'}}", "malformed character constant: 'ab'"),
        ("{{\"\\z\"}}", "invalid syntax"),
        ("{{3x}}", "bad number syntax: \"3x\""),
        ("{{0x}}", "illegal number syntax: \"0x\""),
        ("{{99999999999999999999999}}", "integer overflow: \"99999999999999999999999\""),
        ("{{/* x}}", "unclosed comment"),
        ("{{/* x */ }}", "comment ends before closing delimiter"),
        ("{{.A | 5}}", "non executable command in pipeline stage 2"),
        ("{{5.x}}", "bad number syntax: \"5.x\""),
        ("{{true.x}}", "unexpected . after term \"true\""),
        ("{{$a, $b := .X}}", "too many declarations in command"),
        ("{{range $a, .X}}{{end}}", "range can only initialize variables"),
        ("{{template x}}", "unexpected \"x\" in template clause"),
        ("{{define \"a\"}}x{{end}}{{define \"a\"}}y{{end}}", "template: multiple definition of template \"a\""),
        ("{{if .A}}{{define \"x\"}}{{end}}{{end}}", "unexpected <define> in command"),
        ("{{:}}", "expected :="),
        ("{{\u{1}}}", "unrecognized character in action: U+0001"),
        ("{{if if}}", "unexpected <if> in if"),
        ("{{.A, .B}}", "unexpected \",\" in operand"),
        ("{{end .A}}", "unexpected \".A\" in end"),
    ] {
        fails(template, &format!("template: :1: {expected}"));
    }
    fails("a\n{{if}}", "template: :2: missing value for if");
    fails("\n\n{{nofunc}}", "template: :3: function \"nofunc\" not defined");
    fails("{{.A\n", "template: :2: unclosed action started at :1");
    fails("{{.A\n/}}", "template: :2: unexpected \"/\" in operand");
    fails("{{if .A}}\n\n", "template: :3: unexpected EOF");
}

#[test]
fn fields_that_are_not_there() {
    fails("{{.Nope}}", "template: :1:2: executing \"\" at <.Nope>: map has no entry for key \"Nope\"");
    fails("{{.Config.Nope}}", "template: :1:9: executing \"\" at <.Config.Nope>: map has no entry for key \"Nope\"");
    fails("ab\ncd {{ .Nope }}", "template: :2:6: executing \"\" at <.Nope>: map has no entry for key \"Nope\"");
    fails("{{.Size.x}}", "template: :1:7: executing \"\" at <.Size.x>: can't evaluate field x in type interface {}");
    fails(
        "{{.Healthcheck.Test}}",
        "template: :1:14: executing \"\" at <.Healthcheck.Test>: nil pointer evaluating interface {}.Test",
    );
    let can_not = "can't evaluate field Nope in type *formatter.imageContext";
    row_fails("{{.Nope}}", &format!("template: :1:2: executing \"\" at <.Nope>: {can_not}"));
    row_fails("{{upper (.Nope)}}", &format!("template: :1:9: executing \"\" at <.Nope>: {can_not}"));
    row_fails("{{if .Nope}}{{end}}", &format!("template: :1:5: executing \"\" at <.Nope>: {can_not}"));
    row_fails("{{(.).Nope}}", &format!("template: :1:3: executing \"\" at <.>: {can_not}"));
    row_fails(
        "{{define \"t\"}}{{.Nope}}{{end}}{{template \"t\" .}}",
        &format!("template: :1:16: executing \"t\" at <.Nope>: {can_not}"),
    );
}

#[test]
fn calls_that_fail() {
    let at = |place: &str, message: &str| format!("template: :1:{place}: {message}");
    let index =
        |call: &str, why: &str| at(&format!("2: executing \"\" at <{call}>"), &format!("error calling index: {why}"));
    fails("{{index .RepoTags 5}}", &index("index .RepoTags 5", "index out of range: 5"));
    fails("{{index .RepoDigests 0}}", &index("index .RepoDigests 0", "reflect: slice index out of range"));
    fails("{{index .RepoTags \"a\"}}", &index("index .RepoTags \"a\"", "cannot index slice/array with type string"));
    fails("{{index .Config.Labels 1}}", &index("index .Config.Labels 1", "value has type int; should be string"));
    fails("{{index 1 1}}", &index("index 1 1", "can't index item of type int"));
    let call = |call: &str, message: &str| {
        fails(&format!("{{{{{call}}}}}"), &at(&format!("2: executing \"\" at <{call}>"), message));
    };
    call("slice .Id 3 2", "error calling slice: invalid slice index: 3 > 2");
    call("slice .Id 0 99", "error calling slice: index out of range: 99");
    call("len 3", "error calling len: len of type int");
    call("eq 1 \"a\"", "error calling eq: incompatible types for comparison");
    call("eq 1", "error calling eq: missing argument for comparison");
    call("lt true false", "error calling lt: invalid type for comparison");
    call("lt 1 1.5", "error calling lt: incompatible types for comparison");
    call("join .Id \",\"", "error calling join: expected slice, got string");
    call("truncate .Id -1", "error calling truncate: runtime error: slice bounds out of range [:-1]");
    call("pad .Id -1 1", "error calling pad: strings: negative Repeat count");
    call("call 1", "error calling call: non-function 1 of type int");
    call("call nil", "error calling call: call of nil");
    row_fails("{{.Broken}}", &at("2: executing \"\" at <.Broken>", "error calling Broken: it is broken"));
}

#[test]
fn arguments_that_do_not_fit() {
    let fails_at = |template: &str, at: &str, message: &str| {
        fails(template, &format!("template: :1:{}: executing \"\" at <{at}>: {message}", template.rfind(at).unwrap()));
    };
    fails_at("{{upper 5}}", "5", "expected string; found 5");
    fails_at("{{upper .Size}}", ".Size", "wrong type for value; expected string; got int");
    fails_at("{{upper .Config}}", ".Config", "wrong type for value; expected string; got map[string]interface {}");
    fails(
        "{{upper .Config.Labels.x}}",
        "template: :1:15: executing \"\" at <.Config.Labels.x>: invalid value; expected string",
    );
    fails_at("{{upper nil}}", "nil", "cannot assign nil to string");
    fails_at("{{truncate .Id \"x\"}}", "\"x\"", "expected integer; found \"x\"");
    fails_at("{{printf .Size}}", ".Size", "wrong type for value; expected string; got int");
    fails_at("{{upper}}", "upper", "wrong number of args for upper: want 1 got 0");
    fails_at("{{index}}", "index", "wrong number of args for index: want at least 1 got 0");
    fails_at("{{.Size 1}}", ".Size", "Size has arguments but cannot be invoked as function");
    fails_at("{{5 6}}", "5", "can't give argument to non-function 5");
    fails_at("{{nil}}", "nil", "nil is not a command");
    fails_at("{{$x = 1}}", "1", "undefined variable: $x");
    fails_at("{{range .Id}}{{end}}", ".Id", "range can't iterate over sha256:abc");
    fails_at("{{range $a, $b := 3}}{{end}}", "3", "can't use 3 to iterate over more than one variable");
    fails_at("{{18446744073709551615}}", "18446744073709551615", "18446744073709551615 overflows int");
    fails("{{template \"x\"}}", "template: :1:11: executing \"\" at <{{template \"x\"}}>: template \"x\" not defined");
    fails(
        "{{.Config.Labels.a 1}}",
        "template: :1:9: executing \"\" at <.Config.Labels.a>: a is not a method but has arguments",
    );
    row_fails("{{.Label}}", "template: :1:2: executing \"\" at <.Label>: wrong number of args for Label: want 1 got 0");
}

#[test]
fn what_was_printed_before_stays_known() {
    let template = Template::parse("a{{.Size}}b{{.Nope}}c").unwrap();
    assert_eq!(template.execute(&image(), Mode::Data).unwrap_err().rendered, "a5b");
}
