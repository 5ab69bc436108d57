//! `serve`: real clients push to it and pull from it.

use std::os::unix::fs::MetadataExt;
use std::process::Command;

use wharfie_testkit::{Authority, Host, Image, archive, needs};

use crate::peer::docker::Daemon;
use crate::peer::podman::Podman;
use crate::peer::{diff_ids, holds, rich};
use crate::served::Served;
use crate::{host, host_with};

#[track_caller]
fn skopeo(words: &[&str]) -> String {
    let mut command = Command::new("skopeo");
    command.env("REGISTRY_AUTH_FILE", "/nonexistent/auth.json").arg("--insecure-policy").args(words);
    needs::succeeds(&mut command, "skopeo")
}

#[test]
fn wharfie_pushes_and_pulls() {
    let rich = rich();
    let host = host();
    let registry = Served::start(&host, &[]);
    let name = registry.name("team/rich:1");
    host.run_with(&["load", "-q"], &archive(&[(&rich, &[&name])])).succeeds();
    host.run(&["push", "-q", &name]).succeeds();
    host.run(&["tags", &registry.name("team/rich")]).prints("1\n");
    let other = crate::host();
    other.run(&["pull", "-q", &name]).succeeds();
    holds(&other, &name, &rich.id(), &diff_ids(&rich));
    // Pushed again from where it was pulled to, it is the same.
    other.run(&["push", "-q", &name]).succeeds();
    host.run(&["system", "fsck"]).succeeds();
    let (code, log) = registry.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("\"PUT /v2/team/rich/manifests/1\" 201 "), "{log}");
    assert!(!log.contains("error"), "{log}");
}

#[test]
fn layers_of_the_store_are_linked_when_they_are_pushed() {
    let rich = rich();
    let from = host();
    let one = Served::start(&from, &[]);
    let name = one.name("rich:1");
    from.run_with(&["load", "-q"], &archive(&[(&rich, &[&name])])).succeeds();
    from.run(&["push", "-q", &name]).succeeds();
    // Here the store has the compressed layers, since it pulled them.
    let host = host();
    host.run(&["pull", "-q", &name]).succeeds();
    let two = Served::start(&host, &[]);
    let copy = two.name("rich:1");
    host.run(&["tag", &name, &copy]).succeeds();
    host.run(&["push", "-q", &copy]).succeeds();
    let data = std::fs::read_dir(host.store().join("registry/data")).expect("it is there");
    let links: Vec<u64> =
        data.map(|entry| entry.expect("it stays").metadata().expect("it is a file").nlink()).collect();
    assert!(!links.is_empty() && links.iter().all(|links| *links == 2), "{links:?}");
    // The store lets go of them, the registry does not.
    host.run(&["rmi", "-f", &name, &copy]).succeeds();
    host.run(&["image", "prune", "-af"]).succeeds();
    let other = crate::host();
    other.run(&["pull", "-q", &copy]).succeeds();
    holds(&other, &copy, &rich.id(), &diff_ids(&rich));
}

#[test]
fn skopeo_copies_there_and_back() {
    let rich = rich();
    let host = host();
    let registry = Served::start(&host, &[]);
    let source = host.file("source.tar", &archive(&[(&rich, &["rich:1"])]));
    for format in ["oci", "v2s2"] {
        let name = registry.name(&format!("rich:{format}"));
        let (from, to) = (format!("docker-archive:{}", source.display()), format!("docker://{name}"));
        skopeo(&["copy", "-q", "--dest-tls-verify=false", "--format", format, &from, &to]);
        let seen = skopeo(&["inspect", "--tls-verify=false", "--format", "{{.Digest}}", &to]);
        let layout = host.path().join(format);
        skopeo(&["copy", "-q", "--src-tls-verify=false", &to, &format!("dir:{}", layout.display())]);
        let manifest = std::fs::read(layout.join("manifest.json")).expect("skopeo wrote it");
        assert_eq!(wharfie_oci::Digest::of(&manifest).as_str(), seen.trim());
        host.run(&["pull", "-q", &name]).succeeds();
    }
    let tags = skopeo(&["list-tags", "--tls-verify=false", &format!("docker://{}", registry.name("rich"))]);
    let tags: serde_json::Value = serde_json::from_str(&tags).expect("it is JSON");
    assert_eq!(tags["Tags"], serde_json::json!(["oci", "v2s2"]));
    skopeo(&["delete", "--tls-verify=false", &format!("docker://{}", registry.name("rich:oci"))]);
    host.run(&["tags", &registry.name("rich")]).prints("v2s2\n");
}

#[test]
fn docker_pushes_pulls_and_searches() {
    let Some(docker) = Daemon::get() else { return };
    let rich = rich();
    let host = host();
    let registry = Served::start(&host, &[]);
    let (ours, theirs) = (registry.name("team/ours:1"), registry.name("team/theirs:1"));
    host.run_with(&["load", "-q"], &archive(&[(&rich, &[&ours])])).succeeds();
    host.run(&["push", "-q", &ours]).succeeds();
    docker.run(&["pull", "-q", &ours]);
    docker.run(&["tag", &ours, &theirs]);
    docker.run(&["push", &theirs]);
    let other = crate::host();
    other.run(&["pull", "-q", &theirs]).succeeds();
    holds(&other, &theirs, &rich.id(), &diff_ids(&rich));
    let found = docker.run(&["search", "--format", "{{.Name}}", &registry.name("their")]);
    assert!(found.contains("team/theirs"), "{found}");
    let (_, log) = registry.end();
    assert!(!log.contains("error"), "{log}");
}

#[test]
fn podman_pushes_and_pulls() {
    let rich = rich();
    let host = host();
    let Some(podman) = Podman::within(&host) else { return };
    let registry = Served::start(&host, &[]);
    let source = host.file("source.tar", &archive(&[(&rich, &["localhost/rich:1"])]));
    podman.podman(&["load", "-q", "-i", &source.to_string_lossy()]);
    let name = registry.name("rich:1");
    podman.podman(&["push", "-q", "--tls-verify=false", "localhost/rich:1", &name]);
    let other = crate::host();
    other.run(&["pull", "-q", &name]).succeeds();
    podman.podman(&["rmi", "-f", "localhost/rich:1"]);
    podman.podman(&["pull", "-q", "--tls-verify=false", &name]);
}

#[test]
fn what_was_acknowledged_outlives_a_kill() {
    let images: Vec<Image> = (0..3).map(|n| Image::new().with_file("n", &n.to_string())).collect();
    let (server, client) = (host(), host());
    let mut registry = Served::start(&server, &[]);
    for (n, image) in images.iter().enumerate() {
        let name = registry.name(&format!("r{n}:1"));
        client.run_with(&["load", "-q"], &archive(&[(image, &[&name])])).succeeds();
        client.run(&["push", "-q", &name]).succeeds();
        registry.kill();
        registry = Served::start(&server, &[]);
    }
    for (n, image) in images.iter().enumerate() {
        let reader = host();
        let name = registry.name(&format!("r{n}:1"));
        reader.run(&["pull", "-q", &name]).succeeds();
        holds(&reader, &name, &image.id(), &diff_ids(image));
    }
}

#[test]
fn what_keeps_it_from_serving_is_told() {
    let host = host_with(&[]);
    let registry = Served::start(&host, &[]);
    let outcome = host.run(&["serve", "--address", "127.0.0.1:0"]);
    assert!(outcome.code == 1 && outcome.stderr.contains("another server has it"), "{outcome:?}");
    assert!(outcome.stderr.contains("\n help: "), "{outcome:?}");
    let other = crate::host();
    let outcome = other.run(&["serve", "--address", &registry.address]);
    assert!(outcome.code == 1 && outcome.stderr.contains("cannot listen on 127.0.0.1:"), "{outcome:?}");
    let outcome = other.run(&["serve", "--address", "nonsense"]);
    assert!(outcome.code == 1 && outcome.stderr.contains("give a host and a port"), "{outcome:?}");
}

/// A file of users.
fn users(host: &Host, names: &[&str]) -> String {
    let lines: Vec<String> = names
        .iter()
        .map(|name| {
            needs::succeeds(Command::new("htpasswd").args(["-Bbn", name, &format!("{name}-secret")]), "apache2-utils")
        })
        .collect();
    host.file("users", lines.concat().as_bytes()).to_string_lossy().into_owned()
}

#[test]
fn who_has_logged_in_may_push_and_the_others_pull() {
    let rich = rich();
    let server = host();
    let users = users(&server, &["ada"]);
    let registry = Served::start(&server, &["--htpasswd", &users, "--anonymous-pull"]);
    let name = registry.name("rich:1");
    let client = host();
    client.run_with(&["load", "-q"], &archive(&[(&rich, &[&name])])).succeeds();
    assert_ne!(client.run(&["push", "-q", &name]).code, 0);
    let wrong = client.run_with(&["login", "-u", "ada", "--password-stdin", &registry.address], b"wrong");
    assert_ne!(wrong.code, 0, "{wrong:?}");
    client.run_with(&["login", "-u", "ada", "--password-stdin", &registry.address], b"ada-secret").succeeds();
    client.run(&["push", "-q", &name]).succeeds();
    let other = host();
    other.run(&["pull", "-q", &name]).succeeds();
    let log = registry.log();
    let asked = |user: &str, method: &str| {
        let what = format!(" {user} \"{method} /v2/rich/manifests/1\" 20");
        assert!(log.lines().any(|line| line.contains(&what)), "{what}: {log}");
    };
    asked("ada", "PUT");
    asked("-", "HEAD");
    holds(&other, &name, &rich.id(), &diff_ids(&rich));
    // Others' clients see the same.
    let to = format!("docker://{}", registry.name("skopeo:1"));
    let from = format!("docker://{name}");
    let without = ["copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false", &from, &to];
    let refused = Command::new("skopeo").env("REGISTRY_AUTH_FILE", "/nonexistent/auth.json").args(without).output();
    assert!(!refused.expect("it was started before").status.success());
    skopeo(&[
        "copy",
        "-q",
        "--dest-creds",
        "ada:ada-secret",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        &from,
        &to,
    ]);
    if let Some(docker) = Daemon::get() {
        docker.run(&["pull", "-q", &name]);
        docker.run(&["login", "-u", "ada", "-p", "ada-secret", &registry.address]);
        docker.run(&["tag", &name, &registry.name("docker:1")]);
        docker.run(&["push", &registry.name("docker:1")]);
        docker.run(&["logout", &registry.address]);
        host().run(&["pull", "-q", &registry.name("docker:1")]).succeeds();
    }
}

#[test]
fn rules_of_the_settings_file_count() {
    let server = host();
    let users = users(&server, &["ada", "bob"]);
    let settings = format!(
        "[serve]\nhtpasswd = \"{users}\"\ngroups.team = [\"ada\"]\n\
         [[serve.rules]]\nrepositories = [\"team/**\"]\nusers = [\"@team\"]\nactions = [\"*\"]\n\
         [[serve.rules]]\nrepositories = [\"**\"]\nusers = [\"*\"]\nactions = [\"pull\"]\n"
    );
    server.file("config.toml", settings.as_bytes());
    let registry = Served::start(&server, &[]);
    let name = registry.name("team/app:1");
    let image = Image::new().with_file("a", "a");
    for (user, may_push) in [("ada", true), ("bob", false)] {
        let client = host();
        client.run_with(&["load", "-q"], &archive(&[(&image, &[&name])])).succeeds();
        let password = format!("{user}-secret");
        client.run_with(&["login", "-u", user, "--password-stdin", &registry.address], password.as_bytes()).succeeds();
        assert_eq!(client.run(&["push", "-q", &name]).code == 0, may_push, "{user}");
        if !may_push {
            client.run(&["pull", "-q", &name]).succeeds();
        }
    }
    let nonsense = host();
    nonsense.file("config.toml", b"[serve]\nhtpaswd = \"x\"\n");
    assert!(nonsense.run(&["serve"]).stderr.contains("unknown field `htpaswd`"));
}

#[test]
fn certificates_encrypt() {
    let server = host();
    let authority = Authority::new(server.path());
    let (certificate, key) = authority.server();
    let (certificate, key) = (certificate.to_string_lossy(), key.to_string_lossy());
    let registry = Served::start(&server, &["--tls-certificate", &certificate, "--tls-key", &key]);
    let name = registry.name("app:1");
    let image = Image::new().with_file("a", "a");
    let trust = server.path().join("trust");
    std::fs::create_dir(&trust).expect("it is new");
    std::fs::copy(authority.certificate(), trust.join("ca.crt")).expect("both are ours");
    let source = server.file("source.tar", &archive(&[(&image, &["app:1"])]));
    let trust = trust.to_string_lossy();
    let (from, to) = (format!("docker-archive:{}", source.display()), format!("docker://{name}"));
    skopeo(&["copy", "-q", "--dest-cert-dir", &trust, &from, &to]);
    skopeo(&["inspect", "--cert-dir", &trust, &to]);
    // Whoever does not speak TLS is told, and not served; the server goes on.
    let say = |bytes: &[u8]| {
        let mut plain = std::net::TcpStream::connect(&registry.address).expect("it listens");
        std::io::Write::write_all(&mut plain, bytes).expect("it is sent");
        plain.shutdown(std::net::Shutdown::Write).expect("it is open");
        let mut answer = Vec::new();
        let _ended = std::io::Read::read_to_end(&mut plain, &mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    };
    for request in ["GET /v2/ HTTP/1.0\r\n\r\n".to_owned(), format!("PUT / HTTP/1.1\r\n\r\n{}", "x".repeat(300_000))] {
        let answer = say(request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"), "{answer}");
    }
    assert!(!say(b"nonsense\n").starts_with("HTTP/"));
    skopeo(&["inspect", "--cert-dir", &trust, &to]);
    let half = host().run(&["serve", "--tls-key", &key]);
    assert!(half.code == 1 && half.stderr.contains("give both --tls-certificate and --tls-key"), "{half:?}");
}

#[test]
fn a_registry_is_looked_after() {
    let host = host();
    host.file(
        "config.toml",
        b"[serve]\ngrace = \"0\"\n[[serve.retention]]\nrepositories = [\"**\"]\nkeep = [{ last = 1 }]\n",
    );
    let registry = Served::start(&host, &[]);
    let client = crate::host();
    for tag in ["app:1", "app:2"] {
        let name = registry.name(tag);
        let image = Image::new().with_file("tag", tag);
        client.run_with(&["load", "-q"], &archive(&[(&image, &[&name])])).succeeds();
        client.run(&["push", "-q", &name]).succeeds();
    }
    let checked = host.run(&["serve", "fsck"]).succeeds();
    assert!(checked.starts_with("1 repositories, 2 tags, 2 manifests, 4 blobs of "), "{checked}");
    // Beside a server only what changes nothing.
    let rehearsed = host.run(&["serve", "gc", "--dry-run"]).succeeds();
    assert!(rehearsed.starts_with("app:1 goes: nothing in the policy keeps it\napp:2 stays: "), "{rehearsed}");
    assert_eq!(host.run(&["serve", "gc"]).code, 1);
    registry.end();
    let collected = host.run(&["serve", "gc"]).succeeds();
    assert_eq!(collected.lines().count(), rehearsed.lines().count(), "{collected}");
    assert!(host.run(&["serve", "fsck"]).succeeds().starts_with("1 repositories, 1 tags, 1 manifests, 2 blobs of "));
    let data = std::fs::read_dir(host.store().join("registry/data")).expect("it is there");
    for entry in data {
        std::fs::write(entry.expect("it stays").path(), b"x").expect("it is ours");
    }
    assert_eq!(host.run(&["serve", "fsck"]).code, 1);
    assert_eq!(host.run(&["serve", "dance"]).code, 1);
}

#[test]
fn whoever_lets_everybody_push_is_told() {
    let host = host();
    Served::start_at(&host, "0.0.0.0:0", &[]).wait_for("WARNING: whoever reaches this address can push and delete");
    let (_, said) = Served::start(&host, &[]).end();
    assert!(!said.contains("WARNING"), "{said}");
}
