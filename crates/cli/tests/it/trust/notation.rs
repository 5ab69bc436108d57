//! Notation's signatures: chains of certificates that openssl made, and what of them counts.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use wharfie_testkit::{Host, Published, TestRegistry};

use super::{image, set_policy};
use crate::attached::{list_referrers, put_artifact};
use crate::host;

/// A folder in which openssl has made certificates.
struct Authority<'a>(&'a Host);

impl Authority<'_> {
    fn at(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn openssl(&self, words: &[&str]) -> Vec<u8> {
        let output =
            Command::new("openssl").args(words).current_dir(self.0.path()).output().expect("openssl is installed");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// A root that signs others.
    fn root(&self, name: &str) {
        let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
        let subject = format!("/C=US/ST=WA/O={name}/CN=root");
        self.openssl(&[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            &key,
            "-out",
            &certificate,
            "-subj",
            &subject,
            "-days",
            "30",
            "-addext",
            "keyUsage=critical,keyCertSign",
        ]);
    }

    /// A certificate that a root gives, with a use.
    fn leaf(&self, name: &str, root: &str, curve: Option<&str>, usage: &str, days: &str) {
        let (key, request, certificate) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
        let subject = format!("/C=US/ST=WA/O=acme/CN={name}");
        let mut words = vec!["req", "-new", "-nodes", "-keyout", &key, "-out", &request, "-subj", &subject, "-newkey"];
        let curve = curve.map(|curve| format!("ec_paramgen_curve:{curve}"));
        match &curve {
            Some(curve) => words.extend(["ec", "-pkeyopt", curve]),
            None => words.push("rsa:2048"),
        }
        self.openssl(&words);
        let extensions = format!(
            "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage={usage}\n"
        );
        self.0.file("extensions", extensions.as_bytes());
        let (ca, ca_key) = (format!("{root}.pem"), format!("{root}.key"));
        let mut words = vec!["x509", "-req", "-in", &request, "-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial"];
        words.extend(["-extfile", "extensions", "-out", &certificate, "-days", days]);
        self.openssl(&words);
    }

    /// A certificate with exactly these extensions, by itself or by another one.
    fn issue(&self, name: &str, issuer: Option<&str>, extensions: &[&str], days: &str) {
        let (key, request, certificate) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
        let subject = format!("/C=US/ST=WA/O=acme/CN={name}");
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
        let words = ["req", "-new", "-nodes", "-keyout", &key, "-out", &request, "-subj", &subject];
        self.openssl(&[&words[..], &curve].concat());
        self.0.file("extensions", extensions.join("\n").as_bytes());
        let above = issuer.map(|issuer| (format!("{issuer}.pem"), format!("{issuer}.key")));
        let mut words = vec!["x509", "-req", "-in", &request, "-extfile", "extensions", "-out", &certificate];
        words.extend(["-days", days]);
        match &above {
            Some((above, above_key)) => words.extend(["-CA", above, "-CAkey", above_key, "-CAcreateserial"]),
            None => words.extend(["-signkey", &key]),
        }
        self.openssl(&words);
    }

    fn der(&self, name: &str) -> Vec<u8> {
        self.openssl(&["x509", "-in", &format!("{name}.pem"), "-outform", "der"])
    }

    /// A signature as JWS has it.
    fn sign(&self, name: &str, algorithm: &str, message: &[u8]) -> Vec<u8> {
        self.0.file("message", message);
        let key = self.at(&format!("{name}.key"));
        if algorithm.starts_with('P') {
            let words = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32", "-sign", &key, "message"];
            return self.openssl(&[&["dgst", "-sha256"], &words[..]].concat());
        }
        let der = self.openssl(&["dgst", "-sha256", "-sign", &key, "message"]);
        // Two integers in a sequence become two numbers of 32 bytes.
        let (mut rest, mut out) = (&der[2..], Vec::new());
        for _ in 0..2 {
            let (number, after) = rest[2..].split_at(usize::from(rest[1]));
            let number = &number[number.len().saturating_sub(32)..];
            out.extend(vec![0; 32 - number.len()]);
            out.extend(number);
            rest = after;
        }
        out
    }
}

/// Base64, the usual form or the one for URLs.
pub(crate) fn base64(bytes: &[u8], is_url: bool) -> String {
    let letters: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').collect();
    let letter = |bits: u32| match (bits & 63, is_url) {
        (62, false) => '+',
        (63, false) => '/',
        (62, true) => '-',
        (63, true) => '_',
        (at, _) => letters[at as usize],
    };
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            match at <= chunk.len() {
                true => text.push(letter(bits >> (18 - 6 * at))),
                false if !is_url => text.push('='),
                false => {}
            }
        }
    }
    text
}

/// What one envelope is made of.
struct Made<'a> {
    by: &'a str,
    /// Who gave the signer's certificate, and so on.
    above: &'a [&'a str],
    algorithm: &'a str,
    target: Value,
    more: Value,
}

fn envelope(authority: &Authority<'_>, made: &Made<'_>) -> String {
    let mut protected = json!({"alg": made.algorithm, "cty": "application/vnd.cncf.notary.payload.v1+json",
        "io.cncf.notary.signingScheme": "notary.x509", "io.cncf.notary.signingTime": "2026-11-30T00:00:00Z",
        "crit": ["io.cncf.notary.signingScheme"]});
    for (name, value) in made.more.as_object().expect("it is one") {
        protected[name] = value.clone();
    }
    let payload = base64(json!({"targetArtifact": made.target}).to_string().as_bytes(), true);
    let protected = base64(protected.to_string().as_bytes(), true);
    let signature = authority.sign(made.by, made.algorithm, format!("{protected}.{payload}").as_bytes());
    let chain: Vec<String> =
        [&[made.by], made.above].concat().iter().map(|name| base64(&authority.der(name), false)).collect();
    json!({"payload": payload, "protected": protected, "header": {"x5c": chain, "io.cncf.notary.signingAgent": "test"},
        "signature": base64(&signature, true)})
    .to_string()
}

fn target(image: &Published) -> Value {
    let descriptor = &image.descriptor;
    json!({"mediaType": descriptor.media_type.as_str(), "digest": descriptor.digest.as_str(), "size": descriptor.size})
}

/// Lets `host` trust the roots of a store.
fn trust(host: &Host, authority: &Authority<'_>, root: &str, repository: &str, identity: &str) {
    let store: PathBuf = host.docker_config().join("trust/truststore/x509/ca").join("acme");
    std::fs::create_dir_all(&store).expect("the host's own folder takes folders");
    std::fs::copy(authority.at(&format!("{root}.pem")), store.join("root.pem")).expect("openssl made it");
    set_policy(
        host,
        &json!({"repositories": {repository: {"mode": "enforce",
            "notation": {"trustStores": ["ca:acme"], "trustedIdentities": [identity]}}}}),
    );
}

#[test]
fn certificates_count_that_lead_to_a_trusted_root() {
    let home = host();
    let authority = Authority(&home);
    authority.root("acme");
    authority.root("evil");
    authority.leaf("ada", "acme", None, "codeSigning", "10");
    authority.leaf("curve", "acme", Some("P-256"), "codeSigning", "10");
    authority.leaf("web", "acme", None, "serverAuth", "10");
    authority.leaf("eve", "evil", None, "codeSigning", "10");
    let registry = TestRegistry::start();
    let web = image("1");
    let name = registry.publish("web:1", &web);
    let repository = name.trim_end_matches(":1");
    let identity = "x509.subject: C=US, ST=WA, O=acme";
    let refers = |envelope: &str| {
        let kinds = ["application/vnd.cncf.notary.signature", "application/jose+json"];
        let member = put_artifact(&registry, "web", kinds, envelope.as_bytes(), &target(&web));
        list_referrers(&registry, "web", &web, &[member]);
    };
    let check = |envelope: &str, identity: &str, expected: Result<(), &str>| {
        refers(envelope);
        let user = host();
        trust(&user, &authority, "acme", repository, identity);
        let said = user.run(&["pull", "-q", &name]);
        match expected {
            Ok(()) => drop(said.succeeds()),
            Err(why) => {
                assert!(said.code == 1 && said.stderr.contains(why), "{why}: {}", said.stderr);
                assert!(said.stderr.len() < 1000);
            }
        }
    };
    let plain = |by, algorithm| Made { by, above: &["acme"], algorithm, target: target(&web), more: json!({}) };
    let good = envelope(&authority, &plain("ada", "PS256"));
    check(&good, identity, Ok(()));
    check(&good, "*", Ok(()));
    check(&envelope(&authority, &plain("curve", "ES256")), identity, Ok(()));
    check(&good, "x509.subject: O=other", Err("nobody trusts C=US,ST=WA,O=acme,CN=ada"));
    // Another root, another use of the certificate, another algorithm than the key's, changed bytes.
    let other = Made { by: "eve", above: &["evil"], ..plain("eve", "PS256") };
    check(&envelope(&authority, &other), "*", Err("its certificate does not count"));
    check(&envelope(&authority, &plain("web", "PS256")), "*", Err("its certificate does not count"));
    let confused = envelope(&authority, &Made { more: json!({"alg": "PS384"}), ..plain("curve", "ES256") });
    check(&confused, "*", Err("it was not made with the key of its certificate"));
    let mut changed: Value = serde_json::from_str(&good).unwrap();
    let mut lie = target(&web);
    lie["annotations"] = json!({"a": "b"});
    changed["payload"] = base64(json!({"targetArtifact": lie}).to_string().as_bytes(), true).into();
    check(&changed.to_string(), "*", Err("it was not made with the key of its certificate"));
    // Of something else: another digest, another type, another size.
    let of = |target: Value| envelope(&authority, &Made { target, ..plain("ada", "PS256") });
    check(&of(target(&image("2"))), "*", Err("it is of other content"));
    for (field, value) in [("mediaType", json!("application/vnd.oci.image.index.v1+json")), ("size", json!(1))] {
        let mut other = target(&web);
        other[field] = value;
        check(&of(other), "*", Err("of something of another type or size"));
    }
    // Over, or with conditions that nobody here understands.
    let with = |more: Value| envelope(&authority, &Made { more, ..plain("ada", "PS256") });
    let (scheme, expiry) = ("io.cncf.notary.signingScheme", "io.cncf.notary.expiry");
    let over = json!({expiry: "2020-01-01T00:00:00Z", "crit": [scheme, expiry]});
    check(&with(over), "*", Err("it has expired"));
    for crit in [json!([]), json!([scheme, scheme]), json!([scheme, expiry])] {
        check(&with(json!({"crit": crit})), "*", Err("which of its attributes are critical"));
    }
    check(&with(json!({expiry: "2050-01-01T00:00:00Z"})), "*", Err("which of its attributes are critical"));
    check(&with(json!({"crit": ["io.cncf.notary.signingScheme", "x"]})), "*", Err("critical attributes"));
    check(&with(json!({"io.cncf.notary.signingScheme": "notary.x509.signingAuthority"})), "*", Err("another scheme"));
    check(&with(json!({"alg": "none"})), "*", Err("another algorithm"));
    check(&format!("{{\"payload\":\"{}\"}}", "A".repeat(900_000)), "*", Err("cannot be understood"));
    // Whoever pulled it proves it without the registry, and shows who signed it.
    refers(&good);
    let user = host();
    trust(&user, &authority, "acme", repository, identity);
    user.run(&["pull", "-q", &name]).succeeds();
    let told: Value = serde_json::from_str(&user.run(&["trust", "inspect", &name]).succeeds()).unwrap();
    assert_eq!(told[0]["SignedTags"][0]["Signers"], json!(["C=US,ST=WA,O=acme,CN=ada"]));
    drop(registry);
    user.run(&["create", "--pull", "never", &name, "true"]).succeeds();
    // A store that is not there opens nothing, nor does a word that means nothing.
    std::fs::remove_dir_all(user.docker_config().join("trust/truststore")).unwrap();
    assert_eq!(user.run(&["create", "--pull", "never", &name, "true"]).code, 1);
    let notation = json!({"trustStores": ["ca:../acme"], "trustedIdentities": ["*"]});
    set_policy(&user, &json!({"repositories": {repository: {"mode": "enforce", "notation": notation}}}));
    let said = user.run(&["create", "--pull", "never", &name, "true"]);
    assert!(said.stderr.contains("is no trust store: write ca:NAME"), "{}", said.stderr);
}

/// Whether a chain counts, and if not why.
type Expected = Result<(), &'static str>;

#[test]
fn each_certificate_of_a_chain_is_made_for_what_it_does() {
    const CA: &str = "basicConstraints=critical,CA:TRUE";
    const GIVES: &str = "keyUsage=critical,keyCertSign";
    const NO_CA: &str = "basicConstraints=critical,CA:FALSE";
    const SIGNS: &str = "keyUsage=critical,digitalSignature";
    const CODE: &str = "extendedKeyUsage=codeSigning";
    let home = host();
    let authority = Authority(&home);
    let registry = TestRegistry::start();
    let web = image("1");
    let name = registry.publish("web:1", &web);
    let repository = name.trim_end_matches(":1");
    let check = |chain: &[&str], trusted: &str, expected: Expected| {
        let (by, above) = chain.split_first().unwrap();
        let envelope =
            envelope(&authority, &Made { by, above, algorithm: "ES256", target: target(&web), more: json!({}) });
        let kinds = ["application/vnd.cncf.notary.signature", "application/jose+json"];
        let member = put_artifact(&registry, "web", kinds, envelope.as_bytes(), &target(&web));
        list_referrers(&registry, "web", &web, &[member]);
        let user = host();
        trust(&user, &authority, trusted, repository, "x509.subject: C=US, ST=WA, O=acme");
        let said = user.run(&["pull", "-q", &name]);
        match expected {
            Ok(()) => drop(said.succeeds()),
            Err(why) => {
                let why = format!("its certificate does not count: {why}");
                assert!(said.code == 1 && said.stderr.contains(&why), "{chain:?}: {why}: {}", said.stderr);
            }
        }
    };
    let leaf = [NO_CA, SIGNS, CODE];
    // Roots that are trusted, and what each of them gives.
    let roots: [(&str, &[&str], &str, Expected); 8] = [
        ("root", &[CA, GIVES], "30", Ok(())),
        ("short", &["basicConstraints=critical,CA:TRUE,pathlen:0", GIVES], "30", Ok(())),
        ("over", &[CA, GIVES], "-1", Err("one of its chain is not valid now")),
        ("bob", &leaf, "30", Err("an issuer is no authority (basicConstraints)")),
        ("lax", &["basicConstraints=CA:TRUE", GIVES], "30", Err("an issuer is no authority (basicConstraints)")),
        ("mute", &[CA], "30", Err("an issuer may not sign certificates (keyUsage)")),
        ("lists", &[CA, "keyUsage=critical,cRLSign"], "30", Err("an issuer may not sign certificates (keyUsage)")),
        (
            "tls",
            &[CA, GIVES, "extendedKeyUsage=serverAuth"],
            "30",
            Err("an issuer may not name who signs code (extendedKeyUsage)"),
        ),
    ];
    for (root, extensions, days, expected) in roots {
        authority.issue(root, None, extensions, days);
        let of_it = format!("of-{root}");
        authority.issue(&of_it, Some(root), &leaf, "10");
        check(&[&of_it, root], root, expected);
    }
    // A certificate that signs itself is good for itself.
    check(&["bob"], "bob", Ok(()));
    check(&["root"], "root", Err("it is of an authority"));
    // What the root of good standing gives.
    let leaves: [(&[&str], Expected); 8] = [
        (&[SIGNS], Ok(())),
        (&[NO_CA, "keyUsage=critical,digitalSignature,nonRepudiation", CODE], Ok(())),
        (&[NO_CA, CODE], Err("its key is not said to be for signatures (keyUsage)")),
        (&[NO_CA, "keyUsage=digitalSignature", CODE], Err("its key is not said to be for signatures (keyUsage)")),
        (&[NO_CA, "keyUsage=critical,digitalSignature,keyEncipherment"], Err("its key is for other things")),
        (&[NO_CA, SIGNS, "extendedKeyUsage=serverAuth"], Err("it is not for signing code (extendedKeyUsage)")),
        (&[NO_CA, SIGNS, "extendedKeyUsage=codeSigning,timeStamping"], Err("it is for other things than signing code")),
        (&[CA, SIGNS], Err("it is of an authority")),
    ];
    for (at, (extensions, expected)) in leaves.into_iter().enumerate() {
        let name = format!("leaf{at}");
        authority.issue(&name, Some("root"), extensions, "10");
        check(&[&name, "root"], "root", expected);
    }
    authority.issue("late", Some("root"), &leaf, "-1");
    check(&["late", "root"], "root", Err("one of its chain is not valid now"));
    // Between them: as many as the root allows, which may give, in order, and whole.
    for (between, root, extensions) in
        [("between", "root", [CA, GIVES]), ("deep", "short", [CA, GIVES]), ("mum", "root", [CA, SIGNS])]
    {
        authority.issue(between, Some(root), &extensions, "30");
        authority.issue(&format!("of-{between}"), Some(between), &leaf, "10");
    }
    check(&["of-between", "between", "root"], "root", Ok(()));
    check(&["of-between", "between", "root"], "between", Ok(()));
    check(&["of-between", "between", "root"], "of-between", Err("nobody trusts its chain"));
    check(&["of-deep", "deep", "short"], "short", Err("its chain is longer than an issuer allows"));
    check(&["of-mum", "mum", "root"], "root", Err("an issuer may not sign certificates (keyUsage)"));
    check(&["of-between", "root", "between"], "root", Err("its chain is not in order"));
    check(&["of-between", "between"], "root", Err("its chain is not in order, or does not end in a root"));
    check(&["of-root", "root", "root"], "root", Err("its chain goes on after a root"));
    // Names are not enough: another key under the root's name.
    std::fs::rename(authority.at("root.pem"), authority.at("real.pem")).unwrap();
    authority.issue("root", None, &[CA, GIVES], "30");
    check(&["of-root", "root"], "root", Err("InvalidSignatureForPublicKey"));
    // Also above the one that is trusted.
    check(&["of-between", "between", "root"], "between", Err("its chain is not whole"));
}

#[test]
fn a_store_of_certificates_that_others_can_change_is_not_used() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let home = host();
    let authority = Authority(&home);
    authority.issue("bob", None, &["basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature"], "30");
    let registry = TestRegistry::start();
    let web = image("1");
    let name = registry.publish("web:1", &web);
    let made = Made { by: "bob", above: &[], algorithm: "ES256", target: target(&web), more: json!({}) };
    let envelope = envelope(&authority, &made);
    let kinds = ["application/vnd.cncf.notary.signature", "application/jose+json"];
    let member = put_artifact(&registry, "web", kinds, envelope.as_bytes(), &target(&web));
    list_referrers(&registry, "web", &web, &[member]);
    let user = host();
    trust(&user, &authority, "bob", name.trim_end_matches(":1"), "*");
    let place = user.docker_config().join("trust/truststore/x509/ca");
    let mode = |path: &std::path::Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let check = |path: Option<&std::path::Path>| {
        let said = user.run(&["pull", "-q", &name]);
        match path {
            None => drop(said.succeeds()),
            Some(path) => {
                let text = format!("{} can be changed by others: it is not used", path.display());
                assert!(said.code == 1 && said.stderr.contains(&text), "{text}: {}", said.stderr);
            }
        }
    };
    mode(&place, 0o777);
    check(Some(&place));
    mode(&place, 0o755);
    check(None);
    // A certificate that is a link to where others write.
    let open = user.path().join("open");
    std::fs::create_dir_all(open.join("closed")).unwrap();
    let root = place.join("acme/root.pem");
    std::fs::rename(&root, open.join("closed/root.pem")).unwrap();
    symlink(open.join("closed/root.pem"), &root).unwrap();
    check(None);
    mode(&open, 0o777);
    check(Some(&open));
}
