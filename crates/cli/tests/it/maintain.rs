//! `maintain`: retention, the build cache and news of scans in one command.

use serde_json::{Value, json};
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
    // What is known of one name is known of the image, whatever else it is called, before and after.
    for words in [["tag", "web:1", "aaa:1"], ["tag", "web:1", "web:2"]] {
        host.run(&words).succeeds();
        assert_eq!(told(&host, &["--db", &osv]).1["scan"]["new"], Value::Array(vec![]), "it is the same image");
    }
    host.run(&["rmi", "web:1", "aaa:1"]).succeeds();
    assert_eq!(told(&host, &["--db", &osv]).1["scan"]["new"], Value::Array(vec![]), "it has another name");
    host.run(&["tag", "web:2", "other:1"]).succeeds();
    host.run(&["rmi", "web:2"]).succeeds();
    assert_eq!(told(&host, &["--db", &osv]).1["scan"]["new"], Value::Array(vec![]), "nobody scanned it in between");
    // What an earlier version wrote, by one name, is known as well.
    let path = host.store().join("maintenance/findings.json");
    let known: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    std::fs::write(&path, json!({"other:1": known["other:1"]}).to_string()).unwrap();
    assert_eq!(told(&host, &["--db", &osv]).1["scan"]["new"], Value::Array(vec![]));
    std::fs::write(&path, "{}").unwrap();
    assert_eq!(told(&host, &["--db", &osv]).1["scan"]["new"].as_array().unwrap().len(), 2);
    let (_, fixed) = told(&host, &["--db", &osv, "--only-fixed"]);
    assert_eq!(fixed["scan"]["findings"], 2);
}

#[test]
fn new_secrets_settings_and_what_is_exploited_are_told() {
    let host = host_with(&[(&image(), &["web:1"])]);
    let osv = advisories(&host);
    // Without advisories there is something to tell, and what is known then stays known.
    let (code, none) = told(&host, &[]);
    assert_eq!((code, &none["scan"]["findings"], &none["scan"]["hasAdvisories"]), (0, &0.into(), &false.into()));
    host.run(&["scan", "db", "import", &osv]).succeeds();
    assert_eq!(host.run(&["maintain", "--fail-on", "kev"]).code, 1, "nobody can say what is exploited");
    let kev = json!({"vulnerabilities": [{"cveID": "CVE-2023-4911", "dateAdded": "2023-11-21"}], "catalogVersion": "1",
        "dateReleased": "2026-11-30T00:00:00Z", "count": 1, "title": "x"});
    let kev = host.file("kev.json", kev.to_string().as_bytes()).display().to_string();
    let epss = host.file(
        "epss.csv",
        b"#model_version:v1,score_date:2026-11-29T00:00:00+0000\ncve,epss,percentile\nCVE-2018-1,0.0123,0.5\n",
    );
    host.run(&["scan", "db", "import", &kev, &epss.display().to_string()]).succeeds();
    assert_eq!(told(&host, &["--dry-run", "--fail-on", "critical"]).0, 0);
    let said = host.run(&["maintain", "--dry-run", "--fail-on", "critical,kev"]);
    assert_eq!(said.code, 2, "{}", said.stderr);
    let table: Vec<&str> = said.stdout.lines().skip_while(|line| !line.starts_with("NEW IN")).collect();
    assert!(table[0].ends_with("EXPLOITED SINCE   EPSS"), "{}", said.stdout);
    assert!(table[1].contains("1.2%") && table[2].contains("2023-11-21"), "{}", said.stdout);
    let (code, first) = told(&host, &["--fail-on", "kev"]);
    assert_eq!((code, first["scan"]["new"].as_array().unwrap().len()), (2, 2));
    assert_eq!(first["scan"]["new"][1]["kev"]["added"], "2023-11-21");
    assert_eq!(
        (&first["scan"]["new"][0]["epss"]["probability"], &first["scan"]["new"][0]["kind"]),
        (&0.0123.into(), &"vulnerability".into())
    );
    // A new build under the same name brings a key and runs as root.
    let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAxMIIEowIBAAKCAQEAxMIIEowIBAAKCAQEAxMIIEowIBAAKCAQ\n-----END RSA PRIVATE KEY-----\n";
    let leaky = image().with_file("srv/key.pem", key).with_config("User", json!("root"));
    host.run_with(&["load", "-q"], &wharfie_testkit::archive(&[(&leaky, &["web:1"])])).succeeds();
    let said = host.run(&["maintain", "--dry-run"]);
    assert!(
        said.stdout.contains("4 findings (2 vulnerabilities, 1 leak, 1 check), 2 of them new\n"),
        "{}",
        said.stdout
    );
    assert!(said.stdout.contains("/srv/key.pem:1") && said.stdout.contains("runs as root"), "{}", said.stdout);
    let accepted =
        host.file("accepted", b"user-root # it must\nleak package=/srv/key.pem # a test's\n").display().to_string();
    assert_eq!(told(&host, &["--dry-run", "--ignore-file", &accepted]).1["scan"]["new"], json!([]));
    let (code, second) = told(&host, &["--fail-on", "high"]);
    let kinds: Vec<_> =
        second["scan"]["new"].as_array().unwrap().iter().map(|new| (&new["kind"], &new["severity"])).collect();
    assert_eq!((code, kinds), (2, vec![(&json!("leak"), &json!("high")), (&json!("check"), &json!("low"))]));
    assert_eq!(told(&host, &["--fail-on", "low"]).0, 0, "all of it is known");
    // What cannot be looked for for a time stays known.
    let (index, aside) = (host.store().join("advisories/index"), host.path().join("aside"));
    std::fs::rename(&index, &aside).unwrap();
    assert_eq!(told(&host, &[]).1["scan"]["findings"], 2);
    std::fs::rename(&aside, &index).unwrap();
    assert_eq!(told(&host, &["--fail-on", "unknown"]).1["scan"]["new"], json!([]));
}

#[test]
fn a_command_is_called_with_what_is_new() {
    let host = host_with(&[(&image(), &["web:1"])]);
    let osv = advisories(&host);
    let out = host.path().join("said.json").display().to_string();
    let command = format!("cat > {out}");
    let said = host.run(&["maintain", "--db", &osv, "--notify", &command]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let line = "Scan:         1 image, 2 findings (2 vulnerabilities, 0 leaks, 0 checks), 2 of them new\n";
    assert!(said.stdout.contains(line) && said.stdout.contains("\n\nNEW IN"), "{}", said.stdout);
    assert!(said.stdout.contains("is called with what is new\n"), "{}", said.stdout);
    let heard: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    assert_eq!(heard["new"].as_array().unwrap().len(), 2);
    std::fs::remove_file(&out).unwrap();
    host.run(&["maintain", "--db", &osv, "--notify", &command]).succeeds();
    assert!(!std::path::Path::new(&out).exists(), "nothing was new");
}

#[test]
fn what_could_not_be_told_is_told_the_next_time() {
    let host = host_with(&[(&image(), &["web:1"])]);
    let osv = advisories(&host);
    let maintain = |command: &str| {
        host.run(&["maintain", "--db", &osv, "--fail-on", "high", "--format", "json", "--notify", command])
    };
    for _ in 0..2 {
        let failed = maintain("exit 3");
        assert_eq!((failed.code, failed.stderr.contains("cannot call \"exit 3\"")), (1, true), "{}", failed.stderr);
        let said: Value = serde_json::from_str(&failed.stdout).unwrap();
        assert_eq!(said["scan"]["new"].as_array().unwrap().len(), 2);
    }
    let out = host.path().join("said.json").display().to_string();
    assert_eq!(maintain(&format!("cat > {out}")).code, 2);
    let heard: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    assert_eq!(heard["new"].as_array().unwrap().len(), 2);
    assert_eq!(maintain("exit 3").code, 0, "nothing is new, and nobody is called");
}

#[test]
fn rules_and_limits_of_the_settings_file_hold() {
    let old = Image::new().with_file("f", "1").made("2020-01-01T00:00:00Z");
    let new = Image::new().with_file("f", "2").made("2021-01-01T00:00:00Z");
    let host = host_with(&[(&old, &["web:1"]), (&new, &["web:2"])]);
    let settings = "[[retain]]\nrepositories = [\"**\"]\nkeep = [{ last = 1 }]\n[maintain]\nbuild-cache = \"1GB\"\n";
    let path = host.file("settings.toml", settings.as_bytes()).display().to_string();
    let host = host.with("WHARFIE_CONFIG", &path);
    let dry = host.run(&["maintain", "--dry-run", "--notify", "false"]);
    for said in [
        "2 names are judged; 3 names, images and layers would be removed, nothing was\n",
        "Build cache:  0B would be removed to hold it to 1GB, nothing was\n",
        // Which names, and why.
        "\nweb:1 ",
        "goes: nothing in the policy keeps it\n",
        "stays: number 1 of the last 1\n",
        // As it would be after retention.
        "1 image, 1 finding (0 vulnerabilities, 0 leaks, 1 check), 1 of them new\n              nothing is remembered: what is new is new again the next time\n",
        "vulnerabilities were not looked for, there is no data base of advisories",
        "Notification: \"false\" would be called with what is new\n",
    ] {
        assert!(dry.stdout.contains(said), "{said}: {}", dry.stdout);
    }
    assert_eq!(dry.stderr, "This was a dry run: nothing was removed, nothing is remembered, and nobody was called.\n");
    let (code, dry) = told(&host, &["--dry-run", "--notify", "false"]);
    assert_eq!(
        (code, &dry["dryRun"], &dry["wouldNotify"], &dry["notified"]),
        (0, &true.into(), &"false".into(), &Value::Null)
    );
    assert_eq!(dry["retention"]["wouldRemove"][0]["untagged"], "web:1");
    assert_eq!((&dry["retention"]["removed"], &dry["buildCache"]["wouldRemove"]), (&Value::Null, &0.into()));
    assert_eq!(host.run(&["images", "-q"]).succeeds().lines().count(), 2);
    let (code, done) = told(&host, &[]);
    assert_eq!((code, &done["dryRun"], &done["scan"]), (0, &false.into(), &dry["scan"]));
    assert_eq!((&done["scan"]["hasAdvisories"], &done["scan"]["new"][0]["id"]), (&false.into(), &"user-root".into()));
    assert_eq!(done["retention"]["removed"][0]["untagged"], "web:1");
    assert_eq!((&done["buildCache"]["limit"], &done["buildCache"]["removed"]), (&1_000_000_000.into(), &0.into()));
    assert_eq!(host.run(&["images", "--format", "{{.Tag}}"]).succeeds(), "2\n");
    // Who wants to fail on findings is not told that all is well.
    assert_eq!(host.run(&["maintain", "--fail-on", "high"]).code, 1);
    assert_eq!(host.run(&["maintain", "--build-cache", "much"]).code, 125);
}

#[test]
fn what_went_is_named() {
    let old = Image::new().with_file("f", "1").made("2020-01-01T00:00:00Z");
    let new = Image::new().with_file("f", "2").made("2021-01-01T00:00:00Z");
    let host = host_with(&[(&old, &["web:1"]), (&new, &["web:2"])]);
    let settings = b"[[retain]]\nrepositories = [\"docker.io/library/web\"]\nkeep = [{ last = 1 }]\n";
    let path = host.file("settings.toml", settings).display().to_string();
    let host = host.with("WHARFIE_CONFIG", &path);
    let told = host.run(&["maintain"]).succeeds();
    assert!(told.contains(&format!(" removed\nUntagged: web:1\nDeleted: {}\nDeleted: sha256:", old.id())), "{told}");
    assert!(!told.contains("Untagged: web:2"), "{told}");
}

#[test]
fn systemd_gets_a_timer_and_a_service() {
    let host = host_with(&[]);
    let told =
        host.run(&["maintain", "--systemd", "--fail-on", "high", "--notify", "mail -s \"50 %\" root"]).succeeds();
    let line = told.lines().find(|line| line.starts_with("ExecStart=")).expect("there is one");
    assert!(line.ends_with("maintain --fail-on high --notify \"mail -s \\\"50 %%\\\" root\""), "{line}");
    assert!(told.contains("OnCalendar=daily") && told.contains("WantedBy=timers.target"), "{told}");
    assert!(host.run(&["maintain", "--systemd", "--dry-run"]).words_without_help().contains("exclude each other"));
    assert_eq!(host.run(&["maintain", "--systemd", "--notify", "a\nb"]).code, 1);
}

#[test]
fn the_service_finds_the_files_that_were_meant() {
    let host = host_with(&[]);
    host.file("my settings.toml", b"");
    let base = host.path().display().to_string();
    let host = host.with("WHARFIE_CONFIG", "my settings.toml").with("DOCKER_CONFIG", "100%");
    let words = ["maintain", "--systemd", "--db", "osv", "--ignore-file", "./accepted"];
    let told = host.run(&words).succeeds();
    assert!(told.contains(&format!("\nEnvironment=\"WHARFIE_CONFIG={base}/my settings.toml\"\n")), "{told}");
    assert!(told.contains(&format!("\nEnvironment=DOCKER_CONFIG={base}/100%%\n")), "{told}");
    assert!(told.contains(&format!(" maintain --db {base}/osv --ignore-file {base}/accepted\n")), "{told}");
}
