//! `copy`: between registries, the store, archives and layouts, byte for byte.

use std::path::Path;

use serde_json::{Value, json};
use wharfie_oci::Digest;
use wharfie_testkit::faulty_server::reply;
use wharfie_testkit::{FaultyServer, Host, Image, Published, TestRegistry, archive};

use crate::served::{Served, ask};
use crate::{host, host_with};

fn web(content: &str) -> Image {
    Image::new().with_file("etc/motd", content).with_step("COPY motd /etc/motd")
}

/// An index of two platforms on docker's registry, and its name there.
fn published(registry: &TestRegistry, name: &str) -> (String, Published) {
    let (amd, arm) = (Published::of(&web("amd")), Published::of(&web("arm").on("linux", "arm64")));
    let index = Published::index(&[("linux/amd64", &amd), ("linux/arm64", &arm)]);
    (registry.publish(name, &index), index)
}

fn digest_at(registry: &Served, name: &str) -> String {
    let (path, tag) = name.split_once(':').expect("it has a tag");
    let accept = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                  application/vnd.docker.distribution.manifest.v2+json, \
                  application/vnd.docker.distribution.manifest.list.v2+json";
    let target = format!("/v2/{path}/manifests/{tag}");
    let reply = ask(&registry.address, "HEAD", &target, &[("Accept", accept)], b"").expect("it answers").expect(200);
    reply.header("docker-content-digest").expect("it says so").to_owned()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("it is there")).expect("it is JSON")
}

#[test]
fn an_index_goes_from_registry_to_registry_as_it_is() {
    let (from, host) = (TestRegistry::start(), host());
    let to = Served::start(&host, &[]);
    let (name, index) = published(&from, "team/web:1");
    let copy = to.name("mirror/web:2");
    let line = format!("{copy}@{}\n", index.digest());
    assert_eq!(host.run(&["copy", "-q", &name, &copy]).succeeds(), line);
    assert_eq!(digest_at(&to, "mirror/web:2"), index.digest());
    // Nothing stopped in the store.
    host.run(&["images", "-q"]).prints("");
    let uploads = from.blobs_served();
    assert_eq!(host.run(&["copy", "-q", &name, &copy]).succeeds(), line);
    assert_eq!(from.blobs_served(), uploads);
    // Without a tag it has the source's, and all tags have their own.
    host.run(&["copy", "-q", &name, &to.name("mirror/other")]).succeeds();
    from.publish("team/web:old", &Published::of(&web("old")));
    host.run(&["copy", "-q", "-a", name.trim_end_matches(":1"), &to.name("all/web")]).succeeds();
    host.run(&["tags", &to.name("mirror/other")]).prints("1\n");
    host.run(&["tags", &to.name("all/web")]).prints("1\nold\n");
}

#[test]
fn of_one_platform_the_image_goes_alone_and_of_several_an_index() {
    let (from, host) = (TestRegistry::start(), host());
    let to = Served::start(&host, &[]);
    let (amd, arm) = (Published::of(&web("amd")), Published::of(&web("arm").on("linux", "arm64")));
    let s390x = Published::of(&web("s390x").on("linux", "s390x"));
    let index = Published::index(&[("linux/amd64", &amd), ("linux/arm64", &arm), ("linux/s390x", &s390x)]);
    let name = from.publish("web:1", &index);
    host.run(&["copy", "-q", "--platform", "linux/arm64", &name, &to.name("one:1")]).succeeds();
    assert_eq!(digest_at(&to, "one:1"), arm.digest());
    let two = to.name("two:1");
    host.run(&["copy", "-q", "--platform", "linux/arm64,linux/amd64", &name, &two]).succeeds();
    let shown = host.run(&["manifest", "inspect", &two]).succeeds();
    let shown: Value = serde_json::from_str(&shown).expect("it is JSON");
    let members: Vec<&str> =
        shown["manifests"].as_array().expect("there are some").iter().filter_map(|m| m["digest"].as_str()).collect();
    assert_eq!(members, [amd.digest(), arm.digest()]);
    let failed = host.run(&["copy", "-q", "--platform", "linux/riscv64", &name, &two]);
    assert_eq!(failed.code, 1);
    assert!(failed.stderr.contains("no matching manifest for linux/riscv64"), "{}", failed.stderr);
}

#[test]
fn archives_layouts_and_the_store_are_places_too() {
    let (from, host) = (TestRegistry::start(), host());
    let to = Served::start(&host, &[]);
    let image = web("x");
    let one = Published::of(&image);
    let name = from.publish("team/web:1", &one);
    // The digest outlives an archive, and docker's `manifest.json` is there as well.
    host.run(&["copy", "-q", &name, "archive:web.tar"]).succeeds();
    host.run(&["copy", "-q", "archive:web.tar", "oci:layout:a"]).succeeds();
    host.run(&["copy", "-q", "oci:layout:a", &to.name("back:1")]).succeeds();
    assert_eq!(digest_at(&to, "back:1"), one.digest());
    let listed = std::process::Command::new("tar").arg("-tf").arg(host.path().join("web.tar")).output();
    let listed = String::from_utf8(listed.expect("tar is everywhere").stdout).expect("names are plain");
    assert!(listed.contains("manifest.json\n") && listed.contains("index.json\n"), "{listed}");
    host.run(&["images", "-q"]).prints("");
    // Into the store under a new name, and what was saved by docker's grammar.
    host.run(&["copy", "-q", "./layout", "store:mine:2"]).succeeds();
    host.run(&["inspect", "-f", "{{.Id}}", "mine:2"]).prints(&format!("{}\n", image.id()));
    host.file("saved.tar", &archive(&[(&image, &["saved:3"])]));
    host.run(&["copy", "-q", "./saved.tar", "store:"]).succeeds();
    host.run(&["inspect", "-f", "{{.Id}}", "saved:3"]).prints(&format!("{}\n", image.id()));
    // From the store to a registry: as it would be pushed.
    let pushed = to.name("mine:2");
    host.run(&["copy", "-q", "store:mine:2", &pushed]).succeeds();
    assert_eq!(digest_at(&to, "mine:2"), one.digest());
    // Two images are in the layout now; which one is meant must be said.
    host.run(&["copy", "-q", "store:saved:3", "oci:layout:b"]).succeeds();
    host.run(&["copy", "-q", "oci:layout", "store:"]).fails(1, "there are several images: a, b");
    host.run(&["copy", "-q", "oci:layout:c", "store:"]).fails(1, "layout lists no image called c");
}

/// Puts a document about `subject` into a layout: a signature by referrer, another one by cosign's tag.
fn sign(layout: &Path, subject: &Value) -> String {
    let put = |bytes: &[u8]| {
        let digest = Digest::of(bytes);
        std::fs::write(layout.join("blobs/sha256").join(digest.hex()), bytes).expect("it is ours");
        json!({ "digest": digest.as_str(), "size": bytes.len() })
    };
    let described = |kind: &str, mut at: Value| {
        at["mediaType"] = json!(kind);
        at
    };
    let config = described("application/vnd.oci.empty.v1+json", put(b"{}"));
    let layer = described("application/vnd.example.signature", put(b"signed"));
    let manifest = |subject: Option<&Value>| {
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "artifactType": "application/vnd.example.signature",
            "config": config, "layers": [layer],
        });
        if let Some(subject) = subject {
            manifest["subject"] = subject.clone();
        }
        described("application/vnd.oci.image.manifest.v1+json", put(manifest.to_string().as_bytes()))
    };
    let mut plain = subject.clone();
    plain.as_object_mut().expect("it is an object").remove("annotations");
    let (referrer, mut tagged) = (manifest(Some(&plain)), manifest(None));
    let tag = format!("{}.sig", subject["digest"].as_str().expect("it has one").replace(':', "-"));
    tagged["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
    let path = layout.join("index.json");
    let mut index = json(&path);
    index["manifests"].as_array_mut().expect("it is a list").extend([referrer, tagged]);
    std::fs::write(&path, index.to_string()).expect("it is ours");
    tag
}

#[test]
fn signatures_go_along_wherever_registries_keep_them() {
    let host = host_with(&[(&web("x"), &["web:1"])]);
    let (ours, dockers) = (Served::start(&host, &[]), TestRegistry::start());
    host.run(&["copy", "-q", "store:web:1", "oci:layout:1"]).succeeds();
    let layout = host.path().join("layout");
    let subject = json(&layout.join("index.json"))["manifests"][0].clone();
    let tag = sign(&layout, &subject);
    // A registry that lists referrers, and one that does not, for which clients keep the list.
    let (first, second) = (ours.name("web:1"), format!("{}/web:1", dockers.address()));
    host.run(&["copy", "-q", "oci:layout", &first]).succeeds();
    host.run(&["copy", "-q", &first, &second]).succeeds();
    host.run(&["tags", "-a", &ours.name("web")]).prints(&format!("1\n{tag}\n"));
    let list = tag.trim_end_matches(".sig");
    let there = host.run(&["tags", "-a", "--sort", "name", second.trim_end_matches(":1")]);
    there.prints(&format!("1\n{list}\n{tag}\n"));
    host.run(&["copy", "-q", "-a", second.trim_end_matches(":1"), "oci:back"]).succeeds();
    let names = |layout: &str| {
        let index = json(&host.path().join(layout).join("index.json"));
        let members = index["manifests"].as_array().expect("it is a list").iter();
        let mut names: Vec<String> = members
            .map(|member| {
                format!("{} {}", member["digest"], member["annotations"]["org.opencontainers.image.ref.name"])
            })
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("back"), names("layout"));
    host.run(&["copy", "-q", "--no-referrers", &second, "oci:bare"]).succeeds();
    assert_eq!(names("bare").len(), 1);
    // Whoever loads the layout gets the image.
    let other = crate::host();
    other.run(&["copy", "-q", &format!("{}/", layout.display()), "store:web:1"]).succeeds();
    other.run(&["images", "--format", "{{.Repository}}:{{.Tag}}"]).prints("web:1\n");
}

fn sorted(lines: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = lines.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn a_mirror_has_what_patterns_mean_and_nothing_is_sent_twice() {
    let (from, host) = (TestRegistry::start(), host());
    let to = Served::start(&host, &[]);
    for (name, content) in [("team/web:1.0", "a"), ("team/web:1.1", "b"), ("team/web:2", "c"), ("team/db:1.0", "d")] {
        from.publish(name, &Published::of(&web(content)));
    }
    from.publish("other/web:1.0", &Published::of(&web("e")));
    let pattern = format!("{}/team/*:1.*", from.address());
    let dry = host.run(&["copy", "--sync", "--dry-run", &pattern, &to.name("m")]).succeeds();
    let line = |name: &str| format!("{}/{name} -> {}\n", from.address(), to.name(&format!("m/{name}")));
    assert_eq!(sorted(&dry), sorted(&(line("team/db:1.0") + &line("team/web:1.0") + &line("team/web:1.1"))));
    let list = host.file("list", format!("# what we need\n{pattern}  # all\n").as_bytes());
    let list = list.display().to_string();
    let copied = host.run(&["copy", "--sync", "-q", "--from-file", &list, &to.name("m")]).succeeds();
    assert_eq!(copied.lines().count(), 3, "{copied}");
    host.run(&["tags", &to.name("m/team/web")]).prints("1.0\n1.1\n");
    let again = host.run(&["copy", "--sync", &pattern, &to.name("m")]);
    assert_eq!(
        (again.code, again.stdout.as_str(), again.stderr.as_str()),
        (0, "", "0 copied, 3 unchanged, 0 failed\n")
    );
    // A tag that moved moves; one that fails does not keep the others.
    from.publish("team/web:1.1", &Published::of(&web("new")));
    let both = host.run(&["copy", "--sync", "-q", "127.0.0.1:1/gone", &pattern, &to.name("m")]);
    assert_eq!((both.code, both.stdout.lines().count()), (1, 1), "{}{}", both.stdout, both.stderr);
    assert!(both.stderr.starts_with("127.0.0.1:1/gone: "), "{}", both.stderr);
    // The whole name is kept in a layout, and the source's registry before the path if that is wanted.
    host.run(&["copy", "--sync", "-q", "--scoped", &pattern, &to.name("s")]).succeeds();
    let scope = from.address().replace(':', "-");
    host.run(&["tags", &to.name(&format!("s/{scope}/team/db"))]).prints("1.0\n");
    host.run(&["copy", "--sync", "-q", &pattern, "oci:mirror"]).succeeds();
    let other = crate::host();
    other.run(&["copy", "-q", "-a", &format!("oci:{}", host.path().join("mirror").display()), "store:"]).succeeds();
    let mut names: Vec<String> =
        ["db:1.0", "web:1.0", "web:1.1"].map(|name| format!("{}/team/{name}", from.address())).into();
    names.sort();
    let shown = other.run(&["images", "--format", "{{.Repository}}:{{.Tag}}"]).succeeds();
    assert_eq!(sorted(&shown), names);
}

#[test]
fn tags_are_looked_into_and_removed_where_the_registry_lets_us() {
    let (dockers, host) = (TestRegistry::start(), host());
    let ours = Served::start(&host, &[]);
    let (name, index) = published(&dockers, "web:1.9");
    let old = Published::of(&web("old").made("2010-01-02T03:04:05Z"));
    dockers.publish("web:1.10", &old);
    dockers.publish("web:same", &old);
    let repository = name.trim_end_matches(":1.9");
    host.run(&["copy", "-q", "-a", repository, &ours.name("web")]).succeeds();
    for repository in [repository, &ours.name("web")] {
        let tags = |words: &[&str]| host.run(&[&["tags"], words, &[repository]].concat());
        tags(&["--sort", "version", "-r"]).prints("1.10\n1.9\nsame\n");
        tags(&["--sort", "version", "--limit", "1", "-f", "tag=1.*"]).prints("1.9\n");
        tags(&["-f", "platform=linux/arm64"]).prints("1.9\n");
        tags(&["-f", "until=2015-01-01", "--sort", "name"]).prints("1.10\nsame\n");
        let row = format!("1.9 {} linux/amd64,linux/arm64\n", index.digest());
        tags(&["-f", "tag=1.9", "--format", "{{.Tag}} {{.Digest}} {{.Platforms}}"]).prints(&row);
        tags(&["--delete"]).fails(1, "--delete removes what a filter chooses, and there is none");
        let dry = tags(&["--delete", "--dry-run", "-f", "tag=1.9"]);
        assert_eq!(dry.stdout, format!("Untagged: {repository}:1.9\n"));
        tags(&["--delete", "--force", "-f", "tag=1.9"]).prints(&format!("Untagged: {repository}:1.9\n"));
        let gone = host.run(&["rmi", "--remote", &format!("{repository}:gone")]);
        assert!(gone.code == 1 && gone.stderr.contains("manifest unknown"), "{}", gone.stderr);
        host.run(&["rmi", "--remote", repository]).fails(1, &format!("{repository} names no tag"));
    }
    let one = |host: &Host, name: &str| host.run(&["rmi", "--remote", name]);
    let tag = ours.name("web:same");
    one(&host, &tag).prints(&format!("Untagged: {tag}\n"));
    host.run(&["tags", &ours.name("web")]).prints("1.10\n");
    let by_digest = ours.name(&format!("web@{}", old.digest()));
    one(&host, &by_digest).prints(&format!("Untagged: {by_digest}\nDeleted: {}\n", old.digest()));
    host.run(&["tags", &ours.name("web")]).prints("");
}

#[test]
fn a_tag_that_others_share_is_not_removed_with_them() {
    // It removes manifests only, with all their tags.
    let published = Published::of(&web("x"));
    let (image, index) = (published.clone(), Published::index(&[("linux/amd64", &published)]));
    let server = FaultyServer::start(move |heard| match (heard.method.as_str(), heard.target.as_str()) {
        ("DELETE", target) if target.contains("sha256:") => reply(202, &[], b""),
        ("DELETE", _) => reply(405, &[], br#"{"errors":[{"code":"UNSUPPORTED","message":"no tags"}]}"#),
        (_, "/v2/web/tags/list") => reply(200, &[], br#"{"tags":["1","2"]}"#),
        (_, "/v2/member/tags/list") => reply(200, &[], br#"{"tags":["1","all"]}"#),
        (_, "/v2/member/manifests/all") => index.answer_any(heard),
        (_, target) if target == format!("/v2/member/manifests/{}", index.digest()) => index.answer_any(heard),
        (_, "/v2/one/tags/list") => reply(200, &[], br#"{"tags":["1"]}"#),
        _ => image.answer_any(heard),
    });
    let (host, name) = (host(), |name: &str| format!("{}/{name}", server.address()));
    let shared = host.run(&["rmi", "--remote", &name("web:1")]);
    let text = "cannot remove WEB:1: the registry removes manifests, not tags, and 2 need the same one";
    shared.fails(1, &text.replace("WEB", &name("web")));
    assert!(!server.lines().iter().any(|line| line.starts_with("DELETE /v2/web/manifests/sha256:")));
    let member = host.run(&["rmi", "--remote", &name("member:1")]);
    assert!(member.code == 1 && member.stderr.contains("and all need the same one"), "{}", member.stderr);
    host.run(&["rmi", "--remote", &name("one:1")]).prints(&format!("Untagged: {}\n", name("one:1")));
    assert!(server.lines().contains(&format!("DELETE /v2/one/manifests/{}", published.digest())));
}

#[test]
fn one_odd_tag_keeps_nobody_from_the_rest() {
    let image = Published::of(&web("x"));
    let server = FaultyServer::start(move |heard| match heard.target.as_str() {
        "/v2/web/tags/list" => reply(200, &[], br#"{"tags":["1","-2","gone","3"]}"#),
        target if target.contains("referrers") || target.contains("gone") => reply(404, &[], b""),
        _ => image.answer_any(heard),
    });
    let (host, to) = (host(), TestRegistry::start());
    let (from, target) = (format!("{}/web", server.address()), format!("{}/web", to.address()));
    for words in [&["copy", "-q", "-a", &from, &target][..], &["copy", "-q", "--sync", &from, to.address()]] {
        let copied = host.run(words);
        assert_eq!(copied.code, 1, "{copied:?}");
        for name in [format!("{from}:-2: "), format!("{from}:gone: ")] {
            assert!(copied.stderr.contains(&name), "{copied:?}");
        }
        host.run(&["tags", "--sort", "name", &target]).prints("1\n3\n");
    }
    assert!(!server.lines().iter().any(|line| line.contains("/-2")));
}

#[test]
fn a_registry_without_a_repository_lists_its_repositories() {
    let (server, host) = (host(), host());
    let ours = Served::start(&server, &[]);
    let image = Image::new().with_file("a", "1");
    for path in ["team/web", "alone"] {
        let name = ours.name(&format!("{path}:1"));
        host.run_with(&["load", "-q"], &archive(&[(&image, &[&name])])).succeeds();
        host.run(&["push", "-q", &name]).succeeds();
    }
    let both = format!("{}\n{}\n", ours.name("alone"), ours.name("team/web"));
    for word in [ours.address.clone(), ours.name("")] {
        host.run(&["tags", "--sort", "name", &word]).prints(&both);
    }
    host.run(&["tags", "--sort", "name", "-r", "--limit", "1", &ours.address])
        .prints(&format!("{}\n", ours.name("team/web")));
    host.run(&["tags", "--delete", &ours.address])
        .fails(1, &format!("--delete is about tags: name a repository, as in {}/NAME", ours.address));
    host.run(&["tags", "web:1.2"]).fails(1, "web:1.2 is not a repository: leave out the tag or digest");
}

#[test]
fn tags_of_signatures_are_shown_to_who_asks_for_them() {
    let (registry, host) = (TestRegistry::start(), host());
    let image = Published::of(&Image::new().with_file("a", "1"));
    let hex = "a".repeat(64);
    let (signature, list) = (format!("sha256-{hex}.sig"), format!("sha256-{hex}"));
    for tag in ["1", "sha256-1", &signature, &list] {
        registry.publish(&format!("web:{tag}"), &image);
    }
    let repository = format!("{}/web", registry.address());
    let tags = |words: &[&str]| host.run(&[&["tags", "--sort", "name"], words, &[&repository]].concat());
    tags(&[]).prints("1\nsha256-1\n");
    tags(&["-a"]).prints(&format!("1\nsha256-1\n{list}\n{signature}\n"));
    tags(&["-f", "tag=*.sig"]).prints(&format!("{signature}\n"));
    let dry = tags(&["--delete", "--dry-run", "-f", "tag=*"]);
    assert!(dry.stdout.contains(&signature), "{}", dry.stdout);
}

#[test]
fn what_is_in_a_layout_is_told_with_the_layouts_name() {
    let (registry, host) = (TestRegistry::start(), host());
    let image = Published::of(&Image::new().with_file("a", "1"));
    let name = registry.publish("web:1", &image);
    registry.publish("web:2", &image);
    let line = |name: &str| format!("oci:out:{name}@{}\n", image.digest());
    host.run(&["copy", "-q", &name, "oci:out"]).prints(&line("1"));
    let repository = format!("{}/web", registry.address());
    let told = host.run(&["copy", "-q", "-a", &repository, "oci:out"]).succeeds();
    // In the registry's order.
    assert!(told == line("1") + &line("2") || told == line("2") + &line("1"), "{told}");
}

#[test]
fn files_that_are_written_are_as_readable_as_others_of_the_user() {
    use std::os::unix::fs::PermissionsExt;
    let image = Image::new().with_file("a", "1");
    let host = host_with(&[(&image, &["web:1"])]);
    let mode = |name: &str| host.path().join(name).metadata().expect("it was written").permissions().mode() & 0o777;
    let anyone = mode(&host.file("plain", b"").file_name().unwrap().to_string_lossy());
    host.run(&["copy", "-q", "store:web:1", "archive:a.tar"]).succeeds();
    host.run(&["sbom", "--format", "spdx-json", "-o", "s.json", "web:1"]).succeeds();
    host.file("Dockerfile", b"FROM web:1\n");
    host.run(&["build", "-q", "-o", "type=tar,dest=b.tar", "."]).succeeds();
    assert_eq!((mode("a.tar"), mode("s.json"), mode("b.tar")), (anyone, anyone, anyone));
    // What was closed stays so, and what docker closes is closed.
    std::fs::set_permissions(host.path().join("s.json"), std::fs::Permissions::from_mode(0o600)).unwrap();
    host.run(&["sbom", "--format", "spdx-json", "-o", "s.json", "web:1"]).succeeds();
    host.run(&["save", "-o", "d.tar", "web:1"]).succeeds();
    assert_eq!((mode("s.json"), mode("d.tar")), (0o600, 0o600));
}
