//! Documents as the Engine API gives them: whole, compared as JSON.

use serde::Serialize;
use serde_json::{Value, json};
use wharfie_engine::container::list::ListContainers;
use wharfie_engine::list::List;
use wharfie_oci::VolumeName;
use wharfie_testkit::Image;

use crate::place::Place;

fn value(document: &impl Serialize) -> Value {
    serde_json::to_value(document).expect("a document is JSON")
}

fn web() -> Image {
    Image::new().with_file("motd", "hello").with_step("CMD x").with_config("Labels", json!({"a": "1"}))
}

#[test]
fn an_image_in_a_list() {
    let place = Place::with(&[(&web(), &["web:1", "team/web:2"])]);
    let expected = json!([{
        "Containers": -1,
        "Created": 1_577_836_800,
        "Id": web().id(),
        "Labels": {"a": "1"},
        "ParentId": "",
        "RepoDigests": [],
        "RepoTags": ["web:1", "team/web:2"],
        "SharedSize": -1,
        "Size": 5,
    }]);
    assert_eq!(value(&place.engine.list_images(&List { labels: true, ..List::default() }).unwrap()), expected);
}

#[test]
fn the_history_of_an_image() {
    let place = Place::with(&[(&web(), &["web:1", "web:2"])]);
    let step = |id: &str, by: &str, size: u64, tags: Value| json!({"Comment": "", "Created": 1_577_836_800, "CreatedBy": by, "Id": id, "Size": size, "Tags": tags});
    let expected =
        json!(
            [step(&web().id(), "CMD x", 0, json!(["web:1", "web:2"])), step("<missing>", "layer 0", 5, Value::Null),]
        );
    assert_eq!(value(&place.engine.history("web:1", None).unwrap()), expected);
}

#[test]
fn a_container_in_a_list_and_what_everything_takes() {
    let place = Place::with(&[(&web(), &["web:1"])]);
    let row = place.create("web:1", "one", |create| {
        create.command = ["sh", "-c", "echo a"].map(str::to_owned).to_vec();
        create.labels = [("b".to_owned(), "2".to_owned())].into();
        create.volumes = vec!["/data".to_owned()];
    });
    let list = ListContainers { all: true, sizes: true, ..ListContainers::default() };
    let mut found = value(&place.engine.list_containers(&list).unwrap());
    let mount = &mut found[0]["Mounts"][0];
    let volume: VolumeName = mount["Name"].as_str().expect("a volume has a name").parse().expect("it is one");
    assert_eq!(mount["Source"], json!(place.engine.volume_place(&volume).unwrap()));
    let networks = found[0]["NetworkSettings"]["Networks"].as_object().expect("a map of networks").clone();
    assert_eq!(networks.keys().collect::<Vec<_>>(), ["bridge"]);
    let expected = json!({
        "Id": row.id,
        "Names": ["/one"],
        "Image": "web:1",
        "ImageID": web().id(),
        "Command": "sh -c 'echo a'",
        "Created": 1_800_000_000,
        "Ports": [],
        "SizeRootFs": 5,
        "Labels": {"a": "1", "b": "2"},
        "State": "created",
        "Status": "Created",
        "HostConfig": {"NetworkMode": "default"},
        "NetworkSettings": {"Networks": networks},
        "Mounts": [{
            "Type": "volume",
            "Name": volume,
            "Source": place.engine.volume_place(&volume).unwrap(),
            "Destination": "/data",
            "Driver": "local",
            "Mode": "",
            "RW": true,
            "Propagation": "",
        }],
    });
    assert_eq!(found, json!([expected]));

    let usage = value(&place.engine.disk_usage(true).unwrap());
    let image = json!({
        "Containers": 1,
        "Created": 1_577_836_800,
        "Id": web().id(),
        "Labels": {"a": "1"},
        "ParentId": "",
        "RepoDigests": [],
        "RepoTags": ["web:1"],
        "SharedSize": 0,
        "Size": 5,
    });
    let volume = json!({
        "CreatedAt": "2027-01-15T08:00:00Z",
        "Driver": "local",
        "Labels": null,
        "Mountpoint": place.engine.volume_place(&volume).unwrap(),
        "Name": volume,
        "Options": null,
        "Scope": "local",
        "UsageData": {"Size": 0, "RefCount": 1},
    });
    assert_eq!(
        usage,
        json!({
            "LayersSize": 5,
            "Images": [image],
            "Containers": [expected],
            "Volumes": [volume],
            "BuildCache": [],
        })
    );
}

#[test]
fn the_version() {
    let document = value(&wharfie_engine::version::version());
    let keys: Vec<&String> = document.as_object().expect("an object").keys().collect();
    let expected = [
        "ApiVersion",
        "Arch",
        "BuildTime",
        "Components",
        "GitCommit",
        "GoVersion",
        "KernelVersion",
        "MinAPIVersion",
        "Os",
        "Platform",
        "Version",
    ];
    assert_eq!(keys, expected);
    assert_eq!(document["Components"][0]["Name"], "Engine");
    assert_eq!(document["Components"][0]["Details"]["ApiVersion"], document["ApiVersion"]);
}
