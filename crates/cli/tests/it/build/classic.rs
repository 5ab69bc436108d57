//! The text of the builder before BuildKit (`DOCKER_BUILDKIT=0`), which scripts read.

use wharfie_testkit::{Host, Image};

use super::{box_host, context};
use crate::{host, host_with};

/// Ids of images and containers, each by its own letter in the order in which they come.
fn lettered(text: &str) -> String {
    let is_id = |word: &str| word.len() == 12 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut known: Vec<&str> = Vec::new();
    let mut out = String::new();
    for part in text.split_inclusive([' ', '\n']) {
        let word = part.trim_end();
        if is_id(word) {
            let at = known.iter().position(|id| *id == word).unwrap_or_else(|| {
                known.push(word);
                known.len() - 1
            });
            out.push(char::from(b'A' + u8::try_from(at).expect("there are few")));
            out.push_str(&part[word.len()..]);
        } else {
            out.push_str(part);
        }
    }
    out
}

/// Builds `ctx`, insists on success and gives what was told of the steps.
#[track_caller]
fn told(host: &Host, words: &[&str]) -> String {
    let outcome = host.run(&[&["build"], words, &["ctx"]].concat());
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "{}", outcome.stdout);
    let (first, rest) = outcome.stdout.split_once('\n').expect("there are lines");
    assert!(first.starts_with("Sending build context to Docker daemon  "), "{first}");
    lettered(rest)
}

#[test]
fn steps_are_told_as_scripts_know_them() {
    let Some(host) = box_host() else { return };
    let host = host.with("DOCKER_BUILDKIT", "0");
    let text = "FROM box:1\nARG V=1\nLABEL stage=one v=$V\nRUN echo out; echo $V > /v\nCOPY a /a\nCMD [\"sh\"]\n";
    context(&host, &[("a", "1"), ("Dockerfile", text)]);
    let first = told(&host, &["-t", "web", "-t", "team/web:2"]);
    let steps = "\
Step 1/6 : FROM box:1
 ---> A
Step 2/6 : ARG V=1
 ---> B
Step 3/6 : LABEL stage=one v=$V
 ---> C
Step 4/6 : RUN echo out; echo $V > /v
 ---> Running in D
out
 ---> Removed intermediate container D
 ---> E
Step 5/6 : COPY a /a
 ---> F
Step 6/6 : CMD [\"sh\"]
 ---> G
Successfully built G
Successfully tagged web:latest
Successfully tagged team/web:2
";
    assert_eq!(first, steps);
    let again = told(&host, &["-t", "web"]);
    let cached = "\
Step 1/6 : FROM box:1
 ---> A
Step 2/6 : ARG V=1
 ---> Using cache
 ---> B
Step 3/6 : LABEL stage=one v=$V
 ---> Using cache
 ---> C
Step 4/6 : RUN echo out; echo $V > /v
 ---> Using cache
 ---> D
Step 5/6 : COPY a /a
 ---> Using cache
 ---> E
Step 6/6 : CMD [\"sh\"]
 ---> Using cache
 ---> F
Successfully built F
Successfully tagged web:latest
";
    assert_eq!(again, cached);
    // Every id is an image, as `images -a` and `history` say.
    let ids = host.run(&["history", "-q", "web"]).succeeds();
    assert_eq!(ids.lines().filter(|id| *id != "<missing>").count(), 6, "{ids}");
    // Two names make two rows.
    assert_eq!(host.run(&["images", "-aq"]).succeeds().lines().count(), 7);
}

#[test]
fn what_commands_say_keeps_its_stream() {
    let Some(host) = box_host() else { return };
    let host = host.with("DOCKER_BUILDKIT", "0");
    context(&host, &[("Dockerfile", "FROM box:1\nRUN echo to-err >&2\n")]);
    assert!(told(&host, &[]).contains("\x1b[91mto-err\n\x1b[0m"), "red, with a terminal or without");
}

#[test]
fn the_size_of_the_context_is_the_one_of_its_tar() {
    let host = host().with("DOCKER_BUILDKIT", "0");
    context(&host, &[("Dockerfile", "FROM scratch\nCOPY a /\n"), ("a", "1"), ("hidden", &"x".repeat(5000))]);
    let first = |host: &Host| host.run(&["build", "ctx"]).succeeds().lines().next().unwrap().to_owned();
    assert_eq!(first(&host), "Sending build context to Docker daemon  8.704kB");
    context(&host, &[(".dockerignore", "hidden\n")]);
    assert_eq!(first(&host), "Sending build context to Docker daemon  4.096kB");
}

#[test]
fn triggers_are_counted() {
    let on = |triggers: &[&str]| Image::new().with_file("f", "1").with_config("OnBuild", serde_json::json!(triggers));
    let (one, two) = (on(&["LABEL a=1"]), on(&["LABEL a=1", "COPY a /"]));
    let host = host_with(&[(&one, &["one:1"]), (&two, &["two:1"])]).with("DOCKER_BUILDKIT", "0");
    context(&host, &[("a", "1"), ("Dockerfile", "FROM one:1\nENV b=1\n")]);
    let text = told(&host, &[]);
    assert!(
        text.starts_with("Step 1/2 : FROM one:1\n# Executing 1 build trigger\n ---> A\nStep 2/2 : ENV b=1\n"),
        "{text}"
    );
    context(&host, &[("Dockerfile", "FROM two:1\n")]);
    let text = told(&host, &["-t", "child"]);
    assert!(
        text.starts_with("Step 1/1 : FROM two:1\n# Executing 2 build triggers\n ---> A\nSuccessfully built A\n"),
        "{text}"
    );
    let facts = ["inspect", "-f", "{{.Config.OnBuild}} {{.Config.Labels}} {{len .RootFS.Layers}}", "child"];
    host.run(&facts).prints("[] map[a:1] 2\n");
}

#[test]
fn what_stands_before_the_first_from_is_counted() {
    let base = Image::new().with_file("f", "1");
    let host = host_with(&[(&base, &["base:1"])]).with("DOCKER_BUILDKIT", "0");
    let text = "ARG A=1\nARG TAG=1\nFROM base:$TAG AS one\nENV a=1\nFROM one AS two\nONBUILD RUN  make it\nFROM base:1 AS last\n";
    context(&host, &[("Dockerfile", text)]);
    let steps = "\
Step 1/6 : ARG A=1
Step 2/6 : ARG TAG=1
Step 3/6 : FROM base:$TAG AS one
 ---> A
Step 4/6 : ENV a=1
 ---> B
Step 5/6 : FROM one AS two
 ---> B
Step 6/6 : ONBUILD RUN  make it
 ---> C
Successfully built C
Successfully tagged web:latest
";
    assert_eq!(told(&host, &["--target", "two", "-t", "web"]), steps);
    let history = host.run(&["history", "--no-trunc", "--format", "{{.CreatedBy}}", "web"]).succeeds();
    assert!(history.starts_with("/bin/sh -c #(nop)  ONBUILD RUN  make it\n/bin/sh -c #(nop)  ENV a=1\n"), "{history}");
    let facts = ["inspect", "-f", "{{json .Config.OnBuild}}", "web"];
    host.run(&facts).prints("[\"RUN  make it\"]\n");
}

#[test]
fn arguments_that_nobody_takes_are_told() {
    let host = host().with("DOCKER_BUILDKIT", "0");
    context(&host, &[("Dockerfile", "FROM scratch\nARG USED\nLABEL a=$USED\n")]);
    let arguments = ["--build-arg", "USED=1", "--build-arg", "UNUSED=2", "--build-arg", "ALSO=3"];
    let text = told(&host, &arguments);
    assert!(
        text.contains("\n[Warning] One or more build-args [ALSO UNUSED] were not consumed\nSuccessfully built "),
        "{text}"
    );
}

#[test]
fn quiet_says_the_id_alone_and_what_failed() {
    let Some(host) = box_host() else { return };
    let host = host.with("DOCKER_BUILDKIT", "0");
    context(&host, &[("Dockerfile", "FROM box:1\nLABEL a=1\n")]);
    let id = host.run(&["build", "-q", "--iidfile", "id", "ctx"]).succeeds();
    assert!(id.starts_with("sha256:") && id.ends_with('\n') && id.len() == 72, "{id}");
    assert_eq!(std::fs::read_to_string(host.path().join("id")).unwrap().trim_end(), id.trim_end());
    context(&host, &[("Dockerfile", "FROM box:1\nRUN echo before; exit 3\n")]);
    let failed = host.run(&["build", "-q", "ctx"]);
    assert_eq!((failed.code, failed.stdout.as_str()), (3, ""), "{}", failed.stderr);
    assert!(
        failed.stderr.contains("Step 1/2 : FROM box:1\n") && failed.stderr.contains("before\n"),
        "{}",
        failed.stderr
    );
    assert!(
        failed
            .words_without_help()
            .ends_with("The command '/bin/sh -c echo before; exit 3' returned a non-zero code: 3\n"),
        "{}",
        failed.stderr
    );
}

/// A Dockerfile, further words, the code and the text of the failure.
const FAILURES: &[(&str, &[&str], i32, &str)] = &[
    ("FROM box:1\nRUN exit 3\n", &[], 3, "The command '/bin/sh -c exit 3' returned a non-zero code: 3"),
    (
        "FROM box:1\nRUN [\"sh\", \"-c\", \"exit 4\"]\n",
        &[],
        4,
        "The command 'sh -c exit 4' returned a non-zero code: 4",
    ),
    (
        "FROM scratch\nCOPY missing /x\n",
        &[],
        1,
        "COPY failed: file not found in build context or excluded by .dockerignore: stat missing: file does not exist",
    ),
    (
        "FROM scratch\nADD missing /x\n",
        &[],
        1,
        "ADD failed: file not found in build context or excluded by .dockerignore: stat missing: file does not exist",
    ),
    (
        "FROM scratch\nFOO bar\n",
        &[],
        1,
        "Error response from daemon: dockerfile parse error line 2: unknown instruction: FOO",
    ),
    ("", &[], 1, "Error response from daemon: the Dockerfile (Dockerfile) cannot be empty"),
    ("# only words\n", &[], 1, "Error response from daemon: failed to parse Dockerfile: file with no instructions"),
    ("ARG A=1\n", &[], 1, "Error response from daemon: no build stage in current context"),
    ("RUN x\n", &[], 1, "Error response from daemon: no build stage in current context"),
    (
        "FROM a b\n",
        &[],
        1,
        "Error response from daemon: dockerfile parse error line 1: FROM requires either one or three arguments",
    ),
    (
        "FROM scratch\nLABEL a=1\n",
        &["--target", "nope"],
        1,
        "Error response from daemon: failed to reach build target nope in Dockerfile",
    ),
    ("FROM scratch\n", &[], 1, "No image was generated. Is your Dockerfile empty?"),
];

#[test]
fn failures_are_in_the_daemons_words() {
    let Some(host) = box_host() else { return };
    let host = host.with("DOCKER_BUILDKIT", "0");
    let mut wrong = Vec::new();
    for (text, words, code, expected) in FAILURES {
        context(&host, &[("Dockerfile", text)]);
        let outcome = host.run(&[&["build"], *words, &["ctx"]].concat());
        let said = outcome.words_without_help();
        if (outcome.code, said.trim_end()) != (*code, *expected) {
            wrong.push(format!("{text:?} {words:?}: {} {said:?} not {code} {expected:?}", outcome.code));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(host.run(&["ps", "-aq"]).succeeds(), "", "containers of failed steps are gone");
}

#[test]
fn labels_from_outside_are_a_step() {
    let base = Image::new().with_file("f", "1");
    let host = host_with(&[(&base, &["base:1"])]).with("DOCKER_BUILDKIT", "0");
    context(&host, &[("Dockerfile", "FROM base:1 AS one\nENV a=1\nFROM base:1\nENV b=1\n")]);
    let text = told(&host, &["--label", "z=1", "--label", "a=b c", "--target", "one", "-t", "web"]);
    assert!(text.contains("\nStep 3/3 : LABEL a=b c z=1\n"), "{text}");
    host.run(&["inspect", "-f", "{{.Config.Labels}}", "web"]).prints("map[a:b c z:1]\n");
    let history = host.run(&["history", "--format", "{{.CreatedBy}}", "web"]).succeeds();
    assert!(history.starts_with("/bin/sh -c #(nop)  LABEL a=b c z=1\n/bin/sh -c #(nop)  ENV a=1\n"), "{history}");
}

#[test]
fn failures_have_the_old_builders_words() {
    let Some(host) = box_host() else { return };
    let host = host.with("DOCKER_BUILDKIT", "0");
    let check = |instruction: &str, code: i32, text: &str| {
        context(&host, &[("a", "1"), ("Dockerfile", &format!("FROM box:1\n{instruction}\n"))]);
        let failed = host.run(&["build", "ctx"]);
        assert_eq!((failed.code, failed.words_without_help()), (code, format!("{text}\n")), "{instruction}");
    };
    let missing = "file not found in build context or excluded by .dockerignore: stat nope: file does not exist";
    check("COPY nope /x", 1, &format!("COPY failed: {missing}"));
    check("add nope /x", 1, &format!("ADD failed: {missing}"));
    check("COPY nope* /x/", 1, "COPY failed: no source files were specified");
    check("COPY ../x /y", 1, "COPY failed: forbidden path outside the build context: ../x ()");
    check("EXPOSE 99999", 1, "invalid containerPort: 99999");
    check("STOPSIGNAL foo", 1, "invalid signal: foo");
    check("FROM UP", 1, "invalid reference format: repository name (library/UP) must be lowercase");
    check("USER nope\nRUN id", 1, "unable to find user nope: no matching entries in passwd file");
    check("RUN [\"nosuch\"]", 1, "exec: \"nosuch\": executable file not found in $PATH");
    check("ENV a", 1, "Error response from daemon: failed to parse Dockerfile: ENV must have two arguments");
    check("FOO", 1, "Error response from daemon: dockerfile parse error line 2: unknown instruction: FOO");
    context(&host, &[("Dockerfile", "FROM box:1\n")]);
    host.run(&["build", "-q", "--iidfile", "nope/x", "ctx"]).fails(1, "ERROR: open nope/x: no such file or directory");
}
