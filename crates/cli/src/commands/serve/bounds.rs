//! `[[serve.quotas]]`, `[[serve.webhooks]]` and `serve.rate-limit` of the settings file.
//! Specified in `docs/configuration.md`.

use std::path::PathBuf;

use serde::Deserialize;
use wharfie_registry::{Quota, Rate, Webhook};

use super::bucket::key;
use super::options::{bytes, span};
use crate::failure::{Failure, Result};
use crate::retention::patterns;

/// How often one address may ask.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RateOptions {
    /// How many requests.
    pub requests: u32,
    /// In which time.
    pub per: String,
}

/// How much some repositories may keep together.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct QuotaOptions {
    /// Patterns of repositories.
    pub repositories: Vec<String>,
    /// Size of their blobs.
    pub size: String,
}

/// Who is told what was pushed and deleted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WebhookOptions {
    /// Where events are posted to.
    pub url: String,
    /// Patterns of repositories; all if there are none.
    #[serde(default)]
    pub repositories: Vec<String>,
    /// File with what `Authorization` says.
    pub authorization_file: Option<PathBuf>,
}

impl RateOptions {
    pub(super) fn read(&self) -> Result<Rate> {
        let per = span("per of rate-limit", Some(&self.per))?.unwrap_or_default();
        if self.requests == 0 || per.is_zero() {
            return Err(Failure::new("rate-limit lets nobody ask for anything")
                .help(Some("write for example rate-limit = { requests = 6000, per = \"1m\" }".to_owned())));
        }
        Ok(Rate { requests: self.requests, per })
    }
}

impl QuotaOptions {
    pub(super) fn read(&self) -> Result<Quota> {
        Ok(Quota { repositories: patterns(&self.repositories), bytes: bytes("size of a quota", Some(&self.size), 0)? })
    }
}

impl WebhookOptions {
    pub(super) fn read(&self) -> Result<Webhook> {
        let Self { url, .. } = self;
        let host = url.split_once("://").map(|(_, rest)| rest.split(['/', '?']).next().unwrap_or_default());
        let Some(host) =
            host.filter(|host| !host.is_empty() && (url.starts_with("http://") || url.starts_with("https://")))
        else {
            return Err(Failure::new(format!("url of a webhook is {url:?}, which is not an address"))
                .help(Some("write for example url = \"https://ci.example/pushed\"".to_owned())));
        };
        let is_here = ["127.", "localhost", "[::1]"].iter().any(|here| host.starts_with(here));
        if self.authorization_file.is_some() && url.starts_with("http://") && !is_here {
            return Err(Failure::new(format!(
                "the secret of the webhook {url} would be sent to {host} for everybody to read"
            ))
            .help(Some("use https, or take authorization-file away".to_owned())));
        }
        let authorization = self.authorization_file.as_deref().map(|path| key(path, "Bearer abc")).transpose()?;
        Ok(Webhook { url: url.clone(), repositories: patterns(&self.repositories), authorization })
    }
}
