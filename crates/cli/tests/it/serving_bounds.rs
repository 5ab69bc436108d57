//! Bounds of `serve`, who is let in, who is told, and settings that change while it runs.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;

use rustix::process::Signal;
use wharfie_testkit::{Authority, Image, archive};

use crate::host;
use crate::served::{Served, ask};

#[test]
fn settings_are_read_again_on_sighup() {
    let server = host();
    server.file("config.toml", b"");
    let key = server.file("k", b"key");
    std::fs::set_permissions(key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("it is ours");
    let registry = Served::start(&server, &[]);
    let (client, image, name) = (host(), Image::new().with_file("a", "a"), registry.name("team/app:1"));
    client.run_with(&["load", "-q"], &archive(&[(&image, &[&name])])).succeeds();
    client.run(&["push", "-q", &name]).succeeds();
    let reload = |settings: &str, says: &str| {
        let count = || registry.log().matches(says).count();
        let before = count();
        server.file("config.toml", settings.as_bytes());
        registry.signal(Signal::HUP);
        while count() == before {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    };
    reload("[serve]\nrate-limit = { requests = 1, per = \"1h\" }\n", "the settings are read again");
    let address = name.trim_end_matches("/team/app:1");
    let status = |target: &str| ask(address, "GET", target, &[], b"").expect("it answers").status;
    assert_eq!([status("/v2/"), status("/v2/")], [200, 429]);
    // A mistake is told and changes nothing.
    reload("[serve]\nmax-blob = \"much\"\n", "error: the settings stay as they were: max-blob is \"much\"");
    assert_eq!(status("/v2/"), 429);
    // Heads of requests are bounded; each connection goes by what counted when it began.
    let head =
        |size: usize| ask(address, "GET", "/v2/", &[("X-Long", &"a".repeat(size))], b"").expect("it answers").status;
    reload("[serve]\nmax-head = \"8KiB\"\nmax-headers = 9\n", "the settings are read again");
    assert_eq!([head(7000), head(9000)], [200, 431]);
    let many: Vec<_> = (0..9).map(|_| ("X-Many", "a")).collect();
    assert_eq!(ask(address, "GET", "/v2/", &many, b"").expect("it answers").status, 431);
    reload("[serve]\nmax-head = \"1KiB\"\n", "error: the settings stay as they were: max-head is \"1KiB\"");
    assert_eq!(head(7000), 200);
    reload(
        "[[serve.quotas]]\nrepositories = [\"team/*\"]\nsize = \"10B\"\n[serve.bucket]\nname = \"b\"\naccess-key-file = \"k\"\nsecret-key-file = \"k\"\n",
        "bucket counts when it is started again",
    );
    let other = Image::new().with_file("b", "b");
    client.run_with(&["load", "-q"], &archive(&[(&other, &[&name])])).succeeds();
    let refused = client.run(&["push", "-q", &name]);
    assert!(refused.code == 1 && refused.stderr.contains("quota"), "{refused:?}");
    client.run(&["pull", "-q", &name]).succeeds();
    let (code, log) = registry.end();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn clients_prove_who_they_are_with_certificates() {
    let server = host();
    let authority = Authority::new(server.path());
    let (certificate, key) = authority.server();
    let settings = format!("[serve]\ntls-client-authorities = \"{}\"\n", authority.certificate().display());
    server.file("config.toml", settings.as_bytes());
    let words = ["--tls-certificate", &certificate.to_string_lossy(), "--tls-key", &key.to_string_lossy()];
    let registry = Served::start(&server, &words);
    let source = server.file("source.tar", &archive(&[(&Image::new().with_file("a", "a"), &["app:1"])]));
    let to = format!("docker://{}", registry.name("app:1"));
    let push = |certificates: &str| {
        let mut command = Command::new("skopeo");
        command.args(["--insecure-policy", "copy", "-q", "--dest-cert-dir", certificates]);
        command.arg(format!("docker-archive:{}", source.display())).arg(&to).output().expect("skopeo is installed")
    };
    let folder = |name: &str, has_own: bool| {
        let place = server.path().join(name);
        std::fs::create_dir(&place).expect("it is new");
        std::fs::copy(authority.certificate(), place.join("ca.crt")).expect("both are ours");
        if has_own {
            let (certificate, key) = authority.client();
            std::fs::copy(certificate, place.join("client.cert")).expect("both are ours");
            std::fs::copy(key, place.join("client.key")).expect("both are ours");
        }
        place.to_string_lossy().into_owned()
    };
    assert!(!push(&folder("nobody", false)).status.success());
    let pushed = push(&folder("client", true));
    assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
}

#[test]
fn webhooks_of_the_settings_are_told() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
    let server = host();
    let hook = format!(
        "[[serve.webhooks]]\nurl = \"http://{}/pushed\"\nrepositories = [\"team/**\"]\n",
        listener.local_addr().expect("it has one")
    );
    server.file("config.toml", hook.as_bytes());
    let registry = Served::start(&server, &[]);
    let (client, name) = (host(), registry.name("team/app:1"));
    client.run_with(&["load", "-q"], &archive(&[(&Image::new().with_file("a", "a"), &[&name])])).succeeds();
    client.run(&["push", "-q", &name]).succeeds();
    // It is delivered before the server ends, also to somebody who is no longer told.
    server.file("config.toml", b"");
    registry.signal(Signal::HUP);
    registry.wait_for("the settings are read again");
    let receiving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody comes");
        let mut seen = String::new();
        let mut piece = [0; 4096];
        while !seen.ends_with("]}") {
            let count = stream.read(&mut piece).expect("it is sent");
            seen += &String::from_utf8_lossy(&piece[..count]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").expect("it is waited for");
        seen
    });
    let (code, log) = registry.end();
    assert_eq!(code, Some(0));
    assert!(!log.contains("error"), "{log}");
    let seen = receiving.join().expect("it has come");
    assert!(seen.contains("\"action\":\"push\"") && seen.contains("\"repository\":\"team/app\""), "{seen}");
    for (settings, says) in [
        ("url = \"nonsense\"", "which is not an address"),
        ("url = \"http://ci.example/\"\nauthorization-file = \"x\"", "for everybody to read"),
    ] {
        server.file("config.toml", format!("[[serve.webhooks]]\n{settings}\n").as_bytes());
        let outcome = server.run(&["serve"]);
        assert!(outcome.code == 1 && outcome.stderr.contains(says), "{outcome:?}");
    }
}
