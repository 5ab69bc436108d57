//! `openssl` as the oracle: it verifies what we sign, and we verify what it signs.

use std::io::Write as _;
use std::process::{Command, Stdio};

use wharfie_trust::sealed::Sealed;
use wharfie_trust::{Error, PrivateKey, PublicKey};

/// Runs `openssl`, which has to succeed; gives what it wrote.
fn openssl(words: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the package openssl is installed");
    child.stdin.take().expect("it is piped").write_all(input).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "openssl {words:?}");
    output.stdout
}

struct Place(std::path::PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let place = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&place).expect("temporary files can be made");
        Self(place)
    }

    fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, content).expect("temporary files can be written");
        path.to_str().expect("it is text").to_owned()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn it_verifies_what_we_sign() {
    let place = Place::new("ours");
    let key = PrivateKey::generate().unwrap();
    let public = place.file("key.pub", key.public().to_pem().as_bytes());
    let signature = place.file("signature", &key.sign(b"hello").unwrap());
    let message = place.file("message", b"hello");
    openssl(&["dgst", "-sha256", "-verify", &public, "-signature", &signature, &message], b"");
    // What is in an encrypted file is a key that it reads too.
    let sealed = Sealed::seal(&key, b"secret").unwrap();
    let again = PrivateKey::from_pem(&sealed.to_pem("ada"), || Ok::<_, Error>(b"secret".to_vec())).unwrap();
    assert_eq!(again.public(), key.public());
    let wrong = PrivateKey::from_pem(&sealed.to_pem("ada"), || Ok::<_, Error>(b"Secret".to_vec()));
    assert!(matches!(wrong, Err(Error::Passphrase)));
}

#[test]
fn we_verify_what_it_signs() {
    let place = Place::new("theirs");
    let kinds: &[&[&str]] = &[
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
        &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
        &["-algorithm", "ED25519"],
    ];
    for kind in kinds {
        let pem = openssl(&[&["genpkey"], *kind].concat(), b"");
        let key = place.file("key.pem", &pem);
        let public = String::from_utf8(openssl(&["pkey", "-in", &key, "-pubout"], b"")).unwrap();
        let public = PublicKey::from_pem(&public).unwrap();
        let message = place.file("message", b"hello");
        let signature = match kind {
            ["-algorithm", "ED25519"] => openssl(&["pkeyutl", "-sign", "-rawin", "-inkey", &key, "-in", &message], b""),
            _ => openssl(&["dgst", "-sha256", "-sign", &key, &message], b""),
        };
        assert!(public.verifies(b"hello", &signature), "{kind:?}");
        assert!(!public.verifies(b"hellO", &signature), "{kind:?}");
        let mut broken = signature.clone();
        let last = broken.len() - 1;
        broken[last] ^= 1;
        assert!(!public.verifies(b"hello", &broken), "{kind:?}");
        if kind.last() == Some(&"ec_paramgen_curve:P-256") {
            let text = String::from_utf8(pem).unwrap();
            let own = PrivateKey::from_pem(&text, || Err(Error::Passphrase)).unwrap();
            assert_eq!(own.public(), &public);
        }
    }
}

#[test]
fn weak_and_foreign_keys_are_refused() {
    let place = Place::new("weak");
    for kind in [
        &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"][..],
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"],
        &["-algorithm", "X25519"],
    ] {
        let key = place.file("key.pem", &openssl(&[&["genpkey"], kind].concat(), b""));
        let public = String::from_utf8(openssl(&["pkey", "-in", &key, "-pubout"], b"")).unwrap();
        assert!(matches!(PublicKey::from_pem(&public), Err(Error::PublicKey)), "{kind:?}");
        let private = std::fs::read_to_string(&key).unwrap();
        assert!(PrivateKey::from_pem(&private, || Ok::<_, Error>(Vec::new())).is_err(), "{kind:?}");
    }
}
