//! `serve` on a bucket, in several replicas that know nothing of each other.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;
use wharfie_oci::Digest;
use wharfie_testkit::{Buckets, Host, Image, archive};

use crate::host;
use crate::peer::{diff_ids, holds, rich};
use crate::served::{Reply, Served, ask};

/// Gives a host the settings of a bucket, and the keys to it.
pub(crate) fn settings(host: &Host, buckets: &Buckets, name: &str, more: &str) {
    let (access, secret) = buckets.keys();
    for (file, key) in [("access", access), ("secret", secret)] {
        let path = host.file(file, format!("{key}\n").as_bytes());
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).expect("it is ours");
    }
    let text = format!(
        "[serve]\n{more}\n[serve.bucket]\nname = \"{name}\"\nendpoint = \"{0}\"\nallow-http = true\n\
         prefix = \"images/\"\naccess-key-file = \"{1}/access\"\nsecret-key-file = \"{1}/secret\"\n",
        buckets.endpoint(),
        host.path().display()
    );
    host.file("config.toml", text.as_bytes());
}

#[test]
fn two_replicas_are_one_registry() {
    let Some(buckets) = Buckets::get() else { return };
    buckets.make_bucket("two-replicas");
    let rich = rich();
    let (one, two, client) = (host(), host(), host());
    settings(&one, buckets, "two-replicas", "");
    settings(&two, buckets, "two-replicas", "");
    let (one_served, two_served) = (Served::start(&one, &[]), Served::start(&two, &[]));
    let name = one_served.name("team/rich:1");
    client.run_with(&["load", "-q"], &archive(&[(&rich, &[&name])])).succeeds();
    client.run(&["push", "-q", &name]).succeeds();
    let (reader, there) = (host(), two_served.name("team/rich:1"));
    reader.run(&["pull", "-q", &there]).succeeds();
    holds(&reader, &there, &rich.id(), &diff_ids(&rich));
    // Nothing lies on this machine.
    assert!(!one.store().join("registry").exists());
    let checked = two.run(&["serve", "fsck"]).succeeds();
    assert!(checked.starts_with("1 repositories, 1 tags, 1 manifests, ") && checked.contains("everything is whole"));
    // Unlike a directory, a bucket may be collected while others serve it.
    one.run(&["serve", "gc"]).succeeds();
    assert_eq!(one_served.end().0, Some(0));
    assert_eq!(two_served.end().0, Some(0));
}

#[test]
fn what_is_wrong_with_a_bucket_is_told_before_it_serves() {
    let Some(buckets) = Buckets::get() else { return };
    buckets.make_bucket("wrong");
    let host = host();
    let refused = |config: &str, what: &str, help: &str| {
        host.file("config.toml", config.as_bytes());
        let outcome = host.run(&["serve", "--address", "127.0.0.1:0"]);
        assert!(outcome.code == 1 && outcome.stderr.contains(what), "{outcome:?}");
        assert!(outcome.stderr.contains("\n help: ") && outcome.stderr.contains(help), "{outcome:?}");
    };
    let (endpoint, place) = (buckets.endpoint(), host.path().display().to_string());
    let bucket = |more: &str| format!("[serve.bucket]\nname = \"wrong\"\nendpoint = \"{endpoint}\"\n{more}");
    refused(&bucket(""), "whoever is in between reads and changes images", "allow-http = true");
    refused(&bucket("allow-http = true"), "has no keys", "AWS_ACCESS_KEY_ID");
    let half = format!("allow-http = true\naccess-key-file = \"{place}/access\"\n");
    refused(&bucket(&half), "one half of a key", "secret-key-file");
    let whole = format!("{half}secret-key-file = \"{place}/secret\"\n");
    let (access, secret) = buckets.keys();
    for (file, key) in [("access", access), ("secret", secret)] {
        let path = host.file(file, format!("{key}\n").as_bytes());
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o644)).expect("it is ours");
    }
    refused(&bucket(&whole), "every user of this machine can read", "chmod o=");
    for file in ["access", "secret"] {
        std::fs::set_permissions(host.path().join(file), PermissionsExt::from_mode(0o640)).expect("it is ours");
    }
    let missing = bucket(&whole).replace("\"wrong\"", "\"missing\"");
    refused(&missing, "cannot use the bucket missing", "that it has the bucket");
    refused(&missing.replace("\"missing\"", "\"a/b\""), "no name of a bucket", "address is endpoint");
    refused(&bucket(&format!("prefix = \"../x\"\n{whole}")), "prefix of [serve.bucket]", "registry/");
    // Keys of the environment are as good.
    host.file("config.toml", bucket("allow-http = true").as_bytes());
    let host = host.with("AWS_ACCESS_KEY_ID", access).with("AWS_SECRET_ACCESS_KEY", secret);
    host.run(&["serve", "fsck"]).prints("0 repositories, 0 tags, 0 manifests, 0 blobs of 0B: everything is whole\n");
}

/// A client that asks one replica after the other until one acknowledges.
struct Client<'a> {
    replicas: &'a [String],
    turn: usize,
}

impl Client<'_> {
    /// Asks until the answer is one of `statuses`; what a replica that ends answers, or does not, is no answer.
    fn insist(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8], statuses: &[u16]) -> Reply {
        for _ in 0..2000 {
            self.turn += 1;
            let replica = &self.replicas[self.turn % self.replicas.len()];
            match ask(replica, method, target, headers, body) {
                Ok(reply) if statuses.contains(&reply.status) => return reply,
                Ok(reply) => {
                    assert!(matches!(reply.status, 408 | 429 | 500..), "{method} {target}: {reply:?}");
                    thread::sleep(Duration::from_millis(50));
                }
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
        panic!("nobody answers {method} {target}");
    }

    /// Pushes a blob, in two requests that may go to two replicas.
    fn push_blob(&mut self, repository: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        loop {
            let begun = self.insist("POST", &format!("/v2/{repository}/blobs/uploads/"), &[], b"", &[202]);
            let location = begun.header("location").expect("it says where").to_owned();
            let target = format!("{location}?digest={digest}");
            // A session that was finished by a replica which could not say so is gone, or has all bytes already.
            let ended = self.insist("PUT", &target, &[("Content-Range", &range(bytes))], bytes, &[201, 404, 416]);
            if ended.status == 201 {
                return digest;
            }
        }
    }

    /// Pushes an image of two blobs and gives its manifest's digest.
    fn push(&mut self, repository: &str, tag: &str, config: &[u8], layer: &[u8]) -> Digest {
        loop {
            let (config_digest, layer_digest) = (self.push_blob(repository, config), self.push_blob(repository, layer));
            let manifest = json!({
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config_digest, "size": config.len() },
                "layers": [{ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer_digest, "size": layer.len() }],
            });
            let manifest = manifest.to_string().into_bytes();
            let headers = [("Content-Type", "application/vnd.oci.image.manifest.v1+json")];
            let target = format!("/v2/{repository}/manifests/{tag}");
            // A blob that nobody needed for the grace time may go at the moment in which it is pushed again. Then the
            // manifest is refused, and whoever pushes begins again.
            if self.insist("PUT", &target, &headers, &manifest, &[201, 404]).status == 201 {
                return Digest::of(&manifest);
            }
        }
    }
}

fn range(bytes: &[u8]) -> String {
    format!("0-{}", bytes.len() - 1)
}

/// 3: replicas of one bucket.
const REPLICAS: usize = 3;
/// 3: clients at once.
const CLIENTS: usize = 3;

#[test]
fn nothing_acknowledged_is_lost_when_replicas_are_killed() {
    let Some(buckets) = Buckets::get() else { return };
    buckets.make_bucket("killed");
    let hosts: [Host; REPLICAS] = std::array::from_fn(|_| host());
    for host in &hosts {
        // Garbage goes within seconds, and all of them collect.
        settings(host, buckets, "killed", "grace = \"6s\"\ncollect-every = \"1s\"");
    }
    let mut served: Vec<Served> = hosts.iter().map(|host| Served::start(host, &[])).collect();
    let addresses: Vec<String> = served.iter().map(|served| served.address.clone()).collect();
    let (is_over, pushed) = (AtomicBool::new(false), AtomicUsize::new(0));
    let kept: Vec<BTreeMap<String, Option<Digest>>> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (addresses, is_over, pushed) = (&addresses, &is_over, &pushed);
                scope.spawn(move || {
                    let mut client = Client { replicas: addresses, turn: number };
                    let repository = format!("team{}/app{number}", number % 2);
                    let mut tags: BTreeMap<String, Option<Digest>> = BTreeMap::new();
                    for round in 0_usize.. {
                        if is_over.load(Ordering::Relaxed) {
                            break;
                        }
                        // The service is one process, and there is work for it besides ours.
                        thread::sleep(Duration::from_millis(400));
                        let tag = format!("t{}", round % 5);
                        let target = format!("/v2/{repository}/manifests/{tag}");
                        match (round % 7, tags.get(&tag).cloned().flatten()) {
                            // What is gone already was deleted by a replica that could not say so.
                            (3, Some(_)) => {
                                client.insist("DELETE", &target, &[], b"", &[202, 404]);
                                tags.insert(tag, None);
                            }
                            (5, Some(digest)) => {
                                let target = format!("/v2/{repository}/manifests/{digest}");
                                client.insist("DELETE", &target, &[], b"", &[202, 404]);
                                tags.values_mut()
                                    .filter(|known| **known == Some(digest.clone()))
                                    .for_each(|known| *known = None);
                            }
                            _ => {
                                // Clients and rounds have layers in common: what one deletes another one needs.
                                let layer = format!("layer {}", round % 6).repeat(1000);
                                let config = format!("{{\"config\":\"{number} {round}\"}}");
                                let digest = client.push(&repository, &tag, config.as_bytes(), layer.as_bytes());
                                tags.insert(tag, Some(digest));
                                pushed.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                    }
                    tags
                })
            })
            .collect();
        // Two of them are killed again and again. The third one goes on until it has removed what nobody can reach.
        let has_collected = |log: &str| {
            log.lines().any(|line| line.contains("collected: ") && !line.contains("collected: 0 manifests"))
        };
        for kill in 0_usize.. {
            thread::sleep(Duration::from_millis(900));
            let at = kill % (REPLICAS - 1);
            let log = served[at].kill();
            assert!(!log.contains("error"), "{log}");
            served[at] = Served::start_at(&hosts[at], &addresses[at], &[]);
            let log = served[REPLICAS - 1].log();
            assert!(kill < 300, "{} pushes, and nothing was collected: {log}", pushed.load(Ordering::Relaxed));
            if kill >= 9 && has_collected(&log) {
                break;
            }
        }
        let log = served[REPLICAS - 1].kill();
        assert!(!log.contains("error"), "{log}");
        served[REPLICAS - 1] = Served::start_at(&hosts[REPLICAS - 1], &addresses[REPLICAS - 1], &[]);
        is_over.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().expect("no client fails")).collect()
    });
    assert!(pushed.load(Ordering::Relaxed) > CLIENTS, "{pushed:?}");
    // Data is condemned by one collection and removed by another.
    hosts[0].run(&["serve", "gc"]).succeeds();
    thread::sleep(Duration::from_secs(7));
    let collected = hosts[1].run(&["serve", "gc"]).succeeds();
    // The servers collect as well, and may have been faster.
    let has_freed =
        |served: &Served| served.log().lines().any(|line| line.contains("collected: ") && !line.ends_with(" 0 bytes"));
    assert!(!collected.ends_with(" space: 0B\n") || served.iter().any(has_freed), "{collected}");
    for (number, tags) in kept.iter().enumerate() {
        let repository = format!("team{}/app{number}", number % 2);
        let mut client = Client { replicas: &addresses, turn: 0 };
        for (tag, digest) in tags {
            let target = format!("/v2/{repository}/manifests/{tag}");
            let Some(digest) = digest else {
                client.insist("GET", &target, &[], b"", &[404]);
                continue;
            };
            let manifest = client.insist("GET", &target, &[], b"", &[200]);
            assert_eq!(&Digest::of(&manifest.body), digest, "{target}");
            let document: serde_json::Value = serde_json::from_slice(&manifest.body).expect("it is JSON");
            for blob in [&document["config"], &document["layers"][0]] {
                let blob = blob["digest"].as_str().expect("it is a digest");
                let target = format!("/v2/{repository}/blobs/{blob}");
                let reply = client.insist("GET", &target, &[], b"", &[200]);
                assert_eq!(Digest::of(&reply.body).as_str(), blob, "{target}");
            }
        }
    }
    drop(served);
    let checked = hosts[0].run(&["serve", "fsck"]);
    assert!(checked.code == 0 && checked.stdout.contains("everything is whole"), "{checked:?}");
}

#[test]
fn an_upload_begun_with_one_replica_ends_with_another() {
    let Some(buckets) = Buckets::get() else { return };
    buckets.make_bucket("moved-uploads");
    let hosts = [host(), host()];
    for host in &hosts {
        settings(host, buckets, "moved-uploads", "");
    }
    let mut one = Served::start(&hosts[0], &[]);
    let two = Served::start(&hosts[1], &[]);
    let bytes: Vec<u8> = (0..20_000_000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[2]).collect();
    let digest = Digest::of(&bytes);
    let begun = ask(&one.address, "POST", "/v2/a/blobs/uploads/", &[], b"").expect("it answers").expect(202);
    let location = begun.header("location").expect("it says where").to_owned();
    ask(&one.address, "PATCH", &location, &[], &bytes[..11_000_000]).expect("it answers").expect(202);
    one.kill();
    let status = ask(&two.address, "GET", &location, &[], b"").expect("it answers").expect(204);
    assert_eq!(status.header("range"), Some("0-10999999"));
    let target = format!("{location}?digest={digest}");
    ask(&two.address, "PUT", &target, &[], &bytes[11_000_000..]).expect("it answers").expect(201);
    let blob = ask(&two.address, "GET", &format!("/v2/a/blobs/{digest}"), &[], b"").expect("it answers").expect(200);
    assert!(blob.body == bytes);
    // A pushed image of the store is there for a replica that starts later.
    let (client, image) = (host(), Image::new().with_file("a", "a"));
    let name = two.name("b:1");
    client.run_with(&["load", "-q"], &archive(&[(&image, &[&name])])).succeeds();
    client.run(&["push", "-q", &name]).succeeds();
    let one = Served::start(&hosts[0], &[]);
    host().run(&["pull", "-q", &one.name("b:1")]).succeeds();
}
