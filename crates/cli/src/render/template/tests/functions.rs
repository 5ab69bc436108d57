//! Every function of section 4.3 of the behaviour reference.

use super::*;

#[test]
fn json() {
    check("{{json .Config.Labels}}", r#"{"a":"1","com.x.k":"<v>"}"#);
    check("{{json .Config.Entrypoint}} {{json .RepoDigests}} {{json .Healthcheck}} {{json nil}}", "null [] null null");
    check("{{json .RepoTags}}{{json .Id}}{{json .Size}}", r#"["web:1","web:2"]"sha256:abc"5"#);
    check("{{json .When}}", "\"2026-11-23T04:44:00.434985844Z\"");
    check_row("{{json .}}", r#"{"ID":"e5254817d90a","Repository":"web","Tag":"\u003cnone\u003e"}"#);
    check_row("{{json .Tag}}", "\"<none>\"");
}

#[test]
fn text() {
    check(
        "{{join .RepoTags \", \"}} {{join .Config.Labels \"+\"}} {{join .Config.Entrypoint \"+\"}}",
        "web:1, web:2 1+<v> ",
    );
    check("{{split \"a/b/c\" \"/\"}} {{index (split .Id \":\") 1}} {{split \"ab\" \"\"}}", "[a b c] abc [a b]");
    check("{{title \"hello big-world it's 3a\"}} {{upper \"aé\"}} {{lower \"AÉ\"}}", "Hello Big-World It'S 3a AÉ aé");
    check("[{{pad \"x\" 2 1}}] [{{pad \"\" 2 1}}]", "[  x ] []");
    check("{{truncate .Id 6}} {{truncate \"ab\" 6}} {{truncate \"é\" 1}}", "sha256 ab ");
}

#[test]
fn printing() {
    check(
        "{{print 1 2}} {{print 1 \"a\" 2}} {{print \"a\" \"b\"}} {{print true false .RepoTags}}",
        "1 2 1a2 ab true false [web:1 web:2]",
    );
    check("{{println 1 \"a\" 2}}", "1 a 2\n");
    check("{{print}}{{println}}", "\n");
}

#[test]
fn parts() {
    check("{{index .RepoTags 1}} {{index .Config.Labels \"a\"}} [{{index .Config.Labels \"nope\"}}]", "web:2 1 []");
    check("{{index \"abc\" 1}} {{index .Config \"User\"}}{{(index . \"Config\").Cmd}}", "98 [sh -c]");
    check("{{index .RepoTags}}", "[web:1 web:2]");
    check(
        "{{slice .Id 7}} {{slice .Id 0 6}} {{slice .RepoTags 1}} {{slice .RepoTags 0 1 2}}",
        "abc sha256 [web:2] [web:1]",
    );
    check("{{len .Id}} {{len .RepoTags}} {{len .Config.Labels}} {{len .Config.Entrypoint}}", "10 2 2 0");
}

#[test]
fn comparisons() {
    check("{{eq 1 1}} {{eq .Size 3 4 5}} {{eq \"a\" \"b\"}} {{ne 1 2}} {{eq .Tty false}}", "true true false true true");
    check("{{lt 1 2}} {{le 2 2}} {{gt \"b\" \"a\"}} {{ge 1.5 2.5}}", "true true true false");
    check("{{.Wait}} {{json .Wait}} {{eq .Wait 1500000000}} {{gt .Wait 2}}", "1.5s 1500000000 true true");
    check("{{printf \"%d %v %s %T\" .Wait .Wait .Wait .Wait}}", "1500000000 1.5s 1.5s time.Duration");
    check("{{eq .Healthcheck nil}} {{eq .Config.Labels.x \"a\"}} {{eq .Config.Entrypoint nil}}", "true false true");
    check("{{eq .When .When}}", "true");
}

#[test]
fn logic_returns_an_operand_and_looks_no_further() {
    check("{{and 1 0 2}} {{and 1 2}} {{or 0 \"\" \"x\"}} {{or 0 \"\"}}|{{not 1}} {{not \"\"}}", "0 2 x |false true");
    check("{{or 1 (index .RepoTags 9)}} {{and 0 .Nope}}", "1 0");
    check("{{1 | and 0}} {{1 | or 0}}", "0 1");
}

#[test]
fn escaping() {
    check("{{html \"<a href='x'>&\\\"\"}}", "&lt;a href=&#39;x&#39;&gt;&amp;&#34;");
    check("{{js \"it's <\\n\\\\&=\\\"\"}}", r#"it\'s \u003C\u000A\\\u0026\u003D\""#);
    check("{{urlquery \"a b&c=é/\"}} {{html 1 2}}", "a+b%26c%3D%C3%A9%2F 1 2");
}

#[test]
fn headers_show_titles_whatever_shapes_the_values() {
    let titles = Value::map([("ID", Value::str("IMAGE ID")), ("Repository", Value::str("REPOSITORY"))]);
    for (template, expected) in [
        ("{{upper .Repository}} {{.ID}}", "REPOSITORY IMAGE ID"),
        ("{{truncate .ID 4}} {{lower .ID}} {{title .ID}} {{json .ID}}", "IMAGE ID IMAGE ID IMAGE ID IMAGE ID"),
        ("{{join .ID \",\"}} {{split .ID \" \"}} [{{pad .ID 1 2}}]", "IMAGE ID IMAGE ID [ IMAGE ID  ]"),
        ("{{printf \"%.5s\" .ID}} {{.Nope}}", "IMAGE <no value>"),
    ] {
        let template = Template::parse(template).unwrap();
        assert_eq!(template.execute(&titles, Mode::Header).as_deref(), Ok(expected));
    }
}
