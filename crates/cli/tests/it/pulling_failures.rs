//! What `pull` says when it cannot, and that nothing is left of it.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use wharfie_oci::{Descriptor, Digest};
use wharfie_testkit::faulty_server::reply;
use wharfie_testkit::{FaultyServer, Heard, Host, Image, Outcome, Published, TestRegistry};

use crate::host;

const DAEMON: &str = "Error response from daemon: ";

/// A registry's refusal.
fn refusal(heard: &Heard, status: u16, code: &str, message: &str) -> Vec<u8> {
    let body = serde_json::json!({ "errors": [{ "code": code, "message": message, "detail": {} }] }).to_string();
    let length = body.len().to_string();
    let headers = [("Content-Type", "application/json"), ("Content-Length", &*length)];
    reply(status, &headers, if heard.method == "HEAD" { b"" } else { body.as_bytes() })
}

/// Pulls `web:1` from a server that answers everything alike.
fn refused(answer: impl Fn(&Heard) -> Vec<u8> + Send + Sync + 'static) -> (String, Host, Outcome) {
    let (server, host) = (FaultyServer::start(answer), host());
    let outcome = host.run(&["pull", &format!("{}/web:1", server.address())]);
    (server.address().to_owned(), host, outcome)
}

#[track_caller]
fn leaves_nothing(host: &Host) {
    host.run(&["images", "-aq"]).prints("");
    host.run(&["system", "fsck"]).prints("Checked 0 blobs, 0 layers and 0 images: no faults\n");
}

#[test]
fn unknown_names_and_tags() {
    let (registry, host) = (TestRegistry::start(), host());
    let reference = registry.publish("team/web:1", &Published::of(&Image::new().with_file("a", "1")));
    let (address, name) = (registry.address(), reference.trim_end_matches(":1"));
    host.run(&["pull", &format!("{name}:2")])
        .fails(1, &format!("{DAEMON}manifest for {name}:2 not found: manifest unknown: manifest unknown"));
    let outcome = host.run(&["pull", &format!("{address}/nope")]);
    assert_eq!(
        (outcome.code, outcome.stdout.as_str(), outcome.stderr),
        (
            1,
            "Using default tag: latest\n",
            format!("{DAEMON}manifest for {address}/nope:latest not found: manifest unknown: manifest unknown\n")
        )
    );
    let digest = format!("{name}@sha256:{}", "a".repeat(64));
    host.run(&["pull", &digest])
        .fails(1, &format!("{DAEMON}manifest for {digest} not found: manifest unknown: manifest unknown"));
    host.run(&["pull", "-a", &format!("{address}/nope")]).fails(
        1,
        &format!("{DAEMON}repository {address}/nope not found: name unknown: repository name not known to registry"),
    );
    leaves_nothing(&host);
}

#[test]
fn of_several_refusals_the_first_is_told() {
    let (_, host, outcome) = refused(|heard| {
        let body =
            r#"{"errors":[{"code":"NAME_INVALID","message":"odd name"},{"code":"TAG_INVALID","message":"odd"}]}"#;
        let length = body.len().to_string();
        reply(400, &[("Content-Length", &*length)], if heard.method == "HEAD" { b"" } else { body.as_bytes() })
    });
    assert_eq!(outcome.stderr, format!("{DAEMON}name invalid: odd name\n"));
    leaves_nothing(&host);
}

#[test]
fn names_that_cannot_be_pulled() {
    let host = host();
    host.run(&["pull", "-q", "scratch"]).fails(1, &format!("{DAEMON}'scratch' is a reserved name"));
    host.run(&["pull", "UP"]).fails(1, "invalid reference format: repository name (library/UP) must be lowercase");
    host.run(&["pull", "a..b"]).fails(1, "invalid reference format");
    host.run(&["pull"]).fails(
        1,
        "wharfie: 'wharfie pull' requires 1 argument\n\nUsage:  wharfie pull [OPTIONS] NAME[:TAG|@DIGEST]\n\nRun \
         'wharfie pull --help' for more information",
    );
}

#[test]
fn what_registries_say_is_told_in_dockers_words() {
    let (address, host, outcome) = refused(|heard| refusal(heard, 403, "DENIED", "requested access is denied"));
    outcome.fails(
        1,
        &format!(
            "{DAEMON}pull access denied for {address}/web, repository does not exist or may require 'docker login': \
             denied: requested access is denied"
        ),
    );
    leaves_nothing(&host);
    for status in [401, 403, 405] {
        let expired = "Your authorization token has expired. Reauthenticate and try again.";
        let (_, _, outcome) = refused(move |heard| refusal(heard, status, "DENIED", expired));
        assert!(outcome.stderr.ends_with(&format!("denied: {expired}\n")), "{status}: {}", outcome.stderr);
    }
    let (_, _, outcome) = refused(|heard| refusal(heard, 429, "TOOMANYREQUESTS", "slow down"));
    outcome.fails(1, &format!("{DAEMON}toomanyrequests: slow down"));
    let (_, _, outcome) = refused(|_| reply(500, &[], b""));
    outcome.fails(1, &format!("{DAEMON}received unexpected HTTP status: 500 Internal Server Error"));
    let (_, _, outcome) = refused(|heard| refusal(heard, 405, "UNSUPPORTED", "not on a Sunday"));
    outcome.fails(1, &format!("{DAEMON}unsupported: not on a Sunday"));
    let (_, _, outcome) = refused(|heard| {
        let body = if heard.method == "HEAD" { &b""[..] } else { b"<html></html>" };
        reply(404, &[("Content-Length", "13")], body)
    });
    outcome.fails(
        1,
        &format!(
            "{DAEMON}error parsing HTTP 404 response body: invalid character '<' looking for beginning of value: \
             \"<html></html>\""
        ),
    );
}

#[test]
fn what_registries_say_moves_no_cursor() {
    let (_, _, outcome) = refused(|heard| refusal(heard, 403, "UNSUPPORTED", "\u{1b}[2J\u{7}boo\u{202e}"));
    outcome.fails(1, &format!("{DAEMON}unsupported: \u{fffd}[2J\u{fffd}boo\u{fffd}"));
}

#[test]
fn nobody_there() {
    let address = FaultyServer::start(|_| Vec::new()).address().to_owned();
    let outcome = host().run(&["pull", &format!("{address}/web:1")]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (1, ""));
    let text = format!("dial tcp {address}: connect: connection refused");
    assert!(outcome.stderr.contains(&text), "{}", outcome.stderr);
    assert!(outcome.stderr.starts_with(&format!("{DAEMON}Get \"http")), "{}", outcome.stderr);
    let outcome = host().run(&["pull", "registry.invalid/web:1"]);
    assert!(outcome.stderr.contains("no such host"), "{}", outcome.stderr);
}

#[test]
fn credentials_that_are_missing_or_wrong() {
    let registry = TestRegistry::builder().with_auth("alice", "secret").start();
    let (address, host) = (registry.address().to_owned(), host());
    host.run(&["pull", &format!("{address}/web:1")])
        .fails(1, &format!("{DAEMON}Head \"http://{address}/v2/web/manifests/1\": no basic auth credentials"));
    let auths = format!("{{\"auths\":{{\"{address}\":{{\"auth\":\"YWxpY2U6d3Jvbmc=\"}}}}}}");
    host.file("home/.docker/config.json", auths.as_bytes());
    host.run(&["pull", &format!("{address}/web:1")])
        .fails(1, &format!("{DAEMON}unauthorized: authentication required"));
}

#[test]
fn a_token_server_that_refuses_is_quoted() {
    let server = FaultyServer::start(|heard| {
        let host = heard.header("host").unwrap_or_default();
        let realm = format!("Bearer realm=\"http://{host}/token\",service=\"test\"");
        if heard.target.starts_with("/token") {
            return reply(401, &[], br#"{"details":"incorrect username or password"}"#);
        }
        reply(401, &[("WWW-Authenticate", &realm)], b"")
    });
    let (address, host) = (server.address(), host());
    let outcome = host.run(&["pull", &format!("{address}/web:1")]);
    assert_eq!(
        (outcome.code, outcome.stderr),
        (1, format!("{DAEMON}Get \"http://{address}/v2/\": unauthorized: incorrect username or password\n"))
    );
}

#[test]
fn a_token_that_is_not_enough_means_no_access() {
    let server = FaultyServer::start(|heard| {
        let host = heard.header("host").unwrap_or_default();
        if heard.target.starts_with("/token") {
            return reply(200, &[], br#"{"token":"abc"}"#);
        }
        let realm = format!("Bearer realm=\"http://{host}/token\",service=\"test\"");
        let body = br#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":[]}]}"#;
        let length = body.len().to_string();
        let headers = [("WWW-Authenticate", &*realm), ("Content-Length", &length)];
        reply(401, &headers, if heard.method == "HEAD" { b"" } else { body })
    });
    let name = format!("{}/web", server.address());
    host().run(&["pull", &format!("{name}:1")]).fails(
        1,
        &format!(
            "{DAEMON}pull access denied for {name}, repository does not exist or may require 'docker login': denied: \
             requested access to the resource is denied"
        ),
    );
}

/// A registry with one image, some of whose answers `tamper` replaces.
fn tampered(
    image: &Published,
    tamper: impl Fn(&Heard, &Published) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> FaultyServer {
    let image = image.clone();
    FaultyServer::start(move |heard| tamper(heard, &image).unwrap_or_else(|| image.answer_any(heard)))
}

fn layer(heard: &Heard, image: &Published) -> Option<usize> {
    image.layers.iter().position(|layer| heard.target.contains(layer.digest.as_str()))
}

#[test]
fn wrong_bytes_leave_no_image() {
    let image = Published::of(&Image::new().with_file("a", "1").with_file("b", "2"));
    let other = Published::of(&Image::new().with_file("c", "3"));
    let swapped = other.blobs[0].1.clone();
    let server = tampered(&image, move |heard, image| (layer(heard, image)? == 1).then(|| reply(200, &[], &swapped)));
    let host = host();
    let outcome = host.run(&["pull", &format!("{}/web:1", server.address())]);
    assert_eq!(
        (outcome.code, outcome.stderr),
        (1, format!("filesystem layer verification failed for digest {}\n", image.layers[1].digest))
    );
    host.run(&["images", "-aq"]).prints("");
    // What was proven before is no loss; the rest comes when the registry has mended its ways.
    let honest = image.served();
    let pulled = host.run(&["pull", &format!("{}/web:1", honest.address())]).succeeds();
    assert!(pulled.contains("Status: Downloaded newer image"), "{pulled}");
    host.run(&["system", "fsck"]).succeeds();
}

#[test]
fn a_manifest_that_is_not_what_was_asked_for() {
    let image = Published::of(&Image::new().with_file("a", "1"));
    let other = Published::of(&Image::new().with_file("b", "2"));
    let (digest, bytes) = (image.digest(), other.bytes);
    let server = tampered(&image, move |heard, image| {
        let is_body = heard.method == "GET" && heard.target.contains("/manifests/");
        let media_type = image.descriptor.media_type.as_str();
        is_body.then(|| reply(200, &[("Content-Type", media_type)], &bytes))
    });
    let host = host();
    host.file("config.toml", b"");
    let outcome = host.run(&["pull", &format!("{}/web@{digest}", server.address())]);
    assert_eq!(outcome.code, 1);
    let expected = format!("manifest verification failed for digest {digest}");
    assert!(outcome.stderr.contains(&expected), "{}", outcome.stderr);
    leaves_nothing(&host);
}

#[test]
fn wrong_sizes_leave_no_image() {
    let web = Image::new().with_file("a", "1");
    let honest = Published::of(&web);
    for delta in [-1_i64, 1, 1 << 40] {
        let (descriptor, bytes) = honest.blobs[0].clone();
        let size = descriptor.size.saturating_add_signed(delta);
        let lying = Published::with_layers(&web, vec![(Descriptor { size, ..descriptor }, bytes)]);
        let (server, host) = (lying.served(), host());
        let outcome = host.run(&["pull", &format!("{}/web:1", server.address())]);
        assert_eq!(outcome.code, 1, "{delta}: {}", outcome.stdout);
        assert!(outcome.stderr.contains("verification failed") || outcome.stderr.contains("EOF"), "{}", outcome.stderr);
        leaves_nothing(&host);
    }
}

#[test]
fn a_configuration_that_contradicts_the_manifest() {
    let (one, two) = (Image::new().with_file("a", "1"), Image::new().with_file("a", "1").with_file("b", "2"));
    let image = Published::with_layers(&two, vec![Published::of(&one).blobs.swap_remove(0)]);
    let (server, host) = (image.served(), host());
    let outcome = host.run(&["pull", &format!("{}/web:1", server.address())]);
    assert_eq!((outcome.code, outcome.stderr.contains("1 layers")), (1, true), "{}", outcome.stderr);
    // The right number of layers, but not the ones the configuration is about.
    let swapped = Image::new().with_file("z", "1");
    let image = Published::with_layers(&swapped, vec![Published::of(&one).blobs.swap_remove(0)]);
    let server = image.served();
    let outcome = host.run(&["pull", &format!("{}/web:1", server.address())]);
    assert_eq!(outcome.code, 1);
    assert!(outcome.stderr.contains("diffID") || outcome.stderr.contains("verification"), "{}", outcome.stderr);
    host.run(&["images", "-aq"]).prints("");
}

#[test]
fn schema_1_is_refused() {
    let body = br#"{"schemaVersion":1,"name":"web","tag":"1","fsLayers":[],"history":[]}"#;
    let digest = Digest::of(body).to_string();
    let (_, host, outcome) = refused(move |heard| {
        let length = body.len().to_string();
        let media_type = "application/vnd.docker.distribution.manifest.v1+prettyjws";
        let headers = [("Content-Type", media_type), ("Docker-Content-Digest", &*digest), ("Content-Length", &*length)];
        reply(200, &headers, if heard.method == "HEAD" { b"" } else { body })
    });
    assert_eq!(outcome.code, 1);
    assert!(outcome.stderr.contains("schema 1 manifests are not supported"), "{}", outcome.stderr);
    leaves_nothing(&host);
}

#[test]
fn what_is_no_image_is_refused() {
    let image = Published::of(&Image::new().with_file("a", "1"));
    let text = String::from_utf8(image.bytes).unwrap();
    let bytes = text.replace("application/vnd.oci.image.config.v1+json", "application/vnd.cncf.helm.config.v1+json");
    let (_, host, outcome) = refused(move |heard| {
        let (length, digest) = (bytes.len().to_string(), Digest::of(bytes.as_bytes()).to_string());
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let headers = [("Content-Type", media_type), ("Docker-Content-Digest", &*digest), ("Content-Length", &*length)];
        reply(200, &headers, if heard.method == "HEAD" { b"" } else { bytes.as_bytes() })
    });
    assert_eq!(outcome.code, 1);
    assert!(outcome.stderr.contains("application/vnd.cncf.helm.config.v1+json"), "{}", outcome.stderr);
    leaves_nothing(&host);
}

#[test]
fn an_interrupted_download_goes_on_where_it_stopped() {
    let big = "0123456789abcdef".repeat(20_000);
    let web = Image::new().with_file("big", &big);
    let image = Published::packed(&web, wharfie_testkit::Packing::Plain);
    let size = image.layers[0].size as usize;
    let server = tampered(&image, move |heard, image| {
        layer(heard, image)?;
        let bytes = &image.blobs[0].1;
        let length = size.to_string();
        match heard.header("range") {
            None => Some(reply(200, &[("Content-Length", &length)], &bytes[..size / 2])),
            Some(range) => {
                let from: usize = range.strip_prefix("bytes=")?.trim_end_matches('-').parse().ok()?;
                let told = format!("bytes {from}-{}/{size}", size - 1);
                Some(reply(206, &[("Content-Range", &told)], &bytes[from..]))
            }
        }
    });
    let host = host();
    let outcome = host.run(&["pull", &format!("{}/web:1", server.address())]);
    let printed = outcome.succeeds();
    let short = image.short(0);
    for seconds in ["5 seconds", "4 seconds", "3 seconds", "2 seconds", "1 second"] {
        assert!(printed.contains(&format!("{short}: Retrying in {seconds}\n")), "{printed}");
    }
    let ranges: Vec<Option<String>> = server
        .heard()
        .iter()
        .filter(|heard| layer(heard, &image).is_some())
        .map(|heard| heard.header("range").map(str::to_owned))
        .collect();
    assert_eq!(ranges, [None, Some(format!("bytes={}-", size / 2))]);
    host.run(&["inspect", "-f", "{{.Id}}", &format!("{}/web:1", server.address())]).prints(&format!("{}\n", web.id()));
}

#[test]
fn failing_layers_are_tried_again_and_then_reported() {
    let image = Published::of(&Image::new().with_file("a", "1"));
    let server = tampered(&image, |heard, image| layer(heard, image).map(|_| reply(500, &[], b"")));
    let host = host();
    let outcome = host.run(&["pull", &format!("{}/web:1", server.address())]);
    let short = image.short(0);
    let mut expected = format!("1: Pulling from web\n{short}: Pulling fs layer\n");
    for wait in [5, 10, 15, 20] {
        for seconds in (1..=wait).rev() {
            expected += &format!("{short}: Retrying in {seconds} second{}\n", if seconds == 1 { "" } else { "s" });
        }
    }
    assert_eq!((outcome.code, outcome.stdout), (1, expected));
    assert_eq!(outcome.stderr, "received unexpected HTTP status: 500 Internal Server Error\n");
    leaves_nothing(&host);
}

#[test]
fn a_pull_that_is_interrupted_ends_with_the_signals_code_and_leaves_nothing() {
    // Layers are refused, so that the pull waits to try again.
    let image = Published::of(&Image::new().with_file("a", "1"));
    let server = tampered(&image, |heard, image| {
        layer(heard, image)?;
        Some(refusal(heard, 503, "UNAVAILABLE", "not now"))
    });
    let host = host();
    let mut command = host.command(&["pull", "--progress", "plain", &format!("{}/web:1", server.address())]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stdout.take().unwrap()).lines();
    told.find(|line| line.as_ref().is_ok_and(|line| line.contains("Retrying in"))).expect("it waits").unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap()), (Some(130), String::new()));
    leaves_nothing(&host);
}

#[test]
fn a_registrys_own_words_are_told_when_it_fails() {
    let check = |kind: &'static str, body: &'static str, said: Option<&str>| {
        let server = FaultyServer::start(move |_| reply(503, &[("Content-Type", kind)], body.as_bytes()));
        let failed = host().run(&["pull", &format!("{}/web:1", server.address())]);
        let text = format!("{DAEMON}received unexpected HTTP status: 503 Service Unavailable\n");
        let help = said.map(|said| format!(" help: the registry says: {said}\n")).unwrap_or_default();
        assert_eq!((failed.code, failed.stderr), (1, text + &help), "{body}");
    };
    let document = "{\"errors\":[{\"code\":\"UNAVAILABLE\",\"message\":\"the disk is full\"}]}";
    check("application/json", document, Some("the disk is full"));
    check("text/plain", "down for repairs\nuntil noon", Some("down for repairs"));
    check("text/html", "<html>oh no</html>", None);
    check("application/json", "{}", None);
}
