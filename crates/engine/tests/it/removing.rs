//! `rmi` and `image prune`: what goes, what stays, and what is refused.

use serde_json::json;
use wharfie_engine::filter::{Command, Filters};
use wharfie_engine::list::List;
use wharfie_engine::prune::Prune;
use wharfie_oci::{ChainId, DiffId, Digest, Timestamp};
use wharfie_testkit::Image;

use crate::place::{Place, pairs, told};

/// `Deleted:` and the chain ids of an image's layers, top first.
fn layers(image: &Image) -> Vec<String> {
    let layers: Vec<DiffId> = image.layers().iter().map(|tar| DiffId::new(Digest::of(tar))).collect();
    ChainId::stack(&layers).iter().rev().map(|chain| format!("Deleted: {chain}")).collect()
}

fn deleted(image: &Image) -> String {
    format!("Deleted: {}", image.id())
}

fn untagged(name: &str) -> String {
    format!("Untagged: {name}")
}

#[test]
fn the_last_name_takes_the_image_with_it() {
    let web = Image::new().with_file("a", "1").with_file("b", "2");
    let place = Place::with(&[(&web, &["web:1", "web:2"])]);
    assert_eq!(place.remove("web:1", false).unwrap(), [untagged("web:1")]);
    let expected = [vec![untagged("web:2"), deleted(&web)], layers(&web)].concat();
    assert_eq!(place.remove("web:2", false).unwrap(), expected);
    assert_eq!(place.remove("web:2", false).unwrap_err(), "No such image: web:2");
}

#[test]
fn shared_layers_get_no_line() {
    let base = Image::new().with_file("a", "1");
    let web = base.clone().with_file("b", "2");
    let place = Place::with(&[(&base, &["base"]), (&web, &["web"])]);
    let expected = [untagged("web:latest"), deleted(&web), layers(&web)[0].clone()];
    assert_eq!(place.remove("web", false).unwrap(), expected);
}

#[test]
fn an_id_with_several_names_needs_force() {
    let web = Image::new().with_file("a", "1");
    let place = Place::with(&[(&web, &["zeta:1", "alpha:1", "flt/a:1"])]);
    let id = web.short();
    let refusal =
        format!("conflict: unable to delete {id} (must be forced) - image is referenced in multiple repositories");
    assert_eq!(place.remove(&id, false).unwrap_err(), refusal);
    let names = ["flt/a:1", "alpha:1", "zeta:1"].map(untagged).to_vec();
    assert_eq!(place.remove(&id, true).unwrap(), [names, vec![deleted(&web)], layers(&web)].concat());
}

#[test]
fn parents_protect_themselves_and_go_with_their_last_child() {
    let base = Image::new().with_file("a", "1");
    let step = base.clone().with_file("b", "2").from(&base);
    let top = step.clone().with_file("c", "3").from(&step);
    let place = Place::with(&[(&base, &["base"]), (&step, &[]), (&top, &["top"])]);
    let refusal =
        format!("conflict: unable to delete {} (cannot be forced) - image has dependent child images", base.short());
    assert_eq!(place.remove(&base.short(), true).unwrap_err(), refusal);
    let expected =
        [untagged("top:latest"), deleted(&top), layers(&top)[0].clone(), deleted(&step), layers(&step)[0].clone()];
    assert_eq!(place.remove("top", false).unwrap(), expected);
    assert_eq!(place.names(&List { all: true, ..List::default() }), ["base:latest"]);
}

#[test]
fn a_tagged_parent_only_loses_its_name() {
    let base = Image::new().with_file("a", "1");
    let top = base.clone().with_file("b", "2").from(&base);
    let place = Place::with(&[(&base, &["base"]), (&top, &["top"])]);
    assert_eq!(place.remove("base", false).unwrap(), [untagged("base:latest")]);
}

#[test]
fn an_image_with_a_container_needs_force_and_one_that_runs_stays() {
    let web = Image::new().with_file("a", "1");
    let place = Place::with(&[(&web, &["web:1"])]);
    let row = place.create("web:1", "one", |_| ());
    let (id, short) = (web.short(), &row.id[..12]);
    assert_eq!(
        place.remove("web:1", false).unwrap_err(),
        format!(
            "conflict: unable to remove repository reference \"web:1\" (must force) - container {short} is using its \
             referenced image {id}"
        )
    );
    assert_eq!(
        place.remove(&id, false).unwrap_err(),
        format!("conflict: unable to delete {id} (must be forced) - image is being used by stopped container {short}")
    );
    let running = place.run(&row);
    assert_eq!(
        place.remove(&id, true).unwrap_err(),
        format!(
            "conflict: unable to delete {id} (cannot be forced) - image is being used by running container {short}"
        )
    );
    drop(running);
    place.end(&row, 0);
    // The container keeps its layers.
    assert_eq!(place.remove("web:1", true).unwrap(), [untagged("web:1"), deleted(&web)]);
}

/// Prunes; what went, and how many bytes that freed.
fn prune(place: &Place, all: bool, filters: &[(&str, &str)]) -> (Vec<String>, u64) {
    let moment = |text: &str| text.parse::<Timestamp>().map_err(|_| text.to_owned());
    let filters = Filters::parse(Command::Prune, &pairs(filters), &moment).expect("the filters make sense");
    let pruned = place.engine.prune(&Prune { all, filters }).expect("the store can be written");
    (pruned.removed.iter().map(told).collect(), pruned.reclaimed)
}

#[test]
fn prune_takes_what_has_no_name_and_with_all_what_nobody_uses() {
    let web = Image::new().with_file("a", "12345");
    let nameless = web.clone().with_file("b", "1234567");
    let used = Image::new().with_file("c", "1");
    let place = Place::with(&[(&web, &["web"]), (&nameless, &[]), (&used, &["used"])]);
    place.create("used", "one", |_| ());
    assert_eq!(prune(&place, false, &[]), (vec![deleted(&nameless), layers(&nameless)[0].clone()], 7));
    assert_eq!(prune(&place, false, &[]), (vec![], 0));
    let expected = [vec![untagged("web:latest"), deleted(&web)], layers(&web)].concat();
    assert_eq!(prune(&place, true, &[]), (expected, 5));
    assert_eq!(place.names(&List::default()), ["used:latest"]);
}

#[test]
fn prune_filters_choose() {
    let old = Image::new().with_file("a", "1").made("2001-01-01T00:00:00Z");
    let marked = Image::new().with_file("b", "1").with_config("Labels", json!({"keep": "1"}));
    let place = Place::with(&[(&old, &["old"]), (&marked, &["marked"])]);
    assert_eq!(prune(&place, true, &[("label", "nope")]).0, [""; 0]);
    assert_eq!(prune(&place, true, &[("until", "2000-01-01T00:00:00Z")]).0, [""; 0]);
    assert_eq!(prune(&place, true, &[("until", "2002-01-01T00:00:00Z")]).0[0], untagged("old:latest"));
    assert_eq!(prune(&place, true, &[("label!", "keep")]).0, [""; 0]);
    assert_eq!(prune(&place, true, &[("label", "keep=1")]).0[0], untagged("marked:latest"));
}

#[test]
fn a_rehearsal_says_what_would_go_and_keeps_it() {
    let web = Image::new().with_file("a", "1");
    let place = Place::with(&[(&web, &["web:1"])]);
    let rehearsal = place.engine.rehearsal().unwrap();
    let pruned = rehearsal.prune(&Prune { all: true, ..Prune::default() }).unwrap();
    let told_then: Vec<String> = pruned.removed.iter().map(told).collect();
    assert_eq!(place.names(&List::default()), ["web:1"]);
    assert_eq!(prune(&place, true, &[]).0, told_then);
    assert_eq!(place.names(&List::default()), [""; 0]);
}
