//! Corners of the language, each with BuildKit's answer.

use wharfie_build::call::check;
use wharfie_build::dockerfile::Dockerfile;
use wharfie_build::plan::plan;
use wharfie_build::{Request, lint};

use crate::plan::{Shelf, request, with};

/// The target's history, or the error.
fn says_of(bytes: &[u8], request: &Request, expected: &[&str]) {
    let plan = Dockerfile::read(bytes).and_then(|dockerfile| plan(&dockerfile, request, &Shelf::default()));
    let found: Vec<String> = match plan {
        Ok(plan) => plan.stages[plan.target].steps.iter().filter_map(|step| step.created_by.clone()).collect(),
        Err(why) => vec![format!("error: {why}")],
    };
    assert_eq!(found, expected, "{}", String::from_utf8_lossy(bytes));
}

/// The history of instructions in a stage on nothing.
fn says(instructions: &str, expected: &[&str]) {
    says_of(format!("FROM scratch\n{instructions}").as_bytes(), &request(), expected);
}

/// One shell command, or the error.
fn runs(instruction: &str, command: &str) {
    says(instruction, &[&format!("RUN /bin/sh -c {command} # buildkit")]);
}

/// A word, after expansion; `$A` is `x`, `$E` is empty.
fn expands(word: &str, expected: &str) {
    says(&format!("ENV A=x E= R=foobar\nUSER {word}"), &["ENV A=x E= R=foobar", &format!("USER {expected}")]);
}

fn refuses(instructions: &str, error: &str) {
    says(instructions, &[&format!("error: {error}")]);
}

/// Refused while instructions are read, at this line.
fn refuses_at(line: usize, instructions: &str, error: &str) {
    refuses(instructions, &format!("dockerfile parse error on line {line}: {error}"));
}

fn warns(text: &str, expected: &[&str]) {
    let found = check(text.as_bytes(), &request(), &Shelf::default());
    let found: Vec<_> = found.warnings.iter().map(lint::Warning::short).collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn lines_are_joined() {
    runs("RUN a \\\n\n  b", "a   b");
    runs("RUN a \\\n# c\n\nUSER x", "a USER x");
    runs("RUN a \\\n  # c\n\tb", "a \tb");
    runs("RUN 'a \\\n# c\nb'", "'a b'");
    runs("RUN a \\ \t\nb", "a b");
    says("RUN a \\\\\nUSER b", &["RUN /bin/sh -c a \\\\ # buildkit", "USER b"]);
    says("US\\\nER x", &["USER x"]);
    runs("RUN a \\", "a");
    refuses_at(2, "\\", "unknown instruction: ");
    says_of(b"\\\nFROM scratch\nUSER x", &request(), &["USER x"]);
    warns("FROM a\nRUN x \\\n\n  y", &["NoEmptyContinuation: Empty continuation line (line 4)"]);
}

#[test]
fn lines_end_and_begin() {
    says("USER a\r\nUSER b\rc\r\n", &["USER a", "USER b\rc"]);
    says("CMD\u{b}a", &["CMD [\"/bin/sh\" \"-c\" \"a\"]"]);
    refuses_at(2, "USER\u{a0}x", "unknown instruction: USER\u{a0}x (did you mean user?)");
    says("\u{a0}USER x", &["USER x"]);
    says_of("\u{feff}FROM scratch\nUSER x".as_bytes(), &request(), &["USER x"]);
    says_of(b"FROM scratch\nENV A=\xff\xfe", &request(), &["ENV A=\u{fffd}\u{fffd}"]);
    let long = "x".repeat(65_536);
    refuses(&format!("RUN {long}"), "dockerfile line greater than max allowed size of 65535");
    let half = "x".repeat(40_000);
    runs(&format!("RUN {half}\\\n{half}"), &format!("{half}{half}"));
}

#[test]
fn directives_stand_at_the_top() {
    says_of(b"# escape=`\nFROM scratch\nUSER a`\nb\\", &request(), &["USER ab\\"]);
    says_of(b"# x\n# escape=`\nFROM scratch\nUSER a\\\nb", &request(), &["USER ab"]);
    says_of(b"# foo=bar\n# escape=`\nFROM scratch\nUSER a\\\nb", &request(), &["USER ab"]);
    says_of(b"# syntax=x\n  # ESCAPE = `\nFROM scratch\nUSER a`\nb", &request(), &["USER ab"]);
    let place = |text: &str| {
        let why = Dockerfile::read(text.as_bytes()).unwrap_err();
        (why.to_string(), why.places()[0].first)
    };
    let twice = "only one escape parser directive can be used".to_owned();
    assert_eq!(place("# escape=`\n# escape=`\nFROM a"), (twice, 1));
    assert_eq!(place("# escape=x\nFROM a"), ("invalid escape token 'x' does not match ` or \\".to_owned(), 0));
    warns(
        "# check=skip=StageNameCasing\nFROM a AS B\nUSER $x",
        &["UndefinedVar: Usage of undefined variable '$x' (line 3)"],
    );
    warns(
        "ARG A\n# check=skip=all\nFROM a AS B\nUSER $x",
        &["UndefinedVar: Usage of undefined variable '$x' (line 4)"],
    );
}

#[test]
fn here_documents_are_announced() {
    refuses("RUN echo $((1 << 2))", "unterminated heredoc");
    runs("RUN echo $((1<<2))", "echo $((1<<2))");
    runs("RUN cat<<E", "cat<<E");
    runs("RUN cat \"<<E\"", "cat \"<<E\"");
    runs("RUN cat \\<<E", "cat \\<<E");
    runs("RUN cat <<<x", "cat <<<x");
    runs("RUN cat <<E|sort\nx\nE|sort", "cat <<E|sort\nx\nE|sort");
    runs("RUN cat <<A \\\n&& b\nx\nA", "cat <<A && b\nx\nA");
    runs("RUN cat <<A\nA \nA", "cat <<A\nA \nA");
    runs("RUN cat <<-A\n\tx\n\tA", "cat <<-A\n\tx\nA");
    refuses("RUN cat <<-A\n  A", "unterminated heredoc");
    runs("RUN cat <<\"E F\"\nx\nE F", "cat <<\"E F\"\nx\nE F");
    says("CMD cat <<A", &["CMD [\"/bin/sh\" \"-c\" \"cat <<A\"]"]);
    says("RUN [\"cat\", \"<<A\"]", &["RUN cat <<A # buildkit"]);
    runs("RUN it's <<E", "it's <<E");
    runs("RUN <<E\n# x\n\\\n\n y\nE", "# x\n\\\n\n y\n");
    runs("RUN <<E\n#!/bin/x\n$A\nE", "/dev/pipes/E");
    runs("RUN <<E\n$A\nE", "$A\n");
    runs("RUN <<E\r\na\r\nE\r\n", "a\r\n");
    says("COPY <<A <<'B' /d/\n$x\nA\n$x\nB", &["COPY <<A <<B /d/ # buildkit"]);
    refuses_at(2, "COPY a <<E\nE", "COPY cannot accept a heredoc as a destination");
}

#[test]
fn words_lose_quotes_and_escapes() {
    expands("a\\b", "ab");
    expands("\"a\\b\\\"c\\$A\\\\\"", "a\\b\"c$A\\");
    expands("'a\\b$A'", "a\\b$A");
    expands("$U$1$@$#$$$-", "");
    expands("a$", "a$");
    expands("$A語x", "");
    expands("\"${U:-a}b\"", "ab");
    expands("\"${U:-\"x\"}\"", "x");
    expands("${U:-a b}", "a b");
    expands("${R%b*}", "foo");
    expands("${R#[f]}", "foobar");
    expands("${R//o/0}", "f00bar");
    expands("${R/o*/x}", "fx");
    expands("${R/foo/\\$A}", "\\$Abar");
    says_of(b"# escape=`\nFROM scratch\nENV P=C:\\a\nUSER ${P#C:\\\\}`$x", &request(), &["ENV P=C:\\a", "USER a$x"]);
    let deep = |times: usize| format!("{}x{}", "\"${U:-".repeat(times), "}\"".repeat(times));
    expands(&deep(50), "x");
    refuses(&format!("USER {}", deep(8_000)), "syntax error: substitutions are nested too deeply");
    for (word, error) in [
        ("${A", "unsupported modifier (\u{fffd}) in substitution"),
        ("${}", "syntax error: bad substitution"),
        ("${:-x}", "syntax error: bad substitution"),
        ("${#A}", "unsupported modifier (A) in substitution"),
        ("${!A}", "unsupported modifier (A) in substitution"),
        ("${A:2}", "unsupported modifier (:2) in substitution"),
        ("${A^}", "unsupported modifier (^) in substitution"),
        ("${A=d}", "unsupported modifier (=) in substitution"),
        ("${A/x}", "syntax error: missing '/' in ${}"),
    ] {
        refuses(&format!("USER {word}"), error);
    }
}

#[test]
fn pairs_have_forms() {
    says("ENV k v=w", &["ENV k=v=w"]);
    says("LABEL k = v", &["LABEL k== v"]);
    refuses("ENV a=b c", "Syntax error - can't find = in \"c\". Must be of the form: name=value");
    refuses("ENV a", "ENV must have two arguments");
    refuses("ENV a=${U:-x y}", "Syntax error - can't find = in \"y}\". Must be of the form: name=value");
    says("ENV A=1\nENV A=2 B=$A", &["ENV A=1", "ENV A=2 B=1"]);
    says("ENV A=k\nLABEL \"$A\"=v", &["ENV A=k", "LABEL k=v"]);
    says("ARG \"k\"=v", &["ARG \"k\"=v"]);
}

#[test]
fn some_instructions_take_the_whole_line() {
    says("WORKDIR /a #c\nUSER x # y", &["WORKDIR /a #c", "USER x # y"]);
    says("WORKDIR [\"/a\"]", &["WORKDIR /[/a]"]);
    says("WORKDIR /a/../b\nWORKDIR /a/", &["WORKDIR /a/../b", "WORKDIR /a/"]);
    says("ARG A=1\nMAINTAINER $A", &["ARG A=1", "MAINTAINER $A"]);
    says(
        "ARG A=1\nSHELL [\"$A\"]\nHEALTHCHECK CMD $A",
        &[
            "ARG A=1",
            "SHELL [$A]",
            "HEALTHCHECK {Test:[CMD-SHELL $A] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}",
        ],
    );
}

#[test]
fn lists_are_json_or_nothing() {
    says("CMD [\"a\",]", &["CMD [\"/bin/sh\" \"-c\" \"[\\\"a\\\",]\"]"]);
    says("CMD ['a']", &["CMD [\"/bin/sh\" \"-c\" \"['a']\"]"]);
    says("CMD [\"a\"] # c", &["CMD [\"/bin/sh\" \"-c\" \"[\\\"a\\\"] # c\"]"]);
    says("VOLUME [\"/a\",]", &["VOLUME [[/a,]]"]);
    for list in ["[\"a\",1]", "[[\"a\"]]", "[\"a\",null]"] {
        for keyword in ["CMD", "RUN", "ENTRYPOINT", "SHELL", "VOLUME"] {
            let error = "when using JSON array syntax, arrays must be comprised of strings only";
            refuses(&format!("{keyword} {list}"), error);
        }
    }
    says("CMD", &["CMD [\"/bin/sh\" \"-c\" \"\"]"]);
    says("CMD []\nRUN []", &["CMD []", "RUN  # buildkit"]);
}

#[test]
fn flags_stand_in_front() {
    runs("RUN -- --mount=x", "--mount=x");
    says(
        "HEALTHCHECK --timeout=\"3s\" CMD a",
        &["HEALTHCHECK {Test:[CMD-SHELL a] Interval:0s Timeout:3s StartPeriod:0s StartInterval:0s Retries:0}"],
    );
    refuses_at(2, "CMD --x a", "unknown flag: --x");
    says("ARG --flag=x k=v\nSTOPSIGNAL --x TERM", &["ARG k=v", "STOPSIGNAL TERM"]);
    says("COPY --link=TRUE --from= a /", &["COPY a / # buildkit"]);
    refuses_at(2, "COPY --link= a /", "missing a value on flag: --link");
    refuses_at(2, "COPY --link=yes a /", "expecting boolean value for flag --link, not: yes");
    refuses("RUN --mount=type=tmpfs x", "invalid mount target \"/\"");
    refuses_at(
        2,
        "RUN --mount=from=$X,target=/x y",
        "'from' doesn't support variable expansion, define alias stage instead",
    );
    refuses_at(2, "RUN --network=$N x", "invalid network mode \"$N\"");
    refuses_at(2, "COPY --checksum=x a /", "unknown flag: --checksum");
    refuses_at(2, "COPY --unpack a /", "unknown flag: --unpack");
}

#[test]
fn stages_are_found_by_name() {
    says_of(b"FROM scratch AS Abc\nUSER x\nFROM abc\nUSER y", &request(), &["USER y"]);
    says_of(b"FROM scratch AS Abc\nFROM scratch\nCOPY --from=ABC /a /", &request(), &["COPY /a / # buildkit"]);
    let target = |name: &str| Request { target: Some(name.to_owned()), ..request() };
    says_of(b"FROM scratch AS abc\nUSER x\nFROM scratch", &target("ABC"), &["USER x"]);
    says_of(b"FROM scratch AS abc\nFROM scratch", &target("0"), &["error: target stage \"0\" could not be found"]);
    says_of(b"FROM a AS a\nUSER x", &request(), &["USER x"]);
    says_of(
        b"FROM ABC AS x\nFROM scratch",
        &request(),
        &[
            "error: failed to parse stage name \"ABC\": invalid reference format: repository name (library/ABC) must be lowercase",
        ],
    );
    let words = "FROM requires either one or three arguments";
    says_of(b"FROM scratch # c", &request(), &[&format!("error: dockerfile parse error on line 1: {words}")]);
    says_of(b"FROM x y\nFROM scratch", &request(), &[&format!("error: dockerfile parse error on line 1: {words}")]);
}

#[test]
fn arguments_reach_where_they_are_declared() {
    says("ENV A=env\nARG A=arg\nENV B=$A", &["ENV A=env", "ARG A=arg", "ENV B=arg"]);
    says("ARG A=${X:?no}", &["error: X: no"]);
    says_of(b"FROM scratch\nARG A=${X:?no}", &with(&[("A", "1")]), &["ARG A=1"]);
    says_of(b"FROM ${B:-scratch}\nUSER x", &request(), &["USER x"]);
    says_of(b"ARG B\nFROM $B", &request(), &["error: base name ($B) should not be blank"]);
    says_of(b"ARG B\nFROM $B\nUSER x", &with(&[("B", "a")]), &["USER x"]);
    says_of(b"FROM --platform=linux/$TARGETARCH scratch\nENV A=$TARGETARCH", &request(), &["ENV A="]);
    says_of(b"FROM scratch\nENV A=$HTTP_PROXY", &with(&[("HTTP_PROXY", "p")]), &["ENV A="]);
    says_of(
        b"FROM scratch\nARG HTTP_PROXY\nENV A=$HTTP_PROXY",
        &with(&[("HTTP_PROXY", "p")]),
        &["ARG HTTP_PROXY=p", "ENV A=p"],
    );
}

#[test]
fn triggers_wait() {
    says_of(b"FROM scratch AS a\nONBUILD USER x\nFROM a AS b\nUSER y", &request(), &["USER x", "USER y"]);
    says_of(b"FROM scratch AS a\nONBUILD USER x\nFROM a AS b\nFROM b\nUSER y", &request(), &["USER y"]);
    says("ONBUILD NONSENSE x", &[]);
    says_of(b"FROM scratch AS a\nONBUILD NONSENSE x\nFROM a", &request(), &["error: unknown instruction: NONSENSE"]);
    refuses_at(2, "ONBUILD ONBUILD RUN x", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    refuses_at(2, "ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger");
    refuses_at(2, &"ONBUILD ".repeat(8_000), "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    let text = Dockerfile::parse("FROM scratch\nONBUILD RUN  a  b ").unwrap();
    let plan = plan(&text, &request(), &Shelf::default()).unwrap();
    assert_eq!(plan.stages[0].steps[0].config.on_build.as_deref().unwrap(), ["RUN  a  b "]);
}

#[test]
fn ports_and_signals_are_taken_as_they_come() {
    says("EXPOSE 80/ +81 08", &["EXPOSE [81/tcp 8/tcp 80/tcp]"]);
    says("EXPOSE 80\\ 81", &["EXPOSE [80/tcp 81/tcp]"]);
    refuses("EXPOSE \"80 81\"", "unexpected end of statement while looking for matching double-quote");
    says("ARG P=9\nEXPOSE 80 $P", &["ARG P=9", "EXPOSE [9/tcp 80/tcp]"]);
    says("STOPSIGNAL 65\nSTOPSIGNAL -1\nSTOPSIGNAL sigterm", &["STOPSIGNAL 65", "STOPSIGNAL -1", "STOPSIGNAL sigterm"]);
    refuses("STOPSIGNAL 0", "invalid signal: 0");
    says(
        "HEALTHCHECK --interval=0 --timeout= cmd x",
        &["HEALTHCHECK {Test:[CMD-SHELL x] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}"],
    );
    refuses_at(2, "HEALTHCHECK --interval=1us CMD x", "Interval \"interval\" cannot be less than 1ms");
}
