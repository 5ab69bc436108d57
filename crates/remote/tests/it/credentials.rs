//! config.json and credential helpers.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use wharfie_remote::{Credentials, DockerConfig, Keychain, Secret, Stored};

fn alice() -> Credentials {
    Credentials::password("alice", "s3:cret")
}

fn keychain(path: &Path) -> Keychain {
    Keychain::new(DockerConfig::load(path))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it was written").permissions().mode() & 0o777
}

/// A helper `docker-credential-NAME` in `folder` that writes down what it is asked and answers `get` with `answer`.
fn helper(folder: &Path, name: &str, answer: &str) -> PathBuf {
    let log = folder.join("log");
    let program = folder.join(format!("docker-credential-{name}"));
    let script = format!(
        "#!/bin/sh\ninput=$(cat)\necho \"$1 $input\" >> {}\ncase $1 in\nget) {answer} ;;\nlist) echo '{{\"h\":\"bob\"}}' ;;\nesac\n",
        log.display()
    );
    // Written by another process: a program that this one has open for writing, or that a fork of it has, cannot be run.
    let write = "printf %s \"$1\" > \"$2\" && chmod 755 \"$2\"";
    let arguments = ["-c".as_ref(), write.as_ref(), "sh".as_ref(), script.as_ref(), program.as_os_str()];
    assert!(Command::new("sh").args(arguments).status().is_ok_and(|status| status.success()));
    log
}

#[test]
fn a_login_round_trip_keeps_everything_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    let before = r#"{"auths":{"http://HOST/v1/":{"auth":"YWxpY2U6cHc="}},"HttpHeaders":{"X-A":"b"},"unknown":[1,{"z":1,"a":2.50}],"psFormat":"x"}"#;
    fs::write(&path, before).unwrap();
    let keychain = keychain(&path);
    assert_eq!(keychain.lookup("HOST").unwrap(), Some(Credentials::password("alice", "pw")));
    assert_eq!(keychain.store("https://HOST/v2/", &alice()).unwrap(), Stored::File(path.clone()));
    let rest = "\t\"HttpHeaders\": {\n\t\t\"X-A\": \"b\"\n\t},\n\t\"unknown\": [\n\t\t1,\n\t\t{\n\t\t\t\"z\": 1,\n\t\t\t\"a\": 2.50\n\t\t}\n\t],\n\t\"psFormat\": \"x\"\n}";
    let old = "\t\t\"http://HOST/v1/\": {\n\t\t\t\"auth\": \"YWxpY2U6cHc=\"\n\t\t}";
    let new = "\t\t\"HOST\": {\n\t\t\t\"auth\": \"YWxpY2U6czM6Y3JldA==\"\n\t\t}";
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{{\n\t\"auths\": {{\n{old},\n{new}\n\t}},\n{rest}"));
    assert_eq!(mode(&path), 0o600);
    assert_eq!(keychain.lookup("HOST").unwrap(), Some(alice()));
    assert_eq!(keychain.store("HOST", &alice()).unwrap(), Stored::Unchanged);

    let erased = keychain.erase("HOST");
    assert_eq!((erased.key.as_str(), erased.tried, erased.failures.len()), ("HOST", 4, 0));
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{{\n\t\"auths\": {{\n{old}\n\t}},\n{rest}"));
}

#[test]
fn a_new_file_is_private_and_exact() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("docker").join("config.json");
    let keychain = keychain(&path);
    keychain.store("127.0.0.1:5611", &Credentials::password("u", ":p")).unwrap();
    let expected = "{\n\t\"auths\": {\n\t\t\"127.0.0.1:5611\": {\n\t\t\t\"auth\": \"dTo6cA==\"\n\t\t}\n\t}\n}";
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    assert_eq!(keychain.list().unwrap(), [("127.0.0.1:5611".to_owned(), "u".to_owned())]);
    keychain.erase("127.0.0.1:5611");
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\n\t\"auths\": {}\n}");
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_link_stays_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = (folder.path().join("real.json"), folder.path().join("config.json"));
    symlink("real.json", &link).unwrap();
    keychain(&link).store("h", &alice()).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::read_to_string(&real).unwrap().contains("\"h\""));
    keychain(&link).store("g", &alice()).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink() && fs::read_to_string(&real).unwrap().contains("\"g\""));
}

#[test]
fn hub_has_its_own_name_and_identity_tokens_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let keychain = keychain(&folder.path().join("config.json"));
    let identity = Credentials::IdentityToken { username: "alice".to_owned(), token: Secret::new("keep") };
    keychain.store("", &identity).unwrap();
    assert_eq!(keychain.lookup("docker.io").unwrap(), Some(identity));
    let text = fs::read_to_string(folder.path().join("config.json")).unwrap();
    assert!(
        text.contains(
            "\"https://index.docker.io/v1/\": {\n\t\t\t\"auth\": \"YWxpY2U6\",\n\t\t\t\"identitytoken\": \"keep\""
        ),
        "{text}"
    );
    assert_eq!(keychain.erase("docker.io").tried, 1);
    assert_eq!(keychain.lookup("").unwrap(), None);
}

#[test]
fn damaged_files_are_reported_and_left_alone() {
    fn check(text: &str, why: Option<&str>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        fs::write(&path, text).unwrap();
        let config = DockerConfig::load(&path);
        let expected = why.map(|why| format!("WARNING: Error parsing config file ({}): {why}", path.display()));
        assert_eq!(config.warning().map(ToString::to_string), expected, "{text}");
        assert!(Keychain::new(config).lookup("h").unwrap().is_none());
        if why.is_some_and(|why| !why.starts_with("Invalid auth")) {
            keychain(&path).store("h", &alice()).unwrap_err();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
    check("{}", None);
    check("{\"auths\":", Some("unexpected EOF"));
    check("", Some("EOF"));
    check("<x>", Some("invalid character '<' looking for beginning of value"));
    check(r#"{"auths":{"h":{"auth":"%%%"}}}"#, Some("Invalid auth configuration file"));
    check(r#"{"auths":{"h":{"auth":"YWJj"}}}"#, Some("Invalid auth configuration file"));
}

#[test]
fn other_settings_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    fs::write(&path, r#"{"imagesFormat":"{{.ID}}","pruneFilters":["until=1h"],"HttpHeaders":3}"#).unwrap();
    let config = DockerConfig::load(&path);
    assert_eq!(config.value::<String>("imagesFormat").as_deref(), Some("{{.ID}}"));
    assert_eq!(config.value::<Vec<String>>("pruneFilters").unwrap(), ["until=1h"]);
    assert_eq!(config.value::<Vec<String>>("HttpHeaders"), None);
    assert_eq!((config.raw("HttpHeaders"), config.raw("nothing")), (Some("3"), None));
}

#[test]
fn helpers_are_spoken_to_as_docker_does() {
    let folder = tempfile::tempdir().unwrap();
    let log = helper(folder.path(), "test", r#"echo '{"ServerURL":"HOST","Username":"bob","Secret":"pw"}'"#);
    let path = folder.path().join("config.json");
    fs::write(&path, r#"{"credsStore":"test"}"#).unwrap();
    let keychain = keychain(&path).with_path(folder.path().as_os_str());
    assert_eq!(keychain.store("HOST", &alice()).unwrap(), Stored::Helper("test".to_owned()));
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "{\n\t\"auths\": {\n\t\t\"HOST\": {}\n\t},\n\t\"credsStore\": \"test\"\n}"
    );
    assert_eq!(keychain.lookup("HOST").unwrap(), Some(Credentials::password("bob", "pw")));
    assert_eq!(keychain.list().unwrap(), [("h".to_owned(), "bob".to_owned())]);
    keychain.erase("HOST");
    let expected = "store {\"ServerURL\":\"HOST\",\"Username\":\"alice\",\"Secret\":\"s3:cret\"}\nget HOST\nlist \nerase HOST\nerase HOST\nerase http://HOST\nerase https://HOST\n";
    assert_eq!(fs::read_to_string(log).unwrap(), expected);
    assert!(fs::read_to_string(&path).unwrap().contains("\"auths\": {}"));
}

#[test]
fn helpers_may_have_nothing_or_fail() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    let asked = |answer: &str, config: &str| {
        helper(folder.path(), "test", answer);
        fs::write(&path, config).unwrap();
        keychain(&path).with_path(folder.path().as_os_str()).lookup("h")
    };
    let nothing = "echo credentials not found in native keychain; exit 1";
    let both = r#"{"credHelpers":{"h":"test"},"credsStore":"missing","auths":{"h":{"auth":"YTpi"}}}"#;
    assert_eq!(asked(nothing, both).unwrap(), Some(Credentials::password("a", "b")));
    // What fails stands in nobody's way; it is told only if there is nothing else.
    assert_eq!(asked("echo locked; exit 3", both).unwrap(), Some(Credentials::password("a", "b")));
    let refused = asked("echo locked; exit 3", r#"{"credHelpers":{"h":"test"}}"#).unwrap_err().to_string();
    assert_eq!(refused, "error getting credentials - err: exit status 3, out: `locked`");
    let token = r#"echo '{"Username":"<token>","Secret":"keep"}'"#;
    let identity = Credentials::IdentityToken { username: String::new(), token: Secret::new("keep") };
    assert_eq!(asked(token, both).unwrap(), Some(identity));
}

#[test]
fn missing_helpers_are_anonymous_until_something_is_to_be_stored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    fs::write(&path, r#"{"credsStore":"x"}"#).unwrap();
    let keychain = keychain(&path).with_path(folder.path().as_os_str());
    assert_eq!(keychain.lookup("h").unwrap(), None);
    let refused = keychain.store("h", &alice()).unwrap_err().to_string();
    let expected =
        "error storing credentials - err: exec: \"docker-credential-x\": executable file not found in $PATH, out: ``";
    assert_eq!(refused, expected);
    let erased = keychain.erase("h");
    assert_eq!((erased.tried, erased.failures.len()), (4, 4));
}

#[test]
fn podmans_file_comes_last() {
    let folder = tempfile::tempdir().unwrap();
    let (own, podman) = (folder.path().join("config.json"), folder.path().join("auth.json"));
    fs::write(&own, r#"{"auths":{"h":{"auth":"YTpi"}}}"#).unwrap();
    fs::write(&podman, r#"{"auths":{"h":{"auth":"eDp5"},"g":{"auth":"eDp5"}}}"#).unwrap();
    let keychain = keychain(&own).with_fallback(&podman);
    assert_eq!(keychain.lookup("h").unwrap(), Some(Credentials::password("a", "b")));
    assert_eq!(keychain.lookup("g").unwrap(), Some(Credentials::password("x", "y")));
}
