//! BuildKit's plain lines, and the other ways in which a build can be followed.

use super::{box_host, context};

/// Times, digests and sizes by their names: they are others each time.
fn masked(text: &str) -> String {
    let word = |word: &str| {
        let is_time = |text: &str| {
            text.contains('.') && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        };
        match word {
            word if word.strip_suffix('s').is_some_and(is_time) => "Ts".to_owned(),
            word if is_time(word) => "T".to_owned(),
            word if word.starts_with("sha256:") && word.len() == 71 => "ID".to_owned(),
            word => word.to_owned(),
        }
    };
    text.lines().map(|line| line.split(' ').map(word).collect::<Vec<_>>().join(" ") + "\n").collect()
}

const TEXT: &str = "FROM box:1 AS one\nENV A=1\nRUN echo said; echo $A\nCOPY a /a\n";

#[test]
fn plain_lines_are_buildkits() {
    let Some(host) = box_host() else { return };
    context(&host, &[("Dockerfile", TEXT), ("a", "1")]);
    let first = host.run(&["build", "-t", "web", "ctx"]);
    assert_eq!((first.code, first.stdout.as_str()), (0, ""), "{}", first.stderr);
    let lines = "\
#1 [internal] load build definition from Dockerfile
#1 transferring dockerfile: 59B done
#1 DONE Ts

#2 [internal] load metadata for docker.io/library/box:1
#2 DONE Ts

#3 [internal] load build context
#3 DONE Ts

#4 [1/3] FROM docker.io/library/box:1
#4 DONE Ts

#5 [2/3] RUN echo said; echo 1
#5 T said
#5 T 1
#5 DONE Ts

#6 [3/3] COPY a /a
#6 DONE Ts

#7 exporting to image
#7 exporting layers done
#7 writing image ID done
#7 naming to docker.io/library/web:latest done
#7 DONE Ts
";
    assert_eq!(masked(&first.stderr), lines);
    let second = host.run(&["build", "--progress=plain", "-t", "web", "ctx"]);
    let cached = lines
        .replace("#5 T said\n#5 T 1\n#5 DONE Ts", "#5 CACHED")
        .replace("COPY a /a\n#6 DONE Ts", "COPY a /a\n#6 CACHED");
    assert_eq!(masked(&second.stderr), cached);
}

#[test]
fn progress_can_be_followed_in_other_ways() {
    let Some(host) = box_host() else { return };
    context(&host, &[("Dockerfile", TEXT), ("a", "1")]);
    let raw = host.run(&["build", "--no-cache", "--progress=rawjson", "ctx"]);
    assert_eq!((raw.code, raw.stdout.as_str()), (0, ""), "{}", raw.stderr);
    let objects: Vec<serde_json::Value> = raw.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let all =
        |key: &str| objects.iter().filter_map(|object| object[key].as_array()).flatten().cloned().collect::<Vec<_>>();
    assert!(
        all("vertexes").iter().any(|vertex| vertex["name"] == "[3/3] COPY a /a" && vertex["completed"].is_string())
    );
    // "said\n1\n" and nothing else, in base64.
    assert!(
        all("logs").iter().any(|log| log["data"].as_str().is_some_and(|data| data.starts_with("c2FpZAo"))),
        "{}",
        raw.stderr
    );
    let ours = host.run(&["build", "--no-cache", "--progress=json", "ctx"]);
    assert!(ours.stdout.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{}", ours.stdout);
    for words in [["--progress=none", "ctx"], ["--progress=quiet", "ctx"]] {
        let quiet = host.run(&[&["build"], &words[..]].concat());
        assert_eq!((quiet.code, quiet.stdout.as_str(), quiet.stderr.as_str()), (0, "", ""));
    }
    let chosen = host.command(&["build", "ctx"]).env("BUILDKIT_PROGRESS", "rawjson").output().unwrap();
    assert!(chosen.stderr.starts_with(b"{"), "{}", String::from_utf8_lossy(&chosen.stderr));
    let id = host.run(&["build", "-q", "ctx"]);
    assert!(id.stderr.is_empty() && id.stdout.starts_with("sha256:") && id.stdout.len() == 72, "{}", id.stdout);
}

#[test]
fn arguments_that_nobody_takes_are_told() {
    let Some(host) = box_host() else { return };
    context(&host, &[("Dockerfile", "FROM box:1\nLABEL a=1\n")]);
    let outcome = host.run(&["build", "--build-arg", "X=1", "--build-arg", "Y", "ctx"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("[Warning] One or more build-args [X] were not consumed"), "{}", outcome.stderr);
}
