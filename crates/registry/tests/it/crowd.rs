//! Many clients at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use wharfie_oci::Digest;

use crate::client::Registry;

#[test]
fn the_same_blob_pushed_by_many_is_there_once() {
    let registry = Registry::start();
    let bytes: Vec<u8> = (0..2_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let digest = Digest::of(&bytes);
    thread::scope(|scope| {
        for n in 0..8 {
            let (registry, bytes) = (&registry, &bytes);
            scope.spawn(move || registry.push_blob(&format!("r{}", n % 2), bytes));
        }
    });
    for name in ["r0", "r1"] {
        assert!(registry.get(&format!("/v2/{name}/blobs/{digest}")).expect(200).body == bytes);
    }
}

#[test]
fn a_tag_that_many_push_is_one_of_theirs() {
    let registry = Registry::start();
    let images: Vec<_> = (0..4).map(|n| registry.image("a", &n.to_string())).collect();
    let digests: Vec<String> =
        images.iter().map(|image| Digest::of(image.to_string().as_bytes()).to_string()).collect();
    let running = AtomicUsize::new(images.len());
    thread::scope(|scope| {
        for image in &images {
            let (registry, running) = (&registry, &running);
            scope.spawn(move || {
                for _ in 0..10 {
                    registry.push_manifest("a", "1", image);
                }
                running.fetch_sub(1, Ordering::Relaxed);
            });
        }
        while running.load(Ordering::Relaxed) > 0 {
            let reply = registry.get("/v2/a/manifests/1");
            if reply.status == 200 {
                assert!(digests.contains(&reply.header("docker-content-digest").unwrap().to_owned()));
                assert_eq!(Digest::of(&reply.body).as_str(), reply.header("docker-content-digest").unwrap());
            } else {
                reply.refuses(404, "MANIFEST_UNKNOWN");
            }
        }
    });
}

#[test]
fn deleting_and_pushing_the_same_leaves_one_or_the_other() {
    let registry = Registry::start();
    let image = registry.image("a", "content");
    let digest = Digest::of(image.to_string().as_bytes());
    for _ in 0..20 {
        registry.push_manifest("a", "1", &image);
        thread::scope(|scope| {
            scope.spawn(|| registry.send("DELETE", &format!("/v2/a/manifests/{digest}"), &[], b"").status);
            scope.spawn(|| registry.push_manifest("a", "1", &image));
        });
        let (by_tag, by_digest) =
            (registry.get("/v2/a/manifests/1").status, registry.get(&format!("/v2/a/manifests/{digest}")).status);
        assert!(by_tag != 200 || by_digest == 200, "{by_tag} {by_digest}");
        assert!(matches!(by_tag, 200 | 404) && matches!(by_digest, 200 | 404), "{by_tag} {by_digest}");
    }
}

#[test]
fn two_who_append_at_once_do_so_one_after_the_other() {
    let registry = Registry::start();
    for _ in 0..10 {
        let location = registry.begin_upload("a");
        let statuses = thread::scope(|scope| {
            let send = |bytes: &'static [u8]| {
                let (registry, location) = (&registry, &location);
                move || registry.send("PATCH", location, &[("Content-Range", "0-3")], bytes).status
            };
            let (one, two) = (scope.spawn(send(b"0123")), scope.spawn(send(b"abcd")));
            let mut both = [one.join().unwrap(), two.join().unwrap()];
            both.sort_unstable();
            both
        });
        assert_eq!(statuses, [202, 416]);
        assert_eq!(registry.get(&location).expect(204).header("range"), Some("0-3"));
    }
}
