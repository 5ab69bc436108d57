//! Uploads that break off and go on, with a client or a server that was away.

use wharfie_oci::Digest;

use crate::client::{Registry, leave};

#[test]
fn what_arrived_before_the_client_left_stays() {
    let registry = Registry::start();
    let location = registry.begin_upload("a");
    let mut stream = registry.connect();
    let head = format!("PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123");
    leave(&mut stream, head.as_bytes());
    // Whoever asks waits for the one before.
    let arrived = (0..1000).find_map(|_| {
        let reply = registry.get(&location).expect(204);
        std::thread::sleep(std::time::Duration::from_millis(5));
        (reply.header("range") == Some("0-3")).then_some(())
    });
    arrived.expect("four bytes arrive");
    registry.send("PATCH", &location, &[("Content-Range", "4-9")], b"456789").expect(202);
    let digest = Digest::of(b"0123456789");
    registry.send("PUT", &format!("{location}?digest={digest}"), &[], b"").expect(201);
}

#[test]
fn an_upload_outlives_the_server() {
    let mut registry = Registry::start();
    let location = registry.begin_upload("a");
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    registry.send("PATCH", &location, &[], &bytes[..2_000_000]).expect(202);
    registry.restart();
    assert_eq!(registry.get(&location).expect(204).header("range"), Some("0-1999999"));
    registry.send("PATCH", &location, &[("Content-Range", "2000000-2999999")], &bytes[2_000_000..]).expect(202);
    registry.restart();
    let digest = Digest::of(&bytes);
    registry.send("PUT", &format!("{location}?digest={digest}"), &[], b"").expect(201);
    assert!(registry.get(&format!("/v2/a/blobs/{digest}")).expect(200).body == bytes);
}

#[test]
fn everything_is_there_after_a_restart() {
    let mut registry = Registry::start();
    let digest = registry.push_image("a", "1", "content");
    registry.restart();
    let reply = registry.get("/v2/a/manifests/1").expect(200);
    assert_eq!(reply.header("docker-content-digest"), Some(digest.as_str()));
    assert_eq!(registry.get("/v2/_catalog").json()["repositories"], serde_json::json!(["a"]));
}

#[test]
fn what_a_disk_has_lost_is_pushed_again() {
    let registry = Registry::start();
    let digest = registry.push_blob("a", b"content");
    let data = std::fs::read_dir(registry.root().join("data")).unwrap().next().unwrap().unwrap().path();
    std::fs::File::options().write(true).open(&data).unwrap().set_len(3).unwrap();
    let path = |name: &str| format!("/v2/{name}/blobs/{digest}");
    registry.get(&path("a")).expect(503);
    // Clients send what they are told is not there.
    assert_eq!(registry.send("HEAD", &path("a"), &[], b"").status, 404);
    registry.send("POST", &format!("/v2/b/blobs/uploads/?mount={digest}&from=a"), &[], b"").expect(202);
    for name in ["b", "a"] {
        registry.push_blob(name, b"content");
        assert_eq!(registry.get(&path(name)).expect(200).body, b"content");
    }
}
