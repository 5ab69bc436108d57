//! Where images are, as words say it: the same words for `copy` and for what looks into images.

use wharfie_testkit::{Image, Published, TestRegistry};

use crate::insight::{advisories, image};
use crate::{host, host_with};

#[test]
fn one_grammar_names_images_wherever_they_are() {
    let other = Image::new().with_file("srv/left.dist-info/METADATA", "Name: left\nVersion: 1\n");
    let host = host_with(&[(&image(), &["web:1"]), (&other, &["other:2"])]);
    let expected = host.run(&["sbom", "web:1"]).succeeds();
    let at = |name: &str| host.path().join(name).display().to_string();
    let (layout, tar, both) = (at("layout"), at("web.tar"), at("both.tar"));
    for (from, name) in [("store:web:1", "1.0"), ("docker-daemon:other:2", "2.0")] {
        host.run(&["copy", "-q", from, &format!("oci:{layout}:{name}")]).succeeds();
    }
    host.run(&["copy", "-q", "store:web:1", &format!("oci-archive:{tar}:team/web:1")]).succeeds();
    host.run(&["save", "-o", &both, "web:1", "other:2"]).succeeds();
    let registry = TestRegistry::start();
    let name = registry.publish("team/web:1", &Published::of(&image()));
    for word in [
        "store:web:1".to_owned(),
        "docker-daemon:web:1".to_owned(),
        "containers-storage:web:1".to_owned(),
        format!("oci:{layout}:1.0"),
        format!("archive:{tar}"),
        format!("docker-archive:{tar}:team/web:1"),
        format!("oci-archive:{both}:web:1"),
        format!("docker-archive://{both}:docker.io/library/web:1"),
        format!("registry:{name}"),
        format!("docker://{name}"),
    ] {
        let told = host.run(&["sbom", "--progress", "quiet", &word]);
        assert_eq!((told.succeeds(), &word), (expected.clone(), &word));
        let scanned = host.run(&["scan", "--progress", "quiet", "--only", "checks", &word]);
        assert_eq!(scanned.succeeds(), "Nothing was found\n", "{word}");
        let analyzed = host.run(&["analyze", "--progress", "quiet", "--format", "json", &word]).succeeds();
        assert!(analyzed.contains("sizeBytes"), "{word}: {analyzed}");
        // What can be looked into can be copied, under the same word.
        let to = format!("archive:{}", at("copied.tar"));
        host.run(&["copy", "-q", &word, &to]).succeeds();
        assert_eq!(host.run(&["sbom", &to]).succeeds(), expected, "{word}");
    }
    let told = host.run(&["sbom", &format!("oci:{layout}:2.0")]).succeeds();
    assert!(told.contains("left") && !told.contains("libc6"), "{told}");
    let compared = host.run(&["analyze", "--progress", "quiet", "store:web:1", &format!("docker://{name}")]);
    compared.succeeds();
}

#[test]
fn words_that_name_nothing_are_told_alike() {
    let host = host_with(&[(&image(), &["web:1"])]);
    let help = "write NAME, docker://NAME, store:NAME, archive:FILE[:NAME], oci:DIRECTORY[:NAME], or ./PATH; to look into: \
                dir:DIRECTORY, container:NAME, sbom:FILE, or -";
    for (word, transport) in [("ostree:web", "ostree:"), ("https://registry.example/web", "https:"), ("zip:/x", "zip:")]
    {
        let expected = format!("unknown transport \"{transport}\"\n help: {help}");
        for command in [&["sbom", word][..], &["scan", word], &["analyze", word], &["copy", word, "store:"]] {
            host.run(command).fails(1, &expected);
        }
    }
    let unfit = "is not a place to copy from or to\n help: write archive:FILE, oci:DIRECTORY, store:NAME, or a name on a registry";
    for (word, what) in [("dir:x", "dir:"), ("container:x", "container:"), ("-", "standard input")] {
        host.run(&["copy", word, "store:"]).fails(1, &format!("{what} {unfit}"));
    }
    // The store alone is asked.
    host.run(&["sbom", "store:missing"]).fails(1, "Error response from daemon: No such image: missing:latest");
    let layout = host.path().join("layout").display().to_string();
    host.run(&["copy", "-q", "store:web:1", &format!("oci:{layout}:1.0")]).succeeds();
    host.run(&["sbom", &format!("oci:{layout}:2.0")]).fails(1, "Error response from daemon: No such image: 2.0");
    let twice = format!("oci:{layout}:1.0");
    host.run(&["sbom", "--image", "1.0", &twice])
        .fails(1, &format!("{twice} says already which image is meant\n help: name it there, or with `--image`"));
    let offered = host.run(&["__complete", "places", "store:w"]).succeeds();
    assert_eq!(offered, "store:web:1\n");
    assert!(host.run(&["__complete", "places", ""]).succeeds().contains("\noci-archive:\n"));
}

#[test]
fn documents_can_come_on_standard_input() {
    let here = host_with(&[(&image(), &["web:1"])]);
    let osv = advisories(&here);
    let scan = ["scan", "--db", &osv, "--only", "vulnerabilities", "--fail-on", "high"];
    let count = |text: &str| text.lines().find(|line| line.contains("findings")).map(str::to_owned);
    let scanned = here.run(&[&scan[..], &["web:1"]].concat());
    let expected = (2, count(&scanned.stdout));
    assert!(expected.1.is_some(), "{}", scanned.stdout);
    for format in ["json", "cyclonedx-json", "spdx-json"] {
        let text = here.run(&["sbom", "--format", format, "web:1"]).succeeds();
        for text in [text.clone(), format!("\u{feff}\n\t{text}")] {
            let told = here.run_with(&[&scan[..], &["-"]].concat(), text.as_bytes());
            assert_eq!((told.code, count(&told.stdout)), expected, "{format}: {} {}", told.stdout, told.stderr);
            let file = here.file("document", text.as_bytes()).display().to_string();
            for word in [file.clone(), format!("sbom:{file}")] {
                let told = here.run(&[&scan[..], &[&word]].concat());
                assert_eq!((told.code, count(&told.stdout)), expected, "{word}: {} {}", told.stdout, told.stderr);
            }
        }
    }
    let host = host();
    host.run_with(&["sbom", "-"], b"{\"hello\": 1}").fails(
        1,
        "- is neither CycloneDX nor SPDX 2 in JSON\n help: `wharfie sbom --format cyclonedx-json` writes a document that can be read",
    );
    assert_eq!(host.run_with(&["analyze", "-"], b" {}").code, 1);
    assert_eq!(host.run_with(&["sbom", "-"], b"").code, 1);
    // One that is too large is told before it fills the memory.
    let large = format!("{{\"x\": \"{}\"}}", "x".repeat(33 << 20));
    let said = host.run_with(&["scan", "--only", "checks", "-"], large.as_bytes());
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("32 MiB"), "{}", said.stderr);
}
