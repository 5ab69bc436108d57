//! `pull` and `tags` against a real registry: every line, every name, every packing.

use wharfie_oci::{Descriptor, MediaType};
use wharfie_testkit::{FaultyServer, Image, Packing, Published, TestRegistry};

use crate::{host, without_ages};

fn web() -> Image {
    Image::new().with_file("a", "1").with_file("b", "2")
}

/// What is printed between the first line and the digest for layers that are all fetched, one at a time.
fn fetched(image: &Published) -> String {
    let mut text: String = (0..image.layers.len()).map(|n| format!("{}: Pulling fs layer\n", image.short(n))).collect();
    for n in 0..image.layers.len() {
        let short = image.short(n);
        text += &format!("{short}: Verifying Checksum\n{short}: Download complete\n{short}: Pull complete\n");
    }
    text
}

#[test]
fn what_is_up_to_date_was_pulled_now() {
    let registry = TestRegistry::start();
    let name = registry.publish("web:1", &Published::of(&Image::new().with_file("a", "b")));
    let host = host();
    let pulled = || {
        host.run(&["pull", "-q", &name]).succeeds();
        host.run(&["inspect", "--format", "{{.Metadata.LastTagTime}}", &name]).succeeds()
    };
    let first = pulled();
    assert_ne!(pulled(), first);
}

#[test]
fn a_pull_prints_what_docker_prints() {
    let (registry, host) = (TestRegistry::start(), host());
    let web = web();
    let published = Published::of(&web);
    let reference = registry.publish("team/web:latest", &published);
    let name = reference.trim_end_matches(":latest");
    host.file("config.toml", b"concurrent-transfers = 1\n");
    host.run(&["pull", name]).prints(&format!(
        "Using default tag: latest\nlatest: Pulling from team/web\n{}Digest: {}\nStatus: Downloaded newer image for \
         {reference}\n{reference}\n",
        fetched(&published),
        published.digest()
    ));
    host.run(&["inspect", "-f", "{{.Id}} {{.RepoTags}} {{.RepoDigests}}", name]).prints(&format!(
        "{} [{reference}] [{name}@{}]\n",
        web.id(),
        published.digest()
    ));
    host.run(&["system", "fsck"]).succeeds();
}

#[test]
fn an_up_to_date_pull_is_one_request() {
    let (registry, host) = (TestRegistry::start(), host());
    let published = Published::of(&web());
    let reference = registry.publish("team/web:1", &published);
    host.run(&["pull", "-q", &reference]).prints(&format!("{reference}\n"));
    let (before, blobs) = (registry.requests().len(), registry.blobs_served());
    host.run(&["pull", &reference]).prints(&format!(
        "1: Pulling from team/web\nDigest: {}\nStatus: Image is up to date for {reference}\n{reference}\n",
        published.digest()
    ));
    let requests = registry.requests().split_off(before);
    assert_eq!(requests.len(), 1, "{requests:#?}");
    assert!(requests[0].contains("\"HEAD /v2/team/web/manifests/1 "), "{requests:#?}");
    assert_eq!(registry.blobs_served(), blobs);
}

#[test]
fn shared_layers_are_already_there() {
    let (registry, host) = (TestRegistry::start(), host());
    host.file("config.toml", b"concurrent-transfers = 1\n");
    let (base, top) = (Published::of(&web()), Published::of(&web().with_file("c", "3")));
    let (one, two) = (registry.publish("a:1", &base), registry.publish("b/c:2", &top));
    host.run(&["pull", "-q", &one]).succeeds();
    let (l0, l1, l2) = (top.short(0), top.short(1), top.short(2));
    host.run(&["pull", &two]).prints(&format!(
        "2: Pulling from b/c\n{l0}: Already exists\n{l1}: Already exists\n{l2}: Pulling fs layer\n{l2}: Verifying \
         Checksum\n{l2}: Download complete\n{l2}: Pull complete\nDigest: {}\nStatus: Downloaded newer image for \
         {two}\n{two}\n",
        top.digest()
    ));
    assert_eq!(registry.count("GET", top.layers[0].digest.as_str()), 1);
}

#[test]
fn known_content_under_a_new_name_moves_no_layers() {
    let (registry, host) = (TestRegistry::start(), host());
    let published = Published::of(&web());
    let (one, two) = (registry.publish("a:1", &published), registry.publish("a:2", &published));
    host.run(&["pull", "-q", &one]).succeeds();
    host.run(&["pull", &two]).prints(&format!(
        "2: Pulling from a\nDigest: {}\nStatus: Downloaded newer image for {two}\n{two}\n",
        published.digest()
    ));
    assert_eq!(registry.count("GET", published.layers[0].digest.as_str()), 1);
}

#[test]
fn pulling_by_digest_makes_no_tag() {
    let (registry, host) = (TestRegistry::start(), host());
    let published = Published::of(&Image::new().with_file("a", "1"));
    let reference = registry.publish("ns/app:v1", &published);
    let (name, digest) = (reference.trim_end_matches(":v1"), published.digest());
    let exact = format!("{name}@{digest}");
    host.file("config.toml", b"concurrent-transfers = 1\n");
    host.run(&["pull", &exact]).prints(&format!(
        "{exact}: Pulling from ns/app\n{}Digest: {digest}\nStatus: Downloaded newer image for {exact}\n{exact}\n",
        fetched(&published)
    ));
    host.run(&["images", "--format", "{{.Repository}} {{.Tag}} {{.Digest}}", "--digests"])
        .prints(&format!("{name} <none> {digest}\n"));
    // The tag of a reference with a digest is ignored, but for the last line.
    host.run(&["pull", &format!("{name}:v1@{digest}")]).prints(&format!(
        "{exact}: Pulling from ns/app\nDigest: {digest}\nStatus: Image is up to date for {exact}\n{name}:v1@{digest}\n"
    ));
    host.run(&["images", "--format", "{{.Tag}}"]).prints("<none>\n");
}

#[test]
fn every_tag_of_a_repository_is_pulled_in_the_registrys_order() {
    let (registry, host) = (TestRegistry::start(), host());
    let (one, two) = (Published::of(&Image::new().with_file("a", "1")), Published::of(&web()));
    let name = format!("{}/ns/app", registry.address());
    for (tag, image) in [("v2", &two), ("v1", &one), ("v3", &one)] {
        registry.publish(&format!("ns/app:{tag}"), image);
    }
    let digests = [one.digest(), two.digest(), one.digest()];
    host.run(&["tags", &name]).prints("v1\nv2\nv3\n");
    let first = host.run(&["pull", "-a", &name]).succeeds();
    assert!(first.ends_with(&format!("Status: Downloaded newer image for {name}\n{name}\n")), "{first}");
    let blocks: String = (1..4).map(|n| format!("v{n}: Pulling from ns/app\nDigest: {}\n", digests[n - 1])).collect();
    host.run(&["pull", "-a", &name]).prints(&format!("{blocks}Status: Image is up to date for {name}\n{name}\n"));
    host.run(&["pull", "-aq", &name]).prints(&format!("{name}\n"));
    for typed in [format!("{name}:v1"), format!("{name}@{}", digests[0])] {
        host.run(&["pull", "-a", &typed]).fails(1, "tag can't be used with --all-tags/-a");
    }
}

#[test]
fn a_moved_tag_leaves_the_old_image_its_digest() {
    let (registry, host) = (TestRegistry::start(), host());
    let (old, new) = (Published::of(&Image::new().with_file("a", "1")), Published::of(&web()));
    let reference = registry.publish("web:1", &old);
    host.run(&["pull", "-q", &reference]).succeeds();
    registry.publish("web:1", &new);
    let pulled = host.run(&["pull", &reference]).succeeds();
    assert!(pulled.contains(&format!("Status: Downloaded newer image for {reference}\n")), "{pulled}");
    let name = reference.trim_end_matches(":1");
    host.run(&["images", "--digests", "--format", "{{.Tag}} {{.Digest}}"]).prints(&format!(
        "1 {}\n<none> {}\n",
        new.digest(),
        old.digest()
    ));
    host.run(&["inspect", "-f", "{{.RepoDigests}}", &format!("{name}@{}", old.digest())])
        .prints(&format!("[{name}@{}]\n", old.digest()));
}

#[test]
fn every_packing_unpacks_to_the_same_image() {
    let registry = TestRegistry::start();
    let web = web();
    let path = |packing| format!("web:{packing:?}").to_lowercase();
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        let published = Published::packed(&web, packing);
        let reference = registry.publish(&path(packing), &published);
        let host = host();
        host.run(&["pull", "-q", &reference]).prints(&format!("{reference}\n"));
        host.run(&["inspect", "-f", "{{.Id}}", &reference]).prints(&format!("{}\n", web.id()));
        host.run(&["system", "fsck"]).succeeds();
        // And it goes on, byte for byte, to another registry.
        let other = TestRegistry::start();
        let copy = format!("{}/web:1", other.address());
        host.run(&["tag", &reference, &copy]).prints("");
        let pushed = host.run(&["push", &copy]).succeeds();
        let last = format!("1: digest: {} size: {}\n", published.digest(), published.bytes.len());
        assert!(pushed.ends_with(&last), "{packing:?}: {pushed}");
    }
}

#[test]
fn a_layer_may_be_packed_otherwise_than_its_type_says() {
    let (registry, host) = (TestRegistry::start(), host());
    let web = Image::new().with_file("a", "1");
    let mut zstd = Published::packed(&web, Packing::Zstd).blobs.remove(0);
    zstd.0.media_type = MediaType::DOCKER_LAYER_GZIP;
    let reference = registry.publish("web:1", &Published::with_layers(&web, vec![zstd]));
    host.run(&["pull", "-q", &reference]).prints(&format!("{reference}\n"));
}

#[test]
fn a_layer_that_occurs_twice_is_fetched_once() {
    let (registry, host) = (TestRegistry::start(), host());
    let web = Image::new().with_file("a", "1").with_file("b", "2").with_file("a", "1");
    let published = Published::of(&web);
    let reference = registry.publish("web:1", &published);
    host.run(&["pull", "-q", &reference]).succeeds();
    assert_eq!(registry.count("GET", published.layers[0].digest.as_str()), 1);
    host.run(&["inspect", "-f", "{{len .RootFS.Layers}}", &reference]).prints("3\n");
    host.run(&["system", "fsck"]).succeeds();
}

#[test]
fn foreign_layers_come_from_their_urls() {
    let web = Image::new().with_file("a", "1").with_file("b", "2");
    let (first, bytes) = Published::of(&web).blobs.swap_remove(0);
    let second = Published::of(&web).blobs.swap_remove(1);
    let served = bytes.clone();
    let elsewhere = FaultyServer::start(move |_| wharfie_testkit::faulty_server::reply(200, &[], &served));
    let foreign = Descriptor {
        media_type: MediaType::DOCKER_FOREIGN_LAYER,
        urls: Some(vec![format!("http://{}/layer", elsewhere.address())]),
        ..first
    };
    let published = Published::with_layers(&web, vec![(foreign, bytes), second]);
    let (registry, host) = (published.served(), host());
    let reference = format!("{}/win:1", registry.address());
    host.run(&["pull", "-q", &reference]).prints(&format!("{reference}\n"));
    assert_eq!(elsewhere.lines(), ["GET /layer"]);
    host.run(&["inspect", "-f", "{{.Id}}", &reference]).prints(&format!("{}\n", web.id()));
}

#[test]
fn digests_are_listed_for_tags_and_lists() {
    let (registry, host) = (TestRegistry::start(), host());
    let (amd, arm) = (web(), web().on("linux", "arm64"));
    let (amd, arm) = (Published::of(&amd), Published::of(&arm));
    let list = Published::index(&[("linux/amd64", &amd), ("linux/arm64", &arm)]);
    let (single, multi) = (registry.publish("mf/a:amd", &amd), registry.publish("mf/a:multi", &list));
    host.run(&["pull", "-q", "--platform", "linux/amd64", &single]).succeeds();
    host.run(&["pull", "-q", "--platform", "linux/amd64", &multi]).succeeds();
    let mut digests = [amd.digest(), list.digest()];
    digests.sort();
    let rows: String =
        ["amd", "multi"].iter().flat_map(|tag| digests.iter().map(move |digest| format!("{tag} {digest}\n"))).collect();
    host.run(&["images", "--digests", "--format", "{{.Tag}} {{.Digest}}"]).prints(&rows);
    let table = host.run(&["images", "--digests"]).succeeds();
    assert_eq!(without_ages(&table).lines().count(), 5, "{table}");
    let name = single.trim_end_matches(":amd");
    host.run(&["inspect", "-f", "{{.RepoDigests}}", &single])
        .prints(&format!("[{name}@{} {name}@{}]\n", digests[0], digests[1]));
}

#[test]
fn a_mirror_is_asked_for_docker_hubs_images() {
    let host = host();
    host.file("config.toml", b"concurrent-transfers = 1\n");
    let web = web();
    let published = Published::of(&web);
    let mirror = published.served();
    let flag = format!("--registry-mirror=http://{}", mirror.address());
    host.run(&[&flag, "pull", "web"]).prints(&format!(
        "Using default tag: latest\nlatest: Pulling from library/web\n{}Digest: {}\nStatus: Downloaded newer image for \
         web:latest\ndocker.io/library/web:latest\n",
        fetched(&published),
        published.digest()
    ));
    assert_eq!(mirror.lines().first().map(String::as_str), Some("HEAD /v2/library/web/manifests/latest"));
    host.file("config.toml", format!("registry-mirrors = [\"http://{}\"]\n", mirror.address()).as_bytes());
    host.run(&["pull", "library/web"]).prints(&format!(
        "Using default tag: latest\nlatest: Pulling from library/web\nDigest: {}\nStatus: Image is up to date for \
         web:latest\ndocker.io/library/web:latest\n",
        published.digest()
    ));
    host.run(&["images", "--format", "{{.Repository}}:{{.Tag}}"]).prints("web:latest\n");
}

#[test]
fn any_registry_may_have_mirrors_and_none_of_them_ends_a_pull() {
    let (host, web) = (host(), web());
    let published = Published::of(&web);
    // One that has nothing, one that lies about every blob, one that is not there; then one that is told which is meant.
    let empty = FaultyServer::start(|_| wharfie_testkit::faulty_server::reply(404, &[], b"{}"));
    let honest = published.clone();
    let liar = FaultyServer::start(move |heard| match heard.target.contains("/blobs/") {
        true => wharfie_testkit::faulty_server::reply(200, &[], b"lies"),
        false => honest.answer_any(heard),
    });
    let good = published.served();
    let mirror = |registry: &str, address: &str, more: &str| {
        format!("[[mirrors]]\nregistry = \"{registry}\"\nurl = \"http://{address}\"\n{more}\n")
    };
    let settings = [
        "concurrent-transfers = 1\n".to_owned(),
        mirror("r.invalid", "127.0.0.1:1", ""),
        mirror("r.invalid", empty.address(), ""),
        mirror("r.invalid", liar.address(), "prefix = \"cache/r\""),
        mirror("*", good.address(), ""),
    ];
    host.file("config.toml", settings.concat().as_bytes());
    host.run(&["pull", "-q", "r.invalid/team/web:1"]).prints("r.invalid/team/web:1\n");
    host.run(&["inspect", "-f", "{{.Id}}", "r.invalid/team/web:1"]).prints(&format!("{}\n", web.id()));
    assert_eq!(empty.lines()[0], "HEAD /v2/team/web/manifests/1?ns=r.invalid");
    assert_eq!(liar.lines()[0], "HEAD /v2/cache/r/team/web/manifests/1");
    let lines = good.lines();
    assert!(
        lines.iter().all(|line| line.contains("/v2/team/web/blobs/sha256:") && line.ends_with("?ns=r.invalid")),
        "{lines:?}"
    );
    // Another registry has the one for all, and docker.io too.
    host.run(&["pull", "-q", "other.invalid/x:1"]).succeeds();
    host.run(&["pull", "-q", "web"]).succeeds();
    assert!(good.lines().contains(&"HEAD /v2/library/web/manifests/latest?ns=docker.io".to_owned()));
    // What is pushed goes to the registry itself.
    let pushed = host.run(&["push", "r.invalid/team/web:1"]);
    assert!(pushed.code == 1 && pushed.stderr.contains("https://r.invalid/v2/"), "{}", pushed.stderr);
}

#[test]
fn a_registry_takes_over_in_the_middle_of_a_blob_from_its_mirror() {
    let (host, web) = (host(), web());
    let published = Published::of(&web);
    let registry = TestRegistry::start();
    let name = registry.publish("team/web:1", &published);
    // It says how long the blob is, sends a part of it, and has nothing more to say.
    let honest = published;
    let begun = std::sync::Mutex::new(std::collections::HashSet::new());
    let breaking = FaultyServer::start(move |heard| {
        let answer = honest.answer_any(heard);
        if heard.method == "GET" && heard.target.contains("/blobs/") {
            return match begun.lock().expect("nobody fails with it").insert(heard.target.clone()) {
                true => answer[..answer.len() - 3].to_vec(),
                false => wharfie_testkit::faulty_server::reply(503, &[], b"{}"),
            };
        }
        answer
    });
    let settings = format!(
        "concurrent-transfers = 1\n[[mirrors]]\nregistry = \"{}\"\nurl = \"http://{}\"\n",
        registry.address(),
        breaking.address()
    );
    host.file("config.toml", settings.as_bytes());
    host.run(&["pull", "-q", &name]).succeeds();
    host.run(&["inspect", "-f", "{{.Id}}", &name]).prints(&format!("{}\n", web.id()));
    assert!(registry.blobs_served() > 0);
}
