//! `serve` as a cache of other registries, and as a mirror that clients ask first.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::sync::mpsc;

use wharfie_oci::Digest;
use wharfie_testkit::{Image, Published, TestRegistry, archive};

use crate::served::{Served, ask};
use crate::{host, host_with};

#[test]
fn what_was_pulled_through_is_there_when_the_other_registry_is_not() {
    let (hub, server) = (TestRegistry::start(), host());
    let (amd, arm) = (Image::busybox(), Image::busybox().on("linux", "arm64"));
    let index = Published::index(&[("linux/amd64", &Published::of(&amd)), ("linux/arm64", &Published::of(&arm))]);
    let name = hub.publish("team/web:1", &index);
    let settings = format!("[[serve.upstreams]]\nregistry = \"{}\"\nprefix = \"hub\"\nfresh = \"0\"\n", hub.address());
    server.file("config.toml", settings.as_bytes());
    let cache = Served::start(&server, &[]);
    // By a name of the cache, and by the registry's own name with the cache as its mirror.
    let first = host();
    let pulled = first.run(&["pull", "-q", &cache.name("hub/team/web:1")]).succeeds();
    assert_eq!(pulled, format!("{}\n", cache.name("hub/team/web:1")));
    let served = hub.blobs_served();
    let second = host();
    let mirror = format!("[[mirrors]]\nregistry = \"{}\"\nurl = \"http://{}\"\n", hub.address(), cache.address);
    second.file("config.toml", mirror.as_bytes());
    second.run(&["pull", "-q", &name]).succeeds();
    assert_eq!(hub.blobs_served(), served);
    second.run(&["inspect", "-f", "{{.Id}}", &name]).prints(&format!("{}\n", amd.id()));
    // Its tags are the other registry's, as long as that is there.
    hub.publish("team/web:2", &index);
    first.run(&["tags", "--sort", "name", &cache.name("hub/team/web")]).prints("1\n2\n");
    drop(hub);
    first.run(&["tags", &cache.name("hub/team/web")]).prints("1\n");
    let third = host();
    third.run(&["pull", "-q", &cache.name("hub/team/web:1")]).succeeds();
    third.run(&["inspect", "-f", "{{.Id}}", &cache.name("hub/team/web:1")]).prints(&format!("{}\n", amd.id()));
    let failed = third.run(&["pull", "-q", "--platform", "linux/arm64", &cache.name("hub/team/web:1")]);
    assert!(failed.code == 1 && failed.stderr.contains("503 Service Unavailable"), "{}", failed.stderr);
    let (code, log) = cache.end();
    assert!(code == Some(0) && log.contains("is served as it was"), "{log}");
    server.run(&["serve", "fsck"]).succeeds();
}

#[test]
fn a_cache_refuses_pushes_and_two_caches_have_each_a_place() {
    let (image, hub) = (Image::busybox(), TestRegistry::start());
    let host = host_with(&[(&image, &["web:1"])]);
    let upstream = |registry: &str, prefix: &str| {
        format!("[[serve.upstreams]]\nregistry = \"{registry}\"\nprefix = \"{prefix}\"\n")
    };
    let server = crate::host();
    server.file("config.toml", upstream(hub.address(), "hub").as_bytes());
    let cache = Served::start(&server, &[]);
    let name = cache.name("hub/web:1");
    host.run(&["tag", "web:1", &name]).succeeds();
    let failed = host.run(&["push", "-q", &name]);
    let words = format!("the repository is a cache of {}: push there", hub.address());
    assert!(failed.code == 1 && failed.stderr.contains(&words), "{}", failed.stderr);
    // What was removed would be here again with the next pull: nobody is told that it is gone.
    hub.publish("web:1", &Published::of(&image));
    let words = format!("the repository is a cache of {}: remove it there", hub.address());
    let repository = cache.name("hub/web");
    for command in [&["rmi", "--remote", &name][..], &["tags", "--delete", "--force", "-f", "tag=1", &repository]] {
        let failed = host.run(command);
        assert!(failed.code == 1 && failed.stderr.contains(&words) && failed.stdout.is_empty(), "{failed:?}");
    }
    host.run(&["tags", &repository]).prints("1\n");
    // Beside it, it is a registry like any other.
    let own = cache.name("own/web:1");
    host.run_with(&["load", "-q"], &archive(&[(&image, &[&own])])).succeeds();
    host.run(&["push", "-q", &own]).succeeds();
    for (settings, words) in [
        (upstream("a.example", "hub") + &upstream("b.example", "hub/b"), "two upstreams share \"hub\""),
        (upstream("nohost", "x"), "\"nohost\" is not a registry"),
        (upstream("a.example", "X"), "\"X\" is no beginning of repositories' names"),
    ] {
        server.file("config.toml", settings.as_bytes());
        server.run(&["serve", "fsck"]).fails(1, words);
    }
}

#[test]
fn images_of_the_store_are_served_without_being_pushed() {
    let (built, pulled, registry) = (Image::busybox(), Image::new().with_file("a", "b"), TestRegistry::start());
    let name = registry.publish("team/web:1", &Published::of(&pulled));
    let host = host_with(&[(&built, &["built:1"])]);
    host.run(&["pull", "-q", &name]).succeeds();
    let server = Served::start(&host, &["--images"]);
    let other = crate::host();
    let built_name = server.name("images/built:1");
    other.run(&["pull", "-q", &built_name]).succeeds();
    other.run(&["inspect", "-f", "{{.Id}}", &built_name]).prints(&format!("{}\n", built.id()));
    // What was pulled goes out under the digest that it came with; a port is no part of a repository's name.
    let there = server.name(&format!("images/{}", name.replacen(':', "-", 1)));
    other.run(&["pull", "-q", &there]).succeeds();
    let digests = other.run(&["inspect", "-f", "{{.RepoDigests}}", &there]).succeeds();
    assert!(digests.contains(&Published::of(&pulled).digest()), "{digests}");
    other.run(&["tags", &server.name("images/built")]).prints("1\n");
    // Nothing is kept twice.
    let data = std::fs::read_dir(host.store().join("registry/data")).expect("it is there");
    let links = data.map(|entry| entry.expect("it stays").metadata().expect("it is a file").nlink());
    assert!(links.collect::<Vec<_>>().iter().all(|links| *links == 2));
    // What is no image of that name is not given away, and what was removed is gone.
    let layer = Published::of(&pulled);
    let secret = format!("/v2/images/built/blobs/{}", layer.layers[0].digest);
    let reply = ask(&server.address, "GET", &secret, &[], b"").expect("it answers");
    assert_eq!(reply.status, 404);
    let secret = format!("/v2/images/built/manifests/{}", layer.digest());
    let reply = ask(&server.address, "GET", &secret, &[], b"").expect("it answers");
    assert_eq!(reply.status, 404);
    let failed = other.run(&["rmi", "--remote", &built_name]);
    assert!(failed.code == 1 && failed.stderr.contains("a cache of this machine's image store"), "{failed:?}");
    host.run(&["rmi", "built:1"]).succeeds();
    assert_ne!(other.run(&["pull", "-q", &built_name]).code, 0);
}

/// A registry of one blob, of which it sends the second half when it is told to.
fn halting(bytes: Vec<u8>) -> (String, mpsc::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
    let address = listener.local_addr().expect("it has one").to_string();
    let (go_on, told) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.expect("somebody comes"));
            let (mut request, mut line) = (String::new(), String::from("\r"));
            while line.trim() != "" || line.len() == 1 {
                line.clear();
                stream.read_line(&mut line).expect("it is sent");
                request += &line;
            }
            let mut stream = stream.into_inner();
            let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", bytes.len());
            let is_blob = request.contains("/blobs/");
            let head = if is_blob { head } else { "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned() };
            stream.write_all(head.as_bytes()).expect("it is waited for");
            if is_blob && request.starts_with("GET") {
                let (now, later) = bytes.split_at(bytes.len() / 2);
                stream.write_all(now).expect("it is waited for");
                told.recv().expect("the test goes on");
                stream.write_all(later).expect("it is waited for");
            }
        }
    });
    (address, go_on)
}

#[test]
fn a_blob_that_is_fetched_is_with_its_client_before_it_is_here() {
    let bytes: Vec<u8> = (0..4_000_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    let (hub, go_on) = halting(bytes.clone());
    let server = host();
    server.file("config.toml", format!("[[serve.upstreams]]\nregistry = \"{hub}\"\nprefix = \"hub\"\n").as_bytes());
    let cache = Served::start(&server, &[]);
    let target = format!("/v2/hub/a/blobs/{}", Digest::of(&bytes));
    let mut stream = TcpStream::connect(&cache.address).expect("it listens");
    stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).expect("it listens");
    let mut got = vec![0; bytes.len() / 2];
    stream.read_exact(&mut got).expect("half of it has come, as far as the first client is concerned");
    // It leaves, and the next one gets all of what the other registry sends once.
    drop(stream);
    go_on.send(()).expect("it waits");
    assert!(ask(&cache.address, "GET", &target, &[], b"").expect("it answers").expect(200).body == bytes);
    let (code, log) = cache.end();
    assert!(code == Some(0) && !log.contains("error"), "{log}");
    server.run(&["serve", "fsck"]).succeeds();
}

#[test]
fn who_runs_a_cache_logs_in_and_need_not_tell_it() {
    let image = Image::busybox();
    let hub = TestRegistry::builder().with_auth("ada", "secret").start();
    let (own, name) = (host(), format!("{}/web:1", hub.address()));
    let log_in = |host: &wharfie_testkit::Host| {
        host.run(&["login", "-u", "ada", "-p", "secret", hub.address()]).succeeds();
    };
    log_in(&own);
    own.run_with(&["load", "-q"], &archive(&[(&image, &[&name])])).succeeds();
    own.run(&["push", "-q", &name]).succeeds();
    let (server, client) = (host(), host());
    let settings = format!("[[serve.upstreams]]\nregistry = \"{}\"\nprefix = \"hub\"\n", hub.address());
    server.file("config.toml", settings.as_bytes());
    let cache = Served::start(&server, &[]);
    let cached = cache.name("hub/web:1");
    // It is no fault of the cache's, and nothing that goes by itself.
    let denied = client.run(&["pull", &cached]);
    let text = format!("pull access denied for {}", cache.name("hub/web"));
    assert!(denied.code == 1 && denied.stderr.contains(&text), "{}", denied.stderr);
    let why = format!("denied: {} does not let this cache have it: ", hub.address());
    assert!(denied.stderr.contains(&why) && denied.stderr.contains("no basic auth credentials"), "{}", denied.stderr);
    log_in(&server);
    client.run(&["pull", "-q", &cached]).prints(&format!("{cached}\n"));
}
