//! `images`: which ones, and in which order.

use serde_json::json;
use wharfie_engine::filter::{Command, Filters};
use wharfie_engine::list::List;
use wharfie_oci::Timestamp;
use wharfie_testkit::Image;

use crate::place::{Place, pairs};

fn web() -> Image {
    Image::new().with_file("motd", "hello").with_config("Labels", json!({"a": "1", "b": ""}))
}

fn filtered(place: &Place, filters: &[(&str, &str)]) -> Result<Vec<String>, String> {
    let moment = |text: &str| text.parse::<Timestamp>().map_err(|_| format!("{text:?} is no moment"));
    let filters = Filters::parse(Command::List, &pairs(filters), &moment).map_err(|why| why.to_string())?;
    let list = List { filters, ..List::default() };
    let listed = place.engine.list_images(&list).map_err(|why| why.to_string())?;
    Ok(listed.into_iter().flat_map(|image| image.repo_tags).collect())
}

#[test]
fn images_come_newest_first_and_equals_by_name() {
    let newer = Image::new().with_file("a", "1").made("2021-06-01T12:00:00Z");
    let undated = Image::new().with_file("b", "1").made("some day");
    let (one, two) = (Image::new().with_file("c", "1"), Image::new().with_file("d", "1"));
    let place = Place::with(&[(&two, &["b:1"]), (&one, &["a:1"]), (&undated, &["c:1"]), (&newer, &["z:1", "z:0"])]);
    assert_eq!(place.names(&List::default()), ["z:0", "z:1", "a:1", "b:1", "c:1"]);
}

#[test]
fn images_made_within_one_second_are_told_apart() {
    let older = Image::new().with_file("a", "1").made("2020-01-01T00:00:00.2Z");
    let newer = Image::new().with_file("b", "1").made("2020-01-01T00:00:00.58Z");
    let place = Place::with(&[(&older, &["older:1"]), (&newer, &["newer:1"])]);
    assert_eq!(filtered(&place, &[("since", "older:1")]).unwrap(), ["newer:1"]);
    assert_eq!(filtered(&place, &[("before", "newer:1")]).unwrap(), ["older:1"]);
    assert_eq!(filtered(&place, &[("since", "newer:1")]).unwrap(), [""; 0]);
    assert_eq!(filtered(&place, &[("until", "2020-01-01T00:00:00.5Z")]).unwrap(), ["older:1"]);
}

#[test]
fn a_star_for_the_registry_does_not_reach_docker_hub() {
    let place = Place::with(&[(&web(), &["one:1", "team/two:1", "r.example:5000/team/three:1"])]);
    let check = |pattern: &str, expected: &[&str]| {
        assert_eq!(filtered(&place, &[("reference", pattern)]).unwrap(), expected, "{pattern}");
    };
    check("*/*/*", &["r.example:5000/team/three:1"]);
    check("*/*", &["team/two:1"]);
    check("docker.io/*/*", &["one:1", "team/two:1"]);
}

#[test]
fn filters_choose() {
    let db = Image::new().with_file("data", "x").made("2021-06-01T12:00:00Z");
    let place = Place::with(&[(&web(), &["web:1", "web:2"]), (&db, &["team/db:1"])]);
    let check = |filters: &[(&str, &str)], expected: &[&str]| {
        assert_eq!(filtered(&place, filters).unwrap(), expected, "{filters:?}");
    };
    check(&[("reference", "web")], &["web:1", "web:2"]);
    check(&[("reference", "*")], &["web:1", "web:2"]);
    check(&[("reference", "*:1")], &["web:1"]);
    check(&[("reference", "docker.io/library/web:*")], &["web:1", "web:2"]);
    check(&[("reference", "team/*"), ("reference", "web:2")], &["team/db:1", "web:2"]);
    check(&[("dangling", "0")], &["team/db:1", "web:1", "web:2"]);
    check(&[("label", "a=1")], &["web:1", "web:2"]);
    check(&[("label", "a=2")], &[]);
    check(&[("label", "a"), ("label", "b=")], &["web:1", "web:2"]);
    check(&[("before", "team/db:1")], &["web:1", "web:2"]);
    check(&[("since", "web:1")], &["team/db:1"]);
}

#[test]
fn wrong_filters_are_refused_in_dockers_words() {
    let place = Place::with(&[(&web(), &["web"])]);
    let check = |filter: (&str, &str), expected: &str| assert_eq!(filtered(&place, &[filter]).unwrap_err(), expected);
    check(("foo", "x"), "invalid filter 'foo'");
    check(("dangling", "x"), "invalid filter 'dangling=[x]'");
    check(("before", "nope"), "No such image: nope:latest");
    check(("reference", "["), "syntax error in pattern");
}

#[test]
fn what_only_children_need_is_listed_if_all_is_asked_for() {
    let base = Image::new().with_file("a", "1");
    let step = base.clone().with_file("b", "2").from(&base);
    let top = step.clone().with_file("c", "3").from(&step);
    let place = Place::with(&[(&base, &["base"]), (&step, &[]), (&top, &["top"])]);
    assert_eq!(place.names(&List::default()), ["base:latest", "top:latest"]);
    assert_eq!(place.names(&List { all: true, ..List::default() }).len(), 3);
}

#[test]
fn a_store_that_is_not_there_is_empty_and_is_not_made() {
    let place = Place::with(&[]);
    assert_eq!(place.names(&List::default()), [""; 0]);
    assert!(!place.directory.path().join("store").exists());
}
