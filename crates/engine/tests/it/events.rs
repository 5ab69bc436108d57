//! What was done is told afterwards, in the order in which it was done.

use wharfie_engine::container::remove::RemoveContainer;
use wharfie_testkit::Image;

use crate::place::Place;

/// What happened after the event at `after`: kind, action, name.
fn told(place: &Place, after: i64) -> Vec<String> {
    let events = place.engine.events(after).expect("the store can be read");
    let name = |event: &wharfie_model::event::Event| event.actor.attributes.get("name").cloned().unwrap_or_default();
    events.iter().map(|told| format!("{} {} {}", told.event.kind, told.event.action, name(&told.event))).collect()
}

#[test]
fn names_and_images_come_and_go() {
    let web = Image::new().with_file("a", "1");
    let place = Place::with(&[(&web, &["web:1"])]);
    assert_eq!(told(&place, 0), ["image load web:1"]);
    let from = place.engine.journal_end().unwrap();
    place.engine.tag("web:1", "other").unwrap();
    place.remove("web:1", false).unwrap();
    place.remove("other", false).unwrap();
    let expected = [
        "image tag other:latest".to_owned(),
        "image untag web:1".to_owned(),
        "image untag other:latest".to_owned(),
        format!("image delete {}", web.id()),
    ];
    assert_eq!(told(&place, from), expected);
}

#[test]
fn containers_are_told_with_the_image_as_the_user_called_it() {
    let place = Place::with(&[(&Image::new().with_file("a", "1"), &["box:latest"])]);
    let from = place.engine.journal_end().unwrap();
    place.create("box", "one", |create| {
        create.labels.insert("tier".to_owned(), "front".to_owned());
    });
    let event = place.engine.events(from).unwrap().remove(0).event;
    assert_eq!((event.status.as_str(), event.from.as_str()), ("create", "box"));
    assert_eq!(event.actor.attributes["tier"], "front");
    let remove = RemoveContainer { container: "one".to_owned(), force: false, volumes: false };
    place.engine.remove_container(&remove).unwrap();
    assert_eq!(told(&place, from), ["container create one", "container destroy one"]);
}
