//! `[serve.bucket]` of the settings file: a bucket of an S3-compatible service in the place of a directory.
//! Specified in `docs/configuration.md`.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use wharfie_registry::BucketOptions;

use crate::env;
use crate::failure::{Failure, Result};

/// Where the bucket is, and where the keys to it are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Options {
    /// Its name.
    pub name: String,
    /// The service, as `https://s3.example`; Amazon's if not given.
    pub endpoint: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// What all keys begin with.
    pub prefix: Option<String>,
    /// File of the access key; the environment's is taken without.
    pub access_key_file: Option<PathBuf>,
    /// File of the access key's secret.
    pub secret_key_file: Option<PathBuf>,
    /// The endpoint may be one of plain HTTP.
    #[serde(default)]
    pub allow_http: bool,
}

/// What services call a region that have none.
const REGION: &str = "us-east-1";
/// 4 KiB: keys have some dozen characters.
const MAX_KEY: u64 = 4 << 10;

impl Options {
    /// The bucket and its keys.
    pub(super) fn read(&self) -> Result<BucketOptions> {
        let wrong = |what: &str, help: &str| Err(Failure::new(what).help(Some(help.to_owned())));
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        if self.name.is_empty() || !self.name.bytes().all(is_name) {
            return wrong(
                &format!("name of [serve.bucket] is {:?}, which is no name of a bucket", self.name),
                "write its name only, for example name = \"images\"; the service's address is endpoint",
            );
        }
        let prefix = self.prefix.clone().unwrap_or_default();
        if prefix.split('/').any(|word| matches!(word, "." | "..") || !word.bytes().all(is_name)) {
            return wrong(
                &format!("prefix of [serve.bucket] is {prefix:?}: letters, digits, \".\", \"_\", \"-\" and \"/\" only"),
                "write for example prefix = \"registry/\"",
            );
        }
        if let Some(endpoint) = &self.endpoint {
            let is_plain = endpoint.starts_with("http://");
            if !is_plain && !endpoint.starts_with("https://") {
                return wrong(
                    &format!("endpoint of [serve.bucket] is {endpoint:?}, which is not an address of a service"),
                    "write for example endpoint = \"https://s3.example\"",
                );
            }
            if is_plain && !self.allow_http {
                return wrong(
                    &format!(
                        "endpoint of [serve.bucket] is {endpoint}: whoever is in between reads and changes images"
                    ),
                    "use https, or write allow-http = true if nobody is in between",
                );
            }
        }
        let (access_key, secret_key, session_token) = self.keys()?;
        Ok(BucketOptions {
            name: self.name.clone(),
            endpoint: self.endpoint.as_ref().map(|endpoint| endpoint.trim_end_matches('/').to_owned()),
            region: self.region.clone().or_else(|| env::nonempty("AWS_REGION")).unwrap_or_else(|| REGION.to_owned()),
            prefix,
            access_key,
            secret_key,
            session_token,
        })
    }

    /// Access key, its secret, and the token of keys that are for a while only.
    fn keys(&self) -> Result<(String, String, Option<String>)> {
        match (&self.access_key_file, &self.secret_key_file) {
            (Some(access), Some(secret)) => Ok((word(access)?, word(secret)?, None)),
            (None, None) => {
                let names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
                let [Some(access), Some(secret)] = names.map(env::nonempty) else {
                    return Err(Failure::new("[serve.bucket] has no keys").help(Some(format!(
                        "name files with access-key-file and secret-key-file, or set {} and {}",
                        names[0], names[1]
                    ))));
                };
                Ok((access, secret, env::nonempty("AWS_SESSION_TOKEN")))
            }
            _ => Err(Failure::new("[serve.bucket] has one half of a key")
                .help(Some("give both access-key-file and secret-key-file".to_owned()))),
        }
    }
}

/// A key, which is one word.
fn word(path: &Path) -> Result<String> {
    let text = key(path, "AKIAIOSFODNN7EXAMPLE")?;
    if text.contains(char::is_whitespace) {
        return Err(Failure::new(format!("{} has more than a key in it", path.display()))
            .help(Some("write the key and nothing else into the file".to_owned())));
    }
    Ok(text)
}

/// What a file says in one line, which others may not read; for example `like`.
pub(super) fn key(path: &Path, like: &str) -> Result<String> {
    let told = path.display();
    let found = std::fs::metadata(path).map_err(|why| Failure::new(format!("cannot read {told}: {why}")))?;
    if found.mode() & 0o007 != 0 {
        return Err(Failure::new(format!("{told} is a key that every user of this machine can read or change")).help(
            Some(format!("run `chmod o= {told}`, and have the service give you a new key if others could see it")),
        ));
    }
    if found.len() > MAX_KEY {
        return Err(Failure::new(format!("{told} is too large for a key")));
    }
    let text = std::fs::read_to_string(path).map_err(|why| Failure::new(format!("cannot read {told}: {why}")))?;
    let text = text.trim();
    if text.is_empty() || text.contains(char::is_control) {
        return Err(Failure::new(format!("{told} has no key in it"))
            .help(Some(format!("write one line into the file, for example {like}"))));
    }
    Ok(text.to_owned())
}
