//! `maintain`: retention, the build cache and news of scans in one command.

use serde_json::Value;
use wharfie_testkit::{Host, Image};

use crate::host_with;
use crate::insight::{advisories, image};

fn told(host: &Host, words: &[&str]) -> (i32, Value) {
    let said = host.run(&[&["maintain", "--format", "json"], words].concat());
    (
        said.code,
        serde_json::from_str(&said.stdout).unwrap_or_else(|why| panic!("{why}: {} {}", said.stdout, said.stderr)),
    )
}

#[test]
fn only_what_is_new_is_told() {
    let host = host_with(&[(&image(), &["web:1"])]);
    let osv = advisories(&host);
    // A dry run remembers nothing.
    let (code, dry) = told(&host, &["--db", &osv, "--fail-on", "high", "--dry-run"]);
    assert_eq!((code, dry["scan"]["new"].as_array().unwrap().len()), (2, 2));
    let (code, first) = told(&host, &["--db", &osv, "--fail-on", "high"]);
    assert_eq!((code, &first["scan"]), (2, &dry["scan"]));
    assert_eq!(first["scan"]["new"][0]["id"], "CVE-2018-1");
    let (code, again) = told(&host, &["--db", &osv, "--fail-on", "high"]);
    assert_eq!(
        (code, again["scan"]["findings"].clone(), again["scan"]["new"].clone()),
        (0, 2.into(), Value::Array(vec![]))
    );
    // Another name has its own findings; the first one's are known.
    host.run(&["tag", "web:1", "web:2"]).succeeds();
    assert_eq!(told(&host, &["--db", &osv]).1["scan"]["new"], Value::Array(vec![]), "it is the same image");
    host.run(&["rmi", "web:1"]).succeeds();
    assert_eq!(told(&host, &["--db", &osv]).1["scan"]["new"].as_array().unwrap().len(), 2, "it has another name");
    let (_, fixed) = told(&host, &["--db", &osv, "--only-fixed"]);
    assert_eq!(fixed["scan"]["findings"], 2);
}

#[test]
fn a_command_is_called_with_what_is_new() {
    let host = host_with(&[(&image(), &["web:1"])]);
    let osv = advisories(&host);
    let out = host.path().join("said.json").display().to_string();
    let command = format!("cat > {out}");
    let said = host.run(&["maintain", "--db", &osv, "--notify", &command]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(said.stdout.contains("1 images, 2 findings, 2 of them new\n\nNEW IN"), "{}", said.stdout);
    let heard: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    assert_eq!(heard["new"].as_array().unwrap().len(), 2);
    std::fs::remove_file(&out).unwrap();
    host.run(&["maintain", "--db", &osv, "--notify", &command]).succeeds();
    assert!(!std::path::Path::new(&out).exists(), "nothing was new");
    // What fails is told, once there is something to tell.
    host.run(&["tag", "web:1", "a:1"]).succeeds();
    host.run(&["rmi", "web:1"]).succeeds();
    let failed = host.run(&["maintain", "--db", &osv, "--notify", "exit 3"]);
    assert_eq!((failed.code, failed.stderr.contains("cannot call \"exit 3\"")), (1, true), "{}", failed.stderr);
}

#[test]
fn rules_and_limits_of_the_settings_file_hold() {
    let old = Image::new().with_file("f", "1").made("2020-01-01T00:00:00Z");
    let new = Image::new().with_file("f", "2").made("2021-01-01T00:00:00Z");
    let host = host_with(&[(&old, &["web:1"]), (&new, &["web:2"])]);
    let settings = "[[retain]]\nrepositories = [\"**\"]\nkeep = [{ last = 1 }]\n[maintain]\nbuild-cache = \"1GB\"\n";
    let path = host.file("settings.toml", settings.as_bytes()).display().to_string();
    let host = host.with("WHARFIE_CONFIG", &path);
    let dry = host.run(&["maintain", "--dry-run"]);
    assert!(dry.stdout.contains("Build cache:  would be held to 1GB"), "{}", dry.stdout);
    assert!(dry.stderr.contains("This was a dry run"), "{}", dry.stderr);
    assert_eq!(host.run(&["images", "-q"]).succeeds().lines().count(), 2);
    let (code, done) = told(&host, &[]);
    assert_eq!((code, &done["scan"]), (0, &Value::Null), "there are no advisories");
    assert_eq!(done["retention"]["removed"][0]["untagged"], "web:1");
    assert_eq!(done["buildCache"]["limit"], 1_000_000_000);
    assert_eq!(host.run(&["images", "--format", "{{.Tag}}"]).succeeds(), "2\n");
    // Who wants to fail on findings is not told that all is well.
    assert_eq!(host.run(&["maintain", "--fail-on", "high"]).code, 1);
    assert_eq!(host.run(&["maintain", "--build-cache", "much"]).code, 1);
}

#[test]
fn systemd_gets_a_timer_and_a_service() {
    let host = host_with(&[]);
    let told =
        host.run(&["maintain", "--systemd", "--fail-on", "high", "--notify", "mail -s \"50 %\" root"]).succeeds();
    let line = told.lines().find(|line| line.starts_with("ExecStart=")).expect("there is one");
    assert!(line.ends_with("maintain --fail-on high --notify \"mail -s \\\"50 %%\\\" root\""), "{line}");
    assert!(told.contains("OnCalendar=daily") && told.contains("WantedBy=timers.target"), "{told}");
}
