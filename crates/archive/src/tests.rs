//! Archives as other tools write them, against an intake that keeps nothing.

use std::io::Read;

use wharfie_content::graph::{Images, Options, Order, Platforms, copy};
use wharfie_content::place::{Memory, Place};
use wharfie_content::{BoxError, Document, Outcome, Part, Sink, Source, Watch};
use wharfie_layer::entry::{Entry, Kind};
use wharfie_layer::tar::Writer;
use wharfie_oci::{Descriptor, DiffId, Digest, MediaType};

use wharfie_testkit::{Image, Packing, Published, contract};

use crate::{Archive, ArchiveSink, Intake, Layout, StoredLayer, Taken};

/// Takes whatever is no text that says otherwise.
struct Fake {
    has: Vec<DiffId>,
}

impl Intake for Fake {
    fn layer(&self, bytes: &mut (dyn Read + Send), _: u64, _: &str) -> Result<Taken, BoxError> {
        let mut all = Vec::new();
        bytes.read_to_end(&mut all)?;
        if all.ends_with(b"no tar") {
            return Ok(Taken::Refused("it is no tar".into()));
        }
        let blob = Digest::of(&all);
        Ok(Taken::Layer(StoredLayer { diff_id: DiffId::new(blob.clone()), blob }))
    }

    fn has(&self, diff_id: &DiffId) -> Result<bool, BoxError> {
        Ok(self.has.contains(diff_id))
    }
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (name, bytes) in members {
        let entry = Entry {
            path: name.as_bytes().to_vec(),
            kind: Kind::File,
            mode: 0o644,
            size: bytes.len() as u64,
            ..Entry::default()
        };
        writer.append(&entry, *bytes).unwrap();
    }
    writer.finish().unwrap()
}

fn layer(text: &str) -> Vec<u8> {
    tar(&[("f", text.as_bytes())])
}

fn config(layers: &[&[u8]]) -> Vec<u8> {
    let ids: Vec<String> = layers.iter().map(|layer| format!("\"{}\"", Digest::of(layer))).collect();
    format!(r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#, ids.join(","))
        .into_bytes()
}

/// Takes everything and keeps nothing.
struct Nowhere;

impl Sink for Nowhere {
    fn put(&self, _: &Part, _: &dyn Source, _: Watch<'_>) -> Result<Outcome, BoxError> {
        Ok(Outcome::Done)
    }

    fn put_document(&self, _: &Document, _: Place) -> Result<(), BoxError> {
        Ok(())
    }
}

/// What an archive offers: names, and the number of layers.
fn read(members: &[(&str, &[u8])], has: &[&[u8]]) -> Result<Vec<(Vec<String>, usize)>, String> {
    let fake = Fake { has: has.iter().map(|layer| DiffId::new(Digest::of(layer))).collect() };
    let archive = Archive::read(tar(members).as_slice(), &fake).map_err(|why| why.to_string())?;
    let options = Options {
        platforms: Platforms::Present(&[]),
        jobs: 1,
        observer: &(),
        naming: None,
        order: Order::BottomFirst,
        images: Images::Required,
        check: &|image| Ok(archive.check(image, &fake)?),
    };
    let mut images = Vec::new();
    for root in archive.roots() {
        let copied = copy(&archive, &Nowhere, &root.descriptor, &options).map_err(|why| why.to_string())?;
        let layers = copied.iter().filter_map(|copied| copied.image.as_ref()).map(|image| image.layers.len()).sum();
        images.push((root.names.clone(), layers));
    }
    Ok(images)
}

fn docker(config: &[u8], layers: &[(&str, &[u8])], others: &[(&str, &[u8])], has: &[&[u8]]) -> Result<usize, String> {
    let names: Vec<&str> = layers.iter().map(|(name, _)| *name).collect();
    let manifest = format!(r#"[{{"config":"c.json","REPOTAGS":["a:1"],"Layers":{names:?}}}]"#);
    let mut members: Vec<(&str, &[u8])> = layers.iter().filter(|(_, bytes)| *bytes != GONE).copied().collect();
    members.extend(others);
    members.extend([("c.json", config), ("manifest.json", manifest.as_bytes())]);
    read(&members, has).map(|images| images[0].1)
}

/// Stands for a layer that the archive leaves out.
const GONE: &[u8] = b"gone";

#[test]
fn the_manifest_says_what_is_a_layer() {
    let full = layer("x");
    for (len, name) in [(0, "e.tar"), (512, "blobs/e"), (1024, "e.tar"), (1024, "odd"), (10_240, "layers/e")] {
        let empty = vec![0; len];
        let found = docker(&config(&[&full, &empty]), &[("l.tar", &full), (name, &empty)], &[], &[]);
        assert_eq!(found, Ok(2), "{len} zeros in {name}");
    }
    let alone = |others: &[(&str, &[u8])]| docker(&config(&[&full]), &[("l.tar", &full)], others, &[]);
    assert_eq!(alone(&[("x.gz", b"\x1f\x8b\x08 no tar"), ("x/layer.tar", b"no tar"), ("README", b"hello")]), Ok(1));
    let broken = docker(&config(&[&full]), &[("l.gz", b"\x1f\x8b\x08 no tar")], &[], &[]);
    assert_eq!(broken, Err("it is no tar".to_owned()));
    let large = vec![b'x'; 2 << 20];
    let unknown = docker(&config(&[&large]), &[("large", &large)], &[], &[]);
    assert_eq!(unknown, Err("invalid archive: large is no layer".to_owned()));
}

#[test]
fn layers_that_are_there_already_may_be_left_out() {
    let (base, top) = (layer("base"), layer("top"));
    let both = config(&[&base, &top]);
    let layers: [(&str, &[u8]); 2] = [("b/layer.tar", GONE), ("t/layer.tar", &top)];
    assert_eq!(docker(&both, &layers, &[], &[&base]), Ok(2));
    assert_eq!(docker(&both, &layers, &[], &[]), Err("open b/layer.tar: no such file or directory".to_owned()));
}

#[test]
fn a_name_of_a_layout_may_hold_a_digest() {
    fn check(name: &str, expected: &[&str]) {
        let layer = layer("x");
        let config = config(&[&layer]);
        let describe =
            |media_type: MediaType, bytes: &[u8]| serde_json::to_string(&Descriptor::of(media_type, bytes)).unwrap();
        let manifest = format!(
            r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#,
            describe(MediaType::OCI_CONFIG, &config),
            describe(MediaType::OCI_LAYER, &layer),
        );
        let manifest = manifest.as_bytes();
        let mut root = Descriptor::of(MediaType::OCI_MANIFEST, manifest);
        root.annotations = Some([(crate::oci::REF_NAME.to_owned(), name.to_owned())].into());
        let index = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, serde_json::to_string(&root).unwrap());
        let blobs: Vec<(String, &[u8])> =
            [&layer, &config, manifest].map(|b: &[u8]| (crate::oci::path(&Digest::of(b)), b)).into();
        let mut members: Vec<(&str, &[u8])> = blobs.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
        members.push(("index.json", index.as_bytes()));
        let images = read(&members, &[]).unwrap();
        assert_eq!(images[0].0, expected, "{name}");
    }
    let digest = Digest::of(b"x");
    check("r.example/a:1", &["r.example/a:1"]);
    check(&format!("r.example/a:1@{digest}"), &["r.example/a:1"]);
    check(&format!("r.example/a@{digest}"), &[]);
    check("latest", &[]);
}

#[test]
fn a_layout_keeps_what_sources_and_sinks_promise() {
    let place = tempfile::tempdir().unwrap();
    let layout = Layout::create(&place.path().join("layout")).unwrap();
    contract::a_graph_comes_back(&layout, &layout);
    contract::wrong_bytes_are_refused(&layout, contract::is_mismatch);
    // What was named is found by who opens it later.
    let root = contract::fixture().descriptor;
    layout.name(&root, "r.example/a:1").unwrap();
    layout.name(&root, "r.example/a:2").unwrap();
    let roots = Layout::open(&place.path().join("layout")).unwrap().roots().unwrap();
    assert_eq!(roots.len(), 1);
    assert_eq!(roots[0].names, ["r.example/a:1", "r.example/a:2"]);
    let left: Vec<_> = std::fs::read_dir(place.path().join("layout/blobs/sha256")).unwrap().collect();
    assert!(left.iter().all(|file| !file.as_ref().unwrap().file_name().to_string_lossy().ends_with(".tmp")));
}

#[test]
fn links_in_a_layout_are_not_followed() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("layout");
    let layout = Layout::create(&path).unwrap();
    let secret = place.path().join("secret");
    std::fs::write(&secret, b"secret").unwrap();
    let blob = Descriptor::of(MediaType::OCI_LAYER, b"secret");
    std::os::unix::fs::symlink(&secret, path.join(crate::oci::path(&blob.digest))).unwrap();
    let part = Part { descriptor: blob, diff_id: None };
    assert!(layout.open(&part, Watch::silent()).is_err());
    std::os::unix::fs::symlink(&secret, path.join("index.json")).unwrap();
    assert!(layout.roots().is_err());
    layout.name(&contract::fixture().descriptor, "a:1").unwrap_err();
    assert_eq!(std::fs::read(&secret).unwrap(), b"secret");
    assert!(Layout::open(place.path()).is_err());
}

#[test]
fn an_archive_refuses_wrong_bytes() {
    let good = Published::packed(&Image::new().with_file("a", "b"), Packing::Plain);
    let file = tempfile::tempfile().unwrap();
    let sink = ArchiveSink::new(&file).unwrap();
    let part = Part { descriptor: good.blobs[0].0.clone(), diff_id: None };
    let mut wrong = good.blobs[0].1.clone();
    wrong[0] ^= 1;
    let why = sink.put(&part, &Memory(&wrong), Watch::silent()).unwrap_err();
    assert!(contract::is_mismatch(&why), "{why:?}");
}
