//! Variables, their types, and what overrides them.

use wharfie_bake::{List, list_variables};

use crate::kit::{Asked, file, hcl, pairs};

/// A variable of this type, and the argument that this expression gives.
fn typed(kind: &str, expression: &str) -> Asked {
    hcl(&format!(
        "variable \"FOO\" {{\n  type = {kind}\n}}\ntarget \"default\" {{\n  args = {{\n    foo = {expression}\n  }}\n}}\n"
    ))
}

#[test]
fn the_environment_overrides_defaults() {
    let asked = hcl("variable \"N\" {\n default = \"123\"\n}\ntarget \"x\" {\n args = { n = \"${N}\" }\n}\n");
    assert_eq!(asked.args("x"), pairs(&[("n", "123")]));
    assert_eq!(asked.clone().env("N", "456").args("x"), pairs(&[("n", "456")]));
    let mut by_flag = asked.env("N", "456");
    by_flag.variables.insert("N".to_owned(), "789".to_owned());
    assert_eq!(by_flag.args("x"), pairs(&[("n", "789")]));
    let disabled = hcl("variable \"N\" {}\ntarget \"x\" {\n args = { n = N }\n}\n");
    let disabled = disabled.env("N", "1").env("BUILDX_BAKE_DISABLE_VARS_ENV_LOOKUP", "1");
    assert_eq!(disabled.args("x"), pairs(&[("n", "")]));
}

#[test]
fn values_from_outside_have_the_type_of_the_default() {
    let asked = hcl(
        "variable \"FOO\" {\n default = 3\n}\nvariable \"IS\" {\n default = true\n}\ntarget \"app\" {\n args = {\n v1 = FOO > 5 ? \"higher\" : \"lower\"\n v2 = IS ? \"yes\" : \"no\"\n }\n}\n",
    );
    assert_eq!(asked.args("app"), pairs(&[("v1", "lower"), ("v2", "yes")]));
    let overridden = asked.clone().env("FOO", "5.1").env("IS", "0");
    assert_eq!(overridden.args("app"), pairs(&[("v1", "higher"), ("v2", "no")]));
    let asked = asked.targets(&["app"]);
    asked.clone().env("FOO", "NaN").fails("failed to parse FOO as number: invalid number value");
    asked.env("IS", "maybe").fails("failed to parse IS as bool");
    hcl("variable \"FOO\" {\n default = []\n}\ntarget \"default\" {}\n")
        .env("FOO", "x")
        .fails("unsupported type tuple");
}

#[test]
fn null_and_nothing_differ() {
    for kind in [
        "any",
        "string",
        "number",
        "bool",
        "list(string)",
        "set(string)",
        "map(string)",
        "tuple([string])",
        "object({val: string})",
    ] {
        assert_eq!(typed(kind, "equal(FOO, null)").args("default"), pairs(&[("foo", "true")]), "{kind}");
    }
    assert_eq!(
        hcl("variable \"F\" {}\ntarget \"default\" {\n args = { f = equal(F, \"\") }\n}\n").args("default"),
        pairs(&[("f", "true")])
    );
    assert_eq!(typed("string", "FOO").args("default"), pairs(&[]));
    assert_eq!(typed("string", "FOO == null ? \"hi\" : FOO").args("default"), pairs(&[("foo", "hi")]));
    let json = file(
        "docker-bake.json",
        r#"{"variable": {"F": {"default": null}}, "target": {"default": {"args": {"f": "${F}"}}}}"#,
    );
    assert_eq!(json.args("default"), pairs(&[]));
    assert_eq!(json.env("F", "bar").args("default"), pairs(&[("f", "bar")]));
}

#[test]
fn types_are_read_from_lines() {
    for (kind, given, expression, expected) in [
        ("bool", "true", "FOO", "true"),
        ("number", "99", "FOO", "99"),
        ("string", "hello", "FOO", "hello"),
        ("string", "\"hello\"", "FOO", "\"hello\""),
        ("list(string)", "hi,there", "join(\"-\", FOO)", "hi-there"),
        ("list(string)", "\"hi\",\"a,b\"", "join(\"-\", FOO)", "hi-a,b"),
        ("list(number)", "3,1,4", "join(\"-\", [for v in FOO: v + 1])", "4-2-5"),
        ("set(number)", "3,1,4", "join(\"-\", [for v in sort(FOO): v + 1])", "2-4-5"),
        ("map(number)", "foo:1,bar:2", "join(\"-\", sort(values(FOO)))", "1-2"),
        ("tuple([number,string])", "99,bottles", "format(\"%d %s\", FOO[0], FOO[1])", "99 bottles"),
    ] {
        assert_eq!(typed(kind, expression).env("FOO", given).args("default"), pairs(&[("foo", expected)]), "{kind}");
    }
    for (kind, given, expected) in [
        ("tuple([number,string])", "99,100", "Unsuitable value type"),
        ("list(string)", "\"hello,world", "from CSV"),
        ("object({message: string})", "x", "unsupported type object for variable FOO"),
        ("list(list(number))", "1,2", "unsupported type"),
        ("set(set(number))", "1,2", "unsupported type"),
        ("tuple([list(number)])", "1", "unsupported type"),
        ("map(list(number))", "foo:1,2", "unsupported type"),
        ("map(string)", "a:b,foo:\"bar", "as CSV"),
        ("list(number)", "1,1z", "failed to parse element"),
        ("tuple([number])", "1z", "failed to parse element"),
        ("map(number)", "foo:1z", "failed to parse element"),
        ("map(number)", "foo:1:1", "expected one k/v pair"),
        ("number", "1z", "failed to parse"),
    ] {
        typed(kind, "FOO").env("FOO", given).fails(expected);
    }
}

#[test]
fn types_are_read_from_json() {
    for (kind, given, expression, expected) in [
        ("bool", "true", "FOO", "true"),
        ("string", "\"hello\"", "FOO", "hello"),
        ("list(string)", "[\"hi\",\"there\"]", "join(\"-\", FOO)", "hi-there"),
        ("map(number)", "{\"foo\": 1, \"bar\": 2}", "join(\"-\", sort(values(FOO)))", "1-2"),
        ("tuple([number,string])", "[99, \"bottles\"]", "format(\"%d %s\", FOO[0], FOO[1])", "99 bottles"),
        (
            "object({messages: list(string)})",
            "{\"messages\": [\"hi\", \"there\"]}",
            "join(\"-\", FOO[\"messages\"])",
            "hi-there",
        ),
    ] {
        assert_eq!(
            typed(kind, expression).env("FOO_JSON", given).args("default"),
            pairs(&[("foo", expected)]),
            "{kind}"
        );
    }
    typed("string", "FOO").env("FOO_JSON", "hello").fails("from JSON");
    typed("map(number)", "FOO").env("FOO_JSON", "{\"foo\": \"oops\"}").fails("from JSON");
    let plain_first = typed("list(number)", "length(FOO)").env("FOO", "1,2").env("FOO_JSON", "[3,4,5]");
    assert_eq!(plain_first.args("default"), pairs(&[("foo", "3")]));
    let own = typed("list(number)", "FOO").and("more.hcl", "variable \"FOO_JSON\" {\n type = list(number)\n}\n");
    own.env("FOO", "[1,2]").env("FOO_JSON", "[3,4]").fails("from CSV");
    hcl("variable \"FOO\" {\n default = [1]\n}\ntarget \"default\" {}\n")
        .env("FOO_JSON", "[3,4]")
        .fails("unsupported type");
}

#[test]
fn types_are_named_as_they_are_called() {
    for kind in ["boolean", "BOOL", "lower(\"bool\")"] {
        typed(kind, "FOO").fails("not a valid type");
    }
    for (default, kind) in [("\"oops\"", "number"), ("[\"oops\"]", "list(number)"), ("99", "bool")] {
        hcl(&format!("variable \"FOO\" {{\n type = {kind}\n default = {default}\n}}\ntarget \"default\" {{}}\n"))
            .fails("invalid type");
    }
    let converted = hcl(
        "variable \"FOO\" {\n type = list(number)\n default = [\"2\", \"3\"]\n}\ntarget \"default\" {\n args = { f = join(\"\", [for v in FOO: v + 1]) }\n}\n",
    );
    assert_eq!(converted.args("default"), pairs(&[("f", "34")]));
}

#[test]
fn variables_use_each_other() {
    let asked = hcl("variable \"FOO\" {\n default = upper(\"${BASE}def\")\n}\nvariable \"BAR\" {\n default = \"-${FOO}-\"\n}\ntarget \"app\" {\n args = { v1 = \"pre-${BAR}\" }\n}\n")
        .and("c2.hcl", "variable \"BASE\" {\n default = \"abc\"\n}\ntarget \"app\" {\n args = { v2 = \"${FOO}-post\" }\n}\n");
    assert_eq!(asked.args("app"), pairs(&[("v1", "pre--ABCDEF-"), ("v2", "ABCDEF-post")]));
    assert_eq!(asked.env("BASE", "new").args("app"), pairs(&[("v1", "pre--NEWDEF-"), ("v2", "NEWDEF-post")]));
    hcl("variable \"FOO\" {\n default = BAR\n}\nvariable \"BAR\" {\n default = FOO\n}\ntarget \"default\" {}\n")
        .fails("variable cycle not allowed for");
}

#[test]
fn attributes_are_variables_that_nothing_overrides() {
    let asked = hcl("FOO=\"abc\"\nBAR=\"attr-${FOO}def\"\ntarget \"app\" {\n args = { \"v1\": BAR }\n}\n");
    assert_eq!(asked.env("FOO", "bar").args("app"), pairs(&[("v1", "attr-abcdef")]));
    let both = hcl("variable \"FOO\" {\n default = \"abc\"\n}\ntarget \"app\" {\n args = { v1 = \"pre-${FOO}\" }\n}\n")
        .and("c2.hcl", "FOO=\"def\"\n");
    assert_eq!(both.args("app"), pairs(&[("v1", "pre-def")]));
    assert_eq!(both.env("FOO", "ghi").args("app"), pairs(&[("v1", "pre-ghi")]));
    let json = file(
        "docker-bake.json",
        r#"{"FOO": "abc", "variable": {"BAR": {"default": "def"}}, "target": { "app": { "args": {"v1": "pre-${FOO}-${BAR}"}} } }"#,
    );
    assert_eq!(json.args("app"), pairs(&[("v1", "pre-abc-def")]));
}

#[test]
fn functions_are_defined() {
    let asked = hcl(
        "variable \"REPO\" {\n default = \"user/repo\"\n}\nfunction \"tag\" {\n params = [tag]\n variadic_params = rest\n result = [\"${REPO}:${tag}\", length(rest)]\n}\ntarget \"x\" {\n tags = tag(\"v1\", 1, 2)\n}\n",
    );
    assert_eq!(asked.target("x").tags, Some(vec!["user/repo:v1".to_owned(), "2".to_owned()]));
    let json = file(
        "docker-bake.json",
        r#"{"FOO": "abc", "function": {"myfunc": {"params": ["inp"], "result": "<${upper(inp)}-${FOO}>"}}, "target": {"app": {"args": {"v1": "pre-${myfunc(\"foo\")}"}}}}"#,
    );
    assert_eq!(json.args("app"), pairs(&[("v1", "pre-<FOO-abc>")]));
    let late = hcl(
        "function \"brace\" {\n params = [inp]\n result = \"[${inp}]\"\n}\nfunction \"myupper\" {\n params = [val]\n result = \"${upper(val)} <> ${brace(v2)}\"\n}\nv1=myupper(\"foo\")\nv2=lower(\"BAZ\")\ntarget \"app\" {\n args = { \"v1\": v1 }\n}\n",
    );
    assert_eq!(late.args("app"), pairs(&[("v1", "FOO <> [baz]")]));
    hcl("function \"foo\" {\n result = \"bar\"\n}\ntarget \"default\" {}\n").fails("empty params not allowed for foo");
    hcl("function \"foo\" {\n params = [a]\n}\ntarget \"default\" {}\n").fails("empty result not allowed for foo");
    hcl("function \"a\" {\n params = []\n result = b()\n}\nfunction \"b\" {\n params = []\n result = a()\n}\ntarget \"default\" {}\n")
        .fails("function cycle not allowed for a");
}

#[test]
fn rules_are_insisted_on() {
    let rule = |condition: &str, message: &str| {
        hcl(&format!(
            "variable \"FOO\" {{\n default = \"\"\n validation {{\n condition = {condition}\n error_message = {message}\n }}\n}}\ntarget \"default\" {{}}\n"
        ))
    };
    rule("FOO != \"\"", "\"FOO is required.\"").fails("Validation failed; FOO is required.");
    assert!(rule("FOO != \"\"", "\"FOO is required.\"").env("FOO", "x").read().is_ok());
    rule("null", "\"\"").fails("Condition expression must return either true or false, not null");
    rule("\"x\"", "\"\"").fails("Invalid condition result value: a bool is required");
    rule("false", "null").fails("This check failed, but has an invalid error message");
}

#[test]
fn variables_are_listed() {
    let asked = hcl(
        "variable \"foo\" {\n default = \"bar\"\n}\nvariable \"abc\" {\n default = null\n description = \"what\"\n}\nvariable \"list\" {\n type = list(string)\n default = [\"a\"]\n}\nvariable \"any\" {\n type = any\n}\n",
    );
    let table = asked.with(|request| list_variables(request, false)).unwrap();
    assert_eq!(
        table,
        "VARIABLE\tTYPE\t\tVALUE\tDESCRIPTION\nabc\t\t\t\t<null>\twhat\nany\t\tany type\t<null>\t\nfoo\t\t\t\tbar\t\nlist\t\tlist of string\t[\"a\"]\t\n"
    );
    let json = asked.with(|request| List::parse("type=variables,format=json").unwrap().print(request)).unwrap();
    assert!(json.starts_with("[\n  {\n    \"name\": \"abc\",\n    \"description\": \"what\"\n  },\n"), "{json}");
    assert!(json.contains("\"type\": \"list of string\",\n    \"value\": \"[\\\"a\\\"]\""), "{json}");
    let open = hcl(
        "variable \"a\" {\n type = any\n default = [\"x\", 1]\n}\nvariable \"s\" {\n type = string\n default = \"a<b\"\n}\n",
    );
    let table = open.with(|request| list_variables(request, false)).unwrap();
    let tuple = "\tany type\t{\"value\":[\"x\",1],\"type\":[\"tuple\",[\"string\",\"number\"]]}\t";
    for expected in [tuple, "\ta\\u003cb\t"] {
        assert!(table.contains(expected), "{table:?}");
    }
}
