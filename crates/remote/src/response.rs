//! An answer: its head, its body as far as it is wanted, and what it means when it is a refusal.

use std::fmt;
use std::io::{self, Read};

use ureq::http::{self, HeaderMap};

use crate::Error;
use crate::connector::connection_error;
use crate::url::Url;

/// The head of an answer; the body is read as needed.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// What answered, after redirects.
    pub(crate) url: Url,
    /// True if another host answered than the one that was asked.
    pub(crate) is_elsewhere: bool,
    pub(crate) method: &'static str,
    /// True if the request carried a token that was made for it.
    pub(crate) had_token: bool,
    pub(crate) body: ureq::BodyReader<'static>,
}

impl Response {
    /// A header's text; the empty text if it is missing or odd.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Where the answer sends us; `None` if it does not. Blanks and bytes that no request line may hold are escaped, as
    /// every browser does.
    pub(crate) fn location(&self) -> Option<String> {
        let value = self.headers.get("location")?.as_bytes().trim_ascii();
        let mut text = String::with_capacity(value.len());
        for byte in value {
            match byte {
                b'!'..=b'~' => text.push(char::from(*byte)),
                _ => text.push_str(&format!("%{byte:02X}")),
            }
        }
        Some(text).filter(|text| !text.is_empty())
    }

    /// `Content-Length`, if there is a sound one.
    pub(crate) fn content_length(&self) -> Option<u64> {
        self.header("content-length").parse().ok()
    }

    /// True for 2xx.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Reads the body, at most `limit` bytes and one more, so that the caller can tell when there was too much.
    pub(crate) fn read_body(&mut self, limit: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        (&mut self.body).take(limit + 1).read_to_end(&mut bytes).map_err(|why| self.broken(why))?;
        Ok(bytes)
    }

    /// Reads a little to the end, so that the connection can be used again; gives up on more.
    pub(crate) fn discard(mut self) {
        let _unimportant = io::copy(&mut (&mut self.body).take(ERROR_BODY), &mut io::sink());
    }

    /// The body as it comes.
    pub(crate) fn into_body(self) -> ureq::BodyReader<'static> {
        self.body
    }

    /// Turns an answer that is no success into an error, reading what it says.
    pub(crate) fn into_error(mut self) -> Error {
        let retry_after = crate::retry::retry_after(&self.headers);
        let (status, reason) = (self.status, reason(self.status));
        if !(400..500).contains(&status) {
            let said = self.said();
            return Error::UnexpectedStatus { status, reason, said, retry_after };
        }
        let body = self.read_body(ERROR_BODY).unwrap_or_default();
        let parsed = crate::api_error::parse(status, &body);
        let has_own_words =
            parsed.as_ref().is_ok_and(|errors| errors.first().is_some_and(crate::ApiError::has_own_words));
        if status == 401 && self.had_token && !has_own_words {
            let errors = vec![crate::ApiError::standard("DENIED", true)];
            return Error::Registry { status, errors, retry_after };
        }
        match parsed {
            Ok(errors) => Error::Registry { status, errors, retry_after },
            Err(_) if status == 401 => {
                let errors = vec![crate::ApiError::standard("UNAUTHORIZED", true)];
                Error::Registry { status, errors, retry_after }
            }
            Err(why) => {
                let body = String::from_utf8_lossy(&body[..body.len().min(SHOWN_BODY)]).into_owned();
                Error::NotJson { status, why, body, retry_after }
            }
        }
    }

    /// The words of an error document, or the body if it is a line of plain text.
    fn said(&mut self) -> Option<String> {
        let body = self.read_body(ERROR_BODY).unwrap_or_default();
        let said = match crate::api_error::parse(self.status, &body) {
            Ok(errors) => errors.first().filter(|first| !first.message.is_empty())?.message.clone(),
            Err(_) if self.header("content-type").starts_with("text/plain") => {
                String::from_utf8_lossy(&body).lines().next()?.trim().to_owned()
            }
            Err(_) => return None,
        };
        Some(said.chars().take(SAID).collect()).filter(|said: &String| !said.is_empty())
    }

    fn shown_url(&self) -> String {
        if self.is_elsewhere { self.url.without_query().to_string() } else { self.url.to_string() }
    }

    /// An error that says this answer is not what it should be.
    pub(crate) fn invalid(&self, why: impl fmt::Display) -> Error {
        Error::InvalidAnswer { method: self.method, url: self.shown_url(), why: why.to_string() }
    }

    /// An error that says the body broke off.
    pub(crate) fn broken(&self, why: io::Error) -> Error {
        let cause = connection_error(ureq::Error::from(why), false);
        Error::Connection { method: self.method, url: self.shown_url(), cause }
    }
}

/// The standard name of a status.
pub(crate) fn reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default()
}

/// 64 KiB: an error document beyond this says nothing worth reading.
const ERROR_BODY: u64 = 64 << 10;

/// 500: more is no reason.
const SAID: usize = 500;

/// 4 KiB: how much of a foreign body an error message shows.
const SHOWN_BODY: usize = 4 << 10;
