//! `serve` is killed in the middle of what it does, and goes on.

use std::io::Write;
use std::net::TcpStream;

use wharfie_oci::Digest;

use crate::host;
use crate::served::{Served, ask};

/// Bytes that have nothing in common with others of another seed.
fn bytes(count: u32, seed: u32) -> Vec<u8> {
    let mix = |n: u32| n.wrapping_mul(2_654_435_761).wrapping_add(seed).to_le_bytes()[2];
    (0..count).map(mix).collect()
}

#[test]
fn an_upload_goes_on_after_a_kill() {
    let server = host();
    let mut registry = Served::start(&server, &[]);
    let address = registry.address.clone();
    let bytes = bytes(9_000_000, 1);
    let digest = Digest::of(&bytes);
    let begun = ask(&address, "POST", "/v2/team/app/blobs/uploads/", &[], b"").expect("it answers").expect(202);
    let location = begun.header("location").expect("it says where").to_owned();
    let mut at = 0;
    for _ in 0..3 {
        // Two megabytes of the nine are sent, the others never come.
        let mut stream = TcpStream::connect(&address).expect("it listens");
        let head = format!("PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", bytes.len() - at);
        stream.write_all(head.as_bytes()).expect("it takes a head");
        stream.write_all(&bytes[at..at + 2_000_000]).expect("it takes a body");
        // Something of it has arrived when something of it is on the disk.
        let data = server.store().join("registry/data");
        let size = || -> u64 {
            let entries = std::fs::read_dir(&data).expect("it is there");
            entries.map(|entry| entry.and_then(|entry| entry.metadata()).map_or(0, |found| found.len())).sum()
        };
        while size() <= at as u64 {
            std::thread::yield_now();
        }
        registry.kill();
        registry = Served::start_at(&server, &address, &[]);
        let status = ask(&address, "GET", &location, &[], b"").expect("it answers").expect(204);
        let last = status.header("range").and_then(|range| range.strip_prefix("0-")?.parse::<usize>().ok());
        let received = last.expect("something has arrived") + 1;
        assert!(received > at, "{received} of what was {at} before");
        at = received;
    }
    let range = format!("{at}-{}", bytes.len() - 1);
    let target = format!("{location}?digest={digest}");
    ask(&address, "PUT", &target, &[("Content-Range", &range)], &bytes[at..]).expect("it answers").expect(201);
    let target = format!("/v2/team/app/blobs/{digest}");
    assert!(ask(&address, "GET", &target, &[], b"").expect("it answers").expect(200).body == bytes);
    server.run(&["serve", "fsck"]).succeeds();
}
