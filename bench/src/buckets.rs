//! What replicas of one bucket bring: pushes of tags to three of them against one, on moto, the same clients each time. It is
//! waiting that counts, which on a shared machine is noise; so is moto, one Python process that all of them wait for.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use crate::Result;
use crate::registry::Server;
use crate::report::Report;

/// Clients at once, and tags that each of them pushes.
const CLIENTS: usize = 6;
const TAGS: usize = 10;
const REPLICAS: usize = 3;
const CASE: &str = "tag push on moto, three replicas against one, ms of waiting";

/// Measures both once.
pub(crate) fn measure(wharfie: &Path, place: &Path, report: &mut Report) -> Result {
    let moto = Moto::start()?;
    report.case(CASE, 1.0);
    for (who, count) in [("docker", 1), ("wharfie", REPLICAS)] {
        let bucket = format!("bench-{count}");
        exchange(&moto.address, "PUT", &format!("/{bucket}"), "", b"")?.expect(200)?;
        let config = settings(place, &bucket, &moto.address)?;
        let servers: Vec<Server> =
            (0..count).map(|number| Server::on_bucket(wharfie, place, &config, number)).collect::<Result<_>>()?;
        let addresses: Vec<&str> = servers.iter().map(|server| &*server.address).collect();
        report.add(CASE, who, pushes(&addresses)?);
    }
    Ok(())
}

/// Pushes tags from all clients, looks whether each of them is there, and gives the milliseconds of one push.
fn pushes(addresses: &[&str]) -> Result<f64> {
    let config = b"{}";
    let digest = digest(config);
    let target = format!("/v2/bench/app/blobs/uploads/?digest={digest}");
    exchange(addresses[0], "POST", &target, "", config)?.expect(201)?;
    let began = Instant::now();
    let pushed: Vec<Vec<(String, String)>> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (digest, address) = (&digest, addresses[client % addresses.len()]);
                scope.spawn(move || (0..TAGS).map(|tag| push(address, digest, client, tag)).collect::<Result<_>>())
            })
            .collect();
        let join = |client: std::thread::ScopedJoinHandle<'_, Result<_>>| {
            client.join().unwrap_or_else(|_| Err("a client broke".to_owned()))
        };
        clients.into_iter().map(join).collect::<Result<_>>()
    })?;
    let took = began.elapsed();
    let pushed: Vec<_> = pushed.into_iter().flatten().collect();
    for (number, (tag, digest)) in pushed.iter().enumerate() {
        // Whichever replica is asked.
        let address = addresses[number % addresses.len()];
        let reply = exchange(address, "GET", &format!("/v2/bench/app/manifests/{tag}"), "", b"")?.expect(200)?;
        if self::digest(&reply.body) != *digest {
            return Err(format!("{tag} is lost: {address} has something else"));
        }
    }
    Ok(took.as_secs_f64() * 1000.0 / pushed.len() as f64)
}

/// Pushes a manifest that no other client has, and gives its tag and its digest.
fn push(address: &str, config: &str, client: usize, number: usize) -> Result<(String, String)> {
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let tag = format!("c{client}-t{number}");
    let manifest = format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"{media_type}\",\"config\":{{\"mediaType\":\
         \"application/vnd.oci.image.config.v1+json\",\"digest\":\"{config}\",\"size\":2}},\"layers\":[],\
         \"annotations\":{{\"bench\":\"{tag}\"}}}}"
    );
    let target = format!("/v2/bench/app/manifests/{tag}");
    exchange(address, "PUT", &target, &format!("Content-Type: {media_type}\r\n"), manifest.as_bytes())?.expect(201)?;
    Ok((tag, digest(manifest.as_bytes())))
}

/// Settings of a server on a bucket.
fn settings(place: &Path, bucket: &str, endpoint: &str) -> Result<PathBuf> {
    let key = place.join("key");
    let write = |path: &Path, text: &str| std::fs::write(path, text).map_err(|why| why.to_string());
    write(&key, "key\n")?;
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).map_err(|why| why.to_string())?;
    let path = place.join(format!("{bucket}.toml"));
    let text = format!(
        "[serve.bucket]\nname = \"{bucket}\"\nendpoint = \"http://{endpoint}\"\nallow-http = true\n\
         access-key-file = \"{0}\"\nsecret-key-file = \"{0}\"\n",
        key.display()
    );
    write(&path, &text)?;
    Ok(path)
}

/// The service.
struct Moto {
    child: Child,
    address: String,
}

impl Moto {
    fn start() -> Result<Self> {
        // `cargo xtask` installs it beside what is built, where this program lies as well.
        let this = std::env::current_exe().map_err(|why| why.to_string())?;
        let installed = this.ancestors().map(|folder| folder.join("moto/bin/moto_server")).find(|path| path.exists());
        let program = installed.unwrap_or_else(|| "moto_server".into());
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|why| why.to_string())?;
        let address = listener.local_addr().map_err(|why| why.to_string())?;
        drop(listener);
        let mut command = Command::new(&program);
        command.args(["-H", "127.0.0.1", "-p", &address.port().to_string()]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.map_err(|why| format!("cannot start {}: {why}", program.display()))?;
        let moto = Self { child, address: address.to_string() };
        for _ in 0..300 {
            if TcpStream::connect(address).is_ok() {
                return Ok(moto);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err("moto does not answer".to_owned())
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

struct Reply {
    told: String,
    status: u16,
    body: Vec<u8>,
}

impl Reply {
    fn expect(self, status: u16) -> Result<Self> {
        if self.status == status { Ok(self) } else { Err(format!("{}: {}", self.told, self.status)) }
    }
}

/// One request on a connection of its own.
fn exchange(address: &str, method: &str, target: &str, headers: &str, body: &[u8]) -> Result<Reply> {
    let work = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(address)?;
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat())?;
        let mut all = Vec::new();
        stream.read_to_end(&mut all)?;
        Ok(all)
    };
    let told = format!("{method} {target}");
    let all = work().map_err(|why| format!("{told}: {why}"))?;
    let end = all.windows(4).position(|w| w == b"\r\n\r\n").ok_or_else(|| format!("{told}: no answer"))?;
    let status = String::from_utf8_lossy(&all[..end]).split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok(Reply { status: status.ok_or_else(|| format!("{told}: no status"))?, body: all[end + 4..].to_vec(), told })
}

fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    format!("sha256:{}", hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}
