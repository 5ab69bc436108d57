//! `analyze`: dive's numbers, what could be saved, and rules for pipelines.

use std::io::{Read, Write};
use std::process::Stdio;

use serde_json::{Value, json};
use wharfie_layer::entry::{Entry, Kind};
use wharfie_testkit::image::tar;
use wharfie_testkit::{Host, Image, Published, TestRegistry, archive, file};

use crate::terminal::terminal;
use crate::{host, host_with};

fn directory(path: &str) -> (Entry, Vec<u8>) {
    (Entry { path: path.as_bytes().to_vec(), kind: Kind::Directory, mode: 0o755, ..Entry::default() }, Vec::new())
}

fn link(path: &str, kind: Kind, target: &str) -> (Entry, Vec<u8>) {
    let (path, link) = (path.as_bytes().to_vec(), target.as_bytes().to_vec());
    (Entry { path, kind, mode: 0o777, link, ..Entry::default() }, Vec::new())
}

fn owned(path: &str, content: &str, uid: u32, mode: u16) -> (Entry, Vec<u8>) {
    let (mut entry, content) = file(path, content);
    (entry.uid, entry.mode) = (uid, mode);
    (entry, content)
}

/// Sixty layers with everything that counts twice: files written again, removed and back, directories removed, implied and
/// opaque, files over directories, hard links, copies by chown, and a whiteout of what never was.
pub(crate) fn sixty() -> Image {
    let text = |n: usize| "x".repeat(100 + n * 7);
    let mut base = vec![directory("etc/"), directory("d/"), directory("d/sub/"), directory("empty/")];
    for n in 0..40 {
        base.push(file(&format!("etc/f{n}"), &text(n)));
        base.push(file(&format!("d/sub/g{n}"), &text(n + 3)));
    }
    base.push(file("bin/tool", &text(90)));
    base.push(link("bin/same", Kind::Hardlink, "bin/tool"));
    base.push(link("bin/sh", Kind::Symlink, "tool"));
    base.push(file(".wh.early", ""));
    let mut image = Image::new().with_layer(tar(&base));
    for n in 1..60 {
        let mut layer = vec![file(&format!("etc/f{}", n % 40), &text(n)), file(&format!("new/{n}/a"), &text(n))];
        match n % 10 {
            1 => layer.push(file(&format!("etc/.wh.f{}", (n + 5) % 40), "")),
            2 => layer.extend([directory("new/"), owned("etc/f3", &text(3), 33, 0o600)]),
            3 => layer.push(file("d/.wh.sub", "")),
            4 => layer.extend([directory("d/sub/"), file("d/sub/back", &text(n)), file("d/sub/g1", "1")]),
            5 => layer.extend([directory("etc/"), file("etc/.wh..wh..opq", ""), file("etc/only", &text(n))]),
            6 => layer.push(file("-before", &text(n))),
            7 => layer.push(file(&format!("new/.wh.{}", n - 4), "")),
            8 => layer.extend([file(".wh.-before", ""), link("h", Kind::Hardlink, "bin/tool"), file("a", "again")]),
            9 => layer.extend([file("new", "over a directory"), file(".wh.new", "")]),
            _ => {
                layer.extend([file("a", &text(n)), file("zz/.wh.never", ""), file("zzz", &text(n)), file(".wh.d", "")]);
            }
        }
        image = image.with_layer(tar(&layer));
    }
    image
}

/// A small image with something to say about each of its layers.
fn image() -> Image {
    let first = [
        file("var/lib/apt/lists/deb.lz4", &"l".repeat(4000)),
        file("srv/app", &"a".repeat(3000)),
        file("tmp/build", &"b".repeat(2000)),
        file("etc/evil\u{1b}[31m", "e"),
    ];
    let second = [owned("srv/app", &"a".repeat(3000), 33, 0o644), file("tmp/.wh.build", ""), file("etc/more", "m")];
    Image::new().with_layer(tar(&first)).with_layer(tar(&second))
}

fn document(host: &Host, words: &[&str]) -> Value {
    serde_json::from_str(&host.run(words).stdout).expect("it is JSON")
}

const TEXT: &str = "\
Image:        web:1
Size:         12kB in 2 layers
Reclaimable:  5kB, which no container sees
Left behind:  4kB of caches and temporary files
dive counts:  58.3403 % efficiency, 8kB wasted (every copy of a path)

LAYER     SIZE      UNSEEN    BROUGHT BY
0         9kB       5kB       layer 0
1         3kB       0B        layer 1

UNSEEN    IN        WHY                   FILE
3kB       layer 0   replaced by layer 1   /srv/app
2kB       layer 0   removed by layer 1    /tmp/build

What to do:
  4kB in 1 file of layer 0 (layer 0): apt-lists, such as /var/lib/apt/lists/deb.lz4
    end the instruction with `rm -rf /var/lib/apt/lists/*`, or give it `--mount=type=cache,target=/var/lib/apt/lists`
  3kB in 1 file of layer 0 (layer 0), hidden by layer 1 (layer 1): copied-by-chown, such as /srv/app
    give the files their owner when they come: `COPY --chown=…`, or `chown` in the same RUN
  2kB in 1 file of layer 0 (layer 0), hidden by layer 1 (layer 1): removed-later, such as /tmp/build
    remove them in the instruction that makes them, or make them in a stage of its own: a later instruction only hides them
";

#[test]
fn it_tells_what_layers_cost_and_what_to_do() {
    let host = host_with(&[(&image(), &["web:1"])]);
    host.run(&["analyze", "web:1"]).prints(TEXT);
    let told = document(&host, &["analyze", "--format", "json", "web:1"]);
    assert_eq!(
        told["image"],
        json!({
            "sizeBytes": 12002, "inefficientBytes": 8000, "efficiencyScore": 7002.0 / 12002.0,
            "fileReference": [
                {"count": 2, "sizeBytes": 6000, "file": "/srv/app", "layers": [0, 1]},
                {"count": 2, "sizeBytes": 2000, "file": "/tmp/build", "layers": [0, 1]},
            ],
            "name": "web:1", "id": image().id(), "reclaimableBytes": 5000, "leftoverBytes": 4000,
            "hiddenFile": [
                {"file": "/srv/app", "sizeBytes": 3000, "layer": 0, "hiddenBy": 1, "how": "replaced"},
                {"file": "/tmp/build", "sizeBytes": 2000, "layer": 0, "hiddenBy": 1, "how": "removed"},
            ],
        })
    );
    assert_eq!(told["layer"][1]["command"], "layer 1");
    assert_eq!(told["advice"].as_array().unwrap().len(), 3);
    assert_eq!(
        told["layer"][1]["fileList"][0],
        json!({"path": "etc/more", "typeFlag": 48, "linkName": "", "size": 1, "fileMode": 420, "uid": 0, "gid": 0, "isDir": false})
    );
}

#[test]
fn it_is_the_same_wherever_the_image_lies() {
    let image = sixty();
    let bytes = archive(&[(&image, &["web:1"])]);
    let host = host_with(&[(&image, &["web:1"])]);
    let path = host.file("web.tar", &bytes).display().to_string();
    let numbers =
        |told: Value| (told["layer"].clone(), told["advice"].clone(), told["image"]["reclaimableBytes"].clone());
    let expected = numbers(document(&host, &["analyze", "--format", "json", "web:1"]));
    assert_eq!(numbers(document(&host, &["analyze", "--format", "json", &path])), expected);
    let named = format!("docker-archive://{path}");
    assert_eq!(numbers(document(&host, &["analyze", "--format", "json", &named])), expected);
    assert_eq!(
        numbers(document(&host, &["analyze", "--format", "json", "--source", "docker-archive", &path])),
        expected
    );
    let piped = host.run_with(&["analyze", "--format", "json", "-"], &bytes);
    assert_eq!(numbers(serde_json::from_str(&piped.stdout).unwrap()), expected);
    let registry = TestRegistry::start();
    let name = registry.publish("team/web:1", &Published::of(&image));
    let fetched = document(&host, &["analyze", "--progress", "quiet", "--format", "json", &format!("registry:{name}")]);
    assert_eq!(numbers(fetched), expected);
    // Layers of an archive may be compressed, and what is in it may be a layout.
    let out = host.path().join("oci.tar").display().to_string();
    host.run(&["save", "-o", &out, "web:1"]).succeeds();
    assert_eq!(numbers(document(&host, &["analyze", "--format", "json", &out])), expected);
}

#[test]
fn a_container_and_a_directory_have_a_layer_more() {
    let host = host_with(&[(&image(), &["web:1"])]);
    host.run(&["create", "--name", "one", "web:1", "true"]).succeeds();
    let told = document(&host, &["analyze", "--format", "json", "container:one"]);
    assert_eq!(told["layer"].as_array().unwrap().len(), 3);
    assert_eq!(told["layer"][2]["command"], "changes of container one");
    let root = host.path().join("root");
    std::fs::create_dir_all(root.join("var/cache/apk")).unwrap();
    std::fs::write(root.join("var/cache/apk/a"), "12345").unwrap();
    std::fs::hard_link(root.join("var/cache/apk/a"), root.join("z")).unwrap();
    let told = document(&host, &["analyze", "--format", "json", &root.display().to_string()]);
    assert_eq!((&told["image"]["sizeBytes"], &told["advice"][0]["kind"]), (&json!(5), &json!("apk-cache")));
    host.run(&["analyze", "sbom:x.json"]).fails(
        1,
        "x.json is a document: it has no layers to look at\n help: name an image, an archive or a directory: `wharfie analyze IMAGE`",
    );
}

/// What dive 0.13.1 said of the archive of [`sixty`].
const DIVE: (u64, u64, f64, usize) = (66_608, 19_243, 0.683_436_321_946_290_4, 28);

#[test]
fn numbers_are_those_of_dive() {
    let host = host();
    let path = host.file("web.tar", &archive(&[(&sixty(), &["web:1"])])).display().to_string();
    let told = document(&host, &["analyze", "--format", "json", &path]);
    let image = &told["image"];
    let number = |key: &str| image[key].as_u64().expect("it is a number");
    let files = image["fileReference"].as_array().expect("it is a list").len();
    let score = image["efficiencyScore"].as_f64().expect("it is a number");
    assert_eq!((number("sizeBytes"), number("inefficientBytes"), score, files), DIVE);
    // dive goes on in silence where it stops counting.
    let warnings = told["warnings"].as_array().unwrap();
    assert!(warnings[0].as_str().unwrap().contains("removes /early, which is in no layer below"), "{warnings:?}");
}

const CI: &str = "  efficiency: 58.3403 %
  wastedBytes: 8000 bytes (8.0 kB)
  userWastedPercent: 266.5778 %
Inefficient Files:
Count  Wasted Space  File Path
    2        6.0 kB  /srv/app
    2        2.0 kB  /tmp/build
Results:
  FAIL: highestUserWastedPercent: too many bytes wasted, relative to the user bytes added (%-user-wasted-bytes=2.6657780739753414 > threshold=0.1)
  SKIP: highestWastedBytes: rule disabled
  FAIL: lowestEfficiency: image efficiency is too low (efficiency=0.5834027662056324 < threshold=0.9)
Result:FAIL [Total:3] [Passed:0] [Failed:2] [Warn:0] [Skipped:1]
";

#[test]
fn pipelines_are_held_to_rules() {
    let host = host_with(&[(&image(), &["web:1"])]);
    let said = host.run(&["analyze", "--ci", "web:1"]);
    assert_eq!((said.code, said.stdout.as_str(), said.stderr.as_str()), (1, CI, ""));
    let with = |words: &[&str]| host.run(&[&["analyze", "--ci", "web:1"], words].concat());
    let passes = ["--lowestEfficiency", "0.5", "--highestUserWastedPercent=off", "--highestWastedBytes", "8kB"];
    assert!(with(&passes).succeeds().ends_with("Result:PASS [Total:3] [Passed:2] [Failed:0] [Warn:0] [Skipped:1]\n"));
    assert_eq!(with(&["--highestWastedBytes", "7999"]).code, 1);
    with(&["--lowestEfficiency", "90%"]).fails(
        1,
        "lowestEfficiency: invalid config value ('90%')\n help: a rule is a number, a size such as 20MB for bytes, or \"disabled\"",
    );
    // The file beside the Dockerfile, and one with another name; what is said by a flag wins.
    host.file(".dive-ci", b"rules:\n  lowestEfficiency: 0.5\n  highestUserWastedPercent: disabled\n");
    with(&[]).succeeds();
    assert_eq!(with(&["--lowestEfficiency", "0.7"]).code, 1);
    assert!(with(&["--ci-config", "mistyped"]).stderr.starts_with("cannot read mistyped: "));
    let strict = host.file("strict", b"rules: {highest-wasted-bytes: 1kB}").display().to_string();
    assert!(
        with(&["--ci-config", &strict]).stdout.contains("too many bytes wasted (wasted-bytes=8000 > threshold=1000)")
    );
    host.file(".dive-ci", b"rules:\n  lowestEficiency: 1\n");
    assert!(with(&[]).stderr.contains("there is no rule \"lowestEficiency\""));
}

#[test]
fn documents_are_written_as_dive_writes_them() {
    let host = host_with(&[(&image(), &["web:1"])]).with("CI", "true");
    host.file(".dive-ci", b"rules: {lowestEfficiency: 1}");
    let out = host.path().join("out.json").display().to_string();
    host.run(&["analyze", "--json", &out, "web:1"]).prints("");
    let written: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    assert_eq!(written, document(&host, &["analyze", "--format", "json", "web:1"]));
    // In a pipeline dive's rules hold without a flag; who asks for both gets both.
    assert_eq!(host.run(&["analyze", "web:1"]).code, 1);
    let both = host.run(&["analyze", "--ci", "-j", &out, "web:1"]);
    assert!(both.code == 1 && both.stdout.starts_with("  efficiency:"), "{}", both.stdout);
    let both = host.run(&["analyze", "--ci", "--format", "json", "web:1"]);
    assert!(both.code == 1 && both.stderr.contains("Result:FAIL"), "{}", both.stderr);
    serde_json::from_str::<Value>(&both.stdout).unwrap();
    host.run(&["analyze", "--format", "yaml", "web:1"])
        .fails(1, "invalid format \"yaml\"\n help: the formats are table, json");
    let refused = host.run(&["analyze", "--json", "no/such/folder.json", "web:1"]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
}

#[test]
fn a_damaged_layer_is_a_warning_and_the_rest_is_told() {
    let mut broken = tar(&[file("a", &"a".repeat(1000)), file("b", &"b".repeat(1000))]);
    broken.truncate(2048);
    broken.extend([b'?'; 512]);
    let image = Image::new().with_file("first", "1").with_layer(broken).with_file("last", "22");
    let host = host();
    let path = host.file("web.tar", &archive(&[(&image, &["web:1"])])).display().to_string();
    let said = host.run(&["analyze", "--format", "json", &path]);
    let told: Value = serde_json::from_str(&said.stdout).unwrap();
    assert!(
        said.code == 0 && said.stderr.starts_with("WARNING: the layer of \"layer 1\" is damaged"),
        "{}",
        said.stderr
    );
    let sizes: Vec<_> = told["layer"].as_array().unwrap().iter().map(|layer| layer["sizeBytes"].clone()).collect();
    assert_eq!(sizes, [1, 2000, 2]);
    assert_eq!(host.run(&["analyze", "-i", &path]).stderr, "");
}

#[test]
fn two_images_are_compared() {
    const STATUS: &str = "Package: libc6\nStatus: install ok installed\nVersion: 2.36-9\nArchitecture: amd64\n";
    let base = tar(&[file("var/lib/dpkg/status", STATUS), file("etc/same", "1"), file("etc/gone", "22")]);
    let before = Image::new()
        .with_layer(base.clone())
        .with_layer(tar(&[file("srv/a", "one"), file("srv/touched", "t"), file("srv/mode", "m")]))
        .with_config("Env", json!(["A=1", "B=1"]));
    let mut touched = file("srv/touched", "t");
    touched.0.mtime += 1;
    let after = Image::new()
        .with_layer(base)
        .with_layer(tar(&[
            file("srv/a", "two"),
            touched,
            owned("srv/mode", "m", 0, 0o600),
            file("etc/.wh.gone", ""),
            file("var/lib/dpkg/status", &STATUS.replace("2.36-9", "2.36-10")),
            file("new\u{1b}[31m", "12345"),
        ]))
        .with_config("Env", json!(["A=2", "B=1"]));
    let host = host_with(&[(&before, &["web:1"]), (&after, &["web:2"])]);
    let told = document(&host, &["analyze", "--format", "json", "web:1", "web:2"]);
    let files: Vec<_> = told["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| {
            format!(
                "{} {} {}>{}",
                file["file"].as_str().unwrap(),
                file["change"],
                file["bytesBefore"],
                file["bytesAfter"]
            )
        })
        .collect();
    let status = STATUS.len();
    assert_eq!(
        files,
        [
            "etc/gone \"removed\" 2>0".to_owned(),
            "new\u{1b}[31m \"added\" 0>5".to_owned(),
            "srv/a \"modified\" 3>3".to_owned(),
            "srv/mode \"modified\" 1>1".to_owned(),
            format!("var/lib/dpkg/status \"modified\" {status}>{}", status + 1),
        ]
    );
    assert_eq!(told["packages"], json!([{"name": "deb libc6", "before": "2.36-9", "after": "2.36-10"}]));
    assert_eq!(told["settings"], json!([{"name": "Env A", "before": "1", "after": "2"}]));
    assert_eq!((&told["sharedLayers"], &told["after"]["files"]), (&json!(1), &json!(6)));
    let text = host.run(&["analyze", "web:1", "web:2"]).succeeds();
    for line in
        ["Env A     1         2", "deb libc6   2.36-9    2.36-10", "added      -         5B        /new\u{fffd}[31m"]
    {
        assert!(text.contains(line), "{text}");
    }
    // One may be on standard input, whichever; the same image has nothing to tell.
    let bytes = archive(&[(&before, &["web:1"])]);
    let turned = host.run_with(&["analyze", "--format", "json", "-", "web:2"], &bytes).succeeds();
    assert_eq!(serde_json::from_str::<Value>(&turned).unwrap()["files"], told["files"]);
    let turned = host.run_with(&["analyze", "web:1", "-"], &bytes).succeeds();
    assert!(turned.ends_with("Nothing that a container sees is different\n"), "{turned}");
    assert_eq!(host.run(&["analyze", "-", "-"]).code, 1);
    assert_eq!(host.run(&["analyze", "--ci", "web:1", "web:2"]).code, 1);
}

#[test]
fn a_terminal_shows_a_tree_that_keys_move() {
    let host = host_with(&[(&image(), &["web:1"])]);
    let mut command = terminal(&host, 160, &["analyze", "web:1"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("bsdutils is installed");
    let (mut keys, mut screen) = (child.stdin.take().expect("asked for"), child.stdout.take().expect("asked for"));
    let (mut shown, mut byte) = (Vec::new(), [0]);
    // The second layer, its files, only what it changed; then out.
    let mut typed = [&b"j"[..], b"\t", b"\x15", b"q"].into_iter();
    while screen.read(&mut byte).is_ok_and(|n| n > 0) {
        shown.push(byte[0]);
        // Each screen ends with the line of keys, which is the only reversed one that ends so.
        let end = String::from_utf8_lossy(&shown[shown.len().saturating_sub(200)..]).into_owned();
        if end.ends_with("\x1b[0m")
            && end.contains("\x1b[7m^C Quit")
            && let Some(key) = typed.next()
        {
            keys.write_all(key).expect("the terminal takes keys");
        }
    }
    assert!(child.wait().expect("a started program ends").success());
    let shown = String::from_utf8_lossy(&shown);
    let last = &shown[shown.rfind("\x1b[H").expect("it drew something")..];
    assert!(shown.contains("├── ") && shown.contains("etc"), "{shown}");
    assert!(shown.contains("evil\u{fffd}[31m") && !shown.contains("evil\u{1b}"), "{shown}");
    assert!(last.contains("(Unmodified hidden)") && !last.contains("evil"), "{last}");
    assert!(last.contains("\x1b[32m") && last.contains("more"), "{last}");
    assert!(shown.ends_with("\x1b[?25h\x1b[?1049l"), "the screen is left as it was: {last:?}");
}
