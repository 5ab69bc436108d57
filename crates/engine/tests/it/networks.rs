//! Networks that are there without being made.

use wharfie_engine::networks::ListNetworks;

use crate::place::{Place, pairs};

#[test]
fn every_machine_has_three_and_filters_choose() {
    let place = Place::with(&[]);
    let check = |filters: &[(&str, &str)], expected: &[&str]| {
        let listed = place.engine.list_networks(&ListNetworks { filters: pairs(filters) }).unwrap();
        let names: Vec<String> = listed.into_iter().map(|network| network.name).collect();
        assert_eq!(names, expected, "{filters:?}");
    };
    check(&[], &["bridge", "host", "none"]);
    check(&[("driver", "null")], &["none"]);
    check(&[("type", "custom")], &[]);
    check(&[("name", "o"), ("scope", "local")], &["host", "none"]);
    // Docker does not call its own networks dangling.
    check(&[("dangling", "true")], &[]);
}
