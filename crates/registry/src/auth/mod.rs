//! Who may do what: users, rules, tokens.
//! Source: distribution's token authentication specification, which all clients speak; RFC 7617 for passwords.

pub mod htpasswd;
pub(crate) mod token;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{self, HeaderMap};

use self::htpasswd::Users;
use self::token::{Access as Granted, Claims, Signer};
use crate::refusal::{Code, Refusal};
use wharfie_oci::pattern::Pattern;

/// What may be done with a repository, as a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Actions(u8);

impl Actions {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Reading.
    pub const PULL: Self = Self(1);
    /// Adding, and moving tags.
    pub const PUSH: Self = Self(2);
    /// Removing.
    pub const DELETE: Self = Self(4);
    /// All of these.
    pub const ALL: Self = Self(7);

    const NAMES: [(&'static str, Self); 4] =
        [("pull", Self::PULL), ("push", Self::PUSH), ("delete", Self::DELETE), ("*", Self::ALL)];

    /// The actions with these names; others are nobody's.
    pub fn of<T: AsRef<str>>(names: &[T]) -> Self {
        let bits = names.iter().flat_map(|name| {
            Self::NAMES.iter().filter(move |(known, _)| *known == name.as_ref()).map(|(_, actions)| actions.0)
        });
        Self(bits.fold(0, |all, one| all | one))
    }

    /// Both sets together.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both.
    #[must_use]
    pub fn within(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// True if all of `other` is in it.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    fn names(self) -> Vec<String> {
        let each = Self::NAMES[..3].iter().filter(|(_, actions)| self.contains(*actions));
        each.map(|(name, _)| (*name).to_owned()).collect()
    }
}

/// Allows some users some actions on some repositories. What no rule allows is not allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Which repositories.
    pub repositories: Vec<Pattern>,
    /// Which users; `*` is every user who has logged in, and the empty name is whoever has not.
    pub users: Vec<String>,
    /// What they may do.
    pub actions: Actions,
}

impl Rule {
    fn is_about(&self, user: &str, repository: &str) -> bool {
        let is_user = self.users.iter().any(|known| known == user || (known == "*" && !user.is_empty()));
        is_user && self.repositories.iter().any(|pattern| pattern.is_match(repository))
    }
}

/// Who may do what.
pub enum Access {
    /// Everybody may do everything.
    Open,
    /// What the rules say.
    Ruled {
        /// Who can log in.
        users: Box<Users>,
        /// What they may do.
        rules: Vec<Rule>,
        /// Where clients find this registry, as `https://registry.example`; found out from each request if not given.
        url: Option<String>,
    },
}

/// Decides, for a running registry.
pub(crate) struct Gatekeeper<'a> {
    pub(crate) access: &'a Access,
    pub(crate) signer: &'a Signer,
    pub(crate) is_secure: bool,
    pub(crate) now: i64,
}

/// Who asks, and what a token limits them to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Nobody has asked who it is.
    Anyone,
    /// A user by name and password, or nobody in particular, with an empty name.
    User(String),
    /// The bearer of a token.
    Bearer(Claims),
}

/// 5 minutes: how long a token is good for. A push of a large layer may need a second one; clients know how.
const LIFE: i64 = 300;
/// 20 scopes in one token: a push with mounts asks for two.
const MAX_SCOPES: usize = 20;

impl Gatekeeper<'_> {
    /// Finds out who asks.
    ///
    /// # Errors
    /// The answer for wrong passwords and void tokens.
    pub(crate) async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let Access::Ruled { users, .. } = self.access else { return Ok(Caller::Anyone) };
        let Some(given) = headers.get(header::AUTHORIZATION) else { return Ok(Caller::User(String::new())) };
        let given = given.to_str().unwrap_or_default();
        let (scheme, rest) = given.split_once(' ').unwrap_or((given, ""));
        if scheme.eq_ignore_ascii_case("bearer") {
            let claims = self.signer.verify(rest.trim(), self.now);
            return claims.map(Caller::Bearer).ok_or_else(|| self.challenge(headers, "", "invalid_token"));
        }
        if scheme.eq_ignore_ascii_case("basic") {
            let decoded = STANDARD.decode(rest.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            if let Some((user, password)) = decoded.as_deref().and_then(|text| text.split_once(':'))
                && users.verify(user, password).await
            {
                return Ok(Caller::User(user.to_owned()));
            }
        }
        Err(self.challenge(headers, "", ""))
    }

    /// Insists on an action.
    ///
    /// # Errors
    /// The answer for whoever may not.
    pub(crate) fn insist(
        &self,
        caller: &Caller,
        headers: &HeaderMap,
        repository: &str,
        actions: Actions,
    ) -> Result<(), Refusal> {
        let is_allowed = match caller {
            Caller::Anyone => true,
            Caller::User(user) => self.allowed(user, repository).contains(actions),
            // Rules may have changed since it was given.
            Caller::Bearer(claims) => {
                claims.access.iter().any(|one| one.allows(repository, actions))
                    && self.allowed(&claims.sub, repository).contains(actions)
            }
        };
        if is_allowed {
            return Ok(());
        }
        let scope = format!("repository:{repository}:{}", actions.names().join(","));
        let (user, error) = match caller {
            Caller::Anyone => ("", ""),
            Caller::User(user) => (user.as_str(), ""),
            Caller::Bearer(claims) => (claims.sub.as_str(), "insufficient_scope"),
        };
        // Another token, or a password, may help; a user who may not is told so.
        if user.is_empty() || self.allowed(user, repository).contains(actions) {
            return Err(self.challenge(headers, &scope, error));
        }
        Err(Refusal::new(Code::Denied, "the user may not do this with the repository").with_detail(repository))
    }

    /// Insists that somebody is known, or that nobody need be: `/v2/`, which is how clients log in.
    ///
    /// # Errors
    /// The challenge.
    pub(crate) fn insist_on_caller(&self, caller: &Caller, headers: &HeaderMap) -> Result<(), Refusal> {
        match caller {
            Caller::User(user) if user.is_empty() => Err(self.challenge(headers, "", "")),
            Caller::Anyone | Caller::User(_) | Caller::Bearer(_) => Ok(()),
        }
    }

    /// True if there may be something that everybody reads, also without a password.
    pub(crate) fn is_open_to_readers(&self) -> bool {
        let is_open = |rule: &Rule| rule.actions.contains(Actions::PULL) && rule.users.iter().any(String::is_empty);
        match self.access {
            Access::Open => true,
            Access::Ruled { rules, .. } => rules.iter().any(is_open),
        }
    }

    /// The host that names of images begin with here: the configured one, or the one that the client has reached.
    pub(crate) fn host<'h>(&'h self, headers: &'h HeaderMap) -> &'h str {
        match self.access {
            Access::Ruled { url: Some(url), .. } => {
                url.split_once("://").map_or(url.as_str(), |(_, host)| host).trim_end_matches('/')
            }
            Access::Open | Access::Ruled { url: None, .. } => host(headers),
        }
    }

    /// True if a caller may know of a repository.
    pub(crate) fn sees(&self, caller: &Caller, repository: &str) -> bool {
        match caller {
            Caller::Anyone => true,
            Caller::User(user) => self.allowed(user, repository).contains(Actions::PULL),
            Caller::Bearer(claims) => self.allowed(&claims.sub, repository).contains(Actions::PULL),
        }
    }

    fn allowed(&self, user: &str, repository: &str) -> Actions {
        match self.access {
            Access::Open => Actions::ALL,
            Access::Ruled { rules, .. } => {
                let about = rules.iter().filter(|rule| rule.is_about(user, repository));
                about.fold(Actions::NONE, |all, rule| all.with(rule.actions))
            }
        }
    }

    /// A token for what `scopes` ask for, as far as the caller may have it.
    pub(crate) fn token<'a>(&self, caller: &Caller, scopes: impl Iterator<Item = &'a str>) -> serde_json::Value {
        let user = match caller {
            Caller::User(user) => user.clone(),
            Caller::Bearer(claims) => claims.sub.clone(),
            Caller::Anyone => String::new(),
        };
        let mut access = Vec::new();
        for scope in scopes.flat_map(|scope| scope.split(' ')).take(MAX_SCOPES) {
            // A name may have no colon, a type or the actions neither.
            let mut parts = scope.splitn(3, ':');
            let (Some("repository"), Some(name), Some(actions)) = (parts.next(), parts.next(), parts.next()) else {
                continue;
            };
            let asked = Actions::of(&actions.split(',').collect::<Vec<_>>());
            let actions = asked.within(self.allowed(&user, name)).names();
            if !actions.is_empty() {
                access.push(Granted { r#type: "repository".to_owned(), name: name.to_owned(), actions });
            }
        }
        let token = self.signer.sign(&Claims { sub: user, exp: self.now.saturating_add(LIFE), access });
        let issued = wharfie_oci::Timestamp { seconds: self.now, nanos: 0 }.to_string();
        serde_json::json!({ "token": token, "access_token": token, "expires_in": LIFE, "issued_at": issued })
    }

    /// 401, with where to get a token. Source: the token specification, "How to authenticate".
    fn challenge(&self, headers: &HeaderMap, scope: &str, error: &str) -> Refusal {
        let Access::Ruled { url, .. } = self.access else {
            return Refusal::new(Code::Unauthorized, "authentication required");
        };
        let url = url.clone().unwrap_or_else(|| format!("{}://{}", self.scheme(), host(headers)));
        let service = url.split_once("://").map_or(&*url, |(_, host)| host).to_owned();
        let mut challenge = format!("Bearer realm=\"{url}/token\",service=\"{service}\"");
        if !scope.is_empty() {
            challenge += &format!(",scope=\"{scope}\"");
        }
        if !error.is_empty() {
            challenge += &format!(",error=\"{error}\"");
        }
        Refusal::new(Code::Unauthorized, "authentication required").with_header(header::WWW_AUTHENTICATE, &challenge)
    }

    fn scheme(&self) -> &'static str {
        if self.is_secure { "https" } else { "http" }
    }
}

/// The host that a client has reached, if it is a host at all: it comes back in a quoted text.
fn host(headers: &HeaderMap) -> &str {
    let is_host =
        |text: &&str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-_[]".contains(&b));
    headers.get(header::HOST).and_then(|host| host.to_str().ok()).filter(is_host).unwrap_or("localhost")
}
