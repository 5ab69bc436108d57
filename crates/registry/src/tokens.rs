//! Who may do what with which request, and the tokens that say so.

use hyper::{StatusCode, header};

use crate::answer::{Answer, Request, answer};
use crate::auth::{Actions, Caller, Gatekeeper};
use crate::name::RepositoryName;
use crate::refusal::{Code, Refusal};
use crate::route::Route;
use crate::router::{Registry, actions};

impl Registry {
    pub(crate) fn gatekeeper(&self) -> Gatekeeper<'_> {
        Gatekeeper { access: &self.access, signer: &self.signer, is_secure: self.is_secure, now: self.now() }
    }

    pub(crate) async fn caller(&self, request: &Request) -> Result<Caller, Refusal> {
        let caller = self.gatekeeper().caller(&request.headers).await?;
        let user = match &caller {
            Caller::User(user) => user.as_str(),
            Caller::Bearer(claims) => &claims.sub,
            Caller::Anyone => "",
        };
        request.user.get_or_init(|| user.to_owned());
        Ok(caller)
    }

    /// Lets a request in, or not.
    pub(crate) async fn admit(&self, route: &Route, request: &Request) -> Result<(), Refusal> {
        match route {
            // Probes have no passwords, and `docker search` pings without any.
            Route::Live | Route::Ready | Route::Ping | Route::Token => return Ok(()),
            Route::Base | Route::Catalog | Route::Metrics => {
                let caller = self.caller(request).await?;
                return self.gatekeeper().insist_on_caller(&caller, &request.headers);
            }
            _ => {}
        }
        let Some(name) = route.repository() else { return Ok(()) };
        let caller = self.caller(request).await?;
        self.gatekeeper().insist(&caller, &request.headers, name.as_str(), actions(route, &request.method))
    }

    /// Refuses what a page of somebody else has a browser send: the browser adds the password that it was given for our pages.
    /// Source: Fetch, "`Origin` header": browsers tell where whatever is not read comes from; other clients say nothing.
    pub(crate) fn insist_on_own_site(request: &Request) -> Result<(), Refusal> {
        let Some(origin) = request.headers.get(header::ORIGIN) else { return Ok(()) };
        let from = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
        if from.is_some() && from == request.header(header::HOST) {
            return Ok(());
        }
        Err(Refusal::new(Code::Denied, "browsers change nothing here for the pages of other sites"))
    }

    /// True if a blob may be mounted from there; from anywhere only by whoever sees everything.
    pub(crate) async fn may_read(&self, from: Option<&RepositoryName>, request: &Request) -> Result<bool, Refusal> {
        let caller = self.caller(request).await?;
        Ok(match from {
            Some(from) => self.gatekeeper().insist(&caller, &request.headers, from.as_str(), Actions::PULL).is_ok(),
            None => caller == Caller::Anyone,
        })
    }

    /// Source: distribution's token authentication specification, "Requesting a Token".
    pub(crate) async fn give_token(&self, request: &Request) -> Answer {
        let caller = self.caller(request).await?;
        let token = self.gatekeeper().token(&caller, request.query.values("scope"));
        Ok(answer(StatusCode::OK).header(header::CACHE_CONTROL, "no-store").json(&token))
    }
}
