//! What goes wrong with registries. The texts are the ones docker prints, so that scripts find them.

use std::io;
use std::path::PathBuf;

use wharfie_content::Mismatch;
use wharfie_oci::manifest::ParseManifestError;
use wharfie_oci::{Digest, Fault, Kind, MediaType};

use crate::ConnectionError;
use crate::api_error::{self, ApiError};

/// Why something about a registry failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The registry, or whoever it sent us to, could not be reached or broke the connection.
    #[error("{method} {url:?}: {cause}")]
    Connection {
        /// `Get`, `Head`, `Post`, `Put`, `Patch`.
        method: &'static str,
        /// What was asked for; for a registry that did not answer at all, its `/v2/`.
        url: String,
        /// What happened.
        cause: ConnectionError,
    },
    /// The registry refused, with a document that says why.
    #[error("{}", api_error::join(errors))]
    Registry {
        /// HTTP status.
        status: u16,
        /// At least one.
        errors: Vec<ApiError>,
        /// Seconds after which to ask again, if it said so.
        retry_after: Option<u64>,
    },
    /// A status that means nothing here.
    #[error("received unexpected HTTP status: {status} {reason}")]
    UnexpectedStatus {
        /// HTTP status.
        status: u16,
        /// Its standard name.
        reason: &'static str,
        /// What the server said of it, if anything.
        said: Option<String>,
        /// Seconds after which to ask again, if the server said so.
        retry_after: Option<u64>,
    },
    /// The registry refused, with a body that is no error document.
    #[error("error parsing HTTP {status} response body: {why}: {body:?}")]
    NotJson {
        /// HTTP status.
        status: u16,
        /// What is wrong with it.
        why: String,
        /// The body's beginning.
        body: String,
        /// Seconds after which to ask again, if the server said so.
        retry_after: Option<u64>,
    },
    /// A successful answer that lacks or garbles what it must have.
    #[error("invalid answer to {method} {url:?}: {why}")]
    InvalidAnswer {
        /// `Get`, `Head`, `Post`, `Put`, `Patch`.
        method: &'static str,
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The registry wants a user name and a password, and there are none.
    #[error("{method} {url:?}: no basic auth credentials")]
    NoBasicCredentials {
        /// `Get`, `Head`, `Post`, `Put`, `Patch`.
        method: &'static str,
        /// What was asked for.
        url: String,
    },
    /// No token could be had for the registry.
    #[error("Get {url:?}: {cause}")]
    Token {
        /// The registry's `/v2/`.
        url: String,
        /// What the token server said, or why it could not be asked.
        cause: Box<Self>,
    },
    /// A registry behind TLS sends to a token server without: credentials do not go there.
    #[error("refusing to send credentials to {realm:?}, which is not encrypted")]
    InsecureRealm {
        /// Where it sent us.
        realm: String,
    },
    /// Login with user name and password was refused.
    #[error("login attempt to {url} failed with status: {status} {reason}")]
    LoginRefused {
        /// The registry's `/v2/`.
        url: String,
        /// HTTP status.
        status: u16,
        /// Its standard name.
        reason: &'static str,
    },
    /// A manifest whose bytes are not what its digest says.
    #[error("manifest verification failed for digest {digest}")]
    ManifestMismatch {
        /// The digest asked for.
        digest: Digest,
        /// The difference.
        #[source]
        source: Mismatch,
    },
    /// A manifest that wharfie does not take: schema 1, ambiguous, or none at all.
    #[error("{source}")]
    Manifest {
        /// Its digest.
        digest: Digest,
        /// Why.
        source: ParseManifestError,
    },
    /// `Content-Type` and the document's own `mediaType` differ.
    #[error("manifest {digest} was announced as {announced:?} but says it is {found:?}", announced = announced.as_str(), found = found.as_str())]
    MediaType {
        /// Its digest.
        digest: Digest,
        /// By the registry.
        announced: MediaType,
        /// By the document.
        found: MediaType,
    },
    /// More redirects than anyone needs.
    #[error("{method} {url:?}: stopped after {limit} redirects")]
    TooManyRedirects {
        /// `Get`, `Head`, `Post`, `Put`, `Patch`.
        method: &'static str,
        /// What was asked for at first.
        url: String,
        /// How many were followed.
        limit: u32,
    },
    /// A file could not be downloaded.
    #[error("failed to GET {url} with status {status} {reason}: {body}")]
    Download {
        /// What was asked for.
        url: String,
        /// HTTP status.
        status: u16,
        /// Its standard name.
        reason: &'static str,
        /// The beginning of what the server sent instead.
        body: String,
    },
    /// The content to send could not be read.
    #[error("cannot read the content to upload")]
    Local(#[source] io::Error),
    /// A certificate or key that is configured cannot be used.
    #[error("cannot use {path:?}: {why}", path = path.display())]
    Certificate {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A setting that makes no sense. Holds no secrets.
    #[error("invalid {what}: {value:?}")]
    Setting {
        /// Which setting.
        what: &'static str,
        /// Its value.
        value: String,
    },
    /// Neither door of a registry to search in opened.
    #[error("invalid registry endpoint {url:?}. HTTPS attempt: {https}. HTTP attempt: {http}")]
    SearchEndpoint {
        /// Its `/v1/`.
        url: String,
        /// What HTTPS said.
        https: Box<Self>,
        /// What HTTP said.
        http: Box<Self>,
    },
    /// A search was answered with another status than 200.
    #[error("unexpected status code {0}")]
    SearchStatus(u16),
    /// A term to search for that begins with a scheme.
    #[error("invalid repository name: repository name ({0}) should not have a scheme")]
    SearchScheme(String),
    /// The program of a credential helper is not installed.
    #[error("error {action} credentials - err: exec: \"{program}\": executable file not found in $PATH, out: ``")]
    HelperMissing {
        /// `storing`, `getting`, `erasing` or `listing`.
        action: &'static str,
        /// `docker-credential-NAME`.
        program: String,
    },
    /// A credential helper failed.
    #[error("error {action} credentials - err: {why}, out: `{out}`")]
    Helper {
        /// `storing`, `getting`, `erasing` or `listing`.
        action: &'static str,
        /// How it ended.
        why: String,
        /// What it said, its first kilobyte.
        out: String,
    },
    /// The credential file could not be written.
    #[error("cannot write {path:?}", path = path.display())]
    ConfigFile {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// True if trying again may help: the network, a busy or failing server.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connection { cause, .. } => cause.is_transient(),
            Self::Registry { status, .. } | Self::UnexpectedStatus { status, .. } | Self::NotJson { status, .. } => {
                crate::retry::is_transient_status(*status)
            }
            Self::Token { cause, .. } => cause.is_transient(),
            _ => false,
        }
    }

    /// The seconds after which the server wants to be asked again.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Registry { retry_after, .. }
            | Self::UnexpectedStatus { retry_after, .. }
            | Self::NotJson { retry_after, .. } => *retry_after,
            Self::Token { cause, .. } => cause.retry_after(),
            _ => None,
        }
    }

    /// The HTTP status behind it, if a server answered.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Registry { status, .. }
            | Self::UnexpectedStatus { status, .. }
            | Self::NotJson { status, .. }
            | Self::LoginRefused { status, .. } => Some(*status),
            Self::SearchStatus(status) => Some(*status),
            Self::Token { cause, .. } => cause.status(),
            _ => None,
        }
    }

    /// The first of the errors that the registry refused with.
    pub fn refusal(&self) -> Option<&ApiError> {
        match self {
            Self::Registry { errors, .. } => errors.first(),
            _ => None,
        }
    }

    /// True if the registry's first error has this code, `NAME_UNKNOWN`.
    pub fn has_code(&self, code: &str) -> bool {
        self.refusal().is_some_and(|first| first.is(code))
    }

    /// True if the registry never spoke: another way to reach it may be tried.
    pub(crate) fn is_unreached(&self) -> bool {
        matches!(self, Self::Connection { .. })
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NoBasicCredentials { .. } | Self::LoginRefused { .. } => Kind::Unauthenticated,
            Self::Token { cause, .. } => cause.kind(),
            Self::Connection { cause: ConnectionError::Certificate(_) | ConnectionError::Tls(_), .. } => Kind::Denied,
            Self::Connection { .. } | Self::SearchEndpoint { .. } => Kind::Unavailable,
            Self::Registry { .. } | Self::UnexpectedStatus { .. } | Self::NotJson { .. } | Self::SearchStatus(_) => {
                match self.status().unwrap_or_default() {
                    401 => Kind::Unauthenticated,
                    403 => Kind::Denied,
                    404 => Kind::NotFound,
                    400 | 405..=428 => Kind::Invalid,
                    _ => Kind::Unavailable,
                }
            }
            Self::ManifestMismatch { .. } | Self::MediaType { .. } => Kind::Corrupt,
            Self::Manifest { source: ParseManifestError::Schema1 | ParseManifestError::Unknown(_), .. } => {
                Kind::Unsupported
            }
            Self::Manifest { .. } | Self::InvalidAnswer { .. } | Self::TooManyRedirects { .. } => Kind::Corrupt,
            Self::InsecureRealm { .. } => Kind::Denied,
            Self::Certificate { .. } | Self::Setting { .. } | Self::SearchScheme(_) => Kind::Invalid,
            Self::Download { status: 404, .. } => Kind::NotFound,
            Self::Download { .. } => Kind::Unavailable,
            Self::Local(_) | Self::ConfigFile { .. } => Kind::Internal,
            Self::HelperMissing { .. } => Kind::NotFound,
            Self::Helper { .. } => Kind::Unavailable,
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::NoBasicCredentials { .. } => Some("log in to the registry first".to_owned()),
            Self::Connection { cause: ConnectionError::Certificate(_), url, .. } => {
                let host = crate::url::Url::parse(url).map(|url| url.authority().to_owned()).unwrap_or_default();
                Some(format!("put the registry's certificate authority into certs.d/{host}/ca.crt"))
            }
            // Alerts of servers that want to know who we are, before and since TLS 1.3.
            Self::Connection { cause: ConnectionError::Tls(why), url, .. }
                if why.ends_with("bad certificate") || why.ends_with("certificate required") =>
            {
                let host = crate::url::Url::parse(url).map(|url| url.authority().to_owned()).unwrap_or_default();
                Some(format!(
                    "the registry wants a client certificate: put client.cert and client.key into certs.d/{host}"
                ))
            }
            Self::Connection { cause: ConnectionError::Tls(why), .. } if why.contains("HTTP response") => {
                Some("the registry does not speak TLS; list it as insecure if that is intended".to_owned())
            }
            Self::UnexpectedStatus { said: Some(said), .. } => Some(format!("the registry says: {said}")),
            Self::Token { cause, .. } => cause.help(),
            Self::Registry { status: 429, .. } => {
                Some("log in, or wait until the registry's limit allows more".to_owned())
            }
            Self::InsecureRealm { .. } => Some("list the registry as insecure if that is intended".to_owned()),
            _ => None,
        }
    }
}
