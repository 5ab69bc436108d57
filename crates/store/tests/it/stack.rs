//! Layers stacked to an image, as `image mount` shows them.

use std::os::unix::fs::MetadataExt;

use wharfie_oci::{DiffId, ImageId};
use wharfie_store::images::Recording;
use wharfie_store::{Error, NewImage};
use wharfie_testkit::file;
use wharfie_testkit::image::tar;

use crate::shown::{Detail, Place, lines};

/// Makes an image of these layers, bottom first.
pub(crate) fn image(place: &Place, layers: Vec<DiffId>) -> ImageId {
    try_image(place, layers).expect("the store can be written")
}

/// As [`image`], where that may be refused.
pub(crate) fn try_image(place: &Place, layers: Vec<DiffId>) -> Result<ImageId, Error> {
    let lease = place.store.lease().expect("the store can be written");
    let config = serde_json::json!({ "rootfs": { "type": "layers", "diff_ids": layers } }).to_string();
    let id = ImageId::new(lease.put_blob(config.as_bytes()).expect("the store can be written"));
    let image =
        NewImage { id: id.clone(), created: None, platform: wharfie_oci::Platform::host(), layers, parent: None };
    lease.record(&Recording { images: vec![image], ..Recording::default() }).map(|_| id)
}

/// Looks at an image of these layers, each a list of files with their content.
fn look<T>(place: &Place, layers: &[&[(&str, &str)]], look: impl FnOnce(&std::path::Path) -> T) -> T {
    let layers = layers
        .iter()
        .map(|files| {
            let members: Vec<_> = files.iter().map(|(name, content)| file(name, content)).collect();
            place.ingest(&tar(&members)).expect("the tar is sound")
        })
        .collect();
    let id = image(place, layers);
    let target = place.folder.path().join("mount");
    place.store.mount(&id, &target).expect("root can mount");
    let result = look(&target);
    place.store.unmount(&target).expect("nothing is open beneath it");
    result
}

#[test]
fn upper_layers_hide_what_is_below() {
    let place = Place::new();
    if place.kinds().is_empty() {
        return;
    }
    let shown = look(
        &place,
        &[
            &[("etc/a", "1"), ("etc/b", "1"), ("etc/c", "1"), ("opt/x/y", "1"), ("var/z", "1"), ("f", "1")],
            &[("etc/.wh.a", ""), ("etc/b", "2"), ("opt/.wh..wh..opq", ""), ("opt/new", "2"), (".wh.var", "")],
            &[("etc/a", "3"), ("var/again", "3"), ("f/now/a/directory", "3")],
        ],
        |folder| lines(folder, Detail::Brief),
    );
    assert_eq!(
        shown,
        [
            ". dir 0755",
            "etc dir 0755",
            "etc/a file 0644 =3",
            "etc/b file 0644 =2",
            "etc/c file 0644 =1",
            "f dir 0755",
            "f/now dir 0755",
            "f/now/a dir 0755",
            "f/now/a/directory file 0644 =3",
            "opt dir 0755",
            "opt/new file 0644 =2",
            "var dir 0755",
            "var/again file 0644 =3",
        ]
    );
}

#[test]
fn sixty_layers_are_one_tree() {
    let place = Place::new();
    if place.kinds().is_empty() {
        return;
    }
    let names: Vec<[String; 2]> = (0..60).map(|n| [format!("own/{n:02}"), format!("steps/.wh.{:02}", n - 1)]).collect();
    let numbers: Vec<String> = (0..60).map(|n| format!("steps/{n:02}")).collect();
    let layers: Vec<Vec<(&str, &str)>> = (0..60)
        .map(|n| {
            let mut files =
                vec![(names[n][0].as_str(), "x"), (numbers[n].as_str(), "y"), ("last", names[n][0].as_str())];
            if n > 0 {
                files.push((names[n][1].as_str(), ""));
            }
            files
        })
        .collect();
    let layers: Vec<&[(&str, &str)]> = layers.iter().map(Vec::as_slice).collect();
    let shown = look(&place, &layers, |folder| lines(folder, Detail::Brief));
    assert_eq!(shown.iter().filter(|line| line.starts_with("own/")).count(), 60, "{shown:#?}");
    assert_eq!(
        shown.iter().filter(|line| !line.starts_with("own/")).map(String::as_str).collect::<Vec<_>>(),
        [". dir 0755", "last file 0644 =own/59", "own dir 0755", "steps dir 0755", "steps/59 file 0644 =y"]
    );
}

#[test]
fn files_of_all_layers_are_on_one_device() {
    let place = Place::new();
    if place.kinds().is_empty() {
        return;
    }
    // Else `find -xdev` finds nothing.
    let devices = look(&place, &[&[("a", "1")], &[("b", "2")], &[("c/d", "3")]], |folder| {
        ["", "a", "b", "c", "c/d"].map(|name| std::fs::metadata(folder.join(name)).expect("it is there").dev())
    });
    assert!(devices.iter().all(|device| *device == devices[0]), "{devices:?}");
}

#[test]
fn an_image_without_layers_is_an_empty_root() {
    let place = Place::new();
    if place.kinds().is_empty() {
        return;
    }
    assert_eq!(look(&place, &[], |folder| lines(folder, Detail::Brief)).len(), 1);
}

#[test]
fn more_layers_than_linux_stacks_are_refused() {
    let place = Place::new();
    if place.kinds().is_empty() {
        return;
    }
    let layers: Vec<DiffId> =
        (0..500).map(|n| place.ingest(&tar(&[file("n", &n.to_string())])).expect("the tar is sound")).collect();
    let target = place.folder.path().join("mount");
    let refused = try_image(&place, layers.clone()).expect_err("it has one too many");
    assert_eq!(refused.to_string(), "max depth exceeded");
    assert_eq!(place.store.mounts().expect("the store can be read"), []);
    let id = image(&place, layers[..499].to_vec());
    place.store.mount(&id, &target).expect("it has just as many as can be");
    assert_eq!(std::fs::read_to_string(target.join("n")).expect("it is there"), "498");
    place.store.unmount(&target).expect("nothing is open beneath it");
}
