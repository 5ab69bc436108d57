//! A certificate authority for tests, made with the `openssl` program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An authority with one server certificate (for 127.0.0.1 and localhost) and one client certificate.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
}

impl Authority {
    /// Makes keys and certificates in `folder`.
    ///
    /// # Panics
    /// When the `openssl` program is missing or fails.
    pub fn new(folder: &Path) -> Self {
        let authority = Self { folder: folder.to_owned() };
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=wharfie test"];
        let own = ["-x509", "-days", "36500", "-keyout", "ca.key", "-out", "ca.crt"];
        authority.openssl(&[&["req"], &key[..], &own[..], &["-addext", "keyUsage=critical,keyCertSign"]].concat());
        let extensions = "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n";
        fs::write(folder.join("extensions"), extensions).expect("the temporary folder can be written");
        for name in ["server", "client"] {
            let (private, request, public) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.crt"));
            authority.openssl(&[&["req"], &key[..], &["-keyout", &private, "-out", &request]].concat());
            let signed = ["x509", "-req", "-days", "36500", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"];
            authority.openssl(&[&signed[..], &["-extfile", "extensions", "-in", &request, "-out", &public]].concat());
        }
        authority
    }

    /// A server that is its own authority, as docker's handbook makes it: one certificate with `CA:TRUE` for `names`
    /// (openssl's `DNS:a,IP:b`), good between the times of `dates` (`YYYYMMDDHHMMSSZ`). There is no client certificate.
    ///
    /// # Panics
    /// When the `openssl` program is missing or fails.
    pub fn of_itself(folder: &Path, names: &str, dates: (&str, &str)) -> Self {
        let authority = Self { folder: folder.to_owned() };
        // `req -x509` would do, but before openssl 3.4 its certificates can only begin now.
        let config = format!(
            "[ca]\ndefault_ca=own\n[own]\ndatabase=index\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\n\
             policy=any\nx509_extensions=extensions\n[any]\ncommonName=supplied\n[extensions]\n\
             subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\nbasicConstraints=critical,CA:TRUE\n\
             subjectAltName={names}\n"
        );
        for (name, content) in [("own.cnf", config.as_str()), ("index", "")] {
            fs::write(folder.join(name), content).expect("the temporary folder can be written");
        }
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=wharfie test"];
        authority.openssl(&[&["req"], &key[..], &["-keyout", "server.key", "-out", "server.csr"]].concat());
        let own = ["ca", "-batch", "-notext", "-config", "own.cnf", "-selfsign", "-keyfile", "server.key"];
        let dates = ["-startdate", dates.0, "-enddate", dates.1];
        authority.openssl(&[&own[..], &dates, &["-in", "server.csr", "-out", "server.crt"]].concat());
        fs::copy(folder.join("server.crt"), folder.join("ca.crt")).expect("the temporary folder can be written");
        authority
    }

    /// The authority's own certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// A server's certificate and key.
    pub fn server(&self) -> (PathBuf, PathBuf) {
        (self.folder.join("server.crt"), self.folder.join("server.key"))
    }

    /// A client's certificate and key.
    pub fn client(&self) -> (PathBuf, PathBuf) {
        (self.folder.join("client.crt"), self.folder.join("client.key"))
    }

    fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl")
            .args(arguments)
            .current_dir(&self.folder)
            .output()
            .unwrap_or_else(|why| panic!("the program openssl cannot be run ({why}): install the package openssl"));
        assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
