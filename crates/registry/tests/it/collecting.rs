//! Collection, retention, and the proof of a storage.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use wharfie_oci::Digest;
use wharfie_oci::pattern::Pattern;
use wharfie_oci::retention::{Keep, Occasion, Policy};
use wharfie_registry::config::Keeping;
use wharfie_registry::gc::Mode;

use crate::client::{OCI_INDEX, OCI_MANIFEST, Registry, Setup};

/// Everything is old at once.
fn impatient() -> Registry {
    let keeping = Keeping { grace: Duration::ZERO, every: None, ..Keeping::default() };
    Registry::set_up(Setup { keeping, ..Setup::default() })
}

fn count(registry: &Registry, area: &str) -> usize {
    std::fs::read_dir(registry.root().join(area)).map_or(0, Iterator::count)
}

#[test]
fn what_a_tag_leads_to_stays_and_what_it_left_goes() {
    let mut registry = impatient();
    let old = registry.push_image("a", "1", "old");
    let new = registry.push_image("a", "1", "new");
    registry.push_blob("a", b"of nobody");
    let rehearsed = registry.collect(Mode::Rehearse);
    registry.get(&format!("/v2/a/manifests/{old}")).expect(200);
    let collected = registry.collect(Mode::Collect);
    assert_eq!(collected.manifests, rehearsed.manifests);
    assert_eq!(collected.manifests, [("a".to_owned(), old.clone())]);
    assert_eq!((collected.links.len(), collected.blobs.len(), rehearsed.links.len()), (3, 3, 3));
    assert!(collected.bytes > 0);
    registry.get(&format!("/v2/a/manifests/{old}")).refuses(404, "MANIFEST_UNKNOWN");
    registry.get(&format!("/v2/a/manifests/{new}")).expect(200);
    assert_eq!((count(&registry, "data"), count(&registry, "blobs")), (2, 2));
    assert_eq!(registry.check().problems, []);
    // Nothing more to do.
    let again = registry.collect(Mode::Collect);
    assert_eq!((again.manifests.len(), again.links.len(), again.bytes), (0, 0, 0));
}

#[test]
fn children_referrers_and_what_was_pushed_by_digest_are_reached() {
    let mut registry = impatient();
    let child = registry.image("a", "child");
    let child_digest = Digest::of(child.to_string().as_bytes());
    registry.push_manifest("a", child_digest.as_str(), &child);
    let index = json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX,
        "manifests": [{ "mediaType": OCI_MANIFEST, "digest": child_digest, "size": 1 }],
    });
    registry.push_manifest("a", "1", &index);
    let index_digest = Digest::of(index.to_string().as_bytes());
    let mut signature = registry.image("a", "signature");
    signature["subject"] = json!({ "mediaType": OCI_INDEX, "digest": index_digest, "size": 1 });
    let signature_digest = Digest::of(signature.to_string().as_bytes());
    registry.push_manifest("a", signature_digest.as_str(), &signature);
    let alone = registry.image("a", "alone");
    let alone_digest = Digest::of(alone.to_string().as_bytes());
    registry.push_manifest("a", alone_digest.as_str(), &alone);

    assert_eq!(registry.collect(Mode::Collect).manifests, []);
    assert_eq!(registry.check().problems, []);
    // Without its tag the index goes, and takes along what came with it and what is about it.
    registry.send("DELETE", "/v2/a/manifests/1", &[], b"").expect(202);
    let mut gone: Vec<Digest> =
        registry.collect(Mode::Collect).manifests.into_iter().map(|(_, digest)| digest).collect();
    let mut expected = vec![child_digest, index_digest.clone(), signature_digest];
    gone.sort();
    expected.sort();
    assert_eq!(gone, expected);
    assert_eq!(registry.get(&format!("/v2/a/referrers/{index_digest}")).json()["manifests"], json!([]));
    registry.get(&format!("/v2/a/manifests/{alone_digest}")).expect(200);
    assert_eq!(registry.check().problems, []);
    registry.send("DELETE", &format!("/v2/a/manifests/{alone_digest}"), &[], b"").expect(202);
    registry.collect(Mode::Collect);
    // Nothing is left, not even the name.
    assert_eq!(registry.get("/v2/_catalog").json()["repositories"], json!([]));
    for area in ["data", "blobs", "links", "manifests", "tags", "tagged", "children", "referrers"] {
        assert_eq!(count(&registry, area), 0, "{area}");
    }
}

#[test]
fn what_is_young_stays() {
    let mut registry = Registry::start();
    registry.push_image("a", "1", "old");
    registry.push_image("a", "1", "new");
    registry.push_blob("a", b"of nobody");
    let location = registry.begin_upload("a");
    let collected = registry.collect(Mode::Collect);
    assert_eq!((collected.manifests.len(), collected.links.len(), collected.bytes, collected.uploads), (0, 0, 0, 0));
    registry.get(&location).expect(204);
}

#[test]
fn a_blob_that_a_client_was_told_of_is_young_again() {
    let mut registry = Registry::start();
    let digest = registry.push_blob("a", b"content");
    let link = registry.root().join("links/a").join(digest.as_str());
    let long_ago = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let age = |path: &std::path::Path| std::fs::File::open(path).unwrap().set_modified(long_ago).unwrap();
    age(&link);
    registry.send("HEAD", &format!("/v2/a/blobs/{digest}"), &[], b"").expect(200);
    assert_eq!(registry.collect(Mode::Collect).links, []);
    age(&link);
    assert_eq!(registry.collect(Mode::Collect).links.len(), 1);
    registry.get(&format!("/v2/a/blobs/{digest}")).refuses(404, "BLOB_UNKNOWN");
}

#[test]
fn policies_say_which_tags_stay() {
    let keep = |pattern: &str, last| Keep { tags: vec![Pattern::new(pattern)], last, ..Keep::default() };
    let policy =
        Policy { repositories: vec![Pattern::new("a")], keep: vec![keep("v*", Some(1)), keep("latest", None)] };
    let keeping = Keeping { grace: Duration::ZERO, every: None, policies: vec![policy], ..Keeping::default() };
    let mut registry = Registry::set_up(Setup { keeping, ..Setup::default() });
    for tag in ["v1", "v2", "latest", "dev"] {
        registry.push_image("a", tag, tag);
        registry.push_image("b", tag, tag);
    }
    let told: Vec<String> = registry
        .collect(Mode::Rehearse)
        .verdicts
        .iter()
        .map(|judged| format!("{}:{} {}", judged.repository, judged.tag, judged.verdict))
        .collect();
    assert_eq!(
        told,
        [
            "a:dev goes: nothing in the policy keeps it",
            "a:latest stays: the policy keeps tags of this name",
            "a:v1 goes: nothing in the policy keeps it",
            "a:v2 stays: number 1 of the last 1",
        ]
    );
    assert_eq!(registry.get("/v2/a/tags/list").json()["tags"], json!(["dev", "latest", "v1", "v2"]));
    let collected = registry.collect(Mode::Collect);
    assert_eq!(collected.manifests.len(), 2);
    assert_eq!(registry.get("/v2/a/tags/list").json()["tags"], json!(["latest", "v2"]));
    assert_eq!(registry.get("/v2/b/tags/list").json()["tags"].as_array().unwrap().len(), 4);
    assert_eq!(registry.check().problems, []);
}

#[test]
fn pulls_count_by_tag() {
    let keep = Keep { within: vec![(Occasion::Pulled, 1_000_000)], ..Keep::default() };
    let policy = Policy { repositories: vec![Pattern::new("**")], keep: vec![keep] };
    let keeping = Keeping { grace: Duration::ZERO, every: None, policies: vec![policy], ..Keeping::default() };
    let mut registry = Registry::set_up(Setup { keeping, ..Setup::default() });
    registry.push_image("a", "pulled", "one");
    let by_digest = registry.push_image("a", "by-digest", "two");
    registry.push_image("a", "not", "three");
    registry.get("/v2/a/manifests/pulled").expect(200);
    registry.get(&format!("/v2/a/manifests/{by_digest}")).expect(200);
    registry.collect(Mode::Collect);
    assert_eq!(registry.get("/v2/a/tags/list").json()["tags"], json!(["by-digest", "pulled"]));
}

#[test]
fn abandoned_uploads_go() {
    let mut registry = impatient();
    let location = registry.begin_upload("a");
    registry.send("PATCH", &location, &[], b"abc").expect(202);
    assert_eq!(registry.collect(Mode::Collect).uploads, 0);
    let id = location.rsplit('/').next().unwrap();
    for area in ["data", "uploads"] {
        let file = std::fs::File::open(registry.root().join(area).join(id)).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_000_000)).unwrap();
    }
    assert_eq!(registry.collect(Mode::Collect).uploads, 1);
    registry.get(&location).refuses(404, "BLOB_UPLOAD_UNKNOWN");
    assert_eq!((count(&registry, "data"), count(&registry, "uploads")), (0, 0));
}

#[test]
fn damage_is_found() {
    let registry = Registry::start();
    let digest = registry.push_image("a", "1", "content");
    let checked = registry.check();
    assert_eq!((checked.repositories, checked.tags, checked.manifests, checked.data), (1, 1, 1, 2));
    assert_eq!(checked.problems, []);
    // One byte of one blob.
    let data = std::fs::read_dir(registry.root().join("data")).unwrap().map(|entry| entry.unwrap().path());
    let layer = data.into_iter().find(|path| std::fs::read(path).unwrap() == b"content").unwrap();
    std::fs::write(&layer, b"cOntent").unwrap();
    let told =
        |registry: &Registry| -> Vec<String> { registry.check().problems.iter().map(ToString::to_string).collect() };
    let blob = Digest::of(b"content");
    assert_eq!(told(&registry), [format!("the bytes of a@{blob} have another digest")]);
    std::fs::remove_file(&layer).unwrap();
    assert_eq!(told(&registry), [format!("the bytes of a@{blob} are not there")]);
    std::fs::remove_file(registry.root().join("links/a").join(blob.as_str())).unwrap();
    assert_eq!(told(&registry), [format!("the manifest a@{digest} names {blob}, which is not there")]);
    std::fs::remove_file(registry.root().join("manifests/a").join(digest.as_str())).unwrap();
    assert_eq!(told(&registry), [format!("a:1 stands for {digest}, which is not there")]);
}

#[test]
fn pushing_while_it_collects_loses_nothing() {
    // Collection goes on all the time, and what is older than two seconds is old.
    let keeping =
        Keeping { grace: Duration::from_secs(2), every: Some(Duration::from_millis(10)), ..Keeping::default() };
    let registry = Registry::set_up(Setup { keeping, ..Setup::default() });
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for n in 0..3 {
            let (registry, is_over) = (&registry, &is_over);
            scope.spawn(move || {
                let mut round = 0;
                while !is_over.load(Ordering::Relaxed) {
                    // The same few images again and again, with a tag that moves: parts are pushed, lost, pushed again.
                    let content = format!("{}", round % 4);
                    let digest = registry.push_image(&format!("r{n}"), "1", &content);
                    let manifest = registry.get(&format!("/v2/r{n}/manifests/{digest}")).expect(200).json();
                    for part in [&manifest["config"], &manifest["layers"][0]] {
                        registry.get(&format!("/v2/r{n}/blobs/{}", part["digest"].as_str().unwrap())).expect(200);
                    }
                    round += 1;
                }
            });
        }
        std::thread::sleep(Duration::from_secs(6));
        is_over.store(true, Ordering::Relaxed);
    });
    assert_eq!(registry.check().problems, []);
}

#[test]
fn signatures_under_cosigns_tags_live_as_long_as_what_is_signed() {
    let keep = Keep { tags: vec![Pattern::new("v*")], last: Some(1), ..Keep::default() };
    let policy = Policy { repositories: vec![Pattern::new("**")], keep: vec![keep] };
    let keeping = Keeping { grace: Duration::ZERO, every: None, policies: vec![policy], ..Keeping::default() };
    let mut registry = Registry::set_up(Setup { keeping, ..Setup::default() });
    let (old, new) = (registry.push_image("a", "v1", "old"), registry.push_image("a", "v2", "new"));
    let under = |digest: &Digest| format!("{}.sig", digest.as_str().replace(':', "-"));
    for digest in [&old, &new] {
        registry.push_image("a", &under(digest), &format!("signature of {digest}"));
    }
    // What is signed elsewhere is a tag as any other.
    registry.push_image("a", &under(&Digest::of(b"elsewhere")), "signature of another one");
    registry.collect(Mode::Collect);
    assert_eq!(registry.get("/v2/a/tags/list").json()["tags"], json!([under(&new), "v2"]));
    registry.get(&format!("/v2/a/manifests/{}", under(&new))).expect(200);
    assert_eq!(registry.check().problems, []);
}
