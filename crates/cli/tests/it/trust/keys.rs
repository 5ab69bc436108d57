//! `trust key` and `trust signer`: docker's words, cosign's files, for their owner alone.

use super::{key, mode, policy, signing_host};
use crate::host;

/// `cosign generate-key-pair` with an empty passphrase (of sigstore-rs's tests).
const COSIGN_KEY: &str = "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----
eyJrZGYiOnsibmFtZSI6InNjcnlwdCIsInBhcmFtcyI6eyJOIjo2NTUzNiwiciI6
OCwicCI6MX0sInNhbHQiOiJFY3pJR3Z0bnpFcCsxaEpudERnbGI1UnoxN3gwQVMy
YklvWGRNcDQrU1NJPSJ9LCJjaXBoZXIiOnsibmFtZSI6Im5hY2wvc2VjcmV0Ym94
Iiwibm9uY2UiOiJtSVVKbG1OMzNINExvZ0dhaG5MamdmK3R4SmJwci93MCJ9LCJj
aXBoZXJ0ZXh0IjoiM3FtS2FidXRuYm1WT1IvTkZGM2NDaUErTXp1WWQ5L0VERDVI
MVlUSGhQVzZsSzAvdjVqdDZCQzlsME12NGV5am9qZkl0d3B6a2JJOXQrZGx5VXZ3
VUgvMWZjbkFZT2dEdXRLQzkvSkNiOE02SVY2VHpVaDF5c0ZFWDFzeG9xb1FzeUpL
bjM0UVlldFNlaVdDaGtmUHUyZXByQjFEV0pwekdzTGZIakxNVTkzOEdmNk1xM1A0
N0ZSd2syZzY1cFZnSGMwVWV1L1N1OUs0Zmc9PSJ9
-----END ENCRYPTED SIGSTORE PRIVATE KEY-----
";

#[test]
fn a_key_is_made_for_its_owner_alone() {
    let host = signing_host();
    let public = host.path().join("ada.pub");
    host.run(&["trust", "key", "generate", "ada"]).prints(&format!(
        "Generating key for ada...\nSuccessfully generated and loaded private key. Corresponding public key available: {}\n",
        public.display()
    ));
    let private = host.docker_config().join("trust/private");
    let files: Vec<_> = std::fs::read_dir(&private).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [file] = files.as_slice() else { panic!("{files:?}") };
    assert_eq!((mode(&private), mode(file)), (0o700, 0o600));
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nrole: ada\n"), "{text}");
    // The file's name is SHA-256 of what openssl calls the public key.
    let der =
        std::process::Command::new("openssl").args(["pkey", "-pubin", "-outform", "der", "-in"]).arg(&public).output();
    let id = wharfie_oci::Digest::of(&der.unwrap().stdout);
    assert_eq!(file.file_stem().unwrap().to_str().unwrap(), id.hex());
    host.run(&["trust", "key", "generate", "ada"])
        .fails(1, &format!("public key file already exists: \"{}\"", public.display()));
    host.run(&["trust", "key", "generate", "Ada"]).fails(
        1,
        "key name \"Ada\" must start with lowercase alphanumeric characters and can include \"-\" or \"_\" after the first character",
    );
}

#[test]
fn a_key_is_loaded_if_nobody_else_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let host = host().with("COSIGN_PASSWORD", "");
    let path = host.file("cosign.key", COSIGN_KEY.as_bytes());
    let close = |bits| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(bits)).unwrap();
    close(0o644);
    let refused = host.run(&["trust", "key", "load", "cosign.key"]);
    assert_eq!(refused.stdout, "Loading key from \"cosign.key\"...\n");
    assert_eq!(
        refused.stderr,
        "error importing key from cosign.key: private key file cosign.key must not be readable or writable by others\n \
         help: `chmod 600` closes it\n"
    );
    close(0o600);
    host.run(&["trust", "key", "load", "--name", "ada", "cosign.key"])
        .prints("Loading key from \"cosign.key\"...\nSuccessfully imported key from cosign.key\n");
    // A wrong passphrase is told, and so is what is no key.
    let wrong = host.command(&["trust", "key", "load", "cosign.key"]).env("COSIGN_PASSWORD", "x").output().unwrap();
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(said.contains("cosign.key: the passphrase is wrong, or the key is damaged"), "{said}");
    let path = host.file("no.key", b"hello");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let said = host.run(&["trust", "key", "load", "no.key"]).words_without_help();
    assert_eq!(said, "error importing key from no.key: no.key: it is not a private key in PEM\n");
}

#[test]
fn passphrases_are_asked_for_where_nobody_set_them() {
    let host = host();
    let made = host.run_with(&["trust", "key", "generate", "ada"], b"one\none\n");
    assert_eq!(made.code, 0, "{}", made.stderr);
    assert!(made.stderr.starts_with("Enter passphrase for new ada key with ID "), "{}", made.stderr);
    let other = host.run_with(&["trust", "key", "generate", "bob"], b"one\ntwo\n");
    assert!(other.code == 1 && other.stderr.contains("passphrases do not match"), "{}", other.stderr);
    assert!(!host.path().join("bob.pub").exists());
}

#[test]
fn signers_come_and_go() {
    let host = signing_host();
    let ada = key(&host, "ada");
    let web = "registry.example/web";
    host.run(&["trust", "signer", "add", "ada", web])
        .fails(1, "path to a public key must be provided using the `--key` flag");
    host.run(&["trust", "signer", "add", "--key", &ada, "releases", web])
        .fails(1, "releases is a reserved keyword, use a different signer name");
    host.run(&["trust", "signer", "add", "--key", &ada, "ada", web]).prints(&format!(
        "Adding signer \"ada\" to {web}...\nInitializing signed repository for {web}...\nSuccessfully initialized \"{web}\"\n\
         Successfully added signer: ada to {web}\n\n"
    ));
    let bob = key(&host, "bob");
    host.run(&["trust", "signer", "add", "--key", &bob, "bob", web])
        .prints(&format!("Adding signer \"bob\" to {web}...\nSuccessfully added signer: bob to {web}\n\n"));
    let known: Vec<String> =
        policy(&host)["repositories"][web]["signers"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(known, ["ada", "bob"]);
    assert_eq!(mode(&host.docker_config().join("trust/policy.json")), 0o600);
    host.run(&["trust", "signer", "remove", "ada", web])
        .prints(&format!("Removing signer \"ada\" from {web}...\nSuccessfully removed ada from {web}\n\n"));
    let gone = host.run(&["trust", "signer", "remove", "ada", web]);
    assert_eq!(
        gone.words_without_help(),
        format!("no signer ada for repository {web}\n\nerror removing signer from: {web}\n")
    );
    // The last one is not removed unasked.
    let asked = host.run_with(&["trust", "signer", "remove", "bob", web], b"n\n");
    assert!(asked.code == 0 && asked.stdout.contains("will make registry.example/web unpullable"), "{}", asked.stdout);
    host.run(&["trust", "signer", "remove", "-f", "bob", web]).succeeds();
    assert_eq!(policy(&host)["repositories"][web]["signers"], serde_json::json!({}));
}

#[test]
fn many_change_the_policy_at_once() {
    let host = signing_host();
    let ada = key(&host, "ada");
    std::thread::scope(|scope| {
        for n in 0..8 {
            let (host, ada) = (&host, &ada);
            scope.spawn(move || {
                host.run(&["trust", "signer", "add", "--key", ada, "ada", &format!("registry.example/web{n}")])
                    .succeeds();
            });
        }
    });
    assert_eq!(policy(&host)["repositories"].as_object().map(serde_json::Map::len), Some(8));
}

#[test]
fn a_policy_that_others_can_change_is_none() {
    use std::os::unix::fs::PermissionsExt;
    let host = host();
    let path = host.file("home/.docker/trust/policy.json", b"{}");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    let text = format!("{} can be changed by others: it is not used", path.display());
    host.run(&["pull", "-q", "registry.example/web:1"]).fails(1, &text);
}

#[test]
fn keys_and_signers_are_listed_and_keys_are_removed() {
    let host = signing_host();
    let ada = key(&host, "ada");
    key(&host, "bob");
    let told = host.run(&["trust", "key", "ls"]).succeeds();
    let rows: Vec<Vec<&str>> = told.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((rows.len(), &rows[0][..]), (3, &["KEY", "ID", "NAME", "REPOSITORY"][..]));
    let id = rows.iter().find(|row| row[1] == "ada").unwrap()[0].to_owned();
    host.run(&["trust", "signer", "add", "--key", &ada, "ada", "registry.example/web"]).succeeds();
    let told = host.run(&["trust", "signer", "ls"]).succeeds();
    assert!(
        told.lines().any(|line| { line.split_whitespace().eq(["registry.example/web", "asked", "ada", &id[..12]]) }),
        "{told}"
    );
    // What is no key is none, and one that cannot be read hides no other.
    let private = host.docker_config().join("trust/private");
    let named = |digit: &str| private.join(format!("{}.key", digit.repeat(64)));
    assert!(std::process::Command::new("mkfifo").arg(named("0")).status().unwrap().success());
    std::os::unix::fs::symlink("nowhere", named("1")).unwrap();
    assert_eq!(host.run(&["trust", "key", "ls"]).succeeds().lines().count(), 4);
    std::fs::remove_file(named("0")).unwrap();
    std::fs::remove_file(named("1")).unwrap();
    assert_eq!(host.run(&["trust", "signer", "ls", "registry.example/other"]).succeeds().lines().count(), 1);
    host.run(&["trust", "key", "rm", "-f", "carol"])
        .fails(1, "no private key carol\n help: `wharfie trust key ls` lists the keys that are here");
    // All or none.
    assert_eq!(host.run(&["trust", "key", "rm", "-f", "ada", "carol"]).code, 1);
    host.run(&["trust", "key", "rm", "-f", &id[..8]]).prints(&format!("{id}\n"));
    host.run(&["trust", "key", "rm", "-f", "bob"]).succeeds();
    assert_eq!(host.run(&["trust", "key", "ls"]).succeeds().lines().count(), 1);
}

#[test]
fn a_key_without_a_place_for_its_public_half_is_not_made() {
    let host = signing_host();
    let made = host.run(&["trust", "key", "generate", "carol", "--dir", "/nonexistent"]);
    assert_eq!((made.code, made.stdout.as_str()), (1, ""));
    assert!(made.stderr.contains("/nonexistent/carol.pub: no such file or directory"), "{}", made.stderr);
    assert_eq!(host.run(&["trust", "key", "ls"]).succeeds().lines().count(), 1);
    host.file("file", b"");
    assert!(host.run(&["trust", "key", "generate", "carol", "--dir", "file"]).stderr.contains("not a directory"));
    assert_eq!(host.run(&["trust", "key", "ls"]).succeeds().lines().count(), 1);
}

#[test]
fn a_key_that_is_here_is_not_renamed_in_passing() {
    let host = signing_host();
    key(&host, "carol");
    let private = host.docker_config().join("trust/private");
    let file = std::fs::read_dir(private).unwrap().next().unwrap().unwrap().path().display().to_string();
    let loaded = host.run(&["trust", "key", "load", "--name", "alice", &file]);
    assert_eq!(
        (loaded.code, loaded.words_without_help().as_str()),
        (1, "the key is here already, and is called carol\n")
    );
    host.run(&["trust", "key", "load", "--name", "carol", &file]).succeeds();
    assert!(host.run(&["trust", "key", "ls"]).succeeds().lines().nth(1).unwrap().contains("carol"));
}

#[test]
fn what_could_not_be_signed_leaves_nothing_behind() {
    let host = signing_host();
    let image = wharfie_testkit::Image::new().with_file("a", "b");
    host.run_with(&["load", "-q"], &wharfie_testkit::archive(&[(&image, &["127.0.0.1:1/web:1"])])).succeeds();
    assert_eq!(host.run(&["trust", "sign", "127.0.0.1:1/web:1"]).code, 1);
    assert_eq!(host.run(&["trust", "key", "ls"]).succeeds().lines().count(), 1);
    assert_eq!(host.run(&["trust", "signer", "ls"]).succeeds().lines().count(), 1);
}

#[test]
fn a_policy_that_says_something_twice_or_belongs_to_others_is_none() {
    let host = host();
    let home = host.docker_config().join("trust");
    std::fs::create_dir_all(&home).unwrap();
    let path = home.join("policy.json");
    std::fs::write(&path, r#"{"repositories":{"web":{"mode":"enforce"},"web":{"mode":"off"}}}"#).unwrap();
    let said = host.run(&["pull", "-q", "127.0.0.1:1/web"]);
    assert!(said.stderr.contains("\"web\" stands twice in one object"), "{}", said.stderr);
    // Podman's alike.
    std::fs::remove_file(&path).unwrap();
    let podmans = host.path().join("policy.json");
    host.file("config.toml", format!("containers-policy = {:?}\n", podmans.display().to_string()).as_bytes());
    for (policy, why) in [
        (
            r#"{"default":[{"type":"reject"}],"default":[{"type":"insecureAcceptAnything"}]}"#,
            "\"default\" stands twice",
        ),
        (r#"{"default":[{"type":"insecureAcceptAnything","keyPath":"/k"}]}"#, "\"keyPath\" is not known here"),
        (
            r#"{"default":[{"type":"sigstoreSigned","keyPath":"/k","signedIdentity":{"type":"matchExact","prefix":"x"}}]}"#,
            "\"prefix\" is not known here",
        ),
        (r#"{"default":[{"type":"sigstoreSigned","keyPath":"/k","keyData":"x"}]}"#, "more than one of keyPath"),
        (
            r#"{"default":[{"type":"insecureAcceptAnything"}],"transports":{"docker":{"a":[{"type":"reject"}],"a":[{"type":"insecureAcceptAnything"}]}}}"#,
            "\"a\" stands twice",
        ),
        (r#"{"default":[{"type":"insecureAcceptAnything"}],"extra":1}"#, "unknown field `extra`"),
    ] {
        std::fs::write(&podmans, policy).unwrap();
        let said = host.run(&["pull", "-q", "127.0.0.1:1/web"]);
        assert!(said.code == 1 && said.stderr.contains(why), "{why}: {}", said.stderr);
    }
    std::fs::write(&podmans, r#"{"default":[{"type":"insecureAcceptAnything"}]}"#).unwrap();
    if std::os::unix::fs::chown(&podmans, Some(12_345), None).is_ok() {
        let said = host.run(&["pull", "-q", "127.0.0.1:1/web"]);
        assert!(said.stderr.contains("belongs to user 12345: it is not used"), "{}", said.stderr);
    }
}

#[test]
fn a_key_that_openssl_made_is_loaded_in_either_form() {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;
    let host = host().with("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "pass");
    let load = |name: &str| {
        let path = host.path().join(name);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        host.run(&["trust", "key", "load", name])
    };
    let openssl = |words: &[&str]| {
        let made = Command::new("openssl").args(words).current_dir(host.path()).output().expect("openssl is installed");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        made.stdout
    };
    // With the parameters before it, as it comes; and in PKCS#8.
    openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-out", "sec1.pem"]);
    assert!(std::fs::read_to_string(host.path().join("sec1.pem")).unwrap().contains("BEGIN EC PARAMETERS"));
    let id = wharfie_oci::Digest::of(&openssl(&["pkey", "-in", "sec1.pem", "-pubout", "-outform", "der"]));
    let loaded = load("sec1.pem");
    assert_eq!((loaded.code, loaded.stderr.as_str()), (0, ""), "{}", loaded.stdout);
    assert!(loaded.stdout.ends_with("Successfully imported key from sec1.pem\n"), "{}", loaded.stdout);
    assert!(host.run(&["trust", "key", "ls"]).succeeds().contains(id.hex()));
    openssl(&["pkcs8", "-topk8", "-nocrypt", "-in", "sec1.pem", "-out", "pkcs8.pem"]);
    load("pkcs8.pem").succeeds();
    assert_eq!(host.run(&["trust", "key", "ls"]).succeeds().lines().count(), 2, "it is the same key");
    let help = " help: private keys are of ECDSA over P-256, in PEM: in the clear (PKCS#8 or SEC 1, as openssl writes them) or as \
                `wharfie trust key generate` and cosign encrypt them\n";
    let refused = |name: &str, why: &str| {
        let said = load(name);
        assert_eq!((said.code, said.stderr), (1, format!("error importing key from {name}: {name}: {why}\n{help}")));
    };
    openssl(&["ecparam", "-name", "secp384r1", "-genkey", "-out", "p384.pem"]);
    refused("p384.pem", "it is no private key of ECDSA over P-256");
    openssl(&["ec", "-in", "sec1.pem", "-no_public", "-out", "half.pem"]);
    refused("half.pem", "it is no private key of ECDSA over P-256");
    openssl(&["ec", "-in", "sec1.pem", "-aes128", "-passout", "pass:x", "-out", "closed.pem"]);
    refused("closed.pem", "it holds \"EC PRIVATE KEY\" and no private key that wharfie reads");
    openssl(&["pkey", "-in", "sec1.pem", "-pubout", "-out", "public.pem"]);
    refused("public.pem", "it holds \"PUBLIC KEY\" and no private key that wharfie reads");
}
