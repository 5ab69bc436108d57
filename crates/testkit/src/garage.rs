//! A service that keeps buckets on one node or on three: Garage, which does without conditional writes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::buckets::{is_listening, skip, variable};
use crate::needs;
use crate::pebble::free_port;
use crate::service::Service;

/// The cluster.
#[derive(Debug)]
pub(crate) struct Garage {
    program: PathBuf,
    nodes: Vec<Node>,
    _cleaner: std::process::Child,
}

#[derive(Debug, Clone)]
struct Node {
    config: PathBuf,
    rpc: u16,
    api: u16,
    running: Arc<Mutex<Option<Service>>>,
}

/// What all nodes of a cluster know.
const RPC_SECRET: &str = "4425f5c26c5e11581d3223904324dcb5b5d5dfb14e5e7f35e38c595424f5f1e6";
/// Whoever has this may use the buckets.
pub(crate) const ACCESS_KEY: &str = "GK31c2f218a2e44f485b94239e";
pub(crate) const SECRET_KEY: &str = "b892c0665f0ada8a4755dae98baa3b133590e11dae3bcc1f9d769d67f16c3835";

impl Garage {
    /// Starts so many nodes, each of which keeps everything; `None`, and said, where it is not installed.
    pub(crate) fn start(count: usize) -> Option<Self> {
        let Some(program) = variable(PROGRAM).map(PathBuf::from) else {
            return skip(&format!("{PROGRAM} names no garage (cargo xtask test-s3 does)"));
        };
        let folder = tempfile::TempDir::with_prefix("wharfie-garage-").expect("temporary files can be made").keep();
        let cleaner = Service::clean(&folder);
        let nodes: Vec<Node> = (0..count).map(|number| Node::new(&folder.join(number.to_string()), count)).collect();
        let garage = Self { program, nodes, _cleaner: cleaner };
        for node in &garage.nodes {
            node.start(&garage.program);
        }
        if count > 1 {
            garage.lay_out();
        } else {
            let id = garage.id(&garage.nodes[0]);
            garage.tell(&["layout", "assign", "-z", "z0", "-c", "1G", &id]);
            garage.tell(&["layout", "apply", "--version", "1"]);
        }
        garage.tell(&["key", "import", "--yes", "-n", "test", ACCESS_KEY, SECRET_KEY]);
        Some(garage)
    }

    /// Makes the nodes know each other, and share everything.
    fn lay_out(&self) {
        let ids: Vec<String> = self.nodes.iter().map(|node| self.id(node)).collect();
        for (node, id) in self.nodes.iter().zip(&ids).skip(1) {
            self.tell(&["node", "connect", &format!("{id}@127.0.0.1:{}", node.rpc)]);
        }
        for (number, id) in ids.iter().enumerate() {
            self.tell(&["layout", "assign", "-z", &format!("z{number}"), "-c", "1G", id]);
        }
        self.tell(&["layout", "apply", "--version", "1"]);
    }

    fn id(&self, node: &Node) -> String {
        let mut garage = Command::new(&self.program);
        let said = needs::succeeds(garage.arg("-c").arg(&node.config).args(["node", "id", "-q"]), "garage");
        said.split('@').next().expect("there is a first part").trim().to_owned()
    }

    /// Has the first node do something.
    fn tell(&self, words: &[&str]) {
        self.nodes[0].tell(&self.program, words);
    }

    pub(crate) fn port(&self) -> u16 {
        self.nodes[0].api
    }

    pub(crate) fn make_bucket(&self, name: &str) {
        self.tell(&["bucket", "create", name]);
        self.tell(&["bucket", "allow", "--read", "--write", "--owner", name, "--key", ACCESS_KEY]);
    }

    /// From now on one node after the other is killed and comes back, but for the first one, which is asked.
    pub(crate) fn disturb(&self) {
        let (program, first) = (self.program.clone(), self.nodes[0].clone());
        let others: Vec<(Node, String)> = self.nodes[1..].iter().map(|node| (node.clone(), self.id(node))).collect();
        thread::spawn(move || {
            thread::sleep(SOON);
            loop {
                for (node, id) in &others {
                    if let Some(service) = node.running.lock().expect("nobody fails with it").take() {
                        service.kill();
                    }
                    thread::sleep(DOWN);
                    node.start(&program);
                    // They find each other by themselves, but only after half a minute.
                    first.tell(&program, &["node", "connect", &format!("{id}@127.0.0.1:{}", node.rpc)]);
                    thread::sleep(UP);
                }
            }
        });
    }
}

impl Node {
    fn new(folder: &Path, count: usize) -> Self {
        fs::create_dir_all(folder).expect("temporary files can be made");
        let (rpc, api, admin) = (free_port(), free_port(), free_port());
        let place = folder.display();
        let config = format!(
            "metadata_dir = \"{place}/meta\"\ndata_dir = \"{place}/data\"\ndb_engine = \"lmdb\"\n\
             replication_factor = {count}\ncompression_level = \"none\"\nrpc_secret = \"{RPC_SECRET}\"\n\
             rpc_bind_addr = \"127.0.0.1:{rpc}\"\nrpc_public_addr = \"127.0.0.1:{rpc}\"\n\
             [s3_api]\ns3_region = \"us-east-1\"\napi_bind_addr = \"127.0.0.1:{api}\"\n\
             [admin]\napi_bind_addr = \"127.0.0.1:{admin}\"\n"
        );
        let path = folder.join("garage.toml");
        fs::write(&path, config).expect("temporary files can be made");
        Self { config: path, rpc, api, running: Arc::default() }
    }

    /// Has it do something. What it does may need the others, which may be about to find each other.
    fn tell(&self, program: &Path, words: &[&str]) {
        let mut last = String::new();
        for _ in 0..100 {
            let mut garage = Command::new(program);
            garage.arg("-c").arg(&self.config).args(words);
            let output = needs::output(&mut garage, "garage");
            if output.status.success() {
                return;
            }
            last = String::from_utf8_lossy(&output.stderr).into_owned();
            thread::sleep(Duration::from_millis(200));
        }
        panic!("garage {words:?}: {last}");
    }

    fn start(&self, program: &Path) {
        let config = self.config.to_string_lossy();
        let service = Service::start(program, &["-c", &config, "server"]).expect("it was there before");
        *self.running.lock().expect("nobody fails with it") = Some(service);
        assert!(is_listening(self.api), "a node does not listen");
    }
}

/// Names the program.
pub(crate) const PROGRAM: &str = "WHARFIE_TEST_GARAGE";
/// 2 s, and the first one goes.
const SOON: Duration = Duration::from_secs(2);
/// 5 s: until all of them know that it is there. Without two of three the service answers nothing.
const UP: Duration = Duration::from_secs(5);
/// 5 s.
const DOWN: Duration = Duration::from_secs(5);
