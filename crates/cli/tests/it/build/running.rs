//! RUN: how commands are given, what they see, what is mounted and what is kept of it.

use wharfie_testkit::{Host, Outcome, needs};

use super::{box_host, context};

/// What the last command of a Dockerfile upon `box:1` wrote, by its own marks.
#[track_caller]
fn said(host: &Host, text: &str, words: &[&str]) -> String {
    let outcome = told(host, text, words);
    let Outcome { stderr, .. } = outcome.clone();
    outcome.succeeds();
    spoken(&stderr)
}

fn told(host: &Host, text: &str, words: &[&str]) -> Outcome {
    context(host, &[("Dockerfile", &format!("FROM box:1\n{text}\n"))]);
    host.run(&[&["build", "--progress=plain", "--no-cache"], words, &["ctx"]].concat())
}

/// The lines that commands wrote.
fn spoken(text: &str) -> String {
    let line = |line: &str| {
        let (number, rest) = line.split_once(' ')?;
        let (time, said) = rest.split_once(' ')?;
        let is_time = time.contains('.') && time.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        (number.starts_with('#') && is_time).then(|| format!("{said}\n"))
    };
    text.lines().filter_map(line).collect()
}

/// Lines of a Dockerfile and what its commands write.
const SAID: &[(&str, &str)] = &[
    ("RUN echo $0 $1", "/bin/sh\n"),
    ("RUN [\"echo\", \"$HOME\", \"a b\"]", "$HOME a b\n"),
    ("SHELL [\"/bin/sh\", \"-ec\"]\nRUN false; true || echo never; echo here", ""),
    ("RUN <<E\necho one\necho two\nE", "one\ntwo\n"),
    ("RUN <<E\necho \"body $X.\"\nE", "body .\n"),
    ("RUN cat <<A - && cat <<B\na\nA\nb\nB", "a\nb\n"),
    ("RUN <<-E\n\techo cut\n\tE", "cut\n"),
    ("RUN <<E\n#!/bin/cat\nscript\nE", "#!/bin/cat\nscript\n"),
    ("USER web\nRUN id -u; id -g; id -G; echo $HOME", "33\n33\n33 44\n/srv\n"),
    ("USER 5:6\nRUN id -u; id -g", "5\n6\n"),
    ("WORKDIR /a\nWORKDIR b\nRUN pwd", "/a/b\n"),
    ("ENV A=1 B=2\nARG C=3\nRUN echo $A $B $C", "1 2 3\n"),
    ("ENV A=env\nARG A=arg\nRUN echo $A", "arg\n"),
    ("RUN echo .$TARGETARCH\nARG TARGETARCH\nRUN echo $TARGETARCH", ".\namd64\n"),
    ("RUN hostname", "buildkitsandbox\n"),
    ("RUN --network=none ls /sys/class/net", "lo\n"),
    (
        "RUN --mount=type=tmpfs,target=/t,size=1m echo x > /t/x && ls /t\nRUN ls -d /t 2>/dev/null || echo gone",
        "x\ngone\n",
    ),
    ("RUN --mount=type=bind,target=/ctx ls /ctx", "Dockerfile\na\n"),
    ("RUN --mount=target=/x,source=a cat /x", "from the context\n"),
    ("RUN --mount=type=bind,target=/ctx touch /ctx/new 2>/dev/null || echo read-only", "read-only\n"),
    (
        "RUN --mount=type=bind,target=/ctx,rw echo new > /ctx/a && cat /ctx/a\nRUN --mount=type=bind,target=/ctx cat /ctx/a",
        "new\nfrom the context\n",
    ),
    (
        "FROM box:1 AS one\nRUN echo staged > /s\nFROM box:1\nRUN --mount=from=one,source=/s,target=/t/s cat /t/s",
        "staged\n",
    ),
    ("RUN --mount=from=box:1,source=/etc,target=/e cat /e/group | wc -l", "3\n"),
    ("RUN --mount=type=cache,target=/c ls /c; echo kept > /c/f\nRUN --mount=type=cache,target=/c cat /c/f", "kept\n"),
    (
        "RUN --mount=type=cache,target=/c,id=x echo kept > /c/f\nRUN --mount=type=cache,target=/d,id=x cat /d/f",
        "kept\n",
    ),
    ("RUN --mount=type=cache,target=/c,id=m,mode=0700,uid=33,gid=44 stat -c '%a %u %g' /c", "700 33 44\n"),
    ("RUN --mount=type=cache,target=/c,id=ro,ro touch /c/x 2>/dev/null || echo read-only", "read-only\n"),
    ("RUN --mount=type=cache,target=/c,id=seed,from=box:1,source=/etc wc -l < /c/group", "3\n"),
    (
        "RUN --mount=type=cache,target=/c,id=p,sharing=private echo 1\nRUN --mount=type=cache,target=/c,id=p,sharing=locked echo 2",
        "1\n2\n",
    ),
    (
        "RUN --mount=type=secret,id=s cat /run/secrets/s; echo; stat -c '%a %u:%g' /run/secrets/s",
        "hidden words\n400 0:0\n",
    ),
    ("RUN --mount=type=secret,id=s,target=/k,mode=0440,uid=33,gid=44 stat -c '%a %u:%g' /k", "440 33:44\n"),
    ("RUN --mount=type=secret,id=s,env=S echo ${#S}", "12\n"),
    ("RUN --mount=type=secret,id=none ls /run/secrets/none 2>/dev/null || echo none", "none\n"),
    ("RUN cat /etc/resolv.conf > /dev/null; cat /etc/hosts | grep -c localhost || true", "2\n"),
];

#[test]
fn commands_see_what_they_are_given() {
    let Some(host) = box_host() else { return };
    context(&host, &[("a", "from the context\n")]);
    let secret = host.file("secret", b"hidden words");
    let given = format!("id=s,src={}", secret.display());
    let mut wrong = Vec::new();
    for (text, expected) in SAID {
        let outcome = told(&host, text, &["--secret", &given]);
        let found = spoken(&outcome.stderr);
        if outcome.code != 0 && !expected.is_empty() || found != **expected {
            wrong.push(format!("{text}\nsays {found:?} not {expected:?}\n{}", outcome.stderr));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn mount_points_and_system_files_are_not_in_the_layer() {
    let Some(host) = box_host() else { return };
    let text = "FROM box:1\n\
                RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t --mount=target=/deep/ctx \
                --mount=type=secret,id=s --mount=type=secret,id=s,target=/etc/key \
                echo 1 > /c/x; echo 2 > /t/y; echo 3 > /made; echo more >> /etc/hosts || true\n";
    context(&host, &[("Dockerfile", text)]);
    let secret = host.file("secret", b"hidden");
    let given = format!("id=s,src={}", secret.display());
    host.run(&["build", "--secret", &given, "-t", "out", "ctx"]).succeeds();
    let id = host.run(&["create", "out"]).succeeds();
    let base = host.run(&["create", "box:1"]).succeeds();
    let names = |id: &str| {
        host.run(&["export", "-o", "all.tar", id.trim_end()]).succeeds();
        let tar = std::fs::read(host.path().join("all.tar")).unwrap();
        super::listing(&tar).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let (before, after) = (names(&base), names(&id));
    let new: Vec<&String> = after.iter().filter(|line| !before.contains(line)).collect();
    assert_eq!(new, ["644 0:0 made: 3"]);
}

#[test]
fn secrets_are_nowhere_afterwards() {
    let Some(host) = box_host() else { return };
    const SECRET: &str = "correct-horse-battery";
    let text = "FROM box:1\n\
                RUN --mount=type=secret,id=s,required=true --mount=type=secret,id=e,env=E wc -c < /run/secrets/s; test -n \"$E\"\n\
                RUN --mount=type=secret,id=s,required=true false\n";
    context(&host, &[("Dockerfile", text)]);
    let secret = host.file("secret", SECRET.as_bytes());
    let given = format!("id=s,src={}", secret.display());
    let mut command = host.command(&[
        "build",
        "--progress=plain",
        "--explain",
        "--secret",
        &given,
        "--secret",
        "id=e,env=FROM_ENV",
        "ctx",
    ]);
    let outcome = command.env("FROM_ENV", SECRET).output().unwrap();
    assert_eq!(outcome.status.code(), Some(1));
    let text = String::from_utf8_lossy(&outcome.stderr);
    assert!(text.contains("21") && text.contains("exit code: 1"), "{text}");
    assert!(!text.contains(SECRET), "{text}");
    let found = std::process::Command::new("grep").args(["-rl", SECRET]).arg(host.store()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
}

#[test]
fn secrets_that_are_needed_are_asked_for() {
    let Some(host) = box_host() else { return };
    let outcome = told(&host, "RUN --mount=type=secret,id=s,required true", &[]);
    assert!(
        outcome.code == 1 && outcome.stderr.contains("ERROR: failed to solve: secret s: not found\n"),
        "{}",
        outcome.stderr
    );
    assert!(outcome.stderr.contains(" help: give it: `--secret id=s,src=FILE`"), "{}", outcome.stderr);
    let outcome = told(&host, "RUN --mount=type=ssh,required true", &[]);
    assert!(
        outcome.code == 1 && outcome.stderr.contains("no SSH key \"default\" forwarded from the client"),
        "{}",
        outcome.stderr
    );
    for (words, expected) in [
        (["--secret", "id=s,src=missing"], "failed to stat missing: no such file or directory"),
        (["--secret", "src=missing"], "id is missing"),
        (["--secret", "id=s,env=NOT_SET"], "the variable NOT_SET is not set"),
        (["--secret", "id=s,what=1"], "unexpected key 'what'"),
        (["--ssh", "default"], "make sure SSH_AUTH_SOCK is set"),
        (["--ssh", "default=missing"], "failed to stat missing: no such file or directory"),
    ] {
        let outcome = told(&host, "RUN true", &words);
        assert!(outcome.code == 1 && outcome.stderr.contains(expected), "{words:?}: {}", outcome.stderr);
    }
}

/// A context with `ssh-add` and what it is linked with, beneath `ssh`, and a key.
fn with_ssh(host: &Host) -> String {
    let script = "set -e; mkdir -p ctx/ssh; ldd /usr/bin/ssh-add | grep -o '/[^ ]*' | \
                  xargs cp -L --parents -t ctx/ssh /usr/bin/ssh-add; ssh-keygen -q -t ed25519 -N '' -f key; \
                  ssh-keygen -q -t ed25519 -N locked -f locked; ssh-keygen -l -f key.pub | cut -d ' ' -f 2";
    let mut command = std::process::Command::new("sh");
    needs::succeeds(command.args(["-c", script]).current_dir(host.path()), "openssh-client").trim().to_owned()
}

#[test]
fn keys_sign_for_steps_and_stay_where_they_are() {
    let Some(host) = box_host() else { return };
    let print = with_ssh(&host);
    let text = "COPY ssh /\n\
                RUN --mount=type=ssh stat -c '%F %a %u' $SSH_AUTH_SOCK; echo $SSH_AUTH_SOCK; ssh-add -l | cut -d ' ' -f 2\n\
                RUN --mount=type=ssh ssh-add -D 2>&1; ssh-add -x 2>&1 </dev/null; ssh-add -l | wc -l\n\
                USER 1000\n\
                RUN --mount=type=ssh,uid=1000,mode=0600 ssh-add -l | wc -l\n\
                RUN echo ${SSH_AUTH_SOCK:-none}; ls /run/buildkit 2>/dev/null || echo gone";
    let shown = said(&host, text, &["--ssh", "default=key"]);
    let begin = format!("socket 600 0\n/run/buildkit/ssh_agent.0\n{print}\n");
    assert!(shown.starts_with(&begin), "{shown}");
    assert!(shown.contains("Failed to remove all identities."), "{shown}");
    assert!(shown.ends_with("\n1\n1\nnone\ngone\n"), "{shown}");
    // Nobody is asked for what opens a key.
    let refused = told(&host, "RUN true", &["--ssh", "default=locked"]);
    assert!(refused.code == 1 && refused.stderr.contains("ssh agent \"default\": "), "{}", refused.stderr);
    // No agent outlives its build.
    let of_ours = || {
        let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let lines = all.map(|entry| std::fs::read(entry.path().join("cmdline")).unwrap_or_default());
        lines.filter(|line| line.starts_with(b"ssh-agent\0-a\0/proc/")).count()
    };
    let began = std::time::Instant::now();
    while of_ours() > 0 {
        assert!(began.elapsed() < std::time::Duration::from_secs(60), "an agent is left");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn an_agent_is_reached_through_its_socket() {
    let Some(host) = box_host() else { return };
    let print = with_ssh(&host);
    // As somebody's desktop has it.
    let script = "ssh-add -q key && exec \"$0\" \"$@\"";
    host.file("Dockerfile", b"FROM box:1\nCOPY ssh /\nRUN --mount=type=ssh,id=mine ssh-add -l\n");
    let words = ["build", "--progress=plain", "--ssh", "mine", "-f", "Dockerfile", "ctx"];
    let output = host.command_under(&["ssh-agent", "sh", "-c", script], &words).output().unwrap();
    let shown = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && shown.contains(&print), "{shown}");
}

#[test]
fn proxies_are_seen_and_forgotten() {
    let Some(host) = box_host() else { return };
    let words = ["--build-arg", "HTTP_PROXY=http://user:pass@proxy:1", "--build-arg", "no_proxy=x", "-t", "out"];
    assert_eq!(said(&host, "RUN echo $HTTP_PROXY $no_proxy", &words), "http://user:pass@proxy:1 x\n");
    let kept = host.run(&["inspect", "out"]).succeeds() + &host.run(&["history", "--no-trunc", "out"]).succeeds();
    assert!(!kept.contains("proxy:1"), "{kept}");
}

#[test]
fn extras_must_be_allowed() {
    let Some(host) = box_host() else { return };
    let network = "RUN --network=host ls /sys/class/net | wc -l";
    let refused = told(&host, network, &[]);
    assert!(refused.code == 1 && refused.stderr.contains("network.host is not allowed"), "{}", refused.stderr);
    assert!(refused.stderr.contains(" help: allow it: `--allow network.host`"), "{}", refused.stderr);
    assert!(!said(&host, network, &["--allow", "network.host"]).is_empty());
    let security = "RUN --security=insecure grep CapEff /proc/self/status";
    let refused = told(&host, security, &[]);
    assert!(refused.code == 1 && refused.stderr.contains("security.insecure is not allowed"), "{}", refused.stderr);
    assert_ne!(
        said(&host, security, &["--allow=security.insecure"]),
        said(&host, &security.replace("insecure", "sandbox"), &[])
    );
    assert_eq!(said(&host, "RUN ls /sys/class/net", &["--network", "none"]), "lo\n");
    let names = "RUN grep -h example /etc/hosts";
    assert_eq!(said(&host, names, &["--add-host", "example:10.1.2.3"]), "10.1.2.3\texample\n");
}
