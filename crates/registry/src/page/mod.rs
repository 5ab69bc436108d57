//! Pages for people: what is here, as a browser shows it. They are read only, need no scripts, and tell exactly what the caller may
//! pull. All that they show comes from whoever pushes, so text enters a page escaped or not at all (`html.rs`), and browsers are told
//! to run and load nothing but our own style.
//!
//! A page reads storage only: a cache of another registry shows what is here, and nothing that is looked at counts as pulled.

mod address;
mod configuration;
mod figures;
mod html;
mod image;
mod layers;
mod layout;
mod repositories;
mod summary;
mod tags;
mod words;

use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Response, StatusCode};

pub use self::address::Address;
use self::layout::View;
use self::words::Language;
use crate::answer::{Answer, Request, answer};
use crate::auth::{Actions, Caller};
use crate::body::Body;
use crate::refusal::{Code, Refusal};
use crate::router::Registry;

const STYLE: &str = include_str!("style.css");
/// 8 pages are made at once: each may have some megabytes in memory. Others wait.
pub(crate) const AT_ONCE: usize = 8;
/// Passwords are asked for like this in pages only; clients of the API know tokens. Source: RFC 7617.
const CHALLENGE: &str = "Basic realm=\"registry\", charset=\"UTF-8\"";
/// What browsers are told of every page.
const PROMISES: [(HeaderName, &str); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

impl Registry {
    /// Answers whoever asks for a page.
    pub(crate) async fn show(&self, address: &Address, request: &Request) -> Response<Body> {
        let chosen = request.query.value("lang").and_then(Language::of);
        let accepted = request.header(header::ACCEPT_LANGUAGE).unwrap_or_default();
        let gatekeeper = self.gatekeeper();
        let mut view = View {
            address,
            language: chosen.unwrap_or_else(|| Language::preferred(accepted)),
            is_chosen: chosen.is_some(),
            host: gatekeeper.host(&request.headers),
            may_log_in: false,
            search: request.query.value("q").unwrap_or_default(),
            after: request.query.value("last").unwrap_or_default(),
        };
        let mut response = match self.shown(address, request, &mut view).await {
            Ok(response) => response,
            Err(refusal) => {
                self.note_cause(&refusal);
                refused(&refusal, &view)
            }
        };
        let headers = response.headers_mut();
        headers.extend(PROMISES.map(|(name, promise)| (name, HeaderValue::from_static(promise))));
        if !headers.contains_key(header::CACHE_CONTROL) {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        if request.is_head() { response.map(|_| Body::empty()) } else { response }
    }

    async fn shown(&self, address: &Address, request: &Request, view: &mut View<'_>) -> Answer {
        self.insist_on_patience(request)?;
        if request.method != Method::GET && request.method != Method::HEAD {
            return Err(Refusal::new(Code::Unsupported, "pages are only read").with_header(header::ALLOW, "GET, HEAD"));
        }
        let nothing = || Refusal::new(Code::Unsupported, "there is nothing at this path").with_status(404);
        match address {
            Address::Style => {
                let builder = answer(StatusCode::OK).header(header::CACHE_CONTROL, "max-age=3600");
                return Ok(builder.bytes("text/css; charset=utf-8", STYLE));
            }
            Address::Nothing => return Err(nothing()),
            Address::Repositories | Address::Repository(_) | Address::Image(..) => {}
        }
        let caller = self.caller(request).await?;
        view.may_log_in = matches!(&caller, Caller::User(user) if user.is_empty());
        self.admit_reader(address, &caller, request)?;
        let Ok(_turn) = self.pages.acquire().await else { return Err(nothing()) };
        let page = match address {
            Address::Repositories => self.repositories_page(&caller, view).await?,
            Address::Repository(name) => self.tags_page(name, view).await?,
            Address::Image(name, reference) if request.query.value("raw").is_some() => {
                let (_, manifest) = self.meant(name, reference).await?;
                return Ok(answer(StatusCode::OK).bytes("text/plain; charset=utf-8", manifest.bytes));
            }
            Address::Image(name, reference) => self.image_page(name, reference, view).await?,
            Address::Style | Address::Nothing => return Err(nothing()),
        };
        Ok(answer(StatusCode::OK).bytes("text/html; charset=utf-8", page))
    }

    /// Lets in whoever may pull what the page is about.
    fn admit_reader(&self, address: &Address, caller: &Caller, request: &Request) -> Result<(), Refusal> {
        let (gatekeeper, headers) = (self.gatekeeper(), &request.headers);
        match address {
            Address::Repository(name) | Address::Image(name, _) => {
                gatekeeper.insist(caller, headers, name.as_str(), Actions::PULL)
            }
            // Who may read something without a password is not asked for one, unless he follows the link that does.
            _ if request.query.value("login").is_none() && gatekeeper.is_open_to_readers() => Ok(()),
            _ => gatekeeper.insist_on_caller(caller, headers),
        }
    }
}

/// The page that a refusal is. A browser is asked for a password, not for a token.
fn refused(refusal: &Refusal, view: &View<'_>) -> Response<Body> {
    let status = refusal.status();
    let mut builder = answer(status);
    if refusal.code() == Code::Unauthorized {
        builder = builder.header(header::WWW_AUTHENTICATE, CHALLENGE);
    }
    let mut response = builder.bytes("text/html; charset=utf-8", view.refusal(status));
    for (name, value) in refusal.headers().iter().filter(|(name, _)| name != header::WWW_AUTHENTICATE) {
        response.headers_mut().append(name, value.clone());
    }
    response
}
