//! `serve` gets its certificates by itself, from an authority on this machine.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use wharfie_testkit::{Buckets, Host, Image, Pebble, archive, free_port, needs};

use crate::host;
use crate::served::Served;
use crate::serving_bucket::settings as bucket_settings;

/// 30 days: none is renewed while a test runs.
const LONG: u64 = 30 * 24 * 3600;

fn acme(pebble_port: u16, authority: &Path, domain: &str, more: &str) -> String {
    format!(
        "[serve.acme]\ndomains = [\"{domain}\"]\naccept-terms = true\ncontact = [\"ada@example.org\"]\n\
         directory = \"https://127.0.0.1:{pebble_port}/dir\"\ndirectory-authorities = \"{}\"\n{more}\n",
        authority.display()
    )
}

/// What `curl` gets of a server that it knows as `name`, when it trusts `root` alone.
fn get(name: &str, address: &str, root: &Path) -> String {
    let port = address.rsplit_once(':').expect("it has a port").1;
    let mut curl = Command::new("curl");
    curl.args(["-sSf", "--resolve", &format!("{name}:{port}:127.0.0.1"), "--cacert"]).arg(root);
    needs::succeeds(curl.arg(format!("https://{name}:{port}/healthz")), "curl")
}

/// The numbers of the certificates that a server shows.
fn serial(address: &str) -> String {
    let mut openssl = Command::new("sh");
    openssl.args(["-c", "openssl s_client -connect \"$1\" </dev/null 2>/dev/null | openssl x509 -noout -serial", "sh"]);
    needs::succeeds(openssl.arg(address), "openssl")
}

fn push_and_pull(host: &Host, name: &str, root: &Path) {
    let address = name.split_once('/').expect("it has a registry").0;
    let trusted = host.docker_config().join("certs.d").join(address);
    std::fs::create_dir_all(&trusted).expect("the host takes folders");
    std::fs::copy(root, trusted.join("ca.crt")).expect("the host takes files");
    let image = Image::new().with_file("a", "1");
    host.run_with(&["load", "-q"], &archive(&[(&image, &[name])])).succeeds();
    host.run(&["push", "-q", name]).succeeds();
    host.run(&["rmi", name]).succeeds();
    host.run(&["pull", "-q", name]).prints(&format!("{name}\n"));
    host.run(&["rmi", name]).succeeds();
}

#[test]
fn a_certificate_is_got_where_the_registry_listens_and_kept() {
    let server = host();
    let (port, directory) = (free_port(), free_port());
    let address = format!("127.0.0.1:{port}");
    let pebble = Pebble::start(server.path(), directory, free_port(), port, LONG);
    server.file("config.toml", acme(directory, &pebble.directory_authority(), "127.0.0.1", "").as_bytes());
    let registry = Served::start_at(&server, &address, &[]);
    let line = registry.wait_for("certificate for");
    assert!(line.contains("certificate for 127.0.0.1, good until 20"), "{}", registry.log());
    let root = pebble.root();
    push_and_pull(&host(), &registry.name("team/app:1"), &root);
    let shown = serial(&address);
    let (code, log) = registry.end();
    assert_eq!(code, Some(0), "{log}");
    // It is nobody's but ours, and the proof is gone.
    let kept = server.store().join("registry/acme");
    let mut keys = 0;
    for area in ["accounts", "certificates"] {
        for entry in std::fs::read_dir(kept.join(area)).expect("it is there") {
            let path = entry.expect("it stays").path();
            let mode = path.metadata().expect("it is a file").permissions().mode();
            assert_eq!(mode & 0o077, 0, "{}", path.display());
            let text = std::fs::read_to_string(&path).expect("it is text");
            let record: serde_json::Value = serde_json::from_str(&text).expect("it is a record");
            for key in [&record["key"], &record["credentials"]["key_pkcs8"]] {
                let Some(key) = key.as_str() else { continue };
                assert!(key.len() > 100 && !log.contains(key), "{log}");
                keys += 1;
            }
        }
    }
    assert_eq!(keys, 2);
    assert!(!kept.join("greetings").exists());
    // Another start needs no authority.
    drop(pebble);
    let registry = Served::start_at(&server, &address, &[]);
    push_and_pull(&host(), &registry.name("team/app:2"), &root);
    assert_eq!(serial(&address), shown);
    let (code, log) = registry.end();
    assert!(code == Some(0) && !log.contains("error"), "{log}");
    server.run(&["serve", "fsck"]).succeeds();
}

#[test]
fn an_old_certificate_is_shown_until_there_is_a_new_one() {
    let server = host();
    let (port, directory) = (free_port(), free_port());
    let address = format!("127.0.0.1:{port}");
    let start = |seconds| Pebble::start(server.path(), directory, free_port(), port, seconds);
    let pebble = start(6);
    server.file("config.toml", acme(directory, &pebble.directory_authority(), "127.0.0.1", "").as_bytes());
    let registry = Served::start_at(&server, &address, &[]);
    registry.wait_for("certificate for");
    let first = serial(&address);
    let count = |registry: &Served| registry.log().matches("certificate for 127.0.0.1, good until").count();
    let wait = |so_many: usize| {
        while count(&registry) < so_many {
            std::thread::sleep(std::time::Duration::from_millis(20));
            assert!(!registry.log().contains("a defect"), "{}", registry.log());
        }
    };
    wait(2);
    let second = serial(&address);
    assert_ne!(first, second);
    drop(pebble);
    let line = registry.wait_for("cannot get a certificate for 127.0.0.1");
    assert!(line.contains("127.0.0.1 does not answer") && line.contains("tried again in"), "{line}");
    let last = serial(&address);
    assert!(!last.is_empty());
    let so_far = count(&registry);
    // This one has never heard of our account.
    let pebble = start(LONG);
    server.file("config.toml", acme(directory, &pebble.directory_authority(), "127.0.0.1", "").as_bytes());
    registry.signal(rustix::process::Signal::HUP);
    wait(so_far + 1);
    assert_ne!(serial(&address), last);
    push_and_pull(&host(), &registry.name("team/app:1"), &pebble.root());
}

#[test]
fn one_of_several_servers_gets_the_certificate_for_all() {
    let Some(buckets) = Buckets::get() else { return };
    buckets.make_bucket("certificates");
    let (one, two) = (host(), host());
    let (directory, http) = (free_port(), free_port());
    let authority = one.path().join("pebble/ca.crt");
    for (host, http) in [(&one, http), (&two, free_port())] {
        bucket_settings(host, buckets, "certificates", "");
        let more = format!("http-address = [\"127.0.0.1:{http}\"]");
        let text = std::fs::read_to_string(host.path().join("config.toml")).expect("it was just written");
        host.file("config.toml", (text + &acme(directory, &authority, "registry.example", &more)).as_bytes());
        host.file("pebble/ca.crt", b"");
    }
    // The authority is not there yet, nor is what vouches for it.
    one.run(&["serve"]).fails(1, "no certificate is in the file");
    let early = Pebble::start(one.path(), directory, http, free_port(), LONG);
    drop(early);
    let one_served = Served::start(&one, &[]);
    one_served.wait_for("error: cannot get a certificate for registry.example");
    // Whichever orders: the authority asks where the first one listens, and there it finds the proof.
    let pebble = Pebble::start(one.path(), directory, http, free_port(), LONG);
    std::fs::copy(&authority, two.path().join("pebble/ca.crt")).expect("both are ours");
    let two_served = Served::start(&two, &[]);
    let root = pebble.root();
    let has_shown = |served: &Served| {
        let mut openssl = Command::new("sh");
        let words = "openssl s_client -connect \"$1\" </dev/null 2>/dev/null | openssl x509 -noout -subject";
        openssl.args(["-c", words, "sh", &served.address]).output().expect("it runs").status.success()
    };
    for served in [&one_served, &two_served] {
        while !has_shown(served) {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        assert_eq!(get("registry.example", &served.address, &root), "ok\n");
    }
    assert_eq!(serial(&one_served.address), serial(&two_served.address));
    // Everybody else is sent to where there is encryption, if he knows whom he asks.
    let redirected = |host: &str| {
        crate::served::ask_as(host, &format!("127.0.0.1:{http}"), "GET", "/ui/a?lang=en").expect("it answers")
    };
    let reply = redirected("registry.example:80");
    let port = one_served.address.rsplit_once(':').expect("it has a port").1;
    assert_eq!(reply.header("location"), Some(&*format!("https://registry.example:{port}/ui/a?lang=en")));
    assert_eq!(redirected("evil.example").status, 421);
    let reply = crate::served::ask(
        &format!("127.0.0.1:{http}"),
        "GET",
        "/.well-known/acme-challenge/..%2f..%2fsecrets%2ftokens",
        &[],
        b"",
    );
    assert_eq!(reply.expect("it answers").status, 404);
    assert_eq!(one_served.end().0, Some(0));
    assert_eq!(two_served.end().0, Some(0));
}

#[test]
fn what_is_wrong_with_the_settings_of_certificates_is_told() {
    let host = host();
    let refused = |settings: &str, what: &str, help: &str| {
        host.file("config.toml", format!("[serve.acme]\n{settings}\n").as_bytes());
        let outcome = host.run(&["serve", "--address", "127.0.0.1:0"]);
        assert!(outcome.code == 1 && outcome.stderr.contains(what), "{outcome:?}");
        assert!(outcome.stderr.contains("\n help: ") && outcome.stderr.contains(help), "{outcome:?}");
    };
    let fine = "domains = [\"registry.example\"]\naccept-terms = true";
    refused("domains = [\"registry.example\"]", "agree to its terms", "accept-terms = true");
    refused("domains = []\naccept-terms = true", "has 0 names", "between one and a hundred");
    refused("domains = [\"*.example\"]\naccept-terms = true", "\"*.example\", which is no name", "cannot be proven");
    refused(&format!("{fine}\ncontact = [\"ada\"]"), "\"ada\", which is not an address", "ada@registry.example");
    refused(&format!("{fine}\ndirectory = \"http://a.example/d\""), "no https address", "Let's Encrypt");
    refused(&format!("{fine}\nhttp-address = [\"nowhere\"]"), "cannot listen on \"nowhere\"", "a host and a port");
    refused(
        &format!("{fine}\n[serve]\ntls-certificate = \"a\"\ntls-key = \"b\""),
        "[serve.acme] is to get one",
        "take",
    );
}
