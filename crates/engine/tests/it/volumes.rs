//! Volumes: who uses them, and what goes.

use wharfie_engine::container::settings::{MountKind, MountOrigin, MountPoint};
use wharfie_engine::container::volumes::{CreateVolume, VolumeDetails};
use wharfie_engine::volumes::{ListVolumes, PruneVolumes};
use wharfie_testkit::Image;

use crate::place::{Place, pairs};

fn volume(place: &Place, name: &str, labels: &[(&str, &str)]) {
    let details = VolumeDetails { labels: pairs(labels).into_iter().collect(), ..VolumeDetails::default() };
    place.engine.create_volume(&CreateVolume { name: Some(name.to_owned()), details }).expect("the name is one");
}

fn names(place: &Place, filters: &[(&str, &str)]) -> Vec<String> {
    let list = place.engine.list_volumes(&ListVolumes { filters: pairs(filters) }).expect("they make sense");
    list.volumes.into_iter().map(|volume| volume.name).collect()
}

#[test]
fn filters_choose_and_used_ones_stay() {
    let place = Place::with(&[(&Image::new().with_file("a", "1"), &["box"])]);
    volume(&place, "data", &[("tier", "db")]);
    volume(&place, "spare", &[]);
    place.create("box", "one", |create| {
        create.settings.mounts = vec![MountPoint {
            kind: MountKind::Volume,
            source: "data".to_owned(),
            target: "/data".to_owned(),
            read_only: false,
            options: Vec::new(),
            origin: MountOrigin::Bind,
        }];
    });
    assert_eq!(names(&place, &[]), ["data", "spare"]);
    assert_eq!(names(&place, &[("dangling", "true")]), ["spare"]);
    assert_eq!(names(&place, &[("label", "tier=db")]), ["data"]);
    assert_eq!(names(&place, &[("name", "spa")]), ["spare"]);
    let why = place.engine.remove_volume("data").unwrap_err().to_string();
    assert!(why.starts_with("remove data: volume is in use - ["), "{why}");
    // Those that were given a name go only if all are meant.
    assert_eq!(place.engine.prune_volumes(&PruneVolumes::default()).unwrap().names, [""; 0]);
    let all = PruneVolumes { all: true, ..PruneVolumes::default() };
    assert_eq!(place.engine.prune_volumes(&all).unwrap().names, ["spare"]);
}
