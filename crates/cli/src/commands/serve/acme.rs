//! `[serve.acme]` of the settings file: certificates that the registry gets by itself.
//! Specified in `docs/configuration.md`.

use std::path::PathBuf;

use serde::Deserialize;
use wharfie_registry::acme::{Name, Options};

use super::{options, resolve};
use crate::failure::{Failure, Result};

/// Whom to ask for certificates, and of what.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AcmeOptions {
    /// What clients call this server.
    pub domains: Vec<String>,
    /// Whom the authority may write to, as `ada@example.org`.
    #[serde(default)]
    pub contact: Vec<String>,
    /// The authority's terms are agreed to.
    #[serde(default)]
    pub accept_terms: bool,
    /// The address of the authority's directory.
    pub directory: Option<String>,
    /// Who vouches for the directory's own certificate, PEM.
    pub directory_authorities: Option<PathBuf>,
    /// Where HTTP-01 is answered; the registry answers TLS-ALPN-01 where it listens if there is no such address.
    #[serde(default)]
    pub http_address: Vec<String>,
}

/// Source: Let's Encrypt, "ACME Protocol Updates".
const DIRECTORY: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// 100: what the largest authority puts into one certificate.
const MAX_DOMAINS: usize = 100;

impl AcmeOptions {
    pub(super) fn read(&self) -> Result<Options> {
        let wrong = |what: String, help: &str| Err(Failure::new(what).help(Some(help.to_owned())));
        let directory = self.directory.as_deref().unwrap_or(DIRECTORY);
        if !directory.strip_prefix("https://").is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/')) {
            return wrong(
                format!("directory of [serve.acme] is {directory:?}, which is no https address"),
                "write for example directory = \"https://acme.example/directory\", or nothing for Let's Encrypt",
            );
        }
        if !self.accept_terms {
            return wrong(
                format!("{directory} gives certificates to those who agree to its terms"),
                "read them, and write accept-terms = true into [serve.acme]",
            );
        }
        let mut names = Vec::new();
        for text in &self.domains {
            let Some(name) = Name::parse(text) else {
                return wrong(
                    format!("domains of [serve.acme] has {text:?}, which is no name of a host"),
                    "write names as clients do, for example domains = [\"registry.example\"]; patterns cannot be proven",
                );
            };
            names.push(name);
        }
        names.sort();
        names.dedup();
        if names.is_empty() || names.len() > MAX_DOMAINS {
            return wrong(
                format!("domains of [serve.acme] has {} names", names.len()),
                "write between one and a hundred, for example domains = [\"registry.example\"]",
            );
        }
        let mut contacts = Vec::new();
        for text in &self.contact {
            let address = text.strip_prefix("mailto:").unwrap_or(text);
            if !address.contains('@') || address.contains(|letter: char| letter.is_whitespace() || letter.is_control())
            {
                return wrong(
                    format!("contact of [serve.acme] has {text:?}, which is not an address"),
                    "write for example contact = [\"ada@registry.example\"]",
                );
            }
            contacts.push(format!("mailto:{address}"));
        }
        let mut http_addresses = Vec::new();
        for text in &self.http_address {
            http_addresses.extend(resolve(text)?);
        }
        Ok(Options {
            names,
            contacts,
            directory: directory.to_owned(),
            authorities: self.directory_authorities.as_deref().map(options::read).transpose()?,
            http_addresses,
        })
    }
}
