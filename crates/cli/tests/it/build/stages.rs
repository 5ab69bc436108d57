//! Stages: only what the target needs, side by side, and one upon another.

use serde_json::json;
use wharfie_testkit::Image;

use super::{box_host, context, tree};
use crate::{host, host_with};

#[test]
fn only_what_the_target_needs_is_done() {
    let Some(host) = box_host() else { return };
    let text = "FROM box:1 AS broken\nRUN exit 9\nFROM box:1 AS first\nRUN echo 1 > /one\nFROM first AS second\nRUN echo 2 > /two\n\
                FROM nowhere.invalid/never:1 AS unreachable\nFROM scratch AS last\nCOPY --from=second /one /two /\n";
    context(&host, &[("Dockerfile", text)]);
    assert_eq!(tree(&host, &["ctx"]), "644 0:0 one: 1\n644 0:0 two: 2\n");
    let told = host.run(&["build", "--progress=plain", "--target", "FIRST", "ctx"]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    assert!(
        told.stderr.contains("[first 2/2] RUN echo 1 > /one") && !told.stderr.contains("second"),
        "{}",
        told.stderr
    );
    assert_eq!(host.run(&["build", "--target", "broken", "ctx"]).code, 1);
}

#[test]
fn stages_that_need_nothing_of_each_other_go_on_at_once() {
    let Some(host) = box_host() else { return };
    // Each waits for a word of the other: one after the other they would wait for ever.
    let wait = "i=0; until ls /c/{} 2>/dev/null; do i=$((i+1)); [ $i -lt 1000 ] || exit 7; sleep 0.02; done";
    let stage = |name: &str, other: &str| {
        format!(
            "FROM box:1 AS {name}\nRUN --mount=type=cache,target=/c,id=meet touch /c/{name}; {}\n",
            wait.replace("{}", other)
        )
    };
    let text = stage("one", "two")
        + &stage("two", "one")
        + "FROM scratch\nCOPY --from=one /etc/group /one\nCOPY --from=two /etc/group /two\n";
    context(&host, &[("Dockerfile", &text)]);
    let outcome = host.run(&["build", "-j", "2", "ctx"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
}

#[test]
fn locked_mounts_are_one_steps_alone() {
    let Some(host) = box_host() else { return };
    let step = "RUN --mount=type=cache,target=/c,sharing=locked mkdir /c/lock && sleep 0.2 && busybox rmdir /c/lock";
    let text = format!(
        "FROM box:1 AS one\n{step} && echo 1 > /r\nFROM box:1 AS two\n{step} && echo 2 > /r\nFROM scratch\nCOPY --from=one /r /1\nCOPY --from=two /r /2\n"
    );
    context(&host, &[("Dockerfile", &text)]);
    assert_eq!(tree(&host, &["ctx"]), "644 0:0 1: 1\n644 0:0 2: 2\n");
    // Private ones are each step's own while both go on.
    let step = "RUN --mount=type=cache,target=/p,sharing=private --mount=type=cache,target=/c,id=meet2 \
                touch /p/mine /c/{me}; i=0; until ls /c/{other} 2>/dev/null; do i=$((i+1)); [ $i -lt 1000 ] || exit 7; sleep 0.02; done; ls /p > /r";
    let stage = |me: &str, other: &str| {
        format!("FROM box:1 AS {me}\n{} && touch /p/{me}\n", step.replace("{me}", me).replace("{other}", other))
    };
    let text =
        stage("one", "two") + &stage("two", "one") + "FROM scratch\nCOPY --from=one /r /1\nCOPY --from=two /r /2\n";
    context(&host, &[("Dockerfile", &text)]);
    assert_eq!(tree(&host, &["ctx"]), "644 0:0 1: mine\n644 0:0 2: mine\n");
}

#[test]
fn bases_hand_on_what_they_say() {
    let base = Image::new()
        .with_file("f", "1")
        .with_config("Env", json!(["A=1", "PATH=/own"]))
        .with_config("Cmd", json!(["/f"]))
        .with_config("User", json!("7"))
        .with_config("WorkingDir", json!("/w"))
        .with_config("Labels", json!({"l": "1"}))
        .with_config("ExposedPorts", json!({"80/tcp": {}}))
        .with_config("Volumes", json!({"/v": {}}))
        .with_config("StopSignal", json!("SIGUSR1"));
    let host = host_with(&[(&base, &["base:1"])]);
    let text = "FROM base:1 AS mid\nENV B=$A$B\nENTRYPOINT [\"/e\"]\nEXPOSE 81 82/udp\nVOLUME /v2\nLABEL m=\"two words\"\n\
                FROM mid\nSTOPSIGNAL 9\nHEALTHCHECK --interval=5s --start-interval=1s --retries=2 CMD true\nONBUILD RUN x\nUSER web:web\nWORKDIR sub\nMAINTAINER me\n";
    context(&host, &[("Dockerfile", text)]);
    host.run(&["build", "-q", "-t", "out", "ctx"]).succeeds();
    let fact = |template: &str| host.run(&["inspect", "-f", template, "out"]).succeeds();
    assert_eq!(fact("{{json .Config.Env}}"), "[\"A=1\",\"PATH=/own\",\"B=1\"]\n");
    assert_eq!(fact("{{json .Config.Entrypoint}} {{json .Config.Cmd}}"), "[\"/e\"] null\n");
    assert_eq!(
        fact("{{.Config.User}} {{.Config.WorkingDir}} {{.Config.StopSignal}} {{.Author}}"),
        "web:web /w/sub 9 me\n"
    );
    assert_eq!(
        fact("{{json .Config.ExposedPorts}} {{json .Config.Volumes}}"),
        "{\"80/tcp\":{},\"81/tcp\":{},\"82/udp\":{}} {\"/v\":{},\"/v2\":{}}\n"
    );
    assert_eq!(
        fact("{{json .Config.Labels}} {{json .Config.OnBuild}}"),
        "{\"l\":\"1\",\"m\":\"two words\"} [\"RUN x\"]\n"
    );
    assert_eq!(
        fact("{{json .Config.Healthcheck}}"),
        "{\"Test\":[\"CMD-SHELL\",\"true\"],\"Interval\":5000000000,\"StartInterval\":1000000000,\"Retries\":2}\n"
    );
}

#[test]
fn triggers_fire_in_the_child_and_once() {
    let Some(host) = box_host() else { return };
    context(&host, &[("a", "1"), ("Dockerfile", "FROM box:1\nONBUILD COPY a /a\nONBUILD RUN cat /a > /b\n")]);
    host.run(&["build", "-q", "-t", "parent:1", "ctx"]).succeeds();
    context(&host, &[("Dockerfile", "FROM parent:1 AS child\nRUN cat /b > /c\nFROM child\nRUN test -e /a\n")]);
    host.run(&["build", "-q", "-t", "grandchild:1", "ctx"]).succeeds();
    host.run(&["inspect", "-f", "{{json .Config.OnBuild}}", "grandchild:1"]).prints("null\n");
    assert_eq!(host.run(&["run", "--rm", "grandchild:1", "cat", "/c"]).succeeds(), "1");
}

#[test]
fn history_is_what_docker_shows() {
    let Some(host) = box_host() else { return };
    let text = "FROM box:1\nARG V=1\nENV A=b\nRUN echo $V > /x\nCOPY a /a\nWORKDIR /w\nCMD [\"sh\"]\n";
    context(&host, &[("a", "1"), ("Dockerfile", text)]);
    host.run(&["build", "-q", "-t", "out", "ctx"]).succeeds();
    let lines = host.run(&["history", "--no-trunc", "--format", "{{.CreatedBy}} | {{.Comment}}", "out"]).succeeds();
    let expected = "CMD [\"sh\"] | buildkit.dockerfile.v0\nWORKDIR /w | buildkit.dockerfile.v0\nCOPY a /a # buildkit | buildkit.dockerfile.v0\n\
                    RUN |1 V=1 /bin/sh -c echo $V > /x # buildkit | buildkit.dockerfile.v0\nENV A=b | buildkit.dockerfile.v0\nARG V=1 | buildkit.dockerfile.v0\nlayer 0 | \n";
    assert_eq!(lines, expected);
}

#[test]
fn the_classic_builder_has_a_history_of_its_own() {
    let Some(host) = box_host() else { return };
    let text = "FROM box:1\nENV A=b\nRUN echo hi > /x\nCOPY a /f\nWORKDIR /w\nCMD [\"sh\"]\n";
    context(&host, &[("a", "1"), ("Dockerfile", text)]);
    let host = host.with("DOCKER_BUILDKIT", "0");
    host.run(&["build", "-q", "-t", "out", "ctx"]).succeeds();
    let lines = host.run(&["history", "--no-trunc", "--format", "{{.CreatedBy}}|{{.Comment}}", "out"]).succeeds();
    let (before, after) = lines.split_once("COPY file:").unwrap();
    assert_eq!(before, "/bin/sh -c #(nop)  CMD [\"sh\"]|\n/bin/sh -c #(nop) WORKDIR /w|\n/bin/sh -c #(nop) ");
    let (digest, after) = after.split_at(64);
    assert!(digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{digest}");
    assert_eq!(after, " in /f |\n/bin/sh -c echo hi > /x|\n/bin/sh -c #(nop)  ENV A=b|\nlayer 0|\n");
}

#[test]
fn what_changes_nothing_is_taken_without_a_word() {
    let host = host();
    context(&host, &[("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n")]);
    let words = ["--squash", "--security-opt=a", "--rm=false", "--policy=x", "--resource=x"];
    for kit in ["0", "1"] {
        let mut all = vec!["build", "-q", "ctx"];
        all.extend(words);
        let output = host.command(&all).env("DOCKER_BUILDKIT", kit).output().unwrap();
        assert!(output.status.success());
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
    let outcome = host.run(&["build", "--cache-from=127.0.0.1:1/web:1,127.0.0.1:1/web:2", "ctx"]);
    assert!(outcome.code == 0 && outcome.stderr.contains("127.0.0.1:1/web:2"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("web:1,"), "{}", outcome.stderr);
}

#[test]
fn scratch_alone_is_no_image() {
    let host = host();
    context(&host, &[("Dockerfile", "FROM scratch\n")]);
    let outcome = host.run(&["build", "ctx"]);
    assert!(
        outcome.code == 1 && outcome.stderr.contains("No image was generated. Is your Dockerfile empty?"),
        "{}",
        outcome.stderr
    );
}
