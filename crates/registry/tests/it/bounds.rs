//! Quotas and rates.

use std::time::Duration;

use wharfie_oci::Digest;
use wharfie_oci::pattern::Pattern;
use wharfie_registry::{Limits, Quota, Rate};

use crate::client::{Registry, Setup};

fn with_quota(repositories: &str, bytes: u64) -> Registry {
    let quotas = vec![Quota { repositories: vec![Pattern::new(repositories)], bytes }];
    Registry::set_up(Setup { quotas, ..Setup::default() })
}

#[test]
fn a_namespace_keeps_no_more_than_its_quota() {
    let registry = with_quota("team/**", 100);
    registry.push_blob("team/a", &[b'a'; 60]);
    let post = |name: &str, bytes: &[u8]| {
        registry.send("POST", &format!("/v2/{name}/blobs/uploads/?digest={}", Digest::of(bytes)), &[], bytes)
    };
    post("team/b", &[b'b'; 41]).refuses(403, "DENIED");
    post("team/b", &[b'b'; 40]).expect(201);
    post("team/b", b"x").refuses(403, "DENIED");
    // Others have room, and what is there already takes none.
    post("other", &[b'b'; 1000]).expect(201);
    let (digest, target) = (Digest::of(&[b'a'; 60]), "/v2/team/b/blobs/uploads/");
    registry.send("POST", &format!("{target}?mount={digest}&from=team/a"), &[], b"").refuses(403, "DENIED");
    let again = format!("/v2/team/a/blobs/uploads/?mount={digest}&from=team/a");
    registry.send("POST", &again, &[], b"").expect(201);
    // What goes makes room.
    registry.send("DELETE", &format!("/v2/team/a/blobs/{digest}"), &[], b"").expect(202);
    registry.send("POST", &format!("{target}?mount={digest}"), &[], b"").expect(201);
    assert_eq!(registry.check().problems, []);
}

#[test]
fn an_upload_of_unknown_length_ends_where_the_quota_does() {
    let registry = with_quota("**", 100);
    let location = registry.begin_upload("a");
    let chunks = format!("28\r\n{0}\r\n28\r\n{0}\r\n28\r\n{0}\r\n0\r\n\r\n", "x".repeat(40));
    let reply = registry.send("PATCH", &location, &[("Transfer-Encoding", "chunked")], chunks.as_bytes());
    reply.refuses(403, "DENIED");
    // A chunk that lies about its place in a session gets no further either.
    let other = registry.begin_upload("a");
    registry.send("PATCH", &other, &[], &[b'x'; 100]).expect(202);
    registry.send("PATCH", &other, &[], b"x").refuses(403, "DENIED");
    registry.send("PUT", &format!("{other}?digest={}", Digest::of(&[b'x'; 100])), &[], b"").expect(201);
    registry.push_blob("b", b"");
}

#[test]
fn a_quota_knows_what_was_there_before_it() {
    let mut registry = Registry::start();
    registry.push_blob("a", &[b'a'; 90]);
    registry.reconfigure(|setup| setup.quotas.push(Quota { repositories: vec![Pattern::new("*")], bytes: 100 }));
    let bytes = [b'b'; 20];
    let target = format!("/v2/b/blobs/uploads/?digest={}", Digest::of(&bytes));
    registry.send("POST", &target, &[], &bytes).refuses(403, "DENIED");
    registry.reconfigure(|setup| setup.quotas[0].bytes = 110);
    registry.send("POST", &target, &[], &bytes).expect(201);
}

#[test]
fn who_asks_too_often_is_told_when_to_come_again() {
    let rate = Rate { requests: 3, per: Duration::from_secs(3600) };
    let mut registry = Registry::with(Limits { rate: Some(rate), ..Limits::default() });
    for _ in 0..3 {
        registry.get("/v2/").expect(200);
    }
    let reply = registry.get("/v2/").refuses(429, "TOOMANYREQUESTS");
    assert!(reply.header("retry-after").is_some_and(|seconds| (1..=1201).contains(&seconds.parse::<u64>().unwrap())));
    // Nothing else is done for whoever is too fast, and whoever looks after the server may look.
    registry.send("POST", "/v2/a/blobs/uploads/", &[], b"").refuses(429, "TOOMANYREQUESTS");
    registry.get("/healthz").expect(200);
    registry.get("/readyz").expect(200);
    registry.reconfigure(|setup| setup.limits.rate = None);
    registry.get("/v2/").expect(200);
}
