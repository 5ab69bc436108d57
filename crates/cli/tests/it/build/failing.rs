//! Builds that fail: the last words of the step, its place in the Dockerfile, the reason, the exit code.

use super::{box_host, context};
use crate::host;

/// A Dockerfile and all that is said of its failure but for progress.
const FAILURES: &[(&str, &[&str], &str)] = &[
    (
        "FROM scratch\nLABEL a=1\nFOO bar\n",
        &[],
        "Dockerfile:3\n--------------------\n   1 |     FROM scratch\n   2 |     LABEL a=1\n   3 | >>> FOO bar\n   4 |     \n--------------------\nERROR: failed to solve: dockerfile parse error on line 3: unknown instruction: FOO (did you mean FROM?)",
    ),
    (
        "FROM scratch\nRUNN x\n",
        &[],
        "Dockerfile:2\n--------------------\n   1 |     FROM scratch\n   2 | >>> RUNN x\n   3 |     \n--------------------\nERROR: failed to solve: dockerfile parse error on line 2: unknown instruction: RUNN (did you mean RUN?)",
    ),
    (
        "FROM scratch\nLABEL a=1\n",
        &["--target", "nope"],
        "ERROR: failed to solve: target stage \"nope\" could not be found",
    ),
    ("", &[], "ERROR: failed to solve: the Dockerfile cannot be empty"),
    (
        "# words\n",
        &[],
        "Dockerfile:1\n--------------------\n   1 | >>> # words\n   2 |     \n--------------------\nERROR: failed to solve: file with no instructions",
    ),
    ("ARG A=1\n", &[], "ERROR: failed to solve: dockerfile contains no stages to build"),
    (
        "FROM scratch\nCOPY missing /x\n",
        &[],
        "------\n > [1/1] COPY missing /x:\n------\nDockerfile:2\n--------------------\n   1 |     FROM scratch\n   2 | >>> COPY missing /x\n   3 |     \n--------------------\nERROR: failed to solve: failed to calculate checksum of ref ed12il1lnzmjqmvwqm169yvfz::2pcepc9yp60eoc70o7xbug3pi: \"/missing\": not found",
    ),
    (
        "FROM scratch\nCOPY a\n",
        &[],
        "Dockerfile:2\n--------------------\n   1 |     FROM scratch\n   2 | >>> COPY a\n   3 |     \n--------------------\nERROR: failed to solve: dockerfile parse error on line 2: COPY requires at least two arguments, but only one was provided. Destination could not be determined",
    ),
];

#[test]
fn failures_are_in_buildkits_words() {
    let host = host();
    let mut wrong = Vec::new();
    for (text, words, expected) in FAILURES {
        context(&host, &[("Dockerfile", text), ("a", "1"), ("b", "2")]);
        let outcome = host.run(&[&["build", "--progress=none"], *words, &["ctx"]].concat());
        let said = outcome.words_without_help();
        if (outcome.code, outcome.stdout.as_str(), said.trim_end_matches('\n')) != (1, "", *expected) {
            wrong.push(format!("{text:?}: {} says\n{said}\nnot\n{expected}", outcome.code));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Lines upon `box:1`, and the reason that is given.
const REASONS: &[(&str, &str)] = &[
    ("WORKDIR /etc/passwd", "cannot copy to non-directory: /etc/passwd"),
    ("WORKDIR /etc/passwd/x", "cannot copy to non-directory: /etc/passwd"),
    ("COPY a /etc/passwd/", "cannot copy to non-directory: /etc/passwd/"),
    ("COPY a /etc/passwd/x", "cannot copy to non-directory: /etc/passwd"),
    ("COPY d /etc/passwd", "cannot copy to non-directory: /etc/passwd"),
    ("COPY d /\nCOPY e /", "cannot copy to non-directory: /in"),
    (
        "COPY a a /x",
        "When using COPY with more than one source file, the destination must be a directory and end with a /",
    ),
    (
        "COPY no*thing /x",
        "failed to calculate checksum of ref 7vjj0y8at4lmvhha0afot79di::6nvqwx82ghdf2n78mtqioobp6: \"/no*thing\": not found",
    ),
    ("COPY --from=nope a /x", "nope: failed to resolve source metadata for docker.io/library/nope:latest: "),
    (
        "COPY --chown=nobody a /",
        "unable to convert uid/gid chown string to host mapping: can't find uid for user nobody: no such user: nobody",
    ),
    ("COPY --chmod=999 a /", "invalid chmod parameter: '999'. it should be octal string and between 0 and 07777"),
    (
        "RUN [\"nope\"]",
        "process \"nope\" did not complete successfully: exec: \"nope\": executable file not found in $PATH",
    ),
    ("RUN nope", "process \"/bin/sh -c nope\" did not complete successfully: exit code: 127"),
    (
        "RUN [\"/etc/passwd\"]",
        "process \"/etc/passwd\" did not complete successfully: exec: \"/etc/passwd\": permission denied",
    ),
    (
        "USER nobody\nRUN true",
        "process \"/bin/sh -c true\" did not complete successfully: unable to find user nobody: no matching entries in passwd file",
    ),
    (
        "RUN --mount=source=nope,target=/x true",
        "failed to calculate checksum of ref dlendrf35xjh2jlo7wqe981at::1noy797sjcwb2iyg5ik24g9ld: \"/nope\": not found",
    ),
    ("RUN --mount=type=cache true", "invalid mount target \"/\""),
    ("ONBUILD FROM x", "dockerfile parse error on line 2: FROM isn't allowed as an ONBUILD trigger"),
];

#[test]
fn reasons_are_named() {
    let Some(host) = box_host() else { return };
    context(&host, &[("a", "1"), ("d/in", "2"), ("e/in/x", "3")]);
    let mut wrong = Vec::new();
    for (lines, expected) in REASONS {
        context(&host, &[("Dockerfile", &format!("FROM box:1\n{lines}\n"))]);
        let outcome = host.run(&["build", "--progress=none", "ctx"]);
        let found = outcome.stderr.lines().find_map(|line| line.strip_prefix("ERROR: failed to solve: "));
        let found = found.unwrap_or_default();
        let is_right = if expected.ends_with(": ") { found.starts_with(expected) } else { found == *expected };
        if outcome.code != 1 || !is_right {
            wrong.push(format!("{lines:?}: {} {found:?} not {expected:?}", outcome.code));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn bases_that_cannot_be_fetched_are_told_as_pulls_tell_them() {
    let host = host();
    context(&host, &[("Dockerfile", "FROM 127.0.0.1:1/x:1\nLABEL a=1\n")]);
    let outcome = host.run(&["build", "--progress=none", "ctx"]);
    let text =
        "ERROR: failed to solve: 127.0.0.1:1/x:1: failed to resolve source metadata for 127.0.0.1:1/x:1: Get \"http";
    assert!(outcome.code == 1 && outcome.stderr.contains(text), "{}", outcome.stderr);
    let classic = host.command(&["build", "ctx"]).env("DOCKER_BUILDKIT", "0").output().unwrap();
    let said = String::from_utf8_lossy(&classic.stderr);
    assert!(classic.status.code() == Some(1) && said.starts_with("Get \"http"), "{said}");
}

#[test]
fn a_failed_command_is_shown_with_its_last_words() {
    let Some(host) = box_host() else { return };
    context(&host, &[("Dockerfile", "FROM box:1\nRUN echo out; \\\n    echo more; \\\n    exit 3\nRUN never\n")]);
    let outcome = host.run(&["build", "--progress=plain", "-t", "web", "ctx"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (1, ""));
    let tail = outcome.stderr.split_once("------\n").expect("a block").1;
    let tail: String = tail.lines().map(|line| format!("{}\n", untimed(line))).collect();
    let expected = " > [2/3] RUN echo out;     echo more;     exit 3:\nT out\nT more\n------\nDockerfile:2\n\
                    --------------------\n   1 |     FROM box:1\n   2 | >>> RUN echo out; \\\n   3 | >>>     echo more; \\\n   4 | >>>     exit 3\n   5 |     RUN never\n\
                    --------------------\nERROR: failed to solve: process \"/bin/sh -c echo out;     echo more;     exit 3\" did not complete successfully: exit code: 3\n";
    let without_help: String = tail.split_inclusive('\n').filter(|line| !line.starts_with(" help: ")).collect();
    assert_eq!(without_help, expected);
    assert!(outcome.stderr.contains("\n#"), "progress comes before: {}", outcome.stderr);
    host.run(&["image", "inspect", "web"]).stderr.contains("No such image").then_some(()).expect("it has no name");
}

/// A line that begins with a time, without it.
fn untimed(line: &str) -> String {
    match line.split_once(' ') {
        Some((time, rest)) if time.contains('.') && time.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') => {
            format!("T {rest}")
        }
        _ => line.to_owned(),
    }
}

#[test]
fn what_was_finished_before_a_failure_is_kept() {
    let Some(host) = box_host() else { return };
    let text = |end: &str| format!("FROM box:1\nRUN cat /proc/sys/kernel/random/uuid > /uuid\nRUN {end}\n");
    context(&host, &[("Dockerfile", &text("false"))]);
    assert_eq!(host.run(&["build", "ctx"]).code, 1);
    context(&host, &[("Dockerfile", &text("true"))]);
    let outcome = host.run(&["build", "--progress=plain", "ctx"]);
    assert!(outcome.stderr.contains("\n#5 CACHED\n") || outcome.stderr.contains(" CACHED\n"), "{}", outcome.stderr);
    // The step that failed can be looked at from the image before it.
    assert_eq!(host.run(&["images", "-aq"]).succeeds().lines().count(), 3);
    assert_eq!(host.run(&["ps", "-aq"]).succeeds(), "");
}

#[test]
fn what_the_command_line_gets_wrong_is_said_at_once() {
    let host = host();
    context(&host, &[("Dockerfile", "FROM scratch\nCOPY a /\n"), ("a", "1")]);
    let here = host.path().display().to_string();
    let cases: &[(&[&str], i32, &str)] = &[
        (&["build", "nowhere"], 1, "unable to prepare context: path \"nowhere\" not found"),
        (&["build", "ctx/a"], 1, &format!("unable to prepare context: context must be a directory: {here}/ctx/a")),
        (
            &["build", "-f", "other", "ctx"],
            1,
            &format!(
                "unable to prepare context: unable to evaluate symlinks in Dockerfile path: lstat {here}/other: no such file or directory"
            ),
        ),
        (&["build", "-f", "-", "-"], 1, "invalid argument: can't use stdin for both build context and dockerfile"),
        (
            &["build", "-t", "UPPER", "ctx"],
            125,
            "invalid argument \"UPPER\" for \"-t, --tag\" flag: invalid reference format: repository name (library/UPPER) must be lowercase",
        ),
        (
            &["build", "--builder", "other", "ctx"],
            125,
            "invalid argument \"other\" for \"--builder\" flag: no builder \"other\" found: there is one, \"default\"",
        ),
        (&["build", "--progress=loud", "ctx"], 1, "ERROR: invalid progress mode loud"),
        (&["build", "--output", "dest=x", "ctx"], 1, "ERROR: type is required for output"),
        (&["build", "--push", "ctx"], 1, "ERROR: tag is needed when pushing to registry"),
    ];
    for (words, code, expected) in cases {
        let outcome = host.run(words);
        let said = outcome.words_without_help();
        let first = said.lines().next().unwrap_or_default();
        assert_eq!((outcome.code, first), (*code, *expected), "{words:?}: {said}");
    }
    let counted = host.run(&["build"]);
    assert_eq!(counted.code, 1);
    assert!(counted.stderr.contains("requires 1 argument"), "{}", counted.stderr);
}
