//! Undo for `rmi`.

use wharfie_engine::list::List;
use wharfie_testkit::{Image, archive};

use crate::place::{Place, pass};

#[test]
fn a_removed_image_comes_back_with_its_names() {
    let web = Image::new().with_file("a", "1");
    let place = Place::with(&[(&web, &["web:1", "web:2"])]);
    place.remove(&web.short(), true).unwrap();
    let kept = place.engine.kept().unwrap();
    assert_eq!(kept[0].names, ["docker.io/library/web:1", "docker.io/library/web:2"]);
    let (id, _) = place.engine.restore("web:1").unwrap();
    assert_eq!(id.to_string(), web.id());
    assert_eq!(place.names(&List::default()), ["web:1", "web:2"]);
    assert!(place.engine.kept().unwrap().is_empty());
}

#[test]
fn a_name_that_an_image_lost_comes_back_alone() {
    let web = Image::new().with_file("a", "1");
    let place = Place::with(&[(&web, &["web:1", "web:2"])]);
    place.remove("web:1", false).unwrap();
    let (_, restored) = place.engine.restore("web:1").unwrap();
    assert_eq!(restored.names, ["docker.io/library/web:1"]);
    assert_eq!(place.names(&List::default()), ["web:1", "web:2"]);
}

#[test]
fn a_name_that_means_something_else_is_left_alone() {
    let (a, b) = (Image::new().with_file("a", "1"), Image::new().with_file("b", "2"));
    let place = Place::with(&[(&a, &["web:1"])]);
    place.remove("web:1", false).unwrap();
    place.load(&archive(&[(&b, &["web:1"])]));
    let (id, restored) = place.engine.restore(&a.short()).unwrap();
    assert_eq!((id.to_string(), restored.names.len()), (a.id(), 0));
    assert_eq!(restored.taken, ["docker.io/library/web:1"]);
    assert_eq!(place.engine.inspect("web:1", None).unwrap().image.id.to_string(), b.id());
}

#[test]
fn the_grace_time_ends() {
    let web = Image::new().with_file("a", "1");
    let place = Place::with(&[(&web, &["web:1"]), (&Image::new().with_file("b", "1"), &["other"])]);
    place.remove("web:1", false).unwrap();
    pass(7200);
    // Whoever removes something next looks for what has been kept long enough.
    place.remove("other", false).unwrap();
    let why = place.engine.restore("web:1").unwrap_err();
    assert_eq!(why.to_string(), "nothing removed is kept under the name web:1");
}
