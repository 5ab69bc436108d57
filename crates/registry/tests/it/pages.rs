//! Pages for people: what they show, and that nothing in them is markup of somebody else.

use serde_json::{Value, json};
use wharfie_oci::Digest;

use crate::client::{OCI_INDEX, OCI_MANIFEST, Registry, Reply};

pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// What would be seen to run, or to end its place, if it were markup.
const HOSTILE: &str = "</code><script>alert(\"1\")</script>'\u{202e}\u{1b}[31m&amp;";
const ESCAPED: &str =
    "&lt;/code&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39;\u{fffd}\u{fffd}[31m&amp;amp;";

pub(crate) fn text(reply: &Reply) -> String {
    String::from_utf8(reply.body.clone()).unwrap()
}

/// A page as it was answered, whatever its status.
#[track_caller]
pub(crate) fn page(registry: &Registry, target: &str, status: u16) -> String {
    let reply = registry.get(target).expect(status);
    assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"), "{target}");
    text(&reply)
}

#[track_caller]
pub(crate) fn shows(page: &str, words: &[&str]) {
    for word in words {
        assert!(page.contains(word), "{word:?} is not in {page}");
    }
}

pub(crate) fn part(media_type: &str, digest: &Digest, size: usize) -> Value {
    json!({ "mediaType": media_type, "digest": digest, "size": size })
}

/// Pushes the parts of an image with this configuration, and gives its manifest.
fn image(registry: &Registry, name: &str, config: &[u8], layers: &[(&str, usize)]) -> Value {
    let config = part(CONFIG, &registry.push_blob(name, config), config.len());
    let layers: Vec<Value> = layers
        .iter()
        .map(|(content, size)| part(LAYER, &registry.push_blob(name, content.as_bytes()), *size))
        .collect();
    json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers })
}

fn digest_of(document: &Value) -> Digest {
    Digest::of(document.to_string().as_bytes())
}

fn push(registry: &Registry, name: &str, reference: &str, manifest: &Value) -> Digest {
    registry.push_manifest(name, reference, manifest);
    digest_of(manifest)
}

fn rich() -> Vec<u8> {
    let config = json!({
        "architecture": "arm64", "os": "linux", "variant": "v8", "created": "2024-02-29T12:34:56Z", "author": "Ada",
        "config": {
            "Entrypoint": ["/bin/app", "--port"], "Cmd": ["80"], "Env": ["PATH=/bin", "MODE=fast=yes"], "User": "web",
            "WorkingDir": "/srv", "ExposedPorts": { "80/tcp": {} }, "Volumes": { "/data": {} }, "StopSignal": "SIGINT",
            "Labels": { "org.example.team": "blue" },
        },
        "history": [
            { "created_by": "/bin/sh -c #(nop) ADD rootfs / " },
            { "created_by": "ENV MODE=fast", "empty_layer": true },
            { "created_by": "COPY app /bin/app # buildkit" },
        ],
        "rootfs": { "type": "layers", "diff_ids": [Digest::of(b"1"), Digest::of(b"2")] },
    });
    config.to_string().into_bytes()
}

#[test]
fn an_image_is_shown_with_all_that_is_in_it() {
    let registry = Registry::start();
    let config = rich();
    let mut manifest = image(&registry, "team/app", &config, &[("one", 2_500_000), ("two", 1234)]);
    manifest["annotations"] = json!({ "org.example.note": "kept" });
    let digest = push(&registry, "team/app", "1.0", &manifest);
    let shown = page(&registry, "/ui/team/app/-/1.0", 200);
    shows(
        &shown,
        &[
            "<html lang=\"en\">",
            "<pre>docker pull test/team/app:1.0</pre>",
            &format!("<pre>docker pull test/team/app@{digest}</pre>"),
            &format!("<dt>Media type</dt><dd><code>{OCI_MANIFEST}</code></dd>"),
            "<dt>Platform</dt><dd>linux/arm64/v8</dd>",
            "<dt>Created</dt><dd>2024-02-29 12:34 UTC</dd>",
            "<dt>Author</dt><dd>Ada</dd>",
            "<dt>Total size</dt><dd>2.5MB</dd>",
            "<tr><td>1</td><td><code>ADD rootfs /</code></td><td>2.5MB</td>",
            "<tr><td>2</td><td><code>ENV MODE=fast</code></td><td>–</td><td><small>no layer</small></td></tr>",
            "<tr><td>3</td><td><code>COPY app /bin/app</code></td><td>1.23kB</td>",
            "<dt>Entrypoint</dt><dd><code>[&quot;/bin/app&quot;,&quot;--port&quot;]</code></dd>",
            "<dt>Cmd</dt><dd><code>[&quot;80&quot;]</code></dd>",
            "<dt>User</dt><dd><code>web</code></dd>",
            "<dt>Working directory</dt><dd><code>/srv</code></dd>",
            "<dt>Ports</dt><dd><code>80/tcp</code></dd>",
            "<dt>Volumes</dt><dd><code>/data</code></dd>",
            "<dt>Stop signal</dt><dd><code>SIGINT</code></dd>",
            "<td><code>MODE</code></td><td><code>fast=yes</code></td>",
            "<td><code>org.example.team</code></td><td><code>blue</code></td>",
            "<td><code>org.example.note</code></td><td><code>kept</code></td>",
            "No signature, SBOM or other artifact refers to it.",
        ],
    );
    // The manifest itself is shown, not run and not saved.
    let raw = registry.get(&format!("/ui/team/app/-/{digest}?raw=1")).expect(200);
    assert_eq!((raw.header("content-type"), text(&raw)), (Some("text/plain; charset=utf-8"), manifest.to_string()));
    shows(&shown, &[&format!("href=\"/ui/team/app/-/{digest}?raw=1\"")]);
    // By its digest it is the same, with one command.
    let by_digest = page(&registry, &format!("/ui/team/app/-/{digest}"), 200);
    shows(&by_digest, &["linux/arm64/v8"]);
    assert!(!by_digest.contains(":1.0"));
}

#[test]
fn repositories_and_tags_lead_to_images() {
    let registry = Registry::start();
    shows(&page(&registry, "/", 200), &["There is nothing here yet"]);
    let digest = registry.push_image("team/app", "1.0", "content");
    registry.push_image("team/app", "2.0", "more content");
    registry.push_image("tool", "latest", "content");
    for target in ["/", "/ui", "/ui/"] {
        shows(
            &page(&registry, target, 200),
            &["<a href=\"/ui/team/app\">team/app</a>", "<a href=\"/ui/tool\">tool</a>"],
        );
    }
    let found = page(&registry, "/?q=TOOL", 200);
    assert!(found.contains("/ui/tool") && !found.contains("/ui/team/app"), "{found}");
    shows(&found, &["value=\"TOOL\""]);
    shows(&page(&registry, "/?q=nowhere", 200), &["No repository has this in its name."]);
    let tags = page(&registry, "/ui/team/app", 200);
    let short = &digest.as_str()[..19];
    shows(
        &tags,
        &[
            "<a href=\"/ui/team/app/-/1.0\">1.0</a></td><td>image</td><td>8B</td><td>20",
            "<a href=\"/ui/team/app/-/2.0\">2.0</a></td><td>image</td><td>13B</td>",
            &format!("<code><a href=\"/ui/team/app/-/{digest}\">{short}</a></code>"),
        ],
    );
    // What has no tag has a repository all the same.
    let manifest = registry.image("quiet", "x");
    push(&registry, "quiet", digest_of(&manifest).as_str(), &manifest);
    shows(&page(&registry, "/ui/quiet", 200), &["The repository has no tags."]);
}

#[test]
fn long_lists_come_in_pages() {
    let registry = Registry::start();
    let manifest = image(&registry, "a", b"{}", &[]);
    for n in 0..105 {
        push(&registry, "a", &format!("t{n:03}"), &manifest);
    }
    let first = page(&registry, "/ui/a?lang=en", 200);
    shows(&first, &["/ui/a/-/t099?lang=en", "href=\"/ui/a?last=t099&amp;lang=en\">Next</a>"]);
    assert!(!first.contains("/ui/a/-/t100"));
    let second = page(&registry, "/ui/a?last=t099", 200);
    shows(&second, &["/ui/a/-/t100", "/ui/a/-/t104", "href=\"/ui/a\">From the start</a>"]);
    assert!(!second.contains("t099\"") && !second.contains("Next"));
    shows(&page(&registry, "/ui/a?last=zzz", 200), &["Nothing follows."]);

    for n in 0..101 {
        registry.push_blob(&format!("many/r{n:03}"), b"x");
        push(&registry, &format!("many/r{n:03}"), "1", &image(&registry, &format!("many/r{n:03}"), b"{}", &[]));
    }
    let first = page(&registry, "/?q=many", 200);
    shows(&first, &["/ui/many/r099", "href=\"/?q=many&amp;last=many/r099\">Next</a>"]);
    assert!(!first.contains("/ui/many/r100"));
    let second = page(&registry, "/?q=many&last=many/r099", 200);
    assert!(second.contains("/ui/many/r100") && !second.contains("/ui/many/r099") && !second.contains("Next"));
}

#[test]
fn an_index_names_its_platforms() {
    let registry = Registry::start();
    let mut members = Vec::new();
    for (architecture, content) in [("amd64", "one"), ("arm64", "three")] {
        let manifest = image(&registry, "multi", b"{}", &[(content, content.len())]);
        let digest = push(&registry, "multi", digest_of(&manifest).as_str(), &manifest);
        let mut member = part(OCI_MANIFEST, &digest, manifest.to_string().len());
        member["platform"] = json!({ "os": "linux", "architecture": architecture });
        members.push(member);
    }
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": members });
    push(&registry, "multi", "1", &index);
    let shown = page(&registry, "/ui/multi/-/1", 200);
    for (member, platform, size) in [(&members[0], "linux/amd64", "5B"), (&members[1], "linux/arm64", "7B")] {
        let digest = member["digest"].as_str().unwrap();
        let row =
            format!("<tr><td>{platform}</td><td>image</td><td>{size}</td><td><code><a href=\"/ui/multi/-/{digest}\">");
        shows(&shown, &[&row]);
        shows(&page(&registry, &format!("/ui/multi/-/{digest}"), 200), &["<h2>Layers</h2>"]);
    }
    shows(&page(&registry, "/ui/multi", 200), &["<td>linux/amd64, linux/arm64</td><td>–</td>"]);
}

#[test]
fn lists_do_not_believe_what_an_index_says_of_sizes() {
    let registry = Registry::start();
    let mut large = image(&registry, "multi", b"{}", &[("one", 3)]);
    large["annotations"] = json!({ "note": "x".repeat(70_000) });
    let large = push(&registry, "multi", digest_of(&large).as_str(), &large);
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [part(OCI_MANIFEST, &large, 1)] });
    push(&registry, "multi", "1", &index);
    shows(&page(&registry, "/ui/multi/-/1", 200), &["<tr><td>not told</td><td>too large to look into</td><td>–</td>"]);
    // Its own page shows all but the end of a text that has none.
    let shown = page(&registry, &format!("/ui/multi/-/{large}"), 200);
    shows(&shown, &["<td><code>note</code></td><td><code>xxx", "x…</code>"]);
    assert!(shown.len() < 20_000, "{}", shown.len());
}

#[test]
fn what_refers_to_an_image_is_shown() {
    let registry = Registry::start();
    let subject = registry.push_image("a", "1", "content");
    let mut signature = image(&registry, "a", b"{}", &[]);
    signature["artifactType"] = json!("application/vnd.example.signature");
    signature["subject"] = part(OCI_MANIFEST, &subject, 1);
    let signature = push(&registry, "a", digest_of(&signature).as_str(), &signature);
    let shown = page(&registry, "/ui/a/-/1", 200);
    shows(
        &shown,
        &[&format!(
            "<tr><td><code>application/vnd.example.signature</code></td><td><code><a href=\"/ui/a/-/{signature}\">"
        )],
    );
    let shown = page(&registry, &format!("/ui/a/-/{signature}"), 200);
    shows(
        &shown,
        &[
            &format!("<dt>Is about</dt><dd><code><a href=\"/ui/a/-/{subject}\">{subject}</a>"),
            "<dt>Artifact type</dt><dd><code>application/vnd.example.signature</code>",
            "It has no layers.",
        ],
    );
}

#[test]
fn hostile_images_are_shown_and_do_nothing() {
    let registry = Registry::start();
    let config = json!({
        "os": HOSTILE, "architecture": HOSTILE, "created": HOSTILE, "author": HOSTILE,
        "config": {
            "Entrypoint": [HOSTILE], "Cmd": HOSTILE, "Env": [format!("{HOSTILE}={HOSTILE}")], "User": HOSTILE,
            "WorkingDir": HOSTILE, "ExposedPorts": { HOSTILE: {} }, "Volumes": { HOSTILE: {} }, "StopSignal": HOSTILE,
            "Labels": { HOSTILE: HOSTILE },
        },
        "history": [{ "created_by": HOSTILE }, { "created_by": HOSTILE, "empty_layer": true }],
    });
    let config = config.to_string();
    let mut manifest = image(&registry, "a", config.as_bytes(), &[("layer", 5)]);
    manifest["layers"][0]["mediaType"] = json!(format!("application/vnd.oci.image.layer.{HOSTILE}"));
    manifest["layers"][0]["annotations"] = json!({ "org.opencontainers.image.title": HOSTILE });
    manifest["annotations"] = json!({ HOSTILE: HOSTILE });
    let subject = push(&registry, "a", "1", &manifest);
    let mut referrer = manifest.clone();
    referrer["artifactType"] = json!(HOSTILE);
    referrer["subject"] = part(HOSTILE, &subject, 1);
    let referrer = push(&registry, "a", "2", &referrer);
    let mut member = part(HOSTILE, &subject, 1);
    member["platform"] = json!({ "os": HOSTILE, "architecture": HOSTILE });
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [member], "annotations": { HOSTILE: HOSTILE } });
    push(&registry, "a", "3", &index);
    let asked: String = HOSTILE.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let targets = [
        ("/ui/a/-/1".to_owned(), 17),
        (format!("/ui/a/-/{referrer}"), 18),
        ("/ui/a/-/3".to_owned(), 4),
        ("/ui/a".to_owned(), 3),
        (format!("/?q={asked}&last={asked}&lang={asked}"), 1),
        (format!("/ui/{asked}/-/{asked}"), 0),
        (format!("/ui/a/-/1?last={asked}"), 17),
    ];
    for (target, least) in targets {
        let reply = registry.get(&target);
        let shown = text(&reply);
        assert!(shown.starts_with("<!DOCTYPE html>"), "{target}: {shown}");
        assert!(!shown.contains("<script") && !shown.contains('\u{202e}') && !shown.contains('\u{1b}'), "{shown}");
        let count = shown.matches(ESCAPED).count();
        assert!(count >= least, "{target}: {count} in {shown}");
    }
}

#[test]
fn a_configuration_that_cannot_be_shown_is_said_to_be_so() {
    let mut registry = Registry::start();
    push(&registry, "a", "senseless", &image(&registry, "a", b"no json", &[("x", 1)]));
    push(&registry, "a", "list", &image(&registry, "a", b"[1]", &[("x", 1)]));
    let large = vec![b' '; (4 << 20) + 1];
    push(&registry, "a", "large", &image(&registry, "a", &large, &[]));
    let damaged = image(&registry, "a", b"{\"os\":\"linux\"}", &[]);
    push(&registry, "a", "damaged", &damaged);
    let absent = image(&registry, "a", b"{\"os\":\"plan9\"}", &[]);
    push(&registry, "a", "absent", &absent);
    push(&registry, "a", "empty", &image(&registry, "a", b"{}", &[]));
    registry
        .send("DELETE", &format!("/v2/a/blobs/{}", absent["config"]["digest"].as_str().unwrap()), &[], b"")
        .expect(202);
    registry.restart();
    for entry in std::fs::read_dir(registry.root().join("data")).unwrap() {
        let path = entry.unwrap().path();
        if std::fs::read(&path).unwrap() == b"{\"os\":\"linux\"}" {
            std::fs::write(&path, b"{\"os\":\"LINUX\"}").unwrap();
        }
    }
    for (tag, words) in [
        ("senseless", "The configuration cannot be read"),
        ("list", "The configuration cannot be read"),
        ("large", "The configuration is larger than a page shows"),
        ("damaged", "The configuration is damaged"),
        ("absent", "The configuration is not here."),
        ("empty", "Nothing is set."),
    ] {
        shows(&page(&registry, &format!("/ui/a/-/{tag}"), 200), &[words, "<h2>Layers</h2>"]);
    }
}

#[test]
fn two_languages_are_spoken() {
    let registry = Registry::start();
    registry.push_image("a", "1", "content");
    let chinese =
        |target: &str, accepted: &str| text(&registry.send("GET", target, &[("Accept-Language", accepted)], b""));
    let shown = chinese("/", "zh-CN,zh;q=0.9,en;q=0.8");
    shows(&shown, &["<html lang=\"zh\">", "<h1>仓库</h1>", "href=\"/ui/a\"", "href=\"/?lang=en\">English</a>"]);
    shows(
        &chinese("/", "de,en;q=0.5"),
        &["<html lang=\"en\">", "<h1>Repositories</h1>", "href=\"/?lang=zh\">中文</a>"],
    );
    // What a link asked for stays, whatever the browser would rather read.
    let shown = chinese("/?lang=zh", "en");
    shows(&shown, &["<h1>仓库</h1>", "href=\"/ui/a?lang=zh\"", "name=\"lang\" value=\"zh\""]);
    shows(&chinese("/ui/a?lang=zh", "en"), &["<th>标签</th>", "href=\"/ui/a/-/1?lang=zh\"", "href=\"/?lang=zh\""]);
    shows(&chinese("/ui/a/-/1", "zh"), &["<h2>镜像层</h2>", "docker pull test/a:1"]);
    shows(&chinese("/ui/none", "zh"), &["这里没有内容"]);
    shows(&chinese("/?q=a&lang=zh", ""), &["href=\"/?q=a&amp;lang=en\">English</a>"]);
}

#[test]
fn what_is_not_there_is_said_on_a_page() {
    let registry = Registry::start();
    registry.push_image("a", "1", "content");
    let missing = Digest::of(b"missing");
    for target in ["/ui/none", "/ui/a/-/none", "/ui/A", "/ui/a/-/", "/ui/a/-/-", "/ui/../v2", "/ui/none/-/1"] {
        shows(&page(&registry, target, 404), &["<h1>There is nothing here</h1>", "href=\"/\">All repositories</a>"]);
    }
    page(&registry, &format!("/ui/a/-/{missing}"), 404);
    page(&registry, &format!("/ui/a/-/{missing}?raw=1"), 404);
    // What belongs to nobody stays the API's.
    registry.get("/uix").refuses(404, "UNSUPPORTED");
    registry.get("/v2/none/tags/list").refuses(404, "NAME_UNKNOWN");
}
