//! `login` and `logout`: what is said, what is kept, and by whom.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use wharfie_testkit::faulty_server::reply;
use wharfie_testkit::{FaultyServer, Host, TestRegistry};

use crate::host;

const INSECURE: &str = "WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n";

fn registry() -> TestRegistry {
    TestRegistry::builder().with_auth("alice", "s3:cret").start()
}

fn unencrypted(host: &Host) -> String {
    let path = host.docker_config().join("config.json");
    format!(
        "\nWARNING! Your credentials are stored unencrypted in '{}'.\nConfigure a credential helper to remove this \
         warning. See\nhttps://docs.docker.com/go/credential-store/\n\n",
        path.display()
    )
}

fn config(host: &Host) -> String {
    fs::read_to_string(host.docker_config().join("config.json")).unwrap_or_default()
}

#[test]
fn a_login_is_kept_as_docker_keeps_it() {
    let (registry, host) = (registry(), host());
    let address = registry.address();
    let outcome = host.run(&["login", "-u", "alice", "-p", "s3:cret", &format!("http://{address}/v2/")]);
    assert_eq!(
        (outcome.code, outcome.stdout.as_str(), outcome.stderr),
        (0, "Login Succeeded\n", format!("{INSECURE}{}", unencrypted(&host)))
    );
    let kept = format!(
        "{{\n\t\"auths\": {{\n\t\t\"{address}\": {{\n\t\t\t\"auth\": \"YWxpY2U6czM6Y3JldA==\"\n\t\t}}\n\t}}\n}}"
    );
    assert_eq!(config(&host), kept);
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(host.docker_config()), mode(host.docker_config().join("config.json"))), (0o700, 0o600));
    // The same again is no news.
    let outcome = host.run(&["login", "-u", "alice", "-p", "s3:cret", address]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, INSECURE));
    let outcome = host.run(&["login", address]);
    assert_eq!(
        (outcome.code, outcome.stdout.as_str(), outcome.stderr.as_str()),
        (
            0,
            "Login Succeeded\n",
            "Authenticating with existing credentials... [Username: alice]\n\n Info -> To login with a different \
             account, run 'wharfie logout' followed by 'wharfie login'\n\n\n"
        )
    );
    host.run(&["logout", address]).prints(&format!("Removing login credentials for {address}\n"));
    assert_eq!(config(&host), "{\n\t\"auths\": {}\n}");
    host.run(&["logout", address]).prints(&format!("Removing login credentials for {address}\n"));
    host.run(&["logout"]).prints("Removing login credentials for https://index.docker.io/v1/\n");
}

#[test]
fn one_line_ending_is_no_part_of_a_password() {
    let (registry, host) = (TestRegistry::builder().with_auth("alice", " s3cret ").start(), host());
    let words = ["login", "-u", "alice", "--password-stdin", registry.address()];
    for input in [" s3cret ", " s3cret \n", " s3cret \r\n", " s3cret \r"] {
        assert_eq!(host.run_with(&words, input.as_bytes()).succeeds(), "Login Succeeded\n", "{input:?}");
    }
    let outcome = host.run_with(&words, b" s3cret \n\n");
    assert_eq!(
        (outcome.code, outcome.stderr),
        (
            1,
            format!(
                "Error response from daemon: login attempt to http://{}/v2/ failed with status: 401 Unauthorized\n",
                registry.address()
            )
        )
    );
    host.run_with(&words, b"").fails(1, "password is empty");
    host.run_with(&words, b"\n").fails(1, "password is empty");
}

#[test]
fn a_login_that_fails_keeps_nothing() {
    let (registry, host) = (registry(), host());
    let address = registry.address();
    host.run(&["login", "-u", "alice", "-p", "wrong", address]).fails(
        1,
        &format!(
            "{INSECURE}Error response from daemon: login attempt to http://{address}/v2/ failed with status: 401 \
             Unauthorized"
        ),
    );
    assert_eq!(config(&host), "");
    let server = FaultyServer::start(|heard| {
        let host = heard.header("host").unwrap_or_default();
        let realm = format!("Bearer realm=\"http://{host}/token\",service=\"test\"");
        if heard.target.starts_with("/token") {
            return reply(401, &[], br#"{"details":"incorrect username or password"}"#);
        }
        reply(401, &[("WWW-Authenticate", &realm)], b"")
    });
    let address = server.address();
    host.run_with(&["login", "-u", "alice", "--password-stdin", address], b"wrong").fails(
        1,
        &format!(
            "Error response from daemon: Get \"http://{address}/v2/\": unauthorized: incorrect username or password"
        ),
    );
    let asked = server.lines().into_iter().find(|line| line.contains("/token")).unwrap();
    for part in ["account=alice", "client_id=docker", "offline_token=true", "service=test"] {
        assert!(asked.contains(part), "{asked}");
    }
    assert_eq!(config(&host), "");
}

#[test]
fn a_token_to_keep_is_kept_instead_of_the_password() {
    let server = FaultyServer::start(|heard| {
        let host = heard.header("host").unwrap_or_default();
        if heard.target.starts_with("/token") {
            return reply(200, &[], br#"{"token":"t","refresh_token":"keep"}"#);
        }
        match heard.header("authorization") {
            Some("Bearer t") => reply(200, &[], b"{}"),
            _ => {
                reply(401, &[("WWW-Authenticate", &format!("Bearer realm=\"http://{host}/token\",service=\"s\""))], b"")
            }
        }
    });
    let host = host();
    host.run_with(&["login", "-u", "alice", "--password-stdin", server.address()], b"pw").succeeds();
    let kept = config(&host);
    assert!(kept.contains("\"identitytoken\": \"keep\"") && !kept.contains("YWxpY2U6cHc="), "{kept}");
}

#[test]
fn combinations_that_make_no_sense() {
    let host = host();
    host.run(&["login", "--password-stdin", "h"]).fails(1, "the --password-stdin option requires --username to be set");
    host.run(&["login", "-u", "a", "-p", "b", "--password-stdin", "h"])
        .fails(1, "conflicting options: cannot specify both --password and --password-stdin");
    host.run(&["login", "-u", "", "h"]).fails(1, "username is empty");
    host.run(&["login", "-u", "a", "-p", "", "h"]).fails(1, "password is empty");
    for words in [&["login", "h"][..], &["login", "-u", "a", "h"]] {
        host.run(words).fails(1, "Error: Cannot perform an interactive login from a non TTY device");
    }
}

#[test]
fn everything_else_in_the_file_survives() {
    let (registry, host) = (registry(), host());
    let address = registry.address();
    let before = format!(
        r#"{{"auths":{{"http://{address}/v1/":{{"auth":"YWxpY2U6czM6Y3JldA=="}}}},"HttpHeaders":{{"X-A":"b"}},"psFormat":"x","mine":1}}"#
    );
    host.file("home/.docker/config.json", before.as_bytes());
    host.run_with(&["login", "-u", "alice", "--password-stdin", address], b"s3:cret").succeeds();
    let old = format!("\t\t\"http://{address}/v1/\": {{\n\t\t\t\"auth\": \"YWxpY2U6czM6Y3JldA==\"\n\t\t}}");
    let new = format!("\t\t\"{address}\": {{\n\t\t\t\"auth\": \"YWxpY2U6czM6Y3JldA==\"\n\t\t}}");
    let rest = "\t\"HttpHeaders\": {\n\t\t\"X-A\": \"b\"\n\t},\n\t\"psFormat\": \"x\",\n\t\"mine\": 1\n}";
    assert_eq!(config(&host), format!("{{\n\t\"auths\": {{\n{old},\n{new}\n\t}},\n{rest}"));
    host.run(&["logout", address]).succeeds();
    assert_eq!(config(&host), format!("{{\n\t\"auths\": {{\n{old}\n\t}},\n{rest}"));
    // The old spelling means the same host.
    let outcome = host.run(&["login", address]);
    assert_eq!(outcome.stdout, "Login Succeeded\n", "{}", outcome.stderr);
}

#[test]
fn a_damaged_file_is_reported_and_left_alone() {
    let (registry, host) = (registry(), host());
    for (text, why) in [
        ("{\"auths\":", "unexpected EOF"),
        ("{\"auths\":{\"h\":{\"auth\":\"%%%\"}}}", "Invalid auth configuration file"),
    ] {
        let path = host.file("home/.docker/config.json", text.as_bytes());
        let outcome = host.run(&["pull", &format!("{}/web", registry.address())]);
        let warning = format!("WARNING: Error parsing config file ({}): {why}\n", path.display());
        assert!(outcome.stderr.starts_with(&warning), "{}", outcome.stderr);
        assert_eq!(config(&host), text);
    }
}

/// A helper that keeps secrets in a file and writes down what it is asked.
fn helper(host: &Host) -> PathBuf {
    let folder = host.path().join("bin");
    fs::create_dir_all(&folder).expect("the host's own folder takes folders");
    let (log, kept) = (folder.join("log"), folder.join("kept"));
    let script = format!(
        "#!/bin/sh\ninput=$(cat)\necho \"$1 $input\" >> {0}\ncase $1 in\nstore) echo \"$input\" > {1} ;;\nget) [ -e {1} ] \
         && cat {1} || {{ echo credentials not found in native keychain; exit 1; }} ;;\nerase) rm -f {1} ;;\nesac\n",
        log.display(),
        kept.display()
    );
    // Written by another process: a program that a fork of this one has open for writing cannot be run.
    let program = folder.join("docker-credential-test");
    let write = "printf %s \"$1\" > \"$2\" && chmod 755 \"$2\"";
    let arguments = ["-c".as_ref(), write.as_ref(), "sh".as_ref(), script.as_ref(), program.as_os_str()];
    assert!(Command::new("sh").args(arguments).status().is_ok_and(|status| status.success()));
    log
}

#[test]
fn a_helper_keeps_the_secret() {
    let (registry, host) = (registry(), host());
    let address = registry.address();
    let log = helper(&host);
    let path = format!("{}:/usr/bin:/bin", host.path().join("bin").display());
    let host = host.with("PATH", &path);
    host.file("home/.docker/config.json", br#"{"credsStore":"test"}"#);
    let outcome = host.run_with(&["login", "-u", "alice", "--password-stdin", address], b"s3:cret");
    outcome.prints("Login Succeeded\n");
    assert_eq!(
        config(&host),
        format!("{{\n\t\"auths\": {{\n\t\t\"{address}\": {{}}\n\t}},\n\t\"credsStore\": \"test\"\n}}")
    );
    let outcome = host.run(&["pull", &format!("{address}/web:1")]);
    assert!(outcome.stderr.contains("manifest unknown"), "{}", outcome.stderr);
    host.run(&["logout", address]).prints(&format!("Removing login credentials for {address}\n"));
    let expected = format!(
        "store {{\"ServerURL\":\"{address}\",\"Username\":\"alice\",\"Secret\":\"s3:cret\"}}\nget {address}\nerase \
         {address}\nerase {address}\nerase http://{address}\nerase https://{address}\n"
    );
    assert_eq!(fs::read_to_string(log).unwrap(), expected);
    assert_eq!(config(&host), "{\n\t\"auths\": {},\n\t\"credsStore\": \"test\"\n}");
}

#[test]
fn a_helper_for_one_registry_wins_over_the_one_for_all() {
    let (registry, host) = (registry(), host());
    let address = registry.address();
    let log = helper(&host);
    let path = format!("{}:/usr/bin:/bin", host.path().join("bin").display());
    let host = host.with("PATH", &path);
    let before = format!(r#"{{"credsStore":"missing","credHelpers":{{"{address}":"test"}}}}"#);
    host.file("home/.docker/config.json", before.as_bytes());
    host.run_with(&["login", "-u", "alice", "--password-stdin", address], b"s3:cret").prints("Login Succeeded\n");
    assert!(fs::read_to_string(log).unwrap().starts_with("store "));
}

#[test]
fn a_helper_that_is_missing() {
    let (registry, host) = (registry(), host());
    let address = registry.address();
    host.file("home/.docker/config.json", br#"{"credsStore":"x"}"#);
    host.run_with(&["login", "-u", "alice", "--password-stdin", address], b"s3:cret").fails(
        1,
        "Error saving credentials: error storing credentials - err: exec: \"docker-credential-x\": executable file \
         not found in $PATH, out: ``",
    );
    let outcome = host.run(&["pull", &format!("{address}/web:1")]);
    assert!(outcome.stderr.contains("no basic auth credentials"), "{}", outcome.stderr);
    let outcome = host.run(&["logout", address]);
    assert_eq!((outcome.code, outcome.stdout), (0, format!("Removing login credentials for {address}\n")));
    assert!(outcome.stderr.starts_with("WARNING: could not erase credentials:\n"), "{}", outcome.stderr);
}

#[test]
fn the_environments_credentials_win() {
    let registry = registry();
    let address = registry.address();
    let json = format!(r#"{{"auths":{{"{address}":{{"auth":"YWxpY2U6czM6Y3JldA=="}}}}}}"#);
    let host = host().with("DOCKER_AUTH_CONFIG", &json);
    let outcome = host.run(&["pull", &format!("{address}/web:1")]);
    assert!(outcome.stderr.contains("manifest unknown"), "{}", outcome.stderr);
    let outcome = host.run(&["logout", address]);
    assert_eq!((outcome.code, outcome.stdout), (0, format!("Removing login credentials for {address}\n")));
    assert!(outcome.stderr.starts_with("WARNING: DOCKER_AUTH_CONFIG is set"), "{}", outcome.stderr);
    let outcome = host.run_with(&["login", "-u", "alice", "--password-stdin", address], b"s3:cret");
    assert!(outcome.stderr.starts_with("WARNING: DOCKER_AUTH_CONFIG is set"), "{}", outcome.stderr);
}
