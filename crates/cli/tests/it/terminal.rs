//! Progress as seen by machines, and on a real pseudo-terminal.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use serde_json::Value;
use wharfie_testkit::faulty_server::reply;
use wharfie_testkit::{FaultyServer, Host, Image, Published, TestRegistry, needs};

use crate::{host, host_with};

/// Runs a command on a pseudo-terminal of this many columns and gives everything that was written to it.
fn on_a_terminal(host: &Host, columns: u32, words: &[&str]) -> String {
    let output = needs::output(&mut terminal(host, columns, words), "bsdutils");
    String::from_utf8(output.stdout).expect("the program writes text")
}

/// A command that will run on a pseudo-terminal of this many columns.
pub(crate) fn terminal(host: &Host, columns: u32, words: &[&str]) -> Command {
    let plain = host.command(words);
    let line: Vec<_> =
        std::iter::once(plain.get_program()).chain(plain.get_args()).map(OsStr::to_string_lossy).collect();
    let line = format!("stty rows 24 cols {columns}; exec {}", line.join(" "));
    let mut command = Command::new("script");
    command.args(["-qfec", &line, "/dev/null"]).env_clear().current_dir(host.path());
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

/// Runs a command on a pseudo-terminal and types each answer once its question has been asked.
fn asked(host: &Host, words: &[&str], answers: &[(&str, &str)]) -> String {
    let mut command = terminal(host, 100, words);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("bsdutils is installed");
    let (mut keys, mut screen) = (child.stdin.take().expect("asked for"), child.stdout.take().expect("asked for"));
    let (mut shown, mut seen) = (Vec::new(), 0);
    let mut answers = answers.iter();
    let mut next = answers.next();
    let mut byte = [0];
    while screen.read(&mut byte).is_ok_and(|n| n > 0) {
        shown.push(byte[0]);
        if let Some((question, answer)) = next
            && shown[seen..].ends_with(question.as_bytes())
        {
            seen = shown.len();
            keys.write_all(answer.as_bytes()).expect("the terminal takes keys");
            next = answers.next();
        }
    }
    child.wait().expect("a started program ends");
    String::from_utf8(shown).expect("the program writes text")
}

#[test]
fn a_login_asks_and_does_not_echo_the_password() {
    let registry = TestRegistry::builder().with_auth("alice", "s3:cret").start();
    let (address, host) = (registry.address(), host());
    let shown = asked(&host, &["login", address], &[("Username: ", "alice\n"), ("Password: ", "s3:cret\n")]);
    assert!(shown.starts_with("Username: alice\r\nPassword: \r\n"), "{shown:?}");
    assert!(shown.ends_with("Login Succeeded\r\n") && !shown.contains("s3:cret"), "{shown:?}");
    // A stored name is offered; what is stored no longer works.
    host.file(
        "home/.docker/config.json",
        format!(r#"{{"auths":{{"{address}":{{"auth":"YWxpY2U6d3Jvbmc="}}}}}}"#).as_bytes(),
    );
    let shown = asked(&host, &["login", address], &[("Username (alice): ", "\n"), ("Password: ", "s3:cret\n")]);
    assert!(shown.contains("Login did not succeed, error: "), "{shown:?}");
    assert!(shown.ends_with("Login Succeeded\r\n"), "{shown:?}");
    let shown = asked(&host, &["login", "-u", "alice", address], &[("Password: ", "\n")]);
    assert!(shown.ends_with("error: password is required\r\n"), "{shown:?}");
}

#[test]
fn pushing_on_a_terminal_shows_layers() {
    let registry = TestRegistry::start();
    let web = Image::new().with_file("a", &"x".repeat(100_000)).with_file("b", "2");
    let name = format!("{}/web:1", registry.address());
    let host = host_with(&[(&web, &[&name])]);
    host.file("config.toml", b"concurrent-transfers = 1\n");
    let shown = on_a_terminal(&host, 120, &["push", &name]);
    let start = format!("The push refers to repository [{}]\r\n\r\n", name.trim_end_matches(":1"));
    assert!(shown.starts_with(&start), "{shown:?}");
    assert_eq!(shown.matches(": Preparing \r").count(), 2, "{shown:?}");
    assert_eq!(shown.matches(": Pushed \r").count(), 2, "{shown:?}");
    assert!(shown.contains(&format!("\u{1b}[1B1: digest: {} size: ", registry.digest("web:1"))), "{shown:?}");
}

#[test]
fn a_load_from_a_keyboard_is_refused() {
    let shown = on_a_terminal(&host(), 80, &["load"]);
    assert_eq!(shown, "requested load from stdin, but stdin is empty\r\n");
}

#[test]
fn layers_have_lines_that_change_in_place() {
    let (registry, host) = (TestRegistry::start(), host());
    host.file("config.toml", b"concurrent-transfers = 1\n");
    let published = Published::of(&Image::new().with_file("a", "1").with_file("b", "2"));
    let reference = registry.publish("x:1", &published);
    let (one, two) = (published.short(0), published.short(1));
    let shown = on_a_terminal(&host, 120, &["pull", &reference]);
    let start = format!(
        "1: Pulling from x\r\n\r\n\u{1b}[1A\u{1b}[2K\r{one}: Pulling fs layer \r\u{1b}[1B\r\n\u{1b}[1A\u{1b}[2K\r{two}: \
         Pulling fs layer \r\u{1b}[1B\u{1b}[2A\u{1b}[2K\r{one}: "
    );
    assert!(shown.starts_with(&start), "{shown:?}");
    assert!(shown.contains(&format!("\u{1b}[2A\u{1b}[2K\r{one}: Downloading [")), "{shown:?}");
    assert!(shown.contains(&format!("\u{1b}[2A\u{1b}[2K\r{one}: Pull complete \r\u{1b}[2B")), "{shown:?}");
    let end = format!(
        "\u{1b}[1A\u{1b}[2K\r{two}: Pull complete \r\u{1b}[1BDigest: {}\r\nStatus: Downloaded newer image for \
         {reference}\r\n{reference}\r\n",
        published.digest()
    );
    assert!(shown.ends_with(&end), "{shown:?}");
}

#[test]
fn a_narrow_terminal_gets_no_bars_and_no_wrapped_lines() {
    let (registry, host) = (TestRegistry::start(), host());
    let reference = registry.publish("x:1", &Published::of(&Image::new().with_file("a", "1")));
    let shown = on_a_terminal(&host, 30, &["pull", &reference]);
    assert!(!shown.contains("[=") && !shown.contains("[>"), "{shown:?}");
    for line in shown.split("\u{1b}[2K\r").skip(1) {
        let line = line.split('\r').next().unwrap_or_default();
        assert!(line.chars().count() <= 30, "{line:?}");
    }
}

#[test]
fn loading_on_a_terminal_shows_layers() {
    let host = host();
    let web = Image::new().with_file("a", &"x".repeat(100_000));
    let path = host.file("web.tar", &wharfie_testkit::archive(&[(&web, &["web:1"])]));
    let shown = on_a_terminal(&host, 120, &["load", "-i", &path.to_string_lossy()]);
    assert!(shown.contains(": Loading layer "), "{shown:?}");
    assert!(shown.ends_with("Loaded image: web:1\r\n"), "{shown:?}");
    let shown = on_a_terminal(&host, 120, &["save", "web:1"]);
    assert!(shown.contains("cowardly refusing to save to a terminal. Use the -o flag or redirect"), "{shown:?}");
}

#[test]
fn machines_get_one_object_per_line() {
    let registry = TestRegistry::start();
    let web = Image::new().with_file("a", "1").with_file("b", "2");
    let name = format!("{}/web:1", registry.address());
    let host = host_with(&[(&web, &[&name])]);
    let pushed = objects(&host.run(&["push", "--progress", "json", &name]).succeeds());
    let begun = |object: &&Value| object["event"] == "began" && object["subject"] == "upload";
    assert_eq!(pushed.iter().filter(begun).count(), 2);
    // The layers are parts of the push, which began first.
    assert!(pushed.iter().filter(begun).all(|object| object["parent"] == pushed[0]["task"]), "{pushed:?}");
    let last = pushed.iter().rfind(|object| object["outcome"] == "manifest").unwrap();
    assert_eq!(last["digest"], registry.digest("web:1").to_string());

    let other = crate::host();
    let pulled = objects(&other.run(&["pull", "--progress=json", &name]).succeeds());
    assert_eq!(pulled[0]["event"], "began");
    assert_eq!(pulled[0]["subject"], "resolve");
    for (index, object) in pulled.iter().enumerate().filter(|(_, object)| object["subject"] == "fetch") {
        assert!(object["id"].as_str().is_some_and(|id| id.len() == 12), "{index}: {object}");
        assert!(object["progressDetail"].is_object(), "{index}: {object}");
        assert!(object["event"] != "began" || object["parent"] == pulled[0]["task"], "{index}: {object}");
    }
    every_task_ends(&pulled);
    assert_eq!(pulled.last().unwrap()["status"], name);
}

/// Every task begins once and ends once, and the last bytes are told once.
#[track_caller]
fn every_task_ends(objects: &[Value]) {
    for task in objects.iter().filter_map(|object| object["task"].as_u64()) {
        let of_task = |event: &str| {
            let is_wanted = |object: &&Value| object["task"].as_u64() == Some(task) && object["event"] == event;
            objects.iter().filter(is_wanted).collect::<Vec<_>>()
        };
        assert_eq!((of_task("began").len(), of_task("ended").len()), (1, 1), "task {task}: {objects:?}");
        let advanced = of_task("advanced");
        let steps: Vec<_> = advanced.iter().map(|object| object["progressDetail"]["current"].as_u64()).collect();
        assert!(steps.is_sorted_by(|a, b| a < b), "task {task}: {steps:?}");
    }
}

#[test]
fn archives_come_and_go_as_objects_and_nothing_else() {
    let host = host();
    let web = Image::new().with_file("a", &"x".repeat(100_000));
    let archive = host.file("web.tar", &wharfie_testkit::archive(&[(&web, &["web:1"])]));
    let archive = archive.to_string_lossy();
    let last =
        |objects: &[Value]| (objects.last().unwrap()["event"].clone(), objects.last().unwrap()["status"].clone());
    for words in [&["load", "-i"][..], &["load", "-qi"]] {
        let loaded = objects(&host.run(&[words, &[&archive, "--progress", "json"]].concat()).succeeds());
        every_task_ends(&loaded);
        assert_eq!(last(&loaded), ("line".into(), "Loaded image: web:1".into()));
    }

    let copy = host.path().join("copy.tar");
    let saved = objects(&host.run(&["save", "--progress=json", "-o", &copy.to_string_lossy(), "web:1"]).succeeds());
    every_task_ends(&saved);
    let told: Vec<_> = saved.iter().map(|object| (object["event"].clone(), object["subject"].clone())).collect();
    assert_eq!(told, ["began", "advanced", "ended"].map(|event| (event.into(), "save".into())));
    assert_eq!(saved[1]["progressDetail"]["current"], saved[1]["progressDetail"]["total"]);
    // The archive itself goes to stdout: the objects give way.
    let output = host.command(&["save", "--progress=json", "web:1"]).output().unwrap();
    assert_eq!(output.stdout, std::fs::read(&copy).unwrap());
    assert_eq!(objects(&String::from_utf8(output.stderr).unwrap()).len(), 3);

    let layer = wharfie_testkit::image::tar(&[wharfie_testkit::file("a", "1")]);
    let tar = host.file("root.tar", &layer);
    let tar = tar.to_string_lossy();
    let imported = objects(&host.run(&["import", "--progress", "json", &tar]).succeeds());
    every_task_ends(&imported);
    assert_eq!(imported[0]["from"], *tar);
    assert_eq!(imported[1]["progressDetail"]["total"], layer.len());
    assert_eq!(last(&imported).0, "line");
}

#[test]
fn no_task_stays_open_after_a_failure() {
    let image = Image::new().with_file("a", "1").with_file("b", "2").with_file("c", "3");
    let published = Published::of(&image);
    let second = published.short(1).to_owned();
    let registry = FaultyServer::start(move |heard| match heard.target.contains(&second) {
        true => reply(404, &[("Content-Length", "0")], b""),
        false => published.answer_any(heard),
    });
    let pulled = host().run(&["pull", "--progress=json", &format!("{}/web:1", registry.address())]);
    assert_eq!(pulled.code, 1);
    let told = objects(&pulled.stdout);
    every_task_ends(&told);
    assert!(told.iter().any(|object| object["subject"] == "fetch" && object["outcome"] == "failed"), "{told:?}");

    let dead = "127.0.0.1:1/web:1";
    let host = host_with(&[(&image, &[dead])]);
    let pushed = host.run(&["push", "--progress=json", dead]);
    assert_eq!(pushed.code, 1);
    let told = objects(&pushed.stdout);
    every_task_ends(&told);
    assert_eq!(told.last().unwrap()["outcome"], "failed");

    let loaded = host.run_with(&["load", "--progress=json"], b"no tar at all");
    assert_eq!(loaded.code, 1);
    every_task_ends(&objects(&loaded.stdout));
}

#[test]
fn quiet_pulls_and_pushes_speak_as_objects_to_machines() {
    let registry = TestRegistry::start();
    let name = format!("{}/web:1", registry.address());
    let host = host_with(&[(&Image::new().with_file("a", "1"), &[&name])]);
    for verb in ["push", "pull"] {
        let told = objects(&host.run(&[verb, "-q", "--progress=json", &name]).succeeds());
        every_task_ends(&told);
        assert_eq!(
            (&told.last().unwrap()["event"], &told.last().unwrap()["status"]),
            (&"line".into(), &name.clone().into())
        );
    }
}

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{line}: {why}"))).collect()
}

#[test]
fn what_images_bring_is_raw_in_a_pipe_and_safe_on_a_terminal() {
    let label = "\u{1b}]0;title\u{7}";
    let image = Image::new().with_file("a", "1").with_config("Labels", serde_json::json!({ "l": label }));
    let host = host_with(&[(&image, &["web:1"])]);
    let words = ["inspect", "-f", "{{.Config.Labels.l}}", "web:1"];
    host.run(&words).prints(&format!("{label}\n"));
    let shown = on_a_terminal(&host, 80, &["inspect", "-f", "'{{.Config.Labels.l}}'", "web:1"]);
    assert_eq!(shown, "\u{fffd}]0;title\u{fffd}\r\n");
}

#[test]
fn tables_of_scans_fit_the_terminal_and_stay_whole_in_a_pipe() {
    let files = (0..12).map(|n| {
        let mut file = wharfie_testkit::file(&format!("usr/bin/a-program-with-a-long-name-{n}"), "x");
        file.0.mode = 0o4755;
        file
    });
    let image = Image::new().with_layer(wharfie_testkit::image::tar(&files.collect::<Vec<_>>()));
    let host = host_with(&[(&image, &["web:1"])]);
    let piped = host.run(&["scan", "--only", "checks", "web:1"]).succeeds();
    assert!(piped.lines().any(|line| line.len() > 300), "{piped}");
    let shown = on_a_terminal(&host, 80, &["scan", "--only", "checks", "web:1"]);
    assert!(shown.lines().all(|line| line.trim_end().chars().count() <= 80), "{shown}");
    // Nothing of it is lost.
    let words = |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
    assert_eq!(words(&shown), words(&piped));
    for command in [&["maintain", "--dry-run"][..], &["analyze", "--format", "table", "web:1"]] {
        let shown = on_a_terminal(&host, 80, command);
        let table = shown.lines().skip_while(|line| !line.starts_with("NEW IN") && !line.starts_with("LAYER"));
        let is_of_it = |line: &&str| !line.trim().is_empty() && !line.starts_with("This was");
        let table: Vec<&str> = table.take_while(is_of_it).collect();
        assert!(table.len() > 1 && table.iter().all(|line| line.trim_end().chars().count() <= 80), "{shown}");
    }
}

#[test]
fn help_fits_the_terminal_and_stays_whole_in_a_pipe() {
    let host = host();
    let shown = on_a_terminal(&host, 80, &["run", "--help"]);
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{shown}");
    let piped = host.run(&["run", "--help"]).succeeds();
    assert!(piped.lines().count() < lines.len(), "{piped}");
}
