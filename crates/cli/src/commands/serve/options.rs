//! `[serve]` of the settings file, and how it and the command line become a registry's configuration.
//! Specified in `docs/configuration.md`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use wharfie_oci::duration;
use wharfie_oci::pattern::Pattern;
use wharfie_oci::size::{self, Units};
use wharfie_registry::auth::htpasswd::Users;
use wharfie_registry::auth::{Access, Actions, Rule};
use wharfie_registry::config::{Keeping, Limits};
use wharfie_registry::retention::Immutable;
use wharfie_registry::tls::{Identity, Tls};

use super::bounds::{QuotaOptions, RateOptions, WebhookOptions};
use crate::failure::{Failure, Result};
use crate::retention::{OF_REGISTRIES, PolicyOptions, patterns};

/// What the file says of registries that this machine serves.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Options {
    /// Where it listens, `HOST:PORT`.
    pub address: Vec<String>,
    /// Where clients find it, as `https://registry.example`, if that is not the address that they name.
    pub url: Option<String>,
    /// A bucket in the place of the directory.
    pub bucket: Option<super::bucket::Options>,
    /// Its certificate and those that lead to an authority, PEM.
    pub tls_certificate: Option<PathBuf>,
    /// The certificate's key, PEM.
    pub tls_key: Option<PathBuf>,
    /// Certificates that it gets by itself.
    pub acme: Option<super::acme::AcmeOptions>,
    /// Authorities of clients, PEM: only clients with a certificate of theirs are let in.
    pub tls_client_authorities: Option<PathBuf>,
    /// Users with bcrypt hashes, as `htpasswd -B` writes them.
    pub htpasswd: Option<PathBuf>,
    /// Whoever has not logged in may pull.
    pub anonymous_pull: bool,
    /// Names for several users.
    pub groups: BTreeMap<String, Vec<String>>,
    /// Who may do what; without any, every user may do everything.
    pub rules: Vec<RuleOptions>,
    /// How long what nobody can reach is kept.
    pub grace: Option<String>,
    /// How often that is collected; `0` is never.
    pub collect_every: Option<String>,
    /// Which tags stay.
    pub retention: Vec<PolicyOptions>,
    /// Tags that are neither moved nor deleted.
    pub immutable: Vec<ImmutableOptions>,
    /// How much some repositories may keep.
    pub quotas: Vec<QuotaOptions>,
    /// The images of this machine are served too.
    pub images: bool,
    /// Other registries, of which some repositories are caches.
    pub upstreams: Vec<super::upstream::UpstreamOptions>,
    /// Who is told what was pushed and deleted.
    pub webhooks: Vec<WebhookOptions>,
    /// How often one address may ask.
    pub rate_limit: Option<RateOptions>,
    /// Connections at once.
    pub max_connections: Option<usize>,
    /// Uploads that receive at once.
    pub max_uploads: Option<usize>,
    /// The largest blob.
    pub max_blob: Option<String>,
    /// The largest manifest.
    pub max_manifest: Option<String>,
    /// The largest head of a request.
    pub max_head: Option<String>,
    /// Headers of a request.
    pub max_headers: Option<usize>,
    /// How long a client may say nothing in the middle of a request.
    pub idle_timeout: Option<String>,
}

/// `[[serve.rules]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RuleOptions {
    /// Patterns of repositories.
    pub repositories: Vec<String>,
    /// Users, `@group`s, or `*` for whoever has logged in.
    #[serde(default)]
    pub users: Vec<String>,
    /// Also whoever has not.
    #[serde(default)]
    pub anonymous: bool,
    /// `pull`, `push`, `delete`, or `*` for all of them.
    pub actions: Vec<String>,
}

/// `[[serve.immutable]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ImmutableOptions {
    /// Patterns of repositories.
    pub repositories: Vec<String>,
    /// Patterns of tags; all tags if there are none.
    #[serde(default)]
    pub tags: Vec<String>,
}

impl Options {
    /// Bounds on what clients may ask for.
    pub(super) fn limits(&self) -> Result<Limits> {
        let mut limits = Limits::default();
        limits.connections = self.max_connections.unwrap_or(limits.connections).max(1);
        limits.uploads = self.max_uploads.unwrap_or(limits.uploads).max(1);
        limits.blob_bytes = bytes("max-blob", self.max_blob.as_deref(), limits.blob_bytes)?;
        limits.manifest_bytes = bytes("max-manifest", self.max_manifest.as_deref(), limits.manifest_bytes)?;
        limits.head_bytes = head_bytes(self.max_head.as_deref(), limits.head_bytes)?;
        limits.headers = self.max_headers.unwrap_or(limits.headers).max(1);
        limits.rate = self.rate_limit.as_ref().map(RateOptions::read).transpose()?;
        if let Some(idle) = span("idle-timeout", self.idle_timeout.as_deref())? {
            limits.idle = idle;
        }
        Ok(limits)
    }

    /// What stays and what goes.
    pub(super) fn keeping(&self) -> Result<Keeping> {
        let mut keeping = Keeping::default();
        if let Some(grace) = span("grace", self.grace.as_deref())? {
            keeping.grace = grace;
        }
        if let Some(every) = span("collect-every", self.collect_every.as_deref())? {
            keeping.every = Some(every).filter(|every| !every.is_zero());
        }
        for policy in &self.retention {
            keeping.policies.push(policy.read(OF_REGISTRIES)?);
        }
        for rule in &self.immutable {
            let (repositories, tags) = (patterns(&rule.repositories), patterns(&rule.tags));
            keeping.immutable.push(Immutable { repositories, tags });
        }
        Ok(keeping)
    }

    /// Who may do what.
    pub(super) fn access(&self) -> Result<Access> {
        if self.htpasswd.is_none() && self.rules.is_empty() {
            if self.anonymous_pull {
                return Err(Failure::new("anonymous pulls make sense only with users who may do more")
                    .help(Some("give --htpasswd FILE as well".to_owned())));
            }
            return Ok(Access::Open);
        }
        let text = match &self.htpasswd {
            Some(path) => String::from_utf8_lossy(&read(path)?).into_owned(),
            None => String::new(),
        };
        let users = Users::parse(&text).map_err(|why| {
            let path = self.htpasswd.as_deref().unwrap_or(Path::new("")).display();
            Failure::new(format!("cannot read {path}: {why}"))
                .help(Some(format!("write users with `htpasswd -B {path} NAME`")))
        })?;
        let everything = || vec![Pattern::new("**")];
        let mut rules = self.rules.iter().map(|rule| self.rule(rule)).collect::<Result<Vec<_>>>()?;
        if rules.is_empty() {
            rules.push(Rule { repositories: everything(), users: vec!["*".to_owned()], actions: Actions::ALL });
        }
        if self.anonymous_pull {
            rules.push(Rule { repositories: everything(), users: vec![String::new()], actions: Actions::PULL });
        }
        let users = Box::new(users);
        Ok(Access::Ruled { users, rules, url: self.url.as_ref().map(|url| url.trim_end_matches('/').to_owned()) })
    }

    fn rule(&self, rule: &RuleOptions) -> Result<Rule> {
        let mut users = Vec::new();
        for user in &rule.users {
            match user.strip_prefix('@') {
                Some(group) => {
                    let members = self.groups.get(group);
                    users.extend(
                        members.ok_or_else(|| Failure::new(format!("[serve] has no group {group:?}")))?.clone(),
                    );
                }
                None => users.push(user.clone()),
            }
        }
        if rule.anonymous {
            users.push(String::new());
        }
        if let Some(unknown) = rule.actions.iter().find(|name| Actions::of(&[name]) == Actions::NONE) {
            return Err(Failure::new(format!("{unknown:?} is not an action: pull, push, delete or *")));
        }
        Ok(Rule { repositories: patterns(&rule.repositories), users, actions: Actions::of(&rule.actions) })
    }

    /// Certificates, if any were given.
    pub(super) fn tls(&self) -> Result<Option<Tls>> {
        let identity = match (&self.tls_certificate, &self.tls_key, &self.acme) {
            (None, None, None) => return Ok(None),
            (None, None, Some(acme)) => Identity::Acme(acme.read()?),
            (Some(certificate), Some(key), None) => {
                Identity::Given { certificates: read(certificate)?, key: read(key)? }
            }
            (Some(_), Some(_), Some(_)) => {
                return Err(Failure::new("a certificate is given, and [serve.acme] is to get one")
                    .help(Some("take tls-certificate and tls-key away, or [serve.acme]".to_owned())));
            }
            _ => {
                return Err(Failure::new("a certificate needs its key, and a key its certificate")
                    .help(Some("give both --tls-certificate and --tls-key".to_owned())));
            }
        };
        let client_authorities = self.tls_client_authorities.as_deref().map(read).transpose()?;
        Ok(Some(Tls { identity, client_authorities }))
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|why| Failure::new(format!("cannot read {}: {why}", path.display())))
}

pub(super) fn bytes(name: &str, text: Option<&str>, default: u64) -> Result<u64> {
    let Some(text) = text else { return Ok(default) };
    size::parse(text, Units::Decimal)
        .ok_or_else(|| Failure::new(format!("{name} is {text:?}, which is not a size; write for example \"20GB\"")))
}

/// The size of a head; less than what some clients send in tokens alone would be of no use.
fn head_bytes(text: Option<&str>, default: usize) -> Result<usize> {
    let given = bytes("max-head", text, default as u64)?;
    let fits = usize::try_from(given).ok().filter(|given| (MIN_HEAD..=MAX_HEAD).contains(given));
    fits.ok_or_else(|| {
        Failure::new(format!("max-head is {:?}", text.unwrap_or_default()))
            .help(Some("write a size between 8KiB and 16MiB".to_owned()))
    })
}

/// 8 KiB, the least that hyper takes; 16 MiB, which each connection may have in memory.
const MIN_HEAD: usize = 8 << 10;
const MAX_HEAD: usize = 16 << 20;

pub(super) fn span(name: &str, text: Option<&str>) -> Result<Option<Duration>> {
    let Some(text) = text else { return Ok(None) };
    let nanos = duration::parse(text).and_then(|nanos| u64::try_from(nanos).ok());
    let wrong = || Failure::new(format!("{name} is {text:?}, which is not a duration; write for example \"24h\""));
    nanos.map(|nanos| Some(Duration::from_nanos(nanos))).ok_or_else(wrong)
}
