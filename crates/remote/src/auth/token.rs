//! Tokens and their scopes. Source: distribution's token and OAuth2 authentication specifications.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde::Deserialize;
use ureq::http::{HeaderMap, Method, header};

use super::secret::{self, Credentials, Secret};
use crate::Error;
use crate::exchange;
use crate::response::Response;
use crate::transport::{Payload, Request, Transport, Trust};
use crate::url::{Url, escape};

/// What a token is to allow: resources (`repository:team/web`) with actions (`pull`), both in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Scopes(BTreeMap<String, BTreeSet<String>>);

impl Scopes {
    /// Reading `path`.
    pub(crate) fn pull(path: &str) -> Self {
        let mut scopes = Self::default();
        scopes.add(&format!("repository:{path}:pull"));
        scopes
    }

    /// Reading and writing `path`.
    pub(crate) fn push(path: &str) -> Self {
        let mut scopes = Self::default();
        scopes.add(&format!("repository:{path}:pull,push"));
        scopes
    }

    /// Reading `path` and removing from it.
    pub(crate) fn delete(path: &str) -> Self {
        let mut scopes = Self::default();
        scopes.add(&format!("repository:{path}:pull,delete"));
        scopes
    }

    /// Adds what `text`, scopes separated by blanks, asks for.
    pub(crate) fn add(&mut self, text: &str) {
        for scope in text.split_ascii_whitespace() {
            if let Some((resource, actions)) = scope.rsplit_once(':')
                && (self.0.len() < MAX_RESOURCES || self.0.contains_key(resource))
            {
                let known = self.0.entry(resource.to_owned()).or_default();
                known.extend(actions.split(',').filter(|action| !action.is_empty()).map(str::to_owned));
            }
        }
    }

    /// True if everything in `wanted` is in here.
    pub(crate) fn covers(&self, wanted: &Self) -> bool {
        wanted.0.iter().all(|(resource, actions)| self.0.get(resource).is_some_and(|own| own.is_superset(actions)))
    }

    fn texts(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(resource, actions)| {
            let actions: Vec<&str> = actions.iter().map(String::as_str).collect();
            format!("{resource}:{}", actions.join(","))
        })
    }
}

/// 8: a pull needs one, a mount two.
const MAX_RESOURCES: usize = 8;

/// A token, and for how long.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) secret: Secret,
    pub(crate) good_until: Instant,
    /// What a login is after.
    pub(crate) refresh: Option<Secret>,
}

/// A request for a token.
pub(crate) struct TokenRequest<'a> {
    /// Where to ask.
    pub(crate) realm: &'a Url,
    /// For whom the token is meant; may be empty.
    pub(crate) service: &'a str,
    pub(crate) scopes: &'a Scopes,
    pub(crate) credentials: Option<&'a Credentials>,
    pub(crate) trust: Trust,
    /// True if the registry itself gives out its tokens.
    pub(crate) is_home: bool,
    /// True to ask for a refresh token as well.
    pub(crate) is_login: bool,
}

impl TokenRequest<'_> {
    /// Asks. With an identity token by form, and as everyone else where the server knows no forms.
    ///
    /// # Errors
    /// When the server cannot be reached, refuses, or its answer holds no token.
    pub(crate) fn send(&self, transport: &Transport) -> Result<Token, Error> {
        if let Some(Credentials::IdentityToken { token, .. }) = self.credentials {
            let response = self.post(transport, token)?;
            if !matches!(response.status, 404 | 405) {
                return read(response);
            }
            response.discard();
        }
        let (url, authorization) = self.query();
        let request = Request { method: Method::GET, url, headers: self.headers(transport), payload: Payload::Empty };
        read(exchange::patiently(transport, &request, self.trust, authorization.as_ref())?)
    }

    fn query(&self) -> (Url, Option<header::HeaderValue>) {
        let mut url = self.realm.clone();
        let authorization = match self.credentials {
            Some(Credentials::Password { username, password }) => {
                url = url.with_query("account", username);
                Some(secret::basic(username, password))
            }
            Some(Credentials::IdentityToken { token, .. }) => Some(secret::basic("<token>", token)),
            _ => None,
        };
        if self.is_login {
            url = url.with_query("client_id", CLIENT_ID).with_query("offline_token", "true");
        }
        for scope in self.scopes.texts() {
            url = url.with_query("scope", &scope);
        }
        if !self.service.is_empty() {
            url = url.with_query("service", self.service);
        }
        (url, authorization)
    }

    fn post(&self, transport: &Transport, token: &Secret) -> Result<Response, Error> {
        let scopes: Vec<String> = self.scopes.texts().collect();
        let form = format!(
            "client_id={CLIENT_ID}&grant_type=refresh_token&refresh_token={}&scope={}&service={}",
            escape(token.expose()),
            escape(&scopes.join(" ")),
            escape(self.service)
        );
        let mut headers = self.headers(transport);
        let kind = header::HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(header::CONTENT_TYPE, kind);
        let request = Request {
            method: Method::POST,
            url: self.realm.clone(),
            headers,
            payload: Payload::Secret(form.as_bytes()),
        };
        exchange::patiently(transport, &request, self.trust, None)
    }

    /// The user's own headers, where they belong.
    fn headers(&self, transport: &Transport) -> HeaderMap {
        if self.is_home { exchange::custom_headers(transport.config()) } else { HeaderMap::new() }
    }
}

fn read(mut response: Response) -> Result<Token, Error> {
    #[derive(Deserialize)]
    struct Answer {
        token: Option<String>,
        access_token: Option<String>,
        expires_in: Option<f64>,
        refresh_token: Option<String>,
    }
    if !response.is_success() {
        return Err(response.into_error());
    }
    let body = response.read_body(TOKEN_BODY)?;
    let answer: Answer = serde_json::from_slice(&body).map_err(|why| {
        response.invalid(format_args!("unable to decode token response: {}", crate::json_text::go_error(&body, &why)))
    })?;
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty()).map(Secret::new);
    let secret = filled(answer.token)
        .or_else(|| filled(answer.access_token))
        .ok_or_else(|| response.invalid("authorization server did not include a token in the response"))?;
    // Ten per cent early: better one request more than a refusal in the middle of an upload.
    let seconds = answer.expires_in.filter(|s| s.is_finite()).unwrap_or(SHORTEST).clamp(SHORTEST, LONGEST);
    let good_until = Instant::now() + Duration::from_secs_f64(seconds * 0.9);
    Ok(Token { secret, good_until, refresh: filled(answer.refresh_token) })
}

/// What docker calls itself.
const CLIENT_ID: &str = "docker";
/// 1 MiB: tokens are a few kilobytes.
const TOKEN_BODY: u64 = 1 << 20;
/// 60 seconds: what a token without a term is good for, and the least that servers mean. Source: token specification.
const SHORTEST: f64 = 60.0;
/// A day: nothing here lives longer.
const LONGEST: f64 = 86_400.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_merge_by_resource_and_come_in_order() {
        let mut scopes = Scopes::push("b");
        scopes.add("repository:a:pull repository:b:delete registry:catalog:*");
        let texts: Vec<String> = scopes.texts().collect();
        assert_eq!(texts, ["registry:catalog:*", "repository:a:pull", "repository:b:delete,pull,push"]);
        assert!(scopes.covers(&Scopes::pull("a")) && scopes.covers(&Scopes::push("b")));
        assert!(!scopes.covers(&Scopes::push("a")) && !scopes.covers(&Scopes::pull("c")));
    }

    #[test]
    fn foreign_scopes_are_bounded() {
        let mut scopes = Scopes::default();
        for n in 0..100 {
            scopes.add(&format!("repository:r{n}:pull"));
        }
        scopes.add("nonsense");
        assert_eq!(scopes.texts().count(), MAX_RESOURCES);
    }
}
