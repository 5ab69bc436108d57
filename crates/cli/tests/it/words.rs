//! The program's surface: grammar, help, version, completion, settings.

use std::os::unix::fs::symlink;
use std::process::Command;

use wharfie_testkit::{Host, Image};

use crate::{host, host_with};

#[test]
fn a_command_for_another_machine_is_refused_before_anything_is_done() {
    let web = Image::new().with_file("a", "1");
    let host = host_with(&[(&web, &["web:1"])]);
    let refused = |words: &[&str], named: &str, code: i32| {
        let outcome = host.run(words);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (code, ""), "{words:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(named) && outcome.stderr.contains("this machine only"), "{}", outcome.stderr);
    };
    refused(&["-H", "ssh://prod.example", "rmi", "-f", "web:1"], "\"ssh://prod.example\" (--host)", 1);
    refused(&["--context", "prod", "rmi", "-f", "web:1"], "\"prod\" (--context)", 1);
    refused(&["-H", "tcp://127.0.0.1:1", "run", "web:1"], "\"tcp://127.0.0.1:1\"", 125);
    for (name, value) in [("DOCKER_HOST", "ssh://prod"), ("DOCKER_CONTEXT", "prod")] {
        let outcome = crate::host().with(name, value).run(&["images"]);
        assert_eq!(outcome.code, 1);
        assert!(outcome.stderr.contains(&format!("unset {name}")), "{}", outcome.stderr);
    }
    let context = format!("home/.docker/contexts/meta/{}/meta.json", wharfie_oci::Digest::of(b"far").hex());
    host.file(&context, br#"{"Name":"far","Endpoints":{"docker":{"Host":"ssh://far.example"}}}"#);
    refused(&["-c", "far", "images"], "\"ssh://far.example\" (--context)", 1);
    host.file(&context, br#"{"Name":"far","Endpoints":{"docker":{"Host":"unix:///run/user/1/docker.sock"}}}"#);
    for words in [
        &["-c", "far", "images", "-q"][..],
        &["-c", "default", "images", "-q"],
        &["-H", "unix:///var/run/docker.sock", "images", "-q"],
        &["--tls", "images", "-q"],
        &["image", "rmi", "nope"],
    ] {
        let outcome = host.run(words);
        assert!(!outcome.stderr.contains("this machine only"), "{words:?}: {}", outcome.stderr);
    }
    host.run(&["images", "-q"]).prints(&format!("{}\n", web.short()));
}

#[test]
fn it_is_called_what_it_is_called() {
    let host = host();
    let docker = host.path().join("docker");
    symlink(env!("CARGO_BIN_EXE_wharfie"), &docker).unwrap();
    let alias = Host::new(docker);
    let line = alias.run(&["--version"]).succeeds();
    assert!(line.starts_with("docker version 0.") && line.contains(", build "), "{line}");
    assert_eq!(
        alias.run(&["frob"]).stderr,
        "docker: unknown command: docker frob\n\nRun 'docker --help' for more information\n"
    );
    assert!(
        alias.run(&["images", "--help"]).succeeds().starts_with("Usage:  docker images [OPTIONS] [REPOSITORY[:TAG]]\n")
    );
}

#[test]
fn flags_that_make_no_sense_end_with_125() {
    let tail =
        "\n\nUsage:  wharfie images [OPTIONS] [REPOSITORY[:TAG]]\n\nRun 'wharfie images --help' for more information";
    host().run(&["images", "--x"]).fails(125, &format!("unknown flag: --x{tail}"));
    host().run(&["images", "-f", "foo"]).fails(
        125,
        &format!(
            "invalid argument \"foo\" for \"-f, --filter\" flag: bad format of filter (expected name=value){tail}"
        ),
    );
}

#[test]
fn every_example_in_the_help_is_a_command_line_that_parses() {
    let host = host();
    let mut pages = vec![Vec::new()];
    let mut examples = 0;
    while let Some(path) = pages.pop() {
        let mut words: Vec<&str> = path.iter().map(String::as_str).collect();
        words.push("--help");
        let help = host.run(&words).succeeds();
        let mut in_commands = false;
        let mut in_examples = false;
        for line in help.lines() {
            if !line.starts_with(' ') && !line.is_empty() {
                in_commands = line.ends_with("ommands:");
                in_examples = line == "Examples:";
            } else if in_commands && !line.is_empty() {
                let name = line.trim().split(' ').next().unwrap().trim_end_matches('*');
                pages.push(path.iter().cloned().chain([name.to_owned()]).collect());
            } else if in_examples && line.starts_with("  wharfie") {
                examples += 1;
                // The shell splits it; an unknown flag or a wrong count of arguments would end in 125 or a usage text.
                let script =
                    format!("set -f; set -- {}; printf '%s\\n' \"$@\"", line.split(['|', '<', '>']).next().unwrap());
                let output = Command::new("sh").args(["-c", &script]).output().unwrap();
                let text = String::from_utf8(output.stdout).unwrap();
                // `--help` goes behind the command's own words: some commands take everything after that as it is.
                let words: Vec<&str> = text.lines().skip(1).collect();
                let parses = (1..=words.len().min(3)).any(|at| {
                    let (command, rest) = words.split_at(at);
                    host.run(&[command, &["--help"], rest].concat()).code == 0
                });
                assert!(parses, "{line}");
            }
        }
    }
    assert!(examples > 30, "{examples}");
}

#[test]
fn settings_are_read_and_nonsense_in_them_is_named() {
    let host = host();
    host.file(
        "config.toml",
        b"insecure-registries = [\"r.example:5000\"]\nregistry-mirrors = [\"https://m.example\"]\n",
    );
    let info = host.run(&["info"]).succeeds();
    assert!(info.contains("  r.example:5000\n") && info.contains("  https://m.example\n"), "{info}");
    host.file("config.toml", b"graze = 1\n");
    let outcome = host.run(&["images"]);
    assert_eq!(outcome.code, 1);
    assert!(outcome.stderr.contains("config.toml") && outcome.stderr.contains("graze"), "{}", outcome.stderr);
}

#[test]
fn the_store_is_where_it_is_told_to_be() {
    let web = Image::new().with_file("a", "1");
    let host = host_with(&[(&web, &["web"])]);
    let store = host.store().to_string_lossy().into_owned();
    let elsewhere = crate::host();
    elsewhere.run(&["--root", &store, "images", "-q"]).prints(&format!("{}\n", web.short()));
    elsewhere.run(&["images", "-q"]).prints("");
    host.run(&["info", "-f", "{{.CgroupDriver}} {{.Swarm.LocalNodeState}} {{index .SecurityOptions 0}}"])
        .prints("cgroupfs inactive name=seccomp,profile=builtin\n");
    host.run(&["info", "-f", "{{.DockerRootDir}} {{.Images}} {{.OSType}}"]).prints(&format!("{store} 1 linux\n"));
}

#[test]
fn a_newer_store_is_refused_politely() {
    let web = Image::new().with_file("a", "1");
    let host = host_with(&[(&web, &["web"])]);
    let database = host.store().join("metadata.db");
    let mut bytes = std::fs::read(&database).unwrap();
    // SQLite's user version: four bytes at offset 60 of the header.
    bytes[60..64].copy_from_slice(&999_u32.to_be_bytes());
    std::fs::remove_file(host.store().join("metadata.db-wal")).ok();
    std::fs::write(&database, bytes).unwrap();
    let outcome = host.run(&["images"]);
    assert_eq!(outcome.code, 1);
    assert!(outcome.stderr.contains("has format 999"), "{}", outcome.stderr);
}

#[test]
fn versions_answer_templates() {
    let version = env!("CARGO_PKG_VERSION");
    host().run(&["version", "-f", "{{.Server.Version}} {{.Client.APIVersion}}"]).prints(&format!("{version} 1.51\n"));
    let page = host().run(&["version"]).succeeds();
    assert!(page.contains(&format!(" Version:           {version}\n")), "{page}");
    host()
        .run(&["version", "-f", "{{.Nope}}"])
        .fails(1, "template: :1:2: executing \"\" at <.Nope>: can't evaluate field Nope in type command.versionInfo");
}

#[test]
fn completion_knows_commands_and_images() {
    let web = Image::new().with_file("a", "1");
    let host = host_with(&[(&web, &["web:1", "db:2"])]);
    host.run(&["__complete", "images", "w"]).prints("web:1\n");
    for shell in ["bash", "zsh", "fish"] {
        assert!(host.run(&["completion", shell]).succeeds().contains("wharfie"));
    }
    assert!(host.run(&["manpage", "image", "ls"]).succeeds().contains(".SH EXAMPLES"));
}

#[test]
fn completion_serves_other_names_too_but_only_names() {
    let host = host();
    let script = host.run(&["completion", "bash", "docker"]).succeeds();
    assert!(script.ends_with("\ncomplete -F _wharfie 'wharfie' docker\n"), "{script}");
    host.run(&["completion", "zsh", "docker; rm"]).fails(1, "\"docker; rm\" is no name of a program");
}
