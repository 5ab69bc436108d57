//! Many images, many layers, many tags.

use wharfie_testkit::{Host, Image, Published, TestRegistry, archive, needs};

use crate::{host, host_with};

/// `from..to` images of a shared layer and one of their own, each with a name.
fn many(from: usize, to: usize) -> Vec<u8> {
    let images: Vec<(Image, String)> = (from..to)
        .map(|n| (Image::new().with_file("base", "shared").with_file("own", &n.to_string()), format!("many/{n}:1")))
        .collect();
    let names: Vec<[&str; 1]> = images.iter().map(|(_, name)| [name.as_str()]).collect();
    let listed: Vec<(&Image, &[&str])> =
        images.iter().zip(&names).map(|((image, _), names)| (image, &names[..])).collect();
    archive(&listed)
}

fn count(host: &Host, words: &[&str]) -> usize {
    host.run(words).succeeds().lines().count()
}

#[test]
fn a_thousand_images_are_listed_removed_and_checked() {
    let host = host();
    for from in (0..1000).step_by(250) {
        host.run_with(&["load", "-q"], &many(from, from + 250)).succeeds();
    }
    assert_eq!(count(&host, &["images", "-q"]), 1000);
    assert_eq!(count(&host, &["images"]), 1001);
    assert_eq!(count(&host, &["images", "--format", "{{.ID}}", "many/99*"]), 11);
    host.run(&["inspect", "-f", "{{len .RootFS.Layers}}", "many/999:1"]).prints("2\n");
    let used = host.run(&["system", "df", "--format", "{{.Type}} {{.TotalCount}}"]).succeeds();
    assert!(used.starts_with("Images 1000\n"), "{used}");
    host.run(&["rmi", "many/0:1", "many/500:1", "many/999:1"]).succeeds();
    assert_eq!(count(&host, &["images", "-q"]), 997);
    host.run(&["image", "prune", "-af"]).succeeds();
    host.run(&["system", "fsck"]).prints("Checked 0 blobs, 0 layers and 0 images: no faults\n");
}

#[test]
fn sixty_layers_go_everywhere() {
    let registry = TestRegistry::start();
    let image = (0..60).fold(Image::new(), |image, n| image.with_file(&format!("layer/{n}"), &n.to_string()));
    let name = format!("{}/deep:1", registry.address());
    let host = host_with(&[(&image, &[&name])]);
    let pushed = host.run(&["push", &name]).succeeds();
    assert_eq!(pushed.matches(": Pushed\n").count(), 60, "{pushed}");
    let saved = host.command(&["save", &name]).output().unwrap();
    let other = crate::host();
    let pulled = other.run(&["pull", &name]).succeeds();
    assert_eq!(pulled.matches(": Pull complete\n").count(), 60, "{pulled}");
    let history = other.run(&["history", "-q", "--no-trunc", &name]).succeeds();
    assert_eq!((history.lines().count(), history.lines().next()), (60, Some(image.id().as_str())));
    let third = crate::host();
    third.run_with(&["load"], &saved.stdout).prints(&format!("Loaded image: {name}\n"));
    if needs::root("mounting an image") {
        let target = third.path().join("mount");
        std::fs::create_dir(&target).unwrap();
        let target = target.to_string_lossy().into_owned();
        third.run(&["image", "mount", &name, &target]).succeeds();
        let seen = std::fs::read_dir(format!("{target}/layer")).unwrap().count();
        third.run(&["image", "unmount", &target]).succeeds();
        assert_eq!(seen, 60);
    }
}

#[test]
fn hundreds_of_tags_come_in_pages() {
    let (registry, host) = (TestRegistry::start(), host());
    let published = Published::of(&Image::new().with_file("a", "1"));
    registry.publish("web:0", &published);
    let target = |n: usize| format!("/v2/web/manifests/tag-{n:04}");
    for n in 0..300 {
        let (status, _) =
            registry.request("PUT", &target(n), published.descriptor.media_type.as_str(), &published.bytes);
        assert_eq!(status, 201);
    }
    let name = format!("{}/web", registry.address());
    assert_eq!(count(&host, &["tags", &name]), 301);
    let pulled = host.run(&["pull", "-a", &name]).succeeds();
    assert_eq!(pulled.matches(": Pulling from web\n").count(), 301);
    assert_eq!(count(&host, &["images", "-q"]), 301);
}
