//! Containers in a store of their own, without a process.

use tempfile::TempDir;
use wharfie_oci::ContainerId;

use super::lifecycle::Stop;
use super::list::ListContainers;
use super::remove::RemoveContainer;
use super::{ContainerError, Create};
use crate::engine::Engine;
use crate::error::Error;
use crate::import::Import;

/// A machine of its own: a store with one image, and a state directory.
struct Machine {
    engine: Engine,
    _place: TempDir,
}

impl Machine {
    fn new() -> Self {
        let place = TempDir::new().unwrap();
        let engine = Engine::unconnected(place.path());
        let import = Import { reference: Some("box:1".to_owned()), ..Import::default() };
        engine.import(&import, &mut std::io::empty(), &()).unwrap();
        Self { engine, _place: place }
    }

    fn create(&self, name: &str) -> ContainerId {
        let create = Create {
            image: "box:1".to_owned(),
            name: Some(name.to_owned()),
            command: vec!["/bin/true".to_owned()],
            ..Create::default()
        };
        self.engine.create(&create).unwrap().0.id
    }
}

#[test]
fn a_container_that_cannot_be_started_any_more_is_in_nobodys_way() {
    let machine = Machine::new();
    let engine = &machine.engine;
    let good = machine.create("good");
    let bad = machine.create("bad");
    let settings = engine.container(&bad).unwrap().settings;
    // As it was kept before such a word was refused.
    let old = settings.replace(r#""ulimits":[]"#, r#""ulimits":["foo=1"]"#);
    assert_ne!(old, settings);
    engine.writer().unwrap().set_container_settings(&bad, &old).unwrap();

    let all = ListContainers { all: true, ..ListContainers::default() };
    assert_eq!(engine.list_containers(&all).unwrap().len(), 2);
    let row = engine.container(&bad).unwrap();
    assert_eq!(engine.inspect_container(&row, false).unwrap().path, "/bin/true");
    let refused = |why: Error| match why {
        Error::Container(ContainerError::Settings { id, why }) => assert!(id == bad && why.contains("foo"), "{why}"),
        other => panic!("{other}"),
    };
    refused(engine.start("bad").unwrap_err());
    refused(engine.restart(&Stop { container: "bad".to_owned(), ..Stop::default() }).unwrap_err());
    engine.stop(&Stop { container: "bad".to_owned(), ..Stop::default() }).unwrap();
    engine.remove_container(&RemoveContainer { container: "bad".to_owned(), ..RemoveContainer::default() }).unwrap();
    let left = engine.containers().unwrap();
    assert_eq!(left.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), [good.as_str()]);
}
