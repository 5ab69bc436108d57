//! A store in a directory that goes with the test, an engine on it, and processes that stand for running containers.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use wharfie_engine::container::create::Create;
use wharfie_engine::list::List;
use wharfie_engine::load::{Load, Loaded};
use wharfie_engine::remove::{Remove, Removed};
use wharfie_engine::{Config, Engine};
use wharfie_oci::{Platform, Timestamp};
use wharfie_store::Options;
use wharfie_store::containers::{self, ContainerRow, ContainerState, Phase, ProcessMark};
use wharfie_testkit::{Image, archive};

thread_local! {
    /// Seconds since 1970.
    static NOW: Cell<i64> = const { Cell::new(1_800_000_000) };
}

/// Lets time pass for this test.
pub(crate) fn pass(seconds: i64) {
    NOW.set(NOW.get() + seconds);
}

/// A store and its engine.
pub(crate) struct Place {
    pub(crate) directory: TempDir,
    pub(crate) engine: Engine,
}

impl Place {
    /// With these images loaded.
    pub(crate) fn with(images: &[(&Image, &[&str])]) -> Self {
        let directory = tempfile::tempdir().expect("there is room for a test");
        let store = Options {
            clock: || Timestamp { seconds: NOW.get(), nanos: 0 },
            platform: Platform { os: "linux".to_owned(), architecture: "amd64".to_owned(), ..Platform::host() },
            grace: 3600,
            keep_limit: 1 << 30,
            keep_free: 0,
            snapshots: None,
            remove: |_| false,
        };
        let [root, state] = ["store", "state"].map(|name| directory.path().join(name));
        let config = Config { root, state, store, jobs: 2, program: "/nonexistent".into(), is_rootless: false };
        let place = Self { directory, engine: Engine::new(config, || panic!("no test here needs a registry")) };
        if !images.is_empty() {
            place.load(&archive(images));
        }
        place
    }

    /// Another engine on the same store, as another process has it.
    pub(crate) fn again(&self) -> Engine {
        Engine::new(self.engine.config().clone(), || panic!("no test here needs a registry"))
    }

    /// Loads an archive.
    pub(crate) fn load(&self, archive: &[u8]) -> Vec<Loaded> {
        self.engine.load(&Load::default(), &mut &*archive, &()).expect("the archive is sound")
    }

    /// Names with tags of the images that a list shows, one image after the other.
    pub(crate) fn names(&self, list: &List) -> Vec<String> {
        let listed = self.engine.list_images(list).expect("the list makes sense");
        let names = |tags: Vec<String>| if tags.is_empty() { vec!["<none>".to_owned()] } else { tags };
        listed.into_iter().flat_map(|image| names(image.repo_tags)).collect()
    }

    /// Removes one image: what went, in the words of `rmi`, or why it could not.
    pub(crate) fn remove(&self, name: &str, force: bool) -> Result<Vec<String>, String> {
        let remove = Remove { images: vec![name.to_owned()], force, ..Remove::default() };
        let (gone, result) = self.engine.remove(&remove).expect("the store can be written").remove(0);
        result.map_err(|why| why.to_string())?;
        Ok(gone.iter().map(told).collect())
    }

    /// Makes a container and lets a second pass: no two were made at once.
    pub(crate) fn create(&self, image: &str, name: &str, change: impl FnOnce(&mut Create)) -> ContainerRow {
        let mut create = Create { image: image.to_owned(), name: Some(name.to_owned()), ..Create::default() };
        create.command = vec!["true".to_owned()];
        change(&mut create);
        let row = self.engine.create(&create, &()).expect("it can be made").row;
        pass(1);
        row
    }

    /// Writes down how a container is.
    pub(crate) fn set(&self, row: &ContainerRow, change: impl Fn(&mut ContainerState)) {
        self.engine.writer().and_then(|store| Ok(store.change_container(&row.id, change)?)).expect("it is there");
    }

    /// Writes down that a container ended like this.
    pub(crate) fn end(&self, row: &ContainerRow, exit_code: i32) {
        let now = Some(NOW.get() * 1_000_000_000);
        self.set(row, |state| {
            (state.phase, state.exit_code, state.started_at, state.finished_at) = (Phase::Exited, exit_code, now, now);
        });
    }

    /// Lets a process stand for a container: it runs as long as that does.
    pub(crate) fn run(&self, row: &ContainerRow) -> Running {
        let child = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().expect("sleep is everywhere");
        let pid = child.id();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it was just started");
        let behind_name = &stat[stat.rfind(')').expect("its name is in parentheses") + 2..];
        let started = behind_name.split(' ').nth(19).and_then(|text| text.parse().ok()).expect("when it was started");
        let now = Some(NOW.get() * 1_000_000_000);
        self.set(row, |state| {
            state.started_at = now;
            state.phase = Phase::Running(containers::Running {
                process: ProcessMark { pid, started },
                target: String::new(),
                address: String::new(),
                addresses: BTreeMap::new(),
                ports: String::new(),
                frozen_by: None,
            });
        });
        Running(child)
    }
}

/// What was removed, as `rmi` says it.
pub(crate) fn told(removed: &Removed) -> String {
    match removed {
        Removed::Reference(name) => format!("Untagged: {}", name.familiar()),
        Removed::Image(id) => format!("Deleted: {id}"),
        Removed::Layer(chain, _) => format!("Deleted: {chain}"),
    }
}

/// A process that stands for a running container.
pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `name=value` conditions.
pub(crate) fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
