//! Many files.

use wharfie_testkit::file;
use wharfie_testkit::image::tar;

use crate::shown::{Detail, Place};

#[test]
fn twenty_thousand_files_in_few_and_in_many_directories() {
    let place = Place::new();
    if place.kinds().is_empty() {
        return;
    }
    let mut members = Vec::new();
    for n in 0..10_000 {
        members.push(file(&format!("flat/file-{n}"), &n.to_string()));
        members.push(file(&format!("deep/{}/{}/{n}", n % 100, n % 7), "x"));
    }
    let shown = place.shown(&tar(&members), Detail::Brief);
    assert_eq!(shown.iter().filter(|line| line.contains(" file ")).count(), 20_000);
    for n in [0, 4_321, 9_999] {
        assert!(shown.contains(&format!("flat/file-{n} file 0644 ={n}")));
    }
}
