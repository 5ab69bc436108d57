//! What a registry costs its machine: CPU of the server's own processes, asked by wrk and curl. The peer is Debian's
//! docker-registry 2.8; nginx sending the same bytes as files is the floor.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::Result;
use crate::cpu::Meter;
use crate::place::{Place, run as program};
use crate::report::{Report, say};

/// A server, which ends when this is dropped.
pub(crate) struct Server {
    who: &'static str,
    meter: Meter,
    child: Child,
    pub(crate) address: String,
}

/// 100 MiB.
const BLOB: u64 = 100 << 20;
/// Tags of one repository, and repositories.
const TAGS: usize = 10_000;
const REPOSITORIES: usize = 2_000;

/// Measures everything `rounds` times.
pub(crate) fn run(wharfie: &Path, inputs: &Path, rounds: usize) -> Result<Report> {
    let debian = crate::inputs::debian(inputs, wharfie)?;
    let mut report = Report::default();
    report.heads = Some(("docker-registry 2.8", "nginx"));
    for round in 1..=rounds {
        say(&format!("round {round} of {rounds}: registries"));
        let place = Place::new("registry")?;
        measure(wharfie, &debian, place.path(), &mut report)?;
        crate::buckets::measure(wharfie, place.path(), &mut report)?;
    }
    Ok(report)
}

fn measure(wharfie: &Path, debian: &Path, place: &Path, report: &mut Report) -> Result {
    let blob = place.join("blob");
    let bytes = format!("head -c {BLOB} /dev/urandom > {0} && sha256sum {0} | cut -c1-64", blob.display());
    let digest = format!("sha256:{}", text("sh", &["-c", &bytes])?.trim());
    let ours = Server::wharfie(wharfie, place)?;
    let theirs = Server::docker(place)?;
    for server in [&ours, &theirs] {
        let case = "MiB of memory, idle";
        report.case(case, 0.5);
        report.add(case, server.who, server.memory()?);
        let case = "push of 100 MiB, ms";
        report.case(case, 0.25);
        report.add(case, server.who, server.cost(1.0, || server.push(&blob, &digest))?);
        server.push_image(place, &digest)?;
    }
    let files = Server::nginx(place, &blob, &ours)?;
    let target = format!("/v2/bench/app/blobs/{digest}");
    for server in [&ours, &theirs, &files] {
        let case = "GET of a blob of 100 MiB, ms";
        report.case(case, 1.0);
        let get = || program("curl", &["-sfo", "/dev/null", &server.url(&target)]);
        get()?;
        report.add(case, server.who, server.cost(5.0, || (0..5).try_for_each(|_| get()))?);
        let case = "GET of a manifest, ms";
        report.case(case, 0.03);
        report.add(case, server.who, server.hammer("/v2/bench/app/manifests/1")?);
    }
    for server in [&ours, &theirs, &files] {
        let case = "MiB of memory after 64 connections";
        report.case(case, 0.5);
        report.add(case, server.who, server.memory()?);
    }
    pull(wharfie, debian, place, [&ours, &theirs], report)?;
    // Laid out as the servers do it: pushing them takes minutes.
    many(place)?;
    for server in [&ours, &theirs] {
        for (case, target) in [
            ("page of 100 of 10,000 tags, ms", "/v2/bench/app/tags/list?n=100&last=t5000"),
            ("page of 100 of 2,000 repositories, ms", "/v2/_catalog?n=100"),
        ] {
            report.case(case, 0.05);
            let get = || program("curl", &["-sfo", "/dev/null", &server.url(target)]);
            get()?;
            report.add(case, server.who, server.cost(10.0, || (0..10).try_for_each(|_| get()))?);
        }
    }
    Ok(())
}

/// Pushes the Debian image to both servers and pulls it from each into an empty store, with what both sides of it use.
fn pull(wharfie: &Path, debian: &Path, place: &Path, servers: [&Server; 2], report: &mut Report) -> Result {
    let case = "pull of the Debian image by wharfie, both processes, ms";
    report.case(case, 0.9);
    let meter = Meter::new("registry-client")?;
    let client = |root: &str, words: &[&str]| {
        let mut command = Command::new(wharfie);
        command.env("WHARFIE_ROOT", place.join(root)).env("WHARFIE_CONFIG", place.join("none.toml")).args(words);
        command
    };
    meter.measure(&mut client("pusher", &["load", "-q", "-i", &debian.to_string_lossy()]))?;
    for server in servers {
        let name = format!("{}/bench/debian:1", server.address);
        meter.measure(&mut client("pusher", &["tag", "bench/debian:1", &name]))?;
        meter.measure(&mut client("pusher", &["push", "-q", &name]))?;
        let mut used = 0.0;
        let cost = server.cost(1.0, || {
            used = meter.measure(&mut client(&format!("client-{}", server.who), &["pull", "-q", &name]))?;
            Ok(())
        })?;
        report.add(case, server.who, cost + used * 1000.0);
    }
    Ok(())
}

/// Adds tags and repositories to both storages.
fn many(place: &Path) -> Result {
    let ours = place.join("wharfie/registry");
    let theirs = place.join("docker/docker/registry/v2/repositories");
    let link = "_manifests/tags";
    let script = format!(
        "set -e; for n in $(seq {TAGS}); do cp -l {ours}/tags/bench!app/1 {ours}/tags/bench!app/t$n; done
         for n in $(seq {REPOSITORIES}); do cp -l {ours}/repositories/bench!app {ours}/repositories/r$n; done
         cd {theirs}/bench/app/{link}; for n in $(seq {TAGS}); do cp -rl 1 t$n; done
         cd {theirs}; for n in $(seq {REPOSITORIES}); do mkdir -p r$n/_manifests r$n/_layers r$n/_uploads; done",
        ours = ours.display(),
        theirs = theirs.display(),
    );
    program("sh", &["-c", &script])
}

impl Server {
    fn wharfie(wharfie: &Path, place: &Path) -> Result<Self> {
        let mut command = Command::new(wharfie);
        command.env("WHARFIE_ROOT", place.join("wharfie")).env("WHARFIE_CONFIG", place.join("none.toml"));
        Self::start("wharfie", place, move |address| {
            command.args(["serve", "--address", address]);
            Ok(command)
        })
    }

    /// A replica of a bucket.
    pub(crate) fn on_bucket(wharfie: &Path, place: &Path, config: &Path, number: usize) -> Result<Self> {
        let mut command = Command::new(wharfie);
        command.env("WHARFIE_ROOT", place.join(format!("replica-{number}"))).env("WHARFIE_CONFIG", config);
        Self::start("wharfie", place, move |address| {
            command.args(["serve", "--address", address]);
            Ok(command)
        })
    }

    fn docker(place: &Path) -> Result<Self> {
        let (root, config) = (place.join("docker"), place.join("docker.yml"));
        Self::start("docker", place, move |address| {
            let text = format!(
                "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n",
                root.display()
            );
            std::fs::write(&config, text).map_err(|why| why.to_string())?;
            let mut command = Command::new("docker-registry");
            command.arg("serve").arg(&config);
            Ok(command)
        })
    }

    /// Sends the blob, and the manifest that `like` has, as files.
    fn nginx(place: &Path, blob: &Path, like: &Self) -> Result<Self> {
        let root = place.join("nginx");
        let digest = text("sha256sum", &[&blob.to_string_lossy()])?;
        let digest = digest.split(' ').next().unwrap_or_default();
        for folder in ["v2/bench/app/blobs", "v2/bench/app/manifests"] {
            std::fs::create_dir_all(root.join(folder)).map_err(|why| why.to_string())?;
        }
        let link = |from: &Path, to: PathBuf| std::fs::hard_link(from, to).map_err(|why| why.to_string());
        link(blob, root.join(format!("v2/bench/app/blobs/sha256:{digest}")))?;
        let manifest = root.join("v2/bench/app/manifests/1");
        program("curl", &["-sfo", &manifest.to_string_lossy(), &like.url("/v2/bench/app/manifests/1")])?;
        let config = place.join("nginx.conf");
        let at = place.to_path_buf();
        // What it sends must be readable for the user that it becomes.
        program("chmod", &["-R", "a+rX", &place.to_string_lossy()])?;
        Self::start("floor", place, move |address| {
            let at = at.display();
            let text = format!(
                "daemon off;\nuser root;\nworker_processes 2;\npid {at}/nginx.pid;\nerror_log {at}/nginx.err;\n\
                 events {{ worker_connections 1024; }}\nhttp {{ sendfile on; tcp_nopush on; access_log {at}/nginx.log;\n\
                 keepalive_requests 10000000;\nserver {{ listen {address}; root {}; }} }}\n",
                root.display()
            );
            std::fs::write(&config, text).map_err(|why| why.to_string())?;
            let mut command = Command::new("nginx");
            command.arg("-c").arg(&config);
            Ok(command)
        })
    }

    fn start(who: &'static str, place: &Path, command: impl FnOnce(&str) -> Result<Command>) -> Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(|why| why.to_string())?;
        let address = listener.local_addr().map_err(|why| why.to_string())?.to_string();
        drop(listener);
        let meter = Meter::new(&format!("registry-{who}"))?;
        let log = std::fs::File::create(place.join(format!("{who}.log"))).map_err(|why| why.to_string())?;
        let mut command = command(&address)?;
        let child = meter.spawn(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log))?;
        let server = Self { who, meter, child, address };
        for _ in 0..300 {
            if std::net::TcpStream::connect(&server.address).is_ok() {
                return Ok(server);
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Err(format!("{who} does not answer; see {}", place.display()))
    }

    fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    /// Milliseconds of the server's processor for each of `count` works.
    fn cost(&self, count: f64, work: impl FnOnce() -> Result) -> Result<f64> {
        Ok(self.meter.meanwhile(work)? * 1000.0 / count)
    }

    /// The same for each request of many at once.
    fn hammer(&self, target: &str) -> Result<f64> {
        let mut said = String::new();
        let accept = "Accept: application/vnd.oci.image.manifest.v1+json";
        let seconds = self.meter.meanwhile(|| {
            said = text("wrk", &["-t1", "-c64", "-d5", "-H", accept, &self.url(target)])?;
            Ok(())
        })?;
        let requests = said.lines().find_map(|line| line.trim().split_once(" requests in ")?.0.parse::<f64>().ok());
        let requests = requests.filter(|_| !said.contains("Non-2xx")).ok_or(format!("wrk says {said}"))?;
        Ok(seconds * 1000.0 / requests)
    }

    fn push(&self, blob: &Path, digest: &str) -> Result {
        let script = format!(
            "set -e; at=$(curl -sf -X POST -D - -o /dev/null {}/v2/bench/app/blobs/uploads/ | tr -d '\\r' | sed -n 's/^[Ll]ocation: //p')
             case $at in http*) ;; *) at={}$at;; esac
             case $at in *\\?*) at=\"$at&\";; *) at=\"$at?\";; esac
             curl -sf -o /dev/null -H 'Content-Type: application/octet-stream' -H 'Expect:' -T {} \"${{at}}digest={digest}\"",
            self.url(""),
            self.url(""),
            blob.display()
        );
        program("sh", &["-c", &script])
    }

    fn push_image(&self, place: &Path, layer: &str) -> Result {
        let config = place.join("config.json");
        std::fs::write(&config, "{}").map_err(|why| why.to_string())?;
        let digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        self.push(&config, digest)?;
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let manifest = format!(
            "{{\"schemaVersion\":2,\"mediaType\":\"{media_type}\",\"config\":{{\"mediaType\":\
             \"application/vnd.oci.image.config.v1+json\",\"digest\":\"{digest}\",\"size\":2}},\"layers\":[{{\"mediaType\":\
             \"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"{layer}\",\"size\":{BLOB}}}]}}"
        );
        let file = place.join("manifest.json");
        std::fs::write(&file, manifest).map_err(|why| why.to_string())?;
        let (header, url) = (format!("Content-Type: {media_type}"), self.url("/v2/bench/app/manifests/1"));
        program("curl", &["-sf", "-o", "/dev/null", "-H", &header, "-T", &file.to_string_lossy(), &url])
    }

    /// MiB that the server's processes hold, shared pages by their share.
    fn memory(&self) -> Result<f64> {
        let children = text("sh", &["-c", &format!("echo {0}; pgrep -P {0} || true", self.child.id())])?;
        let mut kib = 0.0;
        for pid in children.split_whitespace() {
            let held = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).map_err(|why| why.to_string())?;
            let pss = held.lines().find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix(" kB")?.parse().ok());
            kib += pss.unwrap_or(0.0);
        }
        Ok(kib / 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            let _ended = kill_process(pid, Signal::TERM);
        }
        let _reaped = self.child.wait();
    }
}

fn text(program: &str, words: &[&str]) -> Result<String> {
    let output = Command::new(program).args(words).output();
    let output = output.map_err(|why| format!("cannot start {program}: {why}"))?;
    if !output.status.success() {
        return Err(format!("{program} {} failed", words.join(" ")));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
