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
    refused(&["-H", "unix:///tmp/nosuch.sock", "rmi", "-f", "web:1"], "\"unix:///tmp/nosuch.sock\" (--host)", 1);
    refused(&["-H", "fd://", "rmi", "-f", "web:1"], "\"fd://\" (--host)", 1);
    refused(&["-H", "tcp://127.0.0.1:1", "run", "web:1"], "\"tcp://127.0.0.1:1\"", 125);
    for words in [&["--tls"][..], &["--tlsverify"], &["--tlscacert", "x"], &["--tlscert", "x"], &["--tlskey", "x"]] {
        refused(&[words, &["rmi", "-f", "web:1"]].concat(), &format!("cannot use TLS ({})", words[0]), 1);
    }
    for (name, value, text) in [
        ("DOCKER_HOST", "ssh://prod", "cannot reach \"ssh://prod\" (DOCKER_HOST)"),
        ("DOCKER_CONTEXT", "prod", "context \"prod\": context not found\n"),
        ("DOCKER_TLS_VERIFY", "1", "cannot use TLS (DOCKER_TLS_VERIFY)"),
        ("DOCKER_TLS", "1", "cannot use TLS (DOCKER_TLS)"),
    ] {
        let outcome = crate::host().with(name, value).run(&["images"]);
        assert_eq!(outcome.code, 1);
        assert!(outcome.stderr.starts_with(text), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(&format!("unset {name}")), "{}", outcome.stderr);
    }
    host.run(&["--context", "prod", "rmi", "-f", "web:1"]).fails(
        1,
        "context \"prod\": context not found\n help: it is named by --context\n help: leave --context out, or run this command on that machine",
    );
    let context = format!("home/.docker/contexts/meta/{}/meta.json", wharfie_oci::Digest::of(b"far").hex());
    host.file(&context, br#"{"Name":"far","Endpoints":{"docker":{"Host":"ssh://far.example"}}}"#);
    refused(&["-c", "far", "images"], "\"ssh://far.example\" (--context)", 1);
    host.file(&context, br#"{"Name":"far","Endpoints":{"docker":{"Host":"unix:///run/user/1/docker.sock"}}}"#);
    for words in [
        &["-c", "far", "images", "-q"][..],
        &["-c", "default", "images", "-q"],
        &["-H", "unix:///var/run/docker.sock", "images", "-q"],
        &["--tls=false", "images", "-q"],
    ] {
        host.run(words).prints(&format!("{}\n", web.short()));
    }
    host.file("home/.docker/config.json", br#"{"currentContext":"faraway"}"#);
    let outcome = host.run(&["rmi", "-f", "web:1"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (1, ""));
    assert!(outcome.stderr.starts_with("context \"faraway\": context not found\n"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("it is named by currentContext"), "{}", outcome.stderr);
    host.file("home/.docker/config.json", br#"{"currentContext":"default"}"#);
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
    let unknown = "docker: unknown command: docker frob\n\nRun 'docker --help' for more information\n";
    for words in [&["frob"][..], &["frob", "-D"], &["frob", "--", "--x"]] {
        assert_eq!((alias.run(words).code, alias.run(words).stderr.as_str()), (1, unknown), "{words:?}");
    }
    // Flags after it are the program's own.
    let usage = "Usage:  docker [OPTIONS] COMMAND [ARG...]\n\nRun 'docker --help' for more information";
    alias.run(&["frob", "a", "--x"]).fails(125, &format!("unknown flag: --x\n\n{usage}"));
    alias.run(&["frob", "--version"]).prints(&line);
    alias.run(&["frob", "--help"]).prints(&alias.run(&["--help"]).succeeds());
    let short =
        format!("Flag shorthand -h has been deprecated, use --help\n{}", alias.run(&["ps", "--help"]).succeeds());
    alias.run(&["ps", "-h"]).prints(&short);
    let own = alias.run(&["-h"]);
    assert_eq!(own.stdout, alias.run(&["--help"]).succeeds());
    assert_eq!(own.stderr, "Flag shorthand -h has been deprecated, use --help\n");
    let missing = alias.run(&["rmi", "nope"]);
    let text = "Error response from daemon: No such image: nope:latest\n";
    let help = " help: `docker images` lists the images that are here, `docker pull` gets others\n";
    assert_eq!(missing.stderr, format!("{text}{help}"));
    assert!(
        alias.run(&["images", "--help"]).succeeds().starts_with("Usage:  docker images [OPTIONS] [REPOSITORY[:TAG]]\n")
    );
}

#[test]
fn hints_are_not_forced_on_anybody() {
    let check = |value: &str, is_told: bool| {
        let host = host().with("DOCKER_CLI_HINTS", value);
        for words in [&["rmi", "nope"][..], &["start", "nope"], &["imgaes"], &["images", "--qiuet"]] {
            let outcome = host.run(words);
            assert_eq!(outcome.stderr.contains(" help: "), is_told, "{value}: {}", outcome.stderr);
            assert!(outcome.code != 0 && outcome.stderr.ends_with('\n') && !outcome.stderr.ends_with("\n\n"));
        }
    };
    check("false", false);
    check("0", false);
    check("true", true);
    check("", true);
}

#[test]
fn every_spelling_of_a_command_is_in_its_help_and_hidden_ones_are_not() {
    let check = |words: &[&str], spellings: &str| {
        let help = host().run(&[words, &["--help"]].concat()).succeeds();
        assert!(help.contains(&format!("\n\nAliases:\n  {spellings}\n\n")), "{help}");
    };
    check(&["images"], "wharfie image ls, wharfie image list, wharfie images");
    check(&["image", "rm"], "wharfie image rm, wharfie image remove, wharfie rmi");
    let hint = "\nNo images found matching \"ls\": did you mean \"wharfie image ls\"?\n";
    assert_eq!(host().run(&["images", "ls"]).stderr, hint);
    assert_eq!(host().run(&["image", "ls", "ls"]).stderr, "");
}

#[test]
fn the_whole_program_takes_a_command_and_its_words() {
    let usage = "Usage:  wharfie [OPTIONS] COMMAND [ARG...]\n\nRun 'wharfie --help' for more information";
    host().run(&["--nope"]).fails(125, &format!("unknown flag: --nope\n\n{usage}"));
    assert!(host().run(&["--help"]).succeeds().starts_with("Usage:  wharfie [OPTIONS] COMMAND\n"));
}

#[test]
fn what_is_empty_is_as_if_it_were_not_said() {
    let web = Image::new().with_file("a", "1");
    let host = host_with(&[(&web, &["web:1"])]);
    let archive = host.command(&["save", "-o", "", "web:1"]).output().unwrap();
    assert!(archive.status.success() && archive.stdout.len() > 512, "{}", archive.stderr.len());
    host.run(&["rmi", "web:1"]).succeeds();
    host.run_with(&["load", "-i", ""], &archive.stdout).prints("Loaded image: web:1\n");
    let whole = host.run(&["inspect", "web:1"]).succeeds();
    assert!(whole.starts_with("[\n"), "{whole}");
    host.run(&["inspect", "-f", "", "web:1"]).prints(&whole);
    let host = host.with("DOCKER_DEFAULT_PLATFORM", "nonsense/x/y/z");
    let outcome = host.run(&["pull", "--platform", "", "127.0.0.1:1/web:1"]);
    assert!(outcome.code == 1 && !outcome.stderr.contains("nonsense"), "{}", outcome.stderr);
}

#[test]
fn the_systems_reasons_have_no_numbers() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = host().command(&["--version"]).stdout(full).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "cannot write the output: no space left on device\n");
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
    let broken = host().run(&["version", "-f", "a{{.Nope}}"]);
    let text = "template: version:1:3: executing \"version\" at <.Nope>: can't evaluate field Nope in type system.versionInfo\n";
    assert_eq!((broken.code, broken.stdout.as_str(), broken.stderr.as_str()), (1, "a\n", text));
    host().run(&["version", "-f", "{{"]).fails(64, "template parsing error: template: version:1: unclosed action");
    let broken = host().run(&["info", "-f", "a{{.Nope}}"]);
    let text = "template: :1:3: executing \"\" at <.Nope>: can't evaluate field Nope in type system.dockerInfo\n";
    assert_eq!((broken.code, broken.stdout.as_str(), broken.stderr.as_str()), (1, "a\n", text));
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
