//! Copying graphs between places in memory.

use std::sync::Mutex;

use wharfie_content::graph::{self, Images, Options, Order, Platforms};
use wharfie_content::{Event, Outcome, Part, Subject};
use wharfie_oci::{Descriptor, MediaType, Platform};
use wharfie_testkit::contract::{self, Memory};
use wharfie_testkit::{Image, Published};

fn options<'a>(platforms: Platforms<'a>, images: Images) -> Options<'a> {
    Options { platforms, jobs: 1, observer: &(), naming: None, order: Order::BottomFirst, images, check: &|_| Ok(()) }
}

#[test]
fn memory_keeps_what_sources_and_sinks_promise() {
    let memory = Memory::default();
    contract::a_graph_comes_back(&memory, &memory);
    contract::wrong_bytes_are_refused(&memory, contract::is_mismatch);
}

#[test]
fn of_an_index_the_closest_platform_is_taken_and_the_index_kept_whole() {
    let fixture = contract::fixture();
    let (source, sink) = (Memory::with(&fixture), Memory::default());
    let wanted: Platform = "linux/arm64".parse().unwrap();
    let copied =
        graph::copy(&source, &sink, &fixture.descriptor, &options(Platforms::Closest(&wanted), Images::Required))
            .unwrap();
    let images: Vec<_> = copied.iter().filter_map(|copied| copied.image.as_ref()).collect();
    assert_eq!(images.len(), 1);
    assert_eq!(images[0].config.platform().to_string(), "linux/arm64");
    assert!(images[0].layers.iter().all(|layer| layer.diff_id.is_some()));
    assert!(sink.content().contains_key(&fixture.descriptor.digest));
    assert!(!sink.content().contains_key(&fixture.members[0].descriptor.digest));
    let nobody: Platform = "plan9/amd64".parse().unwrap();
    let nothing = Memory::default();
    let why =
        graph::copy(&source, &nothing, &fixture.descriptor, &options(Platforms::Closest(&nobody), Images::Required));
    assert_eq!(why.unwrap_err().to_string(), "no matching manifest for plan9/amd64 in the manifest list entries");
}

#[test]
fn an_index_that_is_there_in_part_is_copied_in_part() {
    let fixture = contract::fixture();
    let mut part = fixture.clone();
    part.members.remove(0);
    let (source, sink) = (Memory::with(&part), Memory::default());
    let copied =
        graph::copy(&source, &sink, &fixture.descriptor, &options(Platforms::Present(&[]), Images::Required)).unwrap();
    assert_eq!(copied.iter().filter(|copied| copied.image.is_some()).count(), 1);
    let amd: [Platform; 1] = ["linux/amd64".parse().unwrap()];
    let why = graph::copy(
        &source,
        &Memory::default(),
        &fixture.descriptor,
        &options(Platforms::Present(&amd), Images::Required),
    );
    assert_eq!(why.unwrap_err().to_string(), "no matching manifest for linux/amd64 in the manifest list entries");
    assert!(contract::copy_all(&source, &sink, &fixture.descriptor).is_err(), "all of it is not there");
}

#[test]
fn lists_of_lists_end_somewhere() {
    let mut list = Published::of(&Image::new().with_file("a", "1"));
    for _ in 0..6 {
        list = Published::index(&[("linux/amd64", &list)]);
    }
    let why = contract::copy_all(&Memory::with(&list), &Memory::default(), &list.descriptor);
    assert!(matches!(why, Err(graph::Error::Nested)));
}

#[test]
fn what_is_no_image_is_refused_where_images_are_wanted_and_taken_where_not() {
    let image = Image::new().with_file("a", "1");
    let mut artifact = Published::of(&image);
    let text = String::from_utf8(artifact.bytes.clone()).unwrap();
    artifact.bytes = text.replace("application/vnd.oci.image.config.v1+json", "application/x-chart").into_bytes();
    artifact.descriptor = Descriptor::of(MediaType::OCI_MANIFEST, &artifact.bytes);
    let source = Memory::with(&artifact);
    let any: Platform = Platform::host();
    let why = graph::copy(
        &source,
        &Memory::default(),
        &artifact.descriptor,
        &options(Platforms::Closest(&any), Images::Required),
    );
    assert!(matches!(why, Err(graph::Error::NoImage(kind)) if kind == "application/x-chart"));
    let sink = Memory::default();
    contract::copy_all(&source, &sink, &artifact.descriptor).unwrap();
    assert_eq!(sink.content(), source.content());
}

#[test]
fn every_part_begins_once_and_ends_once_also_after_a_failure() {
    let mut fixture = contract::fixture();
    // The second image lacks a layer.
    let lost = fixture.members[1].layers[1].digest.clone();
    fixture.members[1].blobs.retain(|(blob, _)| blob.digest != lost);
    let events = Mutex::new(Vec::new());
    let observer = |event: Event| events.lock().unwrap().push(event);
    let naming = |part: &Part| Subject::Fetch(part.descriptor.clone());
    let options = Options { observer: &observer, naming: Some(&naming), ..options(Platforms::All, Images::Known) };
    let sink = Memory::default();
    graph::copy(&Memory::with(&fixture), &sink, &fixture.descriptor, &options).map(drop).unwrap_err();
    assert!(!sink.content().contains_key(&fixture.descriptor.digest), "the root comes last");
    let events = events.into_inner().unwrap();
    let mut open = Vec::new();
    let mut failed = 0;
    for event in events {
        match event {
            Event::Began { task, .. } => {
                assert!(!open.contains(&task));
                open.push(task);
            }
            Event::Ended { task, outcome } => {
                let at = open.iter().position(|open| *open == task).expect("what ends has begun, and ends once");
                open.remove(at);
                failed += usize::from(outcome == Outcome::Failed);
            }
            _ => {}
        }
    }
    assert!(open.is_empty());
    assert!(failed >= 1);
}
