//! Templates written to hurt: every one ends soon, with an error or a short result.

use proptest::prelude::*;

use super::*;

fn refused(template: &str, expected: &str) {
    let error = run(template, &image()).expect_err(template);
    assert!(error.contains(expected), "{error}");
}

#[test]
fn nesting_is_bounded() {
    refused(&format!("{{{{{}1{}}}}}", "(".repeat(10_000), ")".repeat(10_000)), "nested more than 100 levels deep");
    refused(&"{{if 1}}".repeat(10_000), "nested more than 100 levels deep");
    refused(&format!("{{{{if 0}}}}{}{{{{end}}}}", "{{else if 0}}".repeat(10_000)), "nested more than 100 levels deep");
    check(&format!("{}x{}", "{{if 1}}".repeat(100), "{{end}}".repeat(100)), "x");
    refused(
        "{{define \"a\"}}{{if 1}}{{template \"a\" (print .)}}{{end}}{{end}}{{template \"a\"}}",
        "maximum template depth",
    );
}

#[test]
fn work_and_output_are_bounded() {
    refused("{{range 9223372036854775807}}{{end}}", "the template does too much");
    refused("{{range 1000000000}}{{range 1000000000}}{{end}}{{end}}", "the template does too much");
    refused("{{range 100000}}{{printf \"%1000s\" \"x\"}}{{end}}", "output is longer than");
    refused("{{$x := \"x\"}}{{range 64}}{{$x = print $x $x}}{{end}}", "result is longer than");
    refused("{{$x := \"x\"}}{{range 99}}{{$x = printf \"%[1]s%[1]s%[1]s\" $x}}{{end}}", "result is longer than");
    refused("{{range 1000}}{{$x := printf \"%1000000s\" \"\"}}{{end}}", "the template does too much");
    refused("{{split (printf \"%1000000s\" \"\") \"\"}}", "result is longer than");
    refused("{{pad \"x\" 9223372036854775807 9223372036854775807}}", "result is longer than");
    refused("{{join (split (printf \"%400000s\" \"\") \"\") (printf \"%1000s\" \"\")}}", "result is longer than");
    refused("{{printf \"%1000000d\" (split (printf \"%400000s\" \"\") \"\")}}", "result is longer than");
}

/// Pieces that meet each other in ways nobody would write.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{{",
        "}}",
        "{{-",
        "-}}",
        " ",
        "\n",
        ".",
        ".Id",
        ".Config",
        "$",
        "$x",
        ":=",
        "=",
        ",",
        "|",
        "(",
        ")",
        "if ",
        "else ",
        "end",
        "range ",
        "with ",
        "define ",
        "template ",
        "block ",
        "break",
        "continue",
        "nil",
        "true",
        "\"a\"",
        "`b`",
        "'c'",
        "1",
        "-1",
        "1.5",
        "0x",
        "1e9",
        "print ",
        "printf ",
        "\"%*d%[9]s%!%z\"",
        "index ",
        "slice ",
        "len ",
        "eq ",
        "and ",
        "json ",
        "pad ",
        "truncate ",
        "/*",
        "*/",
        "é",
        "{{end}}",
        "{{if .Id}}",
        "{{range .RepoTags}}",
        "\\",
        "\"",
        "'",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_is_too_strange(text in any::<String>()) {
        let _ = run(&text, &image());
        let _ = run(&format!("{{{{{text}}}}}"), &image());
    }

    #[test]
    fn no_order_of_words_is_too_strange(text in pieces()) {
        let _ = run(&text, &image());
        if let Ok(template) = Template::parse(&text) {
            let _ = template.execute(&row(), Mode::Header);
        }
    }

    #[test]
    fn no_format_is_too_strange(format in "[%#0+ -]{0,3}[*0-9.\\[\\]]{0,6}[a-zA-Z%]{0,2}.{0,3}") {
        for value in [image(), Value::Int(-7), Value::Float(-0.0), Value::Float(f64::NAN), Value::str("é\n"), Value::Nil] {
            let _ = super::super::printf::sprintf(&format!("%{format}"), &[value, Value::Int(3)]);
        }
    }
}
