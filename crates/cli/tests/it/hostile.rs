//! The bodies of all fuzz targets on hand-made hostile inputs, cut anywhere and with every byte changed: what fuzzing
//! without a nightly compiler would look like.

#[path = "../../../../fuzz/bodies/challenge.rs"]
mod challenge;
#[path = "../../../../fuzz/bodies/manifest.rs"]
mod manifest;
#[path = "../../../../fuzz/bodies/reference.rs"]
mod reference;
#[path = "../../../../fuzz/bodies/tar.rs"]
mod tar;
#[path = "../../../../fuzz/bodies/template.rs"]
mod template;

use wharfie_layer::entry::{Entry, Kind};
use wharfie_testkit::{file, image};

/// Bytes that mean something to one parser or another.
const MEANINGFUL: &[u8] = b"\0 \"\\{}[]()=,:;/.@-+09azAZ\x7f\x80\xff\n\t$|%<";

/// The seed itself, each of its beginnings and ends, and each byte replaced, removed and doubled.
fn around(seed: &[u8], run: impl Fn(&[u8])) {
    run(seed);
    for at in 0..seed.len() {
        run(&seed[..at]);
        run(&seed[at..]);
        let (head, tail) = (&seed[..at], &seed[at + 1..]);
        run(&[head, tail].concat());
        run(&[head, &[seed[at], seed[at]], tail].concat());
        for byte in MEANINGFUL {
            run(&[head, &[*byte], tail].concat());
        }
    }
}

/// As [`around`], for parsers of text.
fn around_text(seed: &str, run: impl Fn(&str)) {
    around(seed.as_bytes(), |bytes| {
        if let Ok(text) = str::from_utf8(bytes) {
            run(text);
        }
    });
}

#[test]
fn references() {
    for seed in [
        "registry.example:5000/team/web:1.0_x-y@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "[::1]:5000/a/b__c.d--e:latest",
        "EXAMPLE.com/x",
        "docker.io/library/web",
        "index.docker.io/web@sha512:abc",
        "localhost/é:ü",
        "a/b/c/d/e/f:::@@@",
        "library/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ] {
        around_text(seed, reference::run);
    }
    reference::run(&"a/".repeat(10_000));
    reference::run(&"a".repeat(100_000));
    reference::run(&format!("a:{}", "1".repeat(100_000)));
}

#[test]
fn challenges() {
    for seed in [
        "Bearer realm=\"https://auth.example/token\",service=\"registry\",scope=\"repository:a/b:pull,push\",error=\"x\"",
        "Basic realm=\"a \\\"quoted\\\" \\\\ realm\"",
        "Negotiate, Basic realm=x, Bearer realm = \"y\" , scope=\"\"",
        "=,=\"\",,Bearer",
        "\u{e9} Bearer realm=\u{e9}",
    ] {
        around_text(seed, challenge::run);
    }
    challenge::run(&"Basic ".repeat(10_000));
    challenge::run(&"=".repeat(100_000));
    challenge::run(&format!("Bearer realm=\"{}", "\\".repeat(100_001)));
}

#[test]
fn manifests() {
    let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    for seed in [
        format!(
            r#"{{"schemaVersion":2,"config":{{"digest":"{digest}","size":1}},"layers":[{{"digest":"{digest}","size":18446744073709551615}}]}}"#
        ),
        format!(
            r#"{{"schemaVersion":2,"manifests":[{{"digest":"{digest}","size":-1,"platform":{{"os":"x","os.features":[1]}}}}]}}"#
        ),
        "application/vnd.oci.image.index.v1+json\n{\"manifests\":null,\"layers\":{}}".to_owned(),
        r#"{"schemaVersion":1e400,"fsLayers":[],"mediaType":"\ud800"}"#.to_owned(),
    ] {
        around(seed.as_bytes(), manifest::run);
    }
    manifest::run("[".repeat(100_000).as_bytes());
    manifest::run(r#"{"a":"#.repeat(100_000).as_bytes());
}

#[test]
fn templates() {
    for seed in [
        "{{range $i, $e := .L}}{{if eq $i 1}}{{break}}{{else}}{{printf \"%5.2f|%q\" $e .}}{{end}}{{end}}",
        "{{define \"t\"}}{{template \"t\" .}}{{end}}{{template \"t\"}}",
        "{{- with .M -}}{{.k | json | truncate 3 | pad 9 9}}{{end}}{{/* c */}}{{`raw`}}{{'\\u00e9'}}{{0x1p-2}}",
        "{{index .L 99999999999}}{{slice .ID 1 9}}{{.F 1 2 .M}}{{join (split .ID \":\") \",\"}}",
        "{{pad 1000000000 1000000000 .ID}}{{printf \"%1000000000d\" 1}}",
    ] {
        around_text(seed, template::run);
    }
    template::run(&"{{if 1}}".repeat(10_000));
    template::run(&format!("{{{{{}1{}}}}}", "(".repeat(50_000), ")".repeat(50_000)));
    template::run(&"{{range .L}}".repeat(30));
}

/// A header block with this field overwritten and the checksum made right again.
fn header(offset: usize, value: &[u8]) -> Vec<u8> {
    let mut tar = image::tar(&[file("name", "content")]);
    tar[offset..offset + value.len()].copy_from_slice(value);
    tar[148..156].fill(b' ');
    let sum: u32 = tar[..512].iter().map(|&byte| u32::from(byte)).sum();
    tar[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    tar
}

#[test]
fn tars() {
    let xattrs = vec![(b"user.x".to_vec(), b"\0=\n".to_vec())];
    let rich = Entry { path: vec![b'p'; 300], uid: u32::MAX, mtime: -1, mtime_nanos: 5, xattrs, ..Entry::default() };
    let link = Entry { path: b"l".to_vec(), link: vec![b'/'; 200], kind: Kind::Symlink, ..Entry::default() };
    let mut seeds = vec![image::tar(&[(rich, Vec::new()), (link, Vec::new()), file("a", "1")])];
    // Sizes, types, sparse maps and numbers in base 256 that cannot be.
    for (offset, value) in [
        (124, &b"77777777777\0"[..]),
        (124, b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"),
        (124, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
        (156, b"x"),
        (156, b"g"),
        (156, b"L"),
        (156, b"K"),
        (156, b"S"),
        (156, b"V"),
        (156, b"\0"),
        (257, b"ustar  \0"),
        (345, &[b'7'; 100]),
        (0, &[0; 100]),
    ] {
        seeds.push(header(offset, value));
    }
    for records in [
        "30 path=x\n",
        "12 size=-1\n\n",
        "999999999999999999999 a=b\n",
        "17 GNU.sparse.map=",
        "0 =\n",
        "6 a=b\n6 a=b\n",
    ] {
        let mut tar = header(156, b"x");
        tar[512..512 + records.len()].copy_from_slice(records.as_bytes());
        tar[124..136].copy_from_slice(format!("{:011o}\0", records.len()).as_bytes());
        let size = tar[124..136].to_vec();
        let sealed = header(156, b"x");
        tar[..512].copy_from_slice(&sealed[..512]);
        tar[124..136].copy_from_slice(&size);
        tar[148..156].fill(b' ');
        let sum: u32 = tar[..512].iter().map(|&byte| u32::from(byte)).sum();
        tar[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        tar.extend(image::tar(&[file("after", "2")]));
        seeds.push(tar);
    }
    for seed in &seeds {
        for cut in [0, 1, 6, 255] {
            tar::run(&[&[cut], seed.as_slice()].concat());
        }
        // Every byte of the first header and of what follows it, a little each.
        for at in (0..seed.len().min(1600)).step_by(7) {
            for byte in [0, 0x20, 0x37, 0x80, 0xff] {
                let mut changed = seed.clone();
                changed[at] = byte;
                tar::run(&[&[13], changed.as_slice()].concat());
                tar::run(&[&[255], &changed[..at]].concat());
            }
        }
    }
}
