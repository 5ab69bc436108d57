//! `save` and `load`: what goes out comes in again.

use std::io::{Read, Seek};

use wharfie_content::{Cancel, Event, Observer};
use wharfie_engine::import::Import;
use wharfie_engine::list::List;
use wharfie_engine::load::Load;
use wharfie_engine::save::{Output, Save};
use wharfie_oci::{Fault, Kind};
use wharfie_testkit::{Image, archive};

use crate::place::Place;

/// The archive of these images.
fn save(place: &Place, images: &[&str]) -> Result<Vec<u8>, String> {
    let mut file = tempfile::tempfile().expect("there is room for a test");
    let images = images.iter().map(|image| (*image).to_owned()).collect();
    let output = Output::Open(file.try_clone().expect("a descriptor more"));
    let saved = place.engine.save(&Save { images, ..Save::default() }, output, &());
    saved.map_err(|why| why.to_string())?;
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).expect("what was written can be read");
    Ok(bytes)
}

#[test]
fn what_is_saved_is_loaded_with_its_names_and_is_the_same() {
    let base = Image::new().with_file("a", "1");
    let web = base.clone().with_file("b", "2").with_step("CMD x");
    let here = Place::with(&[(&base, &["base:1"]), (&web, &["web:1", "web:2"])]);
    let refused = save(&here, &["web:1", "nope"]).map(|archive| archive.len());
    assert_eq!(refused.unwrap_err(), "No such image: nope");
    let bytes = save(&here, &["web:1", "web:2", "base:1"]).unwrap();
    let there = Place::with(&[]);
    let loaded = there.load(&bytes);
    let ids: Vec<String> = loaded.iter().map(|image| image.id.to_string()).collect();
    assert_eq!(ids, [web.id(), base.id()]);
    let all = |place: &Place| place.engine.list_images(&List { labels: true, ..List::default() }).unwrap();
    assert_eq!(all(&there), all(&here));
    // It is the same archive each time, wherever it is made.
    assert!(save(&there, &["web:1", "web:2", "base:1"]).unwrap() == bytes);
}

#[test]
fn an_image_saved_by_its_id_comes_without_names() {
    let web = Image::new().with_file("a", "1");
    let here = Place::with(&[(&web, &["web:1"])]);
    let there = Place::with(&[]);
    let loaded = there.load(&save(&here, &[&web.short()]).unwrap());
    assert_eq!((loaded.len(), loaded[0].references.len()), (1, 0));
    assert_eq!(there.names(&List::default()), ["<none>"]);
}

#[test]
fn a_name_moves_to_what_is_loaded_under_it() {
    let (a, b) = (Image::new().with_file("a", "1"), Image::new().with_file("b", "2"));
    let place = Place::with(&[(&a, &["web:1"])]);
    place.load(&archive(&[(&b, &["web:1"])]));
    assert_eq!(place.engine.inspect("web:1", None).unwrap().image.id.to_string(), b.id());
    assert_eq!(place.names(&List::default()), ["web:1", "<none>"]);
}

/// Calls the work off as soon as something of it is told.
#[derive(Default)]
struct Impatient(Cancel);

impl Observer for Impatient {
    fn observe(&self, _: Event) {
        self.0.cancel();
    }

    fn cancel(&self) -> Option<&Cancel> {
        Some(&self.0)
    }
}

#[test]
fn work_that_is_called_off_leaves_nothing() {
    let (one, two) = (Image::new().with_file("a", "1"), Image::new().with_file("b", "2"));
    let bytes = archive(&[(&one, &["one:1"]), (&two, &["two:1"])]);
    let place = Place::with(&[]);
    let observer = Impatient::default();
    let why = place.engine.load(&Load::default(), &mut &*bytes, &observer).unwrap_err();
    assert_eq!((why.kind(), why.to_string().as_str()), (Kind::Cancelled, "context canceled"));
    assert!(place.names(&List { all: true, ..List::default() }).is_empty());

    let import = Import::default();
    let why = place.engine.import(&import, &mut &*bytes, &Impatient::default()).unwrap_err();
    assert_eq!(why.kind(), Kind::Cancelled);

    place.load(&bytes);
    let path = place.directory.path().join("out.tar");
    let save = Save { images: vec!["one:1".to_owned(), "two:1".to_owned()], ..Save::default() };
    let why = place.engine.save(&save, Output::Path(path.clone()), &Impatient::default()).unwrap_err();
    assert_eq!(why.kind(), Kind::Cancelled);
    let left: Vec<_> = path.parent().unwrap().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["store"]);
    // Another request on the same engine is not called off with it.
    place.engine.save(&save, Output::Path(path), &()).unwrap();
}
