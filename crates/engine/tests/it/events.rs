//! What was done is told afterwards, in the order in which it was done.

use wharfie_engine::container::remove::RemoveContainer;
use wharfie_engine::container::volumes::CreateVolume;
use wharfie_engine::events::EventQuery;
use wharfie_model::event::Event;
use wharfie_oci::Timestamp;
use wharfie_testkit::Image;

use crate::place::Place;

/// What happened until now, but for the first events.
fn events(place: &Place, skipped: usize) -> impl Iterator<Item = Event> {
    let until = place.engine.reader().expect("the store can be read").now();
    let query = EventQuery { since: Some(Timestamp::ZERO), until: Some(until), ..EventQuery::default() };
    let events = place.engine.events(query).expect("the store can be read");
    events.skip(skipped).map(|event| event.expect("the store can be read"))
}

/// As [`events`]: kind, action, name.
fn told(place: &Place, skipped: usize) -> Vec<String> {
    let name = |event: &Event| event.actor.attributes.get("name").cloned().unwrap_or_default();
    events(place, skipped).map(|event| format!("{} {} {}", event.kind, event.action, name(&event))).collect()
}

#[test]
fn names_and_images_come_and_go() {
    let web = Image::new().with_file("a", "1");
    let place = Place::with(&[(&web, &["web:1"])]);
    assert_eq!(told(&place, 0), ["image load web:1"]);
    let from = told(&place, 0).len();
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
    let from = told(&place, 0).len();
    place.create("box", "one", |create| {
        create.labels.insert("tier".to_owned(), "front".to_owned());
    });
    let event = events(&place, from).next().unwrap();
    assert_eq!((event.status.as_str(), event.from.as_str()), ("create", "box"));
    assert_eq!(event.actor.attributes["tier"], "front");
    let remove = RemoveContainer { container: "one".to_owned(), force: false, volumes: false };
    place.engine.remove_container(&remove).unwrap();
    assert_eq!(told(&place, from), ["container create one", "container destroy one"]);
}

#[test]
fn who_waits_for_events_is_told_also_in_a_store_that_was_not_there() {
    let place = Place::with(&[]);
    let mut events = place.engine.events(EventQuery::default()).unwrap();
    let other = place.again();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for name in ["one", "two"] {
                let create = CreateVolume { name: Some(name.to_owned()), ..CreateVolume::default() };
                other.create_volume(&create).unwrap();
            }
        });
        let told = [events.next(), events.next()].map(|event| event.unwrap().unwrap().actor.id);
        assert_eq!(told, ["one", "two"]);
    });
}

#[test]
fn looking_back_makes_no_store() {
    let place = Place::with(&[]);
    assert_eq!(told(&place, 0), [""; 0]);
    assert!(!place.engine.config().root.exists());
}
